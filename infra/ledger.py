"""What was asked, paid and received, as create-only records in the store. Appends and reads; decides nothing.

The records of a take are the truth. Ledger entries are the same money seen by campaign, and can be written again from
them: every entry that follows from records gets the record's own time, so that writing it twice is writing it once.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from infra.errors import IntegrityError, NotFoundError, PreconditionFailedError
from infra.records import create_record, read_record
from infra.storage.base import ObjectStore
from infra.storage.far import ask_each
from manifests.journal import (
    Failure,
    Intent,
    LedgerEntry,
    Record,
    Refusal,
    Release,
    Result,
    TakeHistory,
    TaskRecord,
)
from manifests.naming import (
    ledger_key,
    ledger_prefix,
    ledgers_prefix,
    parse_take_record_key,
    shot_address,
    take_prefix,
    take_record_key,
)

FREE_SERVICE = "backlot"  # charges play credits; every other service is paid
_MODELS: Mapping[str, type[Record]] = {
    "intent": Intent,
    "task": TaskRecord,
    "refused": Refusal,
    "released": Release,
    "failed": Failure,
    "result": Result,
}
_NAMES = {model: name for name, model in _MODELS.items()}
TakeRecord = Intent | TaskRecord | Refusal | Release | Failure | Result
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Account:
    """What a movement is counted under: the shot whose picture it is (None for sounds), and whether it is a retake."""

    shot: str | None = None
    again: bool | None = None

    def holds(self, other: Account) -> bool:
        """Whether the other is counted here; what this one leaves open may be anything."""
        return self.shot in (None, other.shot) and self.again in (None, other.again)


@dataclass(frozen=True)
class Spending:
    """Of one campaign and purse, in credits. `reserved`, by `{take key}-{attempt}`: in flight or unknown."""

    spent: int = 0
    reserved: Mapping[str, int] = field(default_factory=dict)
    spent_on: Mapping[Account, int] = field(default_factory=dict, compare=False)
    held_on: Mapping[Account, int] = field(default_factory=dict, compare=False)  # what is reserved
    reserved_for: Mapping[str, Account] = field(default_factory=dict, compare=False)

    @property
    def total(self) -> int:
        return self.spent + sum(self.reserved.values())

    def total_of(self, *, shot: str | None = None, again: bool | None = None) -> int:
        """Spent and reserved for one shot's pictures, or for the first takes (`again=False`) only."""
        asked = Account(shot, again)
        movements = (*self.spent_on.items(), *self.held_on.items())
        return sum(credits for account, credits in movements if asked.holds(account))


def read_history(store: ObjectStore, key: str) -> TakeHistory:
    """All records of one key, as the store holds them now."""
    found: dict[type[Record], list[Record]] = {model: [] for model in _NAMES}
    for info in store.list(take_prefix(key)):
        name = _record_name(info.key)
        found[_MODELS[name]].append(_read(store, info.key, _MODELS[name]))
    results = _of(found, Result)
    return TakeHistory(
        key=key,
        intents=_by_attempt(_of(found, Intent)),
        tasks=_by_attempt(_of(found, TaskRecord)),
        refusals=_by_attempt(_of(found, Refusal)),
        releases=_by_attempt(_of(found, Release)),
        failures=_by_attempt(_of(found, Failure)),
        result=results[0] if results else None,
    )


def _record_name(key: str) -> str:
    """What we cannot name may be money that a later version wrote: never skipped."""
    try:
        return parse_take_record_key(key)[1]
    except ValueError as e:
        raise IntegrityError(
            f"{key} is no record of a take", remedy="Move it away, or use the version that wrote it."
        ) from e


def read_histories(store: ObjectStore, keys: Iterable[str]) -> dict[str, TakeHistory]:
    """Many at once: on a bucket each costs several round trips."""
    wanted = list(dict.fromkeys(keys))
    return dict(zip(wanted, ask_each(store, lambda key: read_history(store, key), wanted), strict=True))


def write_take_record(store: ObjectStore, record: TakeRecord) -> None:
    """Create-only. Raises PreconditionFailedError when another writer's record is there."""
    name = _NAMES[type(record)]
    key = take_record_key(record.key, name, None if name == "result" else record.attempt)
    create_record(store, key, record)


def is_paid(service: str) -> bool:
    return service != FREE_SERVICE


def write_entry(store: ObjectStore, entry: LedgerEntry) -> None:
    """One movement, once: when it is there already, by us or by a repair, nothing is left to do."""
    try:
        create_record(store, ledger_key(entry.campaign, entry.key, entry.attempt, entry.kind), entry)
    except PreconditionFailedError:
        return


def entries_of(history: TakeHistory, campaign: str) -> list[LedgerEntry]:
    """What the records of one take mean for this campaign's money.

    An unknown that was released, either way, counts as spent in full: nobody knows better.
    """
    entries: list[LedgerEntry] = []
    for intent in history.intents:
        if intent.campaign != campaign:
            continue
        entries.append(make_entry(intent, "reserve", intent.reserved_credits))
        closing = _closing(history, intent)
        if closing is not None:
            entries.append(closing)
    return entries


def make_entry(
    intent: Intent,
    kind: str,
    credits: int,
    *,
    record: TakeRecord | None = None,
) -> LedgerEntry:
    """`record` is what closes the intent; without one the movement has the intent's time."""
    return LedgerEntry.model_validate(
        {
            "campaign": intent.campaign,
            "key": intent.key,
            "attempt": intent.attempt,
            "kind": kind,
            "credits": credits,
            "vendor_units": record.vendor_units if isinstance(record, Result) else None,
            "service": intent.service,
            "model": intent.model,
            "what": intent.what,
            "address": intent.address,
            "paid": is_paid(intent.service),
            "again": intent.again,
            "at": record.at if record else intent.at,
        }
    )


def _closing(history: TakeHistory, intent: Intent) -> LedgerEntry | None:
    def of(records: Sequence[R]) -> R | None:
        return next((r for r in records if getattr(r, "attempt", None) == intent.attempt), None)

    if history.result is not None and history.result.attempt == intent.attempt:
        return make_entry(intent, "settle", history.result.credits, record=history.result)
    if failure := of(history.failures):
        return make_entry(intent, "settle", failure.credits, record=failure)
    if refusal := of(history.refusals):
        return make_entry(intent, "release", intent.reserved_credits, record=refusal)
    if release := of(history.releases):
        return make_entry(intent, "settle", open_credits(history, intent), record=release)
    return None


def open_credits(history: TakeHistory, intent: Intent) -> int:
    """What an intent without an outcome holds: the vendor's own estimate where it gave one."""
    task = history.task_of(intent.attempt)
    return intent.reserved_credits if task is None or task.estimated_credits is None else task.estimated_credits


def read_entries(store: ObjectStore, campaign: str) -> list[LedgerEntry]:
    keys = [info.key for info in store.list(ledger_prefix(campaign))]
    return ask_each(store, lambda key: _read(store, key, LedgerEntry), keys)


def oldest_create(store: ObjectStore, service: str, model: str, since: dt.datetime) -> dt.datetime | None:
    """When the first create of a model since then was accepted, in any campaign of this store: the account's daily cap
    counts them all. A refused one counts nothing."""
    keys = [info.key for info in store.list(ledgers_prefix())]
    refused = {key.removesuffix("-release.json") for key in keys if key.endswith("-release.json")}
    reserved = [k for k in keys if k.endswith("-reserve.json") and k.removesuffix("-reserve.json") not in refused]
    entries = ask_each(store, lambda key: _read(store, key, LedgerEntry), reserved)
    return min((e.at for e in entries if (e.service, e.model) == (service, model) and e.at >= since), default=None)


def repair_ledger(store: ObjectStore, campaign: str, keys: Iterable[str] = ()) -> list[LedgerEntry]:
    """Writes what a crash left out, from the records of `keys` and of every take that the ledger holds open.

    Only the holder of the campaign's lease may call it. Returns the entries that were missing.
    """
    known = {(e.key, e.attempt, e.kind): e for e in read_entries(store, campaign)}
    histories = read_histories(store, [*keys, *(key for key, _ in _open(known.values()))])
    missing = [
        entry
        for history in histories.values()
        for entry in entries_of(history, campaign)
        if (entry.key, entry.attempt, entry.kind) not in known
    ]
    ask_each(store, lambda entry: write_entry(store, entry), missing)
    return missing


Window = tuple[dt.datetime | None, dt.datetime | None]  # from and before; None is without end
EVER: Window = (None, None)


def spent_and_reserved(store: ObjectStore, campaign: str, *, paid: bool) -> Spending:
    """Totals of one purse. Open reservations are looked up in the take records, so a crash does not bend the figures.

    A reservation without an intent was never sent and counts nothing.
    """
    return spent_within(store, campaign, EVER, paid=paid)[0]


def spent_within(store: ObjectStore, campaign: str, *windows: Window, paid: bool) -> list[Spending]:
    """The same for windows of time, by when a purchase was reserved: it is settled later, perhaps in another month."""
    entries = [e for e in read_entries(store, campaign) if e.paid is paid]
    began = {(e.key, e.attempt): e.at for e in entries if e.kind == "reserve"}

    def within(entry: LedgerEntry, window: Window) -> bool:
        at = began.get((entry.key, entry.attempt), entry.at)
        return (window[0] is None or at >= window[0]) and (window[1] is None or at < window[1])

    return [_spending(store, campaign, [e for e in entries if within(e, window)]) for window in windows]


def _spending(store: ObjectStore, campaign: str, entries: Sequence[LedgerEntry]) -> Spending:
    settled = [e for e in entries if e.kind == "settle"]
    open_keys = _open(entries)
    histories = read_histories(store, [key for key, _ in open_keys])
    reserved: dict[str, int] = {}
    reserved_for: dict[str, Account] = {}
    held_on: Counter[Account] = Counter()
    for key, attempt in open_keys:
        history = histories[key]
        intent = next((i for i in history.intents if i.attempt == attempt and i.campaign == campaign), None)
        if intent is None:
            continue
        closing = _closing(history, intent)
        if closing is None:
            name = reservation_name(key, attempt)
            reserved[name] = open_credits(history, intent)
            reserved_for[name] = account_of(intent)
            held_on[reserved_for[name]] += reserved[name]
        elif closing.kind == "settle":
            settled.append(closing)
    spent_on: Counter[Account] = Counter()
    for entry in settled:
        spent_on[account_of(entry)] += entry.credits
    return Spending(spent_on.total(), reserved, spent_on, held_on, reserved_for)


def account_of(movement: Intent | LedgerEntry) -> Account:
    picture = movement.what in ("take", "still")
    return Account(shot_of(movement.address) if picture else None, again=movement.again)


def shot_of(address: str) -> str:
    """`pour@en.2/take-1` is money for `pour@en`: one shot at the values it depends on, all segments together."""
    try:
        return shot_address(address)
    except ValueError:  # written by a version that names shots otherwise: it stays by itself
        return address


def reservation_name(key: str, attempt: int) -> str:
    return f"{key}-{attempt}"


def _open(entries: Iterable[LedgerEntry]) -> list[tuple[str, int]]:
    """Reserved, and neither settled nor released."""
    found = list(entries)
    closed = {(e.key, e.attempt) for e in found if e.kind != "reserve"}
    return [(e.key, e.attempt) for e in found if e.kind == "reserve" and (e.key, e.attempt) not in closed]


def _read(store: ObjectStore, key: str, model: type[R]) -> R:
    record = read_record(store, key, model)
    if record is None:
        raise NotFoundError(f"{key} was listed and is gone", remedy="Nothing but gc deletes: look at who else does.")
    return record


def _of(found: Mapping[type[Record], list[Record]], model: type[R]) -> list[R]:
    return [r for r in found[model] if isinstance(r, model)]


def _by_attempt(records: list[R]) -> tuple[R, ...]:
    return tuple(sorted(records, key=lambda r: int(getattr(r, "attempt", 0))))
