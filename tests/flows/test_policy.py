"""What a run does on a bad day at the vendor: the takes of one want, a scripted vendor behind the port, a clock that
jumps. No Prefect: the plain functions behind the tasks."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from scripted_vendor import FILM, box
from takes import make_want

import flows.takes
from flows.shots import make_sound
from flows.takes import shoot_takes
from infra import errors
from infra.audio.base import Sound, SoundProvider, SoundRequest
from infra.budget import Budget
from infra.buying import Buyer, Purchase
from infra.events import Events
from infra.ledger import read_history, repair_ledger, spent_and_reserved, write_take_record
from infra.production import Production
from infra.providers.base import Accepted, AccountLimits, ProviderRequest, TaskReport, TaskState
from infra.run_events import RunEvents, latest_events, read_run_events
from infra.state import StoreState
from infra.storage.base import ObjectStore
from infra.storage.memory import MemoryStore
from manifests.digest import derive_seed
from manifests.expand import Want
from manifests.journal import BlobRef, Failure, Intent, Lease, Result
from manifests.naming import lease_key
from manifests.policy import Next
from manifests.walk import Numbered, Screened, Walk
from tasks.generate import generate

FILMED = itertools.count(1)  # no two takes have the same bytes
RUN = "20261121-0900-aaaa"
BEGAN = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)


class JumpClock:
    """Sleeping moves the clock and lets the others run."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.naps: list[float] = []

    def now(self) -> dt.datetime:
        return BEGAN + dt.timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)


class Vendor:
    """Answers creates and looks in order; what is not scripted goes well."""

    service = "runway"

    def __init__(self, clock: JumpClock) -> None:
        self.clock = clock
        self.answers: list[Any] = []  # of creates: an exception, a failure code, or None for success
        self.codes: dict[str, str | None] = {}
        self.sent: list[tuple[float, Any]] = []
        self.links: list[Exception] = []
        self.ends = True

    async def submit(self, request: ProviderRequest) -> Accepted:
        self.sent.append((self.clock.elapsed, request.body))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        task_id = f"task-{len(self.sent)}"
        self.codes[task_id] = answer
        return Accepted(task_id, 24)

    async def poll(self, task_id: str) -> TaskReport:
        if not self.ends:
            return TaskReport(task_id, TaskState.RUNNING, "RUNNING", 0.5)
        code = self.codes[task_id]
        if code is not None:
            return TaskReport(task_id, TaskState.FAILED, "FAILED", failure="no", failure_code=code, cost_credits=0)
        return TaskReport(task_id, TaskState.SUCCEEDED, "SUCCEEDED", outputs=("https://cdn.test/x",), cost_credits=24)

    async def collect(self, output: str) -> AsyncIterator[bytes]:
        if self.links:
            raise self.links.pop(0)
        yield FILM + box(b"free", b"%d" % next(FILMED))

    async def cancel(self, task_id: str) -> None:
        raise NotImplementedError

    async def limits(self) -> AccountLimits:
        raise NotImplementedError

    async def close(self) -> None:
        return


@dataclass
class Spot:
    """As much of a Production as buying the takes of one want needs."""

    store: ObjectStore = field(default_factory=MemoryStore)
    clock: JumpClock = field(default_factory=JumpClock)
    campaign: str = "morning"
    wait: bool = False
    limit: int = 10_000
    slots: int = 10
    run_id: str = RUN
    pace: float = 1.0

    def __post_init__(self) -> None:
        self.vendor = Vendor(self.clock)
        self.events, self.seen = Events(), []
        self.record = RunEvents(self.store, self.clock, self.run_id, self.campaign)
        self.problems: list[errors.ShotrunnerError] = []
        self.notices: list[str] = []
        self.stopped_shots: set[str] = set()
        self.paused: set[type[errors.ShotrunnerError]] = set()
        self.lease = Lease(
            rev=1, name=self.campaign, nonce=f"lease-{self.campaign}", host="elsewhere", boot_id="b", pid=1,
            process_started="1", owner="mara", expires_at=BEGAN + dt.timedelta(days=9),
        )  # fmt: skip
        self.store.put_bytes(lease_key(self.campaign), self.lease.model_dump_json(by_alias=True).encode())
        self.events.listen(self.record.listen)
        self.events.listen(lambda event: self.seen.append(dict(event)))
        self.plan = type("Plan", (), {"campaign": self.campaign, "rebuys_unknown": False})()
        self.buyer = Buyer(
            store=self.store, clock=self.clock, video=self.vendor, sound=cast("SoundProvider", None),
            budget=Budget(self.store, self.clock, self.campaign, limit=self.limit), campaign=self.campaign,
            plan="0" * 64, lease_nonce=self.lease.nonce, slots={"gen4.5": self.slots}, wait_for_cap=self.wait,
            pace=self.pace, on_event=lambda event: self.events.emit(**event),
        )  # fmt: skip

    def state(self) -> StoreState:
        return StoreState(self.store, self.clock)

    async def purchase(self, want: Want, numbered: Numbered) -> Purchase:
        return Purchase(
            key=numbered.key, what=want.what, address=f"{want.address}/{want.what}-{numbered.number}",
            service=want.service, model=want.model, take=numbered.number, request=numbered.request,
            price_credits=want.credits,
        )  # fmt: skip

    async def shoot(self, want: Want, *answers: Any) -> Walk:
        self.vendor.answers = list(answers)
        try:
            return await shoot_takes(cast("Production", self), want, want.body)
        finally:
            await self.record.flush()

    def told(self) -> list[tuple[str, str]]:
        return [(e["address"], e["next"]) for e in self.seen if e["message_type"] == "policy"]

    @property
    def creates(self) -> int:
        return len(self.vendor.sent)


@pytest.fixture(autouse=True)
def plain_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    async def screened(*_: object) -> None:
        return

    monkeypatch.setattr(flows.takes, "generate", generate.fn)  # type: ignore[attr-defined]
    monkeypatch.setattr(flows.takes, "screen", screened)


def haves(walk: Walk) -> list[int]:
    return [n.number for n in walk.wanted if n.result is not None]


async def test_a_good_day_has_nothing_to_tell() -> None:
    spot = Spot()
    assert haves(await spot.shoot(make_want())) == [1, 2, 3]
    assert spot.told() == []
    assert spot.creates == 3


async def test_moderation_on_input_holds_and_the_second_refusal_stops_the_shot() -> None:
    spot = Spot(slots=1)
    walk = await spot.shoot(make_want(count=4), "SAFETY.INPUT.TEXT", "SAFETY.INPUT.IMAGE")
    assert spot.creates == 2
    assert haves(walk) == []
    assert Counter(n for _, n in spot.told()) == {Next.HOLD: 2, Next.STOP_SHOT: 1}
    assert "suspend the account" in spot.notices[0]
    again = Spot(store=spot.store, run_id="20261121-1000-bbbb")
    await again.shoot(make_want(count=4))
    assert again.creates == 0  # nor in the next run, while the words are the same


async def test_one_refusal_holds_its_number_only() -> None:
    spot = Spot(slots=1)
    assert haves(await spot.shoot(make_want(), "SAFETY.INPUT.TEXT")) == [2, 3]
    assert spot.creates == 3
    assert spot.notices == []


async def test_refused_stills_and_takes_of_a_shot_count_together() -> None:
    spot = Spot(slots=1)
    await spot.shoot(
        make_want(id="pour/still", what="still", count=1, body={"promptText": "still"}), "SAFETY.INPUT.TEXT"
    )
    await spot.shoot(make_want(count=3), "INPUT_PREPROCESSING.SAFETY.TEXT")
    assert spot.creates == 2
    assert spot.told()[-1] == ("pour/take-1", Next.STOP_SHOT)
    await spot.shoot(make_want(id="sip/take", address="sip", body={"promptText": "sip"}, count=1))
    assert spot.creates == 3  # another shot goes on


async def test_bad_output_is_filmed_again_at_once_under_the_next_number_and_seed() -> None:
    spot = Spot()
    walk = await spot.shoot(make_want(count=1, attempts=1, rerolls=1), "INTERNAL.BAD_OUTPUT.CODE01")
    assert haves(walk) == [2]
    seeds = [body["seed"] for _, body in spot.vendor.sent]
    assert len(set(seeds)) == 2
    assert spot.told() == [("pour/take-1", Next.AGAIN)]


async def test_bad_output_ends_with_the_rerolls() -> None:
    spot = Spot()
    walk = await spot.shoot(make_want(count=1, attempts=9, rerolls=1), *["INTERNAL.BAD_OUTPUT.CODE01"] * 9)
    assert spot.creates == 2
    assert haves(walk) == []
    assert spot.told() == [("pour/take-1", Next.AGAIN), ("pour/take-2", Next.HOLD)]
    assert "`rerolls` is used up" in spot.seen[-1]["reason"]


@pytest.mark.parametrize(
    ("code", "seconds"), [("INTERNAL", 15), ("INPUT_PREPROCESSING.INTERNAL", 15), ("THIRD_PARTY.UNAVAILABLE", 300)]
)
async def test_an_error_of_the_service_is_tried_again_after_a_wait(code: str, seconds: float) -> None:
    spot = Spot()
    walk = await spot.shoot(make_want(count=1), code, code)
    assert haves(walk) == [3]
    first, second, third = (at for at, _ in spot.vendor.sent)
    assert second - first >= seconds
    assert third - second >= 2 * seconds
    assert [e["seconds"] for e in spot.seen if e["message_type"] == "policy"] == [seconds, 2 * seconds]


async def test_only_the_number_that_replaces_a_failure_waits() -> None:
    spot = Spot(slots=1)
    want = make_want(count=3)
    walk = await spot.shoot(want, "THIRD_PARTY.UNAVAILABLE")
    assert haves(walk) == [2, 3, 4]
    order = {derive_seed(0, number): number for number in range(1, 5)}
    assert [order[body["seed"]] for _, body in spot.vendor.sent] == [1, 2, 3, 4]
    [failure] = walk.skipped[0].history.failures
    assert (BEGAN + dt.timedelta(seconds=spot.vendor.sent[3][0]) - failure.at).total_seconds() > 299


async def test_a_run_that_comes_later_waits_only_for_the_rest() -> None:
    spot = Spot()
    await spot.shoot(make_want(count=1, attempts=1), "INTERNAL")
    later = Spot(store=spot.store, clock=spot.clock)
    spot.clock.elapsed += 3600
    naps = len(spot.clock.naps)
    await later.shoot(make_want(count=1, attempts=2))
    assert later.creates == 1
    assert all(nap < 9 for nap in spot.clock.naps[naps:])
    assert spot.clock.elapsed < 3700


async def test_a_daily_cap_stops_the_model_collects_the_rest_and_says_when_it_opens() -> None:
    spot = Spot(slots=1)
    with pytest.raises(errors.DailyCapError) as caught:
        await spot.shoot(make_want(count=5), None, None, errors.DailyCapError("cap"))
    assert spot.creates == 3  # the fourth and the fifth are not even asked for
    assert caught.value.exit_code == 3
    assert caught.value.opens == BEGAN + dt.timedelta(hours=24)
    assert "2026-11-22 09:00 UTC" in caught.value.detail
    assert "--wait" in caught.value.remedy
    assert spot.told() == [("pour/take-3", Next.STOP_MODEL)]
    assert spent_and_reserved(spot.store, "morning", paid=True).total == 48
    with pytest.raises(errors.DailyCapError):
        await spot.shoot(make_want(id="sip/take", address="sip", body={"promptText": "sip"}))
    assert spot.creates == 3


async def test_a_cap_whose_window_nobody_knows_is_said_to_be_so() -> None:
    spot = Spot()
    with pytest.raises(errors.DailyCapError) as caught:
        await spot.shoot(make_want(count=1), errors.DailyCapError("cap"))
    assert caught.value.opens is None
    assert "not known" in caught.value.detail


async def test_another_model_goes_on_under_a_cap() -> None:
    spot = Spot()
    with pytest.raises(errors.DailyCapError):
        await spot.shoot(make_want(count=1), errors.DailyCapError("cap"))
    assert haves(await spot.shoot(make_want(count=1, model="gen4_turbo", body={"promptText": "x"}))) == [1]


async def test_waiting_for_the_window_sends_one_create_first_and_then_all() -> None:
    spot = Spot(wait=True)
    walk = await spot.shoot(make_want(count=5), None, None, *[errors.DailyCapError("cap")] * 3)
    assert haves(walk) == [1, 2, 3, 4, 5]
    assert spot.vendor.sent[5][0] > 24 * 3600 - 1
    assert max(Counter(body["seed"] for _, body in spot.vendor.sent).values()) == 2  # refused, then made
    assert [n for _, n in spot.told()] == [Next.STOP_MODEL]


async def test_a_window_that_is_still_closed_is_asked_by_one_take_an_hour() -> None:
    spot = Spot(wait=True, slots=1)
    walk = await spot.shoot(make_want(count=3), *[errors.DailyCapError("cap")] * 4)
    assert haves(walk) == [1, 2, 3]
    refused = [at for at, _ in spot.vendor.sent[:4]]
    assert all(after - before >= 3600 for before, after in itertools.pairwise(refused))


PAUSES = [
    (errors.CreditsExhaustedError("empty"), 5),
    (errors.CredentialsError("no"), 6),
]


@pytest.mark.parametrize(("error", "code"), PAUSES, ids=["no credits", "401"])
async def test_everything_pauses_and_no_take_is_marked_failed(error: errors.ShotrunnerError, code: int) -> None:
    spot, want = Spot(slots=1), make_want(count=4)
    with pytest.raises(errors.ShotrunnerError) as caught:
        await spot.shoot(want, None, error)
    assert caught.value.exit_code == code  # and not 130: the takes after it were not interrupted by anybody
    assert spot.creates == 2
    assert spot.buyer.stopped
    walk = flows.takes.read_walk(cast("Production", spot), want, want.body)
    assert [n.state.value for n in walk.wanted] == ["have", "new", "new", "new"]
    assert ("pour/take-2", Next.PAUSE) in spot.told()
    assert spot.problems == []
    after = Spot(store=spot.store)  # credits bought, or the key corrected: it goes on
    assert haves(await after.shoot(want)) == [1, 2, 3, 4]
    assert after.creates == 3


async def test_what_a_killed_run_had_collected_is_screened_and_replaced_where_it_is_bad(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Found by rehearsing: killed between the file and its screening, the next run circled among what was left."""
    want = make_want(count=2, rerolls=1)
    before = Spot()
    await before.shoot(want)
    assert before.creates == 2
    after, seen = Spot(store=before.store), list[str]()

    async def screen(_: str, __: object, ___: object, blob: BlobRef) -> None:
        seen.append(blob.sha256)

    def screening(_: object, __: Want, result: Result) -> Screened | None:
        return Screened(result.blob.sha256 != seen[0], 0.5) if result.blob.sha256 in seen else None

    monkeypatch.setattr(flows.takes, "screen", screen)
    monkeypatch.setattr(StoreState, "screening", screening)
    walk = await after.shoot(want)
    assert (after.creates, len(seen)) == (1, 3)
    assert [n.number for n in walk.skipped] in ([1], [2])


async def test_a_lost_answer_is_held_and_the_others_go_on() -> None:
    spot = Spot(slots=1)
    walk = await spot.shoot(make_want(), None, errors.UnknownOutcomeError("lost"))
    assert haves(walk) == [1, 3]
    assert spot.creates == 3
    assert spot.told() == [("pour/take-2", Next.HOLD)]


async def test_a_stuck_job_is_reported_in_flight_and_never_bought_again() -> None:
    spot, want = Spot(), make_want(count=1)
    spot.vendor.ends = False
    await spot.shoot(want)
    assert [type(p) for p in spot.problems] == [errors.StuckTaskError]
    assert spot.problems[0].exit_code == 3
    assert spot.told() == [("pour/take-1", Next.HOLD)]
    later = Spot(store=spot.store, clock=spot.clock)
    later.vendor.codes = {"task-1": None}
    assert haves(await later.shoot(want)) == [1]
    assert later.creates == 0


async def test_links_and_downloads_are_fetched_again_and_a_lost_file_is_a_class_of_its_own() -> None:
    spot, want = Spot(), make_want(count=1, attempts=1)
    spot.vendor.links = [errors.LinkExpiredError("403"), errors.DownloadError("short")]
    assert haves(await spot.shoot(want)) == [1]
    assert [n for _, n in spot.told()] == [Next.FETCH, Next.FETCH]
    lost = Spot()
    lost.vendor.links = [errors.DownloadError("short")] * 3
    walk = await lost.shoot(want)
    assert walk.wanted[0].history.failures[0].failure_class == "lost"
    assert spent_and_reserved(lost.store, "morning", paid=True).total == 24


async def test_every_decision_is_on_record_in_order() -> None:
    spot = Spot(slots=1)
    await spot.shoot(make_want(count=2), "INTERNAL", "SAFETY.OUTPUT.VIDEO")
    kept = read_run_events(spot.store, RUN)
    assert [(e.number, e.address, e.next) for e in kept] == [
        (1, "pour/take-1", Next.LATER), (2, "pour/take-2", Next.HOLD),
    ]  # fmt: skip
    assert all(e.reason and e.campaign == "morning" for e in kept)
    assert latest_events(spot.store, "morning", None) == kept
    assert latest_events(spot.store, "evening", None) == []
    assert latest_events(spot.store, "morning", "20261122-0000-cccc") == []


# --- speech and effects ---


class Voice:
    """Answers in order; what is not scripted goes well."""

    service = "elevenlabs"

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.sent = 0

    async def make(self, request: SoundRequest) -> Sound:
        self.sent += 1
        if self.answers:
            raise self.answers.pop(0)
        return Sound(b"RIFF....WAVE", "audio/wav", None, 12)

    async def close(self) -> None:
        return


def speech(**fields: Any) -> Want:
    return make_want(id="vo1/line", address="vo1", what="speech", count=1, model="eleven", rerolls=0, **fields)


async def make(spot: Spot, want: Want, *answers: Exception) -> tuple[Any, Voice]:
    voice = Voice(*answers)
    spot.buyer._sound = voice  # type: ignore[assignment]
    try:
        return await make_sound(cast("Production", spot), want), voice
    finally:
        await spot.record.flush()


def note_failure(spot: Spot, want: Want, code: str, failure_class: str) -> None:
    """As a run before left it."""
    key = flows.takes.read_walk(cast("Production", spot), want, want.body).wanted[0].key
    intent = Intent(
        nonce="n", key=key, attempt=1, what="speech", address="vo1/speech-1", campaign="morning", lease_nonce="gone",
        plan="0" * 64, service=want.service, model=want.model, take=1, request={}, reserved_credits=24,
        at=spot.clock.now(),
    )  # fmt: skip
    write_take_record(spot.store, intent)
    failure = Failure(
        key=key, attempt=1, code=code, detail="", failure_class=failure_class, retryable=True, credits=0,
        at=spot.clock.now(),
    )  # fmt: skip
    write_take_record(spot.store, failure)


@pytest.mark.parametrize(("failure_class", "seconds"), [("internal", 15), ("third-party", 300)])
async def test_a_sound_that_failed_is_tried_again_after_the_same_wait(
    failure_class: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failing in this run, it is told as well: the first number is on its way when it fails."""
    spot, want = Spot(), speech(attempts=2)

    async def failing(slate: str, production: Any, wanted: Want, numbered: Numbered) -> Any:
        if numbered.number == 1:
            note_failure(spot, wanted, "X.1", failure_class)
            raise errors.TakeFailedError("no", code="X.1", charged=0)
        return await generate.fn(slate, production, wanted, numbered)  # type: ignore[attr-defined]

    monkeypatch.setattr(flows.takes, "generate", failing)
    result, voice = await make(spot, want)
    assert (result.what, voice.sent) == ("speech", 1)
    assert spot.clock.elapsed >= seconds
    assert [(e["address"], e["next"], e["seconds"]) for e in spot.seen if e["message_type"] == "policy"] == [
        ("vo1/speech-1", Next.LATER, seconds)
    ]


async def test_a_sound_that_failed_before_waits_only_for_the_rest() -> None:
    spot, want = Spot(), speech(attempts=2)
    note_failure(spot, want, "INTERNAL", "internal")
    spot.clock.elapsed += 10
    await make(spot, want)
    assert 15 <= spot.clock.elapsed < 17


async def test_a_busy_vendor_of_sound_is_waited_for_and_a_lost_answer_is_held() -> None:
    spot = Spot()
    _, voice = await make(spot, speech(), errors.VendorUnreachableError("down"), errors.ThrottledError("busy"))
    assert voice.sent == 3
    assert spot.told() == [("vo1/speech-1", Next.WAIT)] * 2
    lost = Spot()
    with pytest.raises(errors.UnknownOutcomeError):
        await make(lost, speech(), errors.UnknownOutcomeError("HTTP 500"))
    assert lost.told() == [("vo1/speech-1", Next.HOLD)]


async def test_a_sound_that_is_refused_is_one_problem() -> None:
    spot = Spot()
    with pytest.raises(errors.RequestRejectedError) as caught:
        await make(spot, speech(), errors.RequestRejectedError("too long"))
    assert spot.problems == [caught.value]


# --- two runs at once ---


async def test_two_campaigns_that_share_a_shot_buy_it_once() -> None:
    one = Spot(campaign="morning")
    other = Spot(store=one.store, clock=one.clock, campaign="evening", run_id="20261121-0900-bbbb")
    other.vendor = one.vendor
    other.buyer._video = one.vendor  # type: ignore[assignment]
    other.buyer._collector._video = one.vendor  # type: ignore[assignment]
    want = make_want(count=3)
    walks = await asyncio.gather(one.shoot(want), other.shoot(want))
    assert [haves(w) for w in walks] == [[1, 2, 3]] * 2
    assert one.creates == 3
    assert {n.result.blob.sha256 for w in walks for n in w.wanted if n.result} != set()
    repair_ledger(one.store, "morning")
    repair_ledger(one.store, "evening")
    totals = [spent_and_reserved(one.store, name, paid=True).total for name in ("morning", "evening")]
    assert sum(totals) == 72  # whoever sent the create pays for it
    waited = [e for e in (*one.seen, *other.seen) if e["message_type"] == "policy"]
    assert {e["next"] for e in waited} <= {Next.WAIT}
    keys = [n.key for n in walks[0].wanted]
    assert all(len(read_history(one.store, key).intents) == 1 for key in keys)
