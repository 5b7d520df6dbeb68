"""What only a bucket can be asked: parts, checksums, ranges, signed links, TLS, and whether anybody may read it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from infra import errors
from infra.storage.doctor import PRIVATE, Check, Probe
from infra.storage.s3 import S3Store
from infra.storage.s3_client import without_key
from infra.storage.s3_errors import s3_failures
from infra.storage.s3_parts import Target, digest_in_parts, upload_parts
from manifests.naming import blobs_prefix, layout_prefix, out_prefix

_PART = 5 << 20  # the least that servers take for any part but the last
_EVERYBODY = (
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
)
_REFUSED = "a body that is not what its sha256 says is refused"
_TAKEN = "a body that is not what its sha256 says is taken; reading finds it, for a blob's name is its digest"


def examine_bucket(corner: Probe, pause: Callable[[float], None], *, public: bool) -> list[Check]:
    store = corner.store
    if not isinstance(store, S3Store):
        raise TypeError(f"{store.url} is no bucket")
    bucket = _Bucket(store, corner)
    return [
        *bucket.parts(),
        bucket.deletes(),
        bucket.checksums(),
        bucket.ranges(),
        *bucket.links(pause),
        bucket.trailers(),
        replace(check_private(store, thorough=True), needed=not public),
    ]


class _Bucket:
    def __init__(self, store: S3Store, corner: Probe) -> None:
        self._store = store
        self._corner = corner
        self._client: Any = store.client

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self._store.bucket, "Key": self._store.full_key(self._corner.key(name))}

    def parts(self) -> list[Check]:
        """An object above 64 MB goes up in parts; its last request makes it visible."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "large"
            path.write_bytes(os.urandom(_PART + 1000))
            file, key = digest_in_parts(path, _PART), self._corner.key("parts")
            place = self._place("parts")

            def send(condition: dict[str, str]) -> None:
                facts = {"sha256": file.sha256}
                upload_parts(
                    Target(self._client, place["Bucket"], place["Key"], key, self._store.url, "", facts, condition),
                    file,
                )

            try:
                send({})
                whole = hashlib.sha256(self._store.get_bytes(key)[0]).hexdigest() == file.sha256
            except errors.StoreError as error:
                return [Check("parts", False, error.detail), Check("conditional-complete", None, "not asked", False)]
            try:
                send({"IfNoneMatch": "*"})
                held = False
            except errors.PreconditionFailedError:
                held = True
            except errors.StoreError:
                held = False
        told = "files above 64 MB go up in parts" if whole else "a file that went up in parts came back as another"
        create = "held to the very end" if held else "not held in the moment of its end: we look just before"
        return [
            Check("parts", whole, told),
            Check("conditional-complete", held, f"creating a large object only once is {create}", needed=False),
        ]

    def deletes(self) -> Check:
        key = self._corner.key("delete")
        self._store.put_bytes(key, b"x")
        stale = '"' + "0" * 32 + '"'
        holds = _refused(lambda: self._client.delete_object(**self._place("delete"), IfMatch=stale), with_status=412)
        found = "only what has not changed" if holds else "whatever is there; gc looks just before, under its lease"
        return Check("conditional-delete", holds, f"deleting takes {found}", needed=False)

    def checksums(self) -> Check:
        wrong = base64.b64encode(hashlib.sha256(b"another").digest()).decode()
        holds = _refused(
            lambda: self._client.put_object(**self._place("checksum"), Body=b"this", ChecksumSHA256=wrong),
            with_status=400,
        )
        return Check("checks-sha256", holds, _REFUSED if holds else _TAKEN, needed=False)

    def ranges(self) -> Check:
        self._store.put_bytes(self._corner.key("range"), b"0123456789")
        try:
            part = self._client.get_object(**self._place("range"), Range="bytes=2-4")["Body"].read()
        except (ClientError, BotoCoreError):
            part = b""
        holds = part == b"234"
        return Check("ranges", holds, "a part of an object can be read" if holds else "only whole", needed=False)

    def links(self, pause: Callable[[float], None]) -> list[Check]:
        """A link that is signed for GET, as people get it; vendors ask HEAD of it, so their inputs never go by one."""
        self._store.put_bytes(self._corner.key("link"), b"linked", content_type="image/png")
        link = self._client.generate_presigned_url("get_object", Params=self._place("link"), ExpiresIn=60)
        short = self._client.generate_presigned_url("get_object", Params=self._place("link"), ExpiresIn=1)
        try:
            with httpx.Client(verify=_trust()) as http:
                get = http.get(link)
                head = http.head(link).status_code == 200
                tampered = http.get(link[:-1] + ("0" if link[-1] != "0" else "1")).status_code < 400
                pause(2.1)
                late = http.get(short).status_code < 400
        except httpx.HTTPError as error:
            return [Check("links", None, f"could not be asked: {error}", needed=False)]
        holds = get.status_code == 200 and get.content == b"linked"
        wrong = [words for words, answered in (("changed", tampered), ("over", late)) if answered]
        told = f"links are answered when they are {' or '.join(wrong)}" if wrong else "links end when they should"
        return [
            Check("links", holds, "signed links work" if holds else f"a signed link got {get.status_code}", False),
            Check("links-head", head, f"HEAD of a link for GET is {'answered' if head else 'refused'}", False),
            Check("links-end", not wrong, told, False),
        ]

    def trailers(self) -> Check:
        if not self._client.meta.endpoint_url.startswith("https://"):
            return Check("trailers", None, "not asked: the endpoint does not speak TLS", needed=False)
        holds = not _refused(lambda: self._client.put_object(**self._place("trailer"), Body=b"trailed"))
        found = "taken" if holds else "refused; we send none"
        return Check("trailers", holds, f"uploads with their checksum at the end are {found}", needed=False)


def _refused(act: Callable[[], Any], *, with_status: int | None = None) -> bool:
    """For the reason that is meant, where one is: missing rights are no answer to the question."""
    try:
        act()
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return with_status in (None, status)
    except BotoCoreError:  # a server that breaks off
        return with_status is None
    return False


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


def check_private(store: S3Store, *, thorough: bool = False) -> Check:
    """Asks without any key for one object of each sort that people could have opened by itself. `thorough` also reads
    what the bucket says of itself, where our keys may."""
    anonymous = without_key(store.client)

    def is_open(key: str) -> bool:
        return _answers(lambda: anonymous.head_object(Bucket=store.bucket, Key=key))

    keys = {_first_key(store, prefix) for prefix in (layout_prefix(), out_prefix(), blobs_prefix())}
    open_to_all = [f"{key} can be read" for key in sorted(keys) if key and is_open(key)]
    if _answers(lambda: anonymous.list_objects_v2(Bucket=store.bucket, MaxKeys=1)):
        open_to_all.append("its keys can be listed")
    if thorough:
        open_to_all += _says_it_is_public(store)
    if open_to_all:
        return Check(PRIVATE, False, f"anybody may look in without a key: {'; '.join(open_to_all)}")
    return Check(PRIVATE, True, "nobody may look in without a key")


def _first_key(store: S3Store, prefix: str) -> str:
    """With the store's own prefix; empty when there is none."""
    with s3_failures(f"listing {prefix!r}", store.url):
        answer = store.client.list_objects_v2(Bucket=store.bucket, Prefix=store.prefix + prefix, MaxKeys=1)
    return next((item["Key"] for item in answer.get("Contents", [])), "")


def _answers(act: Callable[[], Any]) -> bool:
    """No answer is no open door: the store itself has just answered, to our keys."""
    try:
        act()
    except (ClientError, BotoCoreError):
        return False
    return True


def _says_it_is_public(store: S3Store) -> list[str]:
    client: Any = store.client
    told = []
    with contextlib.suppress(ClientError, BotoCoreError):
        if client.get_bucket_policy_status(Bucket=store.bucket).get("PolicyStatus", {}).get("IsPublic"):
            told.append("its policy is public")
    with contextlib.suppress(ClientError, BotoCoreError):
        grants = client.get_bucket_acl(Bucket=store.bucket).get("Grants", [])
        if any(grant.get("Grantee", {}).get("URI") in _EVERYBODY for grant in grants):
            told.append("its access list names everybody")
    return told
