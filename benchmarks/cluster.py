"""Clips screened and brought to 1080 lines by one and two Dask workers, beside this machine with as many jobs at once.

`python benchmarks/cluster.py --clips 40`. Every side makes the same clips in turns, a few at a time, as other people's
work on the machine would else fall on one side only. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from infra.blobs import put_blob
from infra.clock import SystemClock
from infra.events import Events
from infra.media.ffmpeg import run_ffmpeg
from infra.media.forks import StepForks
from infra.runners.base import MediaRunner
from infra.runners.cluster import open_cluster
from infra.runners.local import InForks, LocalRunner
from infra.steps import StepRunner
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.catalogue import Profile
from manifests.journal import StepResult
from manifests.ratecard import load_profiles

RATE, FILMED = 24, 8
RATIO = "16:9"
LEAST = 0.85  # of the local runner's pace
PROC = Path("/proc")


@dataclass
class Side:
    """One way to make the steps, with a store of its own. `own`: the processes of its cluster; they, too, are ours."""

    name: str
    jobs: int
    runner: MediaRunner
    store: ObjectStore
    own: Sequence[int] = ()
    others: Sequence[int] = ()  # of the other sides
    rounds: list[float] = field(default_factory=list)  # wall seconds of each
    cpu_seconds: float = 0.0
    made: dict[str, str] = field(default_factory=dict)  # clip → digest of what it became

    async def make(self, clips: Mapping[Path, int], profile: Profile) -> None:
        """The clock starts when every place has made a step of two frames: while the others had their turn, its process
        from which steps are forked may have ended for want of work, as it never does in the middle of a run."""
        steps = StepRunner(self.store, SystemClock(), Events(), self.runner)
        await self._wake(steps, next(iter(clips)), profile)
        cpu, began = cpu_of(os.getpid(), self.others), time.monotonic()
        made = await asyncio.gather(*(make_clip(steps, self.store, clip, n, profile) for clip, n in clips.items()))
        self.rounds.append(time.monotonic() - began)
        self.cpu_seconds += cpu_of(os.getpid(), self.others) - cpu
        self.made |= {c.name: r.files["shot.mp4"].sha256 for c, r in zip(clips, made, strict=True)}

    async def _wake(self, steps: StepRunner, clip: Path, profile: Profile) -> None:
        take = await asyncio.to_thread(put_blob, self.store, "take", clip, "video/mp4")
        size = {"rate": profile.rate, "width": 320, "height": 180, "frames": 2}
        turns = range(len(self.rounds) * self.jobs, (len(self.rounds) + 1) * self.jobs)
        await asyncio.gather(*(steps.run("conform", size | {"in_frame": n}, {"take": take}) for n in turns))


def film(path: Path, seed: int, frames: int) -> Path:
    """A pan over a textured ground with grain, 1280×720, as a model might have made it."""
    rng = np.random.default_rng(seed)
    ground = np.full((1000, 1900), 118, np.float32)
    for size, weight in ((8, 38), (24, 26), (80, 16), (300, 9)):
        noise = rng.standard_normal((size, size * 3 // 2)).astype(np.float32)
        ground += weight * cv2.resize(noise, (1900, 1000), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "17", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            shift = np.array([[1, 0, -2.1 * number], [0, 1, -20 - 30 * np.sin(number / 40)]], np.float32)
            luma = cv2.warpAffine(ground, shift, (1280, 720), borderMode=cv2.BORDER_REFLECT)
            luma += rng.standard_normal((360, 640)).astype(np.float32).repeat(2, 0).repeat(2, 1) * 1.5
            grey = np.full((1080, 1280), 128, np.uint8)
            grey[:720] = np.clip(luma, 16, 235)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def film_clips(folder: Path, count: int) -> dict[Path, int]:
    """Clips of four to five seconds and how many frames each has. Only a few are filmed: the others are these under
    another title, so that the bytes, and with them the steps, are their own."""
    filmed = {}
    for seed in range(min(FILMED, count)):
        frames = 4 * RATE + seed * RATE // FILMED
        filmed[film(folder / f"filmed-{seed}.mp4", seed, frames)] = frames
    clips = {}
    for number in range(count):
        source, frames = list(filmed.items())[number % len(filmed)]
        clip = folder / f"clip-{number}.mp4"
        run_ffmpeg(["-i", str(source), "-c", "copy", "-metadata", f"title=clip {number}", str(clip)])
        clips[clip] = frames
    return clips


async def make_clip(steps: StepRunner, store: ObjectStore, clip: Path, frames: int, profile: Profile) -> StepResult:
    """As a run does with a take: the technical check, then the size and the settings of the deliverable."""
    width, height = profile.sizes[RATIO]
    take = await asyncio.to_thread(put_blob, store, "take", clip, "video/mp4")
    check = {"kind": "take", "width": 1280, "height": 720, "rate": str(RATE), "frames": frames}
    screened = await steps.run("screen", check, {"take": take})
    if not screened.facts["ok"]:
        raise SystemExit(f"{clip.name} did not pass its screening: {screened.facts['faults']}")
    video = profile.video.model_dump(mode="json")
    conformed = {"frames": frames, "rate": profile.rate, "width": width, "height": height, "video": video}
    return await steps.run("conform", conformed, {"take": take})


def processes() -> dict[int, tuple[int, float]]:
    """Parent and processor seconds of each, with those of its children that have ended."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            found[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:15])) / tick)
    return found


def cpu_of(root: int, without: Sequence[int]) -> float:
    """Of this process and all below it, but for the trees in `without`."""
    known = processes()

    def tree(pid: int) -> float:
        below = sum(tree(child) for child, (parent, _) in known.items() if parent == pid and child not in without)
        return known[pid][1] + below

    return tree(root)


@contextlib.asynccontextmanager
async def dask(folder: Path, workers: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A scheduler and so many workers of one place, as an operator starts them: its address, and all processes."""
    told = folder / f"scheduler-{workers}.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(told), *arguments]
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, cwd=folder))

    start("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
    try:
        for _ in range(workers):
            start("dask_worker", "--nthreads", "1", "--host", "127.0.0.1", "--local-directory", str(folder))
        while not (told.exists() and told.read_text()):  # noqa: ASYNC110 - a file
            await asyncio.sleep(0.1)
        yield json.loads(told.read_text())["address"], [process.pid for process in started]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


@contextlib.asynccontextmanager
async def sides_of(folder: Path, at_once: int) -> AsyncIterator[list[Side]]:
    """Local and Dask, each with 1 to `at_once` jobs."""
    sides: list[Side] = []
    async with contextlib.AsyncExitStack() as stack:
        for jobs in range(1, at_once + 1):
            forks = stack.enter_context(contextlib.closing(StepForks()))
            store = open_store(f"local-{jobs}", folder)
            local = LocalRunner(store, folder / f"work-{jobs}", jobs, InForks(forks))
            sides.append(Side("local", jobs, local, store))
            address, pids = await stack.enter_async_context(dask(folder, jobs))
            store = open_store(f"dask-{jobs}", folder)
            joined = open_cluster(store, SystemClock(), folder, address=address, jobs=jobs)
            runner = await stack.enter_async_context(joined)
            await runner._client.wait_for_workers(jobs)
            sides.append(Side("dask", jobs, runner, store, pids))
        for side in sides:
            side.others = [pid for other in sides if other is not side for pid in other.own]
        yield sides


async def compare(folder: Path, count: int, at_once: int, rounds: int, told: Path | None) -> dict[str, Any]:
    """Every round gives all sides the same clips; whose turn is first changes from round to round. The figures so far
    are in the file `told` after each, as it takes long on a busy machine."""
    profile = load_profiles()["youtube-instream"]
    print(f"filming {count} clips", flush=True)
    *clips, spare = film_clips(folder, count + 1).items()
    async with sides_of(folder, at_once) as sides:
        for side in sides:  # imports, connections, workers that are still starting: not what is measured
            await side.make(dict([spare]), profile)
            side.cpu_seconds = 0.0
            side.rounds.clear()
            side.made.clear()
        for number in range(rounds):
            some = dict(clips[number::rounds])
            for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
                await side.make(some, profile)
            walls = ", ".join(f"{side.name} {side.jobs}: {sum(side.rounds):.0f} s" for side in sides)
            print(f"round {number + 1} of {rounds}: {walls}", flush=True)
            figures = figures_of(sides)
            if told:
                await asyncio.to_thread(told.write_text, json.dumps(figures, indent=1) + "\n")
    return figures


def pace(than: Sequence[float], rounds: Sequence[float]) -> float:
    """How many times as fast: the median of the rounds, as somebody else's work falls on one of them."""
    return round(statistics.median(other / own for other, own in zip(than, rounds, strict=True)), 3)


def figures_of(sides: Sequence[Side]) -> dict[str, Any]:
    rounds = {(side.name, side.jobs): side.rounds for side in sides}
    rows = [
        {
            "where": side.name,
            "jobs": side.jobs,
            "wall_seconds": round(sum(side.rounds), 1),
            "cpu_seconds": round(side.cpu_seconds, 1),
            "speed_up": pace(rounds[side.name, 1], side.rounds),
            "of_local": pace(rounds["local", side.jobs], side.rounds),
        }
        for side in sides
    ]
    load = round(os.getloadavg()[2], 1)
    machine = {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version(), "load": load}
    same = all(side.made == sides[0].made for side in sides)
    made = {"clips": len(sides[0].made), "rounds": len(sides[0].rounds), "same_bytes": same}
    return {"machine": machine, **made, "sides": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2, help="compare 1 to so many")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        comparing = compare(Path(folder), given.clips, given.workers, given.rounds, given.json)
        figures = asyncio.run(comparing)
    print(json.dumps(figures, indent=1))
    return 0 if figures["same_bytes"] and all(row["of_local"] >= LEAST for row in figures["sides"]) else 1


if __name__ == "__main__":
    sys.exit(main())
