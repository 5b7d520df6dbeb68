"""How many tasks of each model the account may have at once, asked again while a run lasts, and how many we submit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from infra.clock import Clock
from infra.errors import VendorError
from infra.providers.base import AccountLimits, VideoProvider

EVERY = 60.0  # seconds between two looks at the account, at least
_SHORTEST_TASK = 60.0  # seconds that the fastest generations take (rate cards, seconds_to_make)
_SLOWEST_POLL = 5 / 3  # of the asked pause: four thirds and a quarter (infra.collecting)


def queue_depth(concurrent: int, poll_seconds: float = 5.0) -> int:
    """Tasks to have submitted for so many that the vendor runs at once. It queues the others as THROTTLED, which is no
    error, so the next one starts in the very second that one ends, and not when a poll has told us: one poll's worth of
    endings waits there, and one more for chance."""
    endings = concurrent * poll_seconds * _SLOWEST_POLL / _SHORTEST_TASK
    return concurrent + math.ceil(endings) + 1


def slots_of(limits: AccountLimits, poll_seconds: float) -> dict[str, int]:
    return {name: queue_depth(row.concurrent, poll_seconds) for name, row in limits.models.items() if row.concurrent}


async def follow_limits(
    video: VideoProvider, clock: Clock, poll_seconds: float, change: Callable[[Mapping[str, int]], None]
) -> None:
    """Never returns. A look that fails leaves the last limits in force."""
    while True:
        await clock.sleep(EVERY)
        try:
            limits = await video.limits()
        except VendorError:
            continue
        change(slots_of(limits, poll_seconds))
