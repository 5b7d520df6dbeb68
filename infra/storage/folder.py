"""An ObjectStore in a plain folder, with the same guarantees as a bucket. Create-if-absent is a hard link, swap is a
rename under a file lock, and both are on the disk before they return. Network file systems are not promised.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import io
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from infra import errors
from infra.storage.base import ObjectInfo, Version, check_condition, check_key, check_prefix
from infra.storage.disk import (
    content_type_of,
    explain_disk_error,
    file_digest,
    file_tag,
    keep_content_type,
    make_folders,
    modified_of,
    read_tag,
    sync_folder,
)

_TMP, _LOCKS = ".tmp", ".locks"  # no key starts with a dot
_STALE_SECONDS = 24 * 3600
_PLACE_TRIES = 20


class FolderStore:
    """Safe for threads and processes of one machine. The folder is made by the first write, never by a read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        self._swept = False

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
        check_condition(if_absent, if_match)
        check_key(key)
        with self._failures(key, reading=False), self._temporary(key, content_type) as temporary:
            temporary.write(data)
            return self._admit(temporary, key, if_absent=if_absent, if_match=if_match, sha256=sha256)

    def put_file(
        self,
        key: str,
        path: Path,
        *,
        content_type: str = "application/octet-stream",
        if_absent: bool = False,
        sha256: str | None = None,
    ) -> Version:
        check_key(key)
        with (
            path.open("rb") as source,
            self._failures(key, reading=False),
            self._temporary(key, content_type) as temporary,
        ):
            shutil.copyfileobj(source, temporary, 1 << 20)
            return self._admit(temporary, key, if_absent=if_absent, if_match=None, sha256=sha256)

    def get_bytes(self, key: str) -> tuple[bytes, Version]:
        check_key(key)
        with self._failures(key), io.FileIO(f"{self.url}/{key}") as stream:  # thousands of small records are read
            data = stream.readall()
            return data, Version(read_tag(stream, data), len(data))

    def open_read(self, key: str) -> IO[bytes]:
        return self._open(key)

    def _open(self, key: str) -> io.BufferedReader:
        path = self._path(key)
        with self._failures(key):
            return path.open("rb")

    def local_path(self, key: str) -> Path | None:
        path = self._path(key)
        with self._failures(key):
            return path if path.is_file() else None

    def head(self, key: str) -> ObjectInfo:
        with self._open(key) as stream, self._failures(key):
            facts = os.fstat(stream.fileno())
            version = Version(file_tag(stream, facts.st_size), facts.st_size)
            return ObjectInfo(key, version, modified_of(facts), content_type_of(stream, key))

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        with self._failures(prefix):
            found = dict(_walk(self.root / folder, f"{folder}/" if folder else ""))
        for key in sorted(k for k in found if k.startswith(prefix) and k > start_after):
            facts = found[key]
            yield ObjectInfo(key, Version(tag="", size=facts.st_size), modified_of(facts), content_type="")

    def touch(self, key: str) -> None:
        path = self._path(key)
        with self._failures(key):
            if not path.is_file():
                raise errors.NotFoundError(f"{key} in {self.url}")
            with self._locked(key):
                os.utime(path)

    def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
        """Temporary files: every store object sweeps them at its first write."""
        return 0

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        path = self._path(key)
        with self._failures(key, reading=False):
            if not path.is_file():
                return
            with self._locked(key):
                if if_match is not None and _current_tag(path) not in (None, if_match):
                    raise errors.PreconditionFailedError(f"{key} has changed since it was read")
                path.unlink(missing_ok=True)
                _settle(path.parent)
                self._remove_empty(path.parent)

    def _remove_empty(self, folder: Path) -> None:
        """A folder without objects must not stand in the way of a key of its name. Writers make theirs again."""
        with contextlib.suppress(OSError):  # not empty, or gone
            while folder != self.root:
                folder.rmdir()
                folder = folder.parent

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextlib.contextmanager
    def _temporary(self, key: str, content_type: str) -> Iterator[io.BufferedRandom]:
        """A new file on the same file system, gone when the block ends: its bytes live on under the key, or nowhere."""
        folder = self.root / _TMP
        make_folders(folder)
        self._sweep(folder)
        path = folder / f"{os.getpid()}-{uuid.uuid4().hex}"
        try:
            with path.open("x+b") as stream:
                keep_content_type(stream, content_type)
                yield stream
        finally:
            path.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        """Removes what killed writers left, once per store object; a day old, so no living writer's."""
        if self._swept:
            return
        self._swept = True
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):
                # file times are the system clock's, so only that clock can be held against them
                if time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                    Path(entry.path).unlink()

    def _admit(
        self, temporary: io.BufferedRandom, key: str, *, if_absent: bool, if_match: str | None, sha256: str | None
    ) -> Version:
        """Makes a whole temporary file the object, under its condition. Nothing is visible before."""
        temporary.flush()
        if sha256 is not None and (digest := file_digest(temporary)) != sha256:
            raise errors.IntegrityError(f"{key}: {sha256} was announced, {digest} arrived")
        os.fsync(temporary.fileno())
        size = os.fstat(temporary.fileno()).st_size
        version = Version(file_tag(temporary, size), size)
        for attempt in range(_PLACE_TRIES):
            try:
                self._place(Path(temporary.name), key, if_absent=if_absent, if_match=if_match)
                break
            except FileNotFoundError:  # a delete has just removed the empty folder
                if attempt == _PLACE_TRIES - 1:
                    raise
        return version

    def _place(self, temporary: Path, key: str, *, if_absent: bool, if_match: str | None) -> None:
        path = self._path(key)
        make_folders(path.parent)
        if if_absent:
            try:
                os.link(temporary, path)
            except FileExistsError:
                if path.is_dir():
                    raise
                raise errors.PreconditionFailedError(f"{key} exists already") from None
        else:
            with self._locked(key):
                if if_match is not None and _current_tag(path) != if_match:
                    raise errors.PreconditionFailedError(f"{key} has changed since it was read")
                temporary.replace(path)
        _settle(path.parent)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """One of 256 file locks, chosen by key. A dead process leaves none: the kernel drops them with it."""
        folder = self.root / _LOCKS
        make_folders(folder)
        name = hashlib.sha256(key.encode()).hexdigest()[:2]
        with (folder / name).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _failures(self, key: str, *, reading: bool = True) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explain_disk_error(error, f"{key} in {self.url}", reading=reading) from error


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Key and facts of every file below; the store's own folders are not keys."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if not prefix and entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
        else:
            with contextlib.suppress(FileNotFoundError):  # deleted since the folder was read
                yield prefix + entry.name, entry.stat()


def _settle(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # its last object was deleted meanwhile, and that was made durable
        sync_folder(folder)


def _current_tag(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return file_tag(stream, os.fstat(stream.fileno()).st_size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
