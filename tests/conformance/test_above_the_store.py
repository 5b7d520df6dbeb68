"""What stands directly on the port (blobs, records, leases) against every kind of store, the bucket included."""

from __future__ import annotations

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra import errors
from infra.blobs import blob_file, has_blob, put_blob, read_blob
from infra.clock import SystemClock
from infra.garbage import collect_garbage
from infra.lease import HeldLease, acquire_lease, living_leases
from infra.records import create_record, read_record, update_record
from infra.storage.base import ObjectStore
from manifests.journal import BudgetHead, Refusal
from manifests.naming import blob_key, budget_key, run_key, staging_key


def head(before: BudgetHead | None) -> BudgetHead:
    spent = before.spent + 1 if before else 1
    return BudgetHead(rev=0, campaign="c", purse="play", spent=spent, reserved={}, limit=None)


def test_blobs(store: ObjectStore, tmp_path: Path) -> None:
    picture = b"picture" * 300_000
    (tmp_path / "take.mp4").write_bytes(picture)
    ref = put_blob(store, "take", tmp_path / "take.mp4", "video/mp4")
    assert put_blob(store, "take", picture, "video/mp4") == ref
    assert has_blob(store, ref)
    assert read_blob(store, ref) == picture
    assert blob_file(store, ref, tmp_path / "work").read_bytes() == picture
    store.put_bytes(blob_key("take", ref.sha256), picture[:-1] + b"X")
    with pytest.raises(errors.IntegrityError):
        read_blob(store, ref)
    with pytest.raises(errors.IntegrityError):
        blob_file(store, ref, tmp_path / "elsewhere")


class Ahead(SystemClock):
    """The store's objects get older without anybody waiting."""

    days = 0.0

    def now(self) -> dt.datetime:
        return super().now() + dt.timedelta(days=self.days)


def test_what_nothing_refers_to_is_collected(store: ObjectStore, tmp_path: Path) -> None:
    clock = Ahead()
    kept, orphan = put_blob(store, "take", b"kept", "video/mp4"), put_blob(store, "take", b"orphan", "video/mp4")
    store.put_bytes(run_key("r1", "run.json"), kept.sha256.encode())
    store.put_bytes(staging_key("r1", "part"), b"part")
    for days, expected in ((6, []), (8, []), (14, []), (16, [blob_key("take", orphan.sha256)])):
        clock.days = days
        assert sorted(collect_garbage(store, clock, apply=True).deleted) == expected
    assert (has_blob(store, kept), has_blob(store, orphan)) == (True, False)
    assert [info.key for info in store.list("v1/gc/")] == []
    assert [info.key for info in store.list("v1/staging/")] == []
    assert put_blob(store, "take", b"orphan", "video/mp4") == orphan


def test_a_listed_blob_that_is_put_again_is_spared(store: ObjectStore) -> None:
    clock = Ahead()
    ref = put_blob(store, "take", b"orphan", "video/mp4")
    clock.days = 8
    assert collect_garbage(store, clock, apply=True).listed
    time.sleep(1.1)
    before = store.head(blob_key("take", ref.sha256)).modified
    assert put_blob(store, "take", b"orphan", "video/mp4", clock=clock) == ref
    assert store.head(blob_key("take", ref.sha256)).modified > before
    assert living_leases(store, clock) == []  # let go of


def test_records(store: ObjectStore) -> None:
    now = SystemClock().now()
    refusal = Refusal(key="0" * 64, attempt=1, error="RefusedError", detail="d", at=now)
    create_record(store, "r", refusal)
    create_record(store, "r", refusal)
    with pytest.raises(errors.PreconditionFailedError):
        create_record(store, "r", refusal.model_copy(update={"detail": "another"}))
    assert read_record(store, "r", Refusal) == refusal


def test_no_update_is_lost(store: ObjectStore) -> None:
    key = budget_key("c", "play")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: update_record(store, key, BudgetHead, head), range(12)))
    last = read_record(store, key, BudgetHead)
    assert last is not None
    assert (last.rev, last.spent) == (12, 12)


def test_one_of_eight_gets_the_lease(store: ObjectStore) -> None:
    barrier = threading.Barrier(8)

    def take(_: int) -> HeldLease | None:
        barrier.wait()
        try:
            return acquire_lease(store, SystemClock(), "film")
        except errors.LeaseHeldError:
            return None

    with ThreadPoolExecutor(8) as pool:
        held = [lease for lease in pool.map(take, range(8)) if lease]
    assert living_leases(store, SystemClock()) == [lease.nonce for lease in held]
    held[0].renew()
    held[0].release()
    assert living_leases(store, SystemClock()) == []
