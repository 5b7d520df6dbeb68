"""The command `schedule apply`. Arguments in, exit code out; Prefect is imported only when its server answers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from flows import views
from flows.cli_words import Json

if TYPE_CHECKING:
    from flows.bundling import Bundled
    from flows.deploying import Deployed

POOL = "shotrunner"


def apply(
    file: Annotated[Path, Parameter(help="A file of `kind: schedule`.")],
    /,
    *,
    pool: Annotated[str, Parameter(help="Prefect's work pool; made if it is missing.", show_default=True)] = POOL,
    json: Json = False,
) -> int:
    """Put a schedule on the Prefect server of PREFECT_API_URL, or bring it up to date there. Buys nothing.

    The schedule, its manifest and every file that these name go into the store: what runs is what was applied, so
    apply again after a change. Makes the work pool, the deployment with its times, and four automations: they notice
    a worker that died, and set its run going again on another one. Says what it changed.

    Example: shotrunner schedule apply manifests/examples/winter-weekly.yaml

    Exit: 0; 2 schedule, manifest or changed file; 6 store or Prefect's server.
    """
    from flows.bundling import bundle_schedule

    url = require_prefect()
    bundled = bundle_schedule(file)
    deployed = _deploy(bundled, pool)
    views.answer(_facts(bundled, deployed, pool), _lines(bundled, deployed, pool, url), json=json)
    return 0


def require_prefect() -> str:
    """The URL of a server that answers. Raises ServerError."""
    import os

    from infra.orchestrator import ServerError, require_server

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise ServerError(
            "PREFECT_API_URL is not set",
            remedy="a schedule needs a server that stays: `prefect server start`, then "
            "PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
    require_server(url)
    return url


def _deploy(bundled: Bundled, pool: str) -> Deployed:
    from flows.deploying import deploy

    schedule = bundled.planned.loaded.schedule
    return asyncio.run(deploy(schedule, bundled.bundle.digest, bundled.store_url, pool))


def _facts(bundled: Bundled, deployed: Deployed, pool: str) -> dict[str, Any]:
    occurrence, bundle = bundled.planned.occurrence, bundled.bundle
    return {
        "message_type": "applied", "schedule": bundle.name, "bundle": bundle.digest, "store": bundled.store_url,
        "files": len(bundle.files), "bytes": sum(ref.size for ref in bundle.files.values()), "pool": pool,
        "deployment": str(deployed.deployment), "changes": list(deployed.changes), "paused": deployed.paused,
        "next": occurrence.instant.isoformat(), "begun_otherwise": bundled.begun_otherwise,
    }  # fmt: skip


def _lines(bundled: Bundled, deployed: Deployed, pool: str, url: str) -> list[str]:
    occurrence, bundle = bundled.planned.occurrence, bundled.bundle
    size = sum(ref.size for ref in bundle.files.values()) / 1e6
    lines = [f"{bundle.name}: {views.counted(len(bundle.files), 'file')}, {size:.1f} MB, bundle {bundle.digest[:12]}"]
    lines += [f"  {change}" for change in deployed.changes] or ["  nothing to change"]
    zone = bundled.planned.loaded.schedule.when.timezone
    lines.append(f"next start: {occurrence.date} {occurrence.local:%H:%M} {zone}")
    if bundled.begun_otherwise:
        lines.append(f"note: {bundled.begun_otherwise}")
    if deployed.paused:
        lines.append("paused on Prefect's own pages: nothing starts until it is resumed there")
    if "://" not in bundled.store_url:
        lines.append(f"note: the store is {bundled.store_url}, a folder: workers on other machines do not see it")
    return [*lines, f"a worker: PREFECT_API_URL={url} prefect worker start --pool {pool}"]
