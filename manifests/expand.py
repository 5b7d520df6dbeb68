"""Spot → the flat list of what has to be bought: stills, takes, speech and effects, with the request of each.

A request is written as it will be sent, with place-holders for media: `{"sha256": …}` for a pinned file,
`{"derived": …, "source": …, "frame": …}` for a picture that we make, and a blank `{"from": …, "what": …}` for a picture
that does not exist yet. Seeds and take numbers are not part of it: they are added per take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from manifests.catalogue import ModelCard
from manifests.films import Source, Variant
from manifests.journal import Record, What
from manifests.loaded import LoadedCampaign, LoadedSpot
from manifests.policy import fallback_classes
from manifests.prompts import compose_still, compose_video
from manifests.ratecard import native_size, price_effect, price_speech, price_still, price_take, still_size
from manifests.schema import Shot
from manifests.spoken import spoken_text
from manifests.timing import FILM_RATE, Cut, ShotCut, cut_of

OUT_FRAME = "out-frame/1"  # step and version: a new ffmpeg must not change what a continued shot is called
SPEECH_FORMAT = "mp3_44100_128"  # sold on every plan of the vendor (audio sheet §1.3)


class Want(Record):
    """A number of good takes (or stills, or one sound) of one request."""

    id: str  # `pour/still`, `pour/take`, `vo1/line`, `pour-1/effect`
    address: str
    what: What
    service: str
    model: str
    endpoint: str
    body: Mapping[str, Any]
    base_seed: int | None  # None: the vendor takes no seed
    count: int
    attempts: int = 1
    rerolls: int = 0
    seconds: int = 0  # bought, each
    frames: int = 0  # fewest that the cut needs
    width: int = 0
    height: int = 0
    credits: int  # price of each
    mode: str  # for people: text-to-video, image-to-video, still, speech, effect
    fallback: Want | None = None  # the same shot from another model, when this one has given no usable take
    fallback_after: tuple[str, ...] = ()  # failure classes of which one must have been the reason

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids of the wants whose circled picture the request is waiting for."""
        return tuple(blank["from"] for blank in find_blanks(self.body))


@dataclass(frozen=True)
class Services:
    """Which vendor stands behind pictures and behind sound; part of every take key."""

    video: str
    sound: str


def find_blanks(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if "from" in value and "what" in value:
            yield value
        else:
            for item in value.values():
                yield from find_blanks(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from find_blanks(item)


def fill_blanks(value: Any, pictures: Mapping[str, str], trims: Mapping[str, int] | None = None) -> Any:
    """The request with every blank replaced by the place-holder of a picture that exists. `pictures` maps a want's id
    to the sha256 of its circled still or take; raises KeyError while one is missing. `trims`: how many frames later
    than planned a circled take is shown, so that its out frame is the last one shown."""
    if isinstance(value, Mapping):
        if "from" in value and "what" in value:
            source = pictures[value["from"]]
            if value["what"] == "circled-still":
                return {"sha256": source}
            later = (trims or {}).get(value["from"], 0)
            return {"derived": OUT_FRAME, "source": source, "frame": value["frame"] + later}
        return {key: fill_blanks(item, pictures, trims) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill_blanks(item, pictures, trims) for item in value]
    return value


ALONE = Variant(Source(data={}), ())


def expand_campaign(
    campaign: LoadedCampaign, models: Mapping[str, ModelCard], pins: Mapping[str, str], services: Services
) -> tuple[Want, ...]:
    """Every want of every variant of every spot, each once, and after what it needs. A shot is bought as long as the
    longest of its variants shows it."""
    wants: dict[str, Want] = {}
    needed = frames_needed(campaign, models)
    for source in campaign.sources:
        for variant, loaded in source.parts:
            longest = {shot.id: needed.get(variant.shot(shot.id), 0) for shot in loaded.spot.shots}
            cut = cut_of(loaded.spot, models, longest)
            for want in expand_spot(loaded, cut, models, pins, services, variant):
                wants.setdefault(want.id, want)
    return tuple(wants.values())


def frames_needed(campaign: LoadedCampaign, models: Mapping[str, ModelCard]) -> dict[str, int]:
    """Frames of a take by the shot's address; cut-downs only show what others buy."""
    needed: dict[str, int] = {}
    for source in campaign.sources:
        for variant, loaded in source.parts if not source.source.takes_of else ():
            for shot in cut_of(loaded.spot, models).shots:
                address = variant.shot(shot.id)
                needed[address] = max(needed.get(address, 0), shot.frames_needed)
    return needed


def expand_spot(
    loaded: LoadedSpot,
    cut: Cut,
    models: Mapping[str, ModelCard],
    pins: Mapping[str, str],
    services: Services,
    variant: Variant = ALONE,
) -> tuple[Want, ...]:
    """Every want of a spot, sound first, then shot by shot in dependency order. `pins` gives the sha256 of each file by
    its name, which is its path in the YAML and what that depends on. The manifest has been checked: nothing here is
    refused. A cut-down wants no pictures of its own."""
    wants = [*_speech(loaded, models, services, variant), *_effects(loaded, models, services, variant)]
    shots = {shot.id: shot for shot in loaded.spot.shots}
    for shot_cut in cut.shots if not variant.source.takes_of else ():
        wants += _pictures(loaded, shots[shot_cut.id], shot_cut, cut, models, pins, services, variant)
    return tuple(wants)


def _pictures(
    loaded: LoadedSpot,
    shot: Shot,
    shot_cut: ShotCut,
    cut: Cut,
    models: Mapping[str, ModelCard],
    pins: Mapping[str, str],
    services: Services,
    variant: Variant,
) -> Iterator[Want]:
    spot, generate = loaded.spot, loaded.spot.generate
    card = models[shot.model or generate.model]
    base_seed = generate.seed if shot.seed is None else shot.seed
    retry = {"attempts": generate.retry.attempts, "rerolls": generate.retry.rerolls}
    address = variant.shot(shot.id)
    start: Mapping[str, Any] | None = None
    if shot.continues is not None:
        before = next(c for c in cut.shots if c.id == shot.continues)
        start = {"from": f"{variant.shot(shot.continues)}/take", "what": "out-frame", "frame": before.out_frame}
    elif shot.start_image is not None:
        start = {"sha256": pins[variant.file(f"references.{shot.start_image}.file")]}
    elif generate.keyframe is not None:
        start = {"from": f"{address}/still", "what": "circled-still"}
        still = models[generate.keyframe.model]
        ratio = still_size(still, generate.ratio)
        if ratio is None:  # checked before: see manifests.capability
            raise ValueError(f"{still.id} sells no {generate.ratio}")
        body: dict[str, Any] = {
            "model": still.id,
            "promptText": compose_still(shot, loaded.brand),
            "ratio": ratio,
        }
        if shot.references:
            body["referenceImages"] = [
                {"uri": {"sha256": pins[variant.file(f"references.{name}.file")]}, "tag": name}
                for name in shot.references
            ]
        width, height = (int(n) for n in ratio.split(":"))
        yield Want(
            id=f"{address}/still", address=address, what="still", service=services.video, model=still.id,
            endpoint="/v1/text_to_image", body=body, base_seed=base_seed, count=generate.keyframe.options,
            width=width, height=height, credits=price_still(still, ratio), mode="still", **retry,
        )  # fmt: skip
    path = "/v1/image_to_video" if start is not None else "/v1/text_to_video"
    size = native_size(card, path, spot.generate.ratio)
    if size is None:  # checked before: see manifests.capability
        raise ValueError(f"{card.id} sells no {spot.generate.ratio} on {path}")
    body = {
        "model": card.id,
        "promptText": compose_video(shot, loaded.brand),
        "ratio": size,
        "duration": shot_cut.seconds_to_buy,
    }
    if card.audio:
        body["audio"] = False  # the default is true and costs up to twice as much; the film has its own sound
    if start is not None:
        body["promptImage"] = start
    width, height = (int(n) for n in size.split(":"))
    take = Want(
        id=f"{address}/take", address=address, what="take", service=services.video, model=card.id, endpoint=path,
        body=body, base_seed=base_seed if card.seed else None, count=shot.takes or generate.takes,
        seconds=shot_cut.seconds_to_buy, frames=shot_cut.frames_needed, width=width, height=height,
        credits=price_take(card, path, size, shot_cut.seconds_to_buy),
        mode="image-to-video" if start is not None else "text-to-video", **retry,
    )  # fmt: skip
    other = generate.retry.fallback
    if other is None or other == card.id:
        yield take
        return
    classes = fallback_classes(on_moderation=generate.retry.on_moderation == "fallback")
    fallback = _from_model(take, models[other], generate.ratio, base_seed)
    yield take.model_copy(update={"fallback": fallback, "fallback_after": classes})


def _from_model(take: Want, card: ModelCard, ratio: str, base_seed: int) -> Want:
    """The same take as another model films it: in its own size, and its own shortest length that is long enough."""
    size = native_size(card, take.endpoint, ratio)
    seconds = card.seconds.shortest(Fraction(take.frames, FILM_RATE)) if card.seconds else None
    if size is None or seconds is None:  # checked before: see manifests.capability
        raise ValueError(f"{card.id} cannot film {take.id}")
    width, height = (int(n) for n in size.split(":"))
    body = {k: v for k, v in take.body.items() if k != "audio"}
    body |= {"model": card.id, "ratio": size, "duration": seconds} | ({"audio": False} if card.audio else {})
    changes = {
        "id": f"{take.address}/fallback", "model": card.id, "body": body, "base_seed": base_seed if card.seed else None,
        "seconds": seconds, "width": width, "height": height,
        "credits": price_take(card, take.endpoint, size, seconds),
    }  # fmt: skip
    return take.model_copy(update=changes)


def _speech(
    loaded: LoadedSpot, models: Mapping[str, ModelCard], services: Services, variant: Variant
) -> Iterator[Want]:
    voiceover = loaded.spot.sound.voiceover
    if voiceover is None:
        return
    voice = loaded.brand.voices[voiceover.voice]
    card = models[voice.model]
    for line in voiceover.lines:
        text = spoken_text(line.text, voice.say)
        address = variant.line(line.id)
        yield Want(
            id=f"{address}/line", address=address, what="speech", service=services.sound, model=card.id,
            endpoint=f"/v1/text-to-speech/{voice.voice_id}/with-timestamps?output_format={SPEECH_FORMAT}",
            body={"text": text, "model_id": card.id}, base_seed=loaded.spot.generate.seed, count=1,
            attempts=loaded.spot.generate.retry.attempts, credits=price_speech(card, len(text)), mode="speech",
        )  # fmt: skip


def _effects(
    loaded: LoadedSpot, models: Mapping[str, ModelCard], services: Services, variant: Variant
) -> Iterator[Want]:
    card = next(m for m in models.values() if m.makes == "effect" and m.retired is None)
    for number, effect in enumerate(loaded.spot.sound.effects, 1):
        if effect.prompt is None:
            continue
        address = variant.effect(effect.id or f"{effect.at}-{number}")
        yield Want(
            id=f"{address}/effect", address=address, what="effect", service=services.sound,
            model=card.id, endpoint=f"/v1/sound-generation?output_format={SPEECH_FORMAT}",
            body={"text": effect.prompt, "duration_seconds": _plain(effect.duration), "model_id": card.id},
            base_seed=None, count=1, attempts=loaded.spot.generate.retry.attempts,
            credits=price_effect(card, effect.duration), mode="effect",
        )  # fmt: skip


def _plain(seconds: Decimal) -> int | float:
    """As the vendor's JSON wants it; whole seconds stay whole, so that 5 and 5.0 are one purchase."""
    return int(seconds) if seconds == int(seconds) else float(seconds)
