"""The example's character: a woman in her forties, grey-streaked hair, navy jumper, head and shoulders, cut out."""

from __future__ import annotations

import numpy as np

from infra.media import brush
from infra.media.brush import Mask, Picture, Point, curve, fill, lay, mix, ramp, rgb, shade, soften, stroke

W, H = 1100, 1300
SKIN = ("#E8B896", "#F4CFB0", "#C98F70", "#B27A5E")  # base, lit, shade, deep
HAIR = ("#4A3B34", "#6A5649", "#2E2521")


def draw_woman() -> tuple[Picture, Mask]:
    picture, alpha = brush.blank(W, H, rgb(HAIR[0])), np.zeros((H, W), np.float32)
    _hair_behind(picture, alpha)
    _neck(picture, alpha)
    _jumper(picture, alpha)
    face = _face(picture, alpha)
    _features(picture, face)
    _hair_front(picture, alpha)
    rng = np.random.default_rng(6)
    return brush.grain(picture, rng, 0.004), alpha


def _add(alpha: Mask, *masks: Mask) -> None:
    for mask in masks:
        np.maximum(alpha, mask, out=alpha)


def _shape(points: list[Point], *, closed: bool = True) -> Mask:
    return fill(W, H, curve(points, closed=closed))


def _line(
    picture: Picture,
    points: list[Point],
    thickness: float,
    colour: str,
    opacity: float = 1.0,
    *,
    taper: float = 0.0,
    blur: float = 0.0,
) -> None:
    lay(picture, soften(stroke(W, H, curve(points, closed=False), thickness, taper=taper), blur), rgb(colour), opacity)


def _hair_behind(picture: Picture, alpha: Mask) -> None:
    mask = _shape(
        [
            (556, 122),
            (412, 156),
            (324, 262),
            (302, 400),
            (314, 540),
            (322, 650),
            (352, 716),
            (420, 742),
            (560, 730),
            (690, 744),
            (752, 712),
            (782, 640),
            (790, 530),
            (800, 400),
            (780, 266),
            (700, 158),
        ]
    )
    lay(picture, mask, mix(rgb(HAIR[1]), rgb(HAIR[2]), ramp(W, H, (320, 300), (760, 620))))
    _add(alpha, mask)


def _neck(picture: Picture, alpha: Mask) -> None:
    mask = _shape(
        [(472, 610), (470, 720), (466, 800), (480, 860), (560, 900), (640, 860), (654, 800), (650, 720), (652, 610)]
    )
    lay(picture, mask, mix(rgb(SKIN[0]), rgb(SKIN[2]), ramp(W, H, (470, 700), (660, 740))))
    under = _shape([(440, 600), (470, 706), (552, 770), (634, 736), (690, 640), (700, 580)])
    lay(picture, soften(under, 7) * mask, rgb(SKIN[3]), 0.72)
    _line(picture, [(520, 786), (534, 830), (546, 858)], 5, SKIN[3], 0.35, blur=2)
    _line(picture, [(606, 786), (590, 832), (574, 860)], 5, SKIN[3], 0.35, blur=2)
    _add(alpha, mask)


def _jumper(picture: Picture, alpha: Mask) -> None:
    near = [(452, 846), (362, 868), (236, 900), (140, 958), (86, 1060), (58, 1190), (44, 1330)]
    far = [(1056, 1330), (1042, 1190), (1012, 1060), (960, 962), (872, 902), (754, 868), (664, 846)]
    body = fill(W, H, curve(near, closed=False) + curve(far, closed=False))
    lay(picture, body, mix(rgb("#34496A"), rgb("#1B2A44"), ramp(W, H, (200, 900), (960, 1180))))
    shoulder = _shape(
        [(150, 966), (250, 908), (372, 868), (432, 900), (330, 980), (220, 1080), (130, 1200), (76, 1240), (92, 1080)]
    )
    lay(picture, soften(shoulder, 34) * body, rgb("#5A7299"), 0.55)
    rows = np.zeros((H, W), np.float32)
    for number in range(-4, 30):  # the knit: faint ribs that follow the shoulders
        x = 110 + number * 36
        top = 868 + abs(x - 556) * 0.22
        rib = stroke(
            W, H, curve([(x + (556 - x) * 0.14, top), (x, 1080), (x - (556 - x) * 0.05, 1340)], closed=False), 3.2
        )
        rows = np.maximum(rows, rib)
    shade(picture, soften(rows, 1.4) * body, 0.86)
    for points in (
        [(256, 1330), (250, 1200), (286, 1080), (306, 1040)],
        [(852, 1330), (862, 1200), (832, 1080), (816, 1044)],
    ):
        line = stroke(W, H, curve(points, closed=False), 15, taper=0.8)
        shade(picture, soften(line, 6) * body, 0.62)
    fold = _shape([(560, 1010), (640, 1080), (690, 1210), (700, 1330), (900, 1330), (900, 1150), (790, 980)])
    shade(picture, soften(fold, 50) * body, 0.82)
    # a soft roll neck
    collar = _shape(
        [
            (458, 742),
            (446, 790),
            (428, 846),
            (412, 880),
            (476, 912),
            (560, 924),
            (646, 912),
            (708, 880),
            (692, 846),
            (674, 790),
            (664, 742),
            (616, 764),
            (560, 772),
            (504, 764),
        ]
    )
    shade(
        picture,
        soften(
            _shape([(400, 880), (470, 918), (560, 934), (650, 918), (724, 880), (700, 930), (560, 966), (424, 930)]), 14
        )
        * body,
        0.66,
    )
    lay(picture, collar, mix(rgb("#48618A"), rgb("#1A2840"), ramp(W, H, (430, 800), (700, 850))))
    for number in range(25):
        t = number / 24
        x0, x1 = 456 + 210 * t, 414 + 292 * t
        sag = float(np.sin(np.pi * t))
        rib = stroke(
            W,
            H,
            curve([(x0, 742 + 30 * sag), ((x0 + x1) / 2, 812 + 34 * sag), (x1, 884 + 40 * sag)], closed=False),
            3.4,
        )
        shade(picture, soften(rib, 1.2) * collar, 0.74)
    shade(
        picture,
        soften(
            _shape([(456, 742), (504, 766), (560, 774), (616, 766), (666, 742), (664, 766), (560, 796), (458, 766)]), 6
        )
        * collar,
        1.25,
    )
    shade(
        picture,
        soften(_shape([(430, 840), (560, 890), (692, 840), (700, 880), (560, 926), (416, 880)]), 12) * collar,
        0.80,
    )
    _add(alpha, body, collar)


def _face(picture: Picture, alpha: Mask) -> Mask:
    for x, flip in ((374, 1), (742, -1)):
        ear = _shape([(x, 420), (x - 18 * flip, 412), (x - 27 * flip, 450), (x - 18 * flip, 506), (x + 6 * flip, 524)])
        lay(picture, ear, rgb(SKIN[0] if flip > 0 else SKIN[2]))
    mask = _shape(
        [
            (556, 208),
            (460, 226),
            (396, 300),
            (374, 400),
            (378, 494),
            (402, 584),
            (452, 656),
            (510, 702),
            (558, 714),
            (606, 702),
            (664, 656),
            (714, 584),
            (738, 494),
            (742, 400),
            (720, 300),
            (652, 226),
        ]
    )
    lay(picture, mask, mix(rgb(SKIN[1]), rgb(SKIN[0]), ramp(W, H, (400, 380), (640, 470))))
    # the side away from the window: one clear shape with a soft edge
    away = _shape(
        [
            (640, 200),
            (622, 300),
            (628, 380),
            (608, 420),
            (622, 470),
            (634, 520),
            (612, 580),
            (590, 650),
            (566, 730),
            (700, 720),
            (780, 560),
            (780, 300),
        ]
    )
    lay(picture, soften(away, 15) * mask, rgb(SKIN[2]), 0.62)
    lay(
        picture,
        soften(_shape([(452, 506), (500, 520), (494, 566), (446, 584), (412, 552)]), 20) * mask,
        rgb("#E58F78"),
        0.34,
    )
    lay(
        picture,
        soften(_shape([(640, 512), (690, 516), (694, 560), (654, 578), (622, 552)]), 20) * mask,
        rgb("#C9705C"),
        0.30,
    )
    shade(
        picture,
        soften(
            _shape([(380, 260), (556, 190), (740, 260), (730, 330), (640, 262), (556, 250), (460, 268), (388, 350)]), 15
        )
        * mask,
        rgb("#D2B4A2"),
    )
    _add(alpha, mask)
    return mask


def _features(picture: Picture, face: Mask) -> None:
    for x, flip, tone in ((468, 1, 1.0), (646, -1, 0.94)):
        _eye(picture, x, 452, flip, tone)
        brow = _shape(
            [
                (x - 52 * flip, 402),
                (x - 20 * flip, 384),
                (x + 26 * flip, 386),
                (x + 48 * flip, 400),
                (x + 24 * flip, 397),
                (x - 18 * flip, 396),
                (x - 48 * flip, 409),
            ]
        )
        lay(picture, brow, rgb("#54423A"), 0.92)
        _line(picture, [(x - 62 * flip, 446), (x - 74 * flip, 441)], 2.4, SKIN[3], 0.55, taper=0.7)
        _line(picture, [(x - 62 * flip, 456), (x - 75 * flip, 460)], 2.4, SKIN[3], 0.50, taper=0.7)
        _line(picture, [(x - 26 * flip, 490), (x, 497), (x + 26 * flip, 490)], 3, SKIN[3], 0.28, blur=1.5)
    # nose: one shaded plane and the line of the nostrils
    plane = _shape([(566, 412), (572, 470), (590, 536), (604, 560), (584, 574), (560, 578), (558, 500)])
    lay(picture, soften(plane, 5) * face, rgb(SKIN[3]), 0.36)
    _line(picture, [(528, 556), (524, 568), (534, 577), (544, 573)], 4, SKIN[3], 0.85)
    _line(picture, [(556, 579), (568, 581), (580, 576)], 3.6, "#8C5544", 0.8)
    _line(picture, [(592, 552), (597, 566), (588, 576)], 4, "#8C5544", 0.75)
    lay(picture, soften(fill(W, H, brush.ellipse(549, 548, 9, 13)), 5), rgb("#FFE6CF"), 0.55)
    upper = _shape(
        [
            (494, 634),
            (522, 624),
            (546, 619),
            (558, 623),
            (570, 619),
            (594, 624),
            (622, 632),
            (590, 638),
            (558, 640),
            (524, 639),
        ]
    )
    lower = _shape([(496, 635), (526, 640), (558, 641), (592, 639), (620, 633), (598, 654), (560, 663), (520, 655)])
    lay(picture, upper, rgb("#AE5D50"))
    lay(picture, lower, mix(rgb("#CE7F6C"), rgb("#A85D4F"), ramp(W, H, (520, 640), (620, 655))))
    lay(picture, soften(fill(W, H, brush.ellipse(544, 649, 20, 4)), 2.5), rgb("#F0B7A4"), 0.6)
    _line(
        picture,
        [(484, 626), (496, 634), (526, 640), (558, 641), (592, 639), (620, 633), (632, 624)],
        3,
        "#6E362F",
        0.85,
    )
    _line(picture, [(508, 572), (488, 594), (476, 618)], 5, SKIN[3], 0.26, blur=3, taper=0.6)
    _line(picture, [(612, 572), (632, 594), (644, 618)], 5, "#8C5544", 0.26, blur=3, taper=0.6)
    shade(picture, soften(fill(W, H, brush.ellipse(560, 676, 34, 6)), 6) * face * 0.5, rgb("#C08A70"))


def _eye(picture: Picture, x: float, y: float, flip: int, tone: float) -> None:
    white = _shape(
        [
            (x - 42 * flip, y + 4),
            (x - 22 * flip, y - 14),
            (x + 4 * flip, y - 19),
            (x + 28 * flip, y - 9),
            (x + 38 * flip, y + 7),
            (x + 14 * flip, y + 14),
            (x - 18 * flip, y + 14),
        ]
    )
    lay(picture, white, rgb("#F6EDE4") * tone)
    iris = fill(W, H, brush.ellipse(x - 3, y - 3, 18, 18)) * white
    lay(picture, iris, mix(rgb("#5F4A36"), rgb("#8C704F"), ramp(W, H, (x, y - 16), (x, y + 16))))
    lay(picture, fill(W, H, brush.ellipse(x - 3, y - 3, 8.5, 8.5)) * white, rgb("#1D1512"))
    lay(picture, fill(W, H, brush.ellipse(x - 9, y - 10, 4.2, 4.2)), rgb("#FFFFFF"), 0.95)
    shade(
        picture,
        soften(
            _shape([(x - 42, y - 6), (x, y - 20), (x + 42, y - 6), (x + 30, y - 2), (x, y - 10), (x - 30, y - 2)]), 2
        )
        * white,
        0.72,
    )
    lid = curve(
        [
            (x - 47 * flip, y + 7),
            (x - 24 * flip, y - 14),
            (x + 4 * flip, y - 20),
            (x + 28 * flip, y - 10),
            (x + 39 * flip, y + 7),
        ],
        closed=False,
    )
    lay(picture, stroke(W, H, lid, 7), rgb("#33241F"))
    lay(picture, stroke(W, H, [(x - 42 * flip, y + 1), (x - 54 * flip, y - 6)], 5, taper=0.8), rgb("#33241F"))
    _line(
        picture,
        [(x - 40 * flip, y - 14), (x - 14 * flip, y - 32), (x + 12 * flip, y - 34), (x + 32 * flip, y - 24)],
        3,
        SKIN[3],
        0.55,
    )
    _line(picture, [(x - 30 * flip, y + 14), (x - 4, y + 18), (x + 28 * flip, y + 13)], 2.2, "#8C5544", 0.5)


def _hair_front(picture: Picture, alpha: Mask) -> None:
    """A side parting; both sides fall to the jaw, lit on the left, with grey strands that start at the parting."""
    left = _shape(
        [
            (604, 140),
            (512, 134),
            (416, 164),
            (338, 256),
            (306, 380),
            (306, 520),
            (316, 640),
            (344, 716),
            (392, 744),
            (420, 724),
            (398, 650),
            (384, 560),
            (384, 470),
            (396, 390),
            (428, 330),
            (490, 284),
            (560, 250),
            (606, 212),
        ]
    )
    right = _shape(
        [
            (594, 140),
            (682, 150),
            (762, 246),
            (796, 370),
            (800, 500),
            (790, 630),
            (764, 706),
            (716, 744),
            (690, 730),
            (716, 660),
            (734, 570),
            (736, 470),
            (726, 380),
            (700, 310),
            (656, 256),
            (610, 218),
        ]
    )
    for mask, towards in ((left, (300, 300)), (right, (560, 200))):
        shade(picture, np.clip(soften(mask, 16) - mask, 0, 1) * 0.55 * alpha, rgb("#8A5B49"))
        lay(picture, mask, mix(rgb("#7A6455"), rgb(HAIR[2]), ramp(W, H, towards, (towards[0] + 330, 620))))
        _add(alpha, mask)
    rng = np.random.default_rng(21)
    sides = (
        (
            left,
            [(602, 150), (510, 140), (420, 168), (340, 256), (306, 380), (304, 520), (316, 640), (350, 730)],
            [(606, 210), (545, 254), (474, 292), (424, 336), (398, 392), (386, 480), (390, 580), (414, 716)],
            1.0,
        ),
        (
            right,
            [(598, 150), (680, 156), (760, 246), (794, 370), (800, 500), (788, 630), (762, 706), (730, 738)],
            [(606, 212), (654, 258), (698, 314), (724, 384), (736, 474), (733, 570), (716, 656), (698, 728)],
            0.7,
        ),
    )
    for mask, outer, inner, lit in sides:
        away, near = np.asarray(curve(outer, closed=False)), np.asarray(curve(inner, closed=False))
        count = min(len(away), len(near))
        for number in range(150):
            s = float(rng.uniform(0.02, 0.98))
            begin, end = int(count * float(rng.uniform(0, 0.30))), int(count * float(rng.uniform(0.62, 1.0)))
            wave = np.sin(np.linspace(0, 5, count) + number)[:, None] * np.array([2.2, 1.2])
            line = (away[:count] * (1 - s) + near[:count] * s + wave)[begin:end]
            grey = number % 5 == 0 or (s > 0.72 and number % 2 == 0)
            colour = str(
                rng.choice(["#BDB5AB", "#D8D1C7", "#A79D92"] if grey else ["#917967", "#6B5648", "#251B17", "#3A2C26"])
            )
            strand = stroke(
                W, H, [(float(x), float(y)) for x, y in line], float(rng.uniform(1.4, 4.4 if grey else 5.0)), taper=0.8
            )
            lay(picture, soften(strand, 0.7) * mask, rgb(colour), (0.58 if grey else 0.34) * lit)
    shine = soften(stroke(W, H, curve([(520, 196), (420, 250), (358, 350)], closed=False), 38, taper=0.3), 17)
    lay(picture, shine * left, rgb("#C9B7A4"), 0.30)
