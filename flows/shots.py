"""Order within one shot: stills, circle, takes, screening, circle. And one sound: buy, then it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from infra.errors import (
    BudgetExceededError,
    CreditsExhaustedError,
    NoUsableTakeError,
    RefusedError,
    ShotrunnerError,
    StoppedError,
    TakeFailedError,
    UnknownOutcomeError,
)
from infra.production import Production
from infra.selections import circle_take
from infra.state import StoreState
from manifests.expand import Want, fill_blanks
from manifests.journal import Result, TakeState
from manifests.naming import slate
from manifests.walk import Numbered, Walk, best_take, choice_by_score, circled_number, segment_of, walk_takes
from tasks.generate import generate
from tasks.screen import screen

# These end the buying of the whole campaign, not of one shot
CAMPAIGN_WIDE = (BudgetExceededError, CreditsExhaustedError, StoppedError)


@dataclass(frozen=True)
class Circled:
    """The picture that a want ended with, and everything that was shot for it."""

    want: Want
    chosen: Numbered
    walk: Walk

    @property
    def result(self) -> Result:
        if self.chosen.result is None:
            raise ValueError(f"{self.want.id} has no result")
        return self.chosen.result


async def shoot(production: Production, want: Want, pictures: Mapping[str, str]) -> Circled:
    """All takes of one want, then its circle. `pictures`: sha256 of the circled pictures that its request starts from.

    Raises NoUsableTakeError when no take is usable, or what ended the buying.
    """
    body = fill_blanks(want.body, pictures)
    address = slate(production.plan.campaign, want.address)
    refused: set[int] = set()
    while True:
        walk = await asyncio.to_thread(_walk, production, want, body, ours=True)
        todo = [n for n in walk.of(*_wanted_states(production)) if n.number not in refused]
        if not todo:
            break
        outcomes = await asyncio.gather(
            *(_shoot_take(production, want, numbered, address) for numbered in todo), return_exceptions=True
        )
        for numbered, outcome in zip(todo, outcomes, strict=True):
            if isinstance(outcome, TakeFailedError):
                continue  # the walk decides whether another number takes its place
            if isinstance(outcome, UnknownOutcomeError):
                refused.add(numbered.number)  # held: the circle tells of it
                continue
            if isinstance(outcome, CAMPAIGN_WIDE) or not isinstance(outcome, ShotrunnerError | None):
                raise outcome
            if outcome is not None:
                production.problems.append(outcome)
                refused.add(numbered.number)
    return await _circle(production, want, body, walk)


def _wanted_states(production: Production) -> tuple[TakeState, ...]:
    states = (TakeState.NEW, TakeState.IN_FLIGHT)
    return (*states, TakeState.UNKNOWN) if production.plan.rebuys_unknown else states


def _walk(production: Production, want: Want, body: Mapping[str, object], *, ours: bool = False) -> Walk:
    """`ours`: a create of this run that has no answer yet is in flight (another shot may be sending the very same
    request); afterwards, an intent without an answer is unknown."""
    state: StoreState = production.state()
    selection = state.selection(segment_of(want, body))
    living = [nonce for nonce in state.living_leases() if ours or nonce != production.lease.nonce]
    return walk_takes(want, body, state.history, state.screening, selection, living)


async def _shoot_take(production: Production, want: Want, numbered: Numbered, address: str) -> None:
    label = slate(address, f"{want.what} {numbered.number}")
    try:
        result = await generate(label, production, want, numbered)
    except (BudgetExceededError, CreditsExhaustedError):
        production.buyer.stop()  # the others are collected; no further create is tried in vain
        raise
    if want.what in ("take", "still"):
        await screen(slate(label, "screen"), production, want, result.blob)


async def _circle(production: Production, want: Want, body: Mapping[str, object], walk: Walk) -> Circled:
    """A person's choice or an earlier circle stands; otherwise the best score wins."""
    unscreened = [n for n in walk.wanted if n.result is not None and n.screened is None]
    label = slate(production.plan.campaign, want.address, want.what, "screen")
    await asyncio.gather(*(screen(label, production, want, n.result.blob) for n in unscreened if n.result))
    walk = await asyncio.to_thread(_walk, production, want, body)
    selection = await asyncio.to_thread(production.state().selection, walk.segment)
    chosen = circled_number(walk, selection)
    if chosen is None:
        chosen = best_take(walk, selection)
        if chosen is None:
            raise NoUsableTakeError(_why_none(want, walk), address=want.address, remedy=_remedy(walk))
        choice = choice_by_score(chosen, production.clock.now())
        await asyncio.to_thread(circle_take, production.store, walk.segment, want.address, choice)
        production.events.emit("circled", address=want.address, what=want.what, take=chosen.number, by="score")
    production.notices += [
        f"{want.address}/{want.what}-{n.number} is held: its answer was lost; --rebuy-unknown buys it anew"
        for n in walk.of(TakeState.UNKNOWN)
    ]
    return Circled(want, chosen, walk)


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
        elif n.history.refusals:
            reasons.append(f"{want.what} {n.number} was refused ({n.history.refusals[-1].detail})")
    return ", ".join(reasons or ["none was made"])


def _remedy(walk: Walk) -> str:
    if walk.of(TakeState.UNKNOWN):
        return "run again with --rebuy-unknown to buy it anew; it may then have been paid twice"
    return "change the prompt or the reference and run again: only this shot is bought anew"


async def make_sound(production: Production, want: Want) -> Result:
    """One line of speech or one effect. Raises when it cannot be had."""
    walk = await asyncio.to_thread(_walk, production, want, dict(want.body), ours=True)
    while walk.of(*_wanted_states(production)):
        numbered = walk.wanted[0]
        label = slate(production.plan.campaign, want.address, want.what)
        try:
            return await generate(label, production, want, numbered)
        except TakeFailedError:
            walk = await asyncio.to_thread(_walk, production, want, dict(want.body), ours=True)
    numbered = walk.wanted[0]
    if numbered.result is not None:
        return numbered.result
    if numbered.state is TakeState.UNKNOWN:
        raise UnknownOutcomeError(
            f"{want.what} of {want.credits} credits, held", address=want.address, remedy=_remedy(walk)
        )
    raise RefusedError(_why_none(want, walk), address=want.address)
