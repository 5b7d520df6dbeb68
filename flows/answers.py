"""Answers about a file, models or this machine: facts for `--json`, lines for people. Buys and writes nothing."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from flows.targets import UnknownNameError
from infra.errors import ShotrunnerError
from infra.settings import Settings
from manifests.catalogue import ModelCard
from manifests.ratecard import load_profiles

# --- verify ---


def verify_file(
    path: Path, profile_name: str, ratio: str | None, frames: int, *, silent: bool = False
) -> dict[str, Any]:
    """Measures a file against a profile. Raises MediaError for what is no film, ShotrunnerError for unknown names."""
    from infra.media.probe import probe_video
    from infra.media.steps import run_step_process

    profiles = load_profiles()
    if profile_name not in profiles:
        raise UnknownNameError(f"no profile {profile_name!r}", remedy=f"there are {', '.join(sorted(profiles))}")
    profile = profiles[profile_name]
    if ratio is not None and ratio not in profile.sizes:
        raise UnknownNameError(
            f"{profile_name} has no size for {ratio!r}", remedy=f"there are {', '.join(profile.sizes)}"
        )
    if not path.is_file():
        raise NoSuchFileError(f"{path} is not there", remedy="give the path of a film")
    probe_video(path)  # what is no film at all is told before a process is started
    params = {
        "profile": profile.model_dump(mode="json"),
        "ratio": ratio or next(iter(profile.sizes)),
        "frames": frames,
        "rate": profile.rate,
        "silent": silent,
    }
    with tempfile.TemporaryDirectory() as out:
        outcome = asyncio.run(run_step_process("verify", params, {"file": path.absolute()}, Path(out)))
    return {"message_type": "verify", "file": str(path), "profile": profile_name, **outcome.facts}


class NoSuchFileError(ShotrunnerError):
    summary = "no such file"
    exit_code = 2


def verify_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for check in facts["checks"]:
        verdict = "ok  " if check["ok"] else "FAIL"
        wanted = "" if check["ok"] else f"   wanted {check['wanted']}"
        lines.append(f"{verdict} {check['name']}: {check['found']}{wanted}")
    return lines


# --- models ---


def model_lines(models: Mapping[str, ModelCard]) -> list[str]:
    rows = [("model", "makes", "seconds", "price", "sizes", "from")]
    for card in models.values():
        if card.retired is not None:
            continue
        sizes = sorted({size.replace(":", "×") for endpoint in card.endpoints for size in endpoint.ratios})
        rows.append((card.id, card.makes, _seconds_sold(card), _price(card), " ".join(sizes[:6]), card.as_of))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    retired = [f"{c.id} ({c.retired}; now {c.replacement})" for c in models.values() if c.retired]
    return [*lines, f"retired: {', '.join(retired)}"] if retired else lines


def _seconds_sold(card: ModelCard) -> str:
    sold = card.seconds
    if sold is None:
        return "-"
    return "/".join(map(str, sold.values)) if sold.values else f"{sold.minimum}-{sold.maximum}"


def _price(card: ModelCard) -> str:
    price = card.price
    if price.credits_per_second:
        return f"{price.credits_per_second}/s"
    if price.credits_per_image:
        return "/".join(str(p) for p in sorted(set(price.credits_per_image.values()))) + " an image"
    if price.usd_per_1000_characters:
        return f"${price.usd_per_1000_characters}/1,000 characters"
    return f"${price.usd_per_request} each"


# --- doctor ---


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
        _prefect(),
        _ffmpeg(),
        _voice(),
        _disk(root),
        _store(store_url, root),
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


def _prefect() -> Finding:
    try:
        found = version("prefect")
    except PackageNotFoundError:
        return Finding("prefect", False, "not installed", "make setup")
    where = os.environ.get("PREFECT_API_URL", "its own server, started by run")
    return Finding("prefect", True, f"{found}, {where}")


def _ffmpeg() -> Finding:
    from infra.media.ffmpeg import find_ffmpeg

    try:
        return Finding("ffmpeg", True, Path(find_ffmpeg()).name)
    except ShotrunnerError as error:
        return Finding("ffmpeg", False, error.detail, error.remedy)


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
    from infra.settings import RUNWAY_URL

    async def ask() -> str:
        provider = RunwayProvider(
            settings.runway_url or RUNWAY_URL, settings.runway_key or "", service, clock=SystemClock()
        )
        try:
            limits = await provider.limits()
        finally:
            await provider.close()
        return f"{service}: {limits.balance_credits:,} credits, {len(limits.models)} models"

    try:
        return Finding("video", True, asyncio.run(ask()))
    except ShotrunnerError as error:
        return Finding("video", False, f"{error.summary}: {error.detail}", error.remedy)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.found}")
        if finding.remedy:
            lines.append(f"     {finding.remedy}")
    return lines
