"""What Prefect shows of a run, asked of a real server; and that nothing of it can stop a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prefect_servers import wait_until
from projects import Project
from webhooks import SECRET, Webhook, open_webhook


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with open_webhook() as made:
        yield made


def ask(api: str, what: str, flow_run: str) -> list[dict[str, Any]]:
    body: dict[str, Any] = {"limit": 200, "flow_runs": {"id": {"any_": [flow_run]}}}
    if what == "logs":
        body = {"limit": 200, "logs": {"flow_run_id": {"any_": [flow_run]}}}
    answer = httpx.post(f"{api}/{what}/filter", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def events_of(api: str, name: str) -> list[dict[str, Any]]:
    body = {"filter": {"event": {"name": [name]}}, "limit": 50}
    return list(httpx.post(f"{api}/events/filter", json=body).json()["events"])


def test_a_run_shows_its_plan_progress_spend_and_films(
    film: Callable[..., Project], prefect_server: str, hook: Webhook
) -> None:
    project = film()
    toml = '[[notify]]\nevents = ["delivered", "failed"]\nto = "env:NEWS"\n'
    (project.root / "shotrunner.toml").write_text(f'links = "https://media.example/store"\n{toml}')
    ended = project.run(env={"NEWS": hook.url, "SHOTRUNNER_METRICS": str(project.root / "metrics")})
    assert ended.code == 0, ended.text
    record = project.record
    (flow_run,) = record.flow_runs
    shown = {a["key"]: a for a in ask(prefect_server, "artifacts", flow_run)}
    assert set(shown) >= {"short-call-sheet", "short-purchases", "short-spend", "short-films"}
    sheet = json.loads(shown["short-call-sheet"]["data"])
    assert sum(row["credits"] for row in sheet) == record.spent_credits
    assert f"**{record.spent_credits} play credits**" in shown["short-spend"]["data"]
    assert float(shown["short-purchases"]["data"]) == 100.0
    assert float(shown["short-finishing"]["data"]) == 100.0
    assert shown["short-finishing"]["description"] == "Films: 1 of 1 are there"
    (row, *_) = json.loads(shown["short-films"]["data"])
    assert row["ok"] is True
    assert row["where"].startswith("https://media.example/store/v1/blobs/out/")
    assert "https://media.example/store/v1/blobs/out/" in shown["short-films"]["description"]
    assert [news["event"] for news in hook.got] == ["delivered"]
    assert (project.root / "metrics" / "shotrunner-short.prom").is_file()
    said = [line["message"] for line in ask(prefect_server, "logs", flow_run)]
    assert any(line.endswith("circled") for line in said)
    assert SECRET not in json.dumps([said, shown])


def test_a_failed_shot_is_an_event_and_the_news_cannot_fail_the_run(
    film: Callable[..., Project], prefect_server: str
) -> None:
    """The webhook is not there: the run ends as it would have ended."""
    project = film()
    toml = '[[notify]]\nevents = ["failed"]\nto = "env:NEWS"\n'
    (project.root / "shotrunner.toml").write_text(toml)
    rules = project.faults({"fault": "fail:SAFETY.INPUT.TEXT"})
    ended = project.run(env=rules)
    assert ended.code == 3, ended.text
    run_id = project.record.run_id

    def told_of(name: str) -> list[dict[str, Any]]:
        return [e for e in events_of(prefect_server, name) if e["payload"]["run_id"] == run_id]

    told = wait_until(lambda: told_of("shotrunner.shot.failed"), "the event")  # written a moment after it was sent
    assert told[0]["resource"]["prefect.resource.id"].startswith("shotrunner.shot.short.")
    assert told[0]["payload"]["remedy"]
    wait_until(lambda: told_of("shotrunner.campaign.failed"), "the news as an event")
