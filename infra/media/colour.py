"""Between Y'CbCr planes and RGB by whole-number arithmetic: the same bytes on every processor.

Untagged picture is BT.709, never the BT.601 that decoders assume (media sheet §13.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import VideoFrame

Plane = NDArray[np.uint8]
Wide = NDArray[np.int32]
SHIFT = 16
HALF = 1 << (SHIFT - 1)
LUMA_WEIGHTS = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114)}  # red, blue
BT601_CODES = (5, 6)


class Planes(NamedTuple):
    """One 4:2:0 picture, limited range unless said otherwise."""

    y: Plane
    u: Plane
    v: Plane


def read_planes(frame: VideoFrame) -> Planes:
    """The planes of a decoded frame, without the padding that decoders add. Copies."""
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuv420p")
    width, height = frame.width, frame.height
    half = ((width + 1) // 2, (height + 1) // 2)
    return Planes(*(_read_plane(frame, i, w, h) for i, (w, h) in enumerate([(width, height), half, half])))


def read_luma(frame: VideoFrame) -> Plane:
    """A view of the luma plane of an 8-bit planar frame; valid as long as the frame is."""
    if not frame.format.name.startswith(("yuv4", "yuvj4")) or frame.format.components[0].bits != 8:
        frame = frame.reformat(format="yuv420p")
    return _view_plane(frame, 0, frame.width, frame.height)


def write_planes(frame: VideoFrame, planes: Planes) -> None:
    """Fills a yuv420p frame."""
    for index, plane in enumerate(planes):
        height, width = plane.shape
        _view_plane(frame, index, width, height)[:] = plane


def _view_plane(frame: VideoFrame, index: int, width: int, height: int) -> Plane:
    plane = frame.planes[index]
    rows: Plane = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[:height, :width]


def _read_plane(frame: VideoFrame, index: int, width: int, height: int) -> Plane:
    return _view_plane(frame, index, width, height).copy()


def frame_to_rgb(frame: VideoFrame) -> Plane:
    """A decoded frame as rows of pixels of three bytes, by the colour tags it carries."""
    if frame.format.is_rgb:
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    matrix = "bt601" if int(frame.colorspace) in BT601_CODES else "bt709"
    full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    return planes_to_rgb(read_planes(frame), matrix=matrix, full_range=full)


def planes_to_rgb(planes: Planes, *, matrix: str = "bt709", full_range: bool = False) -> Plane:
    red, blue = LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    luma_scale, chroma_scale, black = (1.0, 1.0, 0) if full_range else (255 / 219, 255 / 224, 16)
    y = (planes.y.astype(np.int32) - black) * _fixed(luma_scale)
    height, width = planes.y.shape
    u = _upsample(planes.u, width, height)
    v = _upsample(planes.v, width, height)
    rgb = np.empty((height, width, 3), np.uint8)
    to_red, to_blue = 2 * (1 - red) * chroma_scale, 2 * (1 - blue) * chroma_scale
    # chroma carries three more binary digits than luma, from the upsampling
    rgb[..., 0] = _narrow(y + v * _fixed(to_red / 8))
    rgb[..., 1] = _narrow(y - u * _fixed(to_blue * blue / green / 8) - v * _fixed(to_red * red / green / 8))
    rgb[..., 2] = _narrow(y + u * _fixed(to_blue / 8))
    return rgb


def rgb_to_444(rgb: Plane) -> tuple[Wide, Wide, Wide]:
    """Limited-range BT.709 at full resolution, in 1/65536 of a code value, so that it can still be averaged."""
    red, blue = LUMA_WEIGHTS["bt709"]
    green = 1 - red - blue
    r, g, b = (rgb[..., i].astype(np.int32) for i in range(3))
    luma = 219 / 255
    y = r * _fixed(red * luma) + g * _fixed(green * luma) + b * _fixed(blue * luma) + (16 << SHIFT)
    by, ry = 224 / 255 / (2 * (1 - blue)), 224 / 255 / (2 * (1 - red))
    u = b * _fixed((1 - blue) * by) - r * _fixed(red * by) - g * _fixed(green * by) + (128 << SHIFT)
    v = r * _fixed((1 - red) * ry) - g * _fixed(green * ry) - b * _fixed(blue * ry) + (128 << SHIFT)
    return y, u, v


def _fixed(value: float) -> int:
    return round(value * (1 << SHIFT))


def _narrow(values: Wide) -> Plane:
    narrowed: Plane = np.clip((values + HALF) >> SHIFT, 0, 255).astype(np.uint8)
    return narrowed


def _upsample(plane: Plane, width: int, height: int) -> Wide:
    """Chroma at full resolution, centred on 0 and times 8; sited left and midway between lines, as H.264 does."""
    centred = plane.astype(np.int32) - 128
    above = np.concatenate([centred[:1], centred[:-1]])
    below = np.concatenate([centred[1:], centred[-1:]])
    tall = np.empty((centred.shape[0] * 2, centred.shape[1]), np.int32)
    tall[0::2] = 3 * centred + above
    tall[1::2] = 3 * centred + below
    right = np.concatenate([tall[:, 1:], tall[:, -1:]], axis=1)
    wide = np.empty((tall.shape[0], tall.shape[1] * 2), np.int32)
    wide[:, 0::2] = 2 * tall
    wide[:, 1::2] = tall + right
    return wide[:height, :width]
