"""Takes that a schedule shows no longer because they are too old: the next run makes others. Pure.

A mark on the selection, as a person's rejection is: the take's key holds no date, so its age is asked once a start, and
the answer kept. Nothing is deleted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from manifests.approvals import empty_selection, reject
from manifests.expand import Want
from manifests.journal import Rejection, Selection
from manifests.walk import Numbered, Walk, best_take, circled_number

SCHEDULE = "schedule"  # who speaks
RETIRED = "retired"  # why


@dataclass(frozen=True)
class Retired:
    """By segment key. `notes` are for people."""

    selections: Mapping[str, Selection] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def retire_takes(
    weeks: int,
    instant: dt.datetime,
    walks: Sequence[tuple[Want, Walk]],
    selection_of: Mapping[str, Selection],
    schedule: str,
) -> Retired:
    """Of every segment whose take that is shown is that old at the start's instant. `selection_of`: what stands now, by
    segment key."""
    before = instant - dt.timedelta(weeks=weeks)
    selections: dict[str, Selection] = {}
    notes: list[str] = []
    for want, walk in walks:
        selection = selection_of.get(walk.segment) or empty_selection(walk.segment, want.address)
        shown = circled_number(walk, selection) or best_take(walk, selection)
        if want.what != "take" or walk.segment in selections or shown is None or not _older(shown, before):
            continue
        after = selection
        for old in dict.fromkeys((*(n.number for n in walk.wanted if _older(n, before)), shown.number)):
            note = f"made before {before:%Y-%m-%d}: {weeks} weeks"
            after = reject(after, Rejection(
                take=old, by=SCHEDULE, person=schedule, reason=RETIRED, note=note, at=instant, replace=True,
            ))  # fmt: skip
        if after != selection:
            selections[walk.segment] = after
            notes.append(f"{want.address}: take {shown.number} is {weeks} weeks old: another is made (retire_after)")
    return Retired(selections, tuple(notes))


def last_retired(walk: Walk, selection: Selection) -> Numbered | None:
    """The take that was shown before its segment was retired: the best of those retired last."""
    retired = [r for r in selection.rejected if r.by == SCHEDULE and r.reason == RETIRED]
    if not retired:
        return None
    latest = max(r.at for r in retired)
    numbers = {r.take for r in retired if r.at == latest}
    found = [n for n in (*walk.wanted, *walk.skipped) if n.number in numbers and n.usable]
    return max(found, key=lambda n: (n.screened.score if n.screened else 0, -n.number), default=None)


def _older(numbered: Numbered, before: dt.datetime) -> bool:
    return numbered.result is not None and numbered.result.at < before
