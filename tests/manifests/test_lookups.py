"""Look-ups: what they yield, on which axes they depend, and what is said of one that yields nothing."""

# ruff: noqa: E501  a message stays on one line here, so that it can be searched for

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.copytext import CopyTable, read_copy
from manifests.cover import sample_cells
from manifests.diagnostics import format_diagnostic
from manifests.load import parse_yaml
from manifests.lookups import (
    LookUpError,
    Lookups,
    axes_of_data,
    axes_of_node,
    check_lookups,
    covering_cells,
    resolve_data,
    resolve_tree,
)
from manifests.matrix import Axis, AxisValue, Cell, Matrix
from manifests.nodes import Items, Map, Node, Scalar, to_data

COPY = """\
en-GB: {cta: Made slowly., cta@gift: Wrap it today., legal: alder.example, wrap@gift: Ribbon}
de-DE: {cta: In Ruhe gemacht., legal: {fallback: en-GB}, wrap@gift: Schleife, only_here: Hallo}
"""


def axis(name: str, /, *ids: str, **fields: Mapping[str, str]) -> Axis:
    """`axis("hook", "cold", "gift", scene={"cold": "frost", "gift": "a ribbon"})`."""
    values = [AxisValue(id=i, fields={"id": i, **{name: texts[i] for name, texts in fields.items()}}) for i in ids]
    return Axis(name=name, values=tuple(values))


def matrix(*axes: Axis) -> Matrix:
    return Matrix(axes=axes, cells=tuple(itertools.product(*(a.ids for a in axes))))


FILM = matrix(
    axis(
        "product", "kettle", "pot", name={"kettle": "green kettle", "pot": "clay pot"}, tag={"kettle": "", "pot": " "}
    ),
    axis("hook", "cold", "gift", scene={"cold": "frost", "gift": "a ribbon for ${product}"}),
    axis("locale", "en-GB", "de-DE"),
    axis("ratio", "16:9", "9:16"),
)
CELL = ("kettle", "gift", "de-DE", "9:16")


def copy_table(film: Matrix = FILM, text: str = COPY) -> CopyTable:
    table, problems = read_copy(tree_of(text), film, "copy/winter.yaml")
    assert problems == []
    return table


def tree_of(text: str) -> Node:
    tree, problems = parse_yaml(text, "film.yaml")
    assert problems == []
    return tree


def lookups(film: Matrix = FILM) -> Lookups:
    return Lookups(film, copy_table(film), {"offer": "20 % off"}, {"week": "2026-W49", "date": "2026-11-30"})


def check(text: str, looked: Lookups | None = None, base: str = "") -> list[str]:
    found = check_lookups(tree_of(text), looked or lookups(), "film.yaml", base)
    assert all(problem.severity == "error" and problem.exit_code == 2 for problem in found)
    return [line for problem in found for line in format_diagnostic(problem).splitlines()]


# --- filling in ---


@pytest.mark.parametrize(
    ("text", "filled", "axes"),
    [
        ("no look-up", "no look-up", ""),
        ("$5 and { braces }", "$5 and { braces }", ""),
        ("${product}", "kettle", "product"),
        ("${ratio}", "9:16", "ratio"),
        ("A ${product.name}, @product", "A green kettle, @product", "product"),
        ("${product.id}-${hook}${ratio}", "kettle-gift9:16", "product hook ratio"),
        ("${copy.cta}!", "In Ruhe gemacht.!", "locale hook"),
        ("${copy.legal}", "alder.example", "locale"),
        ("${copy.wrap}", "Schleife", "locale hook"),
        ("${params.offer} in ${run.week} from ${run.date}", "20 % off in 2026-W49 from 2026-11-30", ""),
        ("a literal $${x y}", "a literal ${x y}", ""),
        ("a literal $${", "a literal ${", ""),
        ("$$${x-}", "$${x-}", ""),
        ("${hook.scene}", "a ribbon for ${product}", "hook"),  # a look-up inside a look-up is not one
        ("", "", ""),
    ],
)
def test_fill(text: str, filled: str, axes: str) -> None:
    looked = lookups()
    assert looked.fill(text, CELL) == filled
    assert looked.fill(text, CELL) == filled  # from what is kept
    assert looked.axes_of(text) == frozenset(axes.split())


def test_the_gift_has_its_own_words() -> None:
    assert lookups().fill("${copy.cta}", ("pot", "gift", "en-GB", "9:16")) == "Wrap it today."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("${hok}", "`${hok}`: no axis `hok`; did you mean `hook`?; axes: product, hook, locale, ratio"),
        ("${Hook}", "`${Hook}`: no axis `Hook`; did you mean `hook`?; axes: product, hook, locale, ratio"),
        ("${brand.look}", "`${brand.look}`: no axis `brand`; axes: product, hook, locale, ratio"),
        ("${prams.x}", "`${prams.x}`: no axis `prams`; did you mean `params`?; axes: product, hook, locale, ratio"),
        ("${hook.scnee}", "`${hook.scnee}`: no field `scnee`; did you mean `scene`?; fields of hook: scene"),
        ("${ratio.name}", "`${ratio.name}`: no field `name`; the values of ratio are words without fields"),
        (
            "${copy.cat}",
            "`${copy.cat}`: no text `cat`; did you mean `cta`?; keys of copy/winter.yaml: cta, legal, only_here, wrap",
        ),
        ("${copy}", "`${copy}` names no text; keys of copy/winter.yaml: cta, legal, only_here, wrap"),
        ("${params.ofer}", "`${params.ofer}`: no parameter `ofer`; did you mean `offer`?; parameters: offer"),
        ("${params}", "`${params}` names no parameter; parameters: offer"),
        ("${run.wek}", "`${run.wek}`: no value of the run `wek`; did you mean `week`?; there are: week, date"),
        ("${run}", "`${run}` names no value of the run; there are: week, date"),
        ("${hook.scene", "`${hook.scene` has no closing `}`; close it, or write `$${` for a literal `${`"),
        ("${product${hook}}", "`${product$` has no closing `}`; close it, or write `$${` for a literal `${`"),
        (
            "${ hook.scene }",
            "`${ hook.scene }` is no look-up; did you mean `${hook.scene}`?; there are ${axis}, ${axis.field}, ${copy.key}, ${params.name}, ${run.week} and ${run.date}",
        ),
        (
            "${hook + 1}",
            "`${hook + 1}` is no look-up; there are ${axis}, ${axis.field}, ${copy.key}, ${params.name}, ${run.week} and ${run.date}",
        ),
        (
            "${hook.scene.more}",
            "`${hook.scene.more}` is no look-up; there are ${axis}, ${axis.field}, ${copy.key}, ${params.name}, ${run.week} and ${run.date}",
        ),
        (
            "${}",
            "`${}` is no look-up; there are ${axis}, ${axis.field}, ${copy.key}, ${params.name}, ${run.week} and ${run.date}",
        ),
        ("${product.tag}", "`${product.tag}` is empty for product kettle"),
        (
            "${copy.only_here}",
            "`${copy.only_here}` has no text for en-GB in copy/winter.yaml; add `only_here` under `en-GB`, or `only_here: {fallback: …}` for the text of another locale",
        ),
        (
            "${copy.wrap}",
            "`${copy.wrap}` has no text for en-GB with hook cold in copy/winter.yaml; add `wrap` under `en-GB`, for all that has no row of its own",
        ),
    ],
)
def test_what_yields_nothing_raises_with_a_remedy(text: str, sentence: str) -> None:
    with pytest.raises(LookUpError) as caught:
        lookups().fill(f"before {text}", ("kettle", "cold", "en-GB", "16:9"))
    assert isinstance(caught.value, LookupError)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("looked", "text", "sentence"),
    [
        (Lookups(Matrix()), "${hook}", "`${hook}`: no axis `hook`; there is no `variants` block"),
        (
            Lookups(Matrix()),
            "${copy.cta}",
            "`${copy.cta}`: this manifest has no copy table; name one with `copy:`, a YAML file of texts by locale",
        ),
        (
            Lookups(matrix(axis("hook", "cold")), CopyTable()),
            "${copy.cta}",
            "`${copy.cta}` needs an axis `locale`; add `locale: [en-GB]` to `variants.axes`",
        ),
        (
            Lookups(matrix(axis("locale", "en-GB")), CopyTable()),
            "${copy.cta}",
            "`${copy.cta}`: no text `cta`; it has no keys",
        ),
        (
            Lookups(Matrix()),
            "${params.offer}",
            "`${params.offer}`: no parameter `offer`; a schedule sets parameters: there is none",
        ),
        (
            Lookups(Matrix()),
            "${run.week}",
            "`${run.week}` is known only when a schedule runs this; write the value out",
        ),
        (
            Lookups(matrix(axis("copyright", "a"))),
            "${copyrigt}",
            "`${copyrigt}`: no axis `copyrigt`; did you mean `copyright`?; axes: copyright",
        ),
    ],
)
def test_what_is_not_there_at_all(looked: Lookups, text: str, sentence: str) -> None:
    with pytest.raises(LookUpError) as caught:
        looked.fill(text, looked.matrix.cells[0])
    assert str(caught.value) == sentence
    assert looked.axes_of("${copy.cta}") <= {"locale"}


# --- checking ---

SPOT = """\
name: film
shots:
  - id: open
    prompt:
      subject: ${hook.scene}
      mood: ${hook.light}
      x-note: ${what.ever}
  - id: hero
    prompt: {subject: "A ${product.nam}, ${product.tag}"}
    avoid: [hands, "${copy.avoid}"]
sound:
  voiceover:
    language: ${locale}
    lines:
      - {id: hook, text: "${copy.only_here}"}
      - {text: "${copy.wrap}"}
graphics:
  end_card: {fields: {headline: "${copy.cta}", legal: "${copy.only_here}"}}
"""


def test_every_look_up_is_checked_at_its_place_and_over_all_cells() -> None:
    remedy = "    add `only_here` under `en-GB`, or `only_here: {fallback: …}` for the text of another locale"
    assert check(SPOT) == [
        "film.yaml:6:13: shots.open.prompt.mood: `${hook.light}`: no field `light`",
        "    fields of hook: scene",
        "film.yaml:9:23: shots.hero.prompt.subject: `${product.nam}`: no field `nam`; did you mean `name`?",
        "    fields of product: name, tag",
        "film.yaml:9:23: shots.hero.prompt.subject: `${product.tag}` is empty for product kettle (and 1 other like it)",
        "film.yaml:10:20: shots.hero.avoid[1]: `${copy.avoid}`: no text `avoid`",
        "    keys of copy/winter.yaml: cta, legal, only_here, wrap",
        "film.yaml:15:26: sound.voiceover.lines.hook.text: `${copy.only_here}` has no text for en-GB in copy/winter.yaml",
        remedy,
        "film.yaml:16:16: sound.voiceover.lines[1].text: `${copy.wrap}` has no text for en-GB with hook cold in copy/winter.yaml",
        "    add `wrap` under `en-GB`, for all that has no row of its own",
        "film.yaml:16:16: sound.voiceover.lines[1].text: `${copy.wrap}` has no text for de-DE with hook cold in copy/winter.yaml",
        "    add `wrap` under `de-DE`, for all that has no row of its own",
        "film.yaml:18:55: graphics.end_card.fields.legal: `${copy.only_here}` has no text for en-GB in copy/winter.yaml",
        remedy,
    ]


def test_only_cells_that_are_made_are_asked_for() -> None:
    film = FILM.model_copy(update={"cells": tuple(cell for cell in FILM.cells if cell[1] == "gift")})
    assert check("a: ${copy.wrap}\n", Lookups(film, copy_table(film))) == []


def test_a_fallback_without_a_row_names_both_locales() -> None:
    table = copy_table(text="en-GB: {a@gift: x}\nde-DE: {a: {fallback: en-GB}}\n")
    film = FILM.model_copy(update={"cells": (("pot", "cold", "de-DE", "9:16"),)})
    assert check("t: ${copy.a}\n", Lookups(film, table)) == [
        "film.yaml:1:4: t: `${copy.a}` has no text for de-DE with hook cold in copy/winter.yaml",
        "    add `a` under `de-DE` or `en-GB`, for all that has no row of its own",
    ]


def test_a_table_without_a_name() -> None:
    looked = Lookups(matrix(axis("locale", "en-GB", "de-DE")), CopyTable(rows={"de-DE": {"a": ()}}))
    assert check("t: ${copy.a}\n", looked)[0].endswith("`${copy.a}` has no text for en-GB in the copy table")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: film-${hook}\n", "1:7: name"),
        ("budget: {credits: '${hook}'}\n", "1:19: budget.credits"),
        ("deliver: [{ratio: '${ratio}'}]\n", "1:19: deliver[0].ratio"),
        ("shots:\n  - id: s-${hook}\n", "2:9: shots.s-${hook}.id"),
        ("shots: [{id: a, when: {hook: '${hook}'}}]\n", "1:30: shots.a.when.hook"),
    ],
)
def test_what_all_variants_share_looks_up_no_axis(text: str, place: str) -> None:
    found = check(text)
    assert found[0].startswith(f"film.yaml:{place}: `${{")
    assert found[0].endswith("cannot stand here: it is the same for all variants")
    assert found[1:] == ["    write the value out"]
    assert check(text.replace("${hook}", "${run.week}").replace("${ratio}", "${params.offer}")) == []


def test_a_part_of_a_spot_says_where_it_stands() -> None:
    assert check("name: ${hook}\n", base="graphics.end_card.fields") == []
    assert check("name: ${hok}\n", base="graphics.end_card.fields")[0].startswith(
        "film.yaml:1:7: graphics.end_card.fields.name: "
    )
    assert check("- ${hok}\n", base="shots")[0].startswith("film.yaml:1:3: shots[0]: ")
    assert check("${hok}\n", base="naming")[0].startswith("film.yaml:1:1: naming: ")


def test_dollars_before_a_look_up_are_told() -> None:
    assert check("text: Only $${copy.cta} today\n") == [
        "film.yaml:1:7: text: `$${copy.cta}` is not looked up: `$${` is a literal `${`",
        "    put the dollar sign into the text that is looked up",
    ]
    assert check("text: $${anything else} and $${\n") == []


def test_checking_grows_with_the_look_ups_and_not_with_the_cells() -> None:
    film = matrix(
        axis("product", *(f"p{i}" for i in range(250)), name={f"p{i}": f"product {i}" for i in range(250)}),
        axis("hook", *(f"h{i}" for i in range(10)), scene={f"h{i}": f"scene {i}" for i in range(10)}),
        axis("locale", "en-GB", "de-DE", "ja-JP", "fr-FR"),
    )
    rows = "".join(f"  k{i}: text\n" for i in range(200))
    table = copy_table(film, "".join(f"{locale}:\n{rows}" for locale in ("en-GB", "de-DE", "ja-JP", "fr-FR")))
    shots = "".join(f"  - {{a: '${{product.name}} ${{hook.scene}}', b: '${{copy.k{i % 200}}}'}}\n" for i in range(1000))
    tree = tree_of(f"shots:\n{shots}")
    started = time.process_time()
    assert check_lookups(tree, Lookups(film, table), "film.yaml") == []
    assert time.process_time() - started < 1


# --- trees ---

TEMPLATE = """\
fixed: {a: [1, two, null, true]}
shots:
  - {id: hero, prompt: {subject: "A ${product.name}", ratio: "${ratio}"}}
  - {id: open, prompt: {subject: "${hook.scene}"}}
  - {id: plain, prompt: {subject: a window}}
words: {cta: "${copy.cta}", week: "${run.week}", literal: "$${x y}"}
x-note: ${nothing.at.all}
"""


def places(node: Node) -> Iterator[tuple[type, object]]:
    yield type(node), node.where
    below = (
        [n for _, n in node.entries.values()]
        if isinstance(node, Map)
        else node.items
        if isinstance(node, Items)
        else []
    )
    for value in below:
        yield from places(value)


def test_a_tree_is_filled_in_with_every_node_at_its_place() -> None:
    tree, looked = tree_of(TEMPLATE), lookups()
    filled = resolve_tree(tree, looked, CELL)
    assert list(places(filled)) == list(places(tree))
    data = to_data(filled)
    assert data == {
        "fixed": {"a": [1, "two", None, True]},
        "shots": [
            {"id": "hero", "prompt": {"subject": "A green kettle", "ratio": "9:16"}},
            {"id": "open", "prompt": {"subject": "a ribbon for ${product}"}},
            {"id": "plain", "prompt": {"subject": "a window"}},
        ],
        "words": {"cta": "In Ruhe gemacht.", "week": "2026-W49", "literal": "${x y}"},
        "x-note": "${nothing.at.all}",
    }
    assert resolve_data(to_data(tree), looked, CELL) == data
    assert to_data(tree) == to_data(tree_of(TEMPLATE))  # and the template is as it was


def test_what_does_not_differ_is_the_same_object() -> None:
    tree, looked = tree_of(TEMPLATE), lookups()
    assert isinstance(tree, Map)
    first, other = (
        resolve_tree(Map(tree.where, dict(tree.entries)), looked, cell)
        for cell in (CELL, ("kettle", "cold", *CELL[2:]))
    )
    assert isinstance(first, Map)
    assert isinstance(other, Map)
    for key in ("fixed", "x-note"):
        assert first.entries[key][1] is tree.entries[key][1]
    hero, opening, plain = (find(first, n) for n in range(3))
    assert hero is find(other, 0)  # the same product and ratio
    assert opening is not find(other, 1)
    assert plain is find(tree, 2)
    untouched = tree_of("a: [b, {c: d}]\n")
    assert resolve_tree(untouched, looked, CELL) is untouched
    data = {"a": ["b", ("c",)]}
    assert resolve_data(data, looked, CELL) is data
    assert resolve_data(("${ratio}", 5), looked, CELL) == ("9:16", 5)


def find(tree: Node, number: int) -> Node:
    assert isinstance(tree, Map)
    shots = tree.entries["shots"][1]
    assert isinstance(shots, Items)
    return shots.items[number]


def test_what_depends_on_every_axis_is_another_in_every_cell() -> None:
    film = matrix(axis("hook", "cold", "gift"))
    looked = Lookups(film)
    tree = tree_of("shots: [{subject: '${hook}'}, {subject: plain}]\n")
    filled = [resolve_tree(tree, looked, cell) for cell in film.cells]
    assert [to_data(find(one, 0)) for one in filled] == [{"subject": "cold"}, {"subject": "gift"}]
    assert find(filled[0], 1) is find(filled[1], 1) is find(tree, 1)


def test_a_single_value_is_a_tree() -> None:
    looked = lookups()
    scalar = tree_of("A ${product.name}\n")
    assert resolve_tree(scalar, looked, CELL) == Scalar(scalar.where, "A green kettle", "A green kettle")
    assert axes_of_node(scalar, looked) == {"product"}
    number = tree_of("5\n")
    assert resolve_tree(number, looked, CELL) is number
    assert axes_of_node(number, looked) == frozenset()


def test_axes_of_trees_and_data() -> None:
    tree, looked = tree_of(TEMPLATE), lookups()
    assert axes_of_node(tree, looked) == {"product", "hook", "locale", "ratio"}
    assert axes_of_node(find(tree, 0), looked) == {"product", "ratio"}
    assert axes_of_node(find(tree, 2), looked) == frozenset()
    assert axes_of_data(to_data(tree), looked) == axes_of_node(tree, looked)
    assert axes_of_data({"x-note": "${hook}", "b": ("${ratio}", 5, None)}, looked) == {"ratio"}


def test_resolving_raises_for_what_was_not_checked() -> None:
    with pytest.raises(LookupError, match="no axis `hok`"):
        resolve_tree(tree_of("a: [${hok}]".replace("${hok}", "'${hok}'")), lookups(), CELL)
    with pytest.raises(LookupError, match="no axis `hok`"):
        resolve_data({"a": ["${hok}"]}, lookups(), CELL)


_NAMES = ["a", "b", "c"]
_PIECES = st.sampled_from(["word ", "${a}", "${b.name}", "${c}", "$${q q}", "${copy.k}", "${params.p}", "é"])
_TEXTS = st.lists(_PIECES, max_size=3).map("".join)
_DATA = st.recursive(
    _TEXTS | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["u", "v", "x-w"]), inner, max_size=3),
    max_leaves=12,
)


def by_definition(text: str, film: Matrix, cell: Cell) -> str:
    values = film.values(cell)
    locale = values["locale"]
    for written, value in {
        "$${": "\0", "${a}": values["a"], "${b.name}": f"name of {values['b']}", "${c}": values["c"],
        "${copy.k}": f"{locale} {values['a']}" if values["a"] == "a0" else locale, "${params.p}": "P", "\0": "${",
    }.items():  # fmt: skip
        text = text.replace(written, value)
    return text


def definition_of(data: object, film: Matrix, cell: Cell) -> object:
    if isinstance(data, dict):
        return {k: v if k.startswith("x-") else definition_of(v, film, cell) for k, v in data.items()}
    if isinstance(data, list):
        return [definition_of(v, film, cell) for v in data]
    return by_definition(data, film, cell) if isinstance(data, str) else data


def node_of(data: object) -> Node:
    where = tree_of("a").where
    if isinstance(data, dict):
        return Map(where, {key: (where, node_of(value)) for key, value in data.items()})
    if isinstance(data, list):
        return Items(where, [node_of(value) for value in data])
    return Scalar(where, data, str(data))


SMALL = matrix(
    axis("a", "a0", "a1"),
    axis("b", "b0", "b1", name={"b0": "name of b0", "b1": "name of b1"}),
    axis("c", "c0", "c1"),
    axis("locale", "en-GB", "de-DE"),
)
SMALL_COPY = "en-GB: {k: en-GB, k@a0: en-GB a0}\nde-DE: {k: de-DE, k@a0: de-DE a0}\n"


@given(_DATA, st.permutations(SMALL.cells))
def test_resolving_follows_the_definition(data: object, cells: list[Cell]) -> None:
    """Trees and data alike, whatever was asked before; and only the axes that were named make a difference."""
    looked = Lookups(SMALL, copy_table(SMALL, SMALL_COPY), {"p": "P"})
    tree = node_of(data)
    axes = axes_of_node(tree, looked)
    assert axes == axes_of_data(data, looked)
    seen: dict[Cell, object] = {}
    for cell in cells:
        expected = definition_of(data, SMALL, cell)
        filled = resolve_tree(tree, looked, cell)
        assert to_data(filled) == resolve_data(data, looked, cell) == expected
        assert (filled is tree) == (expected == data and "$${" not in str(without_notes(data)))
        key = tuple(value for name, value in SMALL.values(cell).items() if name in axes)
        assert seen.setdefault(key, expected) == expected


def without_notes(data: object) -> object:
    if isinstance(data, dict):
        return {k: without_notes(v) for k, v in data.items() if not k.startswith("x-")}
    return [without_notes(v) for v in data] if isinstance(data, list) else data


# --- covering ---


@st.composite
def covers(draw: st.DrawFn) -> tuple[Matrix, list[frozenset[str]]]:
    names = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True))
    film = matrix(*(axis(name, *(f"{name}{i}" for i in range(draw(st.integers(1, 4))))) for name in names))
    kept = draw(st.lists(st.sampled_from(film.cells), min_size=1, unique=True))
    parts = draw(st.lists(st.frozensets(st.sampled_from([*names, "elsewhere"])), max_size=4))
    return film.model_copy(update={"cells": tuple(kept)}), parts


@given(covers())
def test_cover_shows_every_part_in_every_form(cover: tuple[Matrix, list[frozenset[str]]]) -> None:
    film, parts = cover
    chosen = covering_cells(film, parts)
    assert chosen[0] == film.cells[0]
    assert list(chosen) == [cell for cell in film.cells if cell in set(chosen)]  # in the matrix's order, each once
    forms = 0
    for part in parts:

        def form(cell: Cell, part: frozenset[str] = part) -> tuple[str, ...]:
            return tuple(value for name, value in film.values(cell).items() if name in part)

        assert {form(cell) for cell in chosen} == {form(cell) for cell in film.cells}
        forms += len({form(cell) for cell in film.cells})
    assert len(chosen) <= max(1, min(len(film.cells), forms))
    assert covering_cells(film, reversed(parts)) == chosen


def test_cover_is_small() -> None:
    film = matrix(axis("a", *"123456"), axis("b", *"123456"), axis("c", *"123456"))
    assert len(covering_cells(film, [frozenset("a"), frozenset("b"), frozenset("c")])) == 6
    assert len(covering_cells(film, [frozenset("a"), frozenset("bc"), frozenset("b")])) == 36
    assert covering_cells(film, []) == covering_cells(film, [frozenset()]) == film.cells[:1]
    assert covering_cells(film, [frozenset("abc")]) == film.cells
    assert covering_cells(Matrix(), [frozenset("a")]) == ((),)
    assert len(covering_cells(film, [frozenset("ab"), frozenset("bc"), frozenset("ac")])) <= 2 * 36


def test_ten_thousand_cells_are_covered_at_once() -> None:
    film = matrix(*(axis(name, *(f"{name}{i}" for i in range(n))) for name, n in (("a", 250), ("b", 10), ("c", 4))))
    parts = [frozenset("a"), frozenset("b"), frozenset("c"), frozenset("ab")]
    seconds = []
    for _ in range(3):
        started = time.process_time()
        chosen = covering_cells(film, parts)
        seconds.append(time.process_time() - started)
    assert len(chosen) == 2500
    assert min(seconds) < 0.25


def test_samples_are_first_cells() -> None:
    assert sample_cells(FILM, ()) == FILM.cells[:1]
    assert sample_cells(FILM, ("locale",)) == (FILM.cells[0], FILM.cells[2])
    assert len(sample_cells(FILM, ("hook", "product"))) == 4
