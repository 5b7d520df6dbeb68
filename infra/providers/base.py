"""The VideoProvider port: what a vendor of stills and takes must be able to do. Holds no vendor's detail."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class MediaInput:
    """Bytes that a request needs, on this machine."""

    sha256: str
    path: Path
    content_type: str


@dataclass(frozen=True)
class ProviderRequest:
    """One create: `endpoint` such as `/v1/image_to_video`; in `body` every media input is `{"sha256": …}` or another
    mapping that is a key of `media` by its canonical JSON digest (see `infra.buying`)."""

    endpoint: str
    body: Mapping[str, object]
    media: Mapping[str, MediaInput] = field(default_factory=dict)  # by sha256 of the input's place-holder


@dataclass(frozen=True)
class Accepted:
    """The answer to a create. `estimated_credits` is the most that the task may charge, where the vendor says it."""

    task_id: str
    estimated_credits: int | None
    request_id: str | None = None


class TaskState(enum.StrEnum):
    WAITING = "waiting"  # pending or throttled: accepted, not started
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNRECOGNISED = "unrecognised"  # a status that we do not know: keep waiting, warn, never count as success


@dataclass(frozen=True)
class TaskReport:
    """One look at a task. `cost_credits` is known only in a terminal state."""

    task_id: str
    state: TaskState
    vendor_status: str
    progress: float | None = None
    outputs: tuple[str, ...] = ()
    failure: str | None = None
    failure_code: str | None = None
    cost_credits: int | None = None


@dataclass(frozen=True)
class ModelLimits:
    """Of one model, as the account has them now. None means no limit."""

    concurrent: int | None
    daily: int | None
    used_today: int


@dataclass(frozen=True)
class AccountLimits:
    balance_credits: int
    models: Mapping[str, ModelLimits]


class VideoProvider(Protocol):
    """Contract: `submit` sends its create exactly once, ever: no retry, no redirect. It raises RefusedError (or a
    subclass), CreditsExhaustedError, or UnknownOutcomeError, and never anything else for an HTTP outcome.
    `poll`, `collect`, `cancel` and `limits` may retry reads, with backoff and jitter."""

    service: str  # `runway`, `backlot`, or a configured name; part of every take key

    async def submit(self, request: ProviderRequest) -> Accepted: ...

    async def poll(self, task_id: str) -> TaskReport:
        """Raises TaskMissingError, CredentialsError, VendorUnavailableError."""
        ...

    def collect(self, output: str) -> AsyncIterator[bytes]:
        """The bytes of one output link. Raises LinkExpiredError, DownloadError (shorter or longer than announced)."""
        ...

    async def cancel(self, task_id: str) -> None:
        """Deleting what is already gone is success. No refund is assumed."""
        ...

    async def limits(self) -> AccountLimits: ...

    async def close(self) -> None: ...
