"""The technical check of one take or still: size, length, black, frozen, cuts; and its score."""

from __future__ import annotations

from infra.production import Production
from infra.state import screen_params
from manifests.expand import Want
from manifests.journal import BlobRef, StepResult
from tasks.policy import production_task


@production_task("screen")
async def screen(slate: str, production: Production, want: Want, blob: BlobRef) -> StepResult:
    return await production.steps.run("screen", screen_params(want), {"take": blob})
