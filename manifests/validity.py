"""Until when what a film shows is good: the last day of the rows behind it, and where that day is written.

A day counts to its end, where clocks show what the schedule's zone says. No clock: the time is given.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable

from manifests.journal import Record

NO_ZONE = "UTC"  # where no schedule says otherwise


class ValidTo(Record):
    """The last day on which one row of a table is good."""

    day: dt.date
    table: str  # its path from the project's root
    line: int

    @property
    def row(self) -> str:
        return f"{self.table}:{self.line}"

    def over(self, now: dt.datetime, zone: str) -> bool:
        return now.astimezone(zoneinfo.ZoneInfo(zone)).date() > self.day


def valid_to_facts(end: ValidTo | None, zone: str) -> dict[str, str]:
    """For the sidecar of a film; nothing where nothing ends."""
    return {} if end is None else {"valid_to": str(end.day), "valid_to_zone": zone, "valid_to_row": end.row}


def earliest(found: Iterable[ValidTo | None]) -> ValidTo | None:
    """What ends first says how long all of them together are good."""
    ends = [one for one in found if one is not None]
    return min(ends, key=lambda one: (one.day, one.table, one.line), default=None)
