"""Wants and what the store says → actions, totals and position."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import BAD, BODY, PaperState, bytes_of, key_of, make_selection, make_want

from manifests.expand import OUT_FRAME, Services, Want, expand_spot
from manifests.loaded import LoadedSpot
from manifests.plan import FilePin, Options, Plan, Verb
from manifests.planner import Planner, moved_positions, without_plan
from manifests.ratecard import load_models
from manifests.timing import cut_of
from manifests.totals import per_shot_credits, totals_of
from manifests.walk import segment_of

Film = Callable[..., LoadedSpot]
IMAGE_BODY = {**BODY, "promptImage": {"from": "pour/take", "what": "out-frame", "frame": 47}}


def later(**changes: Any) -> Want:
    """A shot that continues `pour`."""
    fields = {"id": "sip/take", "address": "sip", "endpoint": "/v1/image_to_video", "body": IMAGE_BODY}
    return make_want(**{**fields, **changes})


def planned(state: PaperState, *wants: Want, rebuy: bool = False) -> Planner:
    planner = Planner(state, rebuy=rebuy)
    for want in wants:
        planner.add(want)
    return planner


def make_plan(wants: Sequence[Want], planner: Planner, spot: LoadedSpot | None = None, **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "campaign": "morning", "manifest": "m.yaml", "manifest_digest": "m", "lock_digest": "l", "rate_card": "r",
        "ledger_position": planner.position, "positions": planner.positions,
        "spot": spot.spot.model_dump(mode="json", by_alias=True) if spot else {},
        "brand": spot.brand.model_dump(mode="json", by_alias=True) if spot else {}, "files": (),
        "video_service": "runway", "sound_service": "elevenlabs", "wants": tuple(wants),
        "actions": tuple(planner.actions),
        "totals": totals_of(wants, planner.actions, spent=0, budget=1000, screen_seconds="2"),
        "per_shot": per_shot_credits(wants, planner.actions), "not_applied": (), "notices": (),
    }  # fmt: skip
    return Plan(**{**fields, **changes})


def verbs(planner: Planner) -> dict[str, Verb]:
    return {a.id: a.verb for a in planner.actions}


def test_a_new_film_is_bought() -> None:
    planner = planned(PaperState(), make_want(count=2))
    assert [(a.id, a.verb, a.credits, a.seconds, a.reason) for a in planner.actions] == [
        ("pour/take-1", Verb.BUY, 24, 2, "new"),
        ("pour/take-2", Verb.BUY, 24, 2, "new"),
    ]
    assert all(a.key for a in planner.actions)


def test_each_state_has_its_verb_and_only_buying_costs() -> None:
    want = make_want(count=6, attempts=1)
    state = PaperState()
    for number, chapter in enumerate(("have", "in flight", "unknown", "moderated", "failed"), 1):
        state.note(key_of(want, number), chapter)
    planner = planned(state, want)
    assert [a.verb for a in planner.actions] == [
        Verb.KEEP, Verb.COLLECT, Verb.HOLD, Verb.GIVE_UP, Verb.GIVE_UP, Verb.BUY,
    ]  # fmt: skip
    assert [a.credits for a in planner.actions] == [0, 0, 0, 0, 0, 24]
    assert "moderated" in planner.actions[3].reason


def test_a_replacement_says_so() -> None:
    want = make_want(count=1)
    state = PaperState()
    state.note(key_of(want, 1), "failed")
    [action] = planned(state, want).actions
    assert (action.id, action.verb) == ("pour/take-2", Verb.BUY)
    assert "in place of" in action.reason


def test_a_screened_out_take_that_kept_its_place_is_named() -> None:
    want = make_want(count=1, rerolls=0)
    state = PaperState()
    state.buy(want, 1)
    state.screened[key_of(want, 1)] = BAD
    [action] = planned(state, want).actions
    assert (action.verb, action.reason) == (Verb.KEEP, "have, screened out")


def test_an_unknown_is_bought_again_only_when_asked() -> None:
    want = make_want(count=1)
    state = PaperState()
    state.note(key_of(want, 1), "unknown")
    [held] = planned(state, want).actions
    [bought] = planned(state, want, rebuy=True).actions
    assert (held.verb, held.credits) == (Verb.HOLD, 0)
    assert (bought.verb, bought.credits) == (Verb.BUY, 24)
    assert "paid twice" in bought.reason


# --- blanks ---


def test_a_blank_waits_for_the_circled_picture() -> None:
    planner = planned(PaperState(), make_want(), later(count=2))
    blank = [a for a in planner.actions if a.want == "sip/take"]
    assert [(a.key, a.needs, a.credits) for a in blank] == [(None, ("pour/take",), 24)] * 2
    assert blank[0].reason == "new; starts on the take circled of pour"


def test_a_blank_is_filled_as_soon_as_the_picture_is_circled() -> None:
    want, after = make_want(count=2), later(count=1)
    state = PaperState()
    state.buy(want, 1, 2)
    planner = planned(state, want, after)
    source = bytes_of(key_of(want, 1))
    filled = {**IMAGE_BODY, "promptImage": {"derived": OUT_FRAME, "source": source, "frame": 47}}
    assert planner.pictures == {"pour/take": source}
    assert planner.actions[-1].key == key_of(after, 1, filled)


@pytest.mark.parametrize("chapter", ["in flight", "new"])
def test_a_blank_is_not_filled_while_a_take_before_it_is_on_its_way(chapter: str) -> None:
    want = make_want(count=2)
    state = PaperState()
    state.buy(want, 1)
    if chapter != "new":
        state.note(key_of(want, 2), chapter)
    assert planned(state, want, later(count=1)).actions[-1].key is None


def test_a_blank_is_not_filled_before_every_take_was_screened() -> None:
    want = make_want(count=2)
    state = PaperState()
    state.buy(want, 1, 2)
    state.screened[key_of(want, 2)] = None
    assert planned(state, want, later(count=1)).actions[-1].key is None


def test_a_held_unknown_does_not_keep_the_next_shot_waiting_unless_it_is_bought_again() -> None:
    want = make_want(count=2)
    state = PaperState()
    state.buy(want, 1)
    state.note(key_of(want, 2), "unknown")
    assert planned(state, want, later(count=1)).actions[-1].key is not None
    assert planned(state, want, later(count=1), rebuy=True).actions[-1].key is None


def test_a_persons_choice_decides_what_the_next_shot_starts_on() -> None:
    want = make_want(count=2)
    state = PaperState()
    state.buy(want, 1, 2)
    segment = segment_of(want, want.body)
    state.selections[segment] = make_selection(segment, circled=(2, bytes_of(key_of(want, 2))))
    planner = planned(state, want, later(count=1))
    assert (planner.circled["pour/take"], planner.pictures["pour/take"]) == (2, bytes_of(key_of(want, 2)))


def test_two_shots_with_one_request_are_one_purchase() -> None:
    twin = make_want(id="again/take", address="again", count=2)
    planner = planned(PaperState(), make_want(count=2), twin)
    assert verbs(planner)["again/take-1"] is Verb.SHARE
    assert sum(a.credits for a in planner.actions) == 48
    assert planner.actions[2].reason == "the same request as pour/take-1"
    bought = PaperState()
    bought.buy(twin, 1, 2)
    assert set(verbs(planned(bought, make_want(count=2), twin)).values()) == {Verb.KEEP}


# --- totals ---


def wants_with(prices: list[tuple[int, int, int, int]]) -> list[Want]:
    return [
        make_want(
            id=f"s{n}/take", address=f"s{n}", count=count, attempts=attempts, rerolls=rerolls, credits=price,
            body={**BODY, "promptText": str(n)},
        )
        for n, (price, count, attempts, rerolls) in enumerate(prices)
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=5
    ),
    st.integers(0, 5000),
    st.integers(0, 5000),
)
def test_up_to_holds_every_retake_that_the_budget_allows_and_never_more(
    prices: list[tuple[int, int, int, int]], spent: int, budget: int
) -> None:
    wants = wants_with(prices)
    actions = planned(PaperState(), *wants).actions
    totals = totals_of(wants, actions, spent=spent, budget=budget, screen_seconds="1")
    now = sum(price * count for price, count, _, _ in prices)
    retakes = sum(price * (attempts - 1 + rerolls) for price, _, attempts, rerolls in prices)
    assert totals.credits == now
    assert totals.up_to >= now
    assert totals.up_to <= max(now, budget - spent)
    if now + retakes <= budget - spent:
        assert totals.up_to == now + retakes
    assert totals.bought_seconds == sum(2 * count for _, count, _, _ in prices)


def test_what_is_there_already_has_no_allowance() -> None:
    want = make_want(count=1)
    state = PaperState()
    state.buy(want, 1)
    actions = planned(state, want).actions
    assert totals_of([want], actions, spent=24, budget=1000, screen_seconds="2").up_to == 0


def test_a_take_to_be_collected_may_still_fail() -> None:
    want = make_want(count=1, attempts=2, rerolls=0)
    state = PaperState()
    state.note(key_of(want, 1), "in flight")
    assert totals_of([want], planned(state, want).actions, spent=24, budget=99, screen_seconds="2").up_to == 24


def test_credits_per_shot_hold_stills_and_takes_and_no_sound() -> None:
    wants = [
        make_want(id="pour/still", what="still", credits=8, count=2, body={"promptText": "still"}),
        make_want(count=3),
        make_want(id="vo1/line", address="vo1", what="speech", count=1, credits=1, body={"text": "x"}),
    ]
    assert per_shot_credits(wants, planned(PaperState(), *wants).actions) == {"pour": 88}


# --- position: what makes a plan stale ---

OWN, OTHER = "b" * 64, "c" * 64


def moved(want: Want, before: PaperState, after: PaperState, film: LoadedSpot, *, rebuy: bool = False) -> list[str]:
    plan = make_plan([want], planned(before, want, rebuy=rebuy), film, options=Options(rebuy_unknown=rebuy))
    for key, history in after.histories.items():
        intents = tuple(i.model_copy(update={"plan": plan.digest}) if i.plan == OWN else i for i in history.intents)
        after.histories[key] = history.model_copy(update={"intents": intents})
    return moved_positions(plan, after)


@pytest.mark.parametrize("chapter", ["have", "in flight", "unknown", "failed", "moderated", "refused"])
def test_what_the_plan_bought_itself_is_progress(load_film: Film, chapter: str) -> None:
    want = make_want(count=2)
    after = PaperState()
    after.note(key_of(want, 1), chapter, plan=OWN)
    assert moved(want, PaperState(), after, load_film()) == []


@pytest.mark.parametrize("chapter", ["have", "in flight", "unknown", "failed", "moderated"])
def test_what_another_bought_makes_it_stale(load_film: Film, chapter: str) -> None:
    want = make_want(count=2)
    after = PaperState()
    after.note(key_of(want, 1), chapter, plan=OTHER)
    assert moved(want, PaperState(), after, load_film()) == [key_of(want, 1)]


def test_collecting_is_progress_whoever_had_bought_it(load_film: Film) -> None:
    want = make_want(count=1)
    before, after = PaperState(), PaperState()
    before.note(key_of(want, 1), "in flight", plan=OTHER)
    after.note(key_of(want, 1), "have", plan=OTHER)
    assert moved(want, before, after, load_film()) == []


def test_buying_after_anothers_refusal_is_progress(load_film: Film) -> None:
    want = make_want(count=1)
    before, after = PaperState(), PaperState()
    before.note(key_of(want, 1), "refused", plan=OTHER)
    after.note(key_of(want, 1), "refused", "have", plan=OTHER)
    history = after.histories[key_of(want, 1)]
    mine = history.intents[1].model_copy(update={"plan": OWN})
    after.histories[key_of(want, 1)] = history.model_copy(update={"intents": (history.intents[0], mine)})
    assert moved(want, before, after, load_film()) == []


def test_buying_an_unknown_again_is_progress_also_when_it_died_after_the_release(load_film: Film) -> None:
    want = make_want(count=1)
    key = key_of(want, 1)
    for chapters in (("rebought",), ("rebought", "unknown"), ("rebought", "have")):
        before, after = PaperState(), PaperState()
        before.note(key, "unknown", plan=OTHER)
        after.note(key, *chapters, plan=OTHER)
        history = after.histories[key]
        intents = tuple(i.model_copy(update={"plan": OWN}) if i.attempt == 2 else i for i in history.intents)
        after.histories[key] = history.model_copy(update={"intents": intents})
        assert moved(want, before, after, load_film(), rebuy=True) == []
    again = PaperState()
    again.note(key, "rebought", plan=OTHER)
    before = PaperState()
    before.note(key, "unknown", plan=OTHER)
    assert moved(want, before, again, load_film()) == [key], "a plan that holds it did not release it"


@pytest.mark.parametrize(
    "word", [{"circled": (2, "f" * 64)}, {"rejected": [(1, False)]}, {"rejected": [(1, True)]}, {"extra_takes": 1}]
)
def test_a_persons_word_makes_it_stale(load_film: Film, word: Mapping[str, Any]) -> None:
    want = make_want(count=2)
    before, after = PaperState(), PaperState()
    for state in (before, after):
        state.buy(want, 1, 2, plan=OTHER)
    segment = segment_of(want, want.body)
    after.selections[segment] = make_selection(segment, **word)
    assert moved(want, before, after, load_film()) == [segment]


def test_a_circle_by_score_is_no_word(load_film: Film) -> None:
    want = make_want(count=1)
    before, after = PaperState(), PaperState()
    after.buy(want, 1, plan=OWN)
    segment = segment_of(want, want.body)
    after.selections[segment] = make_selection(segment, circled=(1, "f" * 64), by="score")
    assert moved(want, before, after, load_film()) == []


@given(st.lists(st.sampled_from(["refused", "rebought"]), max_size=3), st.sampled_from(["have", "failed", "unknown"]))
def test_the_history_without_a_plan_is_what_was_before_it(others: list[str], last: str) -> None:
    key = "d" * 64
    state = PaperState()
    state.note(key, *others, last, plan=OTHER)
    history = state.history(key)
    own = history.intents[-1].model_copy(update={"plan": OWN})
    mixed = history.model_copy(update={"intents": (*history.intents[:-1], own)})
    left = without_plan(mixed, OWN)
    state.note(key, *others[:-1], *(["unknown"] if others[-1:] == ["rebought"] else others[-1:]), plan=OTHER)
    assert left == (state.history(key) if others else left)
    assert [i.plan for i in left.intents] == [OTHER] * len(others)
    assert left.result is None
    assert without_plan(mixed, "e" * 64) is mixed


# --- the plan as a value ---


def film_plan(film: LoadedSpot, state: PaperState | None = None) -> Plan:
    models = load_models()
    pins = {name: bytes_of(name) for name in film.files}
    wants = expand_spot(film, cut_of(film.spot, models), models, pins, Services("runway", "elevenlabs"))
    files = tuple(
        FilePin(name=n, path=str(use.path.name), sha256=pins[n], size=1, content_type="image/png")
        for n, use in film.files.items()
    )
    return make_plan(wants, planned(state or PaperState(), *wants), film, files=files)


def test_a_plan_survives_json_with_the_same_digest(load_film: Film) -> None:
    plan = film_plan(load_film())
    again = Plan.model_validate(json.loads(plan.model_dump_json(by_alias=True)))
    assert again == plan
    assert again.digest == plan.digest
    assert again.read_spot() == load_film().spot
    assert again.read_brand() == load_film().brand
    assert again.file("references.kettle.file").sha256 == bytes_of("references.kettle.file")


def test_the_same_manifest_gives_the_same_plan(load_film: Film) -> None:
    first, second = film_plan(load_film()), film_plan(load_film())
    assert first.model_dump_json() == second.model_dump_json()


@pytest.mark.parametrize(
    "change", [{"campaign": "x"}, {"options": Options(rebuy_unknown=True)}, {"notices": ("x",)}, {"rate_card": "x"}]
)
def test_every_part_is_in_the_digest(load_film: Film, change: Mapping[str, Any]) -> None:
    plan = film_plan(load_film())
    assert plan.model_copy(update=dict(change)).digest != plan.digest


def test_a_plan_needs_a_purse_only_where_somebody_else_films(load_film: Film) -> None:
    plan = film_plan(load_film())
    assert plan.paid
    played = tuple(w.model_copy(update={"service": "backlot"}) for w in plan.wants)
    assert not plan.model_copy(update={"wants": played}).paid
    assert plan.model_copy(update={"wants": (*played[1:], plan.wants[0])}).paid


def test_unfinished_while_something_is_bought_or_on_its_way() -> None:
    want = make_want(count=1)
    for chapter, unfinished in (("have", False), ("in flight", True), ("unknown", False), ("moderated", False)):
        state = PaperState()
        state.note(key_of(want, 1), chapter)
        assert make_plan([want], planned(state, want)).unfinished is unfinished
    assert make_plan([want], planned(PaperState(), want)).unfinished


def test_the_position_is_of_states_not_of_order() -> None:
    one, two = make_want(), make_want(id="b/take", body={**BODY, "promptText": "b"})
    assert planned(PaperState(), one, two).position == planned(PaperState(), two, one).position
    state = PaperState()
    state.buy(one, 1)
    assert planned(state, one, two).position != planned(PaperState(), one, two).position
