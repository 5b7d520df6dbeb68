"""The mix, judged on the written files: loudness, peaks, ducking and places, with a second opinion on the loudness."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import MediaError
from infra.media import espeak, levels, mix, speech
from infra.media.loudness import measure_loudness
from infra.media.pcm import RATE, Samples, read_pcm, write_wav
from infra.media.steps import run_step_process

Mono = npt.NDArray[np.float64]


def talk(seconds: float, *, lead: float = 0.2, tail: float = 0.3, seed: int = 1) -> Mono:
    """Something with the rhythm, the band and the peaks of speech, and silence around it."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    buzz = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 25))
    syllables = 0.25 + 0.75 * np.abs(np.sin(2 * np.pi * 2.2 * time)) ** 1.5
    voice = syllables * (buzz + 0.15 * rng.standard_normal(count))
    voice[: RATE // 100] *= np.linspace(0, 1, RATE // 100)
    return np.concatenate(
        [np.zeros(round(lead * RATE)), 0.4 * voice / np.abs(voice).max(), np.zeros(round(tail * RATE))]
    )


def tone(seconds: float, hertz: float = 440.0, level: float = 0.2) -> Mono:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def stereo(left: Mono, right: Mono | None = None) -> Samples:
    return np.stack([left, left if right is None else right], axis=1)


class Desk:
    """Sounds by name, and a mix of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs: dict[str, Path] = {}

    def lay(self, name: str, sound: Samples) -> None:
        self.inputs[name] = self.folder / f"{name}.wav"
        write_wav(self.inputs[name], sound, sample="float32")

    def mix(self, seconds: float = 6.0, *, out: str = "out", **given: Any) -> dict[str, Any]:
        usual = {"samples": round(seconds * RATE), "integrated": "-14", "true_peak": "-1"}
        (self.folder / out).mkdir(exist_ok=True)
        return mix.run(mix.Params.model_validate(usual | given), self.inputs, self.folder / out)

    def read(self, name: str, out: str = "out") -> Samples:
        return read_pcm(self.folder / out / f"{name}.wav", channels=2)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.lay("line", talk(1.5)[:, None])
    desk.lay("bed", stereo(tone(20), tone(20, 443)))
    desk.lay("pour", stereo(np.random.default_rng(3).standard_normal(3 * RATE) * 0.1))
    return desk


BED: Mapping[str, Any] = {"input": "bed", "gain": "-14", "duck_by": "8"}


def db(sound: Samples, start: float, end: float) -> float:
    part = sound[round(start * RATE) : round(end * RATE)]
    return float(10 * np.log10(np.mean(part * part) + 1e-20))


# --- loudness ---


@pytest.mark.parametrize(("integrated", "peak"), [("-14", "-1"), ("-23", "-1"), ("-24", "-2"), ("-11.5", "-1")])
def test_the_mix_lands_on_its_target_below_its_ceiling(desk: Desk, integrated: str, peak: str) -> None:
    facts = desk.mix(
        8,
        integrated=integrated,
        true_peak=peak,
        lines=[{"input": "line", "start": RATE}, {"input": "line", "start": 5 * RATE}],
        effects=[{"input": "pour", "start": 3 * RATE, "samples": 2 * RATE, "gain": "-8"}],
        music=BED,
    )
    path = desk.folder / "out" / "mix.wav"
    heard = measure_loudness(path)
    assert heard.integrated == pytest.approx(float(integrated), abs=0.1)
    assert pyloudnorm.Meter(RATE).integrated_loudness(desk.read("mix")) == pytest.approx(float(integrated), abs=0.15)
    assert heard.true_peak <= float(peak) - 0.5 + 0.05  # what AAC may add is kept free
    assert (facts["lufs"], facts["true_peak"]) == (round(heard.integrated, 2), heard.true_peak)


def test_a_mix_of_hard_blows_is_limited_to_its_target(desk: Desk) -> None:
    blow = np.random.default_rng(2).standard_normal(RATE // 2) * np.exp(-np.arange(RATE // 2) / 900)
    desk.lay("blow", stereo(blow * 0.9 / np.abs(blow).max()))
    blows = [{"input": "blow", "start": n * RATE, "samples": RATE // 2, "gain": "0", "level": False} for n in range(6)]
    facts = desk.mix(6, effects=blows, music=BED)
    assert facts["limited"] > 3
    heard = measure_loudness(desk.folder / "out" / "mix.wav")
    assert heard.integrated == pytest.approx(-14, abs=0.1)
    assert heard.true_peak <= -1.35  # noise up to the last hertz is what two meters read differently


def test_our_meter_agrees_with_two_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    quiet_then_loud = np.concatenate(
        [rng.standard_normal((RATE * 3, 2)) * 0.003, rng.standard_normal((RATE * 4, 2)) * 0.1]
    )
    for name, sound in {"noise": quiet_then_loud, "talk": stereo(talk(4.3)), "low": stereo(tone(3, 60))}.items():
        write_wav(tmp_path / f"{name}.wav", sound)
        ours = levels.loudness(sound)
        assert ours == pytest.approx(measure_loudness(tmp_path / f"{name}.wav").integrated, abs=0.05), name
        assert ours == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(sound), abs=0.1), name
    assert levels.loudness(np.zeros((RATE, 2))) is None
    assert levels.loudness(np.full((RATE, 2), 1e-6)) is None


def test_true_peaks_between_samples_are_seen(tmp_path: Path) -> None:
    between = np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4)  # every sample at 0.707 of the wave's height
    between *= np.hanning(RATE)
    assert np.abs(between).max() < 0.708
    assert levels.true_peak(between[:, None]) == pytest.approx(1.0, abs=0.01)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(0, 30))
def test_sliding_minimum_is_the_minimum(values: list[float], ahead: int) -> None:
    found = levels._sliding_minimum(np.array(values), ahead)
    assert found.tolist() == [min(values[n : n + ahead + 1]) for n in range(len(values))]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(-12, -0.5))
def test_the_limiter_keeps_its_ceiling_and_leaves_the_rest(seed: int, ceiling_db: float) -> None:
    rng = np.random.default_rng(seed)
    sound = rng.standard_normal((6000, 2)) * 0.01
    for at in rng.integers(500, 2500, 5):
        sound[at : at + 40] += rng.uniform(-3, 3, (40, 2))
    ceiling = levels.from_db(ceiling_db)
    limited = levels.limit(sound, levels.peak_curve(sound), ceiling)
    assert np.abs(limited).max() <= ceiling * (1 + 1e-9)
    assert levels.true_peak(limited) <= ceiling * levels.from_db(0.6)
    assert (np.abs(limited) <= np.abs(sound) + 1e-12).all()
    assert np.array_equal(limited[:200], sound[:200])  # before the attack nothing has happened


# --- places ---


def test_an_effect_stands_on_its_sample(desk: Desk) -> None:
    click = np.zeros(RATE)
    click[0] = 0.5
    desk.lay("click", stereo(click))
    facts = desk.mix(3, effects=[{"input": "click", "start": 70_001, "samples": 24_000, "gain": "-6", "level": False}])
    effects = desk.read("effects")
    assert np.flatnonzero(np.abs(effects[:, 0]) > 1e-4).tolist() == [70_001]
    wanted = 0.5 * levels.from_db(-6 + facts["gain"])
    assert effects[70_001, 0] == pytest.approx(wanted, rel=1e-3)  # the gain is that of the file as it is
    assert int(np.abs(desk.read("mix")[:, 0]).argmax()) == 70_001
    assert facts["limited"] <= 20.1  # a lone click can never be -14 LUFS: it is not crushed for it
    assert facts["lufs"] < -14.5


def test_a_line_stands_on_its_sample(desk: Desk) -> None:
    sound = np.zeros(RATE)
    sound[1000:1400] = np.random.default_rng(4).standard_normal(400)
    desk.lay("line", sound[:, None])
    desk.mix(4, lines=[{"input": "line", "start": 96_003}])
    voice = np.abs(desk.read("voice")[:, 0])
    assert int(np.flatnonzero(voice > voice.max() * 1e-3)[0]) == 97_003


@pytest.mark.parametrize("samples", [1_440_000 // 10 + 1, 48_048, 1])
def test_every_file_has_exactly_the_samples_of_the_film(desk: Desk, samples: int) -> None:
    facts = desk.mix(samples=samples, music=BED)
    assert facts["samples"] == samples
    for name in ("mix", "voice", "effects", "music"):
        assert desk.read(name).shape == (samples, 2)


def test_lines_of_any_level_come_out_equally_loud(desk: Desk) -> None:
    for number, level in enumerate((0.02, 1.0, 5.0)):
        desk.lay(f"line{number}", level * talk(1.5, seed=1)[:, None])
    lines = [{"input": f"line{n}", "start": n * 3 * RATE} for n in range(3)]
    desk.mix(9, lines=lines)
    voice = desk.read("voice")
    loud = [levels.loudness(voice[n * 3 * RATE : (n + 1) * 3 * RATE]) for n in range(3)]
    assert max(loud) - min(loud) < 0.1  # type: ignore[type-var,operator]


def test_one_short_word_is_levelled_too(desk: Desk) -> None:
    desk.lay("line", talk(0.2, lead=0.02, tail=0.02)[:, None])
    facts = desk.mix(3, lines=[{"input": "line", "start": RATE}], music=BED)
    assert facts["lufs"] == pytest.approx(-14, abs=0.1)
    assert db(desk.read("voice"), 1.03, 1.2) > db(desk.read("music"), 1.03, 1.2) + 12


def test_an_effect_longer_than_its_place_is_faded_not_chopped(desk: Desk) -> None:
    desk.mix(4, effects=[{"input": "pour", "start": RATE, "samples": RATE, "gain": "0"}])
    effects = desk.read("effects")
    assert not effects[2 * RATE :].any()
    assert db(effects, 1.97, 2.0) < db(effects, 1.5, 1.9) - 3
    assert db(effects, 1.0, 1.1) == pytest.approx(db(effects, 1.5, 1.9), abs=1)  # its beginning is left alone


def test_music_begins_where_it_is_told_and_fades(desk: Desk) -> None:
    marked = np.zeros(12 * RATE)
    marked[5 * RATE :] = tone(7, level=0.3)
    desk.lay("bed", stereo(marked))
    desk.mix(6, music={"input": "bed", "in_seconds": "4.5", "gain": "-14", "fade_in": "0.2", "fade_out": "1.5"})
    music = desk.read("music")
    assert int(np.flatnonzero(np.abs(music[:, 0]) > 1e-3)[0]) == pytest.approx(RATE // 2, abs=8)
    steady = db(music, 2, 4)
    assert db(music, 4.4, 4.5) == pytest.approx(steady, abs=0.1)
    assert db(music, 5.2, 5.3) == pytest.approx(steady - 3, abs=0.6)
    assert db(music, 5.95, 6.0) < steady - 20


def test_music_that_ends_before_the_film_does_is_faded_where_it_ends(desk: Desk) -> None:
    desk.lay("bed", stereo(tone(4)))
    desk.mix(6, music={"input": "bed", "gain": "-14", "fade_out": "1"})
    music = desk.read("music")
    assert db(music, 3.45, 3.55) == pytest.approx(db(music, 1, 2) - 3, abs=0.6)
    assert np.abs(music[4 * RATE :]).max() == 0


def test_mono_and_stereo_of_the_same_sound_are_equally_loud(desk: Desk) -> None:
    desk.lay("mono", tone(6)[:, None])
    desk.lay("both", stereo(tone(6)))
    for name in ("mono", "both"):
        desk.mix(5, out=name, effects=[{"input": name, "start": 0, "samples": 4 * RATE, "gain": "0", "level": False}])
    assert np.abs(desk.read("effects", "mono") - desk.read("effects", "both")).max() < 1e-6


# --- ducking ---


def test_the_bed_is_down_before_the_word_and_back_after_the_sentence(desk: Desk) -> None:
    desk.mix(8, lines=[{"input": "line", "start": 3 * RATE}], music=BED)  # speaks from 3.2 to 4.7
    music = desk.read("music")
    free = db(music, 1, 2.5)
    assert db(music, 2.8, 2.88) == pytest.approx(free, abs=0.1)  # not earlier than 0.3 s before
    assert db(music, 3.155, 3.2) == pytest.approx(free - 8, abs=0.1)  # wholly down before the first sound
    assert db(music, 3.2, 4.65) == pytest.approx(free - 8, abs=0.05)
    assert db(music, 5.25, 7.5) == pytest.approx(free, abs=0.05)
    steps = [db(music, t, t + 0.02) for t in np.arange(4.72, 5.2, 0.04)]
    assert all(a <= b + 0.05 for a, b in itertools.pairwise(steps))  # it rises evenly, without a bump


def test_the_bed_stays_down_over_a_breath_and_rises_over_a_pause(desk: Desk) -> None:
    lines = [{"input": "line", "start": round(at * RATE)} for at in (1.0, 3.2, 7.5)]  # pauses of 0.7 and 2.8 s
    desk.mix(11, lines=lines, music=BED)
    music = desk.read("music")
    free = db(music, 0.1, 0.8)
    assert db(music, 2.75, 3.35) == pytest.approx(free - 8, abs=0.05)
    assert db(music, 5.6, 7.2) == pytest.approx(free, abs=0.05)


def test_effects_give_way_by_half_and_nothing_ducks_unasked(desk: Desk) -> None:
    effect = {"input": "bed", "start": 0, "samples": 8 * RATE, "gain": "-8"}
    line = {"input": "line", "start": 3 * RATE}
    desk.mix(8, lines=[line], effects=[effect], music=BED)
    effects = desk.read("effects")
    assert db(effects, 3.3, 4.6) == pytest.approx(db(effects, 1, 2.5) - 4, abs=0.05)
    desk.mix(8, out="free", lines=[line], effects=[effect], music={"input": "bed", "gain": "-14"})
    for name in ("effects", "music"):
        sound = desk.read(name, "free")
        assert db(sound, 3.3, 4.6) == pytest.approx(db(sound, 1, 2.5), abs=0.05)


def test_speech_stands_twelve_decibels_above_a_usual_bed(desk: Desk) -> None:
    """With the voice that the backlot speaks with, and the default gains of a manifest."""
    pytest.importorskip("espeakng_loader")
    espeak.speak("The Alder kettle. Made to be used every day.", "en-GB", desk.folder / "said.wav")
    (desk.folder / "vo").mkdir()
    speech.run(speech.Params(), {"sound": desk.folder / "said.wav"}, desk.folder / "vo")
    desk.inputs["line"] = desk.folder / "vo" / "line.wav"
    rng = np.random.default_rng(9)
    desk.lay("bed", stereo(*(np.convolve(rng.standard_normal(9 * RATE), np.ones(8) / 8, "same") for _ in "lr")) * 0.2)
    facts = desk.mix(
        8,
        lines=[{"input": "line", "start": 2 * RATE}],
        effects=[{"input": "pour", "start": 2 * RATE, "samples": 3 * RATE, "gain": "-12"}],
        music=BED,
    )
    assert facts["voice_over_bed"] >= 12
    voice, bed = desk.read("voice"), desk.read("music") + desk.read("effects")
    (spoken,) = facts["speech"]
    part = slice(spoken["start"], spoken["end"])
    by_hand = 10 * np.log10(levels.k_power(voice)[part].mean() / levels.k_power(bed)[part].mean())
    assert facts["voice_over_bed"] == pytest.approx(by_hand, abs=0.1)
    assert facts["limited"] < 6  # the voice arrives tamed: the last limiter has little to do


# --- stems ---


def test_stems_add_up_to_the_mix_where_nothing_was_limited(desk: Desk) -> None:
    facts = desk.mix(6, integrated="-24", lines=[{"input": "line", "start": RATE}], music=BED)
    assert facts["limited"] == pytest.approx(0, abs=0.01)
    total = desk.read("voice") + desk.read("effects") + desk.read("music")
    assert np.abs(total - desk.read("mix")).max() < 2 / 2**23


def test_the_limiter_only_ever_takes_away_and_from_both_sides_alike(desk: Desk) -> None:
    facts = desk.mix(6, integrated="-10", lines=[{"input": "line", "start": RATE}], music=BED)
    assert facts["limited"] > 1
    total = desk.read("voice") + desk.read("effects") + desk.read("music")
    mixed = desk.read("mix")
    loud = (np.abs(total) > 0.05).all(axis=1)
    gain = mixed[loud] / total[loud]
    assert gain.max() <= 1 + 1e-4
    assert np.abs(gain[:, 0] - gain[:, 1]).max() < 1e-4


def test_again_gives_the_same_bytes(desk: Desk) -> None:
    for turn in "ab":
        desk.mix(6, out=turn, lines=[{"input": "line", "start": RATE}], music=BED)
    for name in ("mix", "voice", "effects", "music"):
        assert (desk.folder / "a" / f"{name}.wav").read_bytes() == (desk.folder / "b" / f"{name}.wav").read_bytes()


# --- nothing, and what is wrong ---


@pytest.mark.parametrize("quiet", [False, True])
def test_a_silent_film_has_a_silent_stereo_track(desk: Desk, *, quiet: bool) -> None:
    desk.lay("hush", np.zeros((RATE, 2)))
    hush = [{"input": "hush", "start": 0, "samples": RATE, "gain": "0"}] if quiet else []
    facts = desk.mix(2, effects=hush)
    assert not desk.read("mix").any()
    assert desk.read("mix").shape == (2 * RATE, 2)
    assert (facts["lufs"], facts["true_peak"], facts["voice_over_bed"]) == (None, None, None)
    json.dumps(facts, allow_nan=False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"lines": [{"input": "line", "start": 5 * RATE}]}, r"'line' is still speaking 0\.71 s after the end"),
        ({"lines": [{"input": "hush", "start": 0}]}, "the line 'hush' is silent"),
        ({"effects": [{"input": "pour", "start": 6 * RATE, "samples": 9, "gain": "0"}]}, "'pour' begins after the end"),
        ({"music": {"input": "bed", "gain": "-14", "in_seconds": "20"}}, r"20\.0 s long and is to begin 20 s into it"),
        ({"music": {"input": "torn", "gain": "-14"}}, r"torn\.wav cannot be read as sound"),
        ({"lines": [{"input": "gone", "start": 0}]}, r"gone\.wav cannot be read as sound"),
    ],
)
def test_what_cannot_be_mixed_says_why(desk: Desk, given: dict[str, Any], named: str) -> None:
    desk.lay("hush", np.zeros((RATE, 1)))
    desk.inputs["torn"], desk.inputs["gone"] = desk.folder / "torn.wav", desk.folder / "gone.wav"
    desk.inputs["torn"].write_bytes(b"RIFF\x00\x00")
    with pytest.raises(MediaError, match=named):
        desk.mix(6, **given)
    assert not list((desk.folder / "out").iterdir())


def test_a_line_may_end_in_silence_after_the_film(desk: Desk) -> None:
    facts = desk.mix(6, lines=[{"input": "line", "start": round(4.2 * RATE)}])  # 1.7 s to its last sound, 2.0 s long
    assert facts["speech"][-1]["end"] <= 6 * RATE


def test_gains_may_be_numbers_or_text() -> None:
    effect = mix.Effect.model_validate({"input": "x", "start": 0, "samples": 1, "gain": -8})
    assert effect.gain == Decimal(-8)
    assert mix.Effect.model_validate_json('{"input":"x","start":0,"samples":1,"gain":"-8.5"}').gain == Decimal("-8.5")


async def test_as_a_step_of_its_own(desk: Desk) -> None:
    (desk.folder / "own").mkdir()
    params = {"samples": 2 * RATE, "integrated": "-14", "true_peak": "-1", "music": dict(BED)}
    outcome = await run_step_process("mix", params, {"bed": desk.inputs["bed"]}, desk.folder / "own")
    assert sorted(outcome.files) == ["effects.wav", "mix.wav", "music.wav", "voice.wav"]
    assert outcome.facts["lufs"] == pytest.approx(-14, abs=0.1)


# --- where the film runs faster than it was cut ---


def _loudest_hertz(sound: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound))))
    return float(np.fft.rfftfreq(len(sound), 1 / RATE)[spectrum.argmax()])


def _onset(sound: Samples, level: float = 0.02) -> int:
    return int(np.flatnonzero(np.abs(sound).max(axis=1) > level)[0])


def test_at_25_frames_all_sound_is_faster_at_its_own_pitch(desk: Desk) -> None:
    """Six seconds at 24 are 5.76 s at 25: each sound begins on its frame, ends sooner, and keeps its pitch."""
    seconds, start = 6 * 24 / 25, round(2.5 * 24 / 25 * RATE)
    desk.lay("beep", stereo(tone(1.5, 1000)))
    effect = {"input": "beep", "start": start, "samples": 2 * RATE, "gain": "0"}
    asked: dict[str, Any] = {"effects": [effect], "integrated": "-23", "music": BED | {"duck_by": "0", "fade_out": "0"}}
    for out, speed in (("as-cut", "1"), ("faster", "25/24")):
        facts = desk.mix(seconds, out=out, speed=speed, **asked)
        assert facts["samples"] == round(seconds * RATE)
        assert abs(facts["lufs"] + 23) <= 0.5
    for out, length in (("as-cut", 1.5), ("faster", 1.5 * 24 / 25)):
        beep = desk.read("effects", out)
        assert abs(_onset(beep) - start) <= 0.002 * RATE
        assert abs(len(beep) - _onset(beep[::-1]) - start - length * RATE) <= 0.02 * RATE
        assert abs(_loudest_hertz(beep[start + 4800 : start + 48000]) - 1000) < 3
        assert abs(_loudest_hertz(desk.read("music", out)) - 440) < 3


def test_a_line_that_fits_at_24_fits_at_25(desk: Desk) -> None:
    """It ends 0.05 s before the film does: as cut it would still be speaking when the faster film is over."""
    spoken = talk(3.0, lead=0.0, tail=0.0)
    desk.lay("line", spoken[:, None])
    start, seconds = 1.0 * 24 / 25, 4.05 * 24 / 25
    line = {"input": "line", "start": round(start * RATE)}
    with pytest.raises(MediaError, match="still speaking"):
        desk.mix(seconds, lines=[line])
    facts = desk.mix(seconds, lines=[line], speed="25/24")
    (said,) = facts["speech"]
    assert abs((said["end"] - said["start"]) / RATE - 3.0 * 24 / 25) < 0.05


def test_music_is_entered_at_the_same_bar(desk: Desk) -> None:
    """`in` counts seconds of the music as it was recorded."""
    quiet_then_loud = np.concatenate([tone(4, 220, 0.01), tone(8, 660, 0.3)])
    desk.lay("bed", stereo(quiet_then_loud))
    desk.mix(4.8, speed="25/24", music={"input": "bed", "gain": "0", "in_seconds": "2"})
    heard = desk.read("music")
    turn = next(n for n in range(0, len(heard), 480) if np.abs(heard[n : n + 480]).max() > 0.1)
    assert abs(turn / RATE - 2 * 24 / 25) < 0.03


@pytest.mark.parametrize("speed", ["0", "3", "1/4", "fast", "25/0", "-1", "1.04"])
def test_speeds_that_nobody_would_take_for_the_same_sound(desk: Desk, speed: str) -> None:
    with pytest.raises(ValueError, match="speed"):
        desk.mix(speed=speed)
