"""A start that has begun, settled anew on paper: what it then takes, what is kept, and who may not."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from command import Shotrunner
from paper import AT
from weeks import Clock, Weekly

from flows.scheduling import (
    Planned,
    StartDoneError,
    begin_scheduled,
    begun_otherwise,
    last_start,
    past_starts,
    read_start,
    refuse_superseded,
)
from flows.stored_plan import store_inputs
from infra.errors import LeaseHeldError, StalePlanError
from infra.lease import acquire_lease
from infra.records import create_record, read_record
from manifests.journal import RunRecord
from manifests.naming import run_key, settled_key, settled_prefix, start_key
from manifests.starting import StartRecord

DAY = "2026-12-14"


def ended(planned: Planned, exit_code: int, **fields: Any) -> None:
    """A run of the start, on record."""
    plan, store = planned.prepared.plan, planned.prepared.store
    usual: dict[str, Any] = {
        "run_id": f"20261214-060{exit_code}-7f3a", "campaign": plan.campaign, "plan": store_inputs(planned.prepared),
        "flow_runs": (), "started": AT, "ended": AT, "exit_code": exit_code, "problems": (), "calls": 0,
        "steps_made": {}, "steps_kept": {}, "cpu_seconds": 0, "spent_credits": 0, "paid": False, "deliverables": (),
        "dailies": None, "scheduled": planned.resolved.brief(),
    }  # fmt: skip
    record = RunRecord(**(usual | fields))
    create_record(store, run_key(record.run_id, "run.json"), record)


def settlings(weekly: Weekly) -> list[str]:
    prepared = weekly.start(DAY)
    return [info.key for info in prepared.prepared.store.list(settled_prefix("weekly", prepared.occurrence.instant))]


def test_a_corrected_table_is_taken_once_somebody_says_so(weekly: Weekly, clock: Clock) -> None:
    first = weekly.begin(DAY, clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    assert weekly.start(DAY, clock).resolved.params["offer"] == "tea for two"
    clock.set(2026, 12, 14, 9, 30)
    planned = weekly.start(DAY, clock, anew=True)
    assert planned.changes == ("offer: tea for two → tea for three",)
    assert planned.resolved.params["offer"] == "tea for three"
    assert settlings(weekly) == [], "a plan writes nothing"
    anew = begin_scheduled(planned, clock)
    store, instant = anew.prepared.store, anew.resolved.instant
    assert anew.begun is not None
    assert (anew.begun.number, anew.begun.changes, anew.begun.at) == (2, planned.changes, clock.now())
    assert read_record(store, start_key("weekly", instant), StartRecord) == first.begun, "what it was is kept"
    assert read_start(store, "weekly", instant) == last_start(store, "weekly") == anew.begun
    again = weekly.start(DAY, clock)
    assert (again.resolved.params, again.notices) == (anew.resolved.params, ())
    assert [past.instant for past in past_starts(store, "weekly", "paper", clock)] == [instant]


def test_each_time_it_is_another_record(weekly: Weekly, clock: Clock) -> None:
    weekly.begin(DAY, clock)
    for number, (old, new) in enumerate([("two", "three"), ("three", "four")], 2):
        weekly.edit("data/offers.csv", f"tea for {old}", f"tea for {new}")
        begun = begin_scheduled(weekly.start(DAY, clock, anew=True), clock).begun
        assert begun is not None
        assert (begun.number, begun.changes) == (number, (f"offer: tea for {old} → tea for {new}",))
    assert len(settlings(weekly)) == 2


def test_where_nothing_has_changed_nothing_is_written(weekly: Weekly, clock: Clock) -> None:
    begun = weekly.begin(DAY, clock)
    planned = weekly.start(DAY, clock, anew=True)
    assert (planned.changes, planned.resolved) == ((), begun.resolved)
    assert begin_scheduled(planned, clock).begun == begun.begun
    assert settlings(weekly) == []


def test_a_start_that_has_not_begun_just_begins(weekly: Weekly, clock: Clock) -> None:
    planned = weekly.start(DAY, clock, anew=True)
    assert planned.changes == ()
    begun = begin_scheduled(planned, clock).begun
    assert begun is not None
    assert begun.number == 1
    assert settlings(weekly) == []


def test_what_was_bought_before_is_used_where_nothing_has_changed(weekly: Weekly, clock: Clock) -> None:
    weekly.film_of(weekly.begin(DAY, clock))
    weekly.edit("data/cups.csv", "deep blue", "navy blue")
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    planned = begin_scheduled(weekly.start(DAY, clock, anew=True), clock)
    assert planned.changes == (
        "offer: tea for two → tea for three", "override.variants.axes.cup.blue.colour: deep blue → navy blue",
    )  # fmt: skip
    bought = [a.id for a in planned.prepared.plan.purchases if a.key]
    assert bought == ["pour@blue/take-1", "pour@blue/take-2"], "the green one stays, its words are drawn anew"


def test_what_the_start_has_spent_still_counts(weekly: Weekly, clock: Clock) -> None:
    """Paper takes are bought on 23 November; settled anew in December, the start is still of before that."""
    weekly.edit("weekly.yaml", "override:\n", "budget: {per_run: {credits: 300}}\noverride:\n")
    clock.set(2026, 11, 23, 0, 0)
    weekly.film_of(weekly.begin(DAY, clock))
    weekly.edit("data/cups.csv", "deep blue", "navy blue")
    clock.set(2026, 12, 14, 9, 30)
    plan = begin_scheduled(weekly.start(DAY, clock, anew=True), clock).prepared.plan
    after = weekly.start(DAY, clock).prepared.plan
    assert after.allowance is not None
    assert (after.allowance.spent_run, after.totals.credits) == (240, plan.totals.credits) == (240, 120)


def test_a_start_that_is_done_is_not_settled_anew(weekly: Weekly, clock: Clock) -> None:
    planned = weekly.begin(DAY, clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    ended(planned, 4)
    assert weekly.start(DAY, clock, anew=True).changes, "a gate waits: it is not done"
    assert begun_otherwise(weekly.start("2026-12-21", clock), clock)
    ended(planned, 0, started=AT + dt.timedelta(days=30))
    with pytest.raises(StartDoneError, match="2026-12-14 was made and delivered by run 20261214-0600-7f3a") as refused:
        weekly.start(DAY, clock, anew=True)
    assert "the next start takes the tables as they are" in refused.value.remedy
    assert weekly.start(DAY, clock).notices, "it can still be looked at"
    assert begun_otherwise(weekly.start("2026-12-21", clock), clock) == ""


def test_a_start_that_was_done_meanwhile_is_not_either(weekly: Weekly, clock: Clock) -> None:
    planned = weekly.begin(DAY, clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    anew = weekly.start(DAY, clock, anew=True)
    ended(planned, 0)
    with pytest.raises(StartDoneError):
        begin_scheduled(anew, clock)
    assert settlings(weekly) == []
    acquire_lease(anew.prepared.store, clock, "paper").release()


def test_while_another_process_is_at_it_nothing_is_settled(weekly: Weekly, clock: Clock) -> None:
    planned = weekly.begin(DAY, clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    lease = acquire_lease(planned.prepared.store, clock, "paper")
    anew = weekly.start(DAY, clock, anew=True)
    with pytest.raises(LeaseHeldError):
        begin_scheduled(anew, clock)
    assert settlings(weekly) == []
    lease.release()
    assert begin_scheduled(anew, clock).begun != planned.begun
    acquire_lease(planned.prepared.store, clock, "paper").release()


def test_two_that_settle_at_once_do_not_both(weekly: Weekly, clock: Clock) -> None:
    weekly.begin(DAY, clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    one = weekly.start(DAY, clock, anew=True)
    weekly.edit("data/offers.csv", "tea for three", "tea for four")
    two = weekly.start(DAY, clock, anew=True)
    begin_scheduled(one, clock)
    with pytest.raises(StalePlanError, match="settled the start of 2026-12-14 anew in this moment"):
        begin_scheduled(two, clock)


def test_whoever_planned_before_it_does_not_go_on(weekly: Weekly, clock: Clock) -> None:
    """A worker between its plan and the lease: its plan has the values of before."""
    before = weekly.begin(DAY, clock)
    store = before.prepared.store
    refuse_superseded(store, before.prepared.plan)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    anew = begin_scheduled(weekly.start(DAY, clock, anew=True), clock)
    refuse_superseded(store, anew.prepared.plan)
    with pytest.raises(StalePlanError, match="the start of 2026-12-14 was settled anew by "):
        refuse_superseded(store, before.prepared.plan)
    alone = before.prepared.plan.model_copy(update={"scheduled": None})
    refuse_superseded(store, alone)


def test_of_many_settlings_the_last_counts(weekly: Weekly, clock: Clock) -> None:
    """The last of many, by its number and not by its letters."""
    planned = weekly.begin(DAY, clock)
    store, begun, instant = planned.prepared.store, planned.begun, planned.resolved.instant
    assert begun is not None
    for number in (2, 9, 10):
        create_record(store, settled_key("weekly", instant, number), begun.model_copy(update={"number": number}))
    last = read_start(store, "weekly", instant)
    assert last is not None
    assert last.number == 10


# --- as people type it ---


def test_a_dry_run_says_what_would_change_and_writes_nothing(weekly: Weekly, shotrunner: Shotrunner) -> None:
    words = ("run", "--schedule", "weekly.yaml", "--date", DAY, "--anew", "--dry-run")
    answer = shotrunner(*words)
    assert answer.code == 0
    assert "  settled anew: it has not begun yet, so nothing was settled before\n" in answer.out
    weekly.begin(DAY)
    assert "  settled anew: nothing has changed\n" in shotrunner(*words).out
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    answer = shotrunner(*words)
    assert answer.out.splitlines()[:2] == [
        "weekly: 2026-12-14 05:30 Europe/London  offer tea for three, week 2026-W51",
        "  settled anew: offer: tea for two → tea for three",
    ]
    facts = shotrunner(*words, "--json").facts
    assert (facts["anew"], facts["params"]["offer"]) == (["offer: tea for two → tea for three"], "tea for three")
    assert settlings(weekly) == []
    assert shotrunner(*words[:-2], "--dry-run", "--json").facts["anew"] is None


def test_what_cannot_be_settled_anew_is_refused_in_words(weekly: Weekly, shotrunner: Shotrunner) -> None:
    answer = shotrunner("run", "film.yaml", "--anew")
    assert (answer.code, "--anew belongs to --schedule" in answer.err) == (2, True)
    ended(weekly.begin(DAY), 0)
    answer = shotrunner("run", "--schedule", "weekly.yaml", "--date", DAY, "--anew", "--dry-run")
    assert answer.code == 2
    assert answer.err.startswith("the start is done: 2026-12-14 was made and delivered by run 20261214-0600-7f3a")
