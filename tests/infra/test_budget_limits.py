"""The narrower limits: one shot, and the reserve for retakes. Many creates at once, over a crash, with both purses."""

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
from infra.ledger import spent_and_reserved, write_take_record
from infra.storage.memory import MemoryStore
from manifests.digest import digest_json
from manifests.journal import BlobRef, Intent, Result

AT = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)
CAMPAIGN = "morning"


def intent(name: object, reserved: int, shot: str = "pour", **fields: Any) -> Intent:
    given = {
        "nonce": "n", "key": digest_json([shot, name]), "attempt": 1, "what": "take", "address": f"{shot}/take-1",
        "campaign": CAMPAIGN, "lease_nonce": "lease", "plan": "0" * 64, "service": "runway", "model": "gen4.5",
        "take": 1, "request": {}, "reserved_credits": reserved, "at": AT,
    }  # fmt: skip
    return Intent.model_validate({**given, **fields})


def result(of: Intent, credits: int) -> Result:
    blob = BlobRef(kind="take", sha256="ab" * 32, size=4, content_type="video/mp4")
    return Result(key=of.key, attempt=of.attempt, what=of.what, blob=blob, credits=credits, at=AT)


async def outcomes(budget: Budget, *intents: Intent) -> list[str]:
    """All at the same time: `ok`, or the name of what refused it."""
    done = await asyncio.gather(*(budget.reserve(i) for i in intents), return_exceptions=True)
    return ["ok" if error is None else type(error).__name__ for error in done]


# --- one shot ---


async def test_of_many_creates_at_once_only_those_that_fit_the_shot_pass(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=10_000, shot_limit=300)
    pour = [intent(n, 60) for n in range(200)]
    lift = [intent(n, 60, shot="lift") for n in range(200)]
    told = await outcomes(budget, *(i for pair in zip(pour, lift, strict=True) for i in pair))
    assert told.count("ok") == 10
    assert set(told) == {"ok", "ShotBudgetExceededError"}
    spending = await budget.spending()
    assert (spending.total_of(shot="pour"), spending.total_of(shot="lift")) == (300, 300)


async def test_the_refusal_names_the_shot_and_what_to_do(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=10_000, shot_limit=100)
    await budget.reserve(intent(1, 60))
    with pytest.raises(errors.ShotBudgetExceededError) as caught:
        await budget.reserve(intent(2, 41, again=True))
    assert isinstance(caught.value, errors.BudgetExceededError)
    assert caught.value.exit_code == 5
    assert "pour/take-1: over the budget of one shot: 41 credits more would make 101 of 100 for shot pour" in str(
        caught.value
    )
    assert "budget.per_shot" in caught.value.remedy
    await budget.reserve(intent(3, 40))


async def test_stills_takes_and_segments_are_the_shots_and_sounds_are_not(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=10_000, shot_limit=100)
    await budget.reserve(intent(1, 30, what="still", address="morning/pour@en.1/still-1"))
    await budget.reserve(intent(2, 30, address="morning/pour@en.1/take-2"))
    await budget.reserve(intent(3, 90, what="effect", address="morning/pour@en/effect-1"))
    await budget.reserve(intent(4, 90, address="morning/pour@de.1/take-1"))  # at another value: another shot
    await budget.reserve(intent(5, 30, address="morning/pour@en.2/take-1"))
    assert await outcomes(budget, intent(6, 30, address="morning/pour@en.2/take-2")) == ["ShotBudgetExceededError"]


async def test_a_settled_price_makes_room_and_a_higher_estimate_takes_it(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=10_000, shot_limit=100)
    one, two = intent(1, 60), intent(2, 30)
    await budget.reserve(one)
    await budget.adjust(one, "", 80)
    assert await outcomes(budget, two) == ["ShotBudgetExceededError"]
    await budget.settle(one, result(one, 70), 70)
    assert await outcomes(budget, two) == ["ok"]


async def test_what_an_earlier_run_spent_on_the_shot_counts(test_clock: Any) -> None:
    store = MemoryStore()
    first = Budget(store, test_clock, CAMPAIGN, limit=10_000, shot_limit=150)
    done, dead = intent(1, 60), intent(2, 60)
    for mine in (done, dead):
        await first.reserve(mine)
        write_take_record(store, mine)
    write_take_record(store, result(done, 50))  # killed before it was settled
    second = Budget(store, test_clock, CAMPAIGN, limit=10_000, shot_limit=150)
    assert await outcomes(second, intent(3, 41)) == ["ShotBudgetExceededError"]
    assert await outcomes(second, intent(3, 40), intent(4, 150, shot="lift")) == ["ok", "ok"]


async def test_play_credits_fill_no_paid_shot(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=10_000, shot_limit=60)
    assert await outcomes(budget, intent(1, 60, service="backlot"), intent(2, 60), intent(3, 1)) == [
        "ok", "ok", "ShotBudgetExceededError",
    ]  # fmt: skip


# --- the reserve for retakes ---


async def test_first_takes_leave_the_reserve_and_retakes_use_it(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=100, first_limit=80)
    first = [intent(n, 10) for n in range(50)]
    assert (await outcomes(budget, *first)).count("ok") == 8
    again = [intent(n, 10, again=True) for n in range(100, 150)]
    assert (await outcomes(budget, *again)).count("ok") == 2
    assert (await budget.spending()).total == 100


async def test_a_retake_in_the_middle_takes_nothing_from_the_first_takes(test_clock: Any) -> None:
    """A shot that continues another is bought after the other's retakes: its money is still there."""
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=100, first_limit=80)
    told = await outcomes(budget, intent(1, 40), intent(2, 20, again=True), intent(3, 40, shot="lift"))
    assert told == ["ok", "ok", "ok"]


async def test_the_reserve_is_counted_over_a_crash(test_clock: Any) -> None:
    store = MemoryStore()
    for mine in (intent(1, 50), intent(2, 20, again=True)):
        await Budget(store, test_clock, CAMPAIGN, limit=100, first_limit=80).reserve(mine)
        write_take_record(store, mine)
    spending = spent_and_reserved(store, CAMPAIGN, paid=True)
    assert (spending.total_of(again=False), spending.total_of(again=True)) == (50, 20)
    resumed = Budget(store, test_clock, CAMPAIGN, limit=100, first_limit=80)
    assert await outcomes(resumed, intent(3, 31), intent(4, 30)) == ["BudgetExceededError", "ok"]


async def test_the_refusal_says_that_the_rest_is_held(test_clock: Any) -> None:
    budget = Budget(MemoryStore(), test_clock, CAMPAIGN, limit=100, first_limit=80)
    with pytest.raises(errors.BudgetExceededError, match="81 of 80 for first takes; the rest is held for retakes"):
        await budget.reserve(intent(1, 81))


# --- all three ---


@settings(max_examples=40)
@given(
    wanted=st.lists(st.tuples(st.integers(0, 50), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=40),
    limit=st.integers(0, 400),
    first=st.integers(0, 400),
    shot=st.integers(0, 200),
)
def test_no_limit_is_passed_and_nothing_is_refused_without_need(
    wanted: list[tuple[int, str, bool]], limit: int, first: int, shot: int
) -> None:
    store = MemoryStore()

    async def run() -> None:
        budget = Budget(store, SystemClock(), CAMPAIGN, limit=limit, first_limit=first, shot_limit=shot)
        await budget.spending()  # opened: from here on a refusal is looked at in the very state that it saw

        async def buy(number: int, price: int, name: str, *, again: bool) -> None:
            mine = intent(number, price, shot=name, again=again)
            try:
                await budget.reserve(mine)
            except errors.BudgetExceededError:
                now = await budget.spending()
                over = now.total + price > limit or now.total_of(shot=name) + price > shot
                assert over or (not again and now.total_of(again=False) + price > first)
                return
            write_take_record(store, mine)
            await asyncio.sleep(0)
            write_take_record(store, result(mine, price // 2))
            await budget.settle(mine, result(mine, price // 2), price // 2)

        await asyncio.gather(*(buy(n, p, s, again=a) for n, (p, s, a) in enumerate(wanted)))
        now = await budget.spending()
        assert now.total <= limit
        assert now.total_of(again=False) <= first
        assert all(now.total_of(shot=name) <= shot for name in "abc")
        assert now.total == now.total_of() == now.total_of(again=False) + now.total_of(again=True)
        stored = spent_and_reserved(store, CAMPAIGN, paid=True)
        assert dict(stored.spent_on) == {k: v for k, v in now.spent_on.items() if k in stored.spent_on}

    asyncio.run(run())
