"""What the folder store asks of a file system: durable folders, tags, content types, and errors in plain words."""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import mimetypes
import os
from io import BufferedRandom, BufferedReader, FileIO
from pathlib import Path

from infra import errors

_TYPE_ATTRIBUTE = "user.mime_type"  # the desktop convention; it lives and dies with the file, unlike a file beside it
_DIGESTED = 1 << 20  # bytes
OpenFile = BufferedReader | BufferedRandom | FileIO
_SEPARATE = "Two keys of which one lies under the other cannot both be files; see what is in that folder."
_LOCAL = "The store needs hard links and file locks within one file system; name a folder on a local disk"


def file_digest(stream: OpenFile) -> str:
    """sha256 of an open file from its beginning."""
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


def file_tag(stream: OpenFile, size: int) -> str:
    """Digest of a small file; inode and time of a large one, so that looking at a film does not read it.

    Documents that are swapped are small. For those inode and time would not do: a freed inode is used again at once,
    and file times move in steps of some milliseconds.
    """
    if size <= _DIGESTED:
        return file_digest(stream)
    facts = os.fstat(stream.fileno())
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{size:x}"


def read_tag(stream: OpenFile, data: bytes) -> str:
    """The same for a file of which all `data` was just read."""
    return hashlib.sha256(data).hexdigest() if len(data) <= _DIGESTED else file_tag(stream, len(data))


def modified_of(facts: os.stat_result) -> dt.datetime:
    return dt.datetime.fromtimestamp(facts.st_mtime, dt.UTC)


def keep_content_type(stream: OpenFile, content_type: str) -> None:
    if hasattr(os, "setxattr"):
        try:
            os.setxattr(stream.fileno(), _TYPE_ATTRIBUTE, content_type.encode())
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EPERM, errno.ENODATA):
                raise


def content_type_of(stream: OpenFile, key: str) -> str:
    """As it was written where the file system keeps attributes, else what the key's last letters suggest."""
    if hasattr(os, "getxattr"):
        try:
            return os.getxattr(stream.fileno(), _TYPE_ATTRIBUTE).decode()
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EPERM, errno.ENODATA):
                raise
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def sync_folder(folder: Path) -> None:
    """Puts the folder's entries on the disk: a file is not durable before the folder that names it is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(folder: Path) -> None:
    """Like `mkdir -p`, and durable. May run in several processes at once; raises FileNotFoundError when another has
    just removed what was there."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_file():
            raise
        if not folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder)) from None
    sync_folder(folder.parent)


def explain_disk_error(error: OSError, what: str, *, reading: bool) -> errors.StoreError:
    """The store's error for the system's. `what` names key and folder."""
    detail = f"{what}: {(error.strerror or str(error)).lower()}"
    other = "or name another store in SHOTRUNNER_STORE."
    match error.errno:
        case errno.ENOENT | errno.EISDIR | errno.ENOTDIR if reading:
            return errors.NotFoundError(what)
        case errno.EISDIR | errno.ENOTDIR | errno.EEXIST | errno.ENOTEMPTY:
            return errors.StoreError(detail, remedy=_SEPARATE)
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return errors.StoreFullError(detail, remedy=f"Free space there, {other} What was stored before is whole.")
        case errno.EACCES | errno.EROFS:
            return errors.AccessDeniedError(detail, remedy=f"Give this user access to that folder, {other}")
        case errno.EPERM | errno.EOPNOTSUPP | errno.EMLINK | errno.EXDEV | errno.ENOLCK:
            return errors.StoreError(detail, remedy=f"{_LOCAL}, {other}")
        case _:
            return errors.StoreUnavailableError(detail, remedy=f"See that the disk is mounted and sound, {other}")
