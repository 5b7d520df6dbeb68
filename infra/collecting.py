"""From a task id to a file: polls until the task has ended, then fetches its output, takes its digest on the way and
looks whether it is whole. Buys nothing, records nothing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.clock import Clock
from infra.errors import (
    DownloadError,
    LinkExpiredError,
    StuckTaskError,
    TaskMissingError,
    VendorUnavailableError,
)
from infra.media.arrival import look_at_arrival
from infra.providers.base import TaskReport, TaskState, VideoProvider
from manifests.policy import Next

ENDED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
_DOWNLOADS_AT_ONCE = 8
_AGAIN = 2  # fresh links, and downloads after the first
_MISSING_BEFORE_BELIEVED = 3
Tell = Callable[..., None]


@dataclass(frozen=True)
class Arrived:
    """An output on this machine. `facts` have a `fault` when the vendor's file is not whole, however often it comes."""

    path: Path
    sha256: str
    size: int
    facts: Mapping[str, Any]


class Collector:
    """Waits for tasks and fetches their outputs. What fails here can be done again: the task stays the vendor's."""

    def __init__(
        self, video: VideoProvider, clock: Clock, *, poll_seconds: float, patience_seconds: float, work: Path | None
    ) -> None:
        self._video = video
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._patience = patience_seconds
        self._work = work
        self._rng = random.Random()  # noqa: S311 - jitter only
        self._downloads = asyncio.Semaphore(_DOWNLOADS_AT_ONCE)

    async def pause(self) -> None:
        """±25 % around four thirds: never below the wanted pause, never in step with the other takes."""
        await self._clock.sleep(self._poll_seconds * 4 / 3 * self._rng.uniform(0.75, 1.25))

    async def wait_for_end(self, task_id: str, *, fresh: bool, tell: Tell) -> TaskReport:
        """Raises TaskMissingError, CredentialsError, or StuckTaskError: out of patience, it stays in flight."""
        began, missing, seen = self._clock.monotonic(), 0, ""
        if fresh:
            await self.pause()
        while True:
            try:
                report = await self._video.poll(task_id)
            except TaskMissingError:
                missing += 1
                if missing >= _MISSING_BEFORE_BELIEVED:
                    raise
            except VendorUnavailableError as e:
                if seen != e.detail:
                    tell("policy", next=Next.WAIT.value, reason=f"its state cannot be read: {e.detail}")
                seen = e.detail  # the network may come back within our patience
            else:
                missing = 0
                if report.state in ENDED:
                    return report
                seen = _tell_progress(report, seen, tell)
            if self._clock.monotonic() - began >= self._patience:
                tell("policy", next=Next.HOLD.value, reason=f"not ended after {self._patience:.0f} s; left in flight")
                raise StuckTaskError(
                    f"task {task_id} has not ended after {self._patience:.0f} s ({seen}); it is left in flight",
                    remedy="Run again: it goes on waiting for the same task, and nothing is bought twice.",
                )
            await self.pause()

    @contextlib.asynccontextmanager
    async def fetch(self, report: TaskReport, *, tell: Tell) -> AsyncIterator[Arrived]:
        """The first output in a temporary file, removed at the end. Every further try is told. A file that is not whole
        is fetched again: the very same bytes are then the vendor's own, and the screening's business.

        Raises DownloadError when it arrived broken every time, LinkExpiredError when fresh links were dead too.
        """
        async with self._downloads:
            arrived = await self._fetch(report, tell)
        try:
            yield arrived
        finally:
            arrived.path.unlink(missing_ok=True)

    async def _fetch(self, report: TaskReport, tell: Tell) -> Arrived:
        expired = broken = 0
        damaged: set[str] = set()
        while True:
            try:
                if not report.outputs:
                    raise DownloadError(f"task {report.task_id} succeeded without an output")
                arrived = await self._download(report.outputs[0])
                if "fault" not in arrived.facts or arrived.sha256 in damaged:
                    return arrived
                damaged.add(arrived.sha256)
                await asyncio.to_thread(arrived.path.unlink)
                raise DownloadError(str(arrived.facts["fault"]))
            except LinkExpiredError:
                expired += 1
                if expired > _AGAIN:
                    raise
                tell("policy", next=Next.FETCH.value, reason="the link had expired; the task gives a fresh one")
                if expired > 1:  # a fresh one that is dead: its host may be in trouble for a moment
                    await self.pause()
            except DownloadError as e:
                broken += 1
                if broken > _AGAIN:
                    raise
                tell("policy", next=Next.FETCH.value, reason=f"the output did not arrive whole: {e.detail}")
                await self.pause()
            again = await self._video.poll(report.task_id)  # every look gives fresh links
            report = again if again.state is TaskState.SUCCEEDED else report

    async def _download(self, link: str) -> Arrived:
        handle, name = await asyncio.to_thread(tempfile.mkstemp, ".part", "take-", self._work)
        path = Path(name)
        try:
            digest, size = hashlib.sha256(), 0
            with os.fdopen(handle, "wb") as file:
                async for chunk in self._video.collect(link):
                    digest.update(chunk)
                    size += file.write(chunk)
            if not size:
                raise DownloadError("the output is empty")
            facts = await asyncio.to_thread(look_at_arrival, path)
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        return Arrived(path, digest.hexdigest(), size, facts)


def _tell_progress(report: TaskReport, seen: str, tell: Tell) -> str:
    """One event for each change; returns what was seen."""
    now = f"{report.vendor_status} {report.progress}"
    if now != seen:
        fields: dict[str, Any] = {"status": report.vendor_status, "progress": report.progress}
        tell("warning" if report.state is TaskState.UNRECOGNISED else "progress", **fields)
    return now
