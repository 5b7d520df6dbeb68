"""Advice: given where the field says it helps, and quiet on prompts that are well written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from manifests.diagnostics import Diagnostic
from manifests.lint import lint_spot
from manifests.loaded import LoadedSpot
from manifests.wording import count_subjects, find_mood_words, has_direction, has_speed, has_verb

Load = Callable[..., LoadedSpot]
SUBJECT = "      subject: A matte green kettle, @kettle\n"
ACTION = "      action: stands still while steam rises slowly to the right\n"
CAMERA = "      camera: static wide shot, locked off\n"
MOOD = "      mood: soft window light from the left\n"


def with_field(load_film: Load, field: str, text: str) -> LoadedSpot:
    name = field.split(":")[0].strip()
    return load_film({field: f"      {name}: {text}\n"})


def one(loaded: LoadedSpot) -> Diagnostic:
    found = lint_spot(loaded)
    assert len(found) == 1, found
    assert found[0].severity == "warning"
    assert found[0].remedy
    return found[0]


def test_a_well_written_film_gets_no_advice(load_film: Load) -> None:
    assert lint_spot(load_film()) == []


def test_advice_stands_at_its_line(load_film: Load) -> None:
    loaded = with_field(load_film, MOOD, "beautiful and warm")
    found = one(loaded)
    lines = loaded.manifest_bytes.decode().splitlines()
    assert found.address == "shots.dawn.prompt.mood"
    assert lines[found.where.line - 1].strip() == "mood: beautiful and warm"
    assert lines[found.where.line - 1].index("mood") + 1 == found.where.column


# --- words (A1, A3, A8, A16) ---


@pytest.mark.parametrize("word", ["beautiful", "Dramatic", "cinematic", "stunningly", "high quality"])
def test_mood_words_get_a_hint_of_what_to_write(load_film: Load, word: str) -> None:
    found = one(with_field(load_film, MOOD, f"{word} light"))
    assert found.summary == "mood word"
    assert found.remedy.startswith(("say", "name"))


def test_mood_words_are_found_in_every_field_and_form_of_camera(load_film: Load) -> None:
    loaded = load_film({CAMERA: "      camera: {move: dolly, direction: in, speed: slow, framing: epic wide shot}\n"})
    assert [d.address for d in lint_spot(loaded)] == ["shots.dawn.prompt.camera"]
    assert find_mood_words("beauty, epicentre, dramatist") == ()


@pytest.mark.parametrize("phrase", ["no people in the room", "without any hands", "the curtain is not moving"])
def test_negatives_in_a_prompt(load_film: Load, phrase: str) -> None:
    found = one(with_field(load_film, MOOD, f"soft light, {phrase}"))
    assert found.summary == "negative"
    assert "avoid" in found.remedy


def test_avoid_without_a_positive_is_left_to_people(load_film: Load) -> None:
    assert lint_spot(load_film({"duration: 6\n": "duration: 6\n    avoid: [people, lettering]\n"})) == []
    found = one(load_film({"duration: 6\n": "duration: 6\n    avoid: [people, hands]\n"}))
    assert found.address == "shots.pour.avoid"
    assert found.detail.startswith("hands:")


def test_free_text_is_allowed_with_a_note(load_film: Load) -> None:
    fields = SUBJECT + ACTION + "      environment: on a pale stone worktop\n" + CAMERA + MOOD
    found = one(load_film({fields: "      text: A kettle, @kettle, on a worktop\n"}))
    assert (found.summary, found.address) == ("free prompt", "shots.dawn.prompt.text")


def test_what_the_brand_never_shows(load_film: Load) -> None:
    banned = {"look: muted": "never: [competitor logos, window light]\nlook: muted"}
    found = one(load_film(brand=banned))
    assert (found.summary, found.address) == ("banned", "shots.dawn.prompt.mood")
    assert "`window light`" in found.detail


def test_lettering_draws_a_warning(load_film: Load) -> None:
    assert one(load_film({"duration: 6\n": "duration: 6\n    lettering: OPEN\n"})).summary == "lettering"


# --- action (A4) ---


def test_a_short_action(load_film: Load) -> None:
    assert one(with_field(load_film, ACTION, "steam rises slowly")).summary == "short action"


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("a kettle of green steel", "a verb or a direction or a speed"),
        ("she moves the cup to her mouth", "a direction or a speed"),
        ("she moves the cup to the left", "a speed"),
        ("she slowly moves the white cup", "a direction"),
    ],
)
def test_an_action_that_leaves_something_open(load_film: Load, action: str, said: str) -> None:
    found = one(with_field(load_film, ACTION, action))
    assert found.summary == "vague action"
    assert found.detail.removeprefix("does not say ").replace(", ", " or ") == said


@pytest.mark.parametrize(
    "action",
    [
        "takes a small sip, lowers the cup and looks towards the window",
        "lifts the white cup with both hands and pauses before drinking",
        "nothing moves except a trace of steam",
        "leaves fall gently from the upper left",
        "the dog runs quickly across the wet sand",
        "hot water pours in one steady stream and the cup fills to two thirds",
    ],
)
def test_actions_that_say_enough(load_film: Load, action: str) -> None:
    assert lint_spot(with_field(load_film, ACTION, action)) == []


# --- camera (A4, A15, B7) ---


def test_an_unknown_move_gets_the_nearest_and_the_list(load_film: Load) -> None:
    found = one(with_field(load_film, CAMERA, "slow orbitt to the left at table height"))
    assert found.summary == "unknown camera move"
    assert "did you mean `orbit`" in found.detail
    assert "dolly in, dolly out" in found.remedy
    assert "did you mean" not in one(with_field(load_film, CAMERA, "a lovely picture of the table")).detail


def test_an_unknown_structured_move_stands_at_move(load_film: Load) -> None:
    found = one(load_film({CAMERA: "      camera: {move: swoosh, direction: left, speed: slow}\n"}))
    assert found.address == "shots.dawn.prompt.camera.move"
    found = one(load_film({CAMERA: "      camera: {move: paan, direction: left, speed: slow}\n"}))
    assert "did you mean `pan`" in found.detail


@pytest.mark.parametrize(
    "camera",
    [
        "slow push in at cup height",
        "the same handheld drift, then a slow pan left towards the window",
        "locked off",
        "static close shot",
        "{move: dolly, direction: in, speed: slow}",
        "{move: static}",
        "gentle gimbal follow behind the runner",
    ],
)
def test_cameras_that_say_enough(load_film: Load, camera: str) -> None:
    assert lint_spot(with_field(load_film, CAMERA, camera)) == []


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ("the camera moves around the table edge", "a speed"),
        ("a slow pan over the table", ""),
        ("a smooth zoom of the kettle", "a direction"),
        ("{move: pan, direction: left}", "a speed"),
        ("{move: pan, speed: slow}", "a direction"),
    ],
)
def test_cameras_that_leave_something_open(load_film: Load, camera: str, said: str) -> None:
    found = lint_spot(with_field(load_film, CAMERA, camera))
    assert [d.detail for d in found] == ([f"does not say {said}"] if said else [])


def test_a_short_camera(load_film: Load) -> None:
    assert one(with_field(load_film, CAMERA, "slow pan")).summary == "short camera"


def test_beats_need_time(load_film: Load) -> None:
    two = "[slow dolly in to the kettle, slow pan left to the cup]"
    three = "[slow dolly in to the kettle, slow pan left to the cup, static close shot]"
    assert lint_spot(with_field(load_film, CAMERA, two)) == []
    found = one(with_field(load_film, CAMERA, three))
    assert found.summary == "many beats"
    assert "time for 2" in found.detail


# --- subjects, takes, motion, images (A5, E1, B9, C8) ---


@pytest.mark.parametrize(
    ("subject", "count"),
    [
        ("A matte green stovetop kettle with a beech handle", 1),
        ("A woman in her forties with grey-streaked hair and a navy jumper, @woman", 1),
        ("The green kettle, @kettle, and the empty cup beside it", 2),
        ("Two hands around a ceramic pot", 2),
        ("three dogs and a cat", 4),
        ("a kettle, a cup and a spoon", 3),
        ("A matte green kettle, @kettle, tilted over a white ceramic cup", 1),
    ],
)
def test_counting_subjects(subject: str, count: int) -> None:
    assert count_subjects(subject) == count


def test_a_crowd_warns(load_film: Load) -> None:
    found = one(with_field(load_film, SUBJECT, "A kettle, @kettle, a cup and a spoon"))
    assert found.summary == "many subjects"
    assert "layout" in found.remedy


@pytest.mark.parametrize(("takes", "summary"), [(1, "one take"), (2, None), (5, None), (6, "many takes")])
def test_takes(load_film: Load, takes: int, summary: str | None) -> None:
    found = lint_spot(load_film({"takes: 3": f"takes: {takes}"}))
    assert [d.summary for d in found] == ([summary] if summary else [])
    found = lint_spot(load_film({"duration: 6\n": f"duration: 6\n    takes: {takes}\n"}))
    assert [d.address for d in found] == (["shots.pour.takes"] if summary else [])


def test_high_motion(load_film: Load) -> None:
    assert one(load_film({"duration: 6\n": "duration: 6\n    motion: high\n"})).address == "shots.pour.motion"


TEXT_ONLY = {
    "  keyframe: {model: gen4_image, options: 2}\n": "",
    "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": (
        "    start_image: kettle\n    prompt:\n      subject: A green kettle\n"
    ),
}


@pytest.mark.parametrize(
    ("subject", "what"), [("A kettle, tilted", "`kettle`"), ("A woman at a table", "a person"), ("A tree in fog", None)]
)
def test_people_and_products_from_text_alone(load_film: Load, subject: str, what: str | None) -> None:
    written = (
        "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle, tilted over a white cup"
    )
    found = lint_spot(load_film({**TEXT_ONLY, written: f"    prompt:\n      subject: {subject}"}))
    assert [(d.summary, d.address) for d in found] == ([("no image", "shots.pour")] if what else [])
    assert all(d.detail.startswith(what or "") for d in found)


# --- the rough tests on English ---


@pytest.mark.parametrize(
    ("text", "verb", "direction", "speed"),
    [
        ("the curtain moves slightly", True, False, True),
        ("a branch with leaves", False, False, False),
        ("both hands around shelves", False, True, False),
        ("light slowly brightens across the worktop", True, True, True),
        ("water dripping", True, True, False),
    ],
)
def test_words(text: str, verb: bool, direction: bool, speed: bool) -> None:
    assert (has_verb(text), has_direction(text), has_speed(text)) == (verb, direction, speed)
