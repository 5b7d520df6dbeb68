"""Bytes in the store under their own sha256: put once, checked whenever they are read. Deletes nothing.

An interrupted put leaves nothing under the blob's key; bytes of another length there are damage and are replaced.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from infra import errors
from infra.clock import Clock, SystemClock
from infra.doomed import YOUNG, spared
from infra.storage.base import ObjectStore
from infra.storage.disk import modified_of
from manifests.journal import BlobRef
from manifests.naming import blob_key

BlobKind = Literal["ref", "take", "tmp", "audio", "out"]
_CHUNK = 1 << 20
_IN_USE = dt.timedelta(days=7)  # half of what an intermediate lives: one that is used weekly stays


def put_blob(
    store: ObjectStore,
    kind: BlobKind,
    source: bytes | Path,
    content_type: str,
    *,
    sha256: str | None = None,
    clock: Clock | None = None,
) -> BlobRef:
    """Stores the bytes, or the file's, unless they are there. Safe to repeat and to do from several places at once.

    Whoever calls this has `infra.doomed.YOUNG` to write a record that names the blob; then no collection takes it.
    `sha256`: of the source, when it is known from reading it before.
    """
    ref = _ref(kind, source, content_type, sha256)
    clock = clock or SystemClock()
    if _is_kept(store, ref, source, clock):
        return ref
    try:
        _put(store, blob_key(kind, ref.sha256), source, ref, if_absent=True)
    except errors.PreconditionFailedError:
        if not _is_kept(store, ref, source, clock):
            _put(store, blob_key(kind, ref.sha256), source, ref, if_absent=False)
    return ref


def _is_kept(store: ObjectStore, ref: BlobRef, source: bytes | Path, clock: Clock) -> bool:
    """Whether it is there, whole and young, now; false when there is nothing."""
    key = blob_key(ref.kind, ref.sha256)
    try:
        info = store.head(key)
    except errors.NotFoundError:
        return False
    whole = info.version.size == ref.size
    if whole and clock.now() - info.modified < YOUNG:
        return True
    with spared(store, clock, key):
        try:
            if whole:
                store.touch(key)
                return True
        except errors.NotFoundError:
            return False
        _put(store, key, source, ref, if_absent=False)
        return True


def keep_blob(store: ObjectStore, ref: BlobRef, *, clock: Clock | None = None) -> bool:
    """As `has_blob`, of a blob that is going to be used: an intermediate does not age away while it is."""
    if ref.kind != "tmp":
        return has_blob(store, ref)
    key = blob_key(ref.kind, ref.sha256)
    found = _size_and_age(store, key, clock or SystemClock())
    if found is None or found[0] != ref.size:
        return False
    if found[1] >= _IN_USE:
        try:
            with spared(store, clock or SystemClock(), key):
                store.touch(key)
        except errors.NotFoundError:
            return False
    return True


def _size_and_age(store: ObjectStore, key: str, clock: Clock) -> tuple[int, dt.timedelta] | None:
    """On this machine without reading any of it."""
    if (path := store.local_path(key)) is not None:
        facts = path.stat()
        return facts.st_size, clock.now() - modified_of(facts)
    try:
        info = store.head(key)
    except errors.NotFoundError:
        return None
    return info.version.size, clock.now() - info.modified


def _ref(kind: BlobKind, source: bytes | Path, content_type: str, sha256: str | None) -> BlobRef:
    if isinstance(source, bytes):
        digest, size = hashlib.sha256(source).hexdigest(), len(source)
    elif sha256 is not None:
        digest, size = sha256, source.stat().st_size
    else:
        digest, size = _file_facts(source)
    return BlobRef(kind=kind, sha256=digest, size=size, content_type=content_type)


def _put(store: ObjectStore, key: str, source: bytes | Path, ref: BlobRef, *, if_absent: bool) -> None:
    if isinstance(source, bytes):
        store.put_bytes(key, source, content_type=ref.content_type, if_absent=if_absent, sha256=ref.sha256)
    else:
        store.put_file(key, source, content_type=ref.content_type, if_absent=if_absent, sha256=ref.sha256)


def has_blob(store: ObjectStore, ref: BlobRef) -> bool:
    """Whether the store holds it at its full length. Reads no bytes of it."""
    key = blob_key(ref.kind, ref.sha256)
    if (path := store.local_path(key)) is not None:
        return path.stat().st_size == ref.size
    try:
        return store.head(key).version.size == ref.size
    except errors.NotFoundError:
        return False


def read_blob(store: ObjectStore, ref: BlobRef) -> bytes:
    """All of it, in memory. Raises NotFoundError, or IntegrityError when the bytes are not those of the name."""
    data, _ = store.get_bytes(blob_key(ref.kind, ref.sha256))
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise _damaged(store, ref, len(data))
    return data


def blob_file(store: ObjectStore, ref: BlobRef, work: Path) -> Path:
    """A path to the checked bytes: inside the store (never to be written to), or downloaded once into `work`."""
    inside = store.local_path(blob_key(ref.kind, ref.sha256))
    if inside is not None:
        digest, size = _file_facts(inside)
        if digest != ref.sha256:
            raise _damaged(store, ref, size)
        return inside
    return place_blob(store, ref, work / ref.sha256)


def place_blob(store: ObjectStore, ref: BlobRef, path: Path) -> Path:
    """The checked bytes at `path`, outside the store; what is there already is kept when it is the same."""
    if path.is_file() and _file_facts(path)[0] == ref.sha256:
        return path
    return _download(store, ref, path)


def _download(store: ObjectStore, ref: BlobRef, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    digest, size = hashlib.sha256(), 0
    try:
        with store.open_read(blob_key(ref.kind, ref.sha256)) as source, temporary.open("xb") as out:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += out.write(chunk)
        if digest.hexdigest() != ref.sha256:
            raise _damaged(store, ref, size)
        return temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _file_facts(path: Path) -> tuple[str, int]:
    """(sha256, size)"""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()


def _damaged(store: ObjectStore, ref: BlobRef, size: int) -> errors.IntegrityError:
    key = blob_key(ref.kind, ref.sha256)
    return errors.IntegrityError(
        f"{key} in {store.url} holds other bytes than its name says ({size} of {ref.size} bytes)",
        remedy="Bring it back from a copy of the store, or delete it there: what can be made again then is.",
    )


def find_blob(store: ObjectStore, sha256: str, kinds: Sequence[BlobKind]) -> BlobRef | None:
    """The blob with that digest, looked for in the classes given, in their order."""
    for kind in kinds:
        try:
            info = store.head(blob_key(kind, sha256))
        except errors.NotFoundError:
            continue
        return BlobRef(kind=kind, sha256=sha256, size=info.version.size, content_type=info.content_type)
    return None
