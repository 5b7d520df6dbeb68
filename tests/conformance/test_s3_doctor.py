"""`store doctor` against real servers: it finds what each was declared to hold, and a run believes it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate
from command import Shotrunner
from conformance.conftest import Server, root_client
from faults.proxy import SpoilingProxy

from infra import errors
from infra.clock import SystemClock
from infra.fitness import require_fit_store
from infra.records import read_record
from infra.storage import doctor, open_store
from infra.storage.base import Version
from infra.storage.doctor import Capabilities, check_create_once, examine_store, probe, write_capabilities
from infra.storage.s3 import S3Store
from manifests.naming import capabilities_key

NEEDED = {"create-once", "swap", "listing", "touch", "parts", "private"}
NOT_ASKED = {"iam", "durable"}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Once at full length is enough."""
    if "declared" not in request.node.name:
        monkeypatch.setattr(doctor, "THOROUGH", (4, 2))
        monkeypatch.setattr(doctor, "BRIEF", (4, 2))


def opened(url: str, folder: Path) -> S3Store:
    store = open_store(url, folder)
    assert isinstance(store, S3Store)
    return store


def known(store: S3Store) -> Capabilities:
    told = read_record(store, capabilities_key(), Capabilities)
    assert told is not None
    return told


class Careless(S3Store):
    """As of a server that looks whether an object is there, and then writes it."""

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False, **options: Any) -> Version:  # type: ignore[override]
        return super().put_bytes(key, data, if_absent=if_absent and "doctor" not in key, **options)


@pytest.fixture
def careless(s3_url: str, tmp_path: Path) -> S3Store:
    whole = opened(s3_url, tmp_path)
    return Careless(whole.client, whole.bucket, whole.prefix.rstrip("/"))


def test_it_finds_what_the_server_was_declared_to_hold(
    s3_server: Server, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through TLS, for some servers refuse uploads there that they take in the clear."""
    context, pem = certificate(tmp_path)
    with SpoilingProxy(s3_server.port, context) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
        store = opened(s3_url, tmp_path)
        checks = examine_store(store, time.sleep)
        assert list(store.list("")) == []
    assert {check.name for check in checks if check.holds is None} == set()
    assert {check.name for check in checks if check.needed} == NEEDED
    assert {check.name for check in checks if check.holds} - NEEDED == s3_server.holds - NOT_ASKED
    assert all(check.ok for check in checks), [check for check in checks if not check.ok]


def test_the_command_tells_and_writes_it_down(
    examples: Path, shotrunner: Shotrunner, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", _short(time.sleep))
    monkeypatch.setenv("SHOTRUNNER_STORE", s3_url)
    answer = shotrunner("store", "doctor", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert told["ok"]
    record = known(opened(s3_url, examples))
    assert record.thorough
    assert record.holds == {check["name"]: check["holds"] for check in told["checks"]}
    assert record.holds["trailers"] is None  # in the clear there are none
    require_fit_store(opened(s3_url, examples), SystemClock())
    assert known(opened(s3_url, examples)) == record


def _short(sleep: Any) -> Any:
    return lambda seconds: sleep(min(seconds, 1.1))


def test_a_folder_is_examined_too(examples: Path, shotrunner: Shotrunner) -> None:
    answer = shotrunner("store", "doctor", "--store", "films")
    assert answer.code == 0, answer.err
    assert [line.split()[:2] for line in answer.out.splitlines()[1:]] == [
        ["ok", "create-once"], ["ok", "swap"], ["ok", "listing"], ["ok", "touch"],
    ]  # fmt: skip
    assert sorted(p.name for p in (examples / "films").glob("v1/*")) == [".capabilities.json"]


def test_a_store_that_is_not_there_is_told(shotrunner: Shotrunner, examples: Path, s3_environment: Server) -> None:
    answer = shotrunner("store", "doctor", "--store", "s3://nobody-made-this/x")
    assert (answer.code, "no bucket" in answer.err) == (6, True)


def test_the_first_run_examines_a_bucket_and_the_next_believes_it(s3_url: str, tmp_path: Path) -> None:
    store = opened(s3_url, tmp_path)
    require_fit_store(store, SystemClock())
    first = known(store)
    assert (first.thorough, first.holds["create-once"], first.holds["private"]) == (False, True, True)
    require_fit_store(store, SystemClock())
    assert known(store) == first
    assert [info.key for info in store.list("")] == [capabilities_key()]


def test_another_server_of_the_same_name_is_examined_anew(
    s3_server: Server, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_fit_store(opened(s3_url, tmp_path), SystemClock())
    with SpoilingProxy(s3_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        store = opened(s3_url, tmp_path)
        require_fit_store(store, SystemClock())
        assert known(store).endpoint == proxy.url


def test_what_another_version_wrote_is_examined_anew(s3_url: str, tmp_path: Path) -> None:
    store = opened(s3_url, tmp_path)
    store.put_bytes(capabilities_key(), b'{"schema": "capabilities/9"}')
    require_fit_store(store, SystemClock())
    assert known(store).holds["create-once"]


def test_nothing_is_bought_where_two_can_create(careless: S3Store) -> None:
    for _ in range(2):  # found, and then remembered
        with pytest.raises(errors.UnfitStoreError, match=r"bought twice[\s\S]*store doctor") as raised:
            require_fit_store(careless, SystemClock())
        assert raised.value.exit_code == 6
    with probe(careless) as corner:
        check = check_create_once(corner, 8, 3)
    assert (check.holds, check.ok) == (False, False)
    assert [info.key for info in careless.list("")] == [capabilities_key()]


def test_a_run_stops_before_it_buys(
    examples: Path, shotrunner: Shotrunner, careless: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with probe(careless) as corner:
        checks = [check_create_once(corner, 8, 3)]
    write_capabilities(careless, SystemClock(), checks, thorough=True)
    monkeypatch.setenv("SHOTRUNNER_STORE", careless.url)
    answer = shotrunner("run", "product-10s.yaml", "--json")
    assert answer.code == 6, answer.err
    assert "shotrunner store doctor" in answer.err
    assert [info.key for info in careless.list("")] == [capabilities_key()]


@pytest.fixture
def public_url(s3_server: Server, s3_environment: Server) -> Iterator[str]:
    """A store in a bucket whose objects anybody may read."""
    client, bucket = root_client(s3_server), f"public-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)
    client.delete_public_access_block(Bucket=bucket)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    yield f"s3://{bucket}/films"
    client.delete_bucket_policy(Bucket=bucket)
    client.close()


def test_a_bucket_that_strangers_may_read_is_refused_unless_that_is_meant(
    examples: Path, shotrunner: Shotrunner, public_url: str, s3_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(public_url, examples)
    with pytest.raises(errors.UnfitStoreError, match=r"without a key[\s\S]*public_store = true"):
        require_fit_store(store, SystemClock())
    require_fit_store(store, SystemClock(), public=True)
    monkeypatch.setenv("SHOTRUNNER_STORE", public_url)
    assert shotrunner("run", "product-10s.yaml").code == 6
    answer = shotrunner("store", "doctor")
    assert (answer.code, "FAIL  private" in answer.out) == (6, True), answer.out
    monkeypatch.setenv("SHOTRUNNER_PUBLIC_STORE", "1")
    answer = shotrunner("store", "doctor")
    assert (answer.code, "no    private" in answer.out) == (0, True), answer.out
    root_client(s3_server).delete_bucket_policy(Bucket=store.bucket)
    require_fit_store(store, SystemClock())  # closed since: looked at again, whatever was written down
