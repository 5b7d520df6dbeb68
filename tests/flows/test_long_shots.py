"""A shot longer than its model films at once: segments that wait for one another, and are paid for as one shot."""

from __future__ import annotations

import datetime as dt

import pytest
from paper import AT, Paper

from flows.call_sheet import call_sheet
from flows.refusals import refuse_over_budget
from infra.errors import BudgetExceededError
from infra.ledger import spent_and_reserved
from infra.selections import circle_take
from manifests.journal import Choice
from manifests.plan import Verb
from manifests.ratecard import load_models
from manifests.timing import cut_of

LONG = ("  - id: pour\n    duration: 2\n", "  - id: pour\n    duration: 12\n")


@pytest.fixture
def long(paper: Paper) -> Paper:
    paper.change(*LONG)
    return paper


def test_each_segment_waits_for_the_one_before_it(long: Paper) -> None:
    prepared = long.prepared()
    takes = {w.id: w for w in prepared.plan.wants}
    assert list(takes) == ["pour.1/take", "pour.2/take", "sip/take"]
    one, two, sip = takes.values()
    assert (one.seconds, two.seconds, one.frames, two.frames) == (7, 6, 156, 133)
    assert two.body["promptImage"] == {"from": "pour.1/take", "what": "out-frame", "frame": 155}
    assert sip.body["promptImage"] == {"from": "pour.2/take", "what": "out-frame", "frame": 132}
    assert {a.want for a in prepared.plan.actions if a.key is None} == {"pour.2/take", "sip/take"}
    sheet = "\n".join(call_sheet(prepared.plan, prepared.checked, 3, assumed=False))
    assert "new; starts on the take circled of pour.1" in sheet
    assert "note:  pour: longer than gen4.5 films at once: 2 segments of 7 + 6 s, one after the other" in sheet
    assert "3 min to 6 min" in sheet  # three of them, one behind the other, on three slots


def test_a_shot_is_one_account_whatever_it_is_filmed_in(long: Paper) -> None:
    plan = long.prepared().plan
    assert plan.per_shot == {"pour": 2 * (84 + 72), "sip": 2 * 36}
    long.change("budget: {credits: 2000}", "budget: {credits: 2000, per_shot: 200}")
    with pytest.raises(BudgetExceededError, match="per_shot is 200 credits; pour 312"):
        refuse_over_budget(long.prepared().plan)
    long.film()
    prepared = long.prepared()
    assert prepared.plan.per_shot_spent == {"pour": 312, "sip": 72}
    assert spent_and_reserved(prepared.store, "paper", paid=False).total_of(shot="pour") == 312


def test_a_segment_is_bought_when_its_first_frame_is_known(long: Paper) -> None:
    long.film()
    prepared = long.prepared()
    assert {a.verb for a in prepared.plan.actions} == {Verb.KEEP}
    walks = prepared.planner.walks
    start = walks["pour.2/take"].wanted[0].request["body"]["promptImage"]
    assert (start["source"], start["frame"]) == (prepared.planner.pictures["pour.1/take"], 155)


def circle_by_hand(film: Paper, want: str, trim: int) -> None:
    choice = Choice(take=1, sha256=film.sha(want, 1), by="art", trim=trim, at=AT + dt.timedelta(minutes=1))
    prepared = film.prepared()
    circle_take(prepared.store, prepared.planner.walks[want].segment, want.partition("/")[0], choice)


def test_a_later_in_point_moves_the_out_frame_of_the_first_segment_and_no_other(long: Paper) -> None:
    long.film()
    circle_by_hand(long, "pour.1/take", trim=4)
    moved = long.prepared().planner
    assert moved.trims["pour.1/take"] == 4
    assert moved.walks["pour.2/take"].wanted[0].request["body"]["promptImage"]["frame"] == 155 + 4
    long.film()
    circle_by_hand(long, "pour.2/take", trim=4)
    after = long.prepared().planner
    assert after.trims["pour.2/take"] == 0  # it takes over where the first one ends
    assert after.walks["sip/take"].wanted[0].request["body"]["promptImage"]["frame"] == 132


def test_what_a_film_shows_comes_from_the_takes_that_all_films_share(long: Paper) -> None:
    plan = long.prepared().plan
    (film,) = plan.variants
    cut = plan.cut(film, load_models())
    assert [(c.id, c.start, c.shown, c.in_frame) for c in cut.shots] == [
        ("pour.1", 0, 156, 0), ("pour.2", 156, 132, 1), ("sip", 288, 48, 1),
    ]  # fmt: skip
    assert cut == cut_of(film.spot, load_models(), plan.picture_frames)


def test_a_long_chain_may_be_said_to_be_meant(long: Paper) -> None:
    long.change("    duration: 12\n", "    duration: 30\n")
    told = [w for w in long.prepared().checked.warnings if w.summary == "long chain"]
    assert [w.where.line for w in told] == [8]
    long.change("    duration: 30\n", "    duration: 30\n    allow_long_chain: true\n")
    assert not [w for w in long.prepared().checked.warnings if w.summary == "long chain"]
