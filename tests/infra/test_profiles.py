"""A short film made by the real steps for every placement, and held against it: what the tables ask for can be made."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from footage import decode_luma, film_clip, read_number, write_sound

from infra.media import conform, encode, mix, render, stitch, verify
from infra.media.ffmpeg import run_ffmpeg
from infra.media.probe import probe_video
from manifests.catalogue import Profile
from manifests.placement import sound_speed
from manifests.ratecard import load_profiles
from manifests.sections import can_copy
from manifests.timing import frames_to_samples
from manifests.tiny import shrink_profile

PROFILES = load_profiles()
RATE = 48000


def shortest(profile: Profile) -> int:
    """The frames of two seconds, or of the shortest film that is taken."""
    seconds = profile.lengths_seconds[0] if profile.lengths_seconds else max(2, profile.minimum_seconds or 0)
    return seconds * profile.frames_per_second


def make_film(profile: Profile, ratio: str, out: Path, *, take: tuple[int, int] = (640, 360), frames: int = 0) -> Path:
    """From a take at 24 frames a second, as the tasks would."""
    frames = frames or shortest(profile)
    width, height = profile.sizes[ratio]
    wide = film_clip(out / "take.mp4", frames=frames, width=take[0], height=take[1], speed=2, numbered=True)
    video = profile.video.model_dump(mode="json")
    size = {"width": width, "height": height, "rate": profile.rate, "frames": frames}
    copied = can_copy(profile.video)
    pad = {"pad": "blur"} if Fraction(*take) != Fraction(width, height) else {}  # so that the frames' numbers stay in
    conform.run(conform.Params.model_validate(size | pad | ({"video": video} if copied else {})), {"take": wide}, out)
    shot = {"shot": out / "shot.mp4"}
    if copied:
        parts = {"rate": profile.rate, "frames": frames, "parts": [{"input": "shot", "frames": frames}]}
        stitch.run(stitch.Params.model_validate(parts), shot, out)
    else:
        clips = {"clips": [{"input": "shot", "start": 0, "frames": frames}], "video": video}
        render.run(render.Params.model_validate(size | clips), shot, out)
    samples = frames_to_samples(frames, profile.frame_rate, RATE)
    heard = {
        "samples": samples, "speed": str(sound_speed(profile)), "music": {"input": "bed", "gain": "0"},
        "integrated": profile.loudness.integrated, "true_peak": profile.loudness.true_peak,
    }  # fmt: skip
    bed = write_sound(out / "bed.wav", samples * 2)
    mix.run(mix.Params.model_validate(heard), {"bed": bed}, out)
    encode.run(encode_params(profile, frames), {"picture": out / "picture.mp4", "mix": out / "mix.wav"}, out)
    return out / f"film.{profile.container}"


def encode_params(profile: Profile, frames: int) -> encode.Params:
    settings = {
        "container": profile.container, "recode": profile.recode, "audio": profile.audio.model_dump(mode="json"),
        "edit_list": profile.edit_list, "frames": frames, "rate": profile.rate,
        "samples": frames_to_samples(frames, profile.frame_rate, RATE), "metadata": {"title": "Tea"},
    }  # fmt: skip
    return encode.Params.model_validate(settings)


def deep_luma(path: Path) -> list[np.ndarray]:
    """Of a picture with ten bits: `decode_luma` is for eight."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), "<u2").reshape(-1, plane.line_size // 2)
            found.append(rows[: frame.height, : frame.width] / 4)
    return found


def failed(profile: Profile, ratio: str, film: Path, frames: int = 0) -> dict[str, str]:
    params = verify.Params(profile=profile, ratio=ratio, frames=frames, rate=profile.rate)
    told = verify.run(params, {"file": film}, film.parent)
    checks = told["checks"]
    assert isinstance(checks, list)
    found = {check["name"]: check["found"] for check in checks if not check["ok"]}
    assert told["ok"] is not bool(found)
    return found


@pytest.mark.parametrize("name", ["youtube-bumper", "broadcast-eu"])
def test_a_small_film_passes(tmp_path: Path, name: str) -> None:
    profile = shrink_profile(PROFILES[name], 6)
    ratio = "16:9"
    film = make_film(profile, ratio, tmp_path, take=(320, 180))
    assert failed(profile, ratio, film, shortest(profile)) == {}
    lumas = deep_luma(film) if profile.recode else decode_luma(film)
    assert [read_number(luma) for luma in lumas] == list(range(shortest(profile))), "every frame once, in order"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ratio"), [(p.name, ratio) for p in PROFILES.values() for ratio in p.sizes])
def test_a_film_passes_for_every_placement_and_shape(tmp_path: Path, name: str, ratio: str) -> None:
    profile = PROFILES[name]
    film = make_film(profile, ratio, tmp_path)
    assert failed(profile, ratio, film, shortest(profile)) == {}


@pytest.fixture(scope="module")
def handed_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film for European television: four seconds of 25 frames, at a sixth of the size."""
    out = tmp_path_factory.mktemp("eu")
    return make_film(shrink_profile(PROFILES["broadcast-eu"], 6), "16:9", out, take=(320, 180), frames=100)


def test_prores_and_uncompressed_sound_in_a_mov(handed_on: Path) -> None:
    facts = probe_video(handed_on)
    assert (facts.codec, facts.profile, facts.pixel_format) == ("prores", "HQ", "yuv422p10le")
    assert (facts.rate, facts.frames, facts.seconds, facts.start) == (25, 100, 4, 0)
    assert (facts.brand, facts.other_streams, facts.keyframes) == ("qt  ", 0, tuple(range(100)))
    assert [(t.codec, t.sample_rate, t.channels, t.seconds, t.start) for t in facts.audio] == [
        ("pcm_s24le", RATE, 2, 4, 0)
    ]
    assert facts.index_first


def test_the_recoded_picture_is_the_stitched_one(handed_on: Path) -> None:
    """Ten bits hold eight: nothing but ProRes' own rounding is between them. And the sound is the mix, bit for bit."""
    before, after = decode_luma(handed_on.parent / "picture.mp4"), deep_luma(handed_on)
    assert max(float(np.abs(a - b).mean()) for a, b in zip(before, after, strict=True)) < 0.5
    again = handed_on.parent / "again.wav"
    run_ffmpeg(["-i", str(handed_on), "-vn", "-c:a", "copy", "-fflags", "+bitexact", str(again)])
    mixed = (handed_on.parent / "mix.wav").read_bytes()
    assert again.read_bytes()[-4 * RATE * 6 :] == mixed[-4 * RATE * 6 :]


def test_recoding_gives_the_same_bytes_again(handed_on: Path, tmp_path: Path) -> None:
    inputs = {"picture": handed_on.parent / "picture.mp4", "mix": handed_on.parent / "mix.wav"}
    encode.run(encode_params(PROFILES["broadcast-eu"], 100), inputs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mov"]
    assert (tmp_path / "film.mov").read_bytes() == handed_on.read_bytes()


LIMITS: dict[str, tuple[dict[str, object], set[str]]] = {
    "short": ({"minimum_seconds": 5}, {"shortest length"}),
    "small": ({"minimum_bytes": 10**9}, {"least size on disk"}),
    "poor": ({"minimum_kbps": 10**6}, {"bit rate of the file"}),
    "H.264": ({"recode": None}, {"codec", "codec profile", "pixel format"}),
    "in MP4": ({"container": "mp4"}, {"container"}),
    "AAC": ({"audio": {"codec": "aac", "bitrate_kbps": 320}}, {"sound codec"}),
    "loud for three seconds": (
        {"loudness": {"integrated": "-23", "tolerance": "0.5", "true_peak": "-1", "short_term": "-40"}},
        {"loudest three seconds"},
    ),
    "a broken second": ({"rate": "24"}, {"rate", "whole seconds", "presented picture", "presented sound"}),
}


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_fails_the_check_that_is_meant_for_it(handed_on: Path, name: str) -> None:
    how, wanted = LIMITS[name]
    profile = shrink_profile(PROFILES["broadcast-eu"], 6)
    assert failed(profile, "16:9", handed_on) == {}
    asked = Profile.model_validate(profile.model_dump() | how)
    assert set(failed(asked, "16:9", handed_on)) == wanted
