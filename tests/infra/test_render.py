"""The picture encoded as a whole: exact frames, transitions number by number, the same bytes on any number of cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from footage import decode_luma, film_clip, read_number
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.errors import MediaError
from infra.media import conform, render
from infra.media.blend import join_pictures, lay_over, mix_planes, prepare_overlay
from infra.media.colour import Planes
from infra.media.ffmpeg import run_ffmpeg
from infra.media.probe import probe_video

WIDTH, HEIGHT = 320, 180
VIDEO = {"codec": "h264", "preset": "veryfast", "crf": 8}


def params(**how: object) -> render.Params:
    wanted = {"width": WIDTH, "height": HEIGHT, "rate": "24", "video": VIDEO} | how
    return render.Params.model_validate(wanted)


@pytest.fixture
def shot(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, frames: int, **how: object) -> Path:
        out = tmp_path / f"shot-{name}"
        out.mkdir()
        take = film_clip(out / "take.mp4", frames=frames, **({"numbered": True, "crf": 8} | how))
        wanted = conform.Params(frames=frames, rate="24", width=WIDTH, height=HEIGHT, sharpen=False)
        conform.run(wanted, {"take": take}, out)
        return out / "shot.mp4"

    return make


def test_cuts_show_every_frame_once_and_in_order(tmp_path: Path, shot: Callable[..., Path]) -> None:
    inputs = {"a": shot("a", 30, seed=1), "b": shot("b", 41, seed=2)}
    clips = [{"input": "a", "start": 0, "frames": 30}, {"input": "b", "start": 30, "frames": 41}]
    told = render.run(params(frames=71, clips=clips), inputs, tmp_path)
    seen = [read_number(luma) for luma in decode_luma(tmp_path / "picture.mp4")]
    assert seen == [*range(30), *range(41)]
    facts = probe_video(tmp_path / "picture.mp4")
    assert (facts.frames, facts.rate, facts.constant_rate, facts.start) == (71, 24, True, 0)
    assert facts.seconds == Fraction(71, 24)
    assert (facts.primaries, facts.transfer, facts.matrix) == ("bt709", "bt709", "bt709")
    assert (facts.profile, facts.sample_aspect, facts.index_first) == ("High", 1, True)
    assert told["frames"] == 71
    assert not list(tmp_path.glob("_*")), "no section is left behind"
    run_ffmpeg(["-v", "warning", "-i", str(tmp_path / "picture.mp4"), "-f", "null", "-"])


@pytest.mark.parametrize("kind", ["dissolve", "dip", "wipe"])
def test_transitions_are_what_the_rule_says(tmp_path: Path, shot: Callable[..., Path], kind: str) -> None:
    """Frame A + i holds (i + 1) / (n + 1) of the later clip; the clips overlap in exactly n frames."""
    n, at = 7, 23
    inputs = {"a": shot("a", 30, seed=1, numbered=False), "b": shot("b", 30, seed=2, numbered=False)}
    clips = [{"input": "a", "start": 0, "frames": 30}, {"input": "b", "start": at, "frames": 30}]
    join = {"kind": kind, "at": at, "frames": n}
    render.run(params(frames=53, clips=clips, transitions=[join]), inputs, tmp_path)
    film = decode_luma(tmp_path / "picture.mp4")
    earlier, later = (decode_luma(inputs[name]) for name in "ab")
    assert len(film) == 53
    for i in range(n):
        a, b = earlier[at + i].astype(float), later[i].astype(float)
        share = (i + 1) / (n + 1)
        if kind == "dissolve":
            wanted = a * (1 - share) + b * share
        elif kind == "dip":
            wanted = (
                a * (1 - 2 * share) + 16 * 2 * share if share <= 0.5 else b * (2 * share - 1) + 16 * (2 - 2 * share)
            )
        else:
            soft = WIDTH // 32 * 2
            reached = (WIDTH // 2 + WIDTH // 32) * (i + 1) // (n + 1) * 2
            of_later = np.clip((reached - np.arange(WIDTH)) / soft, 0, 1)
            wanted = a * (1 - of_later) + b * of_later
        assert np.abs(film[at + i] - wanted).mean() < 1.5, f"frame {i} of the {kind}"
    assert np.abs(film[at - 1] - earlier[at - 1].astype(float)).mean() < 1.5
    assert np.abs(film[at + n] - later[n].astype(float)).mean() < 1.5


def test_overlays_lie_where_and_when_they_should(tmp_path: Path, shot: Callable[..., Path]) -> None:
    rgba = np.zeros((40, 60, 4), np.uint8)
    rgba[..., :3] = (250, 60, 40)
    rgba[:, :30, 3] = 255
    rgba[:, 30:, 3] = 128
    overlay = lossless_overlay(tmp_path / "super.mov", rgba, 20)
    inputs = {"a": shot("a", 50, numbered=False), "super": overlay}
    span = {"input": "super", "x": 101, "y": 71, "start": 10, "frames": 20}
    clips = [{"input": "a", "start": 0, "frames": 50}]
    render.run(params(frames=50, clips=clips, overlays=[span]), inputs, tmp_path)
    film, plain = decode_luma(tmp_path / "picture.mp4"), decode_luma(inputs["a"])
    red = 16 + (0.2126 * 250 + 0.7152 * 60 + 0.0722 * 40) * 219 / 255
    for number in (9, 10, 29, 30):
        inside = film[number][71:111, 101:161].astype(float)
        under = plain[number][71:111, 101:161].astype(float)
        if number in (9, 30):
            assert np.abs(inside - under).mean() < 2, f"nothing lies on frame {number}"
        else:
            assert np.abs(inside[:, :29] - red).mean() < 2
            assert np.abs(inside[:, 31:] - (under * 127 + red * 128)[:, 31:] / 255).mean() < 2
        outside = np.abs(film[number].astype(float) - plain[number])
        outside[66:116, 96:166] = 0
        assert outside.mean() < 1.5


def lossless_overlay(path: Path, rgba: np.ndarray, frames: int) -> Path:
    from PIL import Image

    picture = path.with_suffix(".png")
    Image.fromarray(rgba).save(picture)
    source = ["-loop", "1", "-framerate", "24", "-i", str(picture), "-frames:v", str(frames)]
    run_ffmpeg([*source, "-c:v", "qtrle", "-pix_fmt", "argb", str(path)])
    return path


def long_film(shot: Callable[..., Path]) -> tuple[render.Params, dict[str, Path]]:
    inputs = {"a": shot("a", 200, seed=1), "b": shot("b", 215, seed=2)}
    clips = [{"input": "a", "start": 0, "frames": 200}, {"input": "b", "start": 190, "frames": 215}]
    join = {"kind": "dissolve", "at": 190, "frames": 10}
    return params(frames=405, clips=clips, transitions=[join]), inputs


def test_sections_join_without_a_seam_and_without_regard_to_cores(tmp_path: Path, shot: Callable[..., Path]) -> None:
    wanted, inputs = long_film(shot)
    assert render.divide_film(wanted) == [(0, 202), (202, 405)], "and the section starts behind the dissolve"
    digests = set()
    cores = sorted(os.sched_getaffinity(0))
    try:
        for number, allowed in enumerate(({cores[0]}, set(cores), set(cores))):
            os.sched_setaffinity(0, allowed)
            out = tmp_path / str(number)
            out.mkdir()
            assert render.run(wanted, inputs, out)["sections"] == 2
            digests.add((out / "picture.mp4").read_bytes())
    finally:
        os.sched_setaffinity(0, set(cores))
    assert len(digests) == 1
    film = [read_number(luma) for luma in decode_luma(tmp_path / "0" / "picture.mp4")]
    assert film[:190] == list(range(190))
    assert film[200:] == list(range(10, 215))
    keys = probe_video(tmp_path / "0" / "picture.mp4").keyframes
    assert {0, 202} <= set(keys)
    assert max(b - a for a, b in zip(keys, [*keys[1:], 405], strict=True)) <= 48


def test_a_film_begins_its_sections_on_cuts_where_it_can(tmp_path: Path) -> None:
    clips = [{"input": "a", "start": s, "frames": f} for s, f in ((0, 210), (210, 150), (360, 360))]
    assert render.divide_film(params(frames=720, clips=clips)) == [(0, 210), (210, 360), (360, 540), (540, 720)]
    assert render.divide_film(params(frames=1, clips=[{"input": "a", "start": 0, "frames": 1}])) == [(0, 1)]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_films_of_a_few_frames(tmp_path: Path, shot: Callable[..., Path], frames: int) -> None:
    clips = [{"input": "a", "start": 0, "frames": frames}]
    render.run(params(frames=frames, clips=clips), {"a": shot("a", 4)}, tmp_path)
    assert [read_number(luma) for luma in decode_luma(tmp_path / "picture.mp4")] == list(range(frames))


def test_bit_rates_are_kept(tmp_path: Path, shot: Callable[..., Path]) -> None:
    video = {"codec": "h264", "preset": "veryfast", "bitrate_kbps": 1500, "maximum_kbps": 1800}
    clips = [{"input": "a", "start": 0, "frames": 96}]
    inputs = {"a": shot("a", 96, speed=2.0)}
    render.run(params(frames=96, clips=clips, video=video), inputs, tmp_path)
    assert 1_000_000 < probe_video(tmp_path / "picture.mp4").bit_rate < 1_800_000


def test_a_least_bit_rate_is_kept_by_easy_pictures_too(tmp_path: Path, shot: Callable[..., Path]) -> None:
    """A placement that asks for 18 Mbit/s measures the file; slow, soft pictures would need a tenth of that."""
    video = {**VIDEO, "crf": None, "bitrate_kbps": 6000, "minimum_kbps": 5000, "maximum_kbps": 7000}
    clips = [{"input": "a", "start": 0, "frames": 96}]
    render.run(params(frames=96, clips=clips, video=video), {"a": shot("a", 96, speed=0.0, crf=40)}, tmp_path)
    assert 5_000_000 < probe_video(tmp_path / "picture.mp4").bit_rate < 7_000_000


def test_clips_that_do_not_fit_are_named(tmp_path: Path, shot: Callable[..., Path]) -> None:
    clip = shot("a", 20)
    with pytest.raises(MediaError, match="no frame 20"):
        render.run(params(frames=25, clips=[{"input": "a", "start": 0, "frames": 25}]), {"a": clip}, tmp_path)
    small = film_clip(tmp_path / "small.mp4", width=160, height=90, frames=25)
    with pytest.raises(MediaError, match=r"is 160x90, the film is 320x180"):
        render.run(params(frames=25, clips=[{"input": "a", "start": 0, "frames": 25}]), {"a": small}, tmp_path)
    other = film_clip(tmp_path / "other.mp4", rate="30", frames=40)
    with pytest.raises(MediaError, match="instead"):
        render.run(params(frames=25, clips=[{"input": "a", "start": 0, "frames": 25}]), {"a": other}, tmp_path)
    clip.write_bytes(clip.read_bytes()[:3000])
    with pytest.raises(MediaError, match=r"shot\.mp4"):
        render.run(params(frames=20, clips=[{"input": "a", "start": 0, "frames": 20}]), {"a": clip}, tmp_path)
    assert not (tmp_path / "picture.mp4").exists()


BROKEN = {
    "a hole": ([(0, 10), (12, 10)], []),
    "an overlap without transition": ([(0, 12), (10, 12)], []),
    "a transition elsewhere": ([(0, 12), (10, 12)], [(9, 2)]),
    "a transition of another length": ([(0, 12), (10, 12)], [(10, 3)]),
    "a late beginning": ([(2, 20)], []),
    "an early end": ([(0, 20)], []),
    "three clips at once": ([(0, 12), (8, 8), (10, 12)], [(8, 4), (10, 6)]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_timeline_that_is_not_whole_is_refused(name: str) -> None:
    spans, joins = BROKEN[name]
    clips = [{"input": "a", "start": s, "frames": f} for s, f in spans]
    transitions = [{"kind": "dissolve", "at": a, "frames": n} for a, n in joins]
    with pytest.raises(ValidationError):
        params(frames=22, clips=clips, transitions=transitions)


@given(a=st.integers(0, 255), b=st.integers(0, 255), n=st.integers(1, 400), data=st.data())
@settings(max_examples=200)
def test_blends_are_exact_to_half_a_step(a: int, b: int, n: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, n - 1))
    pair = [Planes(*(np.full((2, 2), value, np.uint8) for _ in range(3))) for value in (a, b)]
    mixed = join_pictures("dissolve", *pair, step, n)
    share = Fraction(step + 1, n + 1)
    for plane in mixed:
        assert abs(int(plane[0, 0]) - (a * (1 - share) + b * share)) <= Fraction(1, 2)


@given(x=st.integers(-9, 40), y=st.integers(-9, 30), width=st.integers(1, 20), height=st.integers(1, 20))
@settings(max_examples=150)
def test_overlays_cover_exactly_their_box(x: int, y: int, width: int, height: int) -> None:
    ground = Planes(np.full((24, 32), 80, np.uint8), *(np.full((12, 16), 128, np.uint8) for _ in range(2)))
    white = np.full((height, width, 4), 255, np.uint8)
    overlay = prepare_overlay(white, x, y, 32, 24)
    if overlay is not None:
        lay_over(ground, overlay)
    wanted = np.full((24, 32), 80)
    wanted[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = 235
    assert (ground.y == wanted).all()
    assert (ground.u == 128).all(), "white has no colour to bleed"


def test_mixing_nothing_and_everything_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b = (Planes(*(rng.integers(0, 256, (8, 8), dtype=np.uint8) for _ in range(3))) for _ in range(2))
    assert all((x == y).all() for x, y in zip(mix_planes(a, b, 0, 9), a, strict=True))
    assert all((x == y).all() for x, y in zip(mix_planes(a, b, 9, 9), b, strict=True))


@pytest.mark.slow
def test_a_full_size_render_stays_under_a_gigabyte(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "shot.mp4", width=1920, height=1080, frames=200, crf=14, gop=48)
    code = (
        "import resource, sys; from pathlib import Path; from infra.media import render\n"
        "p = {'width': 1920, 'height': 1080, 'rate': '24', 'frames': 390,"
        " 'clips': [{'input': 'a', 'start': 0, 'frames': 200}, {'input': 'a', 'start': 190, 'frames': 200}],"
        " 'transitions': [{'kind': 'dissolve', 'at': 190, 'frames': 10}],"
        " 'video': {'codec': 'h264', 'preset': 'medium', 'crf': 17}}\n"
        "render.run(render.Params.model_validate(p), {'a': Path(sys.argv[1])}, Path(sys.argv[2]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", code, str(take), str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(told.stdout) * 1024 < 1_000_000_000
    assert probe_video(tmp_path / "picture.mp4").frames == 390
