"""An ObjectStore in this process's memory: for tests and for rehearsing a plan. Nothing survives the process."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from infra import errors
from infra.clock import Clock, SystemClock
from infra.storage.base import ObjectInfo, Version, check_condition, check_key, check_prefix


@dataclass(frozen=True)
class _Held:
    data: bytes
    content_type: str
    sha256: str
    modified: dt.datetime

    @property
    def version(self) -> Version:
        return Version(tag=self.sha256, size=len(self.data))


class MemoryStore:
    """Safe for threads. Two stores opened as `memory:` share nothing."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.url = "memory:"
        self._clock = clock or SystemClock()
        self._objects: dict[str, _Held] = {}
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
        check_key(key)
        check_condition(if_absent, if_match)
        digest = hashlib.sha256(data).hexdigest()
        if sha256 not in (None, digest):
            raise errors.IntegrityError(f"{key}: {sha256} was announced, {digest} arrived")
        held = _Held(bytes(data), content_type, digest, self._clock.now())
        with self._lock:
            there = self._objects.get(key)
            if if_absent and there is not None:
                raise errors.PreconditionFailedError(f"{key} exists already")
            if if_match is not None and (there is None or there.version.tag != if_match):
                raise errors.PreconditionFailedError(f"{key} has changed since it was read")
            self._objects[key] = held
        return held.version

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
        sha256: str | None = None,
    ) -> Version:
        return self.put_bytes(key, path.read_bytes(), content_type=content_type, if_absent=if_absent, sha256=sha256)

    def get_bytes(self, key: str) -> tuple[bytes, Version]:
        held = self._held(key)
        return held.data, held.version

    def open_read(self, key: str) -> IO[bytes]:
        return io.BytesIO(self._held(key).data)

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    def head(self, key: str) -> ObjectInfo:
        held = self._held(key)
        return ObjectInfo(key, held.version, held.modified, held.content_type, held.sha256)

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        with self._lock:
            found = {k: o for k, o in self._objects.items() if k.startswith(prefix) and k > start_after}
        for key, held in sorted(found.items()):
            yield ObjectInfo(key, Version(tag="", size=len(held.data)), held.modified, content_type="")

    def touch(self, key: str) -> None:
        check_key(key)
        with self._lock:
            if key not in self._objects:
                raise errors.NotFoundError(f"{key} in {self.url}")
            self._objects[key] = replace(self._objects[key], modified=self._clock.now())

    def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
        return 0

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        check_key(key)
        with self._lock:
            there = self._objects.get(key)
            if there is not None and if_match not in (None, there.version.tag):
                raise errors.PreconditionFailedError(f"{key} has changed since it was read")
            self._objects.pop(key, None)

    def _held(self, key: str) -> _Held:
        check_key(key)
        with self._lock:
            held = self._objects.get(key)
        if held is None:
            raise errors.NotFoundError(f"{key} in {self.url}")
        return held
