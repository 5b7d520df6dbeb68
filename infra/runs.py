"""Run records in the store: what each application of a plan ended with."""

from __future__ import annotations

from infra.records import read_record
from infra.storage.base import ObjectStore
from manifests.journal import RunRecord
from manifests.naming import run_prefix


def list_runs(store: ObjectStore, campaign: str | None = None) -> list[RunRecord]:
    """Runs that ended, oldest first."""
    keys = [info.key for info in store.list(run_prefix()) if info.key.endswith("/run.json")]
    found = [record for key in keys if (record := read_record(store, key, RunRecord)) is not None]
    return sorted((r for r in found if campaign in (None, r.campaign)), key=lambda r: r.started)


def last_run(store: ObjectStore, campaign: str, *, speech: bool = False) -> RunRecord | None:
    """The last one that was to make films; with `speech` also one that only made what is spoken in them."""
    runs = (run for run in reversed(list_runs(store, campaign)) if speech or not run.speech_only)
    return next(runs, None)
