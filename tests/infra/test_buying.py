"""Buying against a small scripted vendor: what is sent, recorded and paid, and that no crash or fault buys twice."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from kill_points import (
    SCENES,
    Fuse,
    FusedStore,
    RealDeath,
    attempt,
    die_by_exception,
    every_gap,
    fused,
    kill_and_resume,
    operations_of,
    points_of,
    prompt_of,
    serve,
)
from scripted_vendor import CAMPAIGN, FILM, KEY, SOUND, STILL, Set, answer, cut_short, line, take

from infra import errors
from infra.blobs import read_blob
from infra.failures import classify_failure
from infra.ledger import read_entries, read_history, spent_and_reserved, write_take_record
from infra.media.arrival import content_type_of
from infra.providers.base import MediaInput
from infra.providers.runway import RunwayProvider
from infra.slots import Slots
from infra.storage.folder import FolderStore
from infra.storage.memory import MemoryStore
from manifests.digest import digest_json
from manifests.journal import FailureClass, Intent, Lease, Release, Result, TakeState
from manifests.naming import blob_key, lease_key, take_record_key


@pytest.fixture
def stage(test_clock: Any) -> Set:
    return Set(test_clock)


async def until(reached: Callable[[], bool]) -> None:
    for _ in range(5000):
        if reached():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("never reached")


# --- the plain way ---


async def test_a_take_is_bought_once_and_then_had(stage: Set) -> None:
    result = await stage.buyer().obtain(take())
    assert read_blob(stage.store, result.blob) == FILM
    assert (result.blob.kind, result.blob.content_type, result.credits) == ("take", "video/mp4", 60)
    assert stage.told() == ["create", "accepted", "progress", "collected"]
    assert {e["address"] for e in stage.events} == {"pour/take-1"}
    assert [e.get("credits") for e in stage.events] == [60, 60, None, 60]
    calls = stage.vendor.calls.total()
    again = await stage.buyer().obtain(take())
    assert again == result
    assert stage.vendor.calls.total() == calls
    assert [(e.kind, e.credits) for e in read_entries(stage.store, CAMPAIGN)] == [("reserve", 60), ("settle", 60)]
    assert read_history(stage.store, take().key).state() is TakeState.HAVE


async def test_events_hold_no_prompt_link_or_key(stage: Set) -> None:
    stage.vendor.script["create"] = [answer(500, {"error": "x"})]
    buyer = stage.buyer()
    with pytest.raises(errors.UnknownOutcomeError) as caught:
        await buyer.obtain(take("a very secret kettle"))
    await buyer.obtain(take("a very secret kettle", number=2))
    text = json.dumps(stage.events) + str(caught.value)
    for secret in ("secret kettle", "_jwt", "cdn.test", KEY):
        assert secret not in text


async def test_speech_is_kept_with_its_timings_and_has_no_task(stage: Set) -> None:
    result = await stage.buyer().obtain(line())
    assert read_blob(stage.store, result.blob) == SOUND
    assert (result.blob.kind, result.credits, result.vendor_units) == ("audio", 3, 2)
    assert result.facts["timing"] == {"characters": ["H", "i"], "starts": [0.0, 0.1], "ends": [0.1, 0.3]}
    assert read_history(stage.store, line().key).tasks == ()
    assert [e.vendor_units for e in read_entries(stage.store, CAMPAIGN)] == [None, 2]
    effect = await stage.buyer().obtain(line("click", "effect"))
    assert effect.facts == {"content_type": "audio/wav"}
    assert stage.told() == ["create", "collected"] * 2


async def test_a_still_takes_its_references_along(stage: Set, tmp_path: Path) -> None:
    path = tmp_path / "ref.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nref")
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    holder = {"sha256": sha}
    body = {"promptText": "@cup", "referenceImages": [{"uri": holder, "tag": "cup"}]}
    still = take(
        what="still",
        request={"endpoint": "/v1/text_to_image", "body": body},
        media={digest_json(holder): MediaInput(sha, path, "image/png")},
    )
    stage.vendor.script["output"] = [httpx.Response(200, content=STILL)]
    result = await stage.buyer().obtain(still)
    assert stage.vendor.bodies[0]["referenceImages"][0]["uri"].startswith("data:image/png;base64,")
    assert result.blob.content_type == "image/png"
    intent = read_history(stage.store, still.key).intents[0]
    assert intent.request["body"] == body  # the record keeps the digest, not the bytes


async def test_the_same_key_from_many_places_is_one_purchase(stage: Set) -> None:
    buyer = stage.buyer()
    results = await asyncio.gather(*(buyer.obtain(take()) for _ in range(5)))
    assert len({r.at for r in results}) == 1
    assert stage.vendor.creates.total() == 1


async def test_polls_are_never_faster_than_asked(stage: Set) -> None:
    stage.vendor.polls_needed = 40
    await stage.buyer(poll_seconds=5.0).obtain(take())
    naps = stage.clock.naps
    assert len(naps) == 40
    assert all(5.0 <= nap <= 5.0 * 5 / 3 for nap in naps)
    assert len(set(naps)) > 30


async def test_no_more_live_tasks_than_the_account_may_have(stage: Set) -> None:
    buyer = stage.buyer(slots={"gen4.5": 2})
    await asyncio.gather(*(buyer.obtain(take(number=n)) for n in range(1, 9)))
    assert stage.vendor.creates.total() == 8
    assert stage.vendor.most_live == 2


# --- refusals ---


REFUSALS = [
    (answer(429, {"error": "cap"}), errors.DailyCapError),
    (answer(401, {"error": "Unauthorized"}), errors.CredentialsError),
    (answer(400, {"error": "You do not have enough credits to run this task."}), errors.CreditsExhaustedError),
    (answer(400, {"error": "Validation of body failed"}), errors.RequestRejectedError),
]


@pytest.mark.parametrize(("step", "wanted"), REFUSALS, ids=[w.__name__ for _, w in REFUSALS])
async def test_a_refusal_frees_the_money_and_may_be_tried_again(
    stage: Set, step: Any, wanted: type[errors.ShotrunnerError]
) -> None:
    stage.vendor.script["create"] = [step]
    buyer = stage.buyer(limit=60)
    with pytest.raises(wanted) as caught:
        await buyer.obtain(take())
    assert caught.value.address == "pour/take-1"
    assert [told for told in stage.told() if told != "policy"] == ["create", "refused"]
    history = read_history(stage.store, take().key)
    assert history.refusals[0].error == wanted.__name__
    assert history.state() is TakeState.NEW
    assert stage.total() == 0
    result = await stage.buyer(limit=60).obtain(take())  # the next run
    assert result.attempt == 2
    assert stage.vendor.calls["create"] == 2
    assert stage.total() == 60


async def test_a_vendor_that_cannot_be_reached_is_waited_for_with_one_create_for_each_intent(stage: Set) -> None:
    stage.vendor.script["create"] = [httpx.ConnectError("refused")] * 2
    result = await stage.buyer().obtain(take())
    assert result.attempt == stage.vendor.calls["create"] == 3
    assert [e["seconds"] for e in stage.events if e["message_type"] == "policy"] == [10, 20]
    stage.vendor.script["create"] = [httpx.ConnectError("refused")] * 9
    with pytest.raises(errors.VendorUnreachableError):
        await stage.buyer().obtain(take("a cup"))
    assert stage.vendor.calls["create"] == 3 + 5
    assert read_history(stage.store, take("a cup").key).state() is TakeState.NEW
    assert stage.total() == 60


async def test_a_key_that_is_changed_under_way_costs_one_refused_intent(
    stage: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALDER_RUNWAY", "key_old")

    def changed(_: httpx.Request) -> httpx.Response:
        monkeypatch.setenv("ALDER_RUNWAY", "key_new")
        return answer(401, {"error": "Unauthorized"})

    stage.vendor.script["create"] = [changed]
    client = httpx.AsyncClient(transport=httpx.MockTransport(stage.vendor))
    video = RunwayProvider("https://api.test", "env:ALDER_RUNWAY", "runway", clock=stage.clock, client=client)
    result = await stage.buyer(video=video).obtain(take())
    assert result.attempt == stage.vendor.calls["create"] == 2
    assert [r.error for r in read_history(stage.store, take().key).refusals] == ["KeyChangedError"]
    assert stage.total() == 60


async def test_a_busy_vendor_of_sound_is_asked_again_with_new_intents(stage: Set) -> None:
    busy = {"detail": {"status": "system_busy", "message": "later"}}
    stage.vendor.script["sound"] = [answer(429, busy), answer(429, busy)]
    result = await stage.buyer().obtain(line())
    assert result.attempt == 3
    assert [r.error for r in read_history(stage.store, line().key).refusals] == ["ThrottledError"] * 2
    stage.vendor.script["sound"] = [answer(429, busy)] * 5
    with pytest.raises(errors.ThrottledError):
        await stage.buyer().obtain(line("again"))
    assert stage.vendor.calls["sound"] == 8


async def test_over_budget_nothing_is_sent_or_written(stage: Set) -> None:
    with pytest.raises(errors.BudgetExceededError) as caught:
        await stage.buyer(limit=59).obtain(take())
    assert caught.value.address == "pour/take-1"
    assert stage.vendor.calls.total() == 0
    assert read_history(stage.store, take().key).state() is TakeState.NEW


async def test_a_dearer_answer_stops_the_next_and_collects_this_one(stage: Set) -> None:
    stage.vendor.price = 90
    buyer = stage.buyer(limit=120, slots={"gen4.5": 1})
    results = await asyncio.gather(*(buyer.obtain(take(number=n)) for n in (1, 2)), return_exceptions=True)
    assert isinstance(results[0], Result)
    assert isinstance(results[1], errors.BudgetExceededError)
    assert "180 of 120" in str(results[1])  # the second one reserves what the first one really cost
    assert stage.total() == 90


# --- unknowns ---


LOST = [httpx.ReadTimeout(""), httpx.RemoteProtocolError("gone"), answer(500), answer(503), answer(200, {})]


@pytest.mark.parametrize("step", LOST, ids=["timeout", "dropped", "500", "503", "no id"])
async def test_an_unknown_is_held_and_counts_as_spent(stage: Set, step: Any) -> None:
    stage.vendor.script["create"] = [step]
    buyer = stage.buyer()
    for _ in range(3):
        with pytest.raises(errors.UnknownOutcomeError) as caught:
            await buyer.obtain(take())
        assert "--rebuy-unknown" in str(caught.value)
    with pytest.raises(errors.UnknownOutcomeError):
        await stage.buyer().obtain(take())
    assert stage.vendor.calls["create"] == 1
    assert stage.told() == ["create", "unknown"]
    assert stage.total() == 60


async def test_an_unknown_is_bought_again_only_when_allowed_and_both_are_on_the_bill(stage: Set) -> None:
    def lose(request: httpx.Request) -> httpx.Response:
        stage.vendor._create(request)
        raise httpx.ReadTimeout("")

    stage.vendor.script["create"] = [lose]
    with pytest.raises(errors.UnknownOutcomeError):
        await stage.buyer().obtain(take())
    result = await stage.buyer(rebuy_unknown=True).obtain(take())
    assert result.attempt == 2
    history = read_history(stage.store, take().key)
    assert [r.decision for r in history.releases] == ["rebuy"]
    assert stage.vendor.creates.total() == 2
    assert stage.total() == 120 == stage.vendor.charged.total()


async def test_a_vendor_that_keeps_losing_answers_is_not_paid_for_ever(stage: Set) -> None:
    stage.vendor.script["create"] = [answer(502)] * 10
    buyer = stage.buyer(rebuy_unknown=True)
    for _ in range(5):
        with pytest.raises(errors.UnknownOutcomeError):
            await buyer.obtain(take())
    assert stage.vendor.calls["create"] == 2


async def test_what_was_given_up_is_never_bought(stage: Set) -> None:
    stage.vendor.script["create"] = [answer(500)]
    with pytest.raises(errors.UnknownOutcomeError):
        await stage.buyer().obtain(take())
    write_take_record(
        stage.store,
        Release(key=take().key, attempt=1, decision="give-up", by="ann", why="old", at=stage.clock.now()),
    )
    with pytest.raises(errors.TakeFailedError, match="given up by ann: old") as caught:
        await stage.buyer(rebuy_unknown=True).obtain(take())
    assert caught.value.charged == 60
    assert stage.vendor.calls["create"] == 1


# --- failures ---


@pytest.mark.parametrize(
    ("code", "failure_class", "retryable"),
    [
        ("SAFETY.INPUT.TEXT", FailureClass.INPUT_MODERATED, False),
        ("SAFETY.OUTPUT.VIDEO", FailureClass.OUTPUT_MODERATED, False),
        ("SAFETY", FailureClass.INPUT_MODERATED, False),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", FailureClass.INPUT_MODERATED, False),
        ("INPUT_PREPROCESSING.SAFETY.THIRD_PARTY", FailureClass.INPUT_MODERATED, False),
        ("INPUT_PREPROCESSING.INTERNAL", FailureClass.INTERNAL, True),
        ("INTERNAL.BAD_OUTPUT.CODE01", FailureClass.BAD_OUTPUT, True),
        ("INTERNAL.BAD_OUTPUT", FailureClass.BAD_OUTPUT, True),
        ("INTERNAL", FailureClass.INTERNAL, True),
        ("INTERNALS", FailureClass.INTERNAL, False),
        ("ASSET.INVALID", FailureClass.INVALID_INPUT, False),
        ("THIRD_PARTY.UNAVAILABLE", FailureClass.THIRD_PARTY, True),
        ("NEW.CODE", FailureClass.INTERNAL, False),
        ("", FailureClass.INTERNAL, True),
        (None, FailureClass.INTERNAL, True),
    ],
)
async def test_a_failed_task_is_classified_settled_and_never_repeated(
    stage: Set, code: str | None, failure_class: FailureClass, retryable: bool
) -> None:
    assert classify_failure(code) == (failure_class, retryable)
    stage.vendor.ending = {"status": "FAILED", "failure": "no", "failureCode": code, "cost": {"credits": 7}}
    for buyer in (stage.buyer(), stage.buyer(rebuy_unknown=True)):
        with pytest.raises(errors.TakeFailedError) as caught:
            await buyer.obtain(take())
        error = caught.value
        assert (error.code, error.charged, error.failure_class) == (code or "", 7, failure_class)
        assert error.retryable is retryable
    history = read_history(stage.store, take().key)
    assert history.failed_retryably is retryable
    assert stage.vendor.calls["create"] == 1
    assert stage.total() == 7
    assert stage.told()[-1] == "failed"


async def test_a_cost_that_is_left_out_counts_in_full(stage: Set) -> None:
    stage.vendor.price = 66
    stage.vendor.ending = {"status": "FAILED", "cost": None}
    with pytest.raises(errors.TakeFailedError) as caught:
        await stage.buyer().obtain(take())
    assert caught.value.charged == 66
    stage.vendor.ending = {"status": "SUCCEEDED", "cost": None}
    assert (await stage.buyer().obtain(take(number=2))).credits == 66


async def test_a_cancelled_task_is_a_failure_of_its_own_class(stage: Set) -> None:
    stage.vendor.ending = {"status": "CANCELLED"}
    with pytest.raises(errors.TakeFailedError) as caught:
        await stage.buyer().obtain(take())
    assert (caught.value.failure_class, caught.value.retryable) == (FailureClass.CANCELLED, False)


# --- polling and collecting ---


async def test_an_unknown_status_is_waited_for_with_a_warning(stage: Set) -> None:
    odd = {"id": "task-1", "status": "DREAMING"}
    stage.vendor.script["poll"] = [answer(200, odd), answer(200, odd)]
    await stage.buyer().obtain(take())
    assert stage.told() == ["create", "accepted", "warning", "progress", "collected"]


async def test_patience_ends_and_the_task_stays_in_flight(stage: Set) -> None:
    stage.vendor.polls_needed = 10**6
    with pytest.raises(errors.VendorError, match="left in flight"):
        await stage.buyer(patience_seconds=60).obtain(take())
    assert read_history(stage.store, take().key).state() is TakeState.IN_FLIGHT
    assert stage.total() == 60
    stage.vendor.polls_needed = 1
    await stage.buyer().obtain(take())
    assert stage.vendor.creates.total() == 1


async def test_an_outage_while_polling_is_sat_out(stage: Set) -> None:
    stage.vendor.script["poll"] = [httpx.ConnectError("no route")] * 23
    await stage.buyer().obtain(take())
    assert stage.vendor.creates.total() == 1


async def test_a_key_that_is_revoked_while_polling_leaves_the_task_in_flight(stage: Set) -> None:
    stage.vendor.script["poll"] = [answer(401, {"error": "Unauthorized"})]
    with pytest.raises(errors.CredentialsError):
        await stage.buyer().obtain(take())
    assert read_history(stage.store, take().key).state() is TakeState.IN_FLIGHT
    await stage.buyer().obtain(take())
    assert stage.vendor.creates.total() == 1


async def test_a_task_that_is_gone_is_believed_late_and_bought_again_only_when_allowed(stage: Set) -> None:
    gone = answer(404, {"error": "Could not find Task"})
    stage.vendor.script["poll"] = [gone, gone]
    await stage.buyer().obtain(take())
    stage.vendor.script["poll"] = [gone] * 6
    for _ in range(2):
        with pytest.raises(errors.TaskMissingError):
            await stage.buyer().obtain(take(number=2))
    assert read_history(stage.store, take(number=2).key).state() is TakeState.IN_FLIGHT
    stage.vendor.script["poll"] = [gone] * 3
    result = await stage.buyer(rebuy_unknown=True).obtain(take(number=2))
    assert result.attempt == 2
    assert stage.total() == 180 == stage.vendor.charged.total()


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_expired_link_is_fetched_afresh(stage: Set, status: int) -> None:
    seen: list[str] = []

    def expired(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return answer(status)

    stage.vendor.script["output"] = [expired, expired]
    result = await stage.buyer().obtain(take())
    assert read_blob(stage.store, result.blob) == FILM
    assert len(set(seen)) == 2


async def test_a_file_whose_fresh_links_are_dead_too_is_paid_but_lost(stage: Set) -> None:
    stage.vendor.script["output"] = [answer(403)] * 3
    for _ in range(2):
        with pytest.raises(errors.TakeFailedError) as caught:
            await stage.buyer().obtain(take())
        assert (caught.value.failure_class, caught.value.charged) == (FailureClass.LOST, 60)
    assert read_history(stage.store, take().key).state() is TakeState.LOST
    assert stage.vendor.creates.total() == 1
    assert stage.total() == 60


async def test_a_truncated_output_is_fetched_again(stage: Set, tmp_path: Path) -> None:
    stage.vendor.script["output"] = [cut_short, httpx.Response(200, content=b"")]
    result = await stage.buyer(work=tmp_path).obtain(take())
    assert read_blob(stage.store, result.blob) == FILM
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing else is async here


async def test_an_output_that_was_damaged_on_its_way_is_fetched_again(stage: Set, tmp_path: Path) -> None:
    """As long as it should be, and still not whole."""
    damaged = FILM.replace(b"moov", b"mo\x00v")
    stage.vendor.script["output"] = [httpx.Response(200, content=damaged)]
    result = await stage.buyer(work=tmp_path).obtain(take())
    assert read_blob(stage.store, result.blob) == FILM
    assert "fault" not in result.facts["probe"]
    (told,) = [e for e in stage.events if e["message_type"] == "policy"]
    assert "no index" in told["reason"]
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing else is async here


async def test_what_the_vendor_made_badly_is_admitted_as_it_is(stage: Set, tmp_path: Path) -> None:
    """The same bytes twice are no accident of the way. It was paid, and its screening says what is wrong with it."""
    stage.vendor.script["output"] = [httpx.Response(200, content=b"no film at all")] * 2
    result = await stage.buyer(work=tmp_path).obtain(take())
    assert read_blob(stage.store, result.blob) == b"no film at all"
    assert result.facts == {
        "content_type": "application/octet-stream",
        "probe": {"fault": "it is no picture and no film"},
    }
    assert stage.total() == 60


async def test_an_output_that_comes_damaged_in_another_way_each_time_is_lost(stage: Set, tmp_path: Path) -> None:
    stage.vendor.script["output"] = [httpx.Response(200, content=b"%d" % n) for n in range(3)]
    with pytest.raises(errors.TakeFailedError) as caught:
        await stage.buyer(work=tmp_path).obtain(take())
    assert caught.value.failure_class == FailureClass.LOST
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing else is async here


async def test_an_output_that_never_arrives_whole_is_lost_and_paid(stage: Set, tmp_path: Path) -> None:
    stage.vendor.script["output"] = [cut_short] * 3
    with pytest.raises(errors.TakeFailedError) as caught:
        await stage.buyer(work=tmp_path).obtain(take())
    assert (caught.value.failure_class, caught.value.charged) == (FailureClass.LOST, 60)
    assert stage.total() == 60
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing else is async here


async def test_a_success_without_an_output_is_lost(stage: Set) -> None:
    stage.vendor.ending = {"status": "SUCCEEDED", "output": []}
    with pytest.raises(errors.TakeFailedError) as caught:
        await stage.buyer().obtain(take())
    assert caught.value.failure_class == FailureClass.LOST
    assert stage.vendor.calls["poll"] == 4


# --- stopping and cancelling ---


async def test_stop_collects_what_is_paid_and_buys_nothing_new(stage: Set) -> None:
    stage.vendor.polls_needed = 20
    buyer = stage.buyer(slots={"gen4.5": 1})
    first = asyncio.create_task(buyer.obtain(take(number=1)))
    waiting = asyncio.create_task(buyer.obtain(take(number=2)))
    await until(lambda: stage.vendor.calls["poll"] >= 2)
    buyer.stop()
    with pytest.raises(errors.StoppedError):
        await waiting
    with pytest.raises(errors.StoppedError) as caught:
        await buyer.obtain(take(number=3))
    assert caught.value.exit_code == 130
    assert isinstance(await first, Result)
    assert stage.vendor.creates.total() == 1
    assert stage.total() == 60


async def test_a_cancelled_caller_does_not_cut_a_create_in_half(stage: Set) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            arrived.set()
            await go_on.wait()
        return stage.vendor(request)

    buyer = stage.buyer(vendor=slow)
    caller = asyncio.create_task(buyer.obtain(take()))
    await arrived.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    again = asyncio.create_task(buyer.obtain(take()))  # waits for the create, does not call it unknown
    await asyncio.sleep(0)
    go_on.set()
    await buyer.finish()
    assert read_history(stage.store, take().key).tasks != ()
    assert isinstance(await again, Result)
    assert stage.vendor.creates.total() == 1


async def test_slots_are_handed_on_in_order_and_survive_a_cancel() -> None:
    slots, order = Slots({"m": 1}), list[int]()

    async def work(number: int) -> None:
        async with slots.hold("m"):
            order.append(number)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work(n)) for n in range(5)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3, 4]
    async with slots.occupy("m"), slots.occupy("m"):
        late = asyncio.create_task(work(9))
        await asyncio.sleep(0)
        assert order[-1] == 4
    await late
    slots.stop()
    with pytest.raises(errors.StoppedError):
        await work(10)


async def test_a_slot_handed_over_at_the_moment_of_a_cancel_is_not_lost() -> None:
    slots, done = Slots({"m": 1}), list[int]()

    async def work(number: int) -> None:
        async with slots.hold("m"):
            done.append(number)

    async with slots.hold("m"):
        second = asyncio.create_task(work(2))
        third = asyncio.create_task(work(3))
        await asyncio.sleep(0)
    second.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(second, third, return_exceptions=True)
    assert done == [3]


# --- others at the same take ---


def lease(stage: Set, nonce: str, *, seconds: float) -> Lease:
    return Lease(
        rev=1, name="other", nonce=nonce, host="elsewhere", boot_id="b", pid=1, process_started="1", owner="ann@else",
        expires_at=stage.clock.now() + dt.timedelta(seconds=seconds),
    )  # fmt: skip


def put_lease(stage: Set, nonce: str, *, seconds: float) -> None:
    record = lease(stage, nonce, seconds=seconds)
    stage.store.put_bytes(lease_key("other"), record.model_dump_json(by_alias=True).encode())


async def test_a_take_that_another_campaign_is_buying_is_waited_for(stage: Set) -> None:
    put_lease(stage, "their-lease", seconds=3600)
    theirs = stage.buyer(campaign="other", lease_nonce="their-lease", poll_seconds=50.0)
    stage.vendor.polls_needed = 3
    first = asyncio.create_task(theirs.obtain(take()))
    await until(lambda: bool(read_history(stage.store, take().key).intents))
    results = await asyncio.gather(first, stage.buyer().obtain(take()))
    assert results[0] == results[1]
    assert stage.vendor.creates.total() == 1
    assert stage.total() == 0  # who bought it pays
    assert spent_and_reserved(stage.store, "other", paid=True).spent == 60


async def test_when_the_other_run_dies_its_task_is_collected_and_charged_to_it(stage: Set) -> None:
    put_lease(stage, "their-lease", seconds=30)
    stage.vendor.polls_needed = 10**6
    with pytest.raises(errors.VendorError):
        await stage.buyer(campaign="other", lease_nonce="their-lease", patience_seconds=10).obtain(take())
    stage.vendor.polls_needed = 1
    await stage.buyer().obtain(take())
    assert stage.vendor.creates.total() == 1
    assert (stage.total(), spent_and_reserved(stage.store, "other", paid=True).total) == (0, 60)


async def test_waiting_for_another_run_has_an_end(stage: Set) -> None:
    put_lease(stage, "their-lease", seconds=10**6)
    intent = Intent(
        nonce="n", key=take().key, attempt=1, what="take", address="x/take-1", campaign="other",
        lease_nonce="their-lease", plan="0" * 64, service="runway", model="gen4.5", take=1, request={},
        reserved_credits=60, at=stage.clock.now(),
    )  # fmt: skip
    write_take_record(stage.store, intent)
    with pytest.raises(errors.VendorError, match="another campaign's run"):
        await stage.buyer(patience_seconds=60).obtain(take())
    buyer = stage.buyer()
    buyer.stop()
    with pytest.raises(errors.StoppedError):
        await buyer.obtain(take())
    assert stage.vendor.calls.total() == 0


async def test_losing_the_race_for_the_intent_spends_nothing(stage: Set) -> None:
    put_lease(stage, "their-lease", seconds=10**6)
    theirs = stage.buyer(campaign="other", lease_nonce="their-lease")

    class Race(MemoryStore):
        """The other run's whole purchase happens right before our intent is written."""

        raced = False

        def put_bytes(self, key: str, data: bytes, **options: Any) -> Any:
            if "intent-1" in key and not self.raced:
                self.raced = True
                asyncio.run(theirs.obtain(take()))  # this is a thread of its own
            return stage.store.put_bytes(key, data, **options)

    store = Race()
    store._objects = stage.store._objects
    result = await stage.buyer(store).obtain(take())
    assert stage.vendor.creates.total() == 1
    assert read_blob(stage.store, result.blob) == FILM
    assert (await stage.budget.spending()).total == 0
    assert stage.total() == 0


# --- killed between any two operations ---


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scene", SCENES)
async def test_killed_at_any_operation_nothing_is_bought_twice_or_lost(
    test_clock: Any, scene: str, after: bool
) -> None:
    rows = []
    for point in points_of(await operations_of(test_clock, scene), after=after):
        rows.append(await kill_and_resume(Set(test_clock), scene, point, die_by_exception))
        assert not rows[-1].breaches, rows[-1]
    held = [row for row in rows if row.left is TakeState.UNKNOWN]
    assert held  # between the intent and the record of the answer
    assert len(held) < len(rows) / 2


@pytest.mark.parametrize("scene", ["take", "speech"])
async def test_a_process_killed_at_any_operation_leaves_a_folder_that_goes_on(
    test_clock: Any, tmp_path: Path, scene: str
) -> None:
    """SIGKILL of a real process, which talks to its vendor over HTTP; what is found is what the exception leaves."""
    stage = Set(test_clock)
    with serve(lambda: stage.vendor) as url, RealDeath(url) as real_death:
        for number, point in enumerate(every_gap(await operations_of(test_clock, scene))):
            stage = Set(test_clock, FolderStore(tmp_path / str(number)))
            row = await kill_and_resume(stage, scene, point, real_death)
            assert not row.breaches, row
            assert row == await kill_and_resume(Set(test_clock), scene, point, die_by_exception)


async def test_the_points_are_all_of_them_by_name(test_clock: Any) -> None:
    operations = await operations_of(test_clock, "take")
    assert [name for name in operations if "the take's" in name and name.startswith("write")] == [
        "write the take's intent-1", "write the take's task-1", "write the take's result",
    ]  # fmt: skip
    assert [name for name in operations if name.startswith(("POST", "GET"))] == [
        "POST the create", "GET the task", "GET the task", "GET the output",
    ]  # fmt: skip
    gaps = every_gap(operations)
    assert len(gaps) == len(operations) + 1
    assert gaps[0].name.startswith("(start) → ")
    assert gaps[-1].name.endswith(" → (end)")
    assert [gap.name.split(" → ")[0] for gap in gaps[1:]] == operations


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scene", SCENES)
async def test_a_store_that_hiccups_once_anywhere_costs_nothing(test_clock: Any, scene: str, after: bool) -> None:
    purchase, prepare = SCENES[scene]
    prompt = prompt_of(purchase)
    fuse = Fuse()
    stage = Set(test_clock)
    prepare(stage.vendor)
    await attempt(stage.buyer(FusedStore(stage.store, fuse)), purchase)
    for at in range(fuse.count):
        stage = Set(test_clock)
        prepare(stage.vendor)
        hiccup = Fuse(lambda: errors.StoreUnavailableError("no answer"), at, after=after)
        hiccup.once = True
        buyer = stage.buyer(FusedStore(stage.store, hiccup))
        outcome = await attempt(buyer, purchase)
        if isinstance(outcome, errors.StoreUnavailableError):  # while reading, before anything was sent or at its end
            outcome = await attempt(buyer, purchase)
        assert isinstance(outcome, Result | errors.TakeFailedError), (at, outcome)
        assert stage.vendor.creates[prompt] == 1, at
        assert stage.total() == stage.vendor.charged[prompt], at


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (httpx.ReadError, False),
        (httpx.ReadError, True),
        (httpx.ReadTimeout, True),
        (httpx.ConnectError, False),  # and never after: without a connection nothing is carried out
    ],
)
async def test_a_network_that_fails_once_anywhere_never_buys_twice(
    test_clock: Any, fault: type[httpx.RequestError], after: bool
) -> None:
    counted = Set(test_clock)
    await counted.buyer().obtain(take())
    for at in range(counted.vendor.calls.total()):
        stage = Set(test_clock)
        fuse = Fuse(lambda: fault("injected"), at, after=after)
        fuse.once = True
        outcome = await attempt(stage.buyer(vendor=fused(stage.vendor, fuse)), take())
        if at == 0 and fault is not httpx.ConnectError:
            assert isinstance(outcome, errors.UnknownOutcomeError)
            assert stage.vendor.creates.total() == (1 if after else 0)
            assert stage.total() == 60
        else:
            assert isinstance(outcome, Result), (at, outcome)
            assert stage.vendor.creates.total() == 1


async def test_a_task_that_cannot_be_recorded_is_named_and_kept_in_mind(stage: Set) -> None:
    class Flaky(MemoryStore):
        broken = True

        def put_bytes(self, key: str, data: bytes, **options: Any) -> Any:
            if self.broken and "/task-" in key:
                raise errors.StoreUnavailableError("no answer")
            return super().put_bytes(key, data, **options)

    store = Flaky()
    buyer = stage.buyer(store)
    with pytest.raises(errors.StoreUnavailableError) as caught:
        await buyer.obtain(take())
    assert "task task-1" in str(caught.value)
    store.broken = False
    result = await buyer.obtain(take())
    assert result.task_id == "task-1"
    assert stage.vendor.creates.total() == 1


async def test_a_result_that_somebody_else_wrote_is_taken(stage: Set) -> None:
    class Race(MemoryStore):
        def put_bytes(self, key: str, data: bytes, **options: Any) -> Any:
            if key.endswith("/result.json"):
                theirs = Result.model_validate_json(data).model_copy(update={"facts": {"by": "them"}})
                other = theirs.model_dump_json(by_alias=True).encode()
                if key not in self._objects:
                    super().put_bytes(key, other)
            return super().put_bytes(key, data, **options)

    store = Race()
    assert (await stage.buyer(store).obtain(take())).facts == {"by": "them"}


async def test_many_takes_with_many_faults_end_and_cost_what_was_charged(stage: Set) -> None:
    trouble = [httpx.ReadTimeout(""), None, answer(503), None, answer(400, {"error": "no"}), None, None]
    stage.vendor.script["create"] = (trouble * 6)[:40]
    seen: Counter[str] = Counter()

    def at_first(request: httpx.Request) -> httpx.Response | None:
        """The first look at every task, and the first fetch of every film, goes wrong in one way or another."""
        seen[request.url.path] += 1
        if seen[request.url.path] > 1:
            return None
        if request.url.host == "cdn.test":
            return answer(403) if len(seen) % 2 else cut_short(request)
        if len(seen) % 2:
            raise httpx.ReadError("")
        return answer(503)

    stage.vendor.script["output"] = [at_first] * 1000
    stage.vendor.script["poll"] = [at_first] * 1000
    buyer = stage.buyer(slots={"gen4.5": 5})
    purchases = [take(f"shot {n}", number=n) for n in range(1, 41)]
    outcomes = await asyncio.gather(*(buyer.obtain(p) for p in purchases), return_exceptions=True)
    held = [o for o in outcomes if isinstance(o, errors.UnknownOutcomeError)]
    assert {type(o) for o in outcomes} <= {Result, errors.UnknownOutcomeError, errors.RequestRejectedError}
    assert len(held) == 12
    assert max(stage.vendor.creates.values()) == 1
    assert stage.vendor.most_live <= 5
    assert stage.total() == stage.vendor.charged.total() + 60 * len(held)
    assert (await stage.budget.spending()) == spent_and_reserved(stage.store, CAMPAIGN, paid=True)
    second = stage.buyer()
    again = await asyncio.gather(*(second.obtain(p) for p in purchases), return_exceptions=True)
    assert [type(o) for o in again if isinstance(o, errors.UnknownOutcomeError)] == [type(o) for o in held]
    assert max(stage.vendor.creates.values()) == 1


def test_a_file_is_named_by_its_first_bytes() -> None:
    for head, wanted in [
        (FILM, "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"PK\x03\x04", "application/zip"),
        (b"", "application/octet-stream"),
    ]:
        assert content_type_of(head) == wanted


async def test_the_layout_in_the_store(stage: Set) -> None:
    result = await stage.buyer().obtain(take())
    keys = {info.key for info in stage.store.list("v1/")}
    key = take().key
    assert {take_record_key(key, "intent", 1), take_record_key(key, "task", 1), take_record_key(key, "result")} <= keys
    assert blob_key("take", result.blob.sha256) in keys
    assert len(keys) == 7  # and two ledger entries and the head
