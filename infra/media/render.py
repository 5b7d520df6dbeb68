"""The whole picture of a deliverable encoded anew at its own settings: for rates that are kept over the whole film, and
clips that cannot be joined by their packets.

The film is rendered in closed sections, each beginning on an IDR frame, side by side on the cores there are; their
packets are then joined without loss. The sections follow from the film alone: the bytes do not depend on the machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.errors import MediaError
from infra.media.compose import encode_section
from infra.media.packets import Part, join_parts
from infra.media.probe import AGAIN
from infra.media.timeline import Timeline
from infra.media.x264 import encoder_options
from manifests.catalogue import VideoSettings

SECTION_FRAMES = 180
MEMORY_BYTES = 800_000_000  # for all encoders of this process together
FRAMES_HELD = 100  # by one encoder and its decoders, in frames' worth of bytes


class Params(Timeline):
    video: VideoSettings


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    sections = divide_film(params)
    parts = [out / f"_section-{number}.mp4" for number in range(len(sections))]
    options = encoder_options(params.video, params.width, params.height)
    with ThreadPoolExecutor(max_workers=_count_workers(params, len(sections))) as pool:
        jobs = [
            pool.submit(encode_section, params, inputs, span, part, options)
            for span, part in zip(sections, parts, strict=True)
        ]
        try:
            for job in jobs:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)
    whole = out / "_picture.mp4"
    joined = [Part(part, 0, end - start) for (start, end), part in zip(sections, parts, strict=True)]
    made = join_parts(joined, params.frame_rate, whole)
    if made.frames != params.frames:
        raise MediaError(f"the picture has {made.frames} frames, not {params.frames}", remedy=AGAIN)
    for part in parts:
        part.unlink()
    whole.rename(out / "picture.mp4")
    return {**made.as_facts(), "seconds": float(made.seconds), "sections": len(sections)}


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
