"""What a plan may spend: by its manifest over all its runs, or under a schedule by its start and its month. Reads the
ledger and, where it is not enough for everything, says which films fit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from infra.ledger import Spending, spent_and_reserved, spent_within
from infra.records import read_record
from infra.storage.base import ObjectStore
from manifests.allowance import Allowance, allow, left_out_words, month_of
from manifests.expand import Want
from manifests.naming import start_key
from manifests.plan import Options, Totals, first_limit
from manifests.scheduled import Resolved
from manifests.schema import Spot
from manifests.starting import StartRecord


@dataclass(frozen=True)
class Purse:
    """`known`: the allowance as it was when the plan was first made; made again, it stays the same."""

    store: ObjectStore
    scheduled: Resolved | None = None
    now: dt.datetime | None = None
    known: Allowance | None = None

    def read(self, campaign: str, wants: Sequence[Want]) -> tuple[Allowance | None, Spending]:
        """What may be spent, and what is: out of the purse that these wants are paid from."""
        paid = any(want.service != "backlot" for want in wants)
        if self.known is not None:
            return self.known, spent_within(self.store, campaign, (self.known.since, None), paid=paid)[0]
        if self.scheduled is None or self.now is None:
            return None, spent_and_reserved(self.store, campaign, paid=paid)
        return self._of_start(campaign, self.scheduled, self.now, paid=paid)

    def _of_start(
        self, campaign: str, scheduled: Resolved, now: dt.datetime, *, paid: bool
    ) -> tuple[Allowance | None, Spending]:
        """What was spent counts for a start from when it was first begun, and for the month in which it is spent; a
        start that is still to come is asked about its own month."""
        budget = scheduled.rules.budget
        if budget.per_run is None and budget.per_month is None:
            return None, spent_and_reserved(self.store, campaign, paid=paid)
        begun = read_record(self.store, start_key(scheduled.name, scheduled.instant), StartRecord)
        since = begun.at if begun is not None else now
        month, first, end = month_of(max(now, scheduled.instant), scheduled.zone)
        run, monthly = spent_within(self.store, campaign, (since, None), (first, end), paid=paid)
        return allow(budget, since=since, month=month, spent_run=run.total, spent_month=monthly.total), run


def what_fits(spot: Spot, options: Options, totals: Totals, allowance: Allowance) -> int:
    """Credits that are left for a plan: first takes leave the reserve alone."""
    spent_first = totals.spent if totals.spent_first is None else totals.spent_first
    first = first_limit(spot, options, allowance) - spent_first + totals.credits_again
    return max(0, min(first, totals.budget - totals.spent))


def money_notices(allowance: Allowance | None, totals: Totals, left_out: Sequence[str]) -> list[str]:
    warning = allowance.warning(totals.credits) if allowance is not None else None
    return [*([warning] if warning else []), *([f"budget: {left_out_words(left_out)}"] if left_out else [])]
