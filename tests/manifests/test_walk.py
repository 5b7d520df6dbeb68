"""Walking take numbers, and the rule by which a take is circled when nobody chooses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import AT, BAD, PaperState, bytes_of, key_of, make_selection, make_want

from manifests.digest import derive_seed
from manifests.expand import Want
from manifests.journal import Selection, TakeState
from manifests.walk import Screened, Walk, best_take, choice_by_score, circled_number, is_tie, segment_of, walk_takes

CHAPTERS = ("have", "bad", "in flight", "unknown", "failed", "moderated", "refused", "rebought", "given up", "new")


def walk_of(state: PaperState, want: Want, selection: Selection | None = None) -> Walk:
    return walk_takes(want, want.body, state.history, state.screening, selection, state.leases)


def state_of(want: Want, chapters: list[str]) -> PaperState:
    """The story of number n is `chapters[n - 1]`."""
    state = PaperState()
    for number, chapter in enumerate(chapters, 1):
        key = key_of(want, number)
        if chapter != "new":
            state.note(key, "have" if chapter == "bad" else chapter)
        if chapter == "bad":
            state.screened[key] = BAD
    return state


def numbers(walk: Walk) -> list[int]:
    return [n.number for n in walk.wanted]


def test_nothing_bought_wants_the_first_numbers() -> None:
    walk = walk_of(PaperState(), make_want(count=3))
    assert numbers(walk) == [1, 2, 3]
    assert {n.state for n in walk.wanted} == {TakeState.NEW}
    assert not walk.ended


def test_each_number_has_its_own_seed_and_key() -> None:
    walk = walk_of(PaperState(), make_want(count=4, base_seed=7))
    assert [n.request["body"]["seed"] for n in walk.wanted] == [derive_seed(7, n) for n in (1, 2, 3, 4)]
    assert len({n.key for n in walk.wanted}) == 4


def test_a_vendor_without_seeds_gets_none_and_still_four_keys() -> None:
    walk = walk_of(PaperState(), make_want(count=4, base_seed=None))
    assert all("seed" not in n.request["body"] for n in walk.wanted)
    assert len({n.key for n in walk.wanted}) == 4


@pytest.mark.parametrize(
    ("chapters", "wanted"),
    [
        (["failed"], [2, 3, 4]),
        (["failed", "failed"], [3, 4, 5]),
        (["failed", "failed", "failed"], [3, 4, 5]),  # three attempts are used: the third keeps its place
        (["failed", "have", "failed", "failed"], [2, 4, 5]),
        (["moderated"], [1, 2, 3]),  # never repeated unchanged
        (["bad"], [2, 3, 4]),
        (["bad", "bad", "bad"], [3, 4, 5]),
        (["bad", "failed", "bad", "failed"], [5, 6, 7]),  # two allowances
        (["unknown"], [1, 2, 3]),
        (["refused", "rebought"], [1, 2, 3]),
        (["given up"], [1, 2, 3]),
        (["in flight", "have"], [1, 2, 3]),
    ],
)
def test_which_numbers_fill_the_want(chapters: list[str], wanted: list[int]) -> None:
    want = make_want(count=3, attempts=3, rerolls=2)
    assert numbers(walk_of(state_of(want, chapters), want)) == wanted


def test_one_attempt_and_no_reroll_replace_nothing() -> None:
    want = make_want(count=2, attempts=1, rerolls=0)
    assert numbers(walk_of(state_of(want, ["failed", "bad"]), want)) == [1, 2]


def test_an_intent_is_in_flight_while_its_owner_lives_and_unknown_after() -> None:
    want = make_want(count=1)
    state = PaperState()
    state.note(key_of(want, 1), "unknown", lease="alive")
    assert walk_of(state, want).wanted[0].state is TakeState.UNKNOWN
    state.leases = ["alive"]
    assert walk_of(state, want).wanted[0].state is TakeState.IN_FLIGHT


def test_a_held_unknown_counts_as_ended() -> None:
    want = make_want(count=2)
    assert walk_of(state_of(want, ["unknown", "have"]), want).ended
    assert not walk_of(state_of(want, ["unknown", "in flight"]), want).ended


def test_a_rejected_take_keeps_its_place_unless_it_is_to_be_replaced() -> None:
    want = make_want(count=3)
    state = state_of(want, ["have"] * 3)
    segment = segment_of(want, want.body)
    assert numbers(walk_of(state, want, make_selection(segment, rejected=[(2, False)]))) == [1, 2, 3]
    assert numbers(walk_of(state, want, make_selection(segment, rejected=[(2, True)]))) == [1, 3, 4]


def test_further_takes_are_further_places() -> None:
    want = make_want(count=3)
    asked = make_selection(segment_of(want, want.body), extra_takes=2)
    assert numbers(walk_of(state_of(want, ["have"] * 3), want, asked)) == [1, 2, 3, 4, 5]


@given(
    st.lists(st.sampled_from(CHAPTERS), max_size=12),
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 4),
    st.sets(st.integers(1, 8), max_size=3),
)
def test_whatever_happened_the_walk_is_lawful(
    chapters: list[str], count: int, attempts: int, rerolls: int, replaced: set[int]
) -> None:
    want = make_want(count=count, attempts=attempts, rerolls=rerolls)
    state = state_of(want, chapters)
    selection = make_selection(segment_of(want, want.body), rejected=[(n, True) for n in sorted(replaced)])
    walk = walk_of(state, want, selection)
    told = dict(enumerate(chapters, 1))
    assert len(walk.wanted) == count
    seen = sorted(n.number for n in (*walk.wanted, *walk.skipped))
    assert seen == list(range(1, len(seen) + 1)), "no number is left out, none is walked twice"
    for n in (*walk.wanted, *walk.skipped):
        assert (n.result is not None) == (told.get(n.number) in ("have", "bad"))
        if n.state is TakeState.NEW:
            assert told.get(n.number, "new") in ("new", "refused", "rebought"), "never buys what has an outcome"
    skipped = [told.get(n.number, "new") for n in walk.skipped if n.number not in replaced]
    assert set(skipped) <= {"failed", "bad"}, "only failures and bad pictures are replaced unasked"
    assert skipped.count("failed") <= attempts - 1
    assert skipped.count("bad") <= rerolls
    walked = [told.get(n, "new") for n in seen]
    if walked.count("failed") < attempts:
        assert not any(told.get(n.number) == "failed" for n in walk.wanted)


# --- circling ---


def scored(scores: list[float], *, count: int | None = None) -> tuple[PaperState, Want]:
    want = make_want(count=count or len(scores))
    state = PaperState()
    for number, score in enumerate(scores, 1):
        state.buy(want, number)
        state.screened[key_of(want, number)] = Screened(ok=True, score=score)
    return state, want


def winner(state: PaperState, want: Want, selection: Selection | None = None) -> int | None:
    best = best_take(walk_of(state, want, selection), selection)
    return best.number if best else None


@pytest.mark.parametrize(
    ("scores", "number"),
    [
        ([0.5, 0.9, 0.7], 2),
        ([0.8, 0.81, 0.5], 1),  # exactly 0.01
        ([0.57, 0.58], 1),
        ([0.28, 0.29], 1),
        ([0.8, 0.811], 2),
        ([0.7, 0.7, 0.7], 1),
        ([0.69, 0.695, 0.705], 2),  # the first is 0.015 below
    ],
)
def test_best_score_wins_and_the_lowest_number_among_equals(scores: list[float], number: int) -> None:
    assert winner(*scored(scores)) == number


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=8))
def test_the_circle_follows_the_rule_in_whole_thousandths(thousandths: list[int]) -> None:
    top = max(thousandths)
    expected = next(n for n, score in enumerate(thousandths, 1) if top - score <= 10)
    assert winner(*scored([t / 1000 for t in thousandths])) == expected


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_tie_is_a_hundredth_whatever_binary_makes_of_it(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert is_tie(low / 1000, high / 1000) == (high - low <= 10)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.data())
def test_a_rejected_or_bad_take_never_wins(scores: list[float], data: st.DataObject) -> None:
    rejected = data.draw(st.sets(st.integers(1, len(scores))))
    bad = data.draw(st.sets(st.integers(1, len(scores))))
    state, want = scored(scores)
    for number in bad:
        state.screened[key_of(want, number)] = BAD
    selection = make_selection(segment_of(want, want.body), rejected=[(n, False) for n in sorted(rejected)])
    left = set(range(1, len(scores) + 1)) - rejected - bad
    won = winner(state, want, selection)
    assert won in left if left else won is None


def test_a_take_that_nobody_screened_cannot_win() -> None:
    state, want = scored([0.9, 0.5])
    state.screened[key_of(want, 1)] = None
    assert winner(state, want) == 2


def test_a_choice_stands_while_its_bytes_are_the_chosen_ones() -> None:
    state, want = scored([0.9, 0.5])
    segment = segment_of(want, want.body)
    walk = walk_of(state, want)
    chosen = make_selection(segment, circled=(2, bytes_of(key_of(want, 2))))
    other = make_selection(segment, circled=(2, bytes_of("other bytes")))
    found = circled_number(walk, chosen)
    assert found is not None
    assert found.number == 2
    assert circled_number(walk, other) is None
    assert circled_number(walk, None) is None
    assert circled_number(walk, make_selection(segment)) is None


def test_a_choice_by_score_keeps_the_parts() -> None:
    state, want = scored([0.9])
    state.screened[key_of(want, 1)] = Screened(ok=True, score=0.9, parts={"sharp": 0.8})
    choice = choice_by_score(walk_of(state, want).wanted[0], AT)
    assert (choice.take, choice.by, choice.score, choice.score_parts) == (1, "score", 0.9, {"sharp": 0.8})
    with pytest.raises(ValueError, match="not been collected"):
        choice_by_score(walk_of(PaperState(), want).wanted[0], AT)


def test_the_segment_is_the_request_without_seed_and_number() -> None:
    want = make_want(base_seed=1)
    assert segment_of(want, want.body) == segment_of(make_want(base_seed=2, count=9, id="x/take"), want.body)
    assert segment_of(want, want.body) != segment_of(want, {**want.body, "duration": 3})
    assert segment_of(want, want.body) != segment_of(make_want(service="backlot"), want.body)
