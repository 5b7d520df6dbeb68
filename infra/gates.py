"""What may not be bought for the moment: a model whose daily cap is reached, a shot that moderation refused. One run's
own memory; what stands in the records is `manifests.walk`'s to judge."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable

from infra.clock import Clock
from infra.errors import DailyCapError, ModerationError
from manifests.policy import REFUSALS_PER_SHOT

_LOOK = 5.0  # how often a wait looks whether it was told to stop
_UNKNOWN_WAIT = dt.timedelta(hours=1)  # when nobody knows since when the cap counts


class Gates:
    """Belongs to one loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._models: dict[str, tuple[dt.datetime | None, dt.datetime]] = {}  # opens as far as known, asked again at
        self._shots: dict[str, str] = {}
        self._refusals: Counter[str] = Counter()

    def check(self, model: str, shot: str) -> None:
        """Raises what closed it."""
        if shot in self._shots:
            raise ModerationError(self._shots[shot], remedy="Change its prompt or its reference, then run again.")
        closed = self._models.get(model)
        if closed is not None and self._clock.now() < closed[1]:
            raise self.capped(model)

    def close_model(self, model: str, opens: dt.datetime | None) -> bool:
        """False when it was closed already. A window that should have been open is tried again in an hour."""
        now = self._clock.now()
        before = self._models.get(model)
        if before is not None and now < before[1]:
            return False
        known = opens if opens is not None and opens > now else None
        self._models[model] = (known, known or now + _UNKNOWN_WAIT)
        return True

    def open_model(self, model: str) -> None:
        self._models.pop(model, None)

    def count_refusal(self, shot: str) -> None:
        """By moderation, of a still or a take. Counted before the slot is given on, so that the next one of the shot is
        not sent in that moment."""
        self._refusals[shot] += 1
        if self._refusals[shot] == REFUSALS_PER_SHOT:
            self._shots[shot] = f"refused {REFUSALS_PER_SHOT} times in this run; the rest of {shot} is not bought"

    def why_stopped(self, shot: str) -> str | None:
        return self._shots.get(shot)

    def capped(self, model: str) -> DailyCapError:
        opens = self._models[model][0]
        when = f"its window opens at {opens:%Y-%m-%d %H:%M} UTC" if opens else "when its window opens is not known"
        return DailyCapError(
            f"{model}: nothing more of it is submitted; {when}",
            remedy=f"Run again {'then' if opens else 'in some hours'}, or let `run --wait` do that; or raise the tier.",
            opens=opens,
        )

    async def wait(self, model: str, stopped: Callable[[], bool]) -> None:
        """Until the model is tried again, or everything stops."""
        while (closed := self._models.get(model)) is not None and not stopped():
            left = (closed[1] - self._clock.now()).total_seconds()
            if left <= 0:
                return
            await self._clock.sleep(min(left, _LOOK))
