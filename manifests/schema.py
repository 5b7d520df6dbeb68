"""What people's YAML becomes: frozen models that forbid unknown keys. Attribute names are the YAML's keys.

Only shape and ranges are checked here; what refers to what is `manifests.check`, what a model sells is
`manifests.capability`. Every field has a description because editors show it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

# --- plain values. Time is decimal seconds, money is whole credits ($0.01): never floats. ---

Seconds = Annotated[
    Decimal,
    Field(ge=0, le=3600, decimal_places=3),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 3600}),
]
Number = Annotated[
    Decimal,
    Field(decimal_places=6),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "number"}),
]
Credits = Annotated[int, Field(ge=0, le=100_000_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]  # campaigns, spots, brands
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]  # shots, lines
ReferenceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,15}$")]  # the vendor's tag rule
Ratio = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$")]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


# --- rights and references ---


class Rights(Model):
    """Why we may use it, where, and until when."""

    basis: Literal["owned", "licensed", "consent", "synthetic", "public-domain"]
    holder: Text | None = None
    document: FilePath | None = None
    territories: tuple[Text, ...] = ()
    expires: Date | None = None


class Reference(Model):
    """An image that fixes a character, product or place; written @name inside prompts and pinned by digest."""

    kind: Literal["character", "object", "location", "style"]
    file: FilePath
    rights: Rights | None = None


# --- how takes are made ---


class KeyframeSettings(Model):
    """Stills made first, because references act on stills and a rejected still is cheap."""

    model: Text = "gen4_image"
    options: Annotated[int, Field(ge=1, le=8)] = 2


class DraftSettings(Model):
    model: Text = "gen4_turbo"
    takes: Annotated[int, Field(ge=1, le=8)] = 2
    duration: Annotated[int, Field(ge=1, le=30)] = 5


class UpscaleSettings(Model):
    """`to` is a ceiling: each deliverable is scaled once, from the take to its own size, never above this."""

    to: Literal["720p", "1080p", "1440p", "2160p"] = "2160p"
    engine: Literal["default"] = "default"


class RetrySettings(Model):
    """`attempts` counts failures of the service, `rerolls` counts bad pictures."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    rerolls: Annotated[int, Field(ge=0, le=10)] = 2
    on_moderation: Literal["hold", "fallback"] = "hold"
    on_unknown: Literal["hold", "rebuy"] = "hold"
    fallback: Text | None = None


class Generate(Model):
    model: Text = "gen4.5"
    takes: Annotated[int, Field(ge=1, le=20)] = 3
    seed: Annotated[int, Field(ge=0, le=4294967295)] = 0
    ratio: Ratio = "16:9"
    keyframe: KeyframeSettings | None = None
    drafts: DraftSettings | None = None
    upscale: UpscaleSettings = UpscaleSettings()
    retry: RetrySettings = RetrySettings()


# --- shots ---


class Camera(Model):
    """The structured form of `camera`; compiles to a sentence where the vendor has no field."""

    move: Text
    direction: Text | None = None
    speed: Literal["very slow", "slow", "medium", "fast"] | None = None
    focus: Text | None = None
    hold: Text | None = None
    framing: Text | None = None


class Prompt(Model):
    """Five fields, composed in this order; or `text`, the escape hatch, alone."""

    subject: Text | None = None
    action: Text | None = None
    environment: Text | None = None
    camera: Text | Camera | tuple[Text, ...] | None = None
    mood: Text | None = None
    layout: Text | None = None
    text: Text | None = None


class Shot(Model):
    """One continuous picture. `duration` is seconds on screen; what is bought follows from it."""

    id: Identifier
    duration: Seconds
    prompt: Prompt
    references: tuple[ReferenceName, ...] = ()
    start_image: ReferenceName | None = None
    end_image: ReferenceName | None = None
    continues: Identifier | None = None
    avoid: tuple[Text, ...] = ()
    check: tuple[Text, ...] = ()
    motion: Literal["low", "medium", "high"] = "medium"
    cuts: Literal["none", "allowed"] = "none"
    lettering: Text | None = None
    model: Text | None = None
    takes: Annotated[int, Field(ge=1, le=20)] | None = None
    seed: Annotated[int, Field(ge=0, le=4294967295)] | None = None
    clip: Annotated[int, Field(ge=1, le=60)] | None = None  # seconds to buy, instead of the planner's choice
    source_audio: Literal["drop", "keep", "under"] = "drop"
    mode: Literal["text-to-video", "image-to-video"] | None = None


class Transition(Model):
    between: Annotated[tuple[Identifier, ...], Field(min_length=2, max_length=2)]
    kind: Literal["cut", "dissolve", "dip", "wipe"] = "dissolve"
    duration: Seconds = Decimal("0.4")


class Match(Model):
    colour: Literal["none", "to-first-shot"] = "none"
    grain: Literal["none", "unify"] = "none"


class Edit(Model):
    transitions: tuple[Transition, ...] = ()
    match: Match = Match()


# --- sound ---


class Fit(Model):
    """What happens when a line is longer than the time it has."""

    max_speedup: Annotated[Number, Field(ge=1, le=2)] = Decimal(1)
    otherwise: Literal["fail", "extend", "trim-silence"] = "fail"


class VoiceLine(Model):
    id: Identifier
    at: Identifier
    offset: Seconds = Decimal(0)
    text: Text


class Voiceover(Model):
    voice: Text
    language: Locale
    fit: Fit = Fit()
    lines: Annotated[tuple[VoiceLine, ...], Field(min_length=1)]


class Effect(Model):
    """Bought from `prompt`, or given as `file`. `gain` is the level in the mix, in dB."""

    at: Identifier
    offset: Seconds = Decimal(0)
    duration: Seconds
    prompt: Text | None = None
    file: FilePath | None = None
    gain: Annotated[Number, Field(ge=-60, le=12)] = Decimal(-12)
    rights: Rights | None = None


class Duck(Model):
    under: Literal["voiceover"] = "voiceover"
    by: Annotated[Number, Field(ge=0, le=40)] = Decimal(8)


class Music(Model):
    """A file; `in` is where in it the film begins."""

    file: FilePath
    in_: Seconds = Field(default=Decimal(0), alias="in")
    gain: Annotated[Number, Field(ge=-60, le=12)] = Decimal(-14)
    duck: Duck | None = None
    fade_in: Seconds = Decimal(0)
    fade_out: Seconds = Decimal(0)
    rights: Rights | None = None


class Sound(Model):
    voiceover: Voiceover | None = None
    effects: tuple[Effect, ...] = ()
    music: Music | None = None


# --- words on screen ---


class Super(Model):
    at: Identifier
    offset: Seconds = Decimal(0)
    duration: Seconds
    text: Text
    place: Literal["safe", "top", "bottom", "left", "right", "centre"] = "safe"
    style: Literal["super", "legal", "lower-third"] = "super"


class EndCard(Model):
    card: Identifier
    duration: Seconds
    fields: dict[str, str] = Field(default_factory=dict)


class Captions(Model):
    from_: Literal["voiceover"] = Field(default="voiceover", alias="from")
    burn: tuple[Text, ...] = ()
    sidecar: tuple[Literal["srt", "vtt"], ...] = ("srt",)


class DisclosureOverride(Model):
    override: dict[Literal["by", "reason"], Text]


class Graphics(Model):
    supers: tuple[Super, ...] = ()
    end_card: EndCard | None = None
    captions: Captions | None = None
    disclosure: Literal["auto", "off"] | DisclosureOverride | None = None


# --- compliance, review, delivery, money ---


class Flight(Model):
    start: Date
    end: Date


class Compliance(Model):
    markets: Annotated[tuple[Text, ...], Field(min_length=1)]
    people: Literal["none", "synthetic", "real"]
    realism: Literal["photoreal", "stylised"]
    flight: Flight
    claims: tuple[Text, ...] = ()


class Gate(Model):
    by: Annotated[tuple[Text, ...], Field(min_length=1)]
    needed: Annotated[int, Field(ge=1, le=10)] = 1
    sample: Text | None = None


class Review(Model):
    keyframes: Gate | None = None
    drafts: Gate | None = None
    takes: Gate | None = None
    cut: Gate | None = None


class Deliver(Model):
    profile: Text
    ratio: Ratio
    version: Annotated[int, Field(ge=1, le=99)] = 1


class Budget(Model):
    credits: Credits
    per_shot: Credits | None = None
    reroll_reserve: Annotated[Number, Field(ge=0, lt=1)] = Decimal(0)


class Spot(Model):
    """One ad: an ordered list of shots, with its sound, its words, where it is delivered and what it may cost."""

    manifest: Literal[1]
    kind: Literal["spot"]
    name: Name
    brand: FilePath
    description: Text | None = None
    copy_: FilePath | None = Field(default=None, alias="copy")
    variants: dict[str, Any] | None = None  # not built yet: an error with its line
    generate: Generate = Generate()
    references: dict[ReferenceName, Reference] = Field(default_factory=dict)
    shots: Annotated[tuple[Shot, ...], Field(min_length=1)]
    edit: Edit = Edit()
    sound: Sound = Sound()
    graphics: Graphics = Graphics()
    compliance: Compliance | None = None
    review: Review | None = None
    deliver: Annotated[tuple[Deliver, ...], Field(min_length=1)]
    naming: Text | None = None
    budget: Budget


# --- brand kit ---


class Logo(Model):
    light: FilePath
    dark: FilePath
    clear_space: Annotated[Number, Field(ge=0, le=4)] = Decimal("0.5")


class Colours(Model):
    ink: Colour
    paper: Colour
    accent: Colour


class Voice(Model):
    provider: Literal["elevenlabs"]
    voice_id: Text
    model: Text = "eleven_multilingual_v2"
    say: dict[str, str] = Field(default_factory=dict)
    rights: Rights | None = None


class Card(Model):
    template: FilePath
    fields: tuple[Identifier, ...] = ()


class Brand(Model):
    """What every spot of a brand shares."""

    manifest: Literal[1]
    kind: Literal["brand"]
    name: Name
    display_name: Text
    logo: Logo | None = None
    colours: Colours
    fonts: dict[Identifier, FilePath] = Field(default_factory=dict)
    voices: dict[Identifier, Voice] = Field(default_factory=dict)
    look: Text | None = None
    never: tuple[Text, ...] = ()
    disclosure: dict[str, Text] = Field(default_factory=dict)
    end_cards: dict[Identifier, Card] = Field(default_factory=dict)
