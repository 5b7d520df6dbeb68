"""Both sides as they are read: the store's purchases, and an account's balance and usage over HTTP."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from office import KEY, Office

from infra.errors import CredentialsError, VendorUnavailableError
from infra.ledger import entries_of, read_history, write_entry, write_take_record
from infra.providers.runway import RunwayProvider
from infra.reconcile import (
    ask_account,
    first_day,
    list_campaigns,
    read_acknowledgements,
    read_movements,
    reconcile,
    write_acknowledgement,
)
from infra.storage.memory import MemoryStore
from manifests.digest import digest_json
from manifests.journal import BlobRef, Failure, Intent, Refusal, Release, Result, TaskRecord
from manifests.reconcile import Acknowledgement, DayUsage, Fate, sum_by

AT = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)
TODAY = AT.date()


def put(
    store: MemoryStore, name: str, ending: str, *, campaign: str = "morning", entries: str = "all", **fields: Any
) -> str:
    """One purchase with this ending. `entries`: all, or only what a crash left of them: "reserve"."""
    given: dict[str, Any] = {
        "nonce": "n", "key": digest_json(name), "attempt": 1, "what": "take", "address": f"{name}/take-1",
        "campaign": campaign, "lease_nonce": "dead", "plan": "0" * 64, "service": "runway", "model": "gen4.5",
        "take": 1, "request": {}, "reserved_credits": 60, "at": AT,
    }  # fmt: skip
    intent = Intent.model_validate({**given, **fields})
    key, base = intent.key, {"key": intent.key, "attempt": 1, "at": AT}
    write_take_record(store, intent)
    if ending in ("have", "failed", "in flight"):
        write_take_record(store, TaskRecord(task_id="t", estimated_credits=58, **base))
    if ending == "have":
        blob = BlobRef(kind="take", sha256="ab" * 32, size=1, content_type="video/mp4")
        write_take_record(store, Result(what="take", blob=blob, credits=55, **base))
    if ending == "failed":
        write_take_record(
            store, Failure(code="X", detail="", failure_class="internal", retryable=True, credits=7, **base)
        )
    if ending == "refused":
        write_take_record(store, Refusal(error="ThrottledError", detail="busy", **base))
    if ending == "given up":
        write_take_record(store, Release(decision="give-up", by="mara", why="", **base))
    for entry in entries_of(read_history(store, key), campaign):
        if entries == "all" or entry.kind == "reserve":
            write_entry(store, entry)
    return key


ENDINGS = {"have": 55, "failed": 7, "in flight": 58, "unknown": 60, "refused": 0, "given up": 60}
FATES = {
    "have": Fate.SETTLED,
    "failed": Fate.FAILED,
    "in flight": Fate.IN_FLIGHT,
    "unknown": Fate.UNKNOWN,
    "refused": Fate.REFUSED,
    "given up": Fate.RELEASED,
}


Open = Callable[[Office], RunwayProvider]


@pytest.fixture
def open_provider(test_clock: Any) -> Open:
    def opened(office: Office) -> RunwayProvider:
        client = httpx.AsyncClient(transport=httpx.MockTransport(office))
        return RunwayProvider("https://api.test", KEY, "runway", clock=test_clock, client=client)

    return opened


# --- our side ---


@pytest.mark.parametrize("entries", ["all", "reserve"])
@pytest.mark.parametrize("quick", [True, False])
def test_every_ending_is_read_at_its_price(test_clock: Any, *, quick: bool, entries: str) -> None:
    """Also when a crash left out the ledger entry that ends it."""
    store = MemoryStore()
    for ending in ENDINGS:
        put(store, ending, ending, entries=entries)
    found = {m.address.removesuffix("/take-1"): m for m in read_movements(store, test_clock, quick=quick)}
    assert {name: m.credits for name, m in found.items()} == ENDINGS
    if not quick:
        assert {name: m.fate for name, m in found.items()} == FATES


def test_all_campaigns_or_those_that_are_named(test_clock: Any) -> None:
    store = MemoryStore()
    put(store, "one", "have")
    put(store, "two", "have", campaign="evening")
    put(store, "rehearsed", "have", campaign="evening", service="backlot")
    assert list_campaigns(store) == ["evening", "morning"]
    assert sum_by(read_movements(store, test_clock), "campaign") == {"evening": 110, "morning": 55}
    assert sum_by(read_movements(store, test_clock, ["morning"]), "campaign") == {"morning": 55}
    assert [m.paid for m in read_movements(store, test_clock, ["evening"])].count(False) == 1


def test_a_take_that_another_campaign_bought_is_counted_once(test_clock: Any) -> None:
    """Its reservation for this campaign lost the race: there is no intent of ours."""
    store = MemoryStore()
    key = put(store, "shared", "have", campaign="evening")
    intent = read_history(store, key).intents[0]
    (reserve, _) = entries_of(read_history(store, key), "evening")
    write_entry(store, reserve.model_copy(update={"campaign": "morning"}))
    assert intent.campaign == "evening"
    assert [(m.campaign, m.credits) for m in read_movements(store, test_clock)] == [("evening", 55)]


def test_acknowledgements_are_kept_in_the_order_they_were_made() -> None:
    store = MemoryStore()
    for hours, credits in ((2, 20), (1, 10)):
        at = AT + dt.timedelta(hours=hours)
        write_acknowledgement(
            store, Acknowledgement(service="runway", credits=credits, since=TODAY, by="mara", why="app", at=at)
        )
    assert [a.credits for a in read_acknowledgements(store, "runway")] == [10, 20]
    assert read_acknowledgements(store, "other") == []
    assert first_day([], read_acknowledgements(store, "runway"), "runway") == TODAY
    assert first_day([], [], "runway") is None


# --- the vendor's side ---


async def test_balance_usage_and_todays_generations(open_provider: Open) -> None:
    office = Office({("2026-11-20", "gen4.5"): 120, ("2026-11-21", "gen4.5"): -12.5, ("2026-11-21", "veo3.1"): 0.5})
    account = await ask_account(open_provider(office), TODAY - dt.timedelta(days=1), TODAY)
    assert (account.balance, account.generations_today) == (900, {"gen4.5": 3})
    assert account.usage == (
        DayUsage(date="2026-11-20", model="gen4.5", credits=120),
        DayUsage(date="2026-11-21", model="gen4.5", credits=-13),
        DayUsage(date="2026-11-21", model="veo3.1", credits=1),
    )
    assert office.periods == [("2026-11-20", "2026-11-22")]
    assert account.charged(model="gen4.5") == 107
    assert account.charged(day="2026-11-21") == -12


async def test_a_long_time_is_asked_in_pieces_that_meet(open_provider: Open) -> None:
    start = TODAY - dt.timedelta(days=200)
    days = [(start + dt.timedelta(days=n)).isoformat() for n in range(201)]
    office = Office({(day, "gen4.5"): 1 for day in days})
    account = await ask_account(open_provider(office), start, TODAY)
    assert account.charged() == 201
    assert [before for _, before in office.periods[:-1]] == [begin for begin, _ in office.periods[1:]]
    for begin, before in office.periods:
        assert (dt.date.fromisoformat(before) - dt.date.fromisoformat(begin)).days <= 90


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401, json={"error": "no"}), CredentialsError),
        (httpx.Response(404, json={"error": "no"}), VendorUnavailableError),
        (httpx.Response(200, json={"days": []}), VendorUnavailableError),
        (httpx.Response(200, text="<html>"), VendorUnavailableError),
    ],
)
async def test_usage_that_cannot_be_read(open_provider: Open, answer: httpx.Response, error: type[Exception]) -> None:
    office = Office()
    office.trouble = answer
    with pytest.raises(error) as caught:
        await open_provider(office).usage(TODAY, TODAY + dt.timedelta(days=1))
    assert KEY not in str(caught.value)


# --- both ---


async def test_the_whole_store_agrees_to_the_credit(open_provider: Open, test_clock: Any) -> None:
    store = MemoryStore()
    put(store, "one", "have")
    put(store, "two", "failed", campaign="evening", model="veo3.1")
    put(store, "line", "have", service="elevenlabs", model="eleven_v3", what="speech")
    put(store, "rehearsed", "have", service="backlot")
    office = Office({("2026-11-21", "gen4.5"): 55, ("2026-11-21", "veo3.1"): 7})
    found, _, movements = await reconcile(store, test_clock, open_provider(office))
    assert (found.ledger, found.vendor, found.difference, found.unexplained) == (62, 62, 0, 0)
    assert len(movements) == 4
    office.usage[("2026-11-21", "gen4.5")] += 1
    found, _, _ = await reconcile(store, test_clock, open_provider(office), quick=True)
    assert (found.difference, found.unexplained) == (1, 1)


async def test_it_looks_back_to_the_first_purchase_and_no_further(open_provider: Open, test_clock: Any) -> None:
    store = MemoryStore()
    put(store, "old", "have", at=AT - dt.timedelta(days=3))
    office = Office({("2026-11-17", "gen4.5"): 999, ("2026-11-18", "gen4.5"): 55})
    found, _, _ = await reconcile(store, test_clock, open_provider(office))
    assert (found.since.isoformat(), found.difference) == ("2026-11-18", 0)


async def test_what_is_bought_while_we_look_is_never_unexplained(open_provider: Open, test_clock: Any) -> None:
    """The vendor is asked before the ledger is read."""
    store = MemoryStore()
    put(store, "one", "have")

    class Busy(Office):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            if request.method == "POST":
                put(store, "meanwhile", "have")
            return answer

    office = Busy({("2026-11-21", "gen4.5"): 55})
    found, _, _ = await reconcile(store, test_clock, open_provider(office), quick=True)
    assert (found.unexplained, found.not_charged) == (0, 55)
