"""A Dask scheduler and workers as an operator starts them: programs of their own, on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 60.0

# In ffmpeg's place: while a file called `hold` lies beside it, it only tells its number and its environment, and waits.
HOLDING = """#!/bin/sh
if [ -e "$(dirname "$0")/hold" ]; then
  env > "$(dirname "$0")/told.$$"
  mv "$(dirname "$0")/told.$$" "$(dirname "$0")/held.$$"
  exec sleep 60
fi
exec {program} "$@"
"""


class HeldFfmpeg:
    """A program in ffmpeg's place that a test can make wait."""

    def __init__(self, folder: Path, program: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.program = folder / "ffmpeg"
        self.program.write_text(HOLDING.format(program=program))
        self.program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {"IMAGEIO_FFMPEG_EXE": str(self.program)}

    def hold(self) -> None:
        for told in self.folder.glob("held.*"):
            told.unlink()
        (self.folder / "hold").touch()

    def release(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)

    def held(self) -> list[int]:
        """The processes that wait, or have waited."""
        return sorted(int(path.suffix[1:]) for path in self.folder.glob("held.*"))

    def environment_of(self, pid: int) -> set[str]:
        return {line.partition("=")[0] for line in (self.folder / f"held.{pid}").read_text().splitlines()}

    def wait_held(self, number: int = 1) -> list[int]:
        wait_until(lambda: len(self.held()) >= number, f"{number} held")
        return self.held()


class DaskCluster:
    """`environment` is what every process of it has beside the test's own."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._environment = {**os.environ, "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1h", **(environment or {})}
        self.hired = 0
        self.workers: list[subprocess.Popen[bytes]] = []
        self._file = folder / "scheduler.json"
        self.scheduler = self._start(
            "dask_scheduler",
            "--port",
            "0",
            "--host",
            "127.0.0.1",
            "--dashboard-address",
            "127.0.0.1:0",
            name="scheduler",
        )
        wait_until(lambda: self._file.exists() and bool(self._file.read_text()), "a scheduler")
        self.address = str(json.loads(self._file.read_text())["address"])

    def _start(
        self, program: str, *arguments: str, name: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(self._file)]
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--no-dashboard", *arguments], cwd=self._folder, env={**self._environment, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def add_worker(self, *, places: int = 1, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Without a nanny: what is killed stays dead."""
        self.hired += 1
        number = self.hired
        worker = self._start(
            "dask_worker", "--no-nanny", "--nthreads", str(places), "--host", "127.0.0.1",
            "--local-directory", str(self._folder / f"worker-{number}"), name=f"worker-{number}", env=env,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    async def joined(self, workers: int) -> None:
        """Until so many have."""
        from distributed import Client

        async with Client(self.address, asynchronous=True, set_as_default=False) as client:
            await client.wait_for_workers(workers, timeout=PATIENCE)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def dismiss(self) -> None:
        for worker in self.workers:
            self.kill(worker)
        self.workers.clear()

    def stop(self) -> None:
        self.dismiss()
        self.kill(self.scheduler)


def parents_of(pid: int) -> list[int]:
    """From its parent upwards; empty when it is gone."""
    found = []
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return found
        found.append(pid)
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, what: str) -> None:
    assert callable(condition)
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.02)
