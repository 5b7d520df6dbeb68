"""What the graphics step is asked for, and whether it can be done: words that do not fit are found before money is
spent, not after.

Parameters and files name only what is seen: two locales with the same words share one overlay.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from manifests.catalogue import Profile
from manifests.schema import Brand, EndCard, Spot, Super
from manifests.scripts import LATIN, fonts_for

FADE_FRAMES = 8
# WCAG 2.1, 1.4.3: 3:1 for large letters, 4.5:1 for small ones.
LEAST_CONTRAST: Mapping[str, float] = {"super": 3.0, "lower-third": 3.0, "legal": 4.5, "caption": 4.5, "label": 4.5}


def super_params(
    brand: Brand, wanted: Super, frames: int, profile: Profile, ratio: str, *, over_captions: bool = False
) -> dict[str, Any]:
    params = {**_frame(brand, profile, ratio, frames), "kind": wanted.style, "text": wanted.text, "place": wanted.place}
    return params | ({"over_captions": True} if over_captions else {})


def card_params(brand: Brand, wanted: EndCard, frames: int, profile: Profile, ratio: str) -> dict[str, Any]:
    return {**_frame(brand, profile, ratio, frames), "kind": "end-card", "fields": wanted.fields}


def caption_params(
    brand: Brand, text: str, frames: int, profile: Profile, ratio: str, *, place: Literal["bottom", "top"] = "bottom"
) -> dict[str, Any]:
    """Captions stand at once: a fade would take from the time in which they are read."""
    frame = _frame(brand, profile, ratio, frames) | {"fade_frames": 0}
    return {**frame, "kind": "caption", "text": text, "place": place}


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


def burns_captions(spot: Spot, profile: Profile) -> bool:
    """Whether captions are in the picture of this profile: its other words then stand above them."""
    captions = spot.graphics.captions
    return captions is not None and profile.name in captions.burn and spot.sound.voiceover is not None


def text_files(brand: Brand, text: str, locale: str | None = None) -> dict[str, str]:
    """Inputs of the step by the YAML paths of their files: the fonts that this text needs, and no others. A brand
    without a Latin font gets the step's own. `locale` only tells the language of Han characters."""
    needed = sorted(fonts_for(text, tuple(brand.fonts), locale))
    return {"font" if name == LATIN else f"font_{name}": f"brand.fonts.{name}" for name in needed}


def card_files(brand: Brand, wanted: EndCard, locale: str | None = None) -> dict[str, str]:
    fonts = text_files(brand, "\n".join(wanted.fields.values()), locale)
    files = {**fonts, "template": f"brand.end_cards.{wanted.card}.template"}
    if brand.logo is not None:  # the card takes the one that stands out from its ground
        files |= {"logo_light": "brand.logo.light", "logo_dark": "brand.logo.dark"}
    return files


def check_layout(params: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Sets the words as the step would, and draws nothing. Raises MediaError for what does not fit or is missing."""
    from infra.media.graphics import Params, lay_out

    lay_out(Params.model_validate(params), files)


def letter_colour(brand: Brand) -> str:
    """The lighter of ink and paper, as the step takes it."""

    def lightness(colour: str) -> int:
        return sum(bytes.fromhex(colour[1:]))

    return max(brand.colours.paper, brand.colours.ink, key=lightness)
