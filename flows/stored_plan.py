"""A plan on its way to another machine: stored with all that it was made from, and read again there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.marks import write_marks
from flows.prepare import Prepared, make_plan, pinned_by
from infra.blobs import put_blob
from infra.clock import SystemClock
from infra.errors import (
    PreconditionFailedError,
    ShotrunnerError,
    StalePlanError,
)
from infra.files import place_file
from infra.records import create_record
from infra.state import StoreState
from infra.storage.base import ObjectStore
from manifests.digest import digest_bytes
from manifests.lock import (
    format_lock,
    lock_path,
)
from manifests.naming import lock_key, manifest_key, plan_key
from manifests.paths import find_root
from manifests.plan import Plan
from manifests.planner import moved_positions

LOCK_REMEDY = "the lock lies beside its manifest: let this user write there, or copy the project"


def store_inputs(prepared: Prepared, *, lock_beside: bool = True) -> str:
    """Puts manifest, lock, files and plan where any machine can read them; returns the plan's digest. Writes the lock
    beside the manifest first, but for a rehearsal, and what a schedule decides about takes. Raises StoreError."""
    checked, plan, store = prepared.checked, prepared.plan, prepared.store
    write_marks(store, plan.campaign, prepared.marks)
    text = format_lock(prepared.lock).encode()
    if lock_beside:
        beside = lock_path(pinned_by(checked, plan.scheduled))
        place_file(beside, digest_bytes(text), lambda: text, remedy=LOCK_REMEDY)
    for pin in checked.files:
        put_blob(store, "ref", checked.campaign.files[pin.name].path, pin.content_type)
    _put_once(store, manifest_key(plan.campaign, plan.manifest_digest), checked.loaded.manifest_bytes, "text/yaml")
    _put_once(store, lock_key(plan.campaign, plan.manifest_digest), text, "application/json")
    digest = plan.digest
    create_record(store, plan_key(digest), plan)
    return digest


def _put_once(store: ObjectStore, key: str, data: bytes, content_type: str) -> None:
    try:
        store.put_bytes(key, data, content_type=content_type, if_absent=True)
    except PreconditionFailedError:
        return  # the same manifest was run before


def prepare_stored(plan: Plan, accepted: Sequence[str] = ()) -> Prepared:
    """A stored plan with the files that it was made from, in the project of the current folder.

    Raises StalePlanError when the manifest, a file, a price, a service or the ledger has moved since. What the plan
    bought itself is progress: after a crash it goes on.
    """
    path = find_root(Path.cwd() / "plan.json") / plan.manifest
    if not path.is_file():
        raise StalePlanError(f"its manifest {plan.manifest} is not here", remedy="run it from its project's folder")
    fresh = make_plan(
        path, overrides=plan.overrides, accepted=accepted, options=plan.options, scheduled=plan.scheduled,
        stage="speech" if plan.is_speech else "all",
    )  # fmt: skip
    now = fresh.plan
    reasons = {
        "the manifest": (plan.manifest_digest, now.manifest_digest),
        "the brand kit": (plan.brand, now.brand),
        "a file that it names": (plan.files, now.files),
        "the price table": (plan.rate_card, now.rate_card),
        "the vendor": ((plan.video_service, plan.sound_service), (now.video_service, now.sound_service)),
        "what has to be bought": (plan.wants, now.wants),
    }
    moved = [what for what, (before, after) in reasons.items() if before != after]
    if not moved and moved_positions(plan, StoreState(fresh.store, SystemClock())):
        moved = ["the ledger"]
    if moved:
        changed = " and ".join(moved)
        raise StalePlanError(f"{changed} has changed since", remedy="make it again with `shotrunner plan M --out`")
    return replace(fresh, plan=plan)


def read_plan_file(path: Path) -> Plan:
    """A plan that `plan --out` wrote. Raises NotAPlanError when it is none."""
    try:
        return Plan.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise NotAPlanError(f"{path}: {why}", remedy="make one with `shotrunner plan M --out plan.json`") from error


class NotAPlanError(ShotrunnerError):
    summary = "not a plan"
    exit_code = 2
