"""The example's place: a quiet kitchen with one window over a stone worktop, shelves, a lamp, morning light."""

from __future__ import annotations

import numpy as np

from infra.media import brush
from infra.media.brush import (
    Mask,
    Picture,
    Point,
    box,
    curve,
    ellipse,
    fill,
    glow,
    lay,
    mix,
    ramp,
    rgb,
    rounded,
    shade,
    soften,
    stroke,
)

W, H = 1920, 1080
TOP, FRONT, EDGE = 716, 772, 800  # worktop: far edge, near edge, underside
WINDOW = (330, 120, 900, 610)


def draw_kitchen() -> Picture:
    rng = np.random.default_rng(8)
    picture = _wall(rng)
    _window(picture, rng)
    _light_on_wall(picture)
    _shelves(picture)
    _lamp(picture)
    _cabinets(picture, rng)
    _worktop(picture, rng)
    _curtain(picture)
    _things(picture)
    lay(picture, glow(W, H, 610, 360, 620, 470), rgb("#FFEFD0"), 0.20)
    shade(picture, 1 - glow(W, H, 820, 470, 1500, 940), 0.62)
    return brush.grain(picture, rng, 0.006)


def _shape(outline: list[Point], blur: float = 0.0) -> Mask:
    return soften(fill(W, H, outline), blur)


def _wall(rng: np.random.Generator) -> Picture:
    picture = mix(rgb("#D9D3C4"), rgb("#B3AE9F"), ramp(W, H, (300, 200), (1920, 500)))
    picture += (brush.clouds(W, H, rng, 420, octaves=4) * 0.008)[..., None]
    # a band of glazed tiles behind the worktop
    tiles = _shape(box(0, 560, W, TOP))
    lay(picture, tiles, mix(rgb("#C9CEC1"), rgb("#A3AA9C"), ramp(W, H, (400, 0), (1920, 0))))
    joints = np.zeros((H, W), np.float32)
    for row, y in enumerate(range(560, TOP, 39)):
        joints = np.maximum(joints, fill(W, H, box(0, y - 1, W, y + 1)))
        for x in range(-60 + 60 * (row % 2), W, 120):
            joints = np.maximum(joints, fill(W, H, box(x - 1, y, x + 1, y + 39)))
    lay(picture, joints * tiles, rgb("#E2E2D8"), 0.55)
    for row, y in enumerate(range(560, TOP, 39)):
        for x in range(-60 + 60 * (row % 2), W, 120):
            tone = float(rng.normal(0, 0.018))
            picture[y + 1 : y + 38, max(0, x + 1) : max(0, x + 119)] += tone
    lay(picture, _shape(box(0, 552, W, 562)), rgb("#E6E1D4"))
    shade(picture, _shape(box(0, 562, W, 574), 5), 0.86)
    return picture


def _window(picture: Picture, rng: np.random.Generator) -> None:
    left, top, right, bottom = WINDOW
    shade(picture, _shape(box(left - 34, top - 30, right + 60, bottom + 46), 26) * 0.4, 0.75)
    lay(
        picture,
        _shape(box(left - 26, top - 26, right + 26, bottom + 20)),
        mix(rgb("#F1EBDD"), rgb("#D3CCBC"), ramp(W, H, (left, 0), (right, 0))),
    )
    glass = _shape(box(left, top, right, bottom))
    lay(picture, glass, mix(rgb("#BFD6DC"), rgb("#FBF0D6"), ramp(W, H, (0, top), (0, bottom - 120))))
    lay(picture, glass * glow(W, H, 470, 420, 240, 190), rgb("#FFF9E8"), 0.9)
    for base, swing, colour in ((452, 40, "#C6D0BE"), (498, 30, "#A4B59F"), (546, 24, "#7F9880")):
        x = np.linspace(left - 10, right + 10, 60)
        y = base + swing * np.sin(x / 92 + base) + swing * 0.5 * np.sin(x / 41 + base * 2)
        ridge = [*zip(x.tolist(), y.tolist(), strict=True), (right + 10.0, bottom + 20.0), (left - 10.0, bottom + 20.0)]
        lay(picture, soften(fill(W, H, ridge), 5) * glass, rgb(colour), 0.85)
    for x, y, size in ((806, 470, 78), (862, 506, 60), (750, 520, 52)):  # a tree at the edge of the garden
        for _ in range(9):
            a, b = float(rng.normal(0, 0.42)), float(rng.normal(0, 0.42))
            lay(
                picture,
                _shape(ellipse(x + a * size, y + b * size, size * 0.42, size * 0.36), 5) * glass,
                rgb("#728E74"),
                0.5,
            )
    lay(picture, glass * ramp(W, H, (0, bottom), (0, top)), rgb("#FFF6E0"), 0.22)
    for outline in (box(607, top, 623, bottom), box(left, 318, right, 332)):
        bar = _shape(outline)
        shade(picture, soften(bar, 5) * 0.3, 0.8)
        lay(picture, bar, mix(rgb("#F4EEE1"), rgb("#CFC7B7"), ramp(W, H, (607, 0), (624, 0))))
    frame = np.clip(
        _shape(box(left, top, right, bottom)) - _shape(box(left + 13, top + 13, right - 13, bottom - 13)), 0, 1
    )
    lay(picture, frame, mix(rgb("#DAD2C2"), rgb("#F6F0E4"), ramp(W, H, (left, 0), (right, 0))))
    sill = _shape(box(left - 58, bottom + 6, right + 58, bottom + 34))
    lay(picture, sill, mix(rgb("#F8F2E5"), rgb("#D9D1C1"), ramp(W, H, (0, bottom + 6), (0, bottom + 34))))
    shade(picture, _shape(box(left - 50, bottom + 35, right + 66, bottom + 56), 9), 0.74)


def _light_on_wall(picture: Picture) -> None:
    """The sun through the window, fallen on the wall to the right."""
    mask = np.zeros((H, W), np.float32)
    for column in range(2):
        for row in range(2):
            x, y = 1010 + column * 118, 190 + row * 168
            lean = 34
            mask = np.maximum(
                mask,
                fill(
                    W,
                    H,
                    [
                        (x, y + column * 14),
                        (x + 104, y + 14 + column * 14),
                        (x + 104 + lean, y + 166 + column * 14),
                        (x + lean, y + 150 + column * 14),
                    ],
                ),
            )
    shade(picture, soften(mask, 10), rgb("#FFF2D6") * 1.20)


def _shelves(picture: Picture) -> None:
    for y in (236, 402):
        left, right = 1330, 1850
        shade(picture, _shape(box(left + 14, y + 18, right + 26, y + 58), 16), 0.70)
        lay(
            picture,
            _shape(box(left, y, right, y + 20)),
            mix(rgb("#C69C6B"), rgb("#8E6A44"), ramp(W, H, (left, 0), (right, 0))),
        )
        lay(
            picture,
            _shape(box(left, y, right, y + 5)),
            mix(rgb("#E3C294"), rgb("#B08A5E"), ramp(W, H, (left, 0), (right, 0))),
        )
        for x in (left + 70, right - 70):
            lay(picture, _shape(box(x - 5, y + 20, x + 5, y + 44)), rgb("#5D5A50"))
    _bowls(picture, 1400, 236)
    _jar(picture, 1540, 236, 66, 104, "#C9A26B")
    _jar(picture, 1622, 236, 58, 82, "#8A6A4C")
    _plates(picture, 1760, 236)
    _mug(picture, 1392, 402, "#EEE8DC")
    _mug(picture, 1470, 402, "#7B9184")
    _mug(picture, 1548, 402, "#D9C7A8")
    _trailing_plant(picture, 1660, 402)
    _jar(picture, 1784, 402, 70, 92, "#D7CBB2")


def _round(mask: Mask, x0: float, x1: float, light: str, dark: str) -> Picture:
    """Tones of something round, lit from the left."""
    u = ramp(W, H, (x0, 0), (x1, 0))
    return mix(
        mix(rgb(dark), rgb(light), np.clip(u / 0.22, 0, 1) * 0.5 + 0.5), rgb(dark), np.clip((u - 0.30) / 0.7, 0, 1)
    )


def _paint_round(picture: Picture, outline: list[Point], light: str, dark: str) -> None:
    mask = fill(W, H, outline)
    xs = [p[0] for p in outline]
    lay(picture, mask, _round(mask, min(xs), max(xs), light, dark))


def _bowls(picture: Picture, x: float, base: float) -> None:
    for number, (light, dark) in enumerate((("#EFE9DD", "#BDB5A6"), ("#A9BBAE", "#74867A"), ("#F3EDE2", "#C2BAAB"))):
        y, r = base - 34 - number * 22, 58 - number * 3
        _paint_round(
            picture,
            curve(
                [
                    (x - r, y),
                    (x - r * 0.86, y + 20),
                    (x - r * 0.4, y + 34),
                    (x + r * 0.4, y + 34),
                    (x + r * 0.86, y + 20),
                    (x + r, y),
                ],
                closed=False,
            ),
            light,
            dark,
        )
        lay(picture, fill(W, H, ellipse(x, y, r, 5)), rgb(dark), 0.8)


def _jar(picture: Picture, x: float, base: float, w: float, h: float, inside: str) -> None:
    _paint_round(picture, rounded(x - w / 2, base - h, x + w / 2, base, 12), "#E4E6DF", "#A9AEA6")
    _paint_round(picture, rounded(x - w / 2 + 5, base - h * 0.66, x + w / 2 - 5, base - 5, 9), inside, "#6D563C")
    _paint_round(picture, rounded(x - w / 2 + 3, base - h - 13, x + w / 2 - 3, base - h + 5, 4), "#D1A673", "#84603B")
    shine = fill(W, H, rounded(x - w * 0.34, base - h * 0.9, x - w * 0.24, base - h * 0.12, 3))
    lay(picture, soften(shine, 1.5), rgb("#FFFFFF"), 0.5)


def _plates(picture: Picture, x: float, base: float) -> None:
    for off, r, colour in ((26, 62, "#CFC6B4"), (0, 66, "#EFE9DD")):
        lay(
            picture,
            fill(W, H, ellipse(x + off, base - r + 1, r * 0.94, r)),
            mix(rgb(colour), rgb("#A59D8E"), ramp(W, H, (x - 30, 0), (x + 110, 40))),
        )
        lay(picture, fill(W, H, ellipse(x + off + 2, base - r + 1, r * 0.60, r * 0.65)), rgb("#8F988E"), 0.22)


def _mug(picture: Picture, x: float, base: float, colour: str) -> None:
    dark = mix(rgb(colour), rgb("#4B463D"), 0.42)
    handle = stroke(
        W,
        H,
        curve([(x + 25, base - 50), (x + 45, base - 48), (x + 46, base - 22), (x + 25, base - 16)], closed=False),
        8,
    )
    lay(picture, handle, dark)
    mask = fill(W, H, rounded(x - 29, base - 64, x + 29, base, 9))
    lay(picture, mask, mix(rgb(colour), dark, ramp(W, H, (x - 14, 0), (x + 30, 0))))
    lay(picture, fill(W, H, ellipse(x, base - 63, 29, 5)), dark, 0.85)


def _leaf(picture: Picture, x: float, y: float, size: float, angle: float, colour: str) -> None:
    c, s = float(np.cos(angle)), float(np.sin(angle))
    points = [(0, 0), (0.35, -0.24), (0.75, -0.16), (1, 0), (0.75, 0.16), (0.35, 0.24)]
    mask = fill(W, H, curve([(x + size * (a * c - b * s), y + size * (a * s + b * c)) for a, b in points]))
    lay(picture, mask, mix(rgb(colour), rgb("#2F4B39"), ramp(W, H, (x, y), (x + size * c + 1, y + size * s + 12))))


def _trailing_plant(picture: Picture, x: float, base: float) -> None:
    rng = np.random.default_rng(4)
    _paint_round(
        picture,
        curve([(x - 40, base - 62), (x - 34, base), (x + 34, base), (x + 40, base - 62)], closed=False, steps=4),
        "#C98F6B",
        "#84583C",
    )
    for _ in range(30):
        angle = float(rng.uniform(np.pi * 1.02, np.pi * 1.98))
        reach = float(rng.uniform(8, 52))
        _leaf(
            picture,
            x + reach * float(np.cos(angle)) * 0.9,
            base - 62 + reach * float(np.sin(angle)) * 0.55,
            34,
            angle + float(rng.normal(0, 0.4)),
            "#7FA07F",
        )
    for side in (-1, 1):
        for number in range(6):
            _leaf(
                picture,
                x + side * (38 + 5 * np.sin(number)),
                base - 50 + number * 17,
                25,
                np.pi / 2 - side * 0.8 + 0.3 * np.sin(number * 2.0),
                "#6E9270",
            )


def _lamp(picture: Picture) -> None:
    x, y = 1110, 0
    lay(picture, fill(W, H, box(x - 1.5, y, x + 1.5, 84)), rgb("#3B3A34"))
    _paint_round(picture, rounded(x - 11, 74, x + 11, 100, 4), "#B9AE98", "#5C574B")
    shape = curve(
        [(x - 112, 176), (x - 96, 136), (x - 56, 104), (x, 94), (x + 56, 104), (x + 96, 136), (x + 112, 176)],
        closed=False,
    )
    _paint_round(picture, shape, "#4F7C66", "#1E4232")
    lay(
        picture,
        fill(W, H, ellipse(x, 176, 112, 10)),
        mix(rgb("#E9DDC0"), rgb("#A89C80"), ramp(W, H, (x - 112, 0), (x + 112, 0))),
    )


def _cabinets(picture: Picture, rng: np.random.Generator) -> None:
    lay(
        picture, fill(W, H, box(0, EDGE, W, H)), mix(rgb("#66806F"), rgb("#42594B"), ramp(W, H, (300, EDGE), (1920, H)))
    )
    for left in range(-40, W, 392):
        panel = fill(W, H, rounded(left + 16, EDGE + 30, left + 376, H + 60, 6))
        inner = fill(W, H, rounded(left + 62, EDGE + 76, left + 330, H + 60, 4))
        lay(picture, panel, mix(rgb("#728C7A"), rgb("#4B6354"), ramp(W, H, (300, EDGE), (1920, H))))
        rim = np.clip(soften(panel, 1.5) - fill(W, H, rounded(left + 19, EDGE + 34, left + 376, H + 60, 6)), 0, 1)
        lay(picture, rim, rgb("#A5BBA9"), 0.7)
        shade(picture, np.clip(soften(inner, 3) - inner * 0.96, 0, 1), 0.7)
        lay(picture, inner, mix(rgb("#6B8473"), rgb("#465D4F"), ramp(W, H, (300, EDGE), (1920, H))))
        knob = fill(W, H, ellipse(left + 344, EDGE + 96, 9, 9))
        lay(picture, knob, rgb("#D7B98A"))
    shade(picture, soften(fill(W, H, box(0, EDGE - 4, W, EDGE + 26)), 12), 0.55)


def _worktop(picture: Picture, rng: np.random.Generator) -> None:
    top = fill(W, H, box(-5, TOP, W + 5, FRONT))
    stone = mix(rgb("#E9E3D7"), rgb("#BBB4A6"), ramp(W, H, (360, TOP), (1920, FRONT)))
    stone += (brush.clouds(W, H, rng, 90, octaves=5) * 0.012)[..., None]
    lay(picture, top, stone)
    shade(picture, soften(fill(W, H, box(0, TOP - 8, W, TOP + 6)), 6), 0.84)
    lay(picture, soften(fill(W, H, [(380, TOP), (900, TOP), (1120, FRONT), (480, FRONT)]), 16), rgb("#FFF4DC"), 0.42)
    front = fill(W, H, box(-5, FRONT, W + 5, EDGE))
    lay(picture, front, mix(rgb("#CFC8BA"), rgb("#938C7E"), ramp(W, H, (300, FRONT), (1920, EDGE))))
    lay(picture, soften(fill(W, H, box(0, FRONT - 2, W, FRONT + 3)), 1.2), rgb("#FBF6EA"), 0.65)


def _things(picture: Picture) -> None:
    _shadow(picture, 176, 756, 92)
    # boards leaning on the tiles
    lay(
        picture,
        fill(W, H, rounded(74, 470, 214, 752, 26)),
        mix(rgb("#B98A59"), rgb("#8C643C"), ramp(W, H, (74, 0), (230, 0))),
    )
    lay(
        picture,
        fill(W, H, rounded(142, 540, 282, 754, 22)),
        mix(rgb("#D3A976"), rgb("#A87F52"), ramp(W, H, (142, 0), (300, 0))),
    )
    lay(picture, fill(W, H, ellipse(212, 566, 10, 10)), rgb("#8C643C"))
    # tap and sink under the window
    tap = curve([(640, 732), (640, 640), (648, 600), (684, 588), (716, 604), (722, 640)], closed=False)
    shade(picture, soften(stroke(W, H, [(x + 9, y + 5) for x, y in tap], 12), 5) * 0.5, 0.7)
    lay(picture, stroke(W, H, tap, 13), rgb("#8F9692"))
    lay(picture, soften(stroke(W, H, [(x - 3, y - 1) for x, y in tap], 4), 1), rgb("#F3F5F2"), 0.85)
    lay(picture, fill(W, H, rounded(622, 724, 658, 740, 5)), rgb("#9BA29E"))
    # a pot of wooden spoons
    _shadow(picture, 1032, 758, 58)
    for x0, x1, y1, size in ((1008, 982, 560, 15), (1026, 1030, 540, 17), (1046, 1078, 566, 14)):
        lay(
            picture,
            stroke(W, H, [(x0, 690), (x1, y1)], 8),
            mix(rgb("#CFA473"), rgb("#9C744A"), ramp(W, H, (x0 - 20, 0), (x0 + 40, 0))),
        )
        lay(
            picture,
            fill(W, H, ellipse(x1, y1 - 14, size, size * 1.5)),
            mix(rgb("#DDB685"), rgb("#A67C50"), ramp(W, H, (x1 - 14, 0), (x1 + 16, 0))),
        )
    _paint_round(picture, rounded(978, 656, 1080, 758, 13), "#F0EADF", "#A79F90")
    lay(picture, fill(W, H, ellipse(1029, 660, 50, 7)), rgb("#8D8577"), 0.8)
    # bowl with lemons
    _shadow(picture, 1560, 760, 128)
    for x, y in ((1504, 694), (1566, 684), (1622, 696), (1538, 676), (1598, 674)):
        lay(
            picture,
            fill(W, H, ellipse(x, y, 33, 27)),
            mix(rgb("#F0D583"), rgb("#B9913C"), ramp(W, H, (x - 16, y - 20), (x + 30, y + 24))),
        )
    _paint_round(
        picture,
        curve(
            [(1444, 694), (1466, 730), (1512, 756), (1562, 760), (1612, 756), (1658, 730), (1680, 694)], closed=False
        ),
        "#DFD8CA",
        "#8D8677",
    )
    _herbs(picture, 452, 614)


def _herbs(picture: Picture, x: float, base: float) -> None:
    rng = np.random.default_rng(12)
    for _ in range(38):
        angle = float(rng.uniform(np.pi * 1.12, np.pi * 1.88))
        reach = float(rng.uniform(14, 92))
        _leaf(
            picture,
            x + reach * float(np.cos(angle)) * 0.8,
            base - 58 + reach * float(np.sin(angle)),
            32,
            angle + float(rng.normal(0, 0.5)),
            "#8DB08A",
        )
    _paint_round(
        picture,
        curve(
            [(x - 42, base - 66), (x - 33, base + 4), (x + 33, base + 4), (x + 42, base - 66)], closed=False, steps=4
        ),
        "#D49A76",
        "#8E5E42",
    )
    lay(
        picture,
        fill(W, H, rounded(x - 46, base - 72, x + 46, base - 56, 4)),
        mix(rgb("#DDA683"), rgb("#98674A"), ramp(W, H, (x - 30, 0), (x + 46, 0))),
    )


def _shadow(picture: Picture, x: float, base: float, reach: float) -> None:
    shade(picture, soften(fill(W, H, ellipse(x + reach * 0.35, base - 2, reach * 1.25, 11)), 8) * 0.75, rgb("#6E6152"))


def _curtain(picture: Picture) -> None:
    left, top, right, bottom = WINDOW
    lay(picture, fill(W, H, rounded(left - 70, top - 52, right + 70, top - 44, 4)), rgb("#8B6B47"))
    for x0, x1, waist in ((left - 58, left + 58, -10), (right - 58, right + 58, 10)):
        hem = bottom + 46
        outer = curve(
            [(x0, top - 46), (x0 - 4 + waist, 300), (x0 - 6 + waist, 470), (x0 - 3 + waist, hem)], closed=False
        )
        inner = curve(
            [(x1, top - 46), (x1 - 12 + waist, 300), (x1 - 19 + waist, 470), (x1 - 14 + waist, hem)], closed=False
        )
        wave = [(x0 - 3 + waist + (x1 - x0 - 11) * t, hem + 5 * float(np.sin(t * 13))) for t in np.linspace(0, 1, 40)]
        outline = outer + wave + inner[::-1]
        mask = fill(W, H, outline)
        x = np.arange(W, dtype=np.float32)[None, :]
        y = np.arange(H, dtype=np.float32)[:, None]
        folds = 0.5 + 0.5 * np.sin((x - x0 + 5 * np.sin(y / 140)) / 8.6 + 0.4 * np.sin(y / 210))
        cloth = mix(rgb("#D9CFBC"), rgb("#FBF5E8"), np.asarray(folds, np.float32))
        shade(picture, np.clip(soften(mask, 12) - mask, 0, 1) * 0.5, 0.75)
        lay(picture, mask, cloth, 0.93)
