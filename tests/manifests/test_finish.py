"""The key of a deliverable: everything that is seen, heard or told in its sidecar, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from manifests.films import Source, Variant
from manifests.finish import DeliverableIndex, Finished, finish_inputs, finish_key
from manifests.loaded import LoadedSpot
from manifests.plan import FilePin, Plan, Totals
from manifests.ratecard import load_profiles

Film = Callable[..., LoadedSpot]
PROFILE = load_profiles()["youtube-instream"]
STEPS = {"conform": 1, "stitch": 1}
BOUGHT = {"dawn/take": "1" * 64, "pour/take": "2" * 64, "vo1/line": "3" * 64, "pour-1/effect": "4" * 64}


def plan_of(film: LoadedSpot, files: tuple[str, ...] = (), **changes: Any) -> Plan:
    pins = tuple(FilePin(name=n, path=n, sha256=f"{i}" * 64, size=1, content_type="x/y") for i, n in enumerate(files))
    fields: dict[str, Any] = {
        "campaign": "film", "manifest": "film.yaml", "manifest_digest": "m", "lock_digest": "l", "rate_card": "r",
        "ledger_position": "p", "positions": {}, "spot": film.spot.model_dump(mode="json", by_alias=True),
        "sources": (Source(data=film.spot.model_dump(mode="json", by_alias=True, exclude_none=True)),),
        "brand": film.brand.model_dump(mode="json", by_alias=True), "files": pins, "video_service": "runway",
        "sound_service": "elevenlabs", "wants": (), "actions": (),
        "totals": Totals(credits=0, up_to=0, spent=0, budget=1, bought_seconds=0, screen_seconds="1"),
        "per_shot": {}, "not_applied": (), "notices": (),
    }  # fmt: skip
    return Plan(**{**fields, **changes})


def only_film(plan: Plan) -> Variant:
    (variant,) = plan.variants
    return variant


def key_of(plan: Plan, **changes: Any) -> str:
    film = only_film(plan)
    given = {
        "variant": film,
        "inputs": finish_inputs(plan, film, BOUGHT, {}),
        "profile": PROFILE,
        "ratio": "16:9",
        "version": 1,
        "steps": STEPS,
    }
    return finish_key(plan, **{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "brand"),
    [
        ({"headline: The kettle": "headline: A kettle"}, {}),
        ({"offset: 1.2": "offset: 1.3"}, {}),
        ({"text: Some mornings ask for nothing.": "text: Some mornings ask."}, {}),  # captions
        ({"duration: 0.4}": "duration: 0.5}"}, {}),
        ({"duration: 6\n": "duration: 7\n"}, {}),
        ({"name: film": "name: other"}, {}),  # the file's name
        ({"rights: {basis: owned}}": "rights: {basis: licensed, holder: Mara}}"}, {}),  # the sidecar lists them
        ({}, {'accent: "#2E6B4F"': 'accent: "#2E6B50"'}),
        ({}, {"display_name: Alder": "display_name: Alders"}),
        ({}, {"rights: {basis: synthetic}": "rights: {basis: licensed, holder: Mara}"}),
    ],
)
def test_what_shows_in_the_film_or_its_sidecar_changes_the_key(
    load_film: Film, changes: dict[str, str], brand: dict[str, str]
) -> None:
    assert key_of(plan_of(load_film(changes, brand=brand))) != key_of(plan_of(load_film()))


@pytest.mark.parametrize(
    "changes",
    [
        {"budget: {credits: 1000}": "budget: {credits: 2000}"},
        {"  takes: 3\n": "  takes: 5\n"},  # another circle would come in by its bytes
        {"model: gen4_image, options: 2": "model: gen4_image, options: 1"},
    ],
)
def test_what_does_not_show_leaves_it_alone(load_film: Film, changes: dict[str, str]) -> None:
    assert key_of(plan_of(load_film(changes))) == key_of(plan_of(load_film()))


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {**BOUGHT, "pour/take": "9" * 64}},
        {"ratio": "9:16"},
        {"version": 2},
        {"steps": {"conform": 2, "stitch": 1}},
        {"profile": load_profiles()["ctv-generic"]},
    ],
)
def test_takes_profile_and_steps_change_the_key(load_film: Film, change: dict[str, Any]) -> None:
    plan = plan_of(load_film())
    assert key_of(plan, **change) != key_of(plan)


def test_files_that_are_shown_or_heard_are_inputs_with_the_papers_and_references_are_not(load_film: Film) -> None:
    names = (
        "references.kettle.file",
        "references.kettle.rights.document",
        "brand.fonts.latin",
        "brand.logo.light",
        "sound.music.file",
        "sound.effects[0].file",
    )
    plan = plan_of(load_film(), names)
    inputs = finish_inputs(plan, only_film(plan), BOUGHT, {})
    assert set(inputs) == {*BOUGHT, *names[1:]}


def test_a_deliverable_is_as_good_as_its_measurement(load_film: Film) -> None:
    deliver = load_film().spot.deliver[0]
    index = DeliverableIndex(
        key="k", campaign="film", variant="v", profile="p", ratio="16:9", files={}, inputs={}, measured={"ok": False},
        backlot=True,
    )  # fmt: skip
    assert not Finished(index, deliver, made=True).ok
    assert Finished(index.model_copy(update={"measured": {"ok": True}}), deliver, made=False).ok
