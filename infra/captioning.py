"""Caption cues out of what was spoken: built once, for the files beside the film and for the picture."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from infra.media.captions import Cue, SpokenLine, build_cues
from manifests.catalogue import Profile
from manifests.placement import sound_speed
from manifests.spoken import time_script

if TYPE_CHECKING:  # a production knows the vendors; `plan` only asks how a line will break
    from infra.production import SpokenTake


class CaptionCue(NamedTuple):
    """A cue in whole frames of the film."""

    text: str
    start_frame: int
    frames: int


def spoken_cues(lines: Sequence[SpokenTake], film_frames: int, profile: Profile) -> list[Cue]:
    """From the timings of the speech, in the script's own words."""
    rate = profile.frame_rate
    faster = sound_speed(profile)
    spoken = [_spoken_line(take, take.start_frame / rate, faster) for take in lines]
    return build_cues(spoken, film_seconds=film_frames / rate, rate=profile.rate)


def _spoken_line(take: SpokenTake, offset: Fraction, faster: Fraction) -> SpokenLine:
    """The script's characters with the times of what was spoken for them. `faster`: as the mix plays all sound."""
    told = take.timing or {"characters": [], "starts": [], "ends": []}
    timed = time_script(take.line.text, told["characters"], told["starts"], told["ends"], seconds=take.seconds)
    start = Decimal(offset.numerator) / Decimal(offset.denominator)
    speed = take.speed * faster.numerator / faster.denominator
    return SpokenLine(timed.characters, timed.starts, timed.ends, offset=start, speed=speed)


def in_frames(cues: Sequence[Cue], film_frames: int, profile: Profile) -> list[CaptionCue]:
    """On the nearest frames, each for at least one, none over another and none after the film."""
    found: list[CaptionCue] = []
    free = 0
    for cue in cues:
        start, end = (round(Fraction(time) * profile.frame_rate) for time in (cue.start, cue.end))
        start = max(start, free)
        end = min(max(end, start + 1), film_frames)
        if start < end:
            found.append(CaptionCue(cue.text, start, end - start))
            free = end
    return found


def likely_cues(text: str) -> list[str]:
    """A line of the script as captions will break it, before anybody has spoken it: to see whether they fit."""
    starts = [0.07 * number for number in range(len(text))]
    line = SpokenLine(text, starts, [start + 0.07 for start in starts], Decimal(0))
    return [cue.text for cue in build_cues([line], film_seconds=Decimal(3600), rate="24")] if text.strip() else []
