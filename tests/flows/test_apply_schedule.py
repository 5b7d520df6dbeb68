"""`schedule apply`: a server gets what the schedule says, once; what people changed there on purpose stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from schedules import WEEKLY, Scheduled, write_scheduled

Make = Callable[..., Scheduled]
NAME = "produce-scheduled/short-weekly"
AUTOMATIONS = {"heartbeat lost", "never began", "cancelled without a worker", "resume"}


@pytest.fixture
def weekly(tmp_path: Path, prefect_server: str) -> Scheduled:
    return write_scheduled(tmp_path / "project", {"PREFECT_API_URL": prefect_server})


def deployment(url: str) -> dict[str, Any]:
    answer = httpx.get(f"{url}/deployments/name/{NAME}", timeout=30)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def automations(url: str) -> list[dict[str, Any]]:
    found = httpx.post(f"{url}/automations/filter", json={"limit": 100}, timeout=30).json()
    return [a for a in found if a["name"].startswith("shotrunner short-weekly: ")]


def test_applied_twice_it_changes_nothing(weekly: Scheduled, prefect_server: str) -> None:
    first = weekly.apply()
    assert {f"automation shotrunner short-weekly: {name}: created" for name in AUTOMATIONS} <= set(first["changes"])
    found = deployment(prefect_server)
    assert found["entrypoint"] == "flows.scheduled.produce_scheduled"
    assert found["parameters"] == {"schedule": first["bundle"], "store": weekly.store_url}
    assert found["pull_steps"] == []
    assert found["work_pool_name"] == "shotrunner"
    [schedule] = found["schedules"]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("30 5 * * *", "Europe/London")
    assert (found["global_concurrency_limit"]["limit"], found["concurrency_options"]["collision_strategy"]) == (
        2, "ENQUEUE",
    )  # fmt: skip
    assert found["job_variables"]["env"] == {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    again = weekly.apply()
    assert again["changes"] == []
    assert again["bundle"] == first["bundle"]
    assert deployment(prefect_server)["updated"] == found["updated"]
    assert sorted(a["name"].partition(": ")[2] for a in automations(prefect_server)) == sorted(AUTOMATIONS)
    text = weekly.project.command("schedule", "apply", "weekly.yaml")
    assert "nothing to change" in text.out
    assert "prefect worker start --pool shotrunner" in text.out


def test_a_change_is_brought_there_and_told(weekly: Scheduled, prefect_server: str) -> None:
    first = weekly.apply()
    found = deployment(prefect_server)
    [schedule] = found["schedules"]
    httpx.patch(
        f"{prefect_server}/deployments/{found['id']}/schedules/{schedule['id']}", json={"active": False}, timeout=30
    ).raise_for_status()
    [lost] = [a for a in automations(prefect_server) if a["name"].endswith("heartbeat lost")]
    httpx.patch(f"{prefect_server}/automations/{lost['id']}", json={"enabled": False}, timeout=30).raise_for_status()
    weekly.change(("30 5 * * *", "45 6 * * 1"), ("film.yaml", "film.yaml\noverlap: queue"))
    second = weekly.apply("--pool", "other")
    assert set(second["changes"]) == {
        "work pool other: created, of processes",
        f"schedule: {first['bundle'][:12]} → {second['bundle'][:12]}",
        "cron: 30 5 * * * → 45 6 * * 1",
        "work pool: shotrunner → other",
        "at once: 2 → 1",
    }
    found = deployment(prefect_server)
    assert (found["schedules"][0]["schedule"]["cron"], found["global_concurrency_limit"]["limit"]) == ("45 6 * * 1", 1)
    assert found["parameters"]["schedule"] == second["bundle"]
    assert second["paused"], "who paused it there did so for a reason"
    assert not next(a for a in automations(prefect_server) if a["id"] == lost["id"])["enabled"]
    httpx.delete(f"{prefect_server}/deployments/{found['id']}", timeout=30).raise_for_status()
    third = weekly.apply()
    assert not third["paused"]
    changed = [change for change in third["changes"] if change.startswith("automation")]
    assert sorted(changed) == sorted(f"automation shotrunner short-weekly: {name}: changed" for name in AUTOMATIONS)


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"PREFECT_API_URL": ""}, 6, "PREFECT_API_URL is not set"),
        ({"PREFECT_API_URL": "http://127.0.0.1:9/api"}, 6, "does not answer"),
        ({"SHOTRUNNER_STORE": "memory:"}, 6, "holds nothing for another process"),
    ],
)
def test_without_a_server_or_a_store_it_says_so(
    weekly: Scheduled, change: dict[str, str], code: int, told: str
) -> None:
    ended = weekly.project.command("schedule", "apply", "weekly.yaml", "--json", env=change)
    assert ended.code == code, ended.text
    assert told in ended.err
    assert json.loads(ended.out.splitlines()[-1])["exit_code"] == code


def test_what_could_not_run_is_not_put_there(weekly: Scheduled, prefect_server: str) -> None:
    weekly.change(("short-weekly", "broken-weekly"))
    (weekly.root / "brand.yaml").rename(weekly.root / "gone.yaml")
    ended = weekly.project.command("schedule", "apply", "weekly.yaml")
    assert ended.code == 2, ended.text
    assert "brand.yaml" in ended.err
    answer = httpx.get(f"{prefect_server}/deployments/name/produce-scheduled/broken-weekly", timeout=30)
    assert answer.status_code == 404
    assert WEEKLY.count("short-weekly") == 1
