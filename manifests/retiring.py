"""Takes that a schedule shows no longer because they are too old: the next run makes others. Pure.

A mark on the selection, as a person's rejection is: the take's key holds no date, so its age is asked once a start, and
the answer kept. Nothing is deleted.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from manifests.approvals import empty_selection, reject
from manifests.expand import Want
from manifests.journal import Rejection, Scheduled, Selection
from manifests.walk import Numbered, Walk, best_take, circled_number

SCHEDULE = "schedule"  # who speaks
RETIRED, SHOWN = "retired", "retired, it was shown"  # why


@dataclass(frozen=True)
class Retired:
    """By segment key. `notes` are for people."""

    selections: Mapping[str, Selection] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def retire_takes(
    weeks: int,
    start: Scheduled,
    walks: Sequence[tuple[Want, Walk]],
    selection_of: Mapping[str, Selection],
) -> Retired:
    """Of every segment whose take that is shown is that old on the start's day. Days are counted, as clocks in its zone
    have them: what was bought some minutes after a start is four weeks old at the fourth one after it. `selection_of`:
    what stands now, by segment key."""
    zone = zoneinfo.ZoneInfo(start.zone)
    last = dt.date.fromisoformat(start.date) - dt.timedelta(weeks=weeks)

    def old(numbered: Numbered) -> bool:
        return numbered.result is not None and numbered.result.at.astimezone(zone).date() <= last

    selections: dict[str, Selection] = {}
    notes: list[str] = []
    for want, walk in walks:
        selection = selection_of.get(walk.segment) or empty_selection(walk.segment, want.address)
        shown = circled_number(walk, selection) or best_take(walk, selection)
        if want.what != "take" or walk.segment in selections or shown is None or not old(shown):
            continue
        after = selection
        for number in dict.fromkeys((*(n.number for n in walk.wanted if old(n)), shown.number)):
            note = f"made by {last}, {weeks} weeks before the start of {start.date}"
            why = SHOWN if number == shown.number else RETIRED
            after = reject(after, Rejection(
                take=number, by=SCHEDULE, person=start.name, reason=why, note=note, at=start.instant, replace=True,
            ))  # fmt: skip
        if after != selection:
            selections[walk.segment] = after
            notes.append(f"{want.address}: take {shown.number} is {weeks} weeks old: another is made (retire_after)")
    return Retired(selections, tuple(notes))


def last_retired(walk: Walk, selection: Selection) -> Numbered | None:
    """The take that was shown until it was retired."""
    retired = [r for r in selection.rejected if r.by == SCHEDULE and r.reason == SHOWN]
    last = max(retired, key=lambda r: r.at, default=None)
    numbers = (*walk.wanted, *walk.skipped)
    return next((n for n in numbers if last is not None and n.number == last.take and n.usable), None)
