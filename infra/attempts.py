"""Tries of one start of a schedule: counted in the store, because whoever sets a dead run going again has no limit.

A try that is followed by another without a run record was killed; the next one goes on under the same run id.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from infra.clock import Clock
from infra.errors import PreconditionFailedError, ShotrunnerError
from infra.open_production import new_run_id
from infra.process import this_process
from infra.records import create_record, read_record
from infra.storage.base import ObjectStore
from manifests.journal import Record, RunRecord
from manifests.naming import attempt_key, attempt_prefix, run_key

MOST_TRIES = 5
_RACES = 20


class TooManyTriesError(ShotrunnerError):
    summary = "every try died"


class Attempt(Record):
    """One flow run that took a start in hand. `tries`: how many in a row, this one too, since a run last ended."""

    schema_: Literal["attempt/1"] = Field(default="attempt/1", alias="schema")
    schedule: str
    instant: dt.datetime
    number: int
    tries: int
    run_id: str
    flow_runs: tuple[str, ...]  # of this run id, oldest first
    owner: str
    at: dt.datetime


def begin_attempt(store: ObjectStore, clock: Clock, schedule: str, instant: dt.datetime, flow_run: str) -> Attempt:
    """Puts this try on record. Raises TooManyTriesError when MOST_TRIES in a row have died, and StoreError."""
    for _ in range(_RACES):
        last = _last(store, schedule, instant)
        resumes = last is not None and read_record(store, run_key(last.run_id, "run.json"), RunRecord) is None
        before = last if resumes else None
        if before is not None and before.tries >= MOST_TRIES:
            raise TooManyTriesError(
                f"{before.tries} tries of the start of {instant:%Y-%m-%d %H:%M} UTC died, the last on {before.owner}",
                remedy="See the workers' logs (memory?). `shotrunner run --schedule S --date D` goes on by hand; what "
                "was paid is on record.",
            )
        flow_runs = (*(before.flow_runs if before else ()), flow_run)
        attempt = Attempt(
            schedule=schedule, instant=instant, number=last.number + 1 if last else 1,
            tries=before.tries + 1 if before else 1, run_id=before.run_id if before else new_run_id(clock),
            flow_runs=tuple(dict.fromkeys(f for f in flow_runs if f)), owner=this_process().owner, at=clock.now(),
        )  # fmt: skip
        try:
            create_record(store, attempt_key(schedule, instant, attempt.number), attempt)
        except PreconditionFailedError:
            continue
        return attempt
    raise TooManyTriesError(f"{_RACES} others began at the same time", remedy="run again")


def _last(store: ObjectStore, schedule: str, instant: dt.datetime) -> Attempt | None:
    keys = sorted(info.key for info in store.list(attempt_prefix(schedule, instant)))
    return read_record(store, keys[-1], Attempt) if keys else None
