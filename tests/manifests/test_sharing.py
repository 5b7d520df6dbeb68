"""What variants share: counted by cells, and the same as counting film by film."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from drawn_cells import AXES, cells, matrix_of
from hypothesis import given
from hypothesis import strategies as st

from manifests.campaign import load_campaign
from manifests.films import RATIO, Source, variants_of
from manifests.nodes import items_at, to_data
from manifests.sharing import (
    count_cells,
    count_files,
    count_variants,
    is_matrix,
    shot_uses,
    use_of,
    users_of,
)

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
depends = st.sets(st.sampled_from(list(AXES))).map(lambda chosen: tuple(axis for axis in AXES if axis in chosen))
whens = st.one_of(
    st.none(), st.sampled_from([{"hook": "x"}, {"product": ["a", "c"]}, {"hook": "y", "locale": "en-GB"}])
)
shots = st.lists(st.tuples(depends, whens), min_size=1, max_size=3)


@st.composite
def sources(draw: st.DrawFn, name: str = "", takes_of: str = "") -> Source:
    found = draw(shots)
    data: dict[str, Any] = {
        "shots": [{"id": f"s{n}", "when": when} for n, (_, when) in enumerate(found)],
        "deliver": [{"ratio": r} for r in draw(st.lists(st.sampled_from(["16:9", "9:16", None]), max_size=3))],
    }
    by_shot = {f"shots.s{n}": axes for n, (axes, _) in enumerate(found) if axes}
    return Source(id=name, data=data, matrix=matrix_of(draw(cells)), depends=by_shot, takes_of=takes_of)


def shown(source: Source) -> Counter[str]:
    """Film by film."""
    counts: Counter[str] = Counter()
    for variant in variants_of([source]):
        for shot in source.data["shots"]:
            wanted = shot["when"] or {}
            if all(variant.values[a] in (v if isinstance(v, list) else [v]) for a, v in wanted.items()):
                counts[variant.shot(shot["id"])] += 1
    return counts


@given(sources(), sources(name="cut", takes_of=""))
def test_uses_are_what_the_films_show(one: Source, other: Source) -> None:
    expected = shown(one) + shown(other)
    uses = shot_uses([one, other])
    assert {address: use.variants for address, use in uses.items()} == dict(expected)
    for address, use in uses.items():
        assert len(list(users_of([one, other], address))) == use.variants
        assert use_of(f"{address}.2", uses) == use


@given(sources())
def test_files_are_counted_as_variants_deliver_them(source: Source) -> None:
    ratios = [item["ratio"] for item in source.data["deliver"]]
    one_by_one = sum(ratio in (None, v.values[RATIO]) for v in variants_of([source]) for ratio in ratios)
    assert count_files([source]) == one_by_one


def test_a_cut_down_shows_what_the_other_spot_buys() -> None:
    matrix = matrix_of([("a", "x", "en-GB", "16:9"), ("b", "x", "en-GB", "16:9")])
    data, by_shot = {"shots": [{"id": "hero"}]}, {"shots.hero": ("product",)}
    film = Source(id="film", data=data, matrix=matrix, depends=by_shot)
    bumper = Source(id="bumper", data=data, matrix=matrix, depends=by_shot, takes_of="film")
    uses = shot_uses([film, bumper])
    assert {a: (u.spot, u.variants) for a, u in uses.items()} == {
        "film/hero@a": ("film", 2),
        "film/hero@b": ("film", 2),
    }


@pytest.mark.parametrize(("name", "many"), [("winter-15s.yaml", True), ("morning-30s.yaml", False)])
def test_a_spot_by_itself_is_no_matrix(name: str, many: bool) -> None:
    assert is_matrix([s.source for s in load_campaign(EXAMPLES / name).sources]) is many


def test_cells_are_told_as_they_are_written() -> None:
    loaded = load_campaign(EXAMPLES / "winter-15s.yaml").sources[0]
    rules: list[Any] = [to_data(rule) for rule in items_at(loaded.template, "variants", "exclude")]
    told = count_cells(loaded.source, rules)
    assert (told.combinations, told.excluded, told.included, told.variants) == (108, (12, 9, 4), 1, 84)
    assert (count_variants([loaded.source]), count_files([loaded.source])) == (84, 114)


@given(cells.flatmap(lambda found: st.tuples(st.just(found), st.lists(st.sampled_from(found), max_size=3))))
def test_what_two_rules_match_is_counted_once(drawn: tuple[list[tuple[str, ...]], list[tuple[str, ...]]]) -> None:
    found, taken = drawn
    rules = [dict(zip(AXES, cell, strict=True)) for cell in taken]
    told = count_cells(Source(data={}, matrix=matrix_of(found)), rules)
    assert sum(told.excluded) == len(set(taken))
    assert told.combinations - sum(told.excluded) + told.included == len(found)
