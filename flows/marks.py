"""What a start of a schedule changes about takes before it buys: the too old are retired, passed deadlines choose.

Planned first, as if it were said already; written when the plan is about to be applied, under the campaign's lease.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.clock import SystemClock
from infra.errors import StalePlanError
from infra.lease import acquire_lease
from infra.selections import change_selection, keep_decisions
from infra.storage.base import ObjectStore
from manifests.approvals import Decisions
from manifests.deadlines import after_deadline, gate_deadlines
from manifests.expand import Want
from manifests.journal import Selection
from manifests.occurrences import Occurrence
from manifests.plan import Plan
from manifests.planner import Planner
from manifests.retiring import retire_takes
from manifests.scheduled import Resolved
from manifests.walk import Walk


@dataclass(frozen=True)
class Marks:
    """By segment key. `said` is what passed deadlines mean."""

    selections: Mapping[str, Selection] = field(default_factory=dict)
    said: Decisions | None = None
    notes: tuple[str, ...] = ()


NO_MARKS = Marks()


def marks_of(plan: Plan, planner: Planner, resolved: Resolved, occurrence: Occurrence, now: dt.datetime) -> Marks:
    """Which selections this start changes, by what stands now."""
    walks: list[tuple[Want, Walk]] = [(want, planner.walks[want.id]) for want in plan.wants if want.id in planner.walks]
    stands = {w.segment: s for want, w in walks if (s := planner.selections.get(want.id)) is not None}
    weeks = resolved.rules.refresh.retire_after
    selections: dict[str, Selection] = {}
    notes: tuple[str, ...] = ()
    if weeks is not None:
        retired = retire_takes(weeks, resolved, walks, stands)
        selections, notes = dict(retired.selections), retired.notes
    spot = plan.read_spot()
    waiting = [
        (want, walk, planner.waiting[want.id])
        for want, walk in walks
        if want.id in planner.waiting and walk.segment not in selections
    ]
    silence = after_deadline(
        gate_deadlines(resolved.rules, occurrence), waiting, stands, campaign=plan.campaign, schedule=resolved.name,
        people=spot.compliance.people if spot.compliance else None, now=now,
    )  # fmt: skip
    return Marks({**selections, **silence.selections}, silence.said, (*notes, *silence.notes))


def write_marks(store: ObjectStore, campaign: str, marks: Marks) -> None:
    """Raises LeaseHeldError, and StalePlanError when somebody has chosen in the meantime."""
    if not marks.selections:
        return
    lease = acquire_lease(store, SystemClock(), campaign)
    try:
        if marks.said is not None:
            keep_decisions(store, marks.said)
        for segment, wanted in marks.selections.items():
            change_selection(store, segment, wanted.address, lambda known, wanted=wanted: _next(known, wanted))  # type: ignore[misc]
    finally:
        lease.release()


def _next(known: Selection, wanted: Selection) -> Selection:
    """Exactly what was planned, or exactly what it was planned from."""
    if known.rev != wanted.rev and known.model_copy(update={"rev": wanted.rev}) != wanted:
        raise StalePlanError(f"somebody has chosen for {wanted.address} in the meantime", remedy="run it again")
    return wanted
