"""The published JSON Schema is the committed one, describes every key, and agrees with the models."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from manifests.jsonschema import SCHEMA_FILE, manifest_schema, schema_text
from manifests.load import load_data
from manifests.schedule import Schedule
from manifests.schema import PEOPLE, Brand, Campaign, Spot

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
SCHEMA = manifest_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILES = sorted(path for path in EXAMPLES.rglob("*.yaml") if path.parent.name != "copy")

# Everything that a spot can say, so that mutations reach every key.
FULL: dict[str, Any] = {
    "manifest": 1,
    "kind": "spot",
    "name": "full",
    "brand": "brand.yaml",
    "generate": {
        "takes": 3,
        "seed": 1,
        "ratio": "16:9",
        "drafts": {"duration": 5},
        "keyframe": {"options": 2},
        "upscale": {"to": "1080p"},
        "retry": {"attempts": 2, "rerolls": 0, "on_unknown": "hold"},
    },
    "references": {
        "kettle": {"kind": "object", "file": "a.png", "rights": {"basis": "owned", "expires": "2027-01-01"}}
    },
    "shots": [
        {
            "id": "dawn",
            "duration": Decimal("5.5"),
            "prompt": {"text": "A kettle"},
            "takes": 1,
            "clip": 6,
            "avoid": ["hands"],
        },
        {
            "id": "pour",
            "duration": 4,
            "prompt": {
                "subject": "A",
                "action": "b",
                "environment": "c",
                "camera": {"move": "dolly", "speed": "slow"},
                "mood": "d",
                "layout": "e",
            },
        },
        {
            "id": "last",
            "duration": 4,
            "prompt": {"subject": "A", "action": "b", "environment": "c", "camera": ["one", "two"], "mood": "d"},
        },
    ],
    "edit": {"transitions": [{"between": ["dawn", "pour"], "duration": Decimal("0.4")}], "match": {"colour": "none"}},
    "sound": {
        "voiceover": {
            "voice": "warm",
            "language": "en-GB",
            "fit": {"max_speedup": Decimal("1.08")},
            "lines": [{"id": "vo1", "at": "dawn", "text": "words"}],
        },
        "effects": [{"at": "dawn", "duration": 2, "prompt": "rain", "gain": -8}],
        "music": {"file": "m.wav", "in": 4, "duck": {"by": 8}, "fade_out": Decimal("1.5")},
    },
    "graphics": {
        "supers": [{"at": "dawn", "duration": 2, "text": "words", "style": "legal"}],
        "end_card": {"card": "plain", "duration": 3, "fields": {"headline": "words"}},
        "captions": {"from": "voiceover", "burn": ["x"], "sidecar": ["vtt"]},
        "disclosure": {"override": {"by": "Ann", "reason": "none"}},
    },
    "compliance": {
        "markets": ["GB", "US-NY"],
        "people": "none",
        "realism": "photoreal",
        "flight": {"start": "2026-12-01", "end": "2026-12-31"},
    },
    "review": {"takes": {"by": ["art"], "needed": 1}},
    "deliver": [{"profile": "youtube-instream", "ratio": "16:9", "version": 2}],
    "budget": {"credits": 100, "per_shot": 10, "reroll_reserve": Decimal("0.2")},
}


def in_models(data: dict[str, Any]) -> bool:
    kinds: dict[str, type[BaseModel]] = {"brand": Brand, "campaign": Campaign, "schedule": Schedule}
    model = kinds.get(str(data.get("kind")), Spot)
    try:
        model.model_validate(data, context=PEOPLE, by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True


def in_schema(data: dict[str, Any]) -> bool:
    return bool(VALIDATOR.is_valid(data))


def test_the_committed_schema_is_the_generated_one() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "refresh with: python -m manifests.jsonschema"


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_key_has_a_description() -> None:
    bare = [
        f"{name}.{key}"
        for name, definition in SCHEMA["$defs"].items()
        for key, value in definition["properties"].items()
        if not value.get("description")
    ]
    assert bare == []
    assert [name for name, definition in SCHEMA["$defs"].items() if not definition.get("description")] == []


def test_numbers_are_numbers_and_ranges_are_kept() -> None:
    effect = SCHEMA["$defs"]["Effect"]["properties"]
    assert effect["gain"] == {
        "type": "number", "minimum": -60, "maximum": 12, "default": -12, "description": "Level in the mix, in dB.",
    }  # fmt: skip
    assert effect["duration"]["exclusiveMinimum"] == 0


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_examples_are_accepted_by_both_and_name_the_schema(path: Path) -> None:
    data = load_data(path)
    assert isinstance(data, dict)
    assert list(VALIDATOR.iter_errors(data)) == []
    assert in_models(data) or "variants" in data  # look-ups have to be filled in first
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == SCHEMA_FILE


def test_the_full_spot_is_accepted_by_both() -> None:
    assert in_models(FULL)
    assert list(VALIDATOR.iter_errors(FULL)) == []


def places(value: object, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield steps
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*steps, key))


PLACES = [steps for steps in places(FULL) if steps]
WRONG: list[Any] = [
    None, True, -1, 0, 1, 21, 4000, Decimal("0.5"), Decimal("3.0"), "", "x", "16:9", "auto", [], ["x"], {}, {"x": 1},
    "x" * 5000,
]  # fmt: skip


def changed(steps: tuple[str | int, ...], value: object) -> dict[str, Any]:
    data: Any = copy.deepcopy(FULL)
    inside = data
    for step in steps[:-1]:
        inside = inside[step]
    inside[steps[-1]] = value
    return data  # type: ignore[no-any-return]


# What a schema cannot say and the models do: 3.0 is a whole number there.
def only_the_models_can_say(value: object) -> bool:
    return value == Decimal("3.0") and isinstance(value, Decimal)


@pytest.mark.parametrize("steps", PLACES, ids=[".".join(map(str, steps)) for steps in PLACES])
def test_models_and_schema_agree_on_wrong_values(steps: tuple[str | int, ...]) -> None:
    disagreements = []
    for value in WRONG:
        data = changed(steps, value)
        models, schema = in_models(data), in_schema(data)
        if models != schema and not (schema and only_the_models_can_say(value)):
            disagreements.append((value, models, schema))
    assert disagreements == []


def _map_at(data: dict[str, Any], steps: tuple[str | int, ...]) -> dict[str, Any]:
    inside: Any = data
    for step in steps:
        inside = inside[step]
    return inside  # type: ignore[no-any-return]


MAPS = [steps for steps in places(FULL) if isinstance(_map_at(FULL, steps), dict)]


@pytest.mark.parametrize("steps", MAPS, ids=[".".join(map(str, steps)) or "top" for steps in MAPS])
def test_models_and_schema_agree_on_keys(steps: tuple[str | int, ...]) -> None:
    for key in (*_map_at(FULL, steps), "unknown", "x-note", "in_", "from_", "copy_", "Kettle", "ab"):
        data = copy.deepcopy(FULL)
        inside = _map_at(data, steps)
        if key in inside:
            del inside[key]
        else:
            inside[key] = "words"
        assert in_models(data) == in_schema(data), key


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 5000) | st.text("ab1:-_ ", max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("abx-", max_size=4), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=150)
@given(steps=st.sampled_from(PLACES), value=json_values)
def test_models_and_schema_agree_on_anything(steps: tuple[str | int, ...], value: object) -> None:
    data = changed(steps, value)
    assert in_models(data) == in_schema(data)
