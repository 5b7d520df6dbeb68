"""Steps made on this machine: each a child process, with its inputs and outputs in the store.

`make_here` is what every place does in the end, a cluster's worker too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from infra.blobs import blob_file, put_blob
from infra.media.forks import StepForks
from infra.media.steps import StepOutcome, read_outcome, run_step_process
from infra.process import process_lives
from infra.runners.base import TRACER, StepJob, StepMade
from infra.storage.base import ObjectStore

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

Perform = Callable[[StepJob, Mapping[str, Path], Path], Awaitable[StepOutcome]]


async def perform_in_child(job: StepJob, files: Mapping[str, Path], out: Path) -> StepOutcome:
    return await run_step_process(job.name, job.params, files, out)


async def make_here(store: ObjectStore, work: Path, job: StepJob, perform: Perform = perform_in_child) -> StepMade:
    """Fetches the inputs, performs the step in a folder of its own below `work`, puts what it left into the store."""
    out = _own_folder(job, work)
    try:
        files = {name: await asyncio.to_thread(blob_file, store, ref, work) for name, ref in job.inputs.items()}
        outcome = await perform(job, files, out)
        blobs = {
            name: await asyncio.to_thread(
                put_blob, store, job.kind, path, CONTENT_TYPES.get(path.suffix, "application/octet-stream")
            )
            for name, path in outcome.files.items()
        }
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return StepMade(dict(outcome.facts), blobs, outcome.cpu_seconds)


def _own_folder(job: StepJob, work: Path) -> Path:
    """Its name tells whose it is, for `sweep_work`."""
    work.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{job.name}-{os.getpid()}-", dir=work))


class InForks:
    """Performs steps as forks of a process that has imported what they need: for whoever makes many."""

    def __init__(self, forks: StepForks) -> None:
        self._forks = forks

    async def __call__(self, job: StepJob, files: Mapping[str, Path], out: Path) -> StepOutcome:
        return await self._forks.run_step(job.name, job.params, files, out)


class LocalRunner:
    """A MediaRunner: as many steps at once as there are `slots`, each performed by `perform`."""

    def __init__(self, store: ObjectStore, work: Path, slots: int, perform: Perform = perform_in_child) -> None:
        self._store = store
        self._work = work
        self._slots = asyncio.Semaphore(slots)
        self._perform = perform
        sweep_work(work)

    async def make(self, job: StepJob) -> StepMade:
        async with self._slots:
            with TRACER.start_as_current_span(f"step {job.name}", attributes={"shotrunner.step_key": job.key}):
                return await make_here(self._store, self._work, job, self._perform)


class Shelf:
    """Performs a step by copying what an earlier rehearsal with the same key left in `folder`; else makes it, and keeps
    a copy there. The store knows nothing of it: a step from the shelf is recorded like any other."""

    def __init__(self, folder: Path, perform: Perform = perform_in_child) -> None:
        self._folder = folder
        self._perform = perform

    async def __call__(self, job: StepJob, files: Mapping[str, Path], out: Path) -> StepOutcome:
        kept = self._folder / job.key
        if kept.is_dir():
            await asyncio.to_thread(shutil.copytree, kept, out, dirs_exist_ok=True)
            return read_outcome(job.name, out, 0, b"")
        outcome = await self._perform(job, files, out)
        await asyncio.to_thread(_put_on_shelf, out, kept)
        return outcome


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
