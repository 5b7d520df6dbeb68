"""Two pictures into one, by whole-number arithmetic on 4:2:0 planes: dissolves, dips, wipes and overlays with alpha."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from infra.media.colour import HALF, SHIFT, Plane, Planes, Wide, rgb_to_444

BLACK = (16, 128, 128)
SOFT_EDGE = 16  # a wipe's edge is this part of the width


def join_pictures(kind: str, earlier: Planes, later: Planes, step: int, steps: int) -> Planes:
    """Frame `step` (from 0) of a transition of `steps` frames; neither end shows one picture alone."""
    if kind == "wipe":
        return _wipe(earlier, later, step + 1, steps + 1)
    if kind == "dip":
        return _dip(earlier, later, 2 * (step + 1), steps + 1)
    return mix_planes(earlier, later, step + 1, steps + 1)


def mix_planes(earlier: Planes, later: Planes, weight: int, total: int) -> Planes:
    """`weight` / `total` of the later picture, rounded to nearest."""
    mix = _mix_narrow if 255 * total + total // 2 <= 0xFFFF else _mix_wide
    return Planes(*(mix(a, b, weight, total) for a, b in zip(earlier, later, strict=True)))


def _mix_narrow(a: Plane, b: Plane, weight: int, total: int) -> Plane:
    """As below in half the bytes: a third of the time."""
    summed = a.astype(np.uint16) * np.uint16(total - weight) + b.astype(np.uint16) * np.uint16(weight)
    return ((summed + np.uint16(total // 2)) // np.uint16(total)).astype(np.uint8)


def _mix_wide(a: Plane, b: Plane, weight: int, total: int) -> Plane:
    summed = a.astype(np.uint32) * (total - weight) + b.astype(np.uint32) * weight + total // 2
    return (summed // total).astype(np.uint8)


def _dip(earlier: Planes, later: Planes, weight: int, total: int) -> Planes:
    """Out to black over the first half, in from black over the second."""
    black = Planes(*(np.full_like(plane, level) for plane, level in zip(earlier, BLACK, strict=True)))
    if weight <= total:
        return mix_planes(earlier, black, weight, total)
    return mix_planes(later, black, 2 * total - weight, total)


def _wipe(earlier: Planes, later: Planes, part: int, whole: int) -> Planes:
    """The later picture comes in from the left behind a soft edge, which has left the frame on both ends."""
    columns = earlier.u.shape[1]  # of colour, so that colour and light share the edge
    soft = max(1, columns // SOFT_EDGE)
    reached = (columns + soft) * part // whole
    weights = np.clip(reached - np.arange(columns, dtype=np.int32), 0, soft)
    wiped = []
    for a, b, scale in zip(earlier, later, (2, 1, 1), strict=True):
        of_later = np.repeat(weights, scale)[: a.shape[1]]
        summed = a.astype(np.int32) * (soft - of_later) + b.astype(np.int32) * of_later + soft // 2
        wiped.append((summed // soft).astype(np.uint8))
    return Planes(*wiped)


class Overlay(NamedTuple):
    """A picture with alpha, ready to lie on planes: cropped to the frame and aligned to whole chroma samples."""

    left: int
    top: int
    luma: Wide  # times alpha
    luma_alpha: Wide  # of 255
    u: Wide  # times alpha, summed over the four pixels of a chroma sample
    v: Wide
    chroma_alpha: Wide  # of 1020


def prepare_overlay(rgba: Plane, x: int, y: int, width: int, height: int) -> Overlay | None:
    """Straight-alpha RGBA at (x, y) of a frame; None when nothing of it is inside."""
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + rgba.shape[1], width), min(y + rgba.shape[0], height)
    if right <= left or bottom <= top:
        return None
    inside = rgba[top - y : bottom - y, left - x : right - x]
    padding = ((top % 2, bottom % 2), (left % 2, right % 2), (0, 0))
    inside = np.pad(inside, padding)
    alpha = inside[..., 3].astype(np.int32)
    luma, u, v = ((plane + HALF) >> SHIFT for plane in rgb_to_444(inside[..., :3]))
    return Overlay(
        left=left - left % 2,
        top=top - top % 2,
        luma=luma * alpha,
        luma_alpha=alpha,
        u=_sum_fours(u * alpha),
        v=_sum_fours(v * alpha),
        chroma_alpha=_sum_fours(alpha),
    )


def lay_over(planes: Planes, overlay: Overlay) -> None:
    """Lays an overlay on the planes, in place."""
    height, width = overlay.luma.shape
    rows, columns = slice(overlay.top, overlay.top + height), slice(overlay.left, overlay.left + width)
    _cover(planes.y[rows, columns], overlay.luma, overlay.luma_alpha, 255)
    half_rows = slice(overlay.top // 2, (overlay.top + height) // 2)
    half_columns = slice(overlay.left // 2, (overlay.left + width) // 2)
    _cover(planes.u[half_rows, half_columns], overlay.u, overlay.chroma_alpha, 1020)
    _cover(planes.v[half_rows, half_columns], overlay.v, overlay.chroma_alpha, 1020)


def _cover(under: Plane, over: Wide, alpha: Wide, full: int) -> None:
    under[:] = ((under.astype(np.int32) * (full - alpha) + over + full // 2) // full).astype(np.uint8)


def _sum_fours(plane: Wide) -> Wide:
    summed: Wide = plane[0::2, 0::2] + plane[1::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 1::2]
    return summed
