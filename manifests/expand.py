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
from manifests.reframing import filmed_ratio
from manifests.schema import Shot
from manifests.segments import Segment
from manifests.spoken import spoken_text
from manifests.timing import FILM_RATE, Cut, cut_of, picture_frames

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
    if isinstance(value, str | int):
        return
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
    needed = frames_needed(campaign)
    for source in campaign.sources:
        for variant, loaded in source.parts:
            longest = {shot.id: needed.get(variant.shot(shot.id), 0) for shot in loaded.spot.shots}
            cut = cut_of(loaded.spot, models, longest)
            for want in expand_spot(loaded, cut, models, pins, services, variant):
                wants.setdefault(want.id, want)
    return tuple(wants.values())


def frames_needed(campaign: LoadedCampaign) -> dict[str, int]:
    """Frames of its picture by the shot's address; cut-downs only show what others buy."""
    needed = dict(campaign.longest)
    for source in campaign.sources:
        for variant, loaded in source.parts if not source.source.takes_of else ():
            for shot, frames in picture_frames(loaded.spot).items():
                address = variant.shot(shot)
                needed[address] = max(needed.get(address, 0), frames)
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
    for shot in loaded.spot.shots if not variant.source.takes_of else ():
        if shot.continues in loaded.absent:
            continue  # bought by a film that has both: that one says on which frame it starts
        film = _Filming(loaded, shot, cut, models, pins, services, variant)
        for segment in cut.segments[shot.id]:
            wants += film.wants(segment)
    return tuple(wants)


@dataclass(frozen=True)
class _Filming:
    """One shot of one variant, and everything that its requests are made from."""

    loaded: LoadedSpot
    shot: Shot
    cut: Cut
    models: Mapping[str, ModelCard]
    pins: Mapping[str, str]
    services: Services
    variant: Variant

    @property
    def base_seed(self) -> int:
        return self.loaded.spot.generate.seed if self.shot.seed is None else self.shot.seed

    @property
    def retries(self) -> dict[str, int]:
        retry = self.loaded.spot.generate.retry
        return {"attempts": retry.attempts, "rerolls": retry.rerolls}

    @property
    def ratio(self) -> str:
        return filmed_ratio(self.loaded.spot, self.shot)

    def wants(self, segment: Segment) -> Iterator[Want]:
        """The still where it starts on one, then the take."""
        shot, generate = self.shot, self.loaded.spot.generate
        address = self.variant.shot(shot.id, segment.number)
        start: Mapping[str, Any] | None = None
        if segment.doubled:
            before = self.cut.segments[shot.id][segment.number - 2]
            start = _out_frame(self.variant.shot(shot.id, before.number), before.needed - 1)
        elif shot.continues is not None:
            last = self.cut.parts(shot.continues)[-1]
            start = _out_frame(self.variant.shot(shot.continues, last.segment), last.out_frame)
        elif shot.start_image is not None:
            start = {"sha256": self._pin(shot.start_image)}
        elif generate.keyframe is not None:
            start = {"from": f"{address}/still", "what": "circled-still"}
            yield self._still(address, self.models[generate.keyframe.model], generate.keyframe.options)
        take = self._take(address, segment, start)
        other = generate.retry.fallback
        if other is None or other == take.model:
            yield take
            return
        classes = fallback_classes(on_moderation=generate.retry.on_moderation == "fallback")
        fallback = _from_model(take, self.models[other], self.ratio, self.base_seed)
        yield take.model_copy(update={"fallback": fallback, "fallback_after": classes})

    def _pin(self, reference: str) -> str:
        return self.pins[self.variant.file(f"references.{reference}.file")]

    def _still(self, address: str, card: ModelCard, options: int) -> Want:
        ratio = still_size(card, self.ratio)
        if ratio is None:  # checked before: see manifests.capability
            raise ValueError(f"{card.id} sells no {self.ratio}")
        body: dict[str, Any] = {
            "model": card.id,
            "promptText": compose_still(self.shot, self.loaded.brand),
            "ratio": ratio,
        }
        if self.shot.references:
            body["referenceImages"] = [
                {"uri": {"sha256": self._pin(name)}, "tag": name} for name in self.shot.references
            ]
        width, height = (int(n) for n in ratio.split(":"))
        return Want(
            id=f"{address}/still", address=address, what="still", service=self.services.video, model=card.id,
            endpoint="/v1/text_to_image", body=body, base_seed=self.base_seed, count=options, width=width,
            height=height, credits=price_still(card, ratio), mode="still", **self.retries,
        )  # fmt: skip

    def _take(self, address: str, segment: Segment, start: Mapping[str, Any] | None) -> Want:
        shot, generate = self.shot, self.loaded.spot.generate
        card = self.models[shot.model or generate.model]
        path = "/v1/image_to_video" if start is not None else "/v1/text_to_video"
        size = native_size(card, path, self.ratio)
        if size is None:  # checked before: see manifests.capability
            raise ValueError(f"{card.id} sells no {self.ratio} on {path}")
        body: dict[str, Any] = {
            "model": card.id,
            "promptText": compose_video(shot, self.loaded.brand),
            "ratio": size,
            "duration": segment.seconds,
        }
        if card.audio:
            body["audio"] = False  # the default is true and costs up to twice as much; the film has its own sound
        if start is not None:
            body["promptImage"] = start
        width, height = (int(n) for n in size.split(":"))
        return Want(
            id=f"{address}/take", address=address, what="take", service=self.services.video, model=card.id,
            endpoint=path, body=body, base_seed=self.base_seed if card.seed else None,
            count=shot.takes or generate.takes, seconds=segment.seconds, frames=segment.needed, width=width,
            height=height, credits=price_take(card, path, size, segment.seconds),
            mode="image-to-video" if start is not None else "text-to-video", **self.retries,
        )  # fmt: skip


def _out_frame(address: str, frame: int) -> Mapping[str, Any]:
    return {"from": f"{address}/take", "what": "out-frame", "frame": frame}


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
