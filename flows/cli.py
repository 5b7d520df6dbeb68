"""Arguments in, exit code out. Decides nothing about money or media; Prefect is imported inside `run` only."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter, validators
from pydantic import ValidationError

from flows import cli_costs, cli_deliver, cli_infra, cli_plan, cli_schedule, cli_setup, cli_store, cli_words, views
from flows.checking import check_manifest, refuse_words_that_do_not_fit
from flows.cli_plan import AnyManifest, Json, Manifest, Rebuy, Set
from flows.cli_words import UsageError as ShotrunnerUsageError
from flows.prepare import make_plan
from flows.refusals import refuse_drift, refuse_moved_prices
from flows.stored_plan import prepare_stored, read_plan_file
from infra.errors import ShotrunnerError
from infra.settings import RunnerName
from manifests.diagnostics import ManifestError
from manifests.scheduled import is_schedule

INTERRUPTED = 130


app = cyclopts.App(
    name="shotrunner",
    help="Batch production of video ads: manifests in, finished spots out.",
    version=lambda: f"shotrunner {version('shotrunner')}",
    version_flags=["--version"],
    help_format="markdown",  # the one that joins the lines of a paragraph
    default_parameter=Parameter(negative=(), show_default=False),
    suppress_keyboard_interrupt=False,
)


Strict = Annotated[bool, Parameter(help="Exit 2 for warnings, too.")]


def exit_code_of(error: BaseException) -> int:
    """The one mapping from what happened to an exit code (style sheet)."""
    if isinstance(error, ManifestError):
        codes = {d.exit_code for d in error.diagnostics if d.severity == "error"}
        return next((c for c in (2, 8, 5) if c in codes), 2)
    if isinstance(error, ShotrunnerError):
        return int(getattr(error, "status", error.exit_code))
    if isinstance(error, ValidationError | cyclopts.CycloptsError):
        return 2
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command. Always ends by SystemExit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (ManifestError, ShotrunnerError, ValidationError, cyclopts.CycloptsError, KeyboardInterrupt) as error:
        code = exit_code_of(error)
        _tell(error, code, words)
    except BrokenPipeError:  # whoever read us has seen enough: `plan | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code or 0)


def _tell(error: BaseException, code: int, words: Sequence[str]) -> None:
    """People read standard error; a program that asked for JSON gets its object, too."""
    if hasattr(error, "status"):  # a run has told its problems already
        return
    if isinstance(error, ManifestError):
        views.say_diagnostics(error.diagnostics)
    elif isinstance(error, ValidationError):
        for item in error.errors(include_url=False, include_input=False):
            views.say(f"settings: {'.'.join(map(str, item['loc']))}: {item['msg']}", stream=sys.stderr)
    elif isinstance(error, cyclopts.CycloptsError):
        command = words[0] if words and words[0] in app else ""
        views.say(f"{error}\n    {' '.join(['shotrunner', command]).strip()} --help", stream=sys.stderr)
    else:
        views.say("interrupted" if isinstance(error, KeyboardInterrupt) else str(error), stream=sys.stderr)
    if "--json" in words:
        views.print_json(views.error_facts(error, code))


@app.command
def validate(manifest: AnyManifest, /, *, set_: Set = (), strict: Strict = False, json: Json = False) -> int:
    """Check a manifest and every file it names. No network, no store, no key.

    Example: shotrunner validate manifests/examples/morning-30s.yaml

    Exit: 0 valid; 2 something is wrong; 8 rights.
    """
    if is_schedule(manifest):
        return cli_schedule.check_schedule(manifest, set_, strict=strict, json=json)
    checked = check_manifest(manifest, set_)
    refuse_words_that_do_not_fit(checked)
    if json:
        views.print_json(
            {
                "message_type": "validate",
                "ok": True,
                "campaign": checked.loaded.spot.name,
                "warnings": [
                    {"summary": w.summary, "detail": w.detail, "where": str(w.where)} for w in checked.warnings
                ],
            }
        )
    else:
        views.say_diagnostics(checked.warnings)
        views.say("ok")
    return 2 if strict and checked.warnings else 0


def _options(**said: Any) -> Any:
    from manifests.plan import Options

    return Options(**said)


@app.command
def run(
    target: Annotated[Path | None, Parameter(help="A manifest, or a plan that `plan --out` wrote.")] = None,
    /,
    *,
    schedule: Annotated[
        Path | None, Parameter(help="In place of TARGET, a schedule: what it starts on --date, as its server would.")
    ] = None,
    date: Annotated[str | None, Parameter(help="The day of the start: 2026-12-14, or 2026-12-14T05:30.")] = None,
    dry_run: Annotated[bool, Parameter(help="With --schedule: print the plan and do nothing.")] = False,
    anew: Annotated[
        bool, Parameter(help="With --schedule: settle a start that has begun again, by its tables as they are now.")
    ] = False,
    out: Annotated[Path | None, Parameter(help="Where the files go; out/CAMPAIGN unless given.")] = None,
    set_: Set = (),
    yes: Annotated[bool, Parameter(help="Spend real credits without asking.")] = False,
    approve: Annotated[
        Literal["ask", "auto"], Parameter(help="auto: the score decides where a person would.", show_default=True)
    ] = "ask",
    accept_reference: Annotated[tuple[str, ...], Parameter(help="A pinned file whose new bytes are meant.")] = (),
    accept_prices: Annotated[bool, Parameter(help="Prices that moved since the last run are meant.")] = False,
    rebuy_unknown: Rebuy = False,
    budget: Annotated[str | None, Parameter(help="+N: so many credits above the manifest's, for this run.")] = None,
    wait: Annotated[bool, Parameter(help="For another run of the campaign, and for a daily cap to open.")] = False,
    media_runner: Annotated[
        RunnerName | None, Parameter(help="Where media steps are made; as SHOTRUNNER_MEDIA_RUNNER says, else here.")
    ] = None,
    json: Json = False,
) -> int:
    """Buy what is missing, then cut, mix and deliver. Run again, it buys nothing twice.

    A start of a schedule by hand is the one that its server makes: what was settled when it first began stands, and
    it may be looked at again at any time. Another process that is at it, or a day that it skips, is told. When a table
    was wrong, --anew settles a start again that is not done, says what has changed, and keeps the values before it on
    record; what was bought with those is used again where nothing has changed. The server's Retry then goes on with it.

    Example: shotrunner run manifests/examples/morning-30s.yaml --out out/demo

    Exit: 0 done; 2 manifest, changed file or stale plan; 3 some shots failed; 4 a person has to decide; 5 budget or
    credits; 6 vendor, key or store; 7 a delivery check failed; 8 rights or disclosure; 9 another run holds the
    campaign; 130 interrupted.
    """
    from flows.apply import apply_prepared

    options = _options(rebuy_unknown=rebuy_unknown, approve=approve, extra_credits=cli_words.extra_credits(budget))
    cli_schedule.refuse_mixed(target, schedule, date, dry_run=dry_run, anew=anew)
    stored = target is not None and target.suffix == ".json"
    planned = None
    if schedule is not None and date is not None:
        planned = cli_schedule.plan_start(schedule, date, set_, accept_reference, options, anew=anew)
        if dry_run or planned.occurrence.skipped:
            return cli_schedule.show_start(planned, json=json)
        prepared = planned.prepared
    elif target is not None and stored:
        if set_ or options != _options():
            raise ShotrunnerUsageError(
                "a stored plan is carried out as it is: --set, --approve, --budget and --rebuy-unknown come too late",
                remedy="run the manifest with them, or make the plan anew: `shotrunner plan M --set … --out plan.json`",
            )
        prepared = prepare_stored(read_plan_file(target), accepted=accept_reference)
    elif target is not None:
        prepared = make_plan(target, overrides=set_, accepted=accept_reference, options=options)
    refuse_drift(prepared)
    if not accept_prices:
        refuse_moved_prices(prepared)
    if planned is not None:
        prepared = cli_schedule.begin_start(planned, json=json)
    if not json:
        views.say_diagnostics(prepared.checked.warnings)
    if media_runner is not None:
        settings = prepared.settings.model_copy(update={"media_runner": media_runner})
        prepared = dataclasses.replace(prepared, settings=settings)
    return apply_prepared(prepared, out, yes=yes, json=json, wait=wait, exactly=stored, accept_prices=accept_prices)


@app.command
def verify(
    file: Annotated[Path, Parameter(help="Any film, also one that somebody exported again.")],
    /,
    *,
    profile: Annotated[str, Parameter(help="The placement that it is for.")],
    ratio: Annotated[str | None, Parameter(help="The profile's first unless given.")] = None,
    frames: Annotated[int, Parameter(help="Frames it must have; 0 for any length the profile takes.")] = 0,
    silent: Annotated[bool, Parameter(help="It is meant to have no sound in its track.")] = False,
    json: Json = False,
) -> int:
    """Measure an encoded film against a delivery profile.

    Example: shotrunner verify out/demo/*.mp4 --profile youtube-instream

    Exit: 0 it passes; 2 no such file or profile; 7 it does not.
    """
    from flows.answers import verify_file, verify_lines

    facts = verify_file(file, profile, ratio, frames, silent=silent)
    views.answer(facts, verify_lines(facts), json=json)
    return 0 if facts["ok"] else 7


@app.command
def rehearse(
    manifest: Manifest,
    /,
    *,
    seeds: Annotated[
        int, Parameter(help="How many: 0, 1, 2 and so on.", show_default=True, validator=validators.Number(gte=1))
    ] = 10,
    seed: Annotated[int | None, Parameter(help="Only this one.", validator=validators.Number(gte=0))] = None,
    at_once: Annotated[
        int, Parameter(help="Seeds at the same time.", show_default=True, validator=validators.Number(gte=1, lte=64))
    ] = 2,
    keep: Annotated[bool, Parameter(help="Keep every seed's folder.")] = False,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Run a manifest on the backlot in bad weather, killed and run again, and compare every book. Spends nothing.

    Each seed is a schedule of faults and kills, the same on every machine. Pictures are tiny, time runs faster, and
    all files lie in a temporary folder; of a seed that finds a breach it is kept.

    Example: shotrunner rehearse manifests/examples/morning-30s.yaml --seeds 20

    Exit: 0 every book is in order; 2 manifest; 5 over budget; 6 a program is missing; 7 a breach.
    """
    from flows.rehearse import rehearse as carry_out

    if not json:
        for line in views.rehearsal_head():
            views.say(line)
    wanted = range(seeds) if seed is None else (seed,)

    def tell(row: Any) -> None:
        views.print_json(row.as_facts()) if json else views.say(views.rehearsal_line(row))

    rows = carry_out(manifest, set_, wanted, tell, at_once=at_once, keep=keep)
    facts = views.rehearsal_facts(rows)
    views.answer(facts, views.rehearsal_end(facts), json=json)
    return 7 if facts["breaches"] else 0


for _command in (
    *cli_setup.COMMANDS,
    *cli_plan.COMMANDS,
    *cli_words.COMMANDS,
    *cli_costs.COMMANDS,
    *cli_deliver.COMMANDS,
):
    app.command(_command)


for _group in (*cli_schedule.COMMANDS, *cli_store.COMMANDS, *cli_infra.COMMANDS):
    app.command(_group)


if __name__ == "__main__":
    main()
