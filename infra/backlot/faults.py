"""Faults on demand: which call or task misbehaves, and how.

Faults of an answer (any call; without `endpoint` only creates):
    lose-answer               carried out (and charged), then the connection drops without a byte
    slow:SECONDS              answered that much later
    status:NNN[-html|-busy|-quota]   4xx: refused, nothing carried out. 5xx: carried out first, then answered so
    status-before-charge:NNN[-html]  answered so, nothing carried out
Faults of a task or of what it makes (matched on its create):
    fail:CODE, fail:null      FAILED with that code, or with none
    stuck                     RUNNING for ever
    unknown-status[:N]        N looks (2) show a status that no client knows
    missing-cost              terminal without `cost`
    expired-link[:N]          the first N link sets (1) have already expired
    truncated-download[:N]    the first N downloads (1) break off half-way
    wrong-size  black  frozen the film is made so

`nth` counts matching calls from 1: the rule starts there. `times` is how often it then works (once with `nth`, for ever
without). Counts start again with the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from manifests.diagnostics import Diagnostic, ManifestError, Where
from manifests.load import load_data

_ANSWER = re.compile(
    r"lose-answer\Z|slow:\d+(\.\d+)?\Z|status:[45]\d\d(-html|-busy|-quota)?\Z|status-before-charge:[45]\d\d(-html)?\Z"
)
_TASK = re.compile(
    r"fail:\S+\Z|stuck\Z|missing-cost\Z|wrong-size\Z|black\Z|frozen\Z"
    r"|(unknown-status|expired-link|truncated-download)(:\d+)?\Z"
)
_DEFAULT_COUNTS = {"unknown-status": 2, "expired-link": 1, "truncated-download": 1}


class FaultMatch(BaseModel):
    """Which calls. `endpoint` is a path or the start of one: `/v1/tasks` is every look at a task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = None
    method: str | None = None
    model: str | None = None
    nth: int | None = None


class FaultRule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    match: FaultMatch = FaultMatch()
    fault: str
    times: int | None = None

    @field_validator("fault")
    @classmethod
    def _check_fault(cls, fault: str) -> str:
        if not _ANSWER.match(fault) and not _TASK.match(fault):
            raise ValueError(f"{fault!r} is not a fault; see `shotrunner backlot --help`")
        status = re.search(r":(\d{3})", fault) if fault.startswith("status") else None
        if status and int(status[1]) not in set(HTTPStatus):
            raise ValueError(f"{status[1]} is not an HTTP status")
        return fault

    @property
    def of_task(self) -> bool:
        return _TASK.match(self.fault) is not None


@dataclass
class _Use:
    rule: FaultRule
    seen: int = 0
    used: int = 0


@dataclass
class FaultDesk:
    """Hands out the faults of a call, counting."""

    uses: list[_Use] = field(default_factory=list)

    @classmethod
    def of(cls, rules: Iterable[FaultRule]) -> FaultDesk:
        return cls([_Use(rule) for rule in rules])

    @property
    def rules(self) -> list[FaultRule]:
        return [use.rule for use in self.uses]

    def take(self, *, method: str, path: str, model: str | None, create: bool) -> list[str]:
        """The faults that this call gets: those of its answer, and those of the task it makes."""
        return [use.rule.fault for use in self.uses if _matches(use.rule, method, path, model, create) and _due(use)]


def _matches(rule: FaultRule, method: str, path: str, model: str | None, create: bool) -> bool:
    match = rule.match
    if (rule.of_task or match.endpoint is None) and not create:
        return False
    if match.endpoint is not None and path != match.endpoint and not path.startswith(match.endpoint.rstrip("/") + "/"):
        return False
    if match.method is not None and match.method.upper() != method:
        return False
    return match.model is None or match.model == model


def _due(use: _Use) -> bool:
    use.seen += 1
    nth = use.rule.match.nth
    times = use.rule.times if use.rule.times is not None else (1 if nth is not None else None)
    if use.seen < (nth or 1) or (times is not None and use.used >= times):
        return False
    use.used += 1
    return True


def split_faults(faults: Iterable[str]) -> tuple[list[str], list[str]]:
    """Into those of the answer and those of the task."""
    answer: list[str] = []
    task: list[str] = []
    for fault in faults:
        (answer if _ANSWER.match(fault) else task).append(fault)
    return answer, task


def fault_count(faults: Sequence[str], name: str) -> int:
    """How often the counted fault `name` shows on this task; 0 when it has none."""
    for fault in faults:
        kind, _, number = fault.partition(":")
        if kind == name:
            return int(number) if number else _DEFAULT_COUNTS[name]
    return 0


def parse_faults(data: object) -> list[FaultRule]:
    """Rules from plain data: a list, or a mapping with the list under `faults`. Raises ValueError with all problems."""
    rules = data.get("faults") if isinstance(data, Mapping) else data
    if not isinstance(rules, list):
        raise ValueError("expected a list of rules, or a mapping with the list under `faults`")
    parsed, problems = [], []
    for number, rule in enumerate(rules, 1):
        try:
            parsed.append(FaultRule.model_validate(rule))
        except ValidationError as error:
            problems += [f"rule {number}: {_tell(told)}" for told in error.errors()]
    if problems:
        raise ValueError("; ".join(problems))
    return parsed


def load_faults(path: Path) -> list[FaultRule]:
    """A faults file (YAML or JSON). Raises ManifestError."""
    data = load_data(path)
    try:
        return parse_faults(data)
    except ValueError as error:
        raise ManifestError(
            [Diagnostic("the faults file is not right", str(error), "faults", Where(str(path)))]
        ) from error


def _tell(told: Mapping[str, Any]) -> str:
    return f"{'.'.join(str(step) for step in told['loc'])}: {told['msg']}"
