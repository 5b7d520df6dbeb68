"""Flow runs that were killed by hand or with their machine: Prefect shows them `Running` for ever. Whoever holds the
campaign's lease knows better. Runs of a deployment are not touched: their automations see to them.
"""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterName,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException
from prefect.states import Crashed

from infra.orchestrator import UNANSWERED


async def mark_orphans(campaign: str, store: str, this: str) -> int:
    """How many runs of this campaign and store are Crashed now. A server that does not answer stops nothing."""
    named = FlowRunFilter(
        name=FlowRunFilterName(any_=[campaign]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING])),
    )
    marked = 0
    try:
        async with get_client() as client:
            flows = FlowFilter(name=FlowFilterName(any_=["produce"]))
            for run in await client.read_flow_runs(flow_filter=flows, flow_run_filter=named):
                ours = run.parameters.get("store") == store and run.deployment_id is None
                if ours and str(run.id) != this:
                    message = "its process is gone; the run after it goes on with what was paid"
                    await client.set_flow_run_state(run.id, Crashed(message=message), force=True)
                    marked += 1
    except (PrefectException, UNANSWERED):
        return marked
    return marked
