"""The command `costs`: arguments in, exit code out."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flows import views
from flows.cli_words import Json, Target, UsageError
from flows.prepare import make_plan


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
    from flows.targets import find_target

    if not acknowledge == bool(by) == bool(why):
        raise UsageError(
            "--acknowledge, --by and --why belong together", remedy="costs M --acknowledge --by mara --why 'web app'"
        )
    found = find_target(target)
    prepared = make_plan(found.manifest, overrides=set_ or found.overrides)
    if acknowledge and by and why:
        record = answer_for(prepared, by, why)
        facts = {"message_type": "acknowledged", **record.model_dump(mode="json", by_alias=True)}
        views.answer(facts, [f"{by} answers for {record.credits:,} credits since {record.since}: {why}"], json=json)
        return 0
    facts = costs_facts(prepared, found)
    views.answer(facts, costs_lines(facts), json=json)
    return 0


COMMANDS = (costs,)
