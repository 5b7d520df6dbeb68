"""Time as a port, so that tests own it. Nothing else in the four packages asks the system for the time."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> dt.datetime:
        """The present instant, always with the UTC zone."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; for measuring spans."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FastClock:
    """Time that has run `speed` times as fast since an instant: `began`, when `time.monotonic()` was `since`.

    That counter is one for all processes of a machine, so those that share the three agree on the time.
    """

    def __init__(self, speed: float, began: dt.datetime, since: float) -> None:
        self._speed, self._began, self._since = speed, began, since

    def now(self) -> dt.datetime:
        return self._began + dt.timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._since) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)
