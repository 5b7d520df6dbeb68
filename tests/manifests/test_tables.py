"""Tables as people save them: what is read, which rows are good on a day, and what is said of a bad one."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.diagnostics import Diagnostic, Where, format_diagnostic
from manifests.tables import MAX_BYTES, Table, look_up, parse_table, read_table, rows_on

HERE = Where("film.yaml", 3, 9)
OFFERS = """\
id,offer,from,to
w49,"20 % off, this week",2026-11-30,2026-12-06
w50,Free delivery,2026-12-07,2026-12-13
w52,Gift box,2026-12-21,
"""


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def table_of(text: str) -> Table:
    table = parse_table(text, "offers.csv")
    assert isinstance(table, Table)
    return table


def said(found: object) -> list[str]:
    assert isinstance(found, Diagnostic)
    assert (found.severity, found.exit_code) == ("error", 2)
    return format_diagnostic(found).splitlines()


# --- reading ---


def test_spaces_around_cells_are_nothing() -> None:
    table = table_of('\n id , name\na, "b, c"\n b ,  d e  \n')
    assert table.columns == ("id", "name")
    assert [(row.line, *row.cells.values()) for row in table.rows] == [(3, "a", "b, c"), (4, "b", "d e")]


def test_quotes_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('id,name\r\n007,"two\r\nlines, one cell"\r\n\r\nb,"say ""yes"""\r\n'.encode("utf-8-sig"))
    table = read_table(path, HERE, "data/t.csv")
    assert isinstance(table, Table)
    assert [(row.line, dict(row.cells)) for row in table.rows] == [
        (2, {"id": "007", "name": "two\r\nlines, one cell"}),
        (5, {"id": "b", "name": 'say "yes"'}),
    ]
    assert str(table.where(table.rows[1])) == "data/t.csv:5"
    assert table.problems == ()


_CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), max_size=8)


@given(st.lists(st.lists(_CELL, min_size=2, max_size=2), min_size=1, max_size=6))
def test_what_any_program_writes_is_read_back(rows: list[list[str]]) -> None:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", "text"])
    writer.writerows([["x", *row[1:]] for row in rows])
    table = parse_table(file.getvalue(), "t.csv")
    if isinstance(table, Diagnostic):
        assert "control character" in table.detail
    else:
        assert [row.cells["text"] for row in table.rows] == [row[1].strip() for row in rows]


BAD = {
    "empty": ("", "t.csv:1: the file is empty", "    the first row names the columns, such as id,name,from,to"),
    "blank": ("\n \n", "t.csv:1: the file is empty", "    the first row names the columns, such as id,name,from,to"),
    "no rows": ("id,name\n\n", "t.csv:1: a header and no rows"),
    "semicolons": ("id;name\na;b\n", "t.csv:1: its columns are separated by `;`", "    save it as CSV with commas"),
    "tabs": ("id\tname\na\tb\n", "t.csv:1: its columns are separated by tabs", "    save it as CSV with commas"),
    "unnamed": ("id,,name\na,b,c\n", "t.csv:1: column 2 has no name", "    name it, or remove the column"),
    "twice": ("\nid,name,id\na,b,c\n", "t.csv:2: two columns are named `id`", "    rename one of the two"),
    "half a range": (
        "id,from\na,2026-01-01\n",
        "t.csv:1: a column `from` without a column `to`",
        "    rows are good from a day to a day: give both columns",
    ),
    "other half": (
        "id,to\na,2026-01-01\n",
        "t.csv:1: a column `to` without a column `from`",
        "    rows are good from a day to a day: give both columns",
    ),
    "open quote": (
        'id,name\na,"b\nc,d\n',
        "t.csv:2: not CSV: unexpected end of data",
        "    a quote inside a quoted cell is written twice",
    ),
    "stray quote": (
        'id,name\na,b\nc,"d"e\n',
        "t.csv:3: not CSV: ',' expected after '\"'",
        "    a quote inside a quoted cell is written twice",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_no_table(case: str) -> None:
    text, *lines = BAD[case]
    assert said(parse_table(text, "t.csv")) == lines


def test_every_broken_row_is_told() -> None:
    table = table_of("id,from,to\na,2026-01-01\nb,1.2.2026,2026-02-30\nc,2026-02-02,2026-02-01\nd,,\ne,2026-01-01,,x\n")
    assert [line for problem in table.problems for line in said(problem)] == [
        "offers.csv:2: 2 cells in this row, 3 columns in the header",
        "offers.csv:3: `1.2.2026` in column `from` must be a date such as 2026-12-01",
        "offers.csv:3: `2026-02-30` in column `to` must be a date such as 2026-12-01",
        "offers.csv:4: ends on 2026-02-01, before it begins on 2026-02-02",
        "offers.csv:6: 4 cells in this row, 3 columns in the header",
        "    a cell that holds a comma needs double quotes",
    ]
    assert [row.cells["id"] for row in table.rows] == ["d"]
    # and nobody gets an answer from it
    assert said(rows_on(table, day("2026-01-01")))[0].startswith("offers.csv:2: 2 cells")
    assert said(look_up(table, date=day("2026-01-01"), column="id"))[0].startswith("offers.csv:2: 2 cells")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    gone = tmp_path / "gone.csv"
    assert said(read_table(gone, HERE, "data/gone.csv")) == ["film.yaml:3:9: no such file: data/gone.csv"]
    assert said(read_table(tmp_path, HERE, "data")) == ["film.yaml:3:9: data cannot be read: Is a directory"]
    (tmp_path / "latin.csv").write_bytes("id,name\na,Café\n".encode("latin-1"))
    assert said(read_table(tmp_path / "latin.csv", HERE, "latin.csv")) == [
        "latin.csv:2: not UTF-8: byte 0xe9",
        "    save it as CSV in UTF-8",
    ]
    (tmp_path / "wide.csv").write_bytes("id,name\n".encode("utf-16"))
    assert "not UTF-8" in said(read_table(tmp_path / "wide.csv", HERE))[0]
    (tmp_path / "nul.csv").write_bytes(b"id,name\na,b\x00\n")
    assert said(read_table(tmp_path / "nul.csv", HERE, "nul.csv")) == [
        "nul.csv:2: control character U+0000",
        "    remove it; is this a text file?",
    ]
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert said(read_table(tmp_path / "big.csv", HERE, "big.csv")) == [
        "big.csv: 10,000,001 bytes; a table has at most 10,000,000",
        "    is this the right file?",
    ]


def test_a_table_has_at_most_a_hundred_thousand_rows() -> None:
    assert said(parse_table("id\n" + "a\n" * 100_001, "t.csv"))[0] == "t.csv:100002: more than 100,000 rows"


# --- a day ---


@pytest.mark.parametrize(
    ("date", "offer"),
    [
        ("2026-11-30", "20 % off, this week"),
        ("2026-12-06", "20 % off, this week"),  # both ends are included
        ("2026-12-07", "Free delivery"),
        ("2040-01-01", "Gift box"),
    ],
)
def test_the_text_of_a_day(date: str, offer: str) -> None:
    assert look_up(table_of(OFFERS), date=day(date), column="offer") == offer
    found = rows_on(table_of(OFFERS), day(date))
    assert isinstance(found, tuple)
    assert [row.cells["offer"] for row in found] == [offer]


def test_a_day_without_a_row() -> None:
    table = table_of(OFFERS)
    between = [
        "offers.csv:3: no row is good on 2026-12-20: line 3 ends on 2026-12-13, line 4 begins on 2026-12-21",
        "    add a row for that day, or lengthen one",
    ]
    assert said(look_up(table, date=day("2026-12-20"), column="offer")) == between
    assert said(rows_on(table, day("2026-12-20"))) == between
    before = "offers.csv:2: no row is good on 2026-01-01: line 2 begins on 2026-11-30"
    assert said(look_up(table, date=day("2026-01-01"), column="offer"))[0] == before
    short = table_of("id,from,to\na,2026-01-01,2026-01-31\n")
    after = "offers.csv:2: no row is good on 2026-02-01: line 2 ends on 2026-01-31"
    assert said(look_up(short, date=day("2026-02-01"), column="id"))[0] == after


def test_two_rows_for_one_day_are_told_whichever_day_is_asked_for() -> None:
    table = table_of("id,offer,from,to\na,x,2026-01-01,2026-01-07\nb,y,2026-01-07,2026-01-14\n")
    assert said(look_up(table, date=day("2026-01-02"), column="offer")) == [
        "offers.csv:3: this row is good on 2026-01-07, and so is line 2",
        "    `from` and `to` are both included: let one end the day before the other begins",
    ]
    found = rows_on(table, day("2026-01-07"))  # other ids: two values of an axis on the same day
    assert isinstance(found, tuple)
    assert [row.cells["id"] for row in found] == ["a", "b"]
    same = table_of("id,offer,from,to\na,x,2026-01-01,\nb,y,2026-01-07,2026-01-14\na,y,2026-03-01,2026-03-02\n")
    assert said(rows_on(same, day("2026-01-07")))[0] == "offers.csv:4: `a` is good on 2026-03-01, and so is line 2"
    always = table_of("id,from,to\na,,\na,,\n")
    assert said(rows_on(always, day("2026-01-07")))[0] == "offers.csv:3: `a` is good on every day, and so is line 2"


def test_columns_that_are_not_there() -> None:
    table = table_of(OFFERS)
    assert said(look_up(table, date=day("2026-12-01"), column="ofer")) == [
        "offers.csv:1: no column `ofer`; did you mean `offer`?",
        "    columns: id, offer, from, to",
    ]
    assert said(rows_on(table, day("2026-12-01"), "name"))[0] == "offers.csv:1: no column `name`"
    plain = table_of("id,offer\na,x\n")
    assert not plain.dated
    assert said(look_up(plain, date=day("2026-12-01"), column="offer"))[0] == "offers.csv:1: no column `from`"
    assert said(rows_on(plain, day("2026-12-01")))[0] == "offers.csv:1: no column `from`"


def test_an_empty_cell_is_no_text() -> None:
    table = table_of("id,offer,from,to\na,,2026-01-01,2026-01-07\n")
    assert said(look_up(table, date=day("2026-01-02"), column="offer")) == [
        "offers.csv:2: column `offer` is empty in this row"
    ]


_DAYS = st.dates(dt.date(2026, 1, 1), dt.date(2026, 3, 1))


@given(st.lists(st.tuples(st.none() | _DAYS, st.none() | _DAYS, st.sampled_from("ab")), min_size=1, max_size=5), _DAYS)
def test_days_follow_the_definition(ranges: list[tuple[dt.date | None, dt.date | None, str]], asked: dt.date) -> None:
    """Day by day: one answer where one row is good, a problem for none, and for two of the same id on any day."""
    ranges = [(a, b, name) for a, b, name in ranges if not (a and b and b < a)]
    if not ranges:
        return
    table = table_of("id,from,to\n" + "".join(f"{name},{a or ''},{b or ''}\n" for a, b, name in ranges))

    def good(on: dt.date) -> list[int]:
        return [n for n, (a, b, _) in enumerate(ranges) if (a is None or a <= on) and (b is None or on <= b)]

    days = [dt.date(2025, 12, 31) + dt.timedelta(n) for n in range(63)]
    found = look_up(table, date=asked, column="id")
    if any(len(good(on)) > 1 for on in days):
        assert "and so is line" in said(found)[0]
    elif good(asked):
        assert found == ranges[good(asked)[0]][2]
    else:
        assert "no row is good" in said(found)[0]
    rows = rows_on(table, asked)
    if any(len({ranges[n][2] for n in good(on)}) < len(good(on)) for on in days):
        assert "and so is line" in said(rows)[0]
    elif good(asked):
        assert isinstance(rows, tuple)
        assert [row.line - 2 for row in rows] == good(asked)
    else:
        assert "no row is good" in said(rows)[0]
