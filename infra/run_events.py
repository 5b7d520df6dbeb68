"""What a run did that its plan did not have: every retry, wait, hold and fallback, on record as it happens."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from infra.clock import Clock
from infra.errors import StoreError
from infra.patience import keep_trying
from infra.records import create_record, read_record
from infra.storage.base import ObjectStore
from manifests.journal import RunEvent
from manifests.naming import run_key, run_prefix

_NAME = re.compile(r"event-\d{5}\.json")


class RunEvents:
    """Listens to a run's events and writes the decisions among them, create-only, one record each. Belongs to one
    loop; `flush` before it ends. A record that the store does not take is lost: it must not stop a purchase.

    `told`: what the same run had told before it was killed."""

    def __init__(
        self, store: ObjectStore, clock: Clock, run_id: str, campaign: str, told: Sequence[RunEvent] = ()
    ) -> None:
        self._store = store
        self._clock = clock
        self._run_id = run_id
        self._campaign = campaign
        self._writing: set[asyncio.Task[None]] = set()
        self.told: list[RunEvent] = list(told)

    def listen(self, event: Mapping[str, Any]) -> None:
        if event["message_type"] != "policy":
            return
        record = RunEvent(
            run_id=self._run_id, campaign=self._campaign, number=len(self.told) + 1, address=event.get("address"),
            next=event["next"], reason=event["reason"], seconds=event.get("seconds"), at=self._clock.now(),
        )  # fmt: skip
        self.told.append(record)
        task = asyncio.create_task(self._write(record))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def flush(self) -> None:
        await asyncio.gather(*self._writing)

    async def _write(self, record: RunEvent) -> None:
        key = run_key(self._run_id, f"event-{record.number:05d}.json")
        try:
            await keep_trying(self._clock, lambda: create_record(self._store, key, record))
        except StoreError:
            return  # the take's own records tell what happened, if not why it was waited for


def read_run_events(store: ObjectStore, run_id: str) -> list[RunEvent]:
    """In the order in which they happened."""
    keys = [info.key for info in store.list(run_prefix(run_id)) if _NAME.fullmatch(info.key.rpartition("/")[2])]
    return [record for key in sorted(keys) if (record := read_record(store, key, RunEvent)) is not None]


def latest_events(store: ObjectStore, campaign: str, since: str | None) -> list[RunEvent]:
    """Of the last run that ended (`since`) and of every later one: running, or dead before it could end."""
    names = {info.key.removeprefix(run_prefix()).partition("/")[0] for info in store.list(run_prefix())}
    recent = sorted(name for name in names if since is None or name[:13] >= since[:13])
    found = [event for name in recent for event in read_run_events(store, name) if event.campaign == campaign]
    return sorted(found, key=lambda event: (event.at, event.number))
