"""Starts that meet each other, and runs that nobody would end: a Prefect server on PostgreSQL and real workers, whose
states in order are what people see. Minutes of waiting: `make test-slow`."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from farm import Farm, open_farm
from prefect_servers import PrefectServer, Worker, wait_until
from projects import TWO_TAKES
from schedules import WEEKLY

from infra.attempts import MOST_TRIES, begin_attempt
from infra.clock import SystemClock
from infra.lease import acquire_lease
from infra.process import ProcessIdentity
from infra.runs import list_runs
from manifests.naming import attempt_prefix, parse_start_key, start_prefix
from manifests.occurrences import occurrence_on
from manifests.scheduled import read_schedule

pytestmark = pytest.mark.slow
LONG = 600  # seconds that a take lasts: until the vendor's clock is moved on
QUEUE = WEEKLY + "overlap: queue\n"  # one flow run at a time: whoever keeps the place for ever would be seen
TAKEN = ["Pending", "Submitting"]  # by a worker


def states_of(farm: Farm, run: str) -> list[str]:
    """A worker may say the same once more."""
    return [name for name, _ in itertools.groupby(farm.server.states(run))]


# --- runs that Prefect by itself leaves as they are for ever: stories that mostly wait, beside each other ---

# Python reads it at every start: a flow's process is on its way for longer than the test lasts, as on a slow machine
SLOW = """\
import os, time
if os.environ.get("PREFECT__FLOW_RUN_ID"):
    time.sleep(600)
"""

Story = Callable[[Callable[..., Farm], Path], None]


def worker_dies_before_a_run_began(farm: Callable[..., Farm], folder: Path) -> None:
    office = farm(1)
    shorten(office, "never began", 300, 15)
    (folder / "slow").mkdir()
    (folder / "slow" / "sitecustomize.py").write_text(SLOW)
    first = office.worker(PYTHONPATH=str(folder / "slow"))
    run = office.start()
    office.wait(run, "Submitting", seconds=60)
    wait_until(first.flow_processes, "its process")
    first.kill_with_children()
    assert office.server.flow_run(run)["state"]["type"] == "PENDING"
    office.worker()
    message = office.wait(run, "Completed", seconds=180)
    assert message.startswith("1 film (run ")
    lost, resumed = ["Scheduled", *TAKEN, "Crashed"], ["AwaitingRetry", *TAKEN, "Running", "Completed"]
    assert states_of(office, run) == [*lost, *resumed]
    office.assert_in_order(creates=1)


def cancelled_run_has_no_worker(farm: Callable[..., Farm], folder: Path) -> None:
    """It must not be taken for one that crashed: that would set it going again."""
    office = farm(LONG)
    shorten(office, "cancelled without a worker", 150, 76)  # longer than a heartbeat is waited for
    first = office.worker()
    run = office.start()
    office.wait_for_tasks(1)
    office.server.set_state(run, "CANCELLING")
    first.kill_with_children()
    assert office.server.flow_run(run)["state"]["name"] == "Cancelling", "nobody was left to end it"
    office.worker()
    assert office.wait(run, "Cancelled", seconds=150) == "cancelled; its worker is gone"
    office.turn(advance_seconds=LONG + 10)
    again = office.start()
    assert office.wait(again, "Completed", seconds=150).startswith("1 film")
    assert states_of(office, run) == ["Scheduled", *TAKEN, "Running", "Cancelling", "Cancelled"]
    office.assert_in_order(creates=1)
    [record] = list_runs(office.store, "short")
    assert record.calls == 0, "what was paid was collected"


def every_try_dies(farm: Callable[..., Farm], folder: Path) -> None:
    """Its processes are killed, as for want of memory. Its worker lives, and says so twice."""
    office = farm(LONG)
    for _ in range(MOST_TRIES - 2):
        begin_attempt(office.store, SystemClock(), office.name, todays(office), "")
    worker = office.worker()
    run = office.start()
    for number in (MOST_TRIES - 1, MOST_TRIES):
        wait_for_tries(office, number)
        office.wait_for_tasks(1)
        kill_flows(worker)
    message = office.wait(run, "Failed", seconds=120)
    assert message.startswith(f"every try died: {MOST_TRIES} tries of the start of "), message
    assert "shotrunner run --schedule" in message
    died = [*TAKEN, "Running", "Crashed", "AwaitingRetry"]
    assert states_of(office, run) == ["Scheduled", *died, *died, *TAKEN, "Running", "Failed"], "never twice at once"
    office.turn(advance_seconds=LONG + 10)
    ended = office.scheduled.project.command("run", "--schedule", "weekly.yaml", "--date", str(todays(office).date()))
    assert ended.code == 0, ended.text
    assert office.server.flow_run(run)["state"]["name"] == "Failed", "nothing sets it going again"
    office.assert_in_order(creates=1)


def waiting_start_is_told_to_end_and_cancelled(farm: Callable[..., Farm], folder: Path) -> None:
    """Its run of before may live on another machine: until that is known nothing is done, and nothing has failed."""
    office = farm(1)
    clock, there = SystemClock(), ProcessIdentity("elsewhere", "of-another-boot", 1, "1", "somebody@elsewhere")
    begin_attempt(office.store, clock, office.name, todays(office), "")
    acquire_lease(office.store, clock, "short", seconds=600, identity=there)
    worker = office.worker()
    run = office.start()
    wait_for_tries(office, 2)
    kill_flows(worker, signal.SIGTERM)
    assert "the other run was waited for" in office.wait(run, "Crashed", seconds=30)
    wait_for_tries(office, 3)
    office.server.set_state(run, "CANCELLING")
    assert office.wait(run, "Cancelled", seconds=30) == "cancelled; the other run was waited for"
    assert not list_runs(office.store, "short")


STORIES: list[Story] = [
    worker_dies_before_a_run_began,
    cancelled_run_has_no_worker,
    every_try_dies,
    waiting_start_is_told_to_end_and_cancelled,
]


@pytest.fixture(scope="module")
def under_way(
    postgres_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[dict[Story, Future[None]]]:
    """Those that were asked for, each with a farm of its own."""

    def tell(story: Story, folder: Path) -> None:
        with contextlib.ExitStack() as stack:

            def farm(latency: float) -> Farm:
                name = story.__name__.replace("_", "-")
                return stack.enter_context(open_farm(postgres_server, folder, name, latency, schedule=QUEUE))

            story(farm, folder)

    asked = [item.callspec.params.get("story") for item in request.session.items if hasattr(item, "callspec")]
    with ThreadPoolExecutor() as pool:
        yield {story: pool.submit(tell, story, tmp_path_factory.mktemp("story")) for story in STORIES if story in asked}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_nobody_has_to_end_it_or_set_it_going(story: Story, under_way: dict[Story, Future[None]]) -> None:
    under_way[story].result()


def shorten(farm: Farm, name: str, was: int, seconds: int) -> None:
    """The same automation, that waits less: as somebody may change it on Prefect's pages."""
    found = [a for a in farm.server.post("automations/filter", limit=200) if a["name"].endswith(f": {name}")]
    [automation] = [a for a in found if str(farm.deployment) in str(a["trigger"]["match_related"])]
    assert automation["trigger"]["within"] == was
    kept = {key: value for key, value in automation.items() if key not in ("id", "created", "updated")}
    farm.server.ask(
        "PUT", f"automations/{automation['id']}", json={**kept, "trigger": {**kept["trigger"], "within": seconds}}
    )


def todays(farm: Farm) -> dt.datetime:
    """When today's start is due."""
    today = dt.datetime.now(dt.UTC).date()
    return occurrence_on(read_schedule(farm.scheduled.file).schedule, today, None).instant


def wait_for_tries(farm: Farm, number: int) -> None:
    def tries() -> int:
        return len(list(farm.store.list(attempt_prefix(farm.name, todays(farm)))))

    wait_until(lambda: tries() == number, f"try {number}", 90)


def kill_flows(worker: Worker, number: int = signal.SIGKILL) -> None:
    """What it has started; the worker itself lives, and says so at once."""
    for process in worker.flow_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


# --- two starts, a minute apart ---


def can_rename_hosts() -> bool:
    return subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False).returncode == 0


def minutes(first: dt.datetime) -> str:
    """A cron with that minute and the one after it, each hour."""
    found = sorted({first.minute, (first.minute + 1) % 60})
    return f"{','.join(map(str, found))} * * * *"


@pytest.fixture(scope="module")
def overlapping(postgres_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Farm]]:
    """One farm for each rule, all at once as each takes minutes. The first start is at work, with its takes paid and
    its vendor's clock standing; the second is due in less than a minute."""
    rules = ["queue", "cancel", "skip"] + (["skip-elsewhere"] if can_rename_hosts() else [])
    first = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=110)).replace(second=0, microsecond=0)
    farms: dict[str, Farm] = {}
    with contextlib.ExitStack() as stack:
        for rule in rules:
            schedule = WEEKLY.replace("30 5 * * *", minutes(first)) + f"overlap: {rule.partition('-')[0]}\n"
            changes = [TWO_TAKES] if rule == "cancel" else []
            folder = tmp_path_factory.mktemp(rule)
            farm = stack.enter_context(
                open_farm(postgres_server, folder, f"overlap-{rule}", LONG, *changes, schedule=schedule)
            )
            farm.turn(concurrency=1)
            farms[rule] = farm
        assert dt.datetime.now(dt.UTC) < first, "nothing was late yet"
        for rule, farm in farms.items():
            for host in ("north", "south") if rule == "skip-elsewhere" else ("",):
                farm.worker("--limit", "1" if host else "4", host=host)
        for rule, farm in farms.items():
            farm.wait_for_tasks(2 if rule == "cancel" else 1, seconds=180)
        yield farms


def both(farm: Farm) -> tuple[str, str]:
    """The flow runs of the two starts, once the server knows of them."""
    wait_until(lambda: len(farm.due()) >= 2, "two starts that are due", 90)
    older, newer, *_ = (str(run["id"]) for run in farm.due())
    return older, newer


def moment(farm: Farm, run: str, name: str) -> dt.datetime:
    """When that flow run was first in that state."""
    answer = farm.server.ask("GET", "flow_run_states/", params={"flow_run_id": run})
    return min(dt.datetime.fromisoformat(state["timestamp"]) for state in answer if state["name"] == name)


def begun(farm: Farm) -> list[dt.datetime]:
    """Starts of the schedule that went ahead."""
    return sorted(parse_start_key(info.key)[1] for info in farm.store.list(start_prefix(farm.name)))


def test_cancel_the_next_start_stops_the_first_and_collects_what_it_left(overlapping: dict[str, Farm]) -> None:
    farm = overlapping["cancel"]
    first, second = both(farm)
    farm.wait(first, "Cancelling", seconds=60)
    farm.turn(advance_seconds=LONG + 10)  # the first take is ready within the grace; the second take begins only now
    told = farm.wait(first, "Cancelled", seconds=40)
    assert "in flight" in told
    farm.turn(advance_seconds=LONG + 10)
    assert farm.wait(second, "Completed", seconds=120).startswith("1 film")
    farm.assert_in_order(creates=2)
    stopped, finished = list_runs(farm.store, "short")
    assert [run.exit_code for run in (stopped, finished)] == [130, 0]
    assert (stopped.calls, finished.calls) == (2, 0), "what was in flight was collected, not bought again"
    assert [run.flow_runs for run in (stopped, finished)] == [(first,), (second,)]
    assert states_of(farm, first)[-3:] == ["Running", "Cancelling", "Cancelled"]
    assert "Crashed" not in states_of(farm, second)


def test_skip_the_next_start_ends_and_names_the_first(overlapping: dict[str, Farm]) -> None:
    assert_skipped(overlapping["skip"])


def test_skip_holds_where_the_first_works_on_another_machine(overlapping: dict[str, Farm]) -> None:
    if "skip-elsewhere" not in overlapping:
        pytest.skip("only root gives this machine another name")
    farm = overlapping["skip-elsewhere"]
    assert_skipped(farm)


def assert_skipped(farm: Farm) -> None:
    first, second = both(farm)
    told = farm.wait(second, "Skipped", seconds=150)
    due = dt.datetime.fromisoformat(farm.server.flow_run(first)["expected_start_time"])
    assert told.startswith(f"skipped: the run of {due:%Y-%m-%d %H:%M} UTC still goes on (overlap: skip)"), told
    assert farm.server.flow_run(first)["state"]["name"] == "Running"
    assert farm.server.flow_run(second)["state"]["type"] == "COMPLETED"
    assert begun(farm) == [due], "a start that was skipped was never begun: `circle` and `status` mean the first"
    farm.turn(advance_seconds=LONG + 10)
    assert farm.wait(first, "Completed").startswith("1 film")
    farm.assert_in_order(creates=1)
    assert len(list_runs(farm.store, "short")) == 1


def test_queue_the_next_start_waits_and_runs_after_the_first(overlapping: dict[str, Farm]) -> None:
    farm = overlapping["queue"]
    first, second = both(farm)
    farm.wait(second, "AwaitingConcurrencySlot", seconds=60)
    assert farm.server.flow_run(first)["state"]["name"] == "Running"
    farm.turn(advance_seconds=LONG + 10)
    assert farm.wait(first, "Completed").startswith("1 film")
    assert farm.wait(second, "Completed", seconds=120) == "nothing to do: every film is there"
    assert moment(farm, second, "Running") > moment(farm, first, "Completed")
    assert moment(farm, second, "AwaitingConcurrencySlot") < moment(farm, first, "Completed")
    assert len(begun(farm)) == 2
    farm.assert_in_order(creates=1)
