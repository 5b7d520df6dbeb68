"""A small kit for painting pictures by program: smooth shapes, gradients, soft light, layers with alpha, grain.

Pictures are float32 arrays of RGB from 0 to 1 in display values; masks are float32 from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.float32]
Mask = NDArray[np.float32]
Point = tuple[float, float]
_OVERSAMPLING = 4


def rgb(code: str) -> Picture:
    """`#RRGGBB` as three floats."""
    return np.array([int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)], np.float32)


def blank(width: int, height: int, colour: ArrayLike = 0.0) -> Picture:
    return np.broadcast_to(np.asarray(colour, np.float32), (height, width, 3)).copy()


def curve(points: Sequence[Point], *, closed: bool = True, steps: int = 16) -> list[Point]:
    """A smooth line through all points (centripetal Catmull-Rom, so that it does not overshoot in corners)."""
    pts = np.asarray(points, np.float64)
    ring = (
        np.vstack((pts[-1], pts, pts[0], pts[1]))
        if closed
        else np.vstack((2 * pts[0] - pts[1], pts, 2 * pts[-1] - pts[-2]))
    )
    line: list[Point] = []
    for p0, p1, p2, p3 in zip(ring[:-3], ring[1:-2], ring[2:-1], ring[3:], strict=True):
        d1, d2, d3 = (max(float(np.hypot(*(b - a))) ** 0.5, 1e-6) for a, b in ((p0, p1), (p1, p2), (p2, p3)))
        m1 = (p1 - p0) / d1 * d2 - (p2 - p0) / (d1 + d2) * d2 + (p2 - p1)
        m2 = (p2 - p1) - (p3 - p1) / (d2 + d3) * d2 + (p3 - p2) / d3 * d2
        for t in np.arange(steps) / steps:
            at = (
                (2 * t**3 - 3 * t**2 + 1) * p1
                + (t**3 - 2 * t**2 + t) * m1
                + (3 * t**2 - 2 * t**3) * p2
                + (t**3 - t**2) * m2
            )
            line.append((float(at[0]), float(at[1])))
    if not closed:
        line.append((float(pts[-1][0]), float(pts[-1][1])))
    return line


def ellipse(cx: float, cy: float, rx: float, ry: float) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    return [(cx + rx * float(np.cos(a)), cy + ry * float(np.sin(a))) for a in angles]


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> list[Point]:
    line: list[Point] = []
    corners = ((right, top, -90), (right, bottom, 0), (left, bottom, 90), (left, top, 180))
    for x, y, begin in corners:
        cx, cy = (x - radius if x == right else x + radius), (y - radius if y == bottom else y + radius)
        angles = np.radians(np.linspace(begin, begin + 90, 12))
        line += [(cx + radius * float(np.cos(a)), cy + radius * float(np.sin(a))) for a in angles]
    return line


def fill(width: int, height: int, outline: Sequence[Point]) -> Mask:
    """The inside of an outline, with soft pixels at its edge. Drawn large within its own box, then averaged down."""
    mask = np.zeros((height, width), np.float32)
    xs, ys = [p[0] for p in outline], [p[1] for p in outline]
    left, top = max(0, int(min(xs)) - 1), max(0, int(min(ys)) - 1)
    right, bottom = min(width, int(max(xs)) + 2), min(height, int(max(ys)) + 2)
    if right <= left or bottom <= top:
        return mask
    k = _OVERSAMPLING
    tile = Image.new("L", ((right - left) * k, (bottom - top) * k), 0)
    ImageDraw.Draw(tile).polygon([((x - left) * k, (y - top) * k) for x, y in outline], fill=255)
    small = cv2.resize(np.asarray(tile), (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    mask[top:bottom, left:right] = small.astype(np.float32) / 255
    return mask


def stroke(width: int, height: int, line: Sequence[Point], thickness: float, *, taper: float = 0.0) -> Mask:
    """A line of some thickness with round ends; `taper` 1 thins it to nothing at its end."""
    pts = np.asarray(line, np.float64)
    along = np.gradient(pts, axis=0)
    across = (
        np.stack((-along[:, 1], along[:, 0]), axis=1) / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    )
    half = thickness / 2 * (1 - taper * np.linspace(0, 1, len(pts)))[:, None]
    outline = [(float(x), float(y)) for x, y in np.vstack((pts + across * half, (pts - across * half)[::-1]))]
    ends = [
        ellipse(float(pts[at, 0]), float(pts[at, 1]), half[at, 0], half[at, 0]) for at in (0, -1) if half[at, 0] > 0.3
    ]
    mask = fill(width, height, outline)
    for end in ends:
        mask = np.maximum(mask, fill(width, height, end))
    return mask


def ramp(width: int, height: int, begin: Point, end: Point) -> Mask:
    """0 at `begin`, 1 at `end`, straight between and held outside."""
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    x = np.arange(width, dtype=np.float32)[None, :] - begin[0]
    y = np.arange(height, dtype=np.float32)[:, None] - begin[1]
    return np.asarray(np.clip((x * dx + y * dy) / (dx * dx + dy * dy), 0, 1), np.float32)


def glow(width: int, height: int, cx: float, cy: float, rx: float, ry: float) -> Mask:
    """1 in the middle, falling off like light: 0.37 at the radii."""
    x = (np.arange(width, dtype=np.float32)[None, :] - cx) / rx
    y = (np.arange(height, dtype=np.float32)[:, None] - cy) / ry
    return np.asarray(np.exp(-(x * x + y * y)), np.float32)


def soften(mask: Mask, sigma: float) -> Mask:
    """Gaussian blur; wide ones are computed small, which cannot be seen."""
    if sigma < 0.3:
        return mask
    k = int(max(1, sigma // 6))
    if k == 1:
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)
    h, w = mask.shape[:2]
    small = cv2.resize(mask, (max(2, w // k), max(2, h // k)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / k, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def mix(first: ArrayLike, second: ArrayLike, share: Mask | float) -> Picture:
    t = np.asarray(share, np.float32)
    if t.ndim == 2:
        t = t[..., None]
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return np.asarray(a + (b - a) * t, np.float32)


def lay(picture: Picture, mask: Mask | float, colour: ArrayLike, opacity: float = 1.0) -> None:
    """Paints over `picture` in place, where the mask is; `colour` is a colour or a whole picture."""
    t = np.asarray(mask, np.float32) * np.float32(opacity)
    picture[:] = mix(picture, colour, t)


def shade(picture: Picture, mask: Mask | float, factor: ArrayLike) -> None:
    """Multiplies where the mask is: shadow below 1, light above."""
    t = np.asarray(mask, np.float32)
    t = t[..., None] if t.ndim == 2 else t
    picture *= 1 + (np.asarray(factor, np.float32) - 1) * t


def clouds(width: int, height: int, rng: np.random.Generator, size: float, *, octaves: int = 3) -> Mask:
    """Soft irregular texture with mean 0 and deviation about 1; `size` is that of its largest forms in pixels."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cell = max(1.5, size / 2**octave)
        h, w = int(height / cell) + 4, int(width / cell) + 4
        coarse = rng.standard_normal((h, w)).astype(np.float32)
        fine = cv2.resize(coarse, (int(w * cell) + 1, int(h * cell) + 1), interpolation=cv2.INTER_CUBIC)
        total += fine[:height, :width] * 0.55**octave
    return np.asarray((total - total.mean()) / (total.std() + 1e-6), np.float32)


def grain(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """Fine monochrome grain, strongest in the middle tones."""
    raw = rng.standard_normal(picture.shape[:2]).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(raw, (0, 0), 0.75), np.float32)
    noise /= noise.std() + 1e-6
    middle = 1 - np.abs(picture.mean(axis=2) - 0.5) * 1.2
    return np.asarray(picture + (noise * middle * strength)[..., None], np.float32)


def to_bytes(picture: Picture) -> NDArray[np.uint8]:
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
