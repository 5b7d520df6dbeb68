"""The next starts of a schedule as people read them, each with what its plan would buy by the store as it is."""

from __future__ import annotations

import itertools
import zoneinfo
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.refusals import refuse_over_budget
from flows.scheduling import Planned, prepare_scheduled
from flows.views import counted
from infra.clock import Clock
from infra.errors import BudgetExceededError
from manifests.deadlines import GateDeadline, gate_deadlines
from manifests.diagnostics import ManifestError
from manifests.occurrences import Occurrence, occurrences
from manifests.scheduled import LoadedSchedule
from manifests.sharing import count_variants


def preview(
    path: Path,
    loaded: LoadedSchedule,
    since: Any,
    number: int,
    overrides: Sequence[str] = (),
    clock: Clock | None = None,
) -> Iterator[dict[str, Any]]:
    """One row after the other. Skipped days are among them and do not count."""
    left = number
    for occurrence in occurrences(loaded.schedule, since):
        if not left:
            return
        left -= occurrence.skipped is None
        yield _row(path, loaded, occurrence, overrides, clock)


def _row(
    path: Path, loaded: LoadedSchedule, occurrence: Occurrence, overrides: Sequence[str], clock: Clock | None
) -> dict[str, Any]:
    zone = loaded.schedule.when.timezone
    row: dict[str, Any] = {
        "date": str(occurrence.date), "time": f"{occurrence.local:%H:%M}", "timezone": zone,
        "instant": occurrence.instant.isoformat(), "week": occurrence.week, "skipped": occurrence.skipped,
        "clock": occurrence.clock, "problems": [],
    }  # fmt: skip
    if occurrence.skipped is not None:
        return row
    try:
        planned = prepare_scheduled(path, occurrence, overrides=overrides, clock=clock, stage="all")
    except ManifestError as error:
        return row | {"problems": [asdict(d) | asdict(d.where) for d in error.diagnostics], "errors": error.diagnostics}
    return row | _planned_facts(planned)


def _planned_facts(planned: Planned) -> dict[str, Any]:
    plan, resolved = planned.prepared.plan, planned.resolved
    problem = ""
    try:
        refuse_over_budget(plan)
    except BudgetExceededError as error:
        problem = error.detail
    return {
        "params": dict(resolved.params),
        "axes": {name: list(ids) for name, ids in resolved.axes.items()},
        "variants": count_variants(plan.sources),
        "credits": plan.totals.credits,
        "up_to": plan.totals.up_to,
        "paid": plan.paid,
        "over_budget": problem,
        "begun": planned.begun.at.isoformat() if planned.begun else None,
        "notices": list(planned.notices),
    }


def start_facts(planned: Planned) -> dict[str, Any]:
    """Which start it is, for `run --schedule`."""
    resolved = planned.resolved
    return {
        "message_type": "start",
        "schedule": resolved.name,
        "instant": resolved.instant.isoformat(),
        "date": resolved.date,
        "week": resolved.week,
        "params": dict(resolved.params),
        "skipped": planned.occurrence.skipped,
        "begun": planned.begun.at.isoformat() if planned.begun else None,
        "start_notices": list(planned.notices),
        "anew": None if planned.changes is None else list(planned.changes),
        "gates": [
            {
                "gate": gate.gate, "by": list(gate.by), "needed": gate.needed, "on_deadline": gate.on_deadline,
                "deadline": gate.at.isoformat() if gate.at else None,
            }
            for gate in _gates(planned)
        ],
    }  # fmt: skip


def start_lines(planned: Planned) -> list[str]:
    resolved, occurrence = planned.resolved, planned.occurrence
    head = f"{resolved.name}: {occurrence.date} {occurrence.local:%H:%M} {resolved.zone}"
    if occurrence.skipped:
        return [f"{head}: skipped ({occurrence.skipped}); nothing is done"]
    params = ", ".join(f"{name} {_line(text)}" for name, text in resolved.params.items())
    lines = [head + (f"  {params}" if params else f"  week {resolved.week}")]
    lines += [f"  {occurrence.clock}"] if occurrence.clock else []
    lines += _anew_lines(planned)
    return lines + [_gate_line(gate, zoneinfo.ZoneInfo(resolved.zone)) for gate in _gates(planned)]


def _anew_lines(planned: Planned) -> list[str]:
    """What is settled anew; that it is nothing, where somebody asked."""
    if planned.changes is None:
        return []
    if planned.begun is None:
        return ["  settled anew: it has not begun yet, so nothing was settled before"]
    return [f"  settled anew: {change}" for change in planned.changes] or ["  settled anew: nothing has changed"]


def _gates(planned: Planned) -> tuple[GateDeadline, ...]:
    return gate_deadlines(planned.resolved.rules, planned.occurrence)


def _gate_line(gate: GateDeadline, zone: zoneinfo.ZoneInfo) -> str:
    who = f"{gate.needed} of {', '.join(gate.by)}" if gate.needed > 1 else " or ".join(gate.by)
    until = f" until {gate.at.astimezone(zone):%a %Y-%m-%d %H:%M}, then {gate.on_deadline}" if gate.at else ""
    return f"  gate {gate.gate}: {who}{until}"


def row_lines(row: Mapping[str, Any]) -> list[str]:
    if row["skipped"]:
        when = f"{row['date']} {row['time']} {row['timezone']}"
        return [f"{row['date']:{len(when)}}  skipped ({row['skipped']})"]
    parts = [f"{row['date']} {row['time']} {row['timezone']}", f"week {row['week']}"]
    if row["problems"]:
        return ["  ".join([*parts, counted(len(row["problems"]), "problem")]), *_notes(row)]
    shown = {name: text for name, text in row["params"].items() if text not in (row["week"], row["date"])}
    parts += [f"{name} {_line(text)}" for name, text in shown.items()]
    parts += [f"{name} {_few(ids)}" for name, ids in row["axes"].items()]
    parts += [counted(row["variants"], "variant"), _cost(row)]
    return ["  ".join(parts), *_notes(row)]


def _cost(row: Mapping[str, Any]) -> str:
    purse = "credits" if row["paid"] else "play credits"
    return f"{row['credits']:,} {purse}"


def _line(text: str) -> str:
    """A quoted cell may hold several lines."""
    return " / ".join(text.splitlines())


def _few(ids: Sequence[str]) -> str:
    return ", ".join(itertools.islice(ids, 4)) + (f" and {len(ids) - 4} more" if len(ids) > 4 else "")


def _notes(row: Mapping[str, Any]) -> list[str]:
    notes = [f"    {row['clock']}"] if row["clock"] else []
    if row.get("begun"):
        notes.append(f"    begun on {row['begun'][:16].replace('T', ' ')} UTC: what was settled then stands")
    notes += [f"    over budget: {row['over_budget']}"] if row.get("over_budget") else []
    return notes + [f"    {notice}" for notice in row.get("notices", ())]
