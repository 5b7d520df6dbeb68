"""Our ledger beside the vendor's figures: what each purchase came to, what it adds up to, and what is left unexplained.

Pure: no storage, no vendor. Credits are whole; a difference is told to the credit.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from manifests.digest import digest_json
from manifests.journal import FailureClass, Intent, Record, TakeHistory, TakeState, What


class Fate(enum.StrEnum):
    """What became of one purchase, for money. Open ones are counted in full."""

    SETTLED = "settled"  # with a result
    FAILED = "failed"
    IN_FLIGHT = "in flight"
    UNKNOWN = "unknown"
    RELEASED = "released"  # an unknown that was given up or bought again: counted as spent, for nobody knows better
    REFUSED = "refused"


OPEN = (Fate.IN_FLIGHT, Fate.UNKNOWN)
GONE = "its file is gone"  # how the detail of what was paid and lost begins


class Movement(Record):
    """One create and its money. `credits` is what the ledger counts for it now; `at` is when it was asked."""

    campaign: str
    key: str
    attempt: int
    address: str
    what: What
    service: str
    model: str
    paid: bool
    plan: str
    fate: Fate
    credits: int
    reserved: int
    detail: str = ""  # of a failure or a release
    at: dt.datetime

    @property
    def day(self) -> str:
        """UTC, as the vendor counts."""
        return self.at.astimezone(dt.UTC).date().isoformat()


def movement_of(history: TakeHistory, intent: Intent, state: TakeState, *, paid: bool) -> Movement:
    """`state`: the history's, with the leases that live now."""
    fate, credits, detail = _ended(history, intent)
    if fate is None:
        task = history.task_of(intent.attempt)
        estimated = task.estimated_credits if task is not None else None
        fate = Fate.UNKNOWN if state is TakeState.UNKNOWN else Fate.IN_FLIGHT
        credits = intent.reserved_credits if estimated is None else estimated
    return Movement(
        campaign=intent.campaign, key=intent.key, attempt=intent.attempt, address=intent.address, what=intent.what,
        service=intent.service, model=intent.model, paid=paid, plan=intent.plan, fate=fate, credits=credits,
        reserved=intent.reserved_credits, detail=detail, at=intent.at,
    )  # fmt: skip


def _ended(history: TakeHistory, intent: Intent) -> tuple[Fate | None, int, str]:
    number = intent.attempt
    if history.result is not None and history.result.attempt == number:
        return Fate.SETTLED, history.result.credits, ""
    for failure in history.failures:
        if failure.attempt == number:
            lost = GONE if failure.failure_class == FailureClass.LOST else failure.failure_class
            return Fate.FAILED, failure.credits, f"{lost} ({failure.code or 'no code'})"
    if any(r.attempt == number for r in history.refusals):
        return Fate.REFUSED, 0, ""
    for release in history.releases:
        if release.attempt == number:
            task = history.task_of(number)
            held = task.estimated_credits if task is not None else None
            decision = f"{release.decision} by {release.by}"
            return Fate.RELEASED, intent.reserved_credits if held is None else held, decision
    return None, 0, ""


def sum_by(movements: Iterable[Movement], name: Literal["model", "campaign", "service", "fate"]) -> dict[str, int]:
    """Credits by one of a movement's fields; what came to nothing is left out."""
    totals: Counter[str] = Counter()
    for movement in movements:
        totals[str(getattr(movement, name))] += movement.credits
    return {key: credits for key, credits in sorted(totals.items()) if credits}


# --- the vendor's side ---


class DayUsage(Record):
    """What the vendor charged for one model on one day (UTC), net of refunds: it can be negative."""

    date: str
    model: str
    credits: int


class Account(Record):
    """The vendor's own figures of one account."""

    service: str
    balance: int
    since: dt.date  # first day of `usage`
    usage: tuple[DayUsage, ...]
    generations_today: Mapping[str, int] = Field(default_factory=dict)  # of the past 24 hours, by model

    def charged(self, *, model: str | None = None, day: str | None = None) -> int:
        return sum(u.credits for u in self.usage if model in (None, u.model) and day in (None, u.date))


class Acknowledgement(Record):
    """A person answers for what the vendor charged beside our ledger, up to now. The first paid run writes one for
    what had been charged on its day before it."""

    schema_: Literal["acknowledgement/1"] = Field(default="acknowledgement/1", alias="schema")
    service: str
    credits: int  # of the vendor's charges since `since` that no ledger entry accounts for
    since: dt.date
    by: str
    why: str
    at: dt.datetime

    @property
    def digest(self) -> str:
        return digest_json(self.model_dump(mode="json", by_alias=True))


class ModelRow(Record):
    model: str
    ledger: int
    vendor: int

    @property
    def difference(self) -> int:
        return self.vendor - self.ledger


class Suspect(Record):
    """A ledger entry that the vendor may have charged less for than the ledger counts, down to nothing."""

    movement: Movement
    why: str


class Comparison(Record):
    """All of one account since a day. Models are compared one by one: too much of one never hides too little of
    another."""

    service: str
    since: dt.date
    balance: int
    rows: tuple[ModelRow, ...]
    acknowledged: int
    suspects: tuple[Suspect, ...]

    @property
    def ledger(self) -> int:
        return sum(row.ledger for row in self.rows)

    @property
    def vendor(self) -> int:
        return sum(row.vendor for row in self.rows)

    @property
    def difference(self) -> int:
        """Positive: charged, and not in the ledger."""
        return self.vendor - self.ledger

    @property
    def excess(self) -> int:
        """What the vendor charged beyond the ledger. Open entries are in the ledger in full, so they explain none of
        it."""
        return sum(max(0, row.difference) for row in self.rows)

    @property
    def unexplained(self) -> int:
        """Of the excess, what nobody has answered for."""
        return max(0, self.excess - self.acknowledged)

    @property
    def not_charged(self) -> int:
        """What the ledger counts and the vendor did not charge."""
        return sum(max(0, -row.difference) for row in self.rows)


def compare(account: Account, movements: Sequence[Movement], acknowledged: Sequence[Acknowledgement]) -> Comparison:
    """All paid movements of the account's service, of every campaign, against its usage since the same day."""
    ours = [m for m in movements if m.service == account.service and m.paid and m.day >= account.since.isoformat()]
    ledger: Counter[str] = Counter()
    vendor: Counter[str] = Counter()
    for movement in ours:
        ledger[movement.model] += movement.credits
    for used in account.usage:
        vendor[used.model] += used.credits
    models = sorted({m for m in (*ledger, *vendor) if ledger[m] or vendor[m]})
    last = max(acknowledged, key=lambda a: a.at, default=None)
    return Comparison(
        service=account.service,
        since=account.since,
        balance=account.balance,
        rows=tuple(ModelRow(model=m, ledger=ledger[m], vendor=vendor[m]) for m in models),
        acknowledged=last.credits if last else 0,
        suspects=tuple(s for m in ours if (s := _suspect(m)) is not None),
    )


def _suspect(movement: Movement) -> Suspect | None:
    credits = movement.credits
    match movement.fate:
        case Fate.UNKNOWN:
            why = "its answer was lost: counted in full, perhaps never charged"
        case Fate.IN_FLIGHT:
            why = "in flight: counted in full, charged by the vendor in its own time"
        case Fate.RELEASED:
            why = f"{movement.detail}: counted in full, perhaps never charged"
        case Fate.FAILED if credits:
            why = f"failed, {movement.detail}: charged when we looked, perhaps refunded since"
        case _:
            return None
    return Suspect(movement=movement, why=why) if credits else None


# --- one unknown, explained ---


class Evidence(Record):
    """What the vendor's figures say of one unknown's day and model."""

    vendor: int  # charged on that day for that model
    certain: int  # of it, what other entries of the ledger account for
    open: int  # credits of all unknowns of that day and model
    verdict: Literal["charged", "not charged", "cannot be told"]


def weigh(unknown: Movement, movements: Sequence[Movement], account: Account) -> Evidence:
    """Figures say whether, never which: two unknowns of a day are told apart only when all or none were charged."""
    same = [m for m in movements if (m.service, m.model, m.day) == (unknown.service, unknown.model, unknown.day)]
    doubtful = (Fate.UNKNOWN, Fate.RELEASED)
    certain = sum(m.credits for m in same if m.fate not in doubtful)
    open_ = sum(m.credits for m in same if m.fate in doubtful)
    vendor = account.charged(model=unknown.model, day=unknown.day)
    busy = any(m.fate is Fate.IN_FLIGHT for m in same)
    verdict: Literal["charged", "not charged", "cannot be told"] = "cannot be told"
    if not busy and vendor == certain:
        verdict = "not charged"
    elif not busy and vendor == certain + open_:
        verdict = "charged"
    return Evidence(vendor=vendor, certain=certain, open=open_, verdict=verdict)
