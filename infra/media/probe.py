"""What a media file really holds: counted packets rather than headers, presented time rather than stored time.

Cheap to import: the decoder libraries are loaded on first use, because `plan` measures images and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import MediaError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

AGAIN = "export or download the file again"
STILL_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
ACCEPTED_FORMATS = ("PNG", "JPEG", "WEBP")
COLOUR_NAMES = {1: "bt709", 2: "unspecified", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 16: "smpte2084", 18: "hlg"}


@dataclass(frozen=True)
class ImageInfo:
    width: int  # as shown: a camera's rotation mark is applied
    height: int
    format: str  # png, jpeg, webp
    animated: bool
    alpha: bool


@dataclass(frozen=True)
class AudioFacts:
    codec: str
    profile: str
    sample_rate: int
    channels: int
    bit_rate: int
    start: Fraction  # presented, in seconds
    seconds: Fraction


@dataclass(frozen=True)
class VideoFacts:
    """One file with a picture. `frames` are the packets that are shown, `header_frames` what the file claims."""

    container: str
    brand: str  # of MP4 and MOV files, "qt  " for the latter; else empty
    size: int
    codec: str
    profile: str
    pixel_format: str
    width: int
    height: int
    sample_aspect: Fraction
    rotation: int
    rate: Fraction
    constant_rate: bool
    frames: int
    header_frames: int
    keyframes: tuple[int, ...]
    start: Fraction
    seconds: Fraction
    bit_rate: int
    primaries: str
    transfer: str
    matrix: str
    full_range: bool
    audio: tuple[AudioFacts, ...]
    video_streams: int
    other_streams: int
    index_first: bool | None  # faststart; None when the container has no such thing
    plain_edits: bool | None  # one ordinary edit-list entry per track; None when not MP4 or MOV
    edit_lists: int

    @property
    def has_audio(self) -> bool:
        return bool(self.audio)

    def as_facts(self) -> dict[str, object]:
        """The part of this that is kept as JSON."""
        return {
            "container": self.container,
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
            "sample_aspect": str(self.sample_aspect),
            "rate": str(self.rate),
            "constant_rate": self.constant_rate,
            "frames": self.frames,
            "header_frames": self.header_frames,
            "seconds": round(float(self.seconds), 6),
            "has_audio": self.has_audio,
            "pixel_format": self.pixel_format,
            "matrix": self.matrix,
            "bit_rate": self.bit_rate,
            "bytes": self.size,
        }


def probe_image(path: Path) -> ImageInfo:
    """Reads and fully decodes an image. Raises MediaError when it is missing, empty, damaged or of another format."""
    from PIL import Image, UnidentifiedImageError

    _require_bytes(path)
    try:
        with Image.open(path, formats=STILL_FORMATS) as image:
            kind = str(image.format)
            animated = bool(getattr(image, "is_animated", False))
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
            if kind not in ACCEPTED_FORMATS:
                raise MediaError(
                    f"{path} is a {kind} image; PNG, JPEG and WebP are taken", remedy="save it as PNG or JPEG"
                )
            image.load()
    except UnidentifiedImageError as error:
        raise MediaError(f"{path} is not an image that can be read", remedy="save it as PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path} has too many pixels: {error}", remedy="make it smaller") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all three for damaged files
        raise MediaError(f"{path} is damaged: {error}", remedy=AGAIN) from error
    return ImageInfo(width=width, height=height, format=kind.lower(), animated=animated, alpha=alpha)


def probe_video(path: Path) -> VideoFacts:
    """Opens a file and walks through all its packets. Raises MediaError when it has no readable picture."""
    import av

    _require_bytes(path)
    try:
        with av.open(str(path)) as container:
            # ffmpeg takes any text for a terminal recording
            if not container.streams.video or container.format.name == "tty":
                raise MediaError(f"{path} has no picture", remedy="give a video file")
            return _gather_facts(path, container)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or error
        raise MediaError(f"{path} cannot be read as video: {words}", remedy=AGAIN) from error


def _require_bytes(path: Path) -> None:
    if not path.is_file():
        raise MediaError(f"{path} is not there" if not path.exists() else f"{path} is not a file")
    try:
        size = path.stat().st_size
        path.open("rb").close()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    if size == 0:
        raise MediaError(f"{path} is empty (0 bytes)", remedy=AGAIN)


@dataclass(frozen=True)
class _Packets:
    times: list[int]  # presented, ascending
    keyframes: tuple[int, ...]
    bytes: int
    last: int  # duration of the last


def _gather_facts(path: Path, container: InputContainer) -> VideoFacts:
    from infra.media.boxes import read_movie

    stream = container.streams.video[0]
    movie = read_movie(path)
    walks = _walk_packets(container)
    picture = walks[stream.index]
    rate, constant = _measure_rate(stream, picture)
    context = stream.codec_context
    presented = _presented(container, walks, movie)
    start, seconds = presented[stream.index]
    audio = tuple(
        AudioFacts(
            codec=track.codec_context.name,
            profile=str(track.profile or ""),
            sample_rate=track.codec_context.sample_rate,
            channels=track.codec_context.layout.nb_channels,
            bit_rate=_bits_per_second(walks[track.index].bytes, presented[track.index][1]),
            start=presented[track.index][0],
            seconds=presented[track.index][1],
        )
        for track in container.streams.audio
    )
    tracks = movie.tracks if movie else ()
    return VideoFacts(
        container=container.format.name,
        brand=movie.brand if movie else "",
        size=path.stat().st_size,
        codec=context.codec.canonical_name,
        profile=str(context.profile or ""),
        pixel_format=str(context.pix_fmt or ""),
        width=context.width,
        height=context.height,
        sample_aspect=Fraction(stream.sample_aspect_ratio or context.sample_aspect_ratio or 1) or Fraction(1),
        rotation=_read_rotation(path),
        rate=rate,
        constant_rate=constant,
        frames=len(picture.times),
        header_frames=stream.frames,
        keyframes=picture.keyframes,
        start=start,
        seconds=seconds,
        bit_rate=_bits_per_second(picture.bytes, seconds),
        primaries=_name_colour(context.color_primaries),
        transfer=_name_colour(context.color_trc),
        matrix=_name_colour(context.colorspace),
        full_range=int(context.color_range) == 2 or str(context.pix_fmt).startswith("yuvj"),
        audio=audio,
        video_streams=len(container.streams.video),
        other_streams=len(container.streams) - len(container.streams.video) - len(container.streams.audio),
        index_first=movie.index_first if movie else None,
        plain_edits=all(t.plain_edit for t in tracks if t.edits) if movie else None,
        edit_lists=sum(bool(t.edits) for t in tracks),
    )


def _walk_packets(container: InputContainer) -> dict[int, _Packets]:
    """Demuxes everything once. Packets that an edit list hides are not counted."""
    times: dict[int, list[tuple[int, bool]]] = {s.index: [] for s in container.streams}
    sizes = dict.fromkeys(times, 0)
    last = dict.fromkeys(times, 0)
    for packet in container.demux():
        if packet.size == 0 or packet.is_discard:
            continue
        index = packet.stream_index
        sizes[index] += packet.size
        shown = packet.pts if packet.pts is not None else packet.dts
        if shown is not None:
            times[index].append((shown, packet.is_keyframe))
            last[index] = packet.duration or last[index]
    walks = {}
    for index, entries in times.items():
        ordered = sorted(entries)
        keys = tuple(i for i, (_, key) in enumerate(ordered) if key)
        walks[index] = _Packets([t for t, _ in ordered], keys, sizes[index], last[index])
    return walks


def _measure_rate(stream: VideoStream, packets: _Packets) -> tuple[Fraction, bool]:
    """The rate from the distances of the frames, and whether they are all alike but for the clock's rounding."""
    claimed = Fraction(stream.average_rate or stream.guessed_rate or 0)
    times = packets.times
    if len(times) < 2 or stream.time_base is None:
        return claimed, True
    gaps = [b - a for a, b in pairwise(times)]
    mean = Fraction(times[-1] - times[0], len(gaps))
    constant = all(abs(gap - mean) <= 1 for gap in gaps) and mean > 0
    if not constant:
        return claimed, False
    # A coarse clock (Matroska counts milliseconds) cannot say 24000/1001: take the file's word if it agrees.
    agrees = claimed and abs(len(gaps) / (claimed * stream.time_base) - (times[-1] - times[0])) <= 1
    return (claimed if agrees else 1 / (mean * stream.time_base)), True


def _presented(
    container: InputContainer, walks: dict[int, _Packets], movie: Any
) -> dict[int, tuple[Fraction, Fraction]]:
    if movie and not movie.fragmented and len(movie.tracks) == len(container.streams):
        return {index: track.presented for index, track in enumerate(movie.tracks)}
    found = {}
    for stream in container.streams:
        walk = walks[stream.index]
        base = stream.time_base or Fraction(1)
        if walk.times:
            found[stream.index] = (walk.times[0] * base, (walk.times[-1] + walk.last - walk.times[0]) * base)
        else:
            found[stream.index] = (Fraction(0), Fraction(0))
    return found


def _bits_per_second(size: int, seconds: Fraction) -> int:
    return round(size * 8 / seconds) if seconds else 0


def _name_colour(code: object) -> str:
    number = int(code) if isinstance(code, int) else 2
    return COLOUR_NAMES.get(number, "unspecified" if number == 0 else str(number))


def _read_rotation(path: Path) -> int:
    """The turn that a player applies, from the first frame; 0 when nothing decodes (screening says that better)."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        try:
            for frame in container.decode(stream):
                return int(frame.rotation) % 360
        except av.error.FFmpegError:
            return 0
    return 0
