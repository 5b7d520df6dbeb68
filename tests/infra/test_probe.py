"""Files are known by their packets and index: counts, rates, presented time, and clear words for what is no media."""

from __future__ import annotations

import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from footage import film_clip
from PIL import Image

from infra.errors import MediaError, ProgramMissingError
from infra.media.boxes import read_movie
from infra.media.ffmpeg import find_ffmpeg, run_ffmpeg
from infra.media.probe import probe_image, probe_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return film_clip(tmp_path / "clip.mp4", frames=48, sound=True)


def test_facts_of_a_clip(clip: Path) -> None:
    facts = probe_video(clip)
    assert (facts.width, facts.height, facts.codec, facts.pixel_format) == (320, 180, "h264", "yuv420p")
    assert (facts.frames, facts.header_frames, facts.rate, facts.constant_rate) == (48, 48, 24, True)
    assert (facts.sample_aspect, facts.rotation, facts.full_range) == (1, 0, False)
    assert (facts.primaries, facts.transfer, facts.matrix) == ("bt709", "bt709", "bt709")
    assert (facts.start, facts.seconds) == (0, 2)
    assert facts.keyframes[0] == 0
    assert (facts.video_streams, len(facts.audio), facts.other_streams) == (1, 1, 0)
    assert (facts.audio[0].codec, facts.audio[0].sample_rate, facts.audio[0].channels) == ("aac", 48000, 2)
    assert (facts.index_first, facts.plain_edits, facts.edit_lists) == (False, True, 2)
    assert facts.size == clip.stat().st_size
    assert facts.as_facts()["has_audio"] is True


@pytest.mark.parametrize("rate", ["24", "25", "24000/1001", "30000/1001", "60"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_rates_are_exact_in_fine_and_coarse_clocks(tmp_path: Path, rate: str, container: str) -> None:
    facts = probe_video(film_clip(tmp_path / f"clip.{container}", frames=30, rate=rate))
    assert (facts.rate, facts.constant_rate, facts.frames) == (Fraction(rate), True, 30)


def test_a_varying_rate_is_seen(clip: Path, tmp_path: Path) -> None:
    uneven = tmp_path / "uneven.mp4"
    # every eighth frame is left out and its place stays empty
    run_ffmpeg(["-i", str(clip), "-an", "-vf", "select=mod(n\\,8)", "-fps_mode", "vfr", str(uneven)])
    facts = probe_video(uneven)
    assert facts.constant_rate is False
    assert facts.frames == 42


def test_rotation_and_pixel_shape(clip: Path, tmp_path: Path) -> None:
    turned, wide = tmp_path / "turned.mp4", tmp_path / "wide.mp4"
    run_ffmpeg(["-display_rotation", "90", "-i", str(clip), "-c", "copy", str(turned)])
    run_ffmpeg(["-i", str(clip), "-vf", "setsar=4/3", str(wide)])
    assert probe_video(turned).rotation in (90, 270)
    assert probe_video(wide).sample_aspect == Fraction(4, 3)


def test_hidden_frames_are_not_counted(clip: Path, tmp_path: Path) -> None:
    """A copied middle starts at a key frame before the cut; an edit list hides the difference."""
    middle = tmp_path / "middle.mp4"
    run_ffmpeg(["-ss", "1", "-i", str(clip), "-c", "copy", "-an", str(middle)])
    facts = probe_video(middle)
    movie = read_movie(middle)
    assert movie is not None
    assert movie.tracks[0].samples == 48, "the hidden frames are stored"
    assert facts.frames == 24
    assert facts.seconds == 1


def test_presented_time_without_edit_lists_shows_the_delay(clip: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.mp4"
    run_ffmpeg(["-i", str(clip), "-c", "copy", "-use_editlist", "0", str(bare)])
    facts = probe_video(bare)
    assert facts.edit_lists == 0
    assert facts.start == Fraction(2, 24), "B-frames shift the picture"


def test_an_empty_edit_is_not_plain(clip: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    run_ffmpeg(
        ["-itsoffset", "0.5", "-i", str(clip), "-i", str(clip), "-map", "0:v", "-map", "1:a", "-c", "copy", str(late)]
    )
    facts = probe_video(late)
    assert facts.plain_edits is False
    assert facts.start == Fraction(1, 2)


def test_a_truncated_file_with_its_index_first_claims_more_than_it_holds(clip: Path, tmp_path: Path) -> None:
    fast = tmp_path / "fast.mp4"
    run_ffmpeg(["-i", str(clip), "-c", "copy", "-movflags", "+faststart", str(fast)])
    assert probe_video(fast).index_first is True
    fast.write_bytes(fast.read_bytes()[: fast.stat().st_size // 2])
    facts = probe_video(fast)
    assert facts.frames < facts.header_frames == 48


NO_MEDIA = {
    "empty": (b"", "empty"),
    "words": (b"not a film\n" * 200, "cannot be read as video|has no picture"),
    "page": (b"<html><body>404</body></html>", "cannot be read as video|has no picture"),
    "noise": (bytes(np.random.default_rng(1).integers(0, 256, 5000, dtype=np.uint8)), "cannot be read as video"),
}


@pytest.mark.parametrize("name", NO_MEDIA)
@pytest.mark.parametrize("ending", ["mp4", "txt", "mkv"])
def test_what_is_no_film_is_said_clearly(tmp_path: Path, name: str, ending: str) -> None:
    content, words = NO_MEDIA[name]
    path = tmp_path / f"file.{ending}"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words) as caught:
        probe_video(path)
    assert str(path) in caught.value.detail
    assert caught.value.remedy


def test_a_film_cut_off_before_its_index(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"cannot be read|no index"):
        probe_video(clip)


def test_missing_files_folders_and_sound(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is not there"):
        probe_video(tmp_path / "nothing.mp4")
    with pytest.raises(MediaError, match="is not a file"):
        probe_video(tmp_path)
    sound = tmp_path / "sound.wav"
    run_ffmpeg(["-f", "lavfi", "-i", "sine=d=1", str(sound)])
    with pytest.raises(MediaError, match="has no picture"):
        probe_video(sound)


def test_damaged_indexes_are_answered_not_crashed_on(clip: Path) -> None:
    """Every field of the index in turn becomes nonsense: an answer or a MediaError, and nothing else."""
    whole = clip.read_bytes()
    index = whole.index(b"moov")
    answered = 0
    for position in range(index + 8, len(whole) - 4, 29):
        clip.write_bytes(whole[:position] + b"\xff\xff\xff\xff" + whole[position + 4 :])
        try:
            movie = read_movie(clip)
        except MediaError:
            continue
        answered += 1
        for track in movie.tracks if movie else ():
            assert track.presented[1] >= 0
    assert answered > 10


def test_an_index_of_absurd_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.mp4"
    with path.open("wb") as file:
        file.write(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 400 * 1024 * 1024, b"moov"))
        file.truncate(400 * 1024 * 1024 + 16)
    with pytest.raises(MediaError, match="no sane file"):
        read_movie(path)


def test_images(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))
    for kind in ("png", "jpeg", "webp"):
        path = tmp_path / f"a.{kind}"
        picture.save(path)
        info = probe_image(path)
        assert (info.width, info.height, info.format, info.animated, info.alpha) == (60, 40, kind, False, False)
    picture.putalpha(128)
    picture.save(tmp_path / "alpha.png")
    assert probe_image(tmp_path / "alpha.png").alpha is True


def test_a_turned_photograph_is_measured_as_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    info = probe_image(tmp_path / "turned.jpg")
    assert (info.width, info.height) == (40, 60)


def test_images_that_cannot_be_used(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8))
    picture.save(tmp_path / "whole.png")
    picture.save(tmp_path / "moving.gif", save_all=True, append_images=[picture.rotate(90)])
    whole = (tmp_path / "whole.png").read_bytes()
    spoilt = {
        "missing.png": (None, "is not there"),
        "empty.png": (b"", "empty"),
        "half.png": (whole[: len(whole) // 2], "damaged"),
        "flipped.png": (whole[:900] + bytes([whole[900] ^ 255]) + whole[901:], "damaged"),
        "words.png": (b"nothing of the kind", "not an image"),
        "moving.gif": ((tmp_path / "moving.gif").read_bytes(), "GIF"),
    }
    for name, (content, words) in spoilt.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MediaError, match=words):
            probe_image(path)


def test_importing_the_probe_loads_no_decoder() -> None:
    code = "import sys, infra.media.probe; print([m for m in ('av', 'cv2', 'numpy', 'PIL') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_missing_program_has_a_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nowhere"))
    with pytest.raises(ProgramMissingError, match="not a program") as caught:
        find_ffmpeg()
    assert "IMAGEIO_FFMPEG_EXE" in caught.value.remedy
    assert caught.value.exit_code == 6


def test_a_program_that_cannot_run_is_missing_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(broken))
    with pytest.raises(ProgramMissingError, match="cannot be started"):
        run_ffmpeg(["-version"])


def test_ffmpeg_fails_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("nothing")
    with pytest.raises(MediaError, match=r"on words\.mp4: (?s:.)*Invalid data"):
        run_ffmpeg(["-i", str(tmp_path / "words.mp4"), "-f", "null", "-"])


def test_ffmpeg_is_stopped_in_time() -> None:
    with pytest.raises(MediaError, match="more than 0 s"):
        run_ffmpeg(["-re", "-f", "lavfi", "-i", "testsrc2=d=60", "-f", "null", "-"], seconds=0.4)
