"""Records as JSON in the store: created once, found again by their writer, swapped with a rising rev."""

from __future__ import annotations

import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faults.store import Fault, FaultyStore
from hypothesis import given
from hypothesis import strategies as st

from infra import errors
from infra.records import create_record, encode_record, read_record, read_versioned, swap_record, update_record
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.journal import BudgetHead, Intent, Refusal, Selection

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
KEY = "v1/takes/x/intent-1.json"
HEAD = "v1/budget/c/play.json"


@pytest.fixture(params=["memory:", "store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(request.param, tmp_path)


def intent(nonce: str = "n1", **request: object) -> Intent:
    return Intent(
        nonce=nonce,
        key="0" * 64,
        attempt=1,
        what="take",
        address="pour/take-1",
        campaign="c",
        lease_nonce="l",
        plan="1" * 64,
        service="backlot",
        model="gen4.5",
        take=1,
        request=request or {"body": {"promptText": "café"}},
        reserved_credits=60,
        at=AT,
    )


def head(rev: int = 1, spent: int = 0) -> BudgetHead:
    return BudgetHead(rev=rev, campaign="c", purse="play", spent=spent, reserved={}, limit=None)


def test_a_record_comes_back_equal_and_is_json_with_its_schema(store: ObjectStore) -> None:
    create_record(store, KEY, intent())
    assert read_record(store, KEY, Intent) == intent()
    plain = json.loads(store.get_bytes(KEY)[0])
    assert plain["schema"] == "intent/1"
    assert plain["request"] == {"body": {"promptText": "café"}}
    assert store.head(KEY).content_type == "application/json"


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers() | st.text("aé\n"), min_size=1))
def test_order_of_mappings_does_not_change_the_bytes(body: dict[str, object]) -> None:
    one, other = intent(body=body), intent(body=dict(reversed(body.items())))
    assert encode_record(one) == encode_record(other)
    assert Intent.model_validate_json(encode_record(one)) == one


def test_what_is_not_there_is_none(store: ObjectStore) -> None:
    assert read_record(store, KEY, Intent) is None
    assert read_versioned(store, KEY, Intent) is None


def test_the_second_creator_loses_and_the_first_stays(store: ObjectStore) -> None:
    create_record(store, KEY, intent("first"))
    with pytest.raises(errors.PreconditionFailedError):
        create_record(store, KEY, intent("second"))
    assert read_record(store, KEY, Intent) == intent("first")


def test_ones_own_record_is_no_other(store: ObjectStore) -> None:
    create_record(store, KEY, intent())
    create_record(store, KEY, intent())
    assert read_record(store, KEY, Intent) == intent()


def test_a_create_can_be_repeated_after_a_lost_reply(store: ObjectStore) -> None:
    with pytest.raises(errors.StoreUnavailableError):
        create_record(FaultyStore(store, Fault("fail-after")), KEY, intent())
    create_record(store, KEY, intent())
    with pytest.raises(errors.PreconditionFailedError):
        create_record(store, KEY, intent("another's"))


def test_a_create_that_never_arrived_left_nothing(store: ObjectStore) -> None:
    with pytest.raises(errors.StoreUnavailableError):
        create_record(FaultyStore(store, Fault("fail-before")), KEY, intent())
    assert read_record(store, KEY, Intent) is None


def test_one_of_eight_creators_wins(store: ObjectStore) -> None:
    barrier = threading.Barrier(8)

    def create(number: int) -> str | None:
        barrier.wait()
        try:
            create_record(store, KEY, intent(f"writer-{number}"))
        except errors.PreconditionFailedError:
            return None
        return f"writer-{number}"

    with ThreadPoolExecutor(8) as pool:
        winners = [name for name in pool.map(create, range(8)) if name]
    found = read_record(store, KEY, Intent)
    assert found is not None
    assert winners == [found.nonce]


WHOLE = encode_record(intent())
UNREADABLE = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b'{"schema": "intent/2"}',
    WHOLE[:-20],
    WHOLE.replace(b"{", b'{"colour": 1,', 1),
]


@pytest.mark.parametrize("data", UNREADABLE)
def test_what_cannot_be_read_names_its_key_and_a_remedy(store: ObjectStore, data: bytes) -> None:
    store.put_bytes(KEY, data)
    with pytest.raises(errors.IntegrityError, match=KEY) as raised:
        read_record(store, KEY, Intent)
    assert raised.value.remedy
    assert "promptText" not in str(raised.value)


def test_a_record_of_another_sort_is_refused(store: ObjectStore) -> None:
    create_record(store, KEY, Refusal(key="0" * 64, attempt=1, error="RefusedError", detail="d", at=AT))
    with pytest.raises(errors.IntegrityError, match="is no Intent"):
        read_record(store, KEY, Intent)


def test_numbers_without_a_form_are_never_stored(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        create_record(store, KEY, intent(strength=float("nan")))
    assert list(store.list("")) == []


def test_a_swap_follows_what_was_read(store: ObjectStore) -> None:
    swap_record(store, HEAD, head(1, 10), expected=None)
    read = read_versioned(store, HEAD, BudgetHead)
    swap_record(store, HEAD, head(2, 20), expected=read)
    with pytest.raises(errors.PreconditionFailedError):
        swap_record(store, HEAD, head(2, 30), expected=read)
    with pytest.raises(errors.PreconditionFailedError):
        swap_record(store, HEAD, head(1, 30), expected=None)
    assert read_record(store, HEAD, BudgetHead) == head(2, 20)


@pytest.mark.parametrize("rev", [0, 1, 3])
def test_a_rev_that_does_not_rise_by_one_is_refused(store: ObjectStore, rev: int) -> None:
    swap_record(store, HEAD, head(1), expected=None)
    with pytest.raises(ValueError, match="cannot follow 1"):
        swap_record(store, HEAD, head(rev), expected=read_versioned(store, HEAD, BudgetHead))
    assert read_record(store, HEAD, BudgetHead) == head(1)


def spend(amount: int, before: BudgetHead | None) -> BudgetHead:
    return (before or head()).model_copy(update={"spent": (before.spent if before else 0) + amount})


def test_an_update_makes_the_first_and_raises_the_rev(store: ObjectStore) -> None:
    assert update_record(store, HEAD, BudgetHead, lambda before: spend(5, before)) == head(1, 5)
    assert update_record(store, HEAD, BudgetHead, lambda before: spend(5, before)) == head(2, 10)


def test_no_update_is_lost_between_eight_writers(store: ObjectStore) -> None:
    def work(_: int) -> None:
        for _ in range(4):
            update_record(store, HEAD, BudgetHead, lambda before: spend(1, before))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert read_record(store, HEAD, BudgetHead) == head(32, 32)


def test_going_back_to_an_earlier_state_does_not_bring_back_its_tag(store: ObjectStore) -> None:
    def circled(note: int | None) -> Selection:
        return Selection(rev=0, segment_key="0" * 64, address="pour", extra_takes=note or 0)

    update_record(store, "s", Selection, lambda _: circled(None))
    stale = read_versioned(store, "s", Selection)
    update_record(store, "s", Selection, lambda _: circled(1))
    update_record(store, "s", Selection, lambda _: circled(None))
    with pytest.raises(errors.PreconditionFailedError):
        swap_record(store, "s", circled(2).model_copy(update={"rev": 2}), expected=stale)


def test_an_update_that_never_gets_through_says_so(store: ObjectStore) -> None:
    busy = FaultyStore(store, Fault("fail-before", times=1000, error=errors.PreconditionFailedError))
    with pytest.raises(errors.ConflictError, match="Run again"):
        update_record(busy, HEAD, BudgetHead, lambda before: spend(1, before))
