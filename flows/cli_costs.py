"""The command `costs`: arguments in, exit code out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from flows import views
from flows.cli_words import Json, Target, UsageError
from flows.prepare import absolute_store, make_plan
from infra.errors import ShotrunnerError
from infra.settings import read_settings
from infra.storage import open_store
from manifests.diagnostics import ManifestError
from manifests.paths import find_root


def costs(
    target: Target,
    /,
    *,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", help="Override a value: --set budget.credits=900.")] = (),
    acknowledge: Annotated[bool, Parameter(help="Answer for what the vendor charged beside the ledger.")] = False,
    by: Annotated[str | None, Parameter(help="Who answers for it.")] = None,
    why: Annotated[str | None, Parameter(help="What it was spent on.")] = None,
    json: Json = False,
) -> int:
    """What a campaign cost: the ledger and, with a key, the vendor's own figures and the difference. Spends nothing.

    Example: shotrunner costs manifests/examples/morning-30s.yaml

    Exit: 0; 2 manifest, unknown target or nothing to acknowledge; 6 vendor, key or store.
    """
    from flows.costs import acknowledge as answer_for
    from flows.costs import costs_facts, costs_lines
    from flows.targets import UnknownTargetError, find_target

    if not acknowledge == bool(by) == bool(why):
        raise UsageError(
            "--acknowledge, --by and --why belong together", remedy="costs M --acknowledge --by mara --why 'web app'"
        )
    try:
        found = find_target(target)
        prepared = make_plan(found.manifest, overrides=set_ or found.overrides, scheduled=found.scheduled, stage="all")
    except (ManifestError, UnknownTargetError) as error:
        by_ledger = None if acknowledge else _by_the_ledger(target, error)
        if by_ledger is None:
            raise
        views.answer(by_ledger, costs_lines(by_ledger), json=json)
        return 0
    if acknowledge and by and why:
        record = answer_for(prepared, by, why)
        facts = {"message_type": "acknowledged", **record.model_dump(mode="json", by_alias=True)}
        views.answer(facts, [f"{by} answers for {record.credits:,} credits since {record.since}: {why}"], json=json)
        return 0
    facts = costs_facts(prepared, found)
    views.answer(facts, costs_lines(facts), json=json)
    return 0


def _by_the_ledger(target: str, error: ManifestError | ShotrunnerError) -> dict[str, Any] | None:
    """What a run or campaign cost although its manifest is broken or gone; None when `target` is neither."""
    from flows.costs import ledger_facts
    from flows.targets import find_plan

    if Path(target).exists():
        return None
    root = find_root(Path.cwd() / "here")
    settings = read_settings(root)
    store = open_store(absolute_store(settings.store, root), root)
    run, plan = find_plan(store, root, target)
    if plan is None:
        return None
    broken = isinstance(error, ManifestError)
    why = f"{plan.manifest} has mistakes now (shotrunner validate)" if broken else str(getattr(error, "detail", error))
    return ledger_facts(store, settings, plan, run, why)


COMMANDS = (costs,)
