"""Films an animatic: a still image under the camera move that the prompt names, with a little life and fine grain.

Same request, same bytes. It simulates the motion of a take for planning, not its content: nothing in the picture acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from infra.errors import MediaError
from infra.media.atmosphere import Atmosphere
from infra.media.moves import Matrix, parse_move, plan_path
from infra.media.slate_line import SlateLine
from infra.media.x264 import write_x264_params

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]

# Chroma samples of H.264 lie on even columns and between two rows.
_CHROMA = np.array([[2, 0, 0], [0, 2, 0.5], [0, 0, 1]], np.float64)
_CHROMA_BACK = np.linalg.inv(_CHROMA)


@dataclass(frozen=True)
class AnimaticRequest:
    """What a create says, and nothing more; `rate` is a text fraction."""

    image: Path
    width: int
    height: int
    seconds: int
    prompt: str
    model: str
    seed: int
    rate: str = "24"


def film_animatic(
    image: Path,
    out: Path,
    *,
    width: int,
    height: int,
    seconds: int,
    rate: str = "24",
    prompt: str,
    model: str,
    seed: int,
) -> None:
    """Writes `out`, an H.264 mp4 of exactly seconds × rate frames whose first is the image itself."""
    film(AnimaticRequest(image, width, height, seconds, prompt, model, seed, rate), out)


def film(request: AnimaticRequest, out: Path) -> None:
    frames = round(request.seconds * Fraction(request.rate))
    if frames < 1 or request.width % 2 or request.height % 2:
        raise MediaError(f"cannot film {request.seconds} s at {request.rate}, {request.width}x{request.height}")
    move = parse_move(request.prompt)
    line = SlateLine(request.width, request.height, request.model, request.seconds, request.seed, move.label)
    picture = line.without_earlier(load_fitted(request.image, request.width, request.height))
    planes = to_planes(picture)
    path = plan_path(
        move,
        width=request.width,
        height=request.height,
        seconds=Fraction(request.seconds),
        frames=frames,
        seed=request.seed,
    )
    air = Atmosphere(request.prompt, picture, frames, Fraction(request.rate), request.seed)
    encoder = _Encoder(out, request.width, request.height, Fraction(request.rate))
    try:
        for number, matrix in enumerate(path):
            moved = planes if number == 0 else warp_planes(planes, matrix)
            encoder.write(line.draw(air.breathe(moved, number, matrix), number))
    finally:
        encoder.close()


def load_fitted(image: Path, width: int, height: int) -> NDArray[np.uint8]:
    """The picture as RGB, scaled to cover the size and cropped in the middle; untouched when it has that size."""
    data = np.frombuffer(image.read_bytes(), np.uint8)
    found = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if found is None:
        raise MediaError(
            f"{image.name} is not a picture that can be read", remedy="give a whole PNG, JPEG or WebP file"
        )
    rgb = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)
    have_h, have_w = rgb.shape[:2]
    if (have_w, have_h) != (width, height):
        factor = max(width / have_w, height / have_h)
        fit_w, fit_h = max(width, round(have_w * factor)), max(height, round(have_h * factor))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        rgb = cv2.resize(rgb, (fit_w, fit_h), interpolation=how)
        left, top = (fit_w - width) // 2, (fit_h - height) // 2
        rgb = rgb[top : top + height, left : left + width]
    return np.ascontiguousarray(rgb, dtype=np.uint8)


def to_planes(rgb: NDArray[np.uint8]) -> Planes:
    """BT.709, limited range, 4:2:0 with chroma on the left as H.264 has it; our own arithmetic, for swscale's
    depends on the CPU."""
    r, g, b = (rgb[..., at].astype(np.float32) for at in range(3))
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    blue, red = (b - luma) / 1.8556, (r - luma) / 1.5748
    return (
        _rounded(16 + luma * (219 / 255)),
        _rounded(128 + _halve(blue) * (224 / 255)),
        _rounded(128 + _halve(red) * (224 / 255)),
    )


def _halve(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = (plane[0::2] + plane[1::2]) / 2
    padded = np.pad(rows, ((0, 0), (1, 1)), mode="edge")
    return np.asarray(padded[:, 0:-2:2] / 4 + padded[:, 1:-1:2] / 2 + padded[:, 2::2] / 4, np.float32)


def _rounded(plane: NDArray[np.float32]) -> Plane:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def warp_planes(planes: Planes, matrix: Matrix) -> Planes:
    chroma = _CHROMA_BACK @ matrix @ _CHROMA
    y, u, v = planes
    return _warp(y, matrix), _warp(u, chroma), _warp(v, chroma)


def _warp(plane: Plane, matrix: Matrix) -> Plane:
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (plane.shape[1], plane.shape[0])
    if abs(matrix[2, 0]) + abs(matrix[2, 1]) < 1e-12:
        flat = matrix[:2] / matrix[2, 2]
        return np.asarray(cv2.warpAffine(plane, flat, size, flags=how, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    return np.asarray(cv2.warpPerspective(plane, matrix, size, flags=how, borderMode=cv2.BORDER_REFLECT_101), np.uint8)


class _Encoder:
    """One thread, no dates, no version text: the bytes depend on the frames alone."""

    def __init__(self, out: Path, width: int, height: int, rate: Fraction) -> None:
        self._container = av.open(
            str(out), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = 1 / rate
        stream.codec_context.thread_count = 1
        # Fast, with the loop filter back on; P frames near the quality of I frames, or the grain starts late.
        parameters = write_x264_params() + ":deblock=0,0:ipratio=1.1"
        stream.codec_context.options = {"preset": "ultrafast", "crf": "18", "x264-params": parameters}
        stream.codec_context.color_primaries = 1
        stream.codec_context.color_trc = 1
        stream.codec_context.colorspace = 1
        stream.codec_context.color_range = 1
        self._stream, self._rate, self._count = stream, rate, 0

    def write(self, planes: Planes) -> None:
        y, u, v = planes
        packed = np.concatenate((y.reshape(-1), u.reshape(-1), v.reshape(-1))).reshape(-1, y.shape[1])
        frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
        frame.color_range, frame.colorspace = 1, 1
        frame.pts, frame.time_base = self._count, 1 / self._rate
        frame.pict_type = PictureType.I if self._count == 0 else PictureType.NONE
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
