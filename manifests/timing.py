"""Frames and seconds: what of each take is seen, what must be bought for it, and where in the film everything lies.

Pure arithmetic on whole frames and fractions. A film's length is the sum of the durations written (plus its end card);
dissolves overlap in frames that are bought extra. Ranges are half-open. Assumes a checked manifest, refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Literal

from manifests.catalogue import ModelCard
from manifests.schema import Shot, Spot

FILM_RATE = 24  # the film is cut at the rate of the takes; a profile may show the same frames at another
FEW_FRAMES = 12  # so many frames less are worth a hint when they save a second
START, END = "start", "end"  # words that `at:` takes beside shot ids; `end` is where the last shot ends


@dataclass(frozen=True, slots=True)
class ShotCut:
    """One shot in the film. A take's frames [in_frame, in_frame + shown) are seen; `start` is the film frame of the
    first of them, so film frame F shows take frame F - start + in_frame."""

    id: str
    screen: int  # frames by the written duration
    shown: int  # with its part of the dissolves on both sides
    in_frame: int  # 1 where the doubled frame of a continued shot is dropped
    start: int
    cue: int  # where the shot begins on paper: what `at:` counts from
    frames_needed: int  # of the take
    seconds_to_buy: int
    saving_frames: int = 0  # so many frames less …
    saving_seconds: int = 0  # … would save so many bought seconds; 0 for no hint

    @property
    def out_frame(self) -> int:
        """The last frame shown, as an index into the take: what a continuing shot starts on."""
        return self.in_frame + self.shown - 1

    @property
    def end(self) -> int:
        """The film frame after the last one that shows this shot."""
        return self.start + self.shown

    @property
    def hint(self) -> str:
        if not self.saving_seconds:
            return ""
        frames = f"{self.saving_frames} frame{'s' if self.saving_frames > 1 else ''}"
        return f"{self.id}: {frames} less would save {self.saving_seconds} s of every take"


@dataclass(frozen=True, slots=True)
class Join:
    """A dissolve, dip or wipe: film frames [at, at + frames) show both shots. A plain cut is no join."""

    kind: str
    at: int
    frames: int
    earlier: str
    later: str


@dataclass(frozen=True, slots=True)
class Cue:
    """Something hung on the film. `frames` never reaches past the film's end; a line's is unknown, so 0."""

    kind: Literal["line", "effect", "super", "music"]
    path: str  # in the manifest: sound.effects[0], sound.voiceover.lines.vo1
    start: int
    frames: int = 0
    cut_off: int = 0  # frames that would lie past the film's end


@dataclass(frozen=True, slots=True)
class Cut:
    shots: tuple[ShotCut, ...]
    joins: tuple[Join, ...]
    cues: tuple[Cue, ...]
    card: tuple[int, int] | None  # film frames [from, to) of the end card
    frames: int
    rate: Fraction = Fraction(FILM_RATE)

    @property
    def seconds_to_buy(self) -> int:
        """Of one take of every shot."""
        return sum(shot.seconds_to_buy for shot in self.shots)

    @property
    def stitch_transitions(self) -> list[dict[str, object]]:
        """The joins in the form of the stitch step."""
        return [{"kind": join.kind, "at": join.at, "frames": join.frames} for join in self.joins]

    def shot(self, name: str) -> ShotCut:
        return next(shot for shot in self.shots if shot.id == name)


@lru_cache(4096)
def screen_frames(seconds: Decimal | Fraction | int, rate: Fraction | int = FILM_RATE) -> int:
    """Seconds in frames, to the nearest frame; exactly half a frame counts as one."""
    return floor(Fraction(seconds) * rate + Fraction(1, 2))


def card_frames(spot: Spot) -> int:
    card = spot.graphics.end_card
    return screen_frames(card.duration) if card else 0


def film_frames(spot: Spot) -> int:
    """The film's length: the sum of what is written, dissolves or not."""
    return sum(screen_frames(shot.duration) for shot in spot.shots) + card_frames(spot)


def frames_to_samples(frames: int, rate: Fraction | int, sample_rate: int) -> int:
    """The sound that lasts as long as `frames` at `rate`: exact, or the nearest sample where no whole number is."""
    return floor(Fraction(frames) * sample_rate / Fraction(rate) + Fraction(1, 2))


def dissolve_halves(frames: int) -> tuple[int, int]:
    """(frames of the later shot before the cut, of the earlier one after it); the odd one is the earlier shot's."""
    return frames // 2, frames - frames // 2


def cut_of(spot: Spot, models: Mapping[str, ModelCard], longest: Mapping[str, int] | None = None) -> Cut:
    """The cut, shots in the film's order. `longest`: by shot, the frames that another film needs of the same take.

    A length that the model does not sell (or an unknown model) still gives whole seconds: `manifests.capability` has
    refused it with its line by then.
    """
    joins = _joins(spot)
    shots: list[ShotCut] = []
    cue = 0
    for shot in spot.shots:
        before = next((dissolve_halves(j.frames)[0] for j in joins if j.later == shot.id), 0)
        after = next((dissolve_halves(j.frames)[1] for j in joins if j.earlier == shot.id), 0)
        shots.append(_cut_shot(spot, shot, cue, before, after, models, (longest or {}).get(shot.id, 0)))
        cue += screen_frames(shot.duration)
    frames = film_frames(spot)
    card = (cue, frames) if spot.graphics.end_card else None
    return Cut(tuple(shots), joins, _cues(spot, {s.id: s.cue for s in shots}, cue, frames), card, frames)


def _joins(spot: Spot) -> tuple[Join, ...]:
    """Whatever kind: a dip and a wipe take frames of both shots as a dissolve does."""
    wanted = {t.between: t for t in spot.edit.transitions if t.kind != "cut"}
    joins, boundary = [], 0
    for earlier, later in zip(spot.shots, spot.shots[1:], strict=False):
        boundary += screen_frames(earlier.duration)
        transition = wanted.get((earlier.id, later.id))
        frames = screen_frames(transition.duration) if transition else 0
        if transition and frames:
            joins.append(Join(transition.kind, boundary - dissolve_halves(frames)[0], frames, earlier.id, later.id))
    return tuple(joins)


def _cut_shot(
    spot: Spot, shot: Shot, cue: int, before: int, after: int, models: Mapping[str, ModelCard], longest: int
) -> ShotCut:
    screen = screen_frames(shot.duration)
    shown = before + screen + after
    in_frame = screen_frames(shot.in_) + (1 if shot.continues else 0)
    needed = max(in_frame + shown, longest)
    seconds, saving_frames, saving_seconds = _to_buy(shot, needed, models.get(shot.model or spot.generate.model))
    return ShotCut(
        id=shot.id,
        screen=screen,
        shown=shown,
        in_frame=in_frame,
        start=cue - before,
        cue=cue,
        frames_needed=needed,
        seconds_to_buy=seconds,
        saving_frames=saving_frames,
        saving_seconds=saving_seconds,
    )


def _to_buy(shot: Shot, needed: int, card: ModelCard | None) -> tuple[int, int, int]:
    """(seconds to buy, frames less that would save, seconds saved)."""
    if shot.clip is not None:
        return shot.clip, 0, 0
    sold = card.seconds if card else None
    seconds = sold.shortest(Fraction(needed, FILM_RATE)) if sold else None
    if sold is None or seconds is None:
        return max(1, ceil(Fraction(needed, FILM_RATE))), 0, 0
    shorter = max((length for length in sold.lengths if length < seconds), default=None)
    over = needed - shorter * FILM_RATE if shorter else 0
    if shorter is None or not 0 < over <= FEW_FRAMES:
        return seconds, 0, 0
    return seconds, over, seconds - shorter


def _cues(spot: Spot, shots: Mapping[str, int], end: int, total: int) -> tuple[Cue, ...]:
    places = {START: 0, END: end, **shots}

    def cue(kind: Literal["effect", "super"], path: str, at: str, offset: Decimal, duration: Decimal) -> Cue:
        start = min(places.get(at, 0) + screen_frames(offset), total)
        wanted = screen_frames(duration)
        frames = min(wanted, total - start)
        return Cue(kind, path, start, frames, wanted - frames)

    found = [cue("effect", f"sound.effects[{n}]", e.at, e.offset, e.duration) for n, e in enumerate(spot.sound.effects)]
    found += [
        cue("super", f"graphics.supers[{n}]", s.at, s.offset, s.duration) for n, s in enumerate(spot.graphics.supers)
    ]
    if spot.sound.voiceover:
        for line in spot.sound.voiceover.lines:
            start = min(places.get(line.at, 0) + screen_frames(line.offset), total)
            found.append(Cue("line", f"sound.voiceover.lines.{line.id}", start))
    if spot.sound.music:
        found.append(Cue("music", "sound.music", 0, total))
    return tuple(found)
