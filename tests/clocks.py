"""A clock that tests own."""

from __future__ import annotations

import asyncio
import datetime as dt


class TestClock:
    """Sleeping takes no time and moves the clock."""

    __test__ = False

    def __init__(self) -> None:
        self._began = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)
        self.elapsed = 0.0
        self.naps: list[float] = []

    def now(self) -> dt.datetime:
        return self._began + dt.timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)
