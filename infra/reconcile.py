"""Reading both sides of the comparison: every purchase of this store, the vendor's balance and usage. Buys nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

from infra.clock import Clock
from infra.errors import NotFoundError
from infra.lease import living_leases
from infra.ledger import is_paid, read_entries, read_histories
from infra.providers.base import AccountLimits
from infra.providers.runway import RunwayProvider
from infra.records import create_record, read_record
from infra.settings import RUNWAY_URL, Settings
from infra.storage.base import ObjectStore
from manifests.journal import LedgerEntry
from manifests.naming import acknowledgement_key, acknowledgement_prefix, ledgers_prefix, parse_ledger_key
from manifests.reconcile import Account, Acknowledgement, Comparison, DayUsage, Fate, Movement, compare, movement_of

MOST_DAYS = 90  # of one question about usage (vendor sheet §10)


class AccountReader(Protocol):
    """The reads of a provider that an account's figures need."""

    service: str

    async def limits(self) -> AccountLimits: ...

    async def usage(self, start: dt.date, before: dt.date) -> tuple[DayUsage, ...]: ...


@contextlib.asynccontextmanager
async def open_account(settings: Settings, service: str, clock: Clock) -> AsyncIterator[RunwayProvider]:
    provider = RunwayProvider(
        settings.runway_url or RUNWAY_URL,
        settings.runway_key or "",
        service,
        clock=clock,
        on_behalf_of=settings.on_behalf_of,
    )
    try:
        yield provider
    finally:
        await provider.close()


async def ask_account(reader: AccountReader, since: dt.date, today: dt.date) -> Account:
    """Raises CredentialsError or VendorUnavailableError. Days are UTC; today is included."""
    limits = await reader.limits()
    usage: list[DayUsage] = []
    start, end = since, today + dt.timedelta(days=1)
    while start < end:
        before = min(end, start + dt.timedelta(days=MOST_DAYS))
        usage += await reader.usage(start, before)
        start = before
    return Account(
        service=reader.service,
        balance=limits.balance_credits,
        since=since,
        usage=tuple(usage),
        generations_today={name: row.used_today for name, row in limits.models.items() if row.used_today},
    )


# --- our side ---


def list_campaigns(store: ObjectStore) -> list[str]:
    """Every campaign that ever reserved a credit here."""
    return sorted({parse_ledger_key(info.key) for info in store.list(ledgers_prefix())})


def read_movements(
    store: ObjectStore, clock: Clock, campaigns: Iterable[str] | None = None, *, quick: bool = False
) -> list[Movement]:
    """Every purchase of these campaigns (of all), oldest first. A reservation that was never sent is none.

    `quick` reads the records of open purchases only: what has ended is then `settled` or `refused`, at the right price.
    """
    entries = [e for name in campaigns or list_campaigns(store) for e in read_entries(store, name)]
    ended = {(e.campaign, e.key, e.attempt): e for e in entries if e.kind != "reserve"}
    reserved = [e for e in entries if e.kind == "reserve"]
    wanted = [e for e in reserved if not (quick and _name(e) in ended)]
    histories = read_histories(store, [e.key for e in wanted])
    leases = living_leases(store, clock)
    found = [_ended(e, ended[_name(e)]) for e in reserved if quick and _name(e) in ended]
    for entry in wanted:
        history = histories[entry.key]
        intent = next((i for i in history.intents if i.attempt == entry.attempt), None)
        if intent is not None and intent.campaign == entry.campaign:
            found.append(movement_of(history, intent, history.state(leases), paid=is_paid(intent.service)))
    return sorted(found, key=lambda m: m.at)


def _name(entry: LedgerEntry) -> tuple[str, str, int]:
    return entry.campaign, entry.key, entry.attempt


def _ended(reserve: LedgerEntry, end: LedgerEntry) -> Movement:
    settled = end.kind == "settle"
    return Movement(
        campaign=reserve.campaign, key=reserve.key, attempt=reserve.attempt, address=reserve.address,
        what=reserve.what, service=reserve.service, model=reserve.model, paid=reserve.paid, plan="",
        fate=Fate.SETTLED if settled else Fate.REFUSED, credits=end.credits if settled else 0,
        reserved=reserve.credits, at=reserve.at,
    )  # fmt: skip


# --- acknowledgements ---


def read_acknowledgements(store: ObjectStore, service: str) -> list[Acknowledgement]:
    """Oldest first."""
    found = []
    for info in store.list(acknowledgement_prefix(service)):
        record = read_record(store, info.key, Acknowledgement)
        if record is None:
            raise NotFoundError(
                f"{info.key} was listed and is gone", remedy="Nothing but gc deletes: look who else did."
            )
        found.append(record)
    return sorted(found, key=lambda a: a.at)


def write_acknowledgement(store: ObjectStore, record: Acknowledgement) -> None:
    create_record(store, acknowledgement_key(record.service, record.digest), record)


# --- both ---


def first_day(movements: Iterable[Movement], acknowledged: Iterable[Acknowledgement], service: str) -> dt.date | None:
    """The day since which this store buys from the service; None when it never has."""
    days = [dt.date.fromisoformat(m.day) for m in movements if m.paid and m.service == service]
    return min([*days, *(a.since for a in acknowledged)], default=None)


async def reconcile(
    store: ObjectStore, clock: Clock, reader: AccountReader, *, quick: bool = False
) -> tuple[Comparison, Account, list[Movement]]:
    """The whole store against the vendor. The vendor is asked first: what is bought meanwhile is then in the ledger and
    not yet in its figures, never the other way round."""
    today = clock.now().astimezone(dt.UTC).date()
    acknowledged = read_acknowledgements(store, reader.service)
    before = read_movements(store, clock, quick=True)
    since = first_day(before, acknowledged, reader.service) or today
    account = await ask_account(reader, since, today)
    movements = read_movements(store, clock, quick=quick)
    return compare(account, movements, acknowledged), account, movements
