"""MiniStack as an account of its own: root's clients, users who hold a policy, and the environment of each."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from conformance.s3server import KEYS, InstallError, S3Server, install_server

REGION = "us-east-1"


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """A server until the end of the block. Skips, with the reason, where it cannot be installed; REQUIRE_S3=1 makes
    that a failure."""
    try:
        program = install_server()
    except InstallError as error:
        if os.environ.get("REQUIRE_S3") == "1":
            raise
        pytest.skip(f"no S3 server: {error}")
    server = S3Server(program, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def client_of(server: S3Server, service: str, keys: Mapping[str, str] = KEYS) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


def user_with(server: S3Server, policies: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a new user who holds these policies and nothing else. They are enforced."""
    iam, name = client_of(server, "iam"), f"u-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    for policy, document in policies.items():
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {**KEYS, "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def environment_of(server: S3Server, keys: Mapping[str, str] = KEYS) -> dict[str, str]:
    """Of a process that uses this server with these keys, and nothing of this machine's own."""
    return {
        **keys,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def use(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
