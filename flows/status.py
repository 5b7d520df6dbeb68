"""Where a campaign stands, by what the store says: shot by shot, film by film, and how its last run ended.

A spot by itself is told take by take; films that share shots are counted, and only what is not there is named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.prepare import Prepared
from flows.views import counted
from infra.run_events import latest_events
from infra.runs import last_run
from manifests.films import Variant
from manifests.finish import wants_of
from manifests.journal import TakeState
from manifests.plan import Plan
from manifests.planner import Planner
from manifests.sharing import count_files, count_variants, is_matrix, shot_uses, use_of
from manifests.standing import standing_of_take
from manifests.walk import Numbered

NAMED = 5  # of films that wait, and of notes; the rest are counted


def status_facts(prepared: Prepared) -> dict[str, Any]:
    """Where every take stands, by what the store says."""
    plan, planner = prepared.plan, prepared.planner
    run = last_run(prepared.store, plan.campaign, speech=True)
    return {
        "message_type": "status",
        "campaign": plan.campaign,
        "spent": plan.totals.spent,
        "budget": plan.totals.budget,
        "paid": plan.paid,
        "rows": _rows(plan, planner),
        **({"lines_missing": True} if prepared.heard is not None and prepared.heard.missing else {}),
        **(_film_facts(prepared) if is_matrix(plan.sources) else {}),
        "start": {"schedule": plan.scheduled.name, "date": plan.scheduled.date} if plan.scheduled else None,
        "events": [
            event.model_dump(mode="json", by_alias=True)
            for event in latest_events(prepared.store, plan.campaign, run.run_id if run else None)
        ],
        "last_run": run.model_dump(mode="json", by_alias=True, exclude={"notices"}) if run else None,
    }


def _rows(plan: Plan, planner: Planner) -> list[dict[str, Any]]:
    rows = []
    stand_ins = {want.fallback.id for want in plan.wants if want.fallback is not None}
    for want in plan.every_want:
        walk = planner.walks.get(want.id)
        if walk is None and want.id in stand_ins:
            continue  # nobody has fallen back on it
        row: dict[str, Any] = {
            "address": want.address, "what": want.what, "wanted": want.count, "model": want.model,
            "fallback": want.id in stand_ins,
        }  # fmt: skip
        if walk is None:
            row |= {"states": {"waiting": want.count}, "circled": None, "notes": [f"waits for {', '.join(want.needs)}"]}
        else:
            states = Counter(numbered.state.value for numbered in walk.wanted)
            chosen = _circled_of(want.id, planner)
            told = [(n.number, _why_not(n, plan.campaign)) for n in (*walk.skipped, *walk.wanted)]
            notes = [f"{want.what} {number}: {words}" for number, words in told if words]
            if want.id in planner.fell_back and want.fallback is not None:
                notes.append(f"{want.fallback.model} filmed it in its place")
            if want.id in planner.waiting:
                notes.append(f"stopped at {planner.waiting[want.id]}")
            row |= {"states": dict(states), "circled": chosen, "notes": notes}
        rows.append(row)
    return rows


def _circled_of(want_id: str, planner: Planner) -> int | None:
    """The number that is circled of what this very model filmed."""
    first = next((first for first, stand_in in planner.fell_back.items() if stand_in == want_id), None)
    if first is not None:
        return planner.circled[first]
    return None if want_id in planner.fell_back else planner.circled.get(want_id)


def _why_not(numbered: Numbered, target: str) -> str:
    if numbered.state not in (TakeState.NEW, TakeState.HAVE):
        return str(standing_of_take(numbered, target))
    if numbered.screened is not None and not numbered.screened.ok:
        return f"screened out: {'; '.join(numbered.screened.faults)}"
    return ""


# --- films that share shots ---


def _film_facts(prepared: Prepared) -> dict[str, Any]:
    """By variant what it waits for: wants without a circled take or a sound."""
    plan, planner, models = prepared.plan, prepared.planner, prepared.checked.models
    lacking = [want.id for want in plan.wants if not _is_there(want.id, want.what, planner)]
    waiting = {variant.name: _lacks(plan, variant, models, lacking) for variant in plan.variants} if lacking else {}
    waiting = {name: wants for name, wants in waiting.items() if wants}
    variants = count_variants(plan.sources)
    return {
        "variants": variants,
        "files": count_files(plan.sources),
        "complete": variants - len(waiting),
        "waiting": waiting,
        "shots": _shots(prepared),
    }


def _is_there(want_id: str, what: str, planner: Planner) -> bool:
    walk = planner.walks.get(want_id)
    if what in ("take", "still"):
        return want_id in planner.pictures
    return walk is not None and any(numbered.result is not None for numbered in walk.wanted)


def _lacks(plan: Plan, variant: Variant, models: Any, lacking: Iterable[str]) -> list[str]:
    needed = set(wants_of(variant, plan.cut(variant, models)))
    return [want for want in lacking if want in needed]


def _shots(prepared: Prepared) -> list[dict[str, Any]]:
    """By shot and what is made of it, how many stand how."""
    plan, planner = prepared.plan, prepared.planner
    uses = shot_uses(plan.sources)
    shots: dict[tuple[str, str], dict[str, Any]] = {}
    for want in plan.wants:
        use = use_of(want.address, uses) if want.what in ("take", "still") else None
        name = (f"{use.spot}/{use.shot}" if use.spot else use.shot) if use else want.what
        row = shots.setdefault((name, want.what), {"name": name, "what": want.what, "clips": 0, "circled": 0})
        states = row.setdefault("states", Counter())
        walk = planner.walks.get(want.id)
        row["clips"] += 1
        row["circled"] += want.id in planner.circled
        states.update([n.state.value for n in walk.wanted] if walk else ["waiting"] * want.count)
    order: dict[str, int] = {}
    for name, _ in shots:
        order.setdefault(name, len(order))
    return sorted(shots.values(), key=lambda row: order[row["name"]])


# --- for people ---


def status_lines(facts: Mapping[str, Any]) -> list[str]:
    purse = "credits" if facts["paid"] else "play credits"
    lines = [f"{facts['campaign']}: {facts['spent']:,} of {facts['budget']:,} {purse} spent"]
    if facts["start"]:
        lines.append(f"  {facts['start']['schedule']}: as it starts on {facts['start']['date']}")
    lines += _matrix_lines(facts) if "shots" in facts else [line for row in facts["rows"] for line in _row_lines(row)]
    if facts.get("lines_missing"):
        lines.append("  fit: extend: not every line is there; shots may become longer when it is")
    if facts["events"]:
        lines.append("  what the plan did not have:")
        told = [f"{e['at'][11:19]} {e['address'] or ''}: {e['next']}: {e['reason']}" for e in facts["events"]]
        lines += [f"      {line}" for line in (_first(told) if "shots" in facts else told)]
    run = facts["last_run"]
    if run:
        ended = "done" if run["exit_code"] == 0 else f"exit {run['exit_code']}"
        files = f", {counted(len(run['deliverables']), 'file')} delivered" if "shots" in facts else ""
        lines.append(f"  last run {run['run_id']}: {ended}, {counted(run['calls'], 'vendor call')}{files}")
        told = [f"{p['address'] or ''} {p['summary']}: {p['detail']}" for p in run["problems"]]
        lines += [f"      {line}" for line in (_first(told) if "shots" in facts else told)]
    return lines


def _row_lines(row: Mapping[str, Any]) -> list[str]:
    states = ", ".join(f"{count} {state}" for state, count in row["states"].items())
    circled = f"   {row['what']} {row['circled']} circled" if row["circled"] else ""
    by = f"   by {row['model']}, the fallback" if row["fallback"] else ""
    return [f"  {row['address']:<12} {row['what']:<7} {states}{circled}{by}", *(f"      {n}" for n in row["notes"])]


def _matrix_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = [
        f"  {counted(facts['variants'], 'variant')}, {counted(facts['files'], 'file')}: "
        f"{facts['complete']:,} {'have' if facts['complete'] != 1 else 'has'} all that they are made of"
        + (f", {len(facts['waiting']):,} wait" if facts["waiting"] else "")
    ]
    width = max(len(row["name"]) for row in facts["shots"])
    for row in facts["shots"]:
        states = ", ".join(f"{count:,} {state}" for state, count in row["states"].items())
        circled = f"   {row['circled']:,} of {row['clips']:,} circled" if row["what"] in ("take", "still") else ""
        clips = counted(row["clips"], "clip") if row["what"] == "take" else f"{row['clips']:,}"
        lines.append(f"  {row['name']:<{width}}  {row['what']:<7} {clips}: {states}{circled}")
    notes = [
        f"{row['address']} {note}" for row in facts["rows"] for note in row["notes"] if "waiting" not in row["states"]
    ]
    lines += [f"      {line}" for line in _first(notes)]
    return lines + _waiting_lines(facts["waiting"])


def _waiting_lines(waiting: Mapping[str, Sequence[str]]) -> list[str]:
    """What holds most films up comes first."""
    held = Counter(want for wants in waiting.values() for want in wants)
    most = [f"{want} is missing in {counted(films, 'variant')}" for want, films in held.most_common()]
    lines = [f"  {line}" for line in _first(most)]
    if len(waiting) > NAMED:
        return lines
    return lines + [f"      {name} waits for {', '.join(wants)}" for name, wants in waiting.items()]


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - NAMED
    return [*lines[:NAMED], *([f"… and {more:,} more (--json tells all)"] if more > 0 else [])]
