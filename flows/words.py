"""A person's word: circled, rejected, or many at once from a file. Says what it makes the next run buy before anything
is kept; buys nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows import views
from flows.apply import ask
from flows.heard import Stage
from flows.prepare import Prepared, make_plan, replan
from flows.targets import UnknownNameError, UnknownTargetError, find_target
from infra.clock import Clock, SystemClock
from infra.errors import StalePlanError
from infra.lease import acquire_lease
from infra.records import read_record
from infra.runs import last_run
from infra.selections import change_selection, keep_decisions
from infra.state import StoreState
from infra.storage.base import ObjectStore
from manifests.approvals import Decisions, Subject, Word, apply_words, empty_selection
from manifests.approvals_file import Seen, check_approvals
from manifests.diagnostics import Diagnostic, suggest
from manifests.finish import DeliverableIndex
from manifests.journal import RunRecord, Selection
from manifests.naming import plan_key
from manifests.plan import Action, Options, Plan
from manifests.retakes import MarkedState, bought_anew
from manifests.walk import Numbered, take_frames

_NUMBER = re.compile(r"(?:(take|still)-)?([1-9][0-9]{0,5})\Z")


@dataclass(frozen=True)
class Spoken:
    """What is to be kept, and what follows from it."""

    prepared: Prepared
    record: Decisions
    selections: Mapping[str, Selection]  # by segment, as they will be
    after: Prepared
    stale: tuple[Diagnostic, ...] = ()

    @property
    def anew(self) -> list[Action]:
        return bought_anew(self.prepared.plan, self.after.plan)


def prepare_target(text: str, *, stage: Stage = "all", **options: Any) -> tuple[Prepared, RunRecord | None]:
    """The plan of TARGET as it is now, gates as in its last run; and the run that was named, or else the last one."""
    target = find_target(text)
    known: dict[str, Any] = {"overrides": target.overrides, "scheduled": target.scheduled, "stage": stage}
    prepared = make_plan(target.manifest, options=Options(**options), **known)
    run = target.run or last_run(prepared.store, prepared.plan.campaign)
    before = read_record(prepared.store, plan_key(run.plan), Plan) if run else None
    if before is not None and before.options.approve == "auto" and "approve" not in options:
        again = Options(**options, approve="auto")
        prepared = make_plan(target.manifest, options=again, **known)
    return prepared, run


def say_one(
    target: str, address: str, what: str, decision: Literal["approve", "reject"], *, by: str, person: str = "",
    reasons: Sequence[str] = (), note: str = "", clock: Clock | None = None,
) -> Spoken:  # fmt: skip
    """About one still, take or film. Raises UnknownNameError when it is not there."""
    clock = clock or SystemClock()
    prepared, run = prepare_target(target)
    seen = _find(what_is_there(prepared, run), address, what)
    word = Word(
        address=seen.address, what=seen.what, number=seen.number, target=seen.target, sha256=seen.sha256,
        decision=decision, reasons=tuple(reasons), note=note,
    )  # fmt: skip
    record = Decisions(
        campaign=prepared.plan.campaign, run=run.run_id if run else None, by=by, person=person or by, at=clock.now(),
        words=(word,),
    )  # fmt: skip
    return _spoken(prepared, record, clock)


def say_file(target: str, path: Path, *, skip_stale: bool = False, clock: Clock | None = None) -> Spoken:
    """Everything in an approvals file, or nothing. Raises ManifestError with its lines."""
    clock = clock or SystemClock()
    prepared, run = prepare_target(target)
    if run is None:
        raise UnknownTargetError(f"{target} has no run that ended", remedy="run it first: there is nothing to approve")
    plan = prepared.plan
    seen = what_is_there(prepared, run)
    checked = check_approvals(path, plan.campaign, run.run_id, plan.read_spot().review, seen, skip_stale=skip_stale)
    return _spoken(prepared, checked.decisions, clock, checked.stale)


def what_is_there(prepared: Prepared, run: RunRecord | None) -> dict[str, tuple[Seen, ...]]:
    """Everything that can be decided about: stills and takes by address, the last run's films by variant."""
    found: dict[str, list[Seen]] = {}
    for want in prepared.plan.wants:
        walk = prepared.planner.walks.get(want.id)
        if want.what not in ("still", "take"):
            continue
        row = found.setdefault(want.address, [])
        for n in sorted((*walk.wanted, *walk.skipped), key=lambda n: n.number) if walk else ():
            if walk is not None and n.result is not None:
                frames = (take_frames(want, n), want.frames) if want.what == "take" else (0, 0)
                row.append(Seen(want.address, want.what, n.number, walk.segment, n.result.blob.sha256, *frames))
    for key in (*run.deliverables, *run.waiting, *run.over) if run else ():
        index = read_record(prepared.store, key, DeliverableIndex)
        if index is not None:
            film = Seen(index.variant, "film", 0, index.variant, index.film_sha256)
            found.setdefault(index.variant, []).append(film)
    return {address: tuple(row) for address, row in found.items()}


def _find(seen: Mapping[str, tuple[Seen, ...]], address: str, text: str) -> Seen:
    if address not in seen:
        raise UnknownNameError(
            f"no shot or film {address!r}{suggest(address, tuple(seen))}", remedy=f"there are {', '.join(seen)}"
        )
    match = _NUMBER.match(text)
    if match is None and text != "film":
        raise UnknownNameError(f"{text!r} is no take", remedy="a number (2), a still (still-2), or film")
    what: Subject = "film" if match is None else "still" if match[1] == "still" else "take"
    number = int(match[2]) if match else 0
    there = [s for s in seen[address] if s.what == what]
    for one in there:
        if one.number == number:
            return one
    numbers = ", ".join(str(s.number) for s in there)
    name = "film" if what == "film" else f"{what} {number}"
    raise UnknownNameError(
        f"no {name} of {address}", remedy=f"there are {numbers}" if numbers else f"there is no {what} of it yet"
    )


def _spoken(prepared: Prepared, record: Decisions, clock: Clock, stale: tuple[Diagnostic, ...] = ()) -> Spoken:
    selections = changed_selections(prepared, record)
    state = MarkedState(StoreState(prepared.store, clock), selections)
    return Spoken(prepared, record, selections, replan(prepared, state, (record,)), stale)


def changed_selections(prepared: Prepared, record: Decisions) -> dict[str, Selection]:
    planner = prepared.planner
    changed: dict[str, Selection] = {}
    for want_id, walk in planner.walks.items():
        words = [w for w in record.words if w.target == walk.segment and w.what != "film"]
        if words and walk.segment not in changed:
            before = planner.selections[want_id] or empty_selection(walk.segment, words[0].address)
            numbers: dict[int, Numbered] = {n.number: n for n in (*walk.wanted, *walk.skipped)}
            changed[walk.segment] = apply_words(before, record, words, numbers)
    return changed


def keep(spoken: Spoken, *, yes: bool, json: bool, name: str) -> int:
    """Tells what follows, asks where it costs real credits, and writes it. Returns the exit code."""
    if not json:
        for line in before_lines(spoken):
            views.say(line)
    plan, anew = spoken.after.plan, spoken.anew
    credits = sum(a.credits for a in anew)
    if plan.paid and credits:
        ask("Keep it all the same?", f"it makes the next run spend {credits:,} credits", yes=yes)
    if spoken.record.words:
        with held(spoken.prepared) as store:
            keep_decisions(store, spoken.record)
            write_selections(store, spoken.selections)
    if json:
        views.print_json(spoken_facts(spoken, name))
        return 0
    for line in after_lines(spoken):
        views.say(line)
    return 0


@contextmanager
def held(prepared: Prepared) -> Iterator[ObjectStore]:
    """The campaign's lease, with nothing changed since `prepared`: a run that is under way never sees a new choice or a
    new number that its plan does not have. Raises LeaseHeldError or StalePlanError."""
    store, plan = prepared.store, prepared.plan
    lease = acquire_lease(store, SystemClock(), plan.campaign)
    try:
        fresh = replan(prepared, StoreState(store, SystemClock()))
        if fresh.planner.positions != prepared.planner.positions:
            raise StalePlanError(f"{plan.campaign} has changed in the meantime", remedy="look again, and say it again")
        yield store
    finally:
        lease.release()


def write_selections(store: ObjectStore, selections: Mapping[str, Selection]) -> None:
    for segment, wanted in selections.items():
        change_selection(store, segment, wanted.address, lambda _, wanted=wanted: wanted)  # type: ignore[misc]


# --- what people see ---


def before_lines(spoken: Spoken) -> list[str]:
    anew = spoken.anew
    if not anew:
        return []
    purse = "credits" if spoken.after.plan.paid else "play credits"
    lines = [f"the next run buys anew, {sum(a.credits for a in anew):,} {purse}:"]
    return lines + [f"  {a.id}  {a.credits:,}  {_why_anew(a)}" for a in anew]


def _why_anew(action: Action) -> str:
    return "it starts on another picture now" if action.reason == "new" else action.reason


def after_lines(spoken: Spoken) -> list[str]:
    record = spoken.record
    who = record.by if record.person == record.by else f"{record.by} ({record.person})"
    lines = []
    for word in record.words:
        said = "approved" if word.what == "film" else "circled"
        if word.decision == "reject":
            said = f"rejected ({', '.join(word.reasons)})"
        said += f", shown from frame {word.trim} on," if word.trim else ""
        note = f", note: {word.note}" if word.note else ""
        lines.append(f"{_name(word)} {said} by {who}{note}")
    lines += [f"stale, left out: {d.where}: {d.detail}" for d in spoken.stale]
    for want_id, waiting in spoken.after.planner.waiting.items():
        lines.append(f"{want_id.replace('/', ' ')} still waits, {waiting}")
    lines += _next(spoken)
    return lines


def _next(spoken: Spoken) -> list[str]:
    campaign = spoken.prepared.plan.campaign
    if any(w.decision == "reject" and not w.replace and w.what != "film" for w in spoken.record.words):
        return [f"shotrunner retake {campaign} --rejected films another in its place; run alone does not"]
    return []


def _name(word: Word) -> str:
    return word.address if word.what == "film" else f"{word.address} {word.what} {word.number}"


def spoken_facts(spoken: Spoken, name: str) -> dict[str, Any]:
    anew = spoken.anew
    return {
        "message_type": name,
        "campaign": spoken.record.campaign,
        "words": [w.model_dump(mode="json") for w in spoken.record.words],
        "by": spoken.record.by,
        "person": spoken.record.person,
        "buys_anew": [a.id for a in anew],
        "credits": sum(a.credits for a in anew),
        "waiting": {want: str(waiting) for want, waiting in spoken.after.planner.waiting.items()},
        "stale": [{"detail": d.detail, "where": str(d.where)} for d in spoken.stale],
    }
