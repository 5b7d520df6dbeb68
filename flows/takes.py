"""Order within the takes of one want: each number in its own time, another as soon as one has failed, by the policy."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any

from infra.errors import (
    BudgetExceededError,
    CredentialsError,
    CreditsExhaustedError,
    DailyCapError,
    ModerationError,
    ShotBudgetExceededError,
    ShotrunnerError,
    StoppedError,
    TakeFailedError,
    UnknownOutcomeError,
    VendorUnreachableError,
)
from infra.ledger import shot_of
from infra.production import Production
from infra.state import StoreState
from manifests.expand import Want
from manifests.journal import TakeState
from manifests.naming import slate
from manifests.policy import Next, rule_of_failure, rule_of_refusal, wait_seconds
from manifests.walk import Numbered, Walk, segment_of, walk_takes
from tasks.generate import generate
from tasks.screen import screen

# These end the buying of the whole campaign, not of one shot
CAMPAIGN_WIDE = (
    BudgetExceededError,
    CreditsExhaustedError,
    CredentialsError,
    VendorUnreachableError,
    StoppedError,
)
_LOOK = 1.0  # how often a wait looks whether it was told to stop


async def shoot_takes(production: Production, want: Want, body: Mapping[str, Any]) -> Walk:
    """The walk when nothing is left to buy or to collect. Raises what ended the buying of this want before that; what
    was on its way is collected first."""
    running: dict[asyncio.Task[None], Numbered] = {}
    failed: list[Numbered] = []
    held: set[int] = set()
    looked_at: set[int] = set()
    ended: ShotrunnerError | None = None
    try:
        while True:
            walk = await asyncio.to_thread(read_walk, production, want, body, ours=True)
            _tell_failures(production, want, walk, failed)
            busy = held | {n.number for n in running.values()}
            for numbered in _due(production, walk, busy) if ended is None else ():
                seconds = _seconds_to_wait(production, want, walk, numbered)
                running[asyncio.create_task(_shoot_take(production, want, numbered, seconds))] = numbered
            for numbered in _unscreened(want, walk, busy | looked_at):
                running[asyncio.create_task(_screen_take(production, want, numbered))] = numbered
            looked_at |= {n.number for n in running.values()}
            if not running:
                break
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                numbered, error = running.pop(task), task.exception()
                if isinstance(error, TakeFailedError):
                    failed.append(numbered)  # the walk decides whether another number takes its place
                elif error is not None:
                    held.add(numbered.number)
                    ended = _first_cause(ended, _note(production, want, numbered, error))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    if ended is not None:
        raise ended
    return walk


def wanted_states(production: Production) -> tuple[TakeState, ...]:
    states = (TakeState.NEW, TakeState.IN_FLIGHT)
    return (*states, TakeState.UNKNOWN) if production.plan.rebuys_unknown else states


def read_walk(production: Production, want: Want, body: Mapping[str, Any], *, ours: bool = False) -> Walk:
    """`ours`: a create of this run that has no answer yet is in flight (another shot may be sending the very same
    request); afterwards, an intent without an answer is unknown."""
    state: StoreState = production.state()
    selection = state.selection(segment_of(want, body))
    living = [nonce for nonce in state.living_leases() if ours or nonce != production.lease.nonce]
    return walk_takes(want, body, state.history, state.screening, selection, living)


def tell_policy(
    production: Production, want: Want, number: int, what_next: Next, reason: str, seconds: float | None = None
) -> None:
    """One decision and its reason: an event, which the run keeps on record."""
    production.events.emit(
        "policy",
        address=f"{want.address}/{want.what}-{number}",
        what=want.what,
        take=number,
        next=what_next.value,
        reason=reason,
        seconds=seconds,
    )


def _due(production: Production, walk: Walk, busy: set[int]) -> list[Numbered]:
    """What moderation stopped is only collected."""
    states = (TakeState.IN_FLIGHT,) if walk.stopped else wanted_states(production)
    return [n for n in walk.of(*states) if n.number not in busy]


def _unscreened(want: Want, walk: Walk, busy: set[int]) -> list[Numbered]:
    """Takes that an earlier run had collected when it was killed: a bad one among them has to be replaced, too."""
    if want.what not in ("take", "still"):
        return []
    return [n for n in walk.wanted if n.result is not None and n.screened is None and n.number not in busy]


async def _screen_take(production: Production, want: Want, numbered: Numbered) -> None:
    if numbered.result is not None:
        label = slate(production.plan.campaign, want.address, f"{want.what} {numbered.number}", "screen")
        await screen(label, production, want, numbered.result.blob)


def _first_cause(ended: ShotrunnerError | None, error: ShotrunnerError | None) -> ShotrunnerError | None:
    """What ended the buying, and not that the takes after it were not sent any more."""
    if ended is None or (isinstance(ended, StoppedError) and error is not None):
        return error
    return ended


async def _shoot_take(production: Production, want: Want, numbered: Numbered, seconds: float) -> None:
    label = slate(production.plan.campaign, want.address, f"{want.what} {numbered.number}")
    until = production.clock.monotonic() + seconds
    while (left := until - production.clock.monotonic()) > 0 and not production.buyer.stopped:
        await production.clock.sleep(min(left, _LOOK))
    try:
        result = await generate(label, production, want, numbered)
    except CAMPAIGN_WIDE as error:
        if not isinstance(error, ShotBudgetExceededError):
            production.buyer.stop()  # the others are collected; no further create is tried in vain
        raise
    if want.what in ("take", "still"):
        await screen(slate(label, "screen"), production, want, result.blob)


def _note(production: Production, want: Want, numbered: Numbered, error: BaseException) -> ShotrunnerError | None:
    """What ends the buying of this want is returned; a held number is not: the circle tells of it."""
    if not isinstance(error, ShotrunnerError):
        raise error
    if isinstance(error, ShotBudgetExceededError):
        _note_full_shot(production, want, numbered, error)
        return None
    if isinstance(error, (*CAMPAIGN_WIDE, DailyCapError)):
        rule = rule_of_refusal(type(error).__name__)
        if rule.next in (Next.PAUSE, Next.STOP_SHOT) and type(error) not in production.paused:
            production.paused.add(type(error))
            tell_policy(production, want, numbered.number, rule.next, rule.why)
        return error
    if isinstance(error, UnknownOutcomeError):
        rule = rule_of_refusal(UnknownOutcomeError.__name__)
        tell_policy(production, want, numbered.number, rule.next, rule.why)
    elif not isinstance(error, ModerationError):
        production.problems.append(error)
    return None


def _note_full_shot(production: Production, want: Want, numbered: Numbered, error: ShotBudgetExceededError) -> None:
    """Once for each shot: it does with the takes that are there, and the other shots go on."""
    shot = shot_of(error.address or "")
    told = [shot_of(p.address or "") for p in production.problems if isinstance(p, ShotBudgetExceededError)]
    if shot not in told:
        production.problems.append(error)
        rule = rule_of_refusal(ShotBudgetExceededError.__name__)
        tell_policy(production, want, numbered.number, rule.next, rule.why)


# --- failures of tasks ---


def _tell_failures(production: Production, want: Want, walk: Walk, failed: list[Numbered]) -> None:
    """Every failure since the last look: what it means, and whether another number follows."""
    now = {n.number: n for n in (*walk.skipped, *walk.wanted)}
    follows = {n.number for n in walk.skipped}
    for before in failed:
        numbered = now[before.number]
        if not numbered.history.failures:
            continue  # given up by a person: on record already
        failure = numbered.history.failures[-1]
        rule = rule_of_failure(failure)
        reason = f"{rule.why} ({failure.code or 'no code'}; {failure.credits} credits kept)"
        if rule.counts is not None and numbered.number not in follows:
            reason += f"; `{rule.counts}` is used up"
        what_next = rule.next if numbered.number in follows else Next.HOLD
        seconds = wait_seconds(rule, _times(walk, numbered), production.pace) if what_next is Next.LATER else None
        tell_policy(production, want, numbered.number, what_next, reason, seconds)
        if rule.moderation:
            _tell_stopped_shot(production, want, numbered)
    failed.clear()


def _tell_stopped_shot(production: Production, want: Want, numbered: Numbered) -> None:
    """Once for each shot, stills and takes together; and a person hears about the account."""
    why = production.buyer.gates.why_stopped(want.address)
    if why is None or want.address in production.stopped_shots:
        return
    production.stopped_shots.add(want.address)
    tell_policy(production, want, numbered.number, Next.STOP_SHOT, why)
    production.notices.append(
        f"{want.address}: moderation {why}; too many refusals suspend the account: change the words or the picture"
    )


def _times(walk: Walk, numbered: Numbered) -> int:
    """Which failure of the service this one is, by number."""
    earlier = [n for n in walk.skipped if n.number <= numbered.number and n.history.failures]
    return max(1, len(earlier))


def _seconds_to_wait(production: Production, want: Want, walk: Walk, numbered: Numbered) -> float:
    """Only what replaces another number waits, from the instant of the failure on: also after a restart."""
    if numbered.number <= want.count or numbered.state is not TakeState.NEW:
        return 0.0
    instants = [
        failure.at + dt.timedelta(seconds=wait_seconds(rule_of_failure(failure), _times(walk, n), production.pace))
        for n in walk.skipped
        for failure in n.history.failures[-1:]
        if rule_of_failure(failure).next is Next.LATER
    ]
    return max(((at - production.clock.now()).total_seconds() for at in instants), default=0.0)
