"""One native picture shown in several ratios: what is bought, what is seen of it, and what either way costs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.campaign import load_campaign
from manifests.capability import ImageFacts, check_capability, check_images
from manifests.diagnostics import Diagnostic
from manifests.expand import Services, Want, expand_campaign
from manifests.loaded import LoadedCampaign, LoadedSpot
from manifests.needs import needs_of
from manifests.ratecard import load_models, load_profiles
from manifests.ratios import RatioBill, ratio_bills, tell_ratios
from manifests.reframing import filmed_ratio, fit_of, framing_of

Film = Callable[..., LoadedSpot]
MODELS, PROFILES = load_models(), load_profiles()
RATIOS = ("16:9", "9:16", "4:5")
MATRIX = {
    '  ratio: "16:9"\n': "",
    "references:\n  kettle": 'variants: {axes: {ratio: ["16:9", "9:16", "4:5"]}}\nreferences:\n  kettle',
    '  - {profile: youtube-instream, ratio: "16:9"}\n': (
        '  - {profile: youtube-instream, ratio: "16:9"}\n'
        '  - {profile: meta-reels, ratio: "9:16"}\n'
        '  - {profile: meta-feed, ratio: "4:5"}\n'
    ),
}
REFRAMED = {"  - id: pour\n": '  - id: pour\n    reframe: {from: "16:9", focus: [0.4, 0.5]}\n'}


@pytest.fixture
def matrix(load_film: Film, tmp_path: Path) -> Callable[..., LoadedCampaign]:
    def load(*changes: dict[str, str]) -> LoadedCampaign:
        told = dict(MATRIX)
        for more in changes:
            told |= more
        load_film(told)
        return load_campaign(tmp_path / "film.yaml")

    return load


def expand(campaign: LoadedCampaign) -> dict[str, Want]:
    pins = {name: f"{n:064x}" for n, name in enumerate(campaign.files)}
    return {w.id: w for w in expand_campaign(campaign, MODELS, pins, Services("runway", "elevenlabs"))}


def bills(campaign: LoadedCampaign) -> dict[str, RatioBill]:
    sources = [source.source for source in campaign.sources]
    return {bill.shot: bill for bill in ratio_bills(sources, list(expand(campaign).values()), MODELS)}


def needs(campaign: LoadedCampaign) -> list[str]:
    parts = [part for source in campaign.sources for part in source.parts]
    return needs_of(parts, list(expand(campaign).values()), PROFILES)


def judged(film: LoadedSpot) -> list[Diagnostic]:
    return check_capability(film, MODELS, PROFILES)


# --- what is bought ---


def test_a_reframed_shot_is_bought_once_whatever_the_ratio(matrix: Callable[..., LoadedCampaign]) -> None:
    wants = expand(matrix(REFRAMED))
    pour = {name: want for name, want in wants.items() if name.startswith("pour") and want.what in ("take", "still")}
    assert list(pour) == ["pour/still", "pour/take"]
    assert (pour["pour/still"].body["ratio"], pour["pour/take"].body["ratio"]) == ("1920:1080", "1280:720")
    dawn = {name: want.body["ratio"] for name, want in wants.items() if name.startswith("dawn") and want.what == "take"}
    assert dawn == {"dawn@16:9/take": "1280:720", "dawn@9:16/take": "720:1280", "dawn@4:5/take": "832:1104"}


def test_it_is_the_purchase_of_the_film_in_that_ratio(matrix: Callable[..., LoadedCampaign], load_film: Film) -> None:
    shared = expand(matrix(REFRAMED))["pour/take"]
    alone = expand(matrix())["pour@16:9/take"]
    assert {k: v for k, v in shared.body.items() if k != "promptImage"} == {
        k: v for k, v in alone.body.items() if k != "promptImage"
    }


def test_the_fallback_films_the_same_ratio(matrix: Callable[..., LoadedCampaign]) -> None:
    retry = {"  takes: 3\n": "  takes: 3\n  retry: {on_moderation: fallback, fallback: gen4_turbo}\n"}
    other = expand(matrix(REFRAMED, retry))["pour/take"].fallback
    assert other is not None
    assert other.body["ratio"] == "1280:720"


def test_what_the_cut_is_told(load_film: Film) -> None:
    film = load_film(REFRAMED).spot
    dawn, pour = film.shots
    assert [filmed_ratio(film, shot) for shot in film.shots] == ["16:9", "16:9"]
    assert framing_of(film, dawn, "9:16") == {}
    assert framing_of(film, pour, "16:9") == {}  # filmed in it: the same step as without a `reframe`
    assert framing_of(film, pour, "9:16") == {"focus": (0.4, 0.5), "pad": "none"}
    padded = load_film({"  - id: pour\n": '  - id: pour\n    reframe: {from: "16:9", pad: "solid:#F4EFE6"}\n'}).spot
    assert framing_of(padded, padded.shots[1], "4:5") == {"focus": (0.5, 0.5), "pad": "solid:#F4EFE6"}


# --- what is seen of it ---

SIZE = st.tuples(st.integers(64, 4096), st.integers(64, 4096))


@given(SIZE, SIZE)
def test_a_crop_lies_in_the_picture_and_fills_the_frame(picture: tuple[int, int], frame: tuple[int, int]) -> None:
    fit = fit_of(picture, frame)
    assert fit.crop[0] <= picture[0]
    assert fit.crop[1] <= picture[1]
    assert all(abs(fit.crop[side] * fit.scale - frame[side]) <= 2 * fit.scale for side in (0, 1))
    assert abs(Fraction(fit.crop[0] * fit.crop[1], picture[0] * picture[1]) - fit.kept) < Fraction(1, 10)
    padded = fit_of(picture, frame, "blur")
    assert (padded.kept, padded.crop) == (1, picture)
    assert padded.scale <= fit.scale


def test_plan_says_what_is_done_to_the_takes(matrix: Callable[..., LoadedCampaign]) -> None:
    assert needs(matrix()) == [
        "youtube-instream: upscale 1280×720 → 1920×1080; 24 fps",
        "meta-reels: upscale 720×1280 → 1080×1920; 24 fps",
        "meta-feed: crop 832×1104 to 832×1040 (94 % kept), upscale → 1080×1350; 24 fps",
    ]
    assert "meta-reels: crop 1280×720 to 404×720 (32 % kept), upscale → 1080×1920 (pour); 24 fps" in needs(
        matrix(REFRAMED)
    )
    padded = {"  - id: pour\n": '  - id: pour\n    reframe: {from: "16:9", pad: blur}\n'}
    assert "meta-feed: scale 1280×720 into 1080×1350 on a blur (pour); 24 fps" in needs(matrix(padded))


def test_little_of_a_picture_is_told_with_how_far_it_is_scaled(load_film: Film) -> None:
    vertical = {
        '  ratio: "16:9"\n': '  ratio: "9:16"\n',
        'youtube-instream, ratio: "16:9"': 'meta-reels, ratio: "9:16"',
    }
    (found,) = judged(load_film(vertical | REFRAMED))
    assert (found.severity, found.address) == ("warning", "shots.pour.reframe")
    assert "32 % of the picture is seen, 404×720 of 1280×720, and scaled 2.7 times" in found.detail
    padded = {"  - id: pour\n": '  - id: pour\n    reframe: {from: "16:9", pad: blur}\n'}
    assert judged(load_film(vertical | padded)) == []
    assert judged(load_film(REFRAMED)) == []


def test_a_chain_is_filmed_in_one_ratio(load_film: Film) -> None:
    chain = {
        "edit:\n  transitions:\n    - {between: [dawn, pour], duration: 0.4}\n": "",
        '  ratio: "16:9"\n': '  ratio: "9:16"\n',
        'youtube-instream, ratio: "16:9"': 'meta-reels, ratio: "9:16"',
        "  - id: pour\n": "  - id: pour\n    continues: dawn\n",
    }
    assert judged(load_film(chain)) == []
    split = chain | {"  - id: dawn\n": '  - id: dawn\n    reframe: {from: "16:9", pad: blur}\n'}
    (found,) = judged(load_film(split))
    assert (found.severity, found.address, found.summary) == ("error", "shots.pour.continues", "reframe")
    whole = split | {"  - id: pour\n": '  - id: pour\n    continues: dawn\n    reframe: {from: "16:9", pad: blur}\n'}
    assert judged(load_film(whole)) == []


def test_a_ratio_that_no_model_films_is_told_where_it_is_written(load_film: Film) -> None:
    found = judged(load_film({"  - id: pour\n": '  - id: pour\n    reframe: {from: "4:1", pad: blur}\n'}))
    assert {d.address for d in found} == {"shots.pour.reframe.from"}
    assert {d.summary for d in found} == {"ratio not sold"}


@pytest.mark.parametrize(
    ("width", "height", "said"), [(832, 1104, ""), (1000, 1250, "6 % of it is cut away to make 832:1104")]
)
def test_a_start_image_is_held_against_the_size_that_is_filmed(
    load_film: Film, width: int, height: int, said: str
) -> None:
    film = load_film({
        '  ratio: "16:9"\n': '  ratio: "4:5"\n',
        'youtube-instream, ratio: "16:9"': 'meta-feed, ratio: "4:5"',
        "  - id: pour\n": "  - id: pour\n    start_image: kettle\n",
    })  # fmt: skip
    found = check_images(film, {"references.kettle.file": ImageFacts(width, height, "PNG", 90_000)}, MODELS)
    assert [said in d.detail for d in found] == ([True] if said else [])


# --- what either way costs ---


def test_filming_each_ratio_is_told_against_reframing(matrix: Callable[..., LoadedCampaign]) -> None:
    natively, once = bills(matrix()), bills(matrix(REFRAMED))
    still, seconds = 2 * 8, 3 * 7 * 12
    assert natively["pour"] == RatioBill("pour", RATIOS, "", 3 * (still + seconds), still + seconds)
    assert once["pour"] == RatioBill("pour", RATIOS, "16:9", 3 * (still + seconds), still + seconds)
    assert once["dawn"] == natively["dawn"]
    assert tell_ratios(natively["pour"]) == "pour is filmed in each of 3 ratios for 804 credits; reframed from one: 268"
    assert tell_ratios(once["pour"]) == (
        "pour is reframed from 16:9 for 268 credits; filmed in each of 3 ratios: 804 credits"
    )
    assert once["pour"].saved == natively["pour"].saved == 536


def test_a_ratio_that_cannot_be_filmed_has_no_price(matrix: Callable[..., LoadedCampaign]) -> None:
    text_alone = {
        "  keyframe: {model: gen4_image, options: 2}\n": "",
        "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": (
            "    prompt:\n      subject: A matte green kettle\n"
        ),
        "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle, tilted": (
            "    prompt:\n      subject: A matte green kettle, tilted"
        ),
        "references:\n  kettle: {kind: object, file: kettle.png, rights: {basis: owned}}\n": (
            'variants: {axes: {ratio: ["16:9", "9:16", "4:5"]}}\n'
        ),
        "  - id: dawn\n": '  - id: dawn\n    reframe: {from: "16:9"}\n',
    }
    told = bills(matrix({"references:\n  kettle": "references:\n  kettle"} | text_alone | REFRAMED))["pour"]
    assert told.filmed is None
    assert "more than its model sells" in tell_ratios(told)


def test_one_ratio_has_nothing_to_compare(load_film: Film, tmp_path: Path) -> None:
    load_film()
    assert bills(load_campaign(tmp_path / "film.yaml")) == {}
