"""What lives in an animatic besides the camera: light that drifts or brightens, a breath of steam, film grain.

All of it is nothing on frame 0, which stays the start image, and all of it follows from the prompt's words and the seed.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
Field = NDArray[np.float32]

_GRAIN = 1.5  # standard deviation in 8-bit steps
_TILES = 5


class Atmosphere:
    def __init__(self, prompt: str, width: int, height: int, frames: int, rate: Fraction, seed: int) -> None:
        rng = np.random.default_rng([seed, 23])
        words = prompt.lower()
        self._frames, self._rate, self._size = frames, float(rate), (width, height)
        self._phase = float(rng.uniform(0, 2 * math.pi))
        self._period = float(rng.uniform(4.5, 7.0))
        self._drift = float(rng.uniform(0.8, 1.2)) * 2.4
        self._rise = 0.0
        if re.search(r"\bbrighten|light (?:grows|rises|fills|returns)|\bsunrise\b|\bturning to warm|\bdawn breaks", words):
            self._rise = 17.0 * float(rng.uniform(0.85, 1.15))
        elif re.search(r"\bdarkens?\b|\blight (?:fades|falls)|\bdusk falls\b", words):
            self._rise = -14.0
        self._sway = 3.2 if "curtain" in words else 0.0
        from_left = not re.search(r"(?:light|window)[^.]{0,24}(?:from|on) the right", words)
        self._pool = _light_pool(width, height, from_left=from_left)
        self._steam = _Steam(words, width, height, rng) if re.search(r"\bsteam|\bvapou?r|\bmist\b|\bsmoke", words) else None
        self._grain = [_grain_tile(width, height, rng) for _ in range(_TILES)]
        self._offsets = rng.integers(0, 64, (frames, 3))

    def breathe(self, planes: Planes, number: int) -> Planes:
        if number == 0:
            return planes
        y, u, v = planes
        at = number / self._rate
        y = self._light(y, at, number / max(1, self._frames - 1))
        if self._rise > 0:
            warm = self._rise * _ease(number / max(1, self._frames - 1)) / 9
            u, v = cv2.add(u, -warm * 0.9), cv2.add(v, warm * 0.7)  # type: ignore[assignment,call-overload]
        if self._steam is not None:
            y, u, v = self._steam.drift((y, u, v), at)
        return self._with_grain(y, number), np.asarray(u, np.uint8), np.asarray(v, np.uint8)

    def _light(self, y: Plane, at: float, u: float) -> Plane:
        swing = math.sin(2 * math.pi * at / self._period + self._phase) - math.sin(self._phase)
        level = self._drift * swing * 0.5 + self._rise * _ease(u)
        if self._sway:
            level += self._sway * (math.sin(2.1 * at + self._phase) - math.sin(self._phase)) * math.sin(0.6 * at)
        if level >= 0:
            return np.asarray(cv2.addWeighted(y, 1.0, self._pool, level / 255, 0), np.uint8)
        return np.asarray(cv2.addWeighted(y, 1.0, self._pool, level / 255, 0), np.uint8)

    def _with_grain(self, y: Plane, number: int) -> Plane:
        tile, top, left = self._offsets[number]
        lighter, darker = self._grain[int(tile) % _TILES]
        h, w = y.shape
        part = (slice(top, top + h), slice(left, left + w))
        return np.asarray(cv2.subtract(cv2.add(y, lighter[part]), darker[part]), np.uint8)


class _Steam:
    """Two layers of soft noise that rise at different speeds, seen through the shape of a plume."""

    def __init__(self, words: str, width: int, height: int, rng: np.random.Generator) -> None:
        place = 0.5
        if re.search(r"\b(?:left third|on the left)\b", words):
            place = 0.36
        elif re.search(r"\b(?:right third|on the right)\b", words):
            place = 0.64
        strong = 1.0 if re.search(r"\bvisible steam|\bthick|\bbillow", words) else 0.72
        if re.search(r"\b(?:trace|wisp|thin|faint)\b", words):
            strong = 0.5
        self._left = max(0, int(width * (place - 0.19))) // 2 * 2
        self._top = int(height * 0.06) // 2 * 2
        self._w = min(int(width * 0.38), width - self._left) // 2 * 2
        self._h = int(height * 0.60) // 2 * 2
        # the plume is computed at a quarter of the size: it has no detail
        self._small = (max(8, self._w // 4), max(8, self._h // 4))
        self._shape = _plume(*self._small) * (0.23 * strong)
        self._layers = [_cloud(self._small[1] * 2, self._small[0], rng, scale) for scale in (0.16, 0.075)]
        self._speed = height / 4 * float(rng.uniform(0.075, 0.1))
        self._lean = float(rng.uniform(0.10, 0.22)) * (-1 if "to the left" in words else 1)

    def drift(self, planes: Planes, at: float) -> Planes:
        fade = min(1.0, at / 1.2)
        density = self._field(at) * (fade * fade * (3 - 2 * fade))
        y, u, v = (plane.copy() for plane in planes)
        full = cv2.resize(density, (self._w, self._h), interpolation=cv2.INTER_CUBIC)
        half = cv2.resize(density, (self._w // 2, self._h // 2), interpolation=cv2.INTER_LINEAR)
        _mix(y[self._top : self._top + self._h, self._left : self._left + self._w], full, 218)
        chroma = (slice(self._top // 2, (self._top + self._h) // 2), slice(self._left // 2, (self._left + self._w) // 2))
        _mix(u[chroma], half, 128)
        _mix(v[chroma], half, 129)
        return y, u, v

    def _field(self, at: float) -> Field:
        w, h = self._small
        total = np.ones((h, w), np.float32)
        for layer, pace in zip(self._layers, (1.0, 1.7), strict=True):
            rise = (at * self._speed * pace) % h
            matrix = np.array([[1, self._lean, -self._lean * h * 0.5], [0, 1, rise]], np.float32)
            how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            total *= cv2.warpAffine(layer, matrix, (w, h), flags=how, borderMode=cv2.BORDER_WRAP)
        return np.asarray(total * self._shape, np.float32)


def _mix(box: Plane, density: Field, towards: int) -> None:
    box[:] = np.clip(np.rint(box + (towards - box.astype(np.float32)) * density), 0, 255).astype(np.uint8)


def _ease(u: float) -> float:
    return u * u * (3 - 2 * u)


def _light_pool(width: int, height: int, *, from_left: bool) -> Plane:
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    source = 0.12 if from_left else 0.88
    distance = np.sqrt((x - source) ** 2 * 1.1 + (y - 0.3) ** 2 * 0.5)
    return np.asarray(255 * (0.45 + 0.55 * np.exp(-(distance**2) / 0.32)), np.uint8)


def _plume(width: int, height: int) -> Field:
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    spread = 0.16 + 0.42 * (1 - y)
    body = np.exp(-((x / spread) ** 2) * 1.6)
    ends = np.clip(y / 0.35, 0, 1) ** 1.2 * np.clip((1 - y) / 0.18, 0, 1)
    sides = np.clip((1 - np.abs(x)) / 0.25, 0, 1)
    return np.asarray(body * ends * sides, np.float32)


def _cloud(height: int, width: int, rng: np.random.Generator, scale: float) -> Field:
    """Smooth noise that repeats downwards and sideways, from about 0.2 to 1.6 with mean 1."""
    noise = rng.standard_normal((height, width)).astype(np.float32)
    blur = np.asarray(
        cv2.GaussianBlur(np.tile(noise, (3, 3)), (0, 0), max(1.0, scale * width), sigmaY=max(1.0, scale * width * 1.9)),
        np.float32,
    )[height : 2 * height, width : 2 * width]
    return np.asarray(np.clip(1 + blur / (blur.std() * 2.2), 0.1, 2.0), np.float32)


def _grain_tile(width: int, height: int, rng: np.random.Generator) -> tuple[Plane, Plane]:
    noise = rng.standard_normal((height + 64, width + 64), dtype=np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 0.7)
    grain = np.rint(soft * (_GRAIN / float(soft.std())))
    return np.clip(grain, 0, 40).astype(np.uint8), np.clip(-grain, 0, 40).astype(np.uint8)
