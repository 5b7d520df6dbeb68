"""A store copied to another machine: whoever comes next goes on from the records alone, once the dead owner's lease has
run out; and is told how long that takes."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra import errors
from infra.budget import Budget
from infra.buying import Buyer, Purchase
from infra.lease import acquire_lease, acquire_patiently, living_leases
from infra.ledger import read_history, spent_and_reserved
from infra.process import ProcessIdentity, this_process
from infra.providers.runway import RunwayProvider
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.digest import take_key
from manifests.journal import Result, TakeState

CAMPAIGN = "morning"
THERE = ProcessIdentity(host="studio-a", boot_id="boot-a", pid=41, started="1", owner="mara@studio-a")
HERE = replace(this_process(), host="studio-b", boot_id="boot-b", owner="jo@studio-b")


class Vendor:
    """Remembers tasks whoever asks. What is asked for `lost` never answers, `refused` is a 400, `fails` fails."""

    def __init__(self) -> None:
        self.creates: list[str] = []
        self.tasks: dict[str, str] = {}
        self.asleep = True  # nothing ends before the first owner is dead
        self._ids = itertools.count(1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "POST":
            prompt = request.content.decode().split('"promptText":"')[1].split('"')[0]
            self.creates.append(prompt)
            if prompt == "lost":
                raise httpx.ReadTimeout("no answer", request=request)
            if prompt == "refused":
                return httpx.Response(400, json={"error": "bad ratio"})
            task = f"task-{next(self._ids)}"
            self.tasks[task] = prompt
            return httpx.Response(200, json={"id": task, "estimatedCost": {"credits": 60}})
        if path.startswith("/v1/tasks/"):
            return httpx.Response(200, json=self._task(path.rsplit("/", 1)[1]))
        return httpx.Response(200, content=b"\x00\x00\x00\x18ftypmp42" + b"film" * 9)

    def _task(self, task: str) -> dict[str, Any]:
        prompt = self.tasks[task]
        if self.asleep and prompt == "in flight":
            return {"id": task, "status": "RUNNING", "progress": 0.5}
        if prompt == "fails":
            return {"id": task, "status": "FAILED", "failureCode": "INTERNAL", "cost": {"credits": 0}}
        return {"id": task, "status": "SUCCEEDED", "output": ["https://cdn.test/f.mp4"], "cost": {"credits": 60}}


def buyer(store: ObjectStore, vendor: Vendor, clock: Any, lease: str, **options: Any) -> Buyer:
    client = httpx.AsyncClient(transport=httpx.MockTransport(vendor))
    video = RunwayProvider("https://api.test", "key_" + "5a" * 64, "runway", clock=clock, client=client)
    budget = Budget(store, clock, CAMPAIGN, limit=1000)
    return Buyer(
        store=store, clock=clock, video=video, sound=None, budget=budget, campaign=CAMPAIGN,  # type: ignore[arg-type]
        plan="0" * 64, lease_nonce=lease, **options,
    )  # fmt: skip


def take(prompt: str) -> Purchase:
    request = {"endpoint": "/v1/text_to_video", "body": {"model": "gen4.5", "promptText": prompt}}
    return Purchase(
        key=take_key("runway", request, 1), what="take", address=f"{prompt.replace(' ', '-')}/take-1",
        service="runway", model="gen4.5", take=1, request=request, price_credits=60,
    )  # fmt: skip


def state(store: ObjectStore, prompt: str, clock: Any) -> TakeState:
    return read_history(store, take(prompt).key).state(living_leases(store, clock, identity=HERE))


PROMPTS = ("have", "in flight", "lost", "refused", "fails", "new")


@pytest.fixture
async def moved(tmp_path: Path, test_clock: Any) -> tuple[ObjectStore, Vendor]:
    """A campaign that died on one machine in the middle of everything, and its store on another."""
    vendor, there = Vendor(), open_store("store", tmp_path / "a")
    lease = acquire_lease(there, test_clock, CAMPAIGN, identity=THERE)
    buying = buyer(there, vendor, test_clock, lease.nonce, patience_seconds=20)
    await asyncio.gather(*(buying.obtain(take(p)) for p in PROMPTS[:5]), return_exceptions=True)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    vendor.asleep = False
    return open_store("store", tmp_path / "b"), vendor


async def test_every_state_goes_on_from_the_copied_store(moved: tuple[ObjectStore, Vendor], test_clock: Any) -> None:
    store, vendor = moved
    sent = list(vendor.creates)
    told: list[errors.LeaseHeldError] = []
    lease = await acquire_patiently(store, test_clock, CAMPAIGN, identity=HERE, waits=told.append)
    assert len(told) == 1
    assert {p: state(store, p, test_clock) for p in PROMPTS} == {
        "have": TakeState.HAVE, "in flight": TakeState.IN_FLIGHT, "lost": TakeState.UNKNOWN,
        "refused": TakeState.NEW, "fails": TakeState.FAILED, "new": TakeState.NEW,
    }  # fmt: skip
    buying = buyer(store, vendor, test_clock, lease.nonce)
    done = await asyncio.gather(*(buying.obtain(take(p)) for p in PROMPTS), return_exceptions=True)
    assert [type(outcome) for outcome in done] == [
        Result, Result, errors.UnknownOutcomeError, errors.RequestRejectedError, errors.TakeFailedError, Result,
    ]  # fmt: skip
    assert vendor.creates[len(sent) :] == ["refused", "new"] or vendor.creates[len(sent) :] == ["new", "refused"]
    spending = spent_and_reserved(store, CAMPAIGN, paid=True)
    assert (spending.spent, sum(spending.reserved.values())) == (180, 60)


async def test_a_dead_owner_elsewhere_is_waited_for_and_the_message_says_how_long(
    moved: tuple[ObjectStore, Vendor], test_clock: Any
) -> None:
    store, _ = moved
    with pytest.raises(errors.LeaseHeldError) as caught:
        acquire_lease(store, test_clock, CAMPAIGN, identity=HERE)
    left = caught.value.seconds_left
    assert 0 < left <= 60
    assert caught.value.elsewhere
    assert f"held by mara@studio-a, process 41, for another {left:.0f} s unless it renews" in str(caught.value)
    before, told = test_clock.elapsed, []
    lease = await acquire_patiently(store, test_clock, CAMPAIGN, identity=HERE, waits=told.append)
    assert [held.seconds_left for held in told] == [left]
    assert left <= test_clock.elapsed - before <= left + 1
    assert lease.lease.owner == "jo@studio-b"


async def test_an_owner_elsewhere_that_renews_is_alive(tmp_path: Path, test_clock: Any) -> None:
    store = open_store("store", tmp_path)
    theirs = acquire_lease(store, test_clock, CAMPAIGN, identity=THERE)
    with pytest.raises(errors.LeaseHeldError):
        await acquire_patiently(
            store, test_clock, CAMPAIGN, identity=HERE, waits=lambda _: _renew_later(theirs, test_clock)
        )


def _renew_later(lease: Any, clock: Any) -> None:
    for _ in range(2):  # every 20 s, as an owner that lives does
        clock.elapsed += 20
        lease.renew()
    clock.elapsed -= 40  # it goes on while the other sleeps


async def test_a_living_owner_here_is_not_waited_for(tmp_path: Path, test_clock: Any) -> None:
    store = open_store("store", tmp_path)
    acquire_lease(store, test_clock, CAMPAIGN)
    with pytest.raises(errors.LeaseHeldError) as caught:
        await acquire_patiently(store, test_clock, CAMPAIGN)
    assert (caught.value.elsewhere, test_clock.elapsed) == (False, 0.0)
