"""Flat layers animated by MoviePy and written by us: overlays with alpha (qtrle), cards without (lossless H.264).

MoviePy composes; it does not write, because it rounds rates to two decimals, counts frames in hundredths of a second
and codes colour as BT.601 (media sheet §3). Frames are pulled one by one, so their count is exact at any rate.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from infra.media.lettering import Coverage

if TYPE_CHECKING:  # who only asks whether words fit writes nothing
    import av

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Pictures = Iterator[tuple[Pixels, Pixels | None]]  # RGB, and alpha where there is one

_GOP = 240  # standing words cost nothing between two whole pictures
_RED, _GREEN, _BLUE = np.float32(0.2126), np.float32(0.7152), np.float32(0.0722)  # BT.709 luma


@dataclass(frozen=True)
class Layer:
    """One colour, or one picture, seen through `coverage`. It comes up over `fade_in` frames after `delay`, rising by
    `rise` pixels into its place, and is gone after the last of `fade_out` frames."""

    fill: Colour | Pixels
    coverage: Coverage
    x: int = 0
    y: int = 0
    delay: int = 0
    fade_in: int = 0
    fade_out: int = 0
    rise: float = 0.0

    def state(self, index: int, frames: int) -> tuple[float, float]:
        """Opacity and pixels below its place on that frame. Never quite 0 on the first frame of a fade nor 1 on its
        last: those are the frames before and after."""
        risen = _phase(index - self.delay, self.fade_in)
        gone = _phase(frames - 1 - index, self.fade_out)
        return risen * risen * (3 - 2 * risen) * gone, self.rise * (1 - risen) ** 3


def _phase(index: int, length: int) -> float:
    return min(max((index + 1) / (length + 1), 0.0), 1.0)


def compose(
    layers: Sequence[Layer], size: tuple[int, int], *, frames: int, rate: Fraction, background: Colour | None
) -> Pictures:
    """Every frame as RGB and, without a `background`, its alpha. Equal frames are composed once."""
    speed = float(rate)
    moviepy = _moviepy()
    clips = [_clip(moviepy, layer, frames, speed) for layer in layers]
    # The default of bg_color is about to change upstream: always explicit.
    film = moviepy.CompositeVideoClip(clips, size=size, bg_color=background).with_duration((frames + 1) / speed)
    last: tuple[object, tuple[Pixels, Pixels | None]] | None = None
    for index in range(frames):
        key = [layer.state(index, frames) for layer in layers]
        if last is None or last[0] != key:
            time = index / speed
            rgb = np.ascontiguousarray(film.get_frame(time), dtype=np.uint8)
            alpha = None
            if background is None:
                alpha = np.rint(np.clip(film.mask.get_frame(time), 0, 1) * 255).astype(np.uint8)
            last = (key, (rgb, alpha))
        yield last[1]
    film.close()


def _moviepy() -> Any:
    """The module. On import it reads a .env from any folder above it into the environment: that is undone."""
    before = dict(os.environ)
    import moviepy

    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
    return moviepy


def _clip(moviepy: Any, layer: Layer, frames: int, speed: float) -> Any:
    height, width = layer.coverage.shape
    picture = layer.fill
    if isinstance(picture, tuple):
        picture = np.full((height, width, 3), picture, np.uint8)

    def mask(time: float) -> Coverage:
        opacity, below = layer.state(round(time * speed), frames)
        seen = layer.coverage
        if below:  # by parts of a pixel: whole ones would be seen as jerks
            shift = np.array([[1, 0, 0], [0, 1, below]], np.float32)
            moved = cv2.warpAffine(seen, shift, (width, height), flags=cv2.INTER_CUBIC)
            seen = np.clip(np.asarray(moved, dtype=np.float32), 0, 1)
        return seen * np.float32(opacity)

    lasts = (frames + 1) / speed
    clip = moviepy.ImageClip(picture, duration=lasts)
    clip.mask = moviepy.VideoClip(mask, is_mask=True, duration=lasts)
    return clip.with_position((layer.x, layer.y))


def write_overlay(path: Path, pictures: Pictures, rate: Fraction, *, bleed: Colour) -> int:
    """RGBA in a QuickTime animation file; returns the frames written. What is wholly transparent gets the colour
    `bleed`, so that a consumer who scales or subsamples colour and alpha apart draws no black rim."""

    import av

    def frames() -> Iterator[av.VideoFrame]:
        for rgb, alpha in pictures:
            assert alpha is not None  # noqa: S101 composed without a background
            argb = np.dstack([alpha, np.where(alpha[..., None] == 0, np.array(bleed, np.uint8), rgb)])
            yield av.VideoFrame.from_ndarray(argb, format="argb")

    return _write(path, frames(), rate, "qtrle", "argb")


def write_card(path: Path, pictures: Pictures, rate: Fraction) -> int:
    """Opaque and lossless, already in the colours of video: BT.709, limited range, 4:2:0. Returns the frames.

    MOV takes no FFV1; x264 with a quantiser of 0 gives every plane back bit by bit.
    """

    import av
    from av.video.reformatter import ColorRange, Colorspace

    def frames() -> Iterator[av.VideoFrame]:
        last: tuple[Pixels, list[Pixels]] | None = None
        for rgb, _ in pictures:
            if last is None or last[0] is not rgb:
                last = (rgb, to_planes(rgb))
            frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv420p")
            for plane, values in zip(frame.planes, last[1], strict=True):
                row = np.zeros((plane.height, plane.line_size), np.uint8)
                row[:, : values.shape[1]] = values
                plane.update(row.tobytes())
            frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
            yield frame

    return _write(path, frames(), rate, "libx264", "yuv420p")


def to_planes(rgb: Pixels) -> list[Pixels]:
    """Y, Cb, Cr of BT.709. Our own arithmetic: swscale's result depends on the processor."""
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    luma = _RED * red + _GREEN * green + _BLUE * blue
    planes = [16 + luma * np.float32(219 / 255)]
    for colour, weight in ((blue, _BLUE), (red, _RED)):
        full = (colour - luma) * np.float32(112 / 255) / (1 - weight)
        wide = np.pad(full, ((0, 0), (1, 1)), mode="edge")
        # Chroma sits on the left of each pair of pixels, between its two rows.
        across = (wide[:, 0:-2:2] + 2 * wide[:, 1:-1:2] + wide[:, 2::2]) / 4
        planes.append(128 + (across[0::2] + across[1::2]) / 2)
    return [np.rint(plane).astype(np.uint8) for plane in planes]


def _write(path: Path, frames: Iterator[av.VideoFrame], rate: Fraction, codec: str, pixels: str) -> int:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    count = 0
    options = {"fflags": "+bitexact", "video_track_timescale": str(rate.numerator)}
    with av.open(str(path), "w", format="mov", options=options) as container:
        stream: av.VideoStream | None = None
        for frame in frames:
            if stream is None:
                stream = cast("av.VideoStream", container.add_stream(codec, rate=rate))
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pixels
                context = stream.codec_context
                context.thread_count, context.time_base = 1, 1 / rate
                context.flags |= av.codec.context.Flags.bitexact
                context.gop_size = _GOP
                if codec == "libx264":
                    context.options = {"qp": "0", "preset": "veryfast"}
                    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
                    context.color_primaries = context.color_trc = 1
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1
        if stream is not None:
            container.mux(stream.encode(None))
    return count
