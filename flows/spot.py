"""Order within one variant of a spot: conform each shot as it is circled, then stitch, mix, encode, verify, deliver."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.shots import Circled
from infra.deliverables import file_name, find_deliverable
from infra.production import Production, SpokenTake
from manifests.catalogue import Profile
from manifests.finish import Finished, finish_inputs, said_inputs
from manifests.journal import BlobRef, StepResult
from manifests.naming import slate
from manifests.schema import Deliver
from manifests.sections import Span, idr_frames
from tasks import deliver as delivery
from tasks.conform import conform
from tasks.graphics import draw_card, draw_super
from tasks.mix import mix
from tasks.sidecar import build_sidecar
from tasks.stitch import Clip, Overlay, clip_of, stitch


@dataclass(frozen=True)
class Sounds:
    lines: Sequence[SpokenTake]
    effects: Mapping[int, BlobRef]  # by place in the manifest
    bought_effects: Mapping[str, BlobRef]  # by want id


async def finish_deliverable(
    production: Production,
    wanted: Deliver,
    shots: Mapping[str, asyncio.Task[Circled]],
    sounds: asyncio.Task[Sounds],
) -> Finished:
    """One file of one variant. Every part starts as soon as what it needs is there."""
    profile = production.profiles[wanted.profile]
    name = slate(production.plan.campaign, wanted.profile, wanted.ratio)
    graphics = asyncio.gather(*_graphics(production, profile, wanted.ratio, name))
    clips = asyncio.gather(
        *(_clip(production, cut.id, shots[cut.id], profile, wanted.ratio) for cut in production.cut.shots)
    )
    parts: list[asyncio.Future[Any]] = [graphics, clips]
    try:
        heard = await asyncio.shield(sounds)
        mixing = asyncio.ensure_future(mix(slate(name, "mix"), production, heard.lines, heard.effects, profile))
        parts.append(mixing)
        circled = {shot: await asyncio.shield(task) for shot, task in shots.items()}
        inputs = used_inputs(production, circled, heard)
        key, known = await asyncio.to_thread(
            find_deliverable, production.store, production.plan, inputs, profile, wanted
        )
        if known is not None:
            await asyncio.gather(*parts, return_exceptions=True)  # kept steps, all of them: a moment
            return Finished(known, wanted, made=False)
        picture = await _stitch(production, await clips, await graphics, profile, wanted.ratio, name)
        mixed = await mixing
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
    return await _deliver(production, wanted, profile, name, key, inputs, picture, mixed, heard, circled)


async def _deliver(
    production: Production,
    wanted: Deliver,
    profile: Profile,
    name: str,
    key: str,
    inputs: Mapping[str, str],
    picture: StepResult,
    mixed: StepResult,
    heard: Sounds,
    circled: Mapping[str, Circled],
) -> Finished:
    stem = file_name(production.plan, production.spot, wanted, production.cut.frames)
    film = await delivery.encode(slate(name, "encode"), production, picture, mixed, profile, stem)
    measured = await delivery.verify(slate(name, "verify"), production, film, profile, wanted.ratio)
    captions = await delivery.caption(slate(name, "captions"), production, heard.lines, profile)
    files = {f"{stem}.{file.rpartition('.')[2]}": blob for file, blob in film.files.items()}
    if captions is not None:
        files |= {f"{stem}.{file.rpartition('.')[2]}": blob for file, blob in captions.files.items()}
    sidecar = await asyncio.to_thread(
        build_sidecar, production, wanted, files, circled, heard.lines, heard.effects, measured, mixed
    )
    index = await delivery.store_deliverable(
        slate(name, "deliver"), production, wanted, key, inputs, files, sidecar, measured.facts
    )
    return Finished(index, wanted, made=True)


def used_inputs(production: Production, circled: Mapping[str, Circled], heard: Sounds) -> dict[str, str]:
    """The digest of everything that is seen or heard: takes and sounds by want id, files by their place in the YAML;
    and of what people said of a take, which its sidecar tells."""
    bought = {f"{shot}/take": c.result.blob.sha256 for shot, c in circled.items()}
    bought |= said_inputs({p.want.id: p.selection for c in circled.values() for p in (c, c.still) if p is not None})
    bought |= {f"{take.line.id}/line": take.bought.sha256 for take in heard.lines}
    bought |= {want: blob.sha256 for want, blob in heard.bought_effects.items()}
    return finish_inputs(production.plan, bought)


async def _clip(production: Production, shot: str, task: asyncio.Task[Circled], profile: Profile, ratio: str) -> Clip:
    circled = await asyncio.shield(task)  # a film that cannot be finished must not end the buying of a shot
    cut = production.cut.shot(shot)
    label = slate(production.plan.campaign, shot, profile.name, "conform")
    made = await conform(
        label, production, circled.result.blob, in_frame=cut.in_frame + circled.trim, frames=cut.shown,
        profile=profile, ratio=ratio, ceiling=production.spot.generate.upscale.to,
        idr=_borders(production, cut.start, cut.shown),
    )  # fmt: skip
    return clip_of(made, cut.start)


def _borders(production: Production, start: int, frames: int) -> tuple[int, ...]:
    """Where the film blends something into this clip, or lays something over it."""
    supers = [Span(cue.start, cue.frames) for cue in production.cut.cues if cue.kind == "super"]
    return idr_frames(Span(start, frames), production.cut.joins, supers)


async def _stitch(
    production: Production,
    clips: Sequence[Clip],
    graphics: Sequence[Clip | Overlay],
    profile: Profile,
    ratio: str,
    name: str,
) -> StepResult:
    cards = [g for g in graphics if isinstance(g, Clip)]
    overlays = [g for g in graphics if isinstance(g, Overlay)]
    return await stitch(
        slate(name, "stitch"), production, clips=[*clips, *cards], joins=production.cut.joins, overlays=overlays,
        frames=production.cut.frames, profile=profile, ratio=ratio,
    )  # fmt: skip


def _graphics(production: Production, profile: Profile, ratio: str, name: str) -> list[asyncio.Task[Clip | Overlay]]:
    cues = {cue.path: cue for cue in production.cut.cues}
    supers = production.spot.graphics.supers

    async def overlay(number: int) -> Clip | Overlay:
        cue = cues[f"graphics.supers[{number}]"]
        label = slate(name, f"super {number + 1}")
        made = await draw_super(label, production, supers[number], cue.frames, profile, ratio)
        x, y = int(made.facts["x"]), int(made.facts["y"])
        return Overlay(made.files["overlay.mov"], x, y, cue.start, cue.frames)

    async def card() -> Clip | Overlay:
        wanted, place = production.spot.graphics.end_card, production.cut.card
        if wanted is None or place is None:
            raise ValueError("no end card")
        frames = place[1] - place[0]
        drawn = await draw_card(slate(name, "end card"), production, wanted, frames, profile, ratio)
        made = await conform(
            slate(name, "end card", "conform"), production, drawn.files["card.mov"], in_frame=0, frames=frames,
            profile=profile, ratio=ratio, ceiling=production.spot.generate.upscale.to,
            idr=_borders(production, place[0], frames),
        )  # fmt: skip
        return clip_of(made, place[0])

    jobs = [asyncio.ensure_future(overlay(n)) for n in range(len(supers))]
    if production.cut.card is not None:
        jobs.append(asyncio.ensure_future(card()))
    return jobs
