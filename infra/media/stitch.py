"""The clips of the cut, their transitions and overlays, as one silent picture at the deliverable's own settings.

The film is rendered in closed sections, each beginning on an IDR frame, side by side on the cores there are; their
packets are then joined without loss. The sections follow from the film alone: the bytes do not depend on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

from infra.errors import MediaError
from infra.media.blend import Overlay, join_pictures, lay_over, prepare_overlay
from infra.media.boxes import MOVIE_TICKS
from infra.media.colour import Plane, Planes, read_planes, write_planes
from infra.media.probe import AGAIN, probe_video
from infra.media.reader import FrameReader
from infra.media.timeline import OverlaySpan, Timeline
from infra.media.x264 import write_x264_params
from manifests.catalogue import VideoSettings

SECTION_FRAMES = 180
MEMORY_BYTES = 800_000_000  # for all encoders of this process together
FRAMES_HELD = 100  # by one encoder and its decoders, in frames' worth of bytes
BT709 = 1
LIMITED_RANGE = 1
LARGE_PICTURE = 1280 * 800
SHORT_LOOKAHEAD = 24  # x264's own 40 hold 200 MB at 1080 lines and 800 MB at 2160, for every encoder


class Params(Timeline):
    video: VideoSettings


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    sections = divide_film(params)
    parts = [out / f"_section-{number}.mp4" for number in range(len(sections))]
    with ThreadPoolExecutor(max_workers=_count_workers(params, len(sections))) as pool:
        jobs = [
            pool.submit(_render_section, params, inputs, span, part) for span, part in zip(sections, parts, strict=True)
        ]
        try:
            for job in jobs:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)
    whole = out / "_picture.part.mp4"
    _join_sections(params, sections, parts, whole)
    made = probe_video(whole)
    length = params.frames / params.frame_rate
    if (made.frames, made.rate, made.seconds) != (params.frames, params.frame_rate, length) or made.start:
        raise MediaError(
            f"the stitched picture has {made.frames} frames over {float(made.seconds):.3f} s", remedy=AGAIN
        )
    picture = out / "picture.mp4"
    whole.rename(picture)
    for part in parts:
        part.unlink()
    return {**made.as_facts(), "seconds": float(length), "sections": len(sections)}


def divide_film(params: Params) -> list[tuple[int, int]]:
    """Half-open frame ranges of about SECTION_FRAMES, each starting on a hard cut where one is near."""
    count = max(1, round(params.frames / SECTION_FRAMES))
    hard = {clip.start for clip in params.clips} - {join.at for join in params.transitions if join.frames}
    starts = [0]
    for number in range(1, count):
        ideal = params.frames * number // count
        near = [(abs(cut - ideal), cut) for cut in hard if abs(cut - ideal) <= SECTION_FRAMES // 3]
        starts.append(min(near)[1] if near else ideal)
    starts = sorted(set(starts))
    return list(zip(starts, [*starts[1:], params.frames], strict=True))


def _count_workers(params: Params, sections: int) -> int:
    each = params.width * params.height * 3 // 2 * FRAMES_HELD
    return max(1, min(len(os.sched_getaffinity(0)), MEMORY_BYTES // each, sections))


def _render_section(params: Params, inputs: Mapping[str, Path], span: tuple[int, int], part: Path) -> None:
    rate = params.frame_rate
    options = {"fflags": "+bitexact", "video_track_timescale": str(_ticks_per_second(rate))}
    with av.open(str(part), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=rate, options=_encoder_options(params))
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = params.width, params.height, "yuv420p"
        context.time_base = 1 / rate
        context.thread_count = 1
        context.sample_aspect_ratio = Fraction(1)
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED_RANGE
        for number, frame in enumerate(_compose_frames(params, inputs, span)):
            frame.pts = number
            frame.time_base = 1 / rate
            frame.pict_type = PictureType.NONE  # a decoded frame remembers its old type and would force it
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _encoder_options(params: Params) -> dict[str, str]:
    video = params.video
    memory: dict[str, int | str] = {}
    if params.width * params.height > LARGE_PICTURE:
        memory["rc_lookahead"] = SHORT_LOOKAHEAD
    options = {"preset": video.preset, "profile": video.profile}
    if video.bitrate_kbps:
        options["b"] = f"{video.bitrate_kbps}k"
    else:
        options["crf"] = str(video.crf if video.crf is not None else 18)
    if video.minimum_kbps and video.bitrate_kbps:
        # a placement that asks for a least rate measures the file: easy pictures are filled up to it
        options |= {"maxrate": f"{video.bitrate_kbps}k", "bufsize": f"{video.bitrate_kbps}k"}
        memory |= {"nal_hrd": "cbr"}
    elif video.maximum_kbps:
        options |= {"maxrate": f"{video.maximum_kbps}k", "bufsize": f"{video.maximum_kbps}k"}
    return options | {"x264-params": write_x264_params(keyint=video.gop_frames, **memory)}


def _ticks_per_second(rate: Fraction) -> int:
    return rate.numerator * (512 if rate.denominator == 1 else 1)


def _compose_frames(params: Params, inputs: Mapping[str, Path], span: tuple[int, int]) -> Iterator[av.VideoFrame]:
    with ExitStack() as files:
        readers: dict[int, FrameReader] = {}
        overlays = [_OverlayReader(params, inputs, o, files) for o in params.overlays]
        for number in range(*span):
            shown = params.shown(number)
            frames = []
            for index in shown.clips:
                clip = params.clips[index]
                if index not in readers:
                    readers[index] = files.enter_context(
                        FrameReader(inputs[clip.input], params.frame_rate, number - clip.start)
                    )
                    _check_size(params, inputs[clip.input], readers[index].size)
                frames.append(readers[index].read(number - clip.start))
            for index in [i for i in readers if params.clips[i].end <= number + 1]:
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
    """The overlay at each film frame; most hold still for seconds, so an equal frame is not prepared again."""

    def __init__(self, params: Params, inputs: Mapping[str, Path], span: OverlaySpan, files: ExitStack) -> None:
        self._params = params
        self._path = inputs[span.input]
        self._span = span
        self._files = files
        self._reader: FrameReader | None = None
        self._rgba: Plane | None = None
        self._ready: Overlay | None = None

    def read(self, number: int) -> Overlay | None:
        if not self._span.start <= number < self._span.end:
            return None
        wanted = number - self._span.start
        if self._reader is None:
            self._reader = self._files.enter_context(FrameReader(self._path, self._params.frame_rate, wanted))
        rgba = np.asarray(self._reader.read(wanted).to_ndarray(format="rgba"), np.uint8)
        if self._rgba is None or not (rgba == self._rgba).all():
            self._rgba = rgba
            size = self._params.width, self._params.height
            self._ready = prepare_overlay(rgba, self._span.x, self._span.y, *size)
        return self._ready


def _check_size(params: Params, path: Path, size: tuple[int, int]) -> None:
    if size != (params.width, params.height):
        raise MediaError(
            f"{path} is {size[0]}x{size[1]}, the film is {params.width}x{params.height}",
            remedy="conform the clip first",
        )


def _new_frame(planes: Planes) -> av.VideoFrame:
    height, width = planes.y.shape
    frame = av.VideoFrame(width, height, "yuv420p")
    write_planes(frame, planes)
    frame.color_primaries = frame.color_trc = frame.colorspace = BT709
    frame.color_range = LIMITED_RANGE
    return frame


def _join_sections(params: Params, sections: list[tuple[int, int]], parts: list[Path], whole: Path) -> None:
    """Puts the packets after one another. Every section is closed, so no packet needs another section's frames."""
    options = {
        "fflags": "+bitexact",
        "movflags": "+faststart",
        "movie_timescale": str(MOVIE_TICKS),
        "video_track_timescale": str(_ticks_per_second(params.frame_rate)),
    }
    with av.open(str(whole), "w", format="mp4", options=options) as target:
        headers: bytes | None = None
        for (start, _), part in zip(sections, parts, strict=True):
            with av.open(str(part)) as source:
                picture = source.streams.video[0]
                if headers is None:
                    headers = picture.codec_context.extradata
                    joined = target.add_stream_from_template(picture)
                    joined.time_base = picture.time_base
                elif picture.codec_context.extradata != headers:
                    raise MediaError("two sections of the film have different decoder settings", remedy=AGAIN)
                shift = round(start / params.frame_rate / (picture.time_base or Fraction(1)))
                for packet in source.demux(picture):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = joined
                    target.mux(packet)
