"""The example's product: a matte stovetop kettle with a beech handle, cut out, seen from the side."""

from __future__ import annotations

import numpy as np

from infra.media import brush
from infra.media.brush import Mask, Picture, Point, curve, fill, lay, mix, rgb, shade, soften, stroke

W, H = 1100, 1000
LIGHT = np.array([-0.55, -0.52, 0.65]) / np.linalg.norm([-0.55, -0.52, 0.65])
GREEN = ("#14322A", "#2A6049", "#558C6F", "#A3C6AE")
BEECH = ("#7A5330", "#C4935C", "#DDB383", "#F0D3AB")
STEEL = ("#4E5452", "#9BA19E", "#D5D8D5", "#FFFFFF")


Ramp = tuple[str, str, str, str]  # from shadow to light


def draw_kettle(coat: Ramp = GREEN) -> tuple[Picture, Mask]:
    picture, alpha = brush.blank(W, H, rgb(coat[1])), np.zeros((H, W), np.float32)
    rng = np.random.default_rng(3)
    _handle_posts(picture, alpha)
    _spout(picture, alpha, coat)
    _body(picture, alpha, rng, coat)
    _lid(picture, alpha, coat)
    _grip(picture, alpha, rng)
    return brush.grain(picture, rng, 0.004), alpha


def turned_shading(mask: Mask, *, softness: float = 6.0) -> Mask:
    """Light on a solid of revolution with this outline: 0 in shadow, 1 facing the light."""
    rows = np.flatnonzero(mask.max(axis=1) > 0.5)
    left = np.array([np.flatnonzero(mask[r] > 0.5)[0] for r in rows], np.float64)
    right = np.array([np.flatnonzero(mask[r] > 0.5)[-1] for r in rows], np.float64)
    radius, middle = (right - left + 1) / 2, (right + left) / 2
    window = np.hanning(41) / np.hanning(41).sum()
    slope = np.convolve(np.pad(np.gradient(radius), 20, mode="edge"), window, mode="valid")
    light = np.zeros(mask.shape, np.float32)
    x = np.arange(mask.shape[1])
    for row, r, c, s in zip(rows, radius, middle, slope, strict=True):
        u = np.clip((x - c) / max(r, 1), -0.999, 0.999)
        normal = np.stack((u, np.full_like(u, -s), np.sqrt(1 - u * u)))
        normal /= np.linalg.norm(normal, axis=0)
        facing = LIGHT @ normal
        bounce = np.clip(u - 0.72, 0, 1) * 0.55  # light coming back from the right
        light[row] = np.clip(0.30 + 0.62 * facing, 0, 1) ** 1.15 + bounce
    return soften(light, softness)


def tones(light: Mask, ramp: Ramp) -> Picture:
    stops = [rgb(code) for code in ramp]
    low = mix(stops[0], stops[1], np.clip(light / 0.45, 0, 1))
    high = mix(low, stops[2], np.clip((light - 0.42) / 0.36, 0, 1))
    return mix(high, stops[3], np.clip((light - 0.80) / 0.26, 0, 1) * 0.7)


def _body(picture: Picture, alpha: Mask, rng: np.random.Generator, coat: Ramp) -> None:
    left: list[Point] = [(452, 452), (388, 486), (322, 562), (272, 670), (243, 790), (240, 862), (254, 912), (292, 930)]
    side = curve(left, closed=False)
    outline = side + [(1160 - x, y) for x, y in reversed(side)]
    mask = fill(W, H, outline)
    light = turned_shading(mask)
    colour = tones(light, coat)
    colour *= (1 - 0.30 * brush.ramp(W, H, (0, 780), (0, 950)))[..., None]
    colour += (brush.clouds(W, H, rng, 5, octaves=2) * 0.004)[..., None]  # the powder of a matte coat
    lay(picture, mask, colour)
    # broad dull reflection of the window
    sheen = fill(W, H, curve([(352, 590), (396, 540), (410, 620), (388, 780), (352, 842), (334, 760)]))
    lay(picture, soften(sheen, 30) * mask, rgb("#CFE6D5" if coat is GREEN else coat[3]), 0.20)
    base = fill(W, H, brush.rounded(276, 926, 884, 944, 8))
    steel = mix(rgb("#7C8380"), rgb("#C6CBC8"), brush.glow(W, H, 420, 935, 120, 60))
    lay(picture, base, mix(steel, rgb("#3A403E"), brush.ramp(W, H, (560, 0), (884, 0))))
    shade(picture, fill(W, H, brush.box(270, 924, 890, 930)), 0.6)
    alpha[:] = np.maximum(alpha, np.maximum(mask, base))


def _spout(picture: Picture, alpha: Mask, coat: Ramp) -> None:
    upper = curve([(398, 560), (322, 560), (258, 520), (206, 452), (160, 372), (128, 330)], closed=False)
    lower = curve([(84, 352), (104, 400), (136, 486), (186, 600), (244, 704), (318, 772), (390, 780)], closed=False)
    mask = fill(W, H, upper + lower)
    middle = curve([(108, 342), (132, 390), (170, 470), (216, 560), (276, 640), (360, 680)], closed=False)
    wide = stroke(W, H, middle, 70)
    light = 0.30 * np.ones((H, W), np.float32)
    light += 0.42 * soften(stroke(W, H, [(x - 8, y - 22) for x, y in middle], 46), 14)
    light += 0.16 * soften(stroke(W, H, [(x + 2, y - 38) for x, y in middle], 20), 9)
    light -= 0.26 * soften(stroke(W, H, [(x + 6, y + 52) for x, y in middle], 60), 20)
    lay(picture, mask, tones(np.clip(light + 0.04 * soften(wide, 10), 0, 1), coat))
    lip = stroke(W, H, [(84, 354), (104, 340), (129, 330)], 13)
    lay(picture, lip, mix(rgb("#C9CECB"), rgb("#767D7A"), brush.ramp(W, H, (84, 0), (132, 0))))
    alpha[:] = np.maximum(alpha, np.maximum(mask, lip))
    # where it meets the body
    shade(
        picture,
        soften(stroke(W, H, curve([(352, 520), (318, 590), (300, 680), (312, 790)], closed=False), 30), 14),
        0.72,
    )


def _lid(picture: Picture, alpha: Mask, coat: Ramp) -> None:
    collar = fill(W, H, curve([(448, 456), (580, 474), (712, 456), (704, 438), (580, 428), (456, 438)]))
    lay(picture, collar, tones(turned_shading(collar, softness=2), coat) * 0.78)
    dome = fill(
        W,
        H,
        curve(
            [
                (462, 440),
                (484, 408),
                (530, 388),
                (580, 383),
                (630, 388),
                (676, 408),
                (698, 440),
                (640, 450),
                (580, 453),
                (520, 450),
            ]
        ),
    )
    lay(picture, dome, tones(np.clip(turned_shading(dome, softness=4) + 0.03, 0, 1.2), coat))
    stem = fill(W, H, brush.rounded(566, 368, 594, 392, 5))
    lay(picture, stem, mix(rgb("#D5D8D5"), rgb("#5A605E"), brush.ramp(W, H, (566, 0), (594, 0))))
    knob = fill(
        W, H, curve([(546, 352), (556, 330), (580, 322), (604, 330), (614, 352), (602, 370), (580, 374), (558, 370)])
    )
    lay(picture, knob, tones(turned_shading(knob, softness=4), BEECH))
    alpha[:] = np.maximum.reduce([alpha, collar, dome, stem, knob])


def _handle_posts(picture: Picture, alpha: Mask) -> None:
    for points in ([(446, 500), (420, 430), (384, 340), (368, 276)], [(714, 500), (740, 430), (776, 340), (792, 276)]):
        line = curve(points, closed=False)
        post = stroke(W, H, line, 24)
        lay(picture, post, rgb("#848B88"))
        lay(picture, soften(stroke(W, H, [(x - 5, y) for x, y in line], 7), 2) * post, rgb("#E4E7E4"), 0.9)
        lay(picture, soften(stroke(W, H, [(x + 8, y) for x, y in line], 8), 3) * post, rgb("#3E4442"), 0.7)
        alpha[:] = np.maximum(alpha, post)


def _grip(picture: Picture, alpha: Mask, rng: np.random.Generator) -> None:
    turn = np.linspace(0, np.pi, 90)
    line = [
        (580 - 212 * float(np.cos(t)) * (1 + 0.03 * float(np.sin(t))), 268 - 150 * float(np.sin(t)) ** 0.86)
        for t in turn
    ]
    mask = stroke(W, H, line, 60)
    light = 0.34 + 0.34 * soften(stroke(W, H, [(x - 3, y - 12) for x, y in line], 34), 10)
    light = light + 0.2 * soften(stroke(W, H, [(x - 2, y - 18) for x, y in line], 10), 5)
    light = light - 0.24 * soften(stroke(W, H, [(x + 2, y + 26) for x, y in line], 22), 8)
    light = light * (1.06 - 0.3 * brush.ramp(W, H, (420, 0), (820, 0)))
    colour = tones(np.clip(light, 0, 1), BEECH)
    lay(picture, mask, colour)
    for _ in range(46):  # the wood's fibres follow the bend
        off, begin = float(rng.uniform(-27, 27)), int(rng.integers(0, len(line) - 18))
        part = line[begin : begin + int(rng.integers(10, 30))]
        fibre = stroke(W, H, [(x + off * 0.1, y + off) for x, y in part], float(rng.uniform(0.8, 2.0)), taper=0.7)
        shade(picture, fibre * mask, float(rng.uniform(0.84, 0.94)))
    alpha[:] = np.maximum(alpha, mask)
    for x, tilt in ((368, 10), (792, -10)):
        ferrule = fill(
            W,
            H,
            [
                (x - 21 - tilt * 0.2, 272),
                (x + 21 - tilt * 0.2, 272),
                (x + 17 + tilt * 0.2, 304),
                (x - 17 + tilt * 0.2, 304),
            ],
        )
        lay(picture, ferrule, mix(rgb("#DADEDB"), rgb("#59605D"), brush.ramp(W, H, (x - 14, 0), (x + 20, 0))))
        shade(picture, soften(fill(W, H, brush.box(x - 22, 270, x + 22, 277)), 2) * ferrule, 0.6)
        alpha[:] = np.maximum(alpha, ferrule)
