"""What it costs to film each ratio, against filming one and reframing it: for every shot that several ratios show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manifests.catalogue import ModelCard
from manifests.expand import Want
from manifests.films import RATIO, Source, address_of
from manifests.naming import shot_address
from manifests.ratecard import native_size, price_still, price_take


@dataclass(frozen=True, slots=True)
class RatioBill:
    """Credits at catalogue prices of one take after the other, bought already or not, over all values of a shot.
    `filmed` is None where its model does not sell every ratio."""

    shot: str
    ratios: tuple[str, ...]
    reframed_from: str  # empty: each ratio is filmed
    filmed: int | None
    reframed: int

    @property
    def saved(self) -> int | None:
        return None if self.filmed is None else self.filmed - self.reframed


def ratio_bills(
    sources: Sequence[Source], wants: Sequence[Want], models: Mapping[str, ModelCard]
) -> tuple[RatioBill, ...]:
    """In the order of the films. Cut-downs buy nothing."""
    pictures: dict[str, list[Want]] = {}
    for want in wants:
        if want.what in ("take", "still"):
            pictures.setdefault(shot_address(want.address), []).append(want)
    bills = []
    for source in sources:
        if RATIO in source.matrix.positions and not source.takes_of:
            for shot in source.data.get("shots", ()):
                bill = _bill(source, shot["id"], shot.get("reframe"), pictures, models)
                if bill is not None:
                    bills.append(bill)
    return tuple(bills)


def _bill(
    source: Source,
    shot: str,
    reframe: Mapping[str, object] | None,
    pictures: Mapping[str, Sequence[Want]],
    models: Mapping[str, ModelCard],
) -> RatioBill | None:
    axes = source.depends.get(f"shots.{shot}", ())
    others = [axis for axis in axes if axis != RATIO]
    filmed: int | None = 0
    reframed = 0
    seen: dict[str, None] = {}
    for values, ratios in _ratios_of(source, others).items():
        named = dict(zip(others, values, strict=True))
        each: list[int | None] = []
        for ratio in ratios:
            address = address_of(source.id, shot, axes, named | {RATIO: ratio})
            ours = pictures.get(address, ())
            cost = _cost(ours) if reframe is None else _cost_in(ours, ratio, models)
            if ours:
                each.append(cost)
                seen.setdefault(ratio)
        costs = [cost for cost in each if cost is not None]
        filmed = None if filmed is None or len(costs) < len(each) else filmed + sum(costs)
        native = pictures.get(address_of(source.id, shot, axes, named), ()) if reframe is not None else ()
        reframed += _cost(native) if reframe is not None else max(costs, default=0)
    if len(seen) < 2:
        return None
    return RatioBill(
        f"{source.id}/{shot}" if source.id else shot, tuple(seen), str(reframe["from"]) if reframe else "", filmed,
        reframed,
    )  # fmt: skip


def _ratios_of(source: Source, axes: Sequence[str]) -> dict[tuple[str, ...], dict[str, None]]:
    """By values of the axes, the ratios in which there is a film."""
    positions = source.matrix.positions
    wanted, ratio = [positions[axis] for axis in axes], positions[RATIO]
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for cell in source.matrix.cells:
        found.setdefault(tuple([cell[index] for index in wanted]), {}).setdefault(cell[ratio])
    return found


def _cost(wants: Sequence[Want]) -> int:
    return sum(want.count * want.credits for want in wants)


def _cost_in(wants: Sequence[Want], ratio: str, models: Mapping[str, ModelCard]) -> int | None:
    """What the same pictures would cost in another ratio; None where one of them is not sold in it."""
    total = 0
    for want in wants:
        card = models[want.model]
        size = native_size(card, want.endpoint, ratio)
        if size is None:
            return None
        price = price_still(card, size) if want.what == "still" else price_take(card, want.endpoint, size, want.seconds)
        total += want.count * price
    return total


def tell_ratios(bill: RatioBill) -> str:
    each = f"each of {len(bill.ratios)} ratios"
    if bill.reframed_from:
        native = f"{bill.filmed:,} credits" if bill.filmed is not None else "more than its model sells"
        how = f"reframed from {bill.reframed_from} for {bill.reframed:,} credits"
        return f"{bill.shot} is {how}; filmed in {each}: {native}"
    return f"{bill.shot} is filmed in {each} for {bill.filmed or 0:,} credits; reframed from one: {bill.reframed:,}"
