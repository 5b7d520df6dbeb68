"""The discreet line at the foot of an animatic: what the request says, the move that was read from it, the frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]

_INK, _SHADE = 0.62, 0.34  # how much of white text and of its dark halo is laid over the picture
_WHITE = 225


class SlateLine:
    """Renders its words once, and the ten digits; a frame costs two small blends."""

    def __init__(self, width: int, height: int, model: str, seconds: int, seed: int, move: str) -> None:
        self._size = max(10, round(min(width, height * 1.2) / 54))
        self._margin = round(min(width, height) * 0.032)
        self._font = ImageFont.load_default(self._size)
        self._words = _render(f"{model}  ·  {seconds} s  ·  seed {seed}  ·  {move}  ·  ", self._font)
        self._digits = [_render(str(digit), self._font) for digit in range(10)]
        self._advance = max(mask.shape[1] for mask in self._digits)
        room = width - 2 * self._margin - 4 * self._advance
        self._words = self._words[:, : max(1, room)]
        self._bar = np.zeros((self._words.shape[0], max(2, self._size // 6)), np.float32)
        self._bar[round(self._size * 0.22) : round(self._size * 1.12)] = 1.0
        self._gap = max(3, round(self._size * 0.5))
        self._bottom = height - self._margin
        self._cache: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def draw(self, planes: Planes, number: int) -> Planes:
        """The frame with its line. The planes given are left as they are."""
        ink = self._mask(number)
        h, w = ink.shape
        top, left = max(0, (self._bottom - h) // 2 * 2), self._margin // 2 * 2
        y = planes[0].copy()
        box = y[top : top + h, left : left + w]
        ink = ink[: box.shape[0], : box.shape[1]]
        halo = cv2.GaussianBlur(ink, (0, 0), self._size * 0.14)
        toned = box * (1 - _SHADE * np.minimum(1.0, halo * 1.6))
        box[:] = np.rint(toned + (_WHITE - toned) * (_INK * ink)).astype(np.uint8)
        return y, planes[1], planes[2]

    def without_earlier(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A continued shot starts on a frame that has a line already: that strip is filled from around it."""
        h, w = self._mask(0).shape[0], rgb.shape[1] * 2 // 3
        top, left = max(0, (self._bottom - h) // 2 * 2), self._margin // 2 * 2
        strip = rgb[top : top + h, left : left + w]
        if not self._has_bar(strip):
            return rgb
        clean = rgb.copy()
        grey = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY).astype(np.int16)
        base = cv2.medianBlur(strip, 2 * self._size // 2 * 2 + 1)
        stands_out = np.abs(grey - cv2.cvtColor(base, cv2.COLOR_RGB2GRAY)) > 5
        # the line ends at the first wide gap; what stands out beyond it belongs to the picture
        columns = np.flatnonzero((stands_out & (grey > 60)).sum(axis=0) >= 2)
        gaps = np.flatnonzero(np.diff(columns) > self._size * 1.6)
        end = int(columns[gaps[0]] if gaps.size else columns[-1]) + 4 if columns.size else 0
        stands_out[:, end:] = False
        hole = cv2.dilate(stands_out.astype(np.uint8), np.ones((5, 5), np.uint8))
        clean[top : top + h, left : left + w] = cv2.inpaint(strip, hole, 4, cv2.INPAINT_TELEA)
        return clean

    def _mask(self, number: int) -> NDArray[np.float32]:
        pad = np.zeros((self._words.shape[0], self._gap), np.float32)
        figures = [_centred(self._digits[int(d)], self._advance) for d in f"{number:04d}"]
        return np.concatenate((self._bar, pad, self._words, *figures, pad), axis=1)

    def _has_bar(self, strip: NDArray[np.uint8]) -> bool:
        """The upright bar at the left is the same in every line, whatever its words."""
        grey = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY).astype(np.float32)
        rows = self._bar[:, 0][: grey.shape[0]] > 0
        wide = self._bar.shape[1]
        inside = grey[: rows.size][rows][:, :wide]
        beside = grey[: rows.size][rows][:, wide + 1 : wide + self._gap - 1]
        if not beside.size:
            return False
        step = inside.mean(axis=1) - beside.mean(axis=1)
        return bool(step.min() > 14 and inside.std() < 22)


def _centred(mask: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    left = (width - mask.shape[1]) // 2
    return np.pad(mask, ((0, 0), (left, width - mask.shape[1] - left)))


def _render(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> NDArray[np.float32]:
    width = max(1, round(font.getlength(text)))
    size = getattr(font, "size", 10)
    tile = Image.new("L", (width, round(size * 1.4)), 0)
    ImageDraw.Draw(tile).text((0, round(size * 1.05)), text, fill=255, font=font, anchor="ls")
    return np.asarray(np.asarray(tile, np.float32) / 255, np.float32)
