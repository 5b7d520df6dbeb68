"""What one start of a schedule may still spend, by its own limit and by that of its calendar month. Pure: what was
spent is given, and so is the time."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from manifests.journal import Record
from manifests.schedule import ScheduleBudget


class Allowance(Record):
    """`credits` counts from `since`, the instant at which the start was first begun: what is spent by then was not
    this start's. The month's limit holds whoever spent, so long as it was this campaign."""

    since: dt.datetime
    credits: int
    per_run: int | None
    spent_run: int
    per_month: int | None
    spent_month: int
    month: str  # 2026-12
    warn_at: Decimal | None
    when_exceeded: Literal["hold", "deliver-what-fits", "fail"]

    @property
    def by_month(self) -> bool:
        """Whether the month's limit is the nearer one."""
        return self.per_run is None or self.credits < self.per_run

    def words(self) -> str:
        """The limit that counts, and how much of it is spent."""
        if self.by_month:
            return (
                f"budget.per_month is {self.per_month or 0:,} credits, {self.spent_month:,} are spent in {self.month}"
            )
        return f"budget.per_run is {self.per_run or 0:,} credits, {self.spent_run:,} are spent"

    def warning(self, wanted: int) -> str | None:
        """What people are told when `wanted` credits more come near a limit."""
        if self.warn_at is None:
            return None
        limits = (
            ("for this start", self.per_run, self.spent_run + wanted),
            (f"in {self.month}", self.per_month, self.spent_month + wanted),
        )
        near = [
            f"{used:,} of {limit:,} credits {name} ({used * 100 // limit if limit else 100} %)"
            for name, limit, used in limits
            if limit is not None and used and used >= limit * self.warn_at
        ]
        return f"budget: with this plan {' and '.join(near)}" if near else None


def month_of(instant: dt.datetime, zone: str) -> tuple[str, dt.datetime, dt.datetime]:
    """Its name, its first instant and that of the next one, as the calendar has it in the zone."""
    there = zoneinfo.ZoneInfo(zone)
    first = instant.astimezone(there).replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    begin, end = (day.replace(tzinfo=there).astimezone(dt.UTC) for day in (first, following))
    return f"{first:%Y-%m}", begin, end


def allow(
    budget: ScheduleBudget, *, since: dt.datetime, month: str, spent_run: int, spent_month: int
) -> Allowance | None:
    """None where the schedule sets no limit: then the manifest's own stands."""
    per_run = budget.per_run.credits if budget.per_run is not None else None
    per_month = budget.per_month.credits if budget.per_month is not None else None
    if per_run is None and per_month is None:
        return None
    left = [limit - spent for limit, spent in ((per_run, spent_run), (per_month, spent_month)) if limit is not None]
    return Allowance(
        since=since, credits=spent_run + max(0, min(left)), per_run=per_run, spent_run=spent_run, per_month=per_month,
        spent_month=spent_month, month=month, warn_at=budget.warn_at, when_exceeded=budget.when_exceeded,
    )  # fmt: skip


def left_out_words(names: Sequence[str]) -> str:
    few = ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")
    many = f"{len(names):,} films are" if len(names) > 1 else "1 film is"
    return f"{many} left out, as there is no money for them: {few}"
