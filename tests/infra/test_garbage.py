"""Collection of what nothing refers to: never what is referred to, whoever writes at the same moment."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clocks import TestClock
from faults.store import Fault, FaultyStore
from hypothesis import example, given, settings
from hypothesis import strategies as st
from turns import TurningStore, Turns

from infra import errors
from infra.blobs import has_blob, keep_blob, put_blob, read_blob
from infra.doomed import LEASE, LEASE_SECONDS, YOUNG, read_lists
from infra.garbage import GRACE, INTERMEDIATES, LITTER, Collection, collect_garbage, digests_in
from infra.lease import acquire_lease
from infra.storage.base import ObjectStore
from infra.storage.memory import MemoryStore
from manifests.digest import digest_bytes
from manifests.journal import BlobRef
from manifests.naming import blob_key, deliverable_index_key, deliverable_key, run_key, staging_key

DAY = 24 * 3600.0
ONE, TWO = b"one" * 100, b"two" * 100


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def store(clock: TestClock) -> MemoryStore:
    return MemoryStore(clock)


def put(store: ObjectStore, clock: TestClock, data: bytes, kind: Any = "take") -> BlobRef:
    return put_blob(store, kind, data, "video/mp4", clock=clock)


def refer(store: ObjectStore, name: str, *refs: BlobRef) -> None:
    text = json.dumps({"any": {"kind": ["of", "record", *(ref.sha256 for ref in refs)]}})
    store.put_bytes(run_key(name, "run.json"), text.encode())


def collect(store: ObjectStore, clock: TestClock, **options: Any) -> Collection:
    return collect_garbage(store, clock, apply=options.pop("apply", True), **options)


def test_an_orphan_is_listed_after_a_grace_and_deleted_after_another(store: MemoryStore, clock: TestClock) -> None:
    orphan, kept = put(store, clock, ONE), put(store, clock, TWO)
    refer(store, "r1", kept)
    clock.elapsed += 6 * DAY
    assert collect(store, clock).listed == {}
    clock.elapsed += 1 * DAY
    key = blob_key("take", orphan.sha256)
    assert collect(store, clock).listed == {key: len(ONE)}
    clock.elapsed += 6 * DAY
    again = collect(store, clock)
    assert (again.listed, again.waiting, again.deleted) == ({}, {key: len(ONE)}, {})
    assert again.next_due == clock.now() + dt.timedelta(days=1)
    clock.elapsed += 1 * DAY
    assert collect(store, clock).deleted == {key: len(ONE)}
    assert not has_blob(store, orphan)
    assert read_blob(store, kept) == TWO
    assert read_lists(store) == {}
    done = collect(store, clock)
    assert (done.blobs, done.records, done.listed, done.deleted) == (1, 1, {}, {})


def test_a_dry_run_tells_the_same_and_writes_nothing(store: MemoryStore, clock: TestClock) -> None:
    orphan = put(store, clock, ONE)
    store.put_bytes(staging_key("r", "x"), b"part")
    key = blob_key("take", orphan.sha256)
    for stage in ("listed", "deleted"):
        clock.elapsed += 8 * DAY
        before = [*store.list("")]
        dry = collect(FaultyStore(store, Fault("fail-before", times=99)), clock, apply=False)
        assert [*store.list("")] == before
        assert getattr(dry, stage) == {key: len(ONE)}
        assert bool(dry.litter) is (stage == "listed")
        assert getattr(collect(store, clock), stage) == {key: len(ONE)}


def test_what_is_referred_to_again_is_spared_and_may_be_listed_anew(store: MemoryStore, clock: TestClock) -> None:
    ref = put(store, clock, ONE)
    clock.elapsed += 8 * DAY
    assert collect(store, clock).listed
    refer(store, "r1", ref)  # by hand, without a put
    clock.elapsed += 8 * DAY
    assert collect(store, clock).spared == [blob_key("take", ref.sha256)]
    assert read_lists(store) == {}
    store.delete(run_key("r1", "run.json"))
    assert collect(store, clock).listed
    clock.elapsed += 8 * DAY
    assert collect(store, clock).deleted


@pytest.mark.parametrize("listed", [False, True])
def test_a_second_put_makes_an_old_blob_young(store: MemoryStore, clock: TestClock, *, listed: bool) -> None:
    ref = put(store, clock, ONE)
    clock.elapsed += 8 * DAY
    if listed:
        assert collect(store, clock).listed
        clock.elapsed += 8 * DAY
    assert put(store, clock, ONE) == ref
    done = collect(store, clock)
    assert not done.deleted
    assert bool(done.spared) is listed
    assert has_blob(store, ref)


def test_a_young_blob_is_not_written_again(store: MemoryStore, clock: TestClock) -> None:
    put(store, clock, ONE)
    clock.elapsed += YOUNG.total_seconds() - 1
    counting = FaultyStore(store)
    put(counting, clock, ONE)
    assert [name for name, _ in counting.operations] == ["head"]


def test_intermediates_go_by_age_and_stay_while_they_are_used(store: MemoryStore, clock: TestClock) -> None:
    ref, used = put(store, clock, ONE, "tmp"), put(store, clock, TWO, "tmp")
    refer(store, "step", ref, used)
    clock.elapsed += INTERMEDIATES.total_seconds()
    assert keep_blob(store, used, clock=clock)
    assert collect(store, clock).listed == {blob_key("tmp", ref.sha256): len(ONE)}
    clock.elapsed += GRACE.total_seconds()
    assert keep_blob(store, used, clock=clock)
    assert collect(store, clock).deleted == {blob_key("tmp", ref.sha256): len(ONE)}
    assert not keep_blob(store, ref, clock=clock)
    assert has_blob(store, used)


def test_litter_goes_after_two_days(store: MemoryStore, clock: TestClock) -> None:
    store.put_bytes(staging_key("r", "old"), b"old")
    clock.elapsed += LITTER.total_seconds()
    store.put_bytes(staging_key("r", "fresh"), b"fresh")
    assert collect(store, clock).litter == {staging_key("r", "old"): 3}
    assert [info.key for info in store.list("v1/staging/")] == [staging_key("r", "fresh")]


def test_a_collector_that_may_not_see_uploads_still_collects(store: MemoryStore, clock: TestClock) -> None:
    put(store, clock, ONE)
    clock.elapsed += 8 * DAY

    class Partial(FaultyStore):
        def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
            raise errors.AccessDeniedError("ListMultipartUploads")

    done = collect(Partial(store), clock)
    assert (done.uploads, len(done.listed)) == (None, 1)


def test_digests_anywhere_in_any_record_count(store: MemoryStore, clock: TestClock) -> None:
    refs = [put(store, clock, b"%d" % n) for n in range(6)]
    store.put_bytes("v1/manifests/c/x.lock.json", refs[0].sha256.encode())
    store.put_bytes("v1/something/that/came/later", b"\x00" + refs[1].sha256.encode() + b"\xff")
    store.put_bytes(deliverable_index_key("c", "v", "1"), refs[2].sha256.encode())
    store.put_bytes("v1/decisions/c/d.json", refs[3].sha256.encode())
    store.put_bytes(deliverable_key("c", "v", "1", "film.mp4"), refs[4].sha256.encode())  # bytes, not a record
    clock.elapsed += 8 * DAY
    assert set(collect(store, clock).listed) == {blob_key("take", ref.sha256) for ref in refs[4:]}


def test_what_is_no_blob_is_told_and_left(store: MemoryStore, clock: TestClock) -> None:
    store.put_bytes("v1/blobs/notes.txt", b"mine")
    clock.elapsed += 99 * DAY
    assert collect(store, clock).foreign == ["v1/blobs/notes.txt"]
    assert store.get_bytes("v1/blobs/notes.txt")[0] == b"mine"


@given(st.binary(max_size=50), st.integers(1, 200), st.integers(0, 100))
def test_a_digest_across_two_reads_is_found(before: bytes, chunk: int, after: int) -> None:
    digest = digest_bytes(before)
    data = before + b'"' + digest.encode() + b'"' + b"0" * after
    assert digest in digests_in(io.BytesIO(data), chunk)


def test_a_record_that_cannot_be_read_stops_everything(store: MemoryStore, clock: TestClock) -> None:
    orphan = put(store, clock, ONE)
    clock.elapsed += 8 * DAY
    collect(store, clock)
    refer(store, "r1", orphan)
    clock.elapsed += 8 * DAY
    deaf = FaultyStore(store, Fault("fail-before", on="read", key="run.json", times=3))
    with pytest.raises(errors.StoreUnavailableError):
        collect(deaf, clock)
    assert has_blob(store, orphan)
    once = FaultyStore(store, Fault("fail-before", on="read", key="run.json", times=2))
    assert collect(once, clock).spared


def test_one_collection_at_a_time(store: MemoryStore, clock: TestClock) -> None:
    lease = acquire_lease(store, clock, LEASE, seconds=LEASE_SECONDS)
    with pytest.raises(errors.LeaseHeldError):
        collect(store, clock)
    assert collect(store, clock, apply=False).blobs == 0  # to look, nobody has to wait
    lease.release()
    collect(store, clock)


def test_a_collection_that_lost_its_lease_deletes_nothing_more(store: MemoryStore, clock: TestClock) -> None:
    put(store, clock, ONE)
    clock.elapsed += 8 * DAY
    collect(store, clock)
    clock.elapsed += 8 * DAY

    class Slow(FaultyStore):
        """The process sleeps, and another takes the lease meanwhile."""

        def open_read(self, key: str) -> Any:
            clock.elapsed += 2 * LEASE_SECONDS
            acquire_lease(store, clock, LEASE, seconds=LEASE_SECONDS)
            return super().open_read(key)

    refer(store, "r1")
    with pytest.raises(errors.LeaseHeldError, match="took over"):
        collect(Slow(store), clock)
    assert len([*store.list("v1/blobs/")]) == 1


@pytest.mark.parametrize("at", range(1, 8))
def test_a_collection_that_broke_off_is_finished_by_the_next(store: MemoryStore, clock: TestClock, at: int) -> None:
    orphans = [put(store, clock, b"%d" % n) for n in range(3)]
    kept = put(store, clock, TWO)
    refer(store, "r1", kept)
    clock.elapsed += 8 * DAY
    collect(store, clock)
    clock.elapsed += 8 * DAY
    broken = FaultyStore(store, Fault("fail-after", at=at))
    try:
        collect(broken, clock)
    except errors.StoreUnavailableError:
        clock.elapsed += LEASE_SECONDS
        collect(store, clock)
    assert [has_blob(store, ref) for ref in (*orphans, kept)] == [False] * 3 + [True]
    assert read_lists(store) == {}


# --- writers of the same moment ---

acts = st.lists(st.tuples(st.sampled_from(["put", "put", "drop"]), st.integers(0, 2)), max_size=3)


class World:
    """Two writers and a collector in one store. A writer refers to each blob that it has put: then it must be there."""

    def __init__(self) -> None:
        self.clock = TestClock()
        self.store = MemoryStore(self.clock)
        self.bodies = [b"%d" % n * 50 for n in range(3)]

    def writer(self, store: ObjectStore, name: str, act: str, number: int) -> None:
        body, record = self.bodies[number], f"{name}-{number}"
        if act == "put":
            refer(store, record, put(store, self.clock, body))
        else:
            store.delete(run_key(record, "run.json"))

    def damage(self, number: int) -> None:
        """A disk that fails, on what nothing refers to."""
        key = blob_key("take", digest_bytes(self.bodies[number]))
        there, named = [info.key for info in self.store.list(key)], [*self.store.list("v1/runs/")]
        if there and not any(info.key.split("/")[2].endswith(f"{number}") for info in named):
            at = self.store.head(key).modified
            self.store.put_bytes(key, b"half")
            self.store._objects[key] = dataclasses.replace(self.store._objects[key], modified=at)

    def actors(self, store: Any, first: list[Any], second: list[Any]) -> list[Callable[[], object]]:
        def work(name: str, todo: list[Any]) -> None:
            for act, number in todo:
                self.writer(store, name, act, number)

        def clean() -> None:
            with contextlib.suppress(errors.LeaseHeldError):  # by a writer that spares a blob: the next one collects
                collect(store, self.clock)

        return [lambda: work("a", first), clean, lambda: work("b", second)]

    def check(self) -> None:
        for info in self.store.list("v1/runs/"):
            body = self.bodies[int(info.key.split("/")[2][-1])]
            held, _ = self.store.get_bytes(blob_key("take", digest_bytes(body)))
            assert held == body


@pytest.mark.usefixtures("patient")
@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            acts,
            acts,
            st.integers(0, 5),
            st.sampled_from([0.1, 0.6, 1, 4, 8]),
            st.lists(st.integers(0, 2), max_size=60),
        ),
        min_size=2,
        max_size=5,
    )
)
@example(
    [
        ([], [], 3, 0.1, []),
        ([], [("put", 1), ("drop", 1)], 3, 8, []),
        ([], [], 3, 0.1, []),
        ([], [("put", 1)], 3, 0.1, [2, 2, 2, 0, 1]),
    ]
)
def test_nothing_that_is_referred_to_is_ever_lost(history: list[Any]) -> None:
    world = World()
    for first, second, damaged, days, order in history:
        if damaged < 3:
            world.damage(damaged)
        turns = Turns(order)
        SLEEPS.append(turns)
        turns.run(*world.actors(TurningStore(world.store, turns), first, second))
        world.check()
        world.clock.elapsed += days * DAY


SLEEPS: list[Turns] = []


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for the lease lets the others go on."""
    monkeypatch.setattr(time, "sleep", lambda _: SLEEPS[-1].gate())


@pytest.mark.usefixtures("patient")
def test_every_meeting_of_a_writer_and_a_collection_leaves_the_blob() -> None:
    """All orders of the first operations of both, on a blob that is about to be deleted."""
    outcomes = set()
    for order in range(1 << 9):
        world = World()
        put(world.store, world.clock, world.bodies[0])
        world.clock.elapsed += 8 * DAY
        collect(world.store, world.clock)
        world.clock.elapsed += 8 * DAY
        turns = Turns([1] * 6 + [order >> bit & 1 for bit in range(9)])
        turning: Any = TurningStore(world.store, turns)
        SLEEPS.append(turns)

        turns.run(*world.actors(turning, [("put", 0)], [])[:2])
        (key,) = [info.key for info in world.store.list("v1/blobs/")]
        assert world.store.get_bytes(key)[0] == world.bodies[0]
        outcomes.add(len(read_lists(world.store)))
    assert outcomes == {0}


def test_a_folder_ages_by_its_files(tmp_path: Path) -> None:
    import os

    from infra.clock import SystemClock
    from infra.storage import open_store

    store = open_store("store", tmp_path)
    ref = put_blob(store, "take", ONE, "video/mp4")
    path = store.local_path(blob_key("take", ref.sha256))
    assert path is not None
    old = time.time() - 8 * DAY
    os.utime(path, (old, old))
    clock = SystemClock()
    assert collect_garbage(store, clock, apply=True).listed
    assert put_blob(store, "take", ONE, "video/mp4") == ref
    assert path.stat().st_mtime > time.time() - 60
