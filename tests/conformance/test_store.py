"""The ObjectStore contract, on every implementation. The race between processes is in test_folder.py."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import errors
from infra.storage.base import ObjectStore

WRITERS = 8
EVERY_STORE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

segments = st.text(
    st.one_of(st.sampled_from("abz09-_. +%&=~()"), st.characters(exclude_categories=["C"], exclude_characters="/")),
    min_size=1,
    max_size=12,
).filter(lambda s: s not in (".", "..") and not s.startswith(".") and len(s.encode()) <= 40)
keys = st.lists(segments, min_size=1, max_size=4).map("/".join)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listed(store: ObjectStore, prefix: str = "", **options: str) -> list[str]:
    return [info.key for info in store.list(prefix, **options)]


def together(act: Callable[[int], object]) -> list[object]:
    """Runs act(0 … WRITERS-1) in as many threads, released at once; an answer may be the store's error."""
    barrier = threading.Barrier(WRITERS)

    def run(number: int) -> object:
        barrier.wait()
        try:
            return act(number)
        except errors.StoreError as error:
            return error

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))


def test_a_written_object_is_read_back_whole(store: ObjectStore) -> None:
    version = store.put_bytes("v1/a/b.json", b"{}", content_type="application/json")
    assert store.get_bytes("v1/a/b.json") == (b"{}", version)
    info = store.head("v1/a/b.json")
    assert (info.key, info.version, info.content_type) == ("v1/a/b.json", version, "application/json")
    assert info.sha256 in (None, digest(b"{}"))
    with store.open_read("v1/a/b.json") as stream:
        assert stream.read(1) == b"{"
        assert stream.read() == b"}"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    assert store.put_bytes("empty", b"").size == 0
    assert store.get_bytes("empty")[0] == b""
    assert store.head("empty").version.size == 0


def test_a_file_is_stored_and_stays_the_callers(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "take.mp4"
    data = bytes(range(256)) * 12_000  # larger than what a folder takes its tag from
    source.write_bytes(data)
    version = store.put_file("take", source, content_type="video/mp4", if_absent=True, sha256=digest(data))
    source.write_bytes(b"changed later")
    assert store.get_bytes("take") == (data, version)
    assert store.head("take").version == version
    assert store.head("take").content_type == "video/mp4"
    with pytest.raises(errors.PreconditionFailedError):
        store.put_file("take", source, if_absent=True)


def test_a_missing_source_file_is_the_callers_error_and_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.put_file("take", tmp_path / "nowhere.mp4")
    assert listed(store) == []


@pytest.mark.parametrize("act", ["get_bytes", "open_read", "head"])
def test_what_is_not_there_is_not_found(store: ObjectStore, act: str) -> None:
    store.put_bytes("v1/a/b", b"x")
    for key in ("v1/a/c", "v1/a", "v1/a/b/c", "nowhere/at/all"):
        with pytest.raises(errors.NotFoundError, match=key):
            getattr(store, act)(key)
        assert store.local_path(key) is None


def test_a_local_path_holds_the_bytes(store: ObjectStore) -> None:
    store.put_bytes("here", b"bytes")
    path = store.local_path("here")
    assert path is None or path.read_bytes() == b"bytes"


def test_an_overwrite_replaces_bytes_type_and_tag(store: ObjectStore) -> None:
    first = store.put_bytes("k", b"one", content_type="text/plain")
    second = store.put_bytes("k", b"three", content_type="application/json")
    assert first.tag != second.tag
    assert store.get_bytes("k") == (b"three", second)
    assert store.head("k").content_type == "application/json"


def test_create_only_writes_once(store: ObjectStore) -> None:
    store.put_bytes("k", b"first", if_absent=True)
    for late in (b"second", b"first"):  # equal bytes of another writer lose too
        with pytest.raises(errors.PreconditionFailedError, match="k"):
            store.put_bytes("k", late, if_absent=True)
    assert store.get_bytes("k")[0] == b"first"


def test_swap_needs_the_tag_that_is_there(store: ObjectStore) -> None:
    first = store.put_bytes("k", b"1")
    second = store.put_bytes("k", b"2", if_match=first.tag)
    with pytest.raises(errors.PreconditionFailedError, match="k"):
        store.put_bytes("k", b"3", if_match=first.tag)
    assert store.get_bytes("k") == (b"2", second)


def test_a_swap_of_what_is_not_there_fails(store: ObjectStore) -> None:
    tag = store.put_bytes("k", b"1").tag
    store.delete("k")
    with pytest.raises(errors.PreconditionFailedError):
        store.put_bytes("k", b"2", if_match=tag)
    assert listed(store) == []


def test_a_write_is_create_only_or_a_swap(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="not both"):
        store.put_bytes("k", b"1", if_absent=True, if_match="tag")


def test_bytes_that_are_not_the_announced_ones_never_show(store: ObjectStore, tmp_path: Path) -> None:
    wrong = digest(b"something else")
    source = tmp_path / "take.mp4"
    source.write_bytes(b"picture")
    with pytest.raises(errors.IntegrityError, match=wrong):
        store.put_bytes("k", b"picture", sha256=wrong)
    with pytest.raises(errors.IntegrityError, match=wrong):
        store.put_file("k", source, sha256=wrong, if_absent=True)
    assert listed(store) == []


def test_one_of_many_creators_wins(store: ObjectStore) -> None:
    for round_number in range(5):
        key = f"race/{round_number}"
        answers = together(lambda n, key=key: store.put_bytes(key, b"writer %d" % n * 999, if_absent=True))
        winners = [n for n, answer in enumerate(answers) if not isinstance(answer, errors.StoreError)]
        assert len(winners) == 1
        assert all(isinstance(a, errors.PreconditionFailedError) for n, a in enumerate(answers) if n not in winners)
        assert store.get_bytes(key)[0] == b"writer %d" % winners[0] * 999


def test_no_swap_is_lost(store: ObjectStore) -> None:
    store.put_bytes("counter", b"0")

    def add_five(_: int) -> None:
        done = 0
        while done < 5:
            data, version = store.get_bytes("counter")
            try:
                store.put_bytes("counter", b"%d" % (int(data) + 1), if_match=version.tag)
            except errors.PreconditionFailedError:
                continue
            done += 1

    assert together(add_five) == [None] * WRITERS
    assert store.get_bytes("counter")[0] == b"%d" % (5 * WRITERS)


def test_a_reader_never_sees_a_part(store: ObjectStore) -> None:
    bodies = {letter.encode() * 300_000 for letter in "abcd"}
    store.put_bytes("k", b"a" * 300_000)

    def act(number: int) -> object:
        if number % 2:
            return [store.put_bytes("k", body).size for body in sorted(bodies)]
        return {store.get_bytes("k")[0] in bodies for _ in range(8)}

    assert [a for a in together(act) if isinstance(a, set)] == [{True}] * (WRITERS // 2)


def test_a_listing_is_whole_and_in_byte_order(store: ObjectStore) -> None:
    names = ["a-b", "a/1", "a/10", "a/2", "a/b/c", "aé", "b", "ab"]
    for name in names:
        store.put_bytes(name, name.encode())
    assert listed(store) == sorted(names, key=str.encode)
    assert listed(store, "a/") == ["a/1", "a/10", "a/2", "a/b/c"]
    assert listed(store, "a/1") == ["a/1", "a/10"]
    assert listed(store, "a/", start_after="a/10") == ["a/2", "a/b/c"]
    assert listed(store, "nothing/") == []
    info = next(store.list("a/1"))
    assert (info.version.size, info.version.tag, info.content_type, info.sha256) == (3, "", "", None)


def test_every_object_has_its_time(store: ObjectStore) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)  # servers keep whole seconds
    store.put_bytes("a", b"1")
    told = store.head("a").modified
    assert before <= told <= dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    (listed_as,) = store.list("a")
    assert abs(listed_as.modified - told) < dt.timedelta(seconds=1)
    assert {told.utcoffset(), listed_as.modified.utcoffset()} == {dt.timedelta(0)}


def test_a_touched_object_is_new_and_the_same(store: ObjectStore) -> None:
    bodies = {"small": b"12345", "large": b"x" * 2_000_000}  # a folder takes the tag of a large one from its file
    for key, body in bodies.items():
        store.put_bytes(key, body, content_type="image/png")
    before = {key: store.head(key) for key in bodies}
    time.sleep(1.1)
    for key, body in bodies.items():
        store.touch(key)
        after = store.head(key)
        assert after.modified > before[key].modified
        assert (after.content_type, after.sha256) == ("image/png", before[key].sha256)
        assert store.get_bytes(key) == (body, after.version)
    with pytest.raises(errors.NotFoundError, match="nothing"):
        store.touch("nothing")
    assert listed(store) == sorted(bodies)


def test_a_long_listing_comes_in_pages_that_nobody_sees(store: ObjectStore) -> None:
    wanted = [f"page/{n:04}" for n in range(1005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put_bytes(key, b"x"), wanted))
    assert listed(store, "page/") == wanted


def test_deleting_is_final_and_may_be_repeated(store: ObjectStore) -> None:
    store.put_bytes("k", b"1")
    store.delete("k")
    store.delete("k")
    store.delete("never/was")
    assert listed(store) == []
    store.put_bytes("k", b"2", if_absent=True)
    assert store.get_bytes("k")[0] == b"2"


def test_a_conditional_delete_spares_what_has_changed(store: ObjectStore) -> None:
    old = store.put_bytes("k", b"1")
    new = store.put_bytes("k", b"2", if_match=old.tag)
    with pytest.raises(errors.PreconditionFailedError):
        store.delete("k", if_match=old.tag)
    assert store.get_bytes("k")[0] == b"2"
    store.delete("k", if_match=new.tag)
    store.delete("k", if_match=new.tag)
    assert listed(store) == []


BAD_KEYS = ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a/./b", ".tmp/a", "a\nb", "a\x00b", "a\x85", "\udc80"]
BAD_KEYS += ["a/" * 500 + "a", "x" * 256]


def test_a_bad_key_is_refused_everywhere(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x")
    calls: list[Callable[[str], object]] = [
        lambda key: store.put_bytes(key, b"x"),
        lambda key: store.put_file(key, source),
        store.get_bytes,
        store.open_read,
        store.local_path,
        store.head,
        store.touch,
        store.delete,
    ]
    for key in BAD_KEYS:
        for call in calls:
            with pytest.raises(ValueError, match="is not a key"):
                call(key)
    assert listed(store) == []


def test_a_bad_prefix_is_refused(store: ObjectStore) -> None:
    for prefix in ("/a", "../", "a//b", "a\n", ".tmp/"):
        with pytest.raises(ValueError, match="is not a key"):
            listed(store, prefix)


@EVERY_STORE
@given(key=keys, data=st.binary(max_size=300))
def test_any_good_key_holds_any_bytes(store: ObjectStore, key: str, data: bytes) -> None:
    for there in listed(store):
        store.delete(there)
    version = store.put_bytes(key, data, if_absent=True, sha256=digest(data))
    assert store.get_bytes(key) == (data, version)
    assert listed(store) == [key]
    assert listed(store, key) == [key]
    store.delete(key, if_match=version.tag)
    assert listed(store) == []
