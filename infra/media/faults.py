"""What is wrong with a picture, from its measured series. Black, frozen, cut, letterbox may reject; the rest reviews.

The thresholds are those of the media sheet §6, found on synthetic material: tune them on real takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from infra.media.signals import LIT, Series, Signals

WHOLE_LINE, HALF_LINE = 0.9, 0.5  # shares
MOST_POPS = 3  # more of them in one take is flicker


class Fault(NamedTuple):
    code: str
    detail: str
    severity: Literal["reject", "review"]


def find_faults(signals: Signals) -> list[Fault]:
    """Everything the picture itself shows; size, rate and length are the caller's."""
    if signals.decoded == 0:
        return []
    found = [*_find_black(signals), *_find_bars(signals)]
    if signals.decoded < 3:
        return found
    pops = _find_pops(signals)
    flickers = len(pops) > MOST_POPS
    black = _black_frames(signals)
    cuts = [n for n in _cut_frames(signals) if n not in pops and not black[max(n - 1, 0) : n + 2].any()]
    found += [_at("cut", f"a hard cut at frame {n}", "reject") for n in cuts]
    found += _find_still(signals)
    lit = [n for n in pops if not flickers and not black[n - 1 : n + 1].any()]
    found += [_at("pop", f"the light jumps at frame {n}", "review") for n in lit]
    found += _find_jumps(signals, {*cuts, *pops})
    # one step of the light is no flicker, though the measure rises
    found += _find_flicker(signals, bool(black.any()) or bool(cuts) or bool(lit))
    found += _find_softening(signals, bool(cuts) or bool(black.any()))
    return found


def flicker_of(signals: Signals) -> float:
    """Root mean square of what is left of the light's logarithm after a nine-frame average."""
    light = np.log(np.maximum(signals.mean, 1.0))
    if len(light) < 9:
        return 0.0
    smooth = np.convolve(np.pad(light, 4, mode="edge"), np.full(9, 1 / 9), mode="valid")
    return float(np.sqrt(np.mean((light - smooth)[4:-4] ** 2))) if len(light) > 8 else 0.0


def running_median(series: Series, reach: int = 6) -> Series:
    """Over ±reach neighbours, the value itself left out; ends use what there is."""
    medians = np.empty_like(series)
    for i in range(len(series)):
        near = np.concatenate([series[max(0, i - reach) : i], series[i + 1 : i + reach + 1]])
        medians[i] = np.median(near) if len(near) else series[i]
    return medians


def _at(code: str, detail: str, severity: Literal["reject", "review"]) -> Fault:
    return Fault(code, detail, severity)


def _runs(marks: np.ndarray) -> Iterator[tuple[int, int]]:
    """Half-open ranges of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _black_frames(signals: Signals) -> np.ndarray:
    marks: np.ndarray = (signals.mean < 24) & (signals.spread < 4)
    return marks


def _find_black(signals: Signals) -> Iterator[Fault]:
    for start, stop in _runs(_black_frames(signals)):
        yield _at("black", f"black from frame {start} to {stop - 1}", "reject")


def _find_bars(signals: Signals) -> Iterator[Fault]:
    """Dark edges that no frame ever lights and that end in a straight line: in pairs they are a letterbox.

    A product on black has dark edges too, but no line where they end.
    """
    for name, series, shares in (
        ("rows", signals.rows, signals.row_shares),
        ("columns", signals.columns, signals.column_shares),
    ):
        (first, first_line), (last, last_line) = _bar(series, shares), _bar(series[::-1], shares[::-1])
        if min(first, last) > 4 and min(first_line, last_line) > WHOLE_LINE:
            yield _at("letterbox", f"black bars: {first} and {last} of {len(series)} {name}", "reject")
        elif max(first * (first_line > HALF_LINE), last * (last_line > HALF_LINE)) > 4:
            yield _at("border", f"a black edge: {max(first, last)} of {len(series)} {name}", "review")


def _bar(series: Series, shares: Series) -> tuple[int, float]:
    """How many lines are dark, and how much of the first lit one is lit."""
    dark = int(np.argmax(series > LIT)) if (series > LIT).any() else 0
    behind = min(dark + 1, len(series) - 1)  # one line of the small picture may straddle the edge
    sharp = dark and series[behind] - series[dark - 1] > 25
    return (dark, float(shares[behind])) if sharp else (0, 0.0)


def _cut_frames(signals: Signals) -> list[int]:
    left = signals.residual
    medians = running_median(left[1:])
    hits = (left[1:] > 3 * medians + 2) & (left[1:] > 6) & (signals.residual_share[1:] > 0.85)
    # A step of exposure spreads as widely: there the structure stays.
    hits &= signals.likeness[1:] < 0.9
    return [int(n) + 1 for n in np.flatnonzero(hits)]


def _find_still(signals: Signals) -> Iterator[Fault]:
    """Held frames in a moving take, and takes in which nothing moves at all."""
    change = signals.change[1:]
    median = float(np.median(change))
    black = _black_frames(signals)[1:]
    if median < 0.15 and float(np.median(signals.motion[1:])) < 0.02:
        if float(np.median(signals.change_widest[1:])) < 0.5:
            yield _at("frozen", "nothing moves anywhere in the take", "reject")
        else:
            yield _at("static", "nothing but a small part of the picture moves", "review")
        return
    held = (change < 0.30) & (change < 0.12 * median) & ~black
    for start, stop in _runs(held):
        if stop - start >= 2:
            yield _at("frozen", f"held from frame {start} to {stop}", "reject")
        else:
            yield _at("duplicate", f"frame {stop} repeats the one before", "review")


def _find_pops(signals: Signals) -> list[int]:
    steps = np.diff(np.log(np.maximum(signals.mean, 1.0)))
    odd = np.abs(steps - running_median(steps)) > 0.045
    return [int(n) + 1 for n in np.flatnonzero(odd & (signals.likeness[1:] >= 0.9))]


def _find_jumps(signals: Signals, taken: set[int]) -> Iterator[Fault]:
    left, widest = signals.residual[1:], signals.residual_widest[1:]
    jumps = left > 1.8 * running_median(left) + 0.8
    local = widest > 2.5 * running_median(widest) + 8
    for n in (int(i) + 1 for i in np.flatnonzero(jumps)):
        if not taken & {n - 1, n, n + 1}:
            yield _at("jump", f"the picture skips at frame {n}", "review")
    for n in (int(i) + 1 for i in np.flatnonzero(local & ~jumps)):
        if not taken & {n - 1, n, n + 1}:
            yield _at("local", f"something appears or vanishes at frame {n}", "review")


def _find_flicker(signals: Signals, disturbed: bool) -> Iterator[Fault]:
    strength = flicker_of(signals)
    if strength > 0.006 and not disturbed:
        yield _at("flicker", f"the light flickers by {strength * 100:.1f} %", "review")


def _find_softening(signals: Signals, disturbed: bool) -> Iterator[Fault]:
    """A lasting step in sharpness: the medians of twelve frames before and after."""
    sharp = signals.sharpness * np.log(10)
    if disturbed or len(sharp) < 26:
        return
    steps = [np.median(sharp[n : n + 12]) - np.median(sharp[n - 12 : n]) for n in range(12, len(sharp) - 12)]
    worst = int(np.argmax(np.abs(steps)))
    if abs(steps[worst]) > 0.6:
        how = "softer" if steps[worst] < 0 else "sharper"
        yield _at("softness", f"the picture becomes {how} around frame {worst + 12}", "review")
