"""Axes and cells: which variants of a spot there are.

Reads the `variants` block: every combination of the axes' values, less what a rule excludes, plus what is included.
Knows nothing of shots, nor of what the values are used for.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property

from manifests.diagnostics import Diagnostic, Where, sort_diagnostics, suggest
from manifests.journal import Record
from manifests.nodes import Map, Node, Scalar, as_written
from manifests.reading import Reader, entries_of, join, listed
from manifests.tables import Row, Table, rows_on, unknown_column

Cell = tuple[str, ...]  # value ids in axis order
Tables = Callable[[str, Where], Table | Diagnostic]

LIMIT = 500
MOST_CELLS = 100_000  # whatever `limit` says: before the excludes as well as after
LOCALE, RATIO = "locale", "ratio"
RESERVED = ("copy", "params", "run", "brand")  # `${copy.x}` could not be told from a field

_AXIS = re.compile(r"[a-z][a-z0-9_]{0,39}\Z", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,61}[A-Za-z0-9])?\Z", re.ASCII)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z", re.ASCII)
LOCALE_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})\Z", re.ASCII)
_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}\Z", re.ASCII)
_MEANT = {  # axes whose values mean something
    LOCALE: (LOCALE_TAG, "a full language tag, such as en-GB"),
    RATIO: (_RATIO, 'a ratio in quotes, such as "16:9"'),
}


class AxisValue(Record):
    """`fields` holds the id too."""

    id: str
    fields: Mapping[str, str]


class Axis(Record):
    name: str
    values: tuple[AxisValue, ...]

    @cached_property
    def ids(self) -> dict[str, AxisValue]:
        return {value.id: value for value in self.values}

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.values[0].fields) if self.values else ()


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
    in the same run; None when not even the axes can be told."""
    block = _Block(tables)
    matrix = block.read(node)
    return matrix, sort_diagnostics(block.problems, shown)


class _Block(Reader):
    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._tables = tables

    def read(self, node: Node) -> Matrix | None:
        block = self.map(node, "variants")
        if block is None:
            return None
        self.keys(block, ("axes", "exclude", "include", "limit"), "variants", needed=("axes",))
        limit = self._limit(block)
        axes = self._axes(block)
        if not axes:
            return None
        count = math.prod(len(axis.values) for axis in axes)
        if count > MOST_CELLS:
            sizes = " × ".join(f"{len(axis.values):,}" for axis in axes)
            detail = f"{count:,} combinations ({sizes}) before the excludes; {MOST_CELLS:,} at most are looked at"
            self.refuse(
                "too many variants", detail, "variants.axes", block.entries["axes"][0], "make several spots of it"
            )
            return None
        cells = self._cells(block, axes)
        if cells is not None and len(cells) > limit:
            where = block.entries.get("limit", (block.where, block))[1].where
            detail = f"{len(cells):,} variants; the limit is {limit:,}"
            remedy = f"exclude some, or write `limit: {len(cells)}`" if len(cells) <= MOST_CELLS else "exclude some"
            self.refuse(
                "too many variants", detail, "variants.limit" if "limit" in block.entries else "variants", where, remedy
            )
        return Matrix(axes=axes, cells=cells) if cells else None

    def _limit(self, block: Map) -> int:
        entry = block.entries.get("limit")
        return (self.whole(entry[1], "variants.limit", MOST_CELLS) if entry else None) or LIMIT

    # --- axes ---

    def _axes(self, block: Map) -> tuple[Axis, ...]:
        entry = block.entries.get("axes")
        node = self.map(entry[1], "variants.axes") if entry else None
        if node is None:
            return ()
        found = []
        for name, (where, value) in entries_of(node):
            address = join("variants.axes", name)
            self._axis_name(name, address, where)
            axis = Axis(name=name, values=tuple(self._axis_values(name, value, address)))
            if axis.values:
                found.append(axis)
        if not entries_of(node):
            self.refuse("value", "names no axis", "variants.axes", node.where, 'such as `ratio: ["16:9", "9:16"]`')
        return tuple(found)

    def _axis_name(self, name: str, address: str, where: Where) -> None:
        if name in RESERVED:
            detail = f"`{name}` cannot name an axis: `${{{name}.…}}` means something else"
            self.refuse("axis", detail, address, where, "give it another name")
        elif not _AXIS.match(name):
            detail = f"`{name}` must be lower-case letters, digits and `_`, starting with a letter, at most 40"
            self.refuse("axis", detail, address, where)

    def _axis_values(self, name: str, node: Node, address: str) -> list[AxisValue]:
        if isinstance(node, Map):
            records = self._table_records(node, address)
        else:
            items = self.items(node, address)
            if items is not None and not items:
                self.refuse("value", "is an empty list", address, node.where)
            records = [self._record(item, join(address, i)) for i, item in enumerate(items or ())]
        known = [record for record in records if record is not None]
        self._same_fields(known, address)
        return self._distinct(name, known, address)

    def _record(self, node: Node, address: str) -> _Value | None:
        """A word, or a record with an id."""
        if not isinstance(node, Map):
            text = self._word(node, address)
            return None if text is None else _Value(text, {"id": text}, node.where, node.where)
        entry = node.entries.get("id")
        name = self._word(entry[1], join(address, "id")) if entry else None
        if entry is None:
            self.keys(node, node.entries, address, needed=("id",))
        place = address if name is None else join(address.rpartition("[")[0], name)
        fields = {} if name is None else {"id": name}
        for key, (where, value) in entries_of(node):
            if key != "id":
                if not _FIELD.match(key):
                    detail = f"field `{key}` must be letters, digits, `-` and `_`, starting with a letter"
                    self.refuse("axis", detail, join(place, key), where)
                fields[key] = self._word(value, join(place, key)) or _GUESS
        return None if name is None or entry is None else _Value(name, fields, node.where, entry[1].where)

    def _word(self, node: Node, address: str) -> str | None:
        text = self.text(node, address)
        if text is not None and "${" in text:
            remedy = "write the value out, or take it from a table"
            self.refuse("look-up", f"{as_written(node)}: no look-ups inside an axis", address, node.where, remedy)
        return text

    def _same_fields(self, records: Sequence[_Value], address: str) -> None:
        """Fields that at least half of the records have are wanted of all; a rarer one is a slip."""
        counts: dict[str, int] = {}
        for record in records:
            for name in record.fields:
                counts[name] = counts.get(name, 0) + 1
        common = [name for name, count in counts.items() if 2 * count >= len(records)]
        for record in records:
            missing = [name for name in common if name not in record.fields]
            for name in record.fields:
                if name not in common:
                    detail = (
                        f"field `{name}` stands in {counts[name]} of {len(records)} records{suggest(name, missing)}"
                    )
                    remedy = f"fields of this axis: {listed(common)}"
                    self.refuse("axis", detail, join(join(address, record.id), name), record.where, remedy)
            if missing and not set(record.fields) - set(common):
                names = ", ".join(f"`{name}`" for name in missing)
                detail = f"missing field{'s' if len(missing) > 1 else ''} {names}"
                remedy = "the records of one axis have the same fields"
                self.refuse("axis", detail, join(address, record.id), record.where, remedy)
            for name in missing:
                record.fields[name] = _GUESS

    def _distinct(self, axis: str, records: Sequence[_Value], address: str) -> list[AxisValue]:
        """One value for each id. Ids that differ by case, or by `:` and `x`, would share a file's name."""
        seen: dict[str, _Value] = {}
        pattern, words = _MEANT.get(axis, (_ID, "letters, digits, `-`, `.` and `:`, at most 63"))
        for record in records:
            place, shown = join(address, record.id), f"`{record.id}`"
            if not pattern.match(record.id):
                ends = " (the first and the last a letter or digit)" if pattern is _ID else ""
                self.refuse("axis", f"{shown} must be {words}{ends}", place, record.id_where)
            same = seen.setdefault(record.id.casefold().replace(":", "x"), record)
            if same is record:
                continue
            if same.id == record.id:
                detail = f"{shown} is a value of `{axis}` already, on line {same.id_where.line}"
            else:
                detail = f"{shown} and `{same.id}` would give their files the same name"
            self.refuse("axis", detail, place, record.id_where, "ids of one axis must differ")
        kept = {record.id: record for record in records if seen[record.id.casefold().replace(":", "x")] is record}
        return [AxisValue(id=record.id, fields=record.fields) for record in kept.values()]

    # --- tables ---

    def _table_records(self, node: Map, address: str) -> list[_Value | None]:
        self.keys(node, ("table", "where", "date", "limit"), address, needed=("table",))
        entries = node.entries
        name = self.text(entries["table"][1], join(address, "table")) if "table" in entries else None
        date = self.date(entries["date"][1], join(address, "date")) if "date" in entries else None
        most = self.whole(entries["limit"][1], join(address, "limit"), MOST_CELLS) if "limit" in entries else None
        wanted = self._conditions(node, address)
        if name is None or ("date" in entries and date is None):
            return []
        where = entries["table"][1].where
        table = self._tables(name, where)
        if isinstance(table, Diagnostic):
            self._refuse_table(table, join(address, "table"))
            return []
        for problem in table.problems:
            self._refuse_table(problem, join(address, "table"))
        for column in ("id", *wanted):
            if column not in table.columns:
                problem = unknown_column(table, column)
                place = wanted[column][1] if column in wanted else problem.where
                self.refuse(problem.summary, problem.detail, address, place, problem.remedy)
                return []
        rows: tuple[Row, ...] | Diagnostic = table.rows
        if date and not table.problems:
            rows = rows_on(table, date)
        if isinstance(rows, Diagnostic):
            self._refuse_table(rows, address)
            return []
        chosen = [row for row in rows if all(row.cells[key] == text for key, (text, _) in wanted.items())]
        if not chosen and not table.problems:
            said = ", ".join(f"{key}: {text}" for key, (text, _) in wanted.items())
            detail = f"no row of {name} has {said}" + (f" on {date}" if date else "")
            self.refuse("table", detail, join(address, "where"), entries["where"][1].where)
        return [self._row_value(row, table, address) for row in chosen[:most]]

    def _conditions(self, node: Map, address: str) -> dict[str, tuple[str, Where]]:
        entry = node.entries.get("where")
        place = join(address, "where")
        conditions = self.map(entry[1], place) if entry else None
        found = {}
        for column, (where, value) in entries_of(conditions) if conditions else ():
            text = self.text(value, join(place, column))
            if text is not None:
                found[column] = (text, where)
        return found

    def _row_value(self, row: Row, table: Table, address: str) -> _Value | None:
        where = table.where(row)
        name = row.cells["id"]
        if not name:
            self.refuse("table", "column `id` is empty in this row", address, where)
            return None
        return _Value(name, dict(row.cells), where, where)

    def _refuse_table(self, problem: Diagnostic, address: str) -> None:
        self.refuse(problem.summary, problem.detail, problem.address or address, problem.where, problem.remedy)

    # --- cells ---

    def _cells(self, block: Map, axes: Sequence[Axis]) -> tuple[Cell, ...]:
        ids = [tuple(axis.ids) for axis in axes]
        alive: dict[Cell, int] = dict.fromkeys(itertools.product(*ids), -1)
        taken: dict[Cell, int] = {}  # cell → the rule that excluded it
        for index, rule, node in self._rules(block, "exclude", axes):
            place = f"variants.exclude[{index}]"
            chosen = [(rule[axis.name],) if axis.name in rule else known for axis, known in zip(axes, ids, strict=True)]
            hit = False
            before: set[int] = set()
            for cell in itertools.product(*chosen):
                if alive.pop(cell, None) is None:
                    before.add(taken[cell])
                else:
                    taken[cell] = index
                    hit = True
            if not hit:
                rules = ", ".join(f"exclude[{number}]" for number in sorted(before))
                detail = f"excludes nothing: all that it matches is excluded by {rules} already"
                self.refuse("exclude", detail, place, node.where, "remove it")
        for index, rule, node in self._rules(block, "include", axes):
            self._include(alive, index, rule, node, axes)
        if not alive:
            where = block.entries["exclude"][0]
            self.refuse("exclude", "no variant is left", "variants.exclude", where, "remove a rule")
        return tuple(alive)

    def _include(
        self, alive: dict[Cell, int], index: int, rule: dict[str, str], node: Map, axes: Sequence[Axis]
    ) -> None:
        place = f"variants.include[{index}]"
        missing = [axis.name for axis in axes if axis.name not in rule and axis.name not in node.entries]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            detail = f"names no {names}: it must name every axis"
            self.refuse("include", detail, place, node.where, "what is included is one whole variant")
        if len(rule) < len(axes):
            return
        cell = tuple(rule[axis.name] for axis in axes)
        if cell in alive:
            by = f"include[{alive[cell]}]" if alive[cell] >= 0 else "the axes, and no rule excludes it"
            detail = f"{','.join(cell)} is there already, by {by}"
            self.refuse("include", detail, place, node.where, "remove it")
        alive.setdefault(cell, index)

    def _rules(self, block: Map, key: str, axes: Sequence[Axis]) -> list[tuple[int, dict[str, str], Map]]:
        """Those that make sense; of an include with a wrong value the rest is kept."""
        entry = block.entries.get(key)
        items = self.items(entry[1], f"variants.{key}") if entry else None
        found = []
        for index, item in enumerate(items or ()):
            place = f"variants.{key}[{index}]"
            rule = self.map(item, place)
            if rule is None:
                continue
            before = len(self.problems)
            values = self._rule(rule, place, {axis.name: axis for axis in axes})
            if not entries_of(rule) and key == "exclude":
                self.refuse("exclude", "names no axis: it would exclude everything", place, rule.where, "remove it")
            if len(self.problems) == before or key == "include":
                found.append((index, values, rule))
        return found

    def _rule(self, rule: Map, place: str, axes: Mapping[str, Axis]) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, (where, node) in entries_of(rule):
            axis = axes.get(name)
            if axis is None:
                detail = f"unknown axis `{name}`{suggest(name, axes)}"
                self.refuse("unknown axis", detail, join(place, name), where, f"axes: {listed(axes)}")
                continue
            text = self._rule_value(node, join(place, name))
            if text is not None and text not in axis.ids:
                detail = f"`{text}` is no value of `{name}`{suggest(text, axis.ids)}"
                self.refuse("unknown value", detail, join(place, name), node.where, f"values: {listed(axis.ids)}")
            elif text is not None:
                values[name] = text
        return values

    def _rule_value(self, node: Node, place: str) -> str | None:
        if isinstance(node, Scalar):
            return self.text(node, place)
        self.refuse(
            "value", f"must be one value, not {as_written(node)}", place, node.where, "write a rule for each value"
        )
        return None


_GUESS = (
    "?"  # stands for what is missing, so that the checks after it do not stumble; never used, as there are problems
)


class _Value:
    """A value as read: where it stands, and where its id does."""

    __slots__ = ("fields", "id", "id_where", "where")

    def __init__(self, name: str, fields: dict[str, str], where: Where, id_where: Where) -> None:
        self.id, self.fields, self.where, self.id_where = name, fields, where, id_where
