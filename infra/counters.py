"""What a run counts for a machine to watch: credits, takes, waiting and encoding, in Prometheus' text format.

A file and not a port: a run is a process that ends, and the node exporter's textfile collector reads what it left.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, write_to_textfile

from infra.clock import Clock

EVERY_SECONDS = 10.0  # between two writings of the file
WAITS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)  # seconds; a take is made in one to two minutes
ENDS = ("collected", "failed", "refused", "unknown")


class Counters:
    """Listens to a run's events; without a folder it only counts. `purse` is `paid` or `play`, so that a rehearsal
    never looks like money."""

    def __init__(self, clock: Clock, campaign: str, purse: str, folder: Path | None = None) -> None:
        self._clock = clock
        self._path = folder / f"shotrunner-{campaign}.prom" if folder is not None else None
        self._written = float("-inf")
        self._accepted: dict[str, float] = {}
        self._held: dict[str, int] = {}
        self._labels = {"campaign": campaign, "purse": purse}
        self.registry = CollectorRegistry()
        names = tuple(self._labels)
        kept = self.registry
        self._reserved = Gauge(
            "shotrunner_credits_reserved", "Credits of creates without an answer", names, registry=kept
        )
        self._spent = Counter("shotrunner_credits_spent", "Credits that this run settled", names, registry=kept)
        self._takes = Counter(
            "shotrunner_takes", "Purchases by how they ended", (*names, "what", "state"), registry=kept
        )
        self._waits = Histogram(
            "shotrunner_queue_wait_seconds", "From the vendor's answer to its start", (*names, "model"),
            buckets=WAITS, registry=kept,
        )  # fmt: skip
        self._steps = Counter("shotrunner_steps", "Media steps made", (*names, "step"), registry=kept)
        self._step_seconds = Counter(
            "shotrunner_step_cpu_seconds", "Their processor time", (*names, "step"), registry=kept
        )
        self._reserved.labels(**self._labels).set(0)
        self._spent.labels(**self._labels)

    def listen(self, event: Mapping[str, Any]) -> None:
        kind = event["message_type"]
        if kind == "create":
            self._hold(event, event["credits"])
        elif kind == "accepted":
            self._hold(event, event["credits"])
            self._accepted[_name(event)] = self._clock.monotonic()
        elif kind == "progress" and event.get("status") == "RUNNING":
            began = self._accepted.pop(_name(event), None)
            if began is not None:
                self._waits.labels(**self._labels, model=event["model"]).observe(self._clock.monotonic() - began)
        elif kind in ENDS:
            self._end(event, kind)
        elif kind == "step":
            self._steps.labels(**self._labels, step=event["step"]).inc()
            self._step_seconds.labels(**self._labels, step=event["step"]).inc(event["seconds"])
        self.write(every=EVERY_SECONDS)

    def _hold(self, event: Mapping[str, Any], amount: int) -> None:
        self._held[_name(event)] = amount
        self._reserved.labels(**self._labels).set(sum(self._held.values()))

    def _end(self, event: Mapping[str, Any], kind: str) -> None:
        if kind != "unknown":  # that one stays reserved until somebody answers for it
            self._held.pop(_name(event), None)
            self._reserved.labels(**self._labels).set(sum(self._held.values()))
            self._spent.labels(**self._labels).inc(event.get("credits") or 0)
        self._takes.labels(**self._labels, what=event["what"], state=kind).inc()

    def write(self, *, every: float = 0.0) -> None:
        """The file, unless it is younger than `every` seconds. A full disk must not end a purchase."""
        now = self._clock.monotonic()
        if self._path is None or now - self._written < every:
            return
        self._written = now
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_to_textfile(str(self._path), self.registry)
        except OSError:
            return


def _name(event: Mapping[str, Any]) -> str:
    return f"{event['address']}/{event['what']}-{event['take']}"
