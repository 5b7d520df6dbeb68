"""One stretch of a film where something is blended: a transition, or words over a shot.

It knows nothing of its place in the film, and is encoded with the settings of the clips around it, so that its packets
fit between theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra.errors import MediaError
from infra.media.compose import encode_section
from infra.media.packets import count_packets, read_headers
from infra.media.probe import AGAIN
from infra.media.timeline import Timeline
from infra.media.x264 import splice_options
from manifests.catalogue import VideoSettings


class Params(Timeline):
    video: VideoSettings


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    part = out / "_section.mp4"
    options = splice_options(params.video, params.width, params.height)
    encode_section(params, inputs, (0, params.frames), part, options)
    frames = count_packets(part)
    if frames != params.frames:
        raise MediaError(f"the section has {frames} frames, not {params.frames}", remedy=AGAIN)
    told = {"frames": frames, "bytes": part.stat().st_size, "headers": read_headers(part)}
    part.rename(out / "section.mp4")
    return told
