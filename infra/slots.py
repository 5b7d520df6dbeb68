"""How many tasks of one model may live at once: the most urgent first, then first come, first served. Tasks that live
already are only counted; limits may change while takes wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from heapq import heappop, heappush
from itertools import count

from infra.errors import StoppedError

_Queue = list[tuple[float, int, asyncio.Future[None]]]  # a heap: least urgent last


class Slots:
    """`limits` by model; `otherwise` for a model that is not named there, None for no limit. Belongs to one loop."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._narrow: set[str] = set()
        self._used: Counter[str] = Counter()
        self._queues: defaultdict[str, _Queue] = defaultdict(list)
        self._arrivals = count()
        self._stopped = False

    @contextlib.asynccontextmanager
    async def hold(self, model: str, otherwise: int | None = None, *, priority: float = 0) -> AsyncIterator[None]:
        """Waits for a free slot; the highest priority is next. Raises StoppedError, to those who wait as well, after
        `stop`."""
        if self._stopped:
            raise StoppedError("nothing more is bought")
        if otherwise is not None:
            self._limits.setdefault(model, otherwise)
        if self._free(model) and not self._waiting(model):
            self._used[model] += 1
        else:
            await self._wait(model, priority)
        try:
            yield
        finally:
            self._give_back(model)

    @contextlib.asynccontextmanager
    async def occupy(self, model: str) -> AsyncIterator[None]:
        """For a task that the vendor has already: never waits, so the limit may be passed for a while."""
        self._used[model] += 1
        try:
            yield
        finally:
            self._give_back(model)

    def change(self, limits: Mapping[str, int]) -> None:
        """New limits for the models that are named; a smaller one takes effect as slots are given back."""
        self._limits.update(limits)
        for model in limits:
            self._hand_on(model)

    def narrow(self, model: str) -> None:
        """One at a time, to find out whether the vendor takes any again."""
        self._narrow.add(model)

    def widen(self, model: str) -> None:
        if model in self._narrow:
            self._narrow.discard(model)
            self._hand_on(model)

    def stop(self) -> None:
        self._stopped = True
        for queue in self._queues.values():
            while queue:
                waiting = heappop(queue)[2]
                if not waiting.done():
                    waiting.set_exception(StoppedError("nothing more is bought"))

    def _free(self, model: str) -> bool:
        limit = 1 if model in self._narrow else self._limits.get(model)
        return limit is None or self._used[model] < limit

    def _waiting(self, model: str) -> bool:
        return any(not waiting.done() for _, _, waiting in self._queues[model])

    async def _wait(self, model: str, priority: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        heappush(self._queues[model], (-priority, next(self._arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(model)  # the slot had been handed over at the moment of the cancel
            raise

    def _give_back(self, model: str) -> None:
        self._used[model] -= 1
        self._hand_on(model)

    def _hand_on(self, model: str) -> None:
        queue = self._queues[model]
        while queue and self._free(model):
            waiting = heappop(queue)[2]
            if not waiting.done():
                self._used[model] += 1
                waiting.set_result(None)
