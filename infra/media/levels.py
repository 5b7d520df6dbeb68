"""Levels of sound held in memory: loudness after ITU-R BS.1770-4, true peak, filters, compressor and limiter.

Everything is plain numpy and looks both ways in time, so a repeated run gives the same samples. What is delivered is
measured again by `loudness` and `verify`, which do not use this module.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from infra.media.pcm import RATE, Samples

Curve = npt.NDArray[np.float64]  # one value a sample
Stage = tuple[float, float, float, float, float]  # b0 b1 b2 / a1 a2 of a filter

# K-weighting at 48 kHz, from the recommendation's tables 1 and 2
_SHELF = (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585)
_LOW_CUT = (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621)
_OFFSET = -0.691
_PHASES = 4  # oversampling
_TAPS = 24  # on each side of an interpolated sample


def from_db(value: float) -> float:
    return float(10 ** (value / 20))


def _biquad(sound: Samples, *stages: Stage) -> Samples:
    """Second-order sections, applied to the spectrum: exact, and no loop over samples."""
    length = len(sound) + RATE // 2  # room for the filters to ring out
    size = min(m << max((-(-length // m) - 1).bit_length(), 1) for m in (1, 3, 5, 9, 15))  # lengths that FFTs like
    response = _response(size, stages)
    out = np.empty_like(sound)
    for channel in range(sound.shape[1]):
        out[:, channel] = np.fft.irfft(np.fft.rfft(sound[:, channel], size) * response, size)[: len(sound)]
    return out


@lru_cache(maxsize=4)
def _response(size: int, stages: tuple[Stage, ...]) -> npt.NDArray[np.complex128]:
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    response: npt.NDArray[np.complex128] = np.ones_like(z)
    for b0, b1, b2, a1, a2 in stages:
        response *= (b0 + b1 * z + b2 * z * z) / (1 + a1 * z + a2 * z * z)
    return response


def highpass(sound: Samples, hertz: float) -> Samples:
    """Butterworth, 12 dB an octave."""
    w = 2 * np.pi * hertz / RATE
    alpha = np.sin(w) / np.sqrt(2)
    a0 = 1 + alpha
    b = float((1 + np.cos(w)) / 2 / a0)
    return _biquad(sound, (b, -2 * b, b, float(-2 * np.cos(w) / a0), float((1 - alpha) / a0)))


def k_power(sound: Samples) -> Curve:
    """K-weighted power of every sample, summed over the channels."""
    weighted = _biquad(sound, _SHELF, _LOW_CUT)
    power: Curve = np.sum(weighted * weighted, axis=1)
    return power


def loudness(sound: Samples) -> float | None:
    """Integrated, gated LUFS; None when nothing passes the gate. Shorter than one block: measured as if repeated."""
    block, hop = RATE * 2 // 5, RATE // 10
    if len(sound) == 0 or not sound.any():
        return None
    if len(sound) < block:
        sound = np.tile(sound, (block // len(sound) + 2, 1))
    sums = np.concatenate([[0.0], np.cumsum(k_power(sound))])
    starts = np.arange(0, len(sound) - block + 1, hop)
    power = np.maximum((sums[starts + block] - sums[starts]) / block, 1e-20)
    level = _OFFSET + 10 * np.log10(power)
    heard = power[level > -70]
    if not len(heard):
        return None
    gate = _OFFSET + 10 * np.log10(heard.mean()) - 10
    return float(_OFFSET + 10 * np.log10(power[(level > -70) & (level > gate)].mean()))


def peak_curve(sound: Samples) -> Curve:
    """The true peak around each sample, over all channels, from fourfold oversampling."""
    peaks: Curve = np.abs(sound).max(axis=1, initial=0.0)
    taps = np.arange(-_TAPS, _TAPS)
    for phase in range(1, _PHASES):
        offset = taps + phase / _PHASES
        kernel = np.sinc(offset) * np.kaiser(2 * _TAPS, 8.0)
        kernel /= kernel.sum()
        for channel in range(sound.shape[1]):
            between = np.abs(np.convolve(sound[:, channel], kernel)[_TAPS - 1 : _TAPS - 1 + len(sound)])
            np.maximum(peaks, between, out=peaks)  # it lies between two samples: charged to both
            np.maximum(peaks[1:], between[:-1], out=peaks[1:])
    return peaks


def true_peak(sound: Samples) -> float:
    """As a ratio to full scale."""
    return float(peak_curve(sound).max(initial=0.0))


def limit(sound: Samples, peaks: Curve, ceiling: float, *, attack: float = 0.005, release: float = 60.0) -> Samples:
    """Lowers what would pass `ceiling` (a ratio): from `attack` seconds before, coming back by `release` dB a second.

    `peaks` is `peak_curve(sound)`.
    """
    if float(peaks.max(initial=0.0)) <= ceiling:
        return sound
    wanted = 20 * np.log10(np.minimum(1.0, ceiling / np.maximum(peaks, 1e-12)))
    slope = np.arange(len(sound)) * (release / RATE)
    recovered = np.minimum(np.minimum.accumulate(wanted - slope) + slope, 0.0)
    # Each smoothed value averages minima that all look as far as that sample: it cannot be above what is wanted there.
    ahead = int(attack * RATE)
    lowest = _sliding_minimum(recovered, ahead)
    weights = np.hanning(ahead + 2)[1:]
    weights /= weights.sum()
    smooth = np.convolve(np.pad(lowest, (len(weights) - 1, 0), mode="edge"), weights, mode="valid")
    return sound * (10 ** (np.minimum(smooth, 0.0) / 20))[:, None]


def _sliding_minimum(values: Curve, ahead: int) -> Curve:
    """Minimum over [n, n + ahead]: van Herk's two passes, whatever the width."""
    width = ahead + 1
    blocks = -(-(len(values) + ahead) // width)
    padded = np.full(blocks * width, np.inf)
    padded[: len(values)] = values
    grid = padded.reshape(blocks, width)
    forward = np.minimum.accumulate(grid, axis=1).ravel()
    backward = np.minimum.accumulate(grid[:, ::-1], axis=1)[:, ::-1].ravel()
    lowest: Curve = np.minimum(backward[: len(values)], forward[ahead : ahead + len(values)])
    return lowest


def compress(sound: Samples, *, threshold: float = -22.0, ratio: float = 3.0) -> Samples:
    """Evens out a voice: levels above `threshold` (dBFS) by `ratio`, 5 ms attack, 120 ms release."""
    step = RATE // 1000
    count = -(-len(sound) // step)
    padded = np.zeros(count * step)
    padded[: len(sound)] = np.mean(sound * sound, axis=1)
    level = 10 * np.log10(padded.reshape(count, step).mean(axis=1) + 1e-12)
    wanted = np.maximum(level - threshold, 0.0) * (1 - 1 / ratio)
    attack, release = np.exp(-1 / 5), np.exp(-1 / 120)
    reduction = np.empty(count)
    now = 0.0
    for index, value in enumerate(wanted):  # one turn a millisecond, not a sample
        keep = attack if value > now else release
        now = keep * now + (1 - keep) * value
        reduction[index] = now
    curve = np.interp(np.arange(len(sound)), (np.arange(count) + 0.5) * step, reduction)
    return sound * (10 ** (-curve / 20))[:, None]


def sounding(sound: Samples, *, below_peak: float = 40.0, bridge: float = 0.6) -> list[tuple[int, int]]:
    """Half-open sample ranges in which there is sound: 10 ms windows within `below_peak` dB of the loudest one,
    with pauses shorter than `bridge` seconds counted as sound."""
    step = RATE // 100
    count = -(-len(sound) // step)
    padded = np.zeros(count * step)
    padded[: len(sound)] = np.max(np.abs(sound), axis=1)
    windows = np.sqrt((padded * padded).reshape(count, step).mean(axis=1))
    if not windows.any() or windows.max() < from_db(-70):
        return []
    active = np.flatnonzero(windows > windows.max() * from_db(-below_peak))
    ranges: list[tuple[int, int]] = []
    for index in active.tolist():
        start, end = index * step, min((index + 1) * step, len(sound))
        if ranges and start - ranges[-1][1] < bridge * RATE:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))
    return ranges
