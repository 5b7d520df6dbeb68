"""Tables that people keep as CSV: a header row, every cell text, `from` and `to` as days that a row is good for.

Reads the file and answers which rows count on a day; what the columns mean is known by who asks. No clock: the day is
given.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from manifests.diagnostics import Diagnostic, Where, suggest
from manifests.reading import listed, parse_day
from manifests.validity import ValidTo

FROM, TO = "from", "to"
MAX_BYTES = 10_000_000
MAX_ROWS = 100_000
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REMEDY_COMMA = "a cell that holds a comma needs double quotes"


@dataclass(frozen=True, slots=True)
class Row:
    """`first` and `last` are the days it is good for, both included; None is without end."""

    line: int
    cells: Mapping[str, str]
    first: dt.date | None = None
    last: dt.date | None = None

    def covers(self, day: dt.date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Table:
    """`problems` are its broken rows, which are left out of `rows`: every look-up refuses while there are any."""

    shown: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Diagnostic, ...] = ()
    place: str = ""  # its path from the project's root

    @property
    def dated(self) -> bool:
        return FROM in self.columns

    def where(self, row: Row | None = None) -> Where:
        return Where(self.shown, row.line if row else 1)

    def valid_to(self, row: Row) -> ValidTo | None:
        return None if row.last is None else ValidTo(day=row.last, table=self.place or self.shown, line=row.line)


Found: TypeAlias = tuple[Row, ...] | Diagnostic


def read_table(path: Path, where: Where, shown: str = "", place: str = "") -> Table | Diagnostic:
    """`where` is the place that names the table: a file that is not there is told with it."""
    shown = shown or str(path)
    text = _read_text(path, where, shown)
    found = text if isinstance(text, Diagnostic) else parse_table(text, shown)
    return replace(found, place=place) if isinstance(found, Table) else found


def parse_table(text: str, shown: str) -> Table | Diagnostic:
    """The table in a text, or why it is none: broken rows are kept in `problems`, a broken header is the answer."""
    lines = _Lines(text, shown)
    try:
        line, header = next(lines, (1, []))
        columns = tuple(cell.strip() for cell in header)
        refused = _refuse_header(columns, line, shown)
        if refused:
            return refused
        if FROM in columns or TO in columns:
            missing = ({FROM, TO} - set(columns)) or None
            if missing:
                detail = f"a column `{min({FROM, TO} - missing)}` without a column `{min(missing)}`"
                return _problem(detail, shown, line, "rows are good from a day to a day: give both columns")
        return _read_rows(lines, columns, shown)
    except csv.Error as problem:
        return _problem(f"not CSV: {problem}", shown, lines.line, "a quote inside a quoted cell is written twice")


class _Lines(Iterator[tuple[int, list[str]]]):
    """Records with the line they begin on; lines with nothing on them are passed over."""

    def __init__(self, text: str, shown: str) -> None:
        self._reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
        self.line = 1

    def __next__(self) -> tuple[int, list[str]]:
        while True:
            self.line = self._reader.line_num + 1
            record = next(self._reader)
            if any(cell.strip() for cell in record):
                return self.line, record


def _read_rows(lines: Iterator[tuple[int, list[str]]], columns: tuple[str, ...], shown: str) -> Table | Diagnostic:
    rows: list[Row] = []
    problems: list[Diagnostic] = []
    for line, record in lines:
        if len(rows) == MAX_ROWS:
            return _problem(f"more than {MAX_ROWS:,} rows", shown, line, "is this the right file?")
        if len(record) != len(columns):
            detail = f"{len(record)} cells in this row, {len(columns)} columns in the header"
            problems.append(_problem(detail, shown, line, _REMEDY_COMMA if len(record) > len(columns) else ""))
            continue
        cells = dict(zip(columns, (cell.strip() for cell in record), strict=True))
        found = _dated_row(line, cells, shown)
        if isinstance(found, Row):
            rows.append(found)
        else:
            problems += found
    if not rows and not problems:
        return _problem("a header and no rows", shown, 1)
    return Table(shown, columns, tuple(rows), tuple(problems))


def _dated_row(line: int, cells: dict[str, str], shown: str) -> Row | list[Diagnostic]:
    days: dict[str, dt.date | None] = {}
    problems = []
    for column in (FROM, TO):
        text = cells.get(column, "")
        days[column] = parse_day(text) if text else None
        if text and days[column] is None:
            problems.append(_problem(f"`{text}` in column `{column}` must be a date such as 2026-12-01", shown, line))
    first, last = days[FROM], days[TO]
    if first and last and last < first:
        problems.append(_problem(f"ends on {last}, before it begins on {first}", shown, line))
    return problems or Row(line, cells, first, last)


def _refuse_header(columns: Sequence[str], line: int, shown: str) -> Diagnostic | None:
    if not columns:
        return _problem("the file is empty", shown, 1, "the first row names the columns, such as id,name,from,to")
    for other in (";", "\t"):
        if len(columns) == 1 and other in columns[0]:
            words = "tabs" if other == "\t" else "`;`"
            return _problem(f"its columns are separated by {words}", shown, line, "save it as CSV with commas")
    for index, name in enumerate(columns):
        if not name:
            return _problem(f"column {index + 1} has no name", shown, line, "name it, or remove the column")
        if name in columns[:index]:
            return _problem(f"two columns are named `{name}`", shown, line, "rename one of the two")
    return None


def rows_on(table: Table, day: dt.date, key: str = "id") -> Found:
    """The rows that are good on a day, in the file's order.

    Two rows with the same `key` may not be good on any same day, whichever day is asked for.
    """
    refused = _refuse(table, FROM, key)
    if refused:
        return refused
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(row.cells[key], []).append(row)
    for name, rows in groups.items():
        refused = _overlap(table, rows, name)
        if refused:
            return refused
    return tuple(row for row in table.rows if row.covers(day)) or _uncovered(table, day)


def look_up(table: Table, *, date: dt.date, column: str) -> str | Diagnostic:
    """The one text that is good on a day."""
    row = row_with(table, date=date, column=column)
    return row.cells[column] if isinstance(row, Row) else row


def row_with(table: Table, *, date: dt.date, column: str) -> Row | Diagnostic:
    """The one row that is good on a day; it has something in that column."""
    refused = _refuse(table, column, FROM) or _overlap(table, table.rows)
    if refused:
        return refused
    for row in table.rows:
        if row.covers(date):
            empty = f"column `{column}` is empty in this row"
            return row if row.cells[column] else _problem(empty, table.shown, row.line)
    return _uncovered(table, date)


def _refuse(table: Table, *columns: str) -> Diagnostic | None:
    if table.problems:
        return table.problems[0]
    for column in columns:
        if column not in table.columns:
            return unknown_column(table, column)
    return None


def unknown_column(table: Table, column: str) -> Diagnostic:
    detail = f"no column `{column}`{suggest(column, table.columns)}"
    return _problem(detail, table.shown, 1, f"columns: {listed(table.columns)}")


def _overlap(table: Table, rows: Sequence[Row], name: str = "") -> Diagnostic | None:
    """Sorted by their first day, each must end before the next begins."""
    ordered = sorted(rows, key=lambda row: (row.first or dt.date.min, row.line))
    for before, row in itertools.pairwise(ordered):
        if before.last is None or (row.first or dt.date.min) <= before.last:
            day = row.first or before.last
            when = f"on {day}" if day else "on every day"
            detail = f"{f'`{name}`' if name else 'this row'} is good {when}, and so is line {before.line}"
            remedy = "`from` and `to` are both included: let one end the day before the other begins"
            return _problem(detail, table.shown, row.line, remedy)
    return None


def _uncovered(table: Table, day: dt.date) -> Diagnostic:
    ended = [row for row in table.rows if row.last and row.last < day]
    coming = [row for row in table.rows if row.first and row.first > day]
    near, line = [], 1
    if coming:
        next_row = min(coming, key=lambda row: row.first or day)
        near, line = [f"line {next_row.line} begins on {next_row.first}"], next_row.line
    if ended:
        last_row = max(ended, key=lambda row: row.last or day)
        near, line = [f"line {last_row.line} ends on {last_row.last}", *near], last_row.line
    detail = f"no row is good on {day}" + (f": {', '.join(near)}" if near else "")
    return _problem(detail, table.shown, line, "add a row for that day, or lengthen one")


def _read_text(path: Path, where: Where, shown: str) -> str | Diagnostic:
    try:
        if path.stat().st_size > MAX_BYTES:
            detail = f"{path.stat().st_size:,} bytes; a table has at most {MAX_BYTES:,}"
            return Diagnostic("table", detail, "", Where(shown), "is this the right file?")
        raw = path.read_bytes()
    except FileNotFoundError:
        return Diagnostic("file not found", f"no such file: {shown}", "", where)
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        return Diagnostic("table", f"{shown} cannot be read: {reason}", "", where)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        detail = f"not UTF-8: byte 0x{raw[problem.start]:02x}"
        return _problem(detail, shown, line, "save it as CSV in UTF-8")
    found = _CONTROL.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        return _problem(f"control character U+{ord(found[0]):04X}", shown, line, "remove it; is this a text file?")
    return text


def _problem(detail: str, shown: str, line: int, remedy: str = "") -> Diagnostic:
    return Diagnostic("table", detail, "", Where(shown, line), remedy)
