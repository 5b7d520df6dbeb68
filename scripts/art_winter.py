"""The winter campaign's other products, cut out and seen from the side: a clay teapot and a steel coffee press."""

from __future__ import annotations

import numpy as np
from art_kettle import BEECH, STEEL, H, Ramp, W, tones, turned_shading

from infra.media import brush
from infra.media.brush import Mask, Picture, Point, curve, fill, lay, mix, rgb, shade, soften, stroke

BLACK: Ramp = ("#0C0E0F", "#1F2426", "#3C4446", "#8B9698")
CLAY: Ramp = ("#4A2216", "#8F4A30", "#BF7550", "#E9B894")
GLASS: Ramp = ("#5F6B6C", "#93A1A2", "#C3CFCF", "#F4F8F8")
COFFEE: Ramp = ("#140A06", "#2A160D", "#452818", "#7B5138")
MIDDLE = 550.0


def draw_teapot() -> tuple[Picture, Mask]:
    picture, alpha = brush.blank(W, H, rgb(CLAY[1])), np.zeros((H, W), np.float32)
    _band(
        picture,
        alpha,
        curve([(790, 470), (900, 440), (968, 520), (940, 640), (836, 716), (760, 722)], closed=False),
        46,
    )
    spout = [(330, 640), (236, 610), (188, 520), (150, 420), (92, 372)]
    _tube(picture, alpha, spout, (150, 64), CLAY)
    body: list[Point] = [(452, 392), (340, 428), (262, 520), (238, 640), (268, 770), (350, 862), (440, 892)]
    _turned(picture, alpha, body, CLAY, texture=7)
    foot: list[Point] = [(432, 884), (428, 906), (438, 918)]
    _turned(picture, alpha, foot, CLAY, texture=0, dim=0.7)
    collar: list[Point] = [(444, 404), (440, 388), (456, 376)]
    _turned(picture, alpha, collar, CLAY, texture=0, dim=0.8)
    lid: list[Point] = [(458, 380), (466, 344), (506, 316), (548, 308)]
    _turned(picture, alpha, lid, CLAY, texture=6)
    knob: list[Point] = [(536, 312), (522, 286), (530, 262), (549, 254)]
    _turned(picture, alpha, knob, CLAY, texture=0)
    for y, wide in ((560, 296), (572, 300)):  # two lines that were turned into the clay
        line = curve([(MIDDLE - wide, y), (MIDDLE, y + 26), (MIDDLE + wide, y)], closed=False)
        shade(picture, soften(stroke(W, H, line, 3), 1) * fill(W, H, _both(body)), 0.8)
    return picture, alpha


def draw_press() -> tuple[Picture, Mask]:
    picture, alpha = brush.blank(W, H, rgb(STEEL[1])), np.zeros((H, W), np.float32)
    handle = curve([(744, 356), (838, 344), (884, 410), (886, 600), (880, 780), (832, 842), (744, 830)], closed=False)
    _band(picture, alpha, handle, 40, BEECH)
    _tube(picture, alpha, [(MIDDLE, 300), (MIDDLE, 220), (MIDDLE, 110)], (15, 15), STEEL)
    glass: list[Point] = [(370, 306), (368, 500), (368, 780), (372, 900), (392, 922)]
    _turned(picture, alpha, glass, GLASS, texture=0)
    coffee: list[Point] = [(380, 520), (379, 700), (380, 890), (398, 914)]
    _turned(picture, alpha, coffee, COFFEE, texture=0)
    lay(picture, soften(fill(W, H, brush.rounded(414, 330, 446, 880, 14)), 9), rgb("#FFFFFF"), 0.42)
    plate: list[Point] = [(378, 500), (376, 512), (378, 524)]
    _turned(picture, alpha, plate, STEEL, texture=0)
    for top, bottom in ((296, 342), (600, 622), (872, 938)):
        band: list[Point] = [(360, top), (358, (top + bottom) / 2), (362, bottom)]
        _turned(picture, alpha, band, STEEL, texture=0)
    _tube(picture, alpha, [(372, 318), (340, 306), (316, 290)], (46, 26), STEEL)
    lid: list[Point] = [(366, 300), (380, 262), (452, 240), (544, 234)]
    _turned(picture, alpha, lid, STEEL, texture=0)
    knob: list[Point] = [(536, 120), (508, 96), (516, 62), (548, 50)]
    _turned(picture, alpha, knob, BEECH, texture=0)
    for x in (392, 708):
        leg = fill(W, H, brush.rounded(x - 12, 930, x + 12, 956, 8))
        lay(picture, leg, rgb(STEEL[1]))
        alpha[:] = np.maximum(alpha, leg)
    return picture, alpha


def _both(left: list[Point]) -> list[Point]:
    side = curve(left, closed=False)
    return side + [(2 * MIDDLE - x, y) for x, y in reversed(side)]


def _turned(picture: Picture, alpha: Mask, left: list[Point], ramp: Ramp, *, texture: float, dim: float = 1.0) -> None:
    """A solid of revolution about the middle, from the points of its left side."""
    mask = fill(W, H, _both(left))
    colour = tones(turned_shading(mask, softness=4), ramp) * np.float32(dim)
    if texture:
        colour += (brush.clouds(W, H, np.random.default_rng(5), texture, octaves=2) * 0.006)[..., None]
    lay(picture, mask, colour)
    alpha[:] = np.maximum(alpha, mask)


def _tube(picture: Picture, alpha: Mask, points: list[Point], wide: tuple[float, float], ramp: Ramp) -> None:
    """Round, and from one thickness to another."""
    line = curve(points, closed=False)
    mask, light = np.zeros((H, W), np.float32), np.zeros((H, W), np.float32)
    for index, (x, y) in enumerate(line):
        reach = wide[0] + (wide[1] - wide[0]) * index / (len(line) - 1)
        mask = np.maximum(mask, fill(W, H, brush.ellipse(x, y, reach / 2, reach / 2)))
        light = np.maximum(light, fill(W, H, brush.ellipse(x - reach * 0.1, y - reach * 0.16, reach / 4, reach / 4)))
    lay(picture, mask, tones(np.clip(0.28 + 0.5 * soften(light, wide[1] / 6), 0, 1) * mask, ramp))
    alpha[:] = np.maximum(alpha, mask)


def _band(picture: Picture, alpha: Mask, line: list[Point], wide: float, ramp: Ramp = CLAY) -> None:
    """A bent handle."""
    mask = stroke(W, H, line, wide)
    light = 0.3 + 0.4 * soften(stroke(W, H, [(x - 3, y - wide * 0.16) for x, y in line], wide * 0.4), wide * 0.16)
    colour = tones(np.clip(light, 0, 1), ramp)
    lay(picture, mask, mix(colour, colour * np.float32(0.7), brush.ramp(W, H, (700, 500), (960, 800))))
    alpha[:] = np.maximum(alpha, mask)
