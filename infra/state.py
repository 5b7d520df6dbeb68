"""What the store says of takes, stills and sounds, for the planner and for the flow. Reads only.

Answers are remembered for the life of the object: make a new one to look again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.clock import Clock
from infra.lease import living_leases
from infra.ledger import read_history
from infra.media.steps import STEPS
from infra.records import read_record
from infra.storage.base import ObjectStore
from manifests.digest import step_key
from manifests.expand import Want
from manifests.journal import BlobRef, Result, Selection, StepResult, TakeHistory
from manifests.naming import selection_key, step_record_key
from manifests.walk import Screened


def screen_params(want: Want) -> dict[str, Any]:
    """Parameters of the screening step for a take or a still."""
    return {
        "kind": want.what,
        "width": want.width,
        "height": want.height,
        "rate": "24",
        "frames": want.frames,
    }


def screened_of(record: StepResult) -> Screened:
    facts = record.facts
    return Screened(
        ok=bool(facts["ok"]),
        score=float(facts["score"]),
        parts={k: float(v) for k, v in facts["parts"].items()},
        faults=tuple(f"{f['code']}: {f['detail']}" for f in facts["faults"]),
        frames=int(facts.get("probe", {}).get("frames", 0)),
    )


class StoreState:
    """The StateReader of one store (see `manifests.plan`)."""

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._histories: dict[str, TakeHistory] = {}
        self._selections: dict[str, Selection | None] = {}
        self._screenings: dict[str, StepResult | None] = {}
        self._leases: Sequence[str] | None = None

    def history(self, key: str) -> TakeHistory:
        if key not in self._histories:
            self._histories[key] = read_history(self._store, key)
        return self._histories[key]

    def selection(self, segment_key: str) -> Selection | None:
        if segment_key not in self._selections:
            self._selections[segment_key] = read_record(self._store, selection_key(segment_key), Selection)
        return self._selections[segment_key]

    def screening(self, want: Want, result: Result) -> Screened | None:
        """Sounds are never screened: None."""
        if want.what not in ("take", "still"):
            return None
        record = self.screening_record(want, result.blob)
        return screened_of(record) if record else None

    def screening_record(self, want: Want, blob: BlobRef) -> StepResult | None:
        key = step_key("screen", STEPS["screen"], screen_params(want), screen_inputs(blob))
        if key not in self._screenings:
            self._screenings[key] = read_record(self._store, step_record_key(key), StepResult)
        return self._screenings[key]

    def living_leases(self) -> Sequence[str]:
        if self._leases is None:
            self._leases = living_leases(self._store, self._clock)
        return self._leases


def screen_inputs(blob: BlobRef) -> Mapping[str, str]:
    return {"take": blob.sha256}
