"""A schedule carried out on the backlot: the same day twice, the next week with a changed offer; and the commands
around it, as people type them. Pictures are an eighth of their size; all else is what `run --schedule` does."""

from __future__ import annotations

import csv
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import Shotrunner
from projects import PATIENCE, SHORT, Project, clean_environment, write_project
from weeks import CHANGES, CUPS, OFFERS, WEEKLY, Clock, Weekly, write_weekly

# What `run --schedule weekly.yaml --date DAY` does once its words are understood.
START = """\
import sys
from pathlib import Path
from flows.apply import apply_prepared
from flows.scheduling import begin_scheduled, find_occurrence, prepare_scheduled
from manifests.plan import Options
from manifests.scheduled import read_schedule
file = Path("weekly.yaml")
occurrence = find_occurrence(read_schedule(file).schedule, sys.argv[1])
anew = sys.argv[2:] == ["--anew"]
planned = begin_scheduled(prepare_scheduled(file, occurrence, options=Options(picture_scale=8), anew=anew))
if sys.argv[2:] == ["--late"]:  # another process settles it anew before this one has the campaign's lease
    offers = Path("data/offers.csv")
    offers.write_text(offers.read_text().replace("tea for two", "tea for three"))
    begin_scheduled(prepare_scheduled(file, occurrence, anew=True))
sys.exit(apply_prepared(planned.prepared, None, yes=False, json=True))
"""


def begin(project: Project, *words: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START, *words], cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**clean_environment(), **project.environment, **env}, text=True,
    )  # fmt: skip


def start(project: Project, *words: str, code: int = 0) -> dict[str, Any]:
    """The last line that it says."""
    process = begin(project, *words)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, err[-3000:] + out[-2000:]
    return dict(json.loads(out.splitlines()[-1]))


@pytest.fixture
def weeks(tmp_path: Path, prefect_server: str) -> Project:
    """The short film by the schedule of `weeks`, in a year with the days of 2026: its rows end after our time."""
    project = write_project(tmp_path / "p", SHORT, "short", {"PREFECT_API_URL": prefect_server})
    project.change(*CHANGES)
    (project.root / "data").mkdir()
    for name, text in (("weekly.yaml", WEEKLY), ("data/offers.csv", OFFERS), ("data/cups.csv", CUPS)):
        (project.root / name).write_text(text.replace("2026-", "2054-"))
    return project


def test_a_week_is_carried_out_once_and_the_next_buys_what_changed(weeks: Project) -> None:
    project = weeks
    limit = ("override:\n", "budget: {per_run: {credits: 30}, when_exceeded: deliver-what-fits}\noverride:\n")
    project.change(limit, path="weekly.yaml")
    poor = start(project, "2054-12-14", code=5)  # the first film is there, and the other one is named
    assert (len(project.creates()), len(poor["films"])) == (1, 1)
    assert poor["problems"][0]["detail"] == "1 film is left out, as there is no money for them: blue"
    project.change(("credits: 30", "credits: 60"), path="weekly.yaml")
    first = start(project, "2054-12-14")
    assert (len(project.creates()), first["exit_code"], len(first["films"])) == (2, 0, 2)
    assert project.record.scheduled is not None
    assert (project.record.scheduled.name, project.record.scheduled.date, project.record.scheduled.week) == (
        "weekly", "2054-12-14", "2054-W51",
    )  # fmt: skip
    assert project.record.scheduled.params == {"offer": "tea for two", "week": "2054-W51"}
    again = start(project, "2054-12-14")
    assert (again["calls"], again["encodes"], len(project.creates())) == (0, 0, 2)
    after = start(project, "2054-12-21")  # the white cup is new; the green one's words are drawn anew
    assert (len(project.creates()), after["exit_code"], len(after["films"])) == (3, 0, 2)
    project.assert_nothing_twice()
    project.assert_books_agree()


@pytest.mark.slow
def test_an_offer_that_has_ended_is_drawn_anew_and_no_take_is_bought(weeks: Project) -> None:
    """It ended before anybody could deliver it: the films are there, and refused until the start is settled anew."""
    project = weeks
    offers = project.root / "data" / "offers.csv"
    offers.write_text("from,to,offer\n2026-01-01,2026-01-11,tea for two\n")
    project.change(('"30 5 * * 1"', '"30 5 5 1 *"'), path="weekly.yaml")
    over = start(project, "2026-01-05", code=7)
    assert (over["films"], len(project.creates()), len(project.record.over)) == ([], 2, 2)
    told = over["problems"][0]
    assert told["detail"].endswith(".mp4 was good until 2026-01-11 (Europe/London), says data/offers.csv:2")
    assert "shotrunner run --schedule weekly.yaml --date 2026-01-05 --anew" in told["remedy"]
    out = project.root / "out" / "short"
    assert not list(out.rglob("*.mp4")) + list(out.rglob("trafficking.csv"))
    offers.write_text("from,to,offer\n2026-01-01,2099-12-31,tea for three\n")
    assert start(project, "2026-01-05", code=7)["films"] == [], "what was settled stands until somebody says otherwise"
    anew = start(project, "2026-01-05", "--anew")
    assert (anew["exit_code"], anew["calls"], len(anew["films"]), len(project.creates())) == (0, 0, 2, 2)
    assert anew["scheduled"]["params"]["offer"] == "tea for three"
    rows = list(csv.DictReader((out / "trafficking.csv").read_text().splitlines()))
    assert [row["valid_to"] for row in rows] == ["2099-12-31", "2054-12-20"]
    sidecars = [json.loads(path.read_bytes()) for path in (out / "youtube-instream").glob("*.json")]
    rows_of = sorted(told["valid_to_row"] for told in sidecars)
    assert rows_of == ["data/cups.csv:3", "data/offers.csv:2"], "the blue cup goes first"
    offers.write_text("from,to,offer\n2026-01-01,2099-11-30,tea for three\n")
    refused = project.command("run", "--schedule", "weekly.yaml", "--date", "2026-01-05", "--anew")
    assert refused.code == 2
    assert "the start is done: 2026-01-05 was made and delivered by run" in refused.err
    project.assert_nothing_twice()
    project.assert_books_agree()


@pytest.mark.slow
def test_a_start_that_was_killed_is_settled_anew_and_nothing_is_bought_twice(weeks: Project) -> None:
    project = weeks
    process = begin(project, "2054-12-14", SHOTRUNNER_BACKLOT_LATENCY="8")
    takes = project.root / ".shotrunner" / "store" / "v1" / "takes"
    project.wait_for(lambda: len(list(takes.glob("*/task-1.json"))) == 2, process, "two tasks")
    project.kill(process)
    project.change(("tea for two", "tea for three"), path="data/offers.csv")
    anew = start(project, "2054-12-14", "--anew")
    assert (anew["exit_code"], anew["calls"], len(anew["films"])) == (0, 0, 2), "what was paid is collected"
    assert anew["scheduled"]["params"]["offer"] == "tea for three"
    assert len(project.creates()) == 2
    project.assert_nothing_twice()
    project.assert_books_agree()


@pytest.mark.slow
def test_a_plan_of_before_it_was_settled_anew_buys_nothing(weeks: Project) -> None:
    late = start(weeks, "2054-12-14", "--late", code=2)
    assert [problem["summary"] for problem in late["problems"]] == ["the plan is stale"]
    assert "the start of 2054-12-14 was settled anew by" in late["problems"][0]["detail"]
    assert weeks.creates() == []


# --- as people type it ---


@pytest.fixture
def weekly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path) -> Weekly:
    found = write_weekly(tmp_path / "weekly")
    monkeypatch.chdir(found.root)
    return found


def test_the_next_starts_are_listed(weekly: Weekly, shotrunner: Shotrunner, no_network: None) -> None:
    cost = "2 variants  240 play credits"
    answer = shotrunner("schedule", "preview", "weekly.yaml", "--from", "2026-12-14", "--next", 3)
    assert (answer.code, answer.out.splitlines()) == (0, [
        f"2026-12-14 05:30 Europe/London  week 2026-W51  offer tea for two  cup green, blue  {cost}",
        f"2026-12-21 05:30 Europe/London  week 2026-W52  offer tea for one  cup green, white  {cost}",
        "2026-12-28                      skipped (skip_dates)",
        f"2027-01-04 05:30 Europe/London  week 2027-W01  offer tea for one  cup green, white  {cost}",
    ])  # fmt: skip
    facts = shotrunner("schedule", "preview", "weekly.yaml", "--from", "2026-12-14", "--next", 1, "--json").facts
    assert (facts["schedule"], facts["starts"][0]["credits"], facts["starts"][0]["instant"]) == (
        "weekly", 240, "2026-12-14T05:30:00+00:00",
    )  # fmt: skip


def test_a_cell_of_several_lines_stays_on_its_line(weekly: Weekly, shotrunner: Shotrunner) -> None:
    weekly.edit("data/offers.csv", "tea for two", '"tea\nfor two"')
    answer = shotrunner("schedule", "preview", "weekly.yaml", "--from", "2026-12-14", "--next", 1)
    assert "  offer tea / for two  cup" in answer.out
    assert len(answer.out.splitlines()) == 1


def test_a_start_that_cannot_be_settled_is_told_with_its_line(weekly: Weekly, shotrunner: Shotrunner) -> None:
    weekly.edit("data/offers.csv", "2026-12-21,,", "2026-12-21,2026-12-31,")
    answer = shotrunner("schedule", "preview", "weekly.yaml", "--from", "2026-12-21", "--next", 2)
    assert answer.code == 2
    assert answer.out.splitlines()[-1] == "2027-01-04 05:30 Europe/London  week 2027-W01  1 problem"
    assert answer.err.startswith(
        "data/offers.csv:3: params.offer: no row is good on 2027-01-04: line 3 ends on 2026-12-31"
    )


def test_clock_changes_are_told(weekly: Weekly, shotrunner: Shotrunner) -> None:
    weekly.edit(
        "weekly.yaml", 'cron: "30 5 * * 1", timezone: Europe/London', 'cron: "30 1 * * *", timezone: Europe/London'
    )
    weekly.edit("data/offers.csv", "2026-12-07", "2026-01-01")
    autumn = shotrunner("schedule", "preview", "weekly.yaml", "--from", "2026-10-25", "--next", 1)
    assert autumn.out.splitlines()[1] == "    clocks change: 01:30 comes twice, it starts the first time"
    spring = shotrunner("schedule", "preview", "weekly.yaml", "--from", "2026-03-29", "--next", 1)
    assert spring.out.splitlines()[1] == ("    clocks change: there is no 01:30 on 2026-03-29, it starts at 00:30 GMT")


@pytest.mark.parametrize(("words", "told"), [
    ((), "run takes a manifest, or --schedule"),
    (("film.yaml", "--schedule", "weekly.yaml", "--date", "2026-12-14"), "run takes a manifest, or --schedule"),
    (("--schedule", "weekly.yaml"), "--schedule needs a day"),
    (("film.yaml", "--date", "2026-12-14"), "--date and --dry-run belong to --schedule"),
    (("film.yaml", "--dry-run"), "--date and --dry-run belong to --schedule"),
    (("--schedule", "weekly.yaml", "--date", "tomorrow"), "`tomorrow` is no day"),
    (("--schedule", "weekly.yaml", "--date", "2026-12-15"), "nothing starts on 2026-12-15"),
    (("--schedule", "none.yaml", "--date", "2026-12-15"), "none.yaml: no such file"),
])  # fmt: skip
def test_words_that_do_not_go_together(weekly: Weekly, shotrunner: Shotrunner, words: Any, told: str) -> None:
    answer = shotrunner("run", *words)
    assert answer.code == 2
    assert told in answer.err


def test_a_dry_run_shows_the_plan_and_writes_nothing(weekly: Weekly, shotrunner: Shotrunner) -> None:
    words = ("run", "--schedule", "weekly.yaml", "--date", "2026-12-14", "--dry-run")
    answer = shotrunner(*words)
    assert answer.code == 0
    assert answer.out.startswith("weekly: 2026-12-14 05:30 Europe/London  offer tea for two, week 2026-W51\n")
    assert "240 play credits" in answer.out
    assert not (weekly.root / ".shotrunner").exists()
    facts = shotrunner(*words, "--json").facts
    assert (facts["schedule"], facts["params"]["offer"], facts["credits"]["total"]) == ("weekly", "tea for two", 240)


def test_who_is_asked_until_when_is_told(weekly: Weekly, shotrunner: Shotrunner) -> None:
    gates = "approvals: {takes: {by: [art], deadline: Tue 12:00}, cut: {by: [brand, legal], needed: 2}}"
    weekly.edit("weekly.yaml", "override:\n", f"{gates}\noverride:\n")
    words = ("run", "--schedule", "weekly.yaml", "--date", "2026-12-14", "--dry-run")
    assert shotrunner(*words).out.splitlines()[1:3] == [
        "  gate takes: art until Tue 2026-12-15 12:00, then hold", "  gate cut: 2 of brand, legal",
    ]  # fmt: skip
    told = shotrunner(*words, "--json").facts["gates"]
    assert [(gate["gate"], gate["deadline"]) for gate in told] == [
        ("takes", "2026-12-15T12:00:00+00:00"),
        ("cut", None),
    ]


def test_a_day_that_is_skipped_does_nothing(weekly: Weekly, shotrunner: Shotrunner) -> None:
    answer = shotrunner("run", "--schedule", "weekly.yaml", "--date", "2026-12-28")
    assert (answer.code, answer.out) == (
        0, "weekly: 2026-12-28 05:30 Europe/London: skipped (skip_dates); nothing is done\n",
    )  # fmt: skip
    assert not (weekly.root / ".shotrunner").exists()


def test_a_paid_month_that_is_full_stops_the_start(
    weekly: Weekly, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, no_network: None
) -> None:
    """Real credits, were it not on paper: nothing is sent, and the start is on record with what was settled."""
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "5a" * 64)
    weekly.edit("weekly.yaml", "override:\n", "budget: {per_month: {credits: 300}}\noverride:\n")
    weekly.edit("data/offers.csv", "2026-12-07", "2026-01-01")
    now = dt.datetime.now(dt.UTC)
    mondays = [now - dt.timedelta(days=now.weekday() + 7 * weeks) for weeks in (0, 1)]
    clock = Clock()
    clock.set(*now.timetuple()[:5])
    bought = weekly.begin(f"{mondays[1]:%Y-%m-%d}", clock)
    weekly.film_of(bought, at=now)
    weekly.edit("data/cups.csv", "green,matte green", "olive,olive green")
    answer = shotrunner("run", "--schedule", "weekly.yaml", "--date", f"{mondays[0]:%Y-%m-%d}", "--yes")
    assert answer.code == 5, answer.err
    assert f"budget.per_month is 300 credits, 240 are spent in {now:%Y-%m}" in answer.err
    assert "--budget +N" in answer.err


def test_a_schedule_stands_for_its_next_start(weekly: Weekly, shotrunner: Shotrunner) -> None:
    weekly.edit("data/offers.csv", "2026-12-07", "2026-01-01")
    checked = shotrunner("validate", "weekly.yaml")
    assert checked.code == 0, checked.err
    assert checked.out.startswith("ok, as it starts on 20")
    facts = shotrunner("plan", "weekly.yaml", "--json").facts
    assert (facts["campaign"], facts["credits"]["total"]) == ("paper", 240)
    assert f"\n  weekly: {checked.out.removeprefix('ok, ')}" in shotrunner("status", "weekly.yaml").out
    assert "--out and --compare are for a manifest" in shotrunner("plan", "weekly.yaml", "--out", "plan.json").err
    alone = shotrunner("validate", "film.yaml")
    assert alone.code == 2
    assert "a schedule sets parameters: there is none" in alone.err


@pytest.mark.parametrize("before", [(), ("product",), ("film",)])
def test_a_starter_of_a_schedule_runs_the_film_that_is_there(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shotrunner: Shotrunner, before: tuple[str, ...]
) -> None:
    folder = tmp_path / "first"
    for kind in before:
        assert shotrunner("init", kind, folder).code == 0
    answer = shotrunner("init", "schedule", folder)
    assert answer.code == 0
    assert answer.out.startswith(f"wrote {folder / 'schedule.yaml'}\n")
    assert answer.out.endswith(f"next: shotrunner schedule preview {folder / 'schedule.yaml'}\n")
    assert ("put yours in their place" in answer.out) == (not before)
    monkeypatch.chdir(folder)
    listed = shotrunner("schedule", "preview", "schedule.yaml", "--from", "2026-12-14", "--next", 2)
    assert listed.code == 0, listed.err
    assert ["New in our shops" in listed.out, "Time for tea" in listed.out] == [True, True]
    assert shotrunner("validate", "schedule.yaml").code == 0
    assert shotrunner("init", "schedule", folder).code == 2
