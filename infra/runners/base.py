"""The MediaRunner port: where media steps are made, on this machine or on a cluster. Bytes come from the store and go
to it; what travels besides is small and plain. Knows nothing of records, takes or money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from opentelemetry import trace

from infra.blobs import BlobKind
from manifests.journal import BlobRef

TRACER = trace.get_tracer("shotrunner")  # without an exporter it costs nothing


@dataclass(frozen=True)
class StepJob:
    """One step to be made. `key` stands for all of it; `kind` is the class of blob that its files become."""

    key: str
    name: str
    params: Mapping[str, Any]
    inputs: Mapping[str, BlobRef]
    kind: BlobKind = "tmp"


@dataclass(frozen=True)
class StepMade:
    """`files` are in the store by now, by the name that the step gave them."""

    facts: Mapping[str, Any]
    files: Mapping[str, BlobRef]
    cpu_seconds: float


class MediaRunner(Protocol):
    """Contract, for every implementation:

    - `make` waits for a free place; as many steps are made at once as there are places.
    - The same job gives the same facts and the same bytes, wherever and however often it is made: a place that dies in
      the middle costs time, nothing else.
    - A cancelled `make` ends the step's processes, on whatever machine they are.
    - Errors: what the step itself raised, by class, with the same words everywhere; those of the store; ClusterError
      when a place is not fit to make anything.
    """

    async def make(self, job: StepJob) -> StepMade: ...
