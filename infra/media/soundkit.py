"""What synthesised sounds are made of: shaped noise, decaying partials, a room, and a plain wav of the result."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 48000
Mono = NDArray[np.float64]
Stereo = NDArray[np.float64]  # (samples, 2)


def times(samples: int) -> Mono:
    return np.arange(samples) / RATE


def noise(rng: np.random.Generator, samples: int, low: float, high: float, slope: float = 0.0) -> Mono:
    """Noise between two frequencies with soft edges and power falling as 1/f^slope; rms 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    f = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 1.0)
    shape = f ** (-slope / 2) / (1 + (low / f) ** 4) / (1 + (f / high) ** 4)
    sound = np.fft.irfft(spectrum * shape, samples)
    return np.asarray(sound / max(1e-12, float(np.sqrt(np.mean(sound**2)))), np.float64)


def slow(rng: np.random.Generator, samples: int, low: float, high: float) -> Mono:
    """A smooth random curve between low and high, wandering at about `one turn in two seconds`."""
    points = max(4, samples * 2 // RATE + 4)
    values = rng.uniform(low, high, points)
    at = np.linspace(1, points - 2.001, samples)
    base = at.astype(int)
    part = at - base
    part = part * part * (3 - 2 * part)
    return np.asarray(values[base] * (1 - part) + values[base + 1] * part, np.float64)


def partials(samples: int, parts: Sequence[tuple[float, float, float]]) -> Mono:
    """Decaying sines: (hertz, amplitude, decay per second)."""
    t = times(samples)
    total = np.zeros(samples)
    for hertz, amplitude, decay in parts:
        if hertz < RATE * 0.45:
            total += amplitude * np.sin(2 * np.pi * hertz * t) * np.exp(-decay * t)
    return total


def add_at(target: NDArray[np.float64], sound: NDArray[np.float64], start: int) -> None:
    """Lays `sound` into `target` from sample `start`; what passes the end is dropped."""
    count = min(len(sound), len(target) - start)
    if start >= 0 and count > 0:
        target[start : start + count] += sound[:count]


def panned(sound: Mono, place: float | Mono) -> Stereo:
    """Constant power, -1 left to 1 right."""
    angle = (np.asarray(place) + 1) * (np.pi / 4)
    return np.stack((sound * np.cos(angle), sound * np.sin(angle)), axis=1)


def wide(left: Mono, right: Mono) -> Stereo:
    return np.stack((left, right), axis=1)


def room(sound: Stereo, rng: np.random.Generator, *, seconds: float, amount: float, bright: float = 4500.0) -> Stereo:
    """Adds a diffuse tail: decaying noise, different left and right, dull at the top."""
    samples = int(seconds * RATE)
    t = times(samples)
    size = 1 << (len(sound) + samples - 1).bit_length()
    wet = np.empty_like(sound)
    for side in range(2):
        tail = noise(rng, samples, 180, bright) * np.exp(-6.2 * t / seconds) * np.minimum(1, t / 0.012)
        tail /= float(np.sqrt(np.sum(tail**2)))
        full = np.fft.irfft(np.fft.rfft(sound[:, side], size) * np.fft.rfft(tail, size), size)
        wet[:, side] = full[: len(sound)]
    return sound + wet * amount


def faded(sound: Stereo, fade_in: float, fade_out: float) -> Stereo:
    result = sound.copy()
    for seconds, at_end in ((fade_in, False), (fade_out, True)):
        count = min(len(sound), int(seconds * RATE))
        if count:
            curve = np.sin(np.linspace(0, np.pi / 2, count)) ** 2
            if at_end:
                result[-count:] *= curve[::-1, None]
            else:
                result[:count] *= curve[:, None]
    return result


def levelled(sound: Stereo, *, peak: float | None = None, rms: float | None = None) -> Stereo:
    """Brought to a peak or to an rms, in dBFS; never above -1 dBFS."""
    top = float(np.max(np.abs(sound)))
    if top < 1e-9:
        return sound
    if rms is not None:
        gain = 10 ** (rms / 20) / float(np.sqrt(np.mean(sound**2)))
    else:
        gain = 10 ** ((peak if peak is not None else -6.0) / 20) / top
    return sound * min(gain, 10 ** (-1 / 20) / top)


def write_wav(sound: Stereo, out: Path) -> None:
    data = np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2")
    with wave.open(str(out), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(data.tobytes())
