"""Only what failed or was rejected is made anew, under numbers of its own; everything that is done is left alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Shotrunner
from paper import RUN, Paper
from projects import Project

import infra.providers.wire
from infra.clock import SystemClock
from infra.errors import ProgramMissingError, UnexplainedSpendError
from infra.lease import acquire_lease
from infra.ledger import read_entries, read_history, spent_and_reserved
from infra.selections import change_selection
from manifests.journal import TakeState


@pytest.fixture(autouse=True)
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor cannot be reached from here, and nobody wants to wait for that."""
    monkeypatch.setattr(infra.providers.wire, "READ_TRIES", 1)


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each run that got past every gate would have bought; it ends there, before Prefect is imported."""
    runs: list[list[str]] = []

    def note(prepared: Any, *_: object, **__: object) -> int:
        runs.append([a.id for a in prepared.plan.purchases])
        return 0

    monkeypatch.setattr("flows.apply.run_flow", note)
    return runs


def snapshot(root: Path) -> dict[str, bytes]:
    store = root / ".shotrunner" / "store"
    return {str(p.relative_to(store)): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file()}


def test_failed_takes_get_numbers_of_their_own(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film(failed={f"pour/take-{n}": "internal" for n in (2, 3, 4)})
    paper.ran()
    assert paper.buys() == [], "tried three times, so its place stays empty"
    answer = shotrunner("retake", RUN, "--failed")
    assert answer.code == 0, answer.err
    assert "retake   pour take 4: internal (X.1): another take in its place" in answer.out
    assert applied == [["pour/take-5"]]
    walk = paper.prepared().planner.walks["pour/take"]
    assert [n.number for n in walk.wanted] == [1, 5]
    assert len({n.key for n in (*walk.wanted, *walk.skipped)}) == 5


def test_what_is_done_is_not_touched(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film(failed={f"pour/take-{n}": "internal" for n in (2, 3, 4)})
    paper.ran()
    before = snapshot(paper.root)
    shotrunner("retake", "paper", "--failed")
    after = snapshot(paper.root)
    changed = {key for key in after if before.get(key) != after[key]}
    assert {key.split("/")[1] for key in changed if key.startswith("v1/")} == {"selections", "plans", "leases"}, changed
    assert not set(before) - set(after)


def test_a_dry_run_prints_the_bill_and_changes_nothing(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]
) -> None:
    paper.film(failed={f"pour/take-{n}": "internal" for n in (2, 3, 4)})
    paper.ran()
    before = snapshot(paper.root)
    answer = shotrunner("retake", "paper", "--failed", "--dry-run")
    assert answer.code == 0
    assert "pour take 4: internal" in answer.out
    assert "total  24 play credits" in answer.out
    facts = shotrunner("retake", "paper", "--failed", "--dry-run", "--json").facts
    assert (facts["buy"], facts["credits"]["credits"]) == (["pour/take-5"], 24)
    assert snapshot(paper.root) == before
    assert applied == []


@pytest.mark.parametrize("refusal", ["input-moderated", "output-moderated", "invalid-input"])
def test_the_same_words_are_never_sent_again(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]], refusal: str
) -> None:
    paper.film(failed={"sip/take-2": refusal})
    paper.ran()
    answer = shotrunner("retake", "paper", "--failed", "--json", "--dry-run")
    assert answer.facts["retaken"] == []
    [held] = answer.facts["held"]
    assert (held["address"], held["number"]) == ("sip", 2)
    assert "held: " in held["words"]
    assert paper.buys() == []
    paper.change("the cup is lifted slowly", "the cup is raised slowly")
    facts = shotrunner("retake", "film.yaml", "--failed", "--json", "--dry-run").facts
    assert facts["buy"] == ["sip/take-1", "sip/take-2"], "other words are another request"
    assert facts["held"] == []


def test_a_known_task_is_collected_for_nothing(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film(failed={"pour/take-1": "in flight"})
    paper.ran()
    answer = shotrunner("retake", "paper", "--failed", "--dry-run")
    assert "collect  pour/take-1: in flight: paid, to be collected, 0 credits" in answer.out
    facts = shotrunner("retake", "paper", "--failed", "--dry-run", "--json").facts
    assert facts["collect"] == ["pour/take-1"]


def test_more_of_one_shot(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film()
    paper.ran()
    assert shotrunner("retake", "paper", "--shot", "sip").code == 0
    assert applied == [["sip/take-3", "sip/take-4"]]
    assert shotrunner("retake", "paper", "--shot", "sipp").code == 2


def test_one_new_take_for_each_rejected_one(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film()
    paper.ran()
    for number in (1, 2):
        shotrunner("reject", "sip", number, "--by", "art", "--reason", "motion")
    assert paper.buys() == []
    answer = shotrunner("retake", "paper", "--rejected")
    assert "sip take 1: rejected by art (motion): another take in its place" in answer.out
    assert applied == [["sip/take-3", "sip/take-4"]]
    paper.film()
    paper.ran("20261123-0600-0001")
    selections = {k: v for k, v in snapshot(paper.root).items() if "selections" in k}
    again = shotrunner("retake", "paper", "--rejected")
    assert "nothing to retake" in again.out
    assert applied[1:] in ([], [[]]), "a repeat buys nothing"
    assert {k: v for k, v in snapshot(paper.root).items() if "selections" in k} == selections


def test_giving_up_settles_an_unknown(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film(failed={"sip/take-2": "unknown"})
    paper.ran()
    key = next(n.key for n in paper.prepared().planner.walks["sip/take"].wanted if n.number == 2)
    assert read_history(paper.store, key).state() is TakeState.UNKNOWN
    spent = spent_and_reserved(paper.store, "paper", paid=False)
    assert len(spent.reserved) == 1
    answer = shotrunner("retake", "paper", "--give-up")
    assert "given up; its 36 credits stay spent" in answer.out
    history = read_history(paper.store, key)
    assert history.state() is TakeState.FAILED
    assert history.releases[0].decision == "give-up"
    now = spent_and_reserved(paper.store, "paper", paid=False)
    assert (now.total, now.reserved) == (spent.total, {})
    assert [e.kind for e in read_entries(paper.store, "paper") if e.key == key] == ["reserve", "settle"]
    assert paper.buys() == [], "given up is given up"
    assert shotrunner("retake", "paper", "--failed", "--dry-run", "--json").facts["buy"] == []


def test_buying_an_unknown_again_is_on_the_bill(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film(failed={"sip/take-2": "unknown"})
    paper.ran()
    assert shotrunner("retake", "paper", "--rebuy-unknown").code == 0
    assert applied == [["sip/take-2"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing is named to be retaken"),
        (("--give-up", "--rebuy-unknown"), "opposites"),
        (("--failed", "--budget", "300"), "+N"),
    ],
)
def test_what_makes_no_sense(paper: Paper, shotrunner: Shotrunner, words: tuple[str, ...], said: str) -> None:
    answer = shotrunner("retake", "film.yaml", *words)
    assert answer.code == 2
    assert said in answer.err


def test_real_credits_need_a_yes_before_anything_is_marked(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)
    paper.film()
    paper.ran()
    before = snapshot(paper.root)
    assert shotrunner("retake", "paper", "--shot", "sip").code == 2
    assert snapshot(paper.root) == before
    assert shotrunner("retake", "paper", "--shot", "sip", "--yes").code == 0
    assert applied == [["sip/take-3", "sip/take-4"]]


def test_unexplained_spend_stops_it_before_anything_is_marked(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> str:
        raise UnexplainedSpendError("51 credits")

    paper.film()
    paper.ran()
    before = snapshot(paper.root)
    for module in ("flows.apply", "flows.retake"):
        monkeypatch.setattr(f"{module}.refuse_unexplained", refuse)
    assert shotrunner("retake", "paper", "--shot", "sip").code == 5
    assert snapshot(paper.root) == before
    assert applied == []


def test_a_missing_program_stops_it_before_anything_is_marked(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> str:
        raise ProgramMissingError("ffmpeg")

    paper.film()
    paper.ran()
    before = snapshot(paper.root)
    monkeypatch.setattr("flows.apply.find_ffmpeg", missing)
    assert shotrunner("retake", "paper", "--shot", "sip").code == 6
    assert snapshot(paper.root) == before
    monkeypatch.undo()


def test_a_living_run_stops_it_before_anything_is_marked(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]
) -> None:
    paper.film()
    paper.ran()
    lease = acquire_lease(paper.store, SystemClock(), "paper")
    before = snapshot(paper.root)
    assert shotrunner("retake", "paper", "--shot", "sip").code == 9
    assert snapshot(paper.root) == before
    lease.release()


def test_it_waits_for_another_run_and_plans_with_what_that_run_did(
    paper: Paper, shotrunner: Shotrunner, applied: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.lease._LOOK", 0.05)
    paper.film(failed={f"pour/take-{n}": "internal" for n in (2, 3, 4)})
    paper.ran()
    lease = acquire_lease(paper.store, SystemClock(), "paper")

    def other_run() -> None:
        for number in (1, 2):
            change_selection(paper.store, paper.prepared().planner.walks["sip/take"].segment, "sip",
                             lambda s, n=number: s.model_copy(update={"extra_takes": n}))  # type: ignore[misc] # fmt: skip
        lease.release()

    ends = threading.Timer(1.0, other_run)
    ends.start()
    answer = shotrunner("retake", "paper", "--failed", "--wait")
    ends.join()
    assert answer.code == 0, answer.err
    assert answer.out.count("paper is held by") == 1
    assert answer.out.index("paper is held by") < answer.out.index("retake   pour take 4")
    assert applied == [["pour/take-5", "sip/take-3", "sip/take-4"]]


def test_over_budget_nothing_is_marked(paper: Paper, shotrunner: Shotrunner, applied: list[list[str]]) -> None:
    paper.film()
    paper.ran()
    paper.change("credits: 2000", "credits: 150")
    before = snapshot(paper.root)
    assert shotrunner("retake", "film.yaml", "--shot", "sip").code == 5
    assert snapshot(paper.root) == before
    assert shotrunner("retake", "film.yaml", "--shot", "sip", "--budget", "+100").code == 0
    assert applied == [["sip/take-3", "sip/take-4"]]


# --- once with real pictures ---


def test_from_a_gate_to_a_film_and_from_a_rejection_to_another_take(short_film: Callable[..., Project]) -> None:
    """Stopped at both gates, answered, delivered; then rejected, circled anew, retaken, each bought once."""
    project = short_film(
        ("takes: 1", "takes: 2"), ("budget:", "review: {takes: {by: [art]}, cut: {by: [legal]}}\nbudget:")
    )
    out = project.root / "out" / "short"
    ended = project.run()
    assert ended.code == 4, ended.text
    assert f"look: {Path('out/short/dailies.html')}" in ended.out
    assert "shotrunner circle pour N --by art --in short" in ended.out
    assert not list(out.glob("*.mp4"))
    assert project.record.problems[0].address == "pour"
    bought = len(project.creates())

    assert project.command("circle", "pour", "2", "--by", "art", "--note", "the steam").code == 0
    ended = project.run()
    assert ended.code == 4, ended.text
    assert list((out / "review").glob("*.mp4"))
    assert not list(out.glob("*.mp4")), "nobody has approved the film"
    assert len(project.creates()) == bought
    answers = project.root / "answers.yaml"
    sidecar = json.loads(next((out / "review").glob("*.json")).read_text())
    film = next((out / "review").glob("*.mp4"))
    answers.write_text(
        f"manifest: 1\nkind: approvals\nrun: {project.record.run_id}\ngate: cut\nby: legal\n"
        'at: "2026-11-23T14:02:11+00:00"\ndecisions:\n'
        f"  - {{clip: 16x9-youtube-instream, sha256: {sidecar['files'][film.name]['sha256']}, decision: approve}}\n"
    )
    approved = project.command("approve", project.record.run_id, "answers.yaml")
    assert approved.code == 0, approved.text
    ended = project.run()
    assert ended.code == 0, ended.text
    assert (out / film.name).read_bytes() == film.read_bytes()
    assert ended.out.count("0 vendor calls") == 1
    assert ", 0 play credits; 0 encodes" in ended.out, "only the sidecar is written anew"
    [word] = json.loads(next(out.glob("*_v01.json")).read_text())["said"]
    assert (word["decision"], word["by"], word["at"]) == ("approve", "legal", "2026-11-23T14:02:11+00:00")
    assert "approved by legal" in (out / "dailies.html").read_text()
    again = project.run()
    assert "nothing to do" in again.out, again.text
    [shot] = sidecar["shots"]
    assert (shot["take"], shot["circled"]["by"]) == (2, "art")
    assert shot["said"]["circled"]["note"] == "the steam"
    assert "circled by art" in (out / "dailies.html").read_text()

    assert project.command("reject", "pour", "2", "--by", "art", "--reason", "motion").code == 0
    ended = project.run("--approve", "auto")
    assert ended.code == 0, ended.text
    assert len(project.creates()) == bought, "nobody asked for another"
    sidecar = json.loads(next(out.glob("*_v01.json")).read_text())
    assert (sidecar["shots"][0]["take"], sidecar["shots"][0]["circled"]["by"]) == (1, "score")
    assert sidecar["shots"][0]["said"]["rejected"][0]["reason"] == "motion"

    for times in (1, 2):
        ended = project.command("retake", "short", "--rejected")
        assert ended.code == 0, ended.text
        assert len(project.creates()) == bought + 1, f"after {times}"
    project.assert_nothing_twice()
    project.assert_books_agree()
