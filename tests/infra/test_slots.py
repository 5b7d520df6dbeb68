"""Slots: who is next, limits that change while takes wait, and how many tasks are kept at the vendor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import StoppedError, VendorUnavailableError
from infra.limits import EVERY, follow_limits, queue_depth, slots_of
from infra.providers.base import AccountLimits, ModelLimits
from infra.slots import Slots


class Queue:
    """Takes that hold a slot until they are told to end, by name."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.started: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def add(self, name: str, priority: float = 0, model: str = "m") -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._hold(name, priority, model))
        await asyncio.sleep(0)

    async def _hold(self, name: str, priority: float, model: str) -> None:
        async with self.slots.hold(model, priority=priority):
            self.started.append(name)
            await self._ends[name].wait()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await asyncio.sleep(0)

    async def stopped(self, name: str) -> bool:
        with contextlib.suppress(StoppedError):
            await self._tasks[name]
            return False
        return True


async def test_the_most_urgent_is_next_and_equals_come_in_order() -> None:
    queue = Queue(Slots({"m": 1}))
    for name, priority in (("first", 0), ("low", 1), ("high", 9), ("low too", 1)):
        await queue.add(name, priority)
    for name in ("first", "high", "low", "low too"):
        await queue.end(name)
    assert queue.started == ["first", "high", "low", "low too"]


async def test_nobody_passes_those_who_wait_when_there_is_no_room() -> None:
    queue = Queue(Slots({"m": 1}))
    await queue.add("first")
    await queue.add("waits", 5)
    await queue.add("later", 1)
    await queue.end("first")
    assert queue.started == ["first", "waits"]
    await queue.end("waits")
    await queue.end("later")


async def test_a_higher_limit_lets_the_waiting_in_at_once_and_a_lower_one_as_slots_come_back() -> None:
    queue = Queue(Slots({"m": 1}))
    for name in "abcde":
        await queue.add(name)
    queue.slots.change({"m": 3})
    await asyncio.sleep(0)
    assert queue.started == ["a", "b", "c"]
    queue.slots.change({"m": 1})
    await queue.end("a")
    await queue.end("b")
    assert queue.started == ["a", "b", "c"]
    await queue.end("c")
    assert queue.started == ["a", "b", "c", "d"]
    await queue.end("d")
    await queue.end("e")


async def test_a_model_that_was_capped_is_tried_with_one_take_first() -> None:
    queue = Queue(Slots({"m": 3}))
    queue.slots.narrow("m")
    for name in "abc":
        await queue.add(name)
    assert queue.started == ["a"]
    queue.slots.widen("m")
    await asyncio.sleep(0)
    assert queue.started == ["a", "b", "c"]
    for name in "abc":
        await queue.end(name)


async def test_models_do_not_wait_for_each_other() -> None:
    queue = Queue(Slots({"m": 1, "n": 1}))
    await queue.add("a", model="m")
    await queue.add("b", model="n")
    await queue.add("c", model="free")
    assert queue.started == ["a", "b", "c"]
    for name in "abc":
        await queue.end(name)


async def test_stop_ends_the_waiting_and_keeps_the_running() -> None:
    queue = Queue(Slots({"m": 1}))
    await queue.add("runs")
    await queue.add("waits")
    queue.slots.stop()
    assert await queue.stopped("waits")
    await queue.end("runs")
    with pytest.raises(StoppedError):
        async with queue.slots.hold("m"):
            raise AssertionError("unreachable")


@given(limit=st.integers(1, 4), priorities=st.lists(st.integers(0, 5), min_size=1, max_size=15), data=st.data())
def test_never_too_many_and_never_idle_while_one_waits(limit: int, priorities: list[int], data: st.DataObject) -> None:
    async def play() -> None:
        queue = Queue(Slots({"m": limit}))
        for number, priority in enumerate(priorities):
            await queue.add(str(number), priority)
        running = list(queue.started)
        ended = 0
        while running:
            assert len(running) == min(limit, len(priorities) - ended)
            gone = data.draw(st.sampled_from(running))
            before = len(queue.started)
            waiting = [n for n in map(str, range(len(priorities))) if n not in queue.started]
            await queue.end(gone)
            ended += 1
            running.remove(gone)
            came = queue.started[before:]
            if waiting:
                assert came == [max(waiting, key=lambda n: (priorities[int(n)], -int(n)))]
            running += came

    asyncio.run(play())


# --- the account's limits ---


class Account:
    """Answers of `GET /v1/organization`, in order; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def limits(self) -> AccountLimits:
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return AccountLimits(100, {"gen4.5": ModelLimits(found, None, 0), "free": ModelLimits(None, None, 0)})


def test_a_few_more_are_submitted_than_the_account_runs() -> None:
    assert [queue_depth(n) for n in (1, 5, 20)] == [3, 7, 24]
    assert queue_depth(5, poll_seconds=0.25) == 7


async def test_limits_are_read_again_each_minute_and_a_look_that_fails_changes_nothing(test_clock: Any) -> None:
    account, seen = Account(5, VendorUnavailableError("out"), 20), []

    def change(limits: Mapping[str, int]) -> None:
        seen.append((test_clock.elapsed, dict(limits)))
        if len(seen) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await follow_limits(account, test_clock, 5.0, change)  # type: ignore[arg-type]
    assert seen == [(EVERY, {"gen4.5": 7}), (3 * EVERY, {"gen4.5": 24})]
    assert slots_of(await Account(5).limits(), 5.0) == {"gen4.5": 7}
