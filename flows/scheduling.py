"""From a schedule and one of its days to a plan: everything that `run --schedule` and the deployed flow share. No
Prefect, no vendor call; only `begin_scheduled` writes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.delivery import refused_films
from flows.heard import Stage
from flows.marks import marks_of
from flows.prepare import Prepared, absolute_store, make_plan, replan
from infra.clock import Clock, SystemClock
from infra.errors import PreconditionFailedError, ShotrunnerError, StalePlanError
from infra.lease import acquire_lease, who_holds
from infra.process import this_process
from infra.records import create_record, read_record
from infra.runs import list_runs
from infra.settings import Settings, read_settings
from infra.state import StoreState
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.diagnostics import ManifestError
from manifests.journal import RunRecord
from manifests.naming import parse_start_key, plan_key, run_key, settled_key, settled_prefix, start_key, start_prefix
from manifests.occurrences import NoOccurrenceError, Occurrence, occurrence_at, occurrence_on, occurrences
from manifests.plan import Options, Plan
from manifests.retakes import MarkedState
from manifests.schedule import Schedule
from manifests.scheduled import LoadedSchedule, Resolved, read_schedule, resolve_schedule
from manifests.settled import changes_between
from manifests.starting import Past, Start, StartRecord, decide_start


class NoStartError(ShotrunnerError):
    summary = "the schedule does not start then"
    exit_code = 2


class StartDoneError(ShotrunnerError):
    summary = "the start is done"
    exit_code = 2


@dataclass(frozen=True)
class Planned:
    """A start of a schedule with its plan. `begun`: the record of an earlier try, whose settled values stand.
    `changes`: in what they are settled anew; None where nobody asked for that."""

    loaded: LoadedSchedule
    occurrence: Occurrence
    resolved: Resolved
    prepared: Prepared
    begun: StartRecord | None = None
    notices: tuple[str, ...] = ()
    changes: tuple[str, ...] | None = None


def find_occurrence(schedule: Schedule, text: str) -> Occurrence:
    """`2026-12-14`, or of several on a day `2026-12-14T05:30`, as clocks in the schedule's zone show it."""
    day, _, time = text.partition("T")
    try:
        on, at = dt.date.fromisoformat(day), dt.time.fromisoformat(time) if time else None
    except ValueError:
        raise NoStartError(f"`{text}` is no day", remedy="write 2026-12-14, or 2026-12-14T05:30") from None
    if at is not None and at.tzinfo is not None:
        remedy = f"the time is that of {schedule.when.timezone}: write {on}T{at:%H:%M} as clocks show it there"
        raise NoStartError(f"`{text}` has an offset", remedy=remedy)
    try:
        return occurrence_on(schedule, on, at)
    except NoOccurrenceError as error:
        raise NoStartError(error.detail, remedy=error.remedy) from None


def next_occurrence(schedule: Schedule, now: dt.datetime) -> Occurrence:
    """The next one that is not skipped."""
    return next(o for o in occurrences(schedule, now) if not o.skipped)


def prepare_scheduled(
    path: Path,
    occurrence: Occurrence,
    *,
    overrides: Sequence[str] = (),
    accepted: Sequence[str] = (),
    settings: Settings | None = None,
    clock: Clock | None = None,
    options: Options | None = None,
    stage: Stage = "next",
    anew: bool = False,
) -> Planned:
    """The plan of one start, by what was settled when it was first begun, else by the tables as they are; by these also
    where it is settled `anew`. Writes nothing. Raises ManifestError, StartDoneError, and what reading the store
    raises."""
    loaded = read_schedule(path, tuple(overrides))
    settings = settings or read_settings(loaded.root)
    store = open_store(absolute_store(settings.store, loaded.root), loaded.root)
    begun = read_start(store, loaded.schedule.name, occurrence.instant)
    resolved, changes = _settle(begun, loaded, occurrence, anew=anew)
    prepared = make_plan(
        loaded.manifest, accepted=accepted, options=options, settings=settings, clock=clock, scheduled=resolved,
        stage=stage,
    )  # fmt: skip
    prepared = _marked(prepared, resolved, occurrence, clock or SystemClock())
    stands = _settled_before(begun, loaded, occurrence) if changes is None else []
    notices = (*stands, *prepared.marks.notes)
    told = prepared.plan.model_copy(update={"notices": (*notices, *prepared.plan.notices)})
    planned = Planned(loaded, occurrence, resolved, replace(prepared, plan=told), begun, notices, changes)
    if anew:
        _refuse_if_done(planned, clock or SystemClock())
    return planned


def _settle(
    begun: StartRecord | None, loaded: LoadedSchedule, occurrence: Occurrence, *, anew: bool
) -> tuple[Resolved, tuple[str, ...] | None]:
    """What runs, and in what that is settled anew. Where the tables say the same as before, nothing is."""
    if begun is None:
        return resolve_schedule(loaded, occurrence), () if anew else None
    settled = begun.scheduled.with_rules(loaded.schedule)
    if not anew:
        return settled, None
    now = resolve_schedule(loaded, occurrence)
    changes = changes_between(settled, now)
    return now if changes else settled, changes


def _marked(prepared: Prepared, resolved: Resolved, occurrence: Occurrence, clock: Clock) -> Prepared:
    """With what the start decides about takes, as if it were written already."""
    store = prepared.store
    whole = replan(prepared, StoreState(store, clock), stage="all") if prepared.plan.is_speech else prepared
    marks = marks_of(whole.plan, whole.planner, resolved, occurrence, clock.now())
    if not marks.selections:
        return replace(prepared, marks=marks)
    state = MarkedState(StoreState(store, clock), marks.selections)
    return replace(replan(prepared, state, [marks.said] if marks.said else []), marks=marks)


def _settled_before(begun: StartRecord | None, loaded: LoadedSchedule, occurrence: Occurrence) -> list[str]:
    """What has changed since the start was begun counts for later ones only; people are told so."""
    if begun is None:
        return []
    try:
        now = resolve_schedule(loaded, occurrence)
    except ManifestError:
        now = None
    same = now is not None and not changes_between(begun.scheduled, now)
    told = f"the schedule or its tables have changed since {begun.at:%Y-%m-%d %H:%M} UTC: what was settled then stands"
    return [] if same else [f"{told}, until `run --anew`"]


def plan_next(path: Path, *, overrides: Sequence[str] = (), options: Options | None = None, stage: Stage) -> Prepared:
    """Of the next start from now on."""
    occurrence = next_occurrence(read_schedule(path, tuple(overrides)).schedule, SystemClock().now())
    return prepare_scheduled(path, occurrence, overrides=overrides, options=options, stage=stage).prepared


def begin_scheduled(planned: Planned, clock: Clock | None = None) -> Planned:
    """Puts the start on record before anything is bought: from then on what was settled stands. Settled anew, it is put
    beside what it was before. Raises StoreError, and what `_settle_anew` raises."""
    if planned.begun is not None:
        return _settle_anew(planned, planned.begun, clock or SystemClock()) if planned.changes else planned
    store, resolved = planned.prepared.store, planned.resolved
    record = StartRecord(
        scheduled=resolved, at=(clock or SystemClock()).now(), by=this_process().owner, nonce=uuid.uuid4().hex
    )
    try:
        create_record(store, start_key(resolved.name, resolved.instant), record)
    except PreconditionFailedError:  # another process began it in this moment: the lease decides which one goes on
        there = read_start(store, resolved.name, resolved.instant)
        if there is None or (there.scheduled.params, there.scheduled.patch) != (resolved.params, resolved.patch):
            raise StalePlanError(
                f"another process began the start of {resolved.date} with other values", remedy="run it again"
            ) from None
        record = there
    return replace(planned, begun=record)


def _settle_anew(planned: Planned, before: StartRecord, clock: Clock) -> Planned:
    """Under the campaign's lease, so that no process is at work with the values before. Raises LeaseHeldError,
    StartDoneError, and StalePlanError when another was first."""
    store, resolved = planned.prepared.store, planned.resolved
    lease = acquire_lease(store, clock, planned.prepared.plan.campaign)
    try:
        _refuse_if_done(planned, clock)
        record = StartRecord(
            scheduled=resolved, at=clock.now(), by=this_process().owner, nonce=uuid.uuid4().hex,
            number=before.number + 1, changes=planned.changes or (),
        )  # fmt: skip
        create_record(store, settled_key(resolved.name, resolved.instant, record.number), record)
    except PreconditionFailedError:
        raise StalePlanError(
            f"another process settled the start of {resolved.date} anew in this moment", remedy="run it again"
        ) from None
    finally:
        lease.release()
    return replace(planned, begun=record)


def _refuse_if_done(planned: Planned, clock: Clock) -> None:
    """A start is over when its films are delivered; not while one of them is finished and its offer has ended."""
    store, plan = planned.prepared.store, planned.prepared.plan
    past = past_starts(store, planned.resolved.name, plan.campaign, clock)
    own = next((p for p in past if p.instant == planned.occurrence.instant and p.exit_code == 0), None)
    record = read_record(store, run_key(own.run, "run.json"), RunRecord) if own is not None else None
    made = read_record(store, plan_key(record.plan), Plan) if record is not None else None
    if record is None or (made is not None and refused_films(store, made, record, clock.now())):
        return
    raise StartDoneError(
        f"{planned.resolved.date} was made and delivered by run {record.run_id} with what was settled for it",
        remedy="the next start takes the tables as they are: `shotrunner schedule preview` lists the days",
    )


def begun_otherwise(planned: Planned, clock: Clock) -> str:
    """Of the last start that was begun and is not done: in what its values are not those of now, and what to do. Empty
    where there is nothing to settle anew."""
    loaded, store = planned.loaded, planned.prepared.store
    begun = last_start(store, loaded.schedule.name)
    past = past_starts(store, loaded.schedule.name, planned.prepared.plan.campaign, clock)
    if begun is None or past[-1].exit_code == 0:
        return ""
    try:
        now = resolve_schedule(loaded, occurrence_at(loaded.schedule, begun.scheduled.instant))
    except (ManifestError, NoOccurrenceError):  # its day is over in the tables, or in the schedule
        return ""
    changes = changes_between(begun.scheduled, now)
    again = f"`shotrunner run --schedule {now.schedule} --date {now.date} --anew`"
    said = (
        f"the start of {now.date} has begun with what was settled then ({'; '.join(changes)}): {again} settles it again"
    )
    return said if changes else ""


def refuse_superseded(store: ObjectStore, plan: Plan) -> None:
    """For whoever holds the campaign's lease: between its plan and its lease the start may have been settled anew.
    Raises StalePlanError."""
    if plan.scheduled is None:
        return
    last = read_start(store, plan.scheduled.name, plan.scheduled.instant)
    if last is not None and changes_between(plan.scheduled, last.scheduled):
        raise StalePlanError(
            f"the start of {plan.scheduled.date} was settled anew by {last.by} in the meantime", remedy="run it again"
        )


def read_start(store: ObjectStore, schedule: str, instant: dt.datetime) -> StartRecord | None:
    """With what was settled last; the records before it stay."""
    first = read_record(store, start_key(schedule, instant), StartRecord)
    later = sorted(info.key for info in store.list(settled_prefix(schedule, instant))) if first is not None else []
    return read_record(store, later[-1], StartRecord) if later else first


def last_start(store: ObjectStore, schedule: str) -> StartRecord | None:
    """The latest one that was begun."""
    instants = [parse_start_key(info.key)[1] for info in store.list(start_prefix(schedule))]
    return read_start(store, schedule, max(instants)) if instants else None


def past_starts(store: ObjectStore, schedule: str, campaign: str, clock: Clock | None = None) -> list[Past]:
    """Every start that was begun, oldest first, and how its last run ended."""
    instants = sorted(parse_start_key(info.key)[1] for info in store.list(start_prefix(schedule)))
    runs = [r for r in list_runs(store, campaign) if r.scheduled is not None and r.scheduled.name == schedule]
    runs = [r for r in runs if not r.speech_only or r.exit_code]  # after speech that went well, the films are to come
    held = who_holds(store, clock or SystemClock(), campaign)
    found = []
    for instant in instants:
        own = [r for r in runs if r.scheduled is not None and r.scheduled.instant == instant]
        last = own[-1] if own else None
        code, run = (last.exit_code, last.run_id) if last else (None, "")
        found.append(Past(instant, exit_code=code, run=run))
    if found and held:
        found[-1] = replace(found[-1], running=True, elsewhere=held == "elsewhere")
    return found


def decide(planned: Planned, clock: Clock | None = None, *, by_hand: bool = False) -> Start:
    """`decide_start` with what the store knows of other starts."""
    clock = clock or SystemClock()
    past = past_starts(planned.prepared.store, planned.resolved.name, planned.prepared.plan.campaign, clock)
    return decide_start(planned.loaded.schedule, planned.occurrence, clock.now(), past, by_hand=by_hand)
