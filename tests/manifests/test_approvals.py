"""Gates and words, for any sequence of them: who may pass a gate, and what a word does to a selection."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import AT, PaperState, make_want

from manifests.approvals import (
    Decisions,
    ReviewGates,
    Word,
    apply_words,
    chosen_bytes,
    empty_selection,
    words_said,
)
from manifests.journal import Selection
from manifests.schema import Gate, Review
from manifests.walk import Numbered, Walk, best_take, circled_number, walk_takes

WANT = make_want(count=3)
PEOPLE = ("mara", "jan", "kim")


def bought() -> tuple[PaperState, Walk]:
    state = PaperState()
    state.buy(WANT, 1, 2, 3)
    return state, walk_takes(WANT, WANT.body, state.history, state.screening)


STATE, WALK = bought()
NUMBERS = {n.number: n for n in WALK.wanted}


def sha(number: int) -> str:
    result = NUMBERS[number].result
    assert result is not None
    return result.blob.sha256


def said(person: str, decision: str, number: int, minute: int, by: str = "art", *, replace: bool = False) -> Decisions:
    word = Word.model_validate(
        {
            "address": "pour", "what": "take", "number": number, "target": WALK.segment, "sha256": sha(number),
            "decision": decision, "reasons": () if decision == "approve" else ("logo",), "replace": replace,
        }
    )  # fmt: skip
    return Decisions(campaign="c", by=by, person=person, at=AT + dt.timedelta(minutes=minute), words=(word,))


def spoken(records: list[Decisions]) -> Selection:
    selection = empty_selection(WALK.segment, "pour")
    for record in records:
        selection = apply_words(selection, record, record.words, NUMBERS)
    return selection


def gates(records: list[Decisions], needed: int = 1, *, auto: bool = False) -> ReviewGates:
    return ReviewGates(Review(takes=Gate(by=("art",), needed=needed)), auto, records)


def passes(records: list[Decisions], needed: int = 1) -> bool:
    return gates(records, needed).waiting("take", WALK.segment, chosen_bytes(spoken(records))) is None


SAYINGS = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from(("approve", "reject")), st.integers(1, 3), st.booleans()),
    max_size=12,
)


def records_of(sayings: list[tuple[str, str, int, bool]]) -> list[Decisions]:
    return [
        said(person, decision, number, minute, replace=replace and decision == "reject")
        for minute, (person, decision, number, replace) in enumerate(sayings)
    ]


@given(SAYINGS, st.integers(1, 3))
def test_a_gate_counts_distinct_persons_for_what_is_circled_now(
    sayings: list[tuple[str, str, int, bool]], needed: int
) -> None:
    circled: int | None = None
    yes: dict[str, int] = {}
    for person, decision, number, _ in sayings:
        if decision == "approve":
            circled, yes[person] = number, number
        else:
            circled = None if circled == number else circled
            if yes.get(person) == number:
                del yes[person]
    agree = [person for person, number in yes.items() if number == circled]
    records = records_of(sayings)
    assert passes(records, needed) is (circled is not None and len(agree) >= needed)
    selection = spoken(records)
    assert (selection.circled.take if selection.circled else None) == circled


@given(SAYINGS)
def test_the_order_in_which_a_store_lists_words_changes_nothing(sayings: list[tuple[str, str, int, bool]]) -> None:
    records = records_of(sayings)
    chosen = chosen_bytes(spoken(records))
    for needed in (1, 2):
        forth = gates(records, needed).waiting("take", WALK.segment, chosen)
        back = gates(records[::-1], needed).waiting("take", WALK.segment, chosen)
        assert forth == back


@given(SAYINGS)
def test_a_rejected_take_is_never_circled_nor_a_circled_one_rejected(sayings: list[tuple[str, str, int, bool]]) -> None:
    selection = spoken(records_of(sayings))
    refused = {r.take for r in selection.rejected}
    assert selection.circled is None or selection.circled.take not in refused
    best = best_take(WALK, selection)
    assert best is None or best.number not in refused
    assert len(refused) == len(selection.rejected), "the last word about a take stands alone"


@given(SAYINGS)
def test_each_number_is_replaced_at_most_once_whatever_is_said_after(sayings: list[tuple[str, str, int, bool]]) -> None:
    marked = {number for _, decision, number, replace in sayings if decision == "reject" and replace}
    walk = walk_takes(WANT, WANT.body, STATE.history, STATE.screening, spoken(records_of(sayings)))
    assert {n.number for n in walk.skipped} == marked
    assert [n.number for n in walk.wanted] == [n for n in range(1, 4 + len(marked)) if n not in marked]


@given(SAYINGS)
def test_saying_it_all_twice_is_saying_it_once(sayings: list[tuple[str, str, int, bool]]) -> None:
    records = records_of(sayings)
    for record in records[-1:]:
        once = spoken(records)
        assert apply_words(once, record, record.words, NUMBERS) == once


def test_a_person_beats_the_score_and_a_score_passes_no_gate() -> None:
    selection = spoken([said("mara", "approve", 3, 0)])
    chosen = circled_number(WALK, selection)
    assert chosen is not None
    assert chosen.number == 3
    by_score = selection.model_copy(
        update={"circled": selection.circled and selection.circled.model_copy(update={"by": "score"})}
    )
    assert chosen_bytes(by_score) is None
    assert chosen_bytes(None) is None
    assert gates([]).waiting("take", WALK.segment, None) is not None


def test_only_those_named_count() -> None:
    assert not passes([said("mara", "approve", 1, 0, by="intern")])
    assert passes([said("art", "approve", 1, 0, by="intern")]), "a name in the block is as good as a role"
    assert not passes([said("mara", "approve", 1, 0)], needed=2)


def test_without_a_block_or_with_auto_nothing_waits() -> None:
    assert ReviewGates().waiting("take", WALK.segment, None) is None
    assert gates([], auto=True).waiting("take", WALK.segment, None) is None
    assert gates([]).waiting("still", WALK.segment, None) is None, "each gate is for its own"
    assert gates([]).waiting("speech", WALK.segment, None) is None


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        ([("legal", "mara", "approve")], False),
        ([("legal", "mara", "approve"), ("brand", "kim", "reject")], True),
        ([("brand", "kim", "reject"), ("brand", "jan", "approve")], False),
        ([("brand", "kim", "reject")], True),
    ],
)
def test_a_film_that_a_role_refuses_is_not_delivered(words: list[tuple[str, str, str]], waits: bool) -> None:
    records = []
    for minute, (by, person, decision) in enumerate(words):
        word = Word.model_validate(
            {"address": "16x9-x", "what": "film", "target": "16x9-x", "sha256": "f" * 64, "decision": decision}
        )
        records.append(
            Decisions(campaign="c", by=by, person=person, at=AT + dt.timedelta(minutes=minute), words=(word,))
        )
    review = ReviewGates(Review(cut=Gate(by=("brand", "legal"))), False, records)
    waiting = review.waiting("film", "16x9-x", "f" * 64)
    assert (waiting is not None) is waits
    assert review.waiting("film", "16x9-x", "e" * 64) is not None, "other bytes were never looked at"
    if waiting is not None and waiting.refused_by:
        assert str(waiting) == "refused at gate `cut` by brand"


def test_the_words_are_told_with_who_and_when() -> None:
    told = words_said(spoken([said("mara", "reject", 1, 0), said("jan", "approve", 2, 1)]))
    assert told == {
        "circled": {"take": 2, "by": "art", "person": "jan", "at": (AT + dt.timedelta(minutes=1)).isoformat()},
        "rejected": [{"take": 1, "by": "art", "person": "mara", "reason": "logo", "at": AT.isoformat()}],
    }
    assert words_said(None) == words_said(empty_selection(WALK.segment, "pour")) == {}


def test_what_was_not_collected_cannot_be_circled() -> None:
    empty = Numbered(4, "k", {}, WALK.wanted[0].state, WALK.wanted[0].history.model_copy(update={"result": None}))
    record = said("mara", "approve", 1, 0)
    word = record.words[0].model_copy(update={"number": 4})
    with pytest.raises(ValueError, match="take 4"):
        apply_words(empty_selection(WALK.segment, "pour"), record, [word], {4: empty})
