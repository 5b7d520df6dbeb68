"""Cells: which variants of a spot there are.

Reads the `variants` block: every combination of the axes' values, less what a rule excludes, plus what is included.
Knows nothing of shots, nor of what the values are used for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from manifests.axes import LOCALE, LOCALE_TAG, RATIO, RESERVED, Axis, AxisReader, AxisValue, Tables
from manifests.diagnostics import Diagnostic, sort_diagnostics, suggest
from manifests.journal import Record
from manifests.nodes import Map, Node, Scalar, as_written
from manifests.reading import entries_of, join, listed

__all__ = [
    "LIMIT", "LOCALE", "LOCALE_TAG", "MOST_CELLS", "RATIO", "RESERVED", "Axis", "AxisValue", "Cell", "Matrix", "Tables",
    "read_matrix",
]  # fmt: skip

Cell = tuple[str, ...]  # value ids in axis order
_Rule = dict[str, str]  # value id by axis

LIMIT = 500
MOST_CELLS = 100_000  # whatever `limit` says: before the excludes as well as after


class Matrix(Record):
    """Without `variants` a spot has one variant, on no axis."""

    axes: tuple[Axis, ...] = ()
    cells: tuple[Cell, ...] = ((),)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def positions(self) -> dict[str, int]:
        return {axis.name: index for index, axis in enumerate(self.axes)}

    def axis(self, name: str) -> Axis:
        """KeyError for an axis that is not there."""
        return self.axes[self.positions[name]]

    def values(self, cell: Cell) -> dict[str, str]:
        """Value ids by axis."""
        return dict(zip(self.names, cell, strict=True))

    def field(self, cell: Cell, axis: str, name: str) -> str:
        """KeyError for an axis, value or field that is not there."""
        position = self.positions[axis]
        return self.axes[position].ids[cell[position]].fields[name]

    def projections(self, axes: Iterable[str]) -> tuple[Cell, ...]:
        """The different values on some axes, in axis order, as they first occur in the cells."""
        wanted = set(axes)
        kept = [index for index, name in enumerate(self.names) if name in wanted]
        if len(kept) == len(self.axes):
            return self.cells
        return tuple(dict.fromkeys(tuple([cell[index] for index in kept]) for cell in self.cells))


def read_matrix(node: Node, tables: Tables, shown: str) -> tuple[Matrix | None, list[Diagnostic]]:
    """`node` is what stands under `variants`. With problems the matrix is a best guess, so that look-ups can be checked
    in the same run; None when its axes or cells cannot be told."""
    block = _Block(tables)
    matrix = block.read(node)
    return matrix, sort_diagnostics(block.problems, shown)


class _Block(AxisReader):
    def read(self, node: Node) -> Matrix | None:
        block = self.map(node, "variants")
        if block is None:
            return None
        self.keys(block, ("axes", "exclude", "include", "limit"), "variants", needed=("axes",))
        limit_entry = block.entries.get("limit")
        limit = self.whole(limit_entry[1], "variants.limit", MOST_CELLS) if limit_entry else None
        axes = self.axes(block.entries["axes"][1], "variants.axes") if "axes" in block.entries else ()
        count = math.prod(len(axis.values) for axis in axes)
        if count > MOST_CELLS:
            sizes = " × ".join(f"{len(axis.values):,}" for axis in axes)
            detail = f"{count:,} combinations ({sizes}) before the excludes; {MOST_CELLS:,} at most are looked at"
            where = block.entries["axes"][0]
            self.refuse("too many variants", detail, "variants.axes", where, "make several spots of it")
            return None
        cells = self._cells(block, axes)
        if len(cells) > (limit or LIMIT):
            where = limit_entry[1].where if limit_entry else block.where
            detail = f"{len(cells):,} variants; the limit is {limit or LIMIT:,}"
            remedy = f"exclude some, or write `limit: {len(cells)}`" if len(cells) <= MOST_CELLS else "exclude some"
            self.refuse("too many variants", detail, "variants.limit" if limit_entry else "variants", where, remedy)
        return Matrix(axes=axes, cells=cells) if axes and cells and not self.lost else None

    def _cells(self, block: Map, axes: Sequence[Axis]) -> tuple[Cell, ...]:
        """Every combination in the order of the axes, the first one slowest; then the included ones."""
        excludes, includes = self._rules(block, "exclude", axes), self._rules(block, "include", axes)
        if self.lost or not axes:
            return ()
        alive: dict[Cell, int] = dict.fromkeys(itertools.product(*(axis.ids for axis in axes)), -1)
        taken: dict[Cell, int] = {}  # cell → the rule that excluded it
        for index, rule, node in excludes:
            self._exclude(alive, taken, index, rule, node, axes)
        for index, rule, node in includes:
            self._include(alive, index, rule, node, axes)
        if not alive:
            where = block.entries["exclude"][0]
            self.refuse("exclude", "no variant is left", "variants.exclude", where, "remove a rule")
        return tuple(alive)

    def _exclude(
        self, alive: dict[Cell, int], taken: dict[Cell, int], index: int, rule: _Rule, node: Map, axes: Sequence[Axis]
    ) -> None:
        """Takes what the rule matches; one that takes nothing is a slip."""
        before: set[int] = set()
        hit = False
        for cell in itertools.product(*((rule[axis.name],) if axis.name in rule else axis.ids for axis in axes)):
            if alive.pop(cell, None) is None:
                before.add(taken[cell])
            else:
                taken[cell] = index
                hit = True
        if not hit:
            rules = ", ".join(f"exclude[{number}]" for number in sorted(before))
            detail = f"excludes nothing: all that it matches is excluded by {rules} already"
            self.refuse("exclude", detail, f"variants.exclude[{index}]", node.where, "remove it")

    def _include(self, alive: dict[Cell, int], index: int, rule: _Rule, node: Map, axes: Sequence[Axis]) -> None:
        place = f"variants.include[{index}]"
        missing = [axis.name for axis in axes if axis.name not in rule]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            detail = f"does not name {names}: it must name every axis"
            self.refuse("include", detail, place, node.where, "what is included is one whole variant")
            return
        cell = tuple(rule[axis.name] for axis in axes)
        if cell in alive:
            by = f"by include[{alive[cell]}]" if alive[cell] >= 0 else "and no rule excludes it"
            self.refuse("include", f"{','.join(cell)} is there already, {by}", place, node.where, "remove it")
        alive.setdefault(cell, index)

    def _rules(self, block: Map, key: str, axes: Sequence[Axis]) -> list[tuple[int, _Rule, Map]]:
        """Those in which every axis and value is known."""
        entry = block.entries.get(key)
        items = self.items(entry[1], f"variants.{key}") if entry else None
        known = {axis.name: axis for axis in axes}
        found = []
        for index, item in enumerate(items or ()):
            before = len(self.problems)
            place = f"variants.{key}[{index}]"
            rule = self.map(item, place)
            if rule is None:
                continue
            values = self._rule(rule, place, known)
            if key == "exclude" and not entries_of(rule):
                self.refuse("exclude", "names no axis: it would exclude everything", place, rule.where, "remove it")
            if len(self.problems) == before:
                found.append((index, values, rule))
        return found

    def _rule(self, rule: Map, place: str, axes: Mapping[str, Axis]) -> _Rule:
        values: _Rule = {}
        for name, (where, node) in entries_of(rule):
            axis = axes.get(name)
            if axis is not None:
                text = self._rule_value(node, join(place, name))
                if text is not None and text not in axis.ids:
                    detail = f"`{text}` is no value of `{name}`{suggest(text, axis.ids)}"
                    self.refuse("unknown value", detail, join(place, name), node.where, f"values: {listed(axis.ids)}")
                elif text is not None:
                    values[name] = text
            elif name not in self.lost:
                detail = f"unknown axis `{name}`{suggest(name, axes)}"
                self.refuse("unknown axis", detail, join(place, name), where, f"axes: {listed(axes)}")
        return values

    def _rule_value(self, node: Node, place: str) -> str | None:
        if isinstance(node, Scalar):
            return self.text(node, place)
        detail = f"must be one value, not {as_written(node)}"
        self.refuse("value", detail, place, node.where, "write a rule for each value")
        return None
