"""Opening a store by what a person configured. Imports boto3 only when a bucket is named: it costs start-up time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from infra import errors
from infra.storage.base import ObjectStore
from infra.storage.folder import FolderStore
from infra.storage.memory import MemoryStore

__all__ = ["open_store"]


def open_store(url: str, root: Path, *, addressing: Literal["auto", "path", "virtual"] = "auto") -> ObjectStore:
    """`memory:`, `s3://bucket/prefix`, or a folder relative to `root`. Touches no network and writes nothing.

    `addressing` is how a bucket travels in an S3 address; `auto` is the path for every endpoint that is not Amazon's.
    """
    if url == "memory:":
        return MemoryStore()
    if url.startswith("s3://"):
        from infra.storage.s3 import open_s3

        return open_s3(url, addressing=addressing)
    if "://" in url or url.startswith("s3:") or not url.strip():
        raise errors.StoreError(
            f"{url!r} names no store", remedy="SHOTRUNNER_STORE is a folder, s3://bucket/prefix, or memory:."
        )
    folder = (root / Path(url).expanduser()).resolve()
    if _is_file(folder):
        raise errors.StoreError(f"{folder} is a file", remedy="SHOTRUNNER_STORE names a folder or a bucket.")
    return FolderStore(folder)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above that may not be looked into: the store's own words are better
        return False
