"""From a task id to a file: polls until the task has ended, then fetches its output. Buys nothing, records nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import tempfile
from collections.abc import AsyncIterator, Callable
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
from infra.providers.base import TaskReport, TaskState, VideoProvider
from manifests.policy import Next

ENDED = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED)
_DOWNLOADS_AT_ONCE = 8
_AGAIN = 2  # fresh links, and downloads after the first
_MISSING_BEFORE_BELIEVED = 3
Tell = Callable[..., None]


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
    async def fetch(self, report: TaskReport, *, tell: Tell) -> AsyncIterator[Path]:
        """The first output in a temporary file, removed at the end. Every further try is told.

        Raises DownloadError when it arrived broken every time, LinkExpiredError when fresh links were dead too.
        """
        async with self._downloads:
            path = await self._fetch(report, tell)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    async def _fetch(self, report: TaskReport, tell: Tell) -> Path:
        expired = broken = 0
        while True:
            try:
                if not report.outputs:
                    raise DownloadError(f"task {report.task_id} succeeded without an output")
                return await self._download(report.outputs[0])
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

    async def _download(self, link: str) -> Path:
        handle, name = await asyncio.to_thread(tempfile.mkstemp, ".part", "take-", self._work)
        path = Path(name)
        try:
            size = 0
            with os.fdopen(handle, "wb") as file:
                async for chunk in self._video.collect(link):
                    size += file.write(chunk)
            if not size:
                raise DownloadError("the output is empty")
        except BaseException:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        return path


def _tell_progress(report: TaskReport, seen: str, tell: Tell) -> str:
    """One event for each change; returns what was seen."""
    now = f"{report.vendor_status} {report.progress}"
    if now != seen:
        fields: dict[str, Any] = {"status": report.vendor_status, "progress": report.progress}
        tell("warning" if report.state is TaskState.UNRECOGNISED else "progress", **fields)
    return now


def content_type_of(head: bytes) -> str:
    """By the first bytes: an output link's own type is not passed on."""
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return "application/zip" if head.startswith(b"PK\x03\x04") else "application/octet-stream"
