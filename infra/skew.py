"""How far this machine's clock is from another's, by the date in its answer. Exact to a second, which is enough."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime

import httpx

from infra.clock import Clock


def seconds_off(url: str, clock: Clock) -> float | None:
    """Positive when this clock is ahead; None when the other says no time. Sends no key."""
    try:
        before = clock.now()
        said = httpx.head(url, timeout=5, follow_redirects=False).headers.get("date", "")
        middle = before + (clock.now() - before) / 2
        there = parsedate_to_datetime(said)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    if there.tzinfo is None:
        there = there.replace(tzinfo=dt.UTC)
    # the header has whole seconds, so the other clock is half a second further on average
    return (middle - there).total_seconds() - 0.5
