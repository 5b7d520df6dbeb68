"""A good deliverable passes every check; every way of spoiling one fails the check that is meant for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from footage import film_clip, write_sound

from infra.errors import MediaError
from infra.media import encode, render, verify
from infra.media.ffmpeg import run_ffmpeg
from manifests.catalogue import Profile

FRAMES, SAMPLES = 48, 96000
PROFILE = {
    "name": "test",
    "title": "Test",
    "sizes": {"16:9": (320, 180)},
    "rate": "24",
    "lengths_seconds": (2, 4),
    "maximum_bytes": 2_000_000,
    "video": {"codec": "h264", "preset": "veryfast", "crf": 16},
    "audio": {"codec": "aac", "bitrate_kbps": 192},
    "loudness": {"integrated": "-17", "tolerance": "1.5", "true_peak": "-1"},
    "safe_area": {"top": "10", "bottom": "10", "left": "10", "right": "10"},
    "source": "this test",
    "as_of": "2026-11-21",
}


def check(path: Path, *, silent: bool = False, ratio: str = "16:9", **how: object) -> dict:
    profile = Profile.model_validate(PROFILE | how)
    params = verify.Params(profile=profile, ratio=ratio, frames=FRAMES, rate=profile.rate, silent=silent)
    return verify.run(params, {"file": path}, path.parent)


def failed(told: dict) -> set[str]:
    assert told["ok"] is not any(not c["ok"] for c in told["checks"])
    return {c["name"] for c in told["checks"] if not c["ok"]}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("film")
    clip = film_clip(out / "clip.mp4", frames=FRAMES)
    clips = [{"input": "a", "start": 0, "frames": FRAMES}]
    wanted = {"width": 320, "height": 180, "rate": "24", "frames": FRAMES, "clips": clips, "video": PROFILE["video"]}
    render.run(render.Params.model_validate(wanted), {"a": clip}, out)
    mix = write_sound(out / "mix.wav", SAMPLES, level=0.2)
    sound = {"audio": PROFILE["audio"], "frames": FRAMES, "rate": "24", "samples": SAMPLES}
    encode.run(encode.Params.model_validate(sound), {"picture": out / "picture.mp4", "mix": mix}, out)
    return out / "film.mp4"


def test_a_good_film_passes_everything(film: Path) -> None:
    told = check(film)
    assert failed(told) == set()
    names = {c["name"] for c in told["checks"]}
    assert {"container", "faststart", "streams", "codec", "picture size", "rate", "frames", "colour"} <= names
    assert {"presented picture", "presented sound", "loudness", "true peak", "decoding", "edit lists"} <= names
    measured = told["measured"]
    assert measured["frames"] == FRAMES
    assert measured["presented_seconds"] == {"video": 2.0, "audio": 2.0}
    assert -18.5 < measured["lufs"] < -15.5


ASKED_OTHERWISE: dict[str, tuple[dict[str, object], set[str]]] = {
    "another size": ({"sizes": {"16:9": (640, 360)}}, {"picture size"}),
    "another rate": ({"rate": "25"}, {"rate", "presented picture", "presented sound", "length sold"}),
    "another length": ({"lengths_seconds": (15, 30)}, {"length sold"}),
    "at most a second": ({"maximum_seconds": 1}, {"longest length"}),
    "a small file": ({"maximum_bytes": 1000}, {"size on disk"}),
    "a MOV": ({"container": "mov"}, {"container"}),
    "a richer picture": ({"video": PROFILE["video"] | {"minimum_kbps": 50_000}}, {"picture bit rate"}),
    "a poorer picture": ({"video": PROFILE["video"] | {"maximum_kbps": 5}}, {"greatest picture bit rate"}),
    "another profile": ({"video": PROFILE["video"] | {"profile": "main"}}, {"codec profile"}),
    "louder": ({"loudness": PROFILE["loudness"] | {"integrated": "-10"}}, {"loudness"}),
    "lower peaks": ({"loudness": PROFILE["loudness"] | {"true_peak": "-30"}}, {"true peak"}),
    "mono": ({"audio": PROFILE["audio"] | {"channels": 1}}, {"sound format"}),
    "no edit lists": ({"edit_list": "none"}, {"edit lists"}),
}


@pytest.mark.parametrize("name", ASKED_OTHERWISE)
def test_what_the_placement_asks_otherwise_fails_and_nothing_else(film: Path, name: str) -> None:
    how, wanted = ASKED_OTHERWISE[name]
    assert failed(check(film, **how)) == wanted


FAST = ["-movflags", "+faststart"]
COPY = ["-c", "copy"]
COPY_PICTURE = ["-c:v", "copy"]
COPY_SOUND = ["-c:a", "copy"]
UNKNOWN = "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown"
SECOND = ["-map", "0:v", "-map", "1:a"]
SPOILT: dict[str, tuple[list[str], list[str], set[str]]] = {
    "index behind the media": ([], COPY, {"faststart"}),
    "no edit lists": ([], [*COPY, "-use_editlist", "0", *FAST], {"presented picture"}),
    "late picture": (["-itsoffset", "0.5"], [*COPY, *SECOND, *FAST], {"presented picture", "edit lists"}),
    "no sound": ([], [*COPY, "-an", *FAST], {"streams", "sound"}),
    "two sounds": ([], [*COPY, "-map", "0:v", "-map", "0:a", "-map", "0:a", *FAST], {"streams"}),
    "untagged": ([], [*COPY_SOUND, "-vf", UNKNOWN, *FAST], {"colour"}),
    "wide pixels": ([], [*COPY_SOUND, "-vf", "setsar=4/3", *FAST], {"pixel shape"}),
    "4:4:4": ([], [*COPY_SOUND, "-pix_fmt", "yuv444p", *FAST], {"pixel format", "codec profile"}),
    "a frame less": ([], [*COPY_SOUND, "-frames:v", "47", *FAST], {"frames", "length sold", "presented picture"}),
    "HEVC": ([], [*COPY_SOUND, "-c:v", "libx265", "-x265-params", "log-level=error", *FAST], {"codec"}),
    "mono sound": ([], [*COPY_PICTURE, "-ac", "1", *FAST], {"sound format", "loudness"}),
    "other sound": ([], [*COPY_PICTURE, "-c:a", "libmp3lame", *FAST], {"sound codec"}),
    "quieter": ([], [*COPY_PICTURE, "-af", "volume=-9dB", *FAST], {"loudness"}),
    "too loud": ([], [*COPY_PICTURE, "-af", "volume=18dB", *FAST], {"loudness", "true peak"}),
    "silent": ([], [*COPY_PICTURE, "-af", "volume=0", *FAST], {"loudness"}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_film_that_somebody_exported_again(film: Path, tmp_path: Path, name: str) -> None:
    before, how, wanted = SPOILT[name]
    path = tmp_path / "again.mp4"
    run_ffmpeg([*before, "-i", str(film), *(["-i", str(film)] if before else []), *how, str(path)])
    found = failed(check(path))
    assert wanted <= found
    # a new encode of the picture may lose more; with the picture copied, nothing else may fail
    assert how[:2] == COPY_SOUND or found <= wanted | {"presented sound"}


def test_turned_pictures_are_seen(film: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    run_ffmpeg(["-display_rotation", "90", "-i", str(film), "-c", "copy", "-movflags", "+faststart", str(path)])
    assert "rotation" in failed(check(path))


def test_silence_that_was_asked_for_passes(film: Path, tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    run_ffmpeg(["-i", str(film), "-c:v", "copy", "-af", "volume=0", "-movflags", "+faststart", str(path)])
    assert "loudness" not in failed(check(path, silent=True))
    assert "loudness" in failed(check(film, silent=True))


def test_matroska_fails_in_words(film: Path, tmp_path: Path) -> None:
    run_ffmpeg(["-i", str(film), "-c", "copy", str(tmp_path / "film.mkv")])
    told = check(tmp_path / "film.mkv")
    assert {"container", "faststart", "edit lists"} <= failed(told)
    container = next(c for c in told["checks"] if c["name"] == "container")
    assert (container["wanted"], container["found"]) == ("mp4", "matroska,webm")


def test_damage_in_the_middle_is_found(film: Path, tmp_path: Path) -> None:
    whole = film.read_bytes()
    middle = whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) // 3
    path = tmp_path / "damaged.mp4"
    path.write_bytes(whole[:middle] + bytes(9000) + whole[middle + 9000 :])
    found = failed(check(path))
    assert {"decoding", "sound"} <= found, "the zeroes lie on both"
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert {"frames"} <= failed(check(cut))


@pytest.mark.parametrize("content", [b"", b"just words, no film\n" * 50, b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 400])
def test_what_is_no_film_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        check(path)
    assert "film.mp4" in caught.value.detail


def test_a_ratio_that_the_profile_does_not_have(film: Path) -> None:
    with pytest.raises(MediaError, match="no 9:16 picture"):
        check(film, ratio="9:16")


def test_every_shipped_profile_can_be_checked_against(film: Path) -> None:
    from manifests.ratecard import load_profiles

    for profile in load_profiles().values():
        for ratio in profile.sizes:
            params = verify.Params(profile=profile, ratio=ratio, rate=profile.rate)
            told = verify.run(params, {"file": film}, film.parent)
            assert "picture size" in {c["name"] for c in told["checks"] if not c["ok"]}
