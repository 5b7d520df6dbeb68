"""Poster frames of films, and the picture of them all, on real films and real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from footage import film_clip, read_number
from PIL import Image

from infra.errors import MediaError
from infra.media import poster, poster_grid
from infra.media.poster import shrink_jpeg
from infra.media.steps import run_step_process


@pytest.mark.parametrize("rate", ["24", "30000/1001"])
@pytest.mark.parametrize("number", [0, 1, 17, 47])
def test_the_poster_is_that_very_frame(tmp_path: Path, rate: str, number: int) -> None:
    film = film_clip(tmp_path / "film.mp4", frames=48, rate=rate, gop=12, numbered=True, sound=True)
    told = poster.run(poster.Params(frame=number, height=180), {"film": film}, tmp_path)
    assert told == {"width": 320, "height": 180, "frame": number}
    with Image.open(tmp_path / "poster.jpg") as picture:
        assert read_number(np.asarray(picture.convert("L"))) == number


def test_a_poster_is_as_high_as_was_asked(tmp_path: Path) -> None:
    film = film_clip(tmp_path / "film.mp4", frames=4, width=180, height=320)
    assert poster.run(poster.Params(frame=2, height=240), {"film": film}, tmp_path)["width"] == 135


def test_a_frame_that_is_not_there_and_a_film_that_is_none(tmp_path: Path) -> None:
    film = film_clip(tmp_path / "film.mp4", frames=4)
    with pytest.raises(MediaError, match="no frame 900"):
        poster.run(poster.Params(frame=900, height=90), {"film": film}, tmp_path)
    film.write_bytes(b"no film")
    with pytest.raises(MediaError, match="damaged"):
        poster.run(poster.Params(frame=0, height=90), {"film": film}, tmp_path)


def paint(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


GREEN, RED = (46, 107, 79), (163, 53, 43)


async def test_a_grid_has_every_tile_in_its_place(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    inputs = {
        "wide": paint(tmp_path / "wide.png", (320, 180), GREEN),
        "tall": paint(tmp_path / "tall.png", (90, 160), RED),
    }
    block = {
        "columns": [["kettle", "16:9"], ["kettle", "9:16"]],
        "rows": [["cold", "en-GB"], ["cold", "de-DE"]],
        "tiles": [["wide", "tall"], [None, "tall"]],
    }
    params = {"title": "winter", "tile_height": 90, "blocks": [block]}
    made = await run_step_process("poster_grid", params, inputs, out)
    with Image.open(made.files["grid.png"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert made.facts["tiles"] == 2
    green, red = ((pixels == colour).all(axis=2).sum() for colour in (GREEN, RED))
    assert green == 160 * 90
    assert red == pytest.approx(2 * 51 * 90, rel=0.02)
    empty = (pixels == poster_grid.EMPTY).all(axis=2).sum()
    assert empty == pytest.approx(160 * 90, rel=0.01)


def test_a_grid_too_large_for_its_tiles_makes_them_smaller(tmp_path: Path) -> None:
    inputs = {"wide": paint(tmp_path / "wide.png", (320, 180), GREEN)}
    block = poster_grid.Block(columns=(("a",),), rows=tuple((f"r{n}",) for n in range(300)), tiles=(("wide",),) * 300)
    told = poster_grid.run(poster_grid.Params(blocks=(block,)), inputs, tmp_path)
    assert isinstance(told["height"], int)
    assert 10_000 < told["height"] <= poster_grid.LONGEST


def test_a_picture_is_made_smaller_and_never_larger(tmp_path: Path) -> None:
    path = tmp_path / "poster.jpg"
    Image.effect_noise((640, 360), 40).convert("RGB").save(path, quality=88)
    small = shrink_jpeg(path.read_bytes(), 320)
    assert len(small) < path.stat().st_size / 2
    assert shrink_jpeg(small, 320) == small
