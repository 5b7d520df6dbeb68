"""An ObjectStore in an S3 bucket, through boto3: conditional writes, checksums that the server proves, no SDK transfer.

ETags are tokens for swapping, never digests. They are sent back as they came, unless the server shows that it wants
them without quotes, as Ceph 16 does (storage sheet §1.3).
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import functools
import hashlib
import io
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from infra import errors
from infra.storage.base import ObjectInfo, Version, check_condition, check_key, check_prefix
from infra.storage.s3_client import make_client, sending_once
from infra.storage.s3_errors import explain_failure, no_bucket, s3_failures
from infra.storage.s3_parts import PART, Digested, Target, copy_parts, digest_in_parts, upload_parts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

_CONFLICT_TRIES = 5
_READ_TRIES = 3
_LARGE = 64 << 20  # bytes: above, a file goes up in parts (storage sheet §2.3)
_COPIED_AT_ONCE = 1 << 30  # bytes; a server may take 5 GiB, and longer than a request may wait
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")


def open_s3(url: str, *, addressing: Literal["auto", "path", "virtual"] = "auto") -> S3Store:
    """For `s3://bucket/prefix`. The usual AWS variables, profiles and AWS_ENDPOINT_URL_S3 hold; no request is made."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    try:
        if not _BUCKET.match(bucket):
            raise ValueError(f"{bucket!r} is not the name of a bucket")
        check_prefix(prefix and f"{prefix}/")
        if prefix.rpartition("/")[2] == "v1":  # beside the real one it would look empty, and all be bought again
            raise ValueError("`v1` is what the store itself puts behind the prefix")
    except ValueError as error:
        raise errors.StoreError(
            f"{url}: {error}", remedy="SHOTRUNNER_STORE is s3://bucket or s3://bucket/prefix, without v1."
        ) from None
    try:
        named = bool(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
        client = make_client("path" if named and addressing == "auto" else addressing)
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if addressing == "auto" and not named and not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            client = make_client("path")  # from a profile; a bucket as a host name needs DNS that few servers have
    except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise explain_failure(error, "opening it", url) from error
    return S3Store(client, bucket, prefix)


class S3Store:
    """Safe for threads: one client for all."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self.url = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._bucket_seen = False
        self._bare_tags: bool | None = None  # whether the server wants tags without quotes; None: not known yet

    @property
    def client(self) -> S3Client:
        """For what examines the server itself; what keeps bytes goes through the store."""
        return self._client

    @functools.cached_property
    def _sends_once(self) -> S3Client:
        """A deletion that is sent again unasked may meet what has come since: equal bytes have equal tags."""
        return sending_once(self._client)

    @property
    def bucket(self) -> str:
        return self._bucket

    @property
    def prefix(self) -> str:
        return self._prefix

    def full_key(self, key: str) -> str:
        """With the store's prefix, as the bucket knows it."""
        return self._prefix + check_key(key)

    @property
    def wants_bare_tags(self) -> bool:
        return bool(self._bare_tags)

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
        digest = _agreed(key, hashlib.sha256(data).hexdigest(), sha256)
        condition = _condition(if_absent, if_match)
        return self._put(check_key(key), lambda: io.BytesIO(data), len(data), digest, content_type, condition)

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
        if path.stat().st_size > _LARGE:
            file = digest_in_parts(path, PART)
            _agreed(key, file.sha256, sha256)
            return self._put_parts(key, file, content_type, _condition(if_absent, None))
        with path.open("rb") as source:
            digest = _agreed(key, hashlib.file_digest(source, "sha256").hexdigest(), sha256)
            size = source.tell()
        return self._put(key, lambda: path.open("rb"), size, digest, content_type, _condition(if_absent, None))

    def _put_parts(self, key: str, file: Digested, content_type: str, condition: dict[str, str]) -> Version:
        """Straight to its key, which is known: the object is there with the last request or not at all. A conflict
        means a new upload, so says the vendor."""
        write = uuid.uuid4().hex
        facts = {"sha256": file.sha256, "write": write}
        target = Target(self._client, self._bucket, self._prefix + key, key, self.url, content_type, facts, condition)
        for attempt in range(_CONFLICT_TRIES):
            if condition and self._exists(key):  # spares the upload; and not every server looks at the last request's
                raise errors.PreconditionFailedError(f"{key} in {self.url} exists already")
            try:
                upload_parts(target, file)
            except errors.PreconditionFailedError as error:
                if _was_resent(error) and (mine := self._if_mine(key, write)) is not None:
                    return mine
                raise
            except errors.ConflictError:
                _pause(attempt, _CONFLICT_TRIES)
                continue
            except (errors.NotFoundError, errors.StoreUnavailableError) as error:  # its last answer may have been lost
                if (mine := self._if_mine(key, write)) is not None:
                    return mine
                if isinstance(error, errors.NotFoundError):
                    raise errors.StoreUnavailableError(
                        f"the upload of {key} was ended by somebody else", remedy="Run again."
                    ) from error
                raise
            return self.head(key).version
        return self._decide_conflict(key, write, condition)

    def _put(
        self,
        key: str,
        body: Callable[[], IO[bytes]],
        size: int,
        sha256: str,
        content_type: str,
        condition: dict[str, str],
    ) -> Version:
        """Sends until the server decides. A 412 after a resent write may be our own first sending: then it was ours,
        which is told by a mark of this very write, for another's bytes may be equal (storage sheet §1.6)."""
        resent, write = False, uuid.uuid4().hex
        for attempt in range(_CONFLICT_TRIES):
            try:
                with s3_failures(key, self.url), body() as stream:
                    answer = self._client.put_object(
                        Bucket=self._bucket,
                        Key=self._prefix + key,
                        Body=stream,
                        ContentLength=size,
                        ContentType=content_type,
                        # proved by the server; and without it boto3 adds a trailer over TLS that many servers refuse
                        ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                        Metadata={"sha256": sha256, "write": write},  # kept by every server, unlike the checksum
                        **_any(self._dressed(condition)),
                    )
                if "IfMatch" in condition and self._bare_tags is None:
                    self._bare_tags = False
                return Version(answer["ETag"], size)
            except errors.ConflictError:
                resent = True
                _pause(attempt, _CONFLICT_TRIES)
            except errors.NotFoundError:  # a swap of what is not there
                raise errors.PreconditionFailedError(f"{key} in {self.url} is not there any more") from None
            except errors.PreconditionFailedError as error:
                if (resent or _was_resent(error)) and (mine := self._if_mine(key, write)) is not None:
                    return mine
                if not self._takes_bare_tags(key, condition):
                    raise
        return self._decide_conflict(key, write, condition)

    def _dressed(self, condition: dict[str, str]) -> dict[str, str]:
        return {name: tag.strip('"') if self._bare_tags else tag for name, tag in condition.items()}

    def _takes_bare_tags(self, key: str, condition: dict[str, str]) -> bool:
        """A swap that was refused although the tag stands: such a server compares without the quotes that it sends.
        The same swap may then be sent again, for it still asks for the same tag."""
        if self._bare_tags is not None or "IfMatch" not in condition:
            return False
        try:
            self._bare_tags = True if self.head(key).version.tag == condition["IfMatch"] else None
        except errors.NotFoundError:
            return False
        return self._bare_tags is True

    def _decide_conflict(self, key: str, write: str, condition: dict[str, str]) -> Version:
        """Some servers answer 409 to the plain loser of a create, so what is there now decides."""
        if (mine := self._if_mine(key, write)) is not None:
            return mine
        if "IfNoneMatch" in condition and self._exists(key):
            raise errors.PreconditionFailedError(f"{key} in {self.url} exists already")
        raise errors.ConflictError(
            f"{key} in {self.url} was being written by others {_CONFLICT_TRIES} times in a row", remedy="Run again."
        )

    def _if_mine(self, key: str, write: str) -> Version | None:
        try:
            answer = self._head(key)
        except errors.NotFoundError:
            return None
        return Version(answer["ETag"], answer["ContentLength"]) if answer["Metadata"].get("write") == write else None

    def _exists(self, key: str) -> bool:
        try:
            self.head(key)
        except errors.NotFoundError:
            return False
        return True

    def get_bytes(self, key: str) -> tuple[bytes, Version]:
        check_key(key)
        for attempt in range(_READ_TRIES):
            with s3_failures(key, self.url):
                answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            try:
                data = answer["Body"].read()
            except BotoCoreError as error:  # cut while streaming: boto3 retries only up to the first byte
                if attempt == _READ_TRIES - 1:
                    raise explain_failure(error, key, self.url) from error
                _pause(attempt, _READ_TRIES)
                continue
            return data, Version(answer["ETag"], len(data))
        raise AssertionError("unreachable")

    def open_read(self, key: str) -> IO[bytes]:
        check_key(key)
        with s3_failures(key, self.url):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        return io.BufferedReader(_Stream(answer["Body"], key, self.url), 1 << 20)

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    def _head(self, key: str) -> HeadObjectOutputTypeDef:
        check_key(key)
        try:
            with s3_failures(key, self.url):
                return self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except errors.NotFoundError:
            self._see_bucket()
            raise

    def head(self, key: str) -> ObjectInfo:
        answer = self._head(key)
        version = Version(answer["ETag"], answer["ContentLength"])
        told = answer["Metadata"].get("sha256")
        return ObjectInfo(key, version, _utc(answer["LastModified"]), answer.get("ContentType", ""), told)

    def _see_bucket(self) -> None:
        """HEAD answers a missing bucket and a missing object alike, so the first miss asks for the bucket."""
        if self._bucket_seen:
            return
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                raise no_bucket(self.url) from error
        except BotoCoreError as error:
            raise explain_failure(error, "the bucket", self.url) from error
        self._bucket_seen = True

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        start = {"StartAfter": self._prefix + start_after} if start_after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix, **_any(start)
        )
        with s3_failures(f"listing {prefix!r}", self.url):
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self._prefix)
                    if key and not key.endswith("/"):  # consoles leave empty objects as folders
                        version = Version(tag="", size=item["Size"])
                        yield ObjectInfo(key, version, _utc(item["LastModified"]), content_type="")

    def touch(self, key: str) -> None:
        """A copy onto itself, which a server takes only with its facts given anew. Not for what is swapped."""
        there = self._head(key)
        full, size, content_type = self._prefix + key, there["ContentLength"], there.get("ContentType", "")
        if size > _COPIED_AT_ONCE:
            facts = there["Metadata"]
            copy_parts(Target(self._client, self._bucket, full, key, self.url, content_type, facts, {}), size)
            return
        with s3_failures(key, self.url):
            self._client.copy_object(
                Bucket=self._bucket, Key=full, CopySource={"Bucket": self._bucket, "Key": full},
                MetadataDirective="REPLACE", ContentType=content_type, Metadata=there["Metadata"],
            )  # fmt: skip

    def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=self._prefix)
        with s3_failures("listing unfinished uploads", self.url):
            found = [u for page in pages for u in page.get("Uploads", []) if _utc(u["Initiated"]) < before]
            for upload in [] if dry else found:
                with contextlib.suppress(self._client.exceptions.NoSuchUpload):
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
        return len(found)

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        check_key(key)
        condition = {"IfMatch": if_match} if if_match is not None else {}
        try:
            if if_match is not None and self.head(key).version.tag != if_match:  # some servers do not look themselves
                raise errors.PreconditionFailedError(f"{key} in {self.url} has changed since it was read")
            client = self._client if if_match is None else self._sends_once
            with s3_failures(key, self.url):
                client.delete_object(Bucket=self._bucket, Key=self._prefix + key, **_any(self._dressed(condition)))
        except errors.NotFoundError:
            return


class _Stream(io.RawIOBase):
    """The body of an answer, with the store's errors in the place of boto3's."""

    def __init__(self, body: Any, key: str, url: str) -> None:
        self._body = body
        self._key = key
        self._url = url

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with s3_failures(self._key, self._url):
            return int(self._body.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()


def _agreed(key: str, found: str, announced: str | None) -> str:
    """Checked here too: not every server refuses bytes that do not match their checksum."""
    if announced not in (None, found):
        raise errors.IntegrityError(f"{key}: {announced} was announced, {found} arrived")
    return found


def _condition(if_absent: bool, if_match: str | None) -> dict[str, str]:
    if if_absent:
        return {"IfNoneMatch": "*"}
    return {"IfMatch": if_match} if if_match is not None else {}


def _utc(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC)


def _pause(attempt: int, tries: int) -> None:
    if attempt < tries - 1:
        time.sleep(0.1 * 2**attempt)


def _was_resent(error: errors.StoreError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and cause.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0


def _any(values: dict[str, str]) -> dict[str, Any]:
    """Optional arguments, for a client whose type has no place for 'not given'."""
    return dict(values)
