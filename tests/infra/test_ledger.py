"""Records of takes in and out of the store, and the money that follows from them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import errors
from infra.ledger import (
    Spending,
    entries_of,
    make_entry,
    read_entries,
    read_histories,
    read_history,
    repair_ledger,
    spent_and_reserved,
    write_entry,
    write_take_record,
)
from infra.storage.memory import MemoryStore
from manifests.digest import digest_json
from manifests.journal import BlobRef, Failure, Intent, Refusal, Release, Result, TakeState, TaskRecord

AT = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)
CAMPAIGN = "morning"


def key_of(name: object) -> str:
    return digest_json(["key", name])


def intent(name: object, attempt: int = 1, **fields: Any) -> Intent:
    given = {
        "nonce": f"n{attempt}", "key": key_of(name), "attempt": attempt, "what": "take", "address": "pour/take-1",
        "campaign": CAMPAIGN, "lease_nonce": "lease", "plan": "0" * 64, "service": "runway", "model": "gen4.5",
        "take": 1, "request": {"endpoint": "/v1/text_to_video", "body": {}}, "reserved_credits": 60, "at": AT,
    }  # fmt: skip
    return Intent.model_validate({**given, **fields})


def task(name: object, attempt: int = 1, estimated: int | None = None) -> TaskRecord:
    return TaskRecord(key=key_of(name), attempt=attempt, task_id=f"t{attempt}", estimated_credits=estimated, at=AT)


def refused(name: object, attempt: int = 1) -> Refusal:
    return Refusal(key=key_of(name), attempt=attempt, error="DailyCapError", detail="cap", at=AT)


def released(name: object, attempt: int = 1, decision: str = "rebuy") -> Release:
    return Release.model_validate(
        {"key": key_of(name), "attempt": attempt, "decision": decision, "by": "ann", "why": "?", "at": AT}
    )


def failed(name: object, attempt: int = 1, credits: int = 0) -> Failure:
    return Failure(
        key=key_of(name), attempt=attempt, code="INTERNAL", detail="", failure_class="internal", retryable=True,
        credits=credits, at=AT,
    )  # fmt: skip


def result(name: object, attempt: int = 1, credits: int = 55, units: int | None = None) -> Result:
    blob = BlobRef(kind="take", sha256="ab" * 32, size=4, content_type="video/mp4")
    return Result(key=key_of(name), attempt=attempt, what="take", blob=blob, credits=credits, vendor_units=units, at=AT)


def kinds(store: MemoryStore) -> list[tuple[str, int]]:
    return sorted((e.kind, e.credits) for e in read_entries(store, CAMPAIGN))


def test_a_history_is_read_back_in_order() -> None:
    store = MemoryStore()
    records = [
        *(intent(1, n) for n in range(1, 12)),
        *(refused(1, n) for n in range(1, 10)),
        released(1, 10),
        task(1, 11, 70),
        result(1, 11),
    ]
    for record in reversed(records):
        write_take_record(store, record)
    history = read_history(store, key_of(1))
    assert [i.attempt for i in history.intents] == list(range(1, 12))
    assert [r.attempt for r in history.refusals] == list(range(1, 10))
    assert history.task_of(11) == task(1, 11, 70)
    assert history.result == result(1, 11)
    assert history.releases == (released(1, 10),)
    assert history.open_intent is None


def test_an_empty_history_is_new_and_neighbours_stay_apart() -> None:
    store = MemoryStore()
    write_take_record(store, intent(1))
    write_take_record(store, failed(2))
    assert read_history(store, key_of(3)).state() is TakeState.NEW
    many = read_histories(store, [key_of(n) for n in (1, 2, 3, 1)])
    assert [h.state() for h in many.values()] == [TakeState.UNKNOWN, TakeState.FAILED, TakeState.NEW]
    assert read_histories(store, []) == {}


def test_records_are_created_once() -> None:
    store = MemoryStore()
    write_take_record(store, intent(1))
    write_take_record(store, intent(1))  # the same bytes: a write whose answer was lost
    with pytest.raises(errors.PreconditionFailedError):
        write_take_record(store, intent(1, nonce="another"))
    assert read_history(store, key_of(1)).intents == (intent(1),)


def test_a_damaged_record_is_said_not_skipped() -> None:
    store = MemoryStore()
    store.put_bytes(f"v1/takes/{key_of(1)}/intent-1.json", b'{"schema": "intent/9"}')
    with pytest.raises(errors.IntegrityError):
        read_history(store, key_of(1))
    stray = f"v1/takes/{key_of(2)}/notes.txt"
    store.put_bytes(stray, b"")
    with pytest.raises(errors.IntegrityError, match="no record of a take"):
        read_history(store, key_of(2))


@pytest.mark.parametrize(
    ("closing", "wanted"),
    [
        ([], [("reserve", 60)]),
        ([task(1, 1, 70)], [("reserve", 60)]),
        ([refused(1)], [("release", 60), ("reserve", 60)]),
        ([failed(1, 1, 0)], [("reserve", 60), ("settle", 0)]),
        ([failed(1, 1, 60)], [("reserve", 60), ("settle", 60)]),
        ([task(1, 1, 70), result(1)], [("reserve", 60), ("settle", 55)]),
        ([released(1)], [("reserve", 60), ("settle", 60)]),
        ([released(1, 1, "give-up")], [("reserve", 60), ("settle", 60)]),
        ([task(1, 1, 70), released(1)], [("reserve", 60), ("settle", 70)]),
    ],
)
def test_the_ledger_follows_from_the_records(closing: list[Any], wanted: list[tuple[str, int]]) -> None:
    store = MemoryStore()
    for record in [intent(1), *closing]:
        write_take_record(store, record)
    missing = repair_ledger(store, CAMPAIGN, [key_of(1)])
    assert len(missing) == len(wanted)
    assert kinds(store) == wanted
    assert repair_ledger(store, CAMPAIGN, [key_of(1)]) == []
    assert repair_ledger(store, CAMPAIGN) == []


def test_a_repair_finds_open_reservations_by_itself() -> None:
    store = MemoryStore()
    write_entry(store, make_entry(intent(1), "reserve", 60))
    for record in (intent(1), task(1), result(1, units=38)):
        write_take_record(store, record)
    assert spent_and_reserved(store, CAMPAIGN, paid=True) == Spending(55, {})  # right before the repair too
    (entry,) = repair_ledger(store, CAMPAIGN)
    assert (entry.kind, entry.credits, entry.vendor_units) == ("settle", 55, 38)
    assert spent_and_reserved(store, CAMPAIGN, paid=True) == Spending(55, {})


def test_money_belongs_to_the_campaign_and_purse_that_bought() -> None:
    store = MemoryStore()
    for record in (intent(1), result(1), intent(2, service="backlot"), intent(3, campaign="other"), result(3)):
        write_take_record(store, record)
    keys = [key_of(n) for n in (1, 2, 3)]
    for campaign in (CAMPAIGN, "other"):
        repair_ledger(store, campaign, keys)
    assert spent_and_reserved(store, CAMPAIGN, paid=True) == Spending(55, {})
    assert spent_and_reserved(store, CAMPAIGN, paid=False) == Spending(0, {f"{key_of(2)}-1": 60})
    assert spent_and_reserved(store, "other", paid=True).total == 55
    assert [e.paid for e in read_entries(store, "other")] == [True, True]


def test_a_reservation_that_was_never_sent_counts_nothing() -> None:
    store = MemoryStore()
    write_entry(store, make_entry(intent(1), "reserve", 60))
    assert spent_and_reserved(store, CAMPAIGN, paid=True).total == 0
    assert repair_ledger(store, CAMPAIGN) == []
    write_take_record(store, intent(1, campaign="other"))  # another campaign was first
    assert spent_and_reserved(store, CAMPAIGN, paid=True).total == 0


def test_an_entry_is_written_once() -> None:
    store = MemoryStore()
    write_entry(store, make_entry(intent(1), "reserve", 60))
    write_entry(store, make_entry(intent(1), "reserve", 99))
    assert kinds(store) == [("reserve", 60)]


ATTEMPT = st.sampled_from(["refused", "released"])
LAST = st.sampled_from(["open", "task", "refused", "released", "failed", "result"])


@settings(max_examples=60)
@given(
    takes=st.lists(st.tuples(st.lists(ATTEMPT, max_size=3), LAST, st.booleans()), max_size=6),
    data=st.data(),
)
def test_any_entries_that_a_crash_left_out_come_back(takes: list[tuple[list[str], str, bool]], data: Any) -> None:
    store, whole = MemoryStore(), MemoryStore()
    spent = {True: 0, False: 0}
    open_credits = {True: 0, False: 0}
    reserves = []
    for number, (earlier, last, paid) in enumerate(takes):
        for attempt, ending in enumerate([*earlier, last], start=1):
            service = "runway" if paid else "backlot"
            mine = intent(number, attempt, service=service, reserved_credits=10 * attempt)
            reserves.append(make_entry(mine, "reserve", mine.reserved_credits))
            records: list[Any] = [mine]
            if ending == "released":
                records.append(released(number, attempt))
                spent[paid] += mine.reserved_credits
            elif ending == "refused":
                records.append(refused(number, attempt))
            elif ending == "failed":
                records += [task(number, attempt), failed(number, attempt, 7)]
                spent[paid] += 7
            elif ending == "result":
                records += [task(number, attempt), result(number, attempt)]
                spent[paid] += 55
            else:
                estimate = 33 if ending == "task" else None
                records += [task(number, attempt, estimate)] if ending == "task" else []
                open_credits[paid] += estimate or mine.reserved_credits
            for record in records:
                write_take_record(store, record)
                write_take_record(whole, record)
    keys = [key_of(n) for n in range(len(takes))]
    repair_ledger(whole, CAMPAIGN, keys)
    for entry in reserves:  # always written before the intent, so no crash leaves them out
        write_entry(store, entry)
    everything = [e for h in read_histories(store, keys).values() for e in entries_of(h, CAMPAIGN)]
    for entry in everything:
        if data.draw(st.booleans()):
            write_entry(store, entry)
    for paid in (True, False):
        before = spent_and_reserved(store, CAMPAIGN, paid=paid)
        assert (before.spent, sum(before.reserved.values())) == (spent[paid], open_credits[paid])
    repair_ledger(store, CAMPAIGN)
    assert read_entries(store, CAMPAIGN) == read_entries(whole, CAMPAIGN)
