"""When will it be finished: a simulation of the purchases on so many slots. An estimate, and it says from what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from manifests.catalogue import ModelCard
from manifests.expand import Want
from manifests.plan import Action, Verb


def priorities_of(wants: Sequence[Want], models: Mapping[str, ModelCard]) -> dict[str, float]:
    """By want id, the seconds of the longest chain of purchases that ends when it and all that waits behind it is
    there: the longest goes first. `wants` come after what they need."""
    behind: dict[str, float] = {}
    for want in reversed(wants):
        behind[want.id] = models[want.model].seconds_to_make[1] + behind.get(want.id, 0.0)
        for needed in want.needs:
            behind[needed] = max(behind.get(needed, 0.0), behind[want.id])
    return behind


def estimate_seconds(
    wants: Sequence[Want], actions: Sequence[Action], models: Mapping[str, ModelCard], slots: int, *, slow: bool
) -> int:
    """Seconds until the last purchase is there, with `slots` generations of each model at once. Blanks wait for every
    action of the want that they name."""
    model_of = {w.id: w.model for w in wants}
    free: dict[str, list[float]] = {}
    done: dict[str, float] = {}
    todo_of = Counter(a.want for a in actions if a.verb in (Verb.BUY, Verb.COLLECT))
    for want in wants:
        ready = max((done.get(n, 0.0) for n in want.needs), default=0.0)
        lanes = free.setdefault(model_of[want.id], [0.0] * slots)
        seconds = models[want.model].seconds_to_make[1 if slow else 0]
        for _ in range(todo_of[want.id]):
            start = max(heappop(lanes), ready)
            heappush(lanes, start + seconds)
            done[want.id] = max(done.get(want.id, 0.0), start + seconds)
        done.setdefault(want.id, ready)
    return round(max(done.values(), default=0.0))
