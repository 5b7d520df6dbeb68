"""Writes that must not be lost because something was already paid: repeated while the store does not answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

from infra.clock import Clock
from infra.errors import ConflictError, StoreUnavailableError
from infra.ledger import TakeRecord, write_take_record
from infra.storage.base import ObjectStore

T = TypeVar("T")
_TRIES = 6  # half a minute in all


async def keep_trying(clock: Clock, call: Callable[[], T]) -> T:
    """Runs a blocking store call in a thread; repeats it while the store is unavailable, then lets the error out."""
    for attempt in range(_TRIES):
        try:
            return await asyncio.to_thread(call)
        except (StoreUnavailableError, ConflictError):
            if attempt + 1 == _TRIES:
                raise
            await clock.sleep(2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter only
    raise AssertionError("unreachable")


async def keep_record(store: ObjectStore, clock: Clock, record: TakeRecord) -> None:
    """Writes a record of a take, create-only. Raises PreconditionFailedError when another writer's is there.

    A try whose answer was lost may have landed: `create_record` knows our own bytes again.
    """
    await keep_trying(clock, lambda: write_take_record(store, record))
