"""Only the failed or rejected takes of an earlier run, or more of one shot: mark, show the bill, then apply the plan as
`run` does. What is to be made anew is decided in `manifests.retakes`.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import views
from flows.apply import apply_prepared, confirm, refuse_gates, refuse_what_is_missing
from flows.call_sheet import call_sheet
from flows.costs import refuse_unexplained
from flows.prepare import Prepared, replan
from flows.refusals import refuse_drift, refuse_over_budget
from flows.targets import UnknownNameError
from flows.words import held, prepare_target, write_selections
from infra.clock import SystemClock
from infra.errors import LeaseHeldError, PreconditionFailedError
from infra.lease import acquire_when_free
from infra.ledger import repair_ledger, write_take_record
from infra.process import this_process
from infra.state import StoreState
from manifests.diagnostics import suggest
from manifests.plan import Verb
from manifests.retakes import Asked, MarkedState, Marks, mark_retakes


@dataclass(frozen=True)
class Retake:
    """The marks, and the plan as it is with them."""

    prepared: Prepared
    marks: Marks
    after: Prepared


def plan_retake(target: str, asked: Asked, **options: Any) -> Retake:
    """What would be marked, and what it would cost. Writes nothing. Raises UnknownNameError for an unknown shot."""
    prepared, _ = prepare_target(target, stage="next", **options)
    _check_shot(prepared, asked.shot)
    marks = _marks(prepared, asked, SystemClock().now())
    state = MarkedState(StoreState(prepared.store, SystemClock()), marks.selections, marks.releases)
    return Retake(prepared, marks, replan(prepared, state))


def _marks(prepared: Prepared, asked: Asked, at: dt.datetime) -> Marks:
    plan, planner = prepared.plan, prepared.planner
    walks = [(want, planner.walks[want.id]) for want in plan.wants if want.id in planner.walks]
    known = {walk.segment: planner.selections[want.id] for want, walk in walks}
    selections = {segment: selection for segment, selection in known.items() if selection is not None}
    return mark_retakes(asked, walks, selections, by=this_process().owner, at=at)


def _check_shot(prepared: Prepared, shot: str | None) -> None:
    if shot is None:
        return
    takes = {w.address: w.id for w in prepared.plan.wants if w.what == "take"}
    if shot not in takes and prepared.plan.is_speech:
        raise UnknownNameError(f"no picture of {shot!r} is planned before the speech is there", remedy="run first")
    if shot not in takes:
        raise UnknownNameError(f"no shot {shot!r}{suggest(shot, tuple(takes))}", remedy=f"there are {', '.join(takes)}")
    if takes[shot] not in prepared.planner.walks:
        raise UnknownNameError(f"{shot} has no takes yet", remedy="run first: what it starts on is not there")


def wait_for_campaign(target: str, *, json: bool) -> None:
    """Until no run holds it, however long that takes; what is planned then is planned with what that run did."""
    prepared, _ = prepare_target(target)
    campaign = prepared.plan.campaign

    def tell(held: LeaseHeldError) -> None:
        facts = {"message_type": "lease", "campaign": campaign, "seconds": round(held.seconds_left), "why": held.detail}
        views.answer(facts, [str(views.event_line(facts))], json=json)

    asyncio.run(acquire_when_free(prepared.store, SystemClock(), campaign, waits=tell)).release()


def apply_retake(retake: Retake, out: Path | None, *, yes: bool, json: bool, wait: bool = False) -> int:
    """Confirms, marks, and applies what follows as `run` does. Returns the exit code. Whatever stops it before it buys
    is told before anything is marked."""
    after = retake.after
    refuse_drift(after)
    refuse_gates(after.plan)
    refuse_over_budget(after.plan)
    if after.plan.unfinished:
        refuse_what_is_missing(after, wait=False)
    confirm(after.plan, yes=yes)
    refuse_unexplained(after)
    marks, campaign = retake.marks, after.plan.campaign
    if marks.selections or marks.releases:
        with held(retake.prepared) as store:
            for release in marks.releases:
                try:
                    write_take_record(store, release)
                except PreconditionFailedError:
                    continue  # somebody else has settled it
            repair_ledger(store, campaign, [r.key for r in marks.releases])
            write_selections(store, marks.selections)
    clock = SystemClock()
    again = replan(retake.prepared, StoreState(retake.prepared.store, clock))
    asked_for_all = yes or not again.plan.is_speech  # nobody has seen what the pictures cost
    return apply_prepared(again, out, yes=True, json=json, wait=wait, exactly=not asked_for_all)


def retake_facts(retake: Retake) -> dict[str, Any]:
    """The bill, for `--json`."""
    plan, marks = retake.after.plan, retake.marks

    def told(notes: Any) -> list[Mapping[str, Any]]:
        return [vars(note) for note in notes]

    return {
        "message_type": "retake",
        "campaign": plan.campaign,
        "retaken": told(marks.retaken),
        "held": told(marks.held),
        "collect": [a.id for a in plan.actions if a.verb is Verb.COLLECT],
        "buy": [a.id for a in plan.purchases],
        "credits": plan.totals.model_dump(mode="json"),
    }


def retake_lines(retake: Retake) -> list[str]:
    """What is retaken, what is held and why, and what is collected for nothing."""
    plan, marks = retake.after.plan, retake.marks
    lines = [f"retake   {note}" for note in marks.retaken]
    lines += [f"held     {note}" for note in marks.held]
    lines += [f"collect  {a.id}: {a.reason}, 0 credits" for a in plan.actions if a.verb is Verb.COLLECT]
    return lines or ["nothing to retake"]


def show_bill(retake: Retake, *, json: bool, whole: bool) -> None:
    """`whole`: the call sheet too, because nothing else will be printed."""
    if json:
        views.print_json(retake_facts(retake))
        return
    for line in retake_lines(retake):
        views.say(line)
    if whole:
        after = retake.after
        slots, checked = after.settings.concurrency, after.checked
        for line in call_sheet(after.plan, checked, slots, assumed=slots == 1):
            views.say(line)
