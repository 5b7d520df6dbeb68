"""Every detector fires on its defect and on no clean clip; files that are not what was asked for are rejected."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import Edit, Picture, draw_luma, film_clip, paint_texture
from PIL import Image

from infra.errors import MediaError
from infra.media import screen

SIZE = (320, 180)
REJECTING = {"black", "frozen", "cut", "letterbox"}


def screen_take(path: Path, out: Path, *, frames: int = 60, start: Path | None = None, rate: str = "24") -> dict:
    params = screen.Params(kind="take", width=SIZE[0], height=SIZE[1], rate=rate, frames=frames)
    return screen.run(params, {"take": path} | ({"start": start} if start else {}), out)


def codes(told: dict, severity: str | None = None) -> set[str]:
    return {f["code"] for f in told["faults"] if severity in (None, f["severity"])}


def film(out: Path, edit: Edit | None = None, *, frames: int = 72, **how: object) -> Path:
    return film_clip(out / "take.mp4", width=SIZE[0], height=SIZE[1], frames=frames, edit=edit, **how)


def replaced(first: int, stop: int, other: Callable[[int, Picture], Picture]) -> Edit:
    return lambda n, luma: other(n, luma) if first <= n < stop else luma


def hold(first: int, stop: int) -> Edit:
    return replaced(first, stop, lambda n, luma: draw_luma(1, first, *SIZE, 1.0))


def bars(top: int, left: int, right: int | None = None) -> Edit:
    def edit(number: int, luma: Picture) -> Picture:
        framed = np.full_like(luma, 16)
        stop = SIZE[0] - (left if right is None else right)
        framed[top : SIZE[1] - top, left:stop] = luma[top : SIZE[1] - top, left:stop]
        return framed

    return edit


def counter(number: int, _: Picture) -> Picture:
    still = draw_luma(1, 0, *SIZE, 1.0)
    still[155:165, 40:55] = 60 + (number * 37) % 150
    return still


@pytest.mark.parametrize(("seed", "speed"), [(1, 1.0), (2, 0.3), (3, 3.5), (4, 0.15), (5, 2.0)])
def test_clean_clips_have_no_fault(tmp_path: Path, seed: int, speed: float) -> None:
    told = screen_take(film(tmp_path, seed=seed, speed=speed), tmp_path)
    assert told["faults"] == []
    assert told["ok"] is True
    assert 0.5 < told["score"] <= 1
    assert set(told["parts"]) == {"sharpness", "flicker", "steadiness"}


def test_grain_is_no_fault(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    told = screen_take(film(tmp_path, lambda n, luma: luma + 3.5 * rng.standard_normal(luma.shape)), tmp_path)
    assert told["faults"] == []


DEFECTS = {
    "one black frame": ("black", replaced(30, 31, lambda n, luma: luma * 0 + 16)),
    "six black frames": ("black", replaced(30, 36, lambda n, luma: luma * 0 + 16)),
    "held for twelve": ("frozen", hold(30, 42)),
    "held for three": ("frozen", hold(30, 33)),
    "held throughout": ("frozen", hold(0, 99)),
    "another scene": ("cut", replaced(36, 99, lambda n, luma: draw_luma(9, n, *SIZE, 1.0))),
    "letterbox": ("letterbox", bars(20, 0)),
    "pillars": ("letterbox", bars(0, 30)),
    "one doubled frame": ("duplicate", hold(30, 32)),
    "one dark edge": ("border", bars(0, 15, 0)),
    "only a counter moves": ("static", counter),
    "flicker of 4 %": ("flicker", lambda n, luma: luma * (1 + 0.04 * (-1) ** n)),
    "flicker of 2 %": ("flicker", lambda n, luma: luma * (1 + 0.02 * (-1) ** n)),
    "a step of 10 % in light": ("pop", replaced(36, 99, lambda n, luma: luma * 1.1)),
    "a step of 25 % in light": ("pop", replaced(36, 99, lambda n, luma: luma * 0.75)),
    "a skip of 24 frames": ("jump", replaced(36, 99, lambda n, luma: draw_luma(1, n + 24, *SIZE, 1.0))),
    "soft from the middle": ("softness", replaced(36, 99, lambda n, luma: cv2.GaussianBlur(luma, (0, 0), 1.2))),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_each_detector_fires_on_its_defect(tmp_path: Path, name: str) -> None:
    code, edit = DEFECTS[name]
    told = screen_take(film(tmp_path, edit), tmp_path)
    assert code in codes(told, "reject" if code in REJECTING else "review"), told["faults"]
    assert codes(told, "reject") <= {code}, "a defect must not be taken for a worse one"
    assert told["ok"] is (code not in REJECTING)


def test_something_that_vanishes_is_for_review_only(tmp_path: Path) -> None:
    ball = replaced(0, 40, lambda n, luma: cv2.circle(luma.copy(), (150, 90), 20, 230, -1))
    told = screen_take(film(tmp_path, ball), tmp_path)
    assert codes(told) & {"jump", "local"}
    assert told["ok"] is True


def test_a_product_on_black_is_no_letterbox(tmp_path: Path) -> None:
    def on_black(number: int, luma: Picture) -> Picture:
        mask = np.zeros(luma.shape, np.uint8)
        cv2.ellipse(mask, (155 + number // 20, 92), (90, 60), 0, 0, 360, 255, -1)
        return np.where(mask > 0, luma, 16)

    assert screen_take(film(tmp_path, on_black), tmp_path)["faults"] == []


def test_poster_and_strip_show_the_take(tmp_path: Path) -> None:
    screen_take(film(tmp_path), tmp_path)
    with Image.open(tmp_path / "poster.jpg") as poster, Image.open(tmp_path / "strip.jpg") as strip:
        assert poster.size == (640, 360)
        assert strip.size == (6 * 320, 180)
        tiles = np.asarray(strip.convert("L"), np.float32).reshape(180, 6, 320).swapaxes(0, 1)
        seen = np.asarray(poster.convert("L"), np.float32)
    moved = [np.abs(a - b).mean() for a, b in pairwise(tiles)]
    assert min(moved) > 3, "the strip is spread over the take"
    assert np.abs(cv2.resize(seen, (320, 180), interpolation=cv2.INTER_AREA) - tiles[0]).mean() < 4
    drawn = (draw_luma(1, 0, *SIZE, 1.0) - 16) * 255 / 219
    assert np.abs(cv2.resize(seen, SIZE, interpolation=cv2.INTER_AREA) - drawn).mean() < 4


def test_the_same_take_gives_the_same_report_and_bytes(tmp_path: Path) -> None:
    take = film(tmp_path)
    first, second = tmp_path / "a", tmp_path / "b"
    for out in (first, second):
        out.mkdir()
    assert screen_take(take, first) == screen_take(take, second)
    assert (first / "strip.jpg").read_bytes() == (second / "strip.jpg").read_bytes()


def test_likeness_to_the_start_image_is_part_of_the_score(tmp_path: Path) -> None:
    take = film(tmp_path)
    for name, seed in (("right", 1), ("wrong", 8)):
        picture = np.clip((draw_luma(seed, 0, *SIZE, 1.0) - 16) * 255 / 219, 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    right = screen_take(take, tmp_path, start=tmp_path / "right.png")
    wrong = screen_take(take, tmp_path, start=tmp_path / "wrong.png")
    assert right["parts"]["start"] > 0.97
    assert right["faults"] == []
    assert wrong["parts"]["start"] < 0.5
    assert codes(wrong, "review") == {"start"}
    assert right["score"] > wrong["score"] + 0.1


def test_what_is_not_what_was_asked_for_is_rejected(tmp_path: Path) -> None:
    take = film(tmp_path)
    assert codes(screen_take(take, tmp_path, frames=73), "reject") == {"short"}
    assert codes(screen_take(take, tmp_path, frames=72), "reject") == set()
    assert codes(screen_take(take, tmp_path, rate="25"), "reject") == {"rate"}
    assert codes(screen_take(take, tmp_path, rate="24000/1001"), "reject") == {"rate"}
    other = film_clip(tmp_path / "768.mp4", width=320, height=192, frames=72)
    assert codes(screen_take(other, tmp_path), "reject") == {"size"}


def test_truncated_and_damaged_files_are_rejected_not_raised(tmp_path: Path) -> None:
    whole = film(tmp_path, crf=8).read_bytes()
    media = whole.index(b"mdat")
    index = whole.index(b"moov") - 4
    spoilt = {
        "cut off before the index": whole[: index - 100],
        "empty": b"",
        "words": b"<html>AccessDenied</html>" * 40,
        "zeroed in the middle": whole[: media + 40000] + bytes(60000) + whole[media + 100000 :],
    }
    for name, content in spoilt.items():
        path = tmp_path / "spoilt.mp4"
        path.write_bytes(content)
        told = screen_take(path, tmp_path)
        assert told["ok"] is False, name
        assert codes(told, "reject") & {"undecodable", "truncated"}, name
    assert told["score"] < 1


def test_a_file_cut_off_behind_its_index_is_rejected(tmp_path: Path) -> None:
    from infra.media.ffmpeg import run_ffmpeg

    fast = tmp_path / "fast.mp4"
    run_ffmpeg(["-i", str(film(tmp_path)), "-c", "copy", "-movflags", "+faststart", str(fast)])
    fast.write_bytes(fast.read_bytes()[: fast.stat().st_size * 7 // 10])
    told = screen_take(fast, tmp_path, frames=10)
    assert codes(told, "reject") & {"undecodable", "truncated"}
    assert told["ok"] is False


def test_a_take_that_is_not_there_is_our_own_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="not there"):
        screen_take(tmp_path / "nothing.mp4", tmp_path)


def still(tmp_path: Path, luma: Picture) -> Path:
    path = tmp_path / "still.png"
    Image.fromarray(np.clip(luma, 0, 255).astype(np.uint8)).convert("RGB").save(path)
    return path


def screen_still(path: Path, out: Path) -> dict:
    return screen.run(screen.Params(kind="still", width=SIZE[0], height=SIZE[1]), {"take": path}, out)


def test_stills(tmp_path: Path) -> None:
    texture = paint_texture(3, *SIZE)
    good = screen_still(still(tmp_path, texture), tmp_path)
    assert (good["ok"], good["faults"]) == (True, [])
    assert (tmp_path / "poster.jpg").exists()
    soft = screen_still(still(tmp_path, cv2.GaussianBlur(texture, (0, 0), 9)), tmp_path)
    assert codes(soft, "review") == {"softness"}
    assert good["score"] > soft["score"]
    assert codes(screen_still(still(tmp_path, texture * 0), tmp_path), "reject") == {"black"}
    assert codes(screen_still(still(tmp_path, texture * 0 + 128), tmp_path), "reject") == {"flat"}
    assert codes(screen_still(still(tmp_path, texture[:170]), tmp_path), "reject") == {"size"}
    (tmp_path / "still.png").write_bytes(still(tmp_path, texture).read_bytes()[:5000])
    assert codes(screen_still(tmp_path / "still.png", tmp_path), "reject") == {"undecodable"}
