"""Blobs that a collection has listed, and sparing one of them: what writers and `store gc` agree on.

`store gc` deletes a blob only if a list named it one grace before and it has not been touched since, and holds a lease
while it does. So a writer that is about to refer to an old blob touches it; if a list names it, under that same lease.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from infra import errors
from infra.clock import Clock
from infra.lease import HeldLease, acquire_lease
from infra.records import read_record
from infra.storage.base import ObjectStore
from manifests.journal import Record
from manifests.naming import collection_prefix

YOUNG = dt.timedelta(hours=12)  # such a blob is no collection's: whoever found it there has this long to refer to it
LEAST_GRACE = dt.timedelta(days=1)  # so that there is as much time again between the two
LEASE = "store.gc"  # no campaign has a dot in its name
LEASE_SECONDS = 900  # far longer than a request can take with all that goes wrong on its way
_LOOK = 1.0


class DoomedList(Record):
    """Keys of blobs that a collection would delete one grace later, should nothing refer to them by then."""

    schema_: Literal["gc/1"] = Field(default="gc/1", alias="schema")
    at: dt.datetime
    grace_seconds: int
    keys: tuple[str, ...]

    def due(self, now: dt.datetime, grace: dt.timedelta) -> bool:
        return self.at + max(grace, dt.timedelta(seconds=self.grace_seconds)) <= now


def read_lists(store: ObjectStore) -> dict[str, DoomedList]:
    """By key, oldest first."""
    found = {info.key: read_record(store, info.key, DoomedList) for info in store.list(collection_prefix())}
    return {key: told for key, told in found.items() if told is not None}


@contextlib.contextmanager
def spared(store: ObjectStore, clock: Clock, key: str) -> Iterator[None]:
    """No collection deletes `key` within the block. Waits for one that is at work, if it may delete this very key."""
    if not any(key in told.keys for told in read_lists(store).values()):
        yield  # none was listed, so none is deleted for a grace to come
        return
    lease = _acquire(store, clock)
    try:
        yield
    finally:
        lease.release()


def _acquire(store: ObjectStore, clock: Clock) -> HeldLease:
    while True:
        try:
            return acquire_lease(store, clock, LEASE, seconds=LEASE_SECONDS)
        except errors.LeaseHeldError:
            time.sleep(_LOOK)
