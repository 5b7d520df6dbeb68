"""What a plate is furnished with when no reference shows it: a room, a landscape, a worktop, a cup, steam."""

from __future__ import annotations

import colorsys
import re

import numpy as np

from infra.media import brush
from infra.media.brush import Mask, Picture, lay, mix, rgb, shade

OUTDOORS = (
    r"\b(?:sky|sea|ocean|beach|hills?|mountains?|forest|meadow|desert|lake|river|street|city|outdoors?|landscape|coast|road)\b"
    r"|\b(?:a|open|green|wheat) fields?\b"
)


def paint_scene(prompt: str, width: int, height: int, rng: np.random.Generator) -> Picture:
    """A pleasant place in the flat manner: outdoors when the words say so, else a quiet room with window light."""
    if re.search(OUTDOORS, prompt.lower()):
        return _landscape(prompt.lower(), width, height, rng)
    return paint_room(prompt.lower(), width, height, rng)


def paint_room(words: str, width: int, height: int, rng: np.random.Generator) -> Picture:
    w, h = width, height
    hue = float(rng.uniform(0.09, 0.15))
    wall = np.array(colorsys.hls_to_rgb(hue, 0.77, 0.16), np.float32)
    if re.search(r"\bgreen (?:wall|room)\b", words):
        wall = np.array(colorsys.hls_to_rgb(0.26, 0.72, 0.12), np.float32)
    from_right = bool(re.search(r"(?:light|window)[^.]{0,24}(?:from|on) the right", words))
    picture = brush.blank(w, h, wall)
    side = brush.ramp(w, h, (w, 0), (0, 0)) if not from_right else brush.ramp(w, h, (0, 0), (w, 0))
    picture = mix(picture * 0.74, np.minimum(picture * 1.12, 1), side)
    picture += (brush.clouds(w, h, rng, h * 0.5) * 0.008)[..., None]
    _window_light(picture, rng, from_right=from_right)
    return picture


def _window_light(picture: Picture, rng: np.random.Generator, *, from_right: bool) -> None:
    """Sun through a four-paned window, fallen slanting on the wall."""
    h, w = picture.shape[:2]
    lean, left = 0.16 * w, w * float(rng.uniform(0.30, 0.40))
    top, pane_w, pane_h, bar = h * 0.07, w * 0.125, h * 0.27, w * 0.012
    mask = np.zeros((h, w), np.float32)
    for row in range(2):
        for column in range(2):
            x, y = left + column * (pane_w + bar), top + row * (pane_h + bar)
            shift = [lean * (yy - top) / h for yy in (y, y + pane_h)]
            outline = [
                (x + shift[0], y),
                (x + pane_w + shift[0], y + pane_h * 0.10),
                (x + pane_w + shift[1], y + pane_h * 1.10),
                (x + shift[1], y + pane_h),
            ]
            mask = np.maximum(mask, brush.fill(w, h, outline))
    if from_right:
        mask = np.ascontiguousarray(mask[:, ::-1])
    soft = brush.soften(mask, h * 0.012) * brush.soften(1 - 0.35 * brush.ramp(w, h, (0, 0), (0, h)), 1)
    shade(picture, soft, rgb("#FFF3DC") * 1.24)


def lay_worktop(picture: Picture, words: str, rng: np.random.Generator, top: float) -> None:
    """Covers the picture from `top` downwards with stone, or wood if the words say so; lit towards the front edge."""
    h, w = picture.shape[:2]
    wooden = bool(re.search(r"\bwood(?:en)? (?:table|worktop|counter|bench)|\boak\b|\btable\b", words))
    colour = rgb("#A9815A") if wooden else rgb("#CFC8BC")
    if re.search(r"\bdark\b", words):
        colour = colour * 0.5
    texture = brush.clouds(w, h, rng, h * 0.22, octaves=4) * 0.012
    if wooden:
        streaks = brush.clouds(w // 8 + 1, h, rng, h * 0.03, octaves=3)
        texture = np.repeat(streaks, 8, axis=1)[:, :w] * 0.02
    surface = brush.blank(w, h, colour) + texture[..., None]
    depth = brush.ramp(w, h, (0, top), (0, h))
    surface = mix(surface * 1.06, surface * 0.80, depth)
    surface *= (1.07 - 0.2 * brush.ramp(w, h, (0, 0), (w, 0)))[..., None]
    # far edge out of focus, so the eye stays on what stands on it
    edge = brush.soften(brush.fill(w, h, brush.box(-9, top, w + 9, h + 9)), h * 0.006)
    shade(picture, brush.soften(brush.fill(w, h, brush.box(-9, top - h * 0.03, w + 9, top)), h * 0.02), 0.82)
    lay(picture, edge, surface)
    shine = brush.soften(brush.fill(w, h, brush.box(-9, top, w + 9, top + h * 0.008)), h * 0.003)
    lay(picture, shine, rgb("#FFF8EC"), 0.28)


def _landscape(words: str, width: int, height: int, rng: np.random.Generator) -> Picture:
    w, h = width, height
    evening = bool(re.search(r"\b(?:dusk|evening|sunset|blue hour|night)\b", words))
    sky = ("#34496B", "#E3A98A") if evening else ("#8FB6CC", "#F6E7CB")
    picture = mix(rgb(sky[0]), rgb(sky[1]), brush.ramp(w, h, (0, 0), (0, h * 0.72)))
    sun_x, sun_y, size = w * float(rng.uniform(0.22, 0.78)), h * float(rng.uniform(0.26, 0.44)), h * 0.062
    lay(picture, brush.glow(w, h, sun_x, sun_y, h * 0.5, h * 0.4), rgb("#FFE9C2"), 0.55)
    lay(
        picture,
        brush.soften(brush.fill(w, h, brush.ellipse(sun_x, sun_y, size, size)), h * 0.002),
        rgb("#FFF6E2"),
        0.95,
    )
    sea = bool(re.search(r"\b(?:sea|ocean|beach|lake|coast)\b", words))
    near = np.array(colorsys.hls_to_rgb(0.55 if sea else float(rng.uniform(0.24, 0.42)), 0.27, 0.30), np.float32)
    far = np.asarray(picture[int(h * 0.55), w // 2])
    layers = 5
    for number in range(layers):
        depth = number / (layers - 1)
        base = h * (0.50 + 0.38 * depth**1.15)
        swing = h * (0.085 - 0.02 * depth) * (0.12 if sea and number < 3 else 1)
        x = np.linspace(0, w, 160)
        ridge = np.full(160, base)
        for k in range(1, 5):
            ridge += swing / k * np.sin(x / w * np.pi * k * float(rng.uniform(1.2, 2.4)) + float(rng.uniform(0, 6.3)))
        outline = [*zip(x.tolist(), ridge.tolist(), strict=True), (w + 9.0, h + 9.0), (-9.0, h + 9.0)]
        colour = mix(far * 0.94, near, depth**1.1)
        lay(picture, brush.fill(w, h, outline), colour)
        mist = brush.glow(w, h, w * float(rng.uniform(0.2, 0.8)), base + h * 0.13, w * 0.7, h * 0.07)
        lay(picture, mist, rgb(sky[1]), 0.30 * (1 - depth))
    return picture


def draw_cup(size: int, contents: str | None) -> tuple[Picture, Mask]:
    """A white ceramic cup of that height in pixels, seen from just above; `contents` is a colour, None when empty."""
    s = size / 100
    w, h = round(146 * s), round(106 * s)
    cx, rim = 62 * s, 14 * s
    rx, ry = 52 * s, 9.5 * s
    body = brush.curve(
        [(cx - rx, rim), (cx - 50.5 * s, 42 * s), (cx - 45 * s, 72 * s), (cx - 35 * s, 93 * s), (cx - 30 * s, 101 * s)],
        closed=False,
    )
    body += [(2 * cx - x, y) for x, y in reversed(body)]
    mask = brush.fill(w, h, body)
    picture = brush.blank(w, h, rgb("#F1EDE6"))
    handle = brush.stroke(
        w,
        h,
        brush.curve(
            [
                (cx + 46 * s, 30 * s),
                (cx + 66 * s, 27 * s),
                (cx + 76 * s, 42 * s),
                (cx + 66 * s, 62 * s),
                (cx + 42 * s, 68 * s),
            ],
            closed=False,
        ),
        8.5 * s,
    )
    lay(picture, handle, rgb("#DDD7CD"))
    lay(picture, brush.soften(handle, 2 * s) * brush.ramp(w, h, (0, 70 * s), (0, 30 * s)) * handle, rgb("#F6F2EB"), 0.8)
    lay(picture, mask, rgb("#F1EDE6"))
    lay(picture, mask * brush.ramp(w, h, (cx - 10 * s, 0), (cx + 56 * s, 20 * s)), rgb("#B4AEA6"), 0.85)
    lay(picture, mask * brush.ramp(w, h, (cx - 34 * s, 0), (cx - 58 * s, 0)), rgb("#D5CFC5"), 0.7)
    lay(picture, mask * brush.ramp(w, h, (0, 78 * s), (0, 106 * s)), rgb("#A79F95"), 0.55)
    shine = brush.soften(brush.fill(w, h, brush.ellipse(cx - 27 * s, 48 * s, 6 * s, 27 * s)), 3.5 * s)
    lay(picture, shine * mask, rgb("#FFFFFF"), 0.75)
    outer, inner = (
        brush.fill(w, h, brush.ellipse(cx, rim, rx, ry)),
        brush.fill(w, h, brush.ellipse(cx, rim + 0.6 * s, rx - 3 * s, ry - 2 * s)),
    )
    lay(picture, outer, rgb("#FBF8F2"))
    lay(picture, inner, mix(rgb("#9E968B"), rgb("#D9D2C7"), brush.ramp(w, h, (cx - rx, 0), (cx + rx, 0))))
    tea = brush.fill(w, h, brush.ellipse(cx, rim + 3.2 * s, rx - 9 * s, ry - 4.6 * s))
    if contents is not None:
        lay(picture, tea * inner, rgb(contents), 0.85)
        sky = brush.fill(w, h, brush.ellipse(cx - 12 * s, rim + 2.6 * s, 20 * s, 1.8 * s))
        lay(picture, brush.soften(sky, 1.2 * s) * tea * inner, rgb("#FFFFFF"), 0.45)
    alpha = np.maximum(np.maximum(mask, outer), handle)
    return picture, np.asarray(alpha, np.float32)


def lay_steam(
    picture: Picture, rng: np.random.Generator, x: float, y: float, height: float, strength: float = 0.30
) -> None:
    """Two or three soft ribbons that rise from (x, y)."""
    h, w = picture.shape[:2]
    veil = np.zeros((h, w), np.float32)
    for _ in range(3):
        lean, phase = float(rng.uniform(-0.1, 0.22)), float(rng.uniform(0, 6.3))
        t = np.linspace(0, 1, 40)
        xs = x + height * (lean * t + 0.06 * (0.3 + t) * np.sin(5.2 * t + phase))
        line = [(float(a), float(y - height * b)) for a, b in zip(xs, t, strict=True)]
        ribbon = brush.stroke(w, h, line, height * 0.085, taper=0.35)
        veil = np.maximum(veil, brush.soften(ribbon, height * 0.035))
    fade = brush.ramp(w, h, (0, y - height), (0, y - height * 0.35)) * brush.ramp(
        w, h, (0, y + 2), (0, y - height * 0.1)
    )
    lay(picture, brush.soften(veil * fade, height * 0.012), rgb("#FFFFFF"), strength)
