"""What a person says of takes: kept with who and when, it beats the score, and what it costs is told first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Shotrunner
from paper import RUN, Paper

from infra.clock import SystemClock
from infra.lease import acquire_lease
from infra.selections import read_decisions
from manifests.approvals import words_said

CIRCLE = ("circle", "pour", "2", "--by", "art")


def by_people(paper: Paper) -> dict[str, object]:
    """What people said, by want id."""
    said = {want: words_said(selection) for want, selection in paper.prepared().planner.selections.items()}
    return {want: words for want, words in said.items() if words}


def test_a_choice_beats_the_score_and_is_kept_with_who_and_when(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film({"pour/take-1": 0.9, "pour/take-2": 0.1})
    paper.ran()
    assert paper.prepared().planner.circled["pour/take"] == 1
    answer = shotrunner(*CIRCLE, "--person", "mara", "--note", "the steam is right")
    assert answer.code == 0, answer.err
    assert "pour take 2 circled by art (mara), note: the steam is right" in answer.out
    assert paper.prepared().planner.circled["pour/take"] == 2
    selection = paper.selection("pour/take")
    assert selection is not None
    assert selection.circled is not None
    choice = selection.circled
    assert (choice.by, choice.person, choice.note, choice.take) == ("art", "mara", "the steam is right", 2)
    assert choice.sha256 == paper.sha("pour/take", 2)
    [said] = read_decisions(paper.store, "paper")
    assert (said.by, said.person, said.run) == ("art", "mara", RUN)
    assert said.words[0].sha256 == choice.sha256


def test_what_a_continued_shot_costs_is_told_before(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    assert paper.buys() == []
    answer = shotrunner(*CIRCLE)
    assert "the next run buys anew, 72 play credits:\n  sip/take-1  36  it starts on another picture now" in answer.out
    assert answer.out.index("sip/take-1") < answer.out.index("circled by art")
    assert paper.buys() == ["sip/take-1", "sip/take-2"]
    assert shotrunner("circle", "sip", "1", "--by", "art").code == 2, "its takes belong to the other picture"


def test_the_same_choice_as_the_score_costs_nothing(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    answer = shotrunner("circle", "pour", "1", "--by", "art", "--json")
    assert (answer.facts["buys_anew"], answer.facts["credits"], answer.facts["waiting"]) == ([], 0, {})
    assert paper.buys() == []


def test_real_credits_need_a_yes(paper: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    refused = shotrunner(*CIRCLE)
    assert refused.code == 2
    assert "sip/take-1" in refused.out, "the bill comes first"
    assert "72 credits and nobody can be asked" in refused.err
    assert by_people(paper) == {}
    assert read_decisions(paper.store, "paper") == []
    assert shotrunner("circle", "pour", "1", "--by", "art").code == 0, "what costs nothing is not asked about"
    assert shotrunner(*CIRCLE, "--yes").code == 0
    assert paper.buys() == ["sip/take-1", "sip/take-2"]


def test_rejecting_the_circled_take_un_circles_it(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film({"sip/take-1": 0.9, "sip/take-2": 0.5})
    paper.ran()
    assert shotrunner("circle", "sip", "1", "--by", "art").code == 0
    answer = shotrunner("reject", "sip", "1", "--by", "art", "--reason", "hands-face")
    assert answer.code == 0, answer.err
    assert "sip take 1 rejected (hands-face) by art" in answer.out
    assert "retake paper --rejected" in answer.out
    selection = paper.selection("sip/take")
    assert selection is not None
    assert selection.circled is None
    assert [(r.take, r.reason, r.by, r.replace) for r in selection.rejected] == [(1, "hands-face", "art", False)]
    assert paper.prepared().planner.circled["sip/take"] == 2, "the best one left"
    assert paper.buys() == [], "nobody asked for another"


def test_a_circled_take_is_no_rejected_one(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.ran()
    shotrunner("reject", "sip", "2", "--by", "art", "--reason", "camera")
    shotrunner("circle", "sip", "2", "--by", "mara")
    selection = paper.selection("sip/take")
    assert selection is not None
    assert selection.rejected == ()
    assert paper.prepared().planner.circled["sip/take"] == 2
    assert [r.words[0].decision for r in read_decisions(paper.store, "paper")] == ["reject", "approve"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("circle", "puor", "1", "--by", "art"), "no shot or film 'puor'; did you mean `pour`?"),
        (("circle", "pour", "3", "--by", "art"), "there are 1, 2"),
        (("circle", "pour", "still-1", "--by", "art"), "there is no still of it yet"),
        (("circle", "pour", "best", "--by", "art"), "'best' is no take"),
        (("circle", "pour", "film", "--by", "art"), "no film of pour"),
        (("circle", "pour", "1"), "--by"),
        (("reject", "pour", "1", "--by", "art", "--reason", "ugly"), "hands-face"),
        (("circle", "pour", "1", "--by", "art", "--in", "elsewhere"), "neither a file nor a run"),
    ],
)
def test_what_cannot_be_decided(paper: Paper, shotrunner: Shotrunner, words: tuple[str, ...], said: str) -> None:
    paper.film()
    paper.ran()
    answer = shotrunner(*words)
    assert answer.code == 2
    assert said in answer.err
    assert read_decisions(paper.store, "paper") == []


def test_without_a_run_there_is_nothing_to_choose_from(paper: Paper, shotrunner: Shotrunner) -> None:
    assert "nothing has run here yet" in shotrunner(*CIRCLE).err
    paper.film()
    assert shotrunner(*CIRCLE, "--in", "film.yaml").code == 0, "a manifest can be named all the same"


def test_several_campaigns_have_to_be_told_apart(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.ran()
    paper.change("name: paper", "name: other")
    paper.ran("20261123-0600-0001")
    answer = shotrunner(*CIRCLE)
    assert answer.code == 2
    assert "other, paper" in answer.err
    paper.change("name: other", "name: paper")
    assert shotrunner(*CIRCLE, "--in", "paper").code == 0


def test_a_run_under_way_never_sees_a_new_choice(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.ran()
    lease = acquire_lease(paper.store, SystemClock(), "paper")
    try:
        assert shotrunner(*CIRCLE).code == 9
        assert shotrunner("retake", "paper", "--shot", "sip").code == 9
    finally:
        lease.release()
    assert by_people(paper) == {}
    assert paper.buys() == []


# --- gates ---


def test_a_gate_holds_what_depends_on_it_and_a_person_opens_it(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film({"pour/take-1": 0.9})
    paper.change("budget:", "review: {takes: {by: [art]}}\nbudget:")
    planner = paper.prepared().planner
    assert str(planner.waiting["pour/take"]) == "gate `takes`: art has to decide"
    assert paper.buys() == ["sip/take-1", "sip/take-2"], "nobody knows yet which picture they start on"
    assert paper.buys(approve="auto") == []
    assert "stopped at gate `takes`: art has to decide" in shotrunner("status", "film.yaml").out
    paper.ran()
    answer = shotrunner("circle", "pour", "1", "--by", "somebody", "--json")
    assert answer.facts["waiting"] == {"pour/take": "gate `takes`: art has to decide"}
    answer = shotrunner("circle", "pour", "1", "--by", "art", "--json")
    assert answer.facts["waiting"] == {"sip/take": "gate `takes`: art has to decide"}
    assert shotrunner("circle", "sip", "2", "--by", "art").code == 0
    assert paper.prepared().planner.waiting == {}
    assert paper.buys() == []


def test_needed_counts_distinct_persons_for_the_same_take(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.change("budget:", "review: {takes: {by: [art], needed: 2}}\nbudget:")
    paper.ran()

    def waiting() -> str:
        return str(paper.prepared().planner.waiting.get("pour/take"))

    for person, take in (("mara", 1), ("mara", 1), ("jan", 2)):
        assert shotrunner("circle", "pour", take, "--by", "art", "--person", person).code == 0
    assert waiting() == "gate `takes`: 2 of art have to say yes, jan did"
    assert shotrunner("circle", "pour", "2", "--by", "art", "--person", "mara").code == 0
    assert waiting() == "None"
    assert shotrunner("reject", "pour", "2", "--by", "art", "--person", "jan", "--reason", "logo").code == 0
    assert waiting() == "gate `takes`: 2 of art have to say yes"


# --- many at once ---


def approvals(paper: Paper, *decisions: str, head: str = "") -> Path:
    rows = "\n".join(f"  - {{{d}}}" for d in decisions)
    head = head or f'run: {RUN}\ngate: takes\nby: art\nperson: j.doe\nat: "2026-11-23T14:02:11+00:00"'
    path = paper.root / "answers.yaml"
    path.write_text(f"manifest: 1\nkind: approvals\n{head}\ndecisions:\n{rows}\n")
    return path


def test_a_file_says_many_things_at_once(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    path = approvals(
        paper,
        f"clip: pour, take: 1, sha256: {paper.sha('pour/take', 1)[:12]}, decision: approve, note: good",
        "clip: sip, decision: retake, reasons: [hands-face, identity], note: both hands merge",
    )
    answer = shotrunner("approve", RUN, path)
    assert answer.code == 0, answer.err
    assert "pour take 1 circled by art (j.doe), note: good" in answer.out
    assert "sip take 2 rejected (hands-face, identity) by art (j.doe)" in answer.out
    assert paper.buys() == ["sip/take-3", "sip/take-4"], "all were refused, so all are made anew"
    assert "buys anew, 72 play credits" in answer.out
    again = shotrunner("approve", RUN, path)
    assert again.code == 0, again.err
    assert paper.buys() == ["sip/take-3", "sip/take-4"], "said twice, it is the same word"
    assert len(read_decisions(paper.store, "paper")) == 1


def test_a_stale_decision_voids_the_file_unless_it_is_skipped(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.ran()
    path = approvals(
        paper,
        f"clip: pour, take: 2, sha256: {paper.sha('pour/take', 2)}, decision: approve",
        f"clip: sip, take: 1, sha256: {'ab' * 32}, decision: approve",
    )
    answer = shotrunner("approve", RUN, path)
    assert answer.code == 2
    assert "answers.yaml:10:" in answer.err
    assert "the decision is about abababababab" in answer.err
    assert by_people(paper) == {}
    answer = shotrunner("approve", RUN, path, "--skip-stale", "--json")
    assert answer.code == 0
    assert [w["address"] for w in answer.facts["words"]] == ["pour"]
    assert len(answer.facts["stale"]) == 1
    assert paper.prepared().planner.circled["pour/take"] == 2


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("clip: puor, take: 1, sha256: {sha}, decision: approve", "did you mean `pour`?"),
        ("clip: pour, take: 1, decision: approve", "nobody knows which bytes were looked at"),
        ("clip: pour, sha256: {sha}, decision: approve", "is about one take: which?"),
        ("clip: pour, take: 1, sha256: {sha}, decision: reject", "needs a reason"),
        ("clip: pour, take: 1, sha256: {sha}, decision: reject, reasons: [ugly]", "hands-face"),
        (
            "clip: pour, take: 1, sha256: {sha}, decision: approve, trim: {{in: 0.25}}",
            "42 frames are left and the cut needs 48",
        ),
        (
            "clip: pour, take: 1, sha256: {sha}, decision: approve, trim: {{in: 0, out: 9}}",
            "the take ends at 2.000 s",
        ),
        ("clip: pour, take: 1, sha256: {sha}, decision: approve, trim: {{at: 0}}", "trim"),
        (
            "clip: pour, take: 1, sha256: {sha}, decision: reject, reasons: [logo], trim: {{in: 0}}",
            "only an approved take is trimmed",
        ),
        ("clip: pour, take: 1, sha256: 9c1e, decision: approve", "sha256"),
        ("clip: pour, take: 1, sha256: {sha}, decison: approve", "decision"),
        ("clip: sip, decision: retake, reasons: [logo]", "decided twice"),
        ("clip: pour, take: 1, sha256: {sha}, decision: approve, reasons: [logo]", "no reasons for a refusal"),
    ],
)
def test_a_file_with_anything_wrong_is_refused_as_a_whole(
    paper: Paper, shotrunner: Shotrunner, decision: str, said: str
) -> None:
    paper.film()
    paper.ran()
    good = f"clip: sip, take: 1, sha256: {paper.sha('sip/take', 1)}, decision: approve"
    path = approvals(paper, good, decision.format(sha=paper.sha("pour/take", 1)))
    answer = shotrunner("approve", RUN, path, "--skip-stale")
    assert answer.code == 2
    assert said in answer.err
    assert "answers.yaml:10:" in answer.err, "its line is told"
    assert by_people(paper) == {}
    assert read_decisions(paper.store, "paper") == []


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("run: another\ngate: takes\nby: art", "about run another"),
        (f"run: {RUN}\ngate: drafts\nby: art", "drafts are not bought yet"),
        (f"run: {RUN}\ngate: takes\nby: intern", "art decides, not intern"),
        (f"run: {RUN}\ngate: keyframes\nby: art", "no still to decide about"),
    ],
)
def test_a_file_for_another_run_or_gate(paper: Paper, shotrunner: Shotrunner, head: str, said: str) -> None:
    paper.film()
    paper.change("budget:", "review: {takes: {by: [art]}}\nbudget:")
    paper.ran()
    good = f"clip: pour, take: 1, sha256: {paper.sha('pour/take', 1)}, decision: approve"
    answer = shotrunner("approve", RUN, approvals(paper, good, head=f'{head}\nat: "2026-11-23T14:02:11+00:00"'))
    assert answer.code == 2
    assert said in answer.err


def test_a_time_without_its_offset(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.ran()
    good = f"clip: pour, take: 1, sha256: {paper.sha('pour/take', 1)}, decision: approve"
    answer = shotrunner(
        "approve", RUN, approvals(paper, good, head=f'run: {RUN}\ngate: takes\nby: art\nat: "2026-11-23 14:02"')
    )
    assert "not a time with its offset" in answer.err
    assert json.loads(shotrunner("approve", RUN, paper.root / "none.yaml", "--json").out)["exit_code"] == 2


# --- trims ---


def trimmed(paper: Paper, seconds: str) -> Path:
    sha = paper.sha("pour/take", 1)
    return approvals(paper, f"clip: pour, take: 1, sha256: {sha}, decision: approve, trim: {{in: {seconds}}}")


def test_a_trim_shows_another_part_and_says_first_what_it_buys_anew(paper: Paper, shotrunner: Shotrunner) -> None:
    """Of three bought seconds two are shown; the next shot starts on the last frame of those."""
    paper.change(
        "    duration: 2\n    prompt:\n      subject: A matte",
        "    duration: 2\n    clip: 3\n    prompt:\n      subject: A matte",
    )
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    assert paper.prepared().planner.trims["pour/take"] == 0
    answer = shotrunner("approve", RUN, trimmed(paper, "0.5"))
    assert answer.code == 0, answer.err
    assert "the next run buys anew, 72 play credits:\n  sip/take-1  36" in answer.out
    assert "pour take 1 circled, shown from frame 12 on, by art (j.doe)" in answer.out
    assert paper.buys() == ["sip/take-1", "sip/take-2"]
    assert paper.prepared().planner.trims["pour/take"] == 12
    selection = paper.selection("pour/take")
    assert words_said(selection)["circled"]["trim"] == 12  # type: ignore[index]
    request = paper.prepared().planner.walks["sip/take"].wanted[0].request
    assert request["body"]["promptImage"]["frame"] == 47 + 12
    assert shotrunner("circle", "pour", "1", "--by", "art").code == 0
    assert paper.buys() == [], "circled without a trim, it is shown from its beginning again"


def test_a_trim_that_costs_real_credits_needs_a_yes(
    paper: Paper, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)
    paper.change(
        "    duration: 2\n    prompt:\n      subject: A matte",
        "    duration: 2\n    clip: 3\n    prompt:\n      subject: A matte",
    )
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    path = trimmed(paper, "0.5")
    assert shotrunner("approve", RUN, path).code == 2
    assert paper.buys() == []
    assert shotrunner("approve", RUN, path, "--yes").code == 0
    assert paper.buys() == ["sip/take-1", "sip/take-2"]


def test_a_trim_gives_way_to_a_cut_that_needs_more(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.change(
        "    duration: 2\n    prompt:\n      subject: A matte",
        "    duration: 2\n    clip: 3\n    prompt:\n      subject: A matte",
    )
    paper.film({"pour/take-1": 0.9})
    paper.ran()
    assert shotrunner("approve", RUN, trimmed(paper, "1")).code == 0
    assert paper.prepared().planner.trims["pour/take"] == 24
    paper.change("    duration: 2\n    clip: 3\n", "    duration: 2.5\n    clip: 3\n")
    assert paper.prepared().planner.trims["pour/take"] == 12, "the very same takes, shown for longer"
