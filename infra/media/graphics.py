"""Words on screen: supers, legal lines, lower thirds, labels and captions as overlays with alpha; end cards as frames.

Text is set with the given fonts alone, inside the safe area, wrapped, then shrunk to a floor; what cannot be set so is
an error that names it. Sizes go by the shorter side of the frame, so that they hold in any ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.card_template import parse_colour
from infra.media.end_card import CardJob, card_layers, check_card, rounded
from infra.media.layers import Colour, Layer, compose, write_card, write_overlay
from infra.media.lettering import Coverage, block_size, blur, cap_height, draw_block, measure_with
from infra.media.safe import Safe, safe_box
from infra.media.type_setting import Setting, check_text, fit_text
from infra.media.typeface import Typeface, open_typeface

Hex = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]
Align = Literal["left", "centre"]
T = TypeVar("T")


class SafeParams(BaseModel):
    """Per cent of the height (top, bottom) and of the width (left, right), as decimal text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top: Decimal = Decimal(5)
    bottom: Decimal = Decimal(5)
    left: Decimal = Decimal(5)
    right: Decimal = Decimal(5)


class Colours(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ink: Hex
    paper: Hex
    accent: Hex


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["super", "legal", "lower-third", "end-card", "label", "caption"]
    text: str = ""
    fields: dict[str, str] = Field(default_factory=dict)
    place: Literal["safe", "top", "bottom", "left", "right", "centre"] = "safe"
    width: Annotated[int, Field(ge=64, multiple_of=2)]
    height: Annotated[int, Field(ge=64, multiple_of=2)]
    rate: str
    frames: Annotated[int, Field(gt=0)]
    safe: SafeParams = SafeParams()
    colours: Colours
    fade_frames: Annotated[int, Field(ge=0)] = 8
    over_captions: bool = False  # captions are burned into the same picture: stay above them


@dataclass(frozen=True)
class _Style:
    """Of the em, as parts of the shorter side; `width` as a part of the safe area's."""

    size: float
    floor: float
    most_lines: int
    width: float
    shade: float  # how dark the ground behind the letters becomes, 0 to 1
    gain: float = 1.6
    rise: float = 0.0


LEGAL_SIZE = 0.030
UNDER = 0.2  # of the em: on a plate the eye centres the letters without their descenders
_STYLES = {
    "super": _Style(0.064, 0.042, 3, 0.86, 0.36, rise=0.014),
    "column": _Style(0.064, 0.042, 5, 0.42, 0.36, rise=0.014),  # a super at the left or right
    "legal": _Style(LEGAL_SIZE, 0.026, 3, 0.86, 0.66, gain=2.4),
    "label": _Style(0.030, 0.026, 1, 0.60, 0.0),
    "caption": _Style(0.046, 0.026, 2, 1.0, 0.0),
}
_PLATES = {"label": 0.68, "caption": 0.76}  # how dark; the caption's lets white shine through at less than 4.5:1
CAPTION_EMS = 22.5  # the size of captions is such that a full line of 42 letters fits: one size for the whole film
CAPTION_PAD = 0.34  # of the em
_THIRD = (_Style(0.050, 0.036, 1, 0.60, 0.0), _Style(0.032, 0.026, 2, 0.60, 0.0))


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    """Writes overlay.mov, cropped to the box that the facts give, or for an end card card.mov."""
    rate = Fraction(params.rate)
    if params.kind == "end-card":
        card = _lay_card(params, inputs, lambda job: card_layers(job, frames=params.frames, fade=_fade(params)))
        size = (params.width, params.height)
        pictures = compose(card.layers, size, frames=params.frames, rate=rate, background=card.ground)
        frames = write_card(out / "card.mov", pictures, rate)
        box = (0, 0, *size)
        return _facts(box, frames, opaque=True, text_height=card.smallest, cap=card.smallest_cap, lines=card.lines)
    face = open_typeface(inputs, _text(params))
    layers, setting = _third(params, face) if params.kind == "lower-third" else _words(params, face)
    layers, box = _crop(layers, params.width, params.height)
    pictures = compose(layers, box[2:], frames=params.frames, rate=rate, background=None)
    frames = write_overlay(out / "overlay.mov", pictures, rate, bleed=_tones(params)[1])
    cap = cap_height(face, setting.size)
    return _facts(box, frames, opaque=False, text_height=setting.size, cap=cap, lines=list(setting.lines))


def lay_out(params: Params, inputs: Mapping[str, Path]) -> None:
    """Sets the words as `run` would and draws nothing. Raises MediaError for what does not fit or is missing."""
    if params.kind == "end-card":
        _lay_card(params, inputs, check_card)
    elif params.kind == "lower-third":
        _set_third(params, open_typeface(inputs, _text(params)))
    else:
        _place_words(params, open_typeface(inputs, _text(params)))


def _lay_card(params: Params, inputs: Mapping[str, Path], lay: Callable[[CardJob], T]) -> T:
    if "template" not in inputs:
        raise MediaError("an end card has no template", remedy="name its template in the brand kit's end_cards")
    return lay(
        CardJob(
            template=inputs["template"],
            face_for=lambda text: open_typeface(inputs, text),
            logos=tuple(inputs[name] for name in sorted(inputs) if name.startswith("logo")),
            fields=params.fields,
            colours=params.colours.model_dump(),
            size=(params.width, params.height),
            safe=_safe(params),
        )
    )


def _facts(
    box: tuple[int, int, int, int], frames: int, *, opaque: bool, text_height: float, cap: float, lines: list[str]
) -> dict[str, object]:
    x, y, width, height = box
    facts: dict[str, object] = {"x": x, "y": y, "width": width, "height": height, "frames": frames, "opaque": opaque}
    return facts | {"text_height": round(text_height), "cap_height": round(cap, 1), "lines": lines}


def _safe(params: Params) -> Safe:
    s = params.safe
    return safe_box(params.width, params.height, top=s.top, bottom=s.bottom, left=s.left, right=s.right)


def _room(params: Params, face: Typeface) -> Safe:
    """The safe area, less what captions take of it when they are burned into the same picture."""
    safe = _safe(params)
    if not params.over_captions or params.kind == "caption":
        return safe
    size = _caption_size(params, safe)
    zone = size * (face.leading + 1 + 2 * CAPTION_PAD) + 0.018 * min(params.width, params.height)
    return safe._replace(bottom=safe.bottom - round(zone))


def _caption_size(params: Params, safe: Safe) -> float:
    unit = min(params.width, params.height)
    return max(
        min(_STYLES["caption"].size * unit, safe.width / (CAPTION_EMS + 2 * CAPTION_PAD)),
        _STYLES["caption"].floor * unit,
    )


def _tones(params: Params) -> tuple[Colour, Colour]:
    """The lighter and the darker of ink and paper: letters over pictures are light, what is behind them dark."""
    ink, paper = parse_colour(params.colours.ink), parse_colour(params.colours.paper)
    return (paper, ink) if sum(paper) >= sum(ink) else (ink, paper)


def _fade(params: Params) -> int:
    """At least a third of the time the words stand still."""
    return min(params.fade_frames, params.frames // 3)


def _text(params: Params) -> str:
    return params.text or "\n".join(params.fields.values())


@dataclass(frozen=True)
class _Placed:
    """Words as they will be drawn: `x` and `y` of the plate, or of the words where they have none."""

    setting: Setting
    x: int
    y: int
    width: int
    height: int
    pad: int


def _place_words(params: Params, face: Typeface) -> _Placed:
    safe, unit = _room(params, face), min(params.width, params.height)
    style = _style(params)
    # Some markets ask for labels of 2.5 per cent of the height, which in a tall frame is more than our own floor.
    least = 0.0255 * params.height if params.kind == "label" else 0.0
    size = _caption_size(params, safe) if params.kind == "caption" else max(style.size * unit, least)
    pad = round({"label": 0.5, "caption": CAPTION_PAD}.get(params.kind, 0) * size)
    setting = fit_text(
        check_text(face, _text(params)),
        measure_with(face),
        width=safe.width * style.width - 2 * pad,
        size=size,
        floor=max(style.floor * unit, least),
        most_lines=style.most_lines,
    )
    width, height = block_size(face, setting)
    if pad:
        height -= round(UNDER * setting.size)
    if height + 2 * pad > safe.height:
        raise MediaError(f"{params.text!r} is taller than the safe area", remedy="shorten the text")
    x, y = _corner(params, face, safe, width + 2 * pad, height + 2 * pad, unit)
    return _Placed(setting, x, y, width + 2 * pad, height + 2 * pad, pad)


def _style(params: Params) -> _Style:
    column = params.kind == "super" and params.place in {"left", "right"}
    return _STYLES["column" if column else params.kind]


def _words(params: Params, face: Typeface) -> tuple[list[Layer], Setting]:
    placed, style = _place_words(params, face), _style(params)
    setting, x, y = placed.setting, placed.x, placed.y
    light, dark = _tones(params)
    fade = _fade(params)
    align: Align = "left" if style is _STYLES["column"] or params.kind == "label" else "centre"
    rise = style.rise * min(params.width, params.height)
    timing = {"fade_in": fade, "fade_out": fade}
    margin = int(setting.size * 1.8 + rise) + 2
    letters = draw_block(face, setting, align=align, margin=margin)
    if placed.pad:
        rounding = 0.35 * placed.height if params.kind == "label" else 0.2 * setting.size
        plate = rounded(placed.width, placed.height, rounding) * np.float32(_PLATES[params.kind])
        ground = Layer(dark, plate, x, y, **timing)
    else:
        ground = Layer(dark, _shade(letters, setting.size, style.shade, style.gain), x - margin, y - margin, **timing)
    at = {"x": x + placed.pad - margin, "y": y + placed.pad - margin}
    return [ground, Layer(light, letters, rise=rise, **at, **timing)], setting


def _corner(params: Params, face: Typeface, safe: Safe, width: int, height: int, unit: int) -> tuple[int, int]:
    """Top left of the words. Supers keep clear of the two legal lines that may stand below them."""
    centred = safe.left + (safe.width - width) // 2
    below = safe.bottom - height
    if params.kind == "label":
        x = safe.right - width if params.place == "right" else safe.left
        return (centred if params.place == "centre" else x), (below if params.place == "bottom" else safe.top)
    if params.kind in {"legal", "caption"}:
        return centred, (safe.top if params.place == "top" else below)
    raised = max(below - _legal_zone(face, unit), safe.top)
    middle = safe.top + (safe.height - height) // 2
    places = {
        "top": (centred, safe.top),
        "centre": (centred, middle),
        "left": (safe.left, middle),
        "right": (safe.right - width, middle),
    }
    return places.get(params.place, (centred, raised))


def _legal_zone(face: Typeface, unit: int) -> int:
    return round((2 * face.leading * LEGAL_SIZE + 0.02) * unit)


def _set_third(params: Params, face: Typeface) -> list[Setting]:
    """A name and, smaller, what it is."""
    safe, unit = _room(params, face), min(params.width, params.height)
    head, _, rest = check_text(face, _text(params)).partition("\n")
    settings: list[Setting] = []
    for text, style in zip((head, " ".join(rest.split())), _THIRD, strict=True):
        if text:
            wide = safe.width * style.width
            sizes = {"size": style.size * unit, "floor": style.floor * unit}
            settings.append(fit_text(text, measure_with(face), width=wide, most_lines=style.most_lines, **sizes))
    return settings


def _third(params: Params, face: Typeface) -> tuple[list[Layer], Setting]:
    """On a dark plate with a bar of the accent colour."""
    safe, unit = _room(params, face), min(params.width, params.height)
    settings = _set_third(params, face)
    pad, bar = round(0.026 * unit), round(0.007 * unit)
    blocks = [block_size(face, setting) for setting in settings]
    gap = round(0.014 * unit)
    width = bar + 2 * pad + max(block[0] for block in blocks)
    height = 2 * pad + sum(block[1] for block in blocks) + gap * (len(blocks) - 1) - round(UNDER * settings[-1].size)
    x = safe.right - width if params.place == "right" else safe.left
    y = safe.top if params.place == "top" else safe.bottom - _legal_zone(face, unit) - height
    light, dark = _tones(params)
    fade, rise = _fade(params), 0.010 * unit
    timing = {"fade_in": fade, "fade_out": fade}
    plate = np.full((height, width), 0.78, np.float32)
    layers = [
        Layer(dark, plate, x, y, **timing),
        Layer(parse_colour(params.colours.accent), np.ones((height, bar), np.float32), x, y, **timing),
    ]
    down, margin = y + pad, int(rise) + 6
    for number, (setting, block) in enumerate(zip(settings, blocks, strict=True)):
        letters = draw_block(face, setting, align="left", margin=margin)
        delay = min(2 + 2 * number, params.frames // 6)
        place = {"x": x + bar + pad - margin, "y": down - margin}
        layers.append(Layer(light, letters, delay=delay, rise=rise, **place, **timing))
        down += block[1] + gap
    lines = tuple(line for setting in settings for line in setting.lines)
    return layers, Setting(lines, settings[-1].size, width)


def _shade(letters: Coverage, size: float, strength: float, gain: float) -> Coverage:
    """A dark ground for light letters that nobody notices: a tight glow, and a wide one that fills the words' gaps.

    Both begin outside of the letters: blurring takes from thin strokes and from the ends of words, which must hold on
    white pictures too, 3:1 for supers and 4.5:1 for legal lines.
    """
    tight = np.minimum(blur(_spread(letters, 0.10 * size), 0.06 * size), 1)
    filled = cv2.morphologyEx(letters, cv2.MORPH_CLOSE, np.ones((1, max(int(0.9 * size), 3)), np.uint8))
    wide = np.minimum(blur(_spread(np.asarray(filled, dtype=np.float32), 0.10 * size), 0.30 * size) * gain, 1)
    shade = 1 - (1 - np.float32(0.70) * tight) * (1 - np.float32(strength) * wide)
    # Less than one step of 8 bits would only make the box larger.
    return np.where(shade < 1 / 255, 0, shade).astype(np.float32)


def _spread(coverage: Coverage, by: float) -> Coverage:
    side = 2 * max(round(by), 1) + 1
    round_brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(coverage, round_brush), dtype=np.float32)


def _crop(layers: list[Layer], width: int, height: int) -> tuple[list[Layer], tuple[int, int, int, int]]:
    """Moves the layers into the smallest box that holds them, inside the frame and on even pixels."""
    rise = int(max(layer.rise for layer in layers)) + 1
    seen = [(layer, np.argwhere(layer.coverage > 0)) for layer in layers]
    left = min(layer.x + int(at[:, 1].min()) for layer, at in seen)
    top = min(layer.y + int(at[:, 0].min()) for layer, at in seen)
    right = max(layer.x + int(at[:, 1].max()) + 1 for layer, at in seen)
    bottom = max(layer.y + int(at[:, 0].max()) + 1 for layer, at in seen) + rise
    left, top = max(left - left % 2, 0), max(top - top % 2, 0)
    right, bottom = min(right + right % 2, width), min(bottom + bottom % 2, height)
    moved = [
        Layer(part.fill, part.coverage, part.x - left, part.y - top, part.delay, part.fade_in, part.fade_out, part.rise)
        for part in layers
    ]
    return moved, (left, top, right - left, bottom - top)
