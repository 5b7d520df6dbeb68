"""A plan's pictures, many times smaller: for rehearsals, whose frames nobody looks at. Requests, prices and keys of
takes stay what they are; sizes that are only measured against shrink."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manifests.catalogue import Profile
    from manifests.expand import Want


def shrink_length(pixels: int, scale: int) -> int:
    """Even, as every codec here wants it; at scale 1 what it was."""
    return pixels if scale == 1 else max(2, pixels // scale // 2 * 2)


def shrink_wants(wants: tuple[Want, ...], scale: int) -> tuple[Want, ...]:
    """The same purchases under the same keys, screened at a small size."""
    return tuple(
        want.model_copy(update={"width": shrink_length(want.width, scale), "height": shrink_length(want.height, scale)})
        if want.width
        else want
        for want in wants
    )


def shrink_profile(profile: Profile, scale: int) -> Profile:
    """Small frames need few bits: the least rate and size that a placement asks for are left out, all else stays."""
    if scale == 1:
        return profile
    sizes = {
        ratio: (shrink_length(width, scale), shrink_length(height, scale))
        for ratio, (width, height) in profile.sizes.items()
    }
    video = profile.video.model_copy(update={"minimum_kbps": None})
    return profile.model_copy(update={"sizes": sizes, "video": video, "minimum_kbps": None, "minimum_bytes": None})
