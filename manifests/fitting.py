"""Which films there is money for, when there is not enough for all: in plan order, each with all that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from manifests.expand import Want
from manifests.films import Source, Variant, variants_of
from manifests.loaded import LoadedCampaign
from manifests.matrix import Matrix
from manifests.naming import shot_address
from manifests.plan import Action, Verb


@dataclass(frozen=True)
class Fit:
    """Films that there is money for, those that there is none for, and ids of all wants behind the former."""

    films: tuple[Variant, ...]
    left_out: tuple[Variant, ...]
    wants: frozenset[str]


def films_that_fit(sources: Sequence[Source], wants: Sequence[Want], actions: Sequence[Action], credits: int) -> Fit:
    """One that is too dear is passed over: a later one may cost nothing more."""
    prices = _prices(actions)
    by_id = {want.id: want for want in wants}
    by_shot: dict[str, list[str]] = {}
    for want in wants:
        by_shot.setdefault(shot_address(want.address), []).append(want.id)
    counted: set[str] = set()
    kept: set[str] = set()
    left = credits
    films: list[Variant] = []
    rest: list[Variant] = []
    for variant in variants_of(sources):
        needed = _needed(variant, by_id, by_shot)
        purchases = {k: price for want in needed for k, price in prices.get(want, {}).items() if k not in counted}
        cost = sum(purchases.values())
        if cost > left:
            rest.append(variant)
            continue
        left -= cost
        counted |= set(purchases)
        kept |= set(needed)
        films.append(variant)
    return Fit(tuple(films), tuple(rest), frozenset(kept))


def only_films(campaign: LoadedCampaign, kept: Sequence[Variant]) -> LoadedCampaign:
    """The campaign with these films alone; at least one is kept."""
    cells: dict[str, list[tuple[str, ...]]] = {}
    for variant in kept:
        cells.setdefault(variant.source.id, []).append(variant.cell)
    sources = []
    for loaded in campaign.sources:
        source = loaded.source
        if source.id in cells:
            matrix = Matrix(axes=source.matrix.axes, cells=tuple(cells[source.id]))
            fields = {name: getattr(source, name) for name in Source.model_fields} | {"matrix": matrix}
            sources.append(replace(loaded, source=Source(**fields)))
    return replace(campaign, sources=tuple(sources))


def _prices(actions: Sequence[Action]) -> Mapping[str, dict[str, int]]:
    """By want: what each distinct purchase of it costs. One that shares another's request is that purchase."""
    dear = {a.key: a.credits for a in actions if a.key is not None and a.verb is Verb.BUY}
    found: dict[str, dict[str, int]] = {}
    for action in actions:
        price = dear.get(str(action.key), 0) if action.verb is Verb.SHARE else action.credits
        if price and action.verb in (Verb.BUY, Verb.SHARE):
            found.setdefault(action.want, {})[action.key or action.id] = price
    return found


def _needed(variant: Variant, by_id: Mapping[str, Want], by_shot: Mapping[str, Sequence[str]]) -> list[str]:
    """Ids of all wants behind one film: its pictures, what they start on, and its sounds."""
    spot = variant.spot
    lines = spot.sound.voiceover.lines if spot.sound.voiceover else ()
    effects = [(e.id or f"{e.at}-{n}", e) for n, e in enumerate(spot.sound.effects, 1)]
    todo = [want for shot in spot.shots for want in by_shot.get(variant.shot(shot.id), ())]
    todo += [f"{variant.line(line.id)}/line" for line in lines]
    todo += [f"{variant.effect(name)}/effect" for name, effect in effects if effect.prompt is not None]
    found: dict[str, None] = {}
    while todo:
        want = todo.pop()
        if want in by_id and want not in found:
            found[want] = None
            todo += by_id[want].needs
    return list(found)
