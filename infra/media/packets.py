"""Encoded pictures put after one another without decoding them.

Every part is a closed run of packets that begins on an IDR frame and ends before the next one, with the same headers;
anything else is refused. Nothing is held but the packet in hand and the numbers of one part's frames.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from infra.errors import MediaError
from infra.media.boxes import MOVIE_TICKS
from infra.media.probe import AGAIN, VideoFacts, probe_video

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# Opening a file decodes a picture of it otherwise, twenty milliseconds every time. PyAV's types say list[str].
NOT_DECODED: Any = [{"skip_frame": "all"}]
REORDER_FRAMES = 2  # by which x264 decodes ahead when it uses B-frames; a shorter file's own times do not tell it


@dataclass(frozen=True)
class Part:
    """Frames [first, first + frames) of a file."""

    path: Path
    first: int
    frames: int


def ticks_per_second(rate: Fraction) -> int:
    """The clock of a picture track: a frame is a whole number of ticks."""
    return rate.numerator * (512 if rate.denominator == 1 else 1)


def read_headers(path: Path) -> str:
    """A digest of the decoder's settings in a file: pictures can be joined by packets when these are equal."""
    with av.open(str(path), stream_options=NOT_DECODED) as container:
        return hashlib.sha256(container.streams.video[0].codec_context.extradata or b"").hexdigest()[:16]


def count_packets(path: Path) -> int:
    with av.open(str(path), stream_options=NOT_DECODED) as container:
        return sum(packet.dts is not None for packet in container.demux(video=0))


def join_parts(parts: Iterable[Part], rate: Fraction, whole: Path) -> VideoFacts:
    """Writes all parts to `whole` and measures it. Raises MediaError when a part is not closed or has other headers."""
    options = {
        "fflags": "+bitexact",
        "movflags": "+faststart",
        "movie_timescale": str(MOVIE_TICKS),
        "video_track_timescale": str(ticks_per_second(rate)),
    }
    with av.open(str(whole), "w", format=whole.suffix[1:], options=options) as target:
        writer = _Writer(target, rate)
        for part in parts:
            writer.add(part)
    made = probe_video(whole)
    length = writer.frames / rate
    if (made.frames, made.rate, made.seconds, made.start) != (writer.frames, rate, length, Fraction(0)):
        raise MediaError(
            f"the stitched picture has {made.frames} frames over {float(made.seconds):.3f} s, "
            f"not {writer.frames} over {float(length):.3f}",
            remedy=AGAIN,
        )
    return made


class _Writer:
    """The film so far: `frames` of it are written, in decoding order and without a gap."""

    def __init__(self, target: OutputContainer, rate: Fraction) -> None:
        self._target = target
        self._rate = rate
        self._tick = int(ticks_per_second(rate) / rate)
        self._base = Fraction(1, ticks_per_second(rate))
        self._joined: VideoStream | None = None
        self._headers: bytes | None = None
        self._delay = 0  # frames by which decoding runs ahead: the same for all, it follows from the headers
        self.frames = 0

    def add(self, part: Part) -> None:
        # the first one is the film's pattern, and only decoding tells all of it (the shape of its pixels)
        how = None if self._joined is None else NOT_DECODED
        with av.open(str(part.path), stream_options=how) as source:
            picture = source.streams.video[0]
            joined = self._accept(part, picture)
            seen = []
            for order, (number, packet) in enumerate(_closed_packets(source, picture, part, self._rate)):
                seen.append(number)
                decoded = self.frames + order - self._delay
                shown = self.frames + number - part.first
                if shown < decoded:
                    raise MediaError(f"{part.path} shows frame {number} before it is decoded", remedy=AGAIN)
                packet.pts, packet.dts = shown * self._tick, decoded * self._tick
                packet.duration = self._tick
                packet.time_base = self._base
                packet.stream = joined
                self._target.mux(packet)
        if sorted(seen) != list(range(part.first, part.first + part.frames)):
            raise MediaError(
                f"{part.path} has no closed run of the frames {part.first} to {part.first + part.frames - 1}: "
                f"{len(seen)} packets, frames {min(seen, default=0)} to {max(seen, default=0)}",
                remedy=AGAIN,
            )
        self.frames += part.frames

    def _accept(self, part: Part, picture: VideoStream) -> VideoStream:
        headers = picture.codec_context.extradata or b""
        if self._joined is None:
            self._headers = headers
            self._delay = REORDER_FRAMES if picture.codec_context.has_b_frames else 0
            self._joined = self._target.add_stream_from_template(picture)
            self._joined.time_base = self._base
        elif headers != self._headers:
            raise MediaError(f"{part.path} has other decoder settings than what comes before it", remedy=AGAIN)
        return self._joined


def _closed_packets(
    source: av.container.InputContainer, picture: VideoStream, part: Part, rate: Fraction
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """(frame number, packet) in decoding order, from the IDR frame at the part's beginning to the one at its end."""
    per_tick = (picture.time_base or Fraction(1)) * rate  # frames
    end = part.first + part.frames
    if part.first > 0:
        source.seek(round(part.first / per_tick), stream=picture, backward=True)
    begun = False
    for packet in source.demux(picture):
        if packet.dts is None or packet.pts is None:
            continue
        number = round(packet.pts * per_tick)
        if packet.is_keyframe and number >= end:
            return
        begun = begun or (packet.is_keyframe and number == part.first)
        if begun:
            yield number, packet
