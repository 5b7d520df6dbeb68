"""A take, a still or a card as exactly the frames that the cut shows, at the film's size, rate and colour.

One encode: at the deliverable's own settings where its packets can go into the film, else near-lossless for one more.
Frames are relabelled to the new rate one for one, none dropped or blended.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.errors import MediaError
from infra.media.boxes import MOVIE_TICKS
from infra.media.ffmpeg import run_ffmpeg
from infra.media.framing import frame_picture
from infra.media.packets import read_headers, ticks_per_second
from infra.media.probe import AGAIN, VideoFacts, probe_image, probe_video
from infra.media.x264 import splice_options, write_x264_params
from manifests.catalogue import VideoSettings
from manifests.sections import key_frames

KEY_FRAMES = 48  # the longest distance that a seek has to decode through
# Only `render` ever sees a mezzanine. Against veryfast at the same crf (November 2026, two takes, 1080 lines):
# a third of the time to encode, half to decode, 1 dB nearer to the source, for 1.7 times the bytes.
PRESET = "ultrafast"
CRF = 14
TAGS_709 = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
MATRICES = {"bt709": "bt709", "unspecified": "bt709", "bt470bg": "bt470bg", "smpte170m": "smpte170m"}


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    in_frame: int = Field(default=0, ge=0)
    frames: int = Field(gt=0)
    rate: str
    width: int = Field(gt=0, multiple_of=2)
    height: int = Field(gt=0, multiple_of=2)
    ceiling_height: int = Field(default=0, ge=0)  # lines that a smaller source may be scaled up to; 0: any
    sharpen: bool = True
    video: VideoSettings | None = None  # the film's own, to be joined by packets; None: a mezzanine, encoded once more
    idr: tuple[int, ...] = ()  # frames of this shot where the edit will cut or begin to blend
    focus: tuple[float, float] | None = None  # the point that a crop keeps nearest its middle, in 0..1 of the picture
    pad: str = Field(default="none", pattern=r"^(none|blur|solid:#[0-9A-Fa-f]{6})$")  # none: cropped to the shape

    @property
    def keys(self) -> tuple[int, ...]:
        return key_frames(self.frames, self.idr, self.video.gop_frames if self.video else KEY_FRAMES)

    @model_validator(mode="after")
    def _check_focus(self) -> Self:
        if self.focus is not None and not all(0 <= value <= 1 for value in self.focus):
            raise ValueError(f"the focus point {self.focus} is outside the picture")
        return self


class _Source(NamedTuple):
    """What the filters need to know about the picture that comes in."""

    width: int  # as shown, with square pixels
    height: int
    normalise: str  # filters that bring it to correctly tagged picture with square pixels
    facts: dict[str, object]


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    take = inputs["take"]
    still = is_still(take)
    flat = out / "_still.png"
    source = _flatten_still(take, flat) if still else _describe_video(take, params)
    if params.ceiling_height and source.height < params.height > params.ceiling_height:
        raise MediaError(
            f"{take} has {source.height} lines and would be scaled up to {params.height}, above the ceiling of "
            f"{params.ceiling_height}",
            remedy="raise upscale.to, or leave out the larger deliverable",
        )
    part = out / "_shot.part.mp4"
    # The input's own clock is ignored: frames are counted, then labelled anew.
    arguments = ["-threads", "1", "-i", str(flat if still else take), "-filter_threads", "1"]
    arguments += ["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", _filters(params, source, still=still)]
    run_ffmpeg([*arguments, *_encoding(params), str(part)])
    made = probe_video(part)
    _check_made(params, take, made)
    headers = read_headers(part)
    part.rename(out / "shot.mp4")
    flat.unlink(missing_ok=True)
    return {
        "frames": made.frames,
        "width": made.width,
        "height": made.height,
        "rate": params.rate,
        "idr": list(params.idr),
        "headers": headers,
        "source": source.facts,
    }


def _check_made(params: Params, take: Path, made: VideoFacts) -> None:
    if made.frames != params.frames or made.rate != Fraction(params.rate) or not made.constant_rate:
        raise MediaError(
            f"{take} gave {made.frames} frames at {made.rate}, not {params.frames} at {params.rate}", remedy=AGAIN
        )
    if made.keyframes != params.keys:
        strange = sorted(set(made.keyframes) ^ set(params.keys))
        raise MediaError(f"{take} was encoded with other key frames than asked for: {strange[:8]}", remedy=AGAIN)


def is_still(path: Path) -> bool:
    """Whether this is an image to be held. By its first bytes: files in the store have no names."""
    with path.open("rb") as file:
        head = file.read(16)
    marks = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
    return head.startswith(marks) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _flatten_still(path: Path, flat: Path) -> _Source:
    """Writes the still upright, on black, in plain RGB: what ffmpeg makes of such marks varies by version."""
    from PIL import Image, ImageOps

    info = probe_image(path)
    if info.animated:
        raise MediaError(f"{path} is an animation, not a still", remedy="save one frame as PNG")
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    ground = Image.new("RGBA", upright.size, (0, 0, 0, 255))
    Image.alpha_composite(ground, upright).convert("RGB").save(flat, compress_level=1)
    facts: dict[str, object] = {"format": info.format, "width": info.width, "height": info.height, "frames": 1}
    return _Source(info.width, info.height, _from_rgb(), facts)


def _describe_video(path: Path, params: Params) -> _Source:
    facts = probe_video(path)
    last = params.in_frame + params.frames
    if facts.frames < last:
        cut_off = f" (its index promises {facts.header_frames})" if facts.header_frames > facts.frames else ""
        raise MediaError(
            f"{path} has {facts.frames} frames{cut_off}; frames {params.in_frame} to {last - 1} were asked for",
            remedy="shorten the shot, or film it longer",
        )
    if not facts.constant_rate and facts.header_frames > facts.frames:
        raise MediaError(
            f"{path} was cut off: of the {facts.header_frames} frames that its index promises {facts.frames} are "
            "there, with holes between them",
            remedy=AGAIN,
        )
    if not facts.constant_rate:
        # relabelled one for one, its motion would run now faster, now slower
        raise MediaError(
            f"{path} has a variable frame rate, {float(facts.rate):.3f} a second on average over {facts.frames} frames",
            remedy="export it at a constant rate",
        )
    if facts.rotation % 90:
        raise MediaError(
            f"{path} is marked to be turned by {facts.rotation}°, which is no quarter turn",
            remedy="export it upright",
        )
    width = facts.width if facts.sample_aspect == 1 else round(facts.width * facts.sample_aspect / 2) * 2
    height = facts.height
    if facts.rotation in (90, 270):
        width, height = height, width
    return _Source(width, height, _normalise_video(path, facts, width, height), facts.as_facts())


def _normalise_video(path: Path, facts: VideoFacts, width: int, height: int) -> str:
    if facts.pixel_format.startswith(("rgb", "bgr", "argb", "gbr", "abgr", "0rgb", "pal8")):
        return _from_rgb()
    if facts.matrix not in MATRICES or facts.transfer in ("smpte2084", "hlg"):
        raise MediaError(
            f"{path} has {facts.matrix} colour with {facts.transfer} transfer; only standard dynamic range is taken",
            remedy="export it as BT.709",
        )
    # An untagged picture next to a tagged one would be converted silently: everything is named here.
    span = "pc" if facts.full_range else "tv"
    tags = f"setparams=color_primaries=bt709:color_trc=bt709:colorspace={MATRICES[facts.matrix]}:range={span}"
    # zscale takes no odd sizes where colour is at half of them
    odd = ",format=yuv444p" if facts.width % 2 or facts.height % 2 else ""
    square = "" if facts.sample_aspect == 1 else f",zscale=w={width}:h={height}:filter=lanczos:param_a=4"
    return f"{tags}{odd}{square},setsar=1"


def _from_rgb() -> str:
    tags = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=gbr:range=pc"
    return f"format=gbrp,{tags},zscale=matrix=709:range=limited,format=yuv444p,setsar=1"


def _filters(params: Params, source: _Source, *, still: bool) -> str:
    steps = []
    if not still:
        steps.append(f"trim=start_frame={params.in_frame}:end_frame={params.in_frame + params.frames}")
    size = params.width, params.height
    steps += [
        source.normalise,
        frame_picture((source.width, source.height), size, focus=params.focus, pad=params.pad, sharpen=params.sharpen),
        "setsar=1",
        TAGS_709,
    ]
    if still:
        steps.append(f"loop=loop={params.frames - 1}:size=1:start=0")
    rate = Fraction(params.rate)
    steps.append(f"settb={rate.denominator}/{rate.numerator},setpts=N")
    return "sws_flags=bicubic+accurate_rnd+bitexact;" + ",".join(steps)


def _encoding(params: Params) -> list[str]:
    forced = "+".join(f"eq(n,{frame})" for frame in params.keys)
    if params.video is None:
        options = {"preset": PRESET, "crf": str(CRF), "x264-params": write_x264_params(keyint=KEY_FRAMES, scenecut=0)}
    else:
        options = splice_options(params.video, params.width, params.height)
    return [
        *("-r", params.rate, "-fps_mode", "cfr", "-frames:v", str(params.frames)),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1"),
        *(word for name, value in options.items() for word in (f"-{name}:v", value)),
        *("-force_key_frames", f"expr:{forced}"),
        *("-video_track_timescale", str(ticks_per_second(Fraction(params.rate)))),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-movie_timescale", str(MOVIE_TICKS), "-movflags", "+faststart", "-f", "mp4"),
    ]
