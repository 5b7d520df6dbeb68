"""The clients that a bucket is spoken to with: one for everything, one that never repeats itself, one without a key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore import UNSIGNED
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def make_client(addressing: Literal["auto", "path", "virtual"]) -> S3Client:
    config = Config(
        s3={"addressing_style": addressing},
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=32,
        connect_timeout=5,
        read_timeout=60,
        response_checksum_validation="when_required",  # whoever reads a blob checks its name, which is its digest
    )
    # boto3 hears AWS_DEFAULT_REGION only
    return boto3.session.Session().client("s3", region_name=os.environ.get("AWS_REGION") or None, config=config)


def sending_once(client: S3Client) -> S3Client:
    """With the same keys and settings, and no second try of anything."""
    return _alike(client, Config(retries={"total_max_attempts": 1}))


def without_key(client: S3Client) -> S3Client:
    """As a stranger would ask."""
    return _alike(client, Config(signature_version=UNSIGNED, retries={"total_max_attempts": 2}, read_timeout=20))


def _alike(client: S3Client, changes: Config) -> S3Client:
    meta: Any = client.meta
    return boto3.session.Session().client(
        "s3", endpoint_url=meta.endpoint_url, region_name=meta.region_name, config=meta.config.merge(changes)
    )
