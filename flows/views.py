"""What people and machines see: the call sheet, a run's lines and bars, and the same as JSON. Decides nothing.

`--json` gives one object for an answer and one object a line for a run, each with `message_type`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import IO, Any

from manifests.catalogue import ModelCard, Profile
from manifests.diagnostics import Diagnostic, ManifestError, format_diagnostic
from manifests.estimate import estimate_seconds
from manifests.expand import Want
from manifests.plan import Action, Plan, Verb


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def say(text: str, *, stream: IO[str] | None = None) -> None:
    (stream or sys.stdout).write(text + "\n")


def say_diagnostics(problems: Sequence[Diagnostic]) -> None:
    """All problems, then how many, on standard error."""
    for problem in problems:
        say(format_diagnostic(problem), stream=sys.stderr)
    errors = sum(p.severity == "error" for p in problems)
    warnings = len(problems) - errors
    counts = [_count(errors, "error")] if errors else []
    counts += [_count(warnings, "warning")] if warnings else []
    if counts:
        say(", ".join(counts), stream=sys.stderr)


def answer(facts: Mapping[str, Any], lines: Iterable[str], *, json: bool) -> None:
    """One object for a program, or lines for people."""
    if json:
        print_json(facts)
        return
    for line in lines:
        say(line)


def error_facts(error: BaseException, code: int) -> dict[str, Any]:
    """What stopped a command, as data; a diagnostic's `file`, `line` and `column` say where."""
    if isinstance(error, ManifestError):
        problems = [asdict(d) | asdict(d.where) for d in error.diagnostics]
        for problem in problems:
            del problem["where"]
    else:
        summary, remedy = getattr(error, "summary", type(error).__name__), getattr(error, "remedy", "")
        problems = [{"summary": summary, "detail": getattr(error, "detail", str(error)), "remedy": remedy}]
    return {"message_type": "error", "exit_code": code, "problems": problems}


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


# --- the call sheet ---


def plan_facts(
    plan: Plan, models: Mapping[str, ModelCard], profiles: Mapping[str, Profile], slots: int
) -> dict[str, Any]:
    """The answer of `plan --json`."""
    return {
        "message_type": "plan",
        "plan": plan.digest,
        "campaign": plan.campaign,
        "service": plan.video_service,
        "credits": plan.totals.model_dump(mode="json") | {"total": plan.totals.credits},
        "per_shot": dict(plan.per_shot),
        "actions": [a.model_dump(mode="json") for a in plan.actions],
        "prices": _prices(plan, models),
        "seconds_to_make": list(_times(plan, models, slots)),
        "slots": slots,
        "needs": _needs(plan, profiles),
        "not_applied": list(plan.not_applied),
        "notices": list(plan.notices),
    }


def call_sheet(
    plan: Plan, models: Mapping[str, ModelCard], profiles: Mapping[str, Profile], slots: int, *, assumed: bool
) -> list[str]:
    """The plan as people read it."""
    spot = plan.read_spot()
    credits = "credits" if plan.paid else "play credits"
    card = spot.graphics.end_card
    parts = f" ({_count(len(spot.shots), 'shot')} and an end card)" if card else ""
    screen = Decimal(plan.totals.screen_seconds)
    lines = [
        f"{plan.campaign}: {_count(len(spot.shots), 'shot')}, {screen:.1f} s on screen{parts}, {spot.generate.ratio}"
    ]
    lines += _rows(plan)
    total, budget, spent = plan.totals.credits, plan.totals.budget, plan.totals.spent
    so_far = f", {spent:,} spent" if spent else ""
    dollars = f" = ${total / 100:.2f}" if plan.paid else ""
    lines.append(
        f"  total  {total:,} {credits}{dollars}     budget {budget:,}{so_far}, {budget - spent - total:,} left"
    )
    if plan.totals.up_to > total:
        lines.append(
            f"  up to  {plan.totals.up_to:,} with every retake that failures and bad pictures allow, within the budget"
        )
    takes_of = {w.id: w for w in plan.every_want if w.what == "take"}
    planned = sum(takes_of[a.want].seconds for a in plan.actions if a.want in takes_of)
    lines.append(f"  bought {planned} s of takes for {screen:.1f} s on screen")
    lines += [f"  price: {price}" for price in _prices(plan, models)]
    if plan.unfinished:
        low, high = _times(plan, models, slots)
        tier = "tier 1, assumed" if assumed else "from settings"
        count = sum(a.verb in (Verb.BUY, Verb.COLLECT) for a in plan.actions)
        span = (
            duration_words(low)
            if duration_words(low) == duration_words(high)
            else f"{duration_words(low)} to {duration_words(high)}"
        )
        lines.append(f"  time:  {_count(count, 'purchase')}, {slots} at a time of each model ({tier}): {span}")
    else:
        lines.append("  nothing to buy")
    lines += [f"  needs: {need}" for need in _needs(plan, profiles)]
    if plan.not_applied:
        lines.append(f"  not applied yet: {', '.join(plan.not_applied)}")
    lines += [f"  note:  {notice}" for notice in plan.notices]
    return lines


def _rows(plan: Plan) -> list[str]:
    wants = {w.id: w for w in plan.every_want}
    rows = [("what", "made by", "numbers", "credits", "why")]
    for group in _groups(plan.actions):
        want, first = wants[group[0].want], group[0]
        numbers = f"{first.number}" if len(group) == 1 else f"{first.number}-{group[-1].number}"
        length = f" {want.seconds} s" if want.seconds else ""
        rows.append(
            (
                f"{want.address} {want.what}",
                f"{want.model}{length}, {want.mode}" if want.what == "take" else f"{want.model}{length}",
                numbers,
                f"{sum(a.credits for a in group):,}",
                first.reason,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        f"  {what:<{widths[0]}}  {by:<{widths[1]}}  {numbers:<{widths[2]}}  {credits:>{widths[3]}}  {why}".rstrip()
        for what, by, numbers, credits, why in rows
    ]


def _groups(actions: Iterable[Action]) -> list[list[Action]]:
    """Neighbours that differ only in their number."""
    groups: list[list[Action]] = []
    for action in actions:
        last = groups[-1][-1] if groups else None
        if last and (last.want, last.verb, last.reason) == (action.want, action.verb, action.reason):
            groups[-1].append(action)
        else:
            groups.append([action])
    return groups


def _prices(plan: Plan, models: Mapping[str, ModelCard]) -> list[str]:
    used: dict[str, Want] = {w.model: w for w in plan.every_want}
    prices = []
    for name, want in sorted(used.items()):
        price = models[name].price
        if price.credits_per_second:
            what = f"{price.credits_per_second}/s"
        elif want.what == "still":
            what = f"{want.credits} an image"
        elif price.usd_per_1000_characters:
            what = f"${price.usd_per_1000_characters} per 1,000 characters, at least 1 credit a line"
        else:
            what = f"{want.credits} each"
        prices.append(f"{name} {what} ({price.source}, as of {price.as_of})")
    return prices


def _times(plan: Plan, models: Mapping[str, ModelCard], slots: int) -> tuple[int, int]:
    low = estimate_seconds(plan.wants, plan.actions, models, slots, slow=False)
    return low, estimate_seconds(plan.wants, plan.actions, models, slots, slow=True)


def _needs(plan: Plan, profiles: Mapping[str, Profile]) -> list[str]:
    spot = plan.read_spot()
    take = next(w for w in plan.wants if w.what == "take")
    needs = []
    for wanted in spot.deliver:
        profile = profiles[wanted.profile]
        width, height = profile.sizes[wanted.ratio]
        size = f"{take.width}×{take.height} → {width}×{height}"
        verb = "upscale" if height > take.height else "scale"
        change = ", the same frames shown at that rate" if profile.rate_change == "relabel" else ""
        needs.append(f"{wanted.profile}: {verb} {size}; 24 → {float(profile.frame_rate):.5g} fps{change}")
    return needs


# --- a run ---


def run_header(plan: Plan) -> list[str]:
    """What is about to happen, and what will not."""
    purse = "credits" if plan.paid else "play credits"
    lines = [] if plan.paid else ["backlot: no vendor key is set, nothing will be spent"]
    most = f", up to {plan.totals.up_to:,} with retakes" if plan.totals.up_to > plan.totals.credits else ""
    lines.append(f"{plan.campaign}: {_count(len(plan.purchases), 'purchase')}, {plan.totals.credits:,} {purse}{most}")
    if plan.not_applied:
        lines.append(f"not applied yet: {', '.join(plan.not_applied)}")
    return [*lines, *(f"note: {notice}" for notice in plan.notices)]


class RunView:
    """Turns a run's events into lines: a bar and a line for each thing done on a terminal, plain lines elsewhere."""

    def __init__(self, plan: Plan, *, stream: IO[str] | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True)
        self._plan = plan
        self._todo = max(1, sum(a.verb in (Verb.BUY, Verb.COLLECT) for a in plan.actions))
        self._progress = Progress(
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=self._console, transient=True, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._bought = self._progress.add_task("purchases", total=self._todo)
        self._steps = self._progress.add_task("steps", total=None)

    def __enter__(self) -> RunView:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def listen(self, event: Mapping[str, Any]) -> None:
        kind = event["message_type"]
        if kind in ("collected", "failed", "refused", "unknown"):
            self._progress.advance(self._bought)
        if kind == "step":
            self._progress.advance(self._steps)
        line = event_line(event)
        if line:
            self._console.print(line, markup=False)


def event_line(event: Mapping[str, Any]) -> str | None:
    """One event for people; None for what is only worth a bar."""
    where = event.get("address", "")
    match event["message_type"]:
        case "starting":
            return f"starting {event['what']}"
        case "run":
            return f"run {event['run_id']} of {event['campaign']}"
        case "lease":
            return f"{event['why']}; waiting {event['seconds']} s for it to run out"
        case "collected" | "failed" | "refused" | "unknown":
            return _purchase_line(event, where)
        case "circled":
            return f"{where}: {event['what']} {event['take']} circled"
        case "step":
            return (
                f"{event['step']}: {event['seconds']:.1f} s of processor time" if event.get("seconds", 0) >= 5 else None
            )
        case "delivered":
            return f"delivered {event['file']}"
        case "policy":
            later = f" after {duration_words(event['seconds'])}" if event.get("seconds") else ""
            return f"{where}: {event['next']}{later}: {event['reason']}"
        case "stopping":
            return "stopping: no new purchases; collecting what is paid (Ctrl-C again leaves at once)"
        case _:
            return None


def _purchase_line(event: Mapping[str, Any], where: str) -> str:
    match event["message_type"]:
        case "collected":
            return f"{where}: there, {event.get('credits', 0)} credits"
        case "failed":
            reason = event.get("failure_class") or event.get("code")
            return f"{where}: failed ({reason}), {event.get('credits', 0)} credits kept"
        case "refused":
            return f"{where}: refused ({event.get('error')}), nothing was charged"
        case _:
            return f"{where}: the answer was lost; perhaps paid, held"


def run_lines(record: Mapping[str, Any], films: Sequence[Mapping[str, Any]]) -> list[str]:
    """The end of a run, for people."""
    made, kept = record["steps_made"], record["steps_kept"]
    encodes = sum(made.get(step, 0) for step in ("conform", "section", "render", "encode"))
    purse = "credits" if record["paid"] else "play credits"
    lines = [
        f"{record['calls']} vendor calls, {record['spent_credits']:,} {purse}; {encodes} encodes, "
        f"{sum(made.values())} steps made, {sum(kept.values())} kept, {record['cpu_seconds']:.0f} s of processor time"
    ]
    if record.get("buying_seconds") is not None and record.get("estimated_seconds"):
        low, high = (duration_words(seconds) for seconds in record["estimated_seconds"])
        took = duration_words(record["buying_seconds"])
        lines.append(f"  purchasing took {took}; the plan said {low if low == high else f'{low} to {high}'}")
    lines += [f"  {film['file']}  {film['facts']}" for film in films]
    for variant, lacking in record.get("incomplete", {}).items():
        lines.append(f"  not complete: {variant}" + (f", lacks {', '.join(lacking)}" if lacking else ""))
    lines += [f"  note: {notice}" for notice in record["notices"]]
    lines += [f"  {_problem_line(p)}" for p in record["problems"]]
    return lines


def gate_lines(record: Mapping[str, Any], page: str) -> list[str]:
    """Where to look and how to answer, when the run stopped at a gate; nothing otherwise."""
    waiting = [p["address"] for p in record["problems"] if p["exit_code"] == 4]
    if not waiting:
        return []
    return [
        f"stopped at a gate: {', '.join(waiting)}",
        f"  look: {page}",
        f"  answer: the commands above, or shotrunner approve {record['run_id']} FILE; then run again",
    ]


def _problem_line(problem: Mapping[str, Any]) -> str:
    where = f"{problem['address']}: " if problem["address"] else ""
    remedy = f"\n      {problem['remedy']}" if problem["remedy"] else ""
    return f"{where}{problem['summary']}: {problem['detail']}{remedy}"


# --- a rehearsal ---

_REHEARSAL = "{:>5}  {:>6}  {:>5}  {:<14}  {:>7}  {:>7}  {:<14}  {:>7}  {}"


def rehearsal_head() -> list[str]:
    return [_REHEARSAL.format("seed", "faults", "kills", "ends", "creates", "credits", "books", "seconds", "verdict")]


def rehearsal_line(row: Any) -> str:
    """`ends`: the exit code of every run, × where it was killed. `books`: what unknowns hold beyond the vendor's."""
    ends = " ".join("×" if code < 0 else str(code) for code in row.ends)
    books = f"+{row.over} held" if row.over > 0 else "exact" if row.over == 0 else f"{row.over}"
    line = _REHEARSAL.format(
        row.seed, sum(row.faults.values()), row.kills, ends, row.creates, row.credits, books, f"{row.seconds:.1f}",
        "ok" if row.ok else "BREACH",
    )  # fmt: skip
    told = [
        line,
        *(f"       {breach}" for breach in row.breaches),
        *([f"       kept in {row.kept}"] if row.kept else []),
    ]
    return "\n".join(told)


def rehearsal_facts(rows: Sequence[Any]) -> dict[str, Any]:
    """The sum of all seeds, and which kinds of fault were met."""
    faults: dict[str, int] = {}
    for row in rows:
        for fault, count in row.faults.items():
            faults[fault] = faults.get(fault, 0) + count
    return {
        "message_type": "rehearsal",
        "seeds": len(rows),
        "faults": dict(sorted(faults.items())),
        "kills": sum(row.kills for row in rows),
        "runs": sum(len(row.ends) for row in rows),
        "creates": sum(row.creates for row in rows),
        "finished": sum(row.ends[-1:] == [0] for row in rows),
        "breaches": [row.seed for row in rows if not row.ok],
        "seconds_each": round(sum(row.seconds for row in rows) / max(1, len(rows)), 1),
    }


def rehearsal_end(facts: Mapping[str, Any]) -> list[str]:
    wrong = f"breaches: seeds {', '.join(map(str, facts['breaches']))}" if facts["breaches"] else "no breach"
    return [
        f"{_count(facts['seeds'], 'seed')}, {_count(facts['runs'], 'run')} of which {facts['kills']} were killed, "
        f"{_count(sum(facts['faults'].values()), 'fault')} of {_count(len(facts['faults']), 'kind')}, "
        f"{_count(facts['creates'], 'create')}; {facts['finished']} films finished; {facts['seconds_each']} s a seed",
        wrong,
    ]
