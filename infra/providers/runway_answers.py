"""Reading what Runway's API answers: accepted creates, tasks, limits, errors in words. Sends nothing.

The vendor adds fields and leaves some out without notice: unknown ones are ignored, a missing price is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from infra.errors import UnknownOutcomeError
from infra.providers.base import Accepted, AccountLimits, ModelLimits, TaskReport, TaskState
from infra.providers.wire import request_id
from manifests.reconcile import DayUsage

_STATES = {
    "PENDING": TaskState.WAITING,
    "THROTTLED": TaskState.WAITING,
    "RUNNING": TaskState.RUNNING,
    "SUCCEEDED": TaskState.SUCCEEDED,
    "FAILED": TaskState.FAILED,
    "CANCELLED": TaskState.CANCELLED,
    "CANCELED": TaskState.CANCELLED,
}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Task(_Answer):
    id: str
    status: str
    progress: float | None = None
    output: list[str] | None = None
    failure: str | None = None
    failureCode: str | None = None
    cost: Any = None


class _ModelTier(_Answer):
    maxConcurrentGenerations: int | None = None
    maxDailyGenerations: int | None = None


class _Tier(_Answer):
    models: dict[str, _ModelTier] = {}


class _ModelUsage(_Answer):
    dailyGenerations: int = 0


class _Usage(_Answer):
    models: dict[str, _ModelUsage] = {}


class _Organization(_Answer):
    creditBalance: int
    tier: _Tier = _Tier()
    usage: _Usage = _Usage()


class _ModelAmount(_Answer):
    model: str
    amount: float


class _UsageDay(_Answer):
    date: str
    usedCredits: list[_ModelAmount] = []


class _UsageDays(_Answer):
    results: list[_UsageDay]


def read_accepted(response: httpx.Response, service: str) -> Accepted:
    """Raises UnknownOutcomeError for an answer without a task id: something may have been bought."""
    answer = read_json(response)
    task_id = answer.get("id") if isinstance(answer, dict) else None
    if not isinstance(task_id, str) or not task_id:
        raise UnknownOutcomeError(
            f"{service} answered HTTP {response.status_code} to a create, without a task id",
            request_id=request_id(response),
        )
    return Accepted(task_id, _credits(answer.get("estimatedCost")), request_id(response))


def read_json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _credits(cost: object) -> int | None:
    """Of `{"credits": n}`, rounded up; None when the vendor left it out or wrote something else."""
    value = cost.get("credits") if isinstance(cost, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return math.ceil(value)


def error_words(response: httpx.Response) -> str:
    """The vendor's error with its issues in words; a gateway's HTML page becomes its status line."""
    answer = read_json(response)
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), str):
        return response.reason_phrase or "no explanation"
    issues = answer.get("issues")
    words = [_issue_words(i) for i in issues if isinstance(i, dict)] if isinstance(issues, list) else []
    return f"{answer['error']}: {'; '.join(words)}" if words else str(answer["error"])


def _issue_words(issue: Mapping[str, Any]) -> str:
    path = issue.get("path")
    where = ".".join(str(p) for p in path) if isinstance(path, list) else ""
    return f"{where}: {issue.get('message', issue.get('code', '?'))}" if where else str(issue.get("message", "?"))


def read_task(response: httpx.Response) -> TaskReport:
    """Raises pydantic's ValidationError. A status that we do not know is UNRECOGNISED, never success."""
    task = _Task.model_validate_json(response.content)
    return TaskReport(
        task_id=task.id,
        state=_STATES.get(task.status, TaskState.UNRECOGNISED),
        vendor_status=task.status,
        progress=task.progress,
        outputs=tuple(task.output or ()),
        failure=task.failure,
        failure_code=task.failureCode,
        cost_credits=_credits(task.cost),
    )


def read_limits(response: httpx.Response) -> AccountLimits:
    """Raises pydantic's ValidationError."""
    account = _Organization.model_validate_json(response.content)
    used = account.usage.models
    models = {
        name: ModelLimits(
            concurrent=tier.maxConcurrentGenerations,
            daily=tier.maxDailyGenerations,
            used_today=used[name].dailyGenerations if name in used else 0,
        )
        for name, tier in account.tier.models.items()
    }
    return AccountLimits(balance_credits=account.creditBalance, models=models)


def read_usage(response: httpx.Response) -> tuple[DayUsage, ...]:
    """Raises pydantic's ValidationError. Amounts are net of refunds; parts of a credit are rounded away from zero."""
    days = _UsageDays.model_validate_json(response.content).results
    return tuple(
        DayUsage(date=day.date[:10], model=used.model, credits=_whole(used.amount))
        for day in days
        for used in day.usedCredits
    )


def _whole(amount: float) -> int:
    return math.ceil(amount) if amount > 0 else math.floor(amount)
