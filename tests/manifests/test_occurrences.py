"""When a schedule starts, beside Prefect's own schedule: what is previewed is what its server makes."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prefect.server.schemas.schedules import CronSchedule

from manifests.occurrences import (
    NoOccurrenceError,
    cron_problem,
    occurrence_at,
    occurrence_on,
    occurrences,
    occurrences_on,
)
from manifests.schedule import Schedule

ZONES = (
    "Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Tokyo", "Africa/Casablanca",
    "America/Havana", "Asia/Kathmandu", "Pacific/Auckland", "Pacific/Chatham", "UTC", "Africa/Cairo", "Asia/Beirut",
)  # fmt: skip


FIXED = ("Asia/Tokyo", "Asia/Kathmandu", "UTC")
HOURS = dt.timedelta(hours=3)


def schedule(cron: str = "30 5 * * 1", zone: str = "Europe/London", *skip: str) -> Schedule:
    return Schedule.model_validate({
        "manifest": 1, "kind": "schedule", "name": "weekly", "run": "film.yaml",
        "when": {"cron": cron, "timezone": zone, "skip_dates": skip},
    })  # fmt: skip


def starts(cron: str, zone: str, since: dt.datetime, count: int) -> list[dt.datetime]:
    return [o.instant for o in itertools.islice(occurrences(schedule(cron, zone), since), count)]


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


def number(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high)
    return st.one_of(
        one.map(str),
        st.lists(one, min_size=1, max_size=3).map(lambda found: ",".join(map(str, found))),
        st.lists(one, min_size=2, max_size=2, unique=True).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}"),
    )


def field(low: int, high: int) -> st.SearchStrategy[str]:
    return st.one_of(st.just("*"), number(low, high), st.integers(1, high).map(lambda step: f"*/{step}"))


DAYS = st.one_of(
    field(1, 28).map(lambda days: (days, "*")),
    st.one_of(field(0, 6), st.sampled_from(["mon", "TUE", "wed-fri", "sat,sun", "5-7", "1#1"])).map(lambda w: ("*", w)),
    st.just(("L", "*")),
)
CRONS = st.tuples(field(0, 59), field(0, 23), DAYS, field(1, 12)).map(
    lambda f: f"{f[0]} {f[1]} {f[2][0]} {f[3]} {f[2][1]}"
)


def theirs(cron: str, zone: str, since: dt.datetime, count: int) -> list[dt.datetime]:
    """What Prefect's server makes; it may begin before `since`, in the hour of a change."""
    found = CronSchedule(cron=cron, timezone=zone)._get_dates_generator(n=count, start=since)
    return sorted(one for date in found if (one := dt.datetime.fromtimestamp(date.timestamp(), dt.UTC)) >= since)


def assert_same_starts(cron: str, zone: str, since: dt.datetime, count: int) -> None:
    assert cron_problem(cron) is None
    wanted = theirs(cron, zone, since, count)
    last = max(wanted, default=since)
    ours = starts(cron, zone, since, len(wanted) + 2)
    # a start of theirs that is moved back by a change may come out of order, and so be cut off at the end
    assert [found for found in ours if found <= last - HOURS] == [found for found in wanted if found <= last - HOURS]


@settings(max_examples=100)
@given(CRONS, st.sampled_from(ZONES), st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2036, 1, 1)))  # noqa: DTZ001
def test_the_server_makes_the_same_starts(cron: str, zone: str, since: dt.datetime) -> None:
    assert_same_starts(cron, zone, since.replace(second=0, microsecond=0, tzinfo=dt.UTC), 8)


@functools.cache
def changes(zone: str) -> tuple[dt.datetime, ...]:
    """The hours in which the clocks of a zone are changed."""
    at, found, there = utc(2022, 1, 1), [], zoneinfo.ZoneInfo(zone)
    while at.year < 2025:
        after = at + dt.timedelta(hours=1)
        if at.astimezone(there).utcoffset() != after.astimezone(there).utcoffset():
            found.append(at)
        at = after
    return tuple(found)


@settings(max_examples=100)
@given(st.data(), field(0, 59), field(0, 4), st.sampled_from([z for z in ZONES if z not in FIXED]))
def test_the_server_makes_the_same_starts_when_clocks_change(
    data: st.DataObject, minute: str, hour: str, zone: str
) -> None:
    change = data.draw(st.sampled_from(changes(zone)))
    since = change - dt.timedelta(minutes=data.draw(st.integers(0, 4000)))
    assert_same_starts(f"{minute} {hour} * * *", zone, since, 20)


def on(text: str, cron: str, zone: str = "America/New_York", *skip: str) -> list[str]:
    """Local day and time, and UTC, of the starts on one day."""
    found = occurrences_on(schedule(cron, zone, *skip), dt.date.fromisoformat(text))
    return [f"{o.date} {o.local:%H:%M %Z} {o.instant:%H:%M}" for o in found]


def test_six_in_the_morning_stays_six() -> None:
    days = ("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25")
    assert [on(day, "0 6 * * *", "Europe/London") for day in days] == [
        ["2026-03-28 06:00 GMT 06:00"], ["2026-03-29 06:00 BST 05:00"],
        ["2026-10-24 06:00 BST 05:00"], ["2026-10-25 06:00 GMT 06:00"],
    ]  # fmt: skip


def test_a_time_that_does_not_exist_is_an_hour_earlier() -> None:
    [found] = occurrences_on(schedule("30 2 * * *", "America/New_York"), dt.date(2026, 3, 8))
    assert (found.instant, f"{found.local:%H:%M %Z}") == (utc(2026, 3, 8, 6, 30), "01:30 EST")
    assert found.clock == "clocks change: there is no 02:30 on 2026-03-08, it starts at 01:30 EST"


def test_a_time_that_comes_twice_is_taken_once() -> None:
    [found] = occurrences_on(schedule("30 1 * * *", "America/New_York"), dt.date(2026, 11, 1))
    assert (found.instant, found.clock) == (
        utc(2026, 11, 1, 5, 30), "clocks change: 01:30 comes twice, it starts the first time",
    )  # fmt: skip


def test_a_start_that_is_moved_over_midnight_keeps_its_day() -> None:
    """Havana's clocks pass over the first hour of the day."""
    week = schedule("30 0 * * *", "America/Havana")
    days = [o.date.isoformat() for o in itertools.islice(occurrences(week, utc(2026, 3, 7, 0)), 3)]
    assert days == ["2026-03-07", "2026-03-08", "2026-03-09"]
    moved = occurrence_on(week, dt.date(2026, 3, 8))
    assert (f"{moved.local:%Y-%m-%d %H:%M}", moved.date.isoformat()) == ("2026-03-07 23:30", "2026-03-08")


def test_skipped_days_are_told() -> None:
    week = schedule("30 5 * * 1", "Europe/London", "2026-12-28")
    found = list(itertools.islice(occurrences(week, utc(2026, 12, 14)), 4))
    assert [(o.date.isoformat(), o.week, o.skipped) for o in found] == [
        ("2026-12-14", "2026-W51", None), ("2026-12-21", "2026-W52", None), ("2026-12-28", "2026-W53", "skip_dates"),
        ("2027-01-04", "2027-W01", None),
    ]  # fmt: skip


def test_a_day_is_found_or_refused_with_the_nearest() -> None:
    week = schedule()
    assert occurrence_on(week, dt.date(2026, 12, 14)).instant == utc(2026, 12, 14, 5, 30)
    assert occurrence_at(week, utc(2026, 12, 14, 5, 30)).week == "2026-W51"
    with pytest.raises(
        NoOccurrenceError, match="nothing starts on 2026-12-15; the next start is on 2026-12-21 at 05:30"
    ):
        occurrence_on(week, dt.date(2026, 12, 15))
    with pytest.raises(NoOccurrenceError, match="nothing starts at 2026-12-14 05:31 UTC"):
        occurrence_at(week, utc(2026, 12, 14, 5, 31))


def test_of_several_starts_one_is_named() -> None:
    twice = schedule("30 5,17 * * *")
    with pytest.raises(NoOccurrenceError, match="2 starts on 2026-12-14: 05:30, 17:30; say which: 2026-12-14T05:30"):
        occurrence_on(twice, dt.date(2026, 12, 14))
    assert occurrence_on(twice, dt.date(2026, 12, 14), dt.time(17, 30)).instant == utc(2026, 12, 14, 17, 30)
    with pytest.raises(
        NoOccurrenceError, match="nothing starts on 2026-12-14 at 06:00; starts of that day: 05:30, 17:30"
    ):
        occurrence_on(twice, dt.date(2026, 12, 14), dt.time(6))


@pytest.mark.parametrize(("cron", "told"), [
    ("30 5 * *", "has 4 fields; five are wanted: minute, hour, day of the month, month, day of the week"),
    ("0 30 5 * * 1", "has 6 fields; five are wanted: minute, hour, day of the month, month, day of the week"),
    ("60 5 * * 1", "is not cron: bad minute"),
    ("30 5 * * 8", "is not cron: bad day-of-week"),
    ("30 5 * * fri-mon", "is not taken: `fri-mon` as day of the week"),
    ("30 5 * * mno", "is not taken: `mno` as day of the week"),
    ("30 5/3 * * 1", "is not taken: `5/3` as hour"),
    ("6-6 5 * * 1", "is not taken: `6-6` as minute"),
    ("30 5 LW * *", "is not taken: `LW` as day of the month"),
    ("30 5 1 * 1", "has both a day of the month and a day of the week: programs differ in which of the two counts"),
    ("30 5 31 2 *", "is not cron: bad day-of-month"),
    ("@weekly", "has 1 fields; five are wanted: minute, hour, day of the month, month, day of the week"),
])  # fmt: skip
def test_cron_that_is_not_taken(cron: str, told: str) -> None:
    assert cron_problem(cron) == told


@pytest.mark.parametrize(
    "cron", ["30 5 * * 1", "0,30 8-18/2 * * MON-FRI", "0 6 L * *", "0 6 * * 1#1", "*/10 * 1 jan *"]
)
def test_cron_that_is_taken(cron: str) -> None:
    assert cron_problem(cron) is None


def test_since_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        next(occurrences(schedule(), dt.datetime(2026, 1, 1)))  # noqa: DTZ001
