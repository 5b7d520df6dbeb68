"""Order within the words of one film: supers and end card at once, captions when the speech is there, then the contrast
of all of them on the pictures under them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from infra.captioning import in_frames, spoken_cues
from infra.drawing import burns_captions
from infra.production import Production, SpokenTake
from manifests.catalogue import Profile
from manifests.films import LOCALE
from manifests.journal import StepResult
from manifests.naming import slate
from manifests.sections import Span, idr_frames
from tasks.conform import conform
from tasks.contrast import contrast_notice, measure_contrast
from tasks.graphics import draw_captions, draw_card, draw_super
from tasks.stitch import Clip, Overlay, clip_of


@dataclass(frozen=True)
class Words:
    """One text over the film, and what it was drawn from."""

    kind: Literal["super", "legal", "lower-third", "caption"]
    text: str
    start: int
    made: StepResult
    overlay: Overlay


async def draw_supers(film: Production, profile: Profile, ratio: str, name: str) -> list[Words]:
    cues = {cue.path: cue for cue in film.cut.cues}
    burned = burns_captions(film.spot, profile)

    async def draw(number: int) -> Words:
        wanted, cue = film.spot.graphics.supers[number], cues[f"graphics.supers[{number}]"]
        label = slate(name, f"super {number + 1}")
        made = await draw_super(
            label, film, wanted, cue.frames, profile, ratio, over_captions=burned, locale=locale_of(film)
        )
        x, y = int(made.facts["x"]), int(made.facts["y"])
        overlay = Overlay(made.files["overlay.mov"], x, y, cue.start, cue.frames)
        return Words(wanted.style, wanted.text, cue.start, made, overlay)

    return list(await asyncio.gather(*map(draw, range(len(film.spot.graphics.supers)))))


async def draw_end_card(film: Production, profile: Profile, ratio: str, name: str) -> Clip | None:
    wanted, place = film.spot.graphics.end_card, film.cut.card
    if wanted is None or place is None:
        return None
    frames = place[1] - place[0]
    drawn = await draw_card(slate(name, "end card"), film, wanted, frames, profile, ratio, locale=locale_of(film))
    made = await conform(
        slate(name, "end card", "conform"), film, drawn.files["card.mov"], in_frame=0, frames=frames, profile=profile,
        ratio=ratio, ceiling=film.spot.generate.upscale.to, idr=borders(film, place[0], frames),
    )  # fmt: skip
    return clip_of(made, place[0])


async def burn_captions(
    film: Production, lines: Sequence[SpokenTake], profile: Profile, ratio: str, name: str
) -> list[Words]:
    if not lines or not burns_captions(film.spot, profile):
        return []
    frames = film.cut.frames
    cues = in_frames(spoken_cues(lines, frames, profile), frames, profile)
    drawn = await draw_captions(slate(name, "captions"), film, cues, profile, ratio, locale=locale_of(film))
    return [
        Words("caption", d.text, d.start_frame, d.made, Overlay(d.blob, d.x, d.y, d.start_frame, d.frames))
        for d in drawn
    ]


async def read_contrast(
    film: Production, words: Sequence[Words], clips: Sequence[Clip], profile: Profile, ratio: str, name: str
) -> None:
    """What is hard to read is a notice; it is measured where the words stand on shots, not on a card."""

    async def measure(one: Words) -> None:
        label = slate(name, one.kind, "contrast")
        found = await measure_contrast(label, film, one.made, clips, one.start, profile)
        where = f"{film.variant.name} {profile.name} {ratio}".strip()
        notice = contrast_notice(one.kind, one.text, where, found)
        if notice is not None and notice not in film.notices:
            film.notices.append(notice)

    await asyncio.gather(*map(measure, words))


def borders(film: Production, start: int, frames: int) -> tuple[int, ...]:
    """Where the film blends something into this clip, or lays something over it that is known before it is spoken."""
    supers = [Span(cue.start, cue.frames) for cue in film.cut.cues if cue.kind == "super"]
    return idr_frames(Span(start, frames), film.cut.joins, supers)


def shared_borders(films: Sequence[Production]) -> dict[tuple[str, int, int], tuple[int, ...]]:
    """By shot and what of it is shown: borders of all films that show it, so that it is conformed once for them."""
    found: dict[tuple[str, int, int], set[int]] = {}
    for film in films:
        for cut in film.cut.shots:
            key = (film.variant.shot(cut.shot, cut.segment), cut.in_frame, cut.shown)
            found.setdefault(key, set()).update(borders(film, cut.start, cut.shown))
    return {key: tuple(sorted(frames)) for key, frames in found.items()}


def locale_of(film: Production) -> str | None:
    voiceover = film.spot.sound.voiceover
    return film.variant.values.get(LOCALE) or (voiceover.language if voiceover else None)
