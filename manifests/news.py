"""What people asked to hear of: a run that waits for them, failed, comes near its budget, or delivered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from manifests.journal import Problem, RunRecord

Happening = Literal["needs-approval", "failed", "budget-warning", "delivered"]
APPROVAL = 4  # exit code
MOST = 5  # problems in one message: the dailies page has all


@dataclass(frozen=True)
class News:
    """`text` is for people; `facts` for programs, without prompt, link or key."""

    event: Happening
    campaign: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def news_of(record: RunRecord) -> Iterator[News]:
    """Of a run that has ended, the most urgent first. Nothing for one that a person interrupted with nothing made."""
    waiting = [p for p in record.problems if p.exit_code == APPROVAL]
    failed = [p for p in record.problems if p.exit_code != APPROVAL]
    base = {"run_id": record.run_id, "exit_code": record.exit_code, "spent_credits": record.spent_credits}
    if waiting:
        yield _told("needs-approval", record, waiting, f"{_things(len(waiting))} wait for a person", base)
    if failed:
        yield _told("failed", record, failed, f"{_things(len(failed))} went wrong", base)
    if record.deliverables:
        count = len(record.deliverables)
        text = f"{record.campaign}: {count} {'film' if count == 1 else 'films'} delivered (run {record.run_id})"
        yield News("delivered", record.campaign, text, base | {"films": count})


def _things(count: int) -> str:
    return "1 thing" if count == 1 else f"{count} things"


def _told(event: Happening, record: RunRecord, problems: list[Problem], head: str, base: Mapping[str, Any]) -> News:
    lines = [f"{record.campaign}: {head.replace('1 thing wait ', '1 thing waits ')} (run {record.run_id})"]
    lines += [f"  {_line(problem)}" for problem in problems[:MOST]]
    if len(problems) > MOST:
        lines.append(f"  and {len(problems) - MOST} more")
    said = [{"address": p.address, "summary": p.summary, "detail": p.detail} for p in problems]
    return News(event, record.campaign, "\n".join(lines), {**base, "problems": said})


def _line(problem: Problem) -> str:
    words = ": ".join(part for part in (problem.address, problem.summary, problem.detail) if part)
    return f"{words}. {problem.remedy}" if problem.remedy else words


def budget_news(campaign: str, used: int, limit: int, share: Decimal) -> News:
    """When reserved and spent credits pass `share` of `limit`."""
    text = f"{campaign}: {used:,} of {limit:,} credits are used, more than {share:.0%}"
    return News("budget-warning", campaign, text, {"used_credits": used, "limit_credits": limit})
