"""A quiet bed: felt piano in broken chords, a sparse melody above, a soft pad below, all in one room."""

from __future__ import annotations

import numpy as np

from infra.media.soundkit import RATE, Mono, Stereo, add_at, faded, levelled, panned, room, times

# Scale degrees (semitones from the tonic) of four-bar phrases in major, voiced close so that the hand hardly moves.
_PROGRESSIONS: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((0, 7, 14, 16), (-5, 7, 11, 14), (-3, 4, 12, 16), (-7, 5, 9, 16)),  # I(add9) · V · vi · IV(maj7)
    ((-7, 5, 9, 16), (0, 7, 12, 16), (-3, 4, 7, 12), (-5, 2, 7, 14)),  # IV(maj7) · I · vi7 · V
    ((0, 7, 12, 16), (-3, 4, 12, 14), (-7, 5, 12, 16), (-5, 2, 9, 12)),  # I · vi(add4) · IV · V(sus)
)
_PATTERNS = ((0, 1, 2, 3, 2, 1, 3, 2), (0, 2, 1, 3, 2, 3, 1, 2), (0, 1, 3, 2, 1, 2, 3, 1))
_PENTATONIC = (12, 14, 16, 19, 21, 24)


def compose_bed(samples: int, seed: int, bpm: float) -> Stereo:
    rng = np.random.default_rng([seed, 9])
    tonic = 60 + int(rng.integers(-3, 3)) - 12  # about C3
    chords = _PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))]
    pattern = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
    beat = 60 / bpm
    bars = int(np.ceil(samples / RATE / (4 * beat)))
    keys, pad = np.zeros((samples, 2)), np.zeros((samples, 2))
    cache: dict[int, Mono] = {}
    step = 2
    for bar in range(bars):
        chord = chords[bar % 4]
        begin = bar * 4 * beat
        closing = bar == bars - 1
        add_at(pad, _pad_chord([tonic + c for c in chord], 4 * beat + 1.6, rng), round(max(0.0, begin - 0.4) * RATE))
        for number, voice in enumerate(pattern):
            if (closing and number > 3) or (bar < 1 and number % 2):
                continue  # open the first bar in crotchets, let the last one ring
            loud = (0.9 if number == 0 else 0.62 if number % 2 == 0 else 0.48) * float(rng.uniform(0.9, 1.08))
            at = begin + number * beat / 2 + abs(float(rng.normal(0, 0.006)))
            _strike(keys, cache, tonic + 12 + chord[voice], loud * 0.8, at)
        _strike(keys, cache, tonic + chord[0], 0.7, begin)
        if bar % 2 == 1 and not closing:
            for where in (0.0, 1.5, 2.5) if bar % 4 == 1 else (0.5, 2.0):
                step = int(np.clip(step + rng.integers(-2, 3), 0, len(_PENTATONIC) - 1))
                _strike(keys, cache, tonic + 12 + _PENTATONIC[step], 0.72, begin + where * beat)
    mixed = room(keys + pad * 0.55, rng, seconds=2.6, amount=0.30, bright=3200)
    seconds = samples / RATE
    return levelled(faded(mixed, 0.02, min(3.0, seconds * 0.12)), rms=-22)


def _strike(target: Stereo, cache: dict[int, Mono], pitch: int, loud: float, at: float) -> None:
    if pitch not in cache:
        cache[pitch] = _felt_note(pitch)
    add_at(target, panned(cache[pitch] * loud, float(np.clip((pitch - 66) / 40, -0.4, 0.4))), round(at * RATE))


def _felt_note(pitch: int) -> Mono:
    """A hammered string: slightly stretched partials, high ones weak and short, two strings a hair apart."""
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    t = times(int(3.6 * RATE))
    sound = np.zeros(len(t))
    for k in range(1, 9):
        partial = hertz * k * np.sqrt(1 + 0.0004 * k * k)
        if partial > 6000:
            break
        amplitude = k**-1.5 * np.exp(-k * 0.28)
        decay = 0.75 + 0.42 * k + hertz / 900
        for detune in (0.9997, 1.0003):
            sound += (
                amplitude
                * np.sin(2 * np.pi * partial * detune * t + k)
                * (0.75 * np.exp(-decay * 2.6 * t) + 0.25 * np.exp(-decay * 0.8 * t))
            )
    attack = 1 - np.exp(-t / 0.0045)
    release = np.clip((t[-1] - t) / 0.4, 0, 1)
    return np.asarray(sound * attack * release * 0.3, np.float64)


def _pad_chord(pitches: list[int], seconds: float, rng: np.random.Generator) -> Stereo:
    n = int(seconds * RATE)
    t = times(n)
    total = np.zeros((n, 2))
    swell = np.clip(t / 1.4, 0, 1) ** 2 * np.clip((seconds - t) / 1.6, 0, 1) ** 2
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch + 12 - 69) / 12)
        for place in (-0.6, 0.6):
            phase = float(rng.uniform(0, 2 * np.pi))
            drift = hertz * (1 + place * 0.0022)
            tone = np.sin(2 * np.pi * drift * t + phase) + 0.25 * np.sin(4 * np.pi * drift * t + phase)
            total += panned(tone * swell * 0.035, place)
    return total
