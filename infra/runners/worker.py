"""What a Dask worker does for us: one plain function that makes one media step out of the store and into it. Both sides
exchange plain values only. Credentials are the worker's own: none ever travel.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import ClusterError, IntegrityError, ProgramMissingError, ShotrunnerError, StoreError
from infra.media.forks import StepForks
from infra.media.steps import STEPS
from infra.runners.base import StepJob, StepMade
from infra.runners.local import InForks, Perform, make_here
from infra.runners.scratch import Scratch
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.journal import BlobRef

if TYPE_CHECKING:
    from distributed import Worker

LOOK_SECONDS = 0.25  # how soon a step that nobody wants any more is noticed


async def make_wanted(job: Mapping[str, Any], worker: Worker) -> dict[str, Any]:
    """`step-job/1` in, `step-made/1` or `step-failed/1` out; `step-ended/1` when nobody wants it any more.

    Runs on the worker's event loop, which the child process does not keep busy. Dask has no way to end a task that
    runs: it only marks it, so the mark is looked at.
    """
    making = asyncio.create_task(answer_job(job, _scratch(worker.local_directory), worker.address))
    try:
        while not making.done():
            await asyncio.wait({making}, timeout=LOOK_SECONDS)
            task = worker.state.tasks.get(job["ticket"])
            if task is None or task.state not in ("executing", "resumed"):
                break
        if making.done():
            return making.result()
        return {"schema": "step-ended/1"}
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)  # its child has ended when we return


async def answer_job(job: Mapping[str, Any], scratch: Scratch, worker: str) -> dict[str, Any]:
    """What came of it, in plain values. `elsewhere`: another worker may well succeed."""
    try:
        made = await _make(read_job(job), int(job["version"]), str(job["store"]), scratch)
    except ShotrunnerError as error:
        here = isinstance(error, StoreError | ClusterError | ProgramMissingError)
        elsewhere = here and not isinstance(error, IntegrityError)  # damaged bytes are so for every worker
        return _failed(type(error).__name__, error.detail, error.remedy, worker, elsewhere=elsewhere)
    except OSError as error:  # of its own disk: what concerns the store is a StoreError by now
        return _failed(ClusterError.__name__, str(error), "Look at the worker's disk.", worker, elsewhere=True)
    return {"schema": "step-made/1", "worker": worker, **made_facts(made)}


def _failed(error: str, detail: str, remedy: str, worker: str, *, elsewhere: bool) -> dict[str, Any]:
    told = {"error": error, "detail": detail, "remedy": remedy, "worker": worker, "elsewhere": elsewhere}
    return {"schema": "step-failed/1", **told}


async def _make(job: StepJob, version: int, store_url: str, scratch: Scratch) -> StepMade:
    known = STEPS.get(job.name)
    if known != version:
        raise ClusterError(
            f"the step {job.name!r} is wanted in version {version}, and the worker makes version {known}",
            remedy="Install the same shotrunner on every worker, and start them again.",
        )
    store = await asyncio.to_thread(_open, store_url)
    with scratch.hold(job):
        return await make_here(store, scratch.folder, job, _performer())


@functools.cache  # one for this process, and it ends with it
def _performer() -> Perform:
    # Set by Dask's nanny for workers that hold data. It makes whoever decodes pictures give back every frame's memory
    # and ask for it again: a screening then took 1.6 times the processor time (distributed 2026.8).
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
    return InForks(StepForks())


@functools.cache  # one for each worker in this process: it knows what is in use
def _scratch(folder: str) -> Scratch:
    return Scratch(Path(folder) / "shotrunner")


@functools.cache  # a client of S3 takes longer to make than a small step; a worker serves few stores
def _open(url: str) -> ObjectStore:
    if "://" not in url and not Path(url).is_dir():
        raise ClusterError(
            f"there is no folder {url} on the worker",
            remedy="A store that a cluster uses is a bucket (s3://…), or a folder that every worker has at that path.",
        )
    return open_store(url, Path("/"))


def tell_job(job: StepJob, ticket: str, store_url: str) -> dict[str, Any]:
    """The job as it travels. `ticket` is the name under which the cluster knows it."""
    inputs = {name: ref.model_dump(mode="json", by_alias=True) for name, ref in job.inputs.items()}
    told = {"key": job.key, "name": job.name, "params": job.params, "inputs": inputs, "kind": job.kind}
    return {"schema": "step-job/1", "ticket": ticket, "store": store_url, "version": STEPS[job.name], **told}


def read_job(told: Mapping[str, Any]) -> StepJob:
    inputs = {name: BlobRef.model_validate(ref) for name, ref in told["inputs"].items()}
    return StepJob(told["key"], told["name"], told["params"], inputs, told["kind"])


def made_facts(made: StepMade) -> dict[str, Any]:
    files = {name: ref.model_dump(mode="json", by_alias=True) for name, ref in made.files.items()}
    return {"facts": dict(made.facts), "files": files, "cpu_seconds": made.cpu_seconds}


def read_made(told: Mapping[str, Any]) -> StepMade:
    files = {name: BlobRef.model_validate(ref) for name, ref in told["files"].items()}
    return StepMade(told["facts"], files, told["cpu_seconds"])
