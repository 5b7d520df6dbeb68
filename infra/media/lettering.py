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

OVER = 4  # times larger while drawing
LINE_HEIGHT = 1.22  # of the em

Coverage = npt.NDArray[np.float32]  # (height, width), 0 to 1


@lru_cache(maxsize=64)
def _face(font: str, size: float) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(font, size)
    except OSError as error:
        raise MediaError(f"{Path(font).name} cannot be drawn with: {error}", remedy="give a .ttf or .otf") from error


def measure_with(font: Path) -> Measure:
    """The advance of a text in pixels, as it will be drawn."""
    return lambda text, size: _face(str(font), round(size * OVER, 2)).getlength(text) / OVER


def cap_height(font: Path, size: float) -> float:
    """How tall a capital H stands, in pixels: what people mean by the height of lettering."""
    _, top, _, bottom = _face(str(font), round(size * OVER, 2)).getbbox("H", anchor="ls")
    return float(bottom - top) / OVER


def draw_line(font: Path, text: str, size: float, *, margin: int) -> tuple[Coverage, int]:
    """Coverage of one line with `margin` pixels around its advance, and the row of its baseline."""
    face = _face(str(font), round(size * OVER, 2))
    ascent, descent = face.getmetrics()
    _, top, right, bottom = face.getbbox(text, anchor="ls")
    up = -(-max(ascent, -int(top)) // OVER) + margin
    down = -(-max(descent, int(bottom)) // OVER) + margin
    across = -(-int(max(face.getlength(text), right)) // OVER) + 2 * margin
    sheet = Image.new("L", (across * OVER, (up + down) * OVER))
    ImageDraw.Draw(sheet).text((margin * OVER, up * OVER), text, fill=255, font=face, anchor="ls")
    small = cv2.resize(np.asarray(sheet), (across, up + down), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / np.float32(255), up


def paste(sheet: Coverage, part: Coverage, x: int, y: int) -> None:
    """Lays `part` over `sheet`, keeping the larger coverage; what falls outside is cut off."""
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + part.shape[1], sheet.shape[1]), min(y + part.shape[0], sheet.shape[0])
    if right > left and bottom > top:
        place = sheet[top:bottom, left:right]
        np.maximum(place, part[top - y : bottom - y, left - x : right - x], out=place)


def draw_block(font: Path, setting: Setting, *, align: str, margin: int) -> Coverage:
    """All lines of a setting, `margin` pixels around the block of `block_size`."""
    width, height = block_size(font, setting)
    sheet = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
    baseline = margin + above(font, setting)
    measure = measure_with(font)
    for line in setting.lines:
        drawn, base = draw_line(font, line, setting.size, margin=4)
        spare = width - measure(line, setting.size)
        x = margin + {"left": 0.0, "centre": spare / 2, "right": spare}[align]
        paste(sheet, drawn, round(x) - 4, round(baseline) - base)
        baseline += setting.size * LINE_HEIGHT
    return sheet


def above(font: Path, setting: Setting) -> float:
    """Pixels from the first baseline up to the highest ink of its line, or to its capitals."""
    _, top, _, _ = _face(str(font), round(setting.size * OVER, 2)).getbbox(setting.lines[0], anchor="ls")
    return max(-float(top) / OVER, cap_height(font, setting.size))


def block_size(font: Path, setting: Setting) -> tuple[int, int]:
    """Width and height of the ink of all lines, with room for descenders below the last."""
    _, _, _, low = _face(str(font), round(setting.size * OVER, 2)).getbbox(setting.lines[-1], anchor="ls")
    under = max(float(low) / OVER, 0.24 * setting.size)
    height = above(font, setting) + (len(setting.lines) - 1) * setting.size * LINE_HEIGHT + under
    return int(np.ceil(setting.width)) + 1, int(np.ceil(height)) + 1


def blur(coverage: Coverage, sigma: float) -> Coverage:
    return np.asarray(cv2.GaussianBlur(coverage, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)
