"""`fit: extend` from manifest to films: the speech first, then pictures as long as it needs; no picture twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from command import Shotrunner
from paper import AT, BRAND, Paper
from projects import PATIENCE, Project, clean_environment, write_project

from flows.explain_clip import clip_facts
from flows.prepare import make_plan, plan_pictures
from flows.refusals import refuse_over_budget
from flows.stored_plan import store_inputs
from flows.views import run_header
from infra.clock import SystemClock
from infra.errors import BudgetExceededError
from infra.measured import AS_BOUGHT, speech_params
from infra.records import create_record
from infra.state import StoreState
from infra.steps import step_key_of
from manifests.diagnostics import ManifestError
from manifests.journal import StepResult
from manifests.naming import step_record_key
from manifests.plan import Verb

VOICES = "voices: {warm: {provider: elevenlabs, voice_id: EXAMPLE, rights: {basis: synthetic}}}\n"
FILM = """\
manifest: 1
kind: spot
name: paper
brand: brand.yaml
copy: copy.yaml
variants:
  axes: {locale: [en-GB, de-DE]}
generate: {model: gen4.5, takes: 1, ratio: "16:9"}
shots:
  - id: pour
    duration: 2
    prompt:
      subject: A matte green kettle
      action: hot water pours in one steady stream into a cup
      environment: on the worktop of a kitchen
      camera: slow push in at cup height
      mood: warm side light, visible steam
  - id: sip
    duration: 1
    prompt:
      subject: A white cup
      action: steam rises slowly and drifts to the right
      environment: on the worktop of a kitchen
      camera: static close shot
      mood: warm side light, visible steam
sound:
  voiceover:
    voice: warm
    language: ${locale}
    fit: {max_speedup: 1.05, otherwise: extend}
    lines: [{id: line, at: pour, offset: 0.25, text: "${copy.line}"}]
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 500}
"""
COPY = """\
en-GB: {line: Warm hands.}
de-DE: {line: "Warme Hände, ein stiller Morgen und eine Tasse Tee."}
"""
SECONDS = {"line@en-GB": 1.2, "line@de-DE": 3.05}  # 3.05 s at 1.05 times the speed are 70 frames, after an offset of 6
LATER = "this plan is of the speech alone"


@pytest.fixture
def slow(paper: Paper) -> Paper:
    """A film whose German line is longer than its shot. Nothing is bought."""
    for name, text in (("film.yaml", FILM), ("brand.yaml", BRAND + VOICES), ("copy.yaml", COPY)):
        (paper.root / name).write_text(text)
    return paper


def measure(paper: Paper, seconds: Mapping[str, float] = SECONDS) -> None:
    """As the speech step would: what the lines that are there take."""
    prepared = paper.prepared()
    for address, ends in seconds.items():
        result = prepared.planner.walks[f"{address}/line"].wanted[0].result
        assert result is not None
        key = step_key_of("speech", speech_params(AS_BOUGHT), {"sound": result.blob})
        facts = {"seconds": ends + 0.1, "starts": 0.0, "ends": ends}
        record = StepResult(key=key, name="speech", version=1, facts=facts, files={}, at=AT)
        create_record(prepared.store, step_record_key(key), record)


def say(paper: Paper, seconds: Mapping[str, float] = SECONDS, **failed: str) -> None:
    paper.film(failed={f"line@{locale.replace('_', '-')}/line-1": why for locale, why in failed.items()})
    measure(paper, seconds)


def takes(paper: Paper) -> dict[str, int]:
    return {w.address: w.seconds for w in paper.prepared().plan.wants if w.what == "take"}


# --- the plan ---


def test_without_speech_the_plan_is_of_the_speech_and_says_what_comes_after(
    slow: Paper, shotrunner: Shotrunner
) -> None:
    plan = slow.prepared().plan
    assert {w.what for w in plan.wants} == {"speech"}
    assert slow.buys() == ["line@en-GB/line-1", "line@de-DE/line-1"]
    assert plan.with_pictures is not None
    assert (plan.totals.credits, plan.with_pictures.credits) == (2, 2 + 12 * (2 + 2))
    assert any(LATER in line and "about 48 credits more" in line for line in run_header(plan))
    answer = shotrunner("plan", "film.yaml", "--detailed-exitcode")
    assert answer.code == 10
    assert "later  50 with the pictures, at the lengths known now" in answer.out
    facts = shotrunner("plan", "film.yaml", "--json").facts
    assert (facts["credits"]["total"], facts["with_pictures"]["credits"]) == (2, 50)


def test_with_the_speech_the_shot_is_as_long_as_the_longest_line_needs(slow: Paper) -> None:
    say(slow)
    prepared = slow.prepared()
    plan = prepared.plan
    assert plan.with_pictures is None
    assert takes(slow) == {"pour": 4, "sip": 2}  # 76 frames of pour: one purchase, and as long as the German needs
    cuts = {v.name: plan.cut(v, prepared.checked.models) for v in plan.variants}
    assert {name: [part.screen for part in cut.shots] for name, cut in cuts.items()} == {
        "en-GB": [48, 24], "de-DE": [76, 24],
    }  # fmt: skip
    assert {name: cut.frames for name, cut in cuts.items()} == {"en-GB": 72, "de-DE": 100}
    assert float(plan.totals.screen_seconds) == pytest.approx((72 + 100) / 24)
    assert "pour: longer than written: 1.167 s for line in de-DE, which takes 3.05 s" in plan.notices


def test_the_same_store_gives_the_same_plan_and_nothing_is_bought_again(slow: Paper) -> None:
    say(slow)
    assert slow.prepared().plan.digest == slow.prepared().plan.digest
    slow.film()
    slow.ran()
    assert slow.buys() == []
    (slow.root / "copy.yaml").write_text(COPY.replace("Warm hands.", "Warmer hands."))
    assert slow.buys() == ["line@en-GB/line-1"], "only the words that changed"
    slow.film()
    measure(slow, {"line@en-GB": 1.5})
    assert slow.buys() == [], "a line that is shorter than the other buys no picture"


def test_a_line_that_nobody_measured_is_waited_for(slow: Paper) -> None:
    slow.film()
    plan = slow.prepared().plan
    assert (plan.is_speech, plan.purchases, plan.unfinished) == (True, (), True)


def test_a_line_that_cannot_be_had_holds_no_other_film_up(slow: Paper) -> None:
    say(slow, {"line@en-GB": 1.9}, de_DE="moderation")
    prepared = slow.prepared()
    assert (prepared.plan.is_speech, takes(slow)) == (False, {"pour": 3, "sip": 2})
    verbs = {a.id: a.verb for a in prepared.plan.actions}
    assert (verbs["line@de-DE/line-1"], verbs["pour/take-1"]) == (Verb.GIVE_UP, Verb.BUY)


def test_after_the_speech_everything_is_planned_and_not_before(slow: Paper) -> None:
    spoken = slow.prepared()
    state = StoreState(spoken.store, SystemClock())
    assert plan_pictures(spoken, state) is None, "nothing is bought yet"
    slow.film()
    later = plan_pictures(spoken, StoreState(spoken.store, SystemClock()))
    assert later is not None, "a line that cannot be measured must not stop the other films for ever"
    assert {w.address for w in later.plan.wants if w.what == "take"} == {"pour", "sip"}
    measure(slow)
    assert plan_pictures(slow.prepared(), state) is None, "that plan is of everything already"


# --- money and what cannot be ---


def test_speech_whose_pictures_nobody_can_pay_is_not_bought(slow: Paper, shotrunner: Shotrunner) -> None:
    slow.change("budget: {credits: 500}", "budget: {credits: 40, reroll_reserve: 0}")
    with pytest.raises(BudgetExceededError, match="speech and pictures cost at least 50 credits; 40 are allowed"):
        refuse_over_budget(slow.prepared().plan)
    assert shotrunner("plan", "film.yaml").code == 5


def run_on_paper(paper: Paper, runs: list[list[str]]) -> Callable[..., int]:
    """Stands for the flow: what a plan of the speech buys is spoken; of another, its purchases are noted."""

    def flow(prepared: Any, *_: object, **__: object) -> int:
        runs.append([a.id for a in prepared.plan.purchases])
        if prepared.plan.is_speech:
            say(paper)
        return 0

    return flow


@pytest.mark.parametrize(("credits", "code"), [(60, 5), (80, 0)])
def test_over_budget_is_told_before_a_picture_is_bought(
    slow: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, credits: int, code: int
) -> None:
    runs: list[list[str]] = []
    monkeypatch.setattr("flows.apply.run_flow", run_on_paper(slow, runs))
    slow.change("budget: {credits: 500}", f"budget: {{credits: {credits}, reroll_reserve: 0}}")
    answer = shotrunner("run", "film.yaml")
    assert answer.code == code, answer.err
    assert runs[0] == ["line@en-GB/line-1", "line@de-DE/line-1"]
    if code:
        assert len(runs) == 1
        assert "the plan costs 72 credits; 60 are allowed" in answer.err
    else:
        assert runs[1] == ["pour/take-1", "sip/take-1"]
        assert "pour: longer than written: 1.167 s for line in de-DE" in answer.out


def test_a_film_that_its_placement_does_not_take_is_refused_before_pictures(
    slow: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[list[str]] = []
    monkeypatch.setattr("flows.apply.run_flow", run_on_paper(slow, runs))
    slow.change("profile: youtube-instream", "profile: youtube-bumper")
    slow.change("duration: 1\n", "duration: 3.5\n")
    answer = shotrunner("run", "film.yaml")
    assert answer.code == 2
    assert len(runs) == 1, "the speech, and no picture"
    assert "youtube-bumper takes at most 6 s; the film has 6.667 s" in answer.err
    assert "line in de-DE takes 3.05 s" in answer.err
    with pytest.raises(ManifestError, match="youtube-bumper"):
        slow.prepared()


def test_real_credits_are_asked_for_twice(slow: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[list[str]] = []
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)
    monkeypatch.setenv("ELEVENLABS_API_KEY", "k" * 32)
    monkeypatch.setattr("flows.apply.run_flow", run_on_paper(slow, runs))
    monkeypatch.setattr("flows.apply.refuse_unexplained", lambda _: "")
    refused = shotrunner("run", "film.yaml")
    assert (refused.code, runs) == (2, [])
    assert "the plan costs 2 credits and nobody can be asked" in refused.err
    assert shotrunner("run", "film.yaml", "--yes").code == 0
    assert [len(run) for run in runs] == [2, 2]


# --- who only looks ---


def test_who_only_looks_sees_pictures_at_the_lengths_known_now(slow: Paper, shotrunner: Shotrunner) -> None:
    told = shotrunner("status", "film.yaml").out
    assert "pour" in told
    assert "not every line is there; shots may become longer" in told
    assert "not every line is there" in " ".join(make_plan(slow.manifest, stage="all").plan.notices)
    bills = shotrunner("plan", "film.yaml", "--compare", "model=gen4.5,gen4_turbo", "--json").facts["bills"]
    assert bills[0]["credits"] == 50
    say(slow)
    assert "not every line" not in shotrunner("status", "film.yaml").out
    german = shotrunner("explain", "film.yaml", "--variant", "de-DE").out
    assert "shots[0].duration: 3.167   [film.yaml:11, longer by 1.167 s for its lines]" in german
    assert "shots[0].duration: 2   [film.yaml:11]" in shotrunner("explain", "film.yaml").out
    assert clip_facts(make_plan(slow.manifest, stage="all"), "pour")["wants"][0]["seconds"] == 4


def test_a_retake_of_a_picture_waits_for_the_speech(slow: Paper, shotrunner: Shotrunner) -> None:
    answer = shotrunner("retake", "film.yaml", "--shot", "pour")
    assert answer.code == 2
    assert "no picture of 'pour' is planned before the speech is there" in answer.err


@pytest.mark.parametrize("words", [(), ("--yes",)])
def test_a_retake_of_a_line_leads_to_pictures_when_their_price_was_agreed_to(
    slow: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    runs: list[list[str]] = []
    slow.change('ratio: "16:9"}\nshots', 'ratio: "16:9", retry: {attempts: 1}}\nshots')
    say(slow, {"line@en-GB": 1.2}, de_DE="internal")
    assert takes(slow) == {"pour": 2, "sip": 2}

    def flow(prepared: Any, *_: object, **__: object) -> int:
        runs.append([a.id for a in prepared.plan.purchases])
        if prepared.plan.is_speech:
            slow.film()
            measure(slow, {"line@de-DE": 3.05})
        return 0

    monkeypatch.setattr("flows.apply.run_flow", flow)
    answer = shotrunner("retake", "film.yaml", "--failed", *words)
    assert answer.code == 0, answer.err
    assert runs == [["line@de-DE/line-2"], *([["pour/take-1", "sip/take-1"]] if words else [])]
    assert ("The pictures: shotrunner plan" in answer.out) is not bool(words)
    assert takes(slow) == {"pour": 4, "sip": 2}


def test_the_last_run_is_the_one_that_made_films(slow: Paper) -> None:
    """What changed is told against it, and a run of the speech alone has no films to circle or deliver."""
    say(slow)
    slow.film()
    slow.ran()
    slow.change("slow push in at cup height", "slow dolly in at cup height")
    (slow.root / "copy.yaml").write_text(COPY.replace("Warm hands.", "Warmer hands."))
    spoken = slow.prepared()
    assert [a.reason for a in spoken.plan.purchases] == ["stale because its text changed"]
    say(slow, {"line@en-GB": 1.3})
    reasons = {a.id: a.reason for a in slow.prepared().plan.purchases}
    assert reasons == {"pour/take-1": "stale because its prompt changed"}


# --- a stored plan ---


def test_a_stored_plan_of_the_speech_buys_the_speech_and_nothing_else(
    slow: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[list[str]] = []
    monkeypatch.setattr("flows.apply.run_flow", run_on_paper(slow, runs))
    assert shotrunner("plan", "film.yaml", "--out", "plan.json").code == 0
    answer = shotrunner("run", "plan.json")
    assert answer.code == 0, answer.err
    assert runs == [["line@en-GB/line-1", "line@de-DE/line-1"]]
    assert "The pictures: shotrunner plan film.yaml --out plan.json" in answer.out
    stale = shotrunner("run", "plan.json")  # on paper somebody else bought the lines
    assert (stale.code, "the ledger has changed since" in stale.err) == (2, True)
    assert shotrunner("plan", "film.yaml", "--out", "plan.json").code == 0
    assert shotrunner("run", "plan.json").code == 0
    assert runs[1] == ["pour/take-1", "sip/take-1"]


def test_a_plan_with_pictures_is_kept_whole(slow: Paper) -> None:
    say(slow)
    plan = slow.prepared().plan
    again = type(plan).model_validate_json(plan.model_dump_json(by_alias=True))
    assert again.digest == plan.digest
    assert [v.spot.shots[0].duration for v in again.variants] == [v.spot.shots[0].duration for v in plan.variants]
    assert store_inputs(slow.prepared()) == plan.digest


# --- a run ---

RUN = """\
import sys
from pathlib import Path
from flows.apply import apply_prepared
from flows.prepare import make_plan
from manifests.plan import Options

prepared = make_plan(Path("film.yaml"), options=Options(picture_scale=8))
sys.exit(apply_prepared(prepared, Path("out"), yes=True, json=True))
"""


def run_tiny(project: Project) -> list[dict[str, Any]]:
    """Its events: what `run --json` prints, with pictures an eighth of their size."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN], cwd=project.root, env={**clean_environment(), **project.environment},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> tuple[Project, list[dict[str, Any]]]:
    root = tmp_path_factory.mktemp("extend") / "p"
    project = write_project(root, FILM, "paper", {"PREFECT_API_URL": prefect_server})
    (root / "copy.yaml").write_text(COPY)
    return project, run_tiny(project)


def test_one_command_buys_the_speech_then_pictures_as_long(run: tuple[Project, list[dict[str, Any]]]) -> None:
    project, events = run
    ends = [e for e in events if e["message_type"] in ("spoken", "done")]
    assert [(e["message_type"], e["exit_code"], e["speech_only"], e["calls"]) for e in ends] == [
        ("spoken", 0, True, 2), ("done", 0, False, 2),
    ]  # fmt: skip
    paths = [entry["path"].split("/")[2] for entry in project.log.creates()]
    assert paths == ["text-to-speech"] * 2 + ["text_to_video"] * 2, "no picture before the last line"
    project.assert_nothing_twice()
    project.assert_books_agree()


def test_every_film_has_the_length_that_its_line_needs(run: tuple[Project, list[dict[str, Any]]]) -> None:
    project, events = run
    fits = {fit["locale"]: fit for fit in events[-1]["fits"]}
    assert (fits["en-GB"]["longer"], fits["en-GB"]["speed"]) == (0, "1")
    longer = round(fits["de-DE"]["longer"] * 24)
    assert longer > 0
    assert 1 <= float(fits["de-DE"]["speed"]) <= 1.05
    frames = {}
    for path in sorted((project.root / "out").rglob("*_v01.json")):
        told = json.loads(path.read_text())
        locale = "de-DE" if "de-DE" in path.name else "en-GB"
        frames[locale] = told["measured"]["measured"]["frames"]
        assert told["measured"]["ok"] is True
        assert ("shot_longer_by" in told["speech"][0]) is (locale == "de-DE")
        assert told["shots"][0]["film_frames"] == [0, frames[locale] - 24]
    assert frames == {"en-GB": 72, "de-DE": 72 + longer}
    page = (project.root / "out" / "dailies.html").read_text()
    assert f"its shot is {fits['de-DE']['longer']:.3f} s longer than written" in page
    assert any("pour: longer than written" in notice for notice in events[-1]["notices"])


def test_the_second_run_has_nothing_to_do(run: tuple[Project, list[dict[str, Any]]]) -> None:
    project, _ = run
    before = len(project.creates())
    assert [e["message_type"] for e in run_tiny(project)] == ["done"]
    assert len(project.creates()) == before


def test_a_stored_plan_of_the_speech_may_be_applied_again(tmp_path: Path, prefect_server: str) -> None:
    project = write_project(tmp_path / "p", FILM, "paper", {"PREFECT_API_URL": prefect_server})
    (project.root / "copy.yaml").write_text(COPY)
    assert project.command("plan", "film.yaml", "--out", "plan.json").code == 0
    for calls in (2, 2):
        ended = project.command("run", "plan.json")
        assert ended.code == 0, ended.text
        assert "the speech is there; its plan holds nothing else" in ended.out
        assert len(project.creates()) == calls
