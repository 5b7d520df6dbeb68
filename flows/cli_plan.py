"""Commands that look and touch nothing: `plan`, `status`, `explain`. Arguments in, exit code out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from flows import views
from flows.call_sheet import call_sheet, plan_facts
from flows.cli_words import UsageError
from flows.heard import Stage
from flows.prepare import Prepared, make_plan
from flows.refusals import refuse_over_budget
from flows.scheduling import plan_next
from infra.errors import BudgetExceededError
from manifests.plan import Options
from manifests.scheduled import is_schedule

Json = Annotated[bool, Parameter(name="--json", help="Answer in JSON.")]
Manifest = Annotated[Path, Parameter(help="A manifest: one spot, its variants, or a campaign of several.")]
AnyManifest = Annotated[Path, Parameter(help="A manifest of any kind; of a schedule, as its next start has it.")]
Set = Annotated[tuple[str, ...], Parameter(name="--set", help="Override a value: --set budget.credits=900.")]
Rebuy = Annotated[bool, Parameter(help="Buy again what may have been paid.")]


def plan(
    manifest: AnyManifest,
    /,
    *,
    set_: Set = (),
    out: Annotated[Path | None, Parameter(help="Write the plan to a file that `run` applies exactly.")] = None,
    every: Annotated[bool, Parameter(name="--all", help="Every purchase on a line of its own.")] = False,
    why: Annotated[str | None, Parameter(help="On which axes this shot depends, and what makes it so.")] = None,
    compare: Annotated[
        str | None, Parameter(help="The bill for several values: --compare model=gen4_turbo,gen4.5.")
    ] = None,
    diff: Annotated[str | None, Parameter(help="Only what would be paid again against that run, and why.")] = None,
    rebuy_unknown: Rebuy = False,
    detailed_exitcode: Annotated[bool, Parameter(help="Exit 10 when there is something to do.")] = False,
    json: Json = False,
) -> int:
    """Print what would be bought, why, and what it costs. Calls no vendor.

    Example: shotrunner plan manifests/examples/morning-30s.yaml

    Exit: 0; with --detailed-exitcode 10 when there is something to do; 2 manifest; 5 over budget.
    """
    if sum(asked is not None for asked in (why, compare, diff, out)) > 1:
        raise UsageError("--why, --compare, --diff and --out are questions of their own", remedy="ask one at a time")
    if (out is not None or compare is not None) and is_schedule(manifest):
        raise UsageError("--out and --compare are for a manifest", remedy="run --schedule S --date D plans anew")
    options = Options(rebuy_unknown=rebuy_unknown)
    if compare is not None:
        from flows.compare import compare_facts, compare_lines

        facts = compare_facts(manifest, compare, set_, options)
        views.answer(facts, compare_lines(facts), json=json)
        return 0
    about_pictures = why is not None or diff is not None
    stage: Stage = "all" if about_pictures else "next"
    prepared = (
        plan_next(manifest, overrides=set_, options=options, stage=stage)
        if is_schedule(manifest)
        else make_plan(manifest, overrides=set_, options=options, stage=stage)
    )
    if why is not None:
        from flows.why import why_facts, why_lines

        facts = why_facts(prepared, why)
        views.answer(facts, why_lines(facts), json=json)
        return 0
    if diff is not None:
        from flows.compare import diff_facts, diff_lines

        facts = diff_facts(prepared, diff)
        views.answer(facts, diff_lines(facts, prepared.plan, every=every), json=json)
        return 0
    if out is not None:
        from infra.files import place_file

        text = prepared.plan.model_dump_json(by_alias=True, indent=1).encode()
        place_file(out, None, lambda: text)
    code = show_plan(prepared, every=every, json=json)
    return code or (10 if detailed_exitcode and prepared.plan.unfinished else 0)


def show_plan(prepared: Prepared, *, json: bool, every: bool = False, **more: Any) -> int:
    """Prints the call sheet. Returns the exit code: that of a plan over its budget, else 0. `more` joins its facts."""
    problem: BudgetExceededError | None = None
    try:
        refuse_over_budget(prepared.plan)
    except BudgetExceededError as error:
        problem = error
    _show_plan(prepared, problem, more, every=every, json=json)
    return problem.exit_code if problem is not None else 0


def _show_plan(
    prepared: Prepared, problem: BudgetExceededError | None, more: Mapping[str, Any], *, every: bool, json: bool
) -> None:
    slots, checked = prepared.settings.concurrency, prepared.checked
    if json:
        facts = plan_facts(prepared.plan, checked, slots)
        problems = views.error_facts(problem, problem.exit_code)["problems"] if problem else []
        views.print_json(facts | {"drift": list(prepared.drift), "problems": problems, **more})
        return
    views.say_diagnostics(checked.warnings)
    for line in call_sheet(prepared.plan, checked, slots, assumed=slots == 1, every=every):
        views.say(line)
    for change in prepared.drift:
        views.say(f"  changed since the lock: {change}; `run` stops until --accept-reference NAME")
    if problem is not None:
        views.say(str(problem), stream=sys.stderr)


def status(manifest: AnyManifest, /, *, set_: Set = (), json: Json = False) -> int:
    """Where every take stands, by what the store says, and how the last run ended.

    Example: shotrunner status manifests/examples/morning-30s.yaml

    Exit: 0; 2 manifest.
    """
    from flows.status import status_facts, status_lines
    from flows.targets import find_target

    found = find_target(str(manifest))
    facts = status_facts(make_plan(found.manifest, overrides=set_, scheduled=found.scheduled, stage="all"))
    views.answer(facts, status_lines(facts), json=json)
    return 0


def explain(
    target: Annotated[str, Parameter(help="A manifest, a run id or the name of a campaign; or an address in it.")],
    address: Annotated[
        str | None, Parameter(help="Only this shot's prompts; with its axis values, one clip: hero@kettle-green,9:16.")
    ] = None,
    /,
    *,
    variant: Annotated[
        str | None, Parameter(help="The variant that is told; the first unless given: kettle-green,cold,en-GB,9:16.")
    ] = None,
    set_: Set = (),
    json: Json = False,
) -> int:
    """Print the merged manifest of a variant with each value's origin, and both prompts of every shot; or one clip.

    Of a clip: what it is made from, what the models are told, its keys, the variants that show it, price and state.

    Example: shotrunner explain manifests/examples/morning-30s.yaml pour

    Exit: 0; 2 manifest, unknown shot, clip or variant.
    """
    from flows.checking import check_manifest
    from flows.explain import find_variant, manifest_facts, manifest_lines
    from flows.explain_clip import clip_facts, clip_lines
    from flows.targets import default_target, find_target
    from manifests.lengthen import lines_that_extend

    if address is None and "@" in target and not Path(target).is_file():
        target, address = default_target("put the manifest before the address"), target
    found = find_target(target)
    overrides = set_ or found.overrides
    if address is not None and ("@" in address or "/" in address):
        prepared = make_plan(found.manifest, overrides=overrides, scheduled=found.scheduled, stage="all")
        told = clip_facts(prepared, address)
        views.answer(told, clip_lines(told, paid=prepared.plan.paid), json=json)
        return 0
    checked = check_manifest(found.manifest, overrides)
    if lines_that_extend(checked.campaign):  # the store knows how long their shots are
        checked = make_plan(found.manifest, overrides=overrides, scheduled=found.scheduled, stage="all").checked
    facts = manifest_facts(checked, find_variant(checked, variant), address)
    views.answer(facts, manifest_lines(facts), json=json)
    return 0


COMMANDS = (plan, status, explain)
