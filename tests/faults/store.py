"""A store that goes wrong on purpose, once, at a chosen operation. For crash tests of everything above the port.

    FaultyStore(inner)                                       # only counts: see `.operations`
    FaultyStore(inner, Fault("fail-after", at=3))            # the third write lands and its reply is lost
    FaultyStore(inner, Fault("kill-before", at=n, on="any")) # in a child process: os._exit(137) at the nth operation
    FaultyStore(inner, Fault("flip", at=1, on="read", key=r"/blobs/take/"))

Run once without a fault, then once for each of `range(1, len(operations) + 1)`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal, TypeVar

from infra import errors
from infra.storage.base import ObjectInfo, ObjectStore, Version

KILLED = 137
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Fault:
    """At the `at`-th operation (from 1) of that sort whose key matches `key`:

    fail-before   nothing happens, and StoreUnavailableError (or `error`) is raised
    fail-after    it happens, and the same is raised: the reply was lost
    kill-before, kill-after   the process ends there, without any clean-up
    truncate, flip            half of the bytes, or one bit turned, on their way in or out
    """

    kind: Literal["fail-before", "fail-after", "kill-before", "kill-after", "truncate", "flip"]
    at: int = 1
    on: Literal["write", "read", "any"] = "write"
    key: str = ""  # a regular expression
    times: int = 1  # so many in a row
    error: type[errors.StoreError] = errors.StoreUnavailableError


class FaultyStore:
    """Safe for threads. `operations` lists (name, key) of all that was asked. Writes are put_*, touch and delete."""

    def __init__(self, inner: ObjectStore, fault: Fault | None = None) -> None:
        self.url = inner.url
        self.operations: list[tuple[str, str]] = []
        self._inner = inner
        self._fault = fault
        self._matched = 0
        self._lock = threading.Lock()

    def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
        if_match: str | None = None,
        sha256: str | None = None,
    ) -> Version:
        def act(damage: Callable[[bytes], bytes]) -> Version:
            return self._inner.put_bytes(
                key, damage(data), content_type=content_type, if_absent=if_absent, if_match=if_match, sha256=sha256
            )

        return self._do("put_bytes", key, act)

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
        sha256: str | None = None,
    ) -> Version:
        def act(damage: Callable[[bytes], bytes]) -> Version:
            if damage is _whole:
                return self._inner.put_file(key, path, content_type=content_type, if_absent=if_absent, sha256=sha256)
            data = damage(path.read_bytes())
            return self._inner.put_bytes(key, data, content_type=content_type, if_absent=if_absent, sha256=sha256)

        return self._do("put_file", key, act)

    def get_bytes(self, key: str) -> tuple[bytes, Version]:
        def act(damage: Callable[[bytes], bytes]) -> tuple[bytes, Version]:
            data, version = self._inner.get_bytes(key)
            return damage(data), version

        return self._do("get_bytes", key, act)

    def open_read(self, key: str) -> IO[bytes]:
        def act(damage: Callable[[bytes], bytes]) -> IO[bytes]:
            if damage is _whole:
                return self._inner.open_read(key)
            with self._inner.open_read(key) as stream:
                return io.BytesIO(damage(stream.read()))

        return self._do("open_read", key, act)

    def local_path(self, key: str) -> Path | None:
        """Always None while reads are damaged, so that the damage is met."""
        if self._fault and self._fault.kind in ("truncate", "flip") and self._fault.on != "write":
            return None
        return self._inner.local_path(key)

    def head(self, key: str) -> ObjectInfo:
        return self._do("head", key, lambda _: self._inner.head(key))

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        return iter(self._do("list", prefix, lambda _: [*self._inner.list(prefix, start_after=start_after)]))

    def touch(self, key: str) -> None:
        self._do("touch", key, lambda _: self._inner.touch(key))

    def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
        return self._do("end_uploads", "", lambda _: self._inner.end_uploads(before, dry=dry))

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        self._do("delete", key, lambda _: self._inner.delete(key, if_match=if_match))

    def _do(self, name: str, key: str, act: Callable[[Callable[[bytes], bytes]], T]) -> T:
        fault = self._due(name, key)
        if fault is None:
            return act(_whole)
        if fault.kind == "fail-before":
            raise fault.error(f"{name} of {key}: told to fail before it happened")
        if fault.kind == "kill-before":
            os._exit(KILLED)
        answer = act({"truncate": _halved, "flip": _flipped}.get(fault.kind, _whole))
        if fault.kind == "fail-after":
            raise fault.error(f"{name} of {key}: told to lose the reply")
        if fault.kind == "kill-after":
            os._exit(KILLED)
        return answer

    def _due(self, name: str, key: str) -> Fault | None:
        sort = "write" if name.startswith("put_") or name in ("delete", "touch") else "read"
        with self._lock:
            self.operations.append((name, key))
            fault = self._fault
            if fault is None or fault.on not in (sort, "any") or not re.search(fault.key, key):
                return None
            self._matched += 1
            return fault if fault.at <= self._matched < fault.at + fault.times else None


def _whole(data: bytes) -> bytes:
    return data


def _halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data
