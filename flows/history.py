"""Waiting until Prefect has written down what ran: a server that is stopped at once loses the last task runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.logging.handlers import APILogHandler

PATIENCE_SECONDS = 20.0
LOG_SECONDS = 5.0
LAST = " wrap"  # the task that ends every run; the recorder writes in order
PAGE = 200


async def log_written() -> None:
    """Sends the lines of the log that wait for the next batch. Without it Prefect looks for the stopped server for a
    minute before the process ends."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(APILogHandler.aflush(), LOG_SECONDS)


async def history_written(flow_run: str) -> bool:
    """Whether every task run of this flow run is on record and ended. Gives up after a while: the history is no
    production truth, and nobody should wait for it long."""
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run)]))
    end = time.monotonic() + PATIENCE_SECONDS
    async with get_client() as client:
        while time.monotonic() < end:
            runs: list[TaskRun] = []
            while len(runs) % PAGE == 0:
                page = await client.read_task_runs(flow_run_filter=chosen, limit=PAGE, offset=len(runs))
                runs += page
                if not page:
                    break
            ended = all(run.state is not None and run.state.is_final() for run in runs)
            if ended and any(run.name.endswith(LAST) for run in runs):
                return True
            await asyncio.sleep(0.25)
    return False
