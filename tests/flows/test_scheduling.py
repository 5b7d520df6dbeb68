"""Starts of a schedule on paper: settled once, within their limits, old takes retired, deadlines that passed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from weeks import Clock, Weekly, write_weekly

from flows.refusals import BudgetHeldError, refuse_over_budget
from flows.scheduling import (
    NoStartError,
    begin_scheduled,
    decide,
    find_occurrence,
    last_start,
    past_starts,
    prepare_scheduled,
    read_start,
)
from flows.stored_plan import store_inputs
from flows.targets import find_target
from infra.errors import BudgetExceededError, StalePlanError
from infra.lease import acquire_lease
from infra.selections import read_decisions
from manifests.plan import Plan
from manifests.scheduled import read_schedule

OVERRIDE = "override:\n"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`make((old, new), …)`: changes to the schedule."""

    def write(*changes: tuple[str, str]) -> Weekly:
        weekly = write_weekly(tmp_path / "p", *changes)
        monkeypatch.chdir(weekly.root)
        return weekly

    return write


def with_block(text: str) -> tuple[str, str]:
    return OVERRIDE, f"{text}\n{OVERRIDE}"


# --- settled once ---


def test_what_a_start_was_begun_with_stands(make: Any, clock: Clock) -> None:
    weekly = make()
    first = weekly.begin("2026-12-14", clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    again = weekly.start("2026-12-14", clock)
    assert again.resolved == first.resolved
    assert again.prepared.plan.wants == first.prepared.plan.wants
    assert again.notices == (
        "the schedule or its tables have changed since 2026-12-14 06:00 UTC: what was settled then stands, until "
        "`run --anew`",
    )
    assert weekly.start("2026-12-14").resolved.params["offer"] == "tea for two"
    weekly.edit("data/offers.csv", "tea for three", "tea for two")
    assert weekly.start("2026-12-14", clock).notices == ()


def test_a_plan_of_a_start_can_be_made_again_from_what_is_stored(make: Any, clock: Clock) -> None:
    weekly = make()
    begun = weekly.begin("2026-12-14", clock)
    store, name = begun.prepared.store, begun.resolved.name
    there = read_start(store, name, begun.resolved.instant)
    assert there is not None
    assert there.scheduled == begun.resolved
    plan = begun.prepared.plan
    assert Plan.model_validate_json(plan.model_dump_json(by_alias=True)).digest == plan.digest


def test_two_that_begin_the_same_start_share_what_was_settled(make: Any, clock: Clock) -> None:
    weekly = make()
    one, two = weekly.start("2026-12-14", clock), weekly.start("2026-12-14", clock)
    assert begin_scheduled(one, clock).begun == begin_scheduled(two, clock).begun


def test_two_that_settled_otherwise_do_not_both_begin(make: Any, clock: Clock) -> None:
    weekly = make()
    one = weekly.start("2026-12-14", clock)
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    weekly.begin("2026-12-14", clock)
    with pytest.raises(StalePlanError, match="another process began the start of 2026-12-14 with other values"):
        begin_scheduled(one, clock)


def test_a_day_without_a_start_is_refused(make: Any) -> None:
    schedule = read_schedule(make().file).schedule
    with pytest.raises(NoStartError, match="nothing starts on 2026-12-15"):
        find_occurrence(schedule, "2026-12-15")
    with pytest.raises(NoStartError, match="is no day"):
        find_occurrence(schedule, "Monday")
    with pytest.raises(NoStartError, match="has an offset") as refused:
        find_occurrence(schedule, "2026-12-14T05:30+01:00")
    assert "2026-12-14T05:30 as clocks show it there" in str(refused.value.remedy)


def test_words_of_a_start_are_found_by_its_schedule_and_its_campaign(make: Any, clock: Clock) -> None:
    weekly = make()
    begun = weekly.begin("2026-12-21", clock)
    assert find_target(str(weekly.file)).scheduled == begun.resolved
    assert last_start(begun.prepared.store, "weekly") == begun.begun


# --- other starts ---


def test_a_start_whose_campaign_is_at_work_is_skipped(make: Any, clock: Clock) -> None:
    weekly = make()
    weekly.begin("2026-12-14", clock)
    clock.set(2026, 12, 21, 5, 31)
    after = weekly.start("2026-12-21", clock)
    lease = acquire_lease(after.prepared.store, clock, after.prepared.plan.campaign)
    told = decide(after, clock)
    assert (told.kind, told.why) == ("skipped", "the run of 2026-12-14 05:30 UTC still goes on (overlap: skip)")
    assert decide(after, clock, by_hand=True).goes
    lease.release()
    assert decide(after, clock).goes
    assert [p.running for p in past_starts(after.prepared.store, "weekly", "paper", clock)] == [False]


# --- money ---


def test_a_plan_over_the_limit_of_a_start_is_held(make: Any, clock: Clock) -> None:
    plan = make(with_block("budget: {per_run: {credits: 150}, warn_at: 0.6}")).start("2026-12-14", clock).prepared.plan
    assert (plan.totals.credits, plan.totals.budget) == (240, 150)
    with pytest.raises(
        BudgetHeldError, match=r"costs 240 credits; budget\.per_run is 150 credits, 0 are spent; nothing"
    ):
        refuse_over_budget(plan)
    assert plan.notices[0] == "budget: with this plan 240 of 150 credits for this start (160 %)"


def test_a_start_may_also_be_over_then(make: Any, clock: Clock) -> None:
    rules = with_block("budget: {per_run: {credits: 150}, when_exceeded: fail}")
    with pytest.raises(BudgetExceededError) as refused:
        refuse_over_budget(make(rules).start("2026-12-14", clock).prepared.plan)
    assert not isinstance(refused.value, BudgetHeldError)


def test_credits_added_by_hand_let_it_go(make: Any, clock: Clock) -> None:
    weekly = make(with_block("budget: {per_run: {credits: 150}}"))
    refuse_over_budget(weekly.start("2026-12-14", clock, extra_credits=90).prepared.plan)


def test_only_what_the_start_spent_counts_for_it_and_everything_for_its_month(make: Any, clock: Clock) -> None:
    """Paper takes are bought on 23 November; the start is begun before that, and after."""
    weekly = make(with_block("budget: {per_run: {credits: 300}, per_month: {credits: 500}}"))
    clock.set(2026, 11, 23, 0, 0)
    begun = weekly.begin("2026-12-14", clock)
    weekly.film_of(begun)
    own = weekly.start("2026-12-14", clock).prepared.plan
    assert own.allowance is not None
    assert (own.allowance.spent_run, own.allowance.month, own.allowance.spent_month) == (240, "2026-12", 0)
    later = weekly.start("2026-12-21", clock).prepared.plan  # green is there already
    assert later.allowance is not None
    assert (later.allowance.spent_run, later.totals.spent, later.totals.credits) == (240, 240, 120)
    clock.set(2026, 11, 24)
    fresh = weekly.start("2026-12-21", clock).prepared.plan
    assert fresh.allowance is not None
    assert (fresh.allowance.spent_run, fresh.totals.spent) == (0, 0)
    refuse_over_budget(fresh)


def test_a_month_that_is_spent_holds_the_next_start(make: Any, clock: Clock) -> None:
    weekly = make(with_block("budget: {per_month: {credits: 300}}"), ('cron: "30 5 * * 1"', 'cron: "30 5 * * *"'))
    weekly.edit("data/offers.csv", "2026-12-07", "2026-11-07")
    clock.set(2026, 11, 23, 0, 0)
    weekly.film_of(weekly.begin("2026-11-23", clock))
    clock.set(2026, 11, 24, 6, 0)
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,2026-11-23")
    weekly.edit("data/cups.csv", "2026-12-21,\n", "2026-11-24,\n")
    plan = weekly.start("2026-11-24", clock).prepared.plan
    with pytest.raises(BudgetExceededError, match="per_month is 300 credits, 240 are spent in 2026-11"):
        refuse_over_budget(plan)
    clock.set(2026, 12, 1, 6, 0)
    refuse_over_budget(weekly.start("2026-12-01", clock).prepared.plan)


def test_what_fits_is_delivered_film_by_film(make: Any, clock: Clock) -> None:
    rules = "budget: {per_run: {credits: 150}, when_exceeded: deliver-what-fits}"
    plan = make(with_block(rules)).start("2026-12-14", clock).prepared.plan
    refuse_over_budget(plan)
    assert ([v.name for v in plan.variants], plan.left_out, plan.totals.credits) == (["green"], ("blue",), 120)
    assert {want.address for want in plan.wants} == {"pour@green", "sip@green"} or len(plan.wants) == 2
    assert plan.notices[0] == "budget: 1 film is left out, as there is no money for them: blue"


def test_a_limit_that_was_raised_counts_for_a_start_that_is_held(make: Any, clock: Clock) -> None:
    weekly = make(with_block("budget: {per_run: {credits: 150}}"))
    begun = weekly.begin("2026-12-14", clock)
    with pytest.raises(BudgetHeldError):
        refuse_over_budget(begun.prepared.plan)
    weekly.edit("weekly.yaml", "credits: 150", "credits: 250")
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    again = weekly.start("2026-12-14", clock)
    refuse_over_budget(again.prepared.plan)
    assert again.resolved.params == begun.resolved.params


def test_where_no_film_fits_nothing_is_bought(make: Any, clock: Clock) -> None:
    rules = "budget: {per_run: {credits: 100}, when_exceeded: deliver-what-fits}"
    with pytest.raises(BudgetExceededError, match="per_run is 100 credits"):
        refuse_over_budget(make(with_block(rules)).start("2026-12-14", clock).prepared.plan)


# --- takes that are too old ---


def test_old_takes_are_made_anew_once(make: Any, clock: Clock) -> None:
    weekly = make(with_block("refresh: {retire_after: 3}"))
    clock.set(2026, 11, 23, 6, 0)
    weekly.film_of(weekly.begin("2026-12-07", clock))
    clock.set(2026, 12, 14, 5, 31)  # three weeks later
    start = weekly.start("2026-12-14", clock)
    assert [a.id for a in start.prepared.plan.purchases if a.key] == [
        "pour@green/take-3", "pour@green/take-4", "pour@blue/take-3", "pour@blue/take-4",
    ]  # fmt: skip
    assert "pour@green: take 1 is 3 weeks old: another is made (retire_after)" in start.notices
    store_inputs(start.prepared)
    again = weekly.start("2026-12-14", clock)
    assert again.prepared.plan.purchases == start.prepared.plan.purchases
    assert not again.prepared.marks.selections


def test_takes_that_are_not_old_stay(make: Any, clock: Clock) -> None:
    weekly = make(with_block("refresh: {retire_after: 4}"))
    clock.set(2026, 11, 23, 6, 0)
    weekly.film_of(weekly.begin("2026-12-07", clock))
    clock.set(2026, 12, 14, 5, 31)
    assert weekly.start("2026-12-14", clock).prepared.plan.purchases == ()


def test_a_choice_that_came_between_stops_the_marks(make: Any, clock: Clock) -> None:
    weekly = make(with_block("refresh: {retire_after: 3}"))
    clock.set(2026, 11, 23, 6, 0)
    weekly.film_of(weekly.begin("2026-12-07", clock))
    clock.set(2026, 12, 14, 5, 31)
    start = weekly.start("2026-12-14", clock)
    from flows.words import keep, say_one

    keep(say_one(str(weekly.file), "pour@green", "2", "approve", by="art"), yes=True, json=True, name="circle")
    with pytest.raises(StalePlanError, match="somebody has chosen for pour@green"):
        store_inputs(start.prepared)


# --- deadlines ---

ASK = "approvals: {takes: {by: [art], deadline: Tue 12:00, on_deadline: %s%s}}"
NOBODY = (
    "override:\n",
    "override:\n  compliance: {markets: [GB], people: none, realism: photoreal, "
    "flight: {start: '2026-12-01', end: '2026-12-31'}}\n",
)


def asked(make: Any, clock: Clock, policy: str, more: str = "", *changes: tuple[str, str]) -> Weekly:
    """Filmed on Monday (on paper: 23 November), and nobody has said a word."""
    weekly: Weekly = make(
        ("override:\n", (ASK % (policy, more)) + "\noverride:\n"), *changes, ('"30 5 * * 1"', '"30 5 * * 1"'),
    )  # fmt: skip
    weekly.edit("data/offers.csv", "2026-12-07", "2026-11-07")
    clock.set(2026, 11, 23, 5, 30)
    weekly.film_of(weekly.begin("2026-11-23", clock))
    return weekly


def test_before_the_deadline_people_are_waited_for(make: Any, clock: Clock) -> None:
    weekly = asked(make, clock, "best-score", "", NOBODY)
    clock.set(2026, 11, 24, 11, 59)
    start = weekly.start("2026-11-23", clock)
    assert set(start.prepared.planner.waiting) == {"pour@green/take", "pour@blue/take"}
    assert start.prepared.marks.selections == {}


def test_after_it_the_score_chooses_where_the_schedule_says_so(make: Any, clock: Clock) -> None:
    weekly = asked(make, clock, "best-score", "", NOBODY)
    clock.set(2026, 11, 24, 12, 0)
    start = weekly.start("2026-11-23", clock)
    assert start.prepared.planner.circled["pour@green/take"] == 1
    assert start.notices[0] == ("pour@green: take 1 circled by best-score: deadline passed on 2026-11-24 12:00 UTC")
    store_inputs(start.prepared)
    [said] = read_decisions(start.prepared.store, "paper")
    assert (said.by, said.person, said.silence, len(said.words)) == ("schedule", "weekly", True, 2)
    again = weekly.start("2026-11-23", clock)
    assert not again.prepared.marks.selections
    assert again.prepared.planner.circled["pour@green/take"] == 1


def test_people_are_waited_for_whatever_the_schedule_says(make: Any, clock: Clock) -> None:
    weekly = asked(make, clock, "best-score")
    clock.set(2026, 11, 30)
    start = weekly.start("2026-11-23", clock)
    assert start.prepared.marks.selections == {}
    assert start.notices[0] == (
        "pour@green still waits for art: people may be seen, so a person decides (compliance.people is not none)"
    )


@pytest.mark.parametrize(("policy", "more", "why"), [
    ("hold", "", "on_deadline: hold"),
    ("reuse-last", "", "no take of it was shown before (reuse-last)"),
    ("best-score", ", only_if: {score_at_least: 0.9}", "its score is 0.80, and only_if asks for 0.9"),
])  # fmt: skip
def test_what_keeps_waiting_says_why(make: Any, clock: Clock, policy: str, more: str, why: str) -> None:
    weekly = asked(make, clock, policy, more, NOBODY)
    clock.set(2026, 11, 30)
    start = weekly.start("2026-11-23", clock)
    assert start.notices[0] == f"pour@green still waits for art: {why}"
    assert start.prepared.marks.selections == {}


def test_takes_that_came_after_the_deadline_were_shown_to_nobody_in_time(make: Any, clock: Clock) -> None:
    weekly: Weekly = make(with_block(ASK % ("best-score", "")), NOBODY)
    weekly.edit("data/offers.csv", "2026-12-07", "2026-11-07")
    clock.set(2026, 11, 16, 5, 30)
    weekly.film_of(weekly.begin("2026-11-16", clock))  # on paper they are collected on the 23rd
    clock.set(2026, 11, 30)
    start = weekly.start("2026-11-16", clock)
    assert start.notices[0].endswith("it came after the deadline, so nobody was asked in time")


def test_a_word_in_time_beats_the_score(make: Any, clock: Clock) -> None:
    from flows.words import keep, say_one

    weekly = asked(make, clock, "best-score", "", NOBODY)
    keep(say_one(str(weekly.file), "pour@green", "2", "approve", by="art"), yes=True, json=True, name="circle")
    clock.set(2026, 11, 30)
    start = weekly.start("2026-11-23", clock)
    assert start.prepared.planner.circled["pour@green/take"] == 2
    assert [note.partition(":")[0] for note in start.notices] == ["pour@blue"]


def test_nobody_can_speak_for_the_schedule(make: Any, clock: Clock) -> None:
    """`--by schedule` is a name like any other: only a passed deadline passes the gate."""
    from flows.words import keep, say_one

    weekly = asked(make, clock, "hold", "", NOBODY)
    keep(say_one(str(weekly.file), "pour@green", "2", "approve", by="schedule"), yes=True, json=True, name="circle")
    start = weekly.start("2026-11-23", clock)
    assert "pour@green/take" in start.prepared.planner.waiting


def test_what_was_shown_before_is_shown_again(make: Any, clock: Clock) -> None:
    weekly = asked(make, clock, "reuse-last", "", NOBODY, with_block("refresh: {retire_after: 3}"))
    from flows.words import keep, say_one

    for cup in ("green", "blue"):
        keep(say_one(str(weekly.file), f"pour@{cup}", "2", "approve", by="art"), yes=True, json=True, name="circle")
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,")
    clock.set(2026, 12, 14, 5, 31)
    begun = weekly.begin("2026-12-14", clock)
    weekly.film_of(begun, at=dt.datetime(2026, 12, 14, 8, tzinfo=dt.UTC))
    clock.set(2026, 12, 16)
    start = weekly.start("2026-12-14", clock)
    assert start.prepared.planner.circled["pour@green/take"] == 2
    assert "pour@green: take 2 circled by reuse-last: deadline passed on 2026-12-15 12:00 UTC" in start.notices


def test_silence_never_passes_a_film(make: Any, clock: Clock) -> None:
    from manifests.approvals import Decisions, ReviewGates, Word
    from manifests.schema import Review

    review = Review.model_validate({"cut": {"by": ["legal"], "needed": 1}, "takes": {"by": ["art"], "needed": 1}})
    word = Word(address="a", what="film", target="16x9", sha256="5a", decision="approve")
    said = Decisions(campaign="paper", by="legal", person="legal", at=clock.now(), words=(word,), silence=True)
    assert ReviewGates(review, said=(said,)).waiting("film", "16x9", "5a") is not None
    spoken = said.model_copy(update={"silence": False})
    assert ReviewGates(review, said=(spoken,)).waiting("film", "16x9", "5a") is None


def test_gates_come_after_the_start_in_its_zone() -> None:
    from manifests.deadlines import gate_deadlines
    from manifests.occurrences import occurrence_on
    from manifests.schedule import Schedule

    rules = Schedule.model_validate({
        "manifest": 1, "kind": "schedule", "name": "weekly", "run": "film.yaml",
        "when": {"cron": "30 5 * * *", "timezone": "America/New_York"},
        "approvals": {
            "takes": {"by": ["art"], "deadline": "Sun 12:00", "reminders": ["Sat 20:00", "Sat 04:00"],
                      "on_deadline": "best-score"},
            "cut": {"by": ["legal"], "deadline": "Sat 05:30"},
        },
    })  # fmt: skip
    takes, cut = gate_deadlines(rules, occurrence_on(rules, dt.date(2026, 10, 31)))  # the clocks change on the 1st
    assert takes.at == dt.datetime(2026, 11, 1, 17, tzinfo=dt.UTC)  # 12:00 EST
    assert takes.reminders == (
        dt.datetime(2026, 11, 1, 0, tzinfo=dt.UTC), dt.datetime(2026, 11, 7, 9, tzinfo=dt.UTC),
    )  # fmt: skip
    assert cut.at == dt.datetime(2026, 11, 7, 10, 30, tzinfo=dt.UTC)  # not the start itself
    assert cut.on_deadline == "hold"


def test_overrides_are_of_the_schedule(make: Any, clock: Clock) -> None:
    weekly = make()
    occurrence = find_occurrence(read_schedule(weekly.file).schedule, "2026-12-14")
    planned = prepare_scheduled(weekly.file, occurrence, overrides=["override.generate.takes=1"], clock=clock)
    assert len([a for a in planned.prepared.plan.purchases if a.key]) == 2
