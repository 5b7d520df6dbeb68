"""Frames and seconds: what of each take is seen, what must be bought for it, and where in the film everything lies.

Pure arithmetic on whole frames and fractions. A film's length is the sum of the durations written (plus its end card);
dissolves overlap in frames that are bought extra. Ranges are half-open. Assumes a checked manifest, refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from math import ceil, floor
from typing import Literal

from manifests.catalogue import ModelCard
from manifests.schema import Shot, Spot
from manifests.segments import LONGEST_PICTURE, Segment, divide_picture, seconds_saved

FILM_RATE = 24  # the film is cut at the rate of the takes; a profile may show the same frames at another
FEW_FRAMES = 12  # so many frames less are worth a hint when they save a second
START, END = "start", "end"  # words that `at:` takes beside shot ids; `end` is where the last shot ends


@dataclass(frozen=True, slots=True)
class ShotCut:
    """One shot in the film, or one segment of a long one. A take's frames [in_frame, in_frame + shown) are seen;
    `start` is the film frame of the first of them, so film frame F shows take frame F - start + in_frame."""

    id: str  # of the shot; `hero.2` for a segment
    screen: int  # frames by the written duration
    shown: int  # with its part of the dissolves on both sides
    in_frame: int  # 1 where the doubled frame of a continued shot, or of a later segment, is dropped
    start: int
    cue: int  # where the shot begins on paper: what `at:` counts from
    frames_needed: int  # of the take
    seconds_to_buy: int
    saving_frames: int = 0  # so many frames less …
    saving_seconds: int = 0  # … would save so many bought seconds; 0 for no hint
    shot: str = ""  # the shot's id
    segment: int = 0  # from 1; 0: the whole shot is one take

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
        return f"{self.shot}: {frames} less would save {self.saving_seconds} s of every take"


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
    segments: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict, hash=False)  # to be filmed, by shot

    @property
    def seconds_to_buy(self) -> int:
        """Of one take of everything that is filmed."""
        return sum(segment.seconds for segments in self.segments.values() for segment in segments)

    @property
    def stitch_transitions(self) -> list[dict[str, object]]:
        """The joins in the form of the stitch step."""
        return [{"kind": join.kind, "at": join.at, "frames": join.frames} for join in self.joins]

    def parts(self, name: str) -> tuple[ShotCut, ...]:
        """What is seen of a shot: its segments in order, or the one take."""
        return tuple(part for part in self.shots if part.shot == name)

    def shot(self, name: str) -> ShotCut:
        """A segment by its own id; a shot by its id, as if it were one take."""
        part = next((part for part in self.shots if part.id == name), None)
        return part or _whole(self.parts(name))

    @property
    def whole_shots(self) -> tuple[ShotCut, ...]:
        """Shot by shot, whatever they are filmed in."""
        return tuple(_whole(tuple(parts)) for _, parts in groupby(self.shots, key=lambda part: part.shot))


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
    """The cut, shots in the film's order. `longest`: by shot, the frames that another film needs of the same picture;
    a shot's segments are those of the longest, and only what this film shows of them is in `shots`.

    A length that the model does not sell (or an unknown model) still gives whole seconds: `manifests.capability` has
    refused it with its line by then.
    """
    joins = _joins(spot)
    shots: list[ShotCut] = []
    segments: dict[str, tuple[Segment, ...]] = {}
    cue = 0
    for shot in spot.shots:
        before, shown = _shown(shot, joins)
        needed = max(_first_frame(shot) + shown, (longest or {}).get(shot.id, 0))
        card = models.get(shot.model or spot.generate.model)
        segments[shot.id] = _segments(shot, needed, card)
        shots += _cut_shot(shot, segments[shot.id], cue, before, shown, _saving(shot, needed, card))
        cue += screen_frames(shot.duration)
    frames = film_frames(spot)
    card_at = (cue, frames) if spot.graphics.end_card else None
    cues = _cues(spot, {part.shot: part.cue for part in reversed(shots)}, cue, frames)
    return Cut(tuple(shots), joins, cues, card_at, frames, segments=segments)


def picture_frames(spot: Spot) -> dict[str, int]:
    """By shot: how many frames of its picture the film needs, from the first frame of the first take on."""
    joins = _joins(spot)
    return {shot.id: _first_frame(shot) + _shown(shot, joins)[1] for shot in spot.shots}


def _first_frame(shot: Shot) -> int:
    return screen_frames(shot.in_) + (1 if shot.continues else 0)


def _shown(shot: Shot, joins: tuple[Join, ...]) -> tuple[int, int]:
    """(frames before the cut in which a transition shows it already, frames in all)."""
    before = next((dissolve_halves(j.frames)[0] for j in joins if j.later == shot.id), 0)
    after = next((dissolve_halves(j.frames)[1] for j in joins if j.earlier == shot.id), 0)
    return before, before + screen_frames(shot.duration) + after


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


def _segments(shot: Shot, needed: int, card: ModelCard | None) -> tuple[Segment, ...]:
    if shot.clip is not None:
        return (Segment(0, 0, needed, shot.clip),)
    if card is None or card.seconds is None or needed > LONGEST_PICTURE * FILM_RATE:
        return (Segment(0, 0, needed, max(1, ceil(Fraction(needed, FILM_RATE)))),)
    return divide_picture(needed, card.seconds, FILM_RATE)


def _saving(shot: Shot, needed: int, card: ModelCard | None) -> tuple[int, int]:
    """(frames less that would save, seconds saved)."""
    if shot.clip is not None or card is None or card.seconds is None or needed > LONGEST_PICTURE * FILM_RATE:
        return 0, 0
    return seconds_saved(needed, card.seconds, FILM_RATE, FEW_FRAMES)


def _cut_shot(
    shot: Shot, segments: tuple[Segment, ...], cue: int, before: int, shown: int, saving: tuple[int, int]
) -> list[ShotCut]:
    """`before`: how many of the `shown` frames lie before the cut to it."""
    low, high = _first_frame(shot), _first_frame(shot) + shown
    offset = cue - before - low  # from frames of the shot's picture to film frames
    end = cue + screen_frames(shot.duration)
    cuts: list[ShotCut] = []
    for segment in segments:
        first, last = max(segment.first, low), min(segment.end, high)
        if first >= last and shown:
            continue  # bought for a longer film, or for the segments after it
        on_paper = min(max(first + offset, cue), end)
        cuts.append(
            ShotCut(
                id=f"{shot.id}.{segment.number}" if segment.number else shot.id,
                screen=max(min(last + offset, end) - on_paper, 0),
                shown=last - first,
                in_frame=first - segment.first + segment.doubled,
                start=first + offset,
                cue=on_paper,
                frames_needed=segment.needed,
                seconds_to_buy=segment.seconds,
                saving_frames=0 if cuts else saving[0],
                saving_seconds=0 if cuts else saving[1],
                shot=shot.id,
                segment=segment.number,
            )
        )
    return cuts


def _whole(parts: tuple[ShotCut, ...]) -> ShotCut:
    """The parts of a shot as one; its frames are those of the shot's picture."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    return replace(
        first,
        id=first.shot,
        screen=sum(part.screen for part in parts),
        shown=sum(part.shown for part in parts),
        frames_needed=sum(part.frames_needed for part in parts) - (len(parts) - 1),
        seconds_to_buy=sum(part.seconds_to_buy for part in parts),
        segment=0,
    )


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
