"""Texts by locale: the most specific row wins, a fallback is explicit, and what cannot be meant has its line."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.copytext import CopyRow, CopyTable, read_copy
from manifests.diagnostics import format_diagnostic
from manifests.load import parse_yaml
from manifests.matrix import Axis, AxisValue, Matrix

WINTER = """\
manifest: 1
kind: copy
x-note: prices are those of the autumn list
en-GB:
  cta: Made slowly.
  cta@gift: Wrap it today.
  super_price: from £39
  super_price@kettle-black: £49
  super_price@kettle-black,gift: £45, wrapped
  super_price@gift: from £35, wrapped
  legal: alder.example
de-DE:
  cta: In Ruhe gemacht.
  super_price: ab 45 €
  legal: {fallback: en-GB}
  cta@gift,kettle-green: {fallback: en-GB}
"""


def axis(name: str, *ids: str) -> Axis:
    return Axis(name=name, values=tuple(AxisValue(id=i, fields={"id": i}) for i in ids))


def matrix(*axes: Axis) -> Matrix:
    return Matrix(axes=axes, cells=tuple(itertools.product(*(a.ids for a in axes))))


FILM = matrix(
    axis("product", "kettle-green", "kettle-black"),
    axis("hook", "cold", "gift", "twin"),
    axis("offer", "none", "twin"),
    axis("locale", "en-GB", "de-DE"),
)


def read(text: str, film: Matrix = FILM) -> tuple[CopyTable, list[str]]:
    tree, problems = parse_yaml(text, "copy/winter.yaml")
    assert not problems
    table, found = read_copy(tree, film, "copy/winter.yaml")
    return table, [line for problem in found for line in format_diagnostic(problem).splitlines()]


def table_of(text: str) -> CopyTable:
    table, lines = read(text)
    assert lines == []
    return table


@pytest.mark.parametrize(
    ("key", "locale", "product", "hook", "text"),
    [
        ("cta", "en-GB", "kettle-green", "cold", "Made slowly."),
        ("cta", "en-GB", "kettle-black", "gift", "Wrap it today."),
        ("cta", "de-DE", "kettle-black", "gift", "In Ruhe gemacht."),
        ("cta", "de-DE", "kettle-green", "gift", "Wrap it today."),  # the fallback's own row for the gift
        ("super_price", "en-GB", "kettle-green", "cold", "from £39"),
        ("super_price", "en-GB", "kettle-black", "cold", "£49"),
        ("super_price", "en-GB", "kettle-green", "gift", "from £35, wrapped"),
        ("super_price", "en-GB", "kettle-black", "gift", "£45, wrapped"),  # two values before one
        ("super_price", "de-DE", "kettle-black", "gift", "ab 45 €"),
        ("legal", "de-DE", "kettle-green", "cold", "alder.example"),
    ],
)
def test_the_most_specific_row_wins(key: str, locale: str, product: str, hook: str, text: str) -> None:
    values = {"product": product, "hook": hook, "offer": "none", "locale": locale}
    assert table_of(WINTER).text(key, locale, values) == text


def test_among_as_many_values_the_first_axis_wins() -> None:
    table = table_of("en-GB: {a: base, a@gift: by hook, a@kettle-black: by product, a@none: by offer}")
    values = {"product": "kettle-black", "hook": "gift", "offer": "none"}
    assert table.text("a", "en-GB", values) == "by product"
    assert table.text("a", "en-GB", {**values, "product": "kettle-green"}) == "by hook"
    assert table.text("a", "en-GB", {"offer": "none"}) == "by offer"
    assert table.text("a", "en-GB", {}) == "base"


def test_axes_of_a_key() -> None:
    table = table_of(WINTER)
    assert table.axes_of("legal") == {"locale"}
    assert table.axes_of("super_price") == {"locale", "product", "hook"}
    assert table.axes_of("cta") == {"locale", "product", "hook"}  # the German row says product
    assert table.axes_of("nothing") == {"locale"}
    assert table.keys == {"cta", "super_price", "legal"}


def test_what_is_missing_raises() -> None:
    table = table_of(WINTER + "  wrap@gift: Schleife\n")
    with pytest.raises(LookupError, match=r"no text `vo` in en-GB of copy/winter\.yaml"):
        table.text("vo", "en-GB", {})
    with pytest.raises(LookupError, match="no text `cta` in ja-JP"):
        table.text("cta", "ja-JP", {})
    with pytest.raises(LookupError, match="no text `wrap` in de-DE"):
        table.text("wrap", "de-DE", {"hook": "cold"})


def test_a_table_is_a_value() -> None:
    table = table_of(WINTER)
    assert table.axes_of("cta")
    again = CopyTable.model_validate_json(table.model_dump_json())
    assert again == table
    assert again.rows["en-GB"]["cta"] == (
        CopyRow(match={"hook": "gift"}, text="Wrap it today."),
        CopyRow(text="Made slowly."),
    )


def test_fallbacks_go_on() -> None:
    table = table_of("en-GB: {a: one}\nen-US: {a: {fallback: en-GB}}\nen-CA: {a: {fallback: en-US}}\n")
    assert table.text("a", "en-CA", {}) == "one"


SLIPS = [
    ("", "copy/winter.yaml: the file is empty", "    write `en-GB:` and its texts below it"),
    ("manifest: 1\n", "copy/winter.yaml:1:1: has no locale", "    write `en-GB:` and its texts below it"),
    ("- a\n", "copy/winter.yaml:1:1: must be a map of `key: value` lines, not a list"),
    ("kind: spot\nen-GB: {a: b}\n", "copy/winter.yaml:1:7: kind: must be copy in a copy table"),
    ("manifest: 2\nen-GB: {a: b}\n", "copy/winter.yaml:1:11: manifest: must be 1 in a copy table"),
    (
        "de_DE: {a: b}\nno: {a: b}\n",
        "copy/winter.yaml:1:1: de_DE: `de_DE` must be a full language tag, such as en-GB",
        "copy/winter.yaml:2:1: no: `no` must be a full language tag, such as en-GB",
    ),
    ("en-GB: text\n", "copy/winter.yaml:1:8: en-GB: must be a map of `key: value` lines, not the text `text`"),
    (
        "en-GB:\n  a: 39\n  b:\n  c: ''\n  d: [x]\n  e: '  '\n",
        "copy/winter.yaml:2:6: en-GB.a: must be text, not the number 39",
        '    put it in quotes: "39"',
        "copy/winter.yaml:3:5: en-GB.b: has no value",
        "    give it one, or remove the key",
        "copy/winter.yaml:4:6: en-GB.c: is empty",
        "copy/winter.yaml:5:6: en-GB.d: must be text, not a list",
        "copy/winter.yaml:6:6: en-GB.e: is empty",
    ),
    (
        "en-GB:\n  '1a': x\n  '@gift': y\n  a b: z\n",
        "copy/winter.yaml:2:3: en-GB.1a: key `1a` must be letters, digits, `-` and `_`, starting with a letter",
        "    rows for some values are written `key@value,value`",
        "copy/winter.yaml:3:3: en-GB.@gift: key `` must be letters, digits, `-` and `_`, starting with a letter",
        "    rows for some values are written `key@value,value`",
        "copy/winter.yaml:4:3: en-GB.a b: key `a b` must be letters, digits, `-` and `_`, starting with a letter",
        "    rows for some values are written `key@value,value`",
    ),
    (
        "en-GB:\n  a@gitf: x\n  a@: y\n  a@gift,late: z\n",
        "copy/winter.yaml:2:3: en-GB.a@gitf: no axis has a value `gitf`; did you mean `gift`?",
        "    values: kettle-green, kettle-black, cold, gift, twin, none",
        "copy/winter.yaml:3:3: en-GB.a@: no axis has a value ``",
        "    values: kettle-green, kettle-black, cold, gift, twin, none",
        "copy/winter.yaml:4:3: en-GB.a@gift,late: no axis has a value `late`",
        "    values: kettle-green, kettle-black, cold, gift, twin, none",
    ),
    (
        "en-GB:\n  a@twin: x\n  b@de-DE: y\n  c@cold,gift: z\n",
        "copy/winter.yaml:2:3: en-GB.a@twin: `twin` is a value of `hook` and of `offer`: which is meant?",
        "    give one of the two another id",
        "copy/winter.yaml:3:3: en-GB.b@de-DE: `de-DE` is a locale: it stands above the keys",
        "    write the text under `de-DE:`",
        "copy/winter.yaml:4:3: en-GB.c@cold,gift: `cold` and `gift` are both values of `hook`: no variant has both",
        "    write a row for each",
    ),
    (
        "en-GB:\n  a@gift,kettle-black: x\n  a@kettle-black, gift: y\n",
        "copy/winter.yaml:3:3: en-GB.a@kettle-black, gift: `a@kettle-black, gift` says again what line 2 does: the order of the values is nothing",
        "    keep one of the two",
    ),
    (
        "en-GB:\n  a: Only ${offer} today\n",
        "copy/winter.yaml:2:6: en-GB.a: `${…}` inside a text: look-ups are not nested",
        "    write the value out; texts for some values stand under `key@value`",
    ),
    (
        "en-GB: {a: x, b: y}\nde-DE:\n  a: {fallback: en-BG}\n  b: {falback: en-GB}\n  c: {fallback: en-GB}\n  d: {fallback: 5}\n",
        "copy/winter.yaml:3:6: de-DE.a: falls back to `en-BG`, which this table has not; did you mean `en-GB`?",
        "    locales: en-GB, de-DE",
        "copy/winter.yaml:4:7: de-DE.b.falback: unknown key `falback`; did you mean `fallback`?",
        "    allowed here: fallback",
        "copy/winter.yaml:5:6: de-DE.c: en-GB has no `c` either",
        "    write the text out",
        "copy/winter.yaml:6:17: de-DE.d.fallback: must be text, not the number 5",
        '    put it in quotes: "5"',
    ),
    (
        "en-GB: {a: {fallback: de-DE}, b: {fallback: en-GB}}\nde-DE: {a: {fallback: en-GB}}\n",
        "copy/winter.yaml:1:12: en-GB.a: falls back to itself, round and round",
        "    write one of them out",
        "copy/winter.yaml:1:34: en-GB.b: falls back to itself, round and round",
        "    write one of them out",
        "copy/winter.yaml:2:12: de-DE.a: falls back to itself, round and round",
        "    write one of them out",
    ),
]


@pytest.mark.parametrize("slip", SLIPS, ids=[f"{n}: {slip[1][:60]}" for n, slip in enumerate(SLIPS)])
def test_slip_is_answered_with_its_place(slip: tuple[str, ...]) -> None:
    assert read(slip[0])[1] == list(slip[1:])


def test_without_variants_no_row_has_values() -> None:
    assert read("en-GB: {a: x}", Matrix())[1] == []
    assert read("en-GB: {a@gift: x}", Matrix())[1] == [
        "copy/winter.yaml:1:9: en-GB.a@gift: no axis has a value `gift`",
        "    there is no `variants` block",
    ]


def test_a_locale_is_near_one_of_the_axis() -> None:
    assert "did you mean `en-GB`?" in read("En-GB: {a: x}")[1][0]


# --- by definition ---

_AXES = {"product": ["p0", "p1"], "hook": ["h0", "h1"], "offer": ["o0", "o1"]}
_MATCH = st.dictionaries(st.sampled_from(list(_AXES)), st.integers(0, 1)).map(
    lambda chosen: {axis: _AXES[axis][index] for axis, index in chosen.items()}
)


@given(st.lists(_MATCH, min_size=1, max_size=8, unique_by=lambda m: tuple(sorted(m.items()))), st.data())
def test_rows_follow_the_definition(matches: list[Mapping[str, str]], data: st.DataObject) -> None:
    """Of the rows that match: the most values, then the earliest axes; whatever the order in the file."""
    film = matrix(*(axis(name, *ids) for name, ids in _AXES.items()), axis("locale", "en-GB"))
    lines = []
    for number, match in enumerate(matches):
        ids = ",".join(data.draw(st.permutations(list(match.values()))))
        lines.append(f"  {f'key@{ids}' if ids else 'key'}: text {number}\n")
    table, problems = read("en-GB:\n" + "".join(lines), film)
    assert problems == []
    for cell in film.cells:
        values = film.values(cell)
        fitting = [n for n, match in enumerate(matches) if match.items() <= values.items()]
        if not fitting:
            with pytest.raises(LookupError):
                table.text("key", "en-GB", values)
            continue
        names = list(film.names)
        best = min(fitting, key=lambda n: (-len(matches[n]), sorted(names.index(a) for a in matches[n])))
        assert table.text("key", "en-GB", values) == f"text {best}"
    used = {name for match in matches for name in match}
    assert table.axes_of("key") == {"locale", *used}
