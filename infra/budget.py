"""The guard on money: nothing is created that would take reserved + spent over the limit. Play and paid purses apart.

The ledger is the truth and is read once, when a purse is first touched; from then on the one process that holds the
campaign's lease counts in memory. The head in the store is for other readers, and shows when somebody else writes too.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from dataclasses import replace
from typing import Literal

from infra.clock import Clock
from infra.errors import (
    BudgetExceededError,
    LeaseHeldError,
    PreconditionFailedError,
    ShotBudgetExceededError,
)
from infra.ledger import (
    EVER,
    Account,
    Spending,
    TakeRecord,
    account_of,
    is_paid,
    make_entry,
    repair_ledger,
    reservation_name,
    spent_and_reserved,
    spent_within,
    write_entry,
)
from infra.patience import keep_trying
from infra.records import read_versioned, swap_record
from infra.storage.base import ObjectStore, Version
from manifests.journal import BudgetHead, Intent
from manifests.naming import budget_key

PurseName = Literal["play", "paid"]


class Purse:
    """Running totals, and their head in the store. Writes are gathered: whoever waits shares the next one."""

    def __init__(self, store: ObjectStore, clock: Clock, campaign: str, name: PurseName, limit: int | None) -> None:
        self.name = name
        self.limit = limit
        self.spent_on: Counter[Account] = Counter()
        self.reserved: dict[str, int] = {}
        self._held_on: Counter[Account] = Counter()  # what is reserved, by account
        self._held_for: dict[str, Account] = {}
        self._store = store
        self._clock = clock
        self._campaign = campaign
        self._changes = 0
        self._written = 0
        self._writing = asyncio.Lock()
        self._head: tuple[BudgetHead, Version] | None = None
        self.lost = False  # another process writes this head: it believes that it holds the campaign

    @property
    def spent(self) -> int:
        return self.spent_on.total()

    @property
    def spending(self) -> Spending:
        """As it is now; what is in it goes on changing."""
        return Spending(self.spent, self.reserved, self.spent_on, self._held_on, self._held_for)

    def open(self, found: Spending) -> None:
        self.spent_on, self.reserved = Counter(found.spent_on), dict(found.reserved)
        self._held_on, self._held_for = Counter(found.held_on), dict(found.reserved_for)

    def hold(self, name: str, amount: int, account: Account) -> None:
        """Reserves, or changes what is reserved."""
        self.drop(name)
        self.reserved[name], self._held_for[name] = amount, account
        self._held_on[account] += amount

    def drop(self, name: str) -> None:
        if name in self.reserved:
            self._held_on[self._held_for.pop(name)] -= self.reserved.pop(name)

    def changed(self) -> None:
        self._changes += 1

    async def write_head(self) -> None:
        """Returns once the store has every change made before the call. Raises LeaseHeldError."""
        mine = self._changes
        async with self._writing:
            if self._written >= mine:
                return
            covers = self._changes
            spent, reserved = self.spent, dict(self.reserved)
            await keep_trying(self._clock, lambda: self._swap(spent, reserved))
            self._written = covers

    def _swap(self, spent: int, reserved: dict[str, int]) -> None:
        """The first write of a run replaces whatever an earlier one left; later ones only what this run wrote."""
        key = budget_key(self._campaign, self.name)
        if self._head is None:
            self._head = read_versioned(self._store, key, BudgetHead)
        head = BudgetHead(
            rev=self._head[0].rev + 1 if self._head else 1,
            campaign=self._campaign,
            purse=self.name,
            spent=spent,
            reserved=reserved,
            limit=self.limit,
        )
        try:
            self._head = (head, swap_record(self._store, key, head, expected=self._head))
        except PreconditionFailedError as e:
            there = read_versioned(self._store, key, BudgetHead)
            if there is None or there[0] != head:  # equal: our own write, whose answer was lost
                self.lost = True
                raise LeaseHeldError(
                    f"another process changed the budget of {self._campaign}",
                    remedy="Only one run at a time may buy for a campaign; this one stops buying.",
                ) from e
            self._head = there


class Budget:
    """Reserve before each create, adjust to the vendor's estimate, settle or release when it has ended.

    Not for two processes at once: the caller holds the campaign's lease. `paid` only says which purse `spending` tells
    of by default; every purchase goes to the purse of its own service. `first_limit` is what first takes may cost in
    all, so that the rest stays for retakes; `shot_limit` is for the stills and takes of any one shot. What was reserved
    before `since` counts towards no limit.
    """

    def __init__(
        self,
        store: ObjectStore,
        clock: Clock,
        campaign: str,
        *,
        limit: int | None,
        first_limit: int | None = None,
        shot_limit: int | None = None,
        paid: bool = True,
        since: dt.datetime | None = None,
    ) -> None:
        self.campaign = campaign
        self._store = store
        self._clock = clock
        self._paid = paid
        self._limit = limit
        self._first_limit = first_limit
        self._shot_limit = shot_limit
        self._since = since
        self._before: dict[bool, Spending] = {}
        self._purses: dict[bool, Purse] = {}
        self._opening = asyncio.Lock()
        self._highest: dict[tuple[str, str, str], int] = {}

    def expected(self, service: str, model: str, size_class: str, price: int) -> int:
        """What to reserve: our price, or the highest estimate that the vendor has given for the same thing."""
        return max(price, self._highest.get((service, model, size_class), 0))

    def note_estimate(self, service: str, model: str, size_class: str, estimated: int) -> None:
        name = (service, model, size_class)
        self._highest[name] = max(estimated, self._highest.get(name, 0))

    async def reserve(self, intent: Intent) -> None:
        """Before the intent is written. Raises BudgetExceededError, LeaseHeldError or StoreError, holding nothing."""
        purse = await self._purse(intent.service)
        amount = intent.reserved_credits
        if purse.lost:
            raise LeaseHeldError(f"another process buys for {self.campaign}")
        self._refuse_over(purse.spending, self._before[is_paid(intent.service)], intent)
        name = reservation_name(intent.key, intent.attempt)
        purse.hold(name, amount, account_of(intent))
        purse.changed()
        try:
            await purse.write_head()
            entry = make_entry(intent, "reserve", amount)
            await keep_trying(self._clock, lambda: write_entry(self._store, entry))
        except BaseException:
            purse.drop(name)
            purse.changed()
            raise

    def _refuse_over(self, now: Spending, before: Spending, intent: Intent) -> None:
        """The three limits, the widest first."""
        amount, account = intent.reserved_credits, account_of(intent)
        total = now.total - before.total

        def words(total: int, limit: int) -> str:
            return f"{amount:,} credits more would make {total + amount:,} of {limit:,}"

        if self._limit is not None and total + amount > self._limit:
            held = now.total - now.spent
            raise BudgetExceededError(
                f"{words(total, self._limit)} ({total - held:,} spent, {held:,} reserved)",
                remedy="--budget +N allows N more; or raise `budget.credits`, or ask for fewer takes.",
                address=intent.address,
            )
        first = now.total_of(again=False) - before.total_of(again=False)
        if self._first_limit is not None and not intent.again and first + amount > self._first_limit:
            raise BudgetExceededError(
                f"{words(first, self._first_limit)} for first takes; the rest is held for retakes",
                remedy="--budget +N allows N more; or lower `budget.reroll_reserve`, or ask for fewer takes.",
                address=intent.address,
            )
        if self._shot_limit is None or account.shot is None:
            return
        used = now.total_of(shot=account.shot) - before.total_of(shot=account.shot)
        if used + amount > self._shot_limit:
            raise ShotBudgetExceededError(
                f"{words(used, self._shot_limit)} for shot {account.shot}",
                remedy="Raise `budget.per_shot`, or do with the takes that are there.",
                address=intent.address,
            )

    async def adjust(self, intent: Intent, size_class: str, estimated: int | None) -> None:
        """The vendor accepted and said the most that it may charge. May pass the limit: then nothing more is bought."""
        if estimated is None:
            return
        self.note_estimate(intent.service, intent.model, size_class, estimated)
        purse = await self._purse(intent.service)
        name = reservation_name(intent.key, intent.attempt)
        if name in purse.reserved:
            purse.hold(name, estimated, account_of(intent))
            await self._write_if_ours(purse)

    async def settle(self, intent: Intent, record: TakeRecord, spent: int) -> None:
        """`record` is the result, failure or release that ended it; another campaign's goes to its own ledger."""
        await self._close(intent, record, "settle", spent)

    async def release(self, intent: Intent, record: TakeRecord) -> None:
        """Certainly nothing was bought; `record` is the refusal."""
        await self._close(intent, record, "release", intent.reserved_credits)

    async def forget(self, intent: Intent) -> None:
        """The intent was not written: somebody else's came first. A reservation without an intent counts nothing."""
        purse = await self._purse(intent.service)
        purse.drop(reservation_name(intent.key, intent.attempt))
        await self._write_if_ours(purse)

    async def spending(self, *, paid: bool | None = None) -> Spending:
        purse = await self._purse_of(self._paid if paid is None else paid)
        now = purse.spending
        return replace(now, reserved=dict(now.reserved), spent_on=dict(now.spent_on), held_on=dict(now.held_on))

    async def _close(self, intent: Intent, record: TakeRecord, kind: str, amount: int) -> None:
        entry = make_entry(intent, kind, amount, record=record)
        if intent.campaign != self.campaign:
            await keep_trying(self._clock, lambda: write_entry(self._store, entry))
            return
        purse = await self._purse(intent.service)
        purse.drop(reservation_name(intent.key, intent.attempt))
        if kind == "settle":
            purse.spent_on[account_of(intent)] += amount
        await keep_trying(self._clock, lambda: write_entry(self._store, entry))
        await self._write_if_ours(purse)

    async def _write_if_ours(self, purse: Purse) -> None:
        """After a purchase: a head that is no longer ours stops the next create, never the collecting of this one."""
        purse.changed()
        if purse.lost:
            return
        try:
            await purse.write_head()
        except LeaseHeldError:
            return

    async def _purse(self, service: str) -> Purse:
        return await self._purse_of(is_paid(service))

    async def _purse_of(self, paid: bool) -> Purse:
        async with self._opening:
            if paid not in self._purses:
                purse = Purse(self._store, self._clock, self.campaign, "paid" if paid else "play", self._limit)
                spending, self._before[paid] = await asyncio.to_thread(self._read_ledger, paid)
                purse.open(spending)
                self._purses[paid] = purse
        return self._purses[paid]

    def _read_ledger(self, paid: bool) -> tuple[Spending, Spending]:
        """All of it, and what was before `since`."""
        repair_ledger(self._store, self.campaign)
        if self._since is None:
            return spent_and_reserved(self._store, self.campaign, paid=paid), Spending()
        now, before = spent_within(self._store, self.campaign, EVER, (None, self._since), paid=paid)
        return now, before
