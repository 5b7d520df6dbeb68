"""Makes what a job asks for, with the project's own media code: the one place here that knows its functions.

Runs in the child process only. Each kind imports what it needs: a line of speech must not wait for a picture library.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.backlot.jobs import pack_sound
from infra.media.ffmpeg import run_ffmpeg

_CODECS = {
    "wav": ("pcm_s16le", "wav"),
    "pcm": ("pcm_s16le", "s16le"),
    "mp3": ("libmp3lame", "mp3"),
    "opus": ("libopus", "ogg"),
    "ulaw": ("pcm_mulaw", "mulaw"),
    "alaw": ("pcm_alaw", "alaw"),
}
_BITEXACT = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")


def make_film(job: Mapping[str, Any], media: Path, work: Path) -> Path:
    """Carries out one job in the folder `work` and returns the file made. `media` holds inputs by sha256."""
    match job["make"]:
        case "take":
            return _film_take(job, media, work)
        case "still":
            return _paint(job, media, work)
        case "speech":
            return _speak_line(job, work)
        case "effect":
            return _make_effect(job, work)
        case other:
            raise ValueError(f"nothing makes {other!r}")


def _film_take(job: Mapping[str, Any], media: Path, work: Path) -> Path:
    from infra.media.animatic import AnimaticRequest, film

    width, height, out = job["width"], job["height"], work / "take.mp4"
    if job["flaw"] == "black":
        return _hold_frame(job, None, work)
    image = media / job["image"] if job["image"] else _paint({**job, "references": []}, media, work)
    if job["flaw"] == "frozen":
        return _hold_frame(job, image, work)
    if job["flaw"] == "wrong-size":
        width, height = width // 4 * 2, height // 4 * 2
    request = AnimaticRequest(
        image=image,
        width=width,
        height=height,
        seconds=job["seconds"],
        prompt=job["prompt"],
        model=job["model"],
        seed=job["seed"],
        rate=job["rate"],
    )
    film(request, out)
    return out


def _hold_frame(job: Mapping[str, Any], image: Path | None, work: Path) -> Path:
    """The flawed takes: one picture, or black, for the whole length."""
    from PIL import Image

    width, height, out, held = job["width"], job["height"], work / "held.mp4", work / "held.png"
    if image is None:
        Image.new("RGB", (width, height)).save(held)
    else:
        with Image.open(image) as picture:
            picture.convert("RGB").save(held)
    cover = f"scale={width}:{height}:force_original_aspect_ratio=increase,crop={width}:{height},format=yuv420p"
    args = ["-loop", "1", "-framerate", job["rate"], "-i", str(held), "-t", str(job["seconds"]), "-vf", cover]
    encoder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-threads", "1", "-flags:v", "+bitexact"]
    run_ffmpeg([*args, *encoder, "-fflags", "+bitexact", "-movflags", "+faststart", str(out)], seconds=600)
    return out


def _paint(job: Mapping[str, Any], media: Path, work: Path) -> Path:
    from infra.media.plate import paint_still

    out = work / "still.png"
    references = [(entry["tag"], media / entry["sha256"]) for entry in job["references"]]
    paint_still(job["prompt"], references, job["width"], job["height"], job["seed"], out)
    return out


def _speak_line(job: Mapping[str, Any], work: Path) -> Path:
    from infra.media.espeak import speak

    wav = work / "line.wav"
    pace = round(165 * float(job["speed"]))
    words = speak(job["text"], job["language"], wav, voice_variant=job["voice"], words_per_minute=pace)
    told = [(word.position, len(word.word), word.start, word.end) for word in words]
    return pack_sound(told, _transcode(wav, job["format"], work, channels=1), work / "packed")


def _make_effect(job: Mapping[str, Any], work: Path) -> Path:
    from infra.media.synth import make_effect

    wav = work / "effect.wav"
    make_effect(job["text"], float(job["seconds"]), job["seed"], wav)
    return pack_sound([], _transcode(wav, job["format"], work, channels=None), work / "packed")


def _transcode(wav: Path, wanted: str, work: Path, *, channels: int | None) -> Path:
    """`wanted` is the vendor's {codec}_{rate}[_{kbit}]. Headerless and telephone formats are mono."""
    codec, rate, *kbit = wanted.split("_")
    encoder, container = _CODECS[codec]
    out = work / "coded"
    count = channels if codec in ("wav", "mp3", "opus") else 1
    args = ["-i", str(wav), "-ar", rate, "-c:a", encoder, *_BITEXACT, "-threads", "1"]
    args += ["-ac", str(count)] if count else []
    args += ["-b:a", f"{kbit[0]}k"] if kbit else []
    run_ffmpeg([*args, "-f", container, str(out)], seconds=300)
    return out
