"""Production steps with a memory: a step whose key has a record, and whose bytes are still there, is not run again.

Inputs and outputs are blobs of the store; where the work is done is a MediaRunner's business. Knows nothing of takes,
flows or money.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from infra.blobs import keep_blob
from infra.clock import Clock
from infra.errors import PreconditionFailedError, StoppedError
from infra.events import Events
from infra.media.steps import STEPS
from infra.records import create_record, read_record
from infra.runners.base import MediaRunner, StepJob
from infra.storage.base import ObjectStore
from manifests.digest import step_key
from manifests.journal import BlobRef, StepResult
from manifests.naming import step_record_key


class StepRunner:
    """Runs steps, each once however many ask for it. `made` and `kept` count them, for the report; `made_keys`: of
    those that were made."""

    def __init__(self, store: ObjectStore, clock: Clock, events: Events, runner: MediaRunner) -> None:
        self._store = store
        self._clock = clock
        self._events = events
        self._runner = runner
        self._running: dict[str, asyncio.Task[StepResult]] = {}
        self._stopped = False
        self.made: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.made_keys: set[str] = set()
        self.cpu_seconds = 0.0

    async def run(
        self,
        name: str,
        params: Mapping[str, Any],
        inputs: Mapping[str, BlobRef],
        *,
        kind: Literal["tmp", "audio", "out"] = "tmp",
    ) -> StepResult:
        """`kind` is the class of blob that the step's files become. Two callers of one key share one run."""
        key = step_key(name, STEPS[name], params, {k: v.sha256 for k, v in inputs.items()})
        running = self._running.get(key)
        if running is None:
            running = asyncio.create_task(self._run(key, name, params, inputs, kind), name=name)
            self._running[key] = running
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            if self._stopped and running.cancelled():
                raise StoppedError("nothing more is made", remedy="Run again: it goes on from here.") from None
            raise

    async def _run(
        self, key: str, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef], kind: Any
    ) -> StepResult:
        known = await asyncio.to_thread(find_step, self._store, key)
        if known is not None:
            self.kept[name] = self.kept.get(name, 0) + 1
            return known
        if self._stopped:
            raise StoppedError("nothing more is made", remedy="Run again: it goes on from here.")
        return await self._make(key, name, params, inputs, kind)

    async def _make(
        self, key: str, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef], kind: Any
    ) -> StepResult:
        made = await self._runner.make(StepJob(key, name, params, inputs, kind))
        self.made[name] = self.made.get(name, 0) + 1
        self.made_keys.add(key)
        self.cpu_seconds += made.cpu_seconds
        self._events.emit("step", step=name, seconds=made.cpu_seconds)
        record = StepResult(
            key=key, name=name, version=STEPS[name], facts=made.facts, files=made.files,
            cpu_seconds=made.cpu_seconds, at=self._clock.now(),
        )  # fmt: skip
        try:
            await asyncio.to_thread(create_record, self._store, step_record_key(key), record)
        except PreconditionFailedError:
            # another process made the same step, or its bytes had been lost and are now back: same key, same bytes
            return record
        return record

    def stop(self) -> None:
        """Steps that still run are ended, and none is started: whoever waits for one gets StoppedError."""
        self._stopped = True
        for task in self._running.values():
            task.cancel()

    async def cancel(self) -> None:
        """Ends every step that still runs, with its child process."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def find_step(store: ObjectStore, key: str) -> StepResult | None:
    """The record of a step, if everything that it made is still there; then it stays, for it is in use."""
    record = read_record(store, step_record_key(key), StepResult)
    if record is None or not all(keep_blob(store, ref) for ref in record.files.values()):
        return None
    return record


def step_key_of(name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef]) -> str:
    return step_key(name, STEPS[name], params, {k: v.sha256 for k, v in inputs.items()})
