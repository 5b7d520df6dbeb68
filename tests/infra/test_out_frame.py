"""The out-frame is the very frame with that number, in true colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from footage import film_clip, read_number
from PIL import Image

from infra.errors import MediaError
from infra.media import out_frame
from infra.media.colour import Planes, planes_to_rgb, rgb_to_444
from infra.media.ffmpeg import run_ffmpeg


def take_frame(take: Path, frame: int, out: Path) -> np.ndarray:
    facts = out_frame.run(out_frame.Params(frame=frame), {"take": take}, out)
    with Image.open(out / "frame.png") as image:
        assert (image.width, image.height) == (facts["width"], facts["height"])
        assert image.mode == "RGB"
        return np.asarray(image)


@pytest.mark.parametrize("frame", [0, 1, 29, 46, 47])
def test_the_numbered_frame_and_no_other(tmp_path: Path, frame: int) -> None:
    take = film_clip(tmp_path / "take.mp4", numbered=True)
    assert read_number(take_frame(take, frame, tmp_path)[..., 1]) == frame


def test_frames_hidden_by_an_edit_list_do_not_count(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", numbered=True)
    run_ffmpeg(["-ss", "1", "-i", str(take), "-c", "copy", str(tmp_path / "late.mp4")])
    assert read_number(take_frame(tmp_path / "late.mp4", 23, tmp_path)[..., 1]) == 47


def test_sound_longer_than_the_picture_changes_nothing(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", numbered=True)
    tone = ["-f", "lavfi", "-i", "sine=d=5"]
    run_ffmpeg(["-i", str(take), *tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy", str(tmp_path / "long.mp4")])
    assert read_number(take_frame(tmp_path / "long.mp4", 47, tmp_path)[..., 1]) == 47


def test_the_same_bytes_again(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    take_frame(take, 20, tmp_path)
    first = (tmp_path / "frame.png").read_bytes()
    take_frame(take, 20, tmp_path)
    assert (tmp_path / "frame.png").read_bytes() == first


def test_a_frame_behind_the_end_and_damage_before_it(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", crf=8)
    with pytest.raises(MediaError, match=r"48 frames, so no frame 48"):
        take_frame(take, 48, tmp_path)
    whole = take.read_bytes()
    start = whole.index(b"mdat") + 30000
    take.write_bytes(whole[:start] + bytes(30000) + whole[start + 30000 :])
    with pytest.raises(MediaError, match="damaged"):
        take_frame(take, 47, tmp_path)
    assert not (tmp_path / "frame.png").exists()


@pytest.mark.parametrize("tagged", [True, False])
def test_colours_are_bt709_with_and_without_tags(tmp_path: Path, tagged: bool) -> None:
    """A picture of known patches goes through H.264 and comes back within a shade."""
    rng = np.random.default_rng(4)
    patches = rng.integers(10, 246, (6, 10, 3), dtype=np.uint8)
    picture = patches.repeat(32, 0).repeat(32, 1)
    Image.fromarray(picture).save(tmp_path / "patches.png")
    tags = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    graph = f"zscale=matrix=709:range=limited,format=yuv420p,{tags}"
    if not tagged:
        graph += ",setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown:range=unknown"
    take = tmp_path / "take.mp4"
    source = ["-loop", "1", "-i", str(tmp_path / "patches.png"), "-frames:v", "3"]
    rgb = "format=gbrp,setparams=colorspace=gbr:range=pc,"
    run_ffmpeg([*source, "-vf", rgb + graph, "-c:v", "libx264", "-crf", "4", str(take)])
    found = take_frame(take, 1, tmp_path)[16::32, 16::32].astype(int)
    assert np.abs(found - patches).max() <= 4
    assert np.abs(found - patches).mean() < 1.2


def test_whole_number_colour_round_trip() -> None:
    ramp = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * 3, indexing="ij"), -1).reshape(1, -1, 3)
    flat = ramp.repeat(2, 0).repeat(2, 1)
    y, u, v = (((plane + 32768) >> 16).astype(np.uint8) for plane in rgb_to_444(flat))
    back = planes_to_rgb(Planes(y, u[::2, ::2], v[::2, ::2]))[:, 0::2].astype(int)
    assert np.abs(back - flat[:, 0::2]).max() <= 3
    assert (y.min(), y.max()) == (16, 235)
