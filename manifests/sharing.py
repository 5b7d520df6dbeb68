"""How much the variants of a campaign share: which films show each shot, how many files there will be, and what the
takes would cost if every film had its own. Counts cells; resolves no variant."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manifests.expand import Want
from manifests.films import RATIO, Source, Variant, address_of, variants_of
from manifests.matrix import Cell


@dataclass(frozen=True, slots=True)
class ShotUse:
    """One shot at the values that it depends on. `variants`: how many films' variants show it, over all spots."""

    address: str
    spot: str  # the one that buys it
    shot: str
    axes: tuple[str, ...]
    variants: int


@dataclass(frozen=True, slots=True)
class Shared:
    """What sharing saves: takes of shots at catalogue prices, bought already or not."""

    clips: int
    credits: int
    clips_alone: int
    credits_alone: int


def is_matrix(sources: Sequence[Source]) -> bool:
    """Whether there is more than one variant of one spot to tell of."""
    return len(sources) > 1 or any(source.matrix.axes for source in sources)


def count_variants(sources: Sequence[Source]) -> int:
    return sum(len(source.matrix.cells) for source in sources)


def count_files(sources: Sequence[Source]) -> int:
    """A variant is delivered once for every entry of `deliver` in its ratio."""
    return sum(_files_of(source) for source in sources)


def _files_of(source: Source) -> int:
    ratios = [item.get("ratio") for item in source.data.get("deliver", ())]
    if RATIO not in source.matrix.positions:
        return len(ratios) * len(source.matrix.cells)
    position = source.matrix.positions[RATIO]
    cells = Counter(cell[position] for cell in source.matrix.cells)
    return sum(cells[ratio] if ratio is not None else cells.total() for ratio in ratios)


def shot_uses(sources: Sequence[Source]) -> dict[str, ShotUse]:
    """By address, in the order of the films. A cut-down adds to the uses of the shots that it shows."""
    found: dict[str, ShotUse] = {}
    for source in sources:
        for shot in source.data.get("shots", ()):
            spot, axes = source.takes_of or source.id, source.depends.get(f"shots.{shot['id']}", ())
            for values, variants in _projected(source, axes, shot.get("when")).items():
                named = dict(zip(axes, values, strict=True))
                address = address_of(spot, shot["id"], axes, named)
                before = found[address].variants if address in found else 0
                found[address] = ShotUse(address, spot, shot["id"], tuple(axes), before + variants)
    return found


def _projected(source: Source, axes: Sequence[str], when: Mapping[str, Any] | None) -> Counter[Cell]:
    """How many cells that have the shot agree on these axes."""
    positions = source.matrix.positions
    wanted = [positions[axis] for axis in axes]
    present = [(positions[axis], _allowed(value)) for axis, value in (when or {}).items() if axis in positions]
    cells: Iterable[Cell] = source.matrix.cells
    if present:
        cells = [cell for cell in cells if all(cell[index] in allowed for index, allowed in present)]
    return Counter([tuple([cell[index] for index in wanted]) for cell in cells])


def _allowed(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list | tuple) else frozenset({str(value)})


def use_of(address: str, uses: Mapping[str, ShotUse]) -> ShotUse | None:
    """Of a shot, or of one segment of it (`hero@green.2`)."""
    return uses.get(address) or uses.get(address.rpartition(".")[0])


def shared_of(wants: Sequence[Want], uses: Mapping[str, ShotUse]) -> Shared:
    """Stills are left out: they are how a shot is made, not what a film shows."""
    takes = [(want, use_of(want.address, uses)) for want in wants if want.what == "take"]
    bought = [(want.count * want.credits, use.variants if use else 1) for want, use in takes]
    return Shared(
        clips=len(bought),
        credits=sum(price for price, _ in bought),
        clips_alone=sum(times for _, times in bought),
        credits_alone=sum(price * times for price, times in bought),
    )


def users_of(sources: Sequence[Source], address: str) -> Iterator[Variant]:
    """The variants in whose film that shot, line or effect is, over all spots."""
    for variant in variants_of(sources):
        data, sound = variant.source.data, variant.source.data.get("sound") or {}
        lines = (sound.get("voiceover") or {}).get("lines") or ()
        named = [(variant.shot(shot["id"]), shot) for shot in data.get("shots", ())]
        named += [(variant.line(line["id"]), line) for line in lines]
        named += [
            (variant.effect(e.get("id") or f"{e['at']}-{n}"), e) for n, e in enumerate(sound.get("effects") or (), 1)
        ]
        if any(name == address and _is_in(variant, part.get("when")) for name, part in named):
            yield variant


def _is_in(variant: Variant, when: Mapping[str, Any] | None) -> bool:
    values = variant.values
    return all(values[axis] in _allowed(wanted) for axis, wanted in (when or {}).items() if axis in values)


# --- cells, told as they are written ---


@dataclass(frozen=True, slots=True)
class CellCount:
    """Of one spot: how its variants come about. `excluded`: by each rule, what it takes away."""

    axes: tuple[tuple[str, int], ...]
    combinations: int
    excluded: tuple[int, ...]
    included: int
    variants: int


def count_cells(source: Source, rules: Sequence[Mapping[str, str]]) -> CellCount:
    """`rules`: what is written under `exclude`. A combination that two rules match is counted for the first."""
    axes = [(axis.name, tuple(axis.ids)) for axis in source.matrix.axes]
    combinations = math.prod(len(ids) for _, ids in axes)
    taken: set[Cell] = set()
    excluded = []
    for rule in rules:
        before = len(taken)
        taken.update(itertools.product(*((rule[name],) if name in rule else ids for name, ids in axes)))
        excluded.append(len(taken) - before)
    variants = len(source.matrix.cells)
    included = variants - (combinations - len(taken))
    return CellCount(tuple((name, len(ids)) for name, ids in axes), combinations, tuple(excluded), included, variants)
