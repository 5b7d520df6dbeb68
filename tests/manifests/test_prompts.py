"""What models are told, word for word: these texts are part of what a take is called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.camera import MOVES, find_moves, framing_of
from manifests.prompts import (
    ONE_SHOT,
    camera_sentence,
    compose_negative,
    compose_still,
    compose_video,
    prompt_units,
    review_questions,
    sort_avoided,
    untag,
)
from manifests.schema import Brand, Prompt, Shot

FIELDS = {
    "subject": "A matte green kettle, @kettle, tilted over a white ceramic cup",
    "action": "hot water pours in one steady stream and the cup fills to two thirds",
    "environment": "on the stone worktop of @kitchen, shelves out of focus behind",
    "camera": "slow push in at cup height, stream stays in the left third",
    "mood": "warm side light, visible steam",
}


def make_brand(look: str | None = "muted cool palette, 35mm film grain") -> Brand:
    colours = {"ink": "#16221C", "paper": "#F4EFE6", "accent": "#2E6B4F"}
    head = {"manifest": 1, "kind": "brand", "name": "alder", "display_name": "Alder"}
    return Brand.model_validate({**head, "colours": colours, "look": look})


def make_shot(prompt: dict[str, Any] | None = None, **more: Any) -> Shot:
    return Shot.model_validate({"id": "pour", "duration": 6, "prompt": {**FIELDS, **(prompt or {})}, **more})


def test_the_still_has_no_action_no_move_and_keeps_its_tags() -> None:
    assert compose_still(make_shot(), make_brand()) == (
        "A matte green kettle, @kettle, tilted over a white ceramic cup. "
        "On the stone worktop of @kitchen, shelves out of focus behind. "
        "At cup height, stream stays in the left third. "
        "Warm side light, visible steam. "
        "Muted cool palette, 35mm film grain."
    )


def test_the_video_has_all_five_and_no_tags() -> None:
    assert compose_video(make_shot(), make_brand()) == (
        "A matte green kettle, tilted over a white ceramic cup, "
        "hot water pours in one steady stream and the cup fills to two thirds. "
        "On the stone worktop of the kitchen, shelves out of focus behind. "
        "Slow push in at cup height, stream stays in the left third. "
        "Warm side light, visible steam. "
        "Muted cool palette, 35mm film grain. "
        "One continuous shot, no scene cut."
    )


def test_every_part_has_its_place() -> None:
    shot = make_shot(
        {"layout": "kettle on the left, cup on the right"}, motion="low", lettering="OPEN", avoid=["people"]
    )
    video = compose_video(shot, make_brand())
    order = (
        "A matte green", "hot water", "On the stone", "Kettle on the left", "Slow push in", "Warm side light",
        "The subject moves little", "The words “OPEN” can be read.", "The place is otherwise empty.", "Muted", ONE_SHOT,
    )  # fmt: skip
    places = [video.index(part) for part in order]
    assert places == sorted(places)
    still = compose_still(shot, make_brand())
    assert "Kettle on the left, cup on the right." in still
    assert "OPEN" in still
    assert "The subject moves" not in still
    assert ONE_SHOT not in still


def test_motion_in_words() -> None:
    plain = compose_video(make_shot(), make_brand())
    assert compose_video(make_shot(motion="medium"), make_brand()) == plain
    assert "moves fast and strongly" in compose_video(make_shot(motion="high"), make_brand())
    assert "moves little and gently" in compose_video(make_shot(motion="low"), make_brand())


def test_cuts_allowed_drops_the_sentence() -> None:
    assert ONE_SHOT not in compose_video(make_shot(cuts="allowed"), make_brand())


def test_no_look_no_empty_sentence() -> None:
    text = compose_video(make_shot(), make_brand(look=None))
    assert ". ." not in text
    assert text.endswith(f"visible steam. {ONE_SHOT}")


def test_free_text_still_gets_look_and_sentence() -> None:
    shot = Shot.model_validate({"id": "free", "duration": 5, "prompt": {"text": "@kettle on a table, steam!"}})
    assert compose_still(shot, make_brand()) == "@kettle on a table, steam! Muted cool palette, 35mm film grain."
    assert compose_video(shot, make_brand()).startswith("The kettle on a table, steam! Muted")
    assert compose_video(shot, make_brand()).endswith(ONE_SHOT)


# --- tags ---


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("A woman in a navy jumper, @woman", "A woman in a navy jumper"),
        ("The green kettle, @kettle, and the cup", "The green kettle, and the cup"),
        ("on the worktop of @kitchen", "on the worktop of the kitchen"),
        ("the @kettle boils", "the kettle boils"),
        ("beside @old_stove.", "beside the old stove."),
        ("@kettle and @cup_2", "the kettle and the cup 2"),
        ("mail me@example.com", "mail me@example.com"),
        ("no tags, at all", "no tags, at all"),
    ],
)
def test_tags_become_words(written: str, spoken: str) -> None:
    assert untag(written) == spoken


@given(st.text(alphabet="ab_@, .the", max_size=40))
def test_untagging_twice_is_untagging_once(text: str) -> None:
    assert untag(untag(text)) == untag(text)


# --- avoid ---


def test_known_negatives_are_said_as_positives() -> None:
    shot = make_shot(avoid=["people", "no camera movement", "lettering", "text", "cuts", "hands", "Competitor logos"])
    avoided = sort_avoided(shot)
    assert avoided.picture == ("the place is otherwise empty", "plain unmarked surfaces", "unbranded objects")
    assert avoided.time == ("locked camera, static shot",)
    assert avoided.rest == ("hands",)
    assert compose_negative(shot) == "hands"
    video = compose_video(shot, make_brand())
    assert "locked camera, static shot" in video
    assert "hands" not in video
    assert "locked camera" not in compose_still(shot, make_brand())
    assert "plain unmarked surfaces" in compose_still(shot, make_brand())


def test_what_is_avoided_is_asked() -> None:
    shot = make_shot(avoid=["no people", "hands"], check=["cup keeps its handle"], lettering="OPEN")
    assert review_questions(shot) == (
        "no people?",
        "no hands?",
        "cup keeps its handle?",
        "reads exactly “OPEN”?",
        "it pours before it fills?",
    )


@pytest.mark.parametrize(
    ("action", "asked"),
    [
        ("both hands lift it", "hands"),
        ("she looks into a mirror", "reflection"),
        ("a door opens", "before the thing opens"),
    ],
)
def test_words_that_models_get_wrong_are_asked_about(action: str, asked: str) -> None:
    assert any(asked in question for question in review_questions(make_shot({"action": action, "subject": "A thing"})))


# --- camera ---


def test_structured_camera_becomes_a_sentence() -> None:
    camera = {
        "move": "dolly",
        "direction": "in",
        "speed": "slow",
        "framing": "medium shot",
        "focus": "the spout",
        "hold": "kettle stays centred",
    }
    shot = make_shot({"camera": camera})
    assert camera_sentence(shot.prompt) == "medium shot, slow dolly in, focus on the spout, kettle stays centred"
    assert "Medium shot, focus on the spout, kettle stays centred." in compose_still(shot, make_brand())
    short = {"move": "static", "hold": "the horizon low", "focus": "focus pull to the cup"}
    assert (
        camera_sentence(make_shot({"camera": short}).prompt) == "static, focus pull to the cup, holding the horizon low"
    )


def test_beats_follow_each_other() -> None:
    prompt = Prompt.model_validate({**FIELDS, "camera": ["follow the cup slowly.", "pan left to the window"]})
    assert camera_sentence(prompt) == "follow the cup slowly, then pan left to the window"


@pytest.mark.parametrize(
    ("camera", "framing"),
    [
        ("slow dolly in from medium shot to close shot, kettle stays centred", "medium shot, kettle stays centred"),
        ("static wide shot, locked off", "wide shot"),
        (
            "medium close shot, slight handheld drift, face in the right third",
            "medium close shot, face in the right third",
        ),
        ("slow pan left towards the window", ""),
        ("low angle, fast crane up then tilt down", "low angle"),
        ("close-up from above, wide shot at the end", "close-up from above"),
        ("", ""),
    ],
)
def test_framing_is_what_a_still_can_show(camera: str, framing: str) -> None:
    assert framing_of(camera) == framing


def test_every_move_is_found_by_each_of_its_names() -> None:
    for move, names in MOVES.items():
        for name in (move, *names):
            assert move in find_moves(f"a slow {name} today"), name


# --- length ---


@pytest.mark.parametrize(("text", "units"), [("", 0), ("abc", 3), ("é", 1), ("🫖", 2), ("e\u0301", 2), ("👩‍👩‍👧", 8)])
def test_units_are_utf16(text: str, units: int) -> None:
    assert prompt_units(text) == units


@given(st.text())
def test_units_agree_with_the_characters_beyond_the_first_plane(text: str) -> None:
    assert prompt_units(text) == len(text) + sum(1 for character in text if ord(character) > 0xFFFF)
