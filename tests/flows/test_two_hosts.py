"""Two hosts that share a bucket and a Prefect server, and nothing else: the second finishes what the first began."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.s3server import InstallError, S3Server, install_server
from hosts import Host, why_no_hosts
from prefect_servers import PrefectServer, wait_until
from projects import SHORT
from schedules import WEEKLY, Scheduled, backlot_of, wait_for_state, write_scheduled

from infra.ledger import read_entries
from infra.records import read_record
from infra.runs import last_run
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.finish import DeliverableIndex

pytestmark = pytest.mark.slow
MANY = SHORT.replace("takes: 1", "takes: 6")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    try:
        server = S3Server(install_server(), tmp_path / "s3")
    except InstallError as error:
        pytest.skip(str(error))
    server.start()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    import boto3

    boto3.client("s3", endpoint_url=server.url, region_name="us-east-1").create_bucket(Bucket="shared")
    yield server
    server.kill()


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[PrefectServer]:
    folder = tmp_path / "server"
    server = PrefectServer(folder, f"sqlite+aiosqlite:///{folder}/prefect.db")
    yield server
    server.stop()


def takes_there(store: ObjectStore) -> int:
    return sum(info.key.endswith("/result.json") for info in store.list("v1/takes/"))


def test_the_second_host_finishes_what_the_first_began(tmp_path: Path, s3: S3Server, prefect: PrefectServer) -> None:
    if why := why_no_hosts():
        pytest.skip(why)
    environment = {"PREFECT_API_URL": prefect.url, "SHOTRUNNER_STORE": "s3://shared/campaigns", **s3.environment}
    scheduled = write_scheduled(tmp_path / "project", environment, WEEKLY, MANY)
    store = open_store("s3://shared/campaigns", tmp_path)
    with backlot_of(scheduled.project, latency=4) as vendor:
        applied = scheduled.apply()
        env = {**s3.environment, "RUNWAYML_BASE_URL": vendor, "ELEVENLABS_BASE_URL": vendor}
        ports = [int(url.split(":")[2].partition("/")[0]) for url in (s3.url, prefect.url, vendor)]
        hosts = [Host(n, tmp_path / f"host-{n}", ports, scheduled.root) for n in (1, 2)]
        try:
            for host in hosts:
                wait_until(lambda host=host: host.reaches(prefect.url + "/health"), "the wire")
            assert not hosts[0].connects_to(hosts[1]), "hosts see each other"
            assert hosts[0].connects_to(None)
            _play(hosts, env, scheduled, prefect, store, applied["deployment"])
        finally:
            for host in hosts:
                host.gone()
    _compare(scheduled, store)


def _play(
    hosts: list[Host], env: dict[str, str], scheduled: Scheduled, prefect: PrefectServer, store: ObjectStore,
    deployment: str,
) -> None:  # fmt: skip
    first, second = hosts
    worker = first.start_worker(prefect.url, **env)
    run = prefect.post(f"deployments/{deployment}/create_flow_run", state={"type": "SCHEDULED"})["id"]
    wait_until(lambda: takes_there(store) >= 2, f"two takes (see {worker.log})", 120)
    worker.kill_with_children()  # the machine is gone, with takes on their way
    there = takes_there(store)
    assert there < 6, "it was not killed in the middle"
    second.start_worker(prefect.url, **env)
    ended = wait_for_state(lambda: prefect.flow_run(run), "Completed", "Failed", "Cancelled", seconds=400)
    assert ended["state"]["name"] == "Completed", ended["state"]
    assert "Crashed" in prefect.states(run)
    assert ended["run_count"] == 2


def _compare(scheduled: Scheduled, store: ObjectStore) -> None:
    """Nothing was bought twice, the ledger says what the vendor charged, and the film is there and right."""
    sent = Counter(scheduled.project.creates())
    assert len(sent) == 6
    assert set(sent.values()) == {1}
    books = [json.loads(x) for x in (scheduled.root / ".shotrunner/backlot/books.jsonl").read_text().splitlines()]
    charged = sum(line["cost"] for line in books if line["event"] == "ended")
    settled = [e for e in read_entries(store, "short") if e.kind == "settle"]
    assert sum(e.credits for e in settled) == charged
    record = last_run(store, "short")
    assert record is not None
    assert (record.exit_code, len(record.deliverables)) == (0, 1)
    index = read_record(store, record.deliverables[0], DeliverableIndex)
    assert index is not None
    assert index.measured["ok"]
    assert not (scheduled.root / ".shotrunner" / "store").exists(), "nothing lies outside of the bucket"
