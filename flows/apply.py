"""From a plan to files in a folder: the gates before money, the flow, and what was made put where people look.

Imports Prefect only when there is something to do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import views
from flows.checking import refuse_words_that_do_not_fit
from flows.costs import refuse_unexplained
from flows.delivery import offers_moved, put_film, put_out, put_pages, put_sheets
from flows.prepare import Prepared, plan_pictures
from flows.refusals import refuse_moved_prices, refuse_over_budget
from flows.stored_plan import store_inputs
from infra.clock import SystemClock
from infra.console import CONSOLE, RunConsole
from infra.deliverables import ended_films, find_deliverable
from infra.errors import BudgetExceededError, RightsError, ShotrunnerError, StoppedError
from infra.fitness import require_fit_store
from infra.keys import named_variables
from infra.lease import refuse_if_held
from infra.media.ffmpeg import find_ffmpeg
from infra.orchestrator import PrefectServer, require_server
from infra.records import read_record
from infra.runners import require_runner
from infra.runs import last_run
from infra.selections import read_decisions, read_gates
from infra.state import StoreState
from infra.storage.base import ObjectStore
from manifests.films import Variant
from manifests.finish import DeliverableIndex, film_facts, finish_inputs, said_inputs
from manifests.journal import RunRecord
from manifests.naming import run_key
from manifests.plan import Plan
from manifests.planner import Planner
from manifests.ratecard import load_profiles
from manifests.tiny import shrink_profile

LINES_MISSING = 3  # how a plan of the speech ends when a line cannot be had: films without it are made all the same


class NotConfirmedError(ShotrunnerError):
    summary = "nothing was bought"
    exit_code = 2


@dataclass(frozen=True)
class Manner:
    """How a plan is applied. `exactly`: what follows from a plan of the speech is left to the next run."""

    out: Path | None
    yes: bool
    json: bool
    wait: bool = False
    exactly: bool = False
    accept_prices: bool = True


def apply_prepared(
    prepared: Prepared, out: Path | None, *, yes: bool, json: bool, wait: bool = False, exactly: bool = False,
    accept_prices: bool = True,
) -> int:  # fmt: skip
    """Applies a plan that was just made; after one of the speech alone, the plan of everything at the lengths that it
    needs. Returns the exit code; raises what stopped it before anything more was paid."""
    manner = Manner(out, yes, json, wait, exactly, accept_prices)
    with orchestration(prepared) as server:
        code = _apply_one(prepared, manner, server)
        pictures = pictures_after(prepared, code)
        if pictures is None:
            return code
        if exactly:
            return _told_to_plan(prepared, json=json)
        if not accept_prices:
            refuse_moved_prices(pictures)
        return _apply_one(pictures, manner, server)


def _apply_one(prepared: Prepared, manner: Manner, server: Orchestration) -> int:
    plan = prepared.plan
    refuse_gates(plan)
    refuse_over_budget(plan)
    folder = manner.out or Path("out") / plan.campaign
    if plan.is_speech:
        if prepared.heard is not None and not prepared.heard.missing:
            return 0  # a stored plan that was applied before
    else:
        finished = finished_films(prepared.store, plan, prepared.planner)
        if finished is not None:
            return _nothing_to_do(prepared.store, plan, finished, folder, json=manner.json)
    refuse_what_is_missing(prepared, wait=manner.wait)
    if not manner.json:
        for line in views.run_header(plan):
            views.say(line)
    confirm(plan, yes=manner.yes)
    not_compared = refuse_unexplained(prepared)
    if not_compared and not manner.json:
        views.say(f"note: {not_compared}", stream=sys.stderr)
    digest = store_inputs(prepared)
    console = RunConsole(home=prepared.home, wait=manner.wait, media_runner=prepared.settings.media_runner)
    return run_flow(prepared, digest, console, folder, json=manner.json, server=server)


def pictures_after(prepared: Prepared, code: int) -> Prepared | None:
    """What a plan of the speech leads to; None when it was none, or when no film has all that is spoken in it."""
    if not prepared.plan.is_speech or code not in (0, LINES_MISSING):
        return None
    after = plan_pictures(prepared, StoreState(prepared.store, SystemClock()))
    if after is None or (code and not any(_has_lines(after, variant) for variant in after.plan.variants)):
        return None
    return after


def _has_lines(prepared: Prepared, variant: Variant) -> bool:
    voiceover, walks = variant.spot.sound.voiceover, prepared.planner.walks
    wants = [f"{variant.line(line.id)}/line" for line in (voiceover.lines if voiceover else ())]
    return all(walks[want].wanted[0].result is not None for want in wants)


def _told_to_plan(prepared: Prepared, *, json: bool) -> int:
    again = f"shotrunner plan {prepared.plan.manifest} --out plan.json"
    facts = {"message_type": "spoken", "campaign": prepared.plan.campaign, "next": again}
    views.answer(facts, [f"the speech is there; its plan holds nothing else. The pictures: {again}"], json=json)
    return 0


def refuse_what_is_missing(prepared: Prepared, *, wait: bool) -> None:
    """What a run needs, told before anything is paid, not after: programs, store, server, lease, words that fit."""
    find_ffmpeg()
    require_fit_store(prepared.store, SystemClock(), public=prepared.settings.public_store)
    require_runner(prepared.settings.media_runner, prepared.settings.dask_address)
    if url := os.environ.get("PREFECT_API_URL"):
        require_server(url)
    if not wait:
        refuse_if_held(prepared.store, SystemClock(), prepared.plan.campaign)
    refuse_words_that_do_not_fit(prepared.checked)


def refuse_gates(plan: Plan) -> None:
    """What only a person may let through, when real credits are at stake. On the backlot it is a notice."""
    if not plan.paid:
        return
    spot = plan.read_spot()
    people = spot.compliance.people if spot.compliance else "none"
    if spot.graphics.disclosure == "auto" and people != "none" and plan.options.approve != "auto":
        raise RightsError(
            f"people: {people}, and the disclosure label is not drawn yet",
            remedy="graphics.disclosure: {override: {by: NAME, reason: WHY}} puts a person's word on record",
        )


def confirm(plan: Plan, *, yes: bool) -> None:
    """Real credits are spent only after somebody said so."""
    if not plan.paid or not plan.purchases:
        return
    total = plan.totals.credits
    question = f"Spend {total:,} credits (${total / 100:.2f}), up to {plan.totals.up_to:,} with retakes?"
    if plan.is_speech:
        question = f"Spend {total:,} credits (${total / 100:.2f}) on the speech? The pictures are asked for after it."
    ask(question, f"the plan costs {total:,} credits", yes=yes)


def ask(question: str, fact: str, *, yes: bool) -> None:
    """Raises NotConfirmedError unless somebody says yes. `fact` is told where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmedError(f"{fact} and nobody can be asked", remedy="say --yes when that is meant")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise NotConfirmedError("the answer was not yes")


def finished_films(store: ObjectStore, plan: Plan, planner: Planner) -> list[DeliverableIndex] | None:
    """The indexes of all deliverables, if nothing has to be bought, collected or encoded; else None. The planner has
    looked just now; a stored plan had not."""
    if not planner.settled:
        return None
    bought = dict(planner.pictures)
    for want in plan.wants:
        walk = planner.walks.get(want.id)
        if walk is None:
            return None
        if want.what in ("speech", "effect"):
            result = walk.wanted[0].result
            if result is None:
                return None
            bought[want.id] = result.blob.sha256
        elif want.id not in bought and want.id not in planner.fell_back.values():
            return None  # it was collected, and the run was stopped before anybody looked at it
    said = said_inputs(planner.selections)
    spot, scale = plan.read_spot(), plan.options.picture_scale
    profiles = {name: shrink_profile(profile, scale) for name, profile in load_profiles().items()}
    gates = read_gates(store, plan.campaign, spot.review, auto=plan.options.approve == "auto")
    found, decisions = [], read_decisions(store, plan.campaign)
    for variant in plan.variants:
        inputs = finish_inputs(plan, variant, bought, said)
        for wanted in variant.spot.deliver:
            index = find_deliverable(store, plan, variant, inputs, profiles[wanted.profile], wanted, decisions)[1]
            if index is None or gates.waiting("film", index.variant, index.film_sha256) is not None:
                return None
            found.append(index)
    if ended_films(plan, found, SystemClock().now()) or offers_moved(store, plan):
        return None  # nothing is made, and it goes on record
    return found


def _nothing_to_do(
    store: ObjectStore, plan: Plan, finished: list[DeliverableIndex], folder: Path, *, json: bool
) -> int:
    put_sheets(store, plan, [put_film(store, plan, index, folder) for index in finished], folder)
    before = last_run(store, plan.campaign)
    if before is not None:
        put_pages(store, before, folder)
    code = BudgetExceededError.exit_code if plan.left_out else 0
    if json:
        views.print_json({"message_type": "done", "calls": 0, "encodes": 0, "credits": 0, "out": str(folder)})
        return code
    views.say(f"{plan.campaign}: nothing to do; 0 vendor calls, 0 encodes, 0 credits")
    for line in views.film_lines([{**_told(index), "file": index.film} for index in finished]):
        views.say(line)
    for notice in plan.notices if plan.left_out else ():
        views.say(f"  {notice}")
    return code


def _told(index: DeliverableIndex) -> dict[str, Any]:
    return {"profile": index.profile, "ok": bool(index.measured["ok"]), "facts": film_facts(index.measured)}


def run_flow(
    prepared: Prepared, digest: str, console: RunConsole, folder: Path, *, json: bool, server: Orchestration
) -> int:
    """Runs the flow in this process, shows its events, and puts the files out. Returns the exit code."""
    CONSOLE.set(console)
    seen: dict[str, Any] = {}
    console.events.listen(seen.update)  # the last run_id stays
    if json:
        console.events.listen(views.print_json)
        code = _drive(console, digest, prepared, server)
    else:
        with views.RunView(prepared.plan) as view:
            console.events.listen(view.listen)
            code = _drive(console, digest, prepared, server)
    return _report(prepared, seen.get("run_id"), folder, code, json=json)


class Orchestration:
    """Prefect's server for the length of a command, however many flows it runs: started with the first of them. Prefect
    reads its address once in a process, so a second server would not be found."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._begun = False
        self.own: PrefectServer | None = None  # None where the user has one

    def begin(self) -> str:
        """Goes on starting while the caller does other things. Says what is started; nothing the second time."""
        if self._begun:
            return ""
        self._begun = True
        what = "Prefect" if os.environ.get("PREFECT_API_URL") else "Prefect (its own server)"
        settings = self._prepared.settings
        secrets = named_variables(settings.runway_key, settings.elevenlabs_key)
        self.own = prefect_environment(self._prepared.home, secrets=secrets)
        return what

    def wait(self) -> None:
        if self.own is not None:
            self.own.wait()


@contextmanager
def orchestration(prepared: Prepared) -> Iterator[Orchestration]:
    server = Orchestration(prepared)
    try:
        yield server
    finally:
        if server.own is not None:
            server.own.stop()


def _drive(console: RunConsole, digest: str, prepared: Prepared, server: Orchestration) -> int:
    if what := server.begin():
        console.events.emit("starting", what=what)
    from prefect.exceptions import CancelledRun

    from flows.campaign import ProductionError, produce
    from flows.history import history_written, log_written

    flow_runs: list[str] = []
    console.events.listen(lambda event: flow_runs.extend([event["flow_run"]] if "flow_run" in event else []))

    async def run() -> None:
        _hear_signals(console)
        # Prefect takes SIGTERM for itself when the flow begins: it is taken back, or paid takes would be left
        console.events.listen(lambda e: _hear_signals(console) if e["message_type"] == "run" else None)
        try:
            await produce(plan=digest, store=prepared.store_url)
        finally:
            if server.own is not None:
                await log_written()
            if server.own is not None and flow_runs:
                await history_written(flow_runs[-1])

    server.wait()
    try:
        asyncio.run(run())
    except ProductionError as error:
        return error.status
    except CancelledRun:  # on Prefect's own pages
        return StoppedError.exit_code
    return 0


def _hear_signals(console: RunConsole) -> None:
    """Ctrl-C, and what service managers and containers send to end a process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _interrupt, console)


def _interrupt(console: RunConsole) -> None:
    """The first Ctrl-C stops buying; the second leaves at once: the ledger knows, and children die with us."""
    if console.stopping:
        with suppress(OSError):  # nobody reads any more
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[?25h")  # the progress bar had hidden the cursor
                sys.stdout.flush()
            sys.stderr.write("left at once: the next run collects what is paid\n")
            sys.stderr.flush()
        os._exit(130)
    console.stop()


def prefect_environment(home: Path, *, secrets: Collection[str] = ()) -> PrefectServer | None:
    """Settings that Prefect reads when it is imported (prefect sheet §1, §2). What the user set stays; a user who set
    neither server nor home gets a server for the length of the run, its history kept beside the store; `secrets` are
    variables that it is not given."""
    for name, value in {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        # with the defaults an embedded run that ends at once loses most of its task runs
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",  # our own lines say what happened
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
    }.items():
        os.environ.setdefault(name, value)
    for queue in ("EventsWorker", "APILogWorker"):  # warn of what they still send when a run ends: nobody's business
        logging.getLogger(queue).setLevel(logging.CRITICAL)
    if "PREFECT_API_URL" in os.environ or "PREFECT_HOME" in os.environ:
        return None
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    server = PrefectServer(home / "prefect", without=secrets)
    os.environ["PREFECT_API_URL"] = server.url
    return server


def _report_speech(record: RunRecord, *, json: bool) -> int:
    """What it is good for is told by the plan that follows."""
    told = record.model_dump(mode="json", by_alias=True)
    lines = views.run_lines({**told, "notices": []}, [])
    views.answer({"message_type": "spoken", **told}, lines, json=json)
    return 0


def _report(prepared: Prepared, run_id: str | None, folder: Path, code: int, *, json: bool) -> int:
    store = prepared.store
    record = read_record(store, run_key(run_id, "run.json"), RunRecord) if run_id else None
    if record is None:
        return code or 1
    if prepared.plan.is_speech and not code:
        return _report_speech(record, json=json)
    films = [{"file": str(film.path), **_told(film.index)} for film in put_out(store, prepared.plan, record, folder)]
    told: Mapping[str, Any] = record.model_dump(mode="json", by_alias=True)
    if json:
        page = str(folder / "dailies.html")
        views.print_json({"message_type": "done", **told, "films": films, "out": str(folder), "page": page})
    else:
        for line in views.run_lines(told, films):
            views.say(line)
        views.say(f"  {folder / 'dailies.html'}")
        for line in views.gate_lines(told, str(folder / "dailies.html")):
            views.say(line)
    return code
