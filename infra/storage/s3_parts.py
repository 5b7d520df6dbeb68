"""What is too large for one request: a file that goes up in parts, and an object that is copied onto itself in parts.

Nothing is visible before the last part is in. What fails is aborted; what a dead process leaves, the bucket's lifecycle
rule or `store gc` removes.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import errors
from infra.storage.s3_errors import s3_failures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART = 16 << 20  # bytes; measured best for large files (storage sheet §2.2)
COPIED_PART = 512 << 20
MOST_PARTS = 10_000  # of one upload
_AT_ONCE = 4


@dataclass(frozen=True)
class Target:
    """One object to be. `name` and `url` are for errors; `condition` is of the last request, which makes it visible."""

    client: S3Client
    bucket: str
    key: str
    name: str
    url: str
    content_type: str
    facts: Mapping[str, str]  # kept with it
    condition: dict[str, str]


@dataclass(frozen=True)
class Digested:
    """A file as it was read once: whole and by parts, so that a part which changes before it is sent is noticed."""

    path: Path
    size: int
    sha256: str
    part_size: int
    parts: tuple[bytes, ...]  # sha256 of each


def digest_in_parts(path: Path, part_size: int) -> Digested:
    whole, parts, size = hashlib.sha256(), [], path.stat().st_size
    part_size = max(part_size, -(-size // MOST_PARTS))
    with path.open("rb") as source:
        while data := source.read(part_size):
            whole.update(data)
            parts.append(hashlib.sha256(data).digest())
        return Digested(path, source.tell(), whole.hexdigest(), part_size, tuple(parts))


def upload_parts(target: Target, file: Digested) -> None:
    """Raises what the store raises, IntegrityError when the file changed; then nothing of it is left."""

    def send(upload_id: str, number: int) -> CompletedPartTypeDef:
        with file.path.open("rb") as source:
            source.seek((number - 1) * file.part_size)
            data = source.read(file.part_size)
        digest = hashlib.sha256(data).digest()
        if digest != file.parts[number - 1]:
            raise errors.IntegrityError(f"{file.path} changed while it was stored as {target.name}")
        checksum = base64.b64encode(digest).decode()
        with s3_failures(f"part {number} of {target.name}", target.url):
            answer = target.client.upload_part(
                Bucket=target.bucket, Key=target.key, UploadId=upload_id, PartNumber=number, Body=data,
                ContentLength=len(data), ChecksumSHA256=checksum,
            )  # fmt: skip
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    _in_parts(target, len(file.parts), send, checksums=True)


def copy_parts(target: Target, size: int) -> None:
    """Onto itself."""
    step = max(COPIED_PART, -(-size // MOST_PARTS))

    def copy(upload_id: str, number: int) -> CompletedPartTypeDef:
        first = (number - 1) * step
        with s3_failures(f"part {number} of {target.name}", target.url):
            answer = target.client.upload_part_copy(
                Bucket=target.bucket, Key=target.key, UploadId=upload_id, PartNumber=number,
                CopySource={"Bucket": target.bucket, "Key": target.key},
                CopySourceRange=f"bytes={first}-{min(first + step, size) - 1}",
            )  # fmt: skip
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    _in_parts(target, -(-size // step), copy, checksums=False)


def _in_parts(target: Target, count: int, act: Callable[[str, int], CompletedPartTypeDef], *, checksums: bool) -> None:
    with _upload(target, checksums=checksums) as upload_id:
        with ThreadPoolExecutor(min(_AT_ONCE, count)) as pool:
            running = [pool.submit(act, upload_id, number) for number in range(1, count + 1)]
            try:
                parts = [done.result() for done in running]
            finally:
                for waiting in running:
                    waiting.cancel()
        condition: dict[str, Any] = dict(target.condition)
        with s3_failures(target.name, target.url):
            target.client.complete_multipart_upload(
                Bucket=target.bucket, Key=target.key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
            )


@contextlib.contextmanager
def _upload(target: Target, *, checksums: bool) -> Iterator[str]:
    options: dict[str, Any] = {"ChecksumAlgorithm": "SHA256"} if checksums else {}
    with s3_failures(target.name, target.url):
        upload_id = target.client.create_multipart_upload(
            Bucket=target.bucket, Key=target.key, ContentType=target.content_type,
            Metadata=target.facts, **options,
        )["UploadId"]  # fmt: skip
    try:
        yield upload_id
    except BaseException:
        with contextlib.suppress(errors.StoreError), s3_failures(target.name, target.url):
            target.client.abort_multipart_upload(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
        raise
