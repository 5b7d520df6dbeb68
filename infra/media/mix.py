"""The stems together at delivery loudness: voice, effects and music placed on the sample, ducked, limited, measured.

Levels before the final gain: a line of speech -18 LUFS, so nothing else has to be set against a moving voice. A gain of
0 dB on music means -10 LUFS, a loud commercial master: -14 makes a bed of -24, and 8 of ducking -32 under speech. A
gain of 0 dB on a levelled effect means -22 LUFS. Effects give way by half of what the music does.

Where a placement shows the film's frames faster, every sound is as much faster at its own pitch: each by itself, so
that all of them still begin on their sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.errors import MediaError
from infra.media.levels import (
    Curve,
    compress,
    from_db,
    highpass,
    k_power,
    limit,
    loudness,
    peak_curve,
    sounding,
    true_peak,
)
from infra.media.loudness import measure_loudness
from infra.media.pcm import RATE, Samples, read_pcm, write_wav

VOICE_LUFS = -18.0
VOICE_PEAK = -8.0  # dBTP of a line at that level
MUSIC_LUFS = -10.0
EFFECT_LUFS = -22.0
LOSSY_MARGIN = 1.0  # dB that AAC may add to a peak (measured: 0.5 and 0.8 at 192k and more, 0.7 at 128k)
MOST_LIMITING = 20.0  # dB
DUCK_LEAD, DUCK_FALL, DUCK_RISE = 0.05, 0.25, 0.5  # seconds: down before the word, and how long it takes
DUCK_BRIDGE = 1.0  # a shorter pause keeps the bed down: it would only pump
CUT_FADE = 0.04  # at the end of an effect that is longer than its place
END_FADE = 0.005  # the film's very end

Start = Annotated[int, Field(ge=0)]
Range = tuple[int, int]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Part):
    input: str
    start: Start


class Effect(_Part):
    """`level` false: the gain applies to the file as it is, for sounds that the user made and levelled."""

    input: str
    start: Start
    samples: Annotated[int, Field(gt=0)]
    gain: Decimal
    level: bool = True


class Music(_Part):
    input: str
    in_seconds: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    gain: Decimal
    duck_by: Annotated[Decimal, Field(ge=0, le=40)] = Decimal(0)
    fade_in: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    fade_out: Annotated[Decimal, Field(ge=0)] = Decimal(0)


class Params(_Part):
    samples: Annotated[int, Field(gt=0)]
    sample_rate: Literal[48000] = 48000
    speed: str = Field(default="1", pattern=r"^[1-9][0-9]{0,4}(/[1-9][0-9]{0,4})?$")  # 25/24: 4.2 % faster
    integrated: Decimal
    true_peak: Decimal
    lines: tuple[Line, ...] = ()
    effects: tuple[Effect, ...] = ()
    music: Music | None = None

    @property
    def tempo(self) -> float:
        return float(Fraction(self.speed))

    @model_validator(mode="after")
    def _check_speed(self) -> Self:
        if not 0.5 <= self.tempo <= 2:
            raise ValueError(f"a speed of {self.speed} is not heard as the same sound")
        return self


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    """Writes mix.wav (24 bit) and voice.wav, effects.wav, music.wav (float): stems at mix level, before the limiter."""
    voice, spoken = _place_lines(params, inputs)
    depth = float(params.music.duck_by) if params.music else 0.0
    shape = duck_shape(spoken, params.samples)
    effects = _place_effects(params, inputs) * (10 ** (-depth / 2 * shape / 20))[:, None]
    music = _place_music(params, inputs) * (10 ** (-depth * shape / 20))[:, None]
    stems = {"voice": voice, "effects": effects, "music": music}
    tail = _ramp(params.samples, int(END_FADE * RATE))[::-1, None]
    total = np.zeros((params.samples, 2))
    for stem in stems.values():
        stem *= tail
        total += stem
    gain, mix = _to_target(total, float(params.integrated), float(params.true_peak) - LOSSY_MARGIN)
    for name, stem in stems.items():
        write_wav(out / f"{name}.wav", stem * from_db(gain), sample="float32")
    write_wav(out / "mix.wav", mix)
    # By ffmpeg, from the file: what steered the gain must not be what says that it is right.
    heard = measure_loudness(out / "mix.wav")
    return {
        "samples": len(mix),
        "lufs": None if heard.silent else round(heard.integrated, 2),
        "true_peak": None if heard.silent else heard.true_peak,
        "gain": round(gain, 2),
        "limited": round(_reduction(total * from_db(gain), mix), 2),
        "speech": [{"start": a, "end": b} for a, b in spoken],
        "ducking": {"by": str(depth), "lead_seconds": DUCK_LEAD, "fall_seconds": DUCK_FALL, "rise_seconds": DUCK_RISE},
        "voice_over_bed": _voice_over_bed(voice, effects + music, spoken),
    }


def _read(params: Params, path: Path) -> Samples:
    return read_pcm(path, channels=2, tempo=f"{params.tempo:.9f}")


def _place_lines(params: Params, inputs: Mapping[str, Path]) -> tuple[Samples, list[Range]]:
    stem = np.zeros((params.samples, 2))
    spoken: list[Range] = []
    for line in params.lines:
        sound = highpass(_read(params, inputs[line.input]), 90)
        ranges = sounding(sound)
        if not ranges:
            raise MediaError(f"the line {line.input!r} is silent", remedy="make the line again")
        over = line.start + ranges[-1][1] - params.samples
        if over > 0:
            raise MediaError(
                f"the line {line.input!r} is still speaking {over / RATE:.2f} s after the end of the film",
                remedy="start it earlier, shorten its text, or give its shot more time",
            )
        sound = _level(compress(_level(sound, VOICE_LUFS)), VOICE_LUFS)
        # Its hardest consonants are held here: left to the last limiter they would press the whole mix down.
        sound = _level(limit(sound, peak_curve(sound), from_db(VOICE_PEAK)), VOICE_LUFS)
        _add(stem, sound, line.start)
        spoken.extend((line.start + a, line.start + b) for a, b in ranges)
    return stem, sorted(spoken)


def _place_effects(params: Params, inputs: Mapping[str, Path]) -> Samples:
    stem = np.zeros((params.samples, 2))
    for effect in params.effects:
        sound = _read(params, inputs[effect.input])
        if effect.level:
            sound = _level(sound, EFFECT_LUFS)
        room = min(effect.samples, params.samples - effect.start)
        if room <= 0:
            raise MediaError(
                f"the effect {effect.input!r} begins after the end of the film", remedy="give it an earlier cue"
            )
        if len(sound) > room:
            sound = sound[:room] * _ramp(room, int(CUT_FADE * RATE))[::-1, None]
        _add(stem, sound * from_db(float(effect.gain)), effect.start)
    return stem


def _place_music(params: Params, inputs: Mapping[str, Path]) -> Samples:
    stem = np.zeros((params.samples, 2))
    music = params.music
    if music is None:
        return stem
    sound = _level(_read(params, inputs[music.input]), MUSIC_LUFS)
    second = RATE / params.tempo  # of the music's own time
    first = int(float(music.in_seconds) * second)
    if first >= len(sound):
        raise MediaError(
            f"the music is {len(sound) / second:.1f} s long and is to begin {music.in_seconds} s into it",
            remedy="lower `in`, or give a longer file",
        )
    used = sound[first : first + params.samples] * from_db(float(music.gain))
    used = used * _ramp(len(used), int(float(music.fade_in) * second))[:, None]
    # Music that runs out before the film does is faded where it ends, never chopped.
    fade_out = max(int(float(music.fade_out) * second), int(CUT_FADE * RATE))
    _add(stem, used * _ramp(len(used), fade_out)[::-1, None], 0)
    return stem


def _level(sound: Samples, target: float) -> Samples:
    level = loudness(sound)
    return sound if level is None else sound * from_db(target - level)


def _add(stem: Samples, sound: Samples, start: int) -> None:
    end = min(start + len(sound), len(stem))
    stem[start:end] += sound[: end - start]


def _ramp(length: int, fade: int) -> Curve:
    """Equal-power rise from silence over `fade` samples, then 1."""
    curve = np.ones(length)
    fade = min(fade, length)
    curve[:fade] = np.sin(np.arange(fade) / max(fade, 1) * np.pi / 2)
    return curve


def duck_shape(spoken: list[Range], samples: int) -> Curve:
    """0 where the bed is free, 1 under speech; fully 1 from `DUCK_LEAD` before the first sound to the last one."""
    merged: list[Range] = []
    for start, end in spoken:
        if merged and start - merged[-1][1] < DUCK_BRIDGE * RATE:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    shape = np.zeros(samples)
    time = np.arange(samples)
    for start, end in merged:
        down = np.clip((time - (start - (DUCK_LEAD + DUCK_FALL) * RATE)) / (DUCK_FALL * RATE), 0, 1)
        up = np.clip((end + DUCK_RISE * RATE - time) / (DUCK_RISE * RATE), 0, 1)
        np.maximum(shape, np.minimum(down, up), out=shape)
    return 0.5 - 0.5 * np.cos(np.pi * shape)


def _to_target(total: Samples, integrated: float, ceiling_db: float) -> tuple[float, Samples]:
    """Gain, limit, measure, until the loudness is right: the limiter takes some away. Silence stays silence."""
    level = loudness(total)
    if level is None:
        return 0.0, total
    peaks, ceiling = peak_curve(total), from_db(ceiling_db)
    # Clicks in silence can be too short for any loudness: past this they would only be crushed. `verify` judges then.
    most = ceiling_db - 20 * np.log10(peaks.max()) + MOST_LIMITING
    gain = min(integrated - level, most)
    slope, before = 1.0, (gain, level)  # LU gained for a dB: less than one once the limiter works
    for _ in range(10):
        ratio = from_db(gain)
        mix = limit(total * ratio, peaks * ratio, ceiling)
        reached = loudness(mix)
        if reached is None or abs(integrated - reached) < 0.02 or (reached < integrated and gain >= most):
            break
        if gain != before[0]:
            slope = min(max((reached - before[1]) / (gain - before[0]), 0.25), 1.0)
        before = (gain, reached)
        gain = min(gain + (integrated - reached) / slope, most)
    over = true_peak(mix) / ceiling  # the limiter's own curve can lift a peak between samples by a hair
    return gain, mix / over if over > 1 else mix


def _reduction(before: Samples, after: Samples) -> float:
    """The most that the limiter took away, in dB."""
    loud = np.abs(before).max(axis=1)
    heard = loud > 0.05
    if not heard.any():
        return 0.0
    return float(-20 * np.log10((np.abs(after).max(axis=1)[heard] / loud[heard]).min()))


def _voice_over_bed(voice: Samples, bed: Samples, spoken: list[Range]) -> float | None:
    """dB by which speech stands above effects and music while someone speaks; None without either."""
    if not spoken or not bed.any():
        return None
    mask = np.zeros(len(voice), dtype=bool)
    for start, end in spoken:
        mask[start:end] = True
    return round(float(10 * np.log10(k_power(voice)[mask].mean() / max(k_power(bed)[mask].mean(), 1e-20))), 2)
