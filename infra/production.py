"""One application of one plan: the store, the buyer, the steps and the lease that it needs, opened and closed together.

Holds no order (that is flows) and no policy (that is tasks).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from infra.blobs import blob_file, find_blob
from infra.buying import Buyer, Purchase
from infra.clock import Clock
from infra.console import RunConsole
from infra.errors import NotFoundError, ShotrunnerError, StalePlanError
from infra.events import Events
from infra.lease import HeldLease
from infra.providers.base import MediaInput
from infra.records import read_record
from infra.selections import read_gates
from infra.settings import Settings
from infra.state import StoreState
from infra.steps import StepRunner
from infra.storage.base import ObjectStore
from manifests.approvals import ReviewGates
from manifests.catalogue import ModelCard, Profile
from manifests.digest import digest_json
from manifests.estimate import priorities_of
from manifests.expand import ALONE, OUT_FRAME, Want
from manifests.films import Variant
from manifests.journal import BlobRef, LineFit, RunEvent
from manifests.naming import plan_key
from manifests.plan import Plan
from manifests.schedule import Notify
from manifests.schema import Brand, Spot, VoiceLine
from manifests.timing import Cut
from manifests.walk import Numbered


@dataclass
class Production:
    """What every step of one run has in its hands."""

    plan: Plan
    run_id: str
    spot: Spot
    brand: Brand
    cut: Cut
    models: Mapping[str, ModelCard]
    profiles: Mapping[str, Profile]
    store: ObjectStore
    clock: Clock
    settings: Settings
    events: Events
    buyer: Buyer
    steps: StepRunner
    work: Path
    lease: HeldLease
    started: dt.datetime
    console: RunConsole
    problems: list[ShotrunnerError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)  # what went on without being a failure
    fits: dict[tuple[object, ...], LineFit] = field(default_factory=dict)  # of lines that were spoken
    shown: dict[str, str] = field(default_factory=dict)  # sections of this run's films: the step of each, by its key
    stopped_shots: set[str] = field(default_factory=set)  # by moderation, told already
    paused: set[type[ShotrunnerError]] = field(default_factory=set)  # told already
    pace: float = 1.0  # of every wait: the backlot's time runs faster
    flow_runs: tuple[str, ...] = ()  # of this run before it was killed
    decisions: Sequence[RunEvent] = ()  # what was done that the plan did not have
    bought_from: float | None = None  # on the clock's own counter: the first create, and
    bought_until: float = 0.0  # the last take that was collected
    calls: int = 0  # creates sent by this run
    spent: int = 0  # credits settled by this run
    variant: Variant = ALONE  # whose film this is; of the whole campaign, none
    # by address, first and number of frames: where any film cuts or blends something into that clip
    borders: Mapping[tuple[str, int, int], tuple[int, ...]] = field(default_factory=dict)

    @property
    def notify(self) -> tuple[Notify, ...]:
        """Everybody who wants news of this run."""
        scheduled = self.plan.scheduled
        return (*self.settings.notify, *(scheduled.rules.notify if scheduled is not None else ()))

    @functools.cached_property
    def priorities(self) -> Mapping[str, float]:
        return priorities_of(self.plan.wants, self.models)

    @property
    def buying_seconds(self) -> float | None:
        """How long purchasing took; None when nothing was bought or collected."""
        if self.bought_from is None or self.bought_until < self.bought_from:
            return None
        return round(self.bought_until - self.bought_from, 1)

    def of_variant(self, variant: Variant) -> Production:
        """The same run, as the steps of one film see it."""
        spot = variant.spot
        return replace(self, variant=variant, spot=spot, cut=self.plan.cut(variant, self.models))

    @functools.cached_property
    def _wants(self) -> Mapping[str, Want]:
        return {want.id: want for want in self.plan.wants}

    def want(self, want_id: str) -> Want:
        return self._wants[want_id]

    def state(self) -> StoreState:
        return StoreState(self.store, self.clock)

    def review_gates(self) -> ReviewGates:
        """As they stand now: read anew each time."""
        auto = self.plan.options.approve == "auto"
        return read_gates(self.store, self.plan.campaign, self.spot.review, auto=auto)

    def file_blob(self, name: str) -> BlobRef:
        pin = self.plan.file(self.variant.file(name))
        return BlobRef(kind="ref", sha256=pin.sha256, size=pin.size, content_type=pin.content_type)

    async def media_of(self, request: Mapping[str, Any]) -> dict[str, MediaInput]:
        """The bytes behind every place-holder of a request, by the digest of the place-holder."""
        media: dict[str, MediaInput] = {}
        for holder in find_placeholders(request):
            blob = await self._placeholder_blob(holder)
            path = await asyncio.to_thread(blob_file, self.store, blob, self.work)
            media[digest_json(holder)] = MediaInput(sha256=blob.sha256, path=path, content_type=blob.content_type)
        return media

    async def _placeholder_blob(self, holder: Mapping[str, Any]) -> BlobRef:
        source = await asyncio.to_thread(
            find_blob, self.store, holder["sha256"] if "sha256" in holder else holder["source"], ("take", "ref")
        )
        if source is None:
            raise NotFoundError(f"the picture {holder} is not in the store", remedy="run the manifest again")
        if "sha256" in holder:
            return source
        if holder["derived"] != OUT_FRAME:
            raise ValueError(f"no step makes {holder['derived']!r}")
        frame = await self.steps.run("out_frame", {"frame": holder["frame"]}, {"take": source})
        return frame.files["frame.png"]

    async def purchase(self, want: Want, numbered: Numbered) -> Purchase:
        return Purchase(
            key=numbered.key,
            what=want.what,
            address=f"{want.address}/{want.what}-{numbered.number}",
            service=want.service,
            model=want.model,
            take=numbered.number,
            request=numbered.request,
            price_credits=want.credits,
            size_class=f"{want.width}x{want.height}x{want.seconds}",
            again=numbered.number > want.count or want.id not in self.priorities,  # the fallback's are retakes, too
            media=await self.media_of(numbered.request),
            priority=self.priorities.get(want.id, 0),
        )


@dataclass(frozen=True)
class SpokenTake:
    """A line as it goes into the mix. `timing` is of the text as sent, in seconds of the sound before any speed-up."""

    line: VoiceLine
    bought: BlobRef
    blob: BlobRef  # as it is mixed: decoded, and faster where it had to be
    start_frame: int
    seconds: float
    speed: Decimal
    timing: Mapping[str, Any] | None
    room: float = 0.0  # seconds that it has
    silence: float = 0.0  # seconds that were taken out of it, before any speed-up


def find_placeholders(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if "sha256" in value or "derived" in value:
            return [value]
        return [h for item in value.values() for h in find_placeholders(item)]
    if isinstance(value, list | tuple):
        return [h for item in value for h in find_placeholders(item)]
    return []


def read_plan(store: ObjectStore, digest: str) -> Plan:
    plan = read_record(store, plan_key(digest), Plan)
    if plan is None:
        raise StalePlanError(f"the store has no plan {digest[:12]}", remedy="plan and run the manifest again")
    return plan
