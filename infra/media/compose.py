"""A timeline's frames, decoded and blended, and their encode as one closed file that begins on an IDR frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

from infra.errors import MediaError
from infra.media.blend import Overlay, join_pictures, lay_over, prepare_overlay
from infra.media.colour import Plane, Planes, read_planes, write_planes
from infra.media.packets import ticks_per_second
from infra.media.reader import FrameReader
from infra.media.timeline import OverlaySpan, Timeline

BT709 = 1
LIMITED_RANGE = 1


def encode_section(
    timeline: Timeline, inputs: Mapping[str, Path], span: tuple[int, int], part: Path, options: Mapping[str, str]
) -> None:
    """Frames [span) of the timeline as one file, by x264 with these options."""
    rate = timeline.frame_rate
    how = {"fflags": "+bitexact", "video_track_timescale": str(ticks_per_second(rate))}
    with av.open(str(part), "w", format="mp4", options=how) as container:
        stream = container.add_stream("libx264", rate=rate, options=dict(options))
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = timeline.width, timeline.height, "yuv420p"
        context.time_base = 1 / rate
        context.thread_count = 1
        context.sample_aspect_ratio = Fraction(1)
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED_RANGE
        for number, frame in enumerate(compose_frames(timeline, inputs, span)):
            frame.pts = number
            frame.time_base = 1 / rate
            frame.pict_type = PictureType.NONE  # a decoded frame remembers its old type and would force it
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def compose_frames(timeline: Timeline, inputs: Mapping[str, Path], span: tuple[int, int]) -> Iterator[av.VideoFrame]:
    with ExitStack() as files:
        readers: dict[int, FrameReader] = {}
        overlays = [_OverlayReader(timeline, inputs, o, files) for o in timeline.overlays]
        for number in range(*span):
            shown = timeline.shown(number)
            frames = []
            for index in shown.clips:
                clip = timeline.clips[index]
                wanted = number - clip.start + clip.first
                if index not in readers:
                    path = inputs[clip.input]
                    end = min(clip.end, span[1]) - clip.start + clip.first
                    readers[index] = files.enter_context(FrameReader(path, timeline.frame_rate, wanted, end))
                    _check_size(timeline, path, readers[index].size)
                frames.append(readers[index].read(wanted))
            for index in [i for i in readers if timeline.clips[i].end <= number + 1]:
                readers.pop(index).close()
            above = [o for o in (reader.read(number) for reader in overlays) if o is not None]
            if shown.join is None and not above and frames[0].format.name == "yuv420p":
                yield frames[0]
                continue
            planes = read_planes(frames[0])
            if shown.join is not None:
                step = number - shown.join.at
                planes = join_pictures(shown.join.kind, planes, read_planes(frames[1]), step, shown.join.frames)
            for overlay in above:
                lay_over(planes, overlay)
            yield _new_frame(planes)


class _OverlayReader:
    """The overlay at each frame; most hold still for seconds, so an equal frame is not prepared again."""

    def __init__(self, timeline: Timeline, inputs: Mapping[str, Path], span: OverlaySpan, files: ExitStack) -> None:
        self._timeline = timeline
        self._path = inputs[span.input]
        self._span = span
        self._files = files
        self._reader: FrameReader | None = None
        self._rgba: Plane | None = None
        self._ready: Overlay | None = None

    def read(self, number: int) -> Overlay | None:
        if not self._span.start <= number < self._span.end:
            return None
        wanted = number - self._span.start + self._span.first
        if self._reader is None:
            self._reader = self._files.enter_context(FrameReader(self._path, self._timeline.frame_rate, wanted))
        rgba = np.asarray(self._reader.read(wanted).to_ndarray(format="rgba"), np.uint8)
        if self._rgba is None or not (rgba == self._rgba).all():
            self._rgba = rgba
            size = self._timeline.width, self._timeline.height
            self._ready = prepare_overlay(rgba, self._span.x, self._span.y, *size)
        return self._ready


def _check_size(timeline: Timeline, path: Path, size: tuple[int, int]) -> None:
    if size != (timeline.width, timeline.height):
        raise MediaError(
            f"{path} is {size[0]}x{size[1]}, the film is {timeline.width}x{timeline.height}",
            remedy="conform the clip first",
        )


def _new_frame(planes: Planes) -> av.VideoFrame:
    height, width = planes.y.shape
    frame = av.VideoFrame(width, height, "yuv420p")
    write_planes(frame, planes)
    frame.color_primaries = frame.color_trc = frame.colorspace = BT709
    frame.color_range = LIMITED_RANGE
    return frame
