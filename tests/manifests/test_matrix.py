"""Axes and cells against a definition by brute force, and every slip with its place."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.diagnostics import Diagnostic, Where, format_diagnostic
from manifests.load import parse_yaml
from manifests.matrix import Axis, AxisValue, Cell, Matrix, read_matrix
from manifests.nodes import Map
from manifests.tables import Table, parse_table

WINTER = """\
variants:
  axes:
    product:
      - {id: kettle-green, name: matte green kettle, ref: refs/kettle-green.png}
      - {id: kettle-black, name: matte black kettle, ref: refs/kettle-black.png}
      - {id: pot-clay, name: clay teapot, ref: refs/pot-clay.png}
      - {id: press-steel, name: brushed steel coffee press, ref: refs/press-steel.png}
    hook:
      - {id: cold, scene: frost melting on a kitchen window}
      - {id: late, scene: a hallway clock at night beside an open kitchen door}
      - {id: gift, scene: hands tying a plain ribbon on a small box}
    locale: [en-GB, de-DE, ja-JP]
    ratio: ["16:9", "9:16", "4:5"]
  exclude:
    - {hook: gift, locale: ja-JP}
    - {product: press-steel, hook: late}
    - {ratio: "16:9", hook: cold, locale: de-DE}
  include:
    - {product: kettle-black, hook: gift, locale: ja-JP, ratio: "9:16"}
  limit: 120
"""
HOOKS = """\
id,scene,status,from,to
cold,frost on a window,live,2026-11-30,2026-12-06
late,a clock at night,live,2026-11-30,2026-12-13
gift,a ribbon,draft,2026-12-01,
cold,ice on a pond,live,2026-12-07,2026-12-13
"""


def read(text: str, **tables: str) -> tuple[Matrix | None, list[str]]:
    """`variants:` and what is under it → the matrix, and the lines that people see."""
    tree, problems = parse_yaml(text, "film.yaml")
    assert not problems
    assert isinstance(tree, Map)

    def table(name: str, where: Where) -> Table | Diagnostic:
        found = tables.get(Path(name).stem)
        if found is None:
            return Diagnostic("file not found", f"no such file: {name}", "", where)
        return parse_table(found, name)

    matrix, found = read_matrix(tree.entries["variants"][1], table, "film.yaml")
    return matrix, [line for problem in found for line in format_diagnostic(problem).splitlines()]


def matrix_of(text: str, **tables: str) -> Matrix:
    matrix, lines = read(text, **tables)
    assert lines == []
    assert matrix is not None
    return matrix


def test_worked_example_has_84_variants() -> None:
    matrix = matrix_of(WINTER)
    assert len(matrix.cells) == len(set(matrix.cells)) == 84
    assert matrix.names == ("product", "hook", "locale", "ratio")
    assert matrix.cells[0] == ("kettle-green", "cold", "en-GB", "16:9")
    assert matrix.cells[1] == ("kettle-green", "cold", "en-GB", "9:16")
    assert matrix.cells[-1] == ("kettle-black", "gift", "ja-JP", "9:16")
    # 12 × 3 of `use` and `hero`, less none; 9 of `open`: what the example says is bought
    assert len(matrix.projections(("product", "ratio"))) == 12
    assert len(matrix.projections(("ratio", "hook"))) == 9
    assert matrix.projections(("locale",)) == (("en-GB",), ("de-DE",), ("ja-JP",))
    assert matrix.projections(matrix.names) is matrix.cells


def test_values_and_fields() -> None:
    matrix = matrix_of(WINTER)
    cell = matrix.cells[-1]
    assert matrix.values(cell) == {
        "product": "kettle-black", "hook": "gift", "locale": "ja-JP", "ratio": "9:16",
    }  # fmt: skip
    assert matrix.field(cell, "product", "name") == "matte black kettle"
    assert matrix.field(cell, "ratio", "id") == "9:16"
    assert matrix.axis("product").fields == ("id", "name", "ref")
    for axis, name in (("products", "name"), ("product", "names")):
        with pytest.raises(KeyError):
            matrix.field(cell, axis, name)
    with pytest.raises(KeyError):
        matrix.field(("kettle-red", *cell[1:]), "product", "name")


def test_a_spot_without_variants_has_one_on_no_axis() -> None:
    matrix = Matrix()
    assert matrix.cells == ((),)
    assert matrix.values(()) == {}
    assert matrix.projections(()) == ((),)


def test_a_matrix_is_a_value() -> None:
    matrix = matrix_of(WINTER)
    matrix.values(matrix.cells[0])  # fills what is kept
    again = Matrix.model_validate_json(matrix.model_dump_json())
    assert again == matrix
    assert again.field(again.cells[0], "hook", "scene") == "frost melting on a kitchen window"
    assert Axis(name="a", values=()).fields == ()


# --- cells by definition ---

Rule = dict[str, str]


class Block(NamedTuple):
    axes: dict[str, list[str]]
    exclude: list[Rule]
    include: list[Rule]

    @property
    def text(self) -> str:
        lines = ["variants:", "  limit: 5000", "  axes:"]
        lines += [f"    {name}: [{', '.join(values)}]" for name, values in self.axes.items()]
        for key, rules in (("exclude", self.exclude), ("include", self.include)):
            lines += [f"  {key}:"] * bool(rules)
            lines += [f"    - {{{', '.join(f'{axis}: {value}' for axis, value in rule.items())}}}" for rule in rules]
        return "\n".join(lines)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    names = draw(st.lists(st.sampled_from(["product", "hook", "offer", "mood"]), min_size=1, max_size=4, unique=True))
    axes = {name: [f"{name[0]}{i}" for i in range(draw(st.integers(1, 4)))] for name in names}
    some = st.lists(st.sampled_from(names), min_size=1, unique=True)
    rule = some.flatmap(lambda chosen: st.fixed_dictionaries({name: st.sampled_from(axes[name]) for name in chosen}))
    whole = st.permutations(names).flatmap(
        lambda chosen: st.fixed_dictionaries({name: st.sampled_from(axes[name]) for name in chosen})
    )
    return Block(axes, draw(st.lists(rule, max_size=5)), draw(st.lists(whole, max_size=3)))


class Expected(NamedTuple):
    cells: list[Cell]
    dead: list[int]
    doubles: list[int]


def by_definition(block: Block) -> Expected:
    """What the manifest's reference says, one sentence after the other, without a thought for speed."""
    cells = list(itertools.product(*block.axes.values()))
    dead, doubles = [], []
    for index, rule in enumerate(block.exclude):
        kept = [
            cell
            for cell in cells
            if not all(dict(zip(block.axes, cell, strict=True))[axis] == value for axis, value in rule.items())
        ]
        dead += [index] * (len(kept) == len(cells))
        cells = kept
    for index, rule in enumerate(block.include):
        cell = tuple(rule[name] for name in block.axes)
        if cell in cells:
            doubles.append(index)
        else:
            cells.append(cell)
    return Expected(cells, dead, doubles)


@given(blocks())
def test_cells_follow_the_definition(block: Block) -> None:
    expected = by_definition(block)
    matrix, lines = read(block.text)
    told = [line for line in lines if not line.startswith("    ")]
    assert [i for i in range(5) if any(f" variants.exclude[{i}]: excludes nothing" in t for t in told)] == expected.dead
    assert [i for i in range(3) if any(f" variants.include[{i}]: " in t for t in told)] == expected.doubles
    empty = not expected.cells
    assert any("no variant is left" in t for t in told) == empty
    assert len(told) == len(expected.dead) + len(expected.doubles) + empty
    assert (matrix is None) == empty
    if matrix is not None:
        assert list(matrix.cells) == expected.cells  # the same cells in the same order


@given(blocks(), st.data())
def test_projections_follow_the_definition(block: Block, data: st.DataObject) -> None:
    matrix = Matrix(
        axes=tuple(
            Axis(name=name, values=tuple(AxisValue(id=v, fields={"id": v}) for v in values))
            for name, values in block.axes.items()
        ),
        cells=tuple(by_definition(block._replace(exclude=block.exclude[:1])).cells),
    )
    axes = data.draw(st.sets(st.sampled_from(list(block.axes))))
    kept = [tuple(v for n, v in matrix.values(cell).items() if n in axes) for cell in matrix.cells]
    assert list(matrix.projections(axes)) == list(dict.fromkeys(kept))


# --- tables as axes ---


def table_axis(words: str, **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"variants:\n  axes:\n    hook: {{table: data/{words}.csv{extra}}}\n    locale: [en-GB]\n"


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({"date": '"2026-12-06"'}, ["cold", "late", "gift"]),
        ({"date": '"2026-12-06"', "where": "{status: live}"}, ["cold", "late"]),
        ({"date": '"2026-12-07"', "where": "{status: live}"}, ["late", "cold"]),
        ({"date": '"2026-12-07"', "limit": "1"}, ["late"]),
        ({"date": '"2031-01-01"'}, ["gift"]),  # without an end
    ],
)
def test_rows_of_a_table_are_values(more: Mapping[str, str], ids: Sequence[str]) -> None:
    matrix = matrix_of(table_axis("hooks", **more), hooks=HOOKS)
    assert [value.id for value in matrix.axes[0].values] == ids
    assert matrix.axes[0].fields == ("id", "scene", "status", "from", "to")


def test_the_row_of_the_day_gives_the_fields() -> None:
    matrix = matrix_of(table_axis("hooks", date='"2026-12-08"', where="{id: cold}"), hooks=HOOKS)
    assert matrix.field(matrix.cells[0], "hook", "scene") == "ice on a pond"


def test_rows_that_are_filtered_out_cannot_overlap() -> None:
    table = "id,market,from,to\na,GB,2026-01-01,2026-12-31\na,DE,2026-01-01,2026-12-31\n"
    text = table_axis("t", date='"2026-05-05"', where="{market: DE}")
    assert matrix_of(text, t=table).cells == (("a", "en-GB"),)


# --- slips ---

OK = "variants:\n  axes:\n    locale: [en-GB, de-DE]\n    hook: [cold, late]\n"

SLIPS: list[tuple[Any, ...]] = [
    ("variants:\n", "film.yaml:1:10: variants: has no value", "    give it one, or remove the key"),
    ("variants: [a]\n", "film.yaml:1:11: variants: must be a map of `key: value` lines, not a list"),
    ("variants: {}\n", "film.yaml:1:11: variants: missing key `axes`"),
    ("variants: {axes: {}}\n", "film.yaml:1:18: variants.axes: names no axis", '    such as `ratio: ["16:9", "9:16"]`'),
    (
        "variants: {axes: [locale]}\n",
        "film.yaml:1:18: variants.axes: must be a map of `key: value` lines, not a list",
    ),
    (
        "variants: {axis: {hook: [a]}}\n",
        "film.yaml:1:12: variants.axis: unknown key `axis`; did you mean `axes`?",
        "    allowed here: axes, exclude, include, limit",
    ),
    (
        "variants:\n  axes:\n    hook:\n",
        "film.yaml:3:10: variants.axes.hook: has no value",
        "    give it one, or remove the key",
    ),
    ("variants:\n  axes:\n    hook: []\n", "film.yaml:3:11: variants.axes.hook: is an empty list"),
    (
        "variants:\n  axes:\n    hook: cold\n",
        "film.yaml:3:11: variants.axes.hook: must be a list, not the text `cold`",
        "    write [cold]",
    ),
    (
        "variants:\n  axes:\n    Hook: [cold]\n    copy: [a]\n",
        "film.yaml:3:5: variants.axes.Hook: `Hook` must be lower-case letters, digits and `_`, starting with a letter, at most 40",
        "film.yaml:4:5: variants.axes.copy: `copy` cannot name an axis: `${copy.…}` means something else",
        "    give it another name",
    ),
    (
        "variants:\n  axes:\n    hook: [cold, 'la te', 'a/b', -x, 'x,y', 'a@b', a_b]\n",
        *(
            f"film.yaml:3:{column}: variants.axes.hook[{index}]: `{word}` must be letters, digits, `-`, `.` and `:`, at most 63, the first and the last a letter or digit"
            for index, column, word in (
                (1, 18, "la te"),
                (2, 27, "a/b"),
                (3, 34, "-x"),
                (4, 38, "x,y"),
                (5, 45, "a@b"),
                (6, 52, "a_b"),
            )
        ),
    ),
    (
        "variants:\n  axes:\n    week: [1, 2.5, true, ]\n",
        "film.yaml:3:12: variants.axes.week[0]: must be text, not the number 1",
        '    put it in quotes: "1"',
        "film.yaml:3:15: variants.axes.week[1]: must be text, not the number 2.5",
        '    put it in quotes: "2.5"',
        "film.yaml:3:20: variants.axes.week[2]: must be text, not the word true",
        '    put it in quotes: "true"',
    ),
    (
        "variants:\n  axes:\n    locale: [en-GB, no, de_DE, en]\n",
        "film.yaml:3:21: variants.axes.locale[1]: `no` must be a full language tag, such as en-GB",
        "film.yaml:3:25: variants.axes.locale[2]: `de_DE` must be a full language tag, such as en-GB",
        "film.yaml:3:32: variants.axes.locale[3]: `en` must be a full language tag, such as en-GB",
    ),
    (
        "variants:\n  axes:\n    ratio: [square, '16x9', 1.5]\n",
        'film.yaml:3:13: variants.axes.ratio[0]: `square` must be a ratio in quotes, such as "16:9"',
        'film.yaml:3:21: variants.axes.ratio[1]: `16x9` must be a ratio in quotes, such as "16:9"',
        "film.yaml:3:29: variants.axes.ratio[2]: must be text, not the number 1.5",
        '    put it in quotes: "1.5"',
    ),
    (
        "variants:\n  axes:\n    hook: [cold, late, cold]\n",
        "film.yaml:3:24: variants.axes.hook[2]: `cold` is a value of `hook` already, on line 3",
        "    ids of one axis must differ",
    ),
    (
        "variants:\n  axes:\n    size: ['9:16', 9x16, 'L', 'l']\n",
        "film.yaml:3:20: variants.axes.size[1]: `9x16` and `9:16` would give their files the same name",
        "    ids of one axis must differ",
        "film.yaml:3:31: variants.axes.size[3]: `l` and `L` would give their files the same name",
        "    ids of one axis must differ",
    ),
    (
        "variants:\n  axes:\n    hook:\n      - {id: a, scene: x, mood: y}\n      - {id: b}\n      - {id: c, scene: z, moood: q}\n      - {id: d, scene: z, mood: q}\n",
        "film.yaml:5:9: variants.axes.hook.b: missing fields `scene`, `mood`",
        "    the records of one axis have the same fields",
        "film.yaml:6:27: variants.axes.hook.c.moood: field `moood` stands in 1 of 4 records; did you mean `mood`?",
        "    fields of this axis: id, scene, mood",
    ),
    (
        "variants:\n  axes:\n    hook:\n      - {id: a, scene: x}\n      - {scene: y}\n      - {id: , scene: z}\n      - {id: d, scene: 4}\n      - {id: e, 9: x, scene: [y]}\n",
        "film.yaml:5:9: variants.axes.hook[1]: missing key `id`",
        "film.yaml:6:14: variants.axes.hook[2].id: has no value",
        "    give it one, or remove the key",
        "film.yaml:7:24: variants.axes.hook.d.scene: must be text, not the number 4",
        '    put it in quotes: "4"',
        "film.yaml:8:17: variants.axes.hook.e.9: field `9` must be letters, digits, `-` and `_`, starting with a letter",
        "film.yaml:8:30: variants.axes.hook.e.scene: must be text, not a list",
    ),
    (
        "variants:\n  axes:\n    hook: [a, '${run.week}']\n",
        "film.yaml:3:15: variants.axes.hook[1]: `${run.week}`: no look-ups inside an axis",
        "    write the value out, or take it from a table",
        "film.yaml:3:15: variants.axes.hook[1]: `${run.week}` must be letters, digits, `-`, `.` and `:`, at most 63, the first and the last a letter or digit",
    ),
    # rules
    (
        OK + "  exclude: {hook: cold}\n",
        "film.yaml:5:12: variants.exclude: must be a list, not a map",
    ),
    (
        OK
        + "  exclude: [cold, {}, {hok: cold}, {hook: clod}, {hook: [cold]}, {hook: 1}, {x-why: ask Ann, hook: late}]\n",
        "film.yaml:5:13: variants.exclude[0]: must be a map of `key: value` lines, not the text `cold`",
        "film.yaml:5:19: variants.exclude[1]: names no axis: it would exclude everything",
        "    remove it",
        "film.yaml:5:24: variants.exclude[2].hok: unknown axis `hok`; did you mean `hook`?",
        "    axes: locale, hook",
        "film.yaml:5:43: variants.exclude[3].hook: `clod` is no value of `hook`; did you mean `cold`?",
        "    values: cold, late",
        "film.yaml:5:57: variants.exclude[4].hook: must be one value, not a list",
        "    write a rule for each value",
        "film.yaml:5:73: variants.exclude[5].hook: must be text, not the number 1",
        '    put it in quotes: "1"',
    ),
    (
        OK + "  exclude:\n    - {hook: cold}\n    - {locale: de-DE}\n    - {hook: cold, locale: de-DE}\n",
        "film.yaml:8:7: variants.exclude[2]: excludes nothing: all that it matches is excluded by exclude[0] already",
        "    remove it",
    ),
    (
        OK + "  exclude:\n    - {hook: cold}\n    - {hook: late}\n",
        "film.yaml:5:3: variants.exclude: no variant is left",
        "    remove a rule",
    ),
    (
        OK
        + "  include:\n    - {hook: cold}\n    - {hook: cold, locale: de-DE}\n    - {hook: cold, locale: fr-FR}\n    - {hok: cold, locale: en-GB}\n",
        "film.yaml:6:7: variants.include[0]: does not name `locale`: it must name every axis",
        "    what is included is one whole variant",
        "film.yaml:7:7: variants.include[1]: de-DE,cold is there already, and no rule excludes it",
        "    remove it",
        "film.yaml:8:28: variants.include[2].locale: `fr-FR` is no value of `locale`",
        "    values: en-GB, de-DE",
        "film.yaml:9:8: variants.include[3].hok: unknown axis `hok`; did you mean `hook`?",
        "    axes: locale, hook",
    ),
    (
        OK + "  exclude: [{hook: cold}]\n  include: [{hook: cold, locale: de-DE}, {locale: de-DE, hook: cold}]\n",
        "film.yaml:6:42: variants.include[1]: de-DE,cold is there already, by include[0]",
        "    remove it",
    ),
    # limits
    (OK + "  limit: 0\n", "film.yaml:5:10: variants.limit: must be at least 1, is 0"),
    (OK + "  limit: 100001\n", "film.yaml:5:10: variants.limit: must be at most 100000, is 100001"),
    (OK + "  limit: many\n", "film.yaml:5:10: variants.limit: must be a whole number, not the text `many`"),
    (
        OK + "  limit: 3\n",
        "film.yaml:5:10: variants.limit: 4 variants; the limit is 3",
        "    exclude some, or write `limit: 4`",
    ),
    (
        f"variants:\n  axes:\n    hook: [{', '.join(f'h{i}' for i in range(501))}]\n",
        "film.yaml:2:3: variants: 501 variants; the limit is 500",
        "    exclude some, or write `limit: 501`",
    ),
    # tables
    (
        table_axis("hooks", where="{status: live}", date="2026-13-01"),
        'film.yaml:3:64: variants.axes.hook.date: `2026-13-01` must be a date in quotes, such as "2026-12-01"',
    ),
    (
        table_axis("hooks"),
        "film.yaml:3:11: variants.axes.hook: the rows of data/hooks.csv are good from a day to a day",
        '    say for which day: `date: "2026-12-01"`',
    ),
    (
        "variants:\n  axes:\n    hook: {tabel: data/hooks.csv, limit: 0, where: [x]}\n",
        "film.yaml:3:12: variants.axes.hook.tabel: unknown key `tabel`; did you mean `table`?",
        "    allowed here: table, where, date, limit",
        "film.yaml:3:42: variants.axes.hook.limit: must be at least 1, is 0",
        "film.yaml:3:52: variants.axes.hook.where: must be a map of `key: value` lines, not a list",
    ),
    (table_axis("hoks"), "film.yaml:3:19: variants.axes.hook.table: no such file: data/hoks.csv"),
    (
        table_axis("hooks", date='"2026-12-06"', where="{state: live}"),
        "film.yaml:3:63: variants.axes.hook.where.state: no column `state`; did you mean `status`?",
        "    columns: id, scene, status, from, to",
    ),
    (
        table_axis("hooks", date='"2026-12-06"', where="{status: old}"),
        "film.yaml:3:63: variants.axes.hook.where: no row of data/hooks.csv has status: old",
    ),
    (
        table_axis("hooks", date='"2026-11-01"'),
        "data/hooks.csv:2: variants.axes.hook: no row is good on 2026-11-01: line 2 begins on 2026-11-30",
        "    add a row for that day, or lengthen one",
    ),
    (table_axis("bare"), "data/bare.csv:1: variants.axes.hook: no column `id`", "    columns: name"),
    (
        table_axis("bare", date='"2026-11-01"', where="{name: a}"),
        "data/bare.csv:1: variants.axes.hook: no column `id`",
        "    columns: name",
    ),
    (
        table_axis("plain", date='"2026-11-01"'),
        "data/plain.csv:1: variants.axes.hook: no column `from`",
        "    columns: id, name",
    ),
    (
        table_axis("rough"),
        "data/rough.csv:2: variants.axes.hook: 3 cells in this row, 2 columns in the header",
        "    a cell that holds a comma needs double quotes",
        "data/rough.csv:3: variants.axes.hook: column `id` is empty in this row",
        "data/rough.csv:5: variants.axes.hook.b: `b` is a value of `hook` already, on line 4",
        "    ids of one axis must differ",
        "data/rough.csv:6: variants.axes.hook.c c: `c c` must be letters, digits, `-`, `.` and `:`, at most 63, the first and the last a letter or digit",
        "data/rough.csv:7: variants.axes.hook.d: `${…}` in column `name`: look-ups are not nested",
        "    write the value out",
    ),
]
CSV = {
    "hooks": HOOKS,
    "bare": "name\na\n",
    "plain": "id,name\na,x\n",
    "rough": "id,name\na,b,c\n,x\nb,x\nb,y\nc c,z\nd,${run.week}\n",
}


@pytest.mark.parametrize("slip", SLIPS, ids=[f"{n}: {slip[1][:60]}" for n, slip in enumerate(SLIPS)])
def test_slip_is_answered_with_its_place(slip: tuple[str, ...]) -> None:
    assert read(slip[0], **CSV)[1] == list(slip[1:])


def test_notes_are_passed_over() -> None:
    text = OK.replace("variants:\n", "variants:\n  x-note: {anything: [1]}\n").replace(
        "[cold, late]", "[{id: cold, x-why: 3}]"
    )
    assert matrix_of(text + "    x-old: [gone]\n").cells == (("en-GB", "cold"), ("de-DE", "cold"))


def test_an_axis_that_cannot_be_read_makes_no_further_noise() -> None:
    matrix, lines = read(
        OK + "    product: {table: data/none.csv}\n  exclude: [{product: a, hook: late}, {hook: lat}]\n"
    )
    assert matrix is None
    assert [line.partition(": ")[0] for line in lines if not line.startswith("    ")] == [
        "film.yaml:5:22", "film.yaml:6:46",
    ]  # fmt: skip


def test_with_slips_in_the_rules_the_axes_are_known_all_the_same() -> None:
    matrix, lines = read(OK + "  exclude: [{hok: cold}, {hook: late}]\n")
    assert lines
    assert matrix is not None
    assert matrix.cells == (("en-GB", "cold"), ("de-DE", "cold"))


# --- size ---


def grid(*sizes: int, limit: int = 100_000) -> str:
    axes = "".join(f"    a{n}: [{', '.join(f'v{i}' for i in range(size))}]\n" for n, size in enumerate(sizes))
    return f"variants:\n  limit: {limit}\n  axes:\n{axes}"


def test_ten_thousand_cells_are_read_at_once() -> None:
    tree, _ = parse_yaml(grid(250, 10, 4) + "  exclude: [{a1: v3}]\n", "film.yaml")
    assert isinstance(tree, Map)
    seconds = []
    for _ in range(5):
        started = time.process_time()
        matrix, problems = read_matrix(tree.entries["variants"][1], lambda *_: pytest.fail("no table"), "film.yaml")
        seconds.append(time.process_time() - started)
    assert matrix is not None
    assert (len(matrix.cells), problems) == (9_000, [])
    assert min(seconds) < 0.05


def test_what_is_far_too_many_is_counted_and_not_made() -> None:
    started = time.process_time()
    matrix, lines = read(grid(2000, 2000, 2000))
    assert time.process_time() - started < 2
    assert matrix is None
    assert lines == [
        "film.yaml:3:3: variants.axes: 8,000,000,000 combinations (2,000 × 2,000 × 2,000) before the excludes; "
        "100,000 at most are looked at",
        "    make several spots of it",
    ]


def test_a_hundred_thousand_is_the_most() -> None:
    assert len(matrix_of(grid(1000, 100)).cells) == 100_000
