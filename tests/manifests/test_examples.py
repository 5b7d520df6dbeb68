"""The example manifests and the starters load without a word, cover what the demo needs, and are read fast."""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from films import load_spot

from manifests.campaign import load_campaign
from manifests.capability import check_capability
from manifests.cutdowns import check_cutdowns
from manifests.filing import check_names
from manifests.films import variants_of
from manifests.lint import lint_spot
from manifests.occurrences import occurrence_on, occurrences
from manifests.pages import load_brand
from manifests.ratecard import load_models, load_profiles
from manifests.scheduled import read_schedule, resolve_schedule
from manifests.starter import BRAND_PATH, KINDS, Kind, starter_brand, starter_images, starter_text
from manifests.timing import film_frames

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
SPOTS = ("film-three-places", "morning-30s", "product-10s")
MANY = ("campaign-morning", "winter-15s")
SCHEDULES = ("winter-weekly",)


def test_these_are_all_the_examples() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.yaml")) == sorted((*SPOTS, *MANY, *SCHEDULES))


@pytest.mark.parametrize("name", [*SPOTS, *MANY])
def test_an_example_has_nothing_to_warn_of(name: str) -> None:
    campaign = load_campaign(EXAMPLES / f"{name}.yaml")
    assert campaign.warnings == ()
    assert check_names(campaign, load_profiles()) == []
    assert list(check_cutdowns(campaign, load_models())) == []
    for source in campaign.sources:
        for _, loaded in source.parts:
            assert lint_spot(loaded) == []
            assert check_capability(loaded, load_models(), load_profiles()) == []
    assert campaign.files["brand.fonts.latin"].path.is_file()


def test_the_matrix_holds_what_is_shown() -> None:
    campaign = load_campaign(EXAMPLES / "winter-15s.yaml")
    variants = list(variants_of([source.source for source in campaign.sources]))
    assert len(variants) == 84
    assert sum(len(variant.delivers) for variant in variants) == 114
    assert len({variant.shot(shot.id) for variant in variants for shot in variant.spot.shots}) == 33
    assert {film_frames(variant.spot) for variant in variants} == {15 * 24}
    assert {"copy", "references.product.file@pot-clay"} <= set(campaign.files)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_week_of_a_schedule_holds_together(name: str) -> None:
    loaded = read_schedule(EXAMPLES / f"{name}.yaml")
    weeks = occurrences(loaded.schedule, dt.datetime(2026, 11, 23, tzinfo=dt.UTC))
    for occurrence in itertools.islice(weeks, 8):
        campaign = load_campaign(loaded.manifest, scheduled=resolve_schedule(loaded, occurrence))
        assert (campaign.warnings, check_names(campaign, load_profiles())) == ((), [])
        assert campaign.lead.spot.review is not None
        assert campaign.lead.spot.budget.credits == 5000


def test_a_week_of_the_schedule_holds_what_is_shown() -> None:
    loaded = read_schedule(EXAMPLES / "winter-weekly.yaml")
    resolved = resolve_schedule(loaded, occurrence_on(loaded.schedule, dt.date(2026, 12, 14)))
    campaign = load_campaign(loaded.manifest, scheduled=resolved)
    [source] = [source.source for source in campaign.sources]
    assert (len(source.matrix.cells), dict(resolved.params)) == (
        18, {"offer": "winter-2", "price": "from £45", "week": "2026-W51"},
    )  # fmt: skip
    assert [s.text for s in campaign.lead.spot.graphics.supers] == ["from £45"]


def test_the_campaign_holds_what_is_shown() -> None:
    campaign = load_campaign(EXAMPLES / "campaign-morning.yaml")
    films = {source.source.id: loaded.spot for source in campaign.sources for _, loaded in source.parts}
    assert {name: film_frames(spot) // 24 for name, spot in films.items()} == {
        "film-30": 30, "social-15": 15, "bumper-6": 6,
    }  # fmt: skip
    assert {source.source.takes_of for source in campaign.sources} == {"", "film-30"}
    assert films["bumper-6"].sound.voiceover is None
    assert films["bumper-6"].graphics.end_card is None
    assert {spot.budget.credits for spot in films.values()} == {1800}


def test_the_demo_film_holds_what_is_shown() -> None:
    loaded = load_spot(EXAMPLES / "morning-30s.yaml")
    spot = loaded.spot
    assert film_frames(spot) == 720
    assert sum(shot.duration for shot in spot.shots) == 27
    assert [(shot.id, shot.continues) for shot in spot.shots if shot.continues] == [("sip", "lift")]
    assert (spot.generate.takes, spot.generate.keyframe and spot.generate.keyframe.options) == (3, 2)
    assert [(t.between, t.kind, t.duration) for t in spot.edit.transitions] == [
        (("dawn", "pour"), "dissolve", Decimal("0.4"))
    ]
    assert spot.sound.voiceover is not None
    assert len(spot.sound.voiceover.lines) == 3
    assert [bool(effect.prompt) for effect in spot.sound.effects] == [True, False]
    assert spot.sound.music is not None
    assert spot.sound.music.duck is not None
    assert {item.style for item in spot.graphics.supers} == {"super", "legal"}
    assert spot.graphics.captions is not None
    assert spot.graphics.captions.sidecar == ("srt", "vtt")
    assert [(item.profile, item.ratio) for item in spot.deliver] == [("youtube-instream", "16:9")]
    assert (spot.budget.credits, spot.budget.per_shot) == (1800, 600)
    assert spot.review is None
    assert loaded.not_applied == ("graphics.disclosure", "brand.logo.clear_space", "brand.disclosure")


def test_the_other_examples_reach_every_profile_and_mode() -> None:
    three = load_spot(EXAMPLES / "film-three-places.yaml").spot
    assert {"ctv-generic", "master-4k", "youtube-instream"} <= {item.profile for item in three.deliver}
    assert film_frames(three) == 15 * 24
    product = load_spot(EXAMPLES / "product-10s.yaml").spot
    assert [shot.start_image for shot in product.shots] == ["kettle"]
    assert {item.profile for item in product.deliver} == {"master-4k", "youtube-instream"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_starter_loads_once_its_images_are_there(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "spot.yaml"
    path.write_text(starter_text(kind))
    for name in (BRAND_PATH, *starter_images(kind)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / BRAND_PATH).write_text(starter_brand())
    loaded = load_spot(path)
    assert loaded.warnings == ()
    assert lint_spot(loaded) == []
    assert check_capability(loaded, load_models(), load_profiles()) == []
    assert loaded.not_applied == ()
    assert load_brand(tmp_path / BRAND_PATH).name == "my-brand"
    used = {use.path.relative_to(tmp_path).as_posix() for use in loaded.files.values()}
    assert used == set(starter_images(kind))


def test_a_starter_says_how_to_go_on() -> None:
    assert "shotrunner plan films/first.yaml" in starter_text("film", file_name="films/first.yaml")


def test_reading_a_manifest_imports_nothing_slow() -> None:
    """`plan` has one second in all; the orchestrator alone takes longer to import."""
    code = (
        "import sys; from pathlib import Path; from manifests.campaign import load_campaign;"
        "load_campaign(Path(sys.argv[1]));"
        "sys.exit(bool({'prefect', 'httpx', 'boto3', 'moviepy', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(EXAMPLES / "morning-30s.yaml")], check=False)
    assert done.returncode == 0
