"""Bringing the circled take of a shot to the size, rate and frames of one deliverable, in one encode. Upscaling is part
of it: every deliverable is scaled once, from the take."""

from __future__ import annotations

from collections.abc import Iterable

from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from manifests.sections import can_copy
from tasks.policy import production_task

CEILINGS = {"720p": 720, "1080p": 1080, "1440p": 1440, "2160p": 2160}


@production_task("conform")
async def conform(
    slate: str,
    production: Production,
    picture: BlobRef,
    *,
    in_frame: int,
    frames: int,
    profile: Profile,
    ratio: str,
    ceiling: str,
    idr: Iterable[int] = (),
    focus: tuple[float, float] | None = None,
    pad: str = "none",
) -> StepResult:
    """`ceiling`: a word of `generate.upscale.to`. `idr`: frames where any film that shows this clip cuts or blends
    (`manifests.sections.idr_frames`); another list is another clip. `pad`: none, blur or solid:#RRGGBB."""
    width, height = profile.sizes[ratio]
    copied = can_copy(profile.video)
    params = {
        "in_frame": in_frame,
        "frames": frames,
        "rate": profile.rate,
        "width": width,
        "height": height,
        # the word counts lines of the short side, the step those of the height
        "ceiling_height": -(-CEILINGS[ceiling] * height // min(width, height)),
        "sharpen": True,
        # a mezzanine is the same for all films: they decode it from any frame
        "video": profile.video.model_dump(mode="json") if copied else None,
        "idr": sorted({frame for frame in idr if 0 < frame < frames}) if copied else [],
        "focus": None if focus is None else [float(value) for value in focus],
        "pad": pad,
    }
    return await production.steps.run("conform", params, {"take": picture})
