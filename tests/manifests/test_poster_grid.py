"""Where variants stand in a picture of them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_cells import AXES, cells, matrix_of
from films import load_spot
from hypothesis import given

from manifests.campaign import load_campaign
from manifests.films import RATIO, Source
from manifests.poster_grid import lay_out, poster_frame
from manifests.ratecard import load_models
from manifests.timing import cut_of

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"


@given(cells)
def test_every_variant_has_one_place_and_no_two_share_it(found: list[tuple[str, ...]]) -> None:
    grid = lay_out(Source(data={}, matrix=matrix_of(found)))
    assert sorted(grid.cells.values()) == sorted(found)
    assert {row for row, _ in grid.cells} == set(grid.rows)
    assert {column for _, column in grid.cells} == set(grid.columns)
    for (row, column), cell in grid.cells.items():
        told = dict(zip((*grid.row_axes, *grid.column_axes), (*row, *column), strict=True))
        assert tuple(told[axis] for axis in AXES) == cell
    assert RATIO in grid.column_axes


def test_the_matrix_of_the_example_is_nine_by_twelve_in_the_order_written() -> None:
    source = load_campaign(EXAMPLES / "winter-15s.yaml").sources[0].source
    grid = lay_out(source)
    assert (grid.row_axes, grid.column_axes) == (("hook", "locale"), ("product", RATIO))
    assert (len(grid.rows), len(grid.columns), len(grid.cells)) == (9, 12, 84)
    assert grid.columns[:3] == (("kettle-green", "16:9"), ("kettle-green", "9:16"), ("kettle-green", "4:5"))
    assert grid.rows[0] == ("cold", "en-GB")


def test_a_spot_without_axes_is_one_tile() -> None:
    grid = lay_out(Source(data={}))
    assert (grid.rows, grid.columns, dict(grid.cells)) == (((),), ((),), {((), ()): ()})


@pytest.mark.parametrize("words", [True, False])
def test_the_poster_shows_the_words_or_the_longest_shot(words: bool) -> None:
    off = [] if words else ["graphics.supers=[]"]
    cut = cut_of(load_spot(EXAMPLES / "morning-30s.yaml", off).spot, load_models())
    frame = poster_frame(cut)
    if words:
        cue = next(c for c in cut.cues if c.kind == "super")
        assert cue.start < frame < cue.start + cue.frames
    else:
        longest = max(cut.shots, key=lambda part: part.shown)
        assert longest.start < frame < longest.end
