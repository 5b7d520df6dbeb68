"""What a planner is going to ask of a distant store, asked before it does: for all wants at once, and once more for
those that start on a picture which the first answers circle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from infra.storage.base import ObjectStore, is_far
from infra.storage.far import ask_each
from manifests.expand import Want, find_blanks
from manifests.planner import Planner


def add_all(wants: Sequence[Want], make_planner: Callable[[], Planner], store: ObjectStore) -> Planner:
    """A planner that has walked `wants`, in their order. Its state has to remember its answers: others walk first, want
    by want, and only what the store told them is kept."""
    if is_far(store):
        _look_ahead(wants, make_planner, store)
    planner = make_planner()
    for want in wants:
        planner.add(want)
    return planner


def _look_ahead(wants: Sequence[Want], make_planner: Callable[[], Planner], store: ObjectStore) -> None:
    known = make_planner()

    def walk(want: Want) -> Planner:
        scout = make_planner()
        scout.pictures.update(known.pictures)
        scout.trims.update(known.trims)
        scout.add(want)
        return scout

    for generation in _generations(wants):
        for scout in ask_each(store, walk, generation):
            known.pictures.update(scout.pictures)
            known.trims.update(scout.trims)


def _generations(wants: Iterable[Want]) -> list[list[Want]]:
    """First those that start on nothing, then those that start on one of these, and so on."""
    depth: dict[str, int] = {}
    found: list[list[Want]] = []
    for want in wants:
        depth[want.id] = 1 + max((depth.get(blank["from"], -1) for blank in find_blanks(want.body)), default=-1)
        found += [[] for _ in range(depth[want.id] + 1 - len(found))]
        found[depth[want.id]].append(want)
    return found
