"""How many tasks of one model may live at once: first come, first served. Tasks that live already are only counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Mapping

from infra.errors import StoppedError


class Slots:
    """`limits` by model; `otherwise` for a model that is not named there, None for no limit. Belongs to one loop."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._used: Counter[str] = Counter()
        self._queues: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._stopped = False

    @contextlib.asynccontextmanager
    async def hold(self, model: str, otherwise: int | None = None) -> AsyncIterator[None]:
        """Waits for a free slot. Raises StoppedError, to those who wait as well, after `stop`."""
        if self._stopped:
            raise StoppedError("nothing more is bought")
        limit = self._limits.setdefault(model, otherwise) if otherwise is not None else self._limits.get(model)
        if limit is None or (self._used[model] < limit and not self._queues[model]):
            self._used[model] += 1
        else:
            await self._wait(model)
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

    def stop(self) -> None:
        self._stopped = True
        for queue in self._queues.values():
            while queue:
                waiting = queue.popleft()
                if not waiting.done():
                    waiting.set_exception(StoppedError("nothing more is bought"))

    async def _wait(self, model: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._queues[model].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(model)  # the slot had been handed over at the moment of the cancel
            raise

    def _give_back(self, model: str) -> None:
        self._used[model] -= 1
        limit, queue = self._limits.get(model), self._queues[model]
        while queue and (limit is None or self._used[model] < limit):
            waiting = queue.popleft()
            if not waiting.done():
                self._used[model] += 1
                waiting.set_result(None)
