"""`store gc`: blobs that no record names, listed first and deleted one grace later; intermediates and litter by age.

A record here is every object that is not itself a blob, a list, a lease or litter. Every digest that stands in one
counts, so a kind of record that this module never heard of keeps what it names. Only blobs and litter are deleted.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO

from infra import errors
from infra.clock import Clock
from infra.doomed import LEASE, LEASE_SECONDS, DoomedList, read_lists
from infra.lease import HeldLease, acquire_lease
from infra.records import create_record
from infra.storage.base import ObjectInfo, ObjectStore
from manifests.naming import (
    blobs_prefix,
    collection_key,
    collection_prefix,
    layout_prefix,
    lease_prefix,
    out_prefix,
    parse_blob_key,
    staging_prefix,
)

GRACE = dt.timedelta(days=7)
INTERMEDIATES = dt.timedelta(days=14)  # of class `tmp`: made again from its step when it is missing
LITTER = dt.timedelta(days=2)  # of transfers that never ended
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_THREADS = 16
_READ_TRIES = 3
_RENEW_BELOW = dt.timedelta(seconds=LEASE_SECONDS * 4 // 5)
_ENOUGH = dt.timedelta(seconds=LEASE_SECONDS * 2 // 3)  # of the lease, for a deletion to end in however it goes


@dataclass
class Collection:
    """What a collection found and, unless it was dry, did. By key, with sizes in bytes."""

    applied: bool
    blobs: int = 0
    bytes: int = 0
    records: int = 0
    foreign: list[str] = field(default_factory=list)  # under blobs/, and no blob: left alone
    listed: dict[str, int] = field(default_factory=dict)  # named in a list for the first time
    waiting: dict[str, int] = field(default_factory=dict)  # named in a list that is not one grace old
    deleted: dict[str, int] = field(default_factory=dict)
    spared: list[str] = field(default_factory=list)  # listed once, and in use again
    litter: dict[str, int] = field(default_factory=dict)
    uploads: int | None = 0  # unfinished, in a bucket; None when these keys may not look
    next_due: dt.datetime | None = None


def collect_garbage(
    store: ObjectStore,
    clock: Clock,
    *,
    grace: dt.timedelta = GRACE,
    apply: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Collection:
    """Raises LeaseHeldError while another collection is at work, and StoreError; then what was not done is done by the
    next one. Without `apply` nothing is written."""
    if not apply:
        return _Collector(store, clock, grace, None, tell).run()
    lease = acquire_lease(store, clock, LEASE, seconds=LEASE_SECONDS)
    try:
        return _Collector(store, clock, grace, lease, tell).run()
    finally:
        lease.release()


class _Collector:
    def __init__(
        self,
        store: ObjectStore,
        clock: Clock,
        grace: dt.timedelta,
        lease: HeldLease | None,
        tell: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._grace = grace
        self._lease = lease
        self._tell = tell
        self._done = Collection(applied=lease is not None)
        self._named: frozenset[str] = frozenset()

    def run(self) -> Collection:
        # lists and blobs before records: what is referred to meanwhile is young, or was spared under our lease
        lists = read_lists(self._store)
        blobs = self._read_blobs()
        self._named = self._read_records()
        now = self._clock.now()
        due = {key: told for key, told in lists.items() if told.due(now, self._grace)}
        pending = {blob for key, told in lists.items() if key not in due for blob in told.keys}
        for key, told in due.items():
            self._sweep(key, told, blobs)
        self._remove_litter()
        self._list(blobs, pending)
        later = [told.at + max(self._grace, dt.timedelta(seconds=told.grace_seconds)) for told in lists.values()]
        self._done.next_due = min((at for at in later if at > now), default=None)
        return self._done

    # --- looking ---

    def _read_blobs(self) -> Mapping[str, ObjectInfo]:
        found = {}
        for info in self._store.list(blobs_prefix()):
            try:
                parse_blob_key(info.key)
            except ValueError:
                self._done.foreign.append(info.key)
                continue
            found[info.key] = info
            self._done.blobs += 1
            self._done.bytes += info.version.size
        self._tell(f"{self._done.blobs:,} blobs")
        return found

    def _read_records(self) -> frozenset[str]:
        keys = [info.key for info in self._store.list(layout_prefix()) if _is_record(info.key)]
        self._done.records = len(keys)
        named: set[str] = set()
        with ThreadPoolExecutor(_THREADS) as pool:
            for number, digests in enumerate(pool.map(self._digests_in, keys), 1):
                named |= digests
                if number % 1000 == 0:
                    self._tell(f"{number:,} of {len(keys):,} records read")
                    self._renew()
        return frozenset(named)

    def _digests_in(self, key: str) -> set[str]:
        """Every digest that stands anywhere in it. A record that is gone names nothing any more."""
        for attempt in range(_READ_TRIES):
            try:
                with self._store.open_read(key) as stream:
                    return digests_in(stream)
            except errors.NotFoundError:
                return set()
            except errors.StoreUnavailableError:  # one cut connection among very many
                if attempt == _READ_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _is_garbage(self, info: ObjectInfo) -> bool:
        kind, sha256 = parse_blob_key(info.key)
        age = self._clock.now() - info.modified
        if kind == "tmp" and age >= max(INTERMEDIATES, self._grace):
            return True
        return sha256 not in self._named and age >= self._grace

    # --- doing ---

    def _sweep(self, list_key: str, told: DoomedList, blobs: Mapping[str, ObjectInfo]) -> None:
        for key in told.keys:
            info = blobs.get(key)
            if info is None:  # a lifecycle rule was first, or a collection that broke off
                continue
            if not self._is_garbage(info) or not self._delete(info):
                self._done.spared.append(key)
        if self._lease is not None:  # last: while it stands, writers know what may be deleted
            self._store.delete(list_key)

    def _delete(self, info: ObjectInfo) -> bool:
        """False when it was touched since it was listed. What the store says now decides, under a lease that lasts."""
        if self._lease is not None:
            self._renew()
            try:
                there = self._store.head(info.key)
                if not self._is_garbage(there):
                    return False
                self._store.delete(info.key, if_match=there.version.tag)
            except errors.NotFoundError:
                return True
            except errors.PreconditionFailedError:
                return False
        self._done.deleted[info.key] = info.version.size
        return True

    def _list(self, blobs: Mapping[str, ObjectInfo], pending: Iterable[str]) -> None:
        known = set(pending) | self._done.deleted.keys() | set(self._done.spared)
        self._done.waiting = {key: blobs[key].version.size for key in sorted(pending) if key in blobs}
        garbage = [info for key, info in blobs.items() if key not in known and self._is_garbage(info)]
        self._done.listed = {info.key: info.version.size for info in garbage}
        if garbage and self._lease is not None:
            self._renew()
            now = self._clock.now()
            told = DoomedList(
                at=now, grace_seconds=int(self._grace.total_seconds()), keys=tuple(sorted(self._done.listed))
            )
            create_record(self._store, collection_key(f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"), told)

    def _remove_litter(self) -> None:
        before = self._clock.now() - LITTER
        for info in self._store.list(staging_prefix()):
            if info.modified <= before:
                self._done.litter[info.key] = info.version.size
                if self._lease is not None:
                    self._store.delete(info.key)
        try:
            self._done.uploads = self._store.end_uploads(before, dry=self._lease is None)
        except errors.AccessDeniedError:  # the bucket's lifecycle rule ends them as well
            self._done.uploads = None

    def _renew(self) -> None:
        """Raises LeaseHeldError when it was lost: then nothing more is deleted."""
        if self._lease is None:
            return
        if self._lease.lease.expires_at - self._clock.now() < _RENEW_BELOW:
            self._lease.renew()
        if self._lease.lease.expires_at - self._clock.now() < _ENOUGH:
            raise errors.StoreUnavailableError(
                "the lease of the collection could not be renewed in time", remedy="Run it again: it goes on from here."
            )


def digests_in(stream: IO[bytes], chunk_size: int = 1 << 20) -> set[str]:
    found: set[str] = set()
    rest = b""
    while chunk := stream.read(chunk_size):
        text = rest + chunk
        found.update(match.decode() for match in _DIGEST.findall(text))
        rest = text[-63:]  # one may lie across two chunks
    return found


def _is_record(key: str) -> bool:
    """Of the deliverables, the index: what lies beside it are copies of blobs."""
    if key.startswith((blobs_prefix(), collection_prefix(), lease_prefix(), staging_prefix())):
        return False
    return not key.startswith(out_prefix()) or key.endswith("/index.json")
