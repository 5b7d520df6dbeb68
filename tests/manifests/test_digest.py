"""The identity of what is paid for: stable over time and order, blind to names, and different where requests differ."""

from __future__ import annotations

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests import digest

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)
requests = st.dictionaries(texts, values, max_size=4)


def shuffled(value: object) -> object:
    """Equal, but every mapping in the other order, no dict and no list."""
    if isinstance(value, dict):
        return MappingProxyType({key: shuffled(item) for key, item in reversed(value.items())})
    return tuple(shuffled(item) for item in value) if isinstance(value, list) else value


@given(values)
def test_canonical_json_is_json(value: object) -> None:
    assert json.loads(digest.canonical_json(value)) == value


@given(values)
def test_order_and_container_type_do_not_matter(value: object) -> None:
    assert digest.canonical_json(shuffled(value)) == digest.canonical_json(value)


@given(values, values)
def test_different_values_have_different_digests(one: object, other: object) -> None:
    same_text = digest.canonical_json(one) == digest.canonical_json(other)
    assert (digest.digest_json(one) == digest.digest_json(other)) == same_text
    assert not same_text or one == other


def test_the_form_is_fixed_for_ever() -> None:
    """A change of any of these buys everything again."""
    value = {"b": [1, 2.5, "ü"], "a": {"z": None, "y": True}}
    assert digest.canonical_json(value) == '{"a":{"y":true,"z":null},"b":[1,2.5,"ü"]}'.encode()
    request = {"endpoint": "/v1/image_to_video", "body": {"model": "gen4.5", "seed": 7, "duration": 5}}
    assert digest.take_key("runway", request, 1) == "0356116e52220fb37b1b960fc1c550cbd519a8855362dcccedfd432f76887292"
    assert digest.segment_key("runway", request) == "072b986adb22fdd95829bddac5e7a753589f371ab4898a3dab3a2e3d8894aab5"
    step = digest.step_key("screen", 1, {"kind": "take"}, {"take": "0" * 64})
    assert step == "1cfc1889080d10c4de032db8e498803c4f4010bf0bd260f28d3f4bc4382b373b"
    assert digest.derive_seed(0, 1) == 1178544536
    assert digest.digest_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_without_a_form_are_refused(value: float) -> None:
    for place in (value, [value], {"a": {"b": (1, value)}}, MappingProxyType({"a": value})):
        with pytest.raises(ValueError, match="no canonical form"):
            digest.canonical_json(place)


@pytest.mark.parametrize("key", [1, None, True, 2.5, ("a",)])
def test_keys_that_are_not_text_are_refused(key: object) -> None:
    with pytest.raises(ValueError, match="is not text"):
        digest.canonical_json([{"a": {key: 1}}])


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), 1j])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        digest.canonical_json({"a": value})


def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        digest.canonical_json("\ud800")


@given(st.integers(0, 2**32 - 1), st.integers(1, 1000))
def test_seeds_are_32_bits_and_repeat(base: int, number: int) -> None:
    seed = digest.derive_seed(base, number)
    assert 0 <= seed < 2**32
    assert digest.derive_seed(base, number) == seed


def test_seeds_of_one_segment_differ() -> None:
    assert len({digest.derive_seed(0, n) for n in range(1, 1001)}) == 1000
    assert digest.derive_seed(0, 1) != digest.derive_seed(1, 1)


@given(requests, st.integers(1, 99), st.integers(1, 99))
def test_a_take_is_its_request_service_and_number(request_: dict[str, object], one: int, other: int) -> None:
    key = digest.take_key("runway", request_, one)
    assert (digest.take_key("runway", request_, other) == key) == (one == other)
    assert digest.take_key("backlot", request_, one) != key
    assert digest.take_key("runway", {**request_, "more": 1, "than": 2}, one) != key
    assert digest.segment_key("runway", request_) != key


@given(requests, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_a_segment_is_its_takes_without_the_seed(body: dict[str, object], one: int, other: int) -> None:
    keys = {digest.segment_key("runway", {"endpoint": "e", "body": {**body, "seed": seed}}) for seed in (one, other)}
    assert len(keys) == 1
    unseeded = {k: v for k, v in body.items() if k != "seed"}
    assert keys == {digest.segment_key("runway", {"endpoint": "e", "body": unseeded})}
    assert keys != {digest.segment_key("runway", {"endpoint": "other", "body": unseeded})}
    assert keys != {digest.segment_key("backlot", {"endpoint": "e", "body": unseeded})}


def test_a_seed_deeper_in_the_body_stays_part_of_the_segment() -> None:
    one = digest.segment_key("runway", {"body": {"options": {"seed": 1}}})
    assert one != digest.segment_key("runway", {"body": {"options": {"seed": 2}}})


@given(requests, requests)
def test_a_step_is_name_version_parameters_and_inputs(params: dict[str, object], inputs: dict[str, object]) -> None:
    key = digest.step_key("screen", 1, params, inputs)
    assert digest.step_key("screen", 1, dict(reversed(params.items())), inputs) == key
    assert digest.step_key("screen", 2, params, inputs) != key
    assert digest.step_key("conform", 1, params, inputs) != key
    assert digest.step_key("screen", 1, {**params, "a new one": 1}, inputs) != key
    assert digest.step_key("screen", 1, params, {**inputs, "a new one": 1}) != key
