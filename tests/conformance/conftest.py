"""One store of each kind, and the S3 server that stands behind the third: MiniStack, or Ceph with S3_SERVER=ceph.

A test says by `@pytest.mark.holds(…)` what it needs of the server. What a server holds is declared in its class, and
`store doctor` has to find the same.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from conformance.ceph import CephServer, install_ceph
from conformance.s3server import KEYS, InstallError, S3Server, install_server
from faults.proxy import SpoilingProxy

from infra.storage import open_store
from infra.storage.base import ObjectStore

BUCKET = "conformance"


CEPH = os.environ.get("S3_SERVER") == "ceph"
Server = S3Server | CephServer


@pytest.fixture(scope="session")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Server]:
    """Makes one, not started; `durable`: what it acknowledged is there after `kill` and `start`. Skips, with the
    reason, where the server cannot be installed; REQUIRE_S3=1 makes that a failure."""
    try:
        program = install_ceph() if CEPH else install_server()
    except InstallError as error:
        if os.environ.get("REQUIRE_S3") == "1":
            raise
        pytest.skip(f"no S3 server: {error}")

    def make(*, durable: bool = False) -> Server:
        folder = tmp_path_factory.mktemp("s3")
        if program is None:
            return CephServer(folder, kept="bluestore" if durable else "memstore")
        return S3Server(program, folder)

    return make


@pytest.fixture(scope="session")
def s3_server(new_server: Callable[..., Server]) -> Iterator[Server]:
    server = new_server()
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(autouse=True)
def needed(request: pytest.FixtureRequest) -> None:
    """Skips a test that needs what the server was declared not to hold."""
    mark = request.node.get_closest_marker("holds")
    if mark is not None:
        server = request.getfixturevalue("s3_server")
        if missing := set(mark.args) - server.holds:
            pytest.skip(f"{server.name} does not hold: {', '.join(sorted(missing))}")


def root_client(server: Server, service: str = "s3") -> Any:
    key, secret = KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]
    return boto3.client(
        service, endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )


@pytest.fixture(scope="session")
def s3_bucket(s3_server: Server) -> str:
    client = root_client(s3_server)
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return BUCKET


@pytest.fixture
def s3_environment(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The AWS variables of a person who uses this server, and no others."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def s3_url(s3_environment: Server, s3_bucket: str) -> str:
    """An empty store's address."""
    return f"s3://{s3_bucket}/{uuid.uuid4().hex}"


@pytest.fixture
def proxy(s3_server: Server, s3_environment: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpoilingProxy]:
    """Between the client and the server, and told what to spoil."""
    with SpoilingProxy(s3_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        yield proxy


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    urls = {"memory": "memory:", "folder": "store"}
    url = urls.get(request.param) or request.getfixturevalue("s3_url")
    return open_store(url, tmp_path)
