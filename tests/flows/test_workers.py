"""A Prefect server on PostgreSQL and workers that die, are stopped, or come late: the start goes on, and nothing is
bought twice. Minutes of waiting for heartbeats: `make test-slow`."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from collections.abc import Callable

import pytest
from farm import Farm
from prefect_servers import wait_until
from schedules import WEEKLY

from infra.runs import list_runs
from manifests.naming import attempt_prefix

pytestmark = pytest.mark.slow
TWO = ("takes: 1", "takes: 2")


@pytest.mark.parametrize("how", ["killed", "terminated"])
def test_the_other_worker_goes_on_with_a_run_whose_worker_was(farm: Callable[..., Farm], how: str) -> None:
    office = farm(15, TWO)
    first = office.worker()
    run = office.start()
    office.wait_for_tasks(2)
    if how == "killed":
        first.kill_with_children()
    else:
        os.kill(first.process.pid, signal.SIGTERM)
    lost = time.monotonic()
    office.worker()
    message = office.wait(run, "Completed", seconds=240)
    waited = time.monotonic() - lost
    assert message.startswith("1 film (run "), "the same flow run, resumed by nobody"
    states = office.server.states(run)
    assert states.count("Crashed") == 1, states
    assert "AwaitingRetry" in states
    assert waited < 200, f"{waited:.0f} s"
    office.assert_in_order(creates=2)
    record = office.scheduled.project.record
    assert record.calls == 0, "what was paid was collected"
    assert record.flow_runs == (run,)
    assert record.scheduled is not None
    prefix = attempt_prefix(record.scheduled.name, record.scheduled.instant)
    tries = [office.scheduled.store.get_bytes(info.key)[0].decode() for info in office.scheduled.store.list(prefix)]
    assert len(tries) == 2
    assert all(record.run_id in text for text in tries), "a killed run goes on under its id"


def test_a_process_that_is_told_to_end_writes_its_record_and_goes_on_elsewhere(farm: Callable[..., Farm]) -> None:
    """As containers are stopped: SIGTERM for the flow's own process."""
    office = farm(40)
    first = office.worker()
    run = office.start()
    office.wait_for_tasks(1)
    for process in first.flow_processes():
        os.kill(process, signal.SIGTERM)
    assert office.wait(run, "Completed", seconds=150).startswith("1 film")
    assert office.server.states(run).count("Crashed") == 1
    office.assert_in_order(creates=1)
    ends = [record.exit_code for record in list_runs(office.scheduled.store, "short")]
    assert ends == [130, 0]


def test_cancel_collects_what_is_ready_and_leaves_the_rest_in_flight(farm: Callable[..., Farm]) -> None:
    office = farm(60)
    office.worker()
    run = office.start()
    office.wait_for_tasks(1)
    office.server.set_state(run, "CANCELLING")
    began = time.monotonic()
    message = office.wait(run, "Cancelled", seconds=60)
    assert time.monotonic() - began < 32, "within the 30 s of grace"
    assert "in flight" in message
    project = office.scheduled.project
    assert project.record.exit_code == 130
    again = office.start()  # the UI's Retry of a cancelled run is a run of the same start
    assert office.wait(again, "Completed", seconds=150).startswith("1 film")
    office.assert_in_order(creates=1)
    assert project.record.flow_runs == (again,)


def test_retry_is_a_resume(farm: Callable[..., Farm]) -> None:
    gates = 'approvals:\n  takes: {by: [art], deadline: "Tue 12:00"}\n'
    office = farm(1, schedule=WEEKLY + gates)
    office.worker()
    run = office.start()
    assert "looked at again at" in office.wait(run, "NeedsApproval")
    again = [found for found in office.server.flow_runs() if found["parameters"].get("schedule") == office.bundle]
    [planned] = [found for found in again if found["name"].endswith(" again")]
    assert planned["state"]["type"] == "SCHEDULED"
    assert dt.datetime.fromisoformat(planned["expected_start_time"]).isoweekday() == 2
    circled = office.scheduled.project.command("circle", "pour", "1", "--by", "art", "--in", "film.yaml")
    assert circled.code == 0, circled.text
    office.server.set_state(run, "SCHEDULED", "AwaitingRetry")  # what the button does
    office.wait(run, "Completed")
    office.assert_in_order(creates=1)


def test_of_late_starts_only_the_last_is_made_up(farm: Callable[..., Farm]) -> None:
    """Whatever order the server starts them in. Starts on every minute, and no worker for some of them."""
    office = farm(0, schedule=WEEKLY.replace("30 5 * * *", "* * * * *"))

    wait_until(lambda: len(office.due()) >= 3, "three starts that are late", 260, pause=2)
    due = [run["id"] for run in office.due()]
    office.worker()
    states = {}
    for run in due:
        office.wait(run, "Completed", "Skipped")
        state = office.server.flow_run(run)["state"]
        states[office.server.flow_run(run)["expected_start_time"]] = (state["name"], state["message"])
    last = states.pop(max(states))
    assert {name for name, _ in states.values()} == {"Skipped"}, states
    assert all("is due since" in message for _, message in states.values()), states
    assert last[0] in ("Completed", "Skipped"), "skipped where the next minute had come before it was looked at"
    assert len(office.scheduled.project.creates()) <= 1
