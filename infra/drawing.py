"""What the graphics step is asked for, and whether it can be done: words that do not fit are found before money is
spent, not after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manifests.catalogue import Profile
from manifests.schema import Brand, EndCard, Super

FADE_FRAMES = 8


def super_params(brand: Brand, wanted: Super, frames: int, profile: Profile, ratio: str) -> dict[str, Any]:
    frame = _frame(brand, profile, ratio, frames)
    return {**frame, "kind": wanted.style, "text": wanted.text, "place": wanted.place}


def card_params(brand: Brand, wanted: EndCard, frames: int, profile: Profile, ratio: str) -> dict[str, Any]:
    return {**_frame(brand, profile, ratio, frames), "kind": "end-card", "fields": wanted.fields}


def _frame(brand: Brand, profile: Profile, ratio: str, frames: int) -> dict[str, Any]:
    width, height = profile.sizes[ratio]
    return {
        "width": width,
        "height": height,
        "rate": profile.rate,
        "frames": frames,
        "safe": profile.safe_area.model_dump(),
        "colours": brand.colours.model_dump(),
        "fade_frames": FADE_FRAMES,
    }


def super_files(brand: Brand) -> dict[str, str]:
    """Inputs of the step by the YAML paths of their files. A brand without a Latin font gets the step's own."""
    return {"font": "brand.fonts.latin"} if "latin" in brand.fonts else {}


def card_files(brand: Brand, wanted: EndCard) -> dict[str, str]:
    files = {**super_files(brand), "template": f"brand.end_cards.{wanted.card}.template"}
    if brand.logo is not None:  # the card takes the one that stands out from its ground
        files |= {"logo_light": "brand.logo.light", "logo_dark": "brand.logo.dark"}
    return files


def check_layout(params: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Sets the words as the step would, and draws nothing. Raises MediaError for what does not fit or is missing."""
    from infra.media.graphics import Params, lay_out

    lay_out(Params.model_validate(params), files)
