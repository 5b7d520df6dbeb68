"""What a start may still spend: the nearer of its own limit and its month's; months of a zone's calendar."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from manifests.allowance import allow, left_out_words, month_of
from manifests.schedule import ScheduleBudget

ZONES = ("Europe/London", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu", "America/Havana", "Asia/Amman")
NOW = dt.datetime(2026, 12, 14, 5, 30, tzinfo=dt.UTC)


def budget(per_run: int | None = None, per_month: int | None = None, **more: Any) -> ScheduleBudget:
    limits = {"per_run": per_run, "per_month": per_month}
    given_ = {name: {"credits": credits} for name, credits in limits.items() if credits is not None}
    return ScheduleBudget.model_validate(given_ | more)


@given(st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2036, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_every_instant_is_in_its_month_and_months_meet(naive: dt.datetime, zone: str) -> None:
    instant = naive.replace(tzinfo=dt.UTC)
    name, first, end = month_of(instant, zone)
    assert first <= instant < end
    assert name == f"{instant.astimezone(zoneinfo.ZoneInfo(zone)):%Y-%m}"
    assert month_of(first, zone)[0] == name
    assert month_of(end, zone)[1] == end
    assert month_of(first - dt.timedelta(microseconds=1), zone)[2] == first


def test_a_month_ends_when_it_does_in_the_zone() -> None:
    instant = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    assert month_of(instant, "Europe/London")[0] == "2026-12"
    assert month_of(instant, "Europe/Berlin")[0] == "2027-01"
    assert month_of(instant, "Europe/Berlin")[1] == dt.datetime(2026, 12, 31, 23, 0, tzinfo=dt.UTC)


credits = st.integers(0, 5000)
limits = st.none() | credits


@given(limits, limits, credits, credits)
def test_no_limit_is_ever_passed_and_none_of_it_is_lost(
    per_run: int | None, per_month: int | None, spent_run: int, spent_before: int
) -> None:
    """`spent_before`: in the same month, by others than this start."""
    rules = budget(per_run, per_month)
    month = spent_run + spent_before
    found = allow(rules, since=NOW, month="2026-12", spent_run=spent_run, spent_month=month)
    if found is None:
        assert per_run is per_month is None
        return
    left = found.credits - spent_run
    assert left >= 0
    over = [
        (per_run is not None and spent_run + left + 1 > per_run),
        (per_month is not None and month + left + 1 > per_month),
    ]
    assert any(over), "one credit more would have been allowed"
    if left:
        assert per_run is None or spent_run + left <= per_run
        assert per_month is None or month + left <= per_month
    again = allow(rules, since=NOW, month="2026-12", spent_run=spent_run + left, spent_month=month + left)
    assert again is not None
    assert again.credits == found.credits, "what is allowed does not move while it is being spent"


def test_the_limit_that_counts_is_told() -> None:
    both = budget(7500, 20000, warn_at=Decimal("0.8"))
    own = allow(both, since=NOW, month="2026-12", spent_run=100, spent_month=4000)
    months = allow(both, since=NOW, month="2026-12", spent_run=100, spent_month=19000)
    assert own is not None
    assert months is not None
    assert (own.credits, own.words()) == (7500, "budget.per_run is 7,500 credits, 100 are spent")
    assert (months.credits, months.words()) == (1100, "budget.per_month is 20,000 credits, 19,000 are spent in 2026-12")


def test_people_are_warned_from_the_share_they_named() -> None:
    found = allow(budget(100, 1000, warn_at=Decimal("0.8")), since=NOW, month="2026-12", spent_run=10, spent_month=10)
    assert found is not None
    assert found.warning(69) is None
    assert found.warning(70) == "budget: with this plan 80 of 100 credits for this start (80 %)"
    late = allow(budget(100, 1000, warn_at=Decimal("0.8")), since=NOW, month="2026-12", spent_run=10, spent_month=730)
    assert late is not None
    assert late.warning(70) == (
        "budget: with this plan 80 of 100 credits for this start (80 %) and 800 of 1,000 credits in 2026-12 (80 %)"
    )
    silent = allow(budget(100), since=NOW, month="2026-12", spent_run=100, spent_month=100)
    assert silent is not None
    assert silent.warning(500) is None


def test_films_without_money_are_named() -> None:
    assert left_out_words(["blue"]) == "1 film is left out, as there is no money for them: blue"
    assert (
        left_out_words(list("abcdef")) == "6 films are left out, as there is no money for them: a, b, c, d and 2 more"
    )
