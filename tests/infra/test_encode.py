"""Deliverables present exactly the film, in both tracks, whatever the rate; wrong parts are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from footage import decode_luma, film_clip, write_sound

from infra.errors import MediaError
from infra.media import encode, render
from infra.media.boxes import read_movie
from infra.media.ffmpeg import run_ffmpeg
from infra.media.loudness import measure_loudness
from infra.media.probe import probe_video

VIDEO = {"codec": "h264", "preset": "veryfast", "crf": 16}


@pytest.fixture
def parts(tmp_path: Path) -> Callable[..., tuple[encode.Params, dict[str, Path]]]:
    def make(rate: str = "24", frames: int = 48, **how: object) -> tuple[encode.Params, dict[str, Path]]:
        clip = film_clip(tmp_path / "clip.mp4", rate=rate, frames=frames, numbered=True)
        clips = [{"input": "a", "start": 0, "frames": frames}]
        wanted = {"width": 320, "height": 180, "rate": rate, "frames": frames, "clips": clips, "video": VIDEO}
        render.run(render.Params.model_validate(wanted), {"a": clip}, tmp_path)
        samples = round(frames / Fraction(rate) * 48000)
        mix = write_sound(tmp_path / "mix.wav", samples)
        settings = {"audio": {"codec": "aac", "bitrate_kbps": 192}, "frames": frames, "rate": rate, "samples": samples}
        params = encode.Params.model_validate(settings | how)
        return params, {"picture": tmp_path / "picture.mp4", "mix": mix}

    return make


@pytest.mark.parametrize(("rate", "frames"), [("24", 48), ("24000/1001", 48), ("25", 31), ("30000/1001", 47)])
@pytest.mark.parametrize("edit_list", ["allowed", "none"])
def test_both_tracks_present_exactly_the_film(
    tmp_path: Path, parts: Callable[..., object], rate: str, frames: int, edit_list: str
) -> None:
    params, inputs = parts(rate, frames, edit_list=edit_list)
    encode.run(params, inputs, tmp_path)
    movie = read_movie(tmp_path / "film.mp4")
    assert movie is not None
    assert movie.index_first
    assert [track.handler for track in movie.tracks] == ["vide", "soun"]
    picture, sound = movie.tracks
    assert picture.presented == (0, frames / Fraction(rate))
    assert sound.presented[0] == 0
    if edit_list == "allowed":
        assert sound.presented[1] == Fraction(params.samples, 48000)
        assert [len(track.edits) for track in movie.tracks] == [1, 1]
        assert sound.edits[0].media_time == Fraction(1024, 48000)
    else:
        assert 0 <= sound.presented[1] - Fraction(params.samples, 48000) < Fraction(1024, 48000)
        assert [len(track.edits) for track in movie.tracks] == [0, 0]


@pytest.mark.parametrize("edit_list", ["allowed", "none"])
def test_sound_falls_on_the_picture(tmp_path: Path, parts: Callable[..., object], edit_list: str) -> None:
    """A click at sample 30,000 is heard there, within three thousandths of a second."""
    params, inputs = parts(edit_list=edit_list)
    silent = write_sound(inputs["mix"], params.samples, level=0.0).read_bytes()
    click = bytearray(silent)
    start = len(silent) - params.samples * 4 + 30000 * 4
    click[start : start + 40] = np.full(20, 24000, "<i2").tobytes()
    inputs["mix"].write_bytes(bytes(click))
    encode.run(params, inputs, tmp_path)
    with av.open(str(tmp_path / "film.mp4")) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert abs(int(np.abs(heard).argmax()) - 30000) < 144


def test_the_picture_is_not_touched(tmp_path: Path, parts: Callable[..., object]) -> None:
    params, inputs = parts()
    encode.run(params, inputs, tmp_path)
    before, after = decode_luma(inputs["picture"]), decode_luma(tmp_path / "film.mp4")
    assert len(before) == len(after) == 48
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_what_the_file_says_about_itself(tmp_path: Path, parts: Callable[..., object]) -> None:
    notes = {"title": "Tea – 朝", "comment": "animatic", "digitalSourceType": "composite"}
    params, inputs = parts(metadata=notes)
    told = encode.run(params, inputs, tmp_path)
    with av.open(str(tmp_path / "film.mp4")) as container:
        kept = container.metadata
        assert {key: kept[key] for key in notes} == notes
        assert "encoder" not in kept
        assert "creation_time" not in kept
    facts = probe_video(tmp_path / "film.mp4")
    assert (facts.video_streams, len(facts.audio), facts.other_streams) == (1, 1, 0)
    track = facts.audio[0]
    assert (track.codec, track.profile, track.sample_rate, track.channels) == ("aac", "LC", 48000, 2)
    assert told["size"] == (tmp_path / "film.mp4").stat().st_size
    heard, mixed = measure_loudness(tmp_path / "film.mp4"), measure_loudness(inputs["mix"])
    assert abs(heard.integrated - mixed.integrated) < 0.3


def test_the_same_bytes_again_and_no_leftovers(tmp_path: Path, parts: Callable[..., object]) -> None:
    params, inputs = parts(metadata={"title": "x"})
    outs = [tmp_path / name for name in "ab"]
    for out in outs:
        out.mkdir()
        encode.run(params, inputs, out)
        assert [p.name for p in out.iterdir()] == ["film.mp4"]
    assert len({(out / "film.mp4").read_bytes() for out in outs}) == 1


def test_a_mov_is_a_mov(tmp_path: Path, parts: Callable[..., object]) -> None:
    params, inputs = parts(container="mov")
    encode.run(params, inputs, tmp_path)
    movie = read_movie(tmp_path / "film.mov")
    assert movie is not None
    assert movie.brand == "qt  "
    assert movie.index_first


def test_parts_that_do_not_fit_are_refused(tmp_path: Path, parts: Callable[..., object]) -> None:
    params, inputs = parts()
    write_sound(tmp_path / "short.wav", params.samples - 1)
    with pytest.raises(MediaError, match=r"has 95999 samples at 48000 Hz, not 96000"):
        encode.run(params, inputs | {"mix": tmp_path / "short.wav"}, tmp_path)
    write_sound(tmp_path / "slow.wav", params.samples, rate=44100)
    with pytest.raises(MediaError, match="44100 Hz"):
        encode.run(params, inputs | {"mix": tmp_path / "slow.wav"}, tmp_path)
    (tmp_path / "words.wav").write_text("no sound at all")
    with pytest.raises(MediaError, match="not a sound file"):
        encode.run(params, inputs | {"mix": tmp_path / "words.wav"}, tmp_path)
    with pytest.raises(MediaError, match=r"has 48 frames at 24, not 49"):
        encode.run(params.model_copy(update={"frames": 49}), inputs, tmp_path)
    wrong = params.model_copy(update={"samples": 48000})
    half = inputs | {"mix": write_sound(tmp_path / "half.wav", 48000)}
    with pytest.raises(MediaError, match="do not last as long"):
        encode.run(wrong, half, tmp_path)
    assert not (tmp_path / "film.mp4").exists()


def test_loudness_of_a_known_tone_and_of_silence(tmp_path: Path) -> None:
    """A tone of 997 Hz on both sides is as many LUFS as its peak is decibels: that is how the scale is defined."""
    tone = "sine=f=997:d=4:r=48000,volume=0.8dB,aformat=channel_layouts=stereo"
    run_ffmpeg(["-f", "lavfi", "-i", tone, "-ac", "2", str(tmp_path / "tone.wav")])
    found = measure_loudness(tmp_path / "tone.wav")
    peak = np.abs(np.frombuffer((tmp_path / "tone.wav").read_bytes()[-40000:], "<i2")).max() / 32768
    assert abs(found.true_peak - 20 * np.log10(peak)) < 0.1
    assert abs(found.integrated - 20 * np.log10(peak)) < 0.2
    silence = measure_loudness(write_sound(tmp_path / "silence.wav", 96000, level=0.0))
    assert silence.silent
    assert (silence.integrated, silence.true_peak) == (-70.0, -120.0)
    with pytest.raises(MediaError, match="not there"):
        measure_loudness(tmp_path / "nothing.wav")
