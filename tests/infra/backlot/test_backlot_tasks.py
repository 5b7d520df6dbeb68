"""Task states, charges and refunds, limits, links, and what survives the end of the process."""

from __future__ import annotations

import datetime as dt
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.backlot.books import Books, read_instant
from infra.backlot.faults import FaultRule
from infra.backlot.render import publish_file
from infra.backlot.serve import Backlot
from infra.errors import AccessDeniedError, PortInUseError, StoreError

NOW = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
STUCK = [FaultRule(fault="stuck")]


def test_a_task_shows_exactly_the_fields_of_its_status(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(latency=0.4)
    task = caller.make_still()
    pending = caller.look(task)
    assert set(pending) == {"id", "createdAt", "status", "estimatedCost"}
    assert pending["status"] == "PENDING"
    assert pending["createdAt"].endswith("Z")
    assert len(pending["createdAt"]) == len("2026-11-20T12:00:00.000Z")
    running = caller.wait(task, "RUNNING")
    assert set(running) == {"id", "createdAt", "status", "estimatedCost", "progress"}
    assert 0 < running["progress"] <= 0.9
    done = caller.wait(task)
    assert set(done) == {"id", "createdAt", "status", "cost", "output"}
    assert done["cost"] == {"credits": 5}
    assert len(done["output"]) == 1


def test_progress_rises_with_the_clock(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(latency=1000)
    task = caller.make_still()
    caller.control(advance_seconds=50)
    first = caller.wait(task, "RUNNING")["progress"]
    caller.control(advance_seconds=400)
    assert first < caller.look(task)["progress"] <= 0.9
    caller.control(advance_seconds=1000)
    assert caller.wait(task)["status"] == "SUCCEEDED"


def test_tasks_over_the_limit_wait_their_turn(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(concurrency=2, faults=STUCK)
    tasks = [caller.make_take() for _ in range(5)]
    assert [caller.look(task)["status"] == "THROTTLED" for task in tasks] == [False, False, True, True, True]
    other = caller.make_still()  # limits are per model
    assert caller.look(other)["status"] != "THROTTLED"
    assert caller.http.delete(f"/v1/tasks/{tasks[0]}").status_code == 204
    assert [caller.look(task)["status"] == "THROTTLED" for task in tasks[1:]] == [False, False, True, True]
    caller.http.delete(f"/v1/tasks/{tasks[3]}")
    caller.control(concurrency=3)
    assert caller.look(tasks[4])["status"] != "THROTTLED"


def test_the_first_tier_is_the_limit_when_none_is_given(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=STUCK)
    limits = caller.http.get("/v1/organization").json()["tier"]["models"]
    assert limits["gen4.5"] == {"maxConcurrentGenerations": 1, "maxDailyGenerations": None}
    caller.make_take()
    assert caller.look(caller.make_take())["status"] == "THROTTLED"
    caller.control(concurrency=0)
    assert caller.http.get("/v1/organization").json()["tier"]["models"]["gen4.5"]["maxConcurrentGenerations"] is None


def test_creates_are_charged_at_once_and_refused_without_credits(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(balance=40, faults=STUCK)
    caller.make_take()
    assert caller.balance() == 16
    refused = caller.create(
        "/v1/text_to_video", {"model": "gen4.5", "promptText": "x", "ratio": "1280:720", "duration": 2}
    )
    assert refused.status_code == 400
    assert refused.json() == {"error": "You do not have enough credits to run this task."}
    assert caller.balance() == 16
    assert len(caller.backlot.log.purchases()) == 1


@pytest.mark.parametrize(
    ("fault", "kept", "code"),
    [
        ("fail:SAFETY.INPUT.TEXT", 24, "SAFETY.INPUT.TEXT"),
        ("fail:SAFETY.OUTPUT.VIDEO", 0, "SAFETY.OUTPUT.VIDEO"),
        ("fail:INPUT_PREPROCESSING.SAFETY.TEXT", 0, "INPUT_PREPROCESSING.SAFETY.TEXT"),
        ("fail:INTERNAL.BAD_OUTPUT.CODE01", 0, "INTERNAL.BAD_OUTPUT.CODE01"),
        ("fail:THIRD_PARTY.UNAVAILABLE", 0, "THIRD_PARTY.UNAVAILABLE"),
        ("fail:null", 0, None),
    ],
)
def test_a_failure_keeps_what_the_vendor_keeps(
    open_backlot: Callable[..., Any], fault: str, kept: int, code: str | None
) -> None:
    caller = open_backlot(balance=100, faults=[FaultRule(fault=fault)])
    failed = caller.wait(caller.make_take())
    assert failed["status"] == "FAILED"
    assert failed["failure"]
    assert failed.get("failureCode") == code
    assert ("failureCode" in failed) == (code is not None)
    assert failed["cost"] == {"credits": kept}
    assert caller.balance() == 100 - kept


def test_deleting_refunds_only_what_has_not_started(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(balance=100, concurrency=1, faults=STUCK)
    running, waiting = caller.make_take(), caller.make_take()
    caller.wait(running, "RUNNING")
    caller.http.delete(f"/v1/tasks/{waiting}")
    assert caller.balance() == 76
    caller.http.delete(f"/v1/tasks/{running}")
    assert caller.balance() == 76
    for task in (running, waiting):
        for answer in (caller.http.get(f"/v1/tasks/{task}"), caller.http.delete(f"/v1/tasks/{task}")):
            assert answer.status_code == 404
            assert answer.json() == {"error": "Could not find Task"}


def test_the_daily_cap_rolls(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(daily=2)
    for _ in range(2):
        caller.wait(caller.make_still())
    caller.control(advance_seconds=3600)
    refused = caller.create("/v1/text_to_image", {"model": "gen4_image", "promptText": "x", "ratio": "720:720"})
    assert refused.status_code == 429
    assert "daily limit" in refused.json()["error"]
    organization = caller.http.get("/v1/organization").json()
    assert organization["usage"]["models"]["gen4_image"] == {"dailyGenerations": 2}
    caller.control(advance_seconds=23 * 3600)
    caller.make_still()


def test_usage_agrees_with_the_balance(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(match={"model": "gen4.5"}, fault="fail:INTERNAL")])
    before = caller.balance()
    caller.wait(caller.make_still())
    caller.wait(caller.make_take())
    usage = caller.http.post("/v1/organization/usage", json={}).json()
    amounts = {used["model"]: used["amount"] for day in usage["results"] for used in day["usedCredits"]}
    assert amounts == {"gen4_image": 5, "gen4.5": 0}
    assert before - caller.balance() == sum(amounts.values())
    assert usage["models"] == ["gen4.5", "gen4_image"]
    past = caller.http.post("/v1/organization/usage", json={"startDate": "2020-01-01", "beforeDate": "2020-02-01"})
    assert past.json() == {"results": [], "models": []}
    for body in ({"startDate": "2020-01-01"}, {"startDate": "yesterday"}, {"startDate": 5}, []):
        assert caller.http.post("/v1/organization/usage", json=body).status_code == 400


def test_a_look_stays_the_same_for_as_long_as_asked(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(latency=100, visibility=5.0)
    task = caller.make_still()
    caller.look(task)
    caller.control(advance_seconds=4)
    caller.http.get("/backlot")
    assert caller.look(task)["status"] == "PENDING"
    caller.control(advance_seconds=2)
    assert caller.look(task)["status"] == "RUNNING"


def test_links_are_fresh_open_without_a_key_and_expire(caller: Any) -> None:
    task = caller.make_still()
    first, second = caller.link(task), caller.look(task)["output"][0]
    assert first != second
    with httpx.Client(trust_env=False) as stranger:
        head, whole = stranger.head(first), stranger.get(second)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) == len(whole.content)
        assert whole.headers["content-type"] == "image/png"
        assert stranger.get(first, headers={"Range": "bytes=0-9"}).content == whole.content[:10]
        assert stranger.get(first.partition("?")[0]).status_code == 403
        assert stranger.get(first[:-1] + ("0" if first[-1] != "0" else "1")).status_code == 403
        caller.control(advance_seconds=25 * 3600)
        assert stranger.get(first).status_code == 403
        fresh = caller.look(task)["output"][0]
        assert stranger.get(fresh).content == whole.content
        caller.http.delete(f"/v1/tasks/{task}")
        assert stranger.get(fresh).status_code == 404


def test_the_same_body_makes_the_same_bytes(tmp_path: Path, open_backlot: Callable[..., Any]) -> None:
    made = []
    for name in ("one", "two"):
        caller = open_backlot(tmp_path / name, films=tmp_path / name / "films")
        made.append(httpx.get(caller.link(caller.make_still()), trust_env=False).content)
    assert made[0] == made[1]
    other = httpx.get(caller.link(caller.make_still(seed=2)), trust_env=False).content
    assert other != made[0]


def test_a_stopped_backlot_goes_on_with_its_tasks(tmp_path: Path, open_backlot: Callable[..., Any]) -> None:
    first = open_backlot(concurrency=1, latency=30)
    running, waiting = first.make_still(), first.make_still(seed=7)
    upload = first.http.post("/v1/uploads", json={"filename": "a.png", "type": "ephemeral"}).json()["runwayUri"]
    first.backlot.stop()
    second = open_backlot(concurrency=1)
    assert second.wait(running)["status"] == second.wait(waiting)["status"] == "SUCCEEDED"
    assert second.balance() == 1_000_000 - 10
    assert len(second.backlot.log.purchases()) == 2
    refused = second.create("/v1/image_to_video", {"model": "gen4_turbo", "ratio": "1280:720", "promptImage": upload})
    assert "no file was uploaded" in refused.text


KILLED = """
import json, sys
from pathlib import Path
from infra.backlot.render import publish_file
from infra.backlot.serve import Backlot
print(Backlot(Path(sys.argv[1]), latency=60, films=Path(sys.argv[2])).start(), flush=True)
sys.stdin.read()
"""


def test_a_killed_backlot_is_found_again(tmp_path: Path, films: Path, open_backlot: Callable[..., Any]) -> None:
    folder = tmp_path / "backlot"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder), str(films)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with pytest.raises(PortInUseError, match=str(process.pid)):
            Backlot(folder).start()
        headers = {"Authorization": "Bearer k", "X-Runway-Version": "2024-11-06"}
        body = {"model": "gen4_image", "promptText": "A cup on a worktop", "ratio": "720:720", "seed": 1}
        task = httpx.post(f"{url}/v1/text_to_image", json=body, headers=headers, trust_env=False).json()["id"]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    caller = open_backlot(folder)
    assert caller.wait(task)["status"] == "SUCCEEDED"
    assert [line["id"] for line in caller.backlot.log.purchases()] == [task]
    assert caller.backlot.log.creates()[0]["digest"] == caller.backlot.log.purchases()[0]["digest"]


def test_children_die_with_a_killed_backlot(tmp_path: Path) -> None:
    script = KILLED.replace("latency=60", "latency=0")
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "b"), str(tmp_path / "films")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        body = {"model": "gen4.5", "promptText": "x", "ratio": "1280:720", "duration": 10}
        headers = {"Authorization": "Bearer k", "X-Runway-Version": "2024-11-06"}
        httpx.post(f"{url}/v1/text_to_video", json=body, headers=headers, trust_env=False).raise_for_status()
        children: list[int] = []
        while not children:
            children = _find_children(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    for _ in range(500):
        if not any(Path(f"/proc/{child}/status").exists() and not _is_dead(child) for child in children):
            break
        subprocess.run(["sleep", "0.01"], check=True)
    assert all(not Path(f"/proc/{child}/status").exists() or _is_dead(child) for child in children)


def _find_children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def _is_dead(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def test_a_folder_and_a_port_have_one_server(tmp_path: Path, caller: Any) -> None:
    with pytest.raises(PortInUseError, match="serves the folder") as told:
        Backlot(caller.backlot.folder).start()
    assert caller.url in str(told.value)
    assert told.value.exit_code == 6
    with pytest.raises(PortInUseError, match="cannot be used") as told:
        Backlot(tmp_path / "other", port=int(caller.url.rpartition(":")[2])).start()
    assert "--port" in told.value.remedy
    caller.backlot.stop()
    with Backlot(caller.backlot.folder, films=tmp_path / "films") as again:
        assert again.start() == again.url


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "books.jsonl").write_text('{"event":"conjured","at":"2026-11-20T12:00:00.000Z"}\n')
    backlot = Backlot(tmp_path)
    with pytest.raises(StoreError, match="conjured") as told:
        backlot.start()
    assert "move the folder" in told.value.remedy
    backlot.stop()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AccessDeniedError, match="cannot be written"):
        Backlot(tmp_path / "file" / "backlot").start()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    books = Books(tmp_path, now=NOW, balance=50)
    size = books.path.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot grow"):
            books.append("balance", NOW, credits=70)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    books.append("balance", NOW, credits=60)
    books.close()
    again = Books(tmp_path, now=NOW, balance=50)
    again.close()
    assert again.balance == 60


def test_a_full_disk_is_an_answer_and_no_charge(caller: Any) -> None:
    books = caller.backlot.folder / "books.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (books.stat().st_size, limits[1]))
    try:
        answer = caller.create("/v1/text_to_image", {"model": "gen4_image", "promptText": "x", "ratio": "720:720"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert answer.status_code == 500
    assert "cannot go on" in answer.json()["error"]
    assert caller.balance() == 1_000_000
    assert caller.wait(caller.make_still())["status"] == "SUCCEEDED"


def test_two_creates_do_not_share_the_last_credits(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(balance=10, faults=STUCK)
    body = {"model": "gen4_image", "promptText": "x", "ratio": "720:720"}
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda _: caller.create("/v1/text_to_image", body).status_code, range(6)))
    assert sorted(statuses) == [200, 200, 400, 400, 400, 400]
    assert caller.balance() == 0


def test_a_film_that_cannot_be_made_is_a_refunded_failure(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(latency=1000)
    task = caller.make_still()
    caller.backlot.stop()
    path = caller.backlot.folder / "books.jsonl"
    path.write_text(path.read_text().replace('"make":"still"', '"make":"sculpture"'))
    again = open_backlot()
    failed = again.wait(task)
    assert (failed["status"], failed["failureCode"], failed["cost"]) == ("FAILED", "INTERNAL", {"credits": 0})
    assert "sculpture" in failed["failure"]
    assert again.balance() == 1_000_000


def test_films_may_lie_on_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, out = tmp_path / "made", tmp_path / "films" / "out"
    out.parent.mkdir()
    made.write_bytes(b"film")
    move = Path.replace

    def refuse_first(self: Path, target: Path) -> Path:
        if self == made:
            raise OSError(errno.EXDEV, "another disk")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse_first)
    publish_file(made, out)
    assert out.read_bytes() == b"film"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    books = Books(tmp_path, now=NOW, balance=50)
    books.append("balance", NOW, credits=70)
    books.close()
    path = tmp_path / "books.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"balance","at":"2026-')
    again = Books(tmp_path, now=NOW, balance=50)
    assert again.balance == 70
    again.append("balance", NOW, credits=60)
    again.close()
    assert path.read_bytes().startswith(whole)
    assert [json.loads(line)["event"] for line in path.read_bytes().splitlines()] == ["opened", "balance", "balance"]


def test_instants_survive_the_books(tmp_path: Path, open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=STUCK)
    created = caller.look(caller.make_still())["createdAt"]
    assert abs((read_instant(created) - dt.datetime.now(dt.UTC)).total_seconds()) < 60
