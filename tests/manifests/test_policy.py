"""The policy as a table: every failure code of the vendor's sheet and every refusal, and what follows."""

from __future__ import annotations

import datetime as dt

import pytest
from takes import AT, PaperState, key_of, make_want

from infra import errors
from infra.failures import classify_failure
from manifests.estimate import priorities_of
from manifests.journal import Failure, FailureClass, TakeState
from manifests.plan import Verb
from manifests.planner import Planner
from manifests.policy import (
    Next,
    fallback_classes,
    rule_of,
    rule_of_failure,
    rule_of_refusal,
    wait_seconds,
    window_opens,
)
from manifests.ratecard import load_models
from manifests.totals import totals_of
from manifests.walk import Walk, falls_back, walk_takes

# Vendor sheet §5, row by row, with the longer forms that were seen
CODES = [
    ("SAFETY.INPUT.TEXT", Next.HOLD, None, True),
    ("SAFETY.INPUT.IMAGE", Next.HOLD, None, True),
    ("SAFETY.INPUT.VIDEO", Next.HOLD, None, True),
    ("SAFETY.INPUT.SOMETHING.NEW", Next.HOLD, None, True),
    ("SAFETY.OUTPUT.VIDEO", Next.HOLD, None, False),
    ("INPUT_PREPROCESSING.SAFETY.TEXT", Next.HOLD, None, True),
    ("INPUT_PREPROCESSING.SAFETY.THIRD_PARTY", Next.HOLD, None, True),
    ("INPUT_PREPROCESSING.INTERNAL", Next.LATER, "attempts", False),
    ("INTERNAL.BAD_OUTPUT.CODE01", Next.AGAIN, "rerolls", False),
    ("ASSET.INVALID", Next.HOLD, None, False),
    ("THIRD_PARTY.UNAVAILABLE", Next.LATER, "attempts", False),
    ("INTERNAL", Next.LATER, "attempts", False),
    (None, Next.LATER, "attempts", False),
    ("SOMETHING.NOBODY.KNOWS", Next.HOLD, None, False),
]


@pytest.mark.parametrize(("code", "what_next", "counts", "moderation"), CODES)
def test_what_follows_a_failure_code(code: str | None, what_next: Next, counts: str | None, moderation: bool) -> None:
    failure_class, retryable = classify_failure(code)
    rule = rule_of(failure_class, retryable=retryable)
    assert (rule.next, rule.counts, rule.moderation) == (what_next, counts, moderation)
    assert rule.why


def test_the_table_has_every_row_of_the_vendors_sheet() -> None:
    rows = ["SAFETY.INPUT", "SAFETY.OUTPUT", "INPUT_PREPROCESSING.SAFETY.TEXT",
            "INPUT_PREPROCESSING.SAFETY.THIRD_PARTY", "INPUT_PREPROCESSING.INTERNAL", "INTERNAL.BAD_OUTPUT",
            "ASSET.INVALID", "THIRD_PARTY.UNAVAILABLE", "INTERNAL", ""]  # fmt: skip
    assert [row for row in rows if not any((code or "").startswith(row) for code, *_ in CODES)] == []


@pytest.mark.parametrize("failure_class", list(FailureClass))
def test_every_class_has_a_rule_and_none_is_tried_when_it_must_not(failure_class: FailureClass) -> None:
    assert rule_of(failure_class, retryable=True).why != "a failure"
    held = rule_of(failure_class, retryable=False)
    assert held.next is Next.HOLD
    assert held.counts is None


REFUSALS = [
    (errors.RequestRejectedError, Next.HOLD),
    (errors.DailyCapError, Next.STOP_MODEL),
    (errors.ThrottledError, Next.WAIT),
    (errors.CredentialsError, Next.PAUSE),
    (errors.KeyUnreadableError, Next.PAUSE),
    (errors.KeyChangedError, Next.WAIT),
    (errors.VendorUnreachableError, Next.WAIT),
    (errors.CreditsExhaustedError, Next.PAUSE),
    (errors.BudgetExceededError, Next.PAUSE),
    (errors.ShotBudgetExceededError, Next.STOP_SHOT),
    (errors.UnknownOutcomeError, Next.HOLD),
]


@pytest.mark.parametrize(("error", "what_next"), REFUSALS)
def test_what_follows_a_create_that_made_nothing(error: type[errors.ShotrunnerError], what_next: Next) -> None:
    assert rule_of_refusal(error.__name__).next is what_next


def test_waits_double_and_have_an_end() -> None:
    rule = rule_of("internal", retryable=True)
    assert [wait_seconds(rule, times) for times in (1, 2, 3)] == [15, 30, 60]
    assert wait_seconds(rule, 50) == 1800
    assert wait_seconds(rule, 1, pace=0.01) == pytest.approx(0.15)
    assert wait_seconds(rule_of("third-party", retryable=True), 1) >= 300


def test_a_window_opens_a_day_after_the_oldest_create() -> None:
    assert window_opens(AT) == AT + dt.timedelta(hours=24)
    assert window_opens(None) is None


# --- the walk counts by the rules ---


def fail(state: PaperState, key: str, failure_class: str, *, retryable: bool = True) -> None:
    state.note(key, "failed")
    failure = (
        state.histories[key].failures[0].model_copy(update={"failure_class": failure_class, "retryable": retryable})
    )
    state.histories[key] = state.histories[key].model_copy(update={"failures": (failure,)})


def walk_of(state: PaperState, want: object) -> Walk:
    return walk_takes(want, want.body, state.history, state.screening)  # type: ignore[arg-type,attr-defined]


def test_bad_output_is_taken_from_rerolls_and_the_service_from_attempts() -> None:
    want, state = make_want(count=1, attempts=2, rerolls=1), PaperState()
    fail(state, key_of(want, 1), "bad-output")
    assert [n.number for n in walk_of(state, want).wanted] == [2]
    fail(state, key_of(want, 2), "internal")
    assert [n.number for n in walk_of(state, want).wanted] == [3]  # one of each
    fail(state, key_of(want, 3), "bad-output")
    assert [n.number for n in walk_of(state, want).wanted] == [3]  # both used up


def test_moderation_takes_no_other_number_and_two_refusals_stop_the_request() -> None:
    want, state = make_want(count=4, attempts=5, rerolls=5), PaperState()
    fail(state, key_of(want, 1), "input-moderated", retryable=False)
    walk = walk_of(state, want)
    assert [n.number for n in walk.wanted] == [1, 2, 3, 4]
    assert not walk.stopped
    assert not walk.ended
    fail(state, key_of(want, 2), "input-moderated", retryable=False)
    walk = walk_of(state, want)
    assert walk.stopped
    assert walk.ended
    assert [n.number for n in walk.of(TakeState.NEW)] == [3, 4]


def test_the_plan_does_not_promise_what_moderation_stopped() -> None:
    want, state = make_want(count=3), PaperState()
    for number in (1, 2):
        fail(state, key_of(want, number), "input-moderated", retryable=False)
    planner = Planner(state)
    planner.add(want)
    assert [a.verb for a in planner.actions] == [Verb.GIVE_UP] * 3
    assert "moderation" in planner.actions[2].reason
    assert sum(a.credits for a in planner.actions) == 0


def test_other_words_are_bought_again() -> None:
    before, state = make_want(count=2), PaperState()
    for number in (1, 2):
        fail(state, key_of(before, number), "input-moderated", retryable=False)
    now = make_want(count=2, body={**before.body, "promptText": "warm steam"})
    assert len(walk_of(state, now).of(TakeState.NEW)) == 2


def test_what_is_waited_for_longest_goes_first() -> None:
    still = make_want(id="a/still", address="a", what="still", model="gen4_image")
    first = make_want(id="a/take", address="a", body={"promptImage": {"from": "a/still", "what": "circled-still"}})
    after = make_want(id="b/take", address="b", body={"promptImage": {"from": "a/take", "what": "out-frame"}})
    lone = make_want(id="c/take", address="c")
    order = priorities_of([still, first, after, lone], load_models())
    assert order["a/still"] > order["a/take"] > order["b/take"] == order["c/take"] > 0


def test_a_failure_on_record_is_judged_by_its_class() -> None:
    failure = Failure(
        key="k", attempt=1, code="X", detail="", failure_class="third-party", retryable=True, credits=0, at=AT
    )
    assert rule_of_failure(failure).fallback == "when named"
    assert rule_of_failure(failure.model_copy(update={"retryable": False})).next is Next.HOLD


# --- another model in its place ---


def test_a_shot_without_a_usable_take_goes_to_the_model_that_the_manifest_names() -> None:
    other = make_want(id="pour/fallback", model="veo3.1", body={"promptText": "steam", "model": "veo3.1"}, credits=80)
    classes = fallback_classes(on_moderation=True)
    want = make_want(count=2, attempts=1, fallback=other.model_copy(update={"count": 2}), fallback_after=classes)
    state = PaperState()
    fail(state, key_of(want, 1), "output-moderated", retryable=False)
    assert not falls_back(want, walk_of(state, want))  # one is still to be bought
    fail(state, key_of(want, 2), "output-moderated", retryable=False)
    assert falls_back(want, walk_of(state, want))
    planner = Planner(state)
    planner.add(want)
    assert [(a.id, a.verb, a.credits) for a in planner.actions[2:]] == [
        ("pour/fallback-1", Verb.BUY, 80), ("pour/fallback-2", Verb.BUY, 80),
    ]  # fmt: skip
    totals = totals_of([want], planner.actions, spent=0, budget=1000, screen_seconds="2")
    assert totals.credits == 160
    state.buy(other, 1, 2)
    planner = Planner(state)
    planner.add(want)
    assert planner.circled == {"pour/take": 1}
    assert set(planner.pictures) == {"pour/take"}


def test_the_whole_allowance_of_the_other_model_is_in_up_to() -> None:
    other = make_want(id="pour/fallback", count=2, attempts=2, rerolls=1, credits=80)
    want = make_want(count=2, attempts=2, rerolls=1, credits=24, fallback=other, fallback_after=("third-party",))
    planner = Planner(PaperState())
    planner.add(want)
    totals = totals_of([want], planner.actions, spent=0, budget=10_000, screen_seconds="2")
    assert totals.credits == 48
    assert totals.up_to == 48 + 2 * 24 + 4 * 80


def test_a_usable_take_or_a_refused_input_never_calls_the_other_model() -> None:
    other = make_want(id="pour/fallback")
    want = make_want(count=2, fallback=other, fallback_after=fallback_classes(on_moderation=True))
    state = PaperState()
    fail(state, key_of(want, 1), "output-moderated", retryable=False)
    state.buy(want, 2)
    assert not falls_back(want, walk_of(state, want))
    state = PaperState()
    for number in (1, 2):
        fail(state, key_of(want, number), "input-moderated", retryable=False)
    assert not falls_back(want, walk_of(state, want))
    assert "output-moderated" not in fallback_classes(on_moderation=False)
    assert "third-party" in fallback_classes(on_moderation=False)
