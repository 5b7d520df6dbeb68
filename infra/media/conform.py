"""A take, a still or a card as exactly the frames that the cut shows, at the film's size, rate and colour.

One encode at near-lossless quality. Frames are relabelled to the new rate one for one, none dropped or blended.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.boxes import MOVIE_TICKS
from infra.media.ffmpeg import run_ffmpeg
from infra.media.probe import AGAIN, VideoFacts, probe_image, probe_video
from infra.media.x264 import write_x264_params

KEY_FRAMES = 48  # the longest distance that a seek has to decode through
# Only stitch ever sees a mezzanine. Against veryfast at the same crf (November 2026, two takes, 1080 lines):
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
    idr: tuple[int, ...] = ()  # frames of this shot where the edit will cut or begin to blend


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
    shot = out / "shot.mp4"
    part = out / "_shot.part.mp4"
    # The input's own clock is ignored: frames are counted, then labelled anew.
    arguments = ["-threads", "1", "-i", str(flat if still else take), "-filter_threads", "1"]
    arguments += ["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", _filters(params, source, still=still)]
    run_ffmpeg([*arguments, *_encoding(params), str(part)])
    made = probe_video(part)
    if made.frames != params.frames or made.rate != Fraction(params.rate) or not made.constant_rate:
        raise MediaError(
            f"{take} gave {made.frames} frames at {made.rate}, not {params.frames} at {params.rate}", remedy=AGAIN
        )
    part.rename(shot)
    flat.unlink(missing_ok=True)
    return {
        "frames": made.frames,
        "width": made.width,
        "height": made.height,
        "rate": params.rate,
        "source": source.facts,
    }


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
        raise MediaError(
            f"{path} has {facts.frames} frames; frames {params.in_frame} to {last - 1} were asked for",
            remedy="shorten the shot, or film it longer",
        )
    width = round(facts.width * facts.sample_aspect)
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
    square = "" if facts.sample_aspect == 1 else f",zscale=w={width}:h={height}:filter=lanczos:param_a=4"
    return f"{tags}{square},setsar=1"


def _from_rgb() -> str:
    tags = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=gbr:range=pc"
    return f"format=gbrp,{tags},zscale=matrix=709:range=limited,format=yuv444p,setsar=1"


def _filters(params: Params, source: _Source, *, still: bool) -> str:
    steps = []
    if not still:
        steps.append(f"trim=start_frame={params.in_frame}:end_frame={params.in_frame + params.frames}")
    steps += [source.normalise, *_crop(params, source)]
    growing = params.height > source.height or params.width > source.width
    if params.sharpen and growing:
        steps.append("unsharp=3:3:0.3:3:3:0")
    steps.append(
        f"zscale=w={params.width}:h={params.height}:filter=lanczos:param_a=4:matrix=709:range=limited:primaries=709"
        ":transfer=709"
    )
    steps += ["format=yuv420p", "setsar=1", TAGS_709]
    if still:
        steps.append(f"loop=loop={params.frames - 1}:size=1:start=0")
    rate = Fraction(params.rate)
    steps.append(f"settb={rate.denominator}/{rate.numerator},setpts=N")
    return "sws_flags=bicubic+accurate_rnd+bitexact;" + ",".join(steps)


def _crop(params: Params, source: _Source) -> list[str]:
    """The middle of the picture in the wanted shape; nothing when it is within a pixel of it."""
    aspect = Fraction(params.width, params.height)
    width, height = source.width, source.height
    if Fraction(width, height) > aspect:
        width = round(height * aspect / 2) * 2
    else:
        height = round(width / aspect / 2) * 2
    if abs(width - source.width) < 2 and abs(height - source.height) < 2:
        return []
    return [f"crop=w={width}:h={height}:x=(iw-{width})/2:y=(ih-{height})/2"]


def _encoding(params: Params) -> list[str]:
    forced = "+".join(f"eq(n,{frame})" for frame in sorted({0, *params.idr}) if frame < params.frames)
    rate = Fraction(params.rate)
    return [
        *("-r", params.rate, "-fps_mode", "cfr", "-frames:v", str(params.frames)),
        *("-c:v", "libx264", "-preset", PRESET, "-crf", str(CRF), "-pix_fmt", "yuv420p", "-threads", "1"),
        *("-x264-params", write_x264_params(keyint=KEY_FRAMES, scenecut=0)),
        *("-force_key_frames", f"expr:{forced}"),
        *("-video_track_timescale", str(rate.numerator * (1 if rate.denominator > 1 else 512))),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-movie_timescale", str(MOVIE_TICKS), "-movflags", "+faststart", "-f", "mp4"),
    ]
