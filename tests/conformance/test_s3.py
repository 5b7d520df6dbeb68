"""What only a bucket has: lost replies, refusals, cut connections, rights, TLS. Each against the real server."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from certificates import certificate
from conformance.s3server import S3Server, free_port
from faults.proxy import SpoilingProxy

from infra import errors
from infra.storage import open_store
from infra.storage.base import ObjectStore
from infra.storage.s3_errors import explain_answer


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def through_proxy(proxy: SpoilingProxy, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    return open_store(s3_url, tmp_path)


def methods(proxy: SpoilingProxy) -> list[str]:
    return [seen.method for seen in proxy.seen]


def test_a_create_whose_reply_was_lost_has_won(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    proxy.spoil("PUT", "lose-reply")
    version = through_proxy.put_bytes("k", b"mine", if_absent=True)
    assert methods(proxy)[:2] == ["PUT", "PUT"]
    assert through_proxy.get_bytes("k") == (b"mine", version)


def test_a_create_that_lost_stays_lost_after_a_lost_reply(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    through_proxy.put_bytes("k", b"theirs")
    proxy.spoil("PUT", "lose-reply")
    with pytest.raises(errors.PreconditionFailedError):
        through_proxy.put_bytes("k", b"mine", if_absent=True)
    assert through_proxy.get_bytes("k")[0] == b"theirs"


def test_a_swap_whose_reply_was_lost_has_won(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    first = through_proxy.put_bytes("k", b"rev 1")
    proxy.spoil("PUT", "lose-reply")
    second = through_proxy.put_bytes("k", b"rev 2", if_match=first.tag)
    assert through_proxy.get_bytes("k") == (b"rev 2", second)
    assert through_proxy.put_bytes("k", b"rev 3", if_match=second.tag).tag != second.tag


def test_a_file_whose_reply_was_lost_is_sent_again_whole(
    proxy: SpoilingProxy, through_proxy: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "take").write_bytes(b"picture" * 50_000)
    proxy.spoil("PUT", "lose-reply")
    through_proxy.put_file("k", tmp_path / "take", if_absent=True)
    assert through_proxy.get_bytes("k")[0] == b"picture" * 50_000


def test_a_conflict_is_tried_again(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", times=2)
    through_proxy.put_bytes("k", b"mine", if_absent=True)
    assert methods(proxy) == ["PUT"] * 3
    assert through_proxy.get_bytes("k")[0] == b"mine"


def test_a_conflict_that_had_landed_has_won(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", landed=True)
    landed = through_proxy.put_bytes("k", b"mine", if_absent=True)
    assert through_proxy.get_bytes("k") == (b"mine", landed)


@pytest.mark.parametrize("lost", ["lose-reply", 500])
def test_equal_bytes_of_another_are_not_mine(proxy: SpoilingProxy, through_proxy: ObjectStore, lost: str | int) -> None:
    """Two workers that count the same take write the same bytes; a server that stumbles over the race answers 500, and
    what is there when it is asked again is the other's."""
    first = through_proxy.put_bytes("k", b"1")
    second = through_proxy.put_bytes("k", b"2", if_match=first.tag)
    proxy.spoil("PUT", lost, "UnknownError")
    with pytest.raises(errors.PreconditionFailedError):
        through_proxy.put_bytes("k", b"2", if_match=first.tag)
    proxy.spoil("PUT", lost, "UnknownError")
    with pytest.raises(errors.PreconditionFailedError):
        through_proxy.put_bytes("k", b"2", if_absent=True)
    assert through_proxy.get_bytes("k") == (b"2", second)


def test_a_swap_that_had_landed_is_known_by_its_mark(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    first = through_proxy.put_bytes("k", b"1")
    proxy.spoil("PUT", 500, "UnknownError", landed=True)
    second = through_proxy.put_bytes("k", b"2", if_match=first.tag)
    assert through_proxy.get_bytes("k") == (b"2", second)


def test_a_conflict_that_stays_is_decided_by_what_is_there(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", times=5)
    with pytest.raises(errors.ConflictError, match="Run again"):
        through_proxy.put_bytes("k", b"mine", if_absent=True)
    through_proxy.put_bytes("k", b"theirs")
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", times=5)
    with pytest.raises(errors.PreconditionFailedError):
        through_proxy.put_bytes("k", b"mine", if_absent=True)
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", landed=True)
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", times=4)
    assert through_proxy.put_bytes("k2", b"mine", if_absent=True).size == 4


def test_a_server_that_wants_tags_without_quotes_is_understood(
    proxy: SpoilingProxy, through_proxy: ObjectStore
) -> None:
    """It refuses a swap of what has not changed: the same tag is sent bare, and from then on at once."""
    first = through_proxy.put_bytes("k", b"1")
    proxy.spoil("PUT", 412, "PreconditionFailed")
    second = through_proxy.put_bytes("k", b"2", if_match=first.tag)
    third = through_proxy.put_bytes("k", b"3", if_match=second.tag)
    sent = [seen.headers["If-Match"] for seen in proxy.seen if "If-Match" in seen.headers]
    bare = [tag.strip('"') for tag in (first.tag, second.tag)]
    assert sent == [first.tag, *bare]
    with pytest.raises(errors.PreconditionFailedError):
        through_proxy.put_bytes("k", b"4", if_match=second.tag)
    through_proxy.delete("k", if_match=third.tag)


def test_a_swap_that_lost_is_no_matter_of_quotes(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    first = through_proxy.put_bytes("k", b"1")
    through_proxy.put_bytes("k", b"2")
    with pytest.raises(errors.PreconditionFailedError):
        through_proxy.put_bytes("k", b"3", if_match=first.tag)
    assert [seen.headers["If-Match"] for seen in proxy.seen if "If-Match" in seen.headers] == [first.tag]


def test_a_conditional_delete_is_sent_once(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    """Sent again unasked, it would meet what another has put there since: equal bytes have equal tags."""
    version = through_proxy.put_bytes("k", b"blob")
    proxy.spoil("DELETE", "lose-reply")
    with pytest.raises(errors.StoreUnavailableError):
        through_proxy.delete("k", if_match=version.tag)
    assert methods(proxy).count("DELETE") == 1
    assert list(through_proxy.list("")) == []
    through_proxy.put_bytes("k", b"blob")
    proxy.spoil("DELETE", "lose-reply")
    through_proxy.delete("k")  # whatever is there: it may be repeated
    assert methods(proxy).count("DELETE") == 3


def test_a_cut_download_is_fetched_again(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    through_proxy.put_bytes("k", b"whole" * 1000)
    proxy.spoil("GET", "cut", times=2)
    assert through_proxy.get_bytes("k")[0] == b"whole" * 1000
    proxy.spoil("GET", "cut", times=3)
    with pytest.raises(errors.StoreUnavailableError, match="AWS_ENDPOINT_URL_S3"):
        through_proxy.get_bytes("k")


def test_a_cut_stream_is_an_error_and_never_a_short_file(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    through_proxy.put_bytes("k", b"whole" * 100_000)
    proxy.spoil("GET", "cut")
    with through_proxy.open_read("k") as stream, pytest.raises(errors.StoreUnavailableError):
        list(iter(lambda: stream.read(65536), b""))


def test_bytes_that_change_on_the_way_are_refused(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    proxy.spoil("PUT", "flip", times=4)
    with pytest.raises(errors.IntegrityError):
        through_proxy.put_bytes("k", b"mine")
    assert list(through_proxy.list("")) == []


def test_a_busy_server_is_asked_again_and_then_named(proxy: SpoilingProxy, through_proxy: ObjectStore) -> None:
    proxy.spoil("PUT", 503, "SlowDown", times=2)
    through_proxy.put_bytes("k", b"mine")
    proxy.spoil("GET", 503, "SlowDown", times=4)
    with pytest.raises(errors.StoreUnavailableError, match=r"SlowDown[\s\S]*run again"):
        through_proxy.get_bytes("k")


def test_the_bucket_travels_in_the_path_and_the_checksum_in_a_header(
    proxy: SpoilingProxy, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url.replace("127.0.0.1", "localhost"))  # an IP has no subdomains
    open_store(f"s3://{s3_bucket}/paths", tmp_path).put_bytes(uuid.uuid4().hex, b"mine", if_absent=True)
    (sent,) = proxy.seen
    assert sent.path.startswith(f"/{s3_bucket}/")
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert headers["if-none-match"] == "*"
    assert "x-amz-checksum-sha256" in headers
    assert "aws-chunked" not in headers.get("content-encoding", "")


def test_nothing_answers_there(s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    store = open_store(s3_url, tmp_path)
    for act in (lambda: store.put_bytes("k", b"x"), lambda: store.head("k"), lambda: list(store.list(""))):
        with pytest.raises(errors.StoreUnavailableError, match="AWS_ENDPOINT_URL_S3"):
            act()


def test_a_missing_bucket_is_no_missing_object(s3_environment: S3Server, tmp_path: Path) -> None:
    store = open_store("s3://nobody-made-this/x", tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    calls = [
        lambda: store.put_bytes("k", b"x"),
        lambda: store.put_file("k", tmp_path / "file"),
        lambda: store.get_bytes("k"),
        lambda: store.open_read("k"),
        lambda: store.head("k"),
        lambda: list(store.list("")),
        lambda: store.delete("k"),
    ]
    for call in calls:
        with pytest.raises(errors.StoreError, match="infra bootstrap --store s3://nobody-made-this") as raised:
            call()
        assert type(raised.value) is errors.StoreError


def make_user(server: S3Server, policy: dict[str, object]) -> dict[str, str]:
    iam = boto3.client(
        "iam",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="rootkey",
        aws_secret_access_key="rootsecret",
    )
    name = f"worker-{os.urandom(4).hex()}"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    iam.close()
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def reading_policy(bucket: str) -> dict[str, object]:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.holds("iam")
def test_a_user_who_may_only_read_is_told_what_is_missing(
    s3_server: S3Server, s3_url: str, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(s3_url, tmp_path).put_bytes("k", b"x")
    for name, value in make_user(s3_server, reading_policy(s3_bucket)).items():
        monkeypatch.setenv(name, value)
    store = open_store(s3_url, tmp_path)
    assert store.get_bytes("k")[0] == b"x"
    with pytest.raises(errors.AccessDeniedError, match="s3:PutObject"):
        store.put_bytes("k2", b"x", if_absent=True)
    with pytest.raises(errors.AccessDeniedError, match="s3:ListBucket"):
        list(store.list(""))


@pytest.mark.holds("iam")
def test_a_wrong_secret_is_told_apart_from_missing_rights(
    s3_server: S3Server, s3_url: str, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = make_user(s3_server, reading_policy(s3_bucket))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AWS_ACCESS_KEY_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(errors.AccessDeniedError, match="AWS_SECRET_ACCESS_KEY") as raised:
        open_store(s3_url, tmp_path).get_bytes("k")
    assert "not-the-secret" not in str(raised.value)


def test_no_keys_at_all(s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(errors.AccessDeniedError, match="AWS_PROFILE"):
        open_store(s3_url, tmp_path).get_bytes("k")


def test_folders_that_consoles_make_are_no_objects(s3_server: S3Server, s3_url: str, tmp_path: Path) -> None:
    store = open_store(s3_url, tmp_path)
    bucket, _, prefix = s3_url.removeprefix("s3://").partition("/")
    client = boto3.client("s3", endpoint_url=s3_server.url)
    client.put_object(Bucket=bucket, Key=f"{prefix}/")
    client.put_object(Bucket=bucket, Key=f"{prefix}/v1/")
    client.close()
    store.put_bytes("v1/a", b"x")
    assert [info.key for info in store.list("")] == ["v1/a"]


def test_stores_of_one_bucket_do_not_see_each_other(s3_url: str, tmp_path: Path) -> None:
    one, longer = open_store(s3_url, tmp_path), open_store(f"{s3_url}-2", tmp_path)
    longer.put_bytes("k", b"x")
    assert list(one.list("")) == []
    assert one.url == s3_url


def test_a_bucket_without_prefix_is_a_store(s3_environment: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    store = open_store(f"s3://{s3_bucket}", tmp_path)
    store.put_bytes("top/k", b"x")
    assert [info.key for info in store.list("top/")] == ["top/k"]
    store.delete("top/k")


def test_writes_over_tls_carry_a_plain_body(
    s3_server: S3Server, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, pem = certificate(tmp_path)
    (tmp_path / "take").write_bytes(b"picture" * 50_000)
    with SpoilingProxy(s3_server.port, context) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        with pytest.raises(errors.StoreUnavailableError, match="AWS_CA_BUNDLE"):
            open_store(s3_url, tmp_path).head("k")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
        store = open_store(s3_url, tmp_path)
        store.put_file("k", tmp_path / "take", if_absent=True)
        with store.open_read("k") as stream:
            assert stream.read() == b"picture" * 50_000
        sent = next(seen for seen in proxy.seen if seen.method == "PUT")
    headers = {name.lower(): value for name, value in sent.headers.items()}
    assert "transfer-encoding" not in headers
    assert headers["content-length"] == str(7 * 50_000)


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://Bucket/x", "s3://b", "s3://bucket/../x", "s3://bucket/a//b"])
def test_an_address_that_is_no_bucket_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(errors.StoreError, match="s3://bucket/prefix"):
        open_store(url, tmp_path)


@pytest.mark.parametrize("url", ["s3://bucket/v1", "s3://bucket/x/v1/", "s3:bucket", "s3:/bucket/x"])
def test_what_would_be_a_second_store_is_refused(url: str, tmp_path: Path) -> None:
    """It would look empty, and everything would be bought again."""
    with pytest.raises(errors.StoreError, match="s3://bucket/prefix"):
        open_store(url, tmp_path)
    assert open_store("s3://bucket/v1/x", tmp_path)


def test_tls_where_the_server_has_none(
    s3_server: S3Server, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url.replace("http://", "https://"))
    with pytest.raises(errors.StoreUnavailableError, match="begin with http://"):
        open_store(s3_url, tmp_path).head("k")


def test_an_endpoint_that_is_no_address_is_named(
    s3_environment: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not an address")
    with pytest.raises(errors.StoreError, match="AWS_ENDPOINT_URL_S3"):
        open_store("s3://bucket/x", tmp_path)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchKey", 404, errors.NotFoundError),
        ("PreconditionFailed", 412, errors.PreconditionFailedError),
        ("ConditionalRequestConflict", 409, errors.ConflictError),
        ("BadDigest", 400, errors.IntegrityError),
        ("QuotaExceeded", 403, errors.StoreFullError),
        ("AccessDenied", 403, errors.AccessDeniedError),
        ("KMS.Whatever", 403, errors.AccessDeniedError),
        ("ExpiredToken", 400, errors.AccessDeniedError),
        ("RequestTimeTooSkewed", 403, errors.AccessDeniedError),
        ("PermanentRedirect", 301, errors.StoreError),
        ("SlowDown", 503, errors.StoreUnavailableError),
        ("SomethingNew", 500, errors.StoreUnavailableError),
        ("SomethingNew", 400, errors.StoreError),
    ],
)
def test_every_answer_has_a_class(code: str, status: int, kind: type[errors.StoreError]) -> None:
    metadata = {"HTTPStatusCode": status, "RequestId": "req-1"}
    answer = ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": metadata}, "PutObject")  # type: ignore[typeddict-item]
    error = explain_answer(answer, "k", "s3://b/p")
    assert type(error) is kind
    assert error.request_id == "req-1"
    assert code in error.detail
    assert error.remedy or kind in (errors.NotFoundError, errors.PreconditionFailedError)
