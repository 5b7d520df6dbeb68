"""One stretch of a film where something is blended: a transition, or words over a shot.

It knows nothing of its place in the film, and is encoded with the settings of the clips around it, so that its packets
fit between theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from infra.errors import MediaError
from infra.media.compose import encode_section
from infra.media.packets import read_headers
from infra.media.probe import AGAIN, probe_video
from infra.media.timeline import Timeline
from infra.media.x264 import splice_options
from manifests.catalogue import VideoSettings


class Params(Timeline):
    video: VideoSettings


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    part = out / "_section.mp4"
    options = splice_options(params.video, params.width, params.height)
    encode_section(params, inputs, (0, params.frames), part, options)
    made = probe_video(part)
    if made.frames != params.frames:
        raise MediaError(f"the section has {made.frames} frames, not {params.frames}", remedy=AGAIN)
    headers = read_headers(part)
    part.rename(out / "section.mp4")
    return {"frames": made.frames, "bytes": made.size, "headers": headers}
