"""Which frame of which clip is seen when, in a film or in one section of it that begins at 0.

Frame F shows frame F - start + first of a clip; nothing is implied.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Clip(Row):
    input: str
    start: int = Field(ge=0)
    frames: int = Field(gt=0)
    first: int = Field(default=0, ge=0)  # frame of the clip that is seen at `start`

    @property
    def end(self) -> int:
        return self.start + self.frames


class Join(Row):
    """Two clips overlap in exactly these frames."""

    kind: Literal["cut", "dissolve", "dip", "wipe"]
    at: int = Field(ge=0)
    frames: int = Field(ge=0)


class OverlaySpan(Row):
    input: str
    x: int
    y: int
    start: int = Field(ge=0)
    frames: int = Field(gt=0)
    first: int = Field(default=0, ge=0)

    @property
    def end(self) -> int:
        return self.start + self.frames


class Shown(NamedTuple):
    """What one film frame is made of. Without a join there is one clip."""

    clips: tuple[int, ...]  # indices, earlier first
    join: Join | None


class Timeline(Row):
    width: int = Field(gt=0, multiple_of=2)
    height: int = Field(gt=0, multiple_of=2)
    rate: str
    frames: int = Field(gt=0)
    clips: tuple[Clip, ...] = Field(min_length=1)
    transitions: tuple[Join, ...] = ()
    overlays: tuple[OverlaySpan, ...] = ()

    @property
    def frame_rate(self) -> Fraction:
        return Fraction(self.rate)

    @model_validator(mode="after")
    def _check_cover(self) -> Self:
        """Every film frame has one clip, or two under a transition of exactly that length."""
        if self.clips[0].start != 0 or self.clips[-1].end != self.frames:
            raise ValueError(
                f"the clips run from {self.clips[0].start} to {self.clips[-1].end}, not 0 to {self.frames}"
            )
        spans = {(join.at, join.frames) for join in self.transitions if join.frames}
        seen = set()
        for earlier, later in pairwise(self.clips):
            overlap = earlier.end - later.start
            if overlap < 0 or later.end < earlier.end or later.start < earlier.start:
                raise ValueError(f"between {earlier.input!r} and {later.input!r} the film has no picture, or no order")
            if overlap:
                seen.add((later.start, overlap))
        if seen != spans:
            raise ValueError(f"the clips overlap at {sorted(seen)}, the transitions are at {sorted(spans)}")
        ends = sorted((at, at + frames) for at, frames in spans)
        if any(first[1] > second[0] for first, second in pairwise(ends)):
            raise ValueError("two transitions run into each other")
        if any(overlay.end > self.frames for overlay in self.overlays):
            raise ValueError("an overlay runs past the end of the film")
        return self

    def shown(self, frame: int) -> Shown:
        clips = tuple(i for i, clip in enumerate(self.clips) if clip.start <= frame < clip.end)
        if len(clips) == 1:
            return Shown(clips, None)
        return Shown(clips, next(j for j in self.transitions if j.at <= frame < j.at + j.frames))
