"""Words on screen, judged on the decoded pixels: where they stand, how they read, how many frames there are."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from infra.errors import MediaError
from infra.media import graphics, layers
from infra.media import render as rendering
from infra.media.layers import Layer, compose, to_planes, write_overlay
from infra.media.reader import FrameReader
from infra.media.safe import safe_box
from infra.media.steps import run_step_process
from infra.media.type_setting import fit_text, unsettable_script
from infra.media.typeface import FALLBACK_FONT, Typeface
from manifests.catalogue import VideoSettings

PAPER, INK = (0xF4, 0xEF, 0xE6), (0x16, 0x22, 0x1C)
COLOURS = {"ink": "#16221C", "paper": "#F4EFE6", "accent": "#2E6B4F"}
W, H = 960, 540
CARD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1920 1080">
  <title>Plain</title>
  <rect x="0" y="0" width="1920" height="1080" fill="var(--paper)"/>
  <image id="logo" href="logo" x="760" y="260" width="400" height="160"/>
  <g><text id="headline" x="960" y="620" font-size="84" text-anchor="middle" fill="var(--ink)"/></g>
  <line x1="900" y1="720" x2="1020" y2="720" stroke="var(--accent)" stroke-width="6"/>
  <text id="legal" x="960" y="820" font-size="36" text-anchor="middle" fill="var(--ink)" opacity="0.8"/>
</svg>"""

Frame = npt.NDArray[np.uint8]


def render(out: Path, inputs: Mapping[str, Path] | None = None, **given: Any) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    usual = {"kind": "super", "width": W, "height": H, "rate": "24", "frames": 30, "colours": COLOURS}
    params = graphics.Params.model_validate(usual | given)
    return graphics.run(params, inputs or {}, out)


def decode(path: Path, form: str = "rgba") -> list[Frame]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format=form) for frame in container.decode(video=0)]


def over(facts: Mapping[str, Any], overlay: Frame, ground: int, size: tuple[int, int] = (W, H)) -> Frame:
    """The overlay on a plain grey picture."""
    base = np.full((size[1], size[0], 3), float(ground))
    x, y, width, height = (facts[key] for key in ("x", "y", "width", "height"))
    assert overlay.shape == (height, width, 4)
    alpha = overlay[..., 3:] / 255
    place = base[y : y + height, x : x + width]
    place[:] = place * (1 - alpha) + overlay[..., :3] * alpha
    return np.rint(base).astype(np.uint8)


def luminance(rgb: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    path = tmp_path / "logo.png"
    picture = Image.new("RGBA", (400, 160), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((120, 0, 280, 160), fill=(46, 107, 79, 255))
    picture.save(path)
    return path


@pytest.fixture
def card(tmp_path: Path, logo: Path) -> dict[str, Path]:
    (tmp_path / "plain.svg").write_text(CARD)
    return {"template": tmp_path / "plain.svg", "logo": logo}


FIELDS = {"headline": "The Alder kettle", "legal": "alder.example"}

# --- frames ---


@pytest.mark.parametrize(("rate", "frames"), [("24", 121), ("24000/1001", 72), ("24000/1001", 121), ("25", 1)])
def test_an_overlay_has_exactly_its_frames_at_exactly_its_rate(tmp_path: Path, rate: str, frames: int) -> None:
    facts = render(tmp_path, text="Every day", rate=rate, frames=frames, fade_frames=8)
    assert facts["frames"] == frames
    with av.open(str(tmp_path / "overlay.mov")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "qtrle"
        assert stream.average_rate == Fraction(rate)
        times = [Fraction(p.pts) * stream.time_base for p in container.demux(stream) if p.dts is not None]
    assert times == [Fraction(n) / Fraction(rate) for n in range(frames)]


@pytest.mark.parametrize("rate", ["24", "24000/1001"])
def test_a_card_has_exactly_its_frames_and_the_colours_of_video(
    tmp_path: Path, card: dict[str, Path], rate: str
) -> None:
    facts = render(tmp_path / "out", card, kind="end-card", fields=FIELDS, rate=rate, frames=73)
    assert (facts["x"], facts["y"], facts["width"], facts["height"], facts["opaque"]) == (0, 0, W, H, True)
    with av.open(str(tmp_path / "out" / "card.mov")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert stream.average_rate == Fraction(rate)
        assert (context.pix_fmt, context.color_primaries, context.color_trc, context.colorspace) == ("yuv420p", 1, 1, 1)
        assert context.color_range == 1
        times = [Fraction(frame.pts) * frame.time_base for frame in container.decode(stream)]
    assert times == [Fraction(n) / Fraction(rate) for n in range(73)]


def test_a_card_is_kept_without_loss(tmp_path: Path, card: dict[str, Path]) -> None:
    render(tmp_path / "out", card, kind="end-card", fields=FIELDS, frames=48)
    decoded = decode(tmp_path / "out" / "card.mov", "yuv420p")
    planes = to_planes(np.full((2, 2, 3), PAPER, np.uint8))
    assert [int(plane[0, 0]) for plane in planes] == [222, 124, 131]  # by hand from BT.709
    first = decoded[0]
    assert (first[:20] == 222).all()
    assert (decoded[-1] == decoded[30]).all()  # standing: not one step of any plane moves


def test_the_same_words_give_the_same_bytes(tmp_path: Path, card: dict[str, Path]) -> None:
    for kind, name in (("super", "overlay.mov"), ("end-card", "card.mov")):
        written = []
        for turn in "ab":
            inputs = card if kind == "end-card" else None
            text = {"fields": FIELDS} if kind == "end-card" else {"text": "Every day"}
            render(tmp_path / turn, inputs, kind=kind, frames=24, **text)
            written.append((tmp_path / turn / name).read_bytes())
        assert written[0] == written[1]
        assert b"Lavf6" not in written[0]  # no name of a program


# --- where the words stand ---

PLACES = ["safe", "top", "bottom", "left", "right", "centre"]
INSETS = [
    {"top": "14", "bottom": "35", "left": "6", "right": "15.5"},
    {"top": "5", "bottom": "5", "left": "5", "right": "5"},
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("insets", INSETS)
@pytest.mark.parametrize(
    ("kind", "size"), [("super", (W, H)), ("legal", (W, H)), ("label", (540, 960)), ("lower-third", (W, H))]
)
def test_letters_stay_inside_the_safe_area(
    tmp_path: Path, place: str, insets: dict[str, str], kind: str, size: tuple[int, int]
) -> None:
    text = {"super": "Boils in three minutes.*", "label": "AI-generated", "legal": "*0.7 litre, gas hob."}
    words = text.get(kind, "Jöran Quist\nKettle maker")
    facts = render(
        tmp_path,
        kind=kind,
        text=words,
        place=place,
        safe=insets,
        frames=5,
        fade_frames=1,
        width=size[0],
        height=size[1],
    )
    for overlay in decode(tmp_path / "overlay.mov"):
        seen = over(facts, overlay, 0, size).max(axis=2) > 60  # letters, not the dark ground behind them
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        top, bottom, left, right = (float(insets[edge]) / 100 for edge in ("top", "bottom", "left", "right"))
        assert rows[0] >= size[1] * top
        assert rows[-1] < size[1] * (1 - bottom)
        assert columns[0] >= size[0] * left
        assert columns[-1] < size[0] * (1 - right)


def test_left_and_right_leave_the_other_half_to_the_picture(tmp_path: Path) -> None:
    left = render(tmp_path / "l", text="Boils in three minutes", place="left", frames=1)
    right = render(tmp_path / "r", text="Boils in three minutes", place="right", frames=1)
    assert left["x"] + left["width"] < W * 0.55
    assert right["x"] > W * 0.45


def test_a_super_at_the_bottom_leaves_room_for_the_legal_line(tmp_path: Path) -> None:
    words = render(tmp_path / "s", text="Boils in three minutes.*", place="bottom", frames=3, fade_frames=0)
    legal = render(tmp_path / "l", kind="legal", text="*0.7 litre, " * 14, place="bottom", frames=3, fade_frames=0)
    assert len(legal["lines"]) == 2

    def rows(facts: dict[str, Any], path: Path) -> npt.NDArray[np.intp]:
        return np.flatnonzero((over(facts, decode(path / "overlay.mov")[1], 0).max(axis=2) > 60).any(axis=1))

    assert rows(words, tmp_path / "s")[-1] + 4 < rows(legal, tmp_path / "l")[0]


def test_a_safe_area_that_leaves_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="leaves 960x27"):
        render(tmp_path, text="x", safe={"top": "60", "bottom": "35", "left": "0", "right": "0"})


# --- how they read ---


def test_light_letters_read_on_white_and_on_black(tmp_path: Path) -> None:
    for kind, least in (("super", 3.0), ("legal", 4.5), ("label", 4.5)):
        facts = render(tmp_path / kind, kind=kind, text="Hill mill", width=1920, height=1080, frames=3, fade_frames=0)
        overlay = decode(tmp_path / kind / "overlay.mov")[1]
        for ground in (255, 128, 0):
            seen = over(facts, overlay, ground, (1920, 1080)).astype(float)
            x, y, width, height = (facts[key] for key in ("x", "y", "width", "height"))
            seen = seen[y : y + height, x : x + width]
            letters = (np.abs(overlay[..., :3].astype(int) - PAPER).max(axis=2) < 3) & (overlay[..., 3] > 250)
            assert letters.sum() > 200
            near = cv2.dilate(letters.astype(np.uint8), np.ones((7, 7))) > 0
            around = near & (cv2.dilate(letters.astype(np.uint8), np.ones((5, 5))) == 0)
            light, dark = luminance(seen[letters]).mean(), luminance(seen[around]).mean()
            assert (light + 0.05) / (dark + 0.05) >= least, (kind, ground)


def test_sizes_hold_in_every_frame(tmp_path: Path) -> None:
    legal = {}
    for width, height in ((1920, 1080), (1080, 1920), (1080, 1080), (3840, 2160)):
        facts = render(tmp_path, kind="legal", text="*Lab test 2026.", width=width, height=height, frames=1)
        legal[width, height] = facts["text_height"]
    assert legal == {(1920, 1080): 32, (1080, 1920): 32, (1080, 1080): 32, (3840, 2160): 65}
    tall = render(tmp_path, kind="label", text="AI-generated", width=1080, height=1920, frames=1)
    assert tall["text_height"] >= 0.025 * 1920


def test_words_come_up_stand_and_go(tmp_path: Path) -> None:
    facts = render(tmp_path, text="Every day", frames=40, fade_frames=8)
    frames = decode(tmp_path / "overlay.mov")
    strength = [int(frame[..., 3].astype(int).sum()) for frame in frames]
    assert 0 < strength[0] < 0.1 * max(strength)
    assert 0 < strength[-1] < 0.2 * max(strength)
    assert all(a < b for a, b in itertools.pairwise(strength[:9]))
    assert all(a > b for a, b in itertools.pairwise(strength[-9:]))
    assert all((frame == frames[8]).all() for frame in frames[8:-8])

    def middle(frame: Frame) -> float:
        rows = over(facts, frame, 0).max(axis=2).astype(float).sum(axis=1)
        return float((rows * np.arange(H)).sum() / rows.sum())

    assert middle(frames[1]) > middle(frames[4]) + 0.3 > middle(frames[10]) + 0.3  # it rises, by parts of a pixel


def test_short_words_stand_for_a_third_of_their_time(tmp_path: Path) -> None:
    render(tmp_path, text="Now", frames=6, fade_frames=30)
    frames = decode(tmp_path / "overlay.mov")
    assert (frames[2] == frames[3]).all()
    assert frames[2][..., 3].max() == 255


def test_edges_carry_the_colour_of_the_letters_and_nothing_darker(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (8, 1))
    pictures = compose([Layer(PAPER, ramp, 4, 4)], (72, 16), frames=2, rate=Fraction(24), background=None)
    write_overlay(tmp_path / "ramp.mov", pictures, Fraction(24), bleed=PAPER)
    frame = decode(tmp_path / "ramp.mov")[1].astype(int)
    assert np.abs(frame[..., 3][8, 4:68] - np.linspace(0, 255, 64)).max() <= 1
    assert (np.abs(frame[..., :3] - PAPER) <= 1)[frame[..., 3] > 24].all()
    assert (frame[..., :3] == PAPER)[frame[..., 3] == 0].all()


def test_nothing_in_a_super_is_outside_the_two_tones(tmp_path: Path) -> None:
    render(tmp_path, text="Every day", frames=3, fade_frames=0)
    frame = decode(tmp_path / "overlay.mov")[1].astype(int)
    inked = frame[..., :3][frame[..., 3] > 40]
    assert (inked >= np.array(INK) - 3).all()
    assert (inked <= np.array(PAPER) + 1).all()


# --- what cannot be set ---


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Boils \u2603 now", r"no '☃' \(U\+2603 SNOWMAN\)"),
        ("三分で沸く", r"no '三' \(U\+4E09"),
        ("شاي", "written from right to left"),
        ("תה", "written from right to left"),
        ("चाय", "an Indic script"),
        ("ชา", "Thai or Lao"),
        ("q\u0303", r"U\+0303 COMBINING TILDE.* placed on its neighbour"),
        ("   ", "no text"),
    ],
)
def test_what_the_font_cannot_set_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(MediaError, match=named):
        render(tmp_path, text=text)
    assert not (tmp_path / "overlay.mov").exists()


def test_decomposed_letters_are_put_together_first(tmp_path: Path) -> None:
    assert render(tmp_path, text="Cafe\u0301 cre\u0300me", frames=1)["lines"] == ["Café crème"]


def test_too_many_words_are_an_error_that_quotes_them(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"'Boils in three minutes\. Boils .* does not fit: 3 lines"):
        render(tmp_path, text="Boils in three minutes. " * 12)
    with pytest.raises(MediaError, match="does not fit: 1 line"):
        render(tmp_path, kind="label", text="Made with generated pictures, all of them " * 3)


def test_words_wrap_before_they_shrink(tmp_path: Path) -> None:
    short = render(tmp_path, text="Boils in three minutes", frames=1)
    two = render(tmp_path, text="Boils in three minutes and keeps its warmth for an hour", frames=1)
    long = render(tmp_path, text="Boils in three minutes and keeps its warmth for an hour, " * 3, frames=1)
    assert [len(facts["lines"]) for facts in (short, two, long)] == [1, 2, 3]
    assert short["text_height"] == two["text_height"] > long["text_height"] >= 0.042 * H - 1


def test_a_file_that_is_no_font_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.ttf").write_bytes(b"not a font at all")
    with pytest.raises(MediaError, match=r"bad\.ttf cannot be read as a font"):
        render(tmp_path, {"font": tmp_path / "bad.ttf"}, text="x")


def test_the_bundled_font_sets_latin_and_travels_with_its_licence() -> None:
    assert FALLBACK_FONT.stat().st_size < 400_000
    assert "OFL" in FALLBACK_FONT.with_name("Inter-LICENSE.txt").read_text()
    western = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x149)])) + "–—‘’“”„…•€™−ẞ"  # noqa: RUF001
    assert Typeface((("latin", FALLBACK_FONT),), "latin").missing(western.replace("\u00ad", "")) == ""
    assert Typeface((("latin", FALLBACK_FONT),), "latin").missing("a☃b☃\n三") == "☃三"
    assert unsettable_script("Plain words, 三分 and Ελληνικά") is None


def pixels(text: str, size: float) -> float:
    return len(text) * size / 2


@settings(max_examples=100)
@given(st.lists(st.text(alphabet="abc,.", min_size=1, max_size=9), min_size=1, max_size=25), st.integers(1, 4))
def test_setting_keeps_every_word_and_every_limit(words: list[str], most: int) -> None:
    text = " ".join(words)
    try:
        setting = fit_text(text, pixels, width=200, size=20, floor=10, most_lines=most)
    except MediaError:
        # True only if greedy filling at the floor (40 characters a line) needs more lines than there are.
        lines, line = 1, 0
        for word in words:
            lines, line = (
                (lines, line + 1 + len(word))
                if line and line + 1 + len(word) <= 40
                else (lines + (line > 0), len(word))
            )
        assert lines > most
        return
    assert " ".join(setting.lines) == text
    assert len(setting.lines) <= most
    assert all(pixels(line, setting.size) <= 200 for line in setting.lines)
    assert 10 <= setting.size <= 20


def test_lines_are_balanced() -> None:
    setting = fit_text("one two three four five six seven", pixels, width=200, size=20, floor=20, most_lines=3)
    assert setting.lines == ("one two three four", "five six seven")
    kept = fit_text("one\ntwo three", pixels, width=200, size=20, floor=20, most_lines=3)
    assert kept.lines == ("one", "two three")
    japanese = fit_text(
        "お湯が沸くまで三分です。毎日", lambda text, size: len(text) * size, width=100, size=10, floor=10, most_lines=2
    )
    assert japanese.lines == ("お湯が沸くまで", "三分です。毎日")


# --- end cards ---


def test_a_card_builds_logo_then_headline_then_legal(tmp_path: Path, card: dict[str, Path]) -> None:
    facts = render(tmp_path / "out", card, kind="end-card", fields=FIELDS, frames=72, fade_frames=9)
    assert facts["lines"] == ["The Alder kettle", "alder.example"]
    frames = [frame.astype(int) for frame in decode(tmp_path / "out" / "card.mov", "rgb24")]
    zones = {"logo": (120, 220), "headline": (270, 325), "line": (356, 364), "legal": (390, 420)}

    def arrived(name: str) -> int:
        top, bottom = zones[name]
        last = frames[-1][top:bottom]
        assert np.abs(last - np.array(PAPER)).max() > 60, name
        return next(n for n, frame in enumerate(frames) if np.abs(frame[top:bottom] - last).max() <= 4)

    order = [arrived(name) for name in zones]
    assert order == sorted(order)
    assert len(set(order)) == 4
    assert order[-1] < 36  # it can be read for half of its time
    assert np.abs(frames[-1][5, 5] - np.array(PAPER)).max() <= 2
    left, right = (
        np.flatnonzero(np.abs(frames[-1][270:325] - np.array(PAPER)).max(axis=(0, 2)) > 60)[end] for end in (0, -1)
    )
    assert abs((left + right) / 2 - W / 2) < 2


def test_a_card_in_a_tall_frame_keeps_its_size_and_its_margins(tmp_path: Path, card: dict[str, Path]) -> None:
    facts = render(tmp_path / "out", card, kind="end-card", fields=FIELDS, width=540, height=960, frames=30)
    assert facts["text_height"] == 18
    last = decode(tmp_path / "out" / "card.mov", "rgb24")[-1].astype(int)
    columns = np.flatnonzero(np.abs(last - np.array(PAPER)).max(axis=(0, 2)) > 60)
    assert columns[0] >= 27
    assert columns[-1] < 540 - 27


def test_of_two_logos_the_one_that_is_seen_is_used(tmp_path: Path, card: dict[str, Path]) -> None:
    both = {"template": card["template"]}
    for name, colour in (("logo_dark", INK), ("logo_light", PAPER)):
        both[name] = tmp_path / f"{name}.png"
        Image.new("RGBA", (100, 40), (*colour, 255)).save(both[name])
    for ground, wanted in (("--paper", INK), ("--ink", PAPER)):
        both["template"].write_text(
            CARD.replace('height="1080" fill="var(--paper)"', f'height="1080" fill="var({ground})"')
        )
        render(tmp_path / "out", both, kind="end-card", frames=12)
        middle = decode(tmp_path / "out" / "card.mov", "rgb24")[-1][170, 480].astype(int)
        assert np.abs(middle - np.array(wanted)).max() <= 4


@pytest.mark.parametrize("size", [(W, H), (540, 960)])
def test_a_band_from_edge_to_edge_belongs_to_the_ground(
    tmp_path: Path, card: dict[str, Path], size: tuple[int, int]
) -> None:
    band = '<rect x="0" y="1040" width="1920" height="40" fill="var(--accent)"/></svg>'
    card["template"].write_text(CARD.replace("</svg>", band))
    render(tmp_path / "out", card, kind="end-card", fields=FIELDS, frames=8, width=size[0], height=size[1])
    first = decode(tmp_path / "out" / "card.mov", "rgb24")[0].astype(int)
    accent = np.abs(first - np.array((0x2E, 0x6B, 0x4F))).max(axis=2) <= 4
    assert accent[-18:].all()
    assert not accent[:-24].any()


def test_a_long_headline_takes_two_lines(tmp_path: Path, card: dict[str, Path]) -> None:
    fields = FIELDS | {"headline": "The Alder kettle, made to be used every single day of the year"}
    facts = render(tmp_path / "out", card, kind="end-card", fields=fields, frames=4)
    assert facts["lines"] == ["The Alder kettle, made to be", "used every single day of the year", "alder.example"]


def test_an_empty_field_is_left_out(tmp_path: Path, card: dict[str, Path]) -> None:
    facts = render(tmp_path / "out", card, kind="end-card", fields={"headline": "Alder", "legal": ""}, frames=4)
    assert facts["lines"] == ["Alder"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("<g>", "<path d='M0 0'/><g>"), "it has a <path>"),
        (('opacity="0.8"', 'filter="url(#x)"'), "attribute 'filter' of a <text>"),
        (("var(--accent)", "var(--brand)"), r"stroke='var\(--brand\)'"),
        (('x="760"', 'x="40%"'), "x='40%' of a <image> is not a number"),
        (("</svg>", ""), "cannot be read as a card"),
        (("<svg", "<!DOCTYPE svg><svg"), "declares a document type"),
        (('y="820"', 'y="640"'), "run into each other"),
        (('y="820"', 'y="1075"'), "leaves the safe area"),
        (('text-anchor="middle"', 'text-anchor="centre"'), "text-anchor='centre'"),
        (('x2="1020" y2="720"', 'x2="1020" y2="760"'), "neither level nor upright"),
        (('viewBox="0 0 1920 1080"', 'viewBox="10 0 1920 1080"'), "viewBox"),
        (('width="400" height="160"', 'width="0" height="160"'), "no width"),
    ],
)
def test_a_card_that_cannot_be_drawn_says_why(
    tmp_path: Path, card: dict[str, Path], change: tuple[str, str], named: str
) -> None:
    card["template"].write_text(CARD.replace(*change))
    with pytest.raises(MediaError, match=named):
        render(tmp_path / "out", card, kind="end-card", fields=FIELDS, frames=4)


def test_what_a_card_is_missing_is_named(tmp_path: Path, card: dict[str, Path]) -> None:
    with pytest.raises(MediaError, match="no text for the field 'price'; it has headline, legal"):
        render(tmp_path / "out", card, kind="end-card", fields=FIELDS | {"price": "3"}, frames=4)
    with pytest.raises(MediaError, match="brand kit has none"):
        render(tmp_path / "out", {"template": card["template"]}, kind="end-card", fields=FIELDS, frames=4)
    with pytest.raises(MediaError, match="no template"):
        render(tmp_path / "out", kind="end-card", fields=FIELDS, frames=4)
    with pytest.raises(MediaError, match="does not fit"):
        render(tmp_path / "out", card, kind="end-card", fields=FIELDS | {"headline": "Every day " * 30}, frames=4)
    card["logo"].write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(MediaError, match=r"logo\.png cannot be read"):
        render(tmp_path / "out", card, kind="end-card", fields=FIELDS, frames=4)


# --- what is done with them ---


def test_the_stitch_can_begin_in_the_middle_and_lays_words_on_a_card(tmp_path: Path, card: dict[str, Path]) -> None:
    words = render(tmp_path / "w", text="Every day", place="top", frames=48, fade_frames=6)
    render(tmp_path / "c", card, kind="end-card", fields=FIELDS, frames=72)
    files = {"card": tmp_path / "c" / "card.mov", "words": tmp_path / "w" / "overlay.mov"}
    whole = decode(files["words"])
    with FrameReader(files["words"], Fraction(24), 29) as reader:
        assert (reader.read(29).to_ndarray(format="rgba") == whole[29]).all()
    video = VideoSettings(codec="h264", crf=12, preset="veryfast")
    params = rendering.Params.model_validate(
        {
            "width": W,
            "height": H,
            "rate": "24",
            "frames": 72,
            "clips": [{"input": "card", "start": 0, "frames": 72}],
            "overlays": [{"input": "words", "x": words["x"], "y": words["y"], "start": 12, "frames": 48}],
            "video": video.model_dump(),
        }
    )
    (tmp_path / "s").mkdir()
    rendering.run(params, files, tmp_path / "s")
    film = decode(tmp_path / "s" / "picture.mp4", "rgb24")
    assert len(film) == 72
    x, y, width, height = (words[key] for key in ("x", "y", "width", "height"))
    seen = film[36][y : y + height, x : x + width].astype(float)
    alpha = whole[24][..., 3:] / 255
    wanted = np.array(PAPER) * (1 - alpha) + whole[24][..., :3] * alpha
    assert np.abs(luminance(seen) - luminance(wanted)).mean() < 0.01
    assert np.abs(film[10].astype(int)[y : y + height // 2] - np.array(PAPER)).max() < 8  # not there yet


# --- guards ---


async def test_as_a_step_of_its_own(tmp_path: Path) -> None:
    params = {
        "kind": "legal",
        "text": "*Lab test.",
        "width": W,
        "height": H,
        "rate": "24",
        "frames": 4,
        "colours": COLOURS,
    }
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    outcome = await run_step_process("graphics", params, {"font": FALLBACK_FONT}, tmp_path / "good")
    assert list(outcome.files) == ["overlay.mov"]
    assert outcome.facts["frames"] == 4
    with pytest.raises(MediaError, match="SNOWMAN"):
        await run_step_process("graphics", params | {"text": "☃"}, {}, tmp_path / "bad")


def test_moviepy_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import dotenv  # type: ignore[import-not-found,unused-ignore]

    def load(*_: object, **__: object) -> None:
        os.environ["SHOTRUNNER_TEST_LEAK"] = "1"

    monkeypatch.setattr(dotenv, "load_dotenv", load)
    for name in [name for name in sys.modules if name.split(".")[0] == "moviepy"]:
        monkeypatch.delitem(sys.modules, name)
    layers._moviepy()
    assert "SHOTRUNNER_TEST_LEAK" not in os.environ


def test_safe_insets_round_inwards() -> None:
    box = safe_box(1081, 1351, **{edge: Decimal(5) for edge in ("top", "bottom", "left", "right")})
    assert box == (55, 68, 1081 - 55, 1351 - 68)
