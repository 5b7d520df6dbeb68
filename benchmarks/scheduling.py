"""How well the vendor's slots are used, and what many takes hold in memory: `python benchmarks/scheduling.py`.

500 takes whose vendor times are drawn from 60 to 120 s, on a clock that jumps: ours through the Buyer and a store in
memory, the same with finishing on two slots beside it, bare asyncio with a semaphore, and a perfect list schedule of
the same times. Then 2,000 takes through the Buyer and a folder. Ends with 1 when ours is more than 1 % and one poll
later than perfect, or holds over 500 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import selectors
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import heappop, heappush, heapreplace
from pathlib import Path
from typing import Any, TypeVar, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

from infra.audio.base import SoundProvider
from infra.budget import Budget
from infra.buying import Buyer, Purchase
from infra.clock import SystemClock
from infra.events import Events
from infra.limits import queue_depth
from infra.media.steps import StepOutcome
from infra.providers.base import Accepted, AccountLimits, ModelLimits, ProviderRequest, TaskReport, TaskState
from infra.runners.base import StepJob
from infra.runners.local import LocalRunner
from infra.steps import StepRunner
from infra.storage.base import ObjectStore
from infra.storage.folder import FolderStore
from infra.storage.memory import MemoryStore
from manifests.digest import take_key

T = TypeVar("T")


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def film_of(size: int) -> bytes:
    """As little of a film as is admitted at once: its media, and an index that knows of a picture."""
    track = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide")))
    return box(b"ftyp", b"mp42" + bytes(12)) + box(b"mdat", bytes(size)) + box(b"moov", track)


FILM = film_of(200_000)
MODEL = "gen4.5"
POLL = 5.0
SLOWEST_POLL = POLL * 5 / 3  # four thirds, and a quarter more (infra.collecting)
ALLOWED_MB = 500
MEDIA_SLOTS = 2
TAKES_OF_SHOT, SHOTS_OF_FILM = 5, 20
STEP_SECONDS = {"screen": (2.0, 6.0), "conform": (10.0, 20.0), "stitch": (60.0, 90.0)}  # of a slot, drawn


class JumpingLoop(asyncio.SelectorEventLoop):
    """Time passes only while everybody sleeps, and then at once. Nothing here waits for a thread or a socket."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self._now = 0.0
        inner = self._selector  # type: ignore[attr-defined]
        select = inner.select

        def jump(timeout: float | None = None) -> Any:
            if timeout is not None and timeout > 0:
                self._now += timeout
            return select(0 if timeout is not None else None)

        inner.select = jump

    def time(self) -> float:
        return self._now


class LoopClock(SystemClock):
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class FakeVendor:
    """Runs `limit` tasks at once, first come, first served; the rest it queues, as the real one does."""

    service = "runway"

    def __init__(self, clock: LoopClock, limit: int, seconds: Sequence[float]) -> None:
        self._clock = clock
        self._seconds = deque(seconds)
        self._free = [0.0] * limit
        self._ends: dict[str, float] = {}
        self.limit = limit
        self.polls = 0
        self.last = 0.0

    async def submit(self, request: ProviderRequest) -> Accepted:
        await self._clock.sleep(0.3)  # a create takes a while, too
        end = max(self._clock.monotonic(), self._free[0]) + self._seconds.popleft()
        heapreplace(self._free, end)
        task_id = f"task-{len(self._ends) + 1}"
        self._ends[task_id] = end
        self.last = max(self.last, end)
        return Accepted(task_id, 24)

    async def poll(self, task_id: str) -> TaskReport:
        self.polls += 1
        if self._clock.monotonic() < self._ends[task_id]:
            return TaskReport(task_id, TaskState.RUNNING, "RUNNING", 0.5)
        return TaskReport(
            task_id, TaskState.SUCCEEDED, "SUCCEEDED", outputs=("https://cdn.test/film",), cost_credits=24
        )

    async def collect(self, output: str) -> AsyncIterator[bytes]:
        for start in range(0, len(FILM), 65_536):
            yield FILM[start : start + 65_536]

    async def cancel(self, task_id: str) -> None:
        raise NotImplementedError

    async def limits(self) -> AccountLimits:
        return AccountLimits(10**6, {MODEL: ModelLimits(self.limit, None, 0)})

    async def close(self) -> None:
        return


def purchases(count: int) -> list[Purchase]:
    made = []
    for number in range(1, count + 1):
        request = {"endpoint": "/v1/text_to_video", "body": {"model": MODEL, "promptText": f"shot {number}"}}
        take = Purchase(
            key=take_key("runway", request, 1), what="take", address=f"shot{number}/take-1", service="runway",
            model=MODEL, take=1, request=request, price_credits=24, size_class="1280x720x2",
        )  # fmt: skip
        made.append(take)
    return made


def make_buyer(clock: LoopClock, vendor: FakeVendor, store: ObjectStore, work: Path | None = None) -> Buyer:
    return Buyer(
        store=store, clock=clock, video=vendor, sound=cast("SoundProvider", None),
        budget=Budget(store, clock, "bench", limit=None), campaign="bench", plan="0" * 64, lease_nonce="bench",
        poll_seconds=POLL, slots={MODEL: queue_depth(vendor.limit, POLL)}, work=work,
    )  # fmt: skip


async def ours(clock: LoopClock, vendor: FakeVendor, store: ObjectStore, count: int, work: Path | None = None) -> None:
    """As a run buys: everything is asked for at once, the slots say when."""
    buyer = make_buyer(clock, vendor, store, work)
    await asyncio.gather(*(buyer.obtain(purchase) for purchase in purchases(count)))


class TimedSteps(StepRunner):
    """The run's own steps, slots and records; only the child process is a sleep."""

    def __init__(self, store: ObjectStore, work: Path, clock: LoopClock) -> None:
        super().__init__(store, clock, Events(), LocalRunner(store, work, MEDIA_SLOTS, self._sleep))
        self._rng = random.Random(11)
        self.busy = 0.0

    async def _sleep(self, job: StepJob, files: Mapping[str, Path], out: Path) -> StepOutcome:
        seconds = self._rng.uniform(*STEP_SECONDS[job.name])
        self.busy += seconds
        await self._clock.sleep(seconds)
        return StepOutcome({}, {}, seconds)


async def overlapped(clock: LoopClock, vendor: FakeVendor, store: ObjectStore, count: int, work: Path) -> Finishing:
    """As a run goes: a take is screened as soon as it is there, a shot conformed, a film stitched, while others are
    still being filmed."""
    buyer, steps = make_buyer(clock, vendor, store, work), TimedSteps(store, work, clock)
    bought = 0.0

    async def take(number: int, purchase: Purchase) -> None:
        nonlocal bought
        result = await buyer.obtain(purchase)
        bought = clock.monotonic()
        await steps.run("screen", {"take": number}, {"take": result.blob})

    async def shot(number: int, wanted: Sequence[Purchase]) -> None:
        first = number * TAKES_OF_SHOT
        await asyncio.gather(*(take(first + n, purchase) for n, purchase in enumerate(wanted)))
        await steps.run("conform", {"shot": number}, {})

    async def film(number: int, shots: Sequence[Sequence[Purchase]]) -> None:
        first = number * SHOTS_OF_FILM
        await asyncio.gather(*(shot(first + n, wanted) for n, wanted in enumerate(shots)))
        await steps.run("stitch", {"film": number}, {})

    shots = _in_parts(purchases(count), TAKES_OF_SHOT)
    await asyncio.gather(*(film(n, part) for n, part in enumerate(_in_parts(shots, SHOTS_OF_FILM))))
    done = clock.monotonic()
    return Finishing(bought, done, steps.busy / (MEDIA_SLOTS * done), sum(steps.made.values()))


@dataclass(frozen=True)
class Finishing:
    bought: float  # when the last take was there
    done: float  # when the last film was stitched
    busy: float  # share of the media slots' time
    steps: int


def _in_parts(things: Sequence[T], size: int) -> list[Sequence[T]]:
    return [things[start : start + size] for start in range(0, len(things), size)]


async def bare(clock: LoopClock, vendor: FakeVendor, count: int) -> None:
    """What one would write by hand: a semaphore of the account's limit, and the SDK's own pause between looks."""
    slots, rng = asyncio.Semaphore(vendor.limit), random.Random(7)

    async def one(number: int) -> None:
        async with slots:
            task = await vendor.submit(ProviderRequest("/v1/text_to_video", {"promptText": f"shot {number}"}))
            while True:
                await clock.sleep(6 + rng.uniform(-1.5, 1.5))
                if (await vendor.poll(task.task_id)).state is TaskState.SUCCEEDED:
                    return

    await asyncio.gather(*(one(number) for number in range(count)))


def perfect(seconds: Sequence[float], limit: int) -> float:
    """Each task starts the moment that a slot is free."""
    free: list[float] = []
    for length in seconds:
        heappush(free, (heappop(free) if len(free) == limit else 0.0) + length)
    return max(free)


async def inline(function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
    """In place of a thread, which the jumping clock cannot see."""
    return function(*args, **named)


def timed(work: Callable[[LoopClock], Coroutine[Any, Any, None]]) -> float:
    """Seconds on the jumping clock."""
    threads, asyncio.to_thread = asyncio.to_thread, inline
    try:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(work(LoopClock()))
            return runner.get_loop().time()
    finally:
        asyncio.to_thread = threads


def measure(limit: int, takes: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    seconds = [rng.uniform(60, 120) for _ in range(takes)]
    polls: list[int] = []
    beside: list[Finishing] = []

    async def by_us(clock: LoopClock) -> None:
        vendor = FakeVendor(clock, limit, seconds)
        await ours(clock, vendor, MemoryStore(), takes)
        polls.append(vendor.polls)

    async def with_finishing(clock: LoopClock) -> None:
        with tempfile.TemporaryDirectory() as folder:
            vendor = FakeVendor(clock, limit, seconds)
            beside.append(await overlapped(clock, vendor, MemoryStore(), takes, Path(folder)))

    async def by_hand(clock: LoopClock) -> None:
        await bare(clock, FakeVendor(clock, limit, seconds), takes)

    best = perfect(seconds, limit)
    mine, hand = timed(by_us), timed(by_hand)
    timed(with_finishing)
    return {
        "limit": limit, "takes": takes, "perfect": best, "ours": mine, "bare": hand, "ours_ratio": mine / best,
        "bare_ratio": hand / best, "allowed": 1.01 * best + SLOWEST_POLL, "polls_per_take": polls[0] / takes,
        "overlapped": beside[0].bought, "overlapped_ratio": beside[0].bought / best, "finishing": asdict(beside[0]),
    }  # fmt: skip


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure_memory(takes: int) -> dict[str, float]:
    """Resident memory while so many takes go through, looked at after each hundredth."""
    rng = random.Random(1)
    seconds = [rng.uniform(60, 120) for _ in range(takes)]
    marks: list[float] = []

    async def work(clock: LoopClock) -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = FolderStore(Path(folder) / "store")
            vendor = FakeVendor(clock, 20, seconds)
            watch = asyncio.create_task(_watch(clock, marks))
            await ours(clock, vendor, store, takes, Path(folder))
            watch.cancel()

    began = time.perf_counter()
    timed(work)
    marks.append(resident_mb())
    third = max(1, len(marks) // 3)
    return {
        "takes": takes, "first_third_mb": max(marks[:third]), "last_third_mb": max(marks[-third:]),
        "most_mb": max(marks), "seconds": time.perf_counter() - began,
    }  # fmt: skip


async def _watch(clock: LoopClock, marks: list[float]) -> None:
    while True:
        await clock.sleep(60)
        marks.append(resident_mb())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--takes", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--memory-takes", type=int, default=2000, help="0 leaves the memory out")
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    rows = [measure(limit, said.takes, seed) for limit in (5, 20) for seed in range(1, said.seeds + 1)]
    names = ("ours", "overlapped", "bare")
    print(f"{'limit':>5} {'perfect':>9}" + "".join(f" {name:>11} {'ratio':>7}" for name in names) + "   allowed  polls")
    for row in rows:
        times = "".join(f" {row[name]:>10.0f}s {row[name + '_ratio']:>7.4f}" for name in names)
        print(f"{row['limit']:>5} {row['perfect']:>8.0f}s{times} {row['allowed']:>8.0f}s  {row['polls_per_take']:.1f}")
        told = row["finishing"]
        print(
            f"      {told['steps']} steps beside it, slots {told['busy']:.0%} busy, films done at {told['done']:.0f}s"
        )
    good = all(max(row["ours"], row["overlapped"]) <= row["allowed"] for row in rows)
    memory = measure_memory(said.memory_takes) if said.memory_takes else None
    if memory:
        good = good and memory["most_mb"] <= ALLOWED_MB
        print(
            f"{memory['takes']:,} takes: {memory['first_third_mb']:.0f} MB in the first third, "
            f"{memory['last_third_mb']:.0f} MB in the last, {memory['most_mb']:.0f} MB at most"
        )
    if said.json:
        said.json.write_text(json.dumps({"rows": rows, "memory": memory}, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
