"""Axes of variants and their values, as people write them: words, records with an id, or the rows of a table.

An id names files and addresses, so its form is narrow. Which values meet in a variant is `manifests.matrix`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from manifests.diagnostics import Diagnostic, Where, suggest
from manifests.journal import Record
from manifests.nodes import Map, Node, as_written
from manifests.reading import Reader, entries_of, join, listed
from manifests.tables import Row, Table, rows_on, unknown_column
from manifests.validity import ValidTo

Tables = Callable[[str, Where], Table | Diagnostic]

MOST_ROWS = 100_000
LOCALE, RATIO = "locale", "ratio"
RESERVED = ("copy", "params", "run", "brand")  # `${copy.x}` could not be told from a field
LOCALE_TAG = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})\Z", re.ASCII)

_AXIS = re.compile(r"[a-z][a-z0-9_]{0,39}\Z", re.ASCII)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}\Z", re.ASCII)
_RATIO = re.compile(r"[1-9][0-9]{0,3}:[1-9][0-9]{0,3}\Z", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]{0,61}[A-Za-z0-9])?\Z", re.ASCII)
_ID_WORDS = "letters, digits, `-`, `.` and `:`, at most 63, the first and the last a letter or digit"
_MEANT = {  # axes whose values mean something
    LOCALE: (LOCALE_TAG, "a full language tag, such as en-GB"),
    RATIO: (_RATIO, 'a ratio in quotes, such as "16:9"'),
}
# Stands for what is missing, so that later checks do not stumble; never used, as there are problems.
_GUESS = "?"


class AxisValue(Record):
    """`fields` holds the id too."""

    id: str
    fields: Mapping[str, str]
    valid_to: ValidTo | None = None  # of the row of a table that it is


class Axis(Record):
    name: str
    values: tuple[AxisValue, ...]

    @cached_property
    def ids(self) -> dict[str, AxisValue]:
        return {value.id: value for value in self.values}

    @property
    def fields(self) -> tuple[str, ...]:
        """The same for all its values."""
        return tuple(self.values[0].fields) if self.values else ()


@dataclass(slots=True)
class _Value:
    """A value as read: where it stands, and where its id does."""

    id: str
    address: str
    where: Where
    id_where: Where
    fields: dict[str, str] = field(default_factory=dict)
    places: dict[str, Where] = field(default_factory=dict)
    valid_to: ValidTo | None = None


class AxisReader(Reader):
    """Reads what stands under `axes`. `lost` are axes without one value that can be used."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._tables = tables
        self.lost: set[str] = set()

    def axes(self, node: Node, address: str) -> tuple[Axis, ...]:
        block = self.map(node, address)
        found = []
        for name, (where, value) in entries_of(block) if block else ():
            place = join(address, name)
            self._axis_name(name, place, where)
            values = self._axis_values(name, value, place)
            if values:
                found.append(Axis(name=name, values=tuple(values)))
            else:
                self.lost.add(name)
        if block and not entries_of(block):
            self.refuse("axis", "names no axis", address, block.where, 'such as `ratio: ["16:9", "9:16"]`')
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
            records = self.table_rows(node, address)
        else:
            items = self.items(node, address)
            if items is not None and not items:
                self.refuse("value", "is an empty list", address, node.where)
            found = [self._record(item, join(address, i)) for i, item in enumerate(items or ())]
            records = [record for record in found if record is not None]
        self._same_fields(records)
        return self._distinct(name, records)

    # --- words and records ---

    def _record(self, node: Node, address: str) -> _Value | None:
        if not isinstance(node, Map):
            text = self._word(node, address)
            return None if text is None else _Value(text, address, node.where, node.where, {"id": text})
        if "id" not in node.entries:
            self.keys(node, (*node.entries, "id"), address, needed=("id",))
            return None
        id_node = node.entries["id"][1]
        name = self._word(id_node, join(address, "id"))
        if name is None:
            return None
        value = _Value(name, join(address.rpartition("[")[0], name), node.where, id_node.where, {"id": name})
        for key, (where, entry) in entries_of(node):
            place = join(value.address, key)
            if not _FIELD.match(key):
                detail = f"field `{key}` must be letters, digits, `-` and `_`, starting with a letter"
                self.refuse("axis", detail, place, where)
            elif key != "id":
                value.fields[key] = self._word(entry, place) or _GUESS
                value.places[key] = where
        return value

    def _word(self, node: Node, address: str) -> str | None:
        text = self.text(node, address)
        if text is not None and "${" in text:
            remedy = "write the value out, or take it from a table"
            self.refuse("look-up", f"{as_written(node)}: no look-ups inside an axis", address, node.where, remedy)
        return text

    def _same_fields(self, records: Sequence[_Value]) -> None:
        """Fields that at least half of the records have are wanted of all; a rarer one is a slip."""
        counts: dict[str, int] = {}
        for record in records:
            for name in record.fields:
                counts[name] = counts.get(name, 0) + 1
        common = [name for name, count in counts.items() if 2 * count >= len(records)]
        for record in records:
            missing = [name for name in common if name not in record.fields]
            rare = [name for name in record.fields if name not in common]
            for name in rare:
                hint = suggest(name, missing)
                detail = f"field `{name}` stands in {counts[name]} of {len(records)} records{hint}"
                remedy = f"fields of this axis: {listed(common)}"
                self.refuse("axis", detail, join(record.address, name), record.places[name], remedy)
            if missing and not rare:
                names = ", ".join(f"`{name}`" for name in missing)
                detail = f"missing field{'s' if len(missing) > 1 else ''} {names}"
                self.refuse(
                    "axis", detail, record.address, record.where, "the records of one axis have the same fields"
                )
            record.fields = {name: record.fields.get(name, _GUESS) for name in common}

    def _distinct(self, axis: str, records: Sequence[_Value]) -> list[AxisValue]:
        """One value for each id. Ids that differ by case, or by `:` and `x`, would share a file's name."""
        seen: dict[str, _Value] = {}
        pattern, words = _MEANT.get(axis, (_ID, _ID_WORDS))
        for record in records:
            if not pattern.match(record.id):
                self.refuse("axis", f"`{record.id}` must be {words}", record.address, record.id_where)
            same = seen.setdefault(record.id.casefold().replace(":", "x"), record)
            if same is not record:
                if same.id == record.id:
                    detail = f"`{record.id}` is a value of `{axis}` already, on line {same.id_where.line}"
                else:
                    detail = f"`{record.id}` and `{same.id}` would give their files the same name"
                self.refuse("axis", detail, record.address, record.id_where, "ids of one axis must differ")
        return [AxisValue(id=record.id, fields=record.fields, valid_to=record.valid_to) for record in seen.values()]

    # --- tables ---

    def table_rows(self, node: Map, address: str) -> list[_Value]:
        """`{table: data/hooks.csv, where: {status: live}, date: "2026-12-01", limit: 3}`."""
        self.keys(node, ("table", "where", "date", "limit"), address, needed=("table",))
        entries = {key: entry for key, (_, entry) in node.entries.items()}
        name = self.text(entries["table"], join(address, "table")) if "table" in entries else None
        date = self.date(entries["date"], join(address, "date")) if "date" in entries else None
        most = self.whole(entries["limit"], join(address, "limit"), MOST_ROWS) if "limit" in entries else None
        wanted = self._conditions(node, address)
        table = self._tables(name, entries["table"].where) if name is not None else None
        if isinstance(table, Diagnostic):
            self.problems.append(replace(table, address=table.address or join(address, "table")))
        if not isinstance(table, Table):
            return []
        self.problems += [replace(problem, address=address) for problem in table.problems]
        if table.dated and "date" not in entries:
            detail = f"the rows of {table.shown} are good from a day to a day"
            self.refuse("table", detail, address, node.where, 'say for which day: `date: "2026-12-01"`')
        table = self._chosen(table, wanted, address)
        if table is None or (date is None and (table.dated or "date" in entries)):
            return []
        rows = rows_on(table, date) if date else table.rows
        if isinstance(rows, Diagnostic):
            self.problems += [replace(rows, address=address)] if not table.problems else []
            return []
        found = [self._row(row, table, address) for row in rows[:most]]
        return [value for value in found if value is not None]

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

    def _chosen(self, table: Table, wanted: Mapping[str, tuple[str, Where]], address: str) -> Table | None:
        """Only the rows with these words in these columns."""
        for column in ("id", *wanted):
            if column not in table.columns:
                problem = unknown_column(table, column)
                place = wanted[column][1] if column in wanted else problem.where
                at = join(join(address, "where"), column) if column in wanted else address
                self.problems.append(replace(problem, address=at, where=place))
                return None
        rows = tuple(row for row in table.rows if all(row.cells[key] == text for key, (text, _) in wanted.items()))
        if not rows:
            if not table.problems:
                said = ", ".join(f"{key}: {text}" for key, (text, _) in wanted.items())
                where = next(iter(wanted.values()))[1]
                self.refuse("table", f"no row of {table.shown} has {said}", join(address, "where"), where)
            return None
        return replace(table, rows=rows)

    def _row(self, row: Row, table: Table, address: str) -> _Value | None:
        where, name = table.where(row), row.cells["id"]
        if not name:
            self.refuse("table", "column `id` is empty in this row", address, where)
            return None
        for column, text in row.cells.items():
            if "${" in text:
                detail = f"`${{…}}` in column `{column}`: look-ups are not nested"
                self.refuse("look-up", detail, join(address, name), where, "write the value out")
        return _Value(name, join(address, name), where, where, dict(row.cells), valid_to=table.valid_to(row))
