"""A start of a schedule as its flow runs it: on record once, done once, refused in words, and stopped by Prefect."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from projects import Project, end
from schedules import WEEKLY, Scheduled, wait_for_state, write_scheduled

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


def set_state(url: str, run: str, state: str) -> None:
    answer = httpx.post(f"{url}/flow_runs/{run}/set_state", json={"state": {"type": state}}, timeout=30)
    answer.raise_for_status()
