"""Answers about a file or the models: facts for `--json`, lines for people. Buys and writes nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.targets import UnknownNameError
from infra.errors import ShotrunnerError
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
