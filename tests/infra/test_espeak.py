"""The backlot's voice: real speech from the library, its word times, and what a missing or unknown voice gets."""

from __future__ import annotations

import importlib.util
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import MediaError, ProgramMissingError
from infra.media.espeak import SAMPLE_RATE, place_words, speak

LINE = "Just water, and a little patience."


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (SAMPLE_RATE, 1, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float) / 32768


def rms(sound: np.ndarray, start: float, end: float) -> float:
    part = sound[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
    return float(np.sqrt((part**2).mean()))


def test_every_word_is_heard_in_its_place(tmp_path: Path) -> None:
    words = speak(LINE, "en-GB", tmp_path / "a.wav")
    sound = samples(tmp_path / "a.wav")
    assert [w.word for w in words] == LINE.split()
    assert [LINE[w.position : w.position + len(w.word)] for w in words] == LINE.split()
    assert 1.6 < len(sound) / SAMPLE_RATE < 3.5  # six words at an even pace
    assert words[-1].end == pytest.approx(len(sound) / SAMPLE_RATE, abs=0.01)
    for word in words:
        assert rms(sound, word.start, word.end) > 0.02
    for word in words:
        assert 0.03 < word.end - word.start < 1.2
    assert 0.3 < np.abs(sound).max() <= 1.0
    # speech has pauses: its envelope is far from even
    envelope = np.abs(sound[: len(sound) // 441 * 441]).reshape(-1, 441).mean(axis=1)
    assert envelope.std() / envelope.mean() > 0.5


@pytest.mark.parametrize("variant", ["", "f3"])
def test_same_line_same_bytes(tmp_path: Path, variant: str) -> None:
    takes = []
    for name in ("1.wav", "2.wav"):
        speak("Alder. Made to be used every day.", "en-GB", tmp_path / name, voice_variant=variant)
        takes.append((tmp_path / name).read_bytes())
    assert takes[0] == takes[1]


def test_the_clock_does_not_change_a_breathy_voice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library seeds its noise with the time unless told otherwise; a slow start puts two runs in two seconds."""
    slow = tmp_path / "sitecustomize.py"
    slow.write_text("import time; time.sleep(1.05)")
    speak("Every day.", "en-GB", tmp_path / "1.wav", voice_variant="f3")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    speak("Every day.", "en-GB", tmp_path / "2.wav", voice_variant="f3")
    assert (tmp_path / "1.wav").read_bytes() == (tmp_path / "2.wav").read_bytes()


def test_words_spoken_together_share_their_time(tmp_path: Path) -> None:
    words = speak("Made to be used every day.", "en-GB", tmp_path / "a.wav")
    assert all(w.end > w.start for w in words)


def test_faster_is_shorter(tmp_path: Path) -> None:
    slow = speak(LINE, "en-GB", tmp_path / "slow.wav", words_per_minute=140)
    fast = speak(LINE, "en-GB", tmp_path / "fast.wav", words_per_minute=220)
    assert fast[-1].end < slow[-1].end * 0.85


@pytest.mark.parametrize(
    ("language", "text"), [("de-DE", "Guten Morgen."), ("pt-BR", "Bom dia."), ("fr", "Café, s’il vous plaît.")]
)
def test_other_languages_speak(tmp_path: Path, language: str, text: str) -> None:
    words = speak(text, language, tmp_path / "a.wav")
    assert [w.word for w in words] == text.split()
    assert rms(samples(tmp_path / "a.wav"), words[0].start, words[-1].end) > 0.02


def test_prices_and_per_cents_keep_the_written_words(tmp_path: Path) -> None:
    words = speak("Only $29.99, 15% off.", "en-US", tmp_path / "a.wav")
    assert [w.word for w in words] == ["Only", "$29.99,", "15%", "off."]
    assert words[1].end - words[1].start > 0.8


def test_unknown_language_and_variant_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="xx-YY"):
        speak(LINE, "xx-YY", tmp_path / "a.wav")
    with pytest.raises(MediaError, match="nobody"):
        speak(LINE, "en-GB", tmp_path / "a.wav", voice_variant="nobody")
    assert not (tmp_path / "a.wav").exists()


def test_nothing_to_say(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="nothing to say"):
        speak("  ", "en-GB", tmp_path / "a.wav")


def test_without_the_library_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "espeakng_loader" else found(name))
    with pytest.raises(ProgramMissingError) as caught:
        speak(LINE, "en-GB", tmp_path / "a.wav")
    assert "shotrunner[voice]" in caught.value.remedy


@given(
    text=st.lists(st.text(alphabet="abcé%$.9", min_size=1, max_size=6), min_size=1, max_size=6).map(" ".join),
    events=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.floats(0, 4)), max_size=12),
)
def test_times_never_run_backwards(text: str, events: list[tuple[int, int, float]]) -> None:
    words = place_words(text, events, 5.0)
    assert [w.word for w in words] == text.split()
    clock = 0.0
    for word in words:
        assert clock <= word.start + 0.002
        assert word.start <= word.end <= 5.0
        clock = word.end
