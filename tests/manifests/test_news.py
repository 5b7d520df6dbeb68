"""What a run that ended tells whom."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from manifests.journal import Problem, RunRecord
from manifests.news import budget_news, news_of

AT = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)


def problem(exit_code: int, address: str | None = "pour") -> Problem:
    return Problem(
        summary="no usable take", detail="all black", address=address, remedy="run again", exit_code=exit_code
    )


def record(**changes: Any) -> RunRecord:
    facts: dict[str, Any] = {
        "run_id": "r", "campaign": "winter", "plan": "p", "flow_runs": (), "started": AT, "ended": AT, "exit_code": 0,
        "problems": (), "calls": 1, "steps_made": {}, "steps_kept": {}, "cpu_seconds": 0.0, "spent_credits": 60,
        "paid": True, "deliverables": (), "dailies": None,
    }  # fmt: skip
    return RunRecord(**facts | changes)


def test_a_run_that_delivered_says_how_much() -> None:
    (news,) = news_of(record(deliverables=("a", "b")))
    assert (news.event, news.text) == ("delivered", "winter: 2 films delivered (run r)")
    assert news.facts == {"run_id": "r", "exit_code": 0, "spent_credits": 60, "films": 2}


def test_gates_failures_and_films_are_three_messages() -> None:
    told = list(news_of(record(problems=(problem(4), problem(3)), deliverables=("a",), exit_code=3)))
    assert [news.event for news in told] == ["needs-approval", "failed", "delivered"]
    assert told[0].text.startswith("winter: 1 thing waits for a person (run r)\n  pour: ")
    assert told[1].facts["problems"] == [{"address": "pour", "summary": "no usable take", "detail": "all black"}]


def test_a_long_list_is_cut_short_for_people_only() -> None:
    (news,) = news_of(record(problems=tuple(problem(3, f"shot-{n}") for n in range(9)), exit_code=3))
    assert news.text.endswith("and 4 more")
    assert len(news.facts["problems"]) == 9


def test_nothing_happened_nothing_is_told() -> None:
    assert list(news_of(record())) == []


def test_the_budget_is_told_in_credits() -> None:
    assert (
        budget_news("winter", 830, 1000, Decimal("0.8")).text == "winter: 830 of 1,000 credits are used, more than 80%"
    )
