"""What lines of speech were measured to take, and a manifest with the shots that are longer for them (`fit: extend`).
Reads the store; buys and measures nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from flows.checking import Checked
from infra.measured import measured_seconds
from infra.storage.base import ObjectStore
from manifests.diagnostics import ManifestError
from manifests.expand import Want
from manifests.lengthen import lengthen_campaign
from manifests.plan import Verb
from manifests.planner import Planner
from manifests.timing import cut_of

# What is planned: the speech while pictures wait for it, then everything; or the one or the other whatever is there.
Stage = Literal["next", "speech", "all"]


@dataclass(frozen=True)
class Heard:
    """`to_buy`: a line is still to be bought or collected; `to_measure`: one is there that nobody has measured."""

    seconds: Mapping[str, Decimal]  # by address
    to_buy: bool = False
    to_measure: bool = False

    @property
    def missing(self) -> bool:
        """A line that cannot be had is not waited for: its film fails, the others are made."""
        return self.to_buy or self.to_measure


def hear(store: ObjectStore, lines: Sequence[Want], planner: Planner) -> Heard:
    """`lines` are wants that the planner has walked."""
    ids = {want.id for want in lines}
    to_buy = any(a.want in ids and a.verb in (Verb.BUY, Verb.COLLECT) for a in planner.actions)
    seconds: dict[str, Decimal] = {}
    to_measure = False
    for want in lines:
        result = planner.walks[want.id].wanted[0].result
        if result is not None:
            measured = measured_seconds(store, result.blob)
            to_measure = to_measure or measured is None
            seconds |= {} if measured is None else {want.address: measured}
    return Heard(seconds, to_buy, to_measure)


def lengthen_checked(checked: Checked, seconds: Mapping[str, Decimal]) -> Checked:
    """Raises ManifestError when a film cannot be as long as its lines would make it."""
    campaign, problems = lengthen_campaign(checked.campaign, seconds, checked.models, checked.profiles)
    if problems:
        raise ManifestError(problems)
    return replace(checked, campaign=campaign, cut=cut_of(campaign.lead.spot, checked.models))
