"""The command `schedule`: what a schedule would start, and when. Arguments in, exit code out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter, validators

from flows import views
from flows.cli_apply import apply
from flows.cli_words import Json, UsageError

if TYPE_CHECKING:
    from flows.prepare import Prepared
    from flows.scheduling import Planned
    from manifests.plan import Options

ScheduleFile = Annotated[Path, Parameter(help="A file of `kind: schedule`.")]
Set = Annotated[tuple[str, ...], Parameter(name="--set", help="Override a value of the schedule.")]

schedule = cyclopts.App(
    name="schedule",
    help="""Manifests that run by the calendar: what starts when, and what it would buy.

    Example: shotrunner schedule preview manifests/examples/winter-weekly.yaml --from 2026-12-14 --next 4

    Exit: 0; 2 schedule, manifest or table; 6 store.
    """,
)


@schedule.command
def preview(
    file: ScheduleFile,
    /,
    *,
    from_: Annotated[str | None, Parameter(name="--from", help="A day; today unless given.")] = None,
    next_: Annotated[
        int,
        Parameter(
            name="--next", help="How many starts.", show_default=True, validator=validators.Number(gte=1, lte=520)
        ),
    ] = 4,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Print the next starts, each with its parameters, its variants and what its plan would buy now.

    Days that are skipped are listed, and starts that a change of clocks moves. Every plan is made by the store as it
    is: what one start buys, the next ones need not. Calls no vendor, writes nothing.

    Example: shotrunner schedule preview manifests/examples/winter-weekly.yaml --from 2026-12-14 --next 4

    Exit: 0; 2 schedule, manifest or table, for any of these starts.
    """
    from flows.schedule_sheet import preview as rows_of
    from flows.schedule_sheet import row_lines
    from infra.clock import SystemClock
    from manifests.diagnostics import Diagnostic
    from manifests.scheduled import read_schedule

    loaded = read_schedule(file, set_)
    since = midnight(from_, loaded.schedule.when.timezone) if from_ is not None else SystemClock().now()
    rows, errors = [], dict[Diagnostic, None]()
    for row in rows_of(file, loaded, since, next_, set_):
        errors |= dict.fromkeys(row.pop("errors", ()))
        rows.append(row)
        if not json:
            for line in row_lines(row):
                views.say(line)
    if json:
        views.print_json({"message_type": "preview", "schedule": loaded.schedule.name, "starts": rows})
    else:
        views.say_diagnostics(list(errors))
    return 2 if errors else 0


# --- `run --schedule` ---


def refuse_mixed(target: Path | None, file: Path | None, date: str | None, *, dry_run: bool, anew: bool) -> None:
    """What belongs together in `run`."""
    if (target is None) == (file is None):
        raise UsageError("run takes a manifest, or --schedule", remedy="run M, or run --schedule S --date 2026-12-14")
    if file is not None and date is None:
        raise UsageError("--schedule needs a day", remedy="--date 2026-12-14; `schedule preview` lists the days")
    if file is None and (date is not None or dry_run or anew):
        said = "--anew belongs" if anew else "--date and --dry-run belong"
        raise UsageError(f"{said} to --schedule", remedy="`plan M` shows what `run M` would do")


def plan_start(
    file: Path, date: str, overrides: Sequence[str], accepted: Sequence[str], options: Options, *, anew: bool
) -> Planned:
    """The plan of the start on that day. Raises NoStartError, and StartDoneError where there is nothing to settle."""
    from flows.scheduling import find_occurrence, prepare_scheduled
    from manifests.scheduled import read_schedule

    occurrence = find_occurrence(read_schedule(file, tuple(overrides)).schedule, date)
    return prepare_scheduled(file, occurrence, overrides=overrides, accepted=accepted, options=options, anew=anew)


def show_start(planned: Planned, *, json: bool) -> int:
    """What it would do; of a day that is skipped, that it is."""
    from flows.cli_plan import show_plan
    from flows.schedule_sheet import start_facts, start_lines

    facts = start_facts(planned)
    if planned.occurrence.skipped:
        views.answer(facts, start_lines(planned), json=json)
        return 0
    if not json:
        for line in start_lines(planned):
            views.say(line)
    return show_plan(planned.prepared, json=json, **facts)


def begin_start(planned: Planned, *, json: bool) -> Prepared:
    """Puts it on record, and says which start it is."""
    from flows.schedule_sheet import start_facts, start_lines
    from flows.scheduling import begin_scheduled

    begun = begin_scheduled(planned)
    views.answer(start_facts(begun), start_lines(begun), json=json)
    return begun.prepared


def check_schedule(file: Path, overrides: Sequence[str], *, strict: bool, json: bool) -> int:
    """`validate` of a schedule: by itself, and the manifest as its next start has it."""
    from flows.checking import check_manifest, refuse_words_that_do_not_fit
    from flows.scheduling import next_occurrence
    from infra.clock import SystemClock
    from manifests.scheduled import read_schedule, resolve_schedule

    loaded = read_schedule(file, tuple(overrides))
    occurrence = next_occurrence(loaded.schedule, SystemClock().now())
    checked = check_manifest(loaded.manifest, scheduled=resolve_schedule(loaded, occurrence))
    refuse_words_that_do_not_fit(checked)
    told = [{"summary": w.summary, "detail": w.detail, "where": str(w.where)} for w in checked.warnings]
    facts = {
        "message_type": "validate", "ok": True, "campaign": checked.loaded.spot.name, "warnings": told,
        "schedule": loaded.schedule.name, "date": str(occurrence.date),
    }  # fmt: skip
    if not json:
        views.say_diagnostics(checked.warnings)
    views.answer(facts, [f"ok, as it starts on {occurrence.date}"], json=json)
    return 2 if strict and checked.warnings else 0


def midnight(text: str, timezone: str) -> dt.datetime:
    """The beginning of a local day."""
    import zoneinfo

    from manifests.reading import parse_day

    day = parse_day(text)
    if day is None:
        raise UsageError(f"`{text}` is no day", remedy="--from 2026-12-14")
    return dt.datetime.combine(day, dt.time.min, zoneinfo.ZoneInfo(timezone)).astimezone(dt.UTC)


schedule.command(apply)  # here: rehearsals import the command line twice in one process

COMMANDS = (schedule,)
