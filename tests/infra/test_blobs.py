"""Bytes under their own digest: stored once, checked when read, mended when damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from faults.store import KILLED, Fault, FaultyStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import errors
from infra.blobs import blob_file, has_blob, put_blob, read_blob
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.digest import digest_bytes
from manifests.journal import BlobRef
from manifests.naming import blob_key

ROOT = Path(__file__).resolve().parents[2]
PICTURE = b"picture" * 1000


@pytest.fixture(params=["memory:", "store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(request.param, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return open_store("store", tmp_path)


def keys(store: ObjectStore) -> list[str]:
    return [info.key for info in store.list("")]


def test_bytes_come_back_under_their_digest(store: ObjectStore) -> None:
    ref = put_blob(store, "take", PICTURE, "video/mp4")
    assert ref == BlobRef(kind="take", sha256=digest_bytes(PICTURE), size=len(PICTURE), content_type="video/mp4")
    assert keys(store) == [blob_key("take", ref.sha256)]
    assert has_blob(store, ref)
    assert read_blob(store, ref) == PICTURE


def test_a_file_is_stored_as_its_bytes_are(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "take.mp4").write_bytes(PICTURE)
    assert put_blob(store, "take", tmp_path / "take.mp4", "video/mp4") == put_blob(store, "take", PICTURE, "video/mp4")
    assert (tmp_path / "take.mp4").read_bytes() == PICTURE


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), kind=st.sampled_from(["ref", "take", "tmp", "audio", "out"]))
def test_any_bytes_come_back(store: ObjectStore, tmp_path: Path, data: bytes, kind: str) -> None:
    ref = put_blob(store, kind, data, "application/octet-stream")  # type: ignore[arg-type]
    assert read_blob(store, ref) == data
    assert blob_file(store, ref, tmp_path / "work").read_bytes() == data


def test_the_second_put_writes_nothing(store: ObjectStore) -> None:
    counting = FaultyStore(store)
    assert put_blob(counting, "take", PICTURE, "video/mp4") == put_blob(counting, "take", PICTURE, "video/mp4")
    assert [name for name, _ in counting.operations].count("put_bytes") == 1


def test_two_writers_of_the_same_bytes_both_succeed(store: ObjectStore) -> None:
    class Late(FaultyStore):
        """Another writer comes between the look and the write."""

        def put_bytes(self, key: str, data: bytes, **options: object) -> object:  # type: ignore[override]
            store.put_bytes(key, PICTURE)
            return super().put_bytes(key, data, **options)  # type: ignore[arg-type]

    ref = put_blob(Late(store), "take", PICTURE, "video/mp4")
    assert read_blob(store, ref) == PICTURE


def test_a_shortened_blob_is_not_there_and_is_mended(store: ObjectStore) -> None:
    ref = put_blob(store, "take", PICTURE, "video/mp4")
    store.put_bytes(blob_key("take", ref.sha256), PICTURE[:10])
    assert not has_blob(store, ref)
    assert put_blob(store, "take", PICTURE, "video/mp4") == ref
    assert read_blob(store, ref) == PICTURE


def test_a_missing_blob_is_not_found(store: ObjectStore, tmp_path: Path) -> None:
    ref = BlobRef(kind="take", sha256="0" * 64, size=1, content_type="video/mp4")
    assert not has_blob(store, ref)
    with pytest.raises(errors.NotFoundError):
        read_blob(store, ref)
    with pytest.raises(errors.NotFoundError):
        blob_file(store, ref, tmp_path / "work")
    assert list((tmp_path / "work").glob("*")) == []


def test_a_turned_bit_is_found_and_the_blob_named(store: ObjectStore, tmp_path: Path) -> None:
    ref = put_blob(store, "take", PICTURE, "video/mp4")
    damaged = PICTURE[:50] + b"X" + PICTURE[51:]
    store.put_bytes(blob_key("take", ref.sha256), damaged)
    for read in (lambda: read_blob(store, ref), lambda: blob_file(store, ref, tmp_path / "work")):
        with pytest.raises(errors.IntegrityError, match=ref.sha256) as raised:
            read()
        assert raised.value.remedy
    assert list((tmp_path / "work").glob("*")) == []


@pytest.mark.parametrize("kind", ["truncate", "flip"])
def test_damage_on_the_way_leaves_nothing_in_the_work_folder(store: ObjectStore, tmp_path: Path, kind: str) -> None:
    ref = put_blob(store, "take", PICTURE, "video/mp4")
    faulty = FaultyStore(store, Fault(kind, on="read", key="/blobs/take/"))  # type: ignore[arg-type]
    with pytest.raises(errors.IntegrityError):
        blob_file(faulty, ref, tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []
    assert blob_file(store, ref, tmp_path / "work").read_bytes() == PICTURE


@pytest.mark.parametrize("kind", ["truncate", "flip"])
def test_damage_on_the_way_in_never_shows(store: ObjectStore, kind: str, tmp_path: Path) -> None:
    (tmp_path / "take.mp4").write_bytes(PICTURE)
    for source in (PICTURE, tmp_path / "take.mp4"):
        faulty = FaultyStore(store, Fault(kind))  # type: ignore[arg-type]
        with pytest.raises(errors.IntegrityError):
            put_blob(faulty, "take", source, "video/mp4")
        assert keys(store) == []


def test_a_folders_file_is_used_where_it_lies(folder: ObjectStore, tmp_path: Path) -> None:
    ref = put_blob(folder, "take", PICTURE, "video/mp4")
    path = blob_file(folder, ref, tmp_path / "work")
    assert path == folder.local_path(blob_key("take", ref.sha256))
    assert not (tmp_path / "work").exists()


def test_a_download_is_kept_and_used_again(tmp_path: Path) -> None:
    counting = FaultyStore(open_store("memory:", tmp_path))
    ref = put_blob(counting, "take", PICTURE, "video/mp4")
    first = blob_file(counting, ref, tmp_path / "work")
    assert blob_file(counting, ref, tmp_path / "work") == first
    assert [name for name, _ in counting.operations].count("open_read") == 1
    first.write_bytes(b"spoilt by somebody")
    assert blob_file(counting, ref, tmp_path / "work").read_bytes() == PICTURE
    assert [p.name for p in (tmp_path / "work").iterdir()] == [ref.sha256]


def test_a_lost_reply_is_repaired_by_asking_again(store: ObjectStore) -> None:
    with pytest.raises(errors.StoreUnavailableError):
        put_blob(FaultyStore(store, Fault("fail-after")), "take", PICTURE, "video/mp4")
    counting = FaultyStore(store)
    ref = put_blob(counting, "take", PICTURE, "video/mp4")
    assert "put_bytes" not in [name for name, _ in counting.operations]
    assert read_blob(store, ref) == PICTURE


@pytest.mark.parametrize("kind", ["kill-before", "kill-after"])
def test_a_kill_leaves_all_of_a_blob_or_nothing(folder: ObjectStore, tmp_path: Path, kind: str) -> None:
    code = """
        import sys
        from pathlib import Path
        from faults.store import Fault, FaultyStore
        from infra.blobs import put_blob
        from infra.storage import open_store
        store = FaultyStore(open_store("store", Path(sys.argv[1])), Fault(sys.argv[2]))
        put_blob(store, "take", b"picture", "video/mp4")
    """
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), kind]
    assert subprocess.run(command, env=environment, timeout=60, check=False).returncode == KILLED
    ref = BlobRef(kind="take", sha256=digest_bytes(b"picture"), size=7, content_type="video/mp4")
    assert has_blob(folder, ref) == (kind == "kill-after")
    assert read_blob(folder, put_blob(folder, "take", b"picture", "video/mp4")) == b"picture"
