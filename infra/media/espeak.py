"""Speech from espeak-ng through `espeakng-loader`: the backlot's voice, with the time of every word.

The library runs in a process of its own, one utterance each: a second utterance in the same process has other bytes,
and a GPL library stays behind a process border. Intelligible and plainly synthetic; a scratch track, never a delivery.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import re
import subprocess
import sys
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import MediaError, ProgramMissingError

SAMPLE_RATE = 22050
_REMEDY = "install the voice extra: pip install 'shotrunner[voice]'"
# Measured for clear consonants and an even pace: a medium pitch, a wide range, a little air between words.
_PITCH, _RANGE, _GAP, _VOLUME = 44, 62, 1, 100
_UNKNOWN_LANGUAGE, _NO_DATA = 3, 4


@dataclass(frozen=True)
class WordTiming:
    """A word as written, with its place in the text (characters from 0) and its seconds from the start of the sound."""

    word: str
    position: int
    start: float
    end: float


def speak(
    text: str, language: str, out: Path, *, voice_variant: str = "", words_per_minute: int = 165
) -> list[WordTiming]:
    """Writes `out`, a 22050 Hz mono wav, and returns its words in order. Same call, same bytes.

    `language` is a tag such as `en-GB`, `de` or `pt-BR`; `voice_variant` one of espeak's, such as `f3` or `Annie`.
    Raises ProgramMissingError without the library, MediaError for a language it does not speak.
    """
    if importlib.util.find_spec("espeakng_loader") is None:
        raise ProgramMissingError("espeak-ng is not installed", remedy=_REMEDY)
    if not text.strip():
        raise MediaError("there is nothing to say", remedy="give the line a text")
    job = {"text": text, "language": language, "variant": voice_variant, "pace": words_per_minute, "out": str(out)}
    child = subprocess.run(
        [sys.executable, "-m", "infra.media.espeak"],
        input=json.dumps(job).encode(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    if child.returncode == _UNKNOWN_LANGUAGE:
        voice = f"{language}+{voice_variant}" if voice_variant else language
        raise MediaError(f"espeak-ng has no voice for {voice!r}", remedy="use a language tag such as en-GB, de or ja")
    if child.returncode == _NO_DATA:
        raise ProgramMissingError("espeak-ng did not find its data files", remedy=_REMEDY)
    if child.returncode != 0:
        raise MediaError(f"espeak-ng failed: {child.stderr.decode(errors='replace').strip()[-300:]}")
    told = json.loads(child.stdout)
    return place_words(text, [(e[0], e[1], e[2]) for e in told["events"]], told["seconds"])


def place_words(text: str, events: Sequence[tuple[int, int, float]], seconds: float) -> list[WordTiming]:
    """Maps espeak's word events (position from 0, length, seconds) onto the words between blanks.

    Numbers come as several events, some of them repeats inside the span of one before: those are dropped.
    Words that were spoken together ("to be") have one event and share its time by their length. Times never
    run backwards.
    """
    kept: list[tuple[int, float]] = []
    reached = -1
    for position, length, at in events:
        if position >= reached and (not kept or at >= kept[-1][1]):
            kept.append((position, at))
            reached = position + max(1, length)
    groups: list[tuple[float, list[re.Match[str]]]] = []
    for word in re.finditer(r"\S+", text):
        start = next((at for position, at in kept if word.start() <= position < word.end()), None)
        if start is not None or not groups:
            groups.append((start or 0.0, []))
        groups[-1][1].append(word)
    timings: list[WordTiming] = []
    for (start, words), end in zip(groups, [*(g[0] for g in groups[1:]), seconds], strict=True):
        letters = sum(len(word.group()) for word in words)
        at = start
        for word in words:
            until = at + max(0.0, end - start) * len(word.group()) / letters
            timings.append(WordTiming(word.group(), word.start(), round(at, 3), round(until, 3)))
            at = until
    return timings


# --- the child process ---


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def _choose_voice(library: Any, language: str, variant: str) -> bool:
    """By name, then by language. An unknown name leaves the voice before it active, so the status decides."""
    tail = f"+{variant}" if variant else ""
    tag = language.lower().replace("_", "-")
    for name in (tag, tag.split("-")[0]):
        if library.espeak_SetVoiceByName(f"{name}{tail}".encode()) == 0:
            return True
    if variant:
        return False
    wanted = _Voice(languages=tag.encode())
    return bool(library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) == 0)


def _child() -> int:
    import espeakng_loader

    job = json.loads(sys.stdin.buffer.read())
    library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
    # Without its data the library may still answer 0: only the expected rate counts as a start (0x8000: never exit()).
    data = Path(espeakng_loader.get_data_path())
    if not data.is_dir() or library.espeak_Initialize(2, 200, str(data).encode(), 0x8000) != SAMPLE_RATE:
        return _NO_DATA
    samples = array("h")
    events: list[tuple[int, int, float]] = []

    def heard(wav: Any, count: int, event: Any) -> int:
        if wav and count > 0:
            samples.extend(wav[:count])
        at = 0
        while event[at].type != 0:
            if event[at].type == 1:
                events.append((event[at].text_position - 1, event[at].length, event[at].audio_position / 1000))
            at += 1
        return 0

    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
    callback = kind(heard)
    library.espeak_SetSynthCallback(callback)
    # An unknown variant would be passed over in silence.
    known = {path.name for path in (data / "voices" / "!v").iterdir()}
    if job["variant"] and job["variant"] not in known:
        return _UNKNOWN_LANGUAGE
    if not _choose_voice(library, job["language"], job["variant"]):
        return _UNKNOWN_LANGUAGE
    for parameter, value in ((1, job["pace"]), (2, _VOLUME), (3, _PITCH), (4, _RANGE), (7, _GAP)):
        library.espeak_SetParameter(parameter, value, 0)
    # Breathy variants draw random numbers, which are otherwise seeded from the clock.
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    text = job["text"].encode()
    # 1: UTF-8; 0x1000: pause at the end of a sentence
    library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, 1 | 0x1000, None, None)
    library.espeak_Synchronize()
    with wave.open(job["out"], "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(samples.tobytes())
    sys.stdout.write(json.dumps({"events": events, "seconds": len(samples) / SAMPLE_RATE}))
    return 0


if __name__ == "__main__":
    sys.exit(_child())
