"""The line between a run and the person who started it: events out, the wish to stop in.

A context variable, because the flow's parameters are only a plan's digest and a store: what a terminal wants to see
must not travel through an orchestrator.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

from infra.clock import Clock
from infra.events import Events
from infra.settings import RunnerName


class RunConsole:
    """`home`: the `.shotrunner` folder of the project whose settings count; None on a worker, which has its own.

    `clock`, `patience_seconds`, `pace` and `shelf` are for rehearsals, whose time runs faster than the vendor's, whose
    waits before another try are shorter still, and which make each file once for all seeds. `wait`: for another run of
    the campaign to end, and for a daily cap to open. `media_runner`: instead of the settings'.
    """

    def __init__(
        self,
        events: Events | None = None,
        home: Path | None = None,
        *,
        clock: Clock | None = None,
        patience_seconds: float | None = None,
        pace: float = 1.0,
        wait: bool = False,
        shelf: Path | None = None,
        media_runner: RunnerName | None = None,
    ) -> None:
        self.events = events or Events()
        self.home = home
        self.clock = clock
        self.patience_seconds = patience_seconds
        self.pace = pace
        self.wait = wait
        self.shelf = shelf
        self.media_runner = media_runner
        self.stopping = False
        self._stoppers: list[Callable[[], None]] = []

    def on_stop(self, stopper: Callable[[], None]) -> None:
        """`stopper` is called once, at the first wish to stop; at once if that was before."""
        self._stoppers.append(stopper)
        if self.stopping:
            stopper()

    def stop(self) -> None:
        """No new purchases; what is paid goes on being collected."""
        if self.stopping:
            return
        self.stopping = True
        self.events.emit("stopping")
        for stopper in self._stoppers:
            stopper()


CONSOLE: ContextVar[RunConsole | None] = ContextVar("shotrunner_console", default=None)


def current_console() -> RunConsole:
    """The console of this run, or a silent one when nobody is watching (a worker)."""
    return CONSOLE.get() or RunConsole()
