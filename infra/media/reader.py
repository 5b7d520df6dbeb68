"""Reading frames of a constant-rate file by number, forwards, from the key frame before the first one wanted."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av

from infra.errors import MediaError
from infra.media.packets import NOT_DECODED
from infra.media.probe import AGAIN

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream


class FrameReader:
    """Frames `first`, `first + 1`, … of a conformed clip or overlay. One thread; single use; close it.

    Nothing is decoded from the first key frame on that is not before `end`, if it is told.
    """

    def __init__(self, path: Path, rate: Fraction, first: int, end: int | None = None) -> None:
        self._path = path
        self._rate = rate
        self._next = first
        self._end = end
        try:
            self._container: InputContainer = av.open(str(path), stream_options=NOT_DECODED)
            self._stream = self._container.streams.video[0]
        except (av.error.FFmpegError, IndexError) as error:
            raise MediaError(f"{path} cannot be read as video", remedy=AGAIN) from error
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.thread_type = "SLICE"
        self._frames = self._decode(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> tuple[int, int]:
        return self._stream.codec_context.width, self._stream.codec_context.height

    def close(self) -> None:
        self._frames.close()
        self._container.close()

    def read(self, number: int) -> av.VideoFrame:
        """Frame `number`, which is the next one. Raises MediaError when the file does not have it."""
        if number != self._next:
            raise ValueError(f"frame {number} was asked for, {self._next} is next")
        found = next(self._frames, None)
        if found is None or found[0] != number:
            got = "it ends before" if found is None else f"frame {found[0]} came instead"
            raise MediaError(f"{self._path} has no frame {number} at {self._rate} frames a second: {got}", remedy=AGAIN)
        self._next += 1
        return found[1]

    def _decode(self, first: int) -> Generator[tuple[int, av.VideoFrame], None, None]:
        per_tick = (self._stream.time_base or Fraction(1)) * self._rate  # frames
        try:
            if first > 0:
                self._container.seek(round(first / per_tick), stream=self._stream, backward=True)
            for packet in self._packets(per_tick):
                for frame in self._stream.decode(packet):
                    if frame.is_corrupt or frame.pts is None:
                        raise MediaError(f"{self._path} is damaged before frame {first}", remedy=AGAIN)
                    number = round(frame.pts * per_tick)
                    if number >= first:
                        yield number, frame
        except av.error.FFmpegError as error:
            raise MediaError(f"{self._path} is damaged: {error.strerror}", remedy=AGAIN) from error

    def _packets(self, per_tick: Fraction) -> Iterator[Packet[VideoStream] | None]:
        """To the end of the file or of the group that has the last frame wanted; None ends the decoding."""
        for packet in self._container.demux(self._stream):
            if packet.pts is None:  # the end of the file
                break
            if self._end is not None and packet.is_keyframe and round(packet.pts * per_tick) >= self._end:
                break
            yield packet
        yield None
