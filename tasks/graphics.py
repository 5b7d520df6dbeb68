"""Words on screen: supers, legal lines, lower thirds, captions and end cards, as overlays made once per text, style and
size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from infra.captioning import CaptionCue
from infra.drawing import caption_params, card_files, card_params, super_params, text_files
from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from manifests.schema import EndCard, Super
from tasks.policy import production_task


class DrawnCaption(NamedTuple):
    """An overlay and where and when it lies over the film."""

    blob: BlobRef
    x: int
    y: int
    start_frame: int
    frames: int
    text: str
    made: StepResult


@production_task("super")
async def draw_super(
    slate: str,
    production: Production,
    wanted: Super,
    frames: int,
    profile: Profile,
    ratio: str,
    *,
    over_captions: bool = False,
    locale: str | None = None,
) -> StepResult:
    """`over_captions`: captions are burned into the same picture, so the words stand above them."""
    params = super_params(production.brand, wanted, frames, profile, ratio, over_captions=over_captions)
    files = text_files(production.brand, wanted.text, locale)
    return await production.steps.run("graphics", params, _blobs(production, files))


@production_task("end card")
async def draw_card(
    slate: str,
    production: Production,
    wanted: EndCard,
    frames: int,
    profile: Profile,
    ratio: str,
    *,
    locale: str | None = None,
) -> StepResult:
    params = card_params(production.brand, wanted, frames, profile, ratio)
    return await production.steps.run(
        "graphics", params, _blobs(production, card_files(production.brand, wanted, locale))
    )


@production_task("burned captions")
async def draw_captions(
    slate: str,
    production: Production,
    cues: Sequence[CaptionCue],
    profile: Profile,
    ratio: str,
    *,
    locale: str | None = None,
) -> list[DrawnCaption]:
    """One overlay for each cue. Over the end card, whose own words stand low, captions stand at the top."""
    brand, card = production.brand, production.cut.card

    async def draw(cue: CaptionCue) -> DrawnCaption:
        on_card = card is not None and cue.start_frame + cue.frames > card[0]
        place: Literal["top", "bottom"] = "top" if on_card else "bottom"
        params = caption_params(brand, cue.text, cue.frames, profile, ratio, place=place)
        blobs = _blobs(production, text_files(brand, cue.text, locale))
        made = await production.steps.run("graphics", params, blobs)
        x, y = int(made.facts["x"]), int(made.facts["y"])
        return DrawnCaption(made.files["overlay.mov"], x, y, cue.start_frame, cue.frames, cue.text, made)

    return list(await asyncio.gather(*map(draw, cues)))


def _blobs(production: Production, files: Mapping[str, str]) -> dict[str, BlobRef]:
    return {name: production.file_blob(path) for name, path in files.items()}
