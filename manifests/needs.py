"""What each placement needs done to the takes: cropped, padded, scaled, shown at another rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from manifests.catalogue import Profile
from manifests.expand import Want
from manifests.films import Variant
from manifests.loaded import LoadedSpot
from manifests.naming import shot_address
from manifests.reframing import Size, fit_of, parse_size, per_cent, same_shape
from manifests.schema import Deliver, Shot
from manifests.timing import FILM_RATE


def needs_of(
    parts: Iterable[tuple[Variant, LoadedSpot]], wants: Sequence[Want], profiles: Mapping[str, Profile]
) -> list[str]:
    """In words, once for each, however many films go there."""
    takes: dict[str, Want] = {}
    for want in wants:
        if want.what == "take":
            takes.setdefault(shot_address(want.address), want)
    needs: dict[str, None] = {}
    for variant, loaded in parts:
        for wanted in loaded.spot.deliver:
            for size, shots in _sizes(variant, loaded, takes, wanted).items():
                needs.setdefault(_need(wanted, profiles[wanted.profile], size, shots))
    return list(needs)


def _sizes(
    variant: Variant, loaded: LoadedSpot, takes: Mapping[str, Want], wanted: Deliver
) -> dict[tuple[Size, str], list[str]]:
    """By size of a take and how it is padded, the shots that are reframed from it."""
    found: dict[tuple[Size, str], list[str]] = {}
    for shot in loaded.spot.shots:
        take = takes.get(variant.shot(shot.id))
        if take is None:
            continue
        reframed = _is_reframed(shot, wanted)
        pad = shot.reframe.pad if shot.reframe is not None and reframed else "none"
        found.setdefault(((take.width, take.height), pad), []).extend([shot.id] if reframed else [])
    return found


def _is_reframed(shot: Shot, wanted: Deliver) -> bool:
    return shot.reframe is not None and not same_shape(parse_size(shot.reframe.from_), parse_size(wanted.ratio))


def _need(wanted: Deliver, profile: Profile, made: tuple[Size, str], shots: Sequence[str]) -> str:
    size, pad = made
    frame = profile.sizes[wanted.ratio]
    words = ", ".join(_steps(size, frame, pad))
    whose = f" ({', '.join(shots)})" if shots else ""
    change = ", the same frames shown at that rate" if profile.rate_change == "relabel" else ""
    kept = profile.frame_rate == FILM_RATE
    rate = f"{FILM_RATE} fps" if kept else f"{FILM_RATE} → {float(profile.frame_rate):.5g} fps{change}"
    return f"{wanted.profile}: {words}{whose}; {rate}"


def _steps(size: Size, frame: Size, pad: str) -> Iterator[str]:
    fit = fit_of(size, frame, pad)
    verb = "upscale" if fit.scale > 1 else "scale"
    if pad != "none":
        yield f"{verb} {size[0]}×{size[1]} into {frame[0]}×{frame[1]} on {'a blur' if pad == 'blur' else pad[6:]}"
    elif same_shape(size, frame):
        yield f"{verb} {size[0]}×{size[1]} → {frame[0]}×{frame[1]}"
    else:
        yield f"crop {size[0]}×{size[1]} to {fit.crop[0]}×{fit.crop[1]} ({per_cent(fit.kept)} kept)"
        yield f"{verb} → {frame[0]}×{frame[1]}"
