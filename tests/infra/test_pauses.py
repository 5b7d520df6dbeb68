"""A line without its silence: every sound is still there, in order, and what was kept is told."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import MediaError
from infra.media import pauses
from infra.media.levels import sounding
from infra.media.pauses import EDGE, LONGEST_PAUSE, keep_parts
from infra.media.pcm import RATE, Samples, read_pcm, write_wav


def spoken(*seconds: float) -> Samples:
    """Silence and a tone in turn, beginning with silence; each tone at a pitch of its own."""
    parts = []
    for number, length in enumerate(seconds):
        clock = np.arange(round(length * RATE)) / RATE
        parts.append(0.3 * np.sin(2 * np.pi * (220 + 110 * number) * clock) * (number % 2))
    return np.concatenate(parts)[:, None]


def run(folder: Path, sound: Samples, **given: Any) -> tuple[dict[str, Any], Samples]:
    write_wav(folder / "in.wav", sound)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    facts = pauses.run(pauses.Params.model_validate(given), {"sound": folder / "in.wav"}, out)
    assert [path.name for path in out.iterdir()] == ["line.wav"]
    return facts, read_pcm(out / "line.wav", channels=1)


def test_ends_are_trimmed_and_long_pauses_shortened(tmp_path: Path) -> None:
    facts, line = run(tmp_path, spoken(0.5, 1.0, 1.2, 0.8, 0.7))
    assert facts["seconds"] == pytest.approx(EDGE + 1.0 + LONGEST_PAUSE + 0.8 + EDGE, abs=0.04)
    assert facts["seconds"] == len(line) / RATE
    assert facts["starts"] == pytest.approx(EDGE, abs=0.011)
    first, second = facts["kept"]
    assert first == pytest.approx([0.45, 1.5 + LONGEST_PAUSE / 2], abs=0.011)
    assert second == pytest.approx([2.7 - LONGEST_PAUSE / 2, 3.55], abs=0.011)


def test_a_short_pause_stays_as_it_was_said(tmp_path: Path) -> None:
    facts, _ = run(tmp_path, spoken(0.05, 1.0, 0.2, 0.8, 0.05))
    assert facts["seconds"] == pytest.approx(2.1, abs=0.02)
    assert len(facts["kept"]) == 1


def test_the_same_sound_is_heard_and_no_click_is_added(tmp_path: Path) -> None:
    sound = spoken(0.3, 0.9, 0.9, 0.6, 0.3)
    hiss = np.random.default_rng(3).normal(0, 0.0008, sound.shape)
    facts, line = run(tmp_path, sound + hiss)
    tones = [line[a:b, 0] for a, b in sounding(line, bridge=0.1)]
    assert [len(t) / RATE for t in tones] == pytest.approx([0.9, 0.6], abs=0.03)
    for tone, hertz in zip(tones, (330, 550), strict=True):
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
        assert np.argmax(spectrum) * RATE / len(tone) == pytest.approx(hertz, abs=3)
    cut = round((facts["kept"][0][1] - facts["kept"][0][0]) * RATE)
    assert np.abs(line[cut - 200 : cut + 200]).max() < 0.005
    assert abs(line[cut, 0]) + abs(line[cut - 1, 0]) < 0.0002  # faded to nothing on both sides


def test_faster_it_is_shorter_still_and_tells_the_same_parts(tmp_path: Path) -> None:
    plain, _ = run(tmp_path, spoken(0.5, 1.0, 1.2, 0.8, 0.7))
    quick, _ = run(tmp_path, spoken(0.5, 1.0, 1.2, 0.8, 0.7), speed="1.1")
    assert quick["seconds"] == pytest.approx(plain["seconds"] / 1.1, abs=0.03)
    assert quick["kept"] == plain["kept"]


def test_a_silent_line_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is silent"):
        run(tmp_path, np.zeros((RATE, 1)))


@st.composite
def lines(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Ranges as `sounding` gives them: at least the longest pause apart."""
    at, ranges = draw(st.integers(0, 3 * RATE)), []
    for _ in range(draw(st.integers(1, 5))):
        end = at + draw(st.integers(480, 2 * RATE))
        ranges.append((at, end))
        at = end + draw(st.integers(round(LONGEST_PAUSE * RATE), 3 * RATE))
    return ranges, ranges[-1][1] + draw(st.integers(0, RATE))


@given(lines())
def test_every_sound_is_kept_once_and_no_pause_is_longer(line: tuple[list[tuple[int, int]], int]) -> None:
    ranges, samples = line
    parts = keep_parts(ranges, samples)
    assert parts == sorted(parts)
    assert all(before[1] < after[0] for before, after in pairwise(parts))
    assert parts[0][0] >= 0
    assert parts[-1][1] <= samples
    for start, end in ranges:
        assert sum(a <= start and end <= b for a, b in parts) == 1
    silence = sum(b - a for a, b in parts) - sum(b - a for a, b in ranges)
    assert silence <= 2 * EDGE * RATE + (len(ranges) - 1) * LONGEST_PAUSE * RATE + 1
