"""`fit: extend`: a line longer than its shot, after the speed-up it is allowed, makes the shot longer on screen.

Pure arithmetic on whole frames of the film and on the seconds that a line was measured to take. What that does to a
campaign is `manifests.lengthen`; a line that hangs on `start` or `end` has no shot to make longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from math import ceil

from manifests.schema import Spot
from manifests.timing import FILM_RATE, screen_frames

_THOUSANDTH = Decimal("0.001")


def extends(spot: Spot) -> bool:
    voiceover = spot.sound.voiceover
    return voiceover is not None and voiceover.fit.otherwise == "extend"


def speed_for(ends: Decimal, frames: int) -> Decimal:
    """The speed at which speech that ends after so many seconds is over within the frames: to a thousandth, never too
    slow, and never below 1."""
    needed = ends / (Decimal(frames) / FILM_RATE)
    return max(Decimal(1), needed.quantize(_THOUSANDTH, rounding=ROUND_UP))


def frames_for(ends: Decimal, fastest: Decimal) -> int:
    """The fewest frames in which it is over without being faster than that."""
    frames = max(1, ceil(ends * FILM_RATE / fastest))
    while speed_for(ends, frames) > fastest:  # a speed is set to a thousandth, the limit may be finer
        frames += 1
    return frames


def frames_added(spot: Spot, ends: Mapping[str, Decimal]) -> dict[str, int]:
    """By shot, how many frames more than written it is shown. `ends`: of the lines that are known, by their id."""
    voiceover = spot.sound.voiceover
    if voiceover is None or not extends(spot):
        return {}
    written = {shot.id: screen_frames(shot.duration) for shot in spot.shots}
    added: dict[str, int] = {}
    for line in voiceover.lines:
        if line.at in written and line.id in ends:
            needed = screen_frames(line.offset) + frames_for(ends[line.id], voiceover.fit.max_speedup)
            added[line.at] = max(added.get(line.at, 0), needed - written[line.at])
    return {shot: frames for shot, frames in added.items() if frames > 0}


def lengthen_spot(spot: Spot, added: Mapping[str, int]) -> Spot:
    """The spot as if the longer durations had been written; a thousandth of a second is near enough for the frame."""
    if not added:
        return spot
    shots = [
        shot.model_copy(update={"duration": seconds_of(screen_frames(shot.duration) + added[shot.id])})
        if shot.id in added
        else shot
        for shot in spot.shots
    ]
    return spot.model_copy(update={"shots": tuple(shots)})


def seconds_of(frames: int) -> Decimal:
    return (Decimal(frames) / FILM_RATE).quantize(_THOUSANDTH)


def seconds_text(seconds: Decimal) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
