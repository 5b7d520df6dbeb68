"""The guard on money: many at once, at the limit, over a crash, and against another writer."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import errors
from infra.budget import Budget
from infra.clock import SystemClock
from infra.ledger import (
    Window,
    make_entry,
    read_entries,
    spent_and_reserved,
    spent_within,
    write_entry,
    write_take_record,
)
from infra.records import read_record, read_versioned, swap_record
from infra.storage.memory import MemoryStore
from manifests.digest import digest_json
from manifests.journal import BlobRef, BudgetHead, Failure, Intent, Refusal, Result
from manifests.naming import budget_key

AT = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)
CAMPAIGN = "morning"


def intent(name: object, reserved: int, **fields: Any) -> Intent:
    given = {
        "nonce": "n", "key": digest_json(name), "attempt": 1, "what": "take", "address": "pour/take-1",
        "campaign": CAMPAIGN, "lease_nonce": "lease", "plan": "0" * 64, "service": "runway", "model": "gen4.5",
        "take": 1, "request": {}, "reserved_credits": reserved, "at": AT,
    }  # fmt: skip
    return Intent.model_validate({**given, **fields})


def result(of: Intent, credits: int) -> Result:
    blob = BlobRef(kind="take", sha256="ab" * 32, size=4, content_type="video/mp4")
    return Result(key=of.key, attempt=of.attempt, what="take", blob=blob, credits=credits, at=AT)


def refusal(of: Intent) -> Refusal:
    return Refusal(key=of.key, attempt=of.attempt, error="DailyCapError", detail="", at=AT)


def failure(of: Intent, credits: int) -> Failure:
    return Failure(
        key=of.key, attempt=of.attempt, code="", detail="", failure_class="internal", retryable=True, credits=credits,
        at=AT,
    )  # fmt: skip


def head(store: MemoryStore, purse: str = "paid") -> BudgetHead | None:
    return read_record(store, budget_key(CAMPAIGN, purse), BudgetHead)


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.head_writes = 0

    def put_bytes(self, key: str, data: bytes, **options: Any) -> Any:
        self.head_writes += key.startswith("v1/budget/")
        return super().put_bytes(key, data, **options)


async def test_money_is_reserved_adjusted_and_settled(test_clock: Any) -> None:
    store = MemoryStore()
    budget = Budget(store, test_clock, CAMPAIGN, limit=200)
    one, two = intent(1, 60), intent(2, 60)
    await budget.reserve(one)
    await budget.reserve(two)
    await budget.adjust(one, "720p 5 s", 72)
    assert (await budget.spending()).total == 132
    there = head(store)
    assert there is not None
    assert (there.spent, sum(there.reserved.values()), there.limit) == (0, 132, 200)
    await budget.settle(one, result(one, 70), 70)
    await budget.release(two, refusal(two))
    spending = await budget.spending()
    assert (spending.spent, spending.reserved) == (70, {})
    assert sorted((e.kind, e.credits) for e in read_entries(store, CAMPAIGN)) == [
        ("release", 60), ("reserve", 60), ("reserve", 60), ("settle", 70),
    ]  # fmt: skip


async def test_at_the_limit_is_allowed_and_one_more_is_not(test_clock: Any) -> None:
    store = MemoryStore()
    budget = Budget(store, test_clock, CAMPAIGN, limit=120)
    await budget.reserve(intent(1, 60))
    await budget.reserve(intent(2, 60))
    with pytest.raises(errors.BudgetExceededError) as caught:
        await budget.reserve(intent(3, 1))
    assert caught.value.exit_code == 5
    assert "121 of 120 (0 spent, 120 reserved)" in str(caught.value)
    assert len(read_entries(store, CAMPAIGN)) == 2


async def test_an_estimate_over_the_limit_stops_the_next_create_not_this_one(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=100)
    one = intent(1, 60)
    await budget.reserve(one)
    await budget.adjust(one, "", 101)
    with pytest.raises(errors.BudgetExceededError):
        await budget.reserve(intent(2, 0))
    await budget.settle(one, result(one, 90), 90)
    await budget.reserve(intent(2, 10))


async def test_the_highest_estimate_seen_is_what_the_next_one_reserves(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=None)
    one = intent(1, 60)
    await budget.reserve(one)
    await budget.adjust(one, "720p 5 s", 72)
    await budget.adjust(one, "720p 5 s", 66)
    assert budget.expected("runway", "gen4.5", "720p 5 s", 60) == 72
    assert budget.expected("runway", "gen4.5", "720p 10 s", 60) == 60
    assert budget.expected("backlot", "gen4.5", "720p 5 s", 60) == 60
    await budget.adjust(one, "720p 5 s", None)
    assert (await budget.spending()).total == 66


async def test_purses_are_apart(test_clock: Any) -> None:
    store = MemoryStore()
    budget = Budget(store, test_clock, CAMPAIGN, limit=60, paid=False)
    await budget.reserve(intent(1, 60, service="backlot"))
    await budget.reserve(intent(2, 60, service="runway"))
    with pytest.raises(errors.BudgetExceededError):
        await budget.reserve(intent(3, 1, service="backlot"))
    assert (await budget.spending()).reserved.keys() == {f"{digest_json(1)}-1"}
    assert (await budget.spending(paid=True)).reserved.keys() == {f"{digest_json(2)}-1"}
    assert head(store, "play") is not None


async def test_a_new_run_counts_what_the_last_one_left(test_clock: Any) -> None:
    store = MemoryStore()
    first = Budget(store, test_clock, CAMPAIGN, limit=200)
    for number in range(3):
        mine = intent(number, 60)
        await first.reserve(mine)
        write_take_record(store, mine)
    # killed after the result of one and the failure of another were written, before their settling
    write_take_record(store, result(intent(0, 60), 55))
    write_take_record(store, failure(intent(1, 60), 5))
    second = Budget(store, test_clock, CAMPAIGN, limit=200)
    spending = await second.spending()
    assert (spending.spent, sum(spending.reserved.values())) == (60, 60)
    with pytest.raises(errors.BudgetExceededError):
        await second.reserve(intent(9, 81))
    await second.reserve(intent(9, 80))
    there = head(store)
    assert there is not None
    assert there.spent + sum(there.reserved.values()) == 200


async def test_a_reservation_that_cannot_be_written_is_not_held(test_clock: Any) -> None:
    class Full(MemoryStore):
        full = True

        def put_bytes(self, key: str, data: bytes, **options: Any) -> Any:
            if self.full and key.startswith("v1/ledger/"):
                raise errors.StoreFullError("no room")
            return super().put_bytes(key, data, **options)

    store = Full()
    budget = Budget(store, test_clock, CAMPAIGN, limit=60)
    with pytest.raises(errors.StoreFullError):
        await budget.reserve(intent(1, 60))
    store.full = False
    await budget.reserve(intent(2, 60))


async def test_another_writer_stops_the_buying_and_not_the_settling(test_clock: Any) -> None:
    store = MemoryStore()
    budget = Budget(store, test_clock, CAMPAIGN, limit=600)
    one = intent(1, 60)
    await budget.reserve(one)
    found = read_versioned(store, budget_key(CAMPAIGN, "paid"), BudgetHead)
    assert found is not None
    swap_record(
        store, budget_key(CAMPAIGN, "paid"), found[0].model_copy(update={"rev": found[0].rev + 1}), expected=found
    )
    with pytest.raises(errors.LeaseHeldError):
        await budget.reserve(intent(2, 60))
    with pytest.raises(errors.LeaseHeldError):
        await budget.reserve(intent(3, 60))
    await budget.settle(one, result(one, 60), 60)
    assert [(e.kind, e.credits) for e in read_entries(store, CAMPAIGN)] == [("reserve", 60), ("settle", 60)]


async def test_a_lost_reply_to_our_own_head_is_not_another_writer(test_clock: Any) -> None:
    class Deaf(MemoryStore):
        lose = False

        def put_bytes(self, key: str, data: bytes, **options: Any) -> Any:
            version = super().put_bytes(key, data, **options)
            if self.lose and key.startswith("v1/budget/"):
                self.lose = False
                raise errors.StoreUnavailableError("no answer")
            return version

    store = Deaf()
    budget = Budget(store, test_clock, CAMPAIGN, limit=600)
    for number in range(3):
        store.lose = True
        await budget.reserve(intent(number, 60))
    assert (await budget.spending()).total == 180


async def test_anothers_campaign_is_settled_in_its_own_ledger(test_clock: Any) -> None:
    store = MemoryStore()
    budget = Budget(store, test_clock, CAMPAIGN, limit=60)
    theirs = intent(1, 60, campaign="other")
    await budget.settle(theirs, result(theirs, 60), 60)
    assert (await budget.spending()).total == 0
    assert [e.kind for e in read_entries(store, "other")] == ["settle"]
    assert read_entries(store, CAMPAIGN) == []


async def test_many_reservations_share_their_writes(test_clock: Any) -> None:
    store = CountingStore()
    budget = Budget(store, test_clock, CAMPAIGN, limit=None)
    await asyncio.gather(*(budget.reserve(intent(n, 1)) for n in range(200)))
    assert (await budget.spending()).total == 200
    there = head(store)
    assert there is not None
    assert len(there.reserved) == 200
    assert store.head_writes < 20


@settings(max_examples=25)
@given(
    prices=st.lists(st.integers(0, 50), min_size=1, max_size=40),
    limit=st.integers(0, 400),
    costs=st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=40, max_size=40),
)
def test_never_over_the_limit_and_nothing_refused_without_need(
    prices: list[int], limit: int, costs: list[int | None]
) -> None:
    store = MemoryStore()

    async def run() -> None:
        budget = Budget(store, SystemClock(), CAMPAIGN, limit=limit)

        async def buy(number: int, price: int) -> int | None:
            mine = intent(number, price)
            try:
                await budget.reserve(mine)
            except errors.BudgetExceededError:
                spending = await budget.spending()
                assert spending.total + price > limit
                return None
            assert (await budget.spending()).total <= limit
            write_take_record(store, mine)
            await asyncio.sleep(0)
            cost = costs[number]
            if cost is None:
                write_take_record(store, refusal(mine))
                await budget.release(mine, refusal(mine))
                return 0
            cost = min(cost, price)
            write_take_record(store, result(mine, cost))
            await budget.settle(mine, result(mine, cost), cost)
            return cost

        paid = await asyncio.gather(*(buy(n, p) for n, p in enumerate(prices)))
        spending = await budget.spending()
        assert spending.reserved == {}
        assert spending.spent == sum(p for p in paid if p is not None) <= limit
        assert spent_and_reserved(store, CAMPAIGN, paid=True) == spending

    asyncio.run(run())


# --- of one start of a schedule ---


async def test_what_was_reserved_before_a_start_counts_towards_none_of_its_limits(test_clock: Any) -> None:
    store, since = MemoryStore(), AT + dt.timedelta(days=1)
    before = Budget(store, test_clock, CAMPAIGN, limit=1000)
    old = intent(1, 100)
    await before.reserve(old)
    await before.settle(old, result(old, 100), 100)
    start = Budget(store, test_clock, CAMPAIGN, limit=100, first_limit=100, shot_limit=100, since=since)
    await start.reserve(intent(2, 100, at=since))
    with pytest.raises(errors.BudgetExceededError, match="1 credits more would make 101 of 100"):
        await start.reserve(intent(3, 1, at=since))
    there = head(store)
    assert there is not None
    assert (there.spent, sum(there.reserved.values())) == (100, 100)  # the head is of everything


@given(
    days=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 50), st.booleans()), max_size=8),
    first=st.integers(0, 60), length=st.integers(0, 30),
)  # fmt: skip
@settings(max_examples=40)
def test_windows_of_time_share_out_everything_that_was_spent(
    days: list[tuple[int, int, bool]], first: int, length: int
) -> None:
    """By when it was reserved: what is settled weeks later stays where it was bought."""
    store = MemoryStore()
    begin, end = AT + dt.timedelta(days=first), AT + dt.timedelta(days=first + length)
    for number, (day, credits, ended) in enumerate(days):
        bought = intent(number, credits, at=AT + dt.timedelta(days=day))
        write_take_record(store, bought)
        write_entry(store, make_entry(bought, "reserve", credits))
        if ended:
            late = result(bought, credits).model_copy(update={"at": AT + dt.timedelta(days=90)})
            write_entry(store, make_entry(bought, "settle", credits, record=late))
    windows: list[Window] = [(None, begin), (begin, end), (end, None)]
    shares = spent_within(store, CAMPAIGN, *windows, paid=True)
    assert sum(share.total for share in shares) == spent_and_reserved(store, CAMPAIGN, paid=True).total
    assert shares[1].total == sum(credits for day, credits, _ in days if first <= day < first + length)
