"""What boto3 raised, as the store's errors with a remedy each. Decides nothing about retrying."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from botocore import exceptions as aws

from infra import errors

_MISSING = {"NoSuchKey", "404", "NotFound", "NoSuchVersion", "NoSuchUpload"}
_CONDITION = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}
_DAMAGED = {"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507"}
_DENIED = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed"}
_KEYS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "401",
}
_NO_KEYS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.ProfileNotFound,
)
_CUT = (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError)
_GIVE_KEYS = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_REGION), or AWS_PROFILE, to keys that are valid."
_MAY = "The policy must allow s3:GetObject and s3:PutObject on the prefix, and s3:ListBucket on the bucket."
_REACH = "See that AWS_ENDPOINT_URL_S3 and AWS_REGION are right and that the network is there; then run again."


@contextlib.contextmanager
def s3_failures(what: str, url: str) -> Iterator[None]:
    """`what` names the key or the listing; `url` is the store as configured."""
    try:
        yield
    except aws.ClientError as error:
        raise explain_answer(error, what, url) from error
    except aws.BotoCoreError as error:
        raise explain_failure(error, what, url) from error


def explain_answer(error: aws.ClientError, what: str, url: str) -> errors.StoreError:
    """For an answer of the server."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    facts = error.response.get("ResponseMetadata", {})
    status = int(facts.get("HTTPStatusCode", 0))
    request_id = facts.get("RequestId") or None
    message = str(error.response.get("Error", {}).get("Message", "")).strip()
    detail = f"{what} in {url}: {code} {message}".rstrip()
    if code == "NoSuchBucket":
        return no_bucket(url, request_id)
    kind, remedy = _classified(code, status)
    return kind(detail, remedy=remedy, request_id=request_id)


def no_bucket(url: str, request_id: str | None = None) -> errors.StoreError:
    bucket = url.removeprefix("s3://").partition("/")[0]
    make = f"shotrunner infra bootstrap --store {url}"
    remedy = f"Make it (`{make}`), or correct SHOTRUNNER_STORE, AWS_ENDPOINT_URL_S3 or AWS_REGION."
    return errors.StoreError(f"there is no bucket {bucket!r}", remedy=remedy, request_id=request_id)


def _classified(code: str, status: int) -> tuple[type[errors.StoreError], str]:
    table: tuple[tuple[set[str], type[errors.StoreError], str], ...] = (
        (_MISSING, errors.NotFoundError, ""),
        (_CONDITION, errors.PreconditionFailedError, ""),
        (_CONFLICT, errors.ConflictError, "Run again: another writer was at the same key at the same moment."),
        (_DAMAGED, errors.IntegrityError, "The bytes changed on the way; run again."),
        (_FULL, errors.StoreFullError, "Raise the quota or free space there; what was stored before is whole."),
        (_DENIED, errors.AccessDeniedError, _MAY),
        (_KEYS, errors.AccessDeniedError, _GIVE_KEYS),
        ({"RequestTimeTooSkewed"}, errors.AccessDeniedError, "Set this machine's clock: it differs from the server's."),
        (
            {"PermanentRedirect", "301", "IllegalLocationConstraintException", "AuthorizationHeaderMalformed"},
            errors.StoreError,
            "The bucket lies in another region: set AWS_REGION to it.",
        ),
    )
    for codes, kind, remedy in table:
        if code in codes:
            return kind, remedy
    if status in (401, 403):
        return errors.AccessDeniedError, _MAY
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout", "Throttling", "InternalError"):
        return errors.StoreUnavailableError, "The server is busy or in trouble; run again in a while."
    return errors.StoreError, "See what the server says above; `shotrunner doctor` tests the store."


def explain_failure(error: Exception, what: str, url: str) -> errors.StoreError:
    """For everything that never became an answer."""
    detail = f"{what} in {url}: {error}"
    if isinstance(error, _NO_KEYS):
        return errors.AccessDeniedError(detail, remedy=_GIVE_KEYS)
    if isinstance(error, aws.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error):
            return errors.StoreUnavailableError(
                detail, remedy="The server speaks no TLS there: AWS_ENDPOINT_URL_S3 may have to begin with http://."
            )
        return errors.StoreUnavailableError(
            detail, remedy="The server's certificate was not accepted: set AWS_CA_BUNDLE to its authority's file."
        )
    if isinstance(error, _CUT):
        return errors.StoreUnavailableError(detail, remedy=_REACH)
    if isinstance(error, aws.FlexibleChecksumError | aws.ChecksumError):
        return errors.IntegrityError(detail, remedy="The bytes changed on the way; run again.")
    return errors.StoreError(detail, remedy="See SHOTRUNNER_STORE, AWS_ENDPOINT_URL_S3, AWS_REGION and AWS_PROFILE.")
