"""Arguments in, exit code out. Decides nothing about money or media; Prefect is imported inside `run` only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter
from pydantic import ValidationError

from flows import views
from flows.prepare import (
    Prepared,
    check_manifest,
    make_plan,
    prepare_stored,
    read_plan_file,
    refuse_drift,
    refuse_over_budget,
)
from infra.errors import ShotrunnerError
from manifests.diagnostics import ManifestError

INTERRUPTED = 130

app = cyclopts.App(
    name="shotrunner",
    help="Batch production of video ads: manifests in, finished spots out.",
    version_flags=["--version"],
    help_format="plaintext",
)

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Answer in JSON.")]
Manifest = Annotated[Path, Parameter(help="A manifest of kind spot.")]
Set = Annotated[tuple[str, ...], Parameter(name="--set", help="Override a value: --set budget.credits=900.")]


def exit_code_of(error: BaseException) -> int:
    """The one mapping from what happened to an exit code (style sheet)."""
    from infra.errors import ShotrunnerError

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
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (ManifestError, ShotrunnerError, ValidationError, cyclopts.CycloptsError, KeyboardInterrupt) as error:
        _tell(error)
        code = exit_code_of(error)
    sys.exit(code or 0)


def _tell(error: BaseException) -> None:
    if isinstance(error, ManifestError):
        views.say_diagnostics(error.diagnostics)
    elif isinstance(error, ValidationError):
        for item in error.errors(include_url=False, include_input=False):
            views.say(f"settings: {'.'.join(map(str, item['loc']))}: {item['msg']}", stream=sys.stderr)
    elif isinstance(error, KeyboardInterrupt):
        views.say("interrupted", stream=sys.stderr)
    elif not hasattr(error, "status"):  # a run has told its problems already
        views.say(str(error), stream=sys.stderr)


@app.command
def validate(manifest: Manifest, *, set_: Set = (), strict: bool = False, json: Json = False) -> int:
    """Check a manifest and every file it names. No network, no store, no key.

    Example: shotrunner validate manifests/examples/morning-30s.yaml

    Exit: 0 valid; 2 something is wrong; 8 rights.
    """
    checked = check_manifest(manifest, set_)
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


@app.command
def plan(
    manifest: Manifest,
    *,
    set_: Set = (),
    out: Annotated[Path | None, Parameter(help="Write the plan to a file that `run` applies exactly.")] = None,
    rebuy_unknown: bool = False,
    detailed_exitcode: bool = False,
    json: Json = False,
) -> int:
    """Print what would be bought, why, and what it costs. Calls no vendor.

    Example: shotrunner plan manifests/examples/morning-30s.yaml

    Exit: 0; with --detailed-exitcode 10 when there is something to do; 2 manifest; 5 over budget.
    """
    prepared = make_plan(manifest, overrides=set_, options=_options(rebuy_unknown=rebuy_unknown))
    _show_plan(prepared, json=json)
    if out is not None:
        from infra.files import place_file

        text = prepared.plan.model_dump_json(by_alias=True, indent=1).encode()
        place_file(out, None, lambda: text)
    refuse_over_budget(prepared.plan)
    return 10 if detailed_exitcode and prepared.plan.unfinished else 0


def _options(**said: Any) -> Any:
    from manifests.plan import Options

    return Options(**said)


def _show_plan(prepared: Prepared, *, json: bool) -> None:
    slots, checked = prepared.settings.concurrency, prepared.checked
    if json:
        views.print_json(views.plan_facts(prepared.plan, checked.models, checked.profiles, slots))
        return
    views.say_diagnostics(checked.warnings)
    for line in views.call_sheet(prepared.plan, checked.models, checked.profiles, slots, assumed=slots == 1):
        views.say(line)
    for change in prepared.drift:
        views.say(f"  changed since the lock: {change}; `run` stops until --accept-reference NAME")


@app.command
def run(
    target: Annotated[Path, Parameter(help="A manifest, or a plan that `plan --out` wrote.")],
    *,
    out: Annotated[Path | None, Parameter(help="Where the files go; out/<campaign> unless given.")] = None,
    set_: Set = (),
    yes: Annotated[bool, Parameter(help="Spend real credits without asking.", negative=())] = False,
    approve: Annotated[Literal["ask", "auto"], Parameter(help="auto: the score decides where a person would.")] = "ask",
    accept_reference: Annotated[tuple[str, ...], Parameter(help="A pinned file whose new bytes are meant.")] = (),
    rebuy_unknown: Annotated[bool, Parameter(help="Buy again what may have been paid.", negative=())] = False,
    budget: Annotated[str | None, Parameter(help="+N: so many credits above the manifest's, for this run.")] = None,
    json: Json = False,
) -> int:
    """Buy what is missing, then cut, mix and deliver. Run again, it buys nothing twice.

    Example: shotrunner run manifests/examples/morning-30s.yaml --out out/demo

    Exit: 0 done; 2 manifest, changed file or stale plan; 3 some shots failed; 4 a person has to decide; 5 budget or
    credits; 6 vendor, key or store; 7 a delivery check failed; 8 rights or disclosure; 9 another run holds the
    campaign; 130 interrupted.
    """
    from flows.apply import apply_prepared

    options = _options(rebuy_unknown=rebuy_unknown, approve=approve, extra_credits=_extra(budget))
    if target.suffix == ".json":
        return apply_prepared(prepare_stored(read_plan_file(target)), out, yes=yes, json=json)
    prepared = make_plan(target, overrides=set_, accepted=accept_reference, options=options)
    refuse_drift(prepared)
    if not json:
        views.say_diagnostics(prepared.checked.warnings)
    return apply_prepared(prepared, out, yes=yes, json=json)


def _extra(budget: str | None) -> int:
    if budget is None:
        return 0
    if not (budget.startswith("+") and budget[1:].isdigit()):
        raise ShotrunnerUsageError(f"--budget takes +N, not {budget!r}", remedy="--budget +300 allows 300 credits more")
    return int(budget[1:])


class ShotrunnerUsageError(ShotrunnerError):
    summary = "wrong arguments"
    exit_code = 2


if __name__ == "__main__":
    main()
