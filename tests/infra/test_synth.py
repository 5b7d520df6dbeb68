"""Synthesised sound, judged by what can be measured: length, level, spectrum, envelope, pitch."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from infra.errors import MediaError
from infra.media.synth import choose_effect, make_bed, make_effect

RATE = 48000


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (RATE, 2, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, 2) / 32768


def effect(tmp_path: Path, prompt: str, seconds: float = 2.0, seed: int = 1) -> np.ndarray:
    make_effect(prompt, seconds, seed, tmp_path / "a.wav")
    return read(tmp_path / "a.wav")


def centroid(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    return float((power * np.fft.rfftfreq(len(sound), 1 / RATE)).sum() / power.sum())


def level(sound: np.ndarray) -> float:
    return 20 * float(np.log10(np.sqrt((sound**2).mean()) + 1e-9))


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("water poured into a ceramic cup, close microphone", "pour"),
        ("a cup is set down on stone", "cup-down"),
        ("kettle boiling, steam", "steam"),
        ("quiet room tone of a kitchen", "room-tone"),
        ("soft wind outside", "wind"),
        ("rain on a window", "rain"),
        ("fast whoosh transition", "whoosh"),
        ("deep impact", "impact"),
        ("tension riser", "riser"),
        ("a small bell dings", "ding"),
        ("switch click", "click"),
        ("footsteps on wood", "footsteps"),
        ("birds at dawn", "birds"),
        ("something nobody has heard", "room-tone"),
    ],
)
def test_words_choose_the_sound(prompt: str, name: str) -> None:
    assert choose_effect(prompt) == name


@pytest.mark.parametrize(
    ("prompt", "low", "high"),
    [
        ("water pouring", 700, 2500),
        ("room tone", 60, 500),
        ("wind", 200, 700),
        ("rain", 3000, 6500),
        ("steam hiss", 2500, 8000),
        ("impact", 30, 300),
        ("bell", 800, 2500),
        ("footsteps", 80, 600),
    ],
)
def test_spectra_are_those_of_the_thing(tmp_path: Path, prompt: str, low: float, high: float) -> None:
    assert low < centroid(effect(tmp_path, prompt)) < high


def test_envelopes(tmp_path: Path) -> None:
    def loudest(prompt: str) -> float:
        sound = np.abs(effect(tmp_path, prompt)).max(axis=1)
        return float(np.convolve(sound, np.ones(480) / 480, mode="same").argmax() / len(sound))

    assert loudest("impact") < 0.1
    assert 0.35 < loudest("whoosh") < 0.75
    assert loudest("riser") > 0.8


def test_a_filling_cup_rises_in_pitch(tmp_path: Path) -> None:
    sound = effect(tmp_path, "water pouring", 4.0)
    assert centroid(sound[2 * RATE : 3 * RATE + RATE // 2]) > centroid(sound[: RATE + RATE // 2]) * 1.08


@pytest.mark.parametrize("prompt", ["rain", "pour", "bell", "footsteps", "riser", "room tone", "cup set down"])
@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_length_is_exact_and_nothing_clips(tmp_path: Path, prompt: str, seconds: float) -> None:
    sound = effect(tmp_path, prompt, seconds)
    assert len(sound) == seconds * RATE
    assert 0.001 < np.abs(sound).max() <= 0.9
    assert abs(sound[0]).max() < 0.02  # no click where it starts or ends
    assert abs(sound[-1]).max() < 0.02


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for number, seed in enumerate((3, 3, 4)):
        make_effect("rain", 1.0, seed, tmp_path / f"{number}.wav")
    first, again, other = ((tmp_path / f"{n}.wav").read_bytes() for n in range(3))
    assert first == again
    assert first != other


def test_the_bed_is_quiet_music_in_one_key(tmp_path: Path) -> None:
    make_bed(16, 3, tmp_path / "bed.wav")
    sound = read(tmp_path / "bed.wav")
    assert len(sound) == 16 * RATE
    assert -26 < level(sound) < -18
    assert 0.2 < np.corrcoef(sound.T)[0, 1] < 0.99  # stereo, and still centred
    power = np.abs(np.fft.rfft(sound.mean(axis=1))) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    audible = (hertz > 110) & (hertz < 1400)
    semitone = 69 + 12 * np.log2(hertz[audible] / 440)
    exact = np.abs(semitone - np.rint(semitone)) < 0.15
    assert power[audible][exact].sum() > 0.85 * power[audible].sum()  # in tune
    classes = np.bincount(np.rint(semitone).astype(int) % 12, weights=power[audible], minlength=12)
    best = max(classes[[(tonic + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)]].sum() for tonic in range(12))
    assert best > 0.93 * classes.sum()  # one major scale


def test_beds_differ_by_seed_and_keep_their_pace(tmp_path: Path) -> None:
    for number, (seed, bpm) in enumerate(((3, 72), (3, 72), (4, 72), (3, 90))):
        make_bed(4, seed, tmp_path / f"{number}.wav", bpm=bpm)
    first, again, other, faster = ((tmp_path / f"{n}.wav").read_bytes() for n in range(4))
    assert first == again
    assert len({first, other, faster}) == 3


def test_lengths_that_make_no_sense(tmp_path: Path) -> None:
    for seconds in (0.0, -1.0, 10_000.0, float("nan")):
        with pytest.raises(MediaError):
            make_effect("rain", seconds, 1, tmp_path / "a.wav")
        with pytest.raises(MediaError):
            make_bed(seconds, 1, tmp_path / "a.wav")
    with pytest.raises(MediaError):
        make_bed(10, 1, tmp_path / "a.wav", bpm=1)
