"""Whether a start of a schedule goes ahead: missed, skipped, waiting for another, or under way already. Pure: the time
and what is known of other starts are given, and the order in which late starts come decides nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from manifests.journal import Record
from manifests.occurrences import Occurrence, occurrences
from manifests.schedule import Schedule
from manifests.scheduled import Resolved


class StartRecord(Record):
    """A start that went ahead, with what was settled for it. Created once, under its instant; each time that it is
    settled anew, one more is created beside it, under a `number` from 2."""

    schema_: Literal["start/1"] = Field(default="start/1", alias="schema")
    scheduled: Resolved
    at: dt.datetime  # when it was begun, or settled anew
    by: str  # for people: user@host
    nonce: str
    number: int = 1
    changes: tuple[str, ...] = ()  # against the number before, in words


@dataclass(frozen=True)
class Past:
    """A start that was begun before. Without an exit code no run of it has ended: it works, or was killed."""

    instant: dt.datetime
    running: bool = False
    elsewhere: bool = False  # on a machine that may be dead: its lease has not run out
    exit_code: int | None = None  # of its last run that ended
    run: str = ""  # id of that run

    @property
    def done(self) -> bool:
        return self.exit_code == 0 and not self.running


@dataclass(frozen=True)
class Start:
    """`waits`: behind the run that goes on; `cancels`: instants of starts whose runs are to be stopped first. `unless`:
    skipped for that reason if the run on another machine turns out to live."""

    kind: Literal["start", "missed", "skipped"]
    why: str = ""
    waits: bool = False
    unless: str = ""
    cancels: tuple[dt.datetime, ...] = ()

    @property
    def goes(self) -> bool:
        return self.kind == "start"


def decide_start(
    schedule: Schedule,
    occurrence: Occurrence,
    now: dt.datetime,
    past: Sequence[Past] = (),
    *,
    by_hand: bool = False,
) -> Start:
    """`by_hand`: a person names the day, so nothing is too late, and a start that was done is looked at again."""
    if occurrence.skipped:
        return Start("skipped", f"{occurrence.date} is in {occurrence.skipped}")
    own = next((p for p in past if p.instant == occurrence.instant), None)
    if own is not None and own.running and not by_hand:
        if own.elsewhere:
            return Start("start", "waits to see whether its run on another machine lives", waits=True)
        return Start("skipped", "this start is under way already")
    if own is not None and own.done and not by_hand:
        return Start("skipped", f"this start is done: run {own.run}")
    if not by_hand and own is None and (late := _too_late(schedule, occurrence, now)):
        return Start("missed", late)
    working = [p for p in past if p.running and p.instant != occurrence.instant]
    others = tuple(p.instant for p in working)
    if not others or by_hand:
        return Start("start", "goes on" if own is not None else "")
    told = ", ".join(f"{instant:%Y-%m-%d %H:%M} UTC" for instant in others)
    if schedule.overlap == "skip":
        why = f"the run of {told} still goes on (overlap: skip)"
        seen = not all(p.elsewhere for p in working)
        return Start("skipped", why) if seen else Start("start", "unless that run lives", unless=why)
    if schedule.overlap == "queue":
        return Start("start", f"waits for the run of {told}", waits=True)
    if max(others) > occurrence.instant:  # it was retried, or its worker had died
        return Start("skipped", f"the run of {told}, which is in its place, still goes on (overlap: cancel)")
    return Start("start", f"in place of the run of {told}", waits=True, cancels=others)


def _too_late(schedule: Schedule, occurrence: Occurrence, now: dt.datetime) -> str:
    """Why it counts as missed; empty when it does not. One whose successor is due never starts: of several that were
    missed, at most the last one is caught up."""
    later = latest_due(schedule, occurrence, now)
    if later is not None:
        return f"missed, and the start of {later.date} is due since"
    deadline = schedule.deadline
    if deadline is None or now - occurrence.instant <= deadline or schedule.catch_up == "last":
        return ""
    return f"{_words(now - occurrence.instant)} late; start_deadline is {schedule.start_deadline} (catch_up: none)"


def latest_due(schedule: Schedule, after: Occurrence, now: dt.datetime) -> Occurrence | None:
    """The last start after that one whose time has come; None when that one is the last."""
    following = occurrences(schedule, after.instant + dt.timedelta(seconds=1))
    due = itertools.takewhile(lambda o: o.instant <= now, following)
    found = None
    for occurrence in itertools.islice((o for o in due if not o.skipped), 10_000):
        found = occurrence
    return found


def _words(late: dt.timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 min"
