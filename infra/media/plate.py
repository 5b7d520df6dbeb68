"""Paints a still from a prompt and reference pictures: the backlot's stand-in for an image model.

Only tags and bytes reach it, so what a reference is follows from the picture itself: transparency or an upright format
makes it a subject, anything else the place. A bust is cropped by the frame, a thing stands on a surface with its
shadow. Same request, same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from infra.errors import MediaError
from infra.media import brush
from infra.media.brush import Mask, Picture, lay, rgb
from infra.media.grade import grade_picture
from infra.media.scenery import OUTDOORS, draw_cup, lay_steam, lay_worktop, paint_scene


@dataclass(frozen=True)
class Subject:
    colour: Picture
    alpha: Mask
    bust: bool  # its outline is cut off by its lower edge, as people's are


@dataclass(frozen=True)
class Framing:
    """How the words place things: distances are of the frame's height, places of its width."""

    close: float  # 0 wide … 1 close
    place: float
    surface: float  # where things stand


def paint_still(
    prompt: str, references: Sequence[tuple[str, Path]], width: int, height: int, seed: int, out: Path
) -> None:
    """Writes `out`, a PNG of that size. References are (tag, file); another seed composes a little differently."""
    rng = np.random.default_rng([seed, 41])
    words = prompt.lower()
    backdrops, subjects = _load_references(references)
    framing = _read_framing(words, bool(subjects), rng)
    busts, things = [s for s in subjects if s.bust], [s for s in subjects if not s.bust]
    if backdrops:
        picture = _frame_backdrop(backdrops[0], width, height, framing, rng, alone=not subjects)
    else:
        picture = paint_scene(prompt, width, height, rng)
    indoors = not backdrops and not re.search(OUTDOORS, words)
    lone_cup = not subjects and (indoors or bool(re.search(r"\bcups?\b|\bmugs?\b", words)))
    together = 0.16 if busts and things else 0.0  # people stand behind what is on the worktop, and beside it
    for bust in busts:
        _place_bust(picture, bust, replace(framing, place=framing.place + together), rng)
    if together:
        framing = replace(framing, close=framing.close * 0.3, place=framing.place - together, surface=0.96)
    if things or lone_cup:
        lay_worktop(picture, words, rng, height * (framing.surface - (0.09 if together else 0.17)))
    if lone_cup:
        _stand_cup(picture, words, rng, width * framing.place, height * framing.surface, height * 0.25)
    _place_things(picture, words, things, framing, rng)
    finished = grade_picture(picture, words, rng)
    Image.fromarray(brush.to_bytes(finished)).save(out, "PNG", compress_level=4)


def _load_references(references: Sequence[tuple[str, Path]]) -> tuple[list[Picture], list[Subject]]:
    backdrops: list[Picture] = []
    subjects: list[Subject] = []
    for tag, path in references:
        try:
            with Image.open(path) as file:
                picture = np.asarray(np.asarray(file.convert("RGBA"), np.float32) / 255, np.float32)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise MediaError(f"the reference @{tag} is not a picture that can be read") from error
        colour, alpha = np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])
        if (alpha < 0.5).mean() > 0.02:
            subjects.append(_cut_out(colour, alpha))
        elif picture.shape[1] / picture.shape[0] >= 1.2:
            backdrops.append(colour)
        else:
            subjects.append(_cut_out(colour, _matte(colour)))
    return backdrops, subjects


def _cut_out(colour: Picture, alpha: Mask) -> Subject:
    rows, columns = np.flatnonzero((alpha > 0.04).any(axis=1)), np.flatnonzero((alpha > 0.04).any(axis=0))
    if not rows.size:
        return Subject(colour, alpha, bust=False)
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    bust = bool(rows[-1] >= alpha.shape[0] - 2 and (alpha[-1] > 0.5).mean() > 0.3)
    return Subject(colour[part], alpha[part], bust)


def _matte(colour: Picture) -> Mask:
    """What stands before an even ground, told by its distance from the colour of the borders; else a soft oval."""
    h, w = colour.shape[:2]
    rim = np.concatenate((colour[: h // 12].reshape(-1, 3), colour[: h // 2, : w // 20].reshape(-1, 3)))
    ground = np.median(rim, axis=0)
    if float(np.abs(rim - ground).mean()) > 0.06:
        return np.asarray(brush.glow(w, h, w / 2, h / 2, w * 0.44, h * 0.46).clip(0, 0.6) / 0.6, np.float32)
    distance = np.linalg.norm(colour - ground, axis=2).astype(np.float32)
    outside = np.pad((distance < 0.10).astype(np.uint8), ((1, 0), (1, 1)), constant_values=1)
    cv2.floodFill(outside, None, (0, 0), 2)
    inside = (outside[1:, 1:-1] != 2).astype(np.uint8)
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    # a pixel in from the outline, where nothing of the ground is left in the colour
    return brush.soften(cv2.erode(inside, np.ones((3, 3), np.uint8)).astype(np.float32), max(0.6, w / 1000))


def _read_framing(words: str, has_subject: bool, rng: np.random.Generator) -> Framing:
    close = 0.5 if has_subject else 0.12
    if re.search(r"\b(?:wide|establishing|long) (?:\w+ )?shot|\bwide\b", words):
        close = 0.0
    elif re.search(r"\bmedium close\b|\bmedium shot\b", words):
        close = 0.6
    elif re.search(r"\bclose\b|\bclose-?up\b|\bmacro\b|\bat cup height\b", words):
        close = 0.85
    place = 0.5
    if re.search(r"\bleft third\b|\bon the left\b|\b(?:text|space|background|filling)[^.,]{0,30}right half", words):
        place = 0.33
    elif re.search(r"\bright third\b|\bon the right\b|\b(?:text|space|background|filling)[^.,]{0,30}left half", words):
        place = 0.67
    return Framing(
        close=close,
        place=place + float(rng.uniform(-0.02, 0.02)),
        surface=0.84 + 0.05 * close + float(rng.uniform(-0.008, 0.008)),
    )


def _frame_backdrop(
    source: Picture, width: int, height: int, framing: Framing, rng: np.random.Generator, *, alone: bool
) -> Picture:
    """The place, nearer and softer the closer the shot is; alone it is sharp and nearly whole."""
    near = 1.02 + (0.0 if alone else 0.75 * framing.close) + float(rng.uniform(0, 0.035))
    h, w = source.shape[:2]
    factor = max(width / w, height / h) * near
    middle_x = w * (0.5 + float(rng.uniform(-0.03, 0.03)) + (0.0 if alone else 0.5 - framing.place) * 0.25)
    middle_y = h * (0.5 + (0.0 if alone else 0.02))
    half_w, half_h = width / factor / 2, height / factor / 2
    x = float(np.clip(middle_x, half_w, w - half_w)) - half_w
    y = float(np.clip(middle_y, half_h, h - half_h)) - half_h
    matrix = np.array([[1 / factor, 0, x + 0.5 / factor - 0.5], [0, 1 / factor, y + 0.5 / factor - 0.5]], np.float32)
    if factor < 1:
        source = brush.soften(source, 0.5 / factor)
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    framed = cv2.warpAffine(source, matrix, (width, height), flags=how, borderMode=cv2.BORDER_REFLECT_101)
    picture = np.clip(np.asarray(framed, np.float32), 0, 1)
    return picture if alone else brush.soften(picture, height * (0.004 + 0.010 * framing.close))


def _place_things(
    picture: Picture, words: str, things: Sequence[Subject], framing: Framing, rng: np.random.Generator
) -> None:
    h, w = picture.shape[:2]
    with_cup = bool(re.search(r"\bcups?\b|\bmugs?\b", words))
    base = h * framing.surface
    room = min(1.0, 1.2 * w / h)  # an upright frame is narrow before it is low
    size = h * room * (0.34 + 0.36 * framing.close) * float(rng.uniform(0.96, 1.04))
    if things and re.search(r"\bpour|\btilted over\b", words):
        _pour(picture, words, things[0], w * min(framing.place, 0.42), base, size, rng)
        return
    for number, thing in enumerate(things):
        offset = (number - (len(things) - 1) / 2) * 0.34
        x = w * (framing.place + offset - (0.035 if with_cup else 0.0))
        reach = size / thing.alpha.shape[0] * thing.alpha.shape[1]
        _stand(picture, thing, x, base, size)
        if with_cup and number == len(things) - 1:
            _stand_cup(picture, words, rng, x + reach * 0.5 + size * 0.22, base + size * 0.05, size * 0.32)
    if things and re.search(r"\bsteam|\bvapou?r", words):
        lay_steam(picture, rng, w * framing.place - size * 0.42, base - size * 0.62, size * 0.5, 0.2)


def _stand(picture: Picture, thing: Subject, x: float, base: float, size: float) -> None:
    colour, alpha = _scaled(thing, size / thing.alpha.shape[0])
    left, top = round(x - alpha.shape[1] / 2), round(base - alpha.shape[0])
    _drop_shadow(picture, alpha, left, top)
    _paste(picture, colour, alpha, left, top)


def _stand_cup(picture: Picture, words: str, rng: np.random.Generator, x: float, base: float, size: float) -> None:
    colour, alpha = draw_cup(max(8, round(size * float(rng.uniform(0.97, 1.03)))), _contents(words))
    left, top = round(x - alpha.shape[1] * 0.43), round(base - alpha.shape[0] * 0.97)
    _drop_shadow(picture, alpha, left, top)
    _paste(picture, colour, alpha, left, top)


def _contents(words: str) -> str | None:
    if re.search(r"\bempty\b", words):
        return None
    if re.search(r"\bcoffee\b|\bespresso\b", words):
        return "#5B3A26"
    return "#B98A57" if re.search(r"\btea\b", words) else "#BFC9C4"


def _pour(
    picture: Picture, words: str, thing: Subject, x: float, base: float, size: float, rng: np.random.Generator
) -> None:
    """The thing tipped so that its spout is over a cup, a stream between them."""
    to_left = _spout_is_left(thing.alpha)
    angle = float(rng.uniform(21, 25)) * (1 if to_left else -1)
    colour, alpha = _turned(*_scaled(thing, size * 1.14 / thing.alpha.shape[0]), angle)
    columns = np.flatnonzero((alpha > 0.5).any(axis=0))
    tip_x = int(columns[0] + 2 if to_left else columns[-1] - 2)
    tip_y = int(np.flatnonzero(alpha[:, tip_x] > 0.5).mean())
    cup = size * 0.46
    spout_y = base - cup * 1.62
    left, top = round(x - tip_x), round(spout_y - tip_y)
    shadow = np.zeros(picture.shape[:2], np.float32)
    middle = x + (1 if to_left else -1) * alpha.shape[1] * 0.45
    shadow += brush.glow(picture.shape[1], picture.shape[0], middle, base - cup * 0.1, size * 0.55, cup * 0.16)
    brush.shade(picture, shadow * 0.5, rgb("#4A4038"))
    _stand_cup(picture, words, rng, x - (1 if to_left else -1) * cup * 0.06, base, cup)
    _paste(picture, colour, alpha, left, top)
    _stream(picture, x, spout_y, base - cup * 0.84, cup * 0.055, -1 if to_left else 1)
    lay_steam(picture, rng, x, base - cup * 0.9, size * 0.42, 0.16)


def _stream(picture: Picture, x: float, top: float, bottom: float, half: float, towards: int) -> None:
    h, w = picture.shape[:2]
    t = np.linspace(0, 1, 30)
    bow = towards * half * 1.2 * np.sin(np.pi * np.minimum(t * 1.2, 1) / 2)
    line = [(float(x + b - towards * half * 1.2), float(top + (bottom - top) * a)) for a, b in zip(t, bow, strict=True)]
    water = brush.stroke(w, h, line, half * 2, taper=0.35)
    lay(picture, water, brush.soften(picture, half) * rgb("#EAF1F4"), 0.75)
    core = brush.stroke(w, h, [(a - half * 0.35, b) for a, b in line], half * 0.55, taper=0.4)
    lay(picture, brush.soften(core, half * 0.15), rgb("#FFFFFF"), 0.75)
    edge = brush.stroke(w, h, [(a + half * 0.7, b) for a, b in line], half * 0.3, taper=0.4)
    brush.shade(picture, brush.soften(edge, half * 0.12), 0.75)


def _spout_is_left(alpha: Mask) -> bool:
    """The spout is the thinner of the two ends."""
    solid = alpha > 0.5
    reach = max(2, alpha.shape[1] // 14)
    return bool(solid[:, :reach].any(axis=1).sum() <= solid[:, -reach:].any(axis=1).sum())


def _place_bust(picture: Picture, bust: Subject, framing: Framing, rng: np.random.Generator) -> None:
    h, w = picture.shape[:2]
    size = h * (0.80 + 0.22 * framing.close) * float(rng.uniform(0.98, 1.03))
    size = min(size, 1.25 * w * bust.alpha.shape[0] / bust.alpha.shape[1])
    colour, alpha = _scaled(bust, size / bust.alpha.shape[0])
    left = round(w * framing.place - alpha.shape[1] / 2)
    top = h - alpha.shape[0] + round(0.012 * h)
    top += max(0, round(h * 0.05) - top)
    around = np.zeros((h, w), np.float32)
    _paste_mask(around, alpha, left + round(0.02 * h), top + round(0.012 * h))
    brush.shade(picture, brush.soften(around, h * 0.03) * 0.30, rgb("#3A3630"))
    _paste(picture, colour, alpha, left, top)


def _scaled(thing: Subject, factor: float) -> tuple[Picture, Mask]:
    h, w = max(2, round(thing.alpha.shape[0] * factor)), max(2, round(thing.alpha.shape[1] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    # colour under transparency must not bleed into the edge
    worn = cv2.resize(thing.colour * thing.alpha[..., None], (w, h), interpolation=how)
    alpha = np.clip(np.asarray(cv2.resize(thing.alpha, (w, h), interpolation=how), np.float32), 0, 1)
    colour = np.clip(worn / np.maximum(alpha, 1e-3)[..., None], 0, 1)
    return np.asarray(colour, np.float32), alpha


def _turned(colour: Picture, alpha: Mask, degrees: float) -> tuple[Picture, Mask]:
    h, w = alpha.shape
    side = int(np.hypot(h, w)) + 4
    matrix = cv2.getRotationMatrix2D(((w - 1) / 2, (h - 1) / 2), degrees, 1.0)
    matrix[:, 2] += ((side - w) / 2, (side - h) / 2)
    worn = cv2.warpAffine(colour * alpha[..., None], matrix, (side, side), flags=cv2.INTER_CUBIC)
    turned = np.clip(np.asarray(cv2.warpAffine(alpha, matrix, (side, side), flags=cv2.INTER_CUBIC), np.float32), 0, 1)
    return np.clip(np.asarray(worn / np.maximum(turned, 1e-3)[..., None], np.float32), 0, 1), turned


def _drop_shadow(picture: Picture, alpha: Mask, left: int, top: int) -> None:
    """Dark where it touches the surface, and a longer soft one away from the light on the left."""
    h, w = picture.shape[:2]
    size, reach = alpha.shape[0], alpha.shape[1]
    foot = np.flatnonzero(alpha[int(size * 0.94) :].max(axis=0) > 0.3)
    begin, end = (int(foot[0]), int(foot[-1])) if foot.size else (reach // 4, reach * 3 // 4)
    middle, half, base = left + (begin + end) / 2, (end - begin) / 2, top + size
    long = brush.fill(w, h, brush.ellipse(middle + half * 0.75, base - size * 0.012, half * 1.55, size * 0.055))
    brush.shade(picture, brush.soften(long, size * 0.045) * 0.55, rgb("#54473D"))
    touch = brush.fill(w, h, brush.ellipse(middle + half * 0.05, base - size * 0.012, half * 1.02, size * 0.022))
    brush.shade(picture, brush.soften(touch, size * 0.012) * 0.8, rgb("#2C241F"))


def _paste(picture: Picture, colour: Picture, alpha: Mask, left: int, top: int) -> None:
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(w, left + alpha.shape[1]), min(h, top + alpha.shape[0])
    if x1 > x0 and y1 > y0:
        part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        target = picture[y0:y1, x0:x1]
        # a little of the place's light on its edges joins it to the picture
        light = brush.soften(np.ascontiguousarray(target), max(2.0, h * 0.02))
        rim = alpha[part] - np.minimum(alpha[part], brush.soften(alpha[part], max(1.0, h * 0.004)))
        lay(target, alpha[part], brush.mix(colour[part], light, np.clip(rim * 0.8, 0, 0.5)))


def _paste_mask(target: Mask, alpha: Mask, left: int, top: int) -> None:
    h, w = target.shape
    x0, y0, x1, y1 = max(0, left), max(0, top), min(w, left + alpha.shape[1]), min(h, top + alpha.shape[0])
    if x1 > x0 and y1 > y0:
        target[y0:y1, x0:x1] = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
