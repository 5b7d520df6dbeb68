"""A start of a schedule on a Prefect worker: its files out of the store, whether it goes ahead, its plan, its films.

The parameters are the digest of what `schedule apply` put into the store, and that store. Whoever runs it again, after
a death or from Prefect's own pages, goes on with the same start.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.exceptions import PrefectException
from prefect.states import Cancelling

from flows.apply import finished_films, pictures_after, refuse_gates, refuse_what_is_missing
from flows.campaign import INTERRUPTED, Ended, produce_plan
from flows.costs import refuse_unexplained
from flows.prepare import Prepared
from flows.refusals import BudgetHeldError, refuse_drift, refuse_over_budget
from flows.reminding import look_again
from flows.scheduling import Planned, begin_scheduled, decide, find_occurrence, prepare_scheduled, read_start
from flows.stopping import Stop, state_after, stoppable
from flows.stored_plan import store_inputs
from infra.attempts import begin_attempt
from infra.bundle import open_bundle
from infra.clock import SystemClock
from infra.console import current_console
from infra.errors import ApprovalNeededError, LeaseHeldError, ShotrunnerError, StoppedError
from infra.lease import acquire_patiently, acquire_when_free
from infra.orchestrator import UNANSWERED
from infra.settings import Settings, read_settings
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.diagnostics import ManifestError
from manifests.naming import slate
from manifests.occurrences import NoOccurrenceError, Occurrence, occurrence_at, occurrences
from manifests.schedule import Schedule
from manifests.scheduled import read_schedule
from manifests.starting import Start

# Names beside Prefect's own: the first counts as Completed, the second as Failed, and its Retry goes on
SKIPPED, NEEDS_APPROVAL = "Skipped", "NeedsApproval"
_BACK = (dt.timedelta(days=2), dt.timedelta(days=35), dt.timedelta(days=400))


@flow(name="produce-scheduled", persist_result=False, retries=0)
async def produce_scheduled(schedule: str, store: str, occurrence: str | None = None) -> State[Any]:
    """`occurrence`: the day of another start (2026-12-14, or 2026-12-14T05:30), in place of the scheduled time."""
    async with stoppable(current_console()) as stop:
        with tempfile.TemporaryDirectory(prefix="shotrunner-") as folder:
            try:
                found = await asyncio.to_thread(_find, schedule, store, occurrence, Path(folder))
                found = await _as_applied_now(found, Path(folder) / "anew")
                state = await _produce(found, stop)
                return await _plan_next_look(found, state, {"schedule": found.digest, "store": store})
            except LeaseHeldError as held:  # of a machine elsewhere, which lives
                return _skipped(slate("schedule", schedule[:12]), Start("skipped", held.detail))
            except StoppedError as stopped:  # while it waited for another run
                return await state_after(stop, stopped.detail)
            except (ShotrunnerError, ManifestError) as error:
                return _failed(error)


async def _produce(found: Found, stop: Stop) -> State[Any]:
    """From a start to its films, in as many plans as it takes: where lines make shots longer, speech comes first."""
    await _name_run(found)
    planned, start = await asyncio.to_thread(_judge, found)
    if start.unless and await _lives(found, planned):
        return _skipped(found.name, Start("skipped", start.unless))
    if start.waits:
        await _make_way(found, planned, start, stop)
    if start.waits or start.unless:
        planned, start = await asyncio.to_thread(_judge, found)
    if planned is None or not start.goes:
        return _skipped(found.name, start)
    begun = await asyncio.to_thread(begin_scheduled, planned)  # first: whoever goes on later goes on with these values
    await asyncio.to_thread(_refuse, begun.prepared)
    attempt = await asyncio.to_thread(
        begin_attempt, found.store, SystemClock(), found.name, found.occurrence.instant, str(found.flow_run.id)
    )
    if attempt.tries > 1:
        await _until_free(found, planned.prepared.plan.campaign, stop)
    prepared: Prepared | None = begun.prepared
    ended: Ended | None = None
    while prepared is not None:
        digest = await asyncio.to_thread(_store_plan, prepared)
        if digest is None:
            break
        ended = await produce_plan(digest, found.store_url, found.settings, stop, attempt=None if ended else attempt)
        prepared = await asyncio.to_thread(pictures_after, prepared, ended.record.exit_code)
    return await _state_of(ended, stop)


@dataclass(frozen=True)
class Found:
    """A start on this machine."""

    digest: str  # of its files in the store
    path: Path  # of the schedule, beside its other files
    name: str
    occurrence: Occurrence
    by_hand: bool
    store: ObjectStore
    store_url: str
    settings: Settings
    flow_run: FlowRun


def _find(digest: str, store_url: str, text: str | None, folder: Path) -> Found:
    """Which start this flow run is, with its files in `folder`."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("called outside of its flow run")
    run: FlowRun = context.flow_run
    store = open_store(store_url, folder)
    path = open_bundle(store, digest, folder)
    schedule = read_schedule(path).schedule
    settings = read_settings(folder).model_copy(update={"store": store_url})
    # Prefect's own kind of datetime loses its zone in arithmetic
    due = dt.datetime.fromtimestamp((run.expected_start_time or SystemClock().now()).timestamp(), dt.UTC)
    by_hand = text is not None or not run.auto_scheduled
    occurrence = find_occurrence(schedule, text) if text else _occurrence_of(schedule, due, exactly=not by_hand)
    return Found(digest, path, schedule.name, occurrence, by_hand, store, store_url, settings, run)


async def _as_applied_now(found: Found, folder: Path) -> Found:
    """A start that was settled anew goes on with the files that are applied now, and not with those of its flow run: a
    corrected table may name others."""
    begun = await asyncio.to_thread(read_start, found.store, found.name, found.occurrence.instant)
    if begun is None or begun.number == 1 or found.flow_run.deployment_id is None:
        return found
    try:
        async with get_client() as client:
            deployment = await client.read_deployment(found.flow_run.deployment_id)
    except (PrefectException, UNANSWERED):  # it is gone, or nobody knows: with the files that it was given
        return found
    digest = str((deployment.parameters or {}).get("schedule", found.digest))
    if digest == found.digest:
        return found
    there = await asyncio.to_thread(_find, digest, found.store_url, None, folder)
    return replace(there, occurrence=found.occurrence, by_hand=found.by_hand)


def _occurrence_of(schedule: Schedule, due: dt.datetime, *, exactly: bool) -> Occurrence:
    """The start that the server had planned for that instant; of a run that a person started, the last one due."""
    if exactly:
        try:
            return occurrence_at(schedule, due)
        except NoOccurrenceError as error:  # planned by the server before the schedule was changed
            told = due.astimezone(dt.UTC)
            return Occurrence(told, told, told.date(), "", skipped=f"the schedule has changed: {error.detail}")
    for back in _BACK:
        before = itertools.takewhile(lambda o: o.instant <= due, occurrences(schedule, due - back))
        if found := [o for o in before if not o.skipped]:
            return found[-1]
    return next(o for o in occurrences(schedule, due) if not o.skipped)


def _judge(found: Found) -> tuple[Planned | None, Start]:
    if found.occurrence.skipped:
        return None, Start("skipped", found.occurrence.skipped)
    planned = prepare_scheduled(found.path, found.occurrence, settings=found.settings)
    return planned, decide(planned, by_hand=found.by_hand)


def _refuse(prepared: Prepared) -> None:
    """What a run refuses before anything is paid. Money needs no further word: whoever applied the schedule gave it."""
    refuse_drift(prepared)
    refuse_gates(prepared.plan)
    refuse_over_budget(prepared.plan)
    refuse_what_is_missing(prepared, wait=True)
    refuse_unexplained(prepared)


def _store_plan(prepared: Prepared) -> str | None:
    """Its digest; None when there is nothing left to do."""
    refuse_over_budget(prepared.plan)
    if not prepared.plan.is_speech and finished_films(prepared.store, prepared.plan, prepared.planner) is not None:
        return None
    return store_inputs(prepared, lock_beside=False)


async def _lives(found: Found, planned: Planned | None) -> bool:
    """Whether the campaign's run on another machine renews its lease. Nothing is on record yet of a start that may be
    skipped: `status`, `circle` and `approve` mean the one that was begun last."""
    if planned is None:
        return False
    try:
        lease = await acquire_patiently(found.store, SystemClock(), planned.prepared.plan.campaign)
    except LeaseHeldError:
        return True
    await asyncio.to_thread(lease.release)
    return False


async def _make_way(found: Found, planned: Planned | None, start: Start, stop: Stop) -> None:
    """`overlap`: the run that still works is cancelled where the schedule says so, and waited for."""
    if start.cancels and found.flow_run.deployment_id is not None:
        chosen = DeploymentFilter(id=DeploymentFilterId(any_=[found.flow_run.deployment_id]))
        working = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])))
        async with get_client() as client:
            for other in await client.read_flow_runs(deployment_filter=chosen, flow_run_filter=working):
                if other.id != found.flow_run.id:
                    await client.set_flow_run_state(
                        other.id, Cancelling(message=f"{found.name}: the next start is due")
                    )
    if planned is not None:
        await _until_free(found, planned.prepared.plan.campaign, stop)


async def _until_free(found: Found, campaign: str, stop: Stop) -> None:
    """However long another run of the campaign takes. Raises StoppedError when this one is told to stop meanwhile."""
    clock = SystemClock()

    def told(held: LeaseHeldError) -> None:
        stop.console.events.emit("lease", campaign=campaign, seconds=round(held.seconds_left), why=held.detail)

    lease = await acquire_when_free(found.store, clock, campaign, waits=told, stopped=lambda: stop.console.stopping)
    await asyncio.to_thread(lease.release)


async def _name_run(found: Found) -> None:
    """By its schedule and day. A server that does not take the name stops nothing."""
    try:
        async with get_client() as client:
            await client.update_flow_run(found.flow_run.id, name=slate(found.name, str(found.occurrence.date)))
    except (PrefectException, UNANSWERED):
        return


# --- what people see ---


async def _state_of(ended: Ended | None, stop: Stop) -> State[Any]:
    if ended is None:
        return State(type=StateType.COMPLETED, message="nothing to do: every film is there")
    code = ended.record.exit_code
    if stop.asked and code == INTERRUPTED:
        return await state_after(stop, ended.told)
    if code == 0:
        return State(type=StateType.COMPLETED, message=ended.told)
    name = NEEDS_APPROVAL if code == ApprovalNeededError.exit_code else "Failed"
    return State(type=StateType.FAILED, name=name, message=f"exit {code}: {ended.told}")


async def _plan_next_look(found: Found, state: State[Any], parameters: dict[str, str]) -> State[Any]:
    """Where people are waited for, and the schedule says until when."""
    deployment = found.flow_run.deployment_id
    if state.name == NEEDS_APPROVAL and deployment is not None:
        schedule = await asyncio.to_thread(read_schedule, found.path)
        told = await look_again(deployment, parameters, schedule.schedule, found.occurrence, SystemClock().now())
        state.message = f"{state.message}; {told}" if told else state.message
    return state


def _failed(error: ShotrunnerError | ManifestError) -> State[Any]:
    name = NEEDS_APPROVAL if isinstance(error, ApprovalNeededError | BudgetHeldError) else "Failed"
    return State(type=StateType.FAILED, name=name, message=str(error))


def _skipped(name: str, start: Start) -> State[Any]:
    """Completed, for nothing has failed; and an event, for whoever wants to be told."""
    emit_event(
        f"shotrunner.schedule.{start.kind}",
        resource={"prefect.resource.id": f"shotrunner.schedule.{name.replace(' ', '.')}"},
        payload={"why": start.why},
    )
    return State(type=StateType.COMPLETED, name=SKIPPED, message=f"{start.kind}: {start.why}")
