"""Two questions about bills: what each of several values would cost (`plan --compare`), and what of an earlier run
would be paid for again (`plan --diff`). Reads the store, buys nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.call_sheet import in_columns, rows_of, times_of
from flows.cli_words import UsageError
from flows.matrix_sheet import group_rows, rows
from flows.prepare import Prepared, make_plan
from flows.refusals import refuse_over_budget
from flows.targets import UnknownNameError
from flows.views import counted, duration_words
from infra.clock import SystemClock
from infra.errors import BudgetExceededError
from infra.records import read_record
from infra.runs import list_runs
from infra.selections import read_gates
from infra.state import StoreState
from manifests.diagnostics import ManifestError, suggest
from manifests.journal import RunRecord
from manifests.naming import plan_key, run_key
from manifests.plan import Action, Options, Plan, Verb
from manifests.planner import Planner
from manifests.schema import Generate
from manifests.sharing import is_matrix

# --- several values ---


def compare_facts(manifest: Path, question: str, overrides: Sequence[str], options: Options) -> dict[str, Any]:
    """`question` is `model=gen4_turbo,gen4.5`: a path as `--set` takes it, `generate.` left out where that is meant.
    Raises UsageError, and ManifestError when the manifest is wrong as it stands."""
    path, _, listed = question.partition("=")
    values = [value.strip() for value in listed.split(",") if value.strip()]
    if not path or len(values) < 2:
        raise UsageError(f"{question!r} names nothing to compare", remedy="--compare model=gen4_turbo,gen4.5")
    first = path.split(".")[0]
    path = f"generate.{path}" if first in Generate.model_fields else path
    make_plan(manifest, overrides=overrides, options=options, stage="all")  # what is always wrong is no answer
    bills = [_bill(manifest, path, value, overrides, options) for value in values]
    return {"message_type": "compare", "path": path, "bills": bills}


def _bill(manifest: Path, path: str, value: str, overrides: Sequence[str], options: Options) -> dict[str, Any]:
    bill: dict[str, Any] = {"value": value, "sold": True, "reasons": []}
    try:
        prepared = make_plan(manifest, overrides=(*overrides, f"{path}={value}"), options=options, stage="all")
    except ManifestError as error:
        reasons = [f"{d.address}: {d.summary}: {d.detail}" for d in error.diagnostics if d.severity == "error"]
        return bill | {"sold": False, "reasons": list(dict.fromkeys(reasons))}
    plan = prepared.plan
    low, high = times_of(plan, prepared.checked.models, prepared.settings.concurrency)
    return bill | {
        "campaign": plan.campaign,
        "credits": plan.totals.credits,
        "up_to": plan.totals.up_to,
        "at_list": sum(want.count * want.credits for want in plan.wants),
        "bought_seconds": plan.totals.bought_seconds,
        "seconds_to_make": [low, high],
        "over_budget": _over_budget(plan),
        "rows": [
            {"name": row.name, "what": row.what, "clips": len(row.clips), "credits": row.credits}
            for row in group_rows(plan, plan.actions)
        ],
    }


def _over_budget(plan: Plan) -> str:
    try:
        refuse_over_budget(plan)
    except BudgetExceededError as error:
        return error.detail
    return ""


def compare_lines(facts: Mapping[str, Any]) -> list[str]:
    """One column for each value."""
    bills = facts["bills"]
    sold = [bill for bill in bills if bill["sold"]]
    names = dict.fromkeys((row["name"], row["what"]) for bill in sold for row in bill["rows"])
    table = [[facts["path"], *(bill["value"] for bill in bills), ""]]
    for name in names:
        told = [_cell(bill, name) for bill in bills]
        table.append([name[0], *told, ""])
    for title, key in (("total now", "credits"), ("up to", "up_to"), ("all of it at list", "at_list")):
        table.append([title, *(f"{bill[key]:,}" if bill["sold"] else "not sold" for bill in bills), ""])
    table.append(["seconds bought", *(f"{bill['bought_seconds']:,}" if bill["sold"] else "-" for bill in bills), ""])
    table.append(["time", *(_span(bill) if bill.get("credits") else "-" for bill in bills), ""])
    lines = [line.rstrip() for line in in_columns(table, "<" + ">" * len(bills) + "<")]
    for bill in bills:
        lines += [f"  {bill['value']}: {reason}" for reason in bill["reasons"]]
        lines += [f"  {bill['value']}: over budget: {bill['over_budget']}"] if bill.get("over_budget") else []
    return lines


def _cell(bill: Mapping[str, Any], name: tuple[str, str]) -> str:
    found = [row["credits"] for row in bill.get("rows", ()) if (row["name"], row["what"]) == name]
    return f"{found[0]:,}" if found else "-"


def _span(bill: Mapping[str, Any]) -> str:
    low, high = map(duration_words, bill["seconds_to_make"])
    return low if low == high else f"{low} to {high}"


# --- against a run ---


def diff_facts(prepared: Prepared, run_id: str) -> dict[str, Any]:
    """What that run wanted, too, and has to be paid for once more; what is new is only counted. Raises
    UnknownNameError."""
    plan, run, before = prepared.plan, *_run_and_plan(prepared, run_id)
    state = StoreState(prepared.store, SystemClock())
    gates = read_gates(prepared.store, plan.campaign, plan.read_spot().review, auto=plan.options.approve == "auto")
    wanted = {want.id: want for want in before.wants}
    planner = Planner(state, rebuy=plan.rebuys_unknown, before=wanted, gates=gates)
    for want in plan.wants:
        planner.add(want)
    bought = [action for action in planner.actions if action.verb is Verb.BUY]
    again = [a for a in bought if a.reason.startswith("stale") and a.number <= wanted[a.want].count]
    others = [a for a in bought if a not in again]
    return {
        "message_type": "diff",
        "campaign": plan.campaign,
        "run": run.run_id,
        "actions": [action.model_dump(mode="json") for action in again],
        "credits": sum(action.credits for action in again),
        "new": {"purchases": len(others), "credits": sum(action.credits for action in others)},
        "gone": sorted(set(wanted) - {want.id for want in plan.wants}),
    }


def _run_and_plan(prepared: Prepared, run_id: str) -> tuple[RunRecord, Plan]:
    store = prepared.store
    try:
        run = read_record(store, run_key(run_id, "run.json"), RunRecord)
    except ValueError:  # no run can have such a name
        run = None
    before = read_record(store, plan_key(run.plan), Plan) if run else None
    if run is None or before is None:
        known = [record.run_id for record in list_runs(store, prepared.plan.campaign)]
        remedy = f"runs of {prepared.plan.campaign}: {', '.join(known[-5:])}" if known else "nothing has run here yet"
        raise UnknownNameError(f"no run {run_id!r}{suggest(run_id, known)}", remedy=remedy)
    return run, before


def diff_lines(facts: Mapping[str, Any], plan: Plan, *, every: bool) -> list[str]:
    purse = "credits" if plan.paid else "play credits"
    again = [Action.model_validate(told) for told in facts["actions"]]
    lines = [f"{facts['campaign']} against run {facts['run']}:"]
    if again:
        lines += rows(plan, again) if is_matrix(plan.sources) and not every else rows_of(plan, again)
        lines.append(f"  paid again  {facts['credits']:,} {purse}, {counted(len(again), 'purchase')}")
    else:
        lines.append("  nothing would be paid again")
    new, gone = facts["new"], facts["gone"]
    if new["purchases"]:
        lines.append(f"  new since then  {new['credits']:,} {purse}, {counted(new['purchases'], 'purchase')}")
    if gone:
        lines.append(f"  wanted then and not now  {len(gone):,}: {', '.join(gone[:4])}{' …' if len(gone) > 4 else ''}")
    return lines
