"""`infra bootstrap` against a real server: everything made once, nothing of others touched, nothing left unsaid."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import certificate
from cloud import client_of, environment_of, running, use, user_with
from command import Shotrunner
from conformance.s3server import S3Server
from faults.proxy import SpoilingProxy
from hypothesis import given
from hypothesis import strategies as st

from infra import errors
from infra.bootstrap import BucketError, Setting, bootstrap
from infra.bucket_rules import RULES, TIERING, merged_rules
from infra.storage.s3 import S3Store, open_s3

SETTINGS = ["bucket", "versioning", "public access", "ownership", "encryption", "expiry", "tiering"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def url(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a store in a bucket that does not exist, with root's keys in the environment."""
    use(monkeypatch, environment_of(server))
    return f"s3://t-{uuid.uuid4().hex[:12]}/films"


@pytest.fixture
def proxy(server: S3Server, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpoilingProxy]:
    with SpoilingProxy(server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def states(settings: list[Setting]) -> dict[str, str]:
    return {setting.name: setting.state for setting in settings}


def rules(store: S3Store) -> dict[str, Any]:
    answer = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)
    return {str(rule["ID"]): rule for rule in answer["Rules"]}


def test_a_bucket_from_nothing_then_nothing_more(url: str) -> None:
    store = open_s3(url)
    first = bootstrap(store)
    assert [setting.name for setting in first] == SETTINGS
    assert states(first) | {"versioning": "made", "bucket": "made", "expiry": "made"} == states(first)
    assert not [s for s in first if s.state.startswith(("would", "not"))]
    assert set(states(bootstrap(store)).values()) == {"kept"}
    client, bucket = store.client, store.bucket
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    found = rules(store)
    assert found["shotrunner-tmp:films"]["Filter"] == {"Prefix": "films/v1/blobs/tmp/"}
    assert found["shotrunner-tmp:films"]["Expiration"] == {"Days": 14}
    assert found["shotrunner-staging:films"]["Filter"] == {"Prefix": "films/v1/staging/"}
    assert found["shotrunner-takes:films"]["Transitions"] == [{"Days": 1, "StorageClass": "INTELLIGENT_TIERING"}]
    store.put_bytes("v1/blobs/x", b"1", if_absent=True)


def test_what_is_paid_for_never_expires(url: str) -> None:
    store = open_s3(url)
    bootstrap(store)
    expiring = [r["Filter"]["Prefix"] for r in rules(store).values() if "Days" in r.get("Expiration", {})]
    assert sorted(expiring) == ["films/v1/blobs/tmp/", "films/v1/staging/"]


def test_what_others_set_stays(url: str) -> None:
    store = open_s3(url)
    client, bucket = store.client, store.bucket
    client.create_bucket(Bucket=bucket)
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}
    other = {"Rules": [theirs]}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=other)  # type: ignore[arg-type]
    bootstrap(store)
    bootstrap(open_s3(url.replace("/films", "/stills")))
    found = rules(store)
    assert (found["theirs"]["Filter"], found["theirs"]["Expiration"]) == ({"Prefix": "logs/"}, {"Days": 3})
    assert {"shotrunner-tmp:films", "shotrunner-tmp:stills"} < set(found)
    assert set(states(bootstrap(store)).values()) == {"kept"}


def test_a_dry_run_touches_nothing(url: str) -> None:
    store = open_s3(url)
    assert set(states(bootstrap(store, dry_run=True)).values()) == {"would be made"}
    with pytest.raises(errors.StoreError, match="no bucket"):
        store.head("x")
    store.client.create_bucket(Bucket=store.bucket)
    told = states(bootstrap(store, dry_run=True))
    assert (told["bucket"], told["versioning"], told["expiry"]) == ("kept", "would be made", "would be made")
    assert store.client.get_bucket_versioning(Bucket=store.bucket).get("Status") is None


def test_a_key_of_ones_own_is_set_and_never_taken_back(url: str) -> None:
    store, arn = open_s3(url), "arn:aws:kms:us-east-1:000000000000:key/alder"
    assert states(bootstrap(store, kms_key=arn))["encryption"] in ("made", "changed")
    assert states(bootstrap(store, kms_key=arn))["encryption"] == "kept"
    assert states(bootstrap(store))["encryption"] == "kept"
    rule = store.client.get_bucket_encryption(Bucket=store.bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    assert rule["BucketKeyEnabled"] is True


def test_a_server_without_a_setting_is_told_and_the_others_are_made(url: str, proxy: SpoilingProxy) -> None:
    store = open_s3(url)
    store.client.create_bucket(Bucket=store.bucket)
    proxy.spoil("PUT", 501, "NotImplemented")  # the first setting that is written
    told = {setting.name: setting for setting in bootstrap(store)}
    assert told["versioning"].state == "not supported"
    assert told["versioning"].detail.endswith("the server answers NotImplemented")
    assert told["expiry"].state == "made"


def test_a_server_that_takes_a_setting_and_forgets_it_is_found_out(url: str, proxy: SpoilingProxy) -> None:
    store = open_s3(url)
    store.client.create_bucket(Bucket=store.bucket)
    proxy.spoil("PUT", 200)
    told = {setting.name: setting for setting in bootstrap(store)}
    assert told["versioning"].state == "not supported"
    assert "does not keep it" in told["versioning"].detail


def test_without_amazons_classes_scratch_still_expires(url: str, proxy: SpoilingProxy) -> None:
    store = open_s3(url)
    bootstrap(store)
    client = store.client
    kept = [rule for name, rule in rules(store).items() if "takes" not in name]
    client.put_bucket_lifecycle_configuration(Bucket=store.bucket, LifecycleConfiguration={"Rules": kept})
    proxy.spoil("PUT", 400, "InvalidStorageClass")
    told = states(bootstrap(store))
    assert (told["expiry"], told["tiering"]) == ("kept", "not supported")


def test_a_refusal_that_is_our_mistake_is_no_missing_feature(url: str, proxy: SpoilingProxy) -> None:
    store = open_s3(url)
    bootstrap(store)
    proxy.spoil("PUT", 400, "InvalidArgument")
    with pytest.raises(errors.StoreError, match="InvalidArgument"):
        bootstrap(store, kms_key="arn:not-a-key")


def test_keys_that_may_not_are_told_what_is_missing(
    url: str, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    use(monkeypatch, environment_of(server, user_with(server, {"p": nothing})))
    with pytest.raises(errors.AccessDeniedError, match="administrator"):
        bootstrap(open_s3(url))


def test_tls_only_in_the_clear_would_shut_itself_out(url: str) -> None:
    with pytest.raises(BucketError, match="not reached by TLS"):
        bootstrap(open_s3(url), tls_only=True)


def test_tls_only_is_a_statement_beside_those_of_others(
    url: str, server: S3Server, tls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = open_s3(url)
    bucket = plain.bucket
    plain.client.create_bucket(Bucket=bucket)
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObjectAcl",
              "Resource": f"arn:aws:s3:::{bucket}/*"}  # fmt: skip
    plain.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": theirs}))
    monkeypatch.setenv("AWS_ENDPOINT_URL", tls)
    store = open_s3(url)
    assert states(bootstrap(store, tls_only=True))["TLS only"] == "changed"
    assert states(bootstrap(store, tls_only=True))["TLS only"] == "kept"
    policy = json.loads(store.client.get_bucket_policy(Bucket=bucket)["Policy"])
    assert [statement["Sid"] for statement in policy["Statement"]] == ["Theirs", "ShotrunnerTlsOnly"]
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    in_the_clear = client_of(server, "s3", user_with(server, {"p": everything}))
    with pytest.raises(in_the_clear.exceptions.ClientError, match="AccessDenied"):
        in_the_clear.put_object(Bucket=bucket, Key="x", Body=b"1")


@pytest.fixture
def tls(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server behind TLS."""
    context, pem = certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
    with SpoilingProxy(server.port, context) as proxy:
        yield proxy.url


# --- the command ---


def test_the_command_says_what_it_did(
    url: str, shotrunner: Shotrunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOTRUNNER_STORE", url)
    first = shotrunner("infra", "bootstrap")
    assert first.code == 0, first.err
    lines = first.out.splitlines()
    assert lines[0].split() == ["made", "bucket:", url.split("/")[2]]
    assert "15 minutes" in first.out
    assert lines[-1] == f"next: SHOTRUNNER_STORE={url} shotrunner doctor"
    again = shotrunner("infra", "bootstrap", "--store", url, "--json")
    assert again.facts["message_type"] == "bootstrap"
    assert again.facts["not_supported"] == []
    assert {setting["state"] for setting in again.facts["settings"]} == {"kept"}


def test_a_folder_needs_no_setting_up(shotrunner: Shotrunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = shotrunner("infra", "bootstrap", "--store", "films")
    assert answer.code == 2
    assert "films is no bucket" in answer.err


def test_a_server_that_is_not_there(
    shotrunner: Shotrunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    answer = shotrunner("infra", "bootstrap", "--store", url, "--json")
    assert answer.code == 6
    assert "AWS_ENDPOINT_URL_S3" in answer.err


# --- rules, without a server ---

FOREIGN = st.lists(
    st.fixed_dictionaries(
        {"ID": st.sampled_from(["theirs", "logs", "shotrunner-tmp:elsewhere"]), "Status": st.just("Enabled"),
         "Expiration": st.fixed_dictionaries({"Days": st.integers(1, 9)})},
        optional={"Prefix": st.sampled_from(["", "logs/"])},
    ),
    unique_by=lambda rule: str(rule["ID"]),
    max_size=3,
)  # fmt: skip


@given(foreign=FOREIGN, prefix=st.sampled_from(["", "films/", "a/b/"]))
def test_rules_are_merged_once_and_others_keep_their_place(foreign: list[dict[str, Any]], prefix: str) -> None:
    merge = merged_rules(prefix, RULES)
    merged = merge(foreign)
    assert merge(merged) == merged
    assert [rule["ID"] for rule in merged][: len(foreign)] == [rule["ID"] for rule in foreign]
    assert [rule["Expiration"] for rule in merged[: len(foreign)]] == [rule["Expiration"] for rule in foreign]
    assert len(merged) == len(foreign) + len(RULES)
    both = merged_rules(prefix, TIERING)(merged)
    assert merge(both) == both, "the second step does not undo the first"
    assert not [rule for rule in merged if "Prefix" in rule], "one form for all"


@given(prefix=st.sampled_from(["", "films/"]))
def test_a_rule_that_somebody_changed_is_put_right(prefix: str) -> None:
    merge = merged_rules(prefix, RULES)
    spoilt = [{**rule, "Status": "Disabled"} if "tmp" in rule["ID"] else rule for rule in merge(None)]
    assert {rule["ID"]: rule for rule in merge(spoilt)} == {rule["ID"]: rule for rule in merge(None)}
    old_form = [{**{k: v for k, v in r.items() if k != "Filter"}, "Prefix": r["Filter"]["Prefix"]} for r in merge(None)]
    assert merge(old_form) == old_form, "the same rules in the older form are the same"
