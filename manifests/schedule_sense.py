"""What each key of a schedule allows and all of them together do not: limits, and the order of deadlines."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator

from manifests.diagnostics import Diagnostic
from manifests.nodes import Map, place_of
from manifests.occurrences import occurrences
from manifests.schedule import Schedule, next_week_time

_SINCE = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)  # any day: starts come round
_STARTS = 14
_GATES = ("keyframes", "takes", "cut")  # in the order in which a run comes to them


def sense_problems(schedule: Schedule, tree: Map) -> list[Diagnostic]:
    """For a schedule whose cron and zone are good."""
    walls = [o.local.replace(tzinfo=None) for o in itertools.islice(occurrences(schedule, _SINCE), _STARTS)]
    return [*_budget_problems(schedule, tree), *_deadline_problems(schedule, tree, walls)]


def _budget_problems(schedule: Schedule, tree: Map) -> Iterator[Diagnostic]:
    run, month = schedule.budget.per_run, schedule.budget.per_month
    if run is not None and month is not None and run.credits > month.credits:
        yield Diagnostic(
            "budget", f"{run.credits:,} for one start is more than the {month.credits:,} of the whole month",
            "budget.per_run.credits", place_of(tree, "budget", "per_run", "credits"),
            "lower it, or raise per_month",
        )  # fmt: skip


def _deadline_problems(schedule: Schedule, tree: Map, walls: list[dt.datetime]) -> Iterator[Diagnostic]:
    """Only what is wrong at every start: after one on another day the same two times may be in order."""
    before: tuple[str, str] | None = None
    for name in _GATES:
        gate = getattr(schedule.approvals, name)
        if gate is None or gate.deadline is None:
            continue
        if before is not None and all(next_week_time(w, gate.deadline) < next_week_time(w, before[1]) for w in walls):
            yield Diagnostic(
                "deadline", f"`{gate.deadline}` comes before the deadline of {before[0]}, `{before[1]}`",
                f"approvals.{name}.deadline", place_of(tree, "approvals", name, "deadline"),
                f"a run comes to it after {before[0]}: name a later time",
            )  # fmt: skip
        before = (name, gate.deadline)
        for number, text in enumerate(gate.reminders):
            if all(next_week_time(w, text) >= next_week_time(w, gate.deadline) for w in walls):
                yield Diagnostic(
                    "reminder", f"`{text}` is not before the deadline `{gate.deadline}`",
                    f"approvals.{name}.reminders[{number}]",
                    place_of(tree, "approvals", name, "reminders", number),
                    "both are the first such time after the start: name one between the two",
                )  # fmt: skip
