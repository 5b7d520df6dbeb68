"""What vendors sell and what placements take, as dated and sourced data: `models/*.yaml` and `profiles/*.yaml`.

Validation, planning, the clients and the backlot all read these tables; nothing else knows a model's name.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """Data with a date and a source, because every one of these facts may change."""

    # built on first use: a media step needs one of these, and is a process of its own every time
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SecondsSold(Row):
    """Lengths that can be bought, in whole seconds: a range, or a list."""

    minimum: int | None = None
    maximum: int | None = None
    values: tuple[int, ...] = ()

    def sells(self, seconds: int) -> bool:
        return seconds in self.values or (
            self.minimum is not None and self.maximum is not None and self.minimum <= seconds <= self.maximum
        )

    def shortest(self, seconds: Fraction | int) -> int | None:
        """The shortest length sold that is not shorter than `seconds`; None when all are."""
        return next((sold for sold in self.lengths if sold >= seconds), None)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Every length sold, rising."""
        if self.minimum is None or self.maximum is None:
            return tuple(sorted(self.values))
        return tuple(range(self.minimum, self.maximum + 1))


class Price(Row):
    """In credits of $0.01. Exactly one of the four ways of charging is set."""

    credits_per_second: int | None = None  # silent
    credits_per_second_with_audio: int | None = None  # beside the silent price, where the model can make sound
    credits_per_image: dict[str, int] = {}  # by ratio such as "1920:1080"; "default" for the rest
    usd_per_1000_characters: str | None = None  # decimal text; converted to credits, rounded up, at least 1 a request
    usd_per_request: str | None = None
    source: str
    as_of: str


class EndpointCard(Row):
    """One create endpoint of a model: which fields it takes and what it gives."""

    path: str  # such as /v1/image_to_video
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    ratios: tuple[str, ...] = ()  # output sizes in pixels, "1280:720"


class ModelCard(Row):
    id: str
    vendor: Literal["runway", "elevenlabs"]
    makes: Literal["video", "still", "speech", "effect"]
    endpoints: tuple[EndpointCard, ...]
    seconds: SecondsSold | None = None
    frame_rate: str | None = None  # of the output, "24"
    prompt_units: int = 1000  # longest prompt, in UTF-16 code units
    prompt_required: bool = True
    image_required: bool = False
    image_positions: tuple[str, ...] = ()  # first, last
    references_minimum: int = 0
    references_maximum: int = 0
    aspect_minimum: str | None = None  # width / height of an input image, decimal text
    aspect_maximum: str | None = None
    seed: bool = False
    audio: bool = False
    strict_body: bool = False  # whether the service refuses unknown fields, or silently ignores and bills
    price: Price
    seconds_to_make: tuple[int, int] = (60, 120)  # how long one generation takes, low and high
    concurrency_tier_1: int = 1
    source: str
    as_of: str
    retired: str | None = None  # date
    replacement: str | None = None
    notes: str = ""


class SafeArea(Row):
    """Free of interface furniture: distance from each edge, as per cent of height or width (decimal text)."""

    top: str
    bottom: str
    left: str
    right: str


class VideoSettings(Row):
    """Profiles of one size with equal settings share encoded sections: what only limits a file stands in `Profile`."""

    codec: Literal["h264"]
    profile: str = "high"
    pixel_format: Literal["yuv420p"] = "yuv420p"
    preset: str = "medium"
    crf: int | None = None
    bitrate_kbps: int | None = None
    minimum_kbps: int | None = None  # what the placement asks for at least
    maximum_kbps: int | None = None
    gop_frames: int = 48


class AudioSettings(Row):
    codec: Literal["aac", "pcm_s24le"]
    bitrate_kbps: int  # of PCM it follows from the rest
    sample_rate: int = 48000
    channels: int = 2


class Loudness(Row):
    """Decimal text: integrated in LUFS, tolerance in LU, peak in dBTP."""

    integrated: str
    tolerance: str
    true_peak: str
    short_term: str | None = None  # the loudest 3 s, for spots too short for their average to say enough


Platform = Literal["meta", "tiktok", "google", "linkedin", "snap", "pinterest", "tv"]


class Profile(Row):
    """A delivery placement."""

    name: str
    title: str
    platforms: tuple[Platform, ...] = ()  # who shows it; their disclosure flags go into the trafficking sheet
    positions: dict[str, tuple[str, ...]] = {}  # Meta's own names of the places, by publisher platform
    sizes: dict[str, tuple[int, int]]  # by ratio: "16:9" → (1920, 1080)
    rate: str  # "24", "24000/1001"
    # relabel: the same frames, shown at the profile's rate, the sound at its own speed; speed: the sound as much faster
    rate_change: Literal["none", "relabel", "speed"] = "none"
    # A second is a whole number of frames of the profile's rate, rounded: 24 at 23.976, 25 at 25
    lengths_seconds: tuple[int, ...] = ()  # exact lengths taken; empty: any
    whole_seconds: bool = False  # any length, but exact to the frame
    minimum_seconds: int | None = None
    maximum_seconds: int | None = None
    container: Literal["mp4", "mov"] = "mp4"
    minimum_bytes: int | None = None
    maximum_bytes: int | None = None
    minimum_kbps: int | None = None  # of the whole file, picture and sound
    video: VideoSettings  # of the film as it is stitched
    recode: Literal["prores-422-hq"] | None = None  # what its picture is made into last, where H.264 is not taken
    audio: AudioSettings
    loudness: Loudness
    edit_list: Literal["allowed", "none"] = "allowed"
    safe_area: SafeArea
    captions: tuple[Literal["srt", "vtt", "burned"], ...] = ()
    named_by: Literal["pattern", "ad_id"] = "pattern"  # ad_id: the file's whole name, letters and digits
    longest_name: int | None = None  # characters without the ending
    source: str
    as_of: str
    notes: str = ""

    @property
    def frame_rate(self) -> Fraction:
        return Fraction(self.rate)

    @property
    def frames_per_second(self) -> int:
        """What the trade counts as a second: a 30 at 23.976 is 720 frames."""
        return round(self.frame_rate)
