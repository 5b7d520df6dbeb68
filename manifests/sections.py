"""A film as sections: copied from conformed clips that are shown as they are, rendered where something is blended.

Pure arithmetic on frames. What a section tells is relative to itself, so that two films which show the same frames
have the same section. A copy begins and ends at frames on which decoding can begin (IDR); their places follow from the
boundaries that were forced when the clip was conformed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Protocol

from manifests.catalogue import VideoSettings

GROUPS_IN_SECTION = 4  # of pictures: what one section renders at most, so that long words render side by side

Kind = Literal["copy", "render"]


class Blend(Protocol):
    """A transition: film frames [at, at + frames) show two clips. `manifests.timing.Join` is one."""

    @property
    def kind(self) -> str: ...
    @property
    def at(self) -> int: ...
    @property
    def frames(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Span:
    """A clip or an overlay on the film's frames [start, end)."""

    start: int
    frames: int
    idr: tuple[int, ...] = ()  # of a clip: boundaries that were forced when it was conformed, in its own frames

    @property
    def end(self) -> int:
        return self.start + self.frames


@dataclass(frozen=True, slots=True)
class Piece:
    """Frames [first, first + frames) of clip or overlay `index`, seen from frame `at` of the section."""

    index: int
    at: int
    first: int
    frames: int


@dataclass(frozen=True, slots=True)
class Fade:
    """A transition inside a section, whole."""

    kind: str
    at: int
    frames: int


@dataclass(frozen=True, slots=True)
class Section:
    """Film frames [start, end). A copy has exactly one clip and nothing else."""

    kind: Kind
    start: int
    end: int
    clips: tuple[Piece, ...]
    joins: tuple[Fade, ...] = ()
    overlays: tuple[Piece, ...] = ()


def can_copy(video: VideoSettings) -> bool:
    """Whether a film of these settings can be put together from clips that were encoded each on its own. A rate that is
    kept over the whole film cannot."""
    rates = (video.bitrate_kbps, video.minimum_kbps, video.maximum_kbps)
    return video.codec == "h264" and video.crf is not None and not any(rates)


def key_frames(frames: int, idr: Iterable[int], gop: int) -> tuple[int, ...]:
    """The frames of a conformed clip on which decoding can begin: each boundary, and every `gop` frames after it. A
    group of one frame is left only where two boundaries are neighbours."""
    borders = sorted({0, frames} | {frame for frame in idr if 0 < frame < frames})
    keys: list[int] = []
    for start, end in pairwise(borders):
        group = list(range(start, end, gop))
        if len(group) > 1 and end - group[-1] == 1 and gop > 2:
            group[-1] -= 1
        keys += group
    return tuple(keys)


def idr_frames(clip: Span, joins: Iterable[Blend], overlays: Iterable[Span]) -> tuple[int, ...]:
    """The boundaries to force in `clip`, in its own frames, so that nothing but what is blended has to be rendered."""
    low, high = _alone(clip, joins)
    wanted = {low, high}
    for overlay in overlays:
        if overlay.start < high and overlay.end > low:
            wanted |= {max(overlay.start, low), min(overlay.end, high)}
    return tuple(sorted(frame - clip.start for frame in wanted if clip.start < frame < clip.end))


def divide(clips: Sequence[Span], joins: Iterable[Blend], overlays: Sequence[Span], gop: int) -> tuple[Section, ...]:
    """The sections of a film in order, each frame in exactly one.

    Never is a single frame rendered or copied last on its own while there is a neighbour: two IDR pictures in a row
    from two encoders may carry the same number, which decoders may take for one picture.
    """
    fades = sorted((Fade(j.kind, j.at, j.frames) for j in joins if j.frames), key=lambda fade: fade.at)
    atoms = _settle([*_atoms(clips, fades, overlays, gop)])
    sections = []
    for first, last in _runs(atoms):
        start, end = atoms[first].start, atoms[last].end
        if atoms[first].kind == "copy":
            index = atoms[first].clip
            piece = Piece(index, 0, start - clips[index].start, end - start)
            sections.append(Section("copy", start, end, (piece,)))
            continue
        for low, high in _split(start, end, clips, fades, overlays, gop):
            sections.append(_render(low, high, clips, fades, overlays))
    return tuple(sections)


def _alone(clip: Span, joins: Iterable[Blend]) -> tuple[int, int]:
    """The film frames of a clip without its part of the transitions on both sides."""
    low, high = clip.start, clip.end
    for join in joins:
        if join.frames and join.at == clip.start:
            low = max(low, join.at + join.frames)
        if join.frames and join.at + join.frames == clip.end:
            high = min(high, join.at)
    return low, max(low, high)


@dataclass(frozen=True, slots=True)
class _Atom:
    """The least that is copied or rendered: one group of pictures, what a film shows of it, or one transition."""

    kind: Kind
    start: int
    end: int
    clip: int  # -1: a transition

    @property
    def frames(self) -> int:
        return self.end - self.start


def _atoms(clips: Sequence[Span], fades: Sequence[Fade], overlays: Sequence[Span], gop: int) -> Iterator[_Atom]:
    places = {fade.at: fade for fade in fades}
    for index, clip in enumerate(clips):
        fade = places.get(clip.start)
        if fade is not None:
            yield _Atom("render", fade.at, fade.at + fade.frames, -1)
        low, high = _alone(clip, fades)
        keys = key_frames(clip.frames, clip.idr, gop)
        covers = [o for o in overlays if o.start < high and o.end > low]
        for first, last in pairwise([*keys, clip.frames]):
            start, end = clip.start + first, clip.start + last
            shown = max(start, low), min(end, high)
            if shown[0] >= shown[1]:
                continue
            covered = any(o.start < shown[1] and o.end > shown[0] for o in covers)
            whole = shown == (start, end)
            yield _Atom("copy" if whole and not covered else "render", *shown, index)


def _settle(atoms: list[_Atom]) -> list[_Atom]:
    """Renders a group of one frame too where it would end a copy, and a neighbour of a lone rendered frame."""
    changed = True
    while changed:
        changed = False
        for first, last in list(_runs(atoms)):
            if last == len(atoms) - 1:
                break
            if atoms[first].kind == "copy":
                lone = last if atoms[last].frames == 1 else None
            else:
                lone = last + 1 if atoms[last].end - atoms[first].start == 1 else None
            if lone is not None:
                atom = atoms[lone]
                atoms[lone] = _Atom("render", atom.start, atom.end, atom.clip)
                changed = True
                break
    return atoms


def _runs(atoms: Sequence[_Atom]) -> Iterator[tuple[int, int]]:
    """(first, last) of neighbours that belong together: rendered ones, or copies from one clip."""
    first = 0
    for number, atom in enumerate(atoms):
        following = atoms[number + 1] if number + 1 < len(atoms) else None
        together = (
            following is not None
            and following.kind == atom.kind
            and (atom.kind == "render" or following.clip == atom.clip)
        )
        if not together:
            yield first, number
            first = number + 1


def _split(
    start: int, end: int, clips: Sequence[Span], fades: Sequence[Fade], overlays: Sequence[Span], gop: int
) -> Iterator[tuple[int, int]]:
    """A rendered range, divided wherever something else begins to be shown: so a changed word renders nothing else."""
    changes = {clip.start for clip in clips} | {edge for o in overlays for edge in (o.start, o.end)}
    within = {edge for edge in changes if not any(f.at < edge < f.at + f.frames for f in fades)}
    within |= {edge for fade in fades for edge in (fade.at, fade.at + fade.frames)}
    borders = [start, *sorted(edge for edge in within if start < edge < end), end]
    most = GROUPS_IN_SECTION * gop
    whole = {fade.at for fade in fades}
    fine = [cut for low, high in pairwise(borders) for cut in (range(low, high, most) if low not in whole else (low,))]
    # a section of one frame goes with the one before it; the first with the one after it
    kept = [start]
    for cut, following in pairwise([*fine[1:], end] if len(fine) > 1 else []):
        if cut - kept[-1] > 1 and following - cut > 1:
            kept.append(cut)
    return pairwise([*kept, end])


def _render(start: int, end: int, clips: Sequence[Span], fades: Sequence[Fade], overlays: Sequence[Span]) -> Section:
    inside = tuple(Fade(f.kind, f.at - start, f.frames) for f in fades if start <= f.at < end)
    return Section("render", start, end, _seen(clips, start, end), inside, _seen(overlays, start, end))


def _seen(spans: Sequence[Span], start: int, end: int) -> tuple[Piece, ...]:
    pieces = []
    for index, span in enumerate(spans):
        low, high = max(span.start, start), min(span.end, end)
        if low < high:
            pieces.append(Piece(index, low - start, low - span.start, high - low))
    return tuple(pieces)
