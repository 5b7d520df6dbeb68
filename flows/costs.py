"""What a campaign cost, by the ledger and by the vendor, and the stop on spending that nobody can explain.

Reads; writes nothing but a person's acknowledgement. Imports no Prefect.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from flows.prepare import Prepared
from flows.targets import Target
from infra.clock import Clock, SystemClock
from infra.errors import ShotrunnerError, UnexplainedSpendError, VendorUnavailableError
from infra.ledger import FREE_SERVICE, shot_of
from infra.reconcile import open_account, read_movements, reconcile, write_acknowledgement
from infra.service import decide_services
from infra.settings import Settings
from infra.storage.base import ObjectStore
from manifests.journal import RunRecord
from manifests.plan import Plan
from manifests.reconcile import Account, Acknowledgement, Comparison, Fate, Movement, sum_by

_NAMED = 8  # suspects on screen; --json has them all
BASELINE = "charged on the day of this store's first purchase, before it"


class NothingToAcknowledgeError(ShotrunnerError):
    summary = "nothing to acknowledge"
    exit_code = 2


# --- facts ---


def costs_facts(prepared: Prepared, target: Target, clock: Clock | None = None) -> dict[str, Any]:
    """Everything that `costs` tells. Asks the vendor when the plan films there; raises what its answer raises."""
    clock = clock or SystemClock()
    plan = prepared.plan
    comparison, movements = None, None
    if plan.video_service != FREE_SERVICE:
        comparison, _, movements = ask(prepared.store, prepared.settings, plan.video_service, clock)
    if movements is None:
        movements = read_movements(prepared.store, clock, [plan.campaign])
    ours = [m for m in movements if m.campaign == plan.campaign]
    purses = {
        name: _purse_facts(prepared, [m for m in ours if m.paid is paid], current=paid is plan.paid)
        for name, paid in (("paid", True), ("play", False))
    }
    return {
        "message_type": "costs",
        "campaign": plan.campaign,
        **purses,
        "run": _run_facts(target.run, ours),
        "vendor": _vendor_facts(comparison, movements, plan.campaign, prepared.settings.unexplained_credits),
    }


def ledger_facts(store: ObjectStore, settings: Settings, plan: Plan, run: RunRecord | None, why: str) -> dict[str, Any]:
    """As `costs_facts`, of a campaign whose manifest cannot be planned any more: by the ledger and its last plan. What
    is usable on screen nobody can tell then; `why` says so."""
    clock = SystemClock()
    service = decide_services(settings).video
    comparison, movements = None, None
    if service != FREE_SERVICE:
        comparison, _, movements = ask(store, settings, service, clock)
    if movements is None:
        movements = read_movements(store, clock, [plan.campaign])
    ours = [m for m in movements if m.campaign == plan.campaign]

    def purse(*, paid: bool) -> dict[str, Any]:
        budget = plan.totals.budget if paid is plan.paid else None
        return _ledger_purse([m for m in ours if m.paid is paid], budget)

    return {
        "message_type": "costs",
        "campaign": plan.campaign,
        "paid": purse(paid=True),
        "play": purse(paid=False),
        "run": _run_facts(run, ours),
        "vendor": _vendor_facts(comparison, movements, plan.campaign, settings.unexplained_credits),
        "note": f"by the ledger alone: {why}",
    }


def ask(
    store: ObjectStore, settings: Settings, service: str, clock: Clock, *, quick: bool = False
) -> tuple[Comparison, Account, list[Movement]]:
    """The store against the vendor's account. Raises CredentialsError, VendorUnavailableError, StoreError."""

    async def ask_now() -> tuple[Comparison, Account, list[Movement]]:
        async with open_account(settings, service, clock) as reader:
            return await reconcile(store, clock, reader, quick=quick)

    return asyncio.run(ask_now())


def _purse_facts(prepared: Prepared, movements: Sequence[Movement], *, current: bool) -> dict[str, Any]:
    """`current`: the purse that the manifest's plan pays from, so that its film is the one to measure against."""
    total = sum(m.credits for m in movements)
    seconds = _usable_seconds(prepared) if current else Decimal(0)
    told = _ledger_purse(movements, prepared.plan.totals.budget if current else None)
    return told | {
        "usable_seconds": str(seconds) if current else None,
        "credits_per_usable_second": str(_tenths(total / seconds)) if seconds and total else None,
    }


def _ledger_purse(movements: Sequence[Movement], budget: int | None) -> dict[str, Any]:
    return {
        "credits": sum(m.credits for m in movements),
        "budget": budget,
        "by_fate": sum_by(movements, "fate"),
        "models": [_model_row(name, movements) for name in sorted({m.model for m in movements})],
        "shots": _shot_rows(movements),
        "usable_seconds": None,
        "credits_per_usable_second": None,
    }


def _tenths(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"), ROUND_HALF_UP)


def _usable_seconds(prepared: Prepared) -> Decimal:
    """Of the film, what has a circled take: seconds on screen, not seconds bought."""
    circled = prepared.planner.circled
    frames = sum(cut.screen for cut in prepared.checked.cut.shots if f"{cut.id}/take" in circled)
    return Decimal(frames) / 24


def _model_row(model: str, movements: Sequence[Movement]) -> dict[str, Any]:
    ours = [m for m in movements if m.model == model]
    sent = [m for m in ours if m.fate is not Fate.REFUSED]
    return {
        "model": model,
        "service": ours[0].service,
        "purchases": len(sent),
        "credits": sum(m.credits for m in sent),
        "open": sum(m.credits for m in sent if m.fate in (Fate.IN_FLIGHT, Fate.UNKNOWN)),
        "failed": sum(m.credits for m in sent if m.fate is Fate.FAILED),
    }


def _shot_rows(movements: Sequence[Movement]) -> list[dict[str, Any]]:
    """Stills and takes of a shot together; sounds by their own address."""
    rows: dict[str, Counter[str]] = {}
    for movement in movements:
        row = rows.setdefault(shot_of(movement.address), Counter())
        row["credits"] += movement.credits
        row["purchases"] += movement.fate is not Fate.REFUSED
        row["failed"] += movement.credits if movement.fate is Fate.FAILED else 0
    return [{"shot": shot, **{k: row[k] for k in ("purchases", "credits", "failed")}} for shot, row in rows.items()]


def _run_facts(run: RunRecord | None, movements: Sequence[Movement]) -> dict[str, Any] | None:
    if run is None:
        return None
    own = [m for m in movements if m.plan == run.plan]
    return {"run_id": run.run_id, "paid": run.paid, "settled": run.spent_credits, "asked": sum(m.credits for m in own)}


def _vendor_facts(
    comparison: Comparison | None, movements: Sequence[Movement], campaign: str, threshold: int
) -> dict[str, Any] | None:
    if comparison is None:
        return None
    paid = [m for m in movements if m.paid]
    ours = [m for m in paid if m.service == comparison.service]
    facts = comparison.model_dump(mode="json", exclude={"suspects", "rows"})
    return facts | {
        "rows": [{**row.model_dump(), "difference": row.difference} for row in comparison.rows],
        "ledger": comparison.ledger,
        "charged": comparison.vendor,
        "difference": comparison.difference,
        "excess": comparison.excess,
        "not_charged": comparison.not_charged,
        "unexplained": comparison.unexplained,
        "threshold": threshold,
        "blocks": comparison.unexplained > threshold,
        "suspects": [
            {
                "campaign": s.movement.campaign, "address": s.movement.address, "model": s.movement.model,
                "credits": s.movement.credits, "at": s.movement.at.isoformat(), "why": s.why,
            }
            for s in comparison.suspects
        ],
        "other_campaigns": {n: c for n, c in sum_by(ours, "campaign").items() if n != campaign},
        "elsewhere": {n: c for n, c in sum_by(paid, "service").items() if n != comparison.service},
    }  # fmt: skip


# --- lines ---


def costs_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = [f"{facts['campaign']}"]
    lines += [f"  note: {facts['note']}"] if "note" in facts else []
    if not facts["paid"]["models"] and not facts["play"]["models"]:
        lines.append("  nothing was bought yet")
    for name, word in (("paid", "credits"), ("play", "play credits")):
        if facts[name]["models"]:
            lines += _purse_lines(facts[name], word)
    run = facts["run"]
    if run is not None:
        word = "credits" if run["paid"] else "play credits"
        lines.append(f"  run {run['run_id']} settled {run['settled']:,} {word}; its plan came to {run['asked']:,}")
    vendor = facts["vendor"]
    if vendor is None:
        lines.append("  no vendor key is set: nothing to compare the ledger with")
        return lines
    return lines + _vendor_lines(vendor, facts["campaign"])


def _purse_lines(purse: Mapping[str, Any], word: str) -> list[str]:
    fates = ", ".join(f"{credits:,} {fate}" for fate, credits in purse["by_fate"].items())
    of = f" of {purse['budget']:,}" if purse["budget"] is not None else ""
    lines = [f"  {purse['credits']:,}{of} {word}: {fates or 'none charged'}"]
    each = purse["credits_per_usable_second"]
    if each is not None:
        lines.append(f"  {each} {word} a usable second on screen ({purse['usable_seconds']} s are circled)")
    rows = [(r["model"], f"{r['purchases']} bought", f"{r['credits']:,}", _beside(r)) for r in purse["models"]]
    rows += [(r["shot"], f"{r['purchases']} bought", f"{r['credits']:,}", _beside(r)) for r in purse["shots"]]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    told = [f"    {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    models = len(purse["models"])
    return [*lines, "   by model", *told[:models], "   by shot", *told[models:]]


def _beside(row: Mapping[str, Any]) -> str:
    parts = [f"{row['open']:,} open"] if row.get("open") else []
    parts += [f"{row['failed']:,} for failures"] if row["failed"] else []
    return ", ".join(parts)


def _vendor_lines(vendor: Mapping[str, Any], campaign: str) -> list[str]:
    lines = [
        f"  {vendor['service']}: balance {vendor['balance']:,} credits; since {vendor['since']} it charged "
        f"{vendor['charged']:,}, the ledger has {vendor['ledger']:,}: difference {_signed(vendor['difference'])}"
    ]
    lines += [
        f"    {row['model']}: {row['vendor']:,} charged, {row['ledger']:,} in the ledger, {_signed(row['difference'])}"
        for row in vendor["rows"]
    ]
    if vendor["difference"] or vendor["excess"] or vendor["suspects"]:
        lines += _explanations(vendor)
    if vendor["blocks"]:
        lines.append(
            f"  {vendor['unexplained']:,} credits are unexplained: no paid run until somebody answers for them"
        )
        lines.append(f"      shotrunner costs {campaign} --acknowledge --by WHO --why WHAT-IT-WAS")
    elif vendor["unexplained"]:
        lines.append(
            f"  {vendor['unexplained']:,} credits are unexplained; a run is stopped above {vendor['threshold']:,}"
        )
    return lines


def _explanations(vendor: Mapping[str, Any]) -> list[str]:
    suspects = vendor["suspects"]
    lines = [f"    {_suspect_line(s)}" for s in suspects[:_NAMED]]
    if len(suspects) > _NAMED:
        rest = sum(s["credits"] for s in suspects[_NAMED:])
        lines.append(f"    and {len(suspects) - _NAMED} more entries, {rest:,} credits (--json names them)")
    if vendor["acknowledged"]:
        lines.append(f"    {vendor['acknowledged']:,} credits beyond the ledger were answered for")
    others = ", ".join(f"{name} {credits:,}" for name, credits in vendor["other_campaigns"].items())
    lines += [f"    in the ledger from other campaigns of this store: {others}"] if others else []
    elsewhere = ", ".join(f"{name} {credits:,}" for name, credits in vendor["elsewhere"].items())
    lines += [f"    bought elsewhere, so on no bill of {vendor['service']}: {elsewhere}"] if elsewhere else []
    if vendor["excess"]:
        lines.append("    charges beyond the ledger: another store, another program or a person used this account")
    return lines


def _suspect_line(suspect: Mapping[str, Any]) -> str:
    return f"{suspect['campaign']} {suspect['address']}, {suspect['credits']:,} credits: {suspect['why']}"


def _signed(credits: int) -> str:
    return f"{credits:+,}" if credits else "0"


# --- the stop ---


def refuse_unexplained(prepared: Prepared, clock: Clock | None = None) -> str:
    """Before a paid run: stops it when the vendor charged more beside the ledger than `unexplained_credits`. Returns a
    notice when the vendor's figures cannot be had; that alone stops nobody.

    The first paid run of a store notes what the account had spent that day before it.
    """
    plan, settings, store = prepared.plan, prepared.settings, prepared.store
    if plan.video_service == FREE_SERVICE or not plan.purchases:
        return ""
    clock = clock or SystemClock()
    try:
        comparison, account, movements = ask(store, settings, plan.video_service, clock, quick=True)
    except VendorUnavailableError as error:
        return f"spending is not compared with the vendor's: {error.detail}"
    first = not any(m.paid and m.service == account.service for m in movements)
    if first and comparison.unexplained and not comparison.acknowledged:
        _note_baseline(store, account, comparison, clock)
    elif comparison.unexplained > settings.unexplained_credits:
        raise UnexplainedSpendError(
            _unexplained_words(comparison),
            remedy=f"look with `shotrunner costs {plan.campaign}`; then --acknowledge --by WHO --why WHAT-IT-WAS",
        )
    return ""


def _note_baseline(store: ObjectStore, account: Account, comparison: Comparison, clock: Clock) -> None:
    write_acknowledgement(
        store,
        Acknowledgement(
            service=account.service, credits=comparison.excess, since=account.since, by="shotrunner", why=BASELINE,
            at=clock.now(),
        ),
    )  # fmt: skip


def _unexplained_words(comparison: Comparison) -> str:
    models = ", ".join(f"{row.model} {row.difference:+,}" for row in comparison.rows if row.difference > 0)
    return (
        f"since {comparison.since} {comparison.service} charged {comparison.unexplained:,} credits that no entry of "
        f"the ledger accounts for ({models})"
    )


def acknowledge(prepared: Prepared, by: str, why: str, clock: Clock | None = None) -> Acknowledgement:
    """A person answers for everything that is unexplained now. Raises NothingToAcknowledgeError."""
    clock = clock or SystemClock()
    service = prepared.plan.video_service
    if service == FREE_SERVICE:
        raise NothingToAcknowledgeError("no vendor key is set", remedy="set RUNWAYML_API_SECRET of the account")
    comparison, account, _ = ask(prepared.store, prepared.settings, service, clock)
    if not comparison.unexplained:
        raise NothingToAcknowledgeError(
            f"everything that {service} charged since {account.since} is in the ledger or was answered for",
            remedy=f"see `shotrunner costs {prepared.plan.campaign}`",
        )
    record = Acknowledgement(
        service=service, credits=comparison.excess, since=account.since, by=by, why=why, at=clock.now()
    )
    write_acknowledgement(prepared.store, record)
    return record
