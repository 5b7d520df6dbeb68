"""A picture filmed in one ratio and shown in another: what is filmed, what a crop keeps of it, and what it saves to
film one ratio instead of each. Pure arithmetic; how it is cropped is the conform step's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from manifests.catalogue import ModelCard, Profile
from manifests.diagnostics import Diagnostic
from manifests.loaded import LoadedSpot
from manifests.ratecard import kept_by_crop, native_size
from manifests.schema import Shot, Spot

LITTLE_KEPT = Fraction(1, 2)  # of the picture: what was composed for the whole of it is cut through
MUCH_LARGER = 2  # times: beyond it, scaling up shows

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fit:
    """How a picture comes into a frame. `crop`: the part that is seen, in pixels of the picture."""

    kept: Fraction
    crop: Size
    scale: Fraction


def filmed_ratio(spot: Spot, shot: Shot) -> str:
    """The ratio that a shot is bought in: its own, whatever the film's."""
    return shot.reframe.from_ if shot.reframe is not None else spot.generate.ratio


def filmed_size(spot: Spot, shot: Shot, card: ModelCard, path: str) -> Size | None:
    size = native_size(card, path, filmed_ratio(spot, shot))
    return parse_size(size) if size is not None else None


def parse_size(text: str) -> Size:
    width, height = (int(number) for number in text.split(":"))
    return width, height


def framing_of(spot: Spot, shot: Shot, ratio: str) -> dict[str, Any]:
    """What the conform step is told of a shot in a film of this ratio: nothing where it was filmed in it."""
    reframe = shot.reframe
    if reframe is None or same_shape(parse_size(reframe.from_), parse_size(ratio)):
        return {}
    return {"focus": (float(reframe.focus[0]), float(reframe.focus[1])), "pad": reframe.pad}


def same_shape(one: Size, other: Size) -> bool:
    return kept_by_crop(one, other) == 1


def fit_of(picture: Size, frame: Size, pad: str = "none") -> Fit:
    """Cropped to the frame's shape, or whole inside it where it is padded."""
    across, down = Fraction(frame[0], picture[0]), Fraction(frame[1], picture[1])
    if pad != "none":
        return Fit(Fraction(1), picture, min(across, down))
    scale = max(across, down)
    crop = (min(picture[0], round(frame[0] / scale / 2) * 2), min(picture[1], round(frame[1] / scale / 2) * 2))
    return Fit(kept_by_crop(picture, frame), crop, scale)


def per_cent(part: Fraction) -> str:
    return f"{float(part) * 100:.0f} %"


def check_reframe(
    loaded: LoadedSpot, shot: Shot, card: ModelCard, path: str, profiles: Mapping[str, Profile]
) -> Iterator[Diagnostic]:
    """Warnings where little of the picture is seen, or it is scaled far up; an error where the shots of a chain are
    filmed in different ratios: the next would start on a picture of another shape."""
    spot, address = loaded.spot, f"shots.{shot.id}.reframe"
    before = next((s for s in spot.shots if s.id == shot.continues), None)
    if before is not None and not same_shape(*(parse_size(filmed_ratio(spot, s)) for s in (before, shot))):
        detail = (
            f"`{shot.id}` is filmed in {filmed_ratio(spot, shot)} and starts on the last frame of `{before.id}`, which "
            f"is filmed in {filmed_ratio(spot, before)}"
        )
        place = address if shot.reframe is not None else f"shots.{shot.id}.continues"
        yield Diagnostic("reframe", detail, place, loaded.value_where(place), "give both the same `reframe`")
    size = filmed_size(spot, shot, card, path)
    if shot.reframe is None or size is None:
        return
    for wanted in spot.deliver:
        profile = profiles.get(wanted.profile)
        frame = profile.sizes.get(wanted.ratio) if profile is not None else None
        if frame is None or not framing_of(spot, shot, wanted.ratio):
            continue
        fit = fit_of(size, frame, shot.reframe.pad)
        if fit.kept < LITTLE_KEPT or fit.scale > MUCH_LARGER:
            seen = (
                f"{per_cent(fit.kept)} of the picture is seen, {fit.crop[0]}×{fit.crop[1]} of {size[0]}×{size[1]}"
                if fit.kept < 1
                else f"the picture of {size[0]}×{size[1]} is padded"
            )
            detail = f"for {wanted.profile} {wanted.ratio}: {seen}, and scaled {float(fit.scale):.2g} times"
            remedy = "look at it with `rehearse`; film this ratio natively where it has to be sharp (no `reframe`)"
            where = loaded.value_where(address)
            yield Diagnostic("reframed", detail, address, where, remedy, "warning")
