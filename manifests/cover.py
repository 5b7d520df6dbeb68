"""Few variants that show everything: for checks and samples that need not see every cell."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from manifests.matrix import Cell, Matrix


def sample_cells(matrix: Matrix, axes: Iterable[str]) -> tuple[Cell, ...]:
    """The first cell for every combination of values that the axes take."""
    indexes = [matrix.positions[name] for name in axes]
    if not indexes:
        return matrix.cells[:1]
    key = itemgetter(*indexes)
    found: dict[object, Cell] = {}
    for cell in matrix.cells:
        found.setdefault(key(cell), cell)
    return tuple(found.values())


def covering_cells(matrix: Matrix, parts: Iterable[frozenset[str]]) -> tuple[Cell, ...]:
    """Few cells that show every part in every form it has: for each set of axes, all values they take together.

    Greedy, the first cell always among them, in the matrix's order. Axes that the matrix has not are passed over.
    """
    wanted = _widest({part.intersection(matrix.positions) for part in parts})
    keys = [itemgetter(*sorted(matrix.positions[name] for name in part)) for part in wanted]
    seen: list[set[object]] = [set() for _ in keys]
    chosen = set(range(min(1, len(matrix.cells))))
    # What a cell adds only shrinks. So those that might add most come first, and one that adds less waits for its turn.
    waiting: list[list[int]] = [[] for _ in keys]
    waiting.append(list(range(len(matrix.cells))))
    for gain in range(len(keys), 0, -1):
        for index in sorted(waiting[gain]):
            cell = matrix.cells[index]
            adds = [(known, value) for key, known in zip(keys, seen, strict=True) if (value := key(cell)) not in known]
            if len(adds) < gain:
                waiting[len(adds)].append(index)
                continue
            chosen.add(index)
            for known, value in adds:
                known.add(value)
    return tuple(matrix.cells[index] for index in sorted(chosen))


def _widest(parts: set[frozenset[str]]) -> list[frozenset[str]]:
    """Without those that lie in another: who sees all of `a, b` sees all of `a`."""
    return sorted((part for part in parts if part and not any(part < other for other in parts)), key=sorted)
