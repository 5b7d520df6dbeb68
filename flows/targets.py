"""What a person means by TARGET: a manifest, a run id, or the name of a campaign. Reads the store; calls no vendor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.prepare import absolute_store
from flows.scheduling import last_start, next_occurrence
from infra.clock import SystemClock
from infra.errors import ShotrunnerError
from infra.records import read_record
from infra.runs import last_run, list_runs
from infra.settings import read_settings
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.journal import RunRecord
from manifests.naming import plan_key, plan_prefix, run_key
from manifests.paths import find_root
from manifests.plan import Plan
from manifests.scheduled import Resolved, is_schedule, read_schedule, resolve_schedule

MANIFEST_ENDINGS = (".yaml", ".yml")


class UnknownTargetError(ShotrunnerError):
    summary = "no such manifest, run or campaign"
    exit_code = 2


class UnknownNameError(ShotrunnerError):
    """Of a shot, a take, a profile: what a person named and nothing is called."""

    summary = "unknown name"
    exit_code = 2


@dataclass(frozen=True)
class Target:
    """`overrides` are those that the named run (or the campaign's last) was given; a manifest by path has none."""

    manifest: Path
    overrides: tuple[str, ...] = ()
    run: RunRecord | None = None
    scheduled: Resolved | None = None  # what was settled for that run by a schedule


def resolve_target(text: str) -> Path:
    """The manifest that TARGET means. Raises UnknownTargetError, and what reading the store raises."""
    return find_target(text).manifest


def find_target(text: str) -> Target:
    """A path wins over a run, and a run over a campaign. Runs and campaigns are those of the current folder's project.

    Raises UnknownTargetError, and what reading the store raises.
    """
    path = Path(text)
    if path.is_file():
        return _scheduled_target(path) if is_schedule(path) else Target(path)
    if path.suffix in MANIFEST_ENDINGS or len(path.parts) != 1:
        raise UnknownTargetError(f"{text} is not there", remedy="give a manifest's path, a run id or a campaign's name")
    root = find_root(Path.cwd() / "here")
    store = open_store(absolute_store(read_settings(root).store, root), root)
    record, plan = find_plan(store, root, text)
    if plan is None:
        raise UnknownTargetError(
            f"{text} is neither a file nor a run or campaign in {store.url}",
            remedy="give the manifest's path; a campaign is known by name once it has run",
        )
    return Target(_manifest_of(plan, root), plan.overrides, record, plan.scheduled)


def _scheduled_target(path: Path) -> Target:
    """The start that was begun last; before the first one, the next."""
    loaded = read_schedule(path)
    store = open_store(absolute_store(read_settings(loaded.root).store, loaded.root), loaded.root)
    begun = last_start(store, loaded.schedule.name)
    now = SystemClock().now()
    resolved = begun.scheduled if begun else resolve_schedule(loaded, next_occurrence(loaded.schedule, now))
    return Target(loaded.manifest, scheduled=resolved)


def find_plan(store: ObjectStore, root: Path, text: str) -> tuple[RunRecord | None, Plan | None]:
    """The last run that a run id or a campaign's name means, and its plan; whether or not the manifest is there."""
    record = _run(store, text)
    return record, read_record(store, plan_key(record.plan), Plan) if record else _planned(store, root, text)


def default_target(remedy: str = "say --in TARGET") -> str:
    """The one campaign of the current folder's project that has run. Raises UnknownTargetError."""
    root = find_root(Path.cwd() / "here")
    store = open_store(absolute_store(read_settings(root).store, root), root)
    campaigns = sorted({run.campaign for run in list_runs(store)})
    if len(campaigns) == 1:
        return campaigns[0]
    if not campaigns:
        raise UnknownTargetError("nothing has run here yet", remedy=f"run a manifest first, or {remedy}")
    raise UnknownTargetError(f"several campaigns have run here: {', '.join(campaigns)}", remedy=remedy)


def _run(store: ObjectStore, text: str) -> RunRecord | None:
    """The run of that id, else the last one of the campaign of that name."""
    try:
        key = run_key(text, "run.json")
    except ValueError:  # no run or campaign can have such a name
        return None
    return read_record(store, key, RunRecord) or last_run(store, text)


def _planned(store: ObjectStore, root: Path, campaign: str) -> Plan | None:
    """A plan of a campaign none of whose runs ended: killed before it could write its record."""
    plans = [
        plan
        for info in store.list(plan_prefix())
        if (plan := read_record(store, info.key, Plan)) is not None and plan.campaign == campaign
    ]
    manifests = sorted({plan.manifest for plan in plans if (root / plan.manifest).is_file()})
    if len(manifests) > 1:
        raise UnknownTargetError(
            f"{campaign} was run from {_listed(manifests)}", remedy="give the path of the one that is meant"
        )
    return next((p for p in plans if p.manifest in manifests), plans[0] if plans else None)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _manifest_of(plan: Plan, root: Path) -> Path:
    path = root / plan.manifest
    if not path.is_file():
        raise UnknownTargetError(
            f"{plan.campaign} was run from {plan.manifest}, which is not in {root}",
            remedy="bring it back, or give the path where it is now",
        )
    return path
