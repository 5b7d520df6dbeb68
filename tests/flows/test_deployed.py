"""The shipped template on an emulated account, its roles enforced: a whole run with a worker's rights and no more; and
the shipped deployments on a real Prefect server, carried out by a real worker."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from cloud import client_of, environment_of, running, use, user_with
from conformance.s3server import S3Server
from projects import SHORT, Project, clean_environment, write_project

from infra.clock import SystemClock
from infra.garbage import collect_garbage
from infra.runs import last_run
from infra.storage.s3 import open_s3

REPO = Path(__file__).parents[2]
DEPLOY = REPO / "infra" / "deploy"
PARAMETERS = {
    "WorkerImage": "registry.test/shotrunner:1", "PrefectApiUrl": "http://prefect.test/api", "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
}  # fmt: skip

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Stack:
    """The deployed template."""

    server: S3Server
    outputs: Mapping[str, str]

    @property
    def bucket(self) -> str:
        return self.outputs["BucketName"]

    def user_as(self, role: str) -> dict[str, str]:
        """Keys of a user who holds what the role holds, as it was deployed."""
        iam, name = client_of(self.server, "iam"), self.outputs[f"{role}RoleName"]
        policies = iam.list_role_policies(RoleName=name)["PolicyNames"]
        return user_with(
            self.server,
            {p: iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"] for p in policies},
        )

    def as_role(self, role: str) -> Any:
        return client_of(self.server, "s3", self.user_as(role))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("account")) as server:
        clouds = client_of(server, "cloudformation")
        # the emulator takes a parameter for a number as text, and then fails
        text = (DEPLOY / "storage.yaml").read_text().replace("DesiredCount: !Ref Workers", "DesiredCount: 1")
        clouds.create_stack(
            StackName="alder",
            TemplateBody=text,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()],
        )
        told = clouds.describe_stacks(StackName="alder")["Stacks"][0]
        assert told["StackStatus"] == "CREATE_COMPLETE", clouds.describe_stack_events(StackName="alder")
        yield Stack(server, {output["OutputKey"]: output["OutputValue"] for output in told["Outputs"]})


@pytest.fixture(scope="module")
def plain(stack: Stack) -> Stack:
    """Without its TLS rule, which is looked at before: this server speaks in the clear."""
    root = client_of(stack.server, "s3")
    policy = json.loads(root.get_bucket_policy(Bucket=stack.bucket)["Policy"])
    assert policy["Statement"][0]["Sid"] == "ShotrunnerTlsOnly"
    with pytest.raises(ClientError, match="AccessDenied"):
        stack.as_role("Worker").put_object(Bucket=stack.bucket, Key="v1/runs/x/run.json", Body=b"{}")
    root.delete_bucket_policy(Bucket=stack.bucket)
    return stack


@pytest.fixture(scope="module")
def run(plain: Stack, made: Project, prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The short film made with a worker's rights; steps and animatics that others made need not be made again."""
    root = client_of(plain.server, "s3")
    store = made.root / ".shotrunner" / "store"
    for part in ("v1/steps", "v1/blobs"):
        for path in (store / part).rglob("*"):
            if path.is_file():
                root.put_object(Bucket=plain.bucket, Key=str(path.relative_to(store)), Body=path.read_bytes())
    environment = {
        "PREFECT_API_URL": prefect_server,
        "SHOTRUNNER_STORE": plain.outputs["Store"],
        **environment_of(plain.server, plain.user_as("Worker")),
    }
    project = write_project(tmp_path_factory.mktemp("worker") / "project", SHORT, "short", environment)
    ended = project.run()
    assert ended.code == 0, ended.text
    return project


def test_the_stack_is_what_the_template_says(stack: Stack) -> None:
    root = client_of(stack.server, "s3")
    assert root.get_bucket_versioning(Bucket=stack.bucket)["Status"] == "Enabled"
    assert all(root.get_public_access_block(Bucket=stack.bucket)["PublicAccessBlockConfiguration"].values())
    assert stack.outputs["Store"] == f"s3://{stack.bucket}"


def test_a_whole_run_needs_no_more_than_a_workers_rights(run: Project, plain: Stack) -> None:
    assert not (run.root / ".shotrunner" / "store").exists(), "everything is in the bucket"
    root = client_of(plain.server, "s3")
    keys = [item["Key"] for item in root.list_objects_v2(Bucket=plain.bucket)["Contents"]]
    assert {key.split("/")[0] for key in keys} == {"v1"}
    areas = {key.split("/")[1] for key in keys}
    assert {"plans", "takes", "ledger", "budget", "leases", "out", "runs", "steps", "blobs"} <= areas
    again = run.run()
    assert again.code == 0, again.text
    assert "nothing to do" in again.out
    doctor = run.command("doctor")
    assert "create-if-absent holds" in doctor.out, doctor.text


DENIED = [
    ("delete a take", "delete_object", {"Key": "v1/blobs/take/sha256/00/x"}),
    ("delete a record", "delete_object", {"Key": "v1/takes/x/intent-1.json"}),
    ("delete an old version", "delete_object", {"Key": "v1/blobs/take/sha256/00/x", "VersionId": "1"}),
    ("write elsewhere", "put_object", {"Key": "other", "Body": b"1"}),
    ("read elsewhere", "get_object", {"Key": "other"}),
    ("open the bucket", "delete_public_access_block", {}),
    ("change its policy", "put_bucket_policy", {"Policy": "{}"}),
    ("let things expire", "delete_bucket_lifecycle", {}),
    ("stop versions", "put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
]


@pytest.mark.parametrize(("method", "arguments"), [d[1:] for d in DENIED], ids=[d[0] for d in DENIED])
def test_a_worker_may_not(plain: Stack, method: str, arguments: dict[str, Any]) -> None:
    root = client_of(plain.server, "s3")
    for key in ("v1/blobs/take/sha256/00/x", "other"):
        root.put_object(Bucket=plain.bucket, Key=key, Body=b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(plain.as_role("Worker"), method)(Bucket=plain.bucket, **arguments)
    root.delete_object(Bucket=plain.bucket, Key="v1/blobs/take/sha256/00/x")
    root.delete_object(Bucket=plain.bucket, Key="other")


def test_the_collector_collects_and_does_nothing_else(
    run: Project, plain: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = plain.user_as("Collector")
    use(monkeypatch, environment_of(plain.server, keys))
    store = open_s3(plain.outputs["Store"])
    found = collect_garbage(store, SystemClock(), apply=True)
    assert found.applied
    assert found.records > 10
    assert found.deleted == {}, "nothing is a week old"
    collector = client_of(plain.server, "s3", keys)
    root = client_of(plain.server, "s3")
    root.put_object(Bucket=plain.bucket, Key="v1/blobs/take/sha256/00/unused", Body=b"1")
    collector.delete_object(Bucket=plain.bucket, Key="v1/blobs/take/sha256/00/unused")
    for key in ("v1/takes/x/intent-1.json", "v1/blobs/take/sha256/00/x", "v1/leases/short.json"):
        with pytest.raises(ClientError, match="AccessDenied"):
            collector.put_object(Bucket=plain.bucket, Key=key, Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        collector.delete_object(Bucket=plain.bucket, Key="v1/takes/x/intent-1.json")


def test_a_reader_sees_films_and_nothing_that_led_to_them(run: Project, plain: Stack) -> None:
    root, reader = client_of(plain.server, "s3"), plain.as_role("Reader")
    films = reader.list_objects_v2(Bucket=plain.bucket, Prefix="v1/out/")["Contents"]
    assert [film["Key"] for film in films if film["Key"].endswith(".mp4")]
    for film in films:
        assert reader.get_object(Bucket=plain.bucket, Key=film["Key"])["ContentLength"] == film["Size"]
    plans = root.list_objects_v2(Bucket=plain.bucket, Prefix="v1/plans/")["Contents"]
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_object(Bucket=plain.bucket, Key=plans[0]["Key"])
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.list_objects_v2(Bucket=plain.bucket, Prefix="v1/plans/")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket=plain.bucket, Key="v1/out/x", Body=b"1")


# --- prefect.yaml ---


def prefect(*words: str, url: str, folder: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *words],
        env={**clean_environment(), "PREFECT_API_URL": url, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", **(env or {})},
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_worker_carries_out_what_the_file_deploys(
    run: Project, plain: Stack, prefect_server: str, tmp_path: Path
) -> None:
    """The plan is finished: the flow finds everything in the bucket, and buys nothing."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    record = last_run(open_root(plain), "short")
    assert record is not None
    httpx.post(f"{prefect_server}/work_pools/", json={"name": "shotrunner", "type": "process"})
    file = str(DEPLOY / "prefect.yaml")
    prefect("deploy", "--all", "--prefect-file", file, url=prefect_server, folder=tmp_path)
    before = len(run.log.creates())

    async def ask() -> str:
        async with get_client() as client:
            found = await client.read_deployment_by_name("produce/plan")
            assert found.entrypoint == "flows.campaign.produce"
            assert found.work_pool_name == "shotrunner"
            assert not found.pull_steps, "the package is installed where the worker runs"
            parameters = {"plan": record.plan, "store": plain.outputs["Store"]}
            return str((await client.create_flow_run_from_deployment(found.id, parameters=parameters)).id)

    async def end_of(flow_run: str) -> tuple[str, str]:
        async with get_client() as client:
            found = await client.read_flow_run(flow_run)  # type: ignore[arg-type]
            return found.name, found.state_name or ""

    with temporary_settings({PREFECT_API_URL: prefect_server}):
        flow_run = asyncio.run(ask())
        words = ["worker", "start", "--pool", "shotrunner", "--type", "process", "--install-policy", "never"]
        env = {"SHOTRUNNER_STORE": plain.outputs["Store"], **environment_of(plain.server, plain.user_as("Worker"))}
        told = prefect(*words, "--run-once", url=prefect_server, folder=tmp_path, env=env)
        assert asyncio.run(end_of(flow_run)) == ("short", "Completed"), told
    assert len(run.log.creates()) == before


def open_root(stack: Stack) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        use(patch, environment_of(stack.server))
        return open_s3(stack.outputs["Store"])
