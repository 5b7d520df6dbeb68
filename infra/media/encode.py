"""The picture and the mix as one deliverable: sound beside untouched video packets, both presenting exactly the film.

Only television's files are encoded once more, into ProRes. Encoders delay: one edit-list entry per track hides that
(delivery sheet §3.2). The file is measured before it is given out.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.boxes import MOVIE_TICKS, Track, read_movie
from infra.media.ffmpeg import run_ffmpeg
from infra.media.probe import probe_video
from manifests.catalogue import AudioSettings

PRIMING_SAMPLES = 1024  # what ffmpeg's AAC encoder puts before the sound
# From 8 bit 4:2:0; never scaled, so that the only arithmetic is that of the missing lines of colour.
RAISE = (
    "scale=flags=bicubic+accurate_rnd+bitexact:in_range=tv:out_range=tv,format=yuv422p10le,"
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
)
PRORES_HQ = ("-c:v", "prores_ks", "-profile:v", "3", "-vendor", "apl0", "-threads:v", "1", "-flags:v", "+bitexact")
PLAIN_KEYS = frozenset({"title", "artist", "album", "comment", "copyright", "date", "description", "genre", "synopsis"})


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    container: Literal["mp4", "mov"] = "mp4"
    recode: Literal["prores-422-hq"] | None = None
    audio: AudioSettings
    edit_list: Literal["allowed", "none"] = "allowed"
    frames: int = Field(gt=0)
    rate: str
    samples: int = Field(gt=0)
    metadata: dict[str, str] = {}


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    _check_inputs(params, inputs["picture"], inputs["mix"])
    part = out / "_film.part"
    run_ffmpeg([*_arguments(params, inputs), str(part)])
    _check_presented(params, part)
    film = out / f"film.{params.container}"
    part.rename(film)
    facts = probe_video(film)
    return {**facts.as_facts(), "size": facts.size, "audio_bit_rate": facts.audio[0].bit_rate}


def _check_inputs(params: Params, picture: Path, mix: Path) -> None:
    facts = probe_video(picture)
    if facts.frames != params.frames or facts.rate != Fraction(params.rate):
        raise MediaError(
            f"{picture} has {facts.frames} frames at {facts.rate}, not {params.frames} at {params.rate}",
            remedy="stitch the picture again",
        )
    found, rate = count_samples(mix)
    if (found, rate) != (params.samples, params.audio.sample_rate):
        raise MediaError(
            f"{mix} has {found} samples at {rate} Hz, not {params.samples} at {params.audio.sample_rate}",
            remedy="make the mix again",
        )
    length = params.frames / Fraction(params.rate)
    if abs(params.samples - length * params.audio.sample_rate) > Fraction(1, 2):
        raise MediaError(f"{params.samples} samples of sound do not last as long as {params.frames} frames")


def count_samples(path: Path) -> tuple[int, int]:
    """(samples per channel, sample rate) of an uncompressed sound file."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate = stream.codec_context.sample_rate
            ticks = sum(packet.duration or 0 for packet in container.demux(stream))
            return round(ticks * (stream.time_base or Fraction(1, rate)) * rate), rate
    except (av.error.FFmpegError, IndexError) as error:
        raise MediaError(f"{path} is not a sound file that can be read", remedy="make the mix again") from error


def _arguments(params: Params, inputs: Mapping[str, Path]) -> list[str]:
    flags = ["+faststart"]
    if params.edit_list == "none":
        flags.append("+negative_cts_offsets")
    if not PLAIN_KEYS.issuperset(params.metadata):
        flags.append("+use_metadata_tags")  # without it ffmpeg drops unknown keys silently
    arguments = ["-threads", "1", "-i", str(inputs["picture"]), "-i", str(inputs["mix"])]
    arguments += ["-map", "0:v:0", "-map", "1:a:0", "-dn", "-sn"]
    arguments += [*_picture_arguments(params), *_sound_arguments(params)]
    arguments += ["-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"]
    for key, value in sorted(params.metadata.items()):
        arguments += ["-metadata", f"{key}={value}"]
    arguments += ["-movie_timescale", str(MOVIE_TICKS), "-movflags", "".join(flags)]
    if params.edit_list == "none":
        arguments += ["-use_editlist", "0"]
    return [*arguments, "-write_tmcd", "0", "-f", params.container]


def _picture_arguments(params: Params) -> list[str]:
    if params.recode is None:
        return ["-c:v", "copy"]
    rate = Fraction(params.rate)
    ticks = rate.numerator * (512 if rate.denominator == 1 else 1)
    clock = ["-r", params.rate, "-fps_mode", "cfr", "-video_track_timescale", str(ticks)]
    return ["-filter_threads", "1", "-vf", RAISE, *PRORES_HQ, *clock]


def _sound_arguments(params: Params) -> list[str]:
    audio = params.audio
    sound = ["-c:a", audio.codec, "-ar", str(audio.sample_rate), "-ac", str(audio.channels)]
    if audio.codec != "aac":
        return sound
    # A padded tail would be heard as length: the last packet's surplus is cut by its edit.
    sound += ["-b:a", f"{audio.bitrate_kbps}k"]
    if params.edit_list == "none":
        # The delay is taken off the mix instead, so that what is heard still falls on the picture.
        sound += ["-af", f"atrim=start_sample={PRIMING_SAMPLES},asetpts=N/SR/TB"]
    return sound


def _check_presented(params: Params, film: Path) -> None:
    movie = read_movie(film)
    tracks: dict[str, Track] = {track.handler: track for track in movie.tracks} if movie else {}
    if set(tracks) != {"vide", "soun"}:
        raise MediaError(f"the encoded film has the tracks {sorted(tracks)}, not one picture and one sound")
    wanted = {
        "vide": (Fraction(0), params.frames / Fraction(params.rate)),
        "soun": (Fraction(0), Fraction(params.samples, params.audio.sample_rate)),
    }
    for handler, track in tracks.items():
        start, seconds = track.presented
        late = abs(start - wanted[handler][0]), abs(seconds - wanted[handler][1])
        # Without edit lists the last AAC packet is heard whole, up to 1,024 samples more.
        room = Fraction(PRIMING_SAMPLES, params.audio.sample_rate) if params.edit_list == "none" else Fraction(0)
        if late[0] or late[1] > (room if handler == "soun" else 0):
            raise MediaError(
                f"the {handler} track presents {float(seconds):.6f} s from {float(start):.6f} s, "
                f"not {float(wanted[handler][1]):.6f} s from 0"
            )
