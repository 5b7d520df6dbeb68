"""What has changed between two settlings of one start is told, all of it, and nothing else."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.schedule import Schedule
from manifests.scheduled import Resolved
from manifests.settled import changes_between
from manifests.validity import ValidTo

RULES = Schedule.model_validate({
    "manifest": 1, "kind": "schedule", "name": "weekly", "run": "film.yaml",
    "when": {"cron": "30 5 * * 1", "timezone": "Europe/London"},
})  # fmt: skip


def resolved(**fields: Any) -> Resolved:
    patch = fields.pop("patch", {})
    usual: dict[str, Any] = {
        "name": "weekly", "schedule": "weekly.yaml", "digest": "d", "instant": dt.datetime(2026, 12, 14, tzinfo=dt.UTC),
        "zone": "Europe/London", "date": "2026-12-14", "week": "2026-W51", "params": {}, "manifest": "film.yaml",
        "rules": RULES, "patch": patch if isinstance(patch, str) else json.dumps(patch), "valid_to": {},
    }  # fmt: skip
    return Resolved(**(usual | fields))


def cups(*rows: dict[str, str]) -> dict[str, Any]:
    return {
        "patch": {"variants": {"axes": {"cup": list(rows)}}}, "axes": {"cup": tuple(row["id"] for row in rows)},
    }  # fmt: skip


GREEN, BLUE, WHITE = ({"id": name, "colour": f"plain {name}"} for name in ("green", "blue", "white"))
NAVY = {"id": "blue", "colour": "navy"}


def until(day: int, line: int = 2) -> ValidTo:
    return ValidTo(day=dt.date(2026, 12, day), table="data/offers.csv", line=line)


@pytest.mark.parametrize(("before", "after", "told"), [
    ({"params": {"offer": "two"}}, {"params": {"offer": "three"}}, ["offer: two → three"]),
    ({"params": {"offer": "two"}}, {"params": {"price": "£4"}}, ["offer: two → (none)", "price: (none) → £4"]),
    (cups(GREEN, BLUE), cups(GREEN, WHITE), ["cup: green, blue → green, white"]),
    (cups(GREEN, BLUE), cups(BLUE, GREEN), ["cup: green, blue → blue, green"]),
    (cups(GREEN, BLUE), cups(GREEN, NAVY), ["override.variants.axes.cup.blue.colour: plain blue → navy"]),
    ({"patch": {"generate": {"takes": 2}}}, {"patch": {"generate": {"takes": 3}}}, ["override.generate.takes: 2 → 3"]),
    ({"patch": '{"a": 0.10}'}, {"patch": '{"a": 0.1}'}, ["override.a: 0.10 → 0.1"]),
    ({"patch": {"sound": None}}, {"patch": {}}, ["override.sound: null → (none)"]),
    ({"patch": {"a": ["x", "y"]}}, {"patch": {"a": ["x"]}}, ["override.a.1: y → (none)"]),
    ({"patch": {"a": [{"id": "x"}, {"id": "y"}]}}, {"patch": {"a": [{"id": "y"}, {"id": "x"}]}},
     ["override: the same in another order or form"]),
    ({"params": {"offer": "x"}, "valid_to": {"params": {"offer": until(20)}}},
     {"params": {"offer": "x"}, "valid_to": {"params": {"offer": until(27)}}},
     ["offer is good until: 2026-12-20 → 2026-12-27"]),
    ({**cups(BLUE), "valid_to": {"cup": {"blue": until(20)}}}, cups(BLUE),
     ["blue is good until: 2026-12-20 → for ever"]),
    ({**cups(GREEN, BLUE), "valid_to": {"cup": {"blue": until(20)}}}, cups(GREEN), ["cup: green, blue → green"]),
    ({"params": {"x": "y" * 70}}, {"params": {"x": "z"}}, [f"x: {'y' * 59}… → z"]),
])  # fmt: skip
def test_a_change_is_told_in_a_line(before: dict[str, Any], after: dict[str, Any], told: list[str]) -> None:
    assert list(changes_between(resolved(**before), resolved(**after))) == told


def test_a_row_that_only_moved_in_its_table_is_the_same() -> None:
    one, two = (resolved(params={"offer": "x"}, valid_to={"params": {"offer": until(20, line)}}) for line in (2, 3))
    assert changes_between(one, two) == ()


def test_what_was_settled_before_days_were_kept_is_not_called_changed() -> None:
    old = resolved(params={"offer": "x"}, valid_to=None)
    new = resolved(params={"offer": "x"}, valid_to={"params": {"offer": until(20)}})
    assert changes_between(old, new) == changes_between(new, old) == ()


def test_rules_are_not_settled() -> None:
    richer = RULES.model_copy(update={"overlap": "queue"})
    assert changes_between(resolved(), resolved(rules=richer)) == ()


_WORDS = st.text("ab1", max_size=2)
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(("id", "a", "variants", "axes")), inner)
    ),
    max_leaves=5,
)
_ROWS = st.lists(st.sampled_from((GREEN, BLUE, WHITE, NAVY)), unique_by=lambda row: row["id"], max_size=3)


@settings(max_examples=150)
@given(
    *[
        st.tuples(
            st.dictionaries(st.sampled_from("xy"), _WORDS), st.just({}) | st.dictionaries(st.just("a"), _DATA), _ROWS
        )
    ]
    * 2
)
def test_nothing_is_told_exactly_where_nothing_has_changed(
    one: tuple[dict[str, str], dict[str, Any], list[dict[str, str]]],
    two: tuple[dict[str, str], dict[str, Any], list[dict[str, str]]],
) -> None:
    def made(params: dict[str, str], patch: dict[str, Any], rows: list[dict[str, str]]) -> Resolved:
        settled = cups(*rows)
        return resolved(params=params, patch={**patch, **settled["patch"]}, axes=settled["axes"])

    before, after = made(*one), made(*two)
    same = (before.params, before.patch) == (after.params, after.patch)
    assert (changes_between(before, after) == ()) is same
