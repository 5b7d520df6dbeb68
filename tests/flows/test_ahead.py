"""Looking ahead changes what waits for what, and nothing of what is planned."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from faults.store import FaultyStore
from paper import Paper

from infra.ahead import add_all
from infra.clock import SystemClock
from infra.state import StoreState
from infra.storage.base import ObjectStore
from manifests.planner import Planner

T = TypeVar("T")
MANY = "".join(
    f"""\
  - id: sip-{n}
    duration: 2
    continues: {before}
    prompt:
      subject: A hand with a white cup
      action: the cup is lifted slowly, for the {n}th time
      environment: the same kitchen
      camera: static medium shot, locked off
      mood: warm side light
"""
    for n, before in enumerate(["pour", "pour", "pour", "sip-0", "sip-1", "sip-3"])
)


class FarStore(FaultyStore):
    """Every look at it takes 2 ms; counts how many are on their way at most."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.url = "far://away"
        self.at_once = self._now = 0
        self._count = threading.Lock()

    def _do(self, name: str, key: str, act: Callable[..., T]) -> T:
        with self._count:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        time.sleep(0.002)
        try:
            return super()._do(name, key, act)
        finally:
            with self._count:
                self._now -= 1


@pytest.fixture
def long(paper: Paper) -> Paper:
    """Shots that wait for one another, up to four deep."""
    text = paper.manifest.read_text()
    at = text.index("deliver:")
    paper.manifest.write_text(text[:at] + MANY + text[at:])
    return paper


@pytest.mark.parametrize(
    ("scores", "failed"),
    [
        ({}, {}),
        ({"pour/take-1": 0.9, "sip-0/take-2": 0.1}, {"sip-1/take-1": "moderation-output"}),
        ({}, {"pour/take-1": "unknown", "pour/take-2": "unknown"}),
        ({"sip-3/take-1": 0.0, "sip-3/take-2": 0.0}, {"sip-2/take-2": "in flight"}),
    ],
)
def test_the_same_plan_with_every_question_asked_once(
    long: Paper, scores: dict[str, float], failed: dict[str, str]
) -> None:
    long.film(scores, failed)
    plan, near = long.prepared().plan, long.store
    far = FarStore(near)
    expected = add_all(plan.wants, partial(Planner, StoreState(near, SystemClock())), near)
    found = add_all(plan.wants, partial(Planner, StoreState(far, SystemClock())), far)
    assert found.actions == expected.actions
    assert (found.positions, found.pictures, found.trims) == (expected.positions, expected.pictures, expected.trims)
    assert (found.circled, found.waiting, found.settled) == (expected.circled, expected.waiting, expected.settled)
    asked = Counter(far.operations)
    assert {what: times for what, times in asked.items() if times > 1} == {}
    if not failed.get("pour/take-1"):
        assert far.at_once > 2, "those that wait for the same picture are asked about together"


def test_a_near_store_is_asked_one_by_one(long: Paper) -> None:
    long.film()
    near = FarStore(long.store)
    near.url = str(long.root)
    add_all(long.prepared().plan.wants, partial(Planner, StoreState(near, SystemClock())), near)
    assert near.at_once == 1


def test_what_the_store_raises_is_raised(long: Paper) -> None:
    long.film()
    plan, store = long.prepared().plan, FarStore(long.store)

    def refuse(key: str, **_: Any) -> Any:
        raise OSError(key)

    store.get_bytes = refuse  # type: ignore[method-assign]
    with pytest.raises(OSError, match="v1/"):
        add_all(plan.wants, partial(Planner, StoreState(store, SystemClock())), store)
