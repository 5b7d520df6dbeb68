"""What people's YAML becomes: frozen models that forbid unknown keys. Attribute names are the YAML's keys.

Only shape and ranges are checked here; what refers to what is `manifests.check`, what a model sells is
`manifests.capability`. Every field has a description because editors show it. Read with `context=PEOPLE`, a number in
quotes is refused as people's slip; our own JSON, where decimals are text, is read without it. One long file, because
it is one vocabulary and is read as a reference.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

PEOPLE: Final = "people"  # validation context: the data was typed by a person, as YAML


def _take_number(value: object, info: ValidationInfo) -> object:
    if info.context == PEOPLE and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
        raise PydanticCustomError("number_wanted", "must be a number")
    return value


def _take_whole(value: object, info: ValidationInfo) -> object:
    if info.context == PEOPLE and type(value) is not int:
        raise PydanticCustomError("whole_wanted", "must be a whole number")
    return value


# --- plain values. Time is decimal seconds, money is whole credits ($0.01): never floats. ---

_AS_TEXT = PlainSerializer(str, return_type=str, when_used="json")
Seconds = Annotated[Decimal, Field(ge=0, le=3600, decimal_places=3), _AS_TEXT, BeforeValidator(_take_number)]
Duration = Annotated[Decimal, Field(gt=0, le=3600, decimal_places=3), _AS_TEXT, BeforeValidator(_take_number)]
Gain = Annotated[Decimal, Field(ge=-60, le=12, decimal_places=6), _AS_TEXT, BeforeValidator(_take_number)]
DuckBy = Annotated[Decimal, Field(ge=0, le=40, decimal_places=6), _AS_TEXT, BeforeValidator(_take_number)]
Speedup = Annotated[Decimal, Field(ge=1, le=2, decimal_places=6), _AS_TEXT, BeforeValidator(_take_number)]
Share = Annotated[Decimal, Field(ge=0, lt=1, decimal_places=6), _AS_TEXT, BeforeValidator(_take_number)]
Place = Annotated[Decimal, Field(ge=0, le=1, decimal_places=6), _AS_TEXT, BeforeValidator(_take_number)]
ClearSpace = Annotated[Decimal, Field(ge=0, le=4, decimal_places=6), _AS_TEXT, BeforeValidator(_take_number)]
Format = Annotated[Literal[1], BeforeValidator(_take_whole)]
Credits = Annotated[int, Field(ge=0, le=100_000_000), BeforeValidator(_take_whole)]
Count = Annotated[int, Field(ge=1, le=20), BeforeValidator(_take_whole)]  # takes
Rows = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_take_whole)]
SmallCount = Annotated[int, Field(ge=1, le=8), BeforeValidator(_take_whole)]
Tries = Annotated[int, Field(ge=1, le=10), BeforeValidator(_take_whole)]
Rerolls = Annotated[int, Field(ge=0, le=10), BeforeValidator(_take_whole)]
WholeSeconds = Annotated[int, Field(ge=1, le=60), BeforeValidator(_take_whole)]
Version = Annotated[int, Field(ge=1, le=99), BeforeValidator(_take_whole)]
Seed = Annotated[int, Field(ge=0, le=4294967295), BeforeValidator(_take_whole)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]  # campaigns, spots, brands
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]  # shots, lines
AdId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]
ReferenceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,15}$")]  # the vendor's tag rule
Ratio = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$")]
Date = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9A-Fa-f]{6}$")]
Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$")]
AxisName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Market = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Territory = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}(-[A-Z0-9]{1,3})?|worldwide)$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_extensions(cls, data: Any) -> Any:
        """`x-…` keys are people's own notes and anchors: the one kind of unknown key that is tolerated."""
        if isinstance(data, dict) and any(isinstance(key, str) and key.startswith("x-") for key in data):
            return {key: value for key, value in data.items() if not str(key).startswith("x-")}
        return data


# --- rights and references ---


class Rights(Model):
    """Why we may use it, where, and until when."""

    basis: Literal["owned", "licensed", "consent", "synthetic", "public-domain"] = Field(
        description="Why we may use it."
    )
    holder: Text | None = Field(default=None, description="Who gave the right.")
    document: FilePath | None = Field(
        default=None, description="The paper that proves it, relative to this file. Required for `consent`."
    )
    territories: tuple[Territory, ...] = Field(
        default=(), description="Where: country codes, EU, US-NY, or worldwide. Empty: everywhere."
    )
    expires: Date | None = Field(
        default=None,
        description="Last day, in quotes. It must not lie before the end of the flight.",
        examples=["2027-06-30"],
    )


class Reference(Model):
    """An image that fixes a character, product or place; written @name inside prompts and pinned by digest."""

    kind: Literal["character", "object", "location", "style"] = Field(description="What the image fixes.")
    file: FilePath = Field(description="The image, relative to this file.", examples=["refs/kettle-front.png"])
    rights: Rights | None = Field(default=None, description="Why we may use it. Required for a character.")


# --- how takes are made ---


class KeyframeSettings(Model):
    """Stills made first, because references act on stills and a rejected still is cheap."""

    model: Text = Field(default="gen4_image", description="The image model.")
    options: SmallCount = Field(default=2, description="Stills for each shot; one is circled.")


class DraftSettings(Model):
    """Cheap takes that a person looks at before the dear ones are bought."""

    model: Text = Field(default="gen4_turbo", description="The video model of the drafts.")
    takes: SmallCount = Field(default=2, description="Drafts of each shot.")
    duration: WholeSeconds = Field(default=5, description="Length of a draft in whole seconds.")


class UpscaleSettings(Model):
    """`to` is a ceiling: each deliverable is scaled once, from the take to its own size, never above this."""

    to: Literal["720p", "1080p", "1440p", "2160p"] = Field(default="2160p", description="The highest size, as lines.")
    engine: Literal["default"] = Field(default="default", description="What scales; `default` is local and free.")


class RetrySettings(Model):
    """`attempts` counts failures of the service, `rerolls` counts bad pictures."""

    attempts: Tries = Field(default=3, description="Tries of one take when the service fails.")
    rerolls: Rerolls = Field(default=2, description="Further takes of a shot for pictures that screening rejects.")
    on_moderation: Literal["hold", "fallback"] = Field(
        default="hold", description="When the vendor's moderation refused the pictures: hold, or go to `fallback`."
    )
    on_unknown: Literal["hold", "rebuy"] = Field(
        default="hold",
        description="When the answer to a purchase was lost: hold, or buy again at the risk of paying twice.",
    )
    fallback: Text | None = Field(
        default=None,
        description="The model that films a shot without a usable take, when the provider of its own model was down, "
        "or moderation refused its pictures and `on_moderation` says so.",
    )


class Generate(Model):
    """How takes are made, unless a shot says otherwise."""

    model: Text = Field(default="gen4.5", description="The video model of the takes that are chosen from.")
    takes: Count = Field(default=3, description="Takes of each shot. Three to five; one leaves no choice.")
    seed: Seed = Field(default=0, description="Base seed; every take gets its own, derived and recorded.")
    ratio: Ratio = Field(default="16:9", description="Shape of the picture, in quotes.", examples=["16:9"])
    drafts: DraftSettings | None = Field(default=None, description="Cheap first takes for a drafts gate.")
    keyframe: KeyframeSettings | None = Field(
        default=None, description="Make stills first. Needed when references meet a model that takes none."
    )
    upscale: UpscaleSettings = Field(default=UpscaleSettings(), description="How far takes may be scaled up.")
    retry: RetrySettings = Field(default=RetrySettings(), description="What happens when a take fails.")


# --- variants ---


class TableAxis(Model):
    """An axis whose values are the rows of a table: a CSV file with a column `id`."""

    table: FilePath = Field(description="A CSV file with a header row, relative to this file.")
    where: dict[str, str] = Field(default_factory=dict, description="Only rows that have these words in these columns.")
    date: Text | None = Field(default=None, description="Only rows whose `from` and `to` cover this day, in quotes.")
    limit: Rows | None = Field(default=None, description="At most so many rows, from the top.")


AxisForm = Annotated[
    Annotated[TableAxis, Tag("table")] | Annotated[tuple[str | dict[str, str], ...], Tag("values")],
    Discriminator(lambda value: "table" if isinstance(value, dict | TableAxis) else "values"),
]


class Variants(Model):
    """A matrix: one film for every combination of the axes' values that is not excluded."""

    axes: dict[AxisName, AxisForm] = Field(
        description="Values of each axis: words, or records with an `id`. `locale` and `ratio` mean what they say.",
        examples=[{"ratio": ["16:9", "9:16"]}],
    )
    exclude: tuple[dict[str, str], ...] = Field(
        default=(), description="Rules; one matches when every axis it names matches."
    )
    include: tuple[dict[str, str], ...] = Field(
        default=(), description="Whole combinations, added after the excludes; each names every axis."
    )
    limit: Rows = Field(default=500, description="Refuse to make more variants than this.")


def _take_words(value: object) -> object:
    return (value,) if isinstance(value, str) else value


# In which variants something is there: `{hook: cold}`, `{hook: [cold, late]}`. Every axis named must match.
When = dict[AxisName, Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_take_words)]]


class Reframe(Model):
    """The picture of another ratio, cropped instead of bought again."""

    from_: Ratio = Field(alias="from", description="The ratio that is bought, in quotes.", examples=["16:9"])
    focus: Annotated[tuple[Place, Place], Field()] = Field(
        default=(Decimal("0.5"), Decimal("0.5")), description="What stays in the middle: right and down, 0 to 1."
    )
    pad: Annotated[str, StringConstraints(pattern=r"^(none|blur|solid:#[0-9A-Fa-f]{6})$")] = Field(
        default="none",
        description="Instead of a crop, the whole picture on a ground: blur, or solid:#RRGGBB.",
        examples=["blur"],
    )


# --- shots ---


class Camera(Model):
    """The structured form of `camera`; compiles to a sentence where the vendor has no field."""

    move: Text = Field(description="dolly, pan, tilt, orbit, crane, zoom, truck, handheld, static …")
    direction: Text | None = Field(default=None, description="in, out, left, right, up, down …")
    speed: Literal["very slow", "slow", "medium", "fast"] | None = Field(default=None, description="How fast it moves.")
    focus: Text | None = Field(default=None, description="What is sharp, or a pull of focus.")
    hold: Text | None = Field(default=None, description="What stays where in the picture.")
    framing: Text | None = Field(default=None, description="wide shot, medium shot, close shot …")


def _camera_form(value: object) -> str | None:
    if isinstance(value, str):
        return "sentence"
    if isinstance(value, dict | Camera):
        return "structured"
    return "beats" if isinstance(value, list | tuple) else None


CameraForm = Annotated[
    Annotated[Text, Tag("sentence")]
    | Annotated[Camera, Tag("structured")]
    | Annotated[Annotated[tuple[Text, ...], Field(min_length=1)], Tag("beats")],
    Discriminator(
        _camera_form,
        custom_error_type="camera_form",
        custom_error_message="must be a sentence, a list of sentences, or a map with `move`",
    ),
]

PROMPT_FIELDS: Final = ("subject", "action", "environment", "camera", "mood")


class Prompt(Model):
    """Five fields, composed in this order; or `text`, the escape hatch, alone."""

    subject: Text | None = Field(default=None, description="Who or what, with @names of references.")
    action: Text | None = Field(default=None, description="What happens, as a sentence with a verb and a direction.")
    environment: Text | None = Field(default=None, description="Where, and what is around it.")
    camera: CameraForm | None = Field(
        default=None, description="Framing, move, direction and speed; a list is a sequence of beats."
    )
    mood: Text | None = Field(default=None, description="Where the light comes from and what it does; palette.")
    layout: Text | None = Field(default=None, description="Where several subjects stand. Optional.")
    text: Text | None = Field(default=None, description="The whole prompt in one, instead of the five fields.")

    @model_validator(mode="after")
    def _five_fields_or_text(self) -> Self:
        given = [name for name in (*PROMPT_FIELDS, "layout") if getattr(self, name) is not None]
        if self.text is not None and given:
            raise PydanticCustomError("text_not_alone", "`text` stands alone")
        if self.text is None and any(getattr(self, name) is None for name in PROMPT_FIELDS):
            raise PydanticCustomError("prompt_incomplete", "all five fields, or `text`")
        return self


class Shot(Model):
    """One continuous picture. `duration` is seconds on screen; what is bought follows from it."""

    id: Identifier = Field(description="How everything else names this shot.", examples=["pour"])
    duration: Duration = Field(description="Seconds on screen, a plain number.", examples=[5])
    prompt: Prompt = Field(description="What the model is asked for.")
    references: tuple[ReferenceName, ...] = Field(
        default=(),
        description="References of this shot, at most three; write @name in the prompt.",
        examples=[["kettle"]],
    )
    start_image: ReferenceName | None = Field(default=None, description="The reference that is the first frame.")
    end_image: ReferenceName | None = Field(default=None, description="The reference that is the last frame.")
    continues: Identifier | None = Field(
        default=None, description="An earlier shot whose last frame shown is this shot's first frame."
    )
    avoid: tuple[Text, ...] = Field(default=(), description="What must not be seen.", examples=[["hands", "lettering"]])
    check: tuple[Text, ...] = Field(default=(), description="Questions for the person who looks at the takes.")
    motion: Literal["low", "medium", "high"] = Field(
        default="medium", description="How much moves. High brings artefacts."
    )
    cuts: Literal["none", "allowed"] = Field(default="none", description="Whether a take may hold a hard cut.")
    lettering: Text | None = Field(default=None, description="Exact words that may be seen in the scene itself.")
    model: Text | None = Field(default=None, description="Another video model than `generate.model`.")
    takes: Count | None = Field(default=None, description="Another number of takes than `generate.takes`.")
    seed: Seed | None = Field(default=None, description="Another base seed than `generate.seed`.")
    clip: WholeSeconds | None = Field(
        default=None, description="Whole seconds to buy, instead of the shortest length that covers the shot."
    )
    source_audio: Literal["drop", "keep", "under"] = Field(default="drop", description="Sound that the model made.")
    mode: Literal["text-to-video", "image-to-video"] | None = Field(
        default=None, description="Asserts how the shot is made; it follows from the inputs anyway."
    )
    in_: Seconds = Field(default=Decimal(0), alias="in", description="Seconds into the take at which the shot begins.")
    varies_by: tuple[AxisName, ...] | None = Field(
        default=None, description="Asserts the axes that this shot depends on; another look-up is then an error."
    )
    when: When = Field(default_factory=dict, description="The variants that have this shot, by axis.")
    reframe: Reframe | None = Field(default=None, description="Crop from one ratio instead of buying each.")
    allow_long_chain: bool = Field(default=False, description="No warning about a long chain of segments.")


class Transition(Model):
    """How one shot becomes the next. It takes no time from the film."""

    between: Annotated[tuple[Identifier, ...], Field(min_length=2, max_length=2)] = Field(
        description="Two neighbouring shots, in order.", examples=[["dawn", "pour"]]
    )
    kind: Literal["cut", "dissolve", "dip", "wipe"] = Field(default="dissolve", description="What it looks like.")
    duration: Seconds = Field(default=Decimal("0.4"), description="Seconds during which both shots are seen.")


class Match(Model):
    """Evens out separately generated shots."""

    colour: Literal["none", "to-first-shot"] = Field(default="none", description="Colour and light.")
    grain: Literal["none", "unify"] = Field(default="none", description="Film grain.")


class Edit(Model):
    """How the shots are joined."""

    transitions: tuple[Transition, ...] = Field(default=(), description="Joins that are not plain cuts.")
    match: Match = Field(default=Match(), description="What is evened out between shots.")


# --- sound ---


class Fit(Model):
    """What happens when a line is longer than the time it has."""

    max_speedup: Speedup = Field(
        default=Decimal(1), description="The most that speech may be sped up.", examples=[1.08]
    )
    otherwise: Literal["fail", "extend", "trim-silence"] = Field(
        default="fail",
        description="When that is not enough: the film fails, its shot is shown longer, or silence is taken out.",
    )


class VoiceLine(Model):
    """One spoken line, hung on a shot."""

    id: Identifier = Field(description="How commands name this line.", examples=["vo1"])
    at: Identifier = Field(description="A shot, `start` or `end`.")
    offset: Seconds = Field(default=Decimal(0), description="Seconds after that.")
    text: Text = Field(description="The words.")
    when: When = Field(default_factory=dict, description="The variants that have it, by axis.")


class Voiceover(Model):
    """The lines and who says them."""

    voice: Text = Field(description="A voice of the brand kit.")
    language: Locale = Field(description="Full tag.", examples=["en-GB"])
    fit: Fit = Field(default=Fit(), description="What happens when a line is too long.")
    lines: Annotated[tuple[VoiceLine, ...], Field(min_length=1)] = Field(description="In the order of the film.")


class Effect(Model):
    """Bought from `prompt`, or given as `file`. `gain` is the level in the mix, in dB."""

    id: Identifier | None = Field(default=None, description="Its name; else the shot and its number, `pour-1`.")
    at: Identifier = Field(description="A shot, `start` or `end`.")
    offset: Seconds = Field(default=Decimal(0), description="Seconds after that.")
    duration: Duration = Field(description="Seconds.")
    prompt: Text | None = Field(default=None, description="What is heard, to be bought.")
    file: FilePath | None = Field(default=None, description="A sound file, relative to this file.")
    gain: Gain = Field(default=Decimal(-12), description="Level in the mix, in dB.")
    rights: Rights | None = Field(default=None, description="Why we may use the file.")
    when: When = Field(default_factory=dict, description="The variants that have it, by axis.")


class Duck(Model):
    """Music that makes room for the voice."""

    under: Literal["voiceover"] = Field(default="voiceover", description="What it makes room for.")
    by: DuckBy = Field(default=Decimal(8), description="How far it goes down, in dB.")


class Music(Model):
    """A file; `in` is where in it the film begins."""

    file: FilePath = Field(description="A sound file, relative to this file.")
    in_: Seconds = Field(default=Decimal(0), alias="in", description="Seconds into the file at which the film begins.")
    gain: Gain = Field(default=Decimal(-14), description="Level in the mix, in dB.")
    duck: Duck | None = Field(default=None, description="Make room for the voice.")
    fade_in: Seconds = Field(default=Decimal(0), description="Seconds.")
    fade_out: Seconds = Field(default=Decimal(0), description="Seconds, up to the end of the film.")
    rights: Rights | None = Field(default=None, description="Why we may use it. Required.")


class Sound(Model):
    """All that is heard. Pictures are silent."""

    voiceover: Voiceover | None = Field(default=None, description="Spoken lines.")
    effects: tuple[Effect, ...] = Field(default=(), description="Sounds hung on shots.")
    music: Music | None = Field(default=None, description="The bed under everything.")


# --- words on screen ---


class Super(Model):
    """Words on screen; they never come from the model."""

    at: Identifier = Field(description="A shot, `start` or `end`.")
    offset: Seconds = Field(default=Decimal(0), description="Seconds after that.")
    duration: Duration = Field(description="Seconds.")
    text: Text = Field(description="The words.")
    place: Literal["safe", "top", "bottom", "left", "right", "centre"] = Field(
        default="safe", description="Where, inside the profile's safe area."
    )
    style: Literal["super", "legal", "lower-third"] = Field(default="super", description="How it is set.")
    when: When = Field(default_factory=dict, description="The variants that have it, by axis.")


class EndCard(Model):
    """A card of the brand kit after the last shot."""

    card: Identifier = Field(description="A card of the brand kit.", examples=["plain"])
    duration: Duration = Field(description="Seconds, added to the length of the film.")
    fields: dict[str, str] = Field(default_factory=dict, description="The card's words, by field.")


class Captions(Model):
    """The spoken lines as text."""

    from_: Literal["voiceover"] = Field(default="voiceover", alias="from", description="Where the words come from.")
    burn: tuple[Text, ...] = Field(default=(), description="Delivery profiles in whose picture they are drawn.")
    sidecar: tuple[Literal["srt", "vtt"], ...] = Field(default=("srt",), description="Files beside the film.")


class DisclosureReason(Model):
    """Who decided, and why."""

    by: Text = Field(description="A person's name.")
    reason: Text = Field(description="Why no label is needed.")


class DisclosureOverride(Model):
    """Switches the label off under a person's name; it is recorded."""

    override: DisclosureReason = Field(description="Whose decision it is.")


def _disclosure_form(value: object) -> str | None:
    if isinstance(value, str):
        return "word"
    return "signed" if isinstance(value, dict | DisclosureOverride) else None


Disclosure = Annotated[
    Annotated[Literal["auto", "off"], Tag("word")] | Annotated[DisclosureOverride, Tag("signed")],
    Discriminator(
        _disclosure_form,
        custom_error_type="disclosure_form",
        custom_error_message="must be auto, off, or a map with `override`",
    ),
]


class Graphics(Model):
    """All that is read: it is drawn by us, never by the model."""

    supers: tuple[Super, ...] = Field(default=(), description="Words on screen.")
    end_card: EndCard | None = Field(default=None, description="A card after the last shot.")
    captions: Captions | None = Field(default=None, description="The spoken lines as text.")
    disclosure: Disclosure | None = Field(
        default=None, description="The label that says the picture is generated; auto follows from `compliance`."
    )


# --- compliance, review, delivery, money ---


class Flight(Model):
    """First and last day on air."""

    start: Date = Field(description="First day, in quotes.", examples=["2026-12-01"])
    end: Date = Field(description="Last day, in quotes.", examples=["2027-01-31"])


class Compliance(Model):
    """Where and when it runs, and what is seen in it: labels and rights follow from this."""

    markets: Annotated[tuple[Market, ...], Field(min_length=1)] = Field(
        description="Country codes, EU, or country and state.", examples=[["GB", "EU", "US-NY"]]
    )
    people: Literal["none", "synthetic", "real"] = Field(description="Whether people are seen, and which.")
    realism: Literal["photoreal", "stylised"] = Field(description="Whether it could be taken for a photograph.")
    flight: Flight = Field(description="Every right must last until its end.")
    claims: tuple[Text, ...] = Field(default=(), description="Regulated claims in the words of the film.")


class Gate(Model):
    """Who has to say yes before the run goes on."""

    by: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="Roles or names.", examples=[["art"]])
    needed: Tries = Field(default=1, description="How many of them.")
    sample: Text | None = Field(default=None, description="Which part of the variants is looked at.")


class Review(Model):
    """Gates: the run stops at each until the people named have decided."""

    keyframes: Gate | None = Field(default=None, description="The stills.")
    drafts: Gate | None = Field(default=None, description="The drafts.")
    takes: Gate | None = Field(default=None, description="The takes.")
    cut: Gate | None = Field(default=None, description="The finished film.")


class Deliver(Model):
    """One file for one placement."""

    profile: Text = Field(description="A delivery profile.", examples=["youtube-instream"])
    ratio: Ratio = Field(description="In quotes.", examples=["16:9"])
    version: Version = Field(default=1, description="The number in the file's name.")
    ad_id: AdId | None = Field(default=None, description="The file's whole name, where broadcasters want it so.")
    spots: tuple[Identifier, ...] = Field(default=(), description="In a campaign: its spots; empty for all of them.")


class Budget(Model):
    """Hard limits in credits of $0.01, counted before each paid call."""

    credits: Credits = Field(description="For everything that this manifest causes, over all its runs.", examples=[520])
    per_shot: Credits | None = Field(default=None, description="For one shot: stills and retakes included.")
    reroll_reserve: Share = Field(
        default=Decimal(0), description="Share that is held back for second rounds.", examples=[0.2]
    )


class Spot(Model):
    """One ad: an ordered list of shots, with its sound, its words, where it is delivered and what it may cost."""

    manifest: Format = Field(description="Format version.")
    kind: Literal["spot"] = Field(description="A spot.")
    name: Name = Field(
        description="Names runs and files: lower-case letters, digits, dashes.", examples=["alder-morning-30s"]
    )
    brand: FilePath = Field(description="The brand kit, relative to this file.", examples=["brand/alder.yaml"])
    description: Text | None = Field(default=None, description="For people.")
    copy_: FilePath | None = Field(
        default=None, alias="copy", description="Texts by locale, for `${copy.key}`: a YAML file, relative to this one."
    )
    variants: Variants | None = Field(default=None, description="A matrix of variants of this spot.")
    generate: Generate = Field(default=Generate(), description="How takes are made.")
    references: dict[ReferenceName, Reference] = Field(
        default_factory=dict, description="Images that fix characters, products and places, by name."
    )
    shots: Annotated[tuple[Shot, ...], Field(min_length=1)] = Field(description="In the order of the film.")
    edit: Edit = Field(default=Edit(), description="Transitions, and what is evened out.")
    sound: Sound = Field(default=Sound(), description="All that is heard.")
    graphics: Graphics = Field(default=Graphics(), description="All that is read.")
    compliance: Compliance | None = Field(
        default=None, description="Markets, flight, people: what labels and rights need."
    )
    review: Review | None = Field(default=None, description="Where people decide.")
    deliver: Annotated[tuple[Deliver, ...], Field(min_length=1)] = Field(description="Placements and ratios.")
    naming: Text | None = Field(default=None, description="Pattern of the file names.")
    budget: Budget = Field(description="What it may cost.")


# --- campaign: several spots under one budget ---


class CutDownShot(Model):
    """A shot of another spot: the same take, shown from `in` for `duration`."""

    id: Identifier = Field(description="The shot's id in the other spot.")
    in_: Seconds = Field(default=Decimal(0), alias="in", description="Seconds into the circled take.")
    duration: Duration = Field(description="Seconds on screen.")


class CampaignSpot(Model):
    """A spot file, or a cut-down of another spot of this campaign. Everything else is merged over the spot's own."""

    id: Identifier = Field(description="How addresses, `deliver` and file names call it.")
    file: FilePath | None = Field(default=None, description="A spot file, relative to this file.")
    from_: Identifier | None = Field(default=None, alias="from", description="A spot of this campaign to cut down.")
    shots: tuple[CutDownShot, ...] = Field(default=(), description="Of a cut-down: its shots. Nothing new is bought.")
    sound: dict[str, Any] | None = Field(default=None, description="Merged over the spot's; `none` switches off.")
    graphics: dict[str, Any] | None = Field(default=None, description="Merged over the spot's; `none` switches off.")
    edit: dict[str, Any] | None = Field(default=None, description="Merged over the spot's.")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.file is None) == (self.from_ is None):
            raise PydanticCustomError("one_origin", "needs `file` or `from`, one of the two")
        return self


class Campaign(Model):
    """Several spots that share takes, under one budget, flight, review and deliver block."""

    manifest: Format = Field(description="Format version.")
    kind: Literal["campaign"] = Field(description="A campaign.")
    name: Name = Field(description="Names runs and files.", examples=["alder-winter"])
    brand: FilePath = Field(description="The brand kit, relative to this file.")
    description: Text | None = Field(default=None, description="For people.")
    generate: dict[str, Any] = Field(default_factory=dict, description="Merged over each spot's `generate`.")
    spots: Annotated[tuple[CampaignSpot, ...], Field(min_length=1)] = Field(description="Its spots.")
    compliance: Compliance | None = Field(default=None, description="Replaces each spot's.")
    review: Review | None = Field(default=None, description="Replaces each spot's.")
    deliver: Annotated[tuple[Deliver, ...], Field(min_length=1)] = Field(description="Replaces each spot's.")
    naming: Text | None = Field(default=None, description="Pattern of the file names.")
    budget: Budget = Field(description="For all spots together; replaces each spot's.")


# --- brand kit ---


class Logo(Model):
    """The logo for dark and for light grounds."""

    light: FilePath = Field(description="Light logo, for dark pictures.")
    dark: FilePath = Field(description="Dark logo, for light cards.")
    clear_space: ClearSpace = Field(default=Decimal("0.5"), description="Free space around it, in logo heights.")


class Colours(Model):
    """Always in quotes: a bare `#` starts a comment."""

    ink: Colour = Field(description="Text on paper.", examples=["#16221C"])
    paper: Colour = Field(description="Ground of cards.", examples=["#F4EFE6"])
    accent: Colour = Field(description="Marks and lines.", examples=["#2E6B4F"])


class Voice(Model):
    """A speaking voice with the right to use it."""

    provider: Literal["elevenlabs"] = Field(description="Who speaks.")
    voice_id: Text = Field(description="The provider's id.")
    model: Text = Field(default="eleven_multilingual_v2", description="The provider's model.")
    say: dict[str, str] = Field(
        default_factory=dict, description="How words are spoken.", examples=[{"Alder": "AWL-der"}]
    )
    rights: Rights | None = Field(default=None, description="Consent or licence. Required.")


class Card(Model):
    """A template whose fields a spot fills."""

    template: FilePath = Field(description="The template, relative to this file.")
    fields: tuple[Identifier, ...] = Field(default=(), description="The names of its fields.")


class Brand(Model):
    """What every spot of a brand shares."""

    manifest: Format = Field(description="Format version.")
    kind: Literal["brand"] = Field(description="A brand kit.")
    name: Name = Field(description="Stands in file names.", examples=["alder"])
    display_name: Text = Field(description="As people write it.", examples=["Alder"])
    logo: Logo | None = Field(default=None, description="Two files.")
    colours: Colours = Field(description="Ink, paper and accent.")
    fonts: dict[Identifier, FilePath] = Field(
        default_factory=dict, description="One font file for each script.", examples=[{"latin": "fonts/Sans-Bold.ttf"}]
    )
    voices: dict[Identifier, Voice] = Field(default_factory=dict, description="Voices by name.")
    look: Text | None = Field(default=None, description="Goes into every prompt. A change here buys everything again.")
    never: tuple[Text, ...] = Field(default=(), description="What no prompt may ask for.")
    disclosure: dict[str, Text] = Field(
        default_factory=dict, description="Wording of the label by language.", examples=[{"en": "AI-generated"}]
    )
    end_cards: dict[Identifier, Card] = Field(default_factory=dict, description="Cards by name.")
