"""Order within one variant of a spot: conform each shot as it is circled, then stitch, mix, encode, verify, deliver."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.graphics import Words, burn_captions, draw_end_card, draw_supers, read_contrast
from flows.shots import Circled
from infra.deliverables import file_name, find_deliverable
from infra.production import Production, SpokenTake
from infra.selections import read_decisions
from manifests.catalogue import Profile
from manifests.finish import DeliverableIndex, Finished, finish_inputs, said_inputs
from manifests.journal import BlobRef, StepResult
from manifests.naming import slate
from manifests.reframing import framing_of
from manifests.schema import Deliver
from manifests.timing import ShotCut
from tasks import deliver as delivery
from tasks.conform import conform
from tasks.mix import mix
from tasks.sidecar import build_sidecar
from tasks.stitch import Clip, clip_of, note_sections, stitch


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
    name = slate(production.plan.campaign, production.variant.name, wanted.profile, wanted.ratio)
    ratio = wanted.ratio
    supers = asyncio.ensure_future(draw_supers(production, profile, ratio, name))
    card = asyncio.ensure_future(draw_end_card(production, profile, ratio, name))
    clips = asyncio.gather(
        *(_clip(production, cut, shots[cut.id], profile, wanted.ratio) for cut in production.cut.shots)
    )
    parts: list[asyncio.Future[Any]] = [supers, card, clips]
    try:
        heard = await asyncio.shield(sounds)
        mixing = asyncio.ensure_future(mix(slate(name, "mix"), production, heard.lines, heard.effects, profile))
        captions = asyncio.ensure_future(burn_captions(production, heard.lines, profile, ratio, name))
        parts += [mixing, captions]
        circled = {shot: await asyncio.shield(task) for shot, task in shots.items()}
        inputs = used_inputs(production, circled, heard)
        key, known = await asyncio.to_thread(_find, production, inputs, profile, wanted)
        if known is not None:
            await asyncio.gather(*parts, return_exceptions=True)  # kept steps, all of them: a moment
            if not any(part.cancelled() or part.exception() for part in parts):
                words = [*await supers, *await captions]
                note_sections(production, **_picture(production, await clips, await card, words, profile, ratio))
            return Finished(known, wanted, made=False)
        words = [*await supers, *await captions]
        picture = await _stitch(production, await clips, await card, words, profile, ratio, name)
        mixed = await mixing
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)
    return await _deliver(production, wanted, profile, name, key, inputs, picture, mixed, heard, circled)


def _find(
    film: Production, inputs: Mapping[str, str], profile: Profile, wanted: Deliver
) -> tuple[str, DeliverableIndex | None]:
    decisions = read_decisions(film.store, film.plan.campaign)
    return find_deliverable(film.store, film.plan, film.variant, inputs, profile, wanted, decisions)


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
    stem = file_name(production.plan, production.variant, wanted, profile, production.cut.frames, key)
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
        slate(name, "deliver"), production, wanted, key, inputs, stem, files, sidecar, measured.facts
    )
    return Finished(index, wanted, made=True)


def used_inputs(production: Production, circled: Mapping[str, Circled], heard: Sounds) -> dict[str, str]:
    """The digest of everything that is seen or heard: takes and sounds by want id, files by their place in the YAML;
    and of what people said of a take, which its sidecar tells."""
    variant = production.variant
    bought = {
        f"{variant.shot(cut.shot, cut.segment)}/take": circled[cut.id].result.blob.sha256
        for cut in production.cut.shots
    }
    bought |= {f"{variant.line(take.line.id)}/line": take.bought.sha256 for take in heard.lines}
    bought |= {want: blob.sha256 for want, blob in heard.bought_effects.items()}
    said = said_inputs({p.want.id: p.selection for c in circled.values() for p in (c, c.still) if p is not None})
    return finish_inputs(production.plan, variant, bought, said)


async def _clip(
    production: Production, cut: ShotCut, task: asyncio.Task[Circled], profile: Profile, ratio: str
) -> Clip:
    """A shot, or one segment: its doubled frame is left out, so that segments join as two clips with a plain cut do."""
    circled = await asyncio.shield(task)  # a film that cannot be finished must not end the buying of a shot
    label = slate(production.plan.campaign, cut.id, profile.name, "conform")
    shot = next(shot for shot in production.spot.shots if shot.id == cut.shot)
    made = await conform(
        label, production, circled.result.blob, in_frame=cut.in_frame + circled.trim, frames=cut.shown,
        profile=profile, ratio=ratio, ceiling=production.spot.generate.upscale.to,
        idr=production.borders[production.variant.shot(cut.shot, cut.segment), cut.in_frame, cut.shown],
        **framing_of(production.spot, shot, ratio),
    )  # fmt: skip
    return clip_of(made, cut.start)


def _picture(
    film: Production, clips: Sequence[Clip], card: Clip | None, words: Sequence[Words], profile: Profile, ratio: str
) -> dict[str, Any]:
    """What a film shows, as `stitch` takes it."""
    return {
        "clips": [*clips, card] if card else clips,
        "joins": film.cut.joins,
        "overlays": [one.overlay for one in words],
        "frames": film.cut.frames,
        "profile": profile,
        "ratio": ratio,
    }


async def _stitch(
    production: Production,
    clips: Sequence[Clip],
    card: Clip | None,
    words: Sequence[Words],
    profile: Profile,
    ratio: str,
    name: str,
) -> StepResult:
    """Captions lie on supers; how well all of them can be read is measured beside it."""
    reading = asyncio.ensure_future(read_contrast(production, words, clips, profile, ratio, name))
    try:
        told = _picture(production, clips, card, words, profile, ratio)
        picture = await stitch(slate(name, "stitch"), production, **told)
        await reading
    finally:
        reading.cancel()
    return picture
