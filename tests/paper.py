"""A campaign that was filmed on paper only: its takes, their screening and a run's record are in the store, and nothing
was rendered. For tests of what people say and of what is bought next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.prepare import Prepared, make_plan
from flows.stored_plan import store_inputs
from infra.blobs import put_blob
from infra.ledger import FREE_SERVICE, repair_ledger, write_take_record
from infra.media.steps import STEPS
from infra.records import create_record, read_record
from infra.selections import circle_take
from infra.state import screen_inputs, screen_params
from infra.storage.base import ObjectStore
from manifests.digest import step_key
from manifests.expand import Want
from manifests.journal import Failure, Intent, Result, RunRecord, Selection, StepResult, TaskRecord
from manifests.naming import run_key, selection_key, step_record_key
from manifests.plan import Action, Options
from manifests.walk import choice_by_score

AT = dt.datetime(2026, 11, 23, 5, 30, tzinfo=dt.UTC)
RUN = "20261123-0530-7f3a"

FILM = """\
manifest: 1
kind: spot
name: paper
brand: brand.yaml
generate: {model: gen4.5, takes: 2, ratio: "16:9"}
shots:
  - id: pour
    duration: 2
    prompt:
      subject: A matte green kettle
      action: hot water pours in one steady stream into a cup
      environment: on the worktop of a kitchen
      camera: slow push in at cup height
      mood: warm side light, visible steam
  - id: sip
    duration: 2
    continues: pour
    prompt:
      subject: A hand with a white cup
      action: the cup is lifted slowly
      environment: the same kitchen
      camera: static medium shot, locked off
      mood: warm side light
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 2000}
"""
BRAND = """\
manifest: 1
kind: brand
name: alder
display_name: Alder
colours: {ink: "#16221C", paper: "#F4EFE6", accent: "#2E6B4F"}
look: muted cool palette, 35mm film grain
"""


@dataclass(frozen=True)
class Paper:
    """The project in the current folder."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / "film.yaml"

    @property
    def store(self) -> ObjectStore:
        return self.prepared().store

    def prepared(self, **options: Any) -> Prepared:
        return make_plan(self.manifest, options=Options(**options))

    def buys(self, **options: Any) -> list[str]:
        """Ids of what the next run would buy."""
        return [a.id for a in self.prepared(**options).plan.purchases]

    def change(self, old: str, new: str) -> None:
        text = self.manifest.read_text()
        assert text.count(old) == 1, old
        self.manifest.write_text(text.replace(old, new))

    def film(self, scores: Mapping[str, float] | None = None, failed: Mapping[str, str] | None = None) -> None:
        """Everything that can be bought, is: `scores` by action id, 0.8 unless given. `failed`: failure class by id;
        `unknown` has no answer and `in flight` a task."""
        for _ in range(10):
            prepared = self.prepared()
            todo = [a for a in prepared.plan.purchases if a.key is not None and a.credits]
            if not todo:
                return
            for action in todo:
                self.buy(prepared, action, (scores or {}).get(action.id, 0.8), (failed or {}).get(action.id))

    def buy(
        self, prepared: Prepared, action: Action, score: float = 0.8, failure: str | None = None,
        at: dt.datetime = AT,
    ) -> None:  # fmt: skip
        store, want = prepared.store, next(w for w in prepared.plan.every_want if w.id == action.want)
        key = str(action.key)
        intent = Intent(
            nonce="n", key=key, attempt=1, what=want.what, address=want.address, campaign=prepared.plan.campaign,
            lease_nonce="gone", plan="a" * 64, service=want.service, model=want.model, take=action.number, request={},
            reserved_credits=want.credits, at=at,
        )  # fmt: skip
        write_take_record(store, intent)
        if failure != "unknown":
            write_take_record(store, TaskRecord(key=key, attempt=1, task_id=f"task-{action.id.replace('/', '-')}",
                                                estimated_credits=want.credits, at=at))  # fmt: skip
        if failure is None:
            blob = put_blob(store, "take", f"{want.service} {key}".encode(), "video/mp4")
            result = Result(key=key, attempt=1, what=want.what, blob=blob, credits=want.credits, at=at)
            write_take_record(store, result)
            self._screen(store, want, result, score, at)
        elif failure not in ("unknown", "in flight"):
            write_take_record(store, Failure(key=key, attempt=1, code="X.1", detail="", failure_class=failure,
                                             retryable=failure in ("internal", "bad-output", "third-party", "lost"),
                                             credits=0, at=at))  # fmt: skip
        repair_ledger(store, prepared.plan.campaign, [key])

    def _screen(self, store: ObjectStore, want: Want, result: Result, score: float, at: dt.datetime) -> None:
        params = screen_params(want)
        key = step_key("screen", STEPS["screen"], params, screen_inputs(result.blob))
        facts = {"ok": score > 0, "score": score, "parts": {"sharpness": score}, "faults": []}
        record = StepResult(key=key, name="screen", version=STEPS["screen"], facts=facts, files={}, at=at)
        create_record(store, step_record_key(key), record)

    def ran(self, run_id: str = RUN, **options: Any) -> None:
        """A run of the plan as it is now has ended: what the score circles is circled."""
        prepared = self.prepared(**options)
        planner = prepared.planner
        for want_id, number in planner.circled.items():
            walk = planner.walks[planner.fell_back.get(want_id, want_id)]
            [chosen] = [n for n in (*walk.wanted, *walk.skipped) if n.number == number]
            circle_take(prepared.store, walk.segment, want_id.split("/")[0], choice_by_score(chosen, AT))
        record = RunRecord(
            run_id=run_id, campaign=prepared.plan.campaign, plan=store_inputs(prepared), flow_runs=(), started=AT,
            ended=AT, exit_code=0, problems=(), calls=0, steps_made={}, steps_kept={}, cpu_seconds=0, spent_credits=0,
            paid=prepared.plan.video_service != FREE_SERVICE, deliverables=(), dailies=None,
        )  # fmt: skip
        create_record(prepared.store, run_key(run_id, "run.json"), record)

    def selection(self, want_id: str) -> Selection | None:
        prepared = self.prepared()
        return read_record(prepared.store, selection_key(prepared.planner.walks[want_id].segment), Selection)

    def sha(self, want_id: str, number: int) -> str:
        walk = self.prepared().planner.walks[want_id]
        [found] = [n.result.blob.sha256 for n in (*walk.wanted, *walk.skipped) if n.number == number and n.result]
        return found
