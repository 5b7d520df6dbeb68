"""What models, placements and images will not do: each an error at its line, with a way out."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from manifests.capability import ImageFacts, check_capability, check_images
from manifests.diagnostics import Diagnostic
from manifests.loaded import LoadedSpot
from manifests.placement import sound_speed
from manifests.ratecard import load_models, load_profiles

Load = Callable[..., LoadedSpot]
NO_KEYFRAME = {"  keyframe: {model: gen4_image, options: 2}\n": ""}
NO_REFERENCES = {
    "references:\n  kettle: {kind: object, file: kettle.png, rights: {basis: owned}}\n": "",
    "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle\n": (
        "    prompt:\n      subject: A matte green kettle\n"
    ),
    "    references: [kettle]\n    prompt:\n      subject: A matte green kettle, @kettle, tilted": (
        "    prompt:\n      subject: A matte green kettle, tilted"
    ),
}


def judge(loaded: LoadedSpot) -> list[Diagnostic]:
    return check_capability(loaded, load_models(), load_profiles())


def only(loaded: LoadedSpot) -> Diagnostic:
    found = judge(loaded)
    assert len(found) == 1, found
    assert found[0].severity == "error"
    assert found[0].exit_code == 2
    return found[0]


def line(loaded: LoadedSpot, piece: str) -> int:
    """The line that a piece of the manifest's text stands on."""
    lines = loaded.manifest_bytes.decode().splitlines()
    return next(n for n, text in enumerate(lines, 1) if piece in text)


def test_a_good_film_has_no_problem(load_film: Load) -> None:
    assert judge(load_film()) == []


# --- models ---


def test_an_unknown_model_gets_the_nearest_name(load_film: Load) -> None:
    loaded = load_film({"model: gen4.5": "model: gen45"})
    found = only(loaded)
    assert found.summary == "unknown model"
    assert "did you mean `gen4.5`" in found.detail
    assert "veo3.1" in found.remedy
    assert found.address == "generate.model"
    assert found.where.line == line(loaded, "model: gen45")


@pytest.mark.parametrize(
    ("name", "named"), [("veo3", "veo3.1"), ("gen3a_turbo", "gen4_turbo"), ("gen4_aleph", "aleph2")]
)
def test_a_retired_model_names_its_replacement(load_film: Load, name: str, named: str) -> None:
    found = only(load_film({"model: gen4.5": f"model: {name}"}))
    assert found.summary == "retired model"
    assert f"`{named}`" in found.remedy


def test_a_replacement_that_is_not_driven_is_not_recommended(load_film: Load) -> None:
    assert "not driven by this version" in only(load_film({"model: gen4.5": "model: gen4_aleph"})).remedy


def test_a_still_model_makes_no_video(load_film: Load) -> None:
    assert only(load_film({"model: gen4.5": "model: gen4_image_turbo"})).summary == "wrong model"


def test_a_shots_own_model_is_judged_at_the_shot(load_film: Load) -> None:
    loaded = load_film({"  - id: pour\n": "  - id: pour\n    model: gen5\n"})
    found = only(loaded)
    assert found.address == "shots.pour.model"
    assert found.where.line == line(loaded, "model: gen5")


def test_every_keyframe_and_voice_model_is_looked_up(load_film: Load) -> None:
    assert only(load_film({"gen4_image,": "gen4_imag,"})).address == "generate.keyframe.model"
    found = only(load_film(brand={"voice_id: EXAMPLE": "voice_id: EXAMPLE, model: eleven_v9"}))
    assert found.address == "brand.voices.warm.model"
    assert found.where.file.endswith("brand.yaml")


# --- ratio, length ---


IN_RATIO = ('takes: 3\n  ratio: "16:9"', 'youtube-instream, ratio: "16:9"')


def in_ratio(ratio: str) -> dict[str, str]:
    return {old: old.replace("16:9", ratio) for old in IN_RATIO}


def test_a_ratio_that_no_size_has(load_film: Load) -> None:
    loaded = load_film(in_ratio("2:1"))
    found = [d for d in judge(loaded) if d.summary == "ratio not sold"]
    assert {d.address for d in found} == {"generate.ratio"}
    assert {d.where.line for d in found} == {line(loaded, '  ratio: "2:1"')}
    assert any("gen4.5" in d.detail and "16:9" in d.remedy for d in found)
    assert any("gen4_image" in d.detail for d in found)


def test_a_ratio_that_is_sold_from_an_image_only(load_film: Load) -> None:
    assert judge(load_film(in_ratio("1:1"))) == []
    found = only(load_film({**NO_KEYFRAME, **NO_REFERENCES, **in_ratio("1:1")}))
    assert "from text alone" in found.detail
    assert "generate.keyframe" in found.remedy


def test_a_shot_longer_than_thirty_seconds(load_film: Load) -> None:
    loaded = load_film({"duration: 6\n": "duration: 30.5\n"})
    (found,) = [d for d in judge(loaded) if d.severity == "error"]
    assert found.address == "shots.pour.duration"
    assert found.where.line == line(loaded, "duration: 30.5")
    assert "30.708 s" in found.detail
    assert "5 for dissolves" in found.detail
    assert "at most 30 s" in found.detail
    assert "continues: pour" in found.remedy


def test_an_in_point_that_would_buy_minutes(load_film: Load) -> None:
    found = only(load_film({"duration: 6\n": "duration: 6\n    in: 31\n"}))
    assert (found.summary, found.severity) == ("too long a shot", "error")
    assert "37.208 s" in found.detail


def test_a_long_shot_is_filmed_in_segments(load_film: Load) -> None:
    assert judge(load_film({"duration: 6\n": "duration: 25\n"})) == []
    (found,) = judge(load_film({"duration: 6\n": "duration: 30\n"}))
    assert (found.summary, found.severity, found.address) == ("long chain", "warning", "shots.pour.duration")
    assert "4 segments of at most 10 s" in found.detail
    assert judge(load_film({"duration: 6\n": "duration: 30\n    allow_long_chain: true\n"})) == []


def test_a_transition_never_reaches_over_a_seam(load_film: Load) -> None:
    assert judge(load_film({"duration: 5\n": "duration: 11\n", "duration: 0.4}": "duration: 4}"})) == []
    long = {"duration: 5\n": "duration: 11\n", "duration: 6\n": "duration: 10\n", "duration: 0.4}": "duration: 9.9}"}
    found = judge(load_film(long))
    assert {(d.address, d.severity) for d in found} == {("edit.transitions", "error")}
    assert [d.detail.partition("segments of ")[2][:6] for d in found] == ["`dawn`", "`pour`"]


def test_each_segment_must_be_sold_by_the_fallback_too(load_film: Load) -> None:
    long = {"duration: 6\n": "duration: 12\n", "  takes: 3\n": "  takes: 3\n  retry: {fallback: veo3.1}\n"}
    assert judge(load_film(long)) == []
    found = only(load_film({**long, "duration: 6\n": "duration: 19.7\n"}))
    assert (found.summary, found.address) == ("fallback cannot film a shot", "generate.retry.fallback")


def test_ten_seconds_without_a_dissolve_are_sold(load_film: Load) -> None:
    no_dissolve = {"    - {between: [dawn, pour], duration: 0.4}\n": "    - {between: [dawn, pour], kind: cut}\n"}
    assert judge(load_film({"duration: 6\n": "duration: 10\n", **no_dissolve})) == []


def test_clip_must_be_sold_and_long_enough(load_film: Load) -> None:
    short = only(load_film({"duration: 6\n": "duration: 6\n    clip: 6\n"}))
    assert short.summary == "clip too short"
    assert "5 frames short" in short.detail
    assert judge(load_film({"duration: 6\n": "duration: 6\n    clip: 7\n"})) == []
    assert only(load_film({"duration: 6\n": "duration: 6\n    clip: 12\n"})).summary == "length not sold"


def test_a_model_that_sells_a_list_of_lengths(load_film: Load) -> None:
    found = judge(load_film({"  - id: pour\n": "  - id: pour\n    model: veo3.1\n    clip: 7\n"}))
    assert [d.summary for d in found] == ["length not sold"]
    assert "4, 6, 8 s" in found[0].detail


def test_a_shot_of_no_frames(load_film: Load) -> None:
    changes = {"duration: 6\n": "duration: 0.02\n", "duration: 0.4}": "duration: 0}", "duration: 5, ": "duration: 2, "}
    assert [d.summary for d in judge(load_film(changes))] == ["no frames"]


# --- prompts ---


@pytest.mark.parametrize(("field", "whats"), [("environment: on a pale stone worktop", ["still", "video"])])
def test_both_prompts_are_measured_in_utf16(load_film: Load, field: str, whats: list[str]) -> None:
    found = judge(load_film({field: f"environment: {'🫖' * 450}"}))
    assert [d.summary for d in found] == ["prompt too long"] * 2
    assert [d.detail.split("'")[0] for d in found] == [f"the {what}" for what in whats]
    assert {d.address for d in found} == {"shots.dawn.prompt"}


def test_a_long_action_is_too_long_for_the_video_alone(load_film: Load) -> None:
    found = only(load_film({"stands still while steam": f"stands still {'and still ' * 90}while steam"}))
    assert found.detail.startswith("the video's prompt")
    assert "shorten it by" in found.remedy


# --- first frames and references ---


def test_text_alone_on_a_model_that_needs_an_image(load_film: Load) -> None:
    found = judge(load_film({**NO_KEYFRAME, **NO_REFERENCES, "model: gen4.5": "model: gen4_turbo"}))
    assert {d.summary for d in found} == {"image needed"}
    assert [d.address for d in found] == ["shots.dawn", "shots.pour"]
    for fix in ("start_image", "generate.keyframe", "gen4.5"):
        assert fix in found[0].remedy


def test_text_alone_cannot_be_drafted_on_turbo(load_film: Load) -> None:
    found = judge(load_film({**NO_KEYFRAME, **NO_REFERENCES, "takes: 3": "takes: 3\n  drafts: {model: gen4_turbo}"}))
    assert {d.address for d in found} == {"generate.drafts.model"}
    assert judge(load_film({"takes: 3": "takes: 3\n  drafts: {model: gen4_turbo}"})) == []


def test_references_need_a_still_to_act_on(load_film: Load) -> None:
    found = judge(load_film(NO_KEYFRAME))
    assert [d.address for d in found] == ["shots.dawn.references", "shots.pour.references"]
    assert found[0].remedy.endswith("keyframe: {model: gen4_image}")


def test_a_still_model_that_needs_a_reference(load_film: Load) -> None:
    changes = {**NO_REFERENCES, "{model: gen4_image,": "{model: gen4_image_turbo,"}
    assert {d.summary for d in judge(load_film(changes))} == {"reference needed"}


def test_an_end_image_names_the_models_that_take_one(load_film: Load) -> None:
    found = only(load_film({"duration: 6\n": "duration: 6\n    end_image: kettle\n"}))
    assert found.summary == "end image not taken"
    assert "veo3.1" in found.remedy
    assert "veo3," not in found.remedy
    assert judge(load_film({"duration: 6\n": "duration: 6\n    end_image: kettle\n    model: veo3.1\n"})) == []


def test_an_asserted_mode_must_hold(load_film: Load) -> None:
    found = only(load_film({"duration: 6\n": "duration: 6\n    mode: text-to-video\n"}))
    assert "`keyframe`" in found.detail
    text = load_film({**NO_KEYFRAME, **NO_REFERENCES, "duration: 6\n": "duration: 6\n    mode: image-to-video\n"})
    assert only(text).address == "shots.pour.mode"


# --- sound ---


def test_a_line_longer_than_its_voice_takes(load_film: Load) -> None:
    changes = {"text: Some mornings ask for nothing.": f'text: "{"word " * 700}"'}
    assert judge(load_film(changes)) == []
    found = only(load_film(changes, brand={"voice_id: EXAMPLE": "voice_id: EXAMPLE, model: eleven_v3"}))
    assert found.address == "sound.voiceover.lines.vo1.text"
    assert "3,000" in found.detail


@pytest.mark.parametrize(("seconds", "sold"), [("0.4", False), ("0.5", True), ("30", True), ("30.5", False)])
def test_an_effect_of_a_length_that_is_not_sold(load_film: Load, *, seconds: str, sold: bool) -> None:
    long = {"duration: 4, fields": "duration: 60, fields", "duration: 5, prompt": f"duration: {seconds}, prompt"}
    assert [d.address for d in judge(load_film(long))] == ([] if sold else ["sound.effects[0].duration"])


# --- placements ---


def test_an_unknown_profile_gets_the_nearest(load_film: Load) -> None:
    loaded = load_film({"youtube-instream": "youtube-in-stream"})
    found = only(loaded)
    assert "did you mean `youtube-instream`" in found.detail
    assert "master-4k" in found.remedy
    assert found.where.line == line(loaded, "youtube-in-stream")


def test_a_ratio_that_the_placement_does_not_take(load_film: Load) -> None:
    loaded = load_film({**in_ratio("1:1"), IN_RATIO[1]: 'ctv-generic, ratio: "1:1"'})
    found = only(loaded)
    assert found.summary == "ratio not delivered"
    assert found.address == "deliver[0].ratio"
    assert "it takes 16:9" in found.remedy


def test_ctv_runs_exact_lengths_in_frames(load_film: Load) -> None:
    assert judge(load_film({"youtube-instream": "ctv-generic"})) == []  # 5 + 6 + 4 s = 360 frames
    found = only(load_film({"youtube-instream": "ctv-generic", "duration: 5\n": "duration: 5.042\n"}))
    assert "361 frames" in found.detail
    assert "shorten it by 1 frames to 360" in found.remedy


def test_europe_counts_25_frames_a_second(load_film: Load) -> None:
    """The film's 360 frames last 14.4 s there: what is written has to be 4 % longer than what is sold."""
    found = only(load_film({"youtube-instream": "broadcast-eu"}))
    assert found.detail == (
        "broadcast-eu runs whole seconds, exact to the frame; the film has 360 frames (14.4 s at 25 frames a second)"
    )
    assert found.remedy.startswith("shorten it by 10 frames to 350 (written durations of 14.583 s together)")
    assert judge(load_film({"youtube-instream": "broadcast-eu", "duration: 5\n": "duration: 5.625\n"})) == []
    assert judge(load_film({"youtube-instream": "broadcast-us"})) == []  # 24 of ours are a second at 23.976
    found = only(load_film({"youtube-instream": "broadcast-us", "duration: 5\n": "duration: 5.042\n"}))
    assert "shorten it by 1 frames to 360" in found.remedy


def test_a_film_too_long_or_too_short_for_its_placement(load_film: Load) -> None:
    found = only(load_film({"youtube-instream": "youtube-bumper"}))
    assert found.detail == "youtube-bumper takes at most 6 s; the film has 15 s"
    assert found.address == "deliver[0].profile"
    short = {"    duration: 5\n": "    duration: 1\n", "duration: 6\n": "duration: 1\n", "duration: 4,": "duration: 1,"}
    short |= {"duration: 5, prompt": "duration: 1, prompt"}
    tiktok = {IN_RATIO[1]: 'tiktok-infeed, ratio: "16:9"'}
    found = [d for d in judge(load_film({**short, **tiktok})) if d.summary == "length not taken"]
    assert [d.detail for d in found] == ["tiktok-infeed takes at least 5 s; the film has 3 s"]


@pytest.mark.parametrize(("name", "speed"), [("broadcast-eu", Fraction(25, 24)), ("broadcast-us", 1), ("meta-feed", 1)])
def test_sound_is_faster_only_where_the_picture_is(name: str, speed: Fraction) -> None:
    assert sound_speed(load_profiles()[name]) == speed


def test_a_ceiling_below_the_placement(load_film: Load) -> None:
    low = {"takes: 3": "takes: 3\n  upscale: {to: 1080p}"}
    assert judge(load_film(low)) == []
    found = only(load_film({**low, "youtube-instream": "master-4k"}))
    assert found.address == "generate.upscale.to"
    assert "3840x2160" in found.detail


# --- images ---

GOOD = ImageFacts(width=1600, height=900, format="PNG", bytes=400_000)
AS_START = {"    duration: 5\n    references: [kettle]\n": "    duration: 5\n    start_image: kettle\n"}


def look(loaded: LoadedSpot, facts: ImageFacts) -> list[Diagnostic]:
    return check_images(loaded, {"references.kettle.file": facts}, load_models())


def test_a_good_image(load_film: Load) -> None:
    assert look(load_film(), GOOD) == []
    assert look(load_film(AS_START), GOOD) == []


@pytest.mark.parametrize("name", ["png", "PNG", "jpeg", "JPG", "webp"])
def test_image_types_that_are_taken(load_film: Load, name: str) -> None:
    assert look(load_film(), ImageFacts(1600, 900, name, 90_000)) == []


@pytest.mark.parametrize(
    ("facts", "summary"),
    [
        (ImageFacts(0, 0, "", 0), "empty image"),
        (ImageFacts(0, 0, "", 99, fault="cut short"), "damaged image"),
        (ImageFacts(1600, 900, "gif", 99_000), "image type not taken"),
        (ImageFacts(1600, 900, "TIFF", 99_000), "image type not taken"),
        (ImageFacts(1600, 900, "PNG", 200_000_001), "image too large"),
        (ImageFacts(100, 900, "PNG", 9_000), "image too small"),
    ],
)
def test_images_that_are_refused(load_film: Load, facts: ImageFacts, summary: str) -> None:
    loaded = load_film()
    (found,) = look(loaded, facts)
    assert (found.summary, found.severity) == (summary, "error")
    assert "kettle.png" in found.detail
    assert found.where.line == line(loaded, "file: kettle.png")
    assert found.remedy


@pytest.mark.parametrize(("width", "height", "refused"), [(900, 1800, False), (899, 1800, True), (1801, 900, True)])
def test_the_aspect_window_of_a_first_frame(load_film: Load, width: int, height: int, refused: bool) -> None:
    found = look(load_film(AS_START), ImageFacts(width, height, "JPEG", 90_000))
    assert ("image outside the model's window" in [d.summary for d in found]) is refused
    assert not [d for d in look(load_film(), ImageFacts(width, height, "JPEG", 90_000)) if d.severity == "error"]


def test_a_first_frame_of_another_shape_is_cropped(load_film: Load) -> None:
    (found,) = look(load_film(AS_START), ImageFacts(1200, 900, "JPEG", 90_000))
    assert (found.summary, found.severity) == ("image is cropped", "warning")
    assert "25 %" in found.detail


def test_small_and_huge_images_warn(load_film: Load) -> None:
    assert [(d.summary, d.severity) for d in look(load_film(), ImageFacts(639, 900, "PNG", 9_000))] == [
        ("small image", "warning")
    ]
    assert [d.summary for d in look(load_film(), ImageFacts(4200, 2400, "PNG", 9_000))] == ["large image"]
    portrait = load_film({"kind: object": "kind: character"})
    assert [d.summary for d in look(portrait, ImageFacts(800, 900, "PNG", 9_000))] == ["small portrait"]


def test_a_logo_is_never_sent_and_only_has_to_open(load_film: Load) -> None:
    def judge_logo(facts: ImageFacts) -> list[str]:
        return [d.summary for d in check_images(load_film(), {"brand.logo.light": facts}, load_models())]

    assert judge_logo(ImageFacts(400, 90, "GIF", 9_000)) == []
    assert judge_logo(ImageFacts(0, 0, "", 0)) == ["empty image"]
