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
from infra.media.packets import read_headers
from infra.media.probe import probe_video
from manifests.sections import key_frames


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


# --- at the film's own settings ---


VIDEO = {"codec": "h264", "preset": "veryfast", "crf": 20, "gop_frames": 40}


def test_a_clip_that_will_be_copied_has_its_key_frames_where_they_were_calculated(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", frames=130)
    told = bring(take, tmp_path, frames=121, idr=[11, 12, 90, 400], video=VIDEO)
    facts = probe_video(tmp_path / "shot.mp4")
    assert facts.keyframes == (0, 11, 12, 52, 90) == key_frames(121, [11, 12, 90], 40)
    assert facts.profile == "High"
    assert told["idr"] == [11, 12, 90, 400]
    assert told["headers"] == read_headers(tmp_path / "shot.mp4")
    bring(take, tmp_path, frames=121, video=VIDEO)
    assert probe_video(tmp_path / "shot.mp4").keyframes == (0, 40, 80, 119), "120 would stand alone"


def test_the_crf_of_the_film_is_the_clip_s(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    sizes = []
    for crf in (12, 24):
        bring(take, tmp_path, video=VIDEO | {"crf": crf})
        sizes.append((tmp_path / "shot.mp4").stat().st_size)
    assert sizes[0] > sizes[1] * 2


# --- another shape ---


def marked(folder: Path, width: int, height: int) -> Path:
    """White, with a black block at three quarters of the width and a quarter of the height."""
    picture = np.full((height, width), 235, np.uint8)
    picture[height // 4 - 15 : height // 4 + 15, width * 3 // 4 - 15 : width * 3 // 4 + 15] = 16
    return film_clip(folder / "take.mp4", width=width, height=height, frames=6, edit=lambda n, luma: picture, crf=4)


@pytest.mark.parametrize(
    ("focus", "seen"),
    [(None, None), ((0.75, 0.5), 0.5), ((1.0, 0.5), 1 - 0.25 * 640 / 202), ((0.65, 0.0), 0.5 + 0.1 * 640 / 202)],
)
def test_the_focus_point_moves_the_crop(tmp_path: Path, focus: tuple[float, float] | None, seen: float | None) -> None:
    """9:16 out of 16:9: 202 columns of 640."""
    bring(marked(tmp_path, 640, 360), tmp_path, frames=6, width=270, height=480, focus=focus, sharpen=False)
    luma = decode_luma(tmp_path / "shot.mp4")[2]
    dark = np.argwhere(luma < 60)
    if seen is None:
        assert len(dark) == 0, "the block is outside the middle"
        return
    assert abs(dark[:, 1].mean() / 270 - seen) < 0.02
    assert abs(dark[:, 0].mean() / 480 - 0.25) < 0.02


def test_a_focus_outside_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the picture"):
        conform.Params.model_validate({"frames": 1, "rate": "24", "width": 2, "height": 2, "focus": [1.2, 0.5]})


@pytest.mark.parametrize(("width", "height"), [(270, 480), (480, 270), (480, 600)])
@pytest.mark.parametrize("pad", ["blur", "solid:#C82820"])
def test_the_whole_picture_on_a_ground(tmp_path: Path, pad: str, width: int, height: int) -> None:
    take = marked(tmp_path, 400, 400)
    bring(take, tmp_path, frames=6, width=width, height=height, pad=pad, sharpen=False)
    assert probe_video(tmp_path / "shot.mp4").frames == 6
    out_frame.run(out_frame.Params(frame=3), {"take": tmp_path / "shot.mp4"}, tmp_path)
    with Image.open(tmp_path / "frame.png") as image:
        found = np.asarray(image).astype(int)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    inner = found[top : top + side, left : left + side].mean(axis=2)
    dark = np.argwhere(inner < 60)
    assert np.abs(dark.mean(axis=0) / side - (0.25, 0.75)).max() < 0.02, "all of it, in the middle"
    corner = found[:12, :12].reshape(-1, 3)
    if pad == "blur":
        assert corner.min() > 150
    else:
        assert np.abs(corner - (0xC8, 0x28, 0x20)).max() <= 4


def test_a_picture_of_the_right_shape_needs_no_ground(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", width=640, height=360)
    films = set()
    for pad in ("none", "blur", "solid:#000000"):
        bring(take, tmp_path, pad=pad)
        films.add((tmp_path / "shot.mp4").read_bytes())
    assert len(films) == 1


# --- clips from elsewhere ---


def retag(take: Path, out: Path, turn: int) -> Path:
    """The same packets with a mark that says how far the picture is to be turned."""
    run_ffmpeg(["-display_rotation", str(turn), "-i", str(take), "-c", "copy", str(out)])
    return out


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("size", [(320, 180), (322, 182)])
def test_turned_clips_stand_upright(tmp_path: Path, turn: int, size: tuple[int, int]) -> None:
    picture = np.full(size[::-1], 40, np.uint8)
    picture[: size[1] // 2, : size[0] // 2] = 220  # the quarter at the top left
    take = film_clip(tmp_path / "take.mp4", frames=8, width=size[0], height=size[1], edit=lambda n, luma: picture)
    turned = retag(take, tmp_path / "turned.mp4", turn)
    facts = probe_video(turned)
    assert facts.rotation == (turn if turn == 180 else facts.rotation) != 0
    width, height = (480, 270) if turn == 180 else (270, 480)
    bring(turned, tmp_path, frames=8, width=width, height=height)
    luma = decode_luma(tmp_path / "shot.mp4")[3]
    quarters = [luma[y : y + height // 4, x : x + width // 4].mean() for y, x in
                ((height // 8, width // 8), (height // 8, width * 5 // 8), (height * 5 // 8, width // 8),
                 (height * 5 // 8, width * 5 // 8))]  # fmt: skip
    # counter-clockwise, as ffmpeg counts: 90 brings the top left to the bottom left
    assert int(np.argmax(quarters)) == {90: 2, 180: 3, 270: 1}[turn]


@pytest.mark.parametrize("size", [(321, 181), (321, 180), (320, 181)])
@pytest.mark.parametrize("codec", [("ffv1", "yuv420p", "mkv"), ("libx264", "yuv444p", "mp4")])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int], codec: tuple[str, str, str]) -> None:
    name, pixels, ending = codec
    take = film_clip(
        tmp_path / f"take.{ending}", width=size[0], height=size[1], codec=name, pixel_format=pixels, numbered=True
    )
    for width, height in ((480, 270), (270, 480), (270, 270)):
        bring(take, tmp_path, width=width, height=height)
        assert probe_video(tmp_path / "shot.mp4").frames == 24
    bring(take, tmp_path)
    assert numbers(tmp_path) == list(range(24))
    bring(take, tmp_path, width=270, height=480, pad="blur")
    assert (probe_video(tmp_path / "shot.mp4").width, probe_video(tmp_path / "shot.mp4").height) == (270, 480)


@pytest.mark.parametrize("aspect", ["4/3", "9/10", "853/640"])
def test_pixels_that_are_not_square(tmp_path: Path, aspect: str) -> None:
    """A circle stays a circle."""
    y, x = np.mgrid[:180, :240]
    share = Fraction(aspect)
    disc = np.where(((x - 120) * float(share)) ** 2 + (y - 90) ** 2 < 60**2, 220, 40).astype(np.uint8)
    plain = film_clip(tmp_path / "plain.mp4", width=240, height=180, frames=6, edit=lambda n, luma: disc, crf=4)
    take = tmp_path / "take.mp4"
    tag = f"h264_metadata=sample_aspect_ratio={share.numerator}/{share.denominator}"
    run_ffmpeg(["-i", str(plain), "-c", "copy", "-bsf:v", tag, str(take)])
    assert probe_video(take).sample_aspect == share
    bring(take, tmp_path, frames=6, width=480, height=270)
    luma = decode_luma(tmp_path / "shot.mp4")[2] > 130
    wide, tall = luma.any(axis=0).sum(), luma.any(axis=1).sum()
    assert abs(wide / tall - 1) < 0.04


def test_a_variable_rate_is_refused_with_what_was_found(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "even.mp4", frames=48)
    uneven = tmp_path / "uneven.mp4"
    moved = "settb=1/12288,setpts='512*N+if(gt(mod(N,7),4),300,0)'"
    run_ffmpeg(["-i", str(take), "-vf", moved, "-fps_mode", "vfr", "-enc_time_base", "1/12288", str(uneven)])
    assert not probe_video(uneven).constant_rate
    with pytest.raises(MediaError, match=r"variable frame rate, 24\.\d+ a second on average over 48 frames"):
        bring(uneven, tmp_path)
    assert not (tmp_path / "shot.mp4").exists()


def test_a_clip_that_was_cut_off_says_what_is_left(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", frames=96, numbered=True)
    fast = tmp_path / "fast.mp4"
    run_ffmpeg(["-i", str(take), "-c", "copy", "-movflags", "+faststart", str(fast)])
    whole = fast.read_bytes()
    fast.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(MediaError, match=r"has \d\d frames \(its index promises 96\); frames 0 to 89 were asked for"):
        bring(fast, tmp_path, frames=90)
    with pytest.raises(MediaError, match=r"cut off: of the 96 frames that its index promises \d\d are there"):
        bring(fast, tmp_path, frames=24)
    take.write_bytes(take.read_bytes()[:20000])
    with pytest.raises(MediaError, match="cannot be read as video"):
        bring(take, tmp_path)


def test_a_quarter_turn_is_all_that_is_turned(tmp_path: Path) -> None:
    take = retag(film_clip(tmp_path / "plain.mp4"), tmp_path / "take.mp4", 30)
    with pytest.raises(MediaError, match=r"turned by \d+°"):
        bring(take, tmp_path)
