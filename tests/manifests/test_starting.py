"""Whether a start goes ahead: whatever order late starts come in, and whatever else works."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.occurrences import Occurrence, occurrences
from manifests.schedule import Schedule
from manifests.starting import Past, decide_start


def schedule(cron: str = "30 5 * * 1", skip: tuple[str, ...] = (), **said: Any) -> Schedule:
    return Schedule.model_validate({
        "manifest": 1, "kind": "schedule", "name": "weekly", "run": "film.yaml",
        "when": {"cron": cron, "timezone": "Europe/London", "skip_dates": skip}, **said,
    })  # fmt: skip


def starts_of(rules: Schedule, count: int) -> list[Occurrence]:
    return list(itertools.islice(occurrences(rules, dt.datetime(2026, 12, 1, tzinfo=dt.UTC)), count))


def late(occurrence: Occurrence, **more: float) -> dt.datetime:
    return occurrence.instant + dt.timedelta(**more)


def test_a_start_in_time_goes_ahead() -> None:
    rules = schedule(start_deadline="6h")
    [first] = starts_of(rules, 1)
    assert decide_start(rules, first, first.instant).goes
    assert decide_start(rules, first, late(first, hours=6)).goes


def test_a_start_after_its_deadline_is_missed_and_says_so() -> None:
    rules = schedule(start_deadline="6h")
    [first] = starts_of(rules, 1)
    told = decide_start(rules, first, late(first, hours=6, minutes=5))
    assert (told.kind, told.why) == ("missed", "6 h 5 min late; start_deadline is 6h (catch_up: none)")


def test_the_last_one_missed_is_caught_up_where_the_schedule_says_so() -> None:
    rules = schedule(start_deadline="6h", catch_up="last")
    first, second, _ = starts_of(rules, 3)
    now = late(second, days=2)
    told = decide_start(rules, first, now)
    assert (told.kind, told.why) == ("missed", f"missed, and the start of {second.date} is due since")
    assert decide_start(rules, second, now).goes


def test_a_start_that_was_begun_in_time_may_be_resumed_late() -> None:
    rules = schedule(start_deadline="6h")
    [first] = starts_of(rules, 1)
    crashed = Past(first.instant)
    assert decide_start(rules, first, late(first, days=2), [crashed]).why == "goes on"


def test_a_day_that_is_skipped_starts_nothing_even_by_hand() -> None:
    rules = schedule(skip=("2026-12-07",))
    [first] = starts_of(rules, 1)
    for by_hand in (False, True):
        told = decide_start(rules, first, first.instant, by_hand=by_hand)
        assert (told.kind, told.why) == ("skipped", "2026-12-07 is in skip_dates")


def test_a_later_start_that_is_skipped_takes_nobodys_place() -> None:
    rules = schedule(skip=("2026-12-14",), catch_up="last")
    first, _ = starts_of(rules, 2)
    assert decide_start(rules, first, late(first, days=9)).goes


def test_the_same_start_is_not_made_twice() -> None:
    rules = schedule()
    [first] = starts_of(rules, 1)
    done, works = Past(first.instant, exit_code=0, run="r1"), Past(first.instant, running=True)
    assert decide_start(rules, first, first.instant, [done]).why == "this start is done: run r1"
    assert decide_start(rules, first, first.instant, [works]).why == "this start is under way already"
    assert decide_start(rules, first, first.instant, [done], by_hand=True).goes
    assert decide_start(rules, first, first.instant, [Past(first.instant, exit_code=3)]).goes


def test_a_run_that_may_be_dead_is_waited_for() -> None:
    rules = schedule()
    [first] = starts_of(rules, 1)
    told = decide_start(rules, first, first.instant, [Past(first.instant, running=True, elsewhere=True)])
    assert (told.goes, told.waits) == (True, True)


@pytest.mark.parametrize(("overlap", "goes", "waits", "cancels"), [
    ("skip", False, False, False), ("queue", True, True, False), ("cancel", True, True, True),
])  # fmt: skip
def test_a_run_that_still_works(overlap: str, goes: bool, waits: bool, cancels: bool) -> None:
    rules = schedule(overlap=overlap)
    first, second = starts_of(rules, 2)
    works = Past(first.instant, running=True)
    told = decide_start(rules, second, second.instant, [works])
    assert (told.goes, told.waits, told.cancels) == (goes, waits, (first.instant,) if cancels else ())
    assert "2026-12-07 05:30 UTC" in told.why
    assert decide_start(rules, second, second.instant, [works], by_hand=True).goes


def test_a_run_that_may_be_dead_is_skipped_for_only_if_it_lives() -> None:
    rules = schedule(overlap="skip")
    first, second = starts_of(rules, 2)
    told = decide_start(rules, second, second.instant, [Past(first.instant, running=True, elsewhere=True)])
    assert (told.goes, told.unless) == (True, "the run of 2026-12-07 05:30 UTC still goes on (overlap: skip)")


def test_an_older_start_does_not_cancel_the_one_in_its_place() -> None:
    """It was retried, or went on after its worker had died."""
    rules = schedule(overlap="cancel")
    first, second = starts_of(rules, 2)
    past = [Past(first.instant, exit_code=130), Past(second.instant, running=True)]
    told = decide_start(rules, first, late(second, minutes=1), past)
    assert (told.kind, told.cancels) == ("skipped", ())
    assert told.why == "the run of 2026-12-14 05:30 UTC, which is in its place, still goes on (overlap: cancel)"
    assert decide_start(rules, first, late(second, minutes=1), past, by_hand=True).goes


HOURLY = st.sampled_from(["0 * * * *", "30 5 * * 1", "0 6 * * *", "*/20 * * * *"])


@settings(max_examples=120)
@given(
    cron=HOURLY, catch_up=st.sampled_from(["none", "last"]), deadline=st.sampled_from([None, "5m", "2h", "3d"]),
    down=st.integers(0, 7), after=st.integers(0, 20_000), order=st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_order_of_late_starts_decides_nothing(
    cron: str, catch_up: str, deadline: str | None, down: int, after: int, order: Any
) -> None:
    """After downtime a server starts all late ones, in any order; each that goes ahead is done before the next."""
    rules = schedule(cron, catch_up=catch_up, **({"start_deadline": deadline} if deadline else {}))
    missed = starts_of(rules, down + 1)
    now = missed[-1].instant + dt.timedelta(minutes=after)

    def started(sequence: list[Occurrence]) -> list[dt.datetime]:
        past: list[Past] = []
        for occurrence in sequence:
            if decide_start(rules, occurrence, now, past).goes:
                past.append(Past(occurrence.instant, exit_code=0))
        return sorted(p.instant for p in past)

    shuffled = list(missed)
    order.shuffle(shuffled)
    found = started(missed)
    assert started(shuffled) == found
    assert len(found) <= 1
    if found:  # at most the last one, and only in time unless it is caught up
        assert not any(found[0] < o.instant <= now for o in starts_of(rules, down + 2))
        assert catch_up == "last" or rules.deadline is None or now - found[0] <= rules.deadline


@settings(max_examples=60)
@given(seconds=st.integers(0, 3600), cron=HOURLY)
def test_a_punctual_start_always_goes(seconds: int, cron: str) -> None:
    rules = schedule(cron, start_deadline="1h")
    first, second = starts_of(rules, 2)
    now = first.instant + dt.timedelta(seconds=seconds)
    assert decide_start(rules, first, now).goes == (now < second.instant)
