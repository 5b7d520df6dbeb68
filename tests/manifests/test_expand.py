"""Spot → requests as they will be sent: what is in them, and what must never be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from takes import bytes_of, key_of

from manifests.digest import derive_seed
from manifests.expand import OUT_FRAME, Services, Want, _plain, expand_spot, fill_blanks, find_blanks
from manifests.loaded import LoadedSpot
from manifests.ratecard import load_models
from manifests.timing import cut_of
from manifests.walk import request_of

Film = Callable[..., LoadedSpot]
MODELS = load_models()


def expand(film: LoadedSpot, services: Services | None = None) -> dict[str, Want]:
    pins = {name: bytes_of(name) for name in film.files}
    wants = expand_spot(film, cut_of(film.spot, MODELS), MODELS, pins, services or Services("runway", "elevenlabs"))
    return {w.id: w for w in wants}


def keys(wants: Mapping[str, Want]) -> set[str]:
    """Keys of everything that has no blank, and of every blank filled with one picture."""
    return {
        key_of(want, number, fill_blanks(want.body, dict.fromkeys(want.needs, "e" * 64)))
        for want in wants.values()
        for number in range(1, want.count + 1)
    }


def test_sound_comes_first_and_every_want_after_what_it_needs(load_film: Film) -> None:
    wants = list(expand(load_film()).values())
    assert [w.id for w in wants] == ["vo1/line", "pour-1/effect", "dawn/still", "dawn/take", "pour/still", "pour/take"]
    for number, want in enumerate(wants):
        assert set(want.needs) <= {w.id for w in wants[:number]}


def test_references_are_sent_with_the_still_and_not_with_the_take(load_film: Film) -> None:
    wants = expand(load_film())
    still, take = wants["pour/still"], wants["pour/take"]
    assert still.body["referenceImages"] == [{"uri": {"sha256": bytes_of("references.kettle.file")}, "tag": "kettle"}]
    assert (still.endpoint, still.model, still.count, still.body["ratio"]) == (
        "/v1/text_to_image", "gen4_image", 2, "1920:1080",
    )  # fmt: skip
    assert "referenceImages" not in take.body
    assert take.body["promptImage"] == {"from": "pour/still", "what": "circled-still"}
    assert (take.endpoint, take.mode, take.body["ratio"]) == ("/v1/image_to_video", "image-to-video", "1280:720")
    assert "@kettle" not in str(take.body["promptText"]), "the tag is a word of the still's request"


def test_the_other_model_films_the_same_shot_in_its_own_size_and_length(load_film: Film) -> None:
    plain = expand(load_film())["pour/take"]
    assert plain.fallback is None
    retry = "  takes: 3\n  retry: {on_moderation: fallback, fallback: gen4_turbo}\n"
    take = expand(load_film({"  takes: 3\n": retry}))["pour/take"]
    other = take.fallback
    assert other is not None
    assert keys({"a": take}) == keys({"a": plain})  # naming one buys nothing again
    assert (other.id, other.model, other.body["model"], other.address) == (
        "pour/fallback", "gen4_turbo", "gen4_turbo", "pour",
    )  # fmt: skip
    assert other.body["promptImage"] == take.body["promptImage"]
    assert other.body["duration"] * 24 >= take.frames
    assert other.credits == 5 * other.seconds
    assert not keys({"a": take}) & keys({"a": other})
    same = expand(load_film({"  takes: 3\n": "  takes: 3\n  retry: {fallback: gen4.5}\n"}))["pour/take"]
    assert same.fallback is None


def test_a_shot_without_references_has_a_still_without_them(load_film: Film) -> None:
    film = load_film({"    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": (
        "    prompt:\n      subject: A matte green kettle\n"
    )})  # fmt: skip
    assert "referenceImages" not in expand(film)["dawn/still"].body


def test_text_alone_where_there_is_nothing_to_start_on(load_film: Film) -> None:
    film = load_film({"  keyframe: {model: gen4_image, options: 2}\n": ""})
    wants = expand(film)
    assert "pour/still" not in wants
    take = wants["pour/take"]
    assert (take.endpoint, take.mode, take.needs) == ("/v1/text_to_video", "text-to-video", ())
    assert "promptImage" not in take.body


def test_a_start_image_is_a_pinned_file(load_film: Film) -> None:
    wants = expand(load_film({"    duration: 6\n": "    duration: 6\n    start_image: kettle\n"}))
    assert wants["pour/take"].body["promptImage"] == {"sha256": bytes_of("references.kettle.file")}
    assert "pour/still" not in wants


def test_a_continued_shot_starts_on_the_last_frame_shown(load_film: Film) -> None:
    film = load_film({
        "    duration: 6\n": "    duration: 6\n    continues: dawn\n",
        "edit:\n  transitions:\n    - {between: [dawn, pour], duration: 0.4}\n": "",
    })  # fmt: skip
    take = expand(film)["pour/take"]
    assert take.body["promptImage"] == {"from": "dawn/take", "what": "out-frame", "frame": 119}
    assert take.needs == ("dawn/take",)
    assert take.frames == 145, "one more than is shown: the doubled frame"
    assert take.seconds == 7


def test_only_fields_that_the_vendor_sells_are_sent(load_film: Film) -> None:
    """Unknown fields are ignored and billed."""
    for want in expand(load_film()).values():
        card = MODELS[want.model]
        if card.vendor == "elevenlabs":
            continue
        endpoint = next(e for e in card.endpoints if e.path == want.endpoint)
        sent = set(request_of(want, want.body, 1)["body"])
        assert set(endpoint.required) <= sent
        assert sent <= {*endpoint.required, *endpoint.optional}


@pytest.mark.parametrize("model", [m.id for m in MODELS.values() if m.makes == "video" and m.audio and not m.retired])
def test_a_model_with_sound_is_told_to_make_none(load_film: Film, model: str) -> None:
    card = MODELS[model]
    film = load_film({"model: gen4.5": f"model: {model}"})
    shots = film.spot.model_copy(update={"shots": tuple(
        shot.model_copy(update={"duration": Decimal(card.seconds.lengths[0] - 1), "clip": card.seconds.lengths[0]})
        for shot in film.spot.shots if card.seconds
    )})  # fmt: skip
    film = LoadedSpot(film.path, film.root, shots, film.brand, film.brand_path, b"", film.files)
    take = expand(film)["dawn/take"]
    assert take.body["audio"] is False
    assert expand(load_film())["dawn/take"].body.get("audio") is None


def test_seeds_follow_base_and_number_and_a_shot_may_have_its_own(load_film: Film) -> None:
    wants = expand(
        load_film({"    duration: 6\n": "    duration: 6\n    seed: 9\n", "  takes: 3\n": "  takes: 3\n  seed: 4\n"})
    )
    assert wants["pour/take"].base_seed == 9
    assert wants["pour/still"].base_seed == 9
    assert wants["dawn/take"].base_seed == 4
    assert request_of(wants["dawn/take"], {}, 2)["body"]["seed"] == derive_seed(4, 2)


def test_prices_are_the_rate_cards(load_film: Film) -> None:
    wants = expand(load_film())
    assert wants["dawn/take"].credits == wants["dawn/take"].seconds * 12
    assert wants["dawn/still"].credits == 8
    assert all(w.credits > 0 for w in wants.values())


def test_takes_of_a_shot_and_retries_are_the_manifests(load_film: Film) -> None:
    film = load_film({
        "    duration: 6\n": "    duration: 6\n    takes: 5\n",
        "  takes: 3\n": "  takes: 2\n  retry: {attempts: 4, rerolls: 1}\n",
    })  # fmt: skip
    wants = expand(film)
    assert (wants["dawn/take"].count, wants["pour/take"].count) == (2, 5)
    assert (wants["pour/take"].attempts, wants["pour/take"].rerolls) == (4, 1)
    assert (wants["vo1/line"].attempts, wants["vo1/line"].rerolls) == (4, 0), "a sound is not screened"


def test_speech_is_sent_as_it_is_spoken(load_film: Film) -> None:
    film = load_film(
        brand={"rights: {basis: synthetic}}": "rights: {basis: synthetic}, say: {mornings: MORN-ings}}"},
    )
    line = expand(film)["vo1/line"]
    assert line.body["text"] == "Some MORN-ings ask for nothing."
    assert line.endpoint.startswith("/v1/text-to-speech/EXAMPLE/with-timestamps")
    assert (line.count, line.service) == (1, "elevenlabs")


def test_an_effect_from_a_file_is_not_bought(load_film: Film) -> None:
    film = load_film({"prompt: water poured into a cup}": "file: kettle.png, rights: {basis: owned}}"})
    assert not [w for w in expand(film) if w.endswith("/effect")]


# --- identity ---

NAMES = {
    "name: film": "name: zebra-campaign",
    "- id: dawn": "- id: quagga",
    "- id: pour": "- id: okapi",
    "[dawn, pour]": "[quagga, okapi]",
    "at: dawn": "at: quagga",
    "at: pour": "at: okapi",
    "id: vo1": "id: narwhal",
}


def test_the_same_film_under_other_names_is_the_same_purchase(load_film: Film) -> None:
    before, after = expand(load_film()), expand(load_film(NAMES))
    assert set(before).isdisjoint(after)
    assert keys(before) == keys(after)


def test_no_name_of_ours_travels_in_a_request(load_film: Film) -> None:
    for want in expand(load_film(NAMES)).values():
        filled = fill_blanks(want.body, dict.fromkeys(want.needs, "e" * 64))
        sent = json.dumps(request_of(want, filled, 1))
        for name in ("zebra", "quagga", "okapi", "narwhal", "alder"):
            assert name not in sent.lower()


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"stands still": "stands quite still"}, {"dawn/take"}),  # a still shows no action
        ({"on a pale stone worktop": "on a dark stone worktop"}, {"dawn/still", "dawn/take"}),
        ({"duration: 6\n": "duration: 7\n"}, {"pour/take"}),
        ({"water poured into a cup": "tea poured into a cup"}, {"pour-1/effect"}),
        ({"Some mornings ask for nothing": "Some mornings ask for much"}, {"vo1/line"}),
        ({"headline: The kettle": "headline: A kettle"}, set()),
        ({"budget: {credits: 1000}": "budget: {credits: 2000}"}, set()),
        ({"offset: 0.3": "offset: 0.4"}, set()),
    ],
)
def test_only_what_changed_is_bought_anew(load_film: Film, changes: dict[str, str], anew: set[str]) -> None:
    before, after = expand(load_film()), expand(load_film(changes))
    moved = {
        name
        for name in before
        if keys({name: before[name]}) != keys({name: after[name]})
    }  # fmt: skip
    # a take that starts on a still follows it through the still's bytes, which are not known here
    assert moved == anew


def test_another_service_is_another_purchase(load_film: Film) -> None:
    film = load_film()
    assert keys(expand(film)).isdisjoint(keys(expand(film, Services("backlot", "backlot"))))


# --- blanks ---

BLANK = st.fixed_dictionaries({"from": st.sampled_from(["a/take", "b/still"]), "what": st.just("circled-still")})
BODIES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | BLANK,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(BODIES)
def test_filling_leaves_no_blank_and_touches_nothing_else(body: Any) -> None:
    named = {blank["from"] for blank in find_blanks(body)}
    filled = fill_blanks(body, {"a/take": "1" * 64, "b/still": "2" * 64})
    assert not list(find_blanks(filled))
    if not named:
        assert filled == body
    assert (("1" * 64) in json.dumps(filled)) == ("a/take" in named)


def test_an_out_frame_is_named_by_its_take_and_number() -> None:
    blank = {"promptImage": {"from": "a/take", "what": "out-frame", "frame": 47}}
    assert fill_blanks(blank, {"a/take": "1" * 64}) == {
        "promptImage": {"derived": OUT_FRAME, "source": "1" * 64, "frame": 47}
    }
    with pytest.raises(KeyError):
        fill_blanks(blank, {})


@given(st.decimals(Decimal("0.5"), 30, places=1))
def test_seconds_are_one_number_however_they_were_written(seconds: Decimal) -> None:
    written = {json.dumps(_plain(s)) for s in (seconds, seconds.normalize(), Decimal(f"{seconds}00"))}
    assert len(written) == 1
    assert float(next(iter(written))) == float(seconds)


# --- shots longer than their model films at once ---

LONG = {"    duration: 6\n": "    duration: 12\n"}


def test_only_the_first_segment_starts_on_a_still(load_film: Film) -> None:
    wants = expand(load_film(LONG))
    assert [w for w in wants if w.startswith("pour")] == ["pour-1/effect", "pour.1/still", "pour.1/take", "pour.2/take"]
    first, second = wants["pour.1/take"], wants["pour.2/take"]
    assert first.body["promptImage"] == {"from": "pour.1/still", "what": "circled-still"}
    assert second.body["promptImage"] == {"from": "pour.1/take", "what": "out-frame", "frame": first.frames - 1}
    assert (first.address, second.address, second.needs) == ("pour.1", "pour.2", ("pour.1/take",))
    assert first.body["promptText"] == second.body["promptText"]
    assert first.seconds + second.seconds == 13
    assert second.credits == second.seconds * 12


def test_a_shot_that_continues_a_long_one_starts_on_its_last_segment(load_film: Film) -> None:
    film = load_film({
        "    duration: 5\n": "    duration: 12\n",
        "    duration: 6\n": "    duration: 6\n    continues: dawn\n",
        "edit:\n  transitions:\n    - {between: [dawn, pour], duration: 0.4}\n": "",
    })  # fmt: skip
    wants = expand(film)
    last = wants["dawn.2/take"]
    assert wants["pour/take"].body["promptImage"] == {
        "from": "dawn.2/take", "what": "out-frame", "frame": last.frames - 1,
    }  # fmt: skip


def test_each_segment_has_its_own_fallback(load_film: Film) -> None:
    retry = {"  takes: 3\n": "  takes: 3\n  retry: {on_moderation: fallback, fallback: veo3.1}\n"}
    wants = expand(load_film(LONG | retry))
    for name in ("pour.1", "pour.2"):
        other = wants[f"{name}/take"].fallback
        assert other is not None
        assert other.id == f"{name}/fallback"
        assert other.seconds * 24 >= wants[f"{name}/take"].frames
        assert other.body["promptImage"] == wants[f"{name}/take"].body["promptImage"]


def test_an_in_point_inside_the_second_segment_films_the_first_one_too(load_film: Film) -> None:
    film = load_film({"    duration: 6\n": "    duration: 6\n    in: 8\n"})
    wants = expand(film)
    assert {"pour.1/take", "pour.2/take"} <= set(wants)
    shown = cut_of(film.spot, MODELS).parts("pour")
    assert [part.id for part in shown] == ["pour.2"]
