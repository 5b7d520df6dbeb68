"""What becomes of a flow run that is told to stop: the time there is, and the state that sets it going again or not."""

from __future__ import annotations

import asyncio

import pytest
from prefect.client.schemas.objects import StateType

from flows import stopping
from flows.stopping import Stop, state_after
from infra.console import RunConsole


async def test_work_that_ends_in_time_is_left_alone() -> None:
    stop = Stop(RunConsole())

    async def work() -> int:
        await asyncio.sleep(0.01)
        return 7

    stop.cancel()
    assert await stop.in_time(work()) == 7
    assert stop.console.stopping


async def test_late_work_is_cancelled_and_may_still_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "GRACE_SECONDS", stopping.WRITE_SECONDS + 0.05)
    stop, told = Stop(RunConsole()), []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            told.append("closed")

    stop.terminate()
    with pytest.raises(asyncio.CancelledError):
        await stop.in_time(work())
    assert stop.late.is_set()
    assert told == ["closed"]


async def test_work_that_fails_fails_as_itself() -> None:
    async def work() -> None:
        raise LookupError("as it was")

    with pytest.raises(LookupError, match="as it was"):
        await Stop(RunConsole()).in_time(work())


async def test_a_cancel_from_outside_reaches_the_work() -> None:
    told = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    task = asyncio.create_task(Stop(RunConsole()).in_time(work()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["cancelled"]


async def test_only_what_a_person_cancelled_stays_cancelled() -> None:
    stop = Stop(RunConsole())
    stop.terminate()
    ended = await state_after(stop, "3 takes in flight")
    assert ended.type is StateType.CRASHED, "its automation sets it going again"
    stop.cancel()
    state = await state_after(stop, "3 takes in flight")
    assert (state.type, state.message) == (StateType.CANCELLED, "cancelled; 3 takes in flight")
    stop.forget()
