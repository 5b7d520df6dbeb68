"""When a schedule starts: cron's wall times in a named zone, as instants. No clock: the day to begin with is given.

The same instants as Prefect's own schedule makes (a test compares them over zones and years): a time that the clock
passes over is read with the offset that comes after, one that it shows twice counts the first time, equal instants are
one start.
"""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from cronsim import CronSim, CronSimError

from manifests.schedule import Schedule

_LONGEST_GAP = dt.timedelta(days=2)  # no clock was ever set further


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
        instant = _instant(wall, zone)
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


def _instant(wall: dt.datetime, zone: zoneinfo.ZoneInfo) -> dt.datetime:
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
    """Why it is no cron expression that every cron reads alike, in words; None when it is one."""
    fields = cron.split()
    if len(fields) != 5:
        return f"has {len(fields)} fields; five are wanted: minute, hour, day of the month, month, day of the week"
    try:
        found = next(iter(CronSim(cron, dt.datetime(2024, 1, 1))), None)  # noqa: DTZ001 - wall time on purpose
    except (CronSimError, StopIteration) as error:
        return f"is not cron: {str(error).lower() or 'no such day'}"
    return "no day is ever like that" if found is None else None
