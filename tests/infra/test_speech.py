"""One bought line: decoded to 48 kHz mono, measured, sped up without changing its pitch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pyloudnorm
import pytest

from infra.errors import MediaError
from infra.media import speech
from infra.media.pcm import RATE, Samples, read_pcm, write_wav
from infra.media.steps import run_step_process


def tone(seconds: float, hertz: float = 330.0, level: float = 0.3, rate: int = RATE) -> npt.NDArray[np.float64]:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def silence(seconds: float, rate: int = RATE) -> npt.NDArray[np.float64]:
    return np.zeros(round(seconds * rate))


def write_mp3(path: Path, sound: npt.NDArray[np.float64], rate: int) -> None:
    with av.open(str(path), "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
        frame.rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def run(sound: Path, out: Path, **given: Any) -> tuple[dict[str, Any], Samples]:
    out.mkdir(exist_ok=True)
    facts = speech.run(speech.Params.model_validate(given), {"sound": sound}, out)
    return facts, read_pcm(out / "line.wav", channels=1)


def pitch(sound: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * RATE / len(sound))


def test_a_wav_goes_through_untouched_and_is_measured(tmp_path: Path) -> None:
    wanted = np.concatenate([silence(0.25), tone(1.5), silence(0.4)])[:, None]
    write_wav(tmp_path / "in.wav", wanted)
    facts, line = run(tmp_path / "in.wav", tmp_path / "out")
    assert np.abs(line - wanted).max() < 2e-7
    assert (facts["samples"], facts["seconds"]) == (len(wanted), 2.15)
    assert facts["starts"] == pytest.approx(0.25, abs=0.011)
    assert facts["ends"] == pytest.approx(1.75, abs=0.011)
    assert facts["lufs"] == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(wanted), abs=0.1)
    with av.open(str(tmp_path / "out" / "line.wav")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.codec_context.layout.nb_channels) == (
            "pcm_s24le",
            RATE,
            1,
        )


@pytest.mark.parametrize("rate", [22050, 44100])
def test_an_mp3_of_another_rate_keeps_length_pitch_and_place(tmp_path: Path, rate: int) -> None:
    write_mp3(tmp_path / "in.mp3", np.concatenate([silence(0.3, rate), tone(1.2, rate=rate), silence(0.3, rate)]), rate)
    facts, line = run(tmp_path / "in.mp3", tmp_path / "out")
    assert facts["seconds"] == pytest.approx(1.8, abs=0.03)
    assert facts["starts"] == pytest.approx(0.3, abs=0.02)  # the encoder's delay is taken off
    assert facts["ends"] == pytest.approx(1.5, abs=0.02)
    assert pitch(line) == pytest.approx(330, abs=1)


@pytest.mark.parametrize("speed", ["1.05", "1.08", "0.9"])
def test_a_faster_line_is_shorter_and_not_higher(tmp_path: Path, speed: str) -> None:
    write_wav(tmp_path / "in.wav", np.concatenate([silence(0.4), tone(2.0), silence(0.4)])[:, None])
    facts, line = run(tmp_path / "in.wav", tmp_path / "out", speed=speed)
    assert facts["seconds"] == pytest.approx(2.8 / float(speed), abs=0.03)
    assert facts["starts"] == pytest.approx(0.4 / float(speed), abs=0.045)
    assert facts["ends"] == pytest.approx(2.4 / float(speed), abs=0.045)
    assert pitch(line) == pytest.approx(330, abs=2)


def test_stereo_is_brought_to_one_channel_at_its_level(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", np.repeat(tone(1.0)[:, None], 2, axis=1))
    _, line = run(tmp_path / "in.wav", tmp_path / "out")
    assert np.abs(line[:, 0] - tone(1.0)).max() < 2e-7


def test_again_gives_the_same_bytes(tmp_path: Path) -> None:
    write_mp3(tmp_path / "in.mp3", tone(1.0, rate=44100), 44100)
    for turn in "ab":
        run(tmp_path / "in.mp3", tmp_path / turn, speed="1.04")
    assert (tmp_path / "a" / "line.wav").read_bytes() == (tmp_path / "b" / "line.wav").read_bytes()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "cannot be read as sound"),
        (b"<html>Service unavailable</html>" * 40, "cannot be read as sound"),
        (None, "is silent"),
    ],
)
def test_what_is_not_speech_is_an_error(tmp_path: Path, data: bytes | None, named: str) -> None:
    if data is None:
        write_wav(tmp_path / "in.mp3", silence(1.0)[:, None])
    else:
        (tmp_path / "in.mp3").write_bytes(data)
    with pytest.raises(MediaError, match=rf"in\.mp3 {named}"):
        run(tmp_path / "in.mp3", tmp_path / "out")
    assert not (tmp_path / "out" / "line.wav").exists()


def test_a_picture_without_sound_is_an_error(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=24)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="holds no sound"):
        run(tmp_path / "in.mov", tmp_path / "out")


def test_numbers_that_are_none_are_an_error(tmp_path: Path) -> None:
    bad = tone(0.5)[:, None].copy()
    bad[100] = np.nan
    write_wav(tmp_path / "in.wav", bad, sample="float32")
    with pytest.raises(MediaError, match="samples that are not numbers"):
        run(tmp_path / "in.wav", tmp_path / "out")


async def test_as_a_step_of_its_own(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", tone(0.8)[:, None])
    (tmp_path / "out").mkdir()
    outcome = await run_step_process("speech", {"speed": "1.0"}, {"sound": tmp_path / "in.wav"}, tmp_path / "out")
    assert list(outcome.files) == ["line.wav"]
    assert outcome.facts["samples"] == 38400
