"""A schedule on a Prefect server: its work pool, its deployment, and the automations that notice a dead worker.

Says what it changes, and changes nothing that is as it should be. Makes no plan and reads no store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.utilities.callables import parameter_schema

from flows.scheduled import NEEDS_APPROVAL, SKIPPED, produce_scheduled
from infra.orchestrator import UNANSWERED, ServerError
from manifests.schedule import Schedule

ENTRYPOINT = "flows.scheduled.produce_scheduled"  # a module: nothing is fetched, the project is installed
HEARTBEAT_SECONDS = 30  # the least that Prefect takes
LOST_SECONDS = 75  # two heartbeats and a half
BEGIN_SECONDS = 300  # from the worker's taking it to its first line
CANCEL_SECONDS = 150  # 30 s of grace, and time for the worker to hear of it
# A worker whose flow process was killed says so twice, the second time when it has looked for hooks, seconds later.
# A run that had gone on by then would be Crashed while it works, and begun once more beside itself (Prefect 3.8).
RESUME_SECONDS = 30
_OVER = ("Completed", "Failed", "Cancelled", SKIPPED, NEEDS_APPROVAL)
_ENDED = ("Crashed", *_OVER)
_RESTS = ("Paused", "Suspended", "AwaitingRetry", "AwaitingConcurrencySlot", "Scheduled", "Late")


@dataclass(frozen=True)
class Deployed:
    """What is on the server now. `changes` in words, none when all was there; `paused`: nothing starts by itself."""

    deployment: UUID
    changes: tuple[str, ...]
    paused: bool


async def deploy(schedule: Schedule, bundle: str, store: str, pool: str) -> Deployed:
    """Makes or mends all of it. May be repeated. Raises ServerError."""
    try:
        return await _deploy(schedule, bundle, store, pool)
    except (PrefectException, UNANSWERED) as error:
        raise ServerError(f"{type(error).__name__}: {error}", remedy="see the server's log; apply again") from error


async def _deploy(schedule: Schedule, bundle: str, store: str, pool: str) -> Deployed:
    async with get_client() as client:
        changes = await _have_pool(client, pool)
        flow = await client.create_flow_from_name(produce_scheduled.name)
        before = await _read_deployment(client, f"{produce_scheduled.name}/{schedule.name}")
        wanted = _wanted(schedule, bundle, store, pool)
        told = _compared(before, wanted)
        if before is None or told:
            deployment = await _write_deployment(client, flow, schedule, wanted, before)
            changes += told or [f"deployment {produce_scheduled.name}/{schedule.name}: created"]
            found = await client.read_deployment(deployment)
        else:
            found = before
        for automation in automations_of(schedule.name, found.id):
            changes += await _have_automation(client, automation)
        paused = found.paused or not any(each.active for each in found.schedules)
        return Deployed(found.id, tuple(changes), paused)


async def _have_pool(client: PrefectClient, name: str) -> list[str]:
    """One that is there stays as it is, whatever its type: a team may run its workers in containers."""
    try:
        await client.read_work_pool(name)
    except ObjectNotFound:
        await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        return [f"work pool {name}: created, of processes"]
    return []


async def _read_deployment(client: PrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return await client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _wanted(schedule: Schedule, bundle: str, store: str, pool: str) -> dict[str, Any]:
    """What the deployment has to say, by what people call it."""
    return {
        "schedule": bundle,
        "store": store,
        "cron": schedule.when.cron,
        "time zone": schedule.when.timezone,
        "work pool": pool,
        "entry point": ENTRYPOINT,
        "at once": at_once(schedule),
        "collision": ConcurrencyLimitStrategy.ENQUEUE.value,
        "description": schedule.description or f"Runs {schedule.run} by its schedule.",
        "environment": {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS)},
    }


def at_once(schedule: Schedule) -> int:
    """Flow runs of the deployment at the same time. With `queue` each waits for the one before. With the others the
    second has to look: only the campaign's lease knows whether the first still works, and of several late starts
    Prefect's own CANCEL_NEW may let the wrong one live."""
    return 1 if schedule.overlap == "queue" else 2


def _compared(before: DeploymentResponse | None, wanted: Mapping[str, Any]) -> list[str]:
    if before is None:
        return []
    crons = [each.schedule for each in before.schedules if isinstance(each.schedule, CronSchedule)]
    limit, options = before.global_concurrency_limit, before.concurrency_options
    found = {
        "schedule": before.parameters.get("schedule"),
        "store": before.parameters.get("store"),
        "cron": crons[0].cron if len(crons) == len(before.schedules) == 1 else None,
        "time zone": crons[0].timezone if crons else None,
        "work pool": before.work_pool_name,
        "entry point": before.entrypoint,
        "at once": limit.limit if limit else None,
        "collision": options.collision_strategy.value if options else None,
        "description": before.description,
        "environment": before.job_variables.get("env"),
    }
    return [
        f"{name}: {_short(found[name])} → {_short(value)}" for name, value in wanted.items() if found[name] != value
    ]


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text


async def _write_deployment(
    client: PrefectClient, flow: UUID, schedule: Schedule, wanted: Mapping[str, Any], before: DeploymentResponse | None
) -> UUID:
    """Whoever paused it, or its schedule, on Prefect's own pages did so for a reason: that stays."""
    active = any(each.active for each in before.schedules) if before is not None and before.schedules else True
    cron = CronSchedule(cron=wanted["cron"], timezone=wanted["time zone"])
    return await client.create_deployment(
        flow_id=flow,
        name=schedule.name,
        schedules=[DeploymentScheduleCreate(schedule=cron, active=active)],
        concurrency_limit=wanted["at once"],
        concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy(wanted["collision"])),
        parameters={"schedule": wanted["schedule"], "store": wanted["store"]},
        parameter_openapi_schema=parameter_schema(produce_scheduled).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        description=wanted["description"],
        tags=["shotrunner"],
        work_pool_name=wanted["work pool"],
        entrypoint=wanted["entry point"],
        pull_steps=[],
        job_variables={"env": wanted["environment"]},
    )


# --- automations ---


def automations_of(schedule: str, deployment: UUID) -> list[AutomationCore]:
    """Prefect by itself leaves a run `Running`, `Pending` or `Cancelling` for ever when its machine is gone. None of
    these has a limit: the flow counts its own tries."""

    def named(name: str, why: str, trigger: EventTrigger, *actions: ChangeFlowRunState) -> AutomationCore:
        return AutomationCore(
            name=f"shotrunner {schedule}: {name}", description=why, trigger=trigger, actions=list(actions)
        )

    lost = ChangeFlowRunState(state=StateType.CRASHED, message=f"no heartbeat for {LOST_SECONDS} s: its worker is gone")
    silent = ChangeFlowRunState(
        state=StateType.CRASHED, message=f"not begun within {BEGIN_SECONDS} s: its worker is gone"
    )
    gone = ChangeFlowRunState(state=StateType.CANCELLED, message="cancelled; its worker is gone")
    again = ChangeFlowRunState(
        state=StateType.SCHEDULED, name="AwaitingRetry", message="goes on, on a worker that lives"
    )
    return [
        named(
            "heartbeat lost", "A run whose worker died is marked Crashed.",
            _silence(deployment, "heartbeat", ("heartbeat", "Cancelling", *_ENDED, *_RESTS), LOST_SECONDS), lost,
        ),
        named(
            "never began", "A run whose worker died before it began is marked Crashed.",
            _silence(deployment, "Pending", ("Running", "Cancelling", *_ENDED, *_RESTS), BEGIN_SECONDS), silent,
        ),
        named(
            "cancelled without a worker", "A run that was to be cancelled, and whose worker died, is Cancelled.",
            _silence(deployment, "Cancelling", (*_ENDED, *_RESTS), CANCEL_SECONDS), gone,
        ),
        named(
            "resume", "A run that crashed goes on, on whichever worker is there.",
            _silence(deployment, "Crashed", ("Pending", "Running", "Cancelling", *_OVER, *_RESTS), RESUME_SECONDS),
            again,
        ),
    ]  # fmt: skip


def _silence(deployment: UUID, after: str, expect: Sequence[str], seconds: int) -> EventTrigger:
    """Fires when, after one event of a flow run, none of the others comes in time."""
    return EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"}, match_related=_of(deployment),
        for_each={"prefect.resource.id"}, after=_events(after), expect=_events(*expect),
        posture=Posture.Proactive, threshold=1, within=timedelta(seconds=seconds),
    )  # fmt: skip


def _of(deployment: UUID) -> dict[str, str | list[str]]:
    return {"prefect.resource.id": f"prefect.deployment.{deployment}"}


def _events(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


async def _have_automation(client: PrefectClient, wanted: AutomationCore) -> list[str]:
    """One of each name: doubles are left over from a race of two who applied at once."""
    found = await client.read_automations_by_name(wanted.name)
    for double in found[1:]:
        await client.delete_automation(double.id)
    if not found:
        await client.create_automation(wanted)
        return [f"automation {wanted.name}: created"]
    core = AutomationCore.model_validate(found[0].model_dump(include=set(AutomationCore.model_fields)))
    parts = ("description", "trigger", "actions")
    if all(getattr(core, part) == getattr(wanted, part) for part in parts):
        return []
    await client.update_automation(found[0].id, wanted.model_copy(update={"enabled": found[0].enabled}))
    return [f"automation {wanted.name}: changed"]
