"""What follows a failure or a refusal: hold, the next number now or later, wait, fall back, stop a model, pause.

Pure: the walk counts by these rules, the flow and the buyer act on them, and every use is an event with its reason.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from manifests.journal import Failure, FailureClass

REFUSALS_PER_SHOT = 2  # by moderation, of one shot; too many suspend the account (vendor sheet §5)
WINDOW = dt.timedelta(hours=24)  # of a daily cap: rolling (vendor sheet §4.1)
_LONGEST_WAIT = 1800.0


class Next(enum.StrEnum):
    """What happens next. The words are what people read in dailies and status."""

    HOLD = "held"
    AGAIN = "next take number"
    LATER = "next take number, later"
    WAIT = "wait"
    FETCH = "fetch again"
    FALL_BACK = "fall back"
    STOP_SHOT = "stop the shot"
    STOP_MODEL = "stop the model"
    PAUSE = "pause the campaign"


@dataclass(frozen=True)
class Rule:
    """`counts`: the allowance that another number is taken from. `seconds` doubles with every failure of a want."""

    next: Next
    why: str
    counts: Literal["attempts", "rerolls"] | None = None
    seconds: float = 0
    moderation: bool = False  # of what we sent: counted against the shot and the account
    fallback: Literal["when asked", "when named"] | None = None


_FAILURES: Mapping[FailureClass, Rule] = {
    FailureClass.INPUT_MODERATED: Rule(
        Next.HOLD, "the vendor's moderation refused the input; the same words are never sent again", moderation=True
    ),
    FailureClass.OUTPUT_MODERATED: Rule(
        Next.HOLD, "the vendor's moderation refused the picture", fallback="when asked"
    ),
    FailureClass.BAD_OUTPUT: Rule(Next.AGAIN, "a bad picture by the vendor's own check", "rerolls"),
    FailureClass.INVALID_INPUT: Rule(Next.HOLD, "the vendor cannot use an input"),
    FailureClass.THIRD_PARTY: Rule(
        Next.LATER, "the model's own provider is down", "attempts", seconds=300, fallback="when named"
    ),
    FailureClass.INTERNAL: Rule(Next.LATER, "an error of the service", "attempts", seconds=15),
    FailureClass.LOST: Rule(Next.AGAIN, "paid, and its file never arrived whole", "attempts"),
    FailureClass.CANCELLED: Rule(Next.HOLD, "the task was cancelled"),
}
_NOT_KNOWN = Rule(Next.HOLD, "a failure that we do not know is not tried again")

# By class name in infra.errors: what a create was answered, nothing of it made.
_REFUSALS: Mapping[str, Rule] = {
    "RequestRejectedError": Rule(Next.HOLD, "the vendor found the request invalid"),
    "DailyCapError": Rule(Next.STOP_MODEL, "the rolling 24-hour cap of this model is reached"),
    "ThrottledError": Rule(Next.WAIT, "the vendor is busy", seconds=10),
    "StoppedError": Rule(Next.HOLD, "nothing more is bought"),
    "VendorUnreachableError": Rule(Next.WAIT, "the vendor could not be reached; nothing was sent", seconds=10),
    "CredentialsError": Rule(Next.PAUSE, "the key was not accepted"),
    "KeyUnreadableError": Rule(Next.PAUSE, "the key cannot be read from where it is kept"),
    "KeyChangedError": Rule(Next.WAIT, "the key was changed; the next create is sent with the new one", seconds=1),
    "CreditsExhaustedError": Rule(Next.PAUSE, "the vendor account has not enough credits"),
    "BudgetExceededError": Rule(Next.PAUSE, "the campaign's own budget is used up"),
    "ShotBudgetExceededError": Rule(Next.STOP_SHOT, "the budget of this shot is used up; the others go on"),
    "UnknownOutcomeError": Rule(Next.HOLD, "the answer was lost: perhaps paid, never sent again unasked"),
}
_REFUSED = Rule(Next.HOLD, "the vendor refused the request")


def rule_of_failure(failure: Failure) -> Rule:
    """A class whose code we do not know is not retryable, whatever its class allows."""
    return rule_of(failure.failure_class, retryable=failure.retryable)


def rule_of(failure_class: str, *, retryable: bool) -> Rule:
    try:
        rule = _FAILURES[FailureClass(failure_class)]
    except ValueError:
        return Rule(Next.AGAIN, "a failure", "attempts") if retryable else _NOT_KNOWN
    return rule if retryable or rule.counts is None else _NOT_KNOWN


def fallback_classes(*, on_moderation: bool) -> tuple[str, ...]:
    """After which failures a shot without a usable take goes to the fallback model. Never after a refused input: the
    same words would be sent again. `on_moderation`: the manifest asks for it after a refused picture."""
    wanted = ("when named", "when asked") if on_moderation else ("when named",)
    return tuple(c.value for c, rule in _FAILURES.items() if rule.fallback in wanted)


def rule_of_refusal(error: str) -> Rule:
    return _REFUSALS.get(error, _REFUSED)


def wait_seconds(rule: Rule, times: int, pace: float = 1.0) -> float:
    """Before the try that follows failure number `times`. `pace`: the backlot's time runs faster."""
    return min(rule.seconds * float(2 ** max(0, times - 1)), _LONGEST_WAIT) * pace


def window_opens(oldest_create: dt.datetime | None) -> dt.datetime | None:
    """When a rolling cap lets the next create through; None when the ledger has none of the last day."""
    return oldest_create + WINDOW if oldest_create is not None else None
