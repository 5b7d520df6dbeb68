"""A start that waits for a person is looked at again, at each reminder and at each deadline of its schedule: a flow run
of the same deployment, planned in advance. What silence means then is the schedule's to say (`manifests.deadlines`).
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.states import Scheduled

from infra.orchestrator import UNANSWERED
from manifests.deadlines import gate_deadlines
from manifests.naming import slate
from manifests.occurrences import Occurrence
from manifests.schedule import Schedule

_MARGIN = dt.timedelta(minutes=1)  # after a deadline, so that it has passed on every clock


def next_look(schedule: Schedule, occurrence: Occurrence, now: dt.datetime) -> dt.datetime | None:
    """The first moment after `now` at which somebody is reminded, or has had time enough; None when there is none."""
    gates = gate_deadlines(schedule, occurrence)
    moments = [at for gate in gates for at in gate.reminders]
    moments += [gate.at + _MARGIN for gate in gates if gate.at is not None]
    return min((at for at in moments if at > now), default=None)


async def look_again(
    deployment: UUID, parameters: dict[str, str], schedule: Schedule, occurrence: Occurrence, now: dt.datetime
) -> str:
    """Plans that flow run, once however often it is asked for, and says when it is; empty when it is never."""
    at = next_look(schedule, occurrence, now)
    if at is None:
        return ""
    start = f"{occurrence.date}T{occurrence.local:%H:%M}"
    try:
        async with get_client() as client:
            await client.create_flow_run_from_deployment(
                deployment,
                parameters={**parameters, "occurrence": start},
                state=Scheduled(scheduled_time=at),
                name=slate(schedule.name, str(occurrence.date), "again"),
                idempotency_key=f"{deployment} {start} {at.isoformat()}",
                tags=["shotrunner", "looks-again"],
            )
    except (PrefectException, UNANSWERED) as error:
        return f"not planned again ({type(error).__name__})"
    return f"looked at again at {at:%Y-%m-%d %H:%M} UTC"
