"""The sidecar of one delivered file: what every part of it was made of, every digest back to the takes, who chose, by
what right, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from infra.errors import ShotrunnerError
from infra.files import file_digest
from infra.media.ffmpeg import ffmpeg_version
from infra.media.steps import STEPS
from infra.media.typeface import FALLBACK_FONT
from infra.production import Production, SpokenTake, find_placeholders
from infra.selections import read_decisions
from infra.state import StoreState
from manifests.adnames import content_id
from manifests.approvals import said_of_film, words_said
from manifests.digest import digest_json
from manifests.expand import Want
from manifests.extending import seconds_of
from manifests.journal import BlobRef, Selection, StepResult
from manifests.naming import variant_name
from manifests.reframing import framing_of
from manifests.rights import label_rules
from manifests.schema import Deliver, DisclosureOverride, Rights
from manifests.scripts import LATIN, fonts_for
from manifests.validity import valid_to_facts
from manifests.walk import Numbered, segment_of, walk_takes

X264_STEPS = ("conform", "section", "render")  # whose bytes follow from the encoder's version


def build_sidecar(
    production: Production,
    wanted: Deliver,
    files: Mapping[str, BlobRef],
    circled: Mapping[str, Any],
    lines: Sequence[SpokenTake],
    effects: Mapping[int, BlobRef],
    measured: StepResult,
    mixed: StepResult,
) -> dict[str, Any]:
    """Compliance sheet §3.4. Holds no run, no machine and no time but of what people said, so that the same film has
    the same sidecar. Reads the store. `effects`: what is heard, by place in the manifest."""
    plan = production.plan
    content = digest_json({name: b.sha256 for name, b in files.items()})
    return {
        "schema": "sidecar/1",
        "campaign": plan.campaign,
        "profile": wanted.profile,
        "ratio": wanted.ratio,
        "version": wanted.version,
        "manifest_sha256": plan.manifest_digest,
        "lock_sha256": plan.lock_digest,
        "filmed_on_the_backlot": "backlot" in (plan.video_service, plan.sound_service),
        "files": {name: {"sha256": b.sha256, "bytes": b.size} for name, b in files.items()},
        **valid_to_facts(production.variant.valid_to, plan.zone),
        "content_id": content_id(_film(files)),  # as the trafficking sheet has it
        "content_sha256": content,
        **_said(production, wanted, files),
        "shots": [_shot_facts(production, name, c) for name, c in circled.items()],
        "speech": [_line_facts(production, take) for take in lines],
        "effects": [_effect_facts(production, number, effects[number]) for number in sorted(effects)],
        "music": _music_facts(production),
        "graphics": _graphics(production),
        "measured": dict(measured.facts),
        "mix": {k: mixed.facts[k] for k in ("samples", "lufs", "true_peak")},
        "rights": _rights(production),
        "disclosure": _disclosure(production),
        "not_applied": list(plan.not_applied),
        "steps": dict(STEPS),
        "tools": _tools(),
    }


def _said(production: Production, wanted: Deliver, files: Mapping[str, BlobRef]) -> dict[str, Any]:
    """Who let this very film pass, or did not; nothing where nobody spoke."""
    decisions = read_decisions(production.store, production.plan.campaign)
    said = said_of_film(decisions, variant_name(wanted.ratio, wanted.profile), _film(files))
    return {"said": said} if said else {}


def _film(files: Mapping[str, BlobRef]) -> str:
    return next(blob.sha256 for name, blob in files.items() if name.endswith((".mp4", ".mov")))


# --- pictures ---


def _shot_facts(production: Production, name: str, circled: Any) -> dict[str, Any]:
    """`name`: of a shot, or of one segment of a long one."""
    cut, still = production.cut.shot(name), circled.still
    first = cut.in_frame + circled.trim
    return {
        "shot": cut.shot,
        **({"segment": cut.segment} if cut.segment else {}),
        **_bought_picture(circled),
        "take_frames": [first, first + cut.shown],
        "film_frames": [cut.start, cut.end],
        **_reframed(production, cut.shot),
        "still": _bought_picture(still) if still is not None else None,
        "references": _references(production, [p.chosen.request for p in (circled, still) if p is not None]),
        **({"said": words_said(circled.selection)} if words_said(circled.selection) else {}),
        **({"said_of_still": words_said(still.selection)} if still is not None and words_said(still.selection) else {}),
    }


def _reframed(production: Production, shot_id: str) -> dict[str, Any]:
    shot = next(shot for shot in production.spot.shots if shot.id == shot_id)
    if not framing_of(production.spot, shot, production.spot.generate.ratio):
        return {}
    return {"reframed": None if shot.reframe is None else shot.reframe.model_dump(mode="json", by_alias=True)}


def _bought_picture(circled: Any) -> dict[str, Any]:
    """The request holds prompt, seed and parameters as they were sent; media stand in it by their digests."""
    chosen: Numbered = circled.chosen
    want: Want = circled.want
    result = circled.result
    return {
        "service": want.service,
        "model": want.model,
        "mode": want.mode,
        "task": result.task_id,
        "take": chosen.number,
        "of": len(circled.walk.wanted) + len(circled.walk.skipped),
        "request": dict(chosen.request),
        "sha256": result.blob.sha256,
        "credits": result.credits,
        "circled": _choice(circled.selection),
    }


def _choice(selection: Selection | None) -> dict[str, Any] | None:
    if selection is None or selection.circled is None:
        return None
    choice = selection.circled
    facts = {"take": choice.take, "by": choice.by, "score": choice.score, "parts": dict(choice.score_parts)}
    return facts | ({"person": choice.person} if choice.person else {})


def _references(production: Production, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those that were really sent: one that is only listed made nothing."""
    sent = {holder.get("sha256") for request in requests for holder in find_placeholders(request)}
    told = []
    for name, reference in production.spot.references.items():
        digest = _digest(production, f"references.{name}.file")
        if digest is not None and digest in sent:
            rights = _rights_facts(production, f"references.{name}", reference.rights)
            told.append({"name": name, "sha256": digest, "rights": rights or None})
    return told


# --- sound ---


def _line_facts(production: Production, take: SpokenTake) -> dict[str, Any]:
    voiceover, longer = production.spot.sound.voiceover, production.variant.longer.get(take.line.at, 0)
    return {
        "line": take.line.id,
        "text": take.line.text,
        "voice": voiceover.voice if voiceover else None,
        **_bought_sound(production, f"{production.variant.line(take.line.id)}/line", take.bought),
        "seconds": round(take.seconds, 3),
        "speed": str(take.speed),
        **({"silence_taken_out": round(take.silence, 3)} if take.silence else {}),
        **({"shot_longer_by": str(seconds_of(longer))} if longer else {}),
    }


def _effect_facts(production: Production, number: int, blob: BlobRef) -> dict[str, Any]:
    effect = production.spot.sound.effects[number]
    placed = {"effect": number + 1, "at": effect.at, "gain": str(effect.gain)}
    if effect.file is not None:
        return {**placed, "file": effect.file, "sha256": blob.sha256}
    address = production.variant.effect(effect.id or f"{effect.at}-{number + 1}")
    bought = _bought_sound(production, f"{address}/effect", blob)
    return {**placed, "prompt": effect.prompt, **bought}


def _bought_sound(production: Production, want_id: str, blob: BlobRef) -> dict[str, Any]:
    want = production.want(want_id)
    state: StoreState = production.state()
    walk = walk_takes(want, want.body, state.history, state.screening, state.selection(segment_of(want, want.body)))
    numbers = [n for n in (*walk.wanted, *walk.skipped) if n.result is not None]
    chosen = next((n for n in numbers if n.result is not None and n.result.blob.sha256 == blob.sha256), None)
    result = chosen.result if chosen is not None else None
    return {
        "service": want.service,
        "model": want.model,
        "task": result.task_id if result is not None else None,
        "request": dict(chosen.request) if chosen is not None else None,
        "sha256": blob.sha256,
        "credits": result.credits if result is not None else None,
    }


def _music_facts(production: Production) -> dict[str, Any] | None:
    music = production.spot.sound.music
    if music is None:
        return None
    settings = music.model_dump(mode="json", by_alias=True, exclude={"rights"})
    return {**settings, "sha256": _digest(production, "sound.music.file")}


# --- words on screen ---


def _graphics(production: Production) -> dict[str, Any]:
    graphics, brand = production.spot.graphics, production.brand
    card, captions = graphics.end_card, graphics.captions
    template = brand.end_cards[card.card].template if card is not None else None
    return {
        "supers": [s.model_dump(mode="json") for s in graphics.supers],
        "end_card": None
        if card is None
        else {
            **card.model_dump(mode="json"),
            "template": {"file": template, "sha256": _digest(production, f"brand.end_cards.{card.card}.template")},
        },
        "logo": None
        if card is None or brand.logo is None
        else {
            ground: {"file": getattr(brand.logo, ground), "sha256": _digest(production, f"brand.logo.{ground}")}
            for ground in ("light", "dark")
        },
        "fonts": {name: _font(production, name) for name in _fonts_used(production)},
        "captions": None if captions is None else captions.model_dump(mode="json", by_alias=True),
    }


def _fonts_used(production: Production) -> list[str]:
    """By their names in the brand kit."""
    graphics, kit = production.spot.graphics, tuple(production.brand.fonts)
    texts = [s.text for s in graphics.supers]
    texts += graphics.end_card.fields.values() if graphics.end_card is not None else ()
    voice, captions = production.spot.sound.voiceover, graphics.captions
    texts += [line.text for line in voice.lines] if voice and captions and captions.burn else []
    used = {LATIN: None} if texts else {}
    for text in texts:
        used |= dict.fromkeys(fonts_for(text, kit))
    return list(used)


def _font(production: Production, name: str) -> dict[str, Any]:
    named = production.brand.fonts.get(name)
    if named is None:
        return {"file": FALLBACK_FONT.name, "built_in": True, "sha256": file_digest(FALLBACK_FONT)}
    return {"file": named, "built_in": False, "sha256": _digest(production, f"brand.fonts.{name}")}


# --- rights and disclosure ---


def _rights(production: Production) -> list[dict[str, Any]]:
    spot, brand = production.spot, production.brand
    named: dict[str, Any] = {f"references.{name}": r for name, r in spot.references.items()}
    named |= {f"sound.effects[{n}]": e for n, e in enumerate(spot.sound.effects) if e.file is not None}
    if spot.sound.music is not None:
        named["sound.music"] = spot.sound.music
    if spot.sound.voiceover is not None:
        named[f"brand.voices.{spot.sound.voiceover.voice}"] = brand.voices[spot.sound.voiceover.voice]
    return [
        {
            "asset": name,
            **({"sha256": digest} if (digest := _digest(production, f"{name}.file")) else {}),
            **_rights_facts(production, name, item.rights),
        }
        for name, item in named.items()
    ]


def _rights_facts(production: Production, name: str, rights: Rights | None) -> dict[str, Any]:
    if rights is None:
        return {}
    paper = _digest(production, f"{name}.rights.document")
    return rights.model_dump(mode="json", exclude_none=True) | ({"document_sha256": paper} if paper else {})


def _digest(production: Production, name: str) -> str | None:
    """Of a file as it was when the plan was made."""
    pinned = production.variant.file(name)
    return next((pin.sha256 for pin in production.plan.files if pin.name == pinned), None)


def _disclosure(production: Production) -> dict[str, Any]:
    """What was asked, what the markets' rules ask for, and what was done: nothing is drawn yet, and that is said."""
    spot = production.spot
    compliance, asked = spot.compliance, spot.graphics.disclosure
    rules = label_rules(compliance)
    made = {want.what for want in production.plan.wants}
    return {
        "asked": asked if isinstance(asked, str | None) else asked.model_dump(mode="json"),
        "label_drawn": False,
        "why_not_drawn": _why_not_drawn(asked, needed=bool(rules)),
        "needed_in": [{"market": market, "because": why} for market, why in rules],
        "markets": list(compliance.markets) if compliance else [],
        "people": compliance.people if compliance else None,
        "realism": compliance.realism if compliance else None,
        "generated": {
            "picture": "take" in made,
            "stills": "still" in made,
            "speech": "speech" in made,
            "effects": "effect" in made,
            "music": False,
        },
    }


def _why_not_drawn(asked: object, *, needed: bool) -> str:
    if isinstance(asked, DisclosureOverride):
        return f"switched off by {asked.override.by}: {asked.override.reason}"
    if asked == "off":
        return "switched off in the manifest"
    if asked is None:
        return "the manifest does not ask for one"
    return "this version draws no label" if needed else "this version draws no label; no market's rule asks for one"


def _tools() -> dict[str, Any]:
    """Of whoever delivered it: parts that the store had already may come from others, as `steps` numbers them."""
    try:
        ffmpeg: str | None = ffmpeg_version()
    except ShotrunnerError:  # all was in the store, and nothing had to be encoded here
        ffmpeg = None
    return {
        "shotrunner": version("shotrunner"),
        "ffmpeg": ffmpeg,
        "x264": {name: STEPS[name] for name in X264_STEPS},
    }
