"""The plan of films that share shots: one line for each shot however many values it is filmed with, and what sharing
saves. Facts and lines; decides nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from flows.checking import Checked
from flows.views import counted
from manifests.expand import Want
from manifests.loaded import LoadedSource
from manifests.nodes import child, items_at, to_data
from manifests.plan import Action, Plan
from manifests.sharing import (
    CellCount,
    count_cells,
    count_files,
    count_variants,
    shared_of,
    shot_uses,
    use_of,
)

_VALUES = re.compile(r"@[^\s/]+")  # of an address in a reason
PLURALS = {"still": "stills", "speech": "speech", "effect": "effects"}


@dataclass
class Row:
    """All takes of one shot, or all stills, lines or effects."""

    name: str
    what: str
    axes: tuple[str, ...] = ()
    made_by: dict[str, None] = field(default_factory=dict)
    clips: set[str] = field(default_factory=set)  # want ids
    numbers: int = 0
    seconds: int = 0  # of one take of every clip
    credits: int = 0
    why: Counter[str] = field(default_factory=Counter)

    @property
    def takes(self) -> str:
        """How many of each; a clip that was retaken has more than others."""
        each, more = divmod(self.numbers, len(self.clips))
        return f"{each}" if not more else f"{self.numbers} in all"

    @property
    def reasons(self) -> str:
        if len(self.why) == 1:
            return next(iter(self.why))
        return ", ".join(f"{count:,} {reason}" for reason, count in self.why.items())


def group_rows(plan: Plan, actions: Iterable[Action]) -> list[Row]:
    """Shot by shot in the order of the films, then what is bought beside takes."""
    uses = shot_uses(plan.sources)
    wants = {w.id: w for w in plan.every_want}
    rows: dict[tuple[str, str], Row] = {}
    for action in actions:
        want = wants[action.want]
        use = use_of(want.address, uses) if want.what == "take" else None
        name = (f"{use.spot}/{use.shot}" if use.spot else use.shot) if use else PLURALS.get(want.what, want.what)
        row = rows.setdefault((want.what, name), Row(name, want.what, use.axes if use else ()))
        _add(row, want, action)
    order = [*(f"{u.spot}/{u.shot}" if u.spot else u.shot for u in uses.values()), *PLURALS.values()]
    return sorted(rows.values(), key=lambda row: order.index(row.name) if row.name in order else len(order))


def _add(row: Row, want: Want, action: Action) -> None:
    if want.id not in row.clips:
        row.clips.add(want.id)
        row.seconds += want.seconds
    length = f" {want.seconds} s" if want.what == "take" else ""
    row.made_by.setdefault(f"{want.model}{length}")
    row.numbers += 1
    row.credits += action.credits
    row.why[_VALUES.sub("", action.reason.partition("; ")[0])] += 1


def matrix_facts(plan: Plan, checked: Checked) -> dict[str, Any]:
    """What `plan --json` says beside every action."""
    uses = shot_uses(plan.sources)
    return {
        "variants": count_variants(plan.sources),
        "files": count_files(plan.sources),
        "cells": [asdict(_cells(s)) | {"spot": s.source.id} for s in checked.campaign.sources],
        "shared": asdict(shared_of(plan.wants, uses)),
        "shots": [
            {
                "name": row.name, "what": row.what, "depends_on": list(row.axes), "clips": len(row.clips),
                "numbers": row.numbers, "seconds": row.seconds, "credits": row.credits, "why": dict(row.why),
            }
            for row in group_rows(plan, plan.actions)
        ],
    }  # fmt: skip


def head(plan: Plan, checked: Checked) -> list[str]:
    """How many films there will be, and how they come about."""
    variants, files = count_variants(plan.sources), count_files(plan.sources)
    screen = Decimal(plan.totals.screen_seconds)
    spots = f"{counted(len(plan.sources), 'spot')}, " if len(plan.sources) > 1 else ""
    films = f"{counted(variants, 'variant')}, {counted(files, 'file')}"
    lines = [f"{plan.campaign}: {spots}{films}, {screen:,.1f} s on screen in all variants"]
    return lines + [f"  {_axes_words(source)}" for source in checked.campaign.sources]


def _cells(source: LoadedSource) -> CellCount:
    entry = child(source.template, "variants")
    rules: list[Any] = [to_data(rule) for rule in items_at(source.template, "variants", "exclude")] if entry else []
    return count_cells(source.source, [{str(k): str(v) for k, v in rule.items()} for rule in rules if rule])


def _axes_words(source: LoadedSource) -> str:
    cells, named = _cells(source), f"{source.source.id}: " if source.source.id else ""
    if not cells.axes:
        return f"{named}one film"
    words = f"{named}axes {' × '.join(f'{name} {size}' for name, size in cells.axes)} = {cells.combinations:,}"
    if cells.excluded:
        each = f" ({', '.join(map(str, cells.excluded))})" if len(cells.excluded) > 1 else ""
        words += f"; exclude −{sum(cells.excluded):,}{each}"
    if cells.included:
        words += f"; include +{cells.included:,}"
    return f"{words} → {counted(cells.variants, 'variant')}"


def rows(plan: Plan, actions: Iterable[Action]) -> list[str]:
    from flows.call_sheet import in_columns

    table = [("shot", "depends on", "clips", "takes", "seconds", "credits", "made by", "why")]
    for row in group_rows(plan, actions):
        axes = " × ".join(row.axes) if row.axes else "nothing" if row.what == "take" else ""
        seconds = f"{row.seconds:,}" if row.what == "take" else ""
        made_by = ", ".join(row.made_by)
        table.append(
            (row.name, axes, f"{len(row.clips):,}", row.takes, seconds, f"{row.credits:,}", made_by, row.reasons)
        )
    return in_columns(table, "<<>>>><<")


def saving(plan: Plan) -> list[str]:
    """The largest saving there is, and it must be seen: one careless look-up in a prompt multiplies the bill."""
    shared = shared_of(plan.wants, shot_uses(plan.sources))
    if shared.clips == shared.clips_alone:
        return []
    return [
        f"  shared: {shared.clips:,} clips instead of {shared.clips_alone:,}, "
        f"{shared.credits:,} credits instead of {shared.credits_alone:,} if every variant had its own takes"
    ]
