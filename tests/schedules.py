"""A project with a schedule, put on a Prefect server, and its flow as a child process or on workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prefect_servers import Child, clean, free_port, wait_until
from projects import PATIENCE, SHORT, Project, clean_environment, end, write_project

from infra.storage import open_store
from infra.storage.base import ObjectStore

# One whose day has come on every day that there is
WEEKLY = """\
manifest: 1
kind: schedule
name: short-weekly
run: film.yaml
when: {cron: "30 5 * * *", timezone: Europe/London}
"""

# Runs the flow as Prefect's worker would, without one: the last line is how it ended
CALL = """\
import asyncio, json, sys
from flows.scheduled import produce_scheduled
async def main():
    for parameters in json.loads(sys.argv[1]):
        state = await produce_scheduled(**parameters, return_state=True)
        print(json.dumps({"type": state.type.value, "name": state.name, "message": state.message}), flush=True)
asyncio.run(main())
"""


@dataclass
class Scheduled:
    """`environment` holds the server's URL; `store` is the project's own folder unless it says otherwise."""

    project: Project
    applied: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def file(self) -> Path:
        return self.root / "weekly.yaml"

    @property
    def store_url(self) -> str:
        return str(self.project.environment.get("SHOTRUNNER_STORE", self.root / ".shotrunner" / "store"))

    @property
    def store(self) -> ObjectStore:
        return open_store(self.store_url, self.root)

    def change(self, *pairs: tuple[str, str], path: str = "weekly.yaml") -> None:
        self.project.change(*pairs, path=path)

    def apply(self, *words: str) -> dict[str, Any]:
        """What `schedule apply --json` answers."""
        ended = self.project.command("schedule", "apply", "weekly.yaml", "--json", *words)
        assert ended.code == 0, ended.text
        self.applied = json.loads(ended.out)
        return self.applied

    def parameters(self, **more: str) -> dict[str, str]:
        return {"schedule": self.applied["bundle"], "store": self.store_url, **more}

    def begin(self, *calls: Mapping[str, str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", CALL, json.dumps(list(calls))],
            cwd=self.root,
            env={**clean_environment(), "PREFECT_LOGGING_LEVEL": "CRITICAL", **self.project.environment, **(env or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def execute(self, flow_run: str) -> str:
        """What a worker does with a flow run that is its turn; its words."""
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect.engine", flow_run], cwd=self.root,
            env={**clean_environment(), "PREFECT_LOGGING_LEVEL": "CRITICAL", **self.project.environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return process.communicate(timeout=PATIENCE)[0]

    def call(self, *calls: Mapping[str, str], env: Mapping[str, str] | None = None) -> list[dict[str, str]]:
        """The states in which these flow runs, one after the other, ended."""
        ended = end(self.begin(*calls, env=env))
        states = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
        assert len(states) == len(calls), ended.text
        return states


def write_scheduled(root: Path, environment: Mapping[str, str], schedule: str = WEEKLY, film: str = SHORT) -> Scheduled:
    project = write_project(root, film, "short", environment)
    (root / "weekly.yaml").write_text(schedule)
    return Scheduled(project)


@contextmanager
def backlot_of(project: Project, latency: float = 1.0) -> Iterator[str]:
    """The vendor, apart from every worker, with its books where the project's helpers look. Its URL."""
    with backlot_at(project.root / ".shotrunner", latency) as url:
        yield url


@contextmanager
def backlot_at(folder: Path, latency: float = 1.0) -> Iterator[str]:
    folder.mkdir(exist_ok=True)
    port = free_port()
    words = ["backlot", "--port", str(port), "--folder", str(folder / "backlot")]
    child = Child(
        [sys.executable, "-m", "flows.cli", *words, "--latency", str(latency)],
        folder / "backlot.log", clean(), cwd=folder,
    )  # fmt: skip
    try:
        wait_until(lambda: "backlot at" in child.words(), "the backlot", 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop(signal.SIGINT)


def wait_for_state(read: Callable[[], Mapping[str, Any]], *names: str, seconds: float = 120) -> Mapping[str, Any]:
    """A flow run as its server shows it, once it is in one of these states."""
    end_of_patience = time.monotonic() + seconds
    while (run := read())["state"]["name"] not in names:
        state = run["state"]
        assert time.monotonic() < end_of_patience, f"waited {seconds:.0f} s for {names}: {state['name']} {state}"
        time.sleep(0.3)
    return run
