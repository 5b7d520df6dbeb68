"""What a plan costs: now, at most, and shot by shot."""

from __future__ import annotations

from collections.abc import Sequence

from manifests.expand import Want
from manifests.naming import shot_address
from manifests.plan import Action, Totals, Verb, with_fallbacks


def billed_wants(wants: Sequence[Want]) -> list[Want]:
    """What the bill is about: as soon as one vendor is paid, the backlot's play credits are not added to it."""
    paid = [w for w in wants if w.service != "backlot"]
    return paid or list(wants)


def totals_of(
    wants: Sequence[Want],
    actions: Sequence[Action],
    *,
    spent: int,
    budget: int,
    screen_seconds: str,
    spent_first: int | None = None,
) -> Totals:
    billed = billed_wants(wants)
    count = {w.id: w.count for w in billed} | {w.fallback.id: 0 for w in billed if w.fallback is not None}
    ours = [a for a in actions if a.want in count]
    return Totals(
        credits=sum(a.credits for a in ours),
        up_to=_up_to(billed, ours, room=budget - spent),
        spent=spent,
        budget=budget,
        credits_again=sum(a.credits for a in ours if a.number > count[a.want]),
        spent_first=spent_first,
        bought_seconds=sum(a.seconds for a in actions if a.verb is Verb.BUY),
        screen_seconds=screen_seconds,
    )


def _up_to(wants: Sequence[Want], actions: Sequence[Action], room: int) -> int:
    """The bill if every allowed retake were needed, and after them every take of the fallback model: dearest first, and
    no further than the budget goes."""
    total = sum(a.credits for a in actions)
    busy = {a.want for a in actions if a.verb in (Verb.BUY, Verb.COLLECT)}
    retakes = [w.credits for w in wants if w.id in busy for _ in range(w.attempts - 1 + w.rerolls)]
    for want in wants:
        other = want.fallback
        if other is not None and not busy.isdisjoint((want.id, other.id)):
            first = other.count if want.id in busy else 0  # else they are in the list of actions
            retakes += [other.credits] * (first + other.attempts - 1 + other.rerolls)
    for price in sorted(retakes, reverse=True):
        if total + price <= room:
            total += price
    return total


def per_shot_credits(wants: Sequence[Want], actions: Sequence[Action]) -> dict[str, int]:
    """What each shot costs now: stills and takes of all its segments together."""
    address = {w.id: shot_address(w.address) for w in with_fallbacks(wants) if w.what in ("still", "take")}
    costs: dict[str, int] = {}
    for action in actions:
        if action.want in address:
            costs[address[action.want]] = costs.get(address[action.want], 0) + action.credits
    return costs
