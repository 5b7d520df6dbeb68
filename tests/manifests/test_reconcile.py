"""The ledger beside the vendor's figures, on paper: fates, differences to the credit, and what an unknown came to."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import AT, key_of, make_history, make_want

from manifests.journal import Failure, FailureClass, Release, TakeHistory
from manifests.reconcile import (
    Account,
    Acknowledgement,
    Comparison,
    DayUsage,
    Fate,
    Movement,
    compare,
    movement_of,
    sum_by,
    weigh,
)

DAY = AT.date()
KEY = key_of(make_want(), 1)


def movement(credits: int = 60, fate: Fate = Fate.SETTLED, **changes: Any) -> Movement:
    fields: dict[str, Any] = {
        "campaign": "morning", "key": KEY, "attempt": 1, "address": "pour/take-1", "what": "take", "service": "runway",
        "model": "gen4.5", "paid": True, "plan": "a" * 64, "fate": fate, "credits": credits, "reserved": 60, "at": AT,
    }  # fmt: skip
    return Movement(**{**fields, **changes})


def account(**charged: int) -> Account:
    """By model; a dot is written as two underscores."""
    usage = tuple(DayUsage(date=DAY.isoformat(), model=m.replace("__", "."), credits=c) for m, c in charged.items())
    return Account(service="runway", balance=1000, since=DAY, usage=usage)


def answered(credits: int, *, hours: int = 0) -> Acknowledgement:
    at = AT + dt.timedelta(hours=hours)
    return Acknowledgement(service="runway", credits=credits, since=DAY, by="mara", why="web app", at=at)


# --- what became of a purchase ---


@pytest.mark.parametrize(
    ("chapter", "fate", "credits"),
    [
        ("have", Fate.SETTLED, 24),
        ("in flight", Fate.IN_FLIGHT, 24),
        ("unknown", Fate.UNKNOWN, 24),
        ("failed", Fate.FAILED, 0),
        ("refused", Fate.REFUSED, 0),
        ("rebought", Fate.RELEASED, 24),
        ("given up", Fate.RELEASED, 24),
    ],
)
def test_each_ending_has_its_fate_and_its_money(chapter: str, fate: Fate, credits: int) -> None:
    history = make_history(KEY, chapter)
    found = movement_of(history, history.intents[0], history.state(), paid=True)
    assert (found.fate, found.credits) == (fate, credits)


def test_an_unknown_that_was_bought_again_counts_beside_its_successor() -> None:
    history = make_history(KEY, "rebought", "have")
    found = [movement_of(history, intent, history.state(), paid=True) for intent in history.intents]
    assert [(m.attempt, m.fate, m.credits) for m in found] == [(1, Fate.RELEASED, 24), (2, Fate.SETTLED, 24)]
    assert sum_by(found, "fate") == {"released": 24, "settled": 24}


def test_a_living_owner_makes_it_in_flight() -> None:
    history = make_history(KEY, "unknown", lease="alive")
    state = history.state(["alive"])
    assert movement_of(history, history.intents[0], state, paid=True).fate is Fate.IN_FLIGHT


def test_a_lost_file_says_so() -> None:
    history = make_history(KEY, "in flight")
    lost = Failure(
        key=KEY, attempt=1, code="OUTPUT.LOST", detail="", failure_class=FailureClass.LOST, retryable=True, credits=24,
        at=AT,
    )  # fmt: skip
    found = movement_of(
        history.model_copy(update={"failures": (lost,)}), history.intents[0], history.state(), paid=True
    )
    assert (found.fate, found.credits, found.detail) == (Fate.FAILED, 24, "its file is gone (OUTPUT.LOST)")


# --- the comparison ---


def test_equal_to_the_credit_is_no_difference() -> None:
    found = compare(account(gen4__5=84), [movement(), movement(24)], [])
    assert (found.difference, found.excess, found.unexplained, found.suspects) == (0, 0, 0, ())


def test_a_charge_without_an_entry_is_unexplained() -> None:
    found = compare(account(gen4__5=61), [movement()], [])
    assert (found.difference, found.unexplained) == (1, 1)


def test_too_little_of_one_model_hides_nothing_of_another() -> None:
    found = compare(account(veo3__1=60), [movement(60, Fate.UNKNOWN)], [])
    assert (found.difference, found.excess, found.not_charged) == (0, 60, 60)
    assert found.unexplained == 60


def test_open_failed_and_released_entries_are_named_and_settled_ones_are_not() -> None:
    ours = [
        movement(),
        movement(10, Fate.UNKNOWN, address="lift/take-1"),
        movement(20, Fate.IN_FLIGHT, address="lift/take-2"),
        movement(5, Fate.FAILED, address="lift/take-3", detail="internal (INTERNAL)"),
        movement(0, Fate.FAILED),
        movement(0, Fate.REFUSED),
        movement(7, Fate.RELEASED, detail="give-up by mara"),
    ]
    found = compare(account(gen4__5=60), ours, [])
    assert found.difference == -42
    assert [(s.movement.credits, s.why.partition(":")[0]) for s in found.suspects] == [
        (10, "its answer was lost"),
        (20, "in flight"),
        (5, "failed, internal (INTERNAL)"),
        (7, "give-up by mara"),
    ]


def test_only_what_the_account_can_have_charged_is_compared() -> None:
    ours = [
        movement(),
        movement(3, service="elevenlabs", model="eleven_v3"),
        movement(60, service="backlot", paid=False),
        movement(60, at=AT - dt.timedelta(days=2)),
    ]
    assert compare(account(gen4__5=60), ours, []).difference == 0


def test_the_last_word_counts_and_only_as_far_as_it_went() -> None:
    vendor = account(gen4__5=200)
    assert compare(vendor, [movement()], [answered(100)]).unexplained == 40
    assert compare(vendor, [movement()], [answered(140, hours=1), answered(100)]).unexplained == 0


fates = st.sampled_from([Fate.SETTLED, Fate.FAILED, Fate.IN_FLIGHT, Fate.UNKNOWN, Fate.RELEASED])
models = st.sampled_from(["gen4.5", "veo3.1", "gen4_image"])


@given(
    st.lists(st.builds(lambda c, f, m: movement(c, f, model=m), st.integers(0, 300), fates, models), max_size=8),
    st.lists(st.builds(lambda m, c: DayUsage(date=DAY.isoformat(), model=m, credits=c), models, st.integers(-9, 300))),
)
def test_rows_add_up_and_every_credit_is_on_one_side(ours: list[Movement], usage: list[DayUsage]) -> None:
    found = compare(Account(service="runway", balance=0, since=DAY, usage=tuple(usage)), ours, [])
    assert found.ledger == sum(m.credits for m in ours)
    assert found.vendor == sum(u.credits for u in usage)
    assert found.difference == found.excess - found.not_charged
    assert Comparison.model_validate_json(found.model_dump_json()) == found


# --- one unknown ---


@pytest.mark.parametrize(
    ("vendor", "others", "verdict"),
    [
        (24, [movement(24)], "not charged"),
        (84, [movement(24)], "charged"),
        (60, [], "charged"),
        (0, [], "not charged"),
        (30, [], "cannot be told"),
        (60, [movement(60, Fate.UNKNOWN)], "cannot be told"),  # one of two, and nobody knows which
        (120, [movement(60, Fate.UNKNOWN)], "charged"),
        (84, [movement(24, Fate.IN_FLIGHT)], "cannot be told"),
        (60, [movement(60, model="veo3.1"), movement(9, at=AT - dt.timedelta(days=1))], "charged"),
    ],
)
def test_the_figures_of_its_day_and_model_say_whether(vendor: int, others: list[Movement], verdict: str) -> None:
    unknown = movement(60, Fate.UNKNOWN)
    assert weigh(unknown, [unknown, *others], account(gen4__5=vendor)).verdict == verdict


def test_a_release_is_as_doubtful_as_an_unknown() -> None:
    history = TakeHistory(
        key=KEY,
        intents=make_history(KEY, "unknown").intents,
        releases=(Release(key=KEY, attempt=1, decision="give-up", by="mara", why="", at=AT),),
    )
    released = movement_of(history, history.intents[0], history.state(), paid=True)
    unknown = movement(60, Fate.UNKNOWN)
    assert weigh(unknown, [unknown, released], account(gen4__5=0)).verdict == "not charged"
    assert weigh(unknown, [unknown, released], account(gen4__5=84)).verdict == "charged"
