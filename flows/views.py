"""What people and machines see: a run's lines and bars, and the same as JSON. Decides nothing. The plan: `call_sheet`.

`--json` gives one object for an answer and one object a line for a run, each with `message_type`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from infra.clock import Clock, SystemClock
from manifests.diagnostics import Diagnostic, ManifestError, format_diagnostic
from manifests.plan import Plan, Verb

MOST_LINES = 12  # of films and the like at the end of a run; what is left is counted


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
    counts = [counted(errors, "error")] if errors else []
    counts += [counted(warnings, "warning")] if warnings else []
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


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration_words(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


# --- a run ---


def run_header(plan: Plan) -> list[str]:
    """What is about to happen, and what will not."""
    purse = "credits" if plan.paid else "play credits"
    lines = [] if plan.paid else ["backlot: no vendor key is set, nothing will be spent"]
    most = f", up to {plan.totals.up_to:,} with retakes" if plan.totals.up_to > plan.totals.credits else ""
    lines.append(f"{plan.campaign}: {counted(len(plan.purchases), 'purchase')}, {plan.totals.credits:,} {purse}{most}")
    if plan.not_applied:
        lines.append(f"not applied yet: {', '.join(plan.not_applied)}")
    return [*lines, *(f"note: {notice}" for notice in plan.notices)]


class RunView:
    """Turns a run's events into lines: a bar and a line for each thing done on a terminal, plain lines elsewhere."""

    def __init__(self, plan: Plan, *, stream: IO[str] | None = None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True)
        self._plan = plan
        self._todo = max(1, sum(a.verb in (Verb.BUY, Verb.COLLECT) for a in plan.actions))
        self._progress = Progress(
            TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[frames]}"),
            console=self._console, transient=True, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._bought = self._progress.add_task("purchases", total=self._todo, frames="")
        self._steps = self._progress.add_task("steps", total=None, frames="")
        self._films = self._progress.add_task("films", total=None, frames="")
        self._pace = Pace()

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
        if kind == "film":
            self._pace.add(event)
            words = f"{self._pace.frames:,} frames"
            self._progress.update(self._films, total=event["of"], completed=event["number"], frames=words)
            line = f"{line}{self._pace.left(event)}"
        if line:
            self._console.print(line, markup=False)


class Pace:
    """How fast films are finished, once two of them have been made anew: those that were there took no time."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._made: list[float] = []  # when each was there
        self.frames = 0

    def add(self, event: Mapping[str, Any]) -> None:
        if event["made"]:
            self._made.append(self._clock.monotonic())
            self.frames += event["frames"]

    def left(self, event: Mapping[str, Any]) -> str:
        """For people; empty while there is nothing to guess from, and after the last."""
        rest = event["of"] - event["number"]
        if rest == 0 or len(self._made) < 2:
            return ""
        each = (self._made[-1] - self._made[0]) / (len(self._made) - 1)
        return f"; about {duration_words(each * rest)} left"


def event_line(event: Mapping[str, Any]) -> str | None:
    """One event for people; None for what is only worth a bar."""
    where = event.get("address", "")
    match event["message_type"]:
        case "starting":
            return f"starting {event['what']}"
        case "run":
            return f"run {event['run_id']} of {event['campaign']}"
        case "media":
            return f"media steps are made on Dask: {event['address'] or 'a cluster of this run, on this machine'}"
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
        case "film":
            done = f"{event['frames']:,} frames" if event["made"] else "there already"
            return f"film {event['number']} of {event['of']}: {event['file']}, {done}"
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
    steps = f"{counted(sum(made.values()), 'step')} made, {sum(kept.values())} kept"
    lines = [
        f"{counted(record['calls'], 'vendor call')}, {record['spent_credits']:,} {purse}; "
        f"{counted(encodes, 'encode')}, {steps}, {record['cpu_seconds']:.0f} s of processor time"
    ]
    lines += _section_lines(record.get("sections"))
    if record.get("buying_seconds") is not None and record.get("estimated_seconds"):
        low, high = (duration_words(seconds) for seconds in record["estimated_seconds"])
        took = duration_words(record["buying_seconds"])
        lines.append(f"  purchasing took {took}; the plan said {low if low == high else f'{low} to {high}'}")
    lines += film_lines(films)
    incomplete = record.get("incomplete", {}).items()
    lacks = [f"{variant}{', lacks ' + ', '.join(lacking) if lacking else ''}" for variant, lacking in incomplete]
    lines += [f"  not complete: {line}" for line in lacks[:MOST_LINES]] + _more(lacks, "not complete")
    lines += [f"  note: {notice}" for notice in record["notices"]]
    told = list(dict.fromkeys(_problem_line(problem) for problem in record["problems"]))
    lines += [f"  {line}" for line in told[:MOST_LINES]] + _more(told, "problems: see the dailies")
    return lines


def _section_lines(sections: Mapping[str, Any] | None) -> list[str]:
    """What `manifests.journal.SectionCount` tells, of a run that made films."""
    if not sections or not sections["shown"]:
        return []
    shown, encoded = sum(sections["shown"].values()), sum(sections["encoded"].values())
    made, films = sections["films_made"], counted(sections["films"], "file")
    return [f"  sections {encoded:,} of {shown:,} encoded, {shown - encoded:,} kept; {made:,} of {films} made anew"]


def film_lines(films: Sequence[Mapping[str, Any]]) -> list[str]:
    """Film by film; of very many, how many for each placement, and those that failed."""
    if len(films) <= MOST_LINES:
        return [f"  {film['file']}  {film['facts']}" for film in films]
    counts: dict[str, list[bool]] = {}
    for film in films:
        counts.setdefault(film["profile"], []).append(film["ok"])
    failed = [f"  {film['file']}  {film['facts']}" for film in films if not film["ok"]]
    bad = f", {len(failed):,} failed" if failed else ", all ok"
    lines = [f"  {counted(len(films), 'file')}{bad}"]
    for profile, verdicts in sorted(counts.items()):
        worse = f", {verdicts.count(False):,} failed" if False in verdicts else ""
        lines.append(f"  {len(verdicts):6,}  {profile}{worse}")
    return lines + failed[:MOST_LINES] + _more(failed, "failed")


def _more(lines: Sequence[str], what: str) -> list[str]:
    left = len(lines) - MOST_LINES
    return [f"  … and {left:,} more {what}"] if left > 0 else []


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
        f"{counted(facts['seeds'], 'seed')}, {counted(facts['runs'], 'run')} of which {facts['kills']} were killed, "
        f"{counted(sum(facts['faults'].values()), 'fault')} of {counted(len(facts['faults']), 'kind')}, "
        f"{counted(facts['creates'], 'create')}; {facts['finished']} films finished; {facts['seconds_each']} s a seed",
        wrong,
    ]
