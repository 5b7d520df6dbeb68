"""One store of each kind, and the S3 server that stands behind the third."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from conformance.s3server import InstallError, S3Server, install_server

from infra.storage import open_store
from infra.storage.base import ObjectStore

BUCKET = "conformance"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Skips, with the reason, where the server cannot be installed; REQUIRE_S3=1 makes that a failure."""
    try:
        program = install_server()
    except InstallError as error:
        if os.environ.get("REQUIRE_S3") == "1":
            raise
        pytest.skip(f"no S3 server: {error}")
    server = S3Server(program, tmp_path_factory.mktemp("s3"))
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def s3_bucket(s3_server: S3Server) -> str:
    client = boto3.client(
        "s3",
        endpoint_url=s3_server.url,
        region_name="us-east-1",
        aws_access_key_id="rootkey",
        aws_secret_access_key="rootsecret",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return BUCKET


@pytest.fixture
def s3_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
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
def s3_url(s3_environment: S3Server, s3_bucket: str) -> str:
    """An empty store's address."""
    return f"s3://{s3_bucket}/{uuid.uuid4().hex}"


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    urls = {"memory": "memory:", "folder": "store"}
    url = urls.get(request.param) or request.getfixturevalue("s3_url")
    return open_store(url, tmp_path)
