"""Production steps with a memory: a step whose key has a record, and whose bytes are still there, is not run again.

Inputs and outputs are blobs of the store; the work itself is a child process (`infra.media.steps`). Knows nothing of
takes, flows or money.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from opentelemetry import trace

from infra.blobs import blob_file, has_blob, put_blob
from infra.clock import Clock
from infra.errors import PreconditionFailedError, StoppedError
from infra.events import Events
from infra.media.steps import STEPS, StepOutcome, read_outcome, run_step_process
from infra.process import process_lives
from infra.records import create_record, read_record
from infra.storage.base import ObjectStore
from manifests.digest import step_key
from manifests.journal import BlobRef, StepResult
from manifests.naming import step_record_key

TRACER = trace.get_tracer("shotrunner")  # without an exporter it costs nothing

CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".wav": "audio/wav",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".json": "application/json",
}


class StepRunner:
    """Runs steps, as many at once as there are slots. `made` and `kept` count them, for the report.

    `shelf`: a folder where rehearsals put what a step made, so that the next one with the same key is a copy of it. The
    store knows nothing of it: a step from the shelf is recorded like any other.
    """

    def __init__(
        self, store: ObjectStore, work: Path, clock: Clock, slots: int, events: Events, *, shelf: Path | None = None
    ) -> None:
        self._store = store
        self._work = work
        self._clock = clock
        self._events = events
        self._slots = asyncio.Semaphore(slots)
        self._shelf = shelf
        self._running: dict[str, asyncio.Task[StepResult]] = {}
        self._stopped = False
        sweep_work(work)
        self.made: dict[str, int] = {}
        self.kept: dict[str, int] = {}
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
        async with self._slots:
            return await self._make(key, name, params, inputs, kind)

    async def _make(
        self, key: str, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef], kind: Any
    ) -> StepResult:
        self._work.mkdir(parents=True, exist_ok=True)
        out = Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=self._work))
        try:
            files = {k: await asyncio.to_thread(blob_file, self._store, ref, self._work) for k, ref in inputs.items()}
            with TRACER.start_as_current_span(f"step {name}", attributes={"shotrunner.step_key": key}):
                outcome = await self._perform(key, name, params, files, out)
            blobs = {
                file_name: await asyncio.to_thread(
                    put_blob, self._store, kind, path, CONTENT_TYPES.get(path.suffix, "application/octet-stream")
                )
                for file_name, path in outcome.files.items()
            }
        finally:
            shutil.rmtree(out, ignore_errors=True)
        self.made[name] = self.made.get(name, 0) + 1
        self.cpu_seconds += outcome.cpu_seconds
        self._events.emit("step", step=name, seconds=outcome.cpu_seconds)
        record = StepResult(
            key=key, name=name, version=STEPS[name], facts=dict(outcome.facts), files=blobs,
            cpu_seconds=outcome.cpu_seconds, at=self._clock.now(),
        )  # fmt: skip
        try:
            await asyncio.to_thread(create_record, self._store, step_record_key(key), record)
        except PreconditionFailedError:
            # another process made the same step, or its bytes had been lost and are now back: same key, same bytes
            return record
        return record

    async def _perform(
        self, key: str, name: str, params: Mapping[str, Any], files: Mapping[str, Path], out: Path
    ) -> StepOutcome:
        if self._shelf is None:
            return await run_step_process(name, params, files, out)
        kept = self._shelf / key
        if kept.is_dir():
            await asyncio.to_thread(shutil.copytree, kept, out, dirs_exist_ok=True)
            return read_outcome(name, out, 0, b"")
        outcome = await run_step_process(name, params, files, out)
        await asyncio.to_thread(_put_on_shelf, out, kept)
        return outcome

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


def _put_on_shelf(out: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="part-", dir=kept.parent))
    shutil.copytree(out, unfinished, dirs_exist_ok=True)
    try:
        unfinished.rename(kept)
    except OSError:  # another rehearsal was first: same key, same files
        shutil.rmtree(unfinished, ignore_errors=True)


def sweep_work(work: Path) -> None:
    """Removes the folders of steps whose process is gone: a killed run could not."""
    for folder in work.glob("*-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and folder.is_dir() and not process_lives(int(owner), ""):
            shutil.rmtree(folder, ignore_errors=True)


def find_step(store: ObjectStore, key: str) -> StepResult | None:
    """The record of a step, if everything that it made is still there."""
    record = read_record(store, step_record_key(key), StepResult)
    if record is None or not all(has_blob(store, ref) for ref in record.files.values()):
        return None
    return record


def step_key_of(name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef]) -> str:
    return step_key(name, STEPS[name], params, {k: v.sha256 for k, v in inputs.items()})
