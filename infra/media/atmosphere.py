"""What lives in an animatic besides the camera: light that drifts or brightens, a breath of steam, film grain.

All of it is nothing on frame 0, which stays the start image, and follows from the prompt's words and the seed.
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
Matrix = NDArray[np.float64]
Field = NDArray[np.float32]

_GRAIN = 1.5  # standard deviation in 8-bit steps
_TILES = 5


class Atmosphere:
    def __init__(self, prompt: str, picture: NDArray[np.uint8], frames: int, rate: Fraction, seed: int) -> None:
        height, width = picture.shape[:2]
        rng = np.random.default_rng([seed, 23])
        words = prompt.lower()
        self._frames, self._rate = frames, float(rate)
        self._phase = float(rng.uniform(0, 2 * math.pi))
        self._period = float(rng.uniform(4.5, 7.0))
        self._drift = float(rng.uniform(0.8, 1.2)) * 2.4
        self._rise = 0.0
        if re.search(
            r"\bbrighten|light (?:grows|rises|fills|returns)|\bsunrise\b|\bturning to warm|\bdawn breaks", words
        ):
            self._rise = 30.0 * float(rng.uniform(0.85, 1.15))
        elif re.search(r"\bdarkens?\b|\blight (?:fades|falls)|\bdusk falls\b", words):
            self._rise = -14.0
        self._sway = 3.2 if "curtain" in words else 0.0
        from_left = not re.search(r"(?:light|window)[^.]{0,24}(?:from|on) the right", words)
        self._pool = _light_pool(width, height, from_left=from_left)
        steaming = re.search(r"\bsteam|\bvapou?r|\bmist\b|\bsmoke", words)
        self._steam = _Steam(words, picture, rng) if steaming else None
        self._grain = [_grain_tile(width, height, rng) for _ in range(_TILES)]
        self._offsets = rng.integers(0, 64, (frames, 3))

    def breathe(self, planes: Planes, number: int, matrix: Matrix) -> Planes:
        if number == 0:
            return planes
        y, u, v = planes
        at = number / self._rate
        y = self._light(y, at, number / max(1, self._frames - 1))
        if self._rise > 0:
            warm = self._rise * _ease(number / max(1, self._frames - 1)) / 5
            u, v = cv2.add(u, -warm * 0.9), cv2.add(v, warm * 0.7)  # type: ignore[call-overload]
        if self._steam is not None:
            y, u, v = self._steam.drift((y, u, v), at, matrix)
        return self._with_grain(y, number), np.asarray(u, np.uint8), np.asarray(v, np.uint8)

    def _light(self, y: Plane, at: float, u: float) -> Plane:
        swing = math.sin(2 * math.pi * at / self._period + self._phase) - math.sin(self._phase)
        level = self._drift * swing * 0.5 + self._rise * _ease(u)
        if self._sway:
            level += self._sway * (math.sin(2.1 * at + self._phase) - math.sin(self._phase)) * math.sin(0.6 * at)
        return np.asarray(cv2.addWeighted(y, 1.0, self._pool, level / 255, 0), np.uint8)

    def _with_grain(self, y: Plane, number: int) -> Plane:
        tile, top, left = self._offsets[number]
        lighter, darker = self._grain[int(tile) % _TILES]
        h, w = y.shape
        part = (slice(top, top + h), slice(left, left + w))
        return np.asarray(cv2.subtract(cv2.add(y, lighter[part]), darker[part]), np.uint8)


class _Steam:
    """Two layers of soft noise that rise at different speeds, seen through the shape of a plume."""

    def __init__(self, words: str, picture: NDArray[np.uint8], rng: np.random.Generator) -> None:
        height, width = picture.shape[:2]
        x, y = find_source(picture, words)
        strong = 1.0 if re.search(r"\bvisible steam|\bthick|\bbillow", words) else 0.85
        if re.search(r"\b(?:trace|wisp|thin|faint)\b", words):
            strong = 0.7
        half, tall = width * 0.13, height * 0.46
        self._source, self._reach = (width * x, height * y), np.array([half, tall * 0.95])
        self._w, self._h = int(half * 2) // 2 * 2, int(tall) // 2 * 2
        # computed at a quarter of the size: steam has no detail
        self._small = (max(8, self._w // 4), max(8, self._h // 4))
        self._strong = 0.34 * strong
        self._cloud = _cloud(self._small[1] * 2, self._small[0], rng)
        self._speed = float(rng.uniform(0.16, 0.22))  # box heights a second
        self._lean = float(rng.uniform(0.16, 0.34)) * (-1 if "to the left" in words else 1)
        self._ribbons = rng.uniform([[4.0, 1.3, 0.0]] * 3, [[7.5, 2.3, 6.28]] * 3)

    def drift(self, planes: Planes, at: float, matrix: Matrix) -> Planes:
        """The plume stays on its source while the camera moves: `matrix` is from the frame to the image."""
        fade = min(1.0, at / 1.2)
        density = self._field(at) * (fade * fade * (3 - 2 * fade))
        seen = np.linalg.inv(matrix) @ np.array([*self._source, 1.0])
        x, y = seen[:2] / seen[2] - self._reach
        left, top = math.floor(x / 2) * 2, math.floor(y / 2) * 2
        result = []
        for plane, k, towards in zip(planes, (1, 2, 2), (232, 128, 129), strict=True):
            result.append(plane.copy())
            box = _part(left // k, top // k, self._w // k, self._h // k, plane.shape)
            off_x, off_y = (left - x) / k + box[1].start - left // k, (top - y) / k + box[0].start - top // k
            size = (box[1].stop - box[1].start, box[0].stop - box[0].start)
            if min(size) > 0:
                scale = k / 4
                onto = np.array([[scale, 0, off_x * scale], [0, scale, off_y * scale]], np.float32)
                full = cv2.warpAffine(density, onto, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
                _mix(result[-1][box], np.asarray(full, np.float32), towards)
        return result[0], result[1], result[2]

    def _field(self, at: float) -> Field:
        w, h = self._small
        x = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
        up = np.linspace(1, 0, h, dtype=np.float32)[:, None]
        total = np.zeros((h, w), np.float32)
        for number, (turns, pace, phase) in enumerate(self._ribbons):
            bend = (0.05 + 0.30 * up) * np.sin(turns * up - pace * at + phase)
            middle = self._lean * up + bend + (number - 1) * 0.22 * up
            total += np.exp(-(((x - middle) / (0.055 + 0.17 * up)) ** 2)) * (0.55 + 0.25 * np.sin(0.9 * at + phase))
        rise = np.array([[1, 0, 0], [0, 1, (at * self._speed * h) % h]], np.float32)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        lively = cv2.warpAffine(self._cloud, rise, (w, h), flags=how, borderMode=cv2.BORDER_WRAP)
        ends = np.clip(up / 0.10, 0, 1) * np.clip((1 - up) / 0.75, 0, 1) ** 1.3
        sides = np.clip((1 - np.abs(x)) / 0.3, 0, 1)
        return np.asarray(np.minimum(total, 1.2) * lively * ends * sides * self._strong, np.float32)


def find_source(picture: NDArray[np.uint8], words: str) -> tuple[float, float]:
    """Where steam would come from, in parts of the picture: the thin end of the thing whose colour stands out (a
    spout), or its top; without such a thing, where the words place the subject."""
    small = cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA).astype(np.int16)
    tint = np.stack((small[..., 0] - small[..., 1], small[..., 2] - small[..., 1]), axis=2)
    apart = np.linalg.norm(tint - np.median(tint, axis=(0, 1)), axis=2).clip(0, 255).astype(np.uint8)
    limit, _ = cv2.threshold(apart, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    strong = (apart > max(18.0, limit)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(strong, connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    if count > 1 and 0.02 <= sizes.max() / strong.size <= 0.45:
        thing = labels == 1 + int(sizes.argmax())
        columns = np.flatnonzero(thing.any(axis=0))
        left, right = int(columns[0]), int(columns[-1])
        thick = [int(thing[:, part].any(axis=1).sum()) for part in (slice(left, left + 4), slice(right - 3, right + 1))]
        if re.search(r"\bspout|\bpour", words):
            tip = left if thick[0] <= thick[1] else right
            return tip / 160, float(np.flatnonzero(thing[:, tip]).min()) / 90
        return (left + right) / 320, float(np.flatnonzero(thing.any(axis=1))[0]) / 90 + 0.03
    place = 0.5
    if re.search(r"\b(?:left third|on the left)\b", words):
        place = 0.36
    elif re.search(r"\b(?:right third|on the right)\b", words):
        place = 0.64
    return place, 0.6


def _part(left: int, top: int, width: int, height: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    y = slice(min(max(0, top), shape[0]), max(0, min(top + height, shape[0])))
    return y, slice(min(max(0, left), shape[1]), max(0, min(left + width, shape[1])))


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


def _cloud(height: int, width: int, rng: np.random.Generator) -> Field:
    """Smooth noise that repeats downwards, about 0.3 to 1.7 with mean 1."""
    noise = rng.standard_normal((height, width)).astype(np.float32)
    blur = cv2.GaussianBlur(np.tile(noise, (3, 1)), (0, 0), max(1.0, 0.09 * width), sigmaY=max(1.0, 0.16 * width))
    middle = np.asarray(blur, np.float32)[height : 2 * height]
    return np.asarray(np.clip(1 + middle / (middle.std() * 2.4), 0.3, 1.8), np.float32)


def _grain_tile(width: int, height: int, rng: np.random.Generator) -> tuple[Plane, Plane]:
    noise = rng.standard_normal((height + 64, width + 64), dtype=np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 0.7)
    grain = np.rint(soft * (_GRAIN / float(soft.std())))
    return np.clip(grain, 0, 40).astype(np.uint8), np.clip(-grain, 0, 40).astype(np.uint8)
