"""Time to finish: purchases on so many slots, blanks after what they wait for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import BODY, PaperState, key_of, make_want

from manifests.estimate import estimate_seconds
from manifests.expand import Want
from manifests.planner import Planner
from manifests.ratecard import load_models

MODELS = load_models()
LOW, HIGH = MODELS["gen4.5"].seconds_to_make
STILL_LOW = MODELS["gen4_image"].seconds_to_make[0]


def seconds(wants: Sequence[Want], slots: int, state: PaperState | None = None, *, slow: bool = False) -> int:
    planner = Planner(state or PaperState())
    for want in wants:
        planner.add(want)
    return estimate_seconds(wants, planner.actions, MODELS, slots, slow=slow)


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 12))
def test_takes_of_one_model_fill_its_slots(takes: int, shots: int, slots: int) -> None:
    wants = [make_want(id=f"{n}/take", count=takes, body={**BODY, "promptText": str(n)}) for n in range(shots)]
    assert seconds(wants, slots) == math.ceil(takes * shots / slots) * LOW
    assert seconds(wants, slots, slow=True) == math.ceil(takes * shots / slots) * HIGH


def test_a_blank_waits_for_all_takes_of_what_it_names() -> None:
    image = {**BODY, "promptImage": {"from": "pour/take", "what": "out-frame", "frame": 1}}
    wants = [make_want(count=2), make_want(id="sip/take", count=1, body=image)]
    assert seconds(wants, 1) == 3 * LOW
    assert seconds(wants, 9) == 2 * LOW


def test_models_have_slots_of_their_own() -> None:
    image = {**BODY, "promptImage": {"from": "pour/still", "what": "circled-still"}}
    wants = [
        make_want(id="pour/still", what="still", model="gen4_image", count=2, body={"promptText": "still"}),
        make_want(count=1, body=image),
        make_want(id="other/take", count=1, body={**BODY, "promptText": "other"}),
    ]
    free = seconds(wants, 2)
    assert free == max(STILL_LOW + LOW, LOW)


def test_what_is_on_its_way_still_takes_its_time_and_what_is_there_none() -> None:
    want = make_want(count=2)
    state = PaperState()
    state.buy(want, 1)
    state.note(key_of(want, 2), "in flight")
    assert seconds([want], 1, state) == LOW
    state.buy(want, 2)
    assert seconds([want], 1, state) == 0


def test_nothing_to_do_takes_no_time() -> None:
    assert estimate_seconds([], [], MODELS, 1, slow=True) == 0


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_more_slots_are_never_slower(slots: int) -> None:
    wants = [make_want(id=f"{n}/take", count=n, body={**BODY, "promptText": str(n)}) for n in range(1, 5)]
    assert seconds(wants, slots + 1) <= seconds(wants, slots)
