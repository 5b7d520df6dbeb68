"""Which numbers a retake replaces: for any history, each once, under a key that was never used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import AT, BAD, PaperState, key_of, make_selection, make_want

from manifests.journal import Selection, TakeState
from manifests.retakes import Asked, MarkedState, Marks, mark_retakes, split_failed
from manifests.walk import Walk, walk_takes

CHAPTERS = ("have", "bad", "in flight", "unknown", "failed", "moderated", "given up", "new")
WANT = make_want(count=3)


def state_of(chapters: list[str]) -> PaperState:
    state = PaperState()
    for number, chapter in enumerate(chapters, 1):
        key = key_of(WANT, number)
        if chapter != "new":
            state.note(key, "have" if chapter == "bad" else chapter)
        if chapter == "bad":
            state.screened[key] = BAD
    return state


def walk_of(state: PaperState | MarkedState, selection: Selection | None) -> Walk:
    return walk_takes(WANT, WANT.body, state.history, state.screening, selection)


def mark(state: PaperState, asked: Asked, selection: Selection | None = None) -> tuple[Walk, Marks, Walk]:
    """The walk before, the marks, and the walk with them."""
    before = walk_of(state, selection)
    known = {before.segment: selection} if selection else {}
    marks = mark_retakes(asked, [(WANT, before)], known, by="me", at=AT)
    marked = MarkedState(state, {**known, **marks.selections}, marks.releases)
    return before, marks, walk_of(marked, marked.selection(before.segment))


STORIES = st.lists(st.sampled_from(CHAPTERS), max_size=8)
REJECTED = st.lists(st.tuples(st.integers(1, 8), st.booleans()), max_size=4, unique_by=lambda r: r[0])


@given(STORIES)
def test_failed_places_get_new_numbers_and_nothing_else_moves(chapters: list[str]) -> None:
    before, _, after = mark(state_of(chapters), Asked(failed=True))
    again, held = split_failed(before)
    gone = {n.number for n in again}
    kept = [n.number for n in before.wanted if n.number not in gone]
    assert [n.number for n in after.wanted][: len(kept)] == kept
    added = [n for n in after.wanted if n.number not in kept]
    highest = max((n.number for n in (*before.wanted, *before.skipped)), default=0)
    assert all(n.number > highest for n in added), "a new number, so a new key: never an overwrite"
    assert {n.number for n in held} <= {n.number for n in after.wanted}, "the same words are not sent again"
    assert not {n.key for n in added} & {n.key for n in (*before.wanted, *before.skipped)}


@given(STORIES, REJECTED)
def test_rejected_takes_are_replaced_once_and_a_repeat_changes_nothing(
    chapters: list[str], rejected: list[tuple[int, bool]]
) -> None:
    state = state_of(chapters)
    before, marks, after = mark(state, Asked(rejected=True), make_selection("s" * 64, rejected=rejected))
    newly = {take for take, replace in rejected if not replace}
    assert len(after.wanted) == len(before.wanted)
    assert not newly & {n.number for n in after.wanted}
    assert len(after.of(TakeState.NEW)) <= len(before.of(TakeState.NEW)) + len(newly)
    selection = next(iter(marks.selections.values()), make_selection(before.segment, rejected=rejected))
    _, again, later = mark(state, Asked(rejected=True), selection)
    assert again.selections == {}
    assert again.retaken == ()
    assert later == after


@given(st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True))
def test_one_new_take_for_each_rejected_one(count: int, takes: list[int]) -> None:
    want = make_want(count=4)
    state = PaperState()
    state.buy(want, 1, 2, 3, 4)
    before = walk_takes(want, want.body, state.history, state.screening)
    selection = make_selection(before.segment, rejected=[(t, False) for t in takes[:count]])
    marks = mark_retakes(Asked(rejected=True), [(want, before)], {before.segment: selection}, by="me", at=AT)
    after = walk_takes(want, want.body, state.history, state.screening, marks.selections[before.segment])
    assert len(after.of(TakeState.NEW)) == len(takes[:count])


@given(STORIES)
def test_more_of_a_shot_adds_places(chapters: list[str]) -> None:
    before, marks, after = mark(state_of(chapters), Asked(shot="pour"))
    assert len(after.wanted) == len(before.wanted) + WANT.count
    assert next(iter(marks.selections.values())).extra_takes == WANT.count


@given(STORIES)
def test_giving_up_releases_every_unknown_and_buys_nothing(chapters: list[str]) -> None:
    before, marks, after = mark(state_of(chapters), Asked(give_up=True))
    assert {r.key for r in marks.releases} == {n.key for n in before.of(TakeState.UNKNOWN)}
    assert not after.of(TakeState.UNKNOWN)
    assert [n.number for n in after.wanted] == [n.number for n in before.wanted]
    assert [n.number for n in after.of(TakeState.NEW)] == [n.number for n in before.of(TakeState.NEW)]


@given(STORIES)
def test_asked_for_nothing_nothing_is_marked(chapters: list[str]) -> None:
    assert mark(state_of(chapters), Asked())[1] == Marks()


@pytest.mark.parametrize("shared", [True, False])
def test_a_shared_segment_is_marked_once(shared: bool) -> None:
    state = PaperState()
    other = make_want(id="tea/take", address="tea", body=WANT.body if shared else {**WANT.body, "promptText": "tea"})
    walks = [(w, walk_takes(w, w.body, state.history, state.screening)) for w in (WANT, other)]
    selections = {walk.segment: make_selection(walk.segment, rejected=[(1, False)]) for _, walk in walks}
    marks = mark_retakes(Asked(rejected=True), walks, selections, by="me", at=AT)
    assert len(marks.selections) == len(marks.retaken) == (1 if shared else 2)
