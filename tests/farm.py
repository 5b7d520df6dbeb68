"""One project with a schedule on a Prefect server, its vendor, and workers that can be lost."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from prefect_servers import PrefectServer, Worker, wait_until
from schedules import WEEKLY, Scheduled, backlot_of, wait_for_state, write_scheduled

from infra.storage.base import ObjectStore


class Farm:
    """Its schedule, its work pool and its folder have one name."""

    def __init__(self, scheduled: Scheduled, server: PrefectServer, vendor: str, folder: Path) -> None:
        self.scheduled, self.server, self.vendor = scheduled, server, vendor
        self.name, self._folder, self.workers = folder.name, folder, list[Worker]()
        self._env = {"RUNWAYML_BASE_URL": vendor, "ELEVENLABS_BASE_URL": vendor, "SHOTRUNNER_MEDIA_JOBS": "2"}
        scheduled.project.environment |= self._env
        self.apply()

    def apply(self) -> None:
        applied = self.scheduled.apply("--pool", self.name)
        self.deployment, self.bundle = applied["deployment"], applied["bundle"]

    @property
    def store(self) -> ObjectStore:
        return self.scheduled.store

    def worker(self, *options: str, host: str = "", **env: str) -> Worker:
        """`host`: as which machine it shows itself; else as this one."""
        name = f"worker-{len(self.workers) + 1}"
        made = Worker(
            name, self._folder / name, self.server.url, self.name, options=options, host=host, **self._env, **env
        )
        self.workers.append(made)
        return made

    def start(self) -> str:
        """A flow run of today's start, as by Prefect's own pages. Its id."""
        today = str(dt.datetime.now(dt.UTC).date())
        found: str = self.server.post(
            f"deployments/{self.deployment}/create_flow_run",
            state={"type": "SCHEDULED"}, parameters={"occurrence": today},
        )["id"]  # fmt: skip
        return found

    def due(self) -> list[dict[str, Any]]:
        """Flow runs of the schedule whose time has come, oldest first."""
        now = dt.datetime.now(dt.UTC).isoformat()
        found = [run for run in self.server.flow_runs(self.name) if run["expected_start_time"] < now]
        return sorted(found, key=lambda run: str(run["expected_start_time"]))

    def wait(self, run: str, *names: str, seconds: float = 180) -> str:
        try:
            state = wait_for_state(lambda: self.server.flow_run(run), *names, seconds=seconds)["state"]
        except AssertionError as error:
            logs = "\n".join(f"--- {worker.name}\n{worker.words()[-3000:]}" for worker in self.workers)
            raise AssertionError(f"{error}\n{self.server.states(run)}\n{logs}") from None
        return str(state["message"])

    def wait_for_tasks(self, number: int, seconds: float = 90) -> None:
        takes = self.scheduled.root / ".shotrunner" / "store" / "v1" / "takes"
        wait_until(lambda: len(list(takes.glob("*/task-1.json"))) == number, f"{number} tasks", seconds)

    def turn(self, **knobs: float) -> None:
        """Knobs of the vendor."""
        httpx.post(f"{self.vendor}/backlot/control", json=knobs, timeout=30).raise_for_status()

    def assert_in_order(self, creates: int) -> None:
        project = self.scheduled.project
        assert len(project.creates()) == creates
        project.assert_nothing_twice()
        project.assert_books_agree()

    def close(self) -> None:
        for worker in self.workers:
            worker.stop()


@contextlib.contextmanager
def open_farm(
    server: PrefectServer, folder: Path, name: str, latency: float, *changes: tuple[str, str], schedule: str = WEEKLY
) -> Iterator[Farm]:
    """`name` is its own on the server; `changes` are of the film."""
    text = schedule.replace("short-weekly", name)
    scheduled = write_scheduled(folder / "project", {"PREFECT_API_URL": server.url}, text)
    scheduled.change(*changes, path="film.yaml")
    with backlot_of(scheduled.project, latency) as vendor:
        farm = Farm(scheduled, server, vendor, folder / name)
        try:
            yield farm
        finally:
            farm.close()
