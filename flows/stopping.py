"""Asking a flow run to stop, however it is asked: SIGTERM from a worker, or Cancel on Prefect's own pages.

First nothing more is bought, and what is ready is collected. A worker kills after 30 s: in time for that, the rest
is left in flight and the run's record written. The next run collects it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from infra.console import CONSOLE, RunConsole
from infra.orchestrator import UNANSWERED

T = TypeVar("T")

LOOK_SECONDS = 5.0  # between two looks at the state of our own flow run
GRACE_SECONDS = 30.0  # Prefect's, from SIGTERM to SIGKILL
WRITE_SECONDS = 12.0  # of these, for the records, the dailies and the final state
_STOPPING = (StateType.CANCELLING, StateType.CANCELLED)


@dataclass
class Stop:
    """What was asked of this flow run. `cancelled`: by a person; a process that was only told to end is to go on
    elsewhere. `late` is set when collecting has to end."""

    console: RunConsole
    cancelled: bool = False
    terminated: bool = False
    late: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None

    @property
    def asked(self) -> bool:
        return self.cancelled or self.terminated

    def cancel(self) -> None:
        self.cancelled = True
        self.console.stop()

    def terminate(self) -> None:
        self.terminated = True
        self.console.stop()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS - WRITE_SECONDS, self.late.set)

    def forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """The work; when it gets late, it is cancelled: CancelledError then comes from here."""
        task = asyncio.ensure_future(work)
        late = asyncio.ensure_future(self.late.wait())
        try:
            await asyncio.wait((task, late), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                task.cancel()
            return await task
        finally:
            late.cancel()
            task.cancel()
            await asyncio.gather(late, task, return_exceptions=True)


@contextlib.asynccontextmanager
async def stoppable(console: RunConsole) -> AsyncIterator[Stop]:
    """Within a flow run. Under a worker, where nobody watches, SIGTERM is heard here instead of by Prefect: Prefect
    would raise in the middle of whatever is being paid. `run` hears the signals of a terminal itself."""
    stop = Stop(console)
    loop = asyncio.get_running_loop()
    worker = CONSOLE.get() is None
    if worker:
        loop.add_signal_handler(signal.SIGTERM, stop.terminate)
    watcher = asyncio.ensure_future(_watch(stop, str(flow_run.id or "")))
    try:
        yield stop
    finally:
        stop.forget()
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


async def _watch(stop: Stop, run: str) -> None:
    while run and not stop.cancelled:
        await asyncio.sleep(LOOK_SECONDS)
        if await _is_stopping(run):
            stop.cancel()


async def _is_stopping(run: str) -> bool:
    """A server that does not answer is no wish to stop."""
    try:
        async with get_client() as client:
            state = (await client.read_flow_run(UUID(run))).state
    except (PrefectException, ValueError, UNANSWERED):
        return False
    return state is not None and state.type in _STOPPING


async def state_after(stop: Stop, told: str) -> State[Any]:
    """Of a flow run that was asked to stop. Crashed sets it going again on another worker (see flows.deploying), so a
    person's Cancel is looked for once more: what ends within seconds was not looked at since its worker told it."""
    run = str(flow_run.id or "")
    if stop.cancelled or (run and await _is_stopping(run)):
        return State(type=StateType.CANCELLED, name="Cancelled", message=f"cancelled; {told}")
    return State(type=StateType.CRASHED, name="Crashed", message=f"its process was told to end; {told}")
