"""Matrices of four axes with cells as hypothesis likes them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from manifests.axes import Axis, AxisValue
from manifests.films import RATIO
from manifests.matrix import Cell, Matrix

AXES = {"product": ("a", "b", "c"), "hook": ("x", "y"), "locale": ("en-GB", "de-DE"), RATIO: ("16:9", "9:16")}
cells = st.lists(st.tuples(*(st.sampled_from(ids) for ids in AXES.values())), min_size=1, max_size=24, unique=True)


def matrix_of(chosen: Sequence[Cell]) -> Matrix:
    axes = [Axis(name=n, values=tuple(AxisValue(id=v, fields={"id": v}) for v in ids)) for n, ids in AXES.items()]
    return Matrix(axes=tuple(axes), cells=tuple(chosen))
