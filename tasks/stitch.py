"""Joining the conformed shots, the end card and the graphics into the picture of one deliverable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from tasks.policy import production_task


@dataclass(frozen=True)
class Clip:
    """`start`: the film frame that shows the clip's first frame."""

    blob: BlobRef
    start: int
    frames: int


@dataclass(frozen=True)
class Overlay:
    blob: BlobRef
    x: int
    y: int
    start: int
    frames: int


@production_task("stitch")
async def stitch(
    slate: str, production: Production, clips: Sequence[Clip], overlays: Sequence[Overlay], profile: Profile, ratio: str
) -> StepResult:
    width, height = profile.sizes[ratio]
    inputs = {f"clip{n}": clip.blob for n, clip in enumerate(clips)}
    inputs |= {f"overlay{n}": overlay.blob for n, overlay in enumerate(overlays)}
    params = {
        "width": width,
        "height": height,
        "rate": profile.rate,
        "frames": production.cut.frames,
        "clips": [{"input": f"clip{n}", "start": c.start, "frames": c.frames} for n, c in enumerate(clips)],
        "transitions": production.cut.stitch_transitions,
        "overlays": [
            {"input": f"overlay{n}", "x": o.x, "y": o.y, "start": o.start, "frames": o.frames}
            for n, o in enumerate(overlays)
        ],
        "video": profile.video.model_dump(mode="json"),
    }
    return await production.steps.run("stitch", params, inputs)
