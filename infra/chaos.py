"""The weather of a rehearsal: from a seed, which calls and tasks misbehave and when the run is killed. Pure: the same
seed and film give the same schedule, on any machine."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from infra.backlot.faults import FaultRule

# Of a create's answer. Half of them after the vendor has charged, half before.
ANSWERS = (
    "lose-answer",
    "status:500",
    "status:502-html",
    "status:503-busy",
    "status:504-html",
    "status-before-charge:500",
    "status-before-charge:502-html",
    "status-before-charge:503",
    "status:408",
    "status:429",
    "status:401",
    "status:400-quota",
    "slow:0.4",
)
# Of a task and what it makes: pictures only.
TASKS = (
    "fail:SAFETY.INPUT.TEXT",
    "fail:SAFETY.OUTPUT.VIDEO",
    "fail:INPUT_PREPROCESSING.SAFETY.TEXT",
    "fail:INPUT_PREPROCESSING.INTERNAL",
    "fail:INTERNAL.BAD_OUTPUT.CODE01",
    "fail:INTERNAL",
    "fail:ASSET.INVALID",
    "fail:THIRD_PARTY.UNAVAILABLE",
    "fail:A.CODE.OF.NEXT.YEAR",
    "fail:null",
    "stuck",
    "unknown-status:2",
    "missing-cost",
    "expired-link:1",
    "expired-link:3",
    "truncated-download:1",
    "truncated-download:3",
    "wrong-size",
    "black",
    "frozen",
)
# Of the looks that follow: these cost nothing and must not end a run.
LOOKS = (
    ("/v1/tasks", "lose-answer"),
    ("/v1/tasks", "status:503-html"),
    ("/v1/tasks", "status:429"),
    ("/v1/tasks", "slow:0.2"),
    ("/outputs", "status:503"),
    ("/outputs", "lose-answer"),
)
KINDS = (*ANSWERS, *TASKS, *(f"{path} {fault}" for path, fault in LOOKS))
EVENTS_PER_PURCHASE = 5  # create, accepted, progress, collected, step: what a run tells of each, about
LONGEST_DELAY = 0.25  # seconds after an event, so that kills fall between events, too


@dataclass(frozen=True)
class Film:
    """What a schedule must know of a manifest: first purchases by model, and how many are sounds."""

    pictures: Mapping[str, int]
    sounds: int
    credits: int
    reserve: Decimal = Decimal(0)

    @property
    def purchases(self) -> int:
        return sum(self.pictures.values()) + self.sounds


@dataclass(frozen=True)
class Kill:
    """`kill -9` of the run's process group, so many seconds after its event of that number."""

    event: int
    seconds: float


@dataclass(frozen=True)
class Schedule:
    seed: int
    faults: tuple[FaultRule, ...]
    kills: tuple[Kill, ...]  # of the first run, the second, …; the last runs are left alone
    rebuy_unknown: bool  # whether a person says --rebuy-unknown in the end
    budget: int | None  # a tight limit instead of the manifest's
    concurrency: int

    def as_facts(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "faults": [rule.model_dump(exclude_none=True) for rule in self.faults],
            "kills": [asdict(kill) for kill in self.kills],
            "rebuy_unknown": self.rebuy_unknown,
            "budget": self.budget,
            "concurrency": self.concurrency,
        }


def make_schedule(seed: int, film: Film) -> Schedule:
    """Seeds 0, 1, 2 … go through every kind of fault in turn, each with a handful of others beside it."""
    dice = random.Random(f"rehearsal {seed}")  # noqa: S311 - chance that has to repeat
    kinds = [KINDS[seed % len(KINDS)], *(dice.choice(KINDS) for _ in range(dice.randint(1, 4)))]
    faults = tuple(_make_rule(kind, film, dice, first=n == 0) for n, kind in enumerate(kinds))
    span = max(6, film.purchases * EVENTS_PER_PURCHASE)
    kills = tuple(
        Kill(dice.randint(1, span), round(dice.uniform(0, LONGEST_DELAY), 3))
        for _ in range(dice.choice((0, 1, 1, 2, 3)))
    )
    rebuy = dice.random() < 0.7
    tight = dice.random() < 0.25
    spare = dice.randint(0, max(1, film.credits // 2))
    budget = round(film.credits / (1 - film.reserve)) + 1 + spare if tight else None
    return Schedule(seed, faults, kills, rebuy, budget, concurrency=dice.choice((1, 2, 4, 8)))


def _make_rule(kind: str, film: Film, dice: random.Random, *, first: bool) -> FaultRule:
    """The fault that a seed is about comes early enough to be met; the others anywhere."""
    path, _, fault = kind.rpartition(" ")
    if path:
        match: dict[str, Any] = {"endpoint": path, "nth": dice.randint(1, 2 if first else 3 * film.purchases)}
        return FaultRule.model_validate({"match": match, "fault": fault, "times": dice.randint(1, 3)})
    models: Sequence[str] = sorted(film.pictures)
    if fault in TASKS:
        model = dice.choice(models)
        match = {"model": model, "nth": dice.randint(1, film.pictures[model])}
        most = 4 if fault.startswith("fail:") or fault in ("black", "frozen") else 2
    else:
        match, most = {"nth": dice.randint(1, film.purchases)}, 2
    return FaultRule.model_validate({"match": match, "fault": fault, "times": dice.randint(1, most)})
