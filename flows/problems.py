"""What counts as failed in a run: problems of many takes and films, each noted once."""

from __future__ import annotations

from collections.abc import Sequence

from flows.takes import CAMPAIGN_WIDE
from infra.errors import DailyCapError, ShotrunnerError, StoppedError
from infra.production import Production


def note_problems(production: Production, outcomes: Sequence[object]) -> None:
    """Expected failures are noted once each; anything else is raised."""
    for outcome in outcomes:
        if isinstance(outcome, ShotrunnerError):
            if not any(_same(p, outcome) for p in production.problems):
                production.problems.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
    if not production.console.stopping:  # nobody interrupted: buying ended with the money, or with the lease
        others = [p for p in production.problems if not isinstance(p, StoppedError)]
        production.problems[:] = others or production.problems


def _same(one: ShotrunnerError, other: ShotrunnerError) -> bool:
    """What ended the buying of the campaign, or of a model, is one problem however many takes it met."""
    if one is other or type(one) is not type(other):
        return one is other
    return type(one) in CAMPAIGN_WIDE or (isinstance(one, DailyCapError) and one.detail == other.detail)
