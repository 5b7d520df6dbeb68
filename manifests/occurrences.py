"""When a schedule starts: cron's wall times in a named zone, as instants. No clock: the day to begin with is given.

The same instants as Prefect's own schedule makes (a test compares them over zones and years): a time that the clock
passes over is read with the offset that comes after, one that it shows twice counts the first time, equal instants are
one start.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from cronsim import CronSim, CronSimError

from manifests.schedule import Schedule

_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_WORDS = (
    "sun", "mon", "tue", "wed", "thu", "fri", "sat",
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_END = rf"[0-9]{{1,2}}|(?:{'|'.join(_WORDS)})"
_STEP = "(?:/[1-9][0-9]?)?"
_TERM = re.compile(rf"(?:\*{_STEP}|(?P<first>{_END})(?:-(?P<last>{_END}){_STEP})?)\Z", re.IGNORECASE)
_NTH = re.compile(r"[0-6]#[1-5]\Z")
_LONGEST_GAP = dt.timedelta(hours=25)  # no clock was ever set further than a day


class NoOccurrenceError(LookupError):
    """The schedule does not start then. `detail` and `remedy` are for people."""

    def __init__(self, detail: str, remedy: str = "") -> None:
        super().__init__(f"{detail}; {remedy}" if remedy else detail)
        self.detail, self.remedy = detail, remedy


@dataclass(frozen=True)
class Occurrence:
    """One start. `skipped` says why it is none after all."""

    instant: dt.datetime  # UTC
    local: dt.datetime  # in the schedule's zone, as clocks there show it
    date: dt.date  # the day that cron names
    week: str  # 2026-W51
    skipped: str | None = None
    clock: str = ""  # what a clock change did to it, for people


def occurrences(schedule: Schedule, since: dt.datetime) -> Iterator[Occurrence]:
    """Every start from `since` (aware) on, skipped ones too, in order; without end."""
    if since.tzinfo is None:
        raise ValueError("a start needs a zone")
    when = schedule.when
    zone = zoneinfo.ZoneInfo(when.timezone)
    first = since.astimezone(zone).replace(tzinfo=None) - _LONGEST_GAP
    waiting: list[tuple[dt.datetime, dt.datetime]] = []
    last: dt.datetime | None = None
    for wall in _wall_times(when.cron, first):
        instant = as_instant(wall, zone)
        while waiting and waiting[0][0] < instant - _LONGEST_GAP:
            found = heapq.heappop(waiting)
            if found[0] >= since and found[0] != last:
                last = found[0]
                yield _occurrence(schedule, zone, *found)
        heapq.heappush(waiting, (instant, wall))


def occurrence_on(schedule: Schedule, day: dt.date, at: dt.time | None = None) -> Occurrence:
    """The start of a local day; of several, the one whose clock says `at`. Raises NoOccurrenceError."""
    found = occurrences_on(schedule, day)
    if not found:
        following = next(o for o in occurrences(schedule, _midnight(schedule, day)))
        raise NoOccurrenceError(
            f"nothing starts on {day}", f"the next start is on {following.date} at {following.local:%H:%M}"
        )
    if at is None and len(found) > 1:
        times = ", ".join(f"{o.local:%H:%M}" for o in found[:12])
        raise NoOccurrenceError(f"{len(found)} starts on {day}: {times}", f"say which: {day}T{found[0].local:%H:%M}")
    wanted = found if at is None else [o for o in found if o.local.time().replace(second=0) == at]
    if not wanted:
        times = ", ".join(f"{o.local:%H:%M}" for o in found[:12])
        raise NoOccurrenceError(f"nothing starts on {day} at {at:%H:%M}", f"starts of that day: {times}")
    return wanted[0]


def occurrences_on(schedule: Schedule, day: dt.date) -> tuple[Occurrence, ...]:
    """All starts of a local day."""
    begin = _midnight(schedule, day)
    return tuple(
        itertools.takewhile(lambda o: o.date <= day, (o for o in occurrences(schedule, begin) if o.date >= day))
    )


def occurrence_at(schedule: Schedule, instant: dt.datetime) -> Occurrence:
    """The start that is scheduled for an instant. Raises NoOccurrenceError."""
    found = next(occurrences(schedule, instant), None)
    if found is None or found.instant != instant:
        raise NoOccurrenceError(f"nothing starts at {instant.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC")
    return found


def _midnight(schedule: Schedule, day: dt.date) -> dt.datetime:
    zone = zoneinfo.ZoneInfo(schedule.when.timezone)
    return dt.datetime.combine(day, dt.time.min, zone).astimezone(dt.UTC) - dt.timedelta(hours=1)


def _wall_times(cron: str, after: dt.datetime) -> Iterator[dt.datetime]:
    return iter(CronSim(cron, after - dt.timedelta(seconds=1)))


def as_instant(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    """UTC of a wall time; of one that comes twice, the first."""
    found = wall.replace(tzinfo=zone).astimezone(dt.UTC)
    if found.astimezone(zone).replace(tzinfo=None) != wall:  # the clock passes over it
        found = wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    return found


def _occurrence(schedule: Schedule, zone: zoneinfo.ZoneInfo, instant: dt.datetime, wall: dt.datetime) -> Occurrence:
    local = instant.astimezone(zone)
    day = wall.date()  # as it is meant, also where the clock's change moves it over midnight
    year, week, _ = day.isocalendar()
    skipped = "skip_dates" if str(day) in schedule.when.skip_dates else None
    return Occurrence(instant, local, day, f"{year}-W{week:02}", skipped, _clock_note(wall, local))


def _clock_note(wall: dt.datetime, local: dt.datetime) -> str:
    if local.replace(tzinfo=None) != wall:
        return f"clocks change: there is no {wall:%H:%M} on {wall:%Y-%m-%d}, it starts at {local:%H:%M} {local:%Z}"
    if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        return f"clocks change: {wall:%H:%M} comes twice, it starts the first time"
    return ""


def cron_problem(cron: str) -> str | None:
    """Why it is no cron expression that all programs read alike, in words; None when it is one."""
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        return f"has {len(fields)} fields; five are wanted: {', '.join(_FIELDS)}"
    for name, text in zip(_FIELDS, fields, strict=True):
        for term in text.split(","):
            if not _term_is_plain(name, term):
                return f"is not taken: `{term[:20]}` as {name}"
    if fields[2] != "*" and fields[4] != "*":
        return "has both a day of the month and a day of the week: programs differ in which of the two counts"
    try:
        found = next(iter(CronSim(cron, dt.datetime(2024, 1, 1))), None)  # noqa: DTZ001 - wall time on purpose
    except CronSimError as error:
        return f"is not cron: {str(error).lower()}"
    return "comes on no day at all" if found is None else None


def _term_is_plain(name: str, term: str) -> bool:
    """What else there is (`5/10`, `6-6`, `fri-mon`, `LW`, `?`) is read one way here and another there."""
    if (name, term) == (_FIELDS[2], "L") or (name == _FIELDS[4] and _NTH.match(term)):
        return True
    found = _TERM.match(term)
    return found is not None and (found["last"] is None or _rank(found["first"]) < _rank(found["last"]))


def _rank(end: str) -> int:
    return int(end) if end.isdigit() else _WORDS.index(end.lower())
