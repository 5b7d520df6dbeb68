"""From a schedule and one of its days to a plan: everything that `run --schedule` and the deployed flow share. No
Prefect, no vendor call; only `begin_scheduled` writes.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.heard import Stage
from flows.marks import marks_of
from flows.prepare import Prepared, absolute_store, make_plan, replan
from infra.clock import Clock, SystemClock
from infra.errors import PreconditionFailedError, ShotrunnerError, StalePlanError
from infra.lease import who_holds
from infra.process import this_process
from infra.records import create_record, read_record
from infra.runs import list_runs
from infra.settings import Settings, read_settings
from infra.state import StoreState
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.diagnostics import ManifestError
from manifests.naming import parse_start_key, start_key, start_prefix
from manifests.occurrences import NoOccurrenceError, Occurrence, occurrence_on, occurrences
from manifests.plan import Options
from manifests.retakes import MarkedState
from manifests.schedule import Schedule
from manifests.scheduled import LoadedSchedule, Resolved, read_schedule, resolve_schedule
from manifests.starting import Past, Start, StartRecord, decide_start


class NoStartError(ShotrunnerError):
    summary = "the schedule does not start then"
    exit_code = 2


@dataclass(frozen=True)
class Planned:
    """A start of a schedule with its plan. `begun`: the record of an earlier try, whose settled values stand."""

    loaded: LoadedSchedule
    occurrence: Occurrence
    resolved: Resolved
    prepared: Prepared
    begun: StartRecord | None = None
    notices: tuple[str, ...] = ()


def find_occurrence(schedule: Schedule, text: str) -> Occurrence:
    """`2026-12-14`, or of several on a day `2026-12-14T05:30`, as clocks in the schedule's zone show it."""
    day, _, time = text.partition("T")
    try:
        on, at = dt.date.fromisoformat(day), dt.time.fromisoformat(time) if time else None
    except ValueError:
        raise NoStartError(f"`{text}` is no day", remedy="write 2026-12-14, or 2026-12-14T05:30") from None
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
) -> Planned:
    """The plan of one start, by what was settled when it was first begun, else by the tables as they are. Writes
    nothing. Raises ManifestError, and what reading the store raises."""
    loaded = read_schedule(path, tuple(overrides))
    settings = settings or read_settings(loaded.root)
    store = open_store(absolute_store(settings.store, loaded.root), loaded.root)
    begun = read_start(store, loaded.schedule.name, occurrence.instant)
    settled = begun.scheduled.with_rules(loaded.schedule) if begun is not None else None
    resolved = settled or resolve_schedule(loaded, occurrence)
    prepared = make_plan(
        loaded.manifest, accepted=accepted, options=options, settings=settings, clock=clock, scheduled=resolved,
        stage=stage,
    )  # fmt: skip
    prepared = _marked(prepared, resolved, occurrence, clock or SystemClock())
    notices = (*_settled_before(begun, loaded, occurrence), *prepared.marks.notes)
    told = prepared.plan.model_copy(update={"notices": (*notices, *prepared.plan.notices)})
    prepared = replace(prepared, plan=told)
    return Planned(loaded, occurrence, resolved, prepared, begun, notices)


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
    settled = begun.scheduled
    same = now is not None and (now.params, now.patch) == (settled.params, settled.patch)
    when = f"{begun.at:%Y-%m-%d %H:%M} UTC"
    return [] if same else [f"the schedule or its tables have changed since {when}: what was settled then stands"]


def plan_next(path: Path, *, overrides: Sequence[str] = (), options: Options | None = None, stage: Stage) -> Prepared:
    """Of the next start from now on."""
    occurrence = next_occurrence(read_schedule(path, tuple(overrides)).schedule, SystemClock().now())
    return prepare_scheduled(path, occurrence, overrides=overrides, options=options, stage=stage).prepared


def begin_scheduled(planned: Planned, clock: Clock | None = None) -> Planned:
    """Puts the start on record before anything is bought: from then on what was settled stands. Raises StoreError."""
    if planned.begun is not None:
        return planned
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


def read_start(store: ObjectStore, schedule: str, instant: dt.datetime) -> StartRecord | None:
    return read_record(store, start_key(schedule, instant), StartRecord)


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
