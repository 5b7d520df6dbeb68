"""A start of a schedule as its flow runs it: on record once, done once, refused in words, and stopped by Prefect."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from projects import Project, end
from schedules import WEEKLY, Scheduled, wait_for_state, write_scheduled

from flows.scheduling import begin_scheduled, find_occurrence, prepare_scheduled
from manifests.naming import attempt_prefix
from manifests.scheduled import read_schedule

Make = Callable[..., Scheduled]


@pytest.fixture
def weekly(tmp_path: Path, made: Project, prefect_server: str) -> Make:
    """The short film by a schedule, with the steps and animatics of one that was made: nothing bought yet."""

    def make(*changes: tuple[str, str], schedule: str = WEEKLY) -> Scheduled:
        scheduled = write_scheduled(tmp_path / "project", {"PREFECT_API_URL": prefect_server}, schedule)
        for part in ("store/v1/steps", "store/v1/blobs", "backlot/films"):
            shutil.copytree(made.root / ".shotrunner" / part, scheduled.root / ".shotrunner" / part)
        scheduled.change(*changes)
        return scheduled

    return make


def today() -> str:
    return str(dt.datetime.now(dt.UTC).date())


def test_a_start_is_made_once_away_from_its_project(weekly: Make) -> None:
    scheduled = weekly()
    applied = scheduled.apply()
    scheduled.file.unlink()
    scheduled.project.manifest.rename(scheduled.root / "film.kept")
    first, second = scheduled.call(*[scheduled.parameters(occurrence=today())] * 2)
    assert (first["type"], first["name"]) == ("COMPLETED", "Completed")
    assert first["message"].startswith("1 film (run ")
    assert second["message"] == "nothing to do: every film is there"
    record = scheduled.project.record
    assert record.scheduled is not None
    assert (record.scheduled.name, record.scheduled.date) == ("short-weekly", today())
    assert record.exit_code == 0
    assert len(record.flow_runs) == 1
    assert len(scheduled.project.creates()) == 1
    scheduled.project.assert_books_agree()
    assert applied["files"] == 7
    assert not list(scheduled.root.glob("*.lock.json")), "what a worker writes is in the store"


@pytest.mark.slow
def test_what_may_not_run_ends_failed_in_words_and_buys_nothing(weekly: Make) -> None:
    scheduled = weekly()
    scheduled.apply()
    missing = {**scheduled.parameters(occurrence=today()), "schedule": "0" * 64}
    skipped = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=3)).isoformat()
    scheduled.change(("timezone: Europe/London", f'timezone: Europe/London, skip_dates: ["{skipped}"]'))
    scheduled.apply()
    passed_over = scheduled.parameters(occurrence=skipped)
    no_day = scheduled.parameters(occurrence="Monday")
    scheduled.change(("budget: {credits: 500}", "budget: {credits: 20}"), path="film.yaml")
    scheduled.apply()
    poor = scheduled.parameters(occurrence=today())
    states = scheduled.call(missing, passed_over, no_day, poor)
    assert [state["type"] for state in states] == ["FAILED", "COMPLETED", "FAILED", "FAILED"]
    assert states[1]["name"] == "Skipped"
    messages = [state["message"] for state in states]
    assert "has no schedule 000000000000" in messages[0]
    assert "skip_dates" in messages[1]
    assert "`Monday` is no day" in messages[2]
    assert "over budget" in messages[3]
    assert not (scheduled.root / ".shotrunner" / "store" / "v1" / "takes").exists()


def test_a_gate_is_a_state_of_its_own_and_retry_goes_on(weekly: Make) -> None:
    scheduled = weekly()
    scheduled.change(("deliver:", "review:\n  takes: {by: [art]}\ndeliver:"), path="film.yaml")
    scheduled.apply()
    asked = scheduled.parameters(occurrence=today())
    [waiting] = scheduled.call(asked)
    assert (waiting["type"], waiting["name"]) == ("FAILED", "NeedsApproval")
    assert "exit 4" in waiting["message"]
    circled = scheduled.project.command("circle", "pour", "1", "--by", "art", "--in", "film.yaml")
    assert circled.code == 0, circled.text
    [done] = scheduled.call(asked)
    assert done["type"] == "COMPLETED"
    assert len(scheduled.project.creates()) == 1


# --- settled anew ---

OFFER = 'params:\n  offer: {table: offers.csv, date: "${run.date}", column: offer}\n'


@pytest.fixture
def offered(weekly: Make) -> Scheduled:
    """With a film that shows the offer of a table."""
    scheduled = weekly(schedule=WEEKLY + OFFER)
    (scheduled.root / "offers.csv").write_text("from,to,offer\n2020-01-01,,tea for two\n")
    super_ = "graphics: {supers: [{at: pour, offset: 0.1, duration: 0.5, text: '${params.offer}'}]}\ndeliver:"
    scheduled.change(("deliver:", super_), path="film.yaml")
    return scheduled


def settle_anew(scheduled: Scheduled) -> None:
    """As `run --anew` does before it buys anything."""
    occurrence = find_occurrence(read_schedule(scheduled.file).schedule, today())
    begin_scheduled(prepare_scheduled(scheduled.file, occurrence, anew=True))


@pytest.mark.slow
def test_retry_goes_on_with_what_was_settled_last_and_applied_since(offered: Scheduled, prefect_server: str) -> None:
    """Its flow run has the files of before: they name no picture, and no money, of after."""
    offered.change(("budget: {credits: 500}", "budget: {credits: 20}"), path="film.yaml")
    applied = offered.apply()
    asked = {"state": {"type": "SCHEDULED"}, "parameters": {"occurrence": today()}}
    deployment = f"{prefect_server}/deployments/{applied['deployment']}/create_flow_run"
    run = httpx.post(deployment, json=asked, timeout=30).raise_for_status().json()["id"]

    def ended() -> dict[str, Any]:
        set_state(prefect_server, run, "PENDING")
        words = offered.execute(run)
        found: dict[str, Any] = httpx.get(f"{prefect_server}/flow_runs/{run}", timeout=30).json()
        assert found["state"]["type"] in ("COMPLETED", "FAILED"), (found["state"], words)
        return found

    before = ended()
    assert "over budget" in before["state"]["message"]
    offered.change(("credits: 20", "credits: 500"), path="film.yaml")
    offered.change(("tea for two", "tea for three"), path="offers.csv")
    offered.apply()
    set_state(prefect_server, run, "SCHEDULED", "AwaitingRetry")
    assert "over budget" in ended()["state"]["message"], "until it is settled anew, what was applied then runs"
    settle_anew(offered)
    set_state(prefect_server, run, "SCHEDULED", "AwaitingRetry")
    after = ended()
    assert after["state"]["message"].startswith("1 film (run "), after["state"]
    assert after["parameters"] == before["parameters"], "the flow run itself is the one of before"
    record = offered.project.record
    assert record.scheduled is not None
    assert record.scheduled.params == {"offer": "tea for three"}
    assert len(offered.project.creates()) == 1
    offered.project.assert_books_agree()


@pytest.mark.slow
def test_a_killed_run_goes_on_under_its_id_with_what_was_settled_since(offered: Scheduled) -> None:
    offered.apply()
    process = offered.begin(offered.parameters(occurrence=today()), env={"SHOTRUNNER_BACKLOT_LATENCY": "8"})
    takes = offered.root / ".shotrunner" / "store" / "v1" / "takes"
    offered.project.wait_for(lambda: len(list(takes.glob("*/task-1.json"))) == 1, process, "a task")
    offered.project.kill(process)
    offered.change(("tea for two", "tea for three"), path="offers.csv")
    settle_anew(offered)
    [state] = offered.call(offered.parameters(occurrence=today()))
    assert state["type"] == "COMPLETED", state
    record = offered.project.record
    assert record.scheduled is not None
    assert record.scheduled.params == {"offer": "tea for three"}
    assert record.calls == 0, "what was paid was collected"
    prefix = attempt_prefix(record.scheduled.name, record.scheduled.instant)
    tries = [offered.store.get_bytes(info.key)[0].decode() for info in offered.store.list(prefix)]
    assert len(tries) == 2
    assert all(record.run_id in text for text in tries)
    assert len(offered.project.creates()) == 1
    offered.project.assert_nothing_twice()
    offered.project.assert_books_agree()


# --- stopped on Prefect's own pages, or by its worker ---


@pytest.mark.slow
def test_a_run_by_hand_hears_cancel_from_the_server(short_film: Callable[..., Project], prefect_server: str) -> None:
    project = short_film()
    process = project.start("run", "film.yaml", "--json", env={"SHOTRUNNER_BACKLOT_LATENCY": "8"})
    takes = project.root / ".shotrunner" / "store" / "v1" / "takes"
    project.wait_for(lambda: len(list(takes.glob("*/task-1.json"))) > 0, process, "a task")
    store = str(project.root / ".shotrunner" / "store")
    runs = httpx.post(f"{prefect_server}/flow_runs/filter", json={"sort": "START_TIME_DESC"}, timeout=30).json()
    [run] = [run for run in runs if run["parameters"].get("store") == store]
    set_state(prefect_server, run["id"], "CANCELLING")
    ended = end(process)
    assert ended.code == 130, ended.text
    last = [json.loads(line) for line in ended.out.splitlines()]
    assert "stopping" in [event["message_type"] for event in last]
    after = wait_for_state(lambda: httpx.get(f"{prefect_server}/flow_runs/{run['id']}", timeout=30).json(), "Cancelled")
    assert after["state"]["message"].startswith("cancelled; ")
    assert project.record.exit_code == 130
    again = project.run()
    assert again.code == 0, again.text
    project.assert_nothing_twice()
    project.assert_books_agree()


def test_a_killed_run_is_crashed_on_the_server_once_another_has_its_lease(
    film: Callable[..., Project], prefect_server: str
) -> None:
    project = film()
    process = project.start("run", "film.yaml", env={"SHOTRUNNER_BACKLOT_LATENCY": "5"})
    takes = project.root / ".shotrunner" / "store" / "v1" / "takes"
    project.wait_for(lambda: len(list(takes.glob("*/task-1.json"))) > 0, process, "a task")
    project.kill(process)
    again = project.run()
    assert again.code == 0, again.text
    runs = httpx.post(f"{prefect_server}/flow_runs/filter", json={"sort": "START_TIME_ASC"}, timeout=30).json()
    store = str(project.root / ".shotrunner" / "store")
    assert [r["state"]["type"] for r in runs if r["parameters"].get("store") == store] == ["CRASHED", "COMPLETED"]
    project.assert_nothing_twice()


def set_state(url: str, run: str, state: str, name: str | None = None) -> None:
    asked = {"state": {"type": state, "name": name}}
    answer = httpx.post(f"{url}/flow_runs/{run}/set_state", json=asked, timeout=30)
    answer.raise_for_status()
