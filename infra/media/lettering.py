"""Glyphs drawn with Pillow as coverage: how much of each pixel the letters take, 0 to 1, without any colour.

Letters are drawn four times too large and averaged down, so that they sit between pixels and hinting bends nothing.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from infra.errors import MediaError
from infra.media.type_setting import Measure, Setting
from infra.media.typeface import Typeface

OVER = 4  # times larger while drawing

Coverage = npt.NDArray[np.float32]  # (height, width), 0 to 1


@lru_cache(maxsize=64)
def _face(font: str, size: float) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(font, size)
    except OSError as error:
        raise MediaError(f"{Path(font).name} cannot be drawn with: {error}", remedy="give a .ttf or .otf") from error


def measure_with(face: Typeface) -> Measure:
    """The advance of a text in pixels, as it will be drawn."""
    return lambda text, size: sum(_sized(path, size).getlength(run) for path, run in face.runs(text)) / OVER


def cap_height(face: Typeface, size: float) -> float:
    """How tall a capital H stands, in pixels: what people mean by the height of lettering."""
    _, top, _, bottom = _sized(face.main_file, size).getbbox("H", anchor="ls")
    return float(bottom - top) / OVER


def _sized(font: Path, size: float) -> ImageFont.FreeTypeFont:
    return _face(str(font), round(size * OVER, 2))


def _reach(face: Typeface, text: str, size: float) -> tuple[float, float]:
    """How far the ink of a line goes above and below its baseline, while drawing."""
    boxes = [_sized(path, size).getbbox(run, anchor="ls") for path, run in face.runs(text)]
    return -min(float(box[1]) for box in boxes), max(float(box[3]) for box in boxes)


def draw_line(face: Typeface, text: str, size: float, *, margin: int) -> tuple[Coverage, int]:
    """Coverage of one line with `margin` pixels around its advance, and the row of its baseline."""
    runs = face.runs(text)
    metrics = [_sized(path, size).getmetrics() for path, _ in runs]
    over, under = _reach(face, text, size)
    up = -(-int(max(over, *(ascent for ascent, _ in metrics))) // OVER) + margin
    down = -(-int(max(under, *(descent for _, descent in metrics))) // OVER) + margin
    starts = [0.0]
    for path, run in runs:
        starts.append(starts[-1] + _sized(path, size).getlength(run))
    right = starts[-2] + _sized(runs[-1][0], size).getbbox(runs[-1][1], anchor="ls")[2]
    across = -(-int(max(starts[-1], right)) // OVER) + 2 * margin
    sheet = Image.new("L", (across * OVER, (up + down) * OVER))
    drawing = ImageDraw.Draw(sheet)
    for start, (path, run) in zip(starts, runs, strict=False):
        drawing.text((margin * OVER + start, up * OVER), run, fill=255, font=_sized(path, size), anchor="ls")
    small = cv2.resize(np.asarray(sheet), (across, up + down), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255), up


def paste(sheet: Coverage, part: Coverage, x: int, y: int) -> None:
    """Lays `part` over `sheet`, keeping the larger coverage; what falls outside is cut off."""
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + part.shape[1], sheet.shape[1]), min(y + part.shape[0], sheet.shape[0])
    if right > left and bottom > top:
        place = sheet[top:bottom, left:right]
        np.maximum(place, part[top - y : bottom - y, left - x : right - x], out=place)


def draw_block(face: Typeface, setting: Setting, *, align: str, margin: int) -> Coverage:
    """All lines of a setting, `margin` pixels around the block of `block_size`."""
    width, height = block_size(face, setting)
    sheet = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
    baseline = margin + above(face, setting)
    measure = measure_with(face)
    for line in setting.lines:
        drawn, base = draw_line(face, line, setting.size, margin=4)
        spare = width - measure(line, setting.size)
        x = margin + {"left": 0.0, "centre": spare / 2, "right": spare}[align]
        paste(sheet, drawn, round(x) - 4, round(baseline) - base)
        baseline += setting.size * face.leading
    return sheet


def above(face: Typeface, setting: Setting) -> float:
    """Pixels from the first baseline up to the highest ink of its line, or to its capitals."""
    return max(_reach(face, setting.lines[0], setting.size)[0] / OVER, cap_height(face, setting.size))


def block_size(face: Typeface, setting: Setting) -> tuple[int, int]:
    """Width and height of the ink of all lines, with room for descenders below the last."""
    under = max(_reach(face, setting.lines[-1], setting.size)[1] / OVER, 0.24 * setting.size)
    height = above(face, setting) + (len(setting.lines) - 1) * setting.size * face.leading + under
    return int(np.ceil(setting.width)) + 1, int(np.ceil(height)) + 1


def blur(coverage: Coverage, sigma: float) -> Coverage:
    return np.asarray(cv2.GaussianBlur(coverage, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)
