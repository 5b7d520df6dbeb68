"""Until when people are asked after a start, and what their silence means then. Pure: the time is given.

Silence may choose a take or a still, where the schedule says so and nobody is seen in it. It never passes a film.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from manifests.approvals import GATES, Decisions, GateName, Waiting, Word, circle, empty_selection
from manifests.expand import Want
from manifests.journal import Selection
from manifests.occurrences import Occurrence, as_instant
from manifests.retiring import SCHEDULE, last_retired
from manifests.schedule import OnlyIf, PictureGate, Schedule, next_week_time
from manifests.walk import Numbered, Walk, best_take, circled_number

PASSED = "deadline passed"


@dataclass(frozen=True)
class GateDeadline:
    """One gate of one start."""

    gate: GateName
    by: tuple[str, ...]
    needed: int
    at: dt.datetime | None  # UTC; None: people have for ever
    reminders: tuple[dt.datetime, ...]
    on_deadline: Literal["best-score", "reuse-last", "hold"]
    only_if: OnlyIf


@dataclass(frozen=True)
class Silence:
    """What passed deadlines mean: choices by segment key with the record of them, and what people are told."""

    selections: Mapping[str, Selection]
    said: Decisions | None
    notes: tuple[str, ...]


def gate_deadlines(schedule: Schedule, occurrence: Occurrence) -> tuple[GateDeadline, ...]:
    """In the order in which a run comes to them."""
    found = []
    names: tuple[GateName, ...] = ("keyframes", "takes", "cut")
    for name in names:
        gate = getattr(schedule.approvals, name)
        if gate is None:
            continue
        pictures = isinstance(gate, PictureGate)
        at = _after(schedule, occurrence, gate.deadline) if gate.deadline else None
        found.append(GateDeadline(
            gate=name, by=gate.by, needed=gate.needed, at=at,
            reminders=tuple(sorted(_after(schedule, occurrence, text) for text in gate.reminders)),
            on_deadline=gate.on_deadline if pictures else "hold", only_if=gate.only_if if pictures else OnlyIf(),
        ))  # fmt: skip
    return tuple(found)


def _after(schedule: Schedule, occurrence: Occurrence, text: str) -> dt.datetime:
    """The first `Tue 12:00` after the start, as clocks in the zone show it."""
    found = next_week_time(occurrence.local.replace(tzinfo=None, fold=0), text)
    return as_instant(found, zoneinfo.ZoneInfo(schedule.when.timezone))


def after_deadline(
    deadlines: Sequence[GateDeadline],
    waiting: Sequence[tuple[Want, Walk, Waiting]],
    selection_of: Mapping[str, Selection],
    *,
    people: str | None,
    campaign: str,
    schedule: str,
    now: dt.datetime,
) -> Silence:
    """`waiting`: what nobody has decided yet. `people`: what the manifest's compliance block says of who is seen."""
    selections: dict[str, Selection] = {}
    words: list[Word] = []
    notes: list[str] = []
    passed = {d.gate: d for d in deadlines if d.at is not None and d.at <= now}
    for want, walk, _ in waiting:
        deadline = passed.get(GATES[want.what])
        if deadline is None or deadline.at is None or walk.segment in selections:
            continue
        before = selection_of.get(walk.segment) or empty_selection(walk.segment, want.address)
        chosen = _choose(deadline, walk, before, people)
        if isinstance(chosen, str):
            notes.append(f"{want.address} still waits for {' or '.join(deadline.by)}: {chosen}")
            continue
        word = Word(
            address=want.address, what="still" if want.what == "still" else "take", number=chosen.number,
            target=walk.segment, sha256=chosen.result.blob.sha256 if chosen.result else "", decision="approve",
            note=f"{deadline.on_deadline}: {PASSED} on {deadline.at:%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip
        words.append(word)
        selections[walk.segment] = circle(before, chosen, SCHEDULE, schedule, word.note, now)
        notes.append(f"{want.address}: {want.what} {chosen.number} circled by {word.note}")
    said = None
    if words:
        said = Decisions(
            campaign=campaign, by=SCHEDULE, person=schedule, at=now, words=tuple(words), silence=True,
        )  # fmt: skip
    return Silence(selections, said, tuple(notes))


def _choose(deadline: GateDeadline, walk: Walk, selection: Selection, people: str | None) -> Numbered | str:
    """What is chosen without a word, or why nothing is."""
    if deadline.on_deadline == "hold":
        return "on_deadline: hold"
    if people != "none":
        return "people may be seen, so a person decides (compliance.people is not none)"
    by_person = circled_number(walk, selection)
    if deadline.on_deadline == "reuse-last":
        chosen = last_retired(walk, selection)
        missing = "no take of it was shown before (reuse-last)"
    else:
        chosen = by_person if by_person is not None and _is_persons(selection) else best_take(walk, selection)
        missing = "no take of it is usable"
    if chosen is None or chosen.result is None:
        return missing
    newest = max(n.result.at for n in walk.wanted if n.result is not None) if walk.wanted else chosen.result.at
    if deadline.at is not None and newest > deadline.at:
        return "it came after the deadline, so nobody was asked in time"
    score, least = (chosen.screened.score if chosen.screened else None), deadline.only_if.score_at_least
    if least is not None and (score is None or score < least):
        return f"its score is {'not known' if score is None else f'{score:.2f}'}, and only_if asks for {least}"
    return chosen


def _is_persons(selection: Selection) -> bool:
    return selection.circled is not None and selection.circled.by not in ("score", SCHEDULE)
