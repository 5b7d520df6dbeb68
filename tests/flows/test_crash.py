"""Runs that are killed, stopped, refused or lied to: what was paid is collected, nothing is bought twice, the bill is
right."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from projects import TWO_TAKES, Project, end

from infra.backlot.books import Books
from infra.clock import SystemClock
from infra.lease import acquire_lease
from infra.ledger import read_entries

Make = Callable[..., Project]
SLOW = {"SHOTRUNNER_BACKLOT_LATENCY": "3"}
LINE = """\
sound:
  voiceover:
    voice: warm
    language: en-GB
    lines:
      - {id: vo1, at: pour, text: "Some mornings ask for nothing but water, a little patience and a kettle that waits."}
deliver:
"""


def records(project: Project, pattern: str) -> list[Path]:
    return sorted((project.root / ".shotrunner" / "store" / "v1" / "takes").glob(f"*/{pattern}"))


def assert_made(project: Project, *arguments: str) -> None:
    ended = project.run(*arguments)
    assert ended.code == 0, ended.text
    [film] = (project.root / "out" / "short").glob("*.mp4")
    assert film.stat().st_size > 10_000


def flow_states(project: Project, url: str) -> list[tuple[str, str]]:
    """(name, state) of every flow run of this project on the server, newest first."""
    answer = httpx.post(f"{url}/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 200}, timeout=30)
    answer.raise_for_status()
    store = str(project.root / ".shotrunner" / "store")
    return [(r["name"], r["state"]["type"]) for r in answer.json() if r["parameters"].get("store") == store]


# --- kill -9 ---


@pytest.mark.parametrize("pattern", ["task-1.json", pytest.param("result.json", marks=pytest.mark.slow)])
def test_killed_while_paid_takes_are_on_their_way(film: Make, pattern: str) -> None:
    project = film(TWO_TAKES)
    process = project.start("run", "film.yaml", env={"SHOTRUNNER_BACKLOT_LATENCY": "4"})
    project.wait_for(lambda: len(records(project, "task-1.json")) == 2, process, "two tasks")
    project.wait_for(lambda: records(project, pattern) != [], process, pattern)
    project.kill(process)
    assert_made(project)
    assert len(project.creates()) == 2
    project.assert_nothing_twice()
    project.assert_books_agree()


def test_killed_while_it_finishes_the_film(short_film: Make) -> None:
    project = short_film()
    process = project.start("run", "film.yaml")
    work = project.root / ".shotrunner" / "work"
    project.wait_for(lambda: list(work.glob("stitch-*")) != [], process, "the stitch")
    project.kill(process)
    [torn] = work.glob("stitch-*")
    before = project.steps_made()
    assert before["conform"] == 1
    assert not before["stitch"], "a step that was interrupted leaves no record"
    deadline = time.monotonic() + 20  # a child that had just been started looks for its parent once it has begun
    while running(str(torn)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(str(torn)), "its child died with it"
    assert_made(project)
    assert len(project.creates()) == 1
    assert project.steps_made()["conform"] == 1
    assert project.record.steps_kept["conform"] == 1
    assert not list(work.glob("stitch-*")), "what a dead run left half-made goes"


def running(words: str) -> list[int]:
    """Processes with these words in their command line."""
    numbers = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [number for number in numbers if words in command_line(number)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""  # it has ended meanwhile


@pytest.mark.slow
def test_a_killed_run_leaves_no_server_behind(film: Make, migrated_home: Path) -> None:
    project = film()
    project.environment.clear()  # a server of its own
    shutil.copytree(migrated_home, project.root / ".shotrunner" / "prefect")
    process = project.start("run", "film.yaml")
    books = project.root / ".shotrunner" / "backlot" / "books.jsonl"
    project.wait_for(books.exists, process, "the backlot, so Prefect answers")
    assert len(servers_of(process.pid)) == 1
    project.kill(process)
    patience = time.monotonic() + 15
    while servers_of(process.pid):
        assert time.monotonic() < patience, "the server outlived its run"
        time.sleep(0.1)


def servers_of(pid: int) -> list[int]:
    return [found for found in running("infra.orchestrator") if command_line(found).endswith(f" {pid} ")]


# --- Ctrl-C, as a terminal sends it: to every process of the group ---


def interrupt(process: Any) -> None:
    os.killpg(process.pid, signal.SIGINT)


def test_one_interrupt_collects_what_is_paid_and_buys_nothing_more(film: Make) -> None:
    project = film(("takes: 1", "takes: 7"))  # more than the vendor takes at a time: the last ones wait
    process = project.start("run", "film.yaml", env=SLOW)
    project.wait_for(lambda: len(records(project, "task-1.json")) >= 2, process, "two tasks")
    interrupt(process)
    ended = end(process)
    assert ended.code == 130, ended.text
    assert "collecting what is paid" in ended.out
    bought = len(project.creates())
    assert 2 <= bought < 7
    assert len(records(project, "result.json")) == bought
    assert project.record.exit_code == 130
    assert not list((project.root / "out" / "short").glob("*.mp4"))
    project.assert_books_agree()
    assert_made(project)
    assert len(project.creates()) == 7
    project.assert_nothing_twice()


@pytest.mark.slow
def test_a_second_interrupt_leaves_at_once_and_the_next_run_collects(film: Make) -> None:
    project = film()
    process = project.start("run", "film.yaml", env={"SHOTRUNNER_BACKLOT_LATENCY": "60"})
    project.wait_for(lambda: len(records(project, "task-1.json")) == 1, process, "the task")
    interrupt(process)
    time.sleep(0.5)
    assert process.poll() is None, "it waits for what is paid"
    interrupt(process)
    ended = end(process, 5)
    assert ended.code == 130, ended.text
    assert ended.err.endswith("left at once: the next run collects what is paid\n")
    assert not records(project, "result.json")
    assert_made(project)
    project.assert_nothing_twice()
    project.assert_books_agree()


def test_an_interrupt_while_finishing_ends_the_work(short_film: Make) -> None:
    project = short_film()
    process = project.start("run", "film.yaml")
    work = project.root / ".shotrunner" / "work"
    project.wait_for(lambda: list(work.glob("conform-*")) != [], process, "the conform")
    interrupt(process)
    ended = end(process, 15)
    assert ended.code == 130, ended.text
    assert not project.steps_made()["stitch"]
    assert not list(work.glob("*-*")), "nothing half-made is left"


# --- answers that were lost ---


def test_a_lost_answer_is_held_and_bought_again_only_when_asked(film: Make, prefect_server: str) -> None:
    project = film()
    ended = project.run(env=project.faults({"match": {"nth": 1}, "fault": "lose-answer"}))
    assert ended.code == 3, ended.text
    assert "take 1 is unknown" in ended.out
    assert "--rebuy-unknown" in ended.out
    assert project.balance_spent() == 24, "counted as spent"
    again = project.run()
    assert again.code == 3, again.text
    assert len(project.creates()) == 1, "never sent again unasked"
    plan = json.loads(project.command("plan", "film.yaml", "--json").out)
    assert [a["verb"] for a in plan["actions"]] == ["hold"]
    asked = json.loads(project.command("plan", "film.yaml", "--json", "--rebuy-unknown").out)
    assert [(a["verb"], a["credits"]) for a in asked["actions"]] == [("buy", 24)]
    assert_made(project, "--rebuy-unknown")
    assert len(project.creates()) == 2
    assert project.balance_spent() == 48, "both are on the bill"
    assert [state for _, state in flow_states(project, prefect_server)] == ["COMPLETED", "FAILED", "FAILED"]
    assert {name for name, _ in flow_states(project, prefect_server)} == {"short"}


@pytest.mark.slow
def test_a_held_take_does_not_stop_the_others(film: Make) -> None:
    project = film(TWO_TAKES)
    ended = project.run(env=project.faults({"match": {"nth": 2}, "fault": "lose-answer"}))
    assert ended.code == 0, ended.text
    held = re.search(r"pour/take-[12] is held", ended.out)  # two at a time: either was the second to be sent
    assert held, ended.text
    assert any(held[0] in notice for notice in project.record.notices)
    asked = len(project.creates())
    again = project.run()
    assert again.code == 0, again.text
    assert held[0] in again.out, "it is named until it is settled"
    assert len(project.creates()) == asked
    assert_made(project, "--rebuy-unknown")
    assert project.balance_spent() == 72


# --- failures and refusals ---


@pytest.mark.slow
def test_a_failed_take_is_followed_by_the_next_number(film: Make) -> None:
    project = film()
    ended = project.run(env=project.faults({"match": {"nth": 1}, "fault": "fail:INTERNAL.BAD_OUTPUT.CODE01"}))
    assert ended.code == 0, ended.text
    assert len(records(project, "failed-1.json")) == 1
    [result] = records(project, "result.json")
    assert json.loads(result.with_name("intent-1.json").read_text())["take"] == 2
    project.assert_nothing_twice()
    project.assert_books_agree()


@pytest.mark.slow
def test_what_moderation_refused_is_never_sent_again(film: Make) -> None:
    project = film()
    faults = project.faults({"fault": "fail:SAFETY.INPUT.TEXT"})
    ended = project.run(env=faults)
    assert ended.code == 3, ended.text
    assert "input-moderated" in ended.out
    assert project.run(env=faults).code == 3
    assert len(project.creates()) == 1


@pytest.mark.slow
def test_a_black_take_is_screened_out_and_made_again(film: Make) -> None:
    project = film()
    ended = project.run(env=project.faults({"match": {"nth": 1}, "fault": "black"}))
    assert ended.code == 0, ended.text
    assert len(project.creates()) == 2
    project.assert_nothing_twice()
    page = (project.root / "out" / "short" / "dailies.html").read_text()
    assert "screened out" in page
    assert "black" in page


@pytest.mark.slow
def test_an_empty_balance_fails_no_take(film: Make) -> None:
    project = film(TWO_TAKES)
    folder = project.root / ".shotrunner" / "backlot"
    now = dt.datetime.now(dt.UTC)
    Books(folder, now=now, balance=30).close()
    ended = project.run()
    assert ended.code == 5, ended.text
    assert len(records(project, "result.json")) == 1
    assert not records(project, "failed-*.json")
    project.assert_books_agree()
    books = Books(folder, now=now, balance=0)
    books.append("balance", now, credits=1000)
    books.close()
    assert_made(project)
    project.assert_books_agree()


def test_over_budget_nothing_is_even_started(film: Make) -> None:
    project = film(("budget: {credits: 500}", "budget: {credits: 20}"))
    ended = project.run()
    assert ended.code == 5, ended.text
    assert not (project.root / ".shotrunner" / "backlot" / "books.jsonl").exists()
    assert not records(project, "*")


def test_words_that_do_not_fit_are_told_before_anything_is_paid(film: Make) -> None:
    long = "graphics:\n  supers:\n    - {at: pour, duration: 1, text: " + "Boils in three minutes. " * 20 + "}\n"
    card = "  end_card: {card: plain, duration: 1, fields: {headline: Alder, legal: Boil with care.}}\ndeliver:\n"
    project = film(("deliver:\n", long + card))
    project.change(("logo: {light: logo-light.png, dark: logo-dark.png}\n", ""), path="brand.yaml")
    for command in ("validate", "run"):
        ended = project.command(command, "film.yaml")
        assert ended.code == 2, ended.text
        assert "the brand kit has none" in ended.err
        assert "add `logo` to the brand kit" in ended.err
        assert re.search(r"film\.yaml:\d+:\d+: graphics\.supers\[0\]\.text: .* does not fit", ended.err), ended.text
        assert "2 errors" in ended.err
    assert not project.log.entries()


def test_a_line_that_is_too_long_stops_before_any_picture(film: Make, prefect_server: str) -> None:
    project = film(("deliver:\n", LINE))
    ended = project.run()
    assert ended.code == 3, ended.text
    assert "vo1: a line is longer than its shot" in ended.out
    assert {entry["vendor"] for entry in project.log.creates()} == {"elevenlabs"}
    assert [state for _, state in flow_states(project, prefect_server)] == ["FAILED"]


# --- two at once, and plans in files ---


def test_a_second_run_of_the_campaign_names_the_first(film: Make) -> None:
    project = film()
    first = project.start("run", "film.yaml", env={"SHOTRUNNER_BACKLOT_LATENCY": "60"})
    project.wait_for(lambda: len(records(project, "task-1.json")) == 1, first, "the task")
    second = project.run()
    assert second.code == 9, second.text
    assert re.search(rf"short is held by \S+@\S+, process {first.pid}\b", second.err), second.text
    assert first.poll() is None
    project.kill(first)
    assert len(project.creates()) == 1


@pytest.mark.slow
def test_a_second_run_that_waits_goes_on_when_the_first_has_ended(film: Make) -> None:
    project = film()
    lease = acquire_lease(project.store, SystemClock(), "short")
    waiting = project.start("run", "film.yaml", "--wait", "--json")
    try:
        assert waiting.stdout is not None
        seen = next(line for line in waiting.stdout if '"lease"' in line)
        assert f"process {os.getpid()}" in json.loads(seen)["why"]
        with pytest.raises(subprocess.TimeoutExpired):  # it waits while the first one lives
            waiting.wait(2)
        assert project.creates() == []
    finally:
        lease.release()
    ended = end(waiting)
    assert ended.code == 0, ended.text
    assert len(project.creates()) == 1


def test_a_plan_goes_on_after_a_crash_and_is_refused_when_it_is_stale(film: Make) -> None:
    project = film(TWO_TAKES)
    assert project.command("plan", "film.yaml", "--out", "plan.json").code == 0
    process = project.start("run", "plan.json", env={"SHOTRUNNER_BACKLOT_LATENCY": "5"})
    project.wait_for(lambda: len(records(project, "task-1.json")) == 2, process, "both tasks")
    project.kill(process)
    ended = project.command("run", "plan.json")
    assert ended.code == 0, ended.text
    assert len(project.creates()) == 2
    again = project.command("run", "plan.json")
    assert again.code == 0, again.text
    assert "nothing to do" in again.out
    plans = {json.loads(p.read_text())["plan"] for p in records(project, "intent-*.json")}
    assert len(plans) == 1
    project.change(("steady stream", "thin stream"))
    stale = project.command("run", "plan.json")
    assert stale.code == 2, stale.text
    assert "the manifest" in stale.err
    project.assert_books_agree()
    assert len([e for e in read_entries(project.store, "short") if e.kind == "reserve"]) == 2
