"""What a placement will not take: unknown profiles, sizes it does not list, lengths it does not run.

The tables are `profiles/*.yaml`. Which pairs are delivered is `manifests.check`, what files are called is
`manifests.filing`; whether an encoded file is right is measured on the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from manifests.catalogue import Profile
from manifests.diagnostics import Diagnostic, suggest
from manifests.loaded import LoadedSpot
from manifests.schema import Deliver
from manifests.timing import FILM_RATE

CEILINGS = {"720p": 720, "1080p": 1080, "1440p": 1440, "2160p": 2160}  # lines of the short side


def check_deliver(loaded: LoadedSpot, profiles: Mapping[str, Profile], frames: int) -> Iterator[Diagnostic]:
    """`frames` is the film's length."""
    for number, deliver in enumerate(loaded.spot.deliver):
        path = f"deliver[{number}]"
        profile = profiles.get(deliver.profile)
        if profile is None:
            detail = f"no profile is called `{deliver.profile}`{suggest(deliver.profile, profiles)}"
            where = loaded.where(f"{path}.profile")
            yield Diagnostic("unknown profile", detail, f"{path}.profile", where, f"profiles: {', '.join(profiles)}")
        else:
            yield from _check_size(loaded, path, deliver, profile)
            yield from _check_length(loaded, path, profile, frames)


def _check_size(loaded: LoadedSpot, path: str, deliver: Deliver, profile: Profile) -> Iterator[Diagnostic]:
    where = loaded.where(f"{path}.ratio")
    size = profile.sizes.get(deliver.ratio)
    if size is None:
        detail = f"{profile.name} takes no {deliver.ratio}"
        remedy = f"it takes {', '.join(profile.sizes)}"
        yield Diagnostic("ratio not delivered", detail, f"{path}.ratio", where, remedy)
        return
    ceiling = loaded.spot.generate.upscale.to
    if min(size) > CEILINGS[ceiling]:
        detail = f"{profile.name} needs {size[0]}x{size[1]}, above the ceiling `{ceiling}`"
        address = "generate.upscale.to"
        yield Diagnostic(
            "ceiling too low", detail, address, loaded.where(address), "raise it, or leave the profile out"
        )


def _check_length(loaded: LoadedSpot, path: str, profile: Profile, frames: int) -> Iterator[Diagnostic]:
    """In frames at the profile's rate: that many of ours are shown there, whatever they last at 24."""
    where = loaded.where(f"{path}.profile")
    second = profile.frames_per_second
    has = f"the film has {frames} frames ({_seconds(frames, second)} s"
    has += ")" if second == FILM_RATE else f" at {second} frames a second)"

    def problem(detail: str, remedy: str) -> Diagnostic:
        return Diagnostic("length not taken", detail, f"{path}.profile", where, f"{remedy}, or leave the profile out")

    allowed = [length * second for length in profile.lengths_seconds]
    if profile.whole_seconds and frames % second:
        allowed = [frames // second * second or second, (frames // second + 1) * second]
    if allowed and frames not in allowed:
        wanted = " or ".join(str(length) for length in profile.lengths_seconds)
        exactly = f"exactly {wanted} s" if wanted else "whole seconds, exact to the frame"
        nearest = min(allowed, key=lambda length: abs(length - frames))
        verb = "shorten" if frames > nearest else "lengthen"
        by = f"{verb} it by {abs(frames - nearest)} frames to {nearest}"
        if second != FILM_RATE:
            by += f" (written durations of {_seconds(nearest, FILM_RATE)} s together)"
        yield problem(f"{profile.name} runs {exactly}; {has}", by)
    if profile.maximum_seconds is not None and frames > profile.maximum_seconds * second:
        took = f"; the film has {_seconds(frames, second)} s"
        yield problem(f"{profile.name} takes at most {profile.maximum_seconds} s{took}", "shorten it")
    if profile.minimum_seconds is not None and frames < profile.minimum_seconds * second:
        took = f"; the film has {_seconds(frames, second)} s"
        yield problem(f"{profile.name} takes at least {profile.minimum_seconds} s{took}", "lengthen it")


def _seconds(frames: int, rate: int) -> str:
    return f"{Decimal(frames) / rate:.3f}".rstrip("0").rstrip(".")


def sound_speed(profile: Profile) -> Fraction:
    """How much faster the sound of the film is played, at its own pitch: 25/24 where 24 frames are shown at 25."""
    return profile.frame_rate / FILM_RATE if profile.rate_change == "speed" else Fraction(1)
