"""One deliverable: picture and mix in one file, measured against its profile, with captions and sidecar, in the store
and in the folder where people look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.blobs import blob_file, put_blob
from infra.captioning import spoken_cues
from infra.deliverables import film_name
from infra.errors import PreconditionFailedError
from infra.production import Production, SpokenTake
from infra.records import create_record
from manifests.catalogue import Profile
from manifests.finish import DeliverableIndex, sidecar_text
from manifests.journal import BlobRef, StepResult
from manifests.naming import deliverable_index_key, deliverable_key
from manifests.plan import Plan
from manifests.schema import Deliver
from tasks.policy import production_task


@production_task("encode")
async def encode(
    slate: str, production: Production, picture: StepResult, mixed: StepResult, profile: Profile, title: str
) -> StepResult:
    params = {
        "container": profile.container,
        "audio": profile.audio.model_dump(mode="json"),
        "edit_list": profile.edit_list,
        "recode": profile.recode,
        "frames": production.cut.frames,
        "rate": profile.rate,
        "samples": mixed.facts["samples"],
        "metadata": {"title": title, "comment": _comment(production.plan)},
    }
    inputs = {"picture": picture.files["picture.mp4"], "mix": mixed.files["mix.wav"]}
    return await production.steps.run("encode", params, inputs, kind="out")


def _comment(plan: Plan) -> str:
    return "animatic, filmed on the backlot" if "backlot" in (plan.video_service, plan.sound_service) else ""


@production_task("verify")
async def verify(slate: str, production: Production, film: StepResult, profile: Profile, ratio: str) -> StepResult:
    params = {
        "profile": profile.model_dump(mode="json"),
        "ratio": ratio,
        "frames": production.cut.frames,
        "rate": profile.rate,
        "silent": _is_silent(production),
    }
    blob = next(b for name, b in film.files.items() if name.startswith("film."))
    return await production.steps.run("verify", params, {"file": blob})


def _is_silent(production: Production) -> bool:
    sound = production.spot.sound
    return sound.voiceover is None and sound.music is None and not sound.effects


@production_task("captions")
async def caption(
    slate: str, production: Production, lines: Sequence[SpokenTake], profile: Profile
) -> StepResult | None:
    """Caption files from the timings of the speech, in the script's own words; None when none are asked for."""
    captions = production.spot.graphics.captions
    if captions is None or not captions.sidecar or not lines:
        return None
    cues = spoken_cues(lines, production.cut.frames, profile)
    params = {
        "cues": [{"start": str(c.start), "end": str(c.end), "text": c.text} for c in cues],
        "formats": list(captions.sidecar),
    }
    return await production.steps.run("captions", params, {}, kind="out")


@production_task("deliver")
async def store_deliverable(
    slate: str,
    production: Production,
    wanted: Deliver,
    key: str,
    inputs: Mapping[str, str],
    stem: str,
    files: Mapping[str, BlobRef],
    sidecar: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> DeliverableIndex:
    """Writes the sidecar, the named copies and, last, the index: without an index there is no deliverable. `stem` is
    the film's name without its ending."""
    store, plan = production.store, production.plan
    variant = film_name(production.variant, wanted)
    text = sidecar_text(sidecar).encode()
    blobs = dict(files)
    blobs[f"{stem}.json"] = await asyncio.to_thread(put_blob, store, "out", text, "application/json")
    for name, blob in blobs.items():
        path = await asyncio.to_thread(blob_file, store, blob, production.work)
        where = deliverable_key(plan.campaign, variant, key[:12], name)
        await asyncio.to_thread(_put_copy, store, where, path, blob)
    index = DeliverableIndex(
        key=key, campaign=plan.campaign, variant=variant, profile=wanted.profile, ratio=wanted.ratio,
        version=wanted.version, spot=production.variant.source.id, values=production.variant.values, files=blobs,
        inputs=dict(inputs), measured=dict(measured), backlot=bool(_comment(plan)),
    )  # fmt: skip
    try:
        where = deliverable_index_key(plan.campaign, variant, key[:12])
        await asyncio.to_thread(create_record, store, where, index)
    except PreconditionFailedError:
        return index  # another run finished the same deliverable: same key, same bytes
    return index


def _put_copy(store: Any, where: str, path: Path, blob: BlobRef) -> None:
    try:
        store.put_file(where, path, content_type=blob.content_type, if_absent=True, sha256=blob.sha256)
    except PreconditionFailedError:
        return  # an earlier run was interrupted between the copy and the index
