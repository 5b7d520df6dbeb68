"""Every purchase of the project's store whose answer was lost: when, what it may have cost, what the vendor's figures
say of it, and the two commands that settle it; and every file that was paid and is gone. Reads only."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.clock import Clock, SystemClock
from infra.errors import ShotrunnerError
from infra.reconcile import ask_account, open_account, read_movements
from infra.service import decide_services
from infra.settings import Settings
from infra.storage import open_store
from manifests.reconcile import GONE, Account, Fate, Movement, weigh
from manifests.standing import settle_commands

VERDICTS = {
    "charged": "so it was charged",
    "not charged": "so it was not charged",
    "cannot be told": "which does not tell whether it was charged",
}


def find_unknowns(settings: Settings, store_url: str, root: Path, clock: Clock | None = None) -> list[dict[str, Any]]:
    """Oldest first. With a key, the vendor is asked for balance and usage once; its failure is told in each. Raises
    StoreError."""
    clock = clock or SystemClock()
    movements = read_movements(open_store(store_url, root), clock)
    unknowns = [m for m in movements if m.fate is Fate.UNKNOWN]
    account = _ask(settings, unknowns, clock) if any(m.paid for m in unknowns) else None
    return [_facts(unknown, movements, account) for unknown in unknowns]


def find_lost(store_url: str, root: Path, clock: Clock | None = None) -> list[dict[str, Any]]:
    """Every take that was paid and whose file is gone, oldest first; where another stands in its place, that too."""
    movements = read_movements(open_store(store_url, root), clock or SystemClock())
    lost = [m for m in movements if m.fate is Fate.FAILED and m.detail.startswith(GONE)]
    return [
        {
            "campaign": m.campaign, "address": m.address, "model": m.model, "service": m.service, "paid": m.paid,
            "at": m.at.isoformat(), "credits": m.credits, "detail": m.detail,
            "settle": f"shotrunner retake {m.campaign} --failed",
        }
        for m in lost
    ]  # fmt: skip


def lost_lines(lost: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for told in lost:
        word = "credits" if told["paid"] else "play credits"
        lines += [
            f"!    {told['campaign']} {told['address']}: paid but lost, asked {told['at'][:16].replace('T', ' ')} UTC; "
            f"{told['detail']}, {told['credits']:,} {word} stay spent ({told['model']})",
            f"     unless another take stands in its place: {told['settle']}",
        ]
    return lines


def _ask(settings: Settings, unknowns: Sequence[Movement], clock: Clock) -> Account | str:
    """The figures since the first unknown, or why there are none."""
    if settings.runway_key is None:
        return "no vendor key is set, so its figures cannot be asked for"
    since = min(dt.date.fromisoformat(m.day) for m in unknowns if m.paid)
    today = clock.now().astimezone(dt.UTC).date()

    async def ask() -> Account | str:
        service = decide_services(settings).video
        if service == "backlot":
            return "the base URL is a backlot's, so the vendor's figures cannot be asked for"
        async with open_account(settings, service, clock) as reader:
            return await ask_account(reader, since, today)

    try:
        return asyncio.run(ask())
    except ShotrunnerError as error:
        return f"{error.summary}: {error.detail}"


def _facts(unknown: Movement, movements: Sequence[Movement], account: Account | str | None) -> dict[str, Any]:
    rebuy, give_up = settle_commands(unknown.campaign)
    facts: dict[str, Any] = {
        "campaign": unknown.campaign,
        "address": unknown.address,
        "model": unknown.model,
        "service": unknown.service,
        "at": unknown.at.isoformat(),
        "credits": unknown.credits,
        "paid": unknown.paid,
        "balance": None,
        "usage": None,
        "vendor_says": account if isinstance(account, str) and unknown.paid else None,
        "settle": [rebuy, give_up],
    }
    if isinstance(account, Account) and unknown.service == account.service:
        facts |= {
            "balance": account.balance,
            "usage": {"day": unknown.day, **weigh(unknown, movements, account).model_dump()},
            "generations_today": account.generations_today.get(unknown.model, 0),
        }
    return facts


def unknown_lines(unknowns: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for told in unknowns:
        word = "credits" if told["paid"] else "play credits"
        lines.append(
            f"?    {told['campaign']} {told['address']}: unknown since {told['at'][:16].replace('T', ' ')} UTC; its "
            f"answer was lost, {told['credits']:,} {word} count as spent ({told['model']})"
        )
        usage = told["usage"]
        if usage is not None:
            lines.append(
                f"     on {usage['day']} {told['service']} charged {usage['vendor']:,} for {told['model']}; "
                f"other entries of the ledger come to {usage['certain']:,}, the unknown ones to {usage['open']:,}: "
                f"{VERDICTS[usage['verdict']]}"
            )
            lines.append(
                f"     balance {told['balance']:,} credits; {told['generations_today']} generations of "
                f"{told['model']} in the past day"
            )
        elif told["vendor_says"]:
            lines.append(f"     {told['vendor_says']}")
        rebuy, give_up = told["settle"]
        lines += [f"     buy it again: {rebuy}", f"     count it as lost: {give_up}"]
    return lines
