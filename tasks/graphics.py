"""Words on screen: supers, legal lines, lower thirds and end cards, as overlays made once per text, style and size."""

from __future__ import annotations

from typing import Any

from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from manifests.schema import EndCard, Super
from tasks.policy import production_task

FADE_FRAMES = 8


@production_task("super")
async def draw_super(
    slate: str, production: Production, wanted: Super, frames: int, profile: Profile, ratio: str
) -> StepResult:
    params = {
        **_frame(production, profile, ratio, frames),
        "kind": wanted.style,
        "text": wanted.text,
        "place": wanted.place,
    }
    return await production.steps.run("graphics", params, _font(production))


@production_task("end card")
async def draw_card(
    slate: str, production: Production, wanted: EndCard, frames: int, profile: Profile, ratio: str
) -> StepResult:
    params = {**_frame(production, profile, ratio, frames), "kind": "end-card", "fields": wanted.fields}
    inputs = {**_font(production), "template": production.file_blob(f"brand.end_cards.{wanted.card}.template")}
    if production.brand.logo is not None:
        # the card takes the one that stands out from its ground
        inputs["logo_light"] = production.file_blob("brand.logo.light")
        inputs["logo_dark"] = production.file_blob("brand.logo.dark")
    return await production.steps.run("graphics", params, inputs)


def _frame(production: Production, profile: Profile, ratio: str, frames: int) -> dict[str, Any]:
    width, height = profile.sizes[ratio]
    return {
        "width": width,
        "height": height,
        "rate": profile.rate,
        "frames": frames,
        "safe": profile.safe_area.model_dump(),
        "colours": production.brand.colours.model_dump(),
        "fade_frames": FADE_FRAMES,
    }


def _font(production: Production) -> dict[str, BlobRef]:
    """The brand's Latin font; the step has one of its own for brands without."""
    if "latin" not in production.brand.fonts:
        return {}
    return {"font": production.file_blob("brand.fonts.latin")}
