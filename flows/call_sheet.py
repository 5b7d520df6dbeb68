"""The plan as people read it, and as `plan --json` tells it. Decides nothing.

A spot by itself is listed take by take; films that share shots are told shot by shot (`flows.matrix_sheet`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from flows import matrix_sheet
from flows.checking import Checked
from flows.views import counted, duration_words
from manifests.catalogue import ModelCard
from manifests.estimate import estimate_seconds
from manifests.expand import Want
from manifests.needs import needs_of
from manifests.plan import Action, Plan, Verb
from manifests.ratios import RatioBill, ratio_bills, tell_ratios
from manifests.sharing import is_matrix


def plan_facts(plan: Plan, checked: Checked, slots: int) -> dict[str, Any]:
    """The answer of `plan --json`."""
    return {
        "message_type": "plan",
        "plan": plan.digest,
        "campaign": plan.campaign,
        "service": plan.video_service,
        "credits": plan.totals.model_dump(mode="json") | {"total": plan.totals.credits},
        "per_shot": dict(plan.per_shot),
        "actions": [a.model_dump(mode="json") for a in plan.actions],
        "prices": _prices(plan, checked.models),
        "seconds_to_make": list(times_of(plan, checked.models, slots)),
        "slots": slots,
        **({"with_pictures": plan.with_pictures.model_dump(mode="json")} if plan.with_pictures else {}),
        "needs": needs_of(checked.parts, plan.wants, checked.profiles),
        "ratios": [asdict(bill) | {"saved": bill.saved} for bill in _ratio_bills(plan, checked)],
        "not_applied": list(plan.not_applied),
        "notices": list(plan.notices),
        **(matrix_sheet.matrix_facts(plan, checked) if is_matrix(plan.sources) else {}),
    }


def call_sheet(plan: Plan, checked: Checked, slots: int, *, assumed: bool, every: bool = False) -> list[str]:
    """`every`: each purchase on a line of its own, where a matrix would be told shot by shot."""
    if is_matrix(plan.sources):
        lines = matrix_sheet.head(plan, checked)
        lines += rows_of(plan, plan.actions) if every else matrix_sheet.rows(plan, plan.actions)
    else:
        lines = [_head(plan), *rows_of(plan, plan.actions)]
    lines += _totals(plan)
    if is_matrix(plan.sources):
        lines += matrix_sheet.saving(plan)
        lines += [f"  ratios: {tell_ratios(bill)}" for bill in _ratio_bills(plan, checked)]
    lines += [f"  price: {price}" for price in _prices(plan, checked.models)]
    lines.append(_time(plan, checked.models, slots, assumed=assumed))
    lines += [f"  needs: {need}" for need in needs_of(checked.parts, plan.wants, checked.profiles)]
    if plan.not_applied:
        lines.append(f"  not applied yet: {', '.join(plan.not_applied)}")
    lines += [f"  note:  {notice}" for notice in plan.notices]
    return lines


def _ratio_bills(plan: Plan, checked: Checked) -> tuple[RatioBill, ...]:
    return ratio_bills(plan.sources, plan.wants, checked.models)


def _head(plan: Plan) -> str:
    spot = plan.read_spot()
    parts = f" ({counted(len(spot.shots), 'shot')} and an end card)" if spot.graphics.end_card else ""
    screen = Decimal(plan.totals.screen_seconds)
    shots = counted(len(spot.shots), "shot")
    return f"{plan.campaign}: {shots}, {screen:.1f} s on screen{parts}, {spot.generate.ratio}"


def _totals(plan: Plan) -> list[str]:
    credits = "credits" if plan.paid else "play credits"
    total, budget, spent = plan.totals.credits, plan.totals.budget, plan.totals.spent
    so_far = f", {spent:,} spent" if spent else ""
    dollars = f" = ${total / 100:.2f}" if plan.paid else ""
    lines = [f"  total  {total:,} {credits}{dollars}     budget {budget:,}{so_far}, {budget - spent - total:,} left"]
    if plan.totals.up_to > total:
        lines.append(
            f"  up to  {plan.totals.up_to:,} with every retake that failures and bad pictures allow, within the budget"
        )
    if plan.with_pictures is not None:
        return [*lines, f"  later  {plan.with_pictures.credits:,} with the pictures, at the lengths known now"]
    takes_of = {w.id: w for w in plan.every_want if w.what == "take"}
    planned = sum(takes_of[a.want].seconds for a in plan.actions if a.want in takes_of)
    screen = Decimal(plan.totals.screen_seconds)
    return [*lines, f"  bought {planned:,} s of takes for {screen:,.1f} s on screen"]


def _time(plan: Plan, models: Mapping[str, ModelCard], slots: int, *, assumed: bool) -> str:
    if not plan.unfinished:
        return "  nothing to buy"
    low, high = map(duration_words, times_of(plan, models, slots))
    tier = "tier 1, assumed" if assumed else "from settings"
    count = sum(a.verb in (Verb.BUY, Verb.COLLECT) for a in plan.actions)
    span = low if low == high else f"{low} to {high}"
    return f"  time:  {counted(count, 'purchase')}, {slots} at a time of each model ({tier}): {span}"


def rows_of(plan: Plan, actions: Iterable[Action]) -> list[str]:
    """Purchase by purchase; takes of one shot that differ only in their number are on one line."""
    wants = {w.id: w for w in plan.every_want}
    rows = [("what", "made by", "numbers", "credits", "why")]
    for group in _groups(actions):
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
    return in_columns(rows, "<<<><")


def in_columns(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """`sides`: how each column is set, `<` or `>`; the last one is as long as it likes."""
    last = len(sides) - 1
    widths = [max(len(row[column]) for row in rows) for column in range(last)]

    def line(row: Sequence[str]) -> str:
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=False)]
        return f"  {'  '.join([*cells, row[last]])}".rstrip()

    return [line(row) for row in rows]


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


def times_of(plan: Plan, models: Mapping[str, ModelCard], slots: int) -> tuple[int, int]:
    low = estimate_seconds(plan.wants, plan.actions, models, slots, slow=False)
    return low, estimate_seconds(plan.wants, plan.actions, models, slots, slow=True)
