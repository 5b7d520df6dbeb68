"""Where each variant stands in a picture of them all: some axes down, the others across, as square as can be.

The ratio goes across, so that all pictures of a column have one shape. Pure arithmetic on cells.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from manifests.films import RATIO, Source
from manifests.matrix import Cell, Matrix
from manifests.timing import Cut


@dataclass(frozen=True, slots=True)
class Grid:
    """One spot. `rows` and `columns` are values of their axes, in the order in which they are written; `cells` is the
    variant by (row, column), and a place that no variant takes is not in it."""

    spot: str
    row_axes: tuple[str, ...]
    column_axes: tuple[str, ...]
    rows: tuple[Cell, ...]
    columns: tuple[Cell, ...]
    cells: Mapping[tuple[Cell, Cell], Cell]


def lay_out(source: Source) -> Grid:
    matrix = source.matrix
    rows, columns = min(_ways(matrix), key=lambda way: _rank(matrix, way))
    places = {
        (_part(matrix, cell, rows), _part(matrix, cell, columns)): cell for cell in matrix.cells
    }  # every axis is in one of both, so no two cells share a place
    return Grid(source.id, rows, columns, _in_order(matrix, rows), _in_order(matrix, columns), places)


def _ways(matrix: Matrix) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    names = matrix.names
    free = [name for name in names if name != RATIO]
    chosen = [set(rows) for size in range(len(free) + 1) for rows in combinations(free, size)]
    return [(tuple(n for n in names if n in rows), tuple(n for n in names if n not in rows)) for rows in chosen]


def _rank(matrix: Matrix, way: tuple[Sequence[str], Sequence[str]]) -> tuple[float, int, int]:
    """The squarest first, with nothing excluded; of two alike the one that is wider than high, then the one that has
    the first axis across."""
    down, across = (math.prod(len(matrix.axis(axis).values) for axis in axes) for axes in way)
    return max(down, across) / min(down, across), down, -sum(matrix.positions[axis] for axis in way[0])


def _part(matrix: Matrix, cell: Cell, axes: Sequence[str]) -> Cell:
    return tuple(cell[matrix.positions[axis]] for axis in axes)


def _in_order(matrix: Matrix, axes: Sequence[str]) -> tuple[Cell, ...]:
    places = [{name: n for n, name in enumerate(matrix.axis(axis).ids)} for axis in axes]
    found = matrix.projections(axes)
    return tuple(sorted(found, key=lambda cell: [place[value] for place, value in zip(places, cell, strict=True)]))


def poster_frame(cut: Cut) -> int:
    """The film frame that stands for a film: in the middle of its first words, for they are what tells locales apart;
    without words, in the middle of what is shown longest."""
    words = next((cue for cue in cut.cues if cue.kind == "super" and cue.frames), None)
    if words is not None:
        return words.start + words.frames // 2
    longest = max(cut.shots, key=lambda part: part.shown)
    return min(longest.start + longest.shown // 2, cut.frames - 1)
