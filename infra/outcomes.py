"""How a purchase ends on record: result, failure, refusal or release, each with its movement of money. Buys nothing.

The take's own record comes first and the ledger entry follows from it, so a crash between the two is repaired later.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.audio.base import Sound
from infra.blobs import put_blob
from infra.budget import Budget
from infra.clock import Clock
from infra.collecting import Collector
from infra.errors import DownloadError, LinkExpiredError, PreconditionFailedError, ShotrunnerError, TakeFailedError
from infra.failures import classify_failure
from infra.ledger import open_credits, read_history
from infra.media.arrival import content_type_of
from infra.patience import keep_record, keep_trying
from infra.providers.base import MediaInput, TaskReport, TaskState
from infra.storage.base import ObjectStore
from manifests.journal import (
    Failure,
    FailureClass,
    Intent,
    Refusal,
    Release,
    Result,
    TakeHistory,
    TaskRecord,
    What,
)


@dataclass(frozen=True)
class Purchase:
    """One thing to buy. `request` has `endpoint` and `body`; `media` is by `digest_json` of each place-holder."""

    key: str
    what: What
    address: str
    service: str
    model: str
    take: int
    request: Mapping[str, Any]
    price_credits: int
    size_class: str = ""
    again: bool = False  # in place of one that failed or was not wanted
    media: Mapping[str, MediaInput] = field(default_factory=dict)
    priority: float = 0  # what waits behind it; the highest gets the next slot

    @property
    def shot(self) -> str:
        return self.address.partition("/")[0]


class Outcomes:
    """Writes the last record of a purchase, settles its money and tells of it."""

    def __init__(
        self,
        store: ObjectStore,
        clock: Clock,
        budget: Budget,
        collector: Collector,
        campaign: str,
        on_event: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._budget = budget
        self._collector = collector
        self._campaign = campaign
        self._on_event = on_event

    async def finish(self, purchase: Purchase, intent: Intent, task: TaskRecord, report: TaskReport) -> Result:
        held = intent.reserved_credits if task.estimated_credits is None else task.estimated_credits
        # a cost that the vendor left out is counted in full: most failures are refunded, and nobody can know which
        charged = held if report.cost_credits is None else report.cost_credits
        if report.state is not TaskState.SUCCEEDED:
            failure_class, retryable = classify_failure(report.failure_code)
            if report.state is TaskState.CANCELLED:
                failure_class, retryable = FailureClass.CANCELLED, False
            detail = report.failure or f"the task was {report.vendor_status.lower()}"
            failure = self._failure(intent, task, report.failure_code or "", detail, failure_class, charged)
            raise await self._fail(purchase, intent, failure.model_copy(update={"retryable": retryable}))
        try:
            async with self._collector.fetch(report, tell=functools.partial(self.tell_of, purchase)) as arrived:
                content_type = await asyncio.to_thread(_sniff, arrived.path)
                put = functools.partial(
                    put_blob, self._store, "take", arrived.path, content_type, sha256=arrived.sha256
                )
                blob = await keep_trying(self._clock, put)
        except (DownloadError, LinkExpiredError) as e:
            failure = self._failure(intent, task, "OUTPUT.LOST", e.detail, FailureClass.LOST, charged)
            raise await self._fail(purchase, intent, failure) from e
        result = Result(
            key=intent.key,
            attempt=intent.attempt,
            what=purchase.what,
            blob=blob,
            credits=charged,
            task_id=task.task_id,
            facts={"content_type": content_type, "probe": dict(arrived.facts)},
            at=self._clock.now(),
        )
        return await self._commit(purchase, intent, result)

    async def keep_sound(self, purchase: Purchase, intent: Intent, sound: Sound) -> Result:
        """The bytes came with the answer and exist nowhere else."""
        facts: dict[str, Any] = {"content_type": sound.content_type}
        if sound.timing is not None:
            facts["timing"] = {
                "characters": list(sound.timing.characters),
                "starts": list(sound.timing.starts),
                "ends": list(sound.timing.ends),
            }
        blob = await keep_trying(self._clock, lambda: put_blob(self._store, "audio", sound.data, sound.content_type))
        result = Result(
            key=intent.key,
            attempt=intent.attempt,
            what=purchase.what,
            blob=blob,
            credits=purchase.price_credits,
            vendor_units=sound.vendor_units,
            facts=facts,
            at=self._clock.now(),
        )
        return await self._commit(purchase, intent, result)

    async def _commit(self, purchase: Purchase, intent: Intent, result: Result) -> Result:
        """The result record is the commit point; whose it is does not matter, the bytes are one task's."""
        try:
            await keep_record(self._store, self._clock, result)
        except PreconditionFailedError:
            there = (await asyncio.to_thread(read_history, self._store, purchase.key)).result
            if there is None:
                raise
            result = there
        await self._budget.settle(intent, result, result.credits)
        self.tell("collected", purchase, credits=result.credits, bytes=result.blob.size)
        return result

    def _failure(
        self, intent: Intent, task: TaskRecord, code: str, detail: str, failure_class: FailureClass, charged: int
    ) -> Failure:
        return Failure(
            key=intent.key,
            attempt=intent.attempt,
            code=code,
            detail=detail,
            failure_class=failure_class,
            retryable=True,
            credits=charged,
            task_id=task.task_id,
            at=self._clock.now(),
        )

    async def _fail(self, purchase: Purchase, intent: Intent, failure: Failure) -> TakeFailedError:
        with contextlib.suppress(PreconditionFailedError):  # the same task, looked at by somebody else
            await keep_record(self._store, self._clock, failure)
        await self._budget.settle(intent, failure, failure.credits)
        self.tell("failed", purchase, credits=failure.credits, code=failure.code, failure=failure.failure_class)
        return error_of(failure)

    async def refuse(self, purchase: Purchase, intent: Intent, error: ShotrunnerError) -> None:
        refusal = Refusal(
            key=intent.key,
            attempt=intent.attempt,
            error=type(error).__name__,
            detail=error.detail,
            request_id=error.request_id,
            at=self._clock.now(),
        )
        await keep_record(self._store, self._clock, refusal)
        await self._budget.release(intent, refusal)
        self.tell("refused", purchase, credits=0, error=refusal.error)

    async def release(self, purchase: Purchase, history: TakeHistory, intent: Intent) -> None:
        release = Release(
            key=intent.key,
            attempt=intent.attempt,
            decision="rebuy",
            by=self._campaign,
            why="unknowns may be bought again: --rebuy-unknown, or retry.on_unknown",
            at=self._clock.now(),
        )
        try:
            await keep_record(self._store, self._clock, release)
        except PreconditionFailedError:
            return  # released by somebody else: look again
        held = open_credits(history, intent)
        await self._budget.settle(intent, release, held)
        self.tell("released", purchase, credits=held)

    def tell_of(self, purchase: Purchase, message_type: str, **fields: Any) -> None:
        self.tell(message_type, purchase, **fields)

    def tell(self, message_type: str, purchase: Purchase, **fields: Any) -> None:
        self._on_event(
            {
                "message_type": message_type,
                "address": purchase.address,
                "what": purchase.what,
                "take": purchase.take,
                "service": purchase.service,
                "model": purchase.model,
                **fields,
            }
        )


def error_of(failure: Failure) -> TakeFailedError:
    return TakeFailedError(
        f"{failure.code or 'no code'}: {failure.detail}",
        code=failure.code,
        charged=failure.credits,
        failure_class=failure.failure_class,
        retryable=failure.retryable,
    )


def _sniff(path: Path) -> str:
    with path.open("rb") as file:
        return content_type_of(file.read(16))
