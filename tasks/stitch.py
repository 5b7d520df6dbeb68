"""Joining the conformed shots, the end card and the graphics into the picture of one deliverable.

Where the profile allows it, only transitions and words are encoded, each stretch as a step of its own whose key says
nothing of the film around it; everything else is copied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.production import Production
from infra.steps import step_key_of
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from manifests.sections import Blend, Piece, Section, Span, can_copy, divide
from tasks.policy import production_task

Work = tuple[Mapping[str, Any], Mapping[str, BlobRef]]  # params and inputs of a step


@dataclass(frozen=True)
class Clip:
    """`start`: the film frame that shows the clip's first frame. `idr` and `headers`: as conform told them; `key`: its
    step's."""

    blob: BlobRef
    start: int
    frames: int
    idr: tuple[int, ...] = ()
    headers: str = ""
    key: str = ""

    @property
    def span(self) -> Span:
        return Span(self.start, self.frames, self.idr)


@dataclass(frozen=True)
class Overlay:
    blob: BlobRef
    x: int
    y: int
    start: int
    frames: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.frames)


def clip_of(conformed: StepResult, start: int) -> Clip:
    facts, blob = conformed.facts, conformed.files["shot.mp4"]
    return Clip(blob, start, int(facts["frames"]), tuple(facts["idr"]), str(facts["headers"]), conformed.key)


@production_task("stitch")
async def stitch(
    slate: str,
    production: Production,
    *,
    clips: Sequence[Clip],
    joins: Iterable[Blend],
    overlays: Sequence[Overlay],
    frames: int,
    profile: Profile,
    ratio: str,
) -> StepResult:
    """`picture.mp4`. A join is what two neighbouring clips overlap in; later overlays lie on earlier ones."""
    film = _Film(production, clips, [j for j in joins if j.frames], overlays, frames, profile, profile.sizes[ratio])
    if not film.is_joined:
        return await film.render()
    sections = film.divide()
    made = await asyncio.gather(*(film.make(section) for section in sections if section.kind == "render"))
    if any(str(result.facts["headers"]) != clips[0].headers for result in made):
        return await film.render()  # another build of the encoder made the clips
    return await film.join(sections, made)


def note_sections(
    production: Production,
    *,
    clips: Sequence[Clip],
    joins: Iterable[Blend],
    overlays: Sequence[Overlay],
    frames: int,
    profile: Profile,
    ratio: str,
) -> None:
    """What `stitch` notes in `production.shown`, of a film that is there already. Makes nothing and reads nothing."""
    film = _Film(production, clips, [j for j in joins if j.frames], overlays, frames, profile, profile.sizes[ratio])
    if not film.is_joined:
        film.note("render", step_key_of("render", *film.whole()))
        return
    for section in film.divide():
        film.note_copy(section)
        if section.kind == "render":
            film.note("section", step_key_of("section", *film.part(section)))


@dataclass(frozen=True)
class _Film:
    production: Production
    clips: Sequence[Clip]
    joins: Sequence[Blend]
    overlays: Sequence[Overlay]
    frames: int
    profile: Profile
    size: tuple[int, int]

    @property
    def is_joined(self) -> bool:
        headers = {clip.headers for clip in self.clips}
        return can_copy(self.profile.video) and len(headers) == 1 and "" not in headers

    def note(self, step: str, key: str) -> None:
        self.production.shown[key] = step

    def note_copy(self, section: Section) -> None:
        if section.kind == "copy":
            self.note("conform", self.clips[section.clips[0].index].key)

    def divide(self) -> tuple[Section, ...]:
        gop = self.profile.video.gop_frames
        return divide([c.span for c in self.clips], self.joins, [o.span for o in self.overlays], gop)

    async def make(self, section: Section) -> StepResult:
        return await self.production.steps.run("section", *self.part(section))

    def part(self, section: Section) -> Work:
        """One rendered section. Its params and inputs are numbered from 0: they tell nothing of the film."""
        params = self._settings(section.end - section.start) | {
            "clips": [
                {"input": f"clip{n}", "start": p.at, "frames": p.frames, "first": p.first}
                for n, p in enumerate(section.clips)
            ],
            "transitions": [{"kind": j.kind, "at": j.at, "frames": j.frames} for j in section.joins],
            "overlays": [self._overlay(n, piece) for n, piece in enumerate(section.overlays)],
        }
        inputs = {f"clip{n}": self.clips[p.index].blob for n, p in enumerate(section.clips)}
        inputs |= {f"overlay{n}": self.overlays[p.index].blob for n, p in enumerate(section.overlays)}
        return params, inputs

    async def join(self, sections: Sequence[Section], made: Sequence[StepResult]) -> StepResult:
        """The film's packets. A clip that is copied in several parts is one input."""
        rendered = iter(made)
        inputs: dict[str, BlobRef] = {}
        parts: list[dict[str, Any]] = []
        for number, section in enumerate(sections):
            self.note_copy(section)
            if section.kind == "copy":
                piece = section.clips[0]
                name, first, blob = f"clip{piece.index}", piece.first, self.clips[piece.index].blob
            else:
                result = next(rendered)
                self.note("section", result.key)
                name, first, blob = f"section{number}", 0, result.files["section.mp4"]
            inputs[name] = blob
            parts.append({"input": name, "first": first, "frames": section.end - section.start})
        params = {"rate": self.profile.rate, "frames": self.frames, "parts": parts}
        return await self.production.steps.run("stitch", params, inputs)

    async def render(self) -> StepResult:
        """Everything encoded once more."""
        result = await self.production.steps.run("render", *self.whole())
        self.note("render", result.key)
        return result

    def whole(self) -> Work:
        inputs = {f"clip{n}": clip.blob for n, clip in enumerate(self.clips)}
        inputs |= {f"overlay{n}": overlay.blob for n, overlay in enumerate(self.overlays)}
        params = self._settings(self.frames) | {
            "clips": [{"input": f"clip{n}", "start": c.start, "frames": c.frames} for n, c in enumerate(self.clips)],
            "transitions": [{"kind": j.kind, "at": j.at, "frames": j.frames} for j in self.joins],
            "overlays": [self._overlay(n, Piece(n, o.start, 0, o.frames)) for n, o in enumerate(self.overlays)],
        }
        return params, inputs

    def _settings(self, frames: int) -> dict[str, Any]:
        video: Mapping[str, Any] = self.profile.video.model_dump(mode="json")
        width, height = self.size
        return {"width": width, "height": height, "rate": self.profile.rate, "frames": frames, "video": video}

    def _overlay(self, number: int, piece: Piece) -> dict[str, Any]:
        overlay = self.overlays[piece.index]
        row = {"input": f"overlay{number}", "x": overlay.x, "y": overlay.y}
        return row | {"start": piece.at, "frames": piece.frames, "first": piece.first}
