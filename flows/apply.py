"""From a plan to files in a folder: the gates before money, the flow, and what was made put where people look.

Imports Prefect only when there is something to do.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows import views
from flows.prepare import Prepared, refuse_over_budget, refuse_words_that_do_not_fit, store_inputs
from infra.blobs import read_blob
from infra.console import CONSOLE, RunConsole
from infra.deliverables import copy_out, find_deliverable
from infra.errors import ApprovalNeededError, RightsError, ShotrunnerError
from infra.files import place_file
from infra.media.ffmpeg import find_ffmpeg
from infra.orchestrator import PrefectServer
from infra.records import read_record
from infra.runs import last_run
from infra.storage.base import ObjectStore
from manifests.finish import DeliverableIndex, film_facts, finish_inputs
from manifests.journal import RunRecord
from manifests.naming import run_key
from manifests.plan import Plan, Planner, Verb
from manifests.ratecard import load_profiles


class NotConfirmedError(ShotrunnerError):
    summary = "nothing was bought"
    exit_code = 2


def apply_prepared(prepared: Prepared, out: Path | None, *, yes: bool, json: bool) -> int:
    """Applies a plan that was just made. Returns the exit code; raises what stopped it before anything was paid."""
    plan = prepared.plan
    refuse_gates(plan)
    refuse_over_budget(plan)
    folder = out or Path("out") / plan.campaign
    finished = _finished(prepared.store, plan, prepared.planner)
    if finished is not None:
        return _nothing_to_do(prepared.store, plan, finished, folder, json=json)
    find_ffmpeg()  # told before anything is paid, not after
    refuse_words_that_do_not_fit(prepared.checked)
    if not json:
        for line in views.run_header(plan):
            views.say(line)
    _confirm(plan, yes=yes)
    digest = store_inputs(prepared)
    return run_flow(plan, digest, prepared.store, prepared.store_url, prepared.home, folder, json=json)


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
    if spot.review is not None and plan.options.approve != "auto":
        raise ApprovalNeededError(
            "the manifest has a review block, and its gates are not built yet",
            remedy="--approve auto lets the score decide; or remove the block",
        )


def _confirm(plan: Plan, *, yes: bool) -> None:
    """Real credits are spent only after somebody said so."""
    if not plan.paid or yes or not plan.purchases:
        return
    total = plan.totals.credits
    question = f"Spend {total:,} credits (${total / 100:.2f}), up to {plan.totals.up_to:,} with retakes? [y/N] "
    if not sys.stdin.isatty():
        raise NotConfirmedError(
            f"the plan costs {total:,} credits and nobody can be asked", remedy="say --yes when that is meant"
        )
    if input(question).strip().lower() not in ("y", "yes"):
        raise NotConfirmedError("the answer was not yes")


def _finished(store: ObjectStore, plan: Plan, planner: Planner) -> list[DeliverableIndex] | None:
    """The indexes of all deliverables, if nothing has to be bought, collected or encoded; else None. The planner has
    looked just now; a stored plan had not."""
    if any(a.verb is not Verb.KEEP for a in planner.actions):
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
    inputs = finish_inputs(plan, {k: v for k, v in bought.items() if not k.endswith("/still")})
    profiles = load_profiles()
    found = [find_deliverable(store, plan, inputs, profiles[d.profile], d)[1] for d in plan.read_spot().deliver]
    return [index for index in found if index is not None] if all(found) else None


def _nothing_to_do(
    store: ObjectStore, plan: Plan, finished: list[DeliverableIndex], folder: Path, *, json: bool
) -> int:
    for index in finished:
        copy_out(store, index, folder)
    before = last_run(store, plan.campaign)
    if before is not None:
        _copy_dailies(store, before, folder)
    if json:
        views.print_json({"message_type": "done", "calls": 0, "encodes": 0, "credits": 0, "out": str(folder)})
        return 0
    views.say(f"{plan.campaign}: nothing to do; 0 vendor calls, 0 encodes, 0 credits")
    for index in finished:
        views.say(f"  {film_of(index)}  {film_facts(index.measured)}")
    return 0


def film_of(index: DeliverableIndex) -> str:
    return next(name for name in index.files if name.endswith((".mp4", ".mov")))


def run_flow(
    plan: Plan, digest: str, store: ObjectStore, store_url: str, home: Path, folder: Path, *, json: bool
) -> int:
    """Runs the flow in this process, shows its events, and puts the files out. Returns the exit code."""
    console = RunConsole(home=home)
    CONSOLE.set(console)
    seen: dict[str, Any] = {}
    console.events.listen(seen.update)  # the last run_id stays
    if json:
        console.events.listen(views.print_json)
        code = _drive(console, digest, store_url, home)
    else:
        with views.RunView(plan) as view:
            console.events.listen(view.listen)
            code = _drive(console, digest, store_url, home)
    return _report(store, seen.get("run_id"), folder, code, json=json)


def _drive(console: RunConsole, digest: str, store_url: str, home: Path) -> int:
    console.events.emit("starting", what="Prefect" if os.environ.get("PREFECT_API_URL") else "Prefect (its own server)")
    server = prefect_environment(home)
    try:
        from flows.campaign import ProductionError, produce
        from flows.history import history_written

        flow_runs: list[str] = []
        console.events.listen(lambda event: flow_runs.extend([event["flow_run"]] if "flow_run" in event else []))

        async def run() -> None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _interrupt, console)
            try:
                await produce(plan=digest, store=store_url)
            finally:
                if server is not None and flow_runs:
                    await history_written(flow_runs[-1])

        if server is not None:
            server.wait()
        try:
            asyncio.run(run())
        except ProductionError as error:
            return error.status
        return 0
    finally:
        if server is not None:
            server.stop()


def _interrupt(console: RunConsole) -> None:
    """The first Ctrl-C stops buying; the second leaves at once: the ledger knows, and children die with us."""
    if console.stopping:
        if sys.stdout.isatty():
            sys.stdout.write("\x1b[?25h")  # the progress bar had hidden the cursor
            sys.stdout.flush()
        os._exit(130)
    console.stop()


def prefect_environment(home: Path) -> PrefectServer | None:
    """Settings that Prefect reads when it is imported (prefect sheet §1, §2). What the user set stays; a user who set
    neither server nor home gets a server for the length of the run, its history kept beside the store."""
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
    if "PREFECT_API_URL" in os.environ or "PREFECT_HOME" in os.environ:
        return None
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    server = PrefectServer(home / "prefect")
    os.environ["PREFECT_API_URL"] = server.url
    return server


def _report(store: ObjectStore, run_id: str | None, folder: Path, code: int, *, json: bool) -> int:
    record = read_record(store, run_key(run_id, "run.json"), RunRecord) if run_id else None
    if record is None:
        return code or 1
    films = []
    for key in record.deliverables:
        index = read_record(store, key, DeliverableIndex)
        if index is not None:
            copy_out(store, index, folder)
            films.append({"file": str(folder / film_of(index)), "facts": film_facts(index.measured)})
    _copy_dailies(store, record, folder)
    told: Mapping[str, Any] = record.model_dump(mode="json", by_alias=True)
    if json:
        views.print_json({"message_type": "done", **told, "films": films, "out": str(folder)})
    else:
        for line in views.run_lines(told, films):
            views.say(line)
        views.say(f"  {folder / 'dailies.html'}")
    return code


def _copy_dailies(store: ObjectStore, record: RunRecord, folder: Path) -> None:
    page = record.dailies
    if page is not None:
        place_file(folder / "dailies.html", page.sha256, lambda: read_blob(store, page))
