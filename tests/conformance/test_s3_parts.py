"""Large files in a bucket: sent in parts, visible with the last request or not at all, nothing left of what failed."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from faults.proxy import SpoilingProxy

from infra import errors
from infra.storage import open_store, s3, s3_parts
from infra.storage.s3 import S3Store

PART = 5 << 20  # the least that servers take for any part but the last
SIZE = 2 * PART + 1000


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_LARGE", PART)
    monkeypatch.setattr(s3, "PART", PART)
    monkeypatch.setattr(s3, "_COPIED_AT_ONCE", PART)
    monkeypatch.setattr(s3_parts, "COPIED_PART", PART)
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "master.mov"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def store(proxy: SpoilingProxy, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    opened = open_store(s3_url, tmp_path)
    assert isinstance(opened, S3Store)
    return opened


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unfinished(store: S3Store, key: str) -> list[Any]:
    return store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.full_key(key)).get("Uploads", [])


def test_a_large_file_is_stored_whole_with_its_facts(store: S3Store, proxy: SpoilingProxy, film: Path) -> None:
    version = store.put_file("k", film, content_type="video/quicktime", if_absent=True, sha256=digest(film))
    info = store.head("k")
    assert (info.version, info.content_type, info.sha256) == (version, "video/quicktime", digest(film))
    assert store.get_bytes("k") == (film.read_bytes(), version)
    parts = [seen for seen in proxy.seen if seen.method == "PUT"]
    assert len(parts) == 3
    assert all("x-amz-checksum-sha256" in {name.lower() for name in seen.headers} for seen in parts)
    assert unfinished(store, "k") == []


def test_the_second_creator_of_a_large_object_loses_before_it_sends(
    store: S3Store, proxy: SpoilingProxy, film: Path
) -> None:
    store.put_bytes("k", b"first")
    with pytest.raises(errors.PreconditionFailedError, match="k"):
        store.put_file("k", film, if_absent=True)
    assert len([seen for seen in proxy.seen if seen.method == "PUT"]) == 1
    assert store.get_bytes("k")[0] == b"first"


def test_a_large_file_replaces_what_is_there(store: S3Store, film: Path) -> None:
    store.put_bytes("k", b"first")
    store.put_file("k", film)
    assert store.head("k").version.size == SIZE


@pytest.mark.holds("conditional-complete")
def test_one_of_four_creates_a_large_object(store: S3Store, tmp_path: Path, film: Path) -> None:
    files = []
    for number in range(4):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(film.read_bytes()[number:])

    def create(path: Path) -> Path | None:
        try:
            store.put_file("k", path, if_absent=True)
        except errors.PreconditionFailedError:
            return None
        return path

    with ThreadPoolExecutor(4) as pool:
        won = [path for path in pool.map(create, files) if path]
    assert len(won) == 1
    assert store.get_bytes("k")[0] == won[0].read_bytes()
    assert unfinished(store, "k") == []


@pytest.mark.parametrize("method", ["PUT", "POST"])  # a part; then, as the first is its beginning, the last request
def test_a_lost_reply_is_no_lost_upload(store: S3Store, proxy: SpoilingProxy, film: Path, method: str) -> None:
    if method == "POST":
        proxy.spoil("POST", "pass")
    proxy.spoil(method, "lose-reply")
    version = store.put_file("k", film, if_absent=True)
    assert store.get_bytes("k") == (film.read_bytes(), version)
    assert unfinished(store, "k") == []


def test_an_upload_that_fails_for_good_leaves_nothing(store: S3Store, proxy: SpoilingProxy, film: Path) -> None:
    proxy.spoil("PUT", 503, "SlowDown", times=12)
    with pytest.raises(errors.StoreUnavailableError, match=r"part \d of k"):
        store.put_file("k", film, if_absent=True)
    assert unfinished(store, "k") == []
    proxy.forgive()
    store.put_file("k", film, if_absent=True)


def test_an_upload_that_somebody_ended_may_be_run_again(store: S3Store, proxy: SpoilingProxy, film: Path) -> None:
    proxy.spoil("PUT", 404, "NoSuchUpload")
    with pytest.raises(errors.StoreUnavailableError, match="ended by somebody else"):
        store.put_file("k", film, if_absent=True)
    assert list(store.list("")) == []


def test_a_conflict_at_the_end_is_a_new_upload(store: S3Store, proxy: SpoilingProxy, film: Path) -> None:
    proxy.spoil("POST", "pass")
    proxy.spoil("POST", 409, "ConditionalRequestConflict")
    store.put_file("k", film, if_absent=True)
    assert len([seen for seen in proxy.seen if seen.method == "POST"]) == 4
    assert unfinished(store, "k") == []


def test_a_file_that_changes_meanwhile_is_not_stored(store: S3Store, tmp_path: Path, film: Path) -> None:
    changing = tmp_path / "changing"
    changing.write_bytes(film.read_bytes())
    read = s3_parts.digest_in_parts(changing, PART)
    data = film.read_bytes()
    changing.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    target = s3_parts.Target(store.client, store.bucket, store.full_key("k"), "k", store.url, "", {}, {})
    with pytest.raises(errors.IntegrityError, match="changed while it was stored"):
        s3_parts.upload_parts(target, read)
    assert list(store.list("")) == []
    assert unfinished(store, "k") == []


def test_the_wrong_digest_is_refused_before_anything_is_sent(store: S3Store, proxy: SpoilingProxy, film: Path) -> None:
    with pytest.raises(errors.IntegrityError):
        store.put_file("k", film, sha256="0" * 64)
    assert proxy.seen == []


def test_a_large_object_is_touched_in_parts(store: S3Store, film: Path) -> None:
    store.put_file("k", film, content_type="video/quicktime")
    store.touch("k")
    info = store.head("k")
    assert (info.version.size, info.content_type, info.sha256) == (SIZE, "video/quicktime", digest(film))
    assert hashlib.sha256(store.get_bytes("k")[0]).hexdigest() == digest(film)


def test_a_very_large_file_gets_larger_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1001)
    monkeypatch.setattr(s3_parts, "MOST_PARTS", 10)
    read = s3_parts.digest_in_parts(tmp_path / "f", 16)
    assert (read.part_size, len(read.parts), read.size) == (101, 10, 1001)
