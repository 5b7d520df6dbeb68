"""Manifest path → plan: check, compare with the lock, read the store. No Prefect, no task, and no vendor call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.allowing import Purse
from flows.checking import Checked, check_manifest
from flows.heard import Heard, Stage
from flows.marks import NO_MARKS, Marks
from flows.planning import plan_checked
from infra.clock import Clock, SystemClock
from infra.service import decide_services
from infra.settings import Settings, read_settings
from infra.state import StoreState
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.approvals import Decisions
from manifests.expand import Services
from manifests.loaded import WRITTEN
from manifests.lock import (
    Lock,
    LockedFile,
    accept,
    compare_lock,
    describe_change,
    make_lock,
    read_lock,
)
from manifests.plan import Options, Plan, StateReader
from manifests.planner import Planner
from manifests.ratecard import rate_card_date, rate_card_digest
from manifests.scheduled import Resolved


@dataclass(frozen=True)
class Prepared:
    """A plan and what it was made from. `checked` has the shots that speech makes longer, `written` has not."""

    checked: Checked
    plan: Plan
    planner: Planner
    lock: Lock
    drift: tuple[str, ...]  # what changed since the lock, in words
    settings: Settings
    store: ObjectStore
    store_url: str
    written: Checked
    stage: Stage = "next"
    heard: Heard | None = None  # None: no line makes its shot longer
    marks: Marks = NO_MARKS  # of a schedule's start: in the plan already, and written when it is applied

    @property
    def home(self) -> Path:
        return self.checked.loaded.root / ".shotrunner"


def make_plan(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    accepted: Sequence[str] = (),
    options: Options | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    scheduled: Resolved | None = None,
    stage: Stage = "next",
) -> Prepared:
    """Everything `plan` does. Raises ManifestError, and what reading the store raises; writes nothing.

    `scheduled`: what a schedule says of the day on which it runs the manifest. `stage`: "next" plans the speech alone
    while pictures wait for its length; "all" plans the pictures too, at the lengths known now, for those who only look.
    """
    checked = check_manifest(path, overrides, scheduled)
    loaded = checked.loaded
    settings = settings or read_settings(loaded.root)
    services = decide_services(settings)
    store_url = absolute_store(settings.store, loaded.root)
    store = open_store(store_url, loaded.root)
    lock, drift = _locked(checked, accepted, scheduled)
    clock = clock or SystemClock()
    purse = Purse(store, scheduled, clock.now())
    state = StoreState(store, clock)
    planned = plan_checked(checked, lock, services, purse, state, options or Options(), tuple(overrides), stage=stage)
    return Prepared(
        planned.checked, planned.plan, planned.planner, lock, drift, settings, store, store_url, checked, stage,
        planned.heard,
    )  # fmt: skip


def replan(
    prepared: Prepared, state: StateReader, said: Sequence[Decisions] = (), *, stage: Stage | None = None
) -> Prepared:
    """The plan as it would be by `state`, were this `said` too: to see what a word costs before it is kept."""
    plan, stage = prepared.plan, stage or prepared.stage
    services = Services(plan.video_service, plan.sound_service)
    purse = Purse(prepared.store, plan.scheduled, known=plan.allowance)
    fresh = plan_checked(
        prepared.written, prepared.lock, services, purse, state, plan.options, plan.overrides, said, stage=stage
    )
    return replace(
        prepared, checked=fresh.checked, plan=fresh.plan, planner=fresh.planner, heard=fresh.heard, stage=stage
    )


def plan_pictures(prepared: Prepared, state: StateReader) -> Prepared | None:
    """What comes after a plan of the speech was applied: everything, at the lengths that the lines need. None when
    that plan was not of the speech, or when the speech is not there yet."""
    if not prepared.plan.is_speech:
        return None
    after = replan(prepared, state, stage="all")
    return None if after.heard is not None and after.heard.to_buy else after


def absolute_store(store: str, root: Path) -> str:
    """A folder is meant from the project's root, wherever the command was given: else a second store would be made,
    and everything in it bought again."""
    if "://" in store or store == "memory:" or store.startswith("s3:"):
        return store
    return str((root / Path(store).expanduser()).absolute())


def pinned_by(checked: Checked, scheduled: Resolved | None) -> Path:
    """The file that the lock lies beside. A schedule has its own: its days name other files than the manifest alone."""
    return checked.campaign.path if scheduled is None else checked.loaded.root / scheduled.schedule


def _locked(checked: Checked, accepted: Sequence[str], scheduled: Resolved | None) -> tuple[Lock, tuple[str, ...]]:
    """The lock as it is wanted now, and what has changed against the one on disk, in words."""
    campaign = checked.campaign
    files = {
        pin.name: LockedFile(
            name=campaign.files[pin.name].name, path=pin.path, sha256=pin.sha256, bytes=pin.size, width=pin.width,
            height=pin.height,
        )
        for pin in checked.files
    }  # fmt: skip
    used = [checked.models[name] for name in sorted(_used_models(checked))]
    lock = make_lock(files, used, rate_card_digest(), rate_card_date())
    old = read_lock(pinned_by(checked, scheduled))
    if old is None:
        return lock, ()
    drift = compare_lock(accept(old, lock, accepted), lock)
    told = (change for change in drift.changed if campaign.files[change.key].role not in WRITTEN)
    return lock, tuple(describe_change(change) for change in told)


def _used_models(checked: Checked) -> set[str]:
    used: set[str] = set()
    for _, loaded in checked.parts:
        spot, brand = loaded.spot, loaded.brand
        used |= {spot.generate.model, *(shot.model for shot in spot.shots if shot.model)}
        if spot.generate.keyframe is not None:
            used.add(spot.generate.keyframe.model)
        if spot.sound.voiceover is not None:
            used.add(brand.voices[spot.sound.voiceover.voice].model)
    return used
