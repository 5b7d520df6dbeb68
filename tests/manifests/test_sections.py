"""Films divided into copies and renders: every frame once, nothing rendered in vain, nothing that tells its place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.catalogue import VideoSettings
from manifests.sections import Fade, Piece, Section, Span, can_copy, divide, idr_frames, key_frames

GOP = 48
Film = tuple[list[Span], list[Fade], list[Span]]


@st.composite
def films(draw: st.DrawFn, *, forced: bool | None = None) -> Film:
    """Clips that overlap in transitions, with overlays anywhere; boundaries forced or not."""
    lengths = draw(st.lists(st.integers(1, 260), min_size=1, max_size=6))
    clips, joins, start = [], [], 0
    for number, frames in enumerate(lengths):
        overlap = 0
        if number and draw(st.booleans()):
            before = joins[-1].at + joins[-1].frames if joins else 0
            room = min(frames, clips[-1].end - max(before, clips[-1].start))
            overlap = draw(st.integers(0, min(room, 40)))
        if overlap:
            joins.append(Fade(draw(st.sampled_from(["dissolve", "dip", "wipe"])), start - overlap, overlap))
        clips.append(Span(start - overlap, frames))
        start = clips[-1].end
    overlays = []
    for _ in range(draw(st.integers(0, 4))):
        first = draw(st.integers(0, start - 1))
        overlays.append(Span(first, draw(st.integers(1, start - first))))
    if forced if forced is not None else draw(st.booleans()):
        clips = [replace(clip, idr=idr_frames(clip, joins, overlays)) for clip in clips]
    return clips, joins, overlays


def shown(film: Film, frame: int) -> object:
    """What a film frame is made of: (clip, its frame) …, (kind, step, steps), (overlay, its frame) …"""
    clips, joins, overlays = film
    below = [(n, frame - c.start) for n, c in enumerate(clips) if c.start <= frame < c.end]
    blend = [(j.kind, frame - j.at, j.frames) for j in joins if j.at <= frame < j.at + j.frames]
    return below, blend, [(n, frame - o.start) for n, o in enumerate(overlays) if o.start <= frame < o.end]


def told(section: Section, frame: int) -> object:
    """The same from a section, `frame` counted from its beginning."""

    def seen(pieces: tuple[Piece, ...]) -> list[tuple[int, int]]:
        return [(p.index, frame - p.at + p.first) for p in pieces if p.at <= frame < p.at + p.frames]

    blend = [(j.kind, frame - j.at, j.frames) for j in section.joins if j.at <= frame < j.at + j.frames]
    return seen(section.clips), blend, seen(section.overlays)


@given(films())
@settings(max_examples=300)
def test_every_frame_is_in_one_section_and_shows_what_it_should(film: Film) -> None:
    sections = divide(*film, GOP)
    total = film[0][-1].end
    assert [s.start for s in sections] == [0, *(s.end for s in sections[:-1])]
    assert sections[-1].end == total
    for section in sections:
        assert section.start < section.end
        for frame in range(section.start, section.end):
            assert told(section, frame - section.start) == shown(film, frame)


@given(films())
@settings(max_examples=300)
def test_copies_are_closed_and_show_one_clip_alone(film: Film) -> None:
    clips = film[0]
    for section in divide(*film, GOP):
        if section.kind == "render":
            continue
        assert not section.joins
        assert not section.overlays
        [piece] = section.clips
        clip = clips[piece.index]
        keys = {*key_frames(clip.frames, clip.idr, GOP), clip.frames}
        assert {piece.first, piece.first + piece.frames} <= keys
        assert piece.frames == section.end - section.start


@given(films(forced=True))
@settings(max_examples=300)
def test_with_forced_boundaries_only_what_is_blended_is_rendered(film: Film) -> None:
    """But for groups of one frame, which go with their neighbour, and a lone frame, which takes a neighbour with it."""
    clips, joins, overlays = film
    rendered = {f for s in divide(*film, GOP) if s.kind == "render" for f in range(s.start, s.end)}
    blended = {f for span in overlays for f in range(span.start, span.end)}
    blended |= {f for j in joins for f in range(j.at, j.at + j.frames)}
    assert blended <= rendered
    keys = sorted({c.start + k for c in clips for k in key_frames(c.frames, c.idr, GOP)} | {clips[-1].end})
    if all(b - a > 1 for a, b in pairwise(keys)) and min(span_lengths(film), default=2) > 1:
        assert rendered == blended


def span_lengths(film: Film) -> list[int]:
    """How long each stretch is between two changes of what is shown."""
    clips, joins, overlays = film
    edges = {e for s in [*clips, *overlays] for e in (s.start, s.end)} | {
        e for j in joins for e in (j.at, j.at + j.frames)
    }
    return [b - a for a, b in pairwise(sorted(edges))]


@given(films())
@settings(max_examples=300)
def test_no_single_frame_stands_alone_between_two_encoders(film: Film) -> None:
    sections = divide(*film, GOP)
    clips = film[0]
    for number, section in enumerate(sections[:-1]):
        if section.kind == "render":
            assert section.end - section.start > 1
            continue
        piece = section.clips[0]
        clip = clips[piece.index]
        inside = [k for k in key_frames(clip.frames, clip.idr, GOP) if piece.first <= k < piece.first + piece.frames]
        assert piece.first + piece.frames - inside[-1] > 1, f"section {number} ends on a lone IDR frame"


@given(films(forced=True), st.integers(1, 200))
@settings(max_examples=200)
def test_a_section_does_not_tell_where_in_the_film_it_is(film: Film, before: int) -> None:
    """The same pictures behind another shot: equal sections, if that shot takes no lone frame from them."""
    clips, joins, overlays = film
    later = (
        [Span(0, before + 1), *(replace(c, start=c.start + before + 1) for c in clips)],
        [replace(j, at=j.at + before + 1) for j in joins],
        [replace(o, start=o.start + before + 1) for o in overlays],
    )
    plain = [bare(s, 0) for s in divide(*film, GOP)]
    moved = [bare(s, 1) for s in divide(*later, GOP)]
    if moved[0][2][0].index == -1 and len(moved[0][2]) == 1:
        assert moved[1:] == plain


def bare(section: Section, shift: int) -> tuple[str, int, tuple[Piece, ...], tuple[Fade, ...], tuple[Piece, ...]]:
    clips = tuple(replace(p, index=p.index - shift) for p in section.clips)
    return section.kind, section.end - section.start, clips, section.joins, section.overlays


@given(st.integers(1, 3000), st.lists(st.integers(-5, 3005), max_size=8), st.integers(1, 250))
def test_key_frames_are_never_further_apart_than_asked(frames: int, idr: list[int], gop: int) -> None:
    keys = key_frames(frames, idr, gop)
    wanted = {0, *(f for f in idr if 0 < f < frames)}
    assert wanted <= set(keys)
    assert all(0 < b - a <= gop for a, b in pairwise([*keys, frames]))
    if gop > 2:
        borders = sorted(wanted | {frames})
        lone = {a for a, b in pairwise(borders) if b - a == 1}
        assert {a for a, b in pairwise([*keys, frames]) if b - a == 1} == lone


@given(films())
@settings(max_examples=200)
def test_long_words_are_rendered_in_stretches(film: Film) -> None:
    longest = max((j.frames for j in film[1]), default=0)
    assert all(s.end - s.start <= max(4 * GOP, longest) + 4 for s in divide(*film, GOP) if s.kind == "render")


def test_a_film_with_a_dissolve_and_words() -> None:
    clips, joins = [Span(0, 100), Span(90, 97)], [Fade("dissolve", 90, 10)]
    words = [Span(20, 30), Span(40, 30)]
    forced = [replace(c, idr=idr_frames(c, joins, words)) for c in clips]
    assert [c.idr for c in forced] == [(20, 40, 50, 70, 90), (10,)]
    sections = divide(forced, joins, words, GOP)
    assert [(s.kind, s.start, s.end) for s in sections] == [
        ("copy", 0, 20), ("render", 20, 40), ("render", 40, 50), ("render", 50, 70), ("copy", 70, 90),
        ("render", 90, 100), ("copy", 100, 187),
    ]  # fmt: skip
    assert sections[2].overlays == (Piece(0, 0, 20, 10), Piece(1, 0, 0, 10))
    assert sections[5].joins == (Fade("dissolve", 0, 10),)
    assert sections[5].clips == (Piece(0, 0, 90, 10), Piece(1, 0, 0, 10))


def test_words_that_begin_inside_a_dissolve_belong_to_its_section() -> None:
    clips, joins, words = [Span(0, 100), Span(90, 100)], [Fade("dissolve", 90, 10)], [Span(95, 20)]
    forced = [replace(c, idr=idr_frames(c, joins, words)) for c in clips]
    assert [c.idr for c in forced] == [(90,), (10, 25)]
    kinds = [(s.kind, s.start, s.end, len(s.overlays)) for s in divide(forced, joins, words, GOP)]
    assert kinds == [("copy", 0, 90, 0), ("render", 90, 100, 1), ("render", 100, 115, 1), ("copy", 115, 190, 0)]


def test_boundaries_that_were_not_forced_render_to_the_next_one() -> None:
    sections = divide([Span(0, 200)], [], [Span(50, 10)], GOP)
    assert Counter((s.kind, s.start, s.end) for s in sections) == Counter(
        [("copy", 0, 48), ("render", 48, 50), ("render", 50, 60), ("render", 60, 96), ("copy", 96, 200)]
    )


@pytest.mark.parametrize("frames", [1, 2])
def test_films_of_a_frame_or_two(frames: int) -> None:
    assert divide([Span(0, frames)], [], [], GOP) == (Section("copy", 0, frames, (Piece(0, 0, 0, frames),)),)
    [covered] = divide([Span(0, frames)], [], [Span(0, frames)], GOP)
    assert covered.kind == "render"


@pytest.mark.parametrize(
    ("change", "copied"),
    [
        ({}, True),
        ({"bitrate_kbps": 5000, "crf": None}, False),
        ({"maximum_kbps": 5000}, False),
        ({"minimum_kbps": 5000}, False),
        ({"crf": None}, False),
    ],
)
def test_which_settings_can_be_put_together(change: dict[str, object], copied: bool) -> None:
    video = VideoSettings.model_validate({"codec": "h264", "crf": 17} | change)
    assert can_copy(video) is copied
