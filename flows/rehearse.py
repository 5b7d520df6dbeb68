"""Rehearsing a manifest: run on the backlot in all weathers, killed and run again, and every book compared afterwards.

What a rehearsal does not prove: anything about the real vendor that the backlot does not know; anything about pictures
(they are tiny, and filmed, screened and cut once for all seeds); leases across machines; buckets; and, as its time runs
faster, how long a real run would wait. It proves what becomes of money and records when answers, processes and
pictures fail.

Everything that it writes lies in a temporary folder of its own; it has no vendor's key, even where one is set. Each run
is a process forked from one that has imported everything, on one Prefect server for all of them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from flows.prepare import Prepared, make_plan, plan_pictures
from flows.refusals import refuse_drift, refuse_over_budget
from flows.stored_plan import store_inputs
from infra.audit import KILLED, Evidence, audit, books_differ
from infra.backlot.request_log import RequestLog
from infra.backlot.serve import Backlot
from infra.blobs import blob_file
from infra.chaos import Film, Kill, Schedule, make_schedule
from infra.clock import FastClock
from infra.deliverables import film_name
from infra.errors import ShotrunnerError
from infra.ledger import read_entries, read_histories, spent_and_reserved
from infra.media.out_frame import decode_frames
from infra.records import read_record
from infra.runs import last_run
from infra.settings import Settings
from infra.state import StoreState
from manifests.finish import DeliverableIndex
from manifests.naming import parse_take_record_key, take_root
from manifests.plan import Options, Verb

PICTURE_SCALE = 8  # 1280×720 becomes 160×90
SPEED = 20.0  # the lease of 60 s then lasts 3 s, which a busy machine still renews in time
LATENCY_SECONDS = 6.0  # of a generation, in fast time
PATIENCE_SECONDS = 200.0  # with a task, in fast time: 10 s of a busy machine, which films while we wait
PACE = 0.05  # of the waits before another try: their order counts here, not their length
MOST_RUNS = 6  # of one seed
RUN_SECONDS = 180.0  # of real time, then a run counts as hanging
LONGEST_TEMPORARY = 70  # characters: a socket's path has at most 107, and some are ours
_OTHERS = ("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_", "AWS_")


@dataclass(frozen=True)
class Order:
    """One run, for the process that performs it."""

    manifest: Path
    overrides: tuple[str, ...]
    folder: Path  # of the seed
    shelf: Path  # what any seed's steps made
    url: str  # of its backlot
    began: dt.datetime
    since: float
    concurrency: int
    rebuy_unknown: bool
    kill: Kill | None


@dataclass(frozen=True)
class Row:
    """What became of one seed."""

    seed: int
    faults: Mapping[str, int]  # met, by kind
    kills: int
    ends: Sequence[int]
    creates: int
    credits: int
    over: int  # ledger less vendor: what unknowns and untold costs hold
    breaches: Sequence[str]
    seconds: float
    kept: str = ""  # the folder, when something is wrong

    @property
    def ok(self) -> bool:
        return not self.breaches

    def as_facts(self) -> dict[str, Any]:
        return {"message_type": "rehearsed", **asdict(self), "ok": self.ok}


@dataclass
class Stage:
    """What all seeds share."""

    manifest: Path
    overrides: tuple[str, ...]
    scratch: Path
    film: Film
    keep: bool  # every seed's folder, also of those that found nothing
    ended: threading.Event = field(default_factory=threading.Event)  # nobody waits for the rest
    forks: Any = field(default_factory=lambda: multiprocessing.get_context("forkserver"))


class LongPathError(ShotrunnerError):
    summary = "the temporary folder's path is too long for the sockets of a rehearsal"
    exit_code = 2


def rehearse(
    manifest: Path,
    overrides: Sequence[str],
    seeds: Sequence[int],
    tell: Callable[[Row], None],
    *,
    at_once: int,
    keep: bool = False,
) -> list[Row]:
    """All seeds, each told as it ends. Raises what is wrong with the manifest before anything is started."""
    from flows.apply import prefect_environment

    if len(tempfile.gettempdir()) > LONGEST_TEMPORARY:
        raise LongPathError(tempfile.gettempdir(), remedy="name a folder with a shorter path in TMPDIR")
    with own_environment(), scratch_folder() as scratch:
        film = film_of(plan_from_nothing(manifest, overrides, scratch))
        server = prefect_environment(scratch)
        try:
            stage = Stage(manifest.absolute(), tuple(overrides), scratch, film, keep)
            stage.forks.set_forkserver_preload(["flows.campaign", "flows.rehearse"])
            if server is not None:
                server.wait()
            rows = []
            with ThreadPoolExecutor(max(1, at_once)) as pool:
                pending = [pool.submit(rehearse_seed, stage, seed) for seed in seeds]
                try:
                    for done in as_completed(pending):
                        rows.append(done.result())
                        tell(rows[-1])
                finally:
                    stage.ended.set()
                    for waiting in pending:
                        waiting.cancel()
            return sorted(rows, key=lambda row: row.seed)
        finally:
            if server is not None:
                server.stop()


@contextlib.contextmanager
def own_environment() -> Iterator[None]:
    """Without any vendor's key or anybody's store: a rehearsal must not be able to spend."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(_OTHERS):
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Removed at the end, but for seeds that found something."""
    scratch = Path(tempfile.mkdtemp(prefix="shotrunner-rehearsal-"))
    try:
        yield scratch
    finally:
        for shared in ("films", "steps", "prefect"):
            shutil.rmtree(scratch / shared, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: a breach is in it
            scratch.rmdir()


def plan_from_nothing(manifest: Path, overrides: Sequence[str], scratch: Path) -> Prepared:
    """Against an empty store: a seed means the same in a project that has bought everything and in one that has not."""
    settings = Settings.model_validate({"SHOTRUNNER_STORE": str(scratch / "empty")})
    prepared = make_plan(manifest, overrides=overrides, settings=settings, stage="all")
    shutil.rmtree(scratch / "empty", ignore_errors=True)
    return prepared


def film_of(prepared: Prepared) -> Film:
    """What the weather has to know. Raises what `run` would raise before it starts."""
    refuse_drift(prepared)
    refuse_over_budget(prepared.plan)
    plan, spot = prepared.plan, prepared.plan.read_spot()
    pictures = Counter[str]()
    for want in plan.wants:
        if want.what in ("take", "still"):
            pictures[want.model] += want.count
    sounds = sum(want.count for want in plan.wants if want.what not in ("take", "still"))
    return Film(dict(pictures), sounds, plan.totals.credits, spot.budget.reroll_reserve)


def rehearse_seed(stage: Stage, seed: int) -> Row:
    """Storm until the kills are used up, then one calm run if something is missing, then the audit."""
    started = time.monotonic()
    schedule = make_schedule(seed, stage.film)
    folder = stage.scratch / f"seed-{seed}"
    overrides = stage.overrides + ((f"budget.credits={schedule.budget}",) if schedule.budget else ())
    backlot = Backlot(
        folder / "backlot", films=stage.scratch / "films", faults=schedule.faults, latency=LATENCY_SECONDS,
        concurrency=schedule.concurrency, picture_scale=PICTURE_SCALE,
    )  # fmt: skip
    with backlot:
        url = str(backlot.url)
        backlot.turn(clock_scale=SPEED)
        order = Order(
            stage.manifest, overrides, folder, stage.scratch / "steps", url, dt.datetime.now(dt.UTC), time.monotonic(),
            schedule.concurrency, rebuy_unknown=False, kill=None,
        )  # fmt: skip
        ends, overran = run_through(stage, schedule, order, backlot)
        evidence = gather(order, backlot.log, ends, overran)
    breaches = audit(evidence)
    if breaches:
        told = json.dumps({"schedule": schedule.as_facts(), "ends": ends, "breaches": breaches}, indent=1)
        (folder / "breaches.json").write_text(told)
    elif not stage.keep:
        shutil.rmtree(folder, ignore_errors=True)
    met = Counter(fault for line in evidence.requests for fault in line["faults"])
    return Row(
        seed=seed, faults=dict(met), kills=sum(code == KILLED for code in ends), ends=ends,
        creates=len(evidence.creates), credits=evidence.spending.total, over=books_differ(evidence), breaches=breaches,
        seconds=round(time.monotonic() - started, 1), kept=str(folder) if breaches or stage.keep else "",
    )  # fmt: skip


def run_through(stage: Stage, schedule: Schedule, order: Order, backlot: Backlot) -> tuple[list[int], int]:
    """Every run of one seed: how they ended, and how many had to be ended."""
    ends: list[int] = []
    overran = 0
    for number in range(MOST_RUNS):
        kill = schedule.kills[number] if number < len(schedule.kills) else None
        calm = bool(ends) and ends[-1] != KILLED
        if calm:
            backlot.turn(faults=[])
        told = Order(
            **{**vars(order), "kill": None if calm else kill, "rebuy_unknown": calm and schedule.rebuy_unknown}
        )
        code, hung = perform_apart(stage, told)
        ends.append(code)
        overran += hung
        if code == 0 or calm or hung:
            break
    return ends, overran


def perform_apart(stage: Stage, order: Order) -> tuple[int, bool]:
    """One run in a process and a process group of its own. Its exit code, and whether it had to be ended."""
    process = stage.forks.Process(target=perform, args=(order,))
    process.start()
    end = time.monotonic() + RUN_SECONDS
    while process.exitcode is None and time.monotonic() < end and not stage.ended.is_set():
        process.join(0.5)
    hung = process.exitcode is None
    if hung:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
    code = int(process.exitcode)
    process.close()
    return code, hung


# --- in the process of a run ---


def perform(order: Order) -> None:
    """What `shotrunner run` does, but for the lock beside the manifest and the copies in `out`. Never returns."""
    os.setsid()
    order.folder.mkdir(parents=True, exist_ok=True)
    log = os.open(order.folder / "runs.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    code = 1
    try:
        code = apply_order(order)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # with an error that nobody expected: 1, and its trace is in the log


def apply_order(order: Order) -> int:
    import asyncio

    from flows.campaign import ProductionError, produce
    from flows.cli import exit_code_of
    from infra.console import CONSOLE, RunConsole
    from infra.errors import ShotrunnerError

    clock = FastClock(SPEED, order.began, order.since)
    console = RunConsole(
        home=order.folder,
        clock=clock,
        patience_seconds=PATIENCE_SECONDS,
        pace=PACE,
        shelf=order.shelf,
        media_runner="local",
    )
    console.events.listen(_print_event)
    if order.kill is not None:
        console.events.listen(Reaper(order.kill))
    CONSOLE.set(console)
    os.environ.update(settings_of(order))
    try:
        prepared: Prepared | None = plan_order(order, clock)
        while prepared is not None:
            refuse_over_budget(prepared.plan)
            digest = store_inputs(prepared, lock_beside=False)
            asyncio.run(produce(plan=digest, store=prepared.store_url))
            prepared = plan_pictures(prepared, StoreState(prepared.store, clock))
    except ProductionError as error:
        return error.status
    except ShotrunnerError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code_of(error)
    return 0


def settings_of(order: Order) -> dict[str, str]:
    """By the names of the environment, where the flow looks for them."""
    return {
        "SHOTRUNNER_STORE": str(order.folder / "store"),
        "RUNWAYML_BASE_URL": order.url,
        "ELEVENLABS_BASE_URL": order.url,
        "SHOTRUNNER_CONCURRENCY": str(order.concurrency),
    }


def plan_order(order: Order, clock: FastClock) -> Prepared:
    options = Options(rebuy_unknown=order.rebuy_unknown, approve="auto", picture_scale=PICTURE_SCALE)
    settings = Settings.model_validate(settings_of(order))
    return make_plan(order.manifest, overrides=order.overrides, options=options, settings=settings, clock=clock)


def _print_event(event: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps({"at": round(time.monotonic(), 3), **event}, default=str) + "\n")
    sys.stdout.flush()


class Reaper:
    """Counts events, and kills this process group: no handler runs, nothing is flushed."""

    def __init__(self, kill: Kill) -> None:
        self._kill, self._seen = kill, 0

    def __call__(self, event: Mapping[str, Any]) -> None:
        self._seen += 1
        if self._seen == self._kill.event:
            threading.Timer(self._kill.seconds, os.killpg, (os.getpgrp(), signal.SIGKILL)).start()


# --- afterwards ---


def gather(order: Order, log: RequestLog, ends: Sequence[int], overran: int) -> Evidence:
    """Everything that the audit looks at, read from the store and the backlot's files."""
    clock = FastClock(SPEED, order.began, order.since)
    prepared = plan_order(order, clock)
    plan, store = prepared.plan, prepared.store
    keys = dict.fromkeys(parse_take_record_key(info.key)[0] for info in store.list(take_root()))
    run = last_run(store, plan.campaign)
    films = [read_record(store, key, DeliverableIndex) for key in run.deliverables] if run else []
    made = [film for film in films if film is not None]
    cuts = [(v, plan.cut(v, prepared.checked.models).frames) for v in plan.variants]
    lengths = {film_name(v, wanted): frames for v, frames in cuts for wanted in v.spot.deliver}
    return Evidence(
        campaign=plan.campaign, books=log.movements(), requests=log.entries(),
        histories=list(read_histories(store, keys).values()), entries=read_entries(store, plan.campaign),
        spending=spent_and_reserved(store, plan.campaign, paid=False), budget=plan.totals.budget, ends=ends,
        lengths=lengths, wanted=len(lengths), films=made,
        decoded={film.key: count_frames(prepared, film, order.folder) for film in made},
        unfinished=sum(a.verb in (Verb.BUY, Verb.COLLECT) for a in plan.actions), overran=overran,
    )  # fmt: skip


def count_frames(prepared: Prepared, film: DeliverableIndex, folder: Path) -> int:
    blob = next(b for name, b in film.files.items() if name.endswith((".mp4", ".mov")))
    return sum(1 for _ in decode_frames(blob_file(prepared.store, blob, folder / "work")))
