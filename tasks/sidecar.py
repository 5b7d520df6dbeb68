"""The sidecar of one delivered file: what it is made of, every digest back to the takes, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.media.steps import STEPS
from infra.production import Production, SpokenTake
from manifests.approvals import words_said
from manifests.digest import digest_json
from manifests.expand import Want
from manifests.journal import BlobRef, Selection, StepResult
from manifests.schema import Deliver
from manifests.walk import Numbered


def build_sidecar(
    production: Production,
    wanted: Deliver,
    files: Mapping[str, BlobRef],
    circled: Mapping[str, Any],
    lines: Sequence[SpokenTake],
    measured: StepResult,
    mixed: StepResult,
) -> dict[str, Any]:
    """Compliance sheet §3.4. Holds no time, so that the same film has the same sidecar."""
    plan = production.plan
    voiceover = production.spot.sound.voiceover
    return {
        "schema": "sidecar/1",
        "campaign": plan.campaign,
        "profile": wanted.profile,
        "ratio": wanted.ratio,
        "manifest_sha256": plan.manifest_digest,
        "lock_sha256": plan.lock_digest,
        "filmed_on_the_backlot": "backlot" in (plan.video_service, plan.sound_service),
        "files": {name: {"sha256": b.sha256, "bytes": b.size} for name, b in files.items()},
        "content_id": digest_json({name: b.sha256 for name, b in files.items()})[:6],
        "shots": [_shot_facts(production, shot, c) for shot, c in circled.items()],
        "speech": [
            {
                "line": take.line.id,
                "text": take.line.text,
                "voice": voiceover.voice if voiceover else None,
                "service": plan.sound_service,
                "seconds": round(take.seconds, 3),
                "speed": str(take.speed),
                "sha256": take.bought.sha256,
            }
            for take in lines
        ],
        "measured": dict(measured.facts),
        "mix": {k: mixed.facts[k] for k in ("samples", "lufs", "true_peak")},
        "rights": _rights(production),
        "disclosure": _disclosure(production),
        "not_applied": list(plan.not_applied),
        "steps": dict(STEPS),
    }


def _shot_facts(production: Production, shot: str, circled: Any) -> dict[str, Any]:
    chosen: Numbered = circled.chosen
    want: Want = circled.want
    cut = production.cut.shot(shot)
    result, still = circled.result, circled.still
    return {
        "shot": shot,
        "service": want.service,
        "model": want.model,
        "mode": want.mode,
        "task": result.task_id,
        "take": chosen.number,
        "of": len(circled.walk.wanted) + len(circled.walk.skipped),
        "request": dict(chosen.request),
        "sha256": result.blob.sha256,
        "credits": result.credits,
        "take_frames": [cut.in_frame, cut.in_frame + cut.shown],
        "film_frames": [cut.start, cut.end],
        "circled": _choice(circled.selection),
        **({"said": words_said(circled.selection)} if words_said(circled.selection) else {}),
        **({"said_of_still": words_said(still.selection)} if still is not None and words_said(still.selection) else {}),
    }


def _choice(selection: Selection | None) -> dict[str, Any] | None:
    if selection is None or selection.circled is None:
        return None
    choice = selection.circled
    return {"take": choice.take, "by": choice.by, "score": choice.score, "parts": dict(choice.score_parts)}


def _rights(production: Production) -> list[dict[str, Any]]:
    spot, brand = production.spot, production.brand
    named: dict[str, Any] = {f"references.{name}": r for name, r in spot.references.items()}
    named |= {f"sound.effects[{n}]": e for n, e in enumerate(spot.sound.effects) if e.file is not None}
    if spot.sound.music is not None:
        named["sound.music"] = spot.sound.music
    if spot.sound.voiceover is not None:
        named[f"brand.voices.{spot.sound.voiceover.voice}"] = brand.voices[spot.sound.voiceover.voice]
    return [
        {"asset": name, **(item.rights.model_dump(mode="json", exclude_none=True) if item.rights else {})}
        for name, item in named.items()
    ]


def _disclosure(production: Production) -> dict[str, Any]:
    compliance = production.spot.compliance
    asked = production.spot.graphics.disclosure
    return {
        "asked": asked if isinstance(asked, str | None) else asked.model_dump(mode="json"),
        "label_drawn": False,
        "markets": list(compliance.markets) if compliance else [],
        "people": compliance.people if compliance else None,
        "realism": compliance.realism if compliance else None,
    }
