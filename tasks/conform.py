"""Bringing the circled take of a shot to the size, rate and frames of one deliverable, in one encode. Upscaling is part
of it: every deliverable is scaled once, from the take."""

from __future__ import annotations

from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from tasks.policy import production_task

CEILINGS = {"720p": 720, "1080p": 1080, "1440p": 1440, "2160p": 2160}


@production_task("conform")
async def conform(
    slate: str, production: Production, picture: BlobRef, in_frame: int, frames: int, profile: Profile, ratio: str
) -> StepResult:
    width, height = profile.sizes[ratio]
    params = {
        "in_frame": in_frame,
        "frames": frames,
        "rate": profile.rate,
        "width": width,
        "height": height,
        "ceiling_height": CEILINGS[production.spot.generate.upscale.to],
        "sharpen": True,
        "idr": [],
    }
    return await production.steps.run("conform", params, {"take": picture})
