"""Conformed shots hold exactly the asked frames, whatever came in."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import decode_luma, film_clip, paint_texture, read_number
from PIL import Image

from infra.errors import MediaError
from infra.media import conform, out_frame
from infra.media.ffmpeg import run_ffmpeg
from infra.media.probe import probe_video


def bring(take: Path, out: Path, **how: object) -> dict[str, object]:
    wanted = {"frames": 24, "rate": "24", "width": 480, "height": 270} | how
    return conform.run(conform.Params.model_validate(wanted), {"take": take}, out)


def numbers(out: Path) -> list[int]:
    return [read_number(luma) for luma in decode_luma(out / "shot.mp4")]


@pytest.mark.parametrize(
    ("source", "rate"),
    [
        ({}, "24"),
        ({"rate": "25"}, "24"),
        ({"rate": "24000/1001"}, "24"),
        ({"rate": "30"}, "24000/1001"),
        ({"width": 320, "height": 192}, "24"),  # 5:3, as some models give
        ({"width": 854, "height": 480}, "24"),
        ({"width": 322, "height": 182, "tagged": False}, "24"),
        ({"width": 180, "height": 320}, "24"),
    ],
)
def test_exactly_the_asked_frames_at_the_asked_rate(tmp_path: Path, source: dict[str, object], rate: str) -> None:
    take = film_clip(tmp_path / "take.mp4", numbered=True, **source)
    told = bring(take, tmp_path, in_frame=7, frames=30, rate=rate)
    facts = probe_video(tmp_path / "shot.mp4")
    assert (facts.frames, facts.rate, facts.constant_rate) == (30, Fraction(rate), True)
    assert (facts.start, facts.seconds) == (0, 30 / Fraction(rate))
    assert (facts.width, facts.height, facts.sample_aspect) == (480, 270, 1)
    assert (facts.primaries, facts.transfer, facts.matrix, facts.full_range) == ("bt709", "bt709", "bt709", False)
    assert facts.index_first is True
    assert told["frames"] == 30
    lumas = decode_luma(tmp_path / "shot.mp4")
    moved = [float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(lumas)]
    assert min(moved) > 0.2, "no frame is doubled"
    if source.get("width", 320) / source.get("height", 180) == 320 / 180:
        assert numbers(tmp_path) == list(range(7, 37))


@pytest.mark.parametrize("ending", ["mkv", "mov"])
def test_other_containers_and_codecs(tmp_path: Path, ending: str) -> None:
    codec, pixels = ("ffv1", "yuv444p") if ending == "mkv" else ("qtrle", "rgb24")
    take = film_clip(tmp_path / f"take.{ending}", numbered=True, codec=codec, pixel_format=pixels, frames=30)
    bring(take, tmp_path, frames=30)
    assert numbers(tmp_path) == list(range(30))


def test_key_frames_lie_where_the_edit_cuts(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", frames=110)
    bring(take, tmp_path, frames=100, idr=[11, 12, 90, 400])
    assert probe_video(tmp_path / "shot.mp4").keyframes == (0, 11, 12, 60, 90)


def test_the_same_bytes_again(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", width=426, height=240)
    digests = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        bring(take, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name / "shot.mp4").read_bytes()).hexdigest())
        assert [p.name for p in (tmp_path / name).iterdir()] == ["shot.mp4"], "nothing else is left"
    assert len(digests) == 1


def test_a_still_is_held_for_as_long_as_asked(tmp_path: Path) -> None:
    picture = np.clip(paint_texture(2, 300, 400), 0, 255).astype(np.uint8)
    Image.fromarray(picture).convert("RGB").save(tmp_path / "still.png")
    bring(tmp_path / "still.png", tmp_path, frames=50)
    lumas = decode_luma(tmp_path / "shot.mp4")
    assert len(lumas) == 50
    assert max(float(np.abs(luma.astype(int) - lumas[0]).mean()) for luma in lumas) < 2
    middle = picture[(400 - 169) // 2 :][:169]  # 16:9 of a tall picture, from its middle
    wanted = 16 + cv2.resize(middle.astype(np.float32), (480, 270), interpolation=cv2.INTER_CUBIC) * 219 / 255
    assert np.abs(wanted - lumas[20]).mean() < 6, "sharpened, but this part of this picture"


def test_a_turned_photograph_stands_upright(tmp_path: Path) -> None:
    upright = np.zeros((270, 480, 3), np.uint8)
    upright[:135] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    bring(tmp_path / "turned.jpg", tmp_path, frames=3)
    luma = decode_luma(tmp_path / "shot.mp4")[1]
    assert luma[40].mean() > 150
    assert luma[230].mean() < 40


def test_a_card_keeps_its_colours(tmp_path: Path) -> None:
    """An opaque lossless card, through conform and back to RGB."""
    colours = np.array([[200, 40, 30], [20, 90, 200], [240, 240, 236], [12, 12, 14]], np.uint8)
    Image.fromarray(colours[None].repeat(270, 0).repeat(120, 1)).save(tmp_path / "card.png")
    card = ["-loop", "1", "-framerate", "24", "-i", str(tmp_path / "card.png"), "-frames:v", "24"]
    run_ffmpeg([*card, "-c:v", "qtrle", str(tmp_path / "card.mov")])
    bring(tmp_path / "card.mov", tmp_path)
    out_frame.run(out_frame.Params(frame=10), {"take": tmp_path / "shot.mp4"}, tmp_path)
    with Image.open(tmp_path / "frame.png") as image:
        found = np.asarray(image)[135, 60::120].astype(int)
    assert np.abs(found - colours).max() <= 4


def test_colour_that_is_tagged_otherwise_is_converted(tmp_path: Path) -> None:
    """The same RGB picture, coded as BT.601, comes out with the same colours."""
    colours = np.array([[200, 40, 30], [20, 90, 200], [30, 180, 60]], np.uint8)
    Image.fromarray(colours[None].repeat(180, 0).repeat(120, 1)).save(tmp_path / "card.png")
    graph = "format=gbrp,setparams=colorspace=gbr:range=pc:color_primaries=bt709:color_trc=bt709,"
    graph += "zscale=matrix=170m:range=full,format=yuv420p"
    source = ["-loop", "1", "-i", str(tmp_path / "card.png"), "-frames:v", "24", "-vf", graph]
    run_ffmpeg([*source, "-c:v", "libx264", "-crf", "4", str(tmp_path / "take.mp4")])
    assert probe_video(tmp_path / "take.mp4").matrix in ("smpte170m", "bt470bg")
    bring(tmp_path / "take.mp4", tmp_path)
    out_frame.run(out_frame.Params(frame=10), {"take": tmp_path / "shot.mp4"}, tmp_path)
    with Image.open(tmp_path / "frame.png") as image:
        found = np.asarray(image)[135, 80::160].astype(int)
    assert np.abs(found - colours).max() <= 5


def test_sharpening_makes_a_scaled_picture_crisper(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", crf=10)
    edges = []
    for sharpen in (False, True):
        bring(take, tmp_path, sharpen=sharpen, width=640, height=360)
        edges.append(cv2.Laplacian(decode_luma(tmp_path / "shot.mp4")[12], cv2.CV_32F).var())
    assert edges[1] > edges[0] * 1.1


def test_too_short_too_large_and_damaged_takes(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", crf=8)
    with pytest.raises(MediaError, match=r"48 frames; frames 30 to 53 were asked for"):
        bring(take, tmp_path, in_frame=30)
    with pytest.raises(MediaError, match="above the ceiling of 200"):
        bring(take, tmp_path, ceiling_height=200)
    bring(take, tmp_path, ceiling_height=270)
    whole = take.read_bytes()
    start = whole.index(b"mdat") + 20000
    take.write_bytes(whole[:start] + bytes(30000) + whole[start + 30000 :])
    (tmp_path / "damaged").mkdir()
    with pytest.raises(MediaError, match="ffmpeg ended with status"):
        bring(take, tmp_path / "damaged")
    assert not (tmp_path / "damaged" / "shot.mp4").exists()


def test_what_cannot_be_held(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 36))
    picture.save(tmp_path / "moving.gif", save_all=True, append_images=[picture.rotate(3)])
    picture.save(tmp_path / "moving.webp", save_all=True, append_images=[Image.new("RGB", (64, 36), "red")])
    with pytest.raises(MediaError, match="GIF"):
        bring(tmp_path / "moving.gif", tmp_path)
    with pytest.raises(MediaError, match="animation"):
        bring(tmp_path / "moving.webp", tmp_path)


def test_high_dynamic_range_is_refused(tmp_path: Path) -> None:
    tags = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=2", "-vf", f"format=yuv420p10le,{tags}"]
    run_ffmpeg([*source, "-c:v", "libx264", str(tmp_path / "take.mp4")])
    with pytest.raises(MediaError, match="standard dynamic range"):
        bring(tmp_path / "take.mp4", tmp_path)
