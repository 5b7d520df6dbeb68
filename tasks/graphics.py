"""Words on screen: supers, legal lines, lower thirds and end cards, as overlays made once per text, style and size."""

from __future__ import annotations

from collections.abc import Mapping

from infra.drawing import card_files, card_params, super_files, super_params
from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from manifests.schema import EndCard, Super
from tasks.policy import production_task


@production_task("super")
async def draw_super(
    slate: str, production: Production, wanted: Super, frames: int, profile: Profile, ratio: str
) -> StepResult:
    params = super_params(production.brand, wanted, frames, profile, ratio)
    return await production.steps.run("graphics", params, _blobs(production, super_files(production.brand)))


@production_task("end card")
async def draw_card(
    slate: str, production: Production, wanted: EndCard, frames: int, profile: Profile, ratio: str
) -> StepResult:
    params = card_params(production.brand, wanted, frames, profile, ratio)
    return await production.steps.run("graphics", params, _blobs(production, card_files(production.brand, wanted)))


def _blobs(production: Production, files: Mapping[str, str]) -> dict[str, BlobRef]:
    return {name: production.file_blob(path) for name, path in files.items()}
