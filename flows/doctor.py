"""What has to be right before a run, on this machine and at the vendors: asked, told, nothing spent or changed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.errors import ShotrunnerError
from infra.settings import RUNWAY_URL, Settings

if TYPE_CHECKING:
    from infra.providers.base import AccountLimits

MOST_SECONDS_OFF = 20.0  # a third of a lease: another host may take one that is older than it thinks


@dataclass(frozen=True)
class Finding:
    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine(settings: Settings, store_url: str, root: Path) -> list[Finding]:
    """What has to be right before a run. With a key, asks the vendor for balance and limits; spends nothing."""
    return [
        Finding("python", True, platform.python_version()),
        _packages_are_ours(),
        *_prefect(),
        _ffmpeg(),
        _fonts(),
        _voice(),
        _disk(root),
        _clock(settings, store_url),
        _store(store_url, root),
        *_cluster(settings),
        *_vendors(settings),
    ]


def _packages_are_ours() -> Finding:
    """Another distribution with a top-level `tasks` would win silently."""
    home = Path(__file__).parent.parent
    strangers = []
    for name in ("flows", "tasks", "infra", "manifests"):
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).parent.parent if spec and spec.origin else None
        if origin != home:
            strangers.append(f"{name} from {origin}")
    found = "; ".join(strangers) or f"all four from one place, {version('shotrunner')}"
    return Finding(
        "packages", not strangers, found, "install shotrunner in an environment of its own" if strangers else ""
    )


def _prefect() -> list[Finding]:
    """The server that is set is asked what it is, and who works for it; without one, `run` starts its own."""
    try:
        found = version("prefect")
    except PackageNotFoundError:
        return [Finding("prefect", False, "not installed", "make setup")]
    url = os.environ.get("PREFECT_API_URL")
    if url is None:
        return [Finding("prefect", True, f"{found}, its own server, started by run")]
    from infra.orchestrator import ask_server

    try:
        server = ask_server(url)
    except ShotrunnerError as error:
        return [Finding("prefect", False, error.detail, error.remedy)]
    same = server.version == found
    remedy = "" if same else "server and workers of one version understand each other for certain"
    findings = [Finding("prefect", True, f"{found}, {url} has {server.version}", remedy)]
    for pool, online in server.pools.items():
        workers = f"{online} worker{'' if online == 1 else 's'} online"
        findings.append(Finding(f"pool {pool}", True, workers, "" if online else f"prefect worker start --pool {pool}"))
    return findings


def _ffmpeg() -> Finding:
    from infra.media.ffmpeg import find_ffmpeg

    try:
        return Finding("ffmpeg", True, Path(find_ffmpeg()).name)
    except ShotrunnerError as error:
        return Finding("ffmpeg", False, error.detail, error.remedy)


def _fonts() -> Finding:
    """Nothing is drawn with a font of the system, so ours has to be there, whole."""
    from infra.media.typeface import FALLBACK_FONT, characters_of

    try:
        count = len(characters_of(FALLBACK_FONT))
    except ShotrunnerError as error:
        return Finding("fonts", False, error.detail, "install shotrunner again")
    return Finding("fonts", True, f"{FALLBACK_FONT.name}, {count:,} characters; others come with brand kits")


def _clock(settings: Settings, store_url: str) -> Finding:
    """Leases and signatures need clocks that agree: S3 refuses a quarter of an hour, a lease lives for a minute."""
    from infra.clock import SystemClock
    from infra.skew import seconds_off

    others = [os.environ.get("PREFECT_API_URL"), settings.runway_url]
    if store_url.startswith("s3://"):
        others.append(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
    for url in filter(None, others):
        off = seconds_off(url, SystemClock())
        if off is None:
            continue
        right = abs(off) <= MOST_SECONDS_OFF
        words = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} {urlsplit(url).hostname}"
        return Finding("clock", right, words if abs(off) >= 2 else "right", "" if right else "let NTP set it")
    return Finding("clock", True, "no server is set to compare it with")


def _cluster(settings: Settings) -> list[Finding]:
    """Where media steps go; nothing to say of this machine."""
    if settings.media_runner == "local":
        return []
    from infra.runners import require_runner

    try:
        require_runner(settings.media_runner, settings.dask_address)
    except ShotrunnerError as error:
        return [Finding("dask", False, error.detail, error.remedy)]
    return [Finding("dask", True, f"{version('distributed')}, {settings.dask_address or 'a cluster of each run'}")]


def _voice() -> Finding:
    if importlib.util.find_spec("espeakng_loader") is None:
        return Finding("backlot voice", False, "espeak-ng is missing", "pip install 'shotrunner[voice]'")
    return Finding("backlot voice", True, f"espeak-ng, by espeakng-loader {version('espeakng-loader')}")


def _disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free / 1e9
    return Finding("disk", free > 2, f"{free:.0f} GB free", "" if free > 2 else "a film needs about 1 GB of room")


def _store(store_url: str, root: Path) -> Finding:
    """One create, a second that must lose, one read, one delete: what every purchase relies on."""
    import secrets

    from infra.errors import PreconditionFailedError
    from infra.storage import open_store
    from manifests.naming import staging_key

    key = staging_key("doctor", secrets.token_hex(8))
    try:
        store = open_store(store_url, root)
        store.put_bytes(key, b"1", if_absent=True)
        try:
            store.put_bytes(key, b"2", if_absent=True)
            won_twice = True
        except PreconditionFailedError:
            won_twice = store.get_bytes(key)[0] != b"1"
        store.delete(key)
    except ShotrunnerError as error:
        return Finding("store", False, error.detail, error.remedy)
    remedy = "this store cannot keep purchases apart: use another" if won_twice else ""
    return Finding(
        "store", not won_twice, f"{store_url}: create-if-absent {'broken' if won_twice else 'holds'}", remedy
    )


def _vendors(settings: Settings) -> list[Finding]:
    from infra.service import decide_services

    try:
        services = decide_services(settings)
    except ShotrunnerError as error:
        return [Finding("vendor", False, error.detail, error.remedy)]
    found = [_sound(settings, services.sound)]
    if services.video == "backlot":
        return [Finding("video", True, _service_words(services.video, "RUNWAYML_API_SECRET")), *found]
    return [_account(settings, services.video), *found]


def _sound(settings: Settings, service: str) -> Finding:
    """Its account is not asked: keys for speech alone may not read it."""
    from infra.keys import VendorKey

    words = _service_words(service, "ELEVENLABS_API_KEY")
    if service == "backlot" or settings.elevenlabs_key is None:
        return Finding("sound", True, words)
    try:
        key = VendorKey(settings.elevenlabs_key)
        key.reveal()
    except ShotrunnerError as error:
        return Finding("sound", False, error.detail, error.remedy)
    return Finding("sound", True, f"{words}: {key.reference}" if key.reference else words)


def _service_words(service: str, key: str) -> str:
    return f"the backlot: {key} is not set, nothing can be spent" if service == "backlot" else f"{service}, key is set"


def _account(settings: Settings, service: str) -> Finding:
    from infra.clock import SystemClock
    from infra.providers.runway import RunwayProvider

    async def ask() -> str:
        provider = RunwayProvider(
            settings.runway_url or RUNWAY_URL, settings.runway_key or "", service, clock=SystemClock()
        )
        try:
            limits = await provider.limits()
        finally:
            await provider.close()
        return f"{service}: {limits.balance_credits:,} credits; {_tier(limits)}"

    try:
        return Finding("video", True, asyncio.run(ask()))
    except ShotrunnerError as error:
        return Finding("video", False, f"{error.summary}: {error.detail}", error.remedy)


def _tier(limits: AccountLimits) -> str:
    """What the account may do at once, and what is left of the day: the vendor names no tier."""
    at_once = {m.concurrent for m in limits.models.values() if m.concurrent is not None}
    tight = [
        f"{name} {limit.daily - limit.used_today} left today"
        for name, limit in limits.models.items()
        if limit.daily is not None and limit.used_today >= limit.daily / 2
    ]
    span = "/".join(str(n) for n in sorted(at_once)) or "any number"
    return ", ".join([f"{span} at a time of each model, {len(limits.models)} models", *tight])


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.found}")
        if finding.remedy:
            lines.append(f"     {finding.remedy}")
    return lines
