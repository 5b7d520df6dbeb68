"""The states a person sees, each with what lies behind it and what to do."""

from __future__ import annotations

import pytest
from takes import AT, PaperState, key_of, make_history, make_want

from manifests.journal import Failure, FailureClass, TakeState
from manifests.plan import Verb
from manifests.planner import Planner
from manifests.standing import REMEDIES, remedy_of_failures, settle_commands, standing_of
from manifests.walk import Numbered

KEY = key_of(make_want(), 1)


def failed(failure_class: str, *, retryable: bool = True, credits: int = 24) -> Failure:
    return Failure(
        key=KEY, attempt=1, code="X.Y", detail="", failure_class=failure_class, retryable=retryable, credits=credits,
        at=AT,
    )  # fmt: skip


def test_every_class_of_failure_says_what_to_do() -> None:
    assert set(REMEDIES) == set(FailureClass)
    for failure_class in FailureClass:
        history = make_history(KEY, "in flight").model_copy(update={"failures": (failed(failure_class),)})
        standing = standing_of(history, history.state(), "morning")
        assert standing.state is (TakeState.LOST if failure_class is FailureClass.LOST else TakeState.FAILED)
        assert standing.detail == f"{failure_class.value} (X.Y), 24 credits kept"
        assert standing.todo
        assert "TARGET" not in str(standing)
        assert "{" not in str(standing)


@pytest.mark.parametrize(
    ("chapter", "words"),
    [
        ("refused", "new"),
        ("have", "have"),
        ("in flight", "in flight, paid, task t1; the next run collects it"),
        (
            "unknown",
            "unknown, asked 2026-11-21 09:00 UTC, 24 credits perhaps paid; "
            "`shotrunner retake morning --rebuy-unknown` or `shotrunner retake morning --give-up`; "
            "see `shotrunner doctor`",
        ),
        ("given up", "failed, given up by me: ; `shotrunner retake morning --shot ADDRESS` films another"),
    ],
)
def test_a_state_in_words(chapter: str, words: str) -> None:
    history = make_history(KEY, chapter)
    assert str(standing_of(history, history.state(), "morning")) == words


def test_what_another_run_is_sending_now_is_in_flight() -> None:
    history = make_history(KEY, "unknown", lease="alive")
    assert str(standing_of(history, history.state(["alive"]), "m")) == "in flight, another run is buying it now"


def test_what_helps_where_every_number_failed() -> None:
    """An error of the service is none of the prompt's: the same request is filmed again under another number."""
    histories = [
        make_history(KEY, "in flight").model_copy(update={"failures": (failed(name),)})
        for name in (FailureClass.OUTPUT_MODERATED, FailureClass.INTERNAL)
    ]
    numbers = [Numbered(n, KEY, {}, TakeState.FAILED, history) for n, history in enumerate(histories, 1)]
    assert remedy_of_failures(numbers, "morning").startswith("`shotrunner retake morning --failed`")
    assert remedy_of_failures(numbers[:1], "morning") == "change the prompt, then run"
    assert remedy_of_failures([], "morning") == ""
    bad_picture = Numbered(3, KEY, {}, TakeState.HAVE, make_history(KEY, "have"))
    assert remedy_of_failures([*numbers, bad_picture], "morning") == ""


def test_the_two_commands_that_settle_an_unknown() -> None:
    assert settle_commands("morning") == (
        "shotrunner retake morning --rebuy-unknown",
        "shotrunner retake morning --give-up",
    )


def test_a_lost_take_is_no_new_one_and_its_place_is_told() -> None:
    """Paid and lost: another number takes its place while attempts last, then it keeps it."""
    want, state = make_want(count=1, attempts=1), PaperState()
    lost = failed(FailureClass.LOST)
    state.histories[KEY] = make_history(KEY, "in flight").model_copy(update={"failures": (lost,)})
    planner = Planner(state)
    planner.add(want)
    (action,) = planner.actions
    assert (action.verb, action.credits, action.reason) == (Verb.GIVE_UP, 0, "paid but lost: its file is gone")
    assert planner.positions[KEY] == "paid but lost"
    again = Planner(state)
    again.add(make_want(count=1, attempts=2))
    assert [(a.number, a.verb) for a in again.actions] == [(2, Verb.BUY)]
