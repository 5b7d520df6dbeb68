"""Two pictures into one, by whole-number arithmetic on 4:2:0 planes: dissolves, dips, wipes and overlays with alpha."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from infra.media.colour import HALF, SHIFT, Plane, Planes, Wide, rgb_to_444

BLACK = (16, 128, 128)


def join_pictures(kind: str, earlier: Planes, later: Planes, step: int, steps: int) -> Planes:
    """Frame `step` (from 0) of a transition of `steps` frames; neither end shows one picture alone."""
    if kind == "wipe":
        return _wipe(earlier, later, step + 1, steps + 1)
    if kind == "dip":
        return _dip(earlier, later, 2 * (step + 1), steps + 1)
    return mix_planes(earlier, later, step + 1, steps + 1)


def mix_planes(earlier: Planes, later: Planes, weight: int, total: int) -> Planes:
    """`weight` / `total` of the later picture, rounded to nearest."""
    mixed = []
    for a, b in zip(earlier, later, strict=True):
        summed = a.astype(np.uint32) * (total - weight) + b.astype(np.uint32) * weight + total // 2
        mixed.append((summed // total).astype(np.uint8))
    return Planes(*mixed)


def _dip(earlier: Planes, later: Planes, weight: int, total: int) -> Planes:
    black = Planes(*(np.full_like(plane, level) for plane, level in zip(earlier, BLACK, strict=True)))
    if weight <= total:
        return mix_planes(earlier, black, weight, total)
    return mix_planes(later, black, 2 * total - weight, total)


def _wipe(earlier: Planes, later: Planes, part: int, whole: int) -> Planes:
    edge = earlier.u.shape[1] * part // whole  # in chroma columns, so that colour and light share the edge
    wiped = []
    for a, b, scale in zip(earlier, later, (2, 1, 1), strict=True):
        plane = a.copy()
        plane[:, : edge * scale] = b[:, : edge * scale]
        wiped.append(plane)
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
