"""Renders jobs in child processes, at most as many at once as there are cores, so the event loop never stalls.

A file that exists is not made again: its name is the digest of its job.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import uuid
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.backlot.jobs import film_name

LONGEST_SECONDS = 900


class JobFailedError(Exception):
    """The child did not make its file; the text is its last words."""


class Lab:
    """Belongs to one event loop. Pictures and sounds queue apart: nobody waits minutes for a line of speech."""

    def __init__(self, films: Path, media: Path, work: Path, *, at_once: int | None = None) -> None:
        self._films, self._media, self._work = films, media, work
        films.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)  # what children of a killed process left
        work.mkdir(parents=True)
        cores = at_once or os.cpu_count() or 1
        self._pictures, self._sounds = asyncio.Semaphore(cores), asyncio.Semaphore(cores)
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def path(self, name: str) -> Path:
        return self._films / name

    async def make(self, job: Mapping[str, Any]) -> Path:
        """The file of a job, made now if need be. Raises JobFailedError; a cancelled wait kills the child."""
        name = film_name(job)
        out = self.path(name)
        queue = self._sounds if name.endswith(".sound") else self._pictures
        async with self._locks[name]:
            if not out.exists():
                async with queue:
                    await self._run_child(job, out)
        return out

    async def _run_child(self, job: Mapping[str, Any], out: Path) -> None:
        work = self._work / uuid.uuid4().hex
        work.mkdir()
        order = {"job": job, "parent": os.getpid(), "media": str(self._media), "work": str(work), "out": str(out)}
        paper = work / "_job.json"
        paper.write_text(json.dumps(order))
        # A session of its own: Ctrl-C in the terminal is for the run, which still collects what is paid.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the working folder may hold another package called infra
            "-m",
            "infra.backlot.render",
            str(paper),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, stderr = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
        except TimeoutError as error:
            raise JobFailedError(f"took more than {LONGEST_SECONDS} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            shutil.rmtree(work, ignore_errors=True)
        if process.returncode != 0:
            raise JobFailedError(stderr.decode(errors="replace").strip()[-800:])
