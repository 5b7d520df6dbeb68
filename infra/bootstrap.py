"""A bucket made fit to hold a store: old versions kept, closed to the public, encrypted, scratch that expires.

Idempotent: what is as wanted is left alone, and rules and statements of others stay. Each setting is read again after
it was written: a server that takes a setting and forgets it is told apart from one that keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from infra import errors
from infra.bucket_rules import RULES, TIERING, merged_rules
from infra.storage.s3 import S3Store
from infra.storage.s3_errors import explain_answer, explain_failure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

State = Literal["made", "changed", "kept", "would be made", "would be changed", "not supported"]
TLS_STATEMENT = "ShotrunnerTlsOnly"
_ABSENT = {
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchBucketPolicy",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
_UNSUPPORTED = {"NotImplemented", "XNotImplemented", "MethodNotAllowed", "UnsupportedOperation"}
_CLOSED = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}
_HOME = ("us-east-1", "aws-global")  # the second is what boto3 takes when no region is set
_MAY = "Bootstrap needs s3:CreateBucket and the s3:Get… and s3:Put… actions of each setting: an administrator's keys."


class BucketError(errors.ShotrunnerError):
    summary = "this bucket cannot be set up"
    exit_code = 2


@dataclass(frozen=True)
class Setting:
    """What was found or done. `detail` says what it is good for, or what the server answered."""

    name: str
    state: State
    detail: str


@dataclass(frozen=True)
class _Wish:
    """`read`: None where nothing is set. `want`: from what is set, which may be more than ours. `refusals`: what a
    server without it answers, where that would elsewhere be our mistake."""

    name: str
    detail: str
    read: Callable[[], Any]
    want: Callable[[Any], Any]
    write: Callable[[Any], object]
    refusals: frozenset[str] = frozenset()


def bootstrap(
    store: S3Store, *, kms_key: str | None = None, tls_only: bool = False, dry_run: bool = False
) -> list[Setting]:
    """Raises BucketError for what cannot be meant, AccessDeniedError and StoreUnavailableError. Blocks."""
    secure = urlsplit(store.client.meta.endpoint_url).scheme == "https"
    if tls_only and not secure:
        raise BucketError(
            f"{store.client.meta.endpoint_url} is not reached by TLS, and would be shut out",
            remedy="leave --tls-only out, or give AWS_ENDPOINT_URL_S3 as https://",
        )
    made = _make_bucket(store, dry_run=dry_run)
    if made.state == "would be made":
        wishes = _wishes(store, kms_key, tls_only=tls_only)
        return [made, *(Setting(w.name, "would be made", w.detail) for w in wishes)]
    return [made, *(_fulfil(store, wish, dry_run=dry_run) for wish in _wishes(store, kms_key, tls_only=tls_only))]


def _make_bucket(store: S3Store, *, dry_run: bool) -> Setting:
    client, name = store.client, store.bucket
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
            raise _told(error, f"the bucket {name}", store.url) from error
    except BotoCoreError as error:
        raise explain_failure(error, f"the bucket {name}", store.url) from error
    else:
        return Setting("bucket", "kept", name)
    if dry_run:
        return Setting("bucket", "would be made", name)
    region = client.meta.region_name
    ours = (urlsplit(client.meta.endpoint_url).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    # only Amazon's regions are places; and us-east-1 is refused by name
    place = {"CreateBucketConfiguration": {"LocationConstraint": region}} if ours and region not in _HOME else {}
    _call(lambda: client.create_bucket(Bucket=name, **_any(place)), f"making the bucket {name}", store.url)
    return Setting("bucket", "made", name)


def _fulfil(store: S3Store, wish: _Wish, *, dry_run: bool) -> Setting:
    try:
        found = wish.read()
        wanted = wish.want(found)
        if wanted == found:
            return Setting(wish.name, "kept", wish.detail)
        if dry_run:
            return Setting(wish.name, "would be made" if found is None else "would be changed", wish.detail)
        wish.write(wanted)
        again = wish.read()
    except ClientError as error:
        if refusal := _not_supported(error, wish.refusals):
            return Setting(wish.name, "not supported", f"{wish.detail}; the server answers {refusal}")
        raise _told(error, wish.name, store.url) from error
    except BotoCoreError as error:
        raise explain_failure(error, wish.name, store.url) from error
    if wish.want(again) != again:
        return Setting(wish.name, "not supported", f"{wish.detail}; the server takes it and does not keep it")
    return Setting(wish.name, "made" if found is None else "changed", wish.detail)


def _wishes(store: S3Store, kms_key: str | None, *, tls_only: bool) -> list[_Wish]:
    client, name = store.client, store.bucket
    wishes = [
        _Wish(
            "versioning",
            "what is overwritten or deleted can be had again for 30 days",
            _reader(lambda: client.get_bucket_versioning(Bucket=name), "Status"),
            lambda _: "Enabled",
            lambda _: client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"}),
        ),
        _Wish(
            "public access",
            "blocked, whatever a policy says",
            _reader(lambda: client.get_public_access_block(Bucket=name), "PublicAccessBlockConfiguration"),
            lambda _: _CLOSED,
            lambda wanted: client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=wanted),
        ),
        _Wish(
            "ownership",
            "no access lists: policies alone decide",
            _reader(lambda: client.get_bucket_ownership_controls(Bucket=name), "OwnershipControls"),
            lambda _: {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            lambda wanted: client.put_bucket_ownership_controls(Bucket=name, OwnershipControls=wanted),
        ),
        _encryption(client, name, kms_key),
        *_lifecycle(store),
    ]
    return [*wishes, _tls(client, name)] if tls_only else wishes


def _encryption(client: S3Client, name: str, kms_key: str | None) -> _Wish:
    def want(found: Any) -> Any:
        rule: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        if kms_key is None:
            return found or {"Rules": [rule]}  # whatever somebody chose is better than our guess
        by_key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key}
        if found and found["Rules"][0].get("ApplyServerSideEncryptionByDefault") == by_key:
            return found
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": by_key, "BucketKeyEnabled": True}]}

    return _Wish(
        "encryption",
        f"by the key {kms_key}" if kms_key else "by the server, unless another is set",
        _reader(lambda: client.get_bucket_encryption(Bucket=name), "ServerSideEncryptionConfiguration"),
        want,
        lambda wanted: client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=wanted),
    )


def _lifecycle(store: S3Store) -> list[_Wish]:
    """In two steps: a server without Amazon's storage classes still takes the rules that matter."""
    client, name = store.client, store.bucket
    read = _reader(lambda: client.get_bucket_lifecycle_configuration(Bucket=name), "Rules")

    def write(rules: Any) -> object:
        return client.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})

    prefix = store.full_key("x")[:-1]
    return [
        _Wish("expiry", "scratch and old versions go by themselves", read, merged_rules(prefix, RULES), write),
        _Wish(
            "tiering",
            "takes move to the cheaper class after a day",
            read,
            merged_rules(prefix, TIERING),
            write,
            frozenset({"InvalidStorageClass", "InvalidArgument", "InvalidRequest", "MalformedXML"}),
        ),
    ]


def _tls(client: S3Client, name: str) -> _Wish:
    arn = f"arn:{client.meta.partition}:s3:::{name}"
    statement: dict[str, Any] = {
        "Sid": TLS_STATEMENT,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    def want(found: Any) -> Any:
        policy: dict[str, Any] = json.loads(found) if found else {"Version": "2012-10-17", "Statement": []}
        there = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
        if statement in there:
            return found
        others = [said for said in there if said.get("Sid") != TLS_STATEMENT]
        return json.dumps({**policy, "Statement": [*others, statement]})

    return _Wish(
        "TLS only",
        "requests in the clear are denied",
        _reader(lambda: client.get_bucket_policy(Bucket=name), "Policy"),
        want,
        lambda wanted: client.put_bucket_policy(Bucket=name, Policy=wanted),
    )


def _reader(ask: Callable[[], Mapping[str, Any]], part: str) -> Callable[[], Any]:
    """Servers answer "nothing set" with an error of its own or with an empty answer."""

    def read() -> Any:
        try:
            return ask().get(part) or None
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return None
            raise

    return read


def _not_supported(error: ClientError, refusals: frozenset[str]) -> str | None:
    """The code, if the server says that it has no such thing."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    known = code in _UNSUPPORTED or code in refusals or status in (405, 501)
    return (code or str(status)) if known else None


def _call(call: Callable[[], object], what: str, url: str) -> None:
    try:
        call()
    except ClientError as error:
        raise _told(error, what, url) from error
    except BotoCoreError as error:
        raise explain_failure(error, what, url) from error


def _told(error: ClientError, what: str, url: str) -> errors.StoreError:
    told = explain_answer(error, what, url)
    if isinstance(told, errors.AccessDeniedError):
        told.remedy = _MAY
    return told


def _any(values: Mapping[str, Any]) -> dict[str, Any]:
    """Optional arguments, for a client whose type has no place for 'not given'."""
    return dict(values)
