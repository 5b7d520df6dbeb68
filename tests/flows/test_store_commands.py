"""`store gc` and `store doctor` as people start them, on a folder. Buckets: tests/conformance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import Shotrunner

from flows.examining import check_facts, check_lines
from infra.blobs import put_blob
from infra.clock import SystemClock
from infra.doomed import LEASE
from infra.lease import acquire_lease
from infra.storage import open_store
from infra.storage.doctor import Check
from infra.storage.folder import FolderStore
from manifests.journal import BlobRef
from manifests.naming import blob_key, run_key, staging_key

DAY = 86400


@pytest.fixture
def store(examples: Path) -> FolderStore:
    """Where the commands look when nothing is said."""
    opened = open_store(".shotrunner/store", examples)
    assert isinstance(opened, FolderStore)
    return opened


def age(store: FolderStore, key: str, days: float) -> None:
    path = store.local_path(key)
    assert path is not None
    then = time.time() - days * DAY
    os.utime(path, (then, then))


def old(store: FolderStore, data: bytes, days: float) -> BlobRef:
    ref = put_blob(store, "take", data, "video/mp4")
    age(store, blob_key("take", ref.sha256), days)
    return ref


def test_gc_says_what_it_would_do_and_then_does_it(store: FolderStore, shotrunner: Shotrunner) -> None:
    kept = old(store, b"kept", 30)
    store.put_bytes(run_key("r1", "run.json"), kept.sha256.encode())
    key = blob_key("take", old(store, b"x" * 2_000_000, 10).sha256)
    dry = shotrunner("store", "gc")
    assert dry.code == 0, dry.err
    assert "2 blobs, 2.0 MB; 1 records" in dry.out
    assert f"would be listed: 1, 2.0 MB\n    {key}" in dry.out
    assert dry.out.endswith("nothing was changed; --apply does it\n")
    assert not list(store.list("v1/gc/"))
    done = shotrunner("store", "gc", "--apply")
    assert "listed: 1, 2.0 MB" in done.out
    assert "run it again in 7d" in done.out
    told = json.loads(shotrunner("store", "gc", "--apply", "--json").out)
    assert (told["waiting"], told["deleted"]) == ({key: 2_000_000}, {})
    assert told["next_due"]
    assert store.local_path(key)


def test_litter_and_strangers_are_named(store: FolderStore, shotrunner: Shotrunner) -> None:
    store.put_bytes(staging_key("r1", "part"), b"part")
    age(store, staging_key("r1", "part"), 3)
    store.put_bytes("v1/blobs/notes.txt", b"mine")
    done = shotrunner("store", "gc", "--apply")
    assert "litter removed: 1, 4 bytes" in done.out
    assert "not ours, left alone: v1/blobs/notes.txt" in done.out
    assert [info.key for info in store.list("v1/")] == ["v1/blobs/notes.txt", f"v1/leases/{LEASE}.json"]


@pytest.mark.parametrize(
    ("grace", "words"), [("7", "no span"), ("x", "no span"), ("23h", "too short"), ("0d", "too short")]
)
def test_a_grace_that_is_none_is_refused(examples: Path, shotrunner: Shotrunner, grace: str, words: str) -> None:
    answer = shotrunner("store", "gc", "--grace", grace)
    assert (answer.code, words in answer.err) == (2, True)


@pytest.mark.parametrize("grace", ["24h", "1d", "2w"])
def test_graces(examples: Path, shotrunner: Shotrunner, grace: str) -> None:
    assert shotrunner("store", "gc", "--grace", grace).code == 0


def test_two_collections_do_not_meet(store: FolderStore, shotrunner: Shotrunner) -> None:
    acquire_lease(store, SystemClock(), LEASE)
    answer = shotrunner("store", "gc", "--apply")
    assert (answer.code, "store.gc is held by" in answer.err) == (9, True)
    assert shotrunner("store", "gc").code == 0


def test_a_store_that_fails_is_told_in_words() -> None:
    checks = [
        Check("create-once", False, "at 2 of 8 keys more than one won"),
        Check("ranges", False, "only whole", needed=False),
        Check("trailers", None, "not asked", needed=False),
        Check("swap", None, "could not be asked"),
    ]
    facts = check_facts("s3://b/p", "https://s3.test", checks)
    assert not facts["ok"]
    assert check_lines(facts) == [
        "s3://b/p at https://s3.test",
        "  FAIL  create-once  at 2 of 8 keys more than one won",
        "  no    ranges       only whole",
        "  -     trailers     not asked",
        "  -     swap         could not be asked",
        "nothing may be bought into this store: create-once, swap",
    ]


def test_a_folder_costs_no_bucket_client() -> None:
    code = (
        "import sys; from pathlib import Path; from infra.fitness import require_fit_store;"
        "from infra.storage import open_store; from infra.clock import SystemClock;"
        "require_fit_store(open_store('memory:', Path()), SystemClock()); sys.exit('boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
