"""Order within one shot: stills, circle, takes, screening, circle. And one sound: buy, then it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from flows.takes import read_walk, shoot_takes, tell_policy
from infra.errors import ApprovalNeededError, RefusedError, ShotFailedError, UnknownOutcomeError
from infra.production import Production
from infra.selections import circle_take
from manifests.approvals import Waiting, chosen_bytes
from manifests.expand import Want, fill_blanks
from manifests.journal import Result, Selection, TakeState
from manifests.naming import slate
from manifests.policy import Next
from manifests.standing import remedy_of_failures
from manifests.walk import Numbered, Walk, best_take, choice_by_score, circled_number, falls_back, takes_over, trim_of
from tasks.screen import screen


@dataclass(frozen=True)
class Circled:
    """The picture that a want ended with, and everything that was shot for it."""

    want: Want
    chosen: Numbered
    walk: Walk
    selection: Selection | None = None  # what was said of it
    still: Circled | None = None  # that it starts on

    @property
    def result(self) -> Result:
        if self.chosen.result is None:
            raise ValueError(f"{self.want.id} has no result")
        return self.chosen.result

    @property
    def trim(self) -> int:
        """Frames into the take at which the cut begins to show it."""
        return trim_of(self.want, self.chosen, self.selection)


async def shoot(
    production: Production, want: Want, pictures: Mapping[str, str], trims: Mapping[str, int] | None = None
) -> Circled:
    """All takes of one want, then its circle. `pictures`: sha256 of the circled pictures that its request starts from,
    `trims`: how much later than planned they are shown.

    Raises ShotFailedError when no take is usable, or what ended the buying.
    """
    body = fill_blanks(want.body, pictures, trims)
    walk = await shoot_takes(production, want, body)
    try:
        return await _circle(production, want, body, walk)
    except ShotFailedError:
        walk = await asyncio.to_thread(read_walk, production, want, body)
        if want.fallback is None or not falls_back(want, walk):
            raise
        reason = f"{_why_none(want, walk)}; {want.fallback.model} films it in its place"
        tell_policy(production, want, walk.wanted[-1].number, Next.FALL_BACK, reason)
        return await shoot(production, want.fallback, pictures, trims)


async def _circle(production: Production, want: Want, body: Mapping[str, object], walk: Walk) -> Circled:
    """A person's choice or an earlier circle stands; otherwise the best score wins."""
    unscreened = [n for n in walk.wanted if n.result is not None and n.screened is None]
    label = slate(production.plan.campaign, want.address, want.what, "screen")
    await asyncio.gather(*(screen(label, production, want, n.result.blob) for n in unscreened if n.result))
    walk = await asyncio.to_thread(read_walk, production, want, body)
    selection = await asyncio.to_thread(production.state().selection, walk.segment)
    production.notices += [
        f"{want.address}/{want.what}-{n.number} is held: its answer was lost; --rebuy-unknown buys it anew"
        for n in walk.of(TakeState.UNKNOWN)
    ]
    chosen = circled_number(walk, selection)
    best = chosen or best_take(walk, selection)
    if best is None:
        raise ShotFailedError(
            _why_none(want, walk), address=want.address, remedy=_remedy(walk, production.plan.campaign)
        )
    gates = await asyncio.to_thread(production.review_gates)
    waiting = gates.waiting(want.what, walk.segment, chosen_bytes(selection))
    if waiting is not None:
        raise _stopped_at(production, want, walk, waiting)
    if chosen is None:
        choice = choice_by_score(best, production.clock.now())
        selection = await asyncio.to_thread(circle_take, production.store, walk.segment, want.address, choice)
        production.events.emit("circled", address=want.address, what=want.what, take=best.number, by="score")
    circled = Circled(want, best, walk, selection)
    asked = selection.circled.trim if selection is not None and selection.circled is not None else 0
    if circled.trim < asked:
        why = "it takes over from the segment before it" if takes_over(want) else "the cut needs more of it now"
        production.notices.append(
            f"{want.address}: {want.what} {best.number} was to be shown from frame {asked} on; "
            f"{why}, so it is shown from frame {circled.trim} on"
        )
    return circled


def _stopped_at(production: Production, want: Want, walk: Walk, waiting: Waiting) -> ApprovalNeededError:
    there = sum(n.result is not None for n in (*walk.wanted, *walk.skipped))
    who, campaign = waiting.by[0], production.plan.campaign
    number = "still-N" if want.what == "still" else "N"
    return ApprovalNeededError(
        f"{waiting}; {there} {want.what}{'s' if there > 1 else ''} to look at in dailies.html",
        address=want.address,
        remedy=f"shotrunner circle {want.address} {number} --by {who} --in {campaign}, "
        f"or shotrunner approve {production.run_id} FILE; then run again",
    )


def _why_none(want: Want, walk: Walk) -> str:
    reasons = []
    for n in (*walk.skipped, *walk.wanted):
        if n.screened is not None and not n.screened.ok:
            reasons.append(f"{want.what} {n.number} was screened out ({'; '.join(n.screened.faults)})")
        elif n.history.failures:
            failure = n.history.failures[-1]
            reasons.append(f"{want.what} {n.number} failed ({failure.failure_class}, {failure.code})")
        elif n.state is TakeState.UNKNOWN:
            reasons.append(f"{want.what} {n.number} is unknown: its answer was lost")
        elif n.state is TakeState.IN_FLIGHT:
            reasons.append(f"{want.what} {n.number} is paid and not collected yet")
        elif n.history.refusals:
            reasons.append(f"{want.what} {n.number} was refused ({n.history.refusals[-1].detail})")
    return ", ".join(reasons or ["none was made"])


def _remedy(walk: Walk, campaign: str) -> str:
    if walk.of(TakeState.IN_FLIGHT):
        return "run again: it is collected, not bought anew"
    if walk.of(TakeState.UNKNOWN):
        return "run again with --rebuy-unknown to buy it anew; it may then have been paid twice"
    if walk.of(TakeState.NEW):
        return "run again when what stopped it is mended"
    again = remedy_of_failures((*walk.skipped, *walk.wanted), campaign)
    return again or "change the prompt or the reference and run again: only this shot is bought anew"


async def make_sound(production: Production, want: Want) -> Result:
    """One line of speech or one effect, by the policy that pictures have. Raises when it cannot be had."""
    await shoot_takes(production, want, dict(want.body))
    walk = await asyncio.to_thread(read_walk, production, want, dict(want.body))
    numbered = walk.wanted[0]
    if numbered.result is not None:
        return numbered.result
    if numbered.state is TakeState.UNKNOWN:
        raise UnknownOutcomeError(
            f"{want.what} of {want.credits} credits, held",
            address=want.address,
            remedy=_remedy(walk, production.plan.campaign),
        )
    noted = next((p for p in production.problems if p.address == f"{want.address}/{want.what}-{numbered.number}"), None)
    raise noted or RefusedError(_why_none(want, walk), address=want.address)
