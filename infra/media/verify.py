"""A deliverable, or any file that a person exported again, held against its delivery profile. Repairs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError, ProgramMissingError
from infra.media.loudness import Loudness, measure_loudness
from infra.media.out_frame import decode_frames
from infra.media.probe import VideoFacts, probe_video
from manifests.catalogue import Profile

SYNC_SECONDS = Fraction(3, 1000)  # for profiles without edit lists
AAC_FRAME_SECONDS = Fraction(1024, 48000)
RECODED = {"prores-422-hq": ("prores", "hq", "yuv422p10le")}
CONTAINER_NAME = "mov,mp4,m4a,3gp,3g2,mj2"


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Profile
    ratio: str
    frames: int = Field(default=0, ge=0)  # 0: any length that the profile takes
    rate: str
    silent: bool = False  # nobody asked for sound: the track is there and holds nothing


class Check(NamedTuple):
    name: str
    wanted: str
    found: str
    ok: bool


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    if params.ratio not in params.profile.sizes:
        raise MediaError(
            f"the profile {params.profile.name} has no {params.ratio} picture",
            remedy=f"ask for one of {', '.join(params.profile.sizes)}",
        )
    path = inputs["file"]
    facts = probe_video(path)
    loudness, damage = _hear(path) if facts.audio else (None, "")
    checks = [
        *_check_container(params.profile, facts),
        *_check_picture(params, facts),
        *_check_length(params, facts),
        *_check_sound(params, facts, loudness, damage),
        _check_decoding(path),
    ]
    return {
        "ok": all(check.ok for check in checks),
        "checks": [check._asdict() for check in checks],
        "measured": _measured(facts, loudness),
    }


def _hear(path: Path) -> tuple[Loudness | None, str]:
    """The loudness, or why the sound cannot be decoded: damage is a finding here, a missing program is not."""
    try:
        return measure_loudness(path), ""
    except ProgramMissingError:
        raise
    except MediaError as error:
        return None, error.detail


def _check_container(profile: Profile, facts: VideoFacts) -> Iterator[Check]:
    family = facts.container == CONTAINER_NAME
    kind = ("mov" if facts.brand == "qt  " else "mp4") if family else facts.container
    yield Check("container", profile.container, kind, kind == profile.container)
    order = {True: "index before media", False: "index after media", None: "no index"}[facts.index_first]
    yield Check("faststart", "index before media", order, facts.index_first is True)
    sound, other = len(facts.audio), facts.other_streams
    streams = f"{facts.video_streams} picture, {sound} sound, {other} other"
    yield Check("streams", "1 picture, 1 sound, 0 other", streams, (facts.video_streams, sound, other) == (1, 1, 0))
    if profile.maximum_bytes is not None:
        limit = profile.maximum_bytes
        yield Check("size on disk", f"at most {limit} bytes", f"{facts.size} bytes", facts.size <= limit)
    if profile.minimum_bytes is not None:
        limit = profile.minimum_bytes
        yield Check("least size on disk", f"at least {limit} bytes", f"{facts.size} bytes", facts.size >= limit)
    if profile.minimum_kbps is not None:
        kbps = int(facts.size * 8 / facts.seconds / 1000) if facts.seconds else 0
        wanted = f"at least {profile.minimum_kbps} kbit/s"
        yield Check("bit rate of the file", wanted, f"{kbps} kbit/s", kbps >= profile.minimum_kbps)


def _check_picture(params: Params, facts: VideoFacts) -> Iterator[Check]:
    video = params.profile.video
    made = RECODED.get(params.profile.recode or "", (video.codec, video.profile, video.pixel_format))
    found = (facts.codec, facts.profile.lower(), facts.pixel_format)
    for name, wanted, is_now in zip(("codec", "codec profile", "pixel format"), made, found, strict=True):
        yield Check(name, wanted, is_now, is_now == wanted)
    width, height = params.profile.sizes[params.ratio]
    size = (facts.width, facts.height)
    yield Check("picture size", f"{width}x{height}", f"{size[0]}x{size[1]}", size == (width, height))
    aspect = facts.sample_aspect
    yield Check("pixel shape", "1:1", f"{aspect.numerator}:{aspect.denominator}", aspect == 1)
    yield Check("rotation", "none", f"{facts.rotation} degrees" if facts.rotation else "none", facts.rotation == 0)
    tags = (facts.primaries, facts.transfer, facts.matrix)
    span = "full" if facts.full_range else "limited"
    colour = f"{tags[0]}/{tags[1]}/{tags[2]}, {span} range"
    tagged = tags == ("bt709",) * 3 and not facts.full_range
    yield Check("colour", "bt709/bt709/bt709, limited range", colour, tagged)
    kbps = facts.bit_rate // 1000
    if video.minimum_kbps is not None:
        wanted = f"at least {video.minimum_kbps} kbit/s"
        yield Check("picture bit rate", wanted, f"{kbps} kbit/s", kbps >= video.minimum_kbps)
    if video.maximum_kbps is not None:
        wanted = f"at most {video.maximum_kbps} kbit/s"
        yield Check("greatest picture bit rate", wanted, f"{kbps} kbit/s", kbps <= video.maximum_kbps)


def _check_length(params: Params, facts: VideoFacts) -> Iterator[Check]:
    profile = params.profile
    rate = Fraction(params.rate)
    steady = "constant" if facts.constant_rate else "varying"
    yield Check("rate", f"{rate}, constant", f"{facts.rate}, {steady}", facts.constant_rate and facts.rate == rate)
    frames = params.frames or facts.frames
    if params.frames:
        yield Check("frames", str(frames), str(facts.frames), facts.frames == frames)
    second = round(rate)
    allowed = [seconds * second for seconds in profile.lengths_seconds]
    if profile.whole_seconds:
        wanted = f"whole seconds of {second} frames"
        yield Check("whole seconds", wanted, f"{facts.frames} frames", facts.frames > 0 and facts.frames % second == 0)
    if allowed:
        wanted = " or ".join(f"{s} s ({f} frames)" for s, f in zip(profile.lengths_seconds, allowed, strict=True))
        yield Check("length sold", wanted, f"{facts.frames} frames", facts.frames in allowed)
    if profile.minimum_seconds is not None:
        shortest = profile.minimum_seconds * second
        wanted = f"at least {profile.minimum_seconds} s ({shortest} frames)"
        yield Check("shortest length", wanted, f"{facts.frames} frames", facts.frames >= shortest)
    if profile.maximum_seconds is not None:
        longest = profile.maximum_seconds * second
        wanted = f"at most {profile.maximum_seconds} s ({longest} frames)"
        yield Check("longest length", wanted, f"{facts.frames} frames", facts.frames <= longest)
    yield from _check_presented(profile, facts, frames / rate)


def _check_presented(profile: Profile, facts: VideoFacts, length: Fraction) -> Iterator[Check]:
    """What a player shows and plays, after edit lists: the whole film, from zero."""
    loose = profile.edit_list == "none"
    tracks = [("picture", facts.start, facts.seconds, Fraction(0))]
    room = AAC_FRAME_SECONDS if loose else Fraction(1, 48000)  # a sample: lengths at 30000/1001 are not whole ones
    tracks += [("sound", track.start, track.seconds, room) for track in facts.audio[:1]]
    for name, start, seconds, slack in tracks:
        ok = abs(start) <= (SYNC_SECONDS if loose else 0) and abs(seconds - length) <= slack
        found = f"{float(seconds):.6f} s from {float(start):.6f} s"
        yield Check(f"presented {name}", f"{float(length):.6f} s from 0.000000 s", found, ok)
    if loose:
        yield Check("edit lists", "none", str(facts.edit_lists), facts.edit_lists == 0)
    else:
        found = "none that is out of the ordinary" if facts.plain_edits else "several in a track, or empty ones"
        if facts.plain_edits is None:
            found = "not an MP4 or MOV file"
        yield Check("edit lists", "none that is out of the ordinary", found, facts.plain_edits is True)


def _check_sound(params: Params, facts: VideoFacts, loudness: Loudness | None, damage: str) -> Iterator[Check]:
    audio, target = params.profile.audio, params.profile.loudness
    if loudness is None:
        yield Check("sound", f"{audio.codec}, {audio.channels} channels", damage or "no sound", ok=False)
        return
    track = facts.audio[0]
    wanted, found = f"{audio.codec}{' LC' if audio.codec == 'aac' else ''}", f"{track.codec} {track.profile}".strip()
    yield Check("sound codec", wanted, found, found == wanted)
    wanted = f"{audio.channels} channels, {audio.sample_rate} Hz"
    found = f"{track.channels} channels, {track.sample_rate} Hz"
    yield Check("sound format", wanted, found, found == wanted)
    integrated, tolerance = float(target.integrated), float(target.tolerance)
    heard = "silence" if loudness.silent else f"{loudness.integrated:.2f} LUFS"
    if params.silent:
        yield Check("loudness", "silence", heard, loudness.silent)
    else:
        # ebur128 tells three decimals: the binary form of a number must not decide
        ok = abs(loudness.integrated - integrated) <= tolerance + 1e-6 and not loudness.silent
        yield Check("loudness", f"{target.integrated} LUFS +/- {target.tolerance}", heard, ok)
    if target.short_term is not None and not params.silent:
        loud = f"{loudness.short_term_max:.2f} LUFS"
        ok = loudness.short_term_max <= float(target.short_term) + 1e-6
        yield Check("loudest three seconds", f"at most {target.short_term} LUFS", loud, ok)
    peak = f"{loudness.true_peak:.2f} dBTP"
    yield Check("true peak", f"at most {target.true_peak} dBTP", peak, loudness.true_peak <= float(target.true_peak))


def _check_decoding(path: Path) -> Check:
    """Decodes the whole picture: a file that was cut off or damaged still has a healthy index."""
    try:
        decoded = sum(1 for _ in decode_frames(path))
    except MediaError as error:
        return Check("decoding", "every frame", error.detail, ok=False)
    return Check("decoding", "every frame", "every frame" if decoded else "no frame", decoded > 0)


def _measured(facts: VideoFacts, loudness: Loudness | None) -> dict[str, object]:
    sound = facts.audio[0] if facts.audio else None
    return {
        "lufs": round(loudness.integrated, 2) if loudness else None,
        "true_peak": loudness.true_peak if loudness else None,
        "short_term": round(loudness.short_term_max, 2) if loudness else None,
        "frames": facts.frames,
        "rate": str(facts.rate),
        "presented_seconds": {
            "video": round(float(facts.seconds), 6),
            "audio": round(float(sound.seconds), 6) if sound else None,
        },
        "width": facts.width,
        "height": facts.height,
        "codec": facts.codec,
        "bit_rate": facts.bit_rate,
        "audio_bit_rate": sound.bit_rate if sound else None,
        "bytes": facts.size,
    }
