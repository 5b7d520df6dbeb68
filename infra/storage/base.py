"""The ObjectStore port: bytes by key, create-if-absent and compare-and-swap. Knows nothing of takes or money.

Three implementations stand behind it (memory, folder, S3) and one conformance suite runs on all of them.
All calls block; async callers use `asyncio.to_thread`. Keys are relative, without the store's prefix, and come from
`manifests.naming` only.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True)
class Version:
    """What a write or a read returned. `tag` is opaque: only good for `if_match` on the same key."""

    tag: str
    size: int


@dataclass(frozen=True)
class ObjectInfo:
    """What `head` and `list` answer. A listing knows key, size and time only: tag, content type and sha256 are empty.

    `modified` is by the store's own clock, in steps of a second or finer. `content_type` is advice: a folder without
    extended attributes answers from the key's last letters.
    """

    key: str
    version: Version
    modified: dt.datetime
    content_type: str
    sha256: str | None = None  # only where the store keeps it; never derived from an ETag


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_key(key: str) -> str:
    """The key itself, if every store can hold it; else ValueError. Folders allow 255 bytes between slashes, S3 1,024
    in all, of which 124 are left to the prefix. A first segment with a leading dot is a folder store's own."""
    segments = key.split("/")
    if not all(segments) or "." in segments or ".." in segments or segments[0].startswith("."):
        raise ValueError(f"{key!r} is not a key: no empty segment, no '.' or '..', no leading '/' or '.'")
    if _CONTROL.search(key):
        raise ValueError(f"{key!r} is not a key: it holds control characters")
    if len(key.encode()) > 900 or max(len(s.encode()) for s in segments) > 255:
        raise ValueError(f"{key[:60]!r}… is not a key: at most 900 bytes, and 255 between slashes")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, if it can begin a key (or is empty); else ValueError."""
    if prefix:
        check_key(prefix + "x")
    return prefix


def check_condition(if_absent: bool, if_match: str | None) -> None:
    if if_absent and if_match is not None:
        raise ValueError("a write is create-only or a swap, not both")


def is_far(store: ObjectStore) -> bool:
    """Whether every look at it is a round trip: then many are worth making at once."""
    return "://" in store.url


class ObjectStore(Protocol):
    """Contract, for every implementation:

    - `put_*(if_absent=True)`: exactly one of any number of concurrent writers wins; the others get
      PreconditionFailedError. A writer whose own retry finds its own bytes already there has won.
    - `put_*(if_match=tag)`: writes only if the object still has that tag, else PreconditionFailedError.
      Documents that are swapped carry a rising `rev`, so that equal bodies never restore an old tag.
    - A reader sees the whole of an object or nothing. After a write returns, every reader sees it.
    - `sha256`, when given, is checked against the bytes before anything becomes visible: IntegrityError.
    - Keys with `..`, empty segments, a leading `/` or control characters raise ValueError.
    - Errors: NotFoundError, PreconditionFailedError, ConflictError, IntegrityError, AccessDeniedError,
      StoreFullError, StoreUnavailableError.
    """

    url: str  # what a person configured, safe to print: `memory:`, a folder's path, or `s3://bucket/prefix`

    def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
        if_match: str | None = None,
        sha256: str | None = None,
    ) -> Version: ...

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
        sha256: str | None = None,
    ) -> Version:
        """Stores a copy of the file at `path`; the file stays the caller's."""
        ...

    def get_bytes(self, key: str) -> tuple[bytes, Version]: ...

    def open_read(self, key: str) -> IO[bytes]:
        """A binary stream that the caller closes."""
        ...

    def local_path(self, key: str) -> Path | None:
        """A path to the bytes when they lie on this machine (never to be written to), else None."""
        ...

    def head(self, key: str) -> ObjectInfo:
        """Raises NotFoundError when there is none."""
        ...

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        """Every key that starts with `prefix`, in byte order; `start_after` is a whole key."""
        ...

    def touch(self, key: str) -> None:
        """Its `modified` is now; bytes and content type stay, the tag may change. Raises NotFoundError."""
        ...

    def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
        """Ends what was begun to be written before then and never finished, where a store keeps such things; returns
        how many there were. `dry`: only counts."""
        ...

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        """Removing what is not there is not an error. Not every bucket holds `if_match` against writers of the same
        moment; all refuse what had changed before."""
        ...
