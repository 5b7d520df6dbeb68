"""The backlot's own time: the real one, made faster or moved on through the control endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt

from infra.clock import Clock, SystemClock


class StageClock:
    """A Clock. Sleepers wake early when the time is moved on. Belongs to one event loop once somebody sleeps."""

    def __init__(self, real: Clock | None = None) -> None:
        self._real = real or SystemClock()
        self._scale = 1.0
        self._since = self._real.monotonic()
        self._base = self._real.now()
        self._changed = asyncio.Event()

    @property
    def scale(self) -> float:
        return self._scale

    def now(self) -> dt.datetime:
        return self._base + dt.timedelta(seconds=(self._real.monotonic() - self._since) * self._scale)

    def monotonic(self) -> float:
        return self.now().timestamp()

    def change(self, *, scale: float | None = None, advance_seconds: float = 0.0) -> None:
        """From now on runs `scale` times as fast; `advance_seconds` pass at once."""
        now = self.now() + dt.timedelta(seconds=advance_seconds)
        self._since, self._base = self._real.monotonic(), now
        if scale is not None:
            self._scale = scale
        self._changed.set()
        self._changed = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        end = self.now() + dt.timedelta(seconds=seconds)
        while (left := (end - self.now()).total_seconds()) > 0:
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left / self._scale)
