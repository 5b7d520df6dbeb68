"""The life of tasks: throttled, pending, running, ended; what is charged, what is refunded, what survives a restart."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.backlot.books import Books, Task
from infra.backlot.faults import FaultDesk
from infra.backlot.lab import JobFailedError, Lab
from infra.backlot.stage_clock import StageClock
from manifests.catalogue import ModelCard

# What the service does with the charge of a failed task is read from its code (runway-api sheet, section 5).
_CHARGED_FAILURES = ("SAFETY.INPUT",)
_FAILURES = {
    "SAFETY.": "The generation did not pass content moderation.",
    "INPUT_PREPROCESSING.SAFETY.": "The prompt did not pass content moderation.",
    "ASSET.": "An input asset is not suitable for this model.",
    "THIRD_PARTY.": "The provider of this model is unavailable.",
}


@dataclass
class Knobs:
    """What the control endpoint can change while the server runs."""

    latency: float = 1.0  # seconds that a generation takes at least
    concurrency: int | None = None  # of every model; None: its first tier; 0: no limit
    daily: int | None = None  # generations of every model in 24 h; None: no limit
    visibility: float = 0.0  # seconds for which a look at a task stays the same; the vendor's own is 5
    link_seconds: float = 24 * 3600.0
    desk: FaultDesk = field(default_factory=FaultDesk)
    picture_scale: int = 1  # pictures are filmed so many times smaller than asked for; the control endpoint cannot

    def concurrent(self, card: ModelCard) -> int | None:
        """How many tasks of a model may be pending or running; None for no limit."""
        limit = card.concurrency_tier_1 if self.concurrency is None else self.concurrency
        return limit or None


class Studio:
    """Owns one asyncio task per living vendor task. All methods run in the server's event loop."""

    def __init__(
        self, books: Books, lab: Lab, knobs: Knobs, clock: StageClock, models: Mapping[str, ModelCard]
    ) -> None:
        self.books, self.lab, self.knobs, self.clock, self.models = books, lab, knobs, clock, models
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._active: dict[str, set[str]] = {}
        self._waiting: dict[str, deque[Task]] = {}

    def open(self) -> None:
        """Goes on with what an earlier process left: the started first, then the rest in the order of creation."""
        alive = [task for task in self.books.tasks.values() if task.alive]
        for task in sorted(alive, key=lambda task: task.started is None):
            self._admit(task)

    async def close(self) -> None:
        for work in self._at_work.values():
            work.cancel()
        await asyncio.gather(*self._at_work.values(), return_exceptions=True)

    def create(
        self, *, endpoint: str, model: str, digest: str, job: Mapping[str, Any], price: int, faults: Sequence[str]
    ) -> Task:
        """Charges and stores a task, then queues it. The caller has checked balance and cap in the same breath."""
        identifier = str(uuid.uuid4())
        self.books.append(
            "created",
            self.clock.now(),
            id=identifier,
            endpoint=endpoint,
            model=model,
            digest=digest,
            job=job,
            price=price,
            faults=list(faults),
        )
        task = self.books.tasks[identifier]
        self._admit(task)
        return task

    def delete(self, task: Task) -> None:
        """Cancels or forgets. The service decides a refund by the status it sees: none once it runs (client 5.24.0)."""
        if task.alive:
            work = self._at_work.get(task.id)
            if work is not None:
                work.cancel()
            self._end(task, "CANCELLED", cost=task.price if task.status == "RUNNING" else 0)
        self.books.append("deleted", self.clock.now(), id=task.id)

    def release_waiting(self) -> None:
        """Starts what the limits now allow, oldest first; called when a place is free or a knob has moved."""
        for model, waiting in self._waiting.items():
            while waiting and self._has_place(model):
                task = waiting.popleft()
                if task.alive:
                    self._begin(task)

    def progress(self, task: Task) -> float:
        """Rises with time to 0.9, where a picture that is not rendered yet stays."""
        if task.started is None:
            return 0.0
        elapsed = (self.clock.now() - task.started).total_seconds()
        return round(min(0.9, 0.02 + 0.88 * elapsed / max(self.knobs.latency, 0.001)), 2)

    def _has_place(self, model: str) -> bool:
        card = self.models.get(model)  # an old task may be of a model that is no longer listed
        limit = self.knobs.concurrent(card) if card else None
        return limit is None or len(self._active.get(model, ())) < limit

    def _admit(self, task: Task) -> None:
        if self._has_place(task.model) and not self._waiting.get(task.model):
            self._begin(task)
        else:
            task.status = "THROTTLED"
            self._waiting.setdefault(task.model, deque()).append(task)

    def _begin(self, task: Task) -> None:
        self._active.setdefault(task.model, set()).add(task.id)
        if task.started is None:
            task.status = "PENDING"
        self._at_work[task.id] = asyncio.create_task(self._carry_out(task), name=f"task {task.id}")

    async def _carry_out(self, task: Task) -> None:
        rendering = asyncio.create_task(self._render(task))
        try:
            latency = self.knobs.latency
            await self.clock.sleep(min(1.0, latency * 0.1))
            if task.started is None:
                self.books.append("started", self.clock.now(), id=task.id)
            assert task.started is not None  # noqa: S101 - set by the event above
            await self.clock.sleep(latency * 0.9 - (self.clock.now() - task.started).total_seconds())
            if "stuck" in task.faults:
                await asyncio.Event().wait()
            code = next((fault.removeprefix("fail:") for fault in task.faults if fault.startswith("fail:")), None)
            if code is not None:
                self._fail(task, None if code == "null" else code)
                return
            film = await rendering
            self._end(task, "SUCCEEDED", cost=task.price, film=film)
        except JobFailedError as error:
            self._fail(task, "INTERNAL", f"An unexpected error occurred. {error}")
        finally:
            rendering.cancel()
            await asyncio.gather(rendering, return_exceptions=True)

    async def _render(self, task: Task) -> str | None:
        if any(fault.startswith("fail:") or fault == "stuck" for fault in task.faults):
            return None
        return (await self.lab.make(task.job)).name

    def _fail(self, task: Task, code: str | None, text: str | None = None) -> None:
        known = (text for start, text in _FAILURES.items() if code and code.startswith(start))
        text = text or next(known, "An unexpected error occurred.")
        charged = code is not None and code.startswith(_CHARGED_FAILURES)
        self._end(task, "FAILED", cost=task.price if charged else 0, code=code, failure=text)

    def _end(
        self,
        task: Task,
        status: str,
        *,
        cost: int,
        film: str | None = None,
        code: str | None = None,
        failure: str | None = None,
    ) -> None:
        now = self.clock.now()
        self.books.append("ended", now, id=task.id, status=status, cost=cost, film=film, code=code, failure=failure)
        self._active.get(task.model, set()).discard(task.id)
        self._at_work.pop(task.id, None)
        self.release_waiting()
