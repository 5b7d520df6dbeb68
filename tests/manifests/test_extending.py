"""`fit: extend`: whole frames that a shot is shown longer, and what films that share pictures buy for it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from paper import BRAND

from manifests.campaign import load_campaign
from manifests.diagnostics import Diagnostic
from manifests.expand import Services, Want, expand_campaign
from manifests.extending import frames_added, frames_for, lengthen_spot, seconds_of, speed_for
from manifests.films import Variant, variants_of
from manifests.lengthen import lengthen_campaign, lines_that_extend
from manifests.loaded import LoadedCampaign
from manifests.ratecard import load_models, load_profiles
from manifests.schema import Spot, VoiceLine
from manifests.timing import cut_of, film_frames, picture_frames, screen_frames

MODELS, PROFILES = load_models(), load_profiles()
SERVICES = Services("backlot", "backlot")
VOICE = "voices: {warm: {provider: elevenlabs, voice_id: EXAMPLE, rights: {basis: synthetic}}}\n"
FILM = """\
manifest: 1
kind: spot
name: slow
brand: brand.yaml
variants:
  axes:
    hook:
      - {id: cold, scene: frost melting on a window, words: Cold hands.}
      - {id: gift, scene: hands tying a ribbon on a box, words: Warm hands.}
    locale: [en-GB, de-DE, fr-FR]
generate: {model: gen4.5, takes: 1, ratio: "16:9"}
shots:
  - id: open
    duration: 2
    prompt: &prompt
      subject: ${hook.scene}
      action: the light moves slowly across it
      environment: a quiet winter home at dusk
      camera: static medium shot, locked off
      mood: blue evening light from outside
  - id: pour
    duration: 2
    prompt: {subject: A kettle, action: steam rises slowly to the left, environment: a room, camera: static, mood: warm}
  - id: sip
    duration: 1.5
    prompt: {subject: A cup, action: steam rises slowly to the left, environment: a table, camera: static, mood: warm}
edit: {transitions: [{between: [open, pour], duration: 0.4}]}
sound:
  voiceover:
    voice: warm
    language: ${locale}
    fit: {max_speedup: 1.07, otherwise: extend}
    lines:
      - {id: vo1, at: open, offset: 0.3, text: "${hook.words} ${locale}"}
      - {id: vo2, at: pour, text: "Just water, ${locale}"}
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 5000}
"""
CONTINUED = ("  - id: sip\n", "  - id: sip\n    continues: pour\n")
LINES = [f"vo1@{hook},{locale}" for hook in ("cold", "gift") for locale in ("en-GB", "de-DE", "fr-FR")]
LINES += [f"vo2@{locale}" for locale in ("en-GB", "de-DE", "fr-FR")]

seconds = st.decimals("0.2", 20, places=4)


def load(folder: Path, *changes: tuple[str, str], manifest: str = FILM) -> LoadedCampaign:
    for old, new in changes:
        assert manifest.count(old) == 1, old
        manifest = manifest.replace(old, new)
    (folder / "film.yaml").write_text(manifest)
    (folder / "brand.yaml").write_text(BRAND + VOICE)
    (folder / "shotrunner.toml").write_text("")
    return load_campaign(folder / "film.yaml")


def lengthen(campaign: LoadedCampaign, spoken: dict[str, str]) -> tuple[LoadedCampaign, list[Diagnostic]]:
    return lengthen_campaign(campaign, {line: Decimal(text) for line, text in spoken.items()}, MODELS, PROFILES)


def films(campaign: LoadedCampaign) -> dict[str, Variant]:
    return {v.name: v for v in variants_of([s.source for s in campaign.sources])}


def takes(campaign: LoadedCampaign) -> dict[str, Want]:
    wants = expand_campaign(campaign, MODELS, {}, SERVICES)
    return {w.address: w for w in wants if w.what == "take"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> LoadedCampaign:
    return load(tmp_path_factory.mktemp("extending"))


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> LoadedCampaign:
    return load(tmp_path_factory.mktemp("continued"), CONTINUED)


# --- arithmetic ---


@given(seconds, st.decimals(1, 2, places=6))
@example(Decimal("5.0"), Decimal("1"))
@example(Decimal("5.4"), Decimal("1.08"))
@example(Decimal("3.0417"), Decimal("1.000001"))
def test_as_few_frames_as_the_line_needs_at_its_fastest(ends: Decimal, fastest: Decimal) -> None:
    frames = frames_for(ends, fastest)
    assert speed_for(ends, frames) <= fastest
    assert frames == 1 or speed_for(ends, frames - 1) > fastest
    assert ends / speed_for(ends, frames) <= Decimal(frames) / 24


@given(st.integers(1, 24 * 60))
def test_a_length_in_thousandths_is_the_same_frames(frames: int) -> None:
    assert screen_frames(seconds_of(frames)) == frames


@given(st.dictionaries(st.sampled_from(["vo1", "vo2"]), seconds))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_spot_is_longer_by_what_its_lines_lack_and_only_there(
    written: LoadedCampaign, ends: dict[str, Decimal]
) -> None:
    spot = written.lead.spot
    added = frames_added(spot, ends)
    longer = lengthen_spot(spot, added)
    assert film_frames(longer) == film_frames(spot) + sum(added.values())
    assert frames_added(longer, ends) == {}, "twice is once"
    lines = {line.id: line for line in voiceover_of(spot)}
    for before, after in zip(spot.shots, longer.shots, strict=True):
        more = screen_frames(after.duration) - screen_frames(before.duration)
        assert more == added.get(before.id, 0)
        assert after.model_copy(update={"duration": before.duration}) == before
        for name in ends:
            room = screen_frames(after.duration) - screen_frames(lines[name].offset)
            assert lines[name].at != before.id or speed_for(ends[name], room) <= Decimal("1.07")
    assert Spot.model_validate(longer.model_dump(mode="json", by_alias=True)) == longer, "it can be kept in a plan"


def voiceover_of(spot: Spot) -> tuple[VoiceLine, ...]:
    assert spot.sound.voiceover is not None
    return spot.sound.voiceover.lines


def test_other_policies_change_nothing(tmp_path: Path) -> None:
    for number, policy in enumerate(("fail", "trim-silence")):
        folder = tmp_path / str(number)
        folder.mkdir()
        campaign = load(folder, ("otherwise: extend", f"otherwise: {policy}"))
        assert lines_that_extend(campaign) == frozenset()
        assert lengthen(campaign, dict.fromkeys(LINES, "9")) == (campaign, [])


# --- films that share pictures ---


def rooms(variant: Variant) -> Iterator[tuple[str, Decimal, int]]:
    """(line, seconds, frames that it has)."""
    cut = cut_of(variant.spot, MODELS)
    for line in variant.spot.sound.voiceover.lines if variant.spot.sound.voiceover else ():
        shot = cut.shot(line.at)
        begins = next(c.start for c in cut.cues if c.path.endswith(f".{line.id}"))
        known = variant.source.spoken.get(variant.line(line.id))
        if known is not None:
            yield line.id, known, shot.cue + shot.screen - begins


@given(st.dictionaries(st.sampled_from(LINES), st.decimals("0.2", 9, places=3)), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_fits_and_a_picture_is_bought_for_the_longest(
    written: LoadedCampaign, continued: LoadedCampaign, spoken: dict[str, Decimal], chained: bool
) -> None:
    before = continued if chained else written
    after, problems = lengthen_campaign(before, spoken, MODELS, PROFILES)
    assert problems == []
    bought, plain = takes(after), takes(before)
    assert set(bought) == set(plain), "nothing is bought twice because a line is shorter somewhere"
    needed: dict[str, int] = {}
    for variant in films(after).values():
        for _, ends, room in rooms(variant):
            assert speed_for(ends, room) <= Decimal("1.07")
        for shot, frames in picture_frames(variant.spot).items():
            address = variant.shot(shot)
            needed[address] = max(needed.get(address, 0), frames)
            if not (chained and shot == "pour"):
                own = {line: seconds for line, seconds, _ in rooms(variant)}
                assert variant.longer.get(shot, 0) == frames_added(variant.written, own).get(shot, 0)
    assert {address: want.frames for address, want in bought.items()} == needed
    if chained:
        assert len({variant.longer.get("pour", 0) for variant in films(after).values()}) == 1


def test_each_film_shows_what_its_own_line_needs(written: LoadedCampaign) -> None:
    after, problems = lengthen(written, {"vo2@de-DE": "3", "vo2@en-GB": "2.1", "vo1@gift,fr-FR": "1.9"})
    assert problems == []
    screens = {name: [screen_frames(s.duration) for s in film.spot.shots] for name, film in films(after).items()}
    assert screens["cold,en-GB"] == [48, 48, 36], "2.1 s at 1.05 is two seconds"
    assert screens["cold,de-DE"] == [48, 68, 36]  # 3 s at 1.07 are 67.3 frames
    assert screens["gift,fr-FR"] == [50, 48, 36]
    assert {a: (w.seconds, w.body["duration"]) for a, w in takes(after).items()} == {
        "open@cold": (3, 3), "open@gift": (3, 3), "pour": (4, 4), "sip": (2, 2),
    }  # fmt: skip
    assert sum(film_frames(film.spot) for film in films(after).values()) == after.sources[0].frames
    assert list(after.notices) == [
        "pour: longer than written: 0.833 s for vo2 in de-DE, which takes 3 s",
        "open: longer than written: 0.083 s for vo1 in fr-FR, which takes 1.9 s",
    ]


def test_a_shot_that_another_starts_on_is_as_long_in_all_its_films(continued: LoadedCampaign) -> None:
    after, _ = lengthen(continued, {"vo2@de-DE": "3"})
    assert {film.longer["pour"] for film in films(after).values()} == {20}
    starts = takes(after)["sip"].body["promptImage"]
    assert (starts["from"], starts["frame"]) == ("pour/take", 4 + 48 + 20 - 1 + 1)  # four more before, for the dissolve
    assert after.notices[-1].endswith("; alike in all its films, as another shot starts on its last frame")


def test_beyond_what_the_model_films_at_once_it_becomes_segments(written: LoadedCampaign) -> None:
    after, problems = lengthen(written, {"vo2@de-DE": "16"})
    assert problems == []
    segments = {a: w.seconds for a, w in takes(after).items() if a.startswith("pour")}
    assert segments == {"pour.1": 8, "pour.2": 8}
    assert len(cut_of(films(after)["cold,de-DE"].spot, MODELS).parts("pour")) == 2


# --- what it breaks ---


def test_longer_than_any_shot_is_refused_with_locale_line_and_seconds(written: LoadedCampaign) -> None:
    _, (problem,) = lengthen(written, {"vo2@de-DE": "45.5"})
    assert (problem.summary, problem.address) == ("too long a shot", "shots.pour.duration")
    assert problem.where.line == 22
    assert "needs 42." in problem.detail
    assert "cold,de-DE: `pour` is 40.542 s longer, because vo2 in de-DE takes 45.5 s" in problem.detail
    assert problem.remedy.endswith("or shorten the line")
    assert problem.exit_code == 2


def test_a_film_that_its_placement_does_not_take_names_the_placement(tmp_path: Path) -> None:
    campaign = load(tmp_path, ("profile: youtube-instream", "profile: youtube-bumper"))
    assert lengthen(campaign, {"vo2@de-DE": "2.6"})[1] == []  # six seconds: just
    _, (problem,) = lengthen(campaign, {"vo2@de-DE": "2.7"})
    assert "youtube-bumper takes at most 6 s; the film has" in problem.detail
    assert "vo2 in de-DE takes 2.7 s" in problem.detail
    assert problem.address == "deliver[0].profile"


def test_a_clip_of_fixed_length_is_not_stretched(tmp_path: Path) -> None:
    campaign = load(tmp_path, ("  - id: pour\n", "  - id: pour\n    clip: 3\n"))
    assert lengthen(campaign, {"vo2@de-DE": "2.7"})[1] == []
    _, (problem,) = lengthen(campaign, {"vo2@de-DE": "4"})
    assert (problem.summary, problem.address) == ("clip too short", "shots.pour.clip")


def test_a_line_without_a_shot_of_its_own_makes_none_longer(tmp_path: Path) -> None:
    campaign = load(tmp_path, ("{id: vo2, at: pour,", "{id: vo2, at: start,"))
    assert lengthen(campaign, {"vo2@de-DE": "9"})[0] is campaign


# --- cut-downs, which buy nothing ---

CAMPAIGN = """\
manifest: 1
kind: campaign
name: both
brand: brand.yaml
spots:
  - {id: long, file: film.yaml}
  - id: short
    from: long
    shots: [{id: pour, in: 1, duration: 2}]
deliver: [{profile: youtube-instream, ratio: "16:9"}]
budget: {credits: 5000}
"""


def with_cut_down(folder: Path, seconds_in: str) -> LoadedCampaign:
    load(folder)
    (folder / "both.yaml").write_text(CAMPAIGN.replace("in: 1,", f"in: {seconds_in},"))
    return load_campaign(folder / "both.yaml")


def test_a_cut_down_is_longer_within_what_the_other_spot_buys(tmp_path: Path) -> None:
    campaign = with_cut_down(tmp_path, "1")
    after, problems = lengthen(campaign, {"long/vo2@de-DE": "3"})
    assert problems == []
    assert {name: film.longer for name, film in films(after).items() if film.longer} == {
        "long@cold,de-DE": {"pour": 20}, "long@gift,de-DE": {"pour": 20},
        "short@cold,de-DE": {"pour": 20}, "short@gift,de-DE": {"pour": 20},
    }  # fmt: skip
    assert takes(after)["long/pour"].seconds == 4


def test_a_cut_down_shows_no_frame_that_nobody_buys(tmp_path: Path) -> None:
    _, (problem,) = lengthen(with_cut_down(tmp_path, "1.5"), {"long/vo2@de-DE": "3"})
    assert (problem.summary, problem.address) == ("not bought", "spots.short.shots.pour")
    assert "`long/pour` has 96 frames and 104 would be shown" in problem.detail
    assert "vo2 in de-DE takes 3 s" in problem.detail
