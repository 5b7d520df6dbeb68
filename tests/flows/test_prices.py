"""Prices that moved since the last run are agreed to again; a stored plan holds its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flows.prepare import make_plan
from flows.refusals import refuse_moved_prices
from flows.stored_plan import store_inputs
from infra.clock import SystemClock
from infra.errors import StalePlanError
from infra.records import create_record
from manifests.journal import RunRecord
from manifests.naming import run_key
from manifests.plan import Plan

NOW = SystemClock().now()


def ran(plan: Plan) -> RunRecord:
    return RunRecord(
        run_id="20261121-0900-aaaa", campaign=plan.campaign, plan=plan.digest, flow_runs=(), started=NOW, ended=NOW,
        exit_code=0, problems=(), calls=0, steps_made={}, steps_kept={}, cpu_seconds=0, spent_credits=0, paid=False,
        deliverables=(), dailies=None,
    )  # fmt: skip


@pytest.mark.parametrize(("factor", "refused"), [(1.0, False), (1.01, False), (1.05, True), (0.9, True)])
def test_only_a_move_of_more_than_two_per_cent_is_asked_about(examples: Path, factor: float, refused: bool) -> None:
    prepared = make_plan(examples / "morning-30s.yaml")
    wants = tuple(w.model_copy(update={"credits": round(w.credits / factor)}) for w in prepared.plan.wants)
    before = prepared.plan.model_copy(update={"wants": wants})
    store_inputs(replace(prepared, plan=before))
    create_record(prepared.store, run_key("20261121-0900-aaaa", "run.json"), ran(before))
    if refused:
        with pytest.raises(StalePlanError, match="prices have moved"):
            refuse_moved_prices(prepared)
    else:
        refuse_moved_prices(prepared)


def test_a_first_run_has_nothing_to_compare_with(examples: Path) -> None:
    refuse_moved_prices(make_plan(examples / "morning-30s.yaml"))
