"""Why a plan is not applied: a file or a price that moved, a budget that does not reach. Before anything is paid."""

from __future__ import annotations

from decimal import Decimal

from flows.planning import wanted_before
from flows.prepare import Prepared
from infra.errors import BudgetExceededError, ReferenceDriftError, StalePlanError
from manifests.expand import Want
from manifests.plan import Plan, first_limit

RUN_AGAIN = "`shotrunner run --schedule S --date D --budget +N`"
PRICES_MAY_MOVE = Decimal("0.02")


def refuse_drift(prepared: Prepared) -> None:
    """A pinned file that changed stops `run`: somebody has to say that the new one is meant."""
    if prepared.drift:
        raise ReferenceDriftError(
            "; ".join(prepared.drift),
            remedy="restore the file, or say --accept-reference NAME (see the lock beside the manifest)",
        )


def refuse_moved_prices(prepared: Prepared) -> None:
    """What the last run was told it would cost is what people agreed to; above 2 % somebody has to agree again."""
    before = wanted_before(prepared.store, prepared.plan.campaign)
    same = [(before[w.id].credits, w.credits) for w in prepared.plan.wants if w.id in before and _same(before[w.id], w)]
    old, new = sum(a for a, _ in same), sum(b for _, b in same)
    if old and abs(Decimal(new - old)) / old > PRICES_MAY_MOVE:
        raise StalePlanError(
            f"prices have moved since the last run: what cost {old:,} credits would cost {new:,}",
            remedy="look at `shotrunner plan`, then say --accept-prices",
        )


def _same(before: Want, now: Want) -> bool:
    return (before.service, before.model, before.endpoint, before.body) == (
        now.service, now.model, now.endpoint, now.body,
    )  # fmt: skip


class BudgetHeldError(BudgetExceededError):
    """A start of a schedule that waits for somebody to allow more."""

    summary = "held: over budget"


def refuse_over_budget(plan: Plan) -> None:
    """Before anything is paid. The reserve for retakes is held back from the first takes; retakes may use all of it."""
    spot = plan.read_spot()
    totals = plan.with_pictures or plan.totals  # speech that no picture can be paid for is not bought either
    spent_first = totals.spent if totals.spent_first is None else totals.spent_first
    first = totals.credits - totals.credits_again
    too_many_first = first > max(first_limit(spot, plan.options, plan.allowance) - spent_first, 0)
    if too_many_first or totals.credits > max(totals.budget - totals.spent, 0):
        held = f" ({spot.budget.reroll_reserve:.0%} is held for retakes)" if spot.budget.reroll_reserve else ""
        costs = "speech and pictures cost at least" if plan.is_speech else "the plan costs"
        if plan.allowance is not None:
            detail = f"{costs} {totals.credits:,} credits; {plan.allowance.words()}{held}; nothing was bought"
            if plan.allowance.when_exceeded == "hold":
                raise BudgetHeldError(detail, remedy=f"{RUN_AGAIN} goes on, or raise the schedule's budget")
            raise BudgetExceededError(detail, remedy=f"raise the schedule's budget; {RUN_AGAIN} buys it all the same")
        raise BudgetExceededError(
            f"{costs} {totals.credits:,} credits; {totals.budget:,} are allowed{held}, {totals.spent:,} are spent",
            remedy="raise budget.credits, ask for fewer takes, or say --budget +N",
        )
    limit = spot.budget.per_shot
    before = plan.per_shot_spent
    dear = {
        shot: cost
        for shot, cost in plan.per_shot.items()
        if limit is not None and cost and cost + before.get(shot, 0) > limit
    }
    if dear:
        spent = {shot: f" on top of {before[shot]:,}" if shot in before else "" for shot in dear}
        shots = ", ".join(f"{shot} {cost:,}{spent[shot]}" for shot, cost in dear.items())
        raise BudgetExceededError(
            f"budget.per_shot is {limit:,} credits; {shots}", remedy="raise it, or ask these shots for fewer takes"
        )
