"""Steps made on a Dask cluster. The scheduler knows its workers' places, sends each step to a free one, and again to
another when a worker dies; we only ask and look at the answer. `distributed` is imported when a cluster is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import importlib.util
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import errors
from infra.blobs import has_blob
from infra.clock import Clock
from infra.errors import ClusterError
from infra.runners.base import TRACER, StepJob, StepMade
from infra.runners.worker import read_made, tell_job
from infra.storage.base import ObjectStore
from manifests.journal import BlobRef

if TYPE_CHECKING:
    from distributed import Client

TRIES = 3  # by workers that could not reach what a step needs
UNFIT_SECONDS = 60.0  # how long such a worker gets nothing from us, while there are others
LOOK_SECONDS = 2.0  # how often the list of workers is read
CONNECT_SECONDS = 15
ENDED: Mapping[str, Any] = {"schema": "step-ended/1"}
INSTALL = "Install the extra: `pip install --require-hashes --no-deps -r requirements-dask.txt`."


class DaskRunner:
    """A MediaRunner. Everything is handed over at once: a worker that joins takes its share, and a cluster that grows
    with its queue sees one. `patience_seconds`: without any worker."""

    def __init__(self, client: Client, store: ObjectStore, clock: Clock, *, patience_seconds: float = 300.0) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._patience = patience_seconds
        self._workers: Mapping[str, int] = {}
        self._unfit: dict[str, float] = {}  # worker → until when
        self._place = hashlib.sha256(store.url.encode()).hexdigest()[:8]
        self._watch = asyncio.create_task(self._find_no_worker())

    async def make(self, job: StepJob) -> StepMade:
        """Raises ClusterError, too, when every worker has been gone for longer than patience lasts."""
        making = asyncio.create_task(self._make(job))
        try:
            await asyncio.wait({making, self._watch}, return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                raise self._watch.result()
            return making.result()
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    async def close(self) -> None:
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)

    async def _make(self, job: StepJob) -> StepMade:
        for attempt in range(1, TRIES + 1):
            answer = await self._ask(job, attempt)
            if answer["schema"] == "step-made/1":
                made = read_made(answer)
                if await self._all_here(made.files):
                    return made
                answer = _unseen(answer, self._store.url)
            if answer["schema"] == "step-failed/1":
                if not await self._may_help_elsewhere(job, answer):
                    raise _failure(answer)
                if attempt == TRIES:
                    raise _failure(answer, f" (on {answer['worker']})")
                self._unfit[answer["worker"]] = self._clock.monotonic() + UNFIT_SECONDS
            await self._clock.sleep(attempt - 1)
        raise ClusterError(
            f"the step {job.name!r} was taken back {TRIES} times", remedy="Did somebody cancel it there?"
        )

    async def _ask(self, job: StepJob, attempt: int) -> Mapping[str, Any]:
        """Futures are keyed by the step: two runs that want the same at once share it."""
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        ticket = f"{job.name}-{job.key}-{self._place}-{attempt}"
        told = tell_job(job, ticket, self._store.url)
        fit = await self._fit_workers()
        with TRACER.start_as_current_span(f"step {job.name}", attributes={"shotrunner.step_key": job.key}):
            future = self._client.submit(_make_step(), told, key=ticket, workers=fit)
            try:
                return await self._answer_of(future, fit)
            except KilledWorker as error:
                raise ClusterError(
                    f"workers died one by one with the step {job.name!r}, the last at {error.last_worker.address}",
                    remedy="Look at their logs: too little memory for the jobs that each makes at once?",
                ) from error
            except FutureCancelledError as error:
                if self._client.status != "running":
                    raise _lost(self._client) from error
                return ENDED  # by somebody else, or the scheduler was started again
            finally:
                if not future.done() and self._client.status == "running":
                    await self._client.cancel([future])
                future.release()

    async def _answer_of(self, future: Any, fit: Sequence[str] | None) -> Mapping[str, Any]:
        """A step that may go to some workers only would wait for ever when all of these have died."""
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.ensure_future(future.result())
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=LOOK_SECONDS)
                if fit and self._workers and not self._workers.keys() & set(fit) and not answer.done():
                    return ENDED
            return answer.result()
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)

    async def _fit_workers(self) -> Sequence[str] | None:
        """None for any. Only they may have it: an idle worker would take it from a busy one, also one that is unfit."""
        now = self._clock.monotonic()
        if not any(until > now for until in self._unfit.values()):
            return None
        await self._look()  # for others that came since
        fit = [worker for worker in self._workers if self._unfit.get(worker, 0.0) <= now]
        return fit or None

    async def _may_help_elsewhere(self, job: StepJob, failed: Mapping[str, Any]) -> bool:
        """An input that we do not see either is nobody's fault but the store's."""
        if failed["error"] == errors.NotFoundError.__name__:
            return await self._all_here(job.inputs)
        return bool(failed["elsewhere"])

    async def _all_here(self, blobs: Mapping[str, BlobRef]) -> bool:
        return await asyncio.to_thread(lambda: all(has_blob(self._store, ref) for ref in blobs.values()))

    async def _find_no_worker(self) -> ClusterError:
        """Keeps the list of workers, and returns once there has been none for too long."""
        seen = self._clock.monotonic()
        while self._clock.monotonic() - seen < self._patience:
            with contextlib.suppress(OSError, TimeoutError):
                await self._look()
                if self._workers:
                    seen = self._clock.monotonic()
            await self._clock.sleep(LOOK_SECONDS)
        return ClusterError(
            f"no worker has been there for {self._patience:.0f} s",
            remedy="Start one: `dask worker ADDRESS --nthreads N`.",
        )

    async def _look(self) -> None:
        self._workers = await self._client.nthreads()


def _make_step() -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """What is sent to a worker: by its code, as it is local, and not by name. The scheduler then needs nothing of ours,
    and a worker without us, on a cluster that we share, says so and does not die of it."""

    async def make_step(job: dict[str, Any]) -> dict[str, Any]:
        from distributed import get_worker

        try:
            from infra.runners.worker import make_wanted
        except ImportError as error:
            told = {"error": "ClusterError", "detail": f"shotrunner is not installed there: {error}", "elsewhere": True}
            remedy = "Start workers from the environment that runs this, or from its image."
            return {"schema": "step-failed/1", "worker": get_worker().address, "remedy": remedy, **told}
        return await make_wanted(job, get_worker())

    return make_step


def _failure(answer: Mapping[str, Any], where: str = "") -> errors.ShotrunnerError:
    kind = getattr(errors, answer["error"])
    failure: errors.ShotrunnerError = kind(f"{answer['detail']}{where}", remedy=answer["remedy"])
    return failure


def _unseen(made: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    detail = f"what it made is not in {url}"
    remedy = "A store that a cluster uses is a bucket (s3://…), or a folder that every worker shares."
    failed = {"error": ClusterError.__name__, "detail": detail, "remedy": remedy, "elsewhere": True}
    return {"schema": "step-failed/1", "worker": made["worker"], **failed}


def _lost(client: Client) -> ClusterError:
    return ClusterError(
        f"the scheduler at {client.scheduler.address if client.scheduler else '?'} has gone",
        remedy="Start it again, and run again: what is made stays made.",
    )


def require_distributed() -> None:
    if importlib.util.find_spec("distributed") is None:
        raise ClusterError("the package `distributed` is not installed", remedy=INSTALL)


@contextlib.asynccontextmanager
async def open_cluster(
    store: ObjectStore, clock: Clock, work: Path, *, address: str | None, jobs: int
) -> AsyncIterator[DaskRunner]:
    """Joins the scheduler at `address`; without one, a cluster is started here that makes `jobs` at once, and ends with
    us."""
    require_distributed()
    if store.url == "memory:":
        raise ClusterError("a store in memory is seen by nobody else", remedy="Use a bucket, or a shared folder.")
    from distributed import Client

    for name in ("distributed", "distributed.client", "distributed.worker", "distributed.nanny"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # our own lines say what happened
    async with contextlib.AsyncExitStack() as stack:
        where = address or await stack.enter_async_context(_own_cluster(work, jobs))
        client = Client(where, asynchronous=True, set_as_default=False, timeout=CONNECT_SECONDS)
        stack.push_async_callback(client.close)  # also one that never got there
        try:
            await client
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"no Dask scheduler answers at {address}: {error}",
                remedy="Is SHOTRUNNER_DASK_ADDRESS right? Start one: `dask scheduler`.",
            ) from error
        runner = DaskRunner(client, store, clock)
        stack.push_async_callback(runner.close)
        yield runner


@contextlib.asynccontextmanager
async def _own_cluster(work: Path, jobs: int) -> AsyncIterator[Any]:
    """One worker for all, as a step is a process of its own; on loopback only, and its pages on any free port."""
    from distributed import LocalCluster

    starting = LocalCluster(
        n_workers=1, threads_per_worker=jobs, processes=True, asynchronous=True, dashboard_address="127.0.0.1:0",
        memory_limit=None, silence_logs=logging.CRITICAL, local_directory=str(work),
    )  # fmt: skip
    # A Ctrl-C at the terminal is for us: its processes start with what is blocked here. The tracker that they all need
    # would unblock it, if it were started meanwhile.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        cluster = await starting
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    async with cluster:
        yield cluster
