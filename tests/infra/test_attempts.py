"""Tries of one start: a killed one goes on under its run id, and after five in a row it is enough."""

from __future__ import annotations

import datetime as dt

import pytest
from clocks import TestClock

from infra.attempts import MOST_TRIES, TooManyTriesError, begin_attempt
from infra.records import create_record
from infra.storage.memory import MemoryStore
from manifests.journal import RunRecord
from manifests.naming import run_key

START = dt.datetime(2026, 12, 14, 5, 30, tzinfo=dt.UTC)


def end_run(store: MemoryStore, run_id: str, exit_code: int = 3) -> None:
    record = RunRecord(
        run_id=run_id, campaign="short", plan="0" * 64, flow_runs=(), started=START, ended=START, exit_code=exit_code,
        problems=(), calls=0, steps_made={}, steps_kept={}, cpu_seconds=0, spent_credits=0, paid=False,
        deliverables=(), dailies=None,
    )  # fmt: skip
    create_record(store, run_key(run_id, "run.json"), record)


def test_a_try_that_died_goes_on_under_its_run_id() -> None:
    store, clock = MemoryStore(), TestClock()
    first = begin_attempt(store, clock, "weekly", START, "flow-1")
    second = begin_attempt(store, clock, "weekly", START, "flow-1")
    third = begin_attempt(store, clock, "weekly", START, "flow-2")
    assert {a.run_id for a in (first, second, third)} == {first.run_id}
    assert [a.number for a in (first, second, third)] == [1, 2, 3]
    assert (first.flow_runs, third.flow_runs) == (("flow-1",), ("flow-1", "flow-2"))


def test_a_run_that_ended_is_not_gone_on_with() -> None:
    store, clock = MemoryStore(), TestClock()
    first = begin_attempt(store, clock, "weekly", START, "flow-1")
    end_run(store, first.run_id)
    second = begin_attempt(store, clock, "weekly", START, "flow-1")
    assert second.run_id != first.run_id
    assert (second.tries, second.number) == (1, 2)


def test_after_five_deaths_it_is_enough() -> None:
    store, clock = MemoryStore(), TestClock()
    for number in range(1, MOST_TRIES + 1):
        attempt = begin_attempt(store, clock, "weekly", START, "flow-1")
        assert attempt.tries == number
    with pytest.raises(TooManyTriesError, match="5 tries of the start of 2026-12-14 05:30 UTC died"):
        begin_attempt(store, clock, "weekly", START, "flow-1")
    end_run(store, attempt.run_id)  # by hand
    assert begin_attempt(store, clock, "weekly", START, "flow-1").tries == 1


def test_every_start_counts_by_itself() -> None:
    store, clock = MemoryStore(), TestClock()
    begin_attempt(store, clock, "weekly", START, "flow-1")
    assert begin_attempt(store, clock, "weekly", START + dt.timedelta(days=7), "flow-2").tries == 1
    assert begin_attempt(store, clock, "other", START, "flow-3").tries == 1


class Rival(MemoryStore):
    """Another process writes the same number in the moment before ours."""

    def __init__(self) -> None:
        super().__init__()
        self.rivals = 1

    def put_bytes(self, key, data, **more):  # type: ignore[no-untyped-def]
        if self.rivals and ".attempts/" in key:
            self.rivals -= 1
            super().put_bytes(key, data.replace(b"flow-mine", b"flow-other"), **more)
        return super().put_bytes(key, data, **more)


def test_two_that_begin_at_once_count_as_two() -> None:
    store, clock = Rival(), TestClock()
    mine = begin_attempt(store, clock, "weekly", START, "flow-mine")
    assert (mine.number, mine.tries, mine.flow_runs) == (2, 2, ("flow-other", "flow-mine"))
