"""The server dies by SIGKILL while files are on their way: what it acknowledged is there, and nothing in part."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conformance.conftest import Server, root_client

from infra import errors
from infra.blobs import put_blob, read_blob
from infra.storage import open_store, s3
from infra.storage.s3 import S3Store
from manifests.journal import BlobRef
from manifests.naming import parse_blob_key

PART = 5 << 20
ENOUGH = 12  # acknowledged before the kill


@pytest.fixture
def server(
    new_server: Callable[..., Server], s3_environment: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """One that nobody else uses."""
    server = new_server(durable=True)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    client = root_client(server)
    client.create_bucket(Bucket="mortal")
    client.close()
    try:
        yield server
    finally:
        server.kill()


class Uploaders:
    """Three that send takes and one that sends a master in parts, over and over, until the store fails them."""

    def __init__(self, store: S3Store, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.acknowledged: list[BlobRef] = []
        self.enough = threading.Event()
        self.failed: list[Path] = []

    def work(self, number: int) -> None:
        for turn in range(1000):
            size = 2 * PART + 100 if number == 0 else 200_000 + 1000 * turn
            path = self.folder / f"{number}-{turn}"
            path.write_bytes(os.urandom(size))
            try:
                ref = put_blob(self.store, "take", path, "video/mp4")
            except errors.StoreUnavailableError:
                self.failed.append(path)
                return
            path.unlink()
            self.acknowledged.append(ref)
            if len(self.acknowledged) >= ENOUGH:
                self.enough.set()


def test_what_was_acknowledged_survives_a_kill(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_LARGE", PART)
    monkeypatch.setattr(s3, "PART", PART)
    store = open_store("s3://mortal/films", tmp_path)
    assert isinstance(store, S3Store)
    uploaders = Uploaders(store, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(uploaders.work, number) for number in range(4)]
        assert uploaders.enough.wait(60)
        server.kill()
        for done in running:
            done.result(timeout=120)
    server.start()

    assert len(uploaders.failed) == 4, "nothing was on its way when the server died"
    for ref in uploaders.acknowledged:
        assert len(read_blob(store, ref)) == ref.size
    for info in store.list(""):
        assert hashlib.sha256(store.get_bytes(info.key)[0]).hexdigest() == parse_blob_key(info.key)[1]
    for path in uploaders.failed:  # still on this machine, as a take is until it is acknowledged
        assert read_blob(store, put_blob(store, "take", path, "video/mp4")) == path.read_bytes()
    store.end_uploads(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1))
    assert store.end_uploads(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1), dry=True) == 0
