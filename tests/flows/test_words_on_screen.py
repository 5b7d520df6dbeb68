"""Words on screen are judged before anything is paid: in every script, for every deliverable, each distinct one
once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from films import load_spot

from flows import words_on_screen
from flows.words_on_screen import Asked, check_glyphs, check_layout_of, name_variants
from infra.blobs import put_blob
from infra.captioning import CaptionCue, in_frames, likely_cues
from infra.clock import SystemClock
from infra.drawing import LEAST_CONTRAST, burns_captions, card_files, text_files
from infra.events import Events
from infra.media.captions import Cue
from infra.media.layers import write_card
from infra.runners.local import LocalRunner
from infra.steps import StepRunner, step_key_of
from infra.storage.memory import MemoryStore
from manifests.diagnostics import Diagnostic
from manifests.journal import BlobRef
from manifests.loaded import LoadedSpot
from manifests.ratecard import load_profiles
from manifests.schema import Captions, EndCard, Super
from tasks.contrast import measure_contrast
from tasks.graphics import draw_captions, draw_super

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
PROFILES = load_profiles()
TOO_LONG = "Boils in three minutes. " * 20


@pytest.fixture(scope="module")
def film() -> LoadedSpot:
    return load_spot(EXAMPLES / "morning-30s.yaml")


def written(film: LoadedSpot, **graphics: Any) -> LoadedSpot:
    """The film with other words: super texts, or a part of `graphics`."""
    spot = film.spot
    if "texts" in graphics:
        supers = [Super(at="pour", duration=2, text=text) for text in graphics.pop("texts")]
        graphics["supers"] = tuple(supers)
    return replace(film, spot=spot.model_copy(update={"graphics": spot.graphics.model_copy(update=graphics)}))


def glyphs(film: LoadedSpot, asked: Asked | None = None, *, broken: str = "") -> list[Diagnostic]:
    return check_glyphs(film, {name for name in film.files if name != broken}, asked)


def told(found: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(problem.summary, problem.address) for problem in found]


# --- glyphs ---


def test_japanese_is_looked_up_in_the_japanese_font(film: LoadedSpot) -> None:
    assert glyphs(written(film, texts=["お湯が沸くまで約3分。", "Утро", "Πρωί"])) == []
    (missing,) = glyphs(written(film, texts=["Every day", "毎日☃☕"]))
    assert (missing.summary, missing.address) == ("missing character", "graphics.supers[1].text")
    assert missing.detail == "neither NotoSansJP-Bold.otf nor OpenSans-Semibold.ttf has '☃', '☕'"
    assert missing.where.line


@pytest.mark.parametrize("text", ["شاي", "תה", "ชา", "चाय"])
def test_a_script_that_needs_shaping_is_refused(film: LoadedSpot, text: str) -> None:
    assert told(glyphs(written(film, texts=[text]))) == [("script not set", "graphics.supers[0].text")]


def test_a_broken_font_silences_only_what_it_draws(film: LoadedSpot, tmp_path: Path) -> None:
    words = written(film, texts=["毎日☃", "Every ☃ day"])
    assert told(glyphs(words, broken="brand.fonts.japanese")) == [("missing character", "graphics.supers[1].text")]
    bad = tmp_path / "NotoSansJP-Bold.otf"
    bad.write_bytes(b"no font")
    files = {**words.files, "brand.fonts.japanese": replace(words.files["brand.fonts.japanese"], path=bad)}
    assert told(glyphs(replace(words, files=files))) == [
        ("unusable font", "brand.fonts.japanese"), ("missing character", "graphics.supers[1].text"),
    ]  # fmt: skip


def test_spoken_words_are_looked_up_only_where_they_are_drawn(film: LoadedSpot) -> None:
    voice = film.spot.sound.voiceover
    assert voice is not None
    lines = (voice.lines[0].model_copy(update={"text": "朝☃"}), *voice.lines[1:])
    sound = film.spot.sound.model_copy(update={"voiceover": voice.model_copy(update={"lines": lines})})
    spoken = replace(film, spot=film.spot.model_copy(update={"sound": sound}))
    assert glyphs(spoken) == []
    burned = written(spoken, captions=Captions.model_validate({"from": "voiceover", "burn": ["youtube-instream"]}))
    assert told(glyphs(burned)) == [("missing character", "sound.voiceover.lines[0].text")]


# --- layout ---


def test_what_does_not_fit_is_told_once_with_its_line(film: LoadedSpot) -> None:
    words = written(film, texts=["Every day", TOO_LONG])
    deliver = [film.spot.deliver[0].model_copy(update=u) for u in ({}, {"profile": "meta-reels", "ratio": "9:16"})]
    words = replace(words, spot=words.spot.model_copy(update={"deliver": tuple(deliver)}))
    (problem,) = check_layout_of(words, PROFILES)
    assert (problem.summary, problem.address) == ("words on screen", "graphics.supers[1].text")
    assert "does not fit: 3 lines" in problem.detail
    assert problem.where.line


def test_equal_words_are_laid_out_once(film: LoadedSpot, monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out: list[Mapping[str, Any]] = []
    check = words_on_screen.check_layout

    def count(params: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        laid_out.append(params)
        check(params, files)

    monkeypatch.setattr(words_on_screen, "check_layout", count)
    asked = Asked()
    for _ in range(50):
        assert check_layout_of(written(film, texts=["Every day", "Every day", "Mornings"]), PROFILES, asked) == []
    assert [p["text"] for p in laid_out if p["kind"] == "super"] == ["Every day", "Mornings"]
    assert sum(p["kind"] == "end-card" for p in laid_out) == 1
    assert len(check_layout_of(written(film, texts=[TOO_LONG]), PROFILES, asked)) == 1
    assert (
        len(check_layout_of(written(film, texts=[TOO_LONG]), PROFILES, asked)) == 1
    )  # a remembered error is told again


def test_captions_that_will_be_burned_are_set_before_they_are_spoken(film: LoadedSpot) -> None:
    burned = written(film, captions=Captions.model_validate({"from": "voiceover", "burn": ["youtube-instream"]}))
    assert burns_captions(burned.spot, PROFILES["youtube-instream"])
    assert not burns_captions(burned.spot, PROFILES["meta-reels"])
    assert check_layout_of(burned, PROFILES) == []
    twice = "朝は何も求めない。" * 2
    assert likely_cues("朝は何も求めない。" * 6) == [f"{twice}\n{twice}", twice]


def test_a_problem_names_the_variants_that_have_it(film: LoadedSpot) -> None:
    (problem,) = check_layout_of(written(film, texts=[TOO_LONG]), PROFILES)
    (named,) = name_variants([("ja-JP,9:16", problem), ("de-DE,9:16", problem)])
    assert named.detail == f"in ja-JP,9:16, de-DE,9:16: {problem.detail}"
    (many,) = name_variants((f"v{n}", problem) for n in range(9))
    assert many.detail.startswith("in v0, v1, v2 and 6 more: ")
    assert name_variants([("", problem)]) == [problem]


# --- what is drawn ---


def production(film: LoadedSpot, work: Path) -> Any:
    store = MemoryStore()
    blobs: dict[str, BlobRef] = {}

    def file_blob(name: str) -> BlobRef:
        if name not in blobs:
            blobs[name] = put_blob(store, "ref", film.files[name].path, "font/otf")
        return blobs[name]

    steps = StepRunner(store, SystemClock(), Events(lambda event: None), LocalRunner(store, work, 2))
    return SimpleNamespace(
        store=store, brand=film.brand, steps=steps, file_blob=file_blob, cut=SimpleNamespace(card=(96, 168))
    )


async def test_two_locales_with_equal_words_share_one_overlay(film: LoadedSpot, tmp_path: Path) -> None:
    making = production(film, tmp_path)
    profile, words = PROFILES["youtube-instream"], Super(at="pour", duration=1, text="Alder 2026")
    drawn = [
        await draw_super.fn(f"film {locale}", making, words, 6, profile, "16:9", locale=locale)
        for locale in ("en-GB", "de-DE", "ja-JP")
    ]
    assert len({made.key for made in drawn}) == 1
    assert making.steps.made == {"graphics": 1}
    moved = await draw_super.fn("film", making, words, 6, profile, "16:9", over_captions=True)
    assert moved.key != drawn[0].key


def test_a_text_depends_on_no_font_that_it_does_not_use(film: LoadedSpot) -> None:
    assert text_files(film.brand, "Every day", "ja-JP") == {"font": "brand.fonts.latin"}
    assert text_files(film.brand, "毎日") == {
        "font": "brand.fonts.latin", "font_japanese": "brand.fonts.japanese",
    }  # fmt: skip
    card = EndCard(card="plain", duration=2, fields={"headline": "毎日", "legal": "alder.example"})
    assert set(card_files(film.brand, card)) == {"font", "font_japanese", "template", "logo_light", "logo_dark"}
    assert step_key_of("graphics", {}, {}) != step_key_of("contrast", {}, {})


async def test_captions_lie_over_the_film_where_they_are_spoken(film: LoadedSpot, tmp_path: Path) -> None:
    profile = PROFILES["youtube-instream"]
    cues = [CaptionCue("Just water.", 12, 4), CaptionCue("毎日。", 94, 6)]
    low, high = await draw_captions.fn("film", production(film, tmp_path), cues, profile, "16:9")
    assert (low.start_frame, low.frames, low.text, low.made.facts["frames"]) == (12, 4, "Just water.", 4)
    assert low.y > 0.8 * 1080
    assert high.y < 0.15 * 1080, "over the end card, whose own words stand low"
    assert high.made.facts["lines"] == ["毎日。"]


def test_cues_stand_on_whole_frames_and_never_on_each_other() -> None:
    profile = PROFILES["youtube-instream"]
    cues = [
        Cue(start="0.5", end="1.03", text="a"), Cue(start="1.01", end="1.02", text="b"),
        Cue(start="4.0", end="9.0", text="c"), Cue(start="9.1", end="9.2", text="d"),
    ]  # fmt: skip
    found = in_frames(cues, 120, profile)
    assert [(c.text, c.start_frame) for c in found] == [
        ("a", 12),
        ("b", found[0].start_frame + found[0].frames),
        ("c", 96),
    ]
    assert found[-1].start_frame + found[-1].frames == 120
    assert all(c.frames >= 1 for c in found)


async def test_contrast_is_measured_on_the_clips_that_the_words_stand_on(film: LoadedSpot, tmp_path: Path) -> None:
    making, profile = production(film, tmp_path), PROFILES["youtube-instream"]
    words = await draw_super.fn("film", making, Super(at="pour", duration=1, text="Now"), 6, profile, "16:9")

    def clip(grey: int, start: int) -> Any:
        path = tmp_path / f"{grey}.mov"
        picture = np.full((1080, 1920, 3), grey, np.uint8)
        write_card(path, iter([(picture, None)] * 8), Fraction(profile.rate))
        return SimpleNamespace(blob=put_blob(making.store, "tmp", path, "video/quicktime"), start=start, frames=8)

    dark, light = clip(20, 0), clip(250, 8)
    on_dark = await measure_contrast.fn("film", making, words, [dark, light], 2, profile)
    over_the_cut = await measure_contrast.fn("film", making, words, [dark, light], 4, profile)
    assert on_dark is not None
    assert over_the_cut is not None
    assert on_dark > 10 > over_the_cut >= LEAST_CONTRAST["super"]
    assert await measure_contrast.fn("film", making, words, [dark], 8, profile) is None
    moved = [clip(20, 30), clip(250, 38)]  # later in another film: the same frames under it are measured once
    assert await measure_contrast.fn("film", making, words, moved, 34, profile) == over_the_cut
    assert making.steps.made["contrast"] == 2
