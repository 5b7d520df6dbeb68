"""Buying a take, a still, a line of speech or an effect: intent, one create, poll, collect. Knows the ports, the
ledger and the clock; decides no retake and holds no order.

A create is sent at most once for an intent, and an intent follows another of the same key only after a refusal or a
release. Whatever was paid is collected by whoever comes next, from the records alone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from infra.audio.base import SoundProvider, SoundRequest
from infra.budget import Budget
from infra.clock import Clock
from infra.collecting import Collector
from infra.errors import (
    CredentialsError,
    CreditsExhaustedError,
    DailyCapError,
    KeyChangedError,
    PreconditionFailedError,
    RefusedError,
    ShotrunnerError,
    StoppedError,
    StoreError,
    StoreUnavailableError,
    TakeFailedError,
    TaskMissingError,
    ThrottledError,
    UnknownOutcomeError,
    VendorError,
    VendorUnreachableError,
)
from infra.events import ignore
from infra.failures import classify_failure
from infra.gates import Gates
from infra.lease import living_leases
from infra.ledger import oldest_create, open_credits, read_history
from infra.outcomes import Outcomes, Purchase, error_of
from infra.patience import keep_record
from infra.providers.base import ProviderRequest, TaskReport, TaskState, VideoProvider
from infra.slots import Slots
from infra.storage.base import ObjectStore
from manifests.journal import Intent, Result, TakeHistory, TaskRecord
from manifests.policy import WINDOW, Next, rule_of, rule_of_refusal, wait_seconds, window_opens

__all__ = ["Buyer", "Purchase"]

_SOUNDS = ("speech", "effect")
_SOUNDS_AT_ONCE = 2  # the smallest plan's concurrency (audio sheet §1.7)
_TRIES_WHEN_BUSY = 5
_LOOK = 1.0  # how often a wait looks whether it was told to stop


class Buyer:
    """Buys for one campaign, whose lease the caller holds. Belongs to one event loop.

    `obtain` may be called for the same key from many places at once: it is bought once. Cancelling an `obtain` never
    cuts a create in half; call `finish` before the loop ends.
    """

    def __init__(
        self,
        *,
        store: ObjectStore,
        clock: Clock,
        video: VideoProvider,
        sound: SoundProvider,
        budget: Budget,
        campaign: str,
        plan: str,
        lease_nonce: str,
        poll_seconds: float = 5.0,
        patience_seconds: float = 3600,
        rebuy_unknown: bool = False,
        slots: Mapping[str, int] | None = None,
        wait_for_cap: bool = False,
        pace: float = 1.0,
        on_event: Callable[[Mapping[str, Any]], None] = ignore,
        work: Path | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._video = video
        self._sound = sound
        self._budget = budget
        self._campaign = campaign
        self._plan = plan
        self._lease_nonce = lease_nonce
        self._patience = patience_seconds
        self._rebuy_unknown = rebuy_unknown
        self._slots = Slots(slots or {})
        self._collector = Collector(
            video, clock, poll_seconds=poll_seconds, patience_seconds=patience_seconds, work=work
        )
        self._outcomes = Outcomes(store, clock, budget, self._collector, campaign, on_event)
        self._stopped = False
        self._locks: dict[str, asyncio.Lock] = {}
        self._sending: dict[str, asyncio.Task[Any]] = {}
        self._accepted: dict[str, TaskRecord] = {}  # by key: accepted, and the store did not take the record yet
        self._rebought: set[str] = set()
        self._told: set[str] = set()  # that another run is waited for
        self._wait_for_cap = wait_for_cap
        self._pace = pace
        self.gates = Gates(clock)

    def change_slots(self, slots: Mapping[str, int]) -> None:
        """The account's limits as they are now, by model."""
        self._slots.change(slots)

    @property
    def stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """No create is sent from now on; what is paid goes on being collected."""
        self._stopped = True
        self._slots.stop()

    async def finish(self) -> None:
        """Waits for the creates that a cancelled `obtain` left behind, until their outcome is on record."""
        while self._sending:
            await asyncio.wait(list(self._sending.values()))

    async def obtain(self, purchase: Purchase) -> Result:
        """The result, bought now, collected, or from the store.

        Raises TakeFailedError, UnknownOutcomeError, RefusedError, CreditsExhaustedError, BudgetExceededError,
        StoppedError, StoreError, or another VendorError when the task is left in flight. The error has the address.
        """
        async with self._locks.setdefault(purchase.key, asyncio.Lock()):
            if purchase.key in self._sending:
                await asyncio.wait([self._sending[purchase.key]])
            try:
                return await self._obtain(purchase)
            except ShotrunnerError as e:
                e.address = e.address or purchase.address
                raise

    async def _obtain(self, purchase: Purchase) -> Result:
        began, tries = self._clock.monotonic(), 0
        while True:
            history = await asyncio.to_thread(read_history, self._store, purchase.key)
            if history.result is not None:
                return history.result
            intent = history.open_intent
            if intent is None:
                _raise_ended(history)
                try:
                    result = await self._buy(purchase, history.intents[-1].attempt + 1 if history.intents else 1)
                except DailyCapError:
                    if not self._wait_for_cap:
                        raise
                    await self._sit_out_cap(purchase)
                    continue
                except (KeyChangedError, ThrottledError, VendorUnreachableError) as e:
                    tries += 1
                    if tries == _TRIES_WHEN_BUSY or self._stopped:
                        raise
                    await self._sit_out(purchase, e, tries)
                    continue
            elif await self._bought_elsewhere(intent):
                await self._wait_for_other(purchase, began)
                continue
            else:
                result = await self._take_up(purchase, history, intent)
            if result is not None:
                return result

    # --- buying ---

    async def _buy(self, purchase: Purchase, attempt: int) -> Result | None:
        """None: somebody else was first, look again."""
        self.gates.check(purchase.model, purchase.shot)
        otherwise = _SOUNDS_AT_ONCE if purchase.what in _SOUNDS else None
        async with self._slots.hold(purchase.model, otherwise, priority=purchase.priority):
            sent = await self._unbroken(purchase.key, self._send(purchase, attempt))
            if sent is None or isinstance(sent, Result):
                return sent
            intent, task = sent
            report = await self._wait(purchase, task, fresh=True)
            self._count_refusal(purchase, report)
        return await self._outcomes.finish(purchase, intent, task, report)

    async def _unbroken(
        self, key: str, work: Coroutine[Any, Any, Result | tuple[Intent, TaskRecord] | None]
    ) -> Result | tuple[Intent, TaskRecord] | None:
        """A cancel of the caller, such as a sibling's failure, must not leave a create without its outcome."""
        task = asyncio.ensure_future(work)
        self._sending[key] = task

        def ended(done: asyncio.Task[Any]) -> None:
            self._sending.pop(key, None)
            if not done.cancelled():
                done.exception()  # looked at, for the case that nobody waits any more

        task.add_done_callback(ended)
        return await asyncio.shield(task)

    async def _send(self, purchase: Purchase, attempt: int) -> Result | tuple[Intent, TaskRecord] | None:
        intent = await self._write_intent(purchase, attempt)
        if intent is None:
            return None
        endpoint, body = str(purchase.request["endpoint"]), purchase.request["body"]
        self._outcomes.tell("create", purchase, credits=intent.reserved_credits)
        try:
            if purchase.what in _SOUNDS:
                sound = await self._sound.make(SoundRequest(endpoint, body))
                return await self._outcomes.keep_sound(purchase, intent, sound)
            accepted = await self._video.submit(ProviderRequest(endpoint, body, purchase.media))
        except (RefusedError, CreditsExhaustedError) as e:
            await self._outcomes.refuse(purchase, intent, e)
            if isinstance(e, DailyCapError):
                raise await self._close_model(purchase) from e
            if isinstance(e, CredentialsError):
                self.stop()  # the next one would be refused as well
            raise
        except UnknownOutcomeError as e:
            self._outcomes.tell("unknown", purchase, credits=intent.reserved_credits)
            e.remedy = e.remedy or _UNKNOWN_REMEDY
            raise
        task = TaskRecord(
            key=intent.key,
            attempt=attempt,
            task_id=accepted.task_id,
            estimated_credits=accepted.estimated_credits,
            request_id=accepted.request_id,
            at=self._clock.now(),
        )
        self._accepted[purchase.key] = task
        self._slots.widen(purchase.model)
        await self._keep_task(task)
        await self._budget.adjust(intent, purchase.size_class, task.estimated_credits)
        estimated = task.estimated_credits
        self._outcomes.tell("accepted", purchase, credits=intent.reserved_credits if estimated is None else estimated)
        return intent, task

    async def _write_intent(self, purchase: Purchase, attempt: int) -> Intent | None:
        """Money first, then the intent. None when another's intent is there already."""
        self._check_stopped()
        self.gates.check(purchase.model, purchase.shot)  # it may have closed while this one waited for its slot
        intent = Intent(
            nonce=secrets.token_hex(16),
            key=purchase.key,
            attempt=attempt,
            what=purchase.what,
            address=purchase.address,
            campaign=self._campaign,
            lease_nonce=self._lease_nonce,
            plan=self._plan,
            service=purchase.service,
            model=purchase.model,
            take=purchase.take,
            request=purchase.request,
            reserved_credits=self._budget.expected(
                purchase.service, purchase.model, purchase.size_class, purchase.price_credits
            ),
            again=purchase.again,
            at=self._clock.now(),
        )
        await self._budget.reserve(intent)
        try:
            self._check_stopped()
            await keep_record(self._store, self._clock, intent)
        except PreconditionFailedError:
            await self._budget.forget(intent)
            return None
        except StoreUnavailableError:
            raise  # it may have been written, so the money stays reserved
        except (StoreError, StoppedError):
            await self._budget.forget(intent)
            raise
        return intent

    async def _close_model(self, purchase: Purchase) -> DailyCapError:
        """Nothing more of this model is sent; what runs is collected. The window opens when our ledger says."""
        now = self._clock.now()
        oldest = await asyncio.to_thread(oldest_create, self._store, purchase.service, purchase.model, now - WINDOW)
        rule = rule_of_refusal(DailyCapError.__name__)
        if self.gates.close_model(purchase.model, window_opens(oldest)):
            error = self.gates.capped(purchase.model)
            self._outcomes.tell("policy", purchase, next=rule.next.value, reason=f"{rule.why}; {error.detail}")
        return self.gates.capped(purchase.model)

    async def _sit_out_cap(self, purchase: Purchase) -> None:
        """Then one create goes first, so that a window that is still closed is not asked by all of them."""
        await self.gates.wait(purchase.model, lambda: self._stopped)
        self._check_stopped()
        self._slots.narrow(purchase.model)

    async def _sit_out(self, purchase: Purchase, error: RefusedError, times: int) -> None:
        rule = rule_of_refusal(type(error).__name__)
        seconds = wait_seconds(rule, times, self._pace)
        self._outcomes.tell("policy", purchase, next=rule.next.value, reason=rule.why, seconds=seconds)
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0 and not self._stopped:
            await self._clock.sleep(min(left, _LOOK))

    async def _keep_task(self, task: TaskRecord) -> None:
        try:
            await keep_record(self._store, self._clock, task)
        except StoreError as e:
            e.remedy = f"Paid, and not on record: task {task.task_id}. " + e.remedy
            raise
        self._accepted.pop(task.key, None)

    # --- what is there already ---

    async def _take_up(self, purchase: Purchase, history: TakeHistory, intent: Intent) -> Result | None:
        """An open intent whose owner is gone, or is us: collect its task, or say that nobody knows."""
        task = history.task_of(intent.attempt)
        accepted = self._accepted.get(purchase.key)
        if task is None and accepted is not None and accepted.attempt == intent.attempt:
            task = accepted
            await self._keep_task(task)
        if task is not None:
            if task.estimated_credits is not None:
                self._budget.note_estimate(intent.service, intent.model, purchase.size_class, task.estimated_credits)
            try:
                async with self._slots.occupy(purchase.model):
                    report = await self._wait(purchase, task, fresh=False)
                    self._count_refusal(purchase, report)
            except TaskMissingError:
                if not self._may_rebuy(purchase.key):
                    raise
            else:
                return await self._outcomes.finish(purchase, intent, task, report)
        elif not self._may_rebuy(purchase.key):
            raise UnknownOutcomeError(
                f"a create of {intent.at:%Y-%m-%d %H:%M} UTC has neither answer nor task;"
                f" its {intent.reserved_credits} credits count as spent",
                remedy=_UNKNOWN_REMEDY,
            )
        self._rebought.add(purchase.key)
        await self._outcomes.release(purchase, history, intent)
        return None

    def _may_rebuy(self, key: str) -> bool:
        """Once for each key and run: a vendor that keeps losing answers must not empty the purse."""
        return self._rebuy_unknown and key not in self._rebought and not self._stopped

    async def _bought_elsewhere(self, intent: Intent) -> bool:
        if intent.lease_nonce == self._lease_nonce:
            return False
        return intent.lease_nonce in await asyncio.to_thread(living_leases, self._store, self._clock)

    async def _wait_for_other(self, purchase: Purchase, began: float) -> None:
        """Another campaign's run wants the same take and is buying it."""
        self._check_stopped()
        if purchase.key not in self._told:
            self._told.add(purchase.key)
            self._outcomes.tell(
                "policy", purchase, next=Next.WAIT.value, reason="another campaign's run is buying the very same take"
            )
        if self._clock.monotonic() - began >= self._patience:
            raise VendorError(
                f"another campaign's run has been buying the same take for {self._patience:.0f} s",
                remedy="Run again later: it is shared as soon as it is there.",
            )
        await self._collector.pause()

    def _check_stopped(self) -> None:
        if self._stopped:
            raise StoppedError("nothing more is bought", remedy="Run again: it goes on from here.")

    def _count_refusal(self, purchase: Purchase, report: TaskReport) -> None:
        if report.state is TaskState.FAILED:
            failure_class, retryable = classify_failure(report.failure_code)
            if rule_of(failure_class, retryable=retryable).moderation:
                self.gates.count_refusal(purchase.shot)

    async def _wait(self, purchase: Purchase, task: TaskRecord, *, fresh: bool) -> TaskReport:
        def tell(message_type: str, **fields: Any) -> None:
            self._outcomes.tell(message_type, purchase, **fields)

        return await self._collector.wait_for_end(task.task_id, fresh=fresh, tell=tell)


_UNKNOWN_REMEDY = "It is never sent again unasked: --rebuy-unknown buys it again, and both are on the bill."


def _raise_ended(history: TakeHistory) -> None:
    """A key that failed, or was given up, is never bought again: the next try is the next take number."""
    if history.failures:
        raise error_of(history.failures[-1])
    given_up = next((r for r in history.releases if r.decision == "give-up"), None)
    if given_up is not None:
        intent = next(i for i in history.intents if i.attempt == given_up.attempt)
        raise TakeFailedError(
            f"given up by {given_up.by}: {given_up.why}", code="GIVEN-UP", charged=open_credits(history, intent)
        )
