"""What Prefect costs for each take, its server included: `python benchmarks/orchestration.py [--takes 100 1000 5000]`.

The same takes twice, each time in a process of its own: bought by our Buyer from a vendor that answers at once, put
into a store in a folder, then a step with its record. Once as tasks of a flow on a real server, once as bare asyncio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

from scheduling import MODEL, film_of, purchases

from flows.apply import prefect_environment
from infra.audio.base import SoundProvider
from infra.budget import Budget
from infra.buying import Buyer, Purchase
from infra.clock import SystemClock
from infra.events import Events
from infra.media.steps import StepOutcome
from infra.providers.base import Accepted, AccountLimits, ModelLimits, ProviderRequest, TaskReport, TaskState
from infra.runners.base import StepJob
from infra.runners.local import LocalRunner
from infra.steps import StepRunner
from infra.storage.folder import FolderStore

FILM = film_of(20_000)
AT_ONCE = 50
TICK = os.sysconf("SC_CLK_TCK")
Take = Callable[[str, Purchase], Awaitable[Any]]


class QuickVendor:
    """Every task has succeeded by the first look."""

    service = "runway"

    def __init__(self) -> None:
        self.tasks = 0

    async def submit(self, request: ProviderRequest) -> Accepted:
        self.tasks += 1
        return Accepted(f"task-{self.tasks}", 24)

    async def poll(self, task_id: str) -> TaskReport:
        return TaskReport(
            task_id, TaskState.SUCCEEDED, "SUCCEEDED", outputs=("https://cdn.test/film",), cost_credits=24
        )

    async def collect(self, output: str) -> AsyncIterator[bytes]:
        yield FILM

    async def cancel(self, task_id: str) -> None:
        raise NotImplementedError

    async def limits(self) -> AccountLimits:
        return AccountLimits(10**6, {MODEL: ModelLimits(AT_ONCE, None, 0)})

    async def close(self) -> None:
        return


class Studio:
    """What both sides work with: the run's own buyer, store, steps and records; only the child process is left out."""

    def __init__(self, folder: Path) -> None:
        store, clock = FolderStore(folder / "store"), SystemClock()
        self.buyer = Buyer(
            store=store, clock=clock, video=QuickVendor(), sound=cast("SoundProvider", None),
            budget=Budget(store, clock, "bench", limit=None), campaign="bench", plan="0" * 64, lease_nonce="bench",
            poll_seconds=0.001, slots={MODEL: AT_ONCE}, work=folder,
        )  # fmt: skip
        self.steps = StepRunner(store, clock, Events(), LocalRunner(store, folder / "work", 2, self._make))

    @staticmethod
    async def _make(job: StepJob, files: Mapping[str, Path], out: Path) -> StepOutcome:
        return StepOutcome({}, {}, 0.0)

    async def buy(self, slate: str, purchase: Purchase) -> Any:
        return (await self.buyer.obtain(purchase)).blob

    async def screen(self, slate: str, blob: Any) -> str:
        return (await self.steps.run("screen", {"of": slate}, {"take": blob})).key


async def shoot(buy: Take, screen: Callable[[str, Any], Awaitable[Any]], count: int) -> None:
    async def one(number: int, purchase: Purchase) -> None:
        blob = await buy(f"bench shot{number} take 1", purchase)
        await screen(f"bench shot{number} take 1 screen", blob)

    await asyncio.gather(*(one(number, purchase) for number, purchase in enumerate(purchases(count), 1)))


def run_bare(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder))
        meter = Meter()
        asyncio.run(shoot(studio.buy, studio.screen, count))
        meter.report(count)


def run_with_prefect(count: int) -> None:
    """As `run` does it: our own server, our settings of its recorder, one task for each purchase and each step."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        server = prefect_environment(home)
        if server is None:
            raise SystemExit("unset PREFECT_API_URL and PREFECT_HOME: the server is part of what is measured")
        server.wait()
        from prefect import flow

        from flows.history import history_written
        from tasks.policy import production_task

        studio = Studio(home / "studio")
        seen: list[str] = []

        @flow(name="bench", persist_result=False)
        async def bench() -> None:
            from prefect.runtime import flow_run

            seen.append(str(flow_run.id))
            await shoot(production_task("take")(studio.buy), production_task("screen")(studio.screen), count)
            await production_task("wrap")(_nothing)("bench wrap")

        meter = Meter(server._process.pid)

        async def whole() -> None:
            await bench()
            meter.ended = time.perf_counter()
            await history_written(seen[-1])

        asyncio.run(whole())
        meter.report(count)
        server.stop()


async def _nothing(slate: str) -> None:
    return


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Meter:
    """Time of this process and, where there is one, of the server, from now on."""

    def __init__(self, server: int | None = None) -> None:
        self._server = server
        self._began, self._cpu, self._server_cpu = time.perf_counter(), _own_cpu(), self._server_seconds()
        self.ended: float | None = None

    def _server_seconds(self) -> float:
        return cpu_of(self._server) if self._server is not None else 0.0

    def report(self, count: int) -> None:
        """`drained`: from the end of the work until everything is on the server's record."""
        now = time.perf_counter()
        ended = self.ended or now
        facts = {
            "takes": count, "wall": ended - self._began, "drained": now - ended, "cpu": _own_cpu() - self._cpu,
            "server_cpu": self._server_seconds() - self._server_cpu,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }  # fmt: skip
        print(json.dumps(facts))


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def child(mode: str, count: int) -> dict[str, float]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, __file__, "--child", mode, "--takes", str(count)], env=clean, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--child", choices=["bare", "prefect"], help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    if said.child:
        (run_bare if said.child == "bare" else run_with_prefect)(said.takes[0])
        return 0
    rows = []
    print("milliseconds for each take (two task runs), and what Prefect adds to wall and processor")
    heads = ("bare wall", "wall", "drained", "bare cpu", "cpu", "server", "+ wall", "+ cpu", "peak")
    print(f"{'takes':>6}" + "".join(f"{head:>10}" for head in heads))
    for count in said.takes:
        bare, full = child("bare", count), child("prefect", count)
        each = 1000 / count
        extra_wall = (full["wall"] + full["drained"] - bare["wall"]) * each
        extra_cpu = (full["cpu"] + full["server_cpu"] - bare["cpu"]) * each
        figures = [
            *(value * each for value in (bare["wall"], full["wall"], full["drained"], bare["cpu"], full["cpu"])),
            full["server_cpu"] * each, extra_wall, extra_cpu,
        ]  # fmt: skip
        print(f"{count:>6,}" + "".join(f"{figure:>10.1f}" for figure in figures) + f"{full['peak_mb']:>7.0f} MB")
        rows.append({"takes": count, "bare": bare, "prefect": full, "wall_ms": extra_wall, "cpu_ms": extra_cpu})
    if said.json:
        facts = {"machine": f"{os.cpu_count()} cores, Python {platform.python_version()}", "rows": rows}
        said.json.write_text(json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
