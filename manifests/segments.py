"""A shot longer than its model films at once, as segments: how many, how long each, and which frames each adds.

Pure arithmetic on frames of the shot's picture, counted from the first frame of its first take. Every later segment
starts on the last frame shown of the one before it, so its first frame is doubled and never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement

from manifests.catalogue import SecondsSold

LONGEST_SHOT = 30  # seconds on screen
LONGEST_PICTURE = 36  # seconds with what transitions and an in point take
LONGEST_CHAIN = 3  # segments: with every one more, the subject drifts further from its references
MORE_SEGMENTS = 3  # than the fewest possible that are looked at: a list of lengths may leave less over in more parts


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames [first, first + frames) of the shot's picture. `number` counts from 1; 0 is a whole shot in one take."""

    number: int
    first: int
    frames: int
    seconds: int  # to buy

    @property
    def doubled(self) -> int:
        """Frames at its beginning that the segment before it has shown."""
        return 1 if self.number > 1 else 0

    @property
    def needed(self) -> int:
        """Frames of its take."""
        return self.frames + self.doubled

    @property
    def end(self) -> int:
        return self.first + self.frames


@cache
def segment_lengths(frames: int, sold: SecondsSold, rate: int) -> tuple[int, ...]:
    """Whole seconds of each segment, longest first: the least in all, of those the fewest, of those the most even."""
    lengths = sold.lengths
    fewest = 1
    while fewest * lengths[-1] * rate - (fewest - 1) < frames:
        fewest += 1
    more = MORE_SEGMENTS if fewest > 1 and sold.values else 0
    found = [
        chosen
        for count in range(fewest, fewest + more + 1)
        for chosen in combinations_with_replacement(reversed(lengths), count)
        if _holds(chosen, rate) >= frames
    ]
    return min(found, key=lambda chosen: (sum(chosen), len(chosen), chosen[0] - chosen[-1], chosen))


def _holds(lengths: tuple[int, ...], rate: int) -> int:
    """Frames that can be shown of takes of these lengths: all but the doubled ones."""
    return sum(lengths) * rate - (len(lengths) - 1)


@cache
def divide_picture(frames: int, sold: SecondsSold, rate: int) -> tuple[Segment, ...]:
    """The segments of a picture of so many frames, in order. What is bought over is shared between them, so that every
    take has some room for its in point."""
    lengths = segment_lengths(frames, sold, rate)
    if len(lengths) == 1:
        return (Segment(0, 0, frames, lengths[0]),)
    spare, odd = divmod(_holds(lengths, rate) - frames, len(lengths))
    segments: list[Segment] = []
    first = 0
    for number, seconds in enumerate(lengths, 1):
        adds = seconds * rate - (1 if number > 1 else 0) - spare - (1 if number <= odd else 0)
        segments.append(Segment(number, first, adds, seconds))
        first += adds
    return tuple(segments)


@cache
def seconds_saved(frames: int, sold: SecondsSold, rate: int, fewer: int) -> tuple[int, int]:
    """(frames less, seconds that they would save), where not more than `fewer` frames less save any; else (0, 0)."""
    now = sum(segment_lengths(frames, sold, rate))
    for less in range(1, min(fewer, frames - 1) + 1):
        saved = now - sum(segment_lengths(frames - less, sold, rate))
        if saved:
            return less, saved
    return 0, 0
