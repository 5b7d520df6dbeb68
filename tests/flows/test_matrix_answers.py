"""What `plan`, `explain` and `status` say of films that share shots."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from command import Shotrunner
from matrices import write_matrix
from paper import RUN, Paper

from flows.views import film_lines, run_lines

WINTER, MORNING = "winter-15s.yaml", "morning-30s.yaml"
FOREIGN = ("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_")


@pytest.fixture
def matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    """Eight variants from six clips, in the working folder."""
    for name in [n for n in os.environ if n.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return write_matrix(tmp_path)


# --- plan ---


@pytest.mark.usefixtures("examples")
def test_a_matrix_is_told_shot_by_shot_with_what_sharing_saves(shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", WINTER)
    assert answer.code == 0
    assert "84 variants, 114 files, 1,260.0 s on screen in all variants\n" in answer.out
    axes = "axes product 4 × hook 3 × locale 3 × ratio 3 = 108; exclude −25 (12, 9, 4); include +1 → 84 variants\n"
    assert axes in answer.out
    for row in (r"open +hook × ratio +9 +3 +27 +972", r"hero +product × ratio +12 +3 +60 +2,160", r"use .* 48 +1,728"):
        assert re.search(rf"  {row} +gen4\.5", answer.out), row
    assert "shared: 33 clips instead of 252, 4,860 credits instead of 36,288" in answer.out
    assert "@" not in answer.out.partition("note:")[0], "no purchase is told by itself"
    assert len(answer.out.splitlines()) < 30


@pytest.mark.usefixtures("examples")
def test_all_lists_every_purchase(shotrunner: Shotrunner) -> None:
    told = shotrunner("plan", WINTER, "--all").out
    assert re.search(r"hero@kettle-green,9:16 take +gen4\.5 5 s, image-to-video +1-3 +180 ", told)
    assert len(re.findall(r"@\S+ take ", told)) == 33


@pytest.mark.usefixtures("examples")
def test_json_keeps_every_action(shotrunner: Shotrunner) -> None:
    facts = shotrunner("plan", WINTER, "--json").facts
    assert sum(a["what"] == "take" for a in facts["actions"]) == 99
    assert facts["shared"] == {"clips": 33, "credits": 4860, "clips_alone": 252, "credits_alone": 36288}
    assert (facts["variants"], facts["files"], facts["cells"][0]["excluded"]) == (84, 114, [12, 9, 4])
    assert sum(row["credits"] for row in facts["shots"]) == facts["credits"]["total"]


@pytest.mark.usefixtures("examples")
def test_a_spot_by_itself_is_told_as_ever(shotrunner: Shotrunner) -> None:
    plain = shotrunner("plan", MORNING)
    assert "  what " in plain.out
    assert "depends on" not in plain.out
    assert shotrunner("plan", MORNING, "--all").out == plain.out
    assert "shared" not in shotrunner("plan", MORNING, "--json").facts


def test_what_is_there_and_what_is_not_is_counted(matrix: Paper, shotrunner: Shotrunner) -> None:
    matrix.film()
    matrix.ran()
    matrix.change("frost melting on a kitchen window", "ice on a kitchen window")
    told = shotrunner("plan", "film.yaml").out
    assert re.search(
        r"open +hook × ratio +4 +2 +8 +\d+ +gen4\.5 2 s +4 stale because its prompt changed, 4 have\n", told
    )
    assert re.search(r"hero +ratio +2 +2 +6 +0 +gen4\.5 3 s +have\n", told)


# --- why ---


@pytest.mark.usefixtures("examples")
def test_why_a_shot_is_filmed_so_often(shotrunner: Shotrunner) -> None:
    told = shotrunner("plan", WINTER, "--why", "use").out
    assert told.startswith(
        "use depends on product (prompt.subject, the reference product) and ratio (each ratio is filmed natively). "
        "Not on hook, not on locale.\n"
    )
    assert "12 clips, 36 takes of 4 s, 1,728 credits at list" in told
    (facts,) = shotrunner("plan", WINTER, "--why", "use@kettle-green,9:16", "--json").facts["spots"]
    assert (facts["clips"], facts["takes"], facts["not_on"]) == (12, 36, ["hook", "locale"])


@pytest.mark.usefixtures("examples")
def test_why_of_a_shot_that_depends_on_nothing(shotrunner: Shotrunner) -> None:
    told = shotrunner("plan", MORNING, "--why", "pour").out
    assert told.startswith("pour depends on no axis: one clip serves every variant.\n")
    wrong = shotrunner("plan", MORNING, "--why", "poor")
    assert (wrong.code, "did you mean `pour`?" in wrong.err) == (2, True)


def test_questions_are_asked_one_at_a_time(matrix: Paper, shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", "film.yaml", "--why", "open", "--diff", RUN)
    assert answer.code == 2
    assert "ask one at a time" in answer.err


# --- compare and diff ---


def test_bills_side_by_side(matrix: Paper, shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", "film.yaml", "--compare", "model=gen4.5,veo3.1,gen4_turbo")
    assert answer.code == 0
    assert re.search(r"generate\.model +gen4\.5 +veo3\.1 +gen4_turbo\n", answer.out)
    facts = shotrunner("plan", "film.yaml", "--compare", "model=gen4.5,gen4_turbo", "--json").facts
    gen45, turbo = facts["bills"]
    whole = shotrunner("plan", "film.yaml", "--json").facts["credits"]["total"]
    assert (gen45["credits"], gen45["sold"]) == (whole, True)
    assert not turbo["sold"], "gen4_turbo films no shot from text alone"
    assert re.search(r"total now +\d+ .* +not sold\n", answer.out)
    assert "  gen4_turbo: " in answer.out


def test_a_value_that_is_over_the_budget_says_so(matrix: Paper, shotrunner: Shotrunner) -> None:
    told = shotrunner("plan", "film.yaml", "--compare", "takes=1,20", "--set", "budget.credits=900").out
    assert "  20: over budget: the plan costs" in told


@pytest.mark.parametrize("question", ["model", "model=", "model=gen4.5", "=1,2"])
def test_nothing_to_compare(matrix: Paper, shotrunner: Shotrunner, question: str) -> None:
    answer = shotrunner("plan", "film.yaml", f"--compare={question}")
    assert answer.code == 2
    assert "--compare model=gen4_turbo,gen4.5" in answer.err


def test_a_manifest_that_is_wrong_anyway_is_not_compared(matrix: Paper, shotrunner: Shotrunner) -> None:
    matrix.change("duration: 3", "duration: tree")
    answer = shotrunner("plan", "film.yaml", "--compare", "takes=1,2")
    assert answer.code == 2
    assert "tree" in answer.err


def test_only_what_would_be_paid_again(matrix: Paper, shotrunner: Shotrunner) -> None:
    matrix.film()
    matrix.ran()
    assert "nothing would be paid again" in shotrunner("plan", "film.yaml", "--diff", RUN).out
    matrix.change("frost melting on a kitchen window", "ice on a kitchen window")
    matrix.change("locale: [en-GB, de-DE]", "locale: [en-GB]")
    matrix.change("takes: 2", "takes: 3")
    facts = shotrunner("plan", "film.yaml", "--diff", RUN, "--json").facts
    assert {a["id"] for a in facts["actions"]} == {
        f"open@cold,{ratio}/take-{n}" for ratio in ("16:9", "9:16") for n in (1, 2)
    }
    assert {a["reason"] for a in facts["actions"]} == {"stale because its prompt changed"}
    assert facts["new"]["purchases"] == 6, "a third take of every clip was not asked for then"
    every = shotrunner("plan", "film.yaml", "--diff", RUN, "--all").out
    assert re.search(r"open@cold,16:9 take .* stale because its prompt changed\n", every)


def test_a_diff_against_no_run(matrix: Paper, shotrunner: Shotrunner) -> None:
    assert "nothing has run here yet" in shotrunner("plan", "film.yaml", "--diff", RUN).err
    matrix.film()
    matrix.ran()
    for name in (f"{RUN[:-1]}b", "../x"):
        answer = shotrunner("plan", "film.yaml", "--diff", name)
        assert answer.code == 2
        assert RUN in answer.err


# --- explain ---


def test_one_clip_in_a_project(matrix: Paper, shotrunner: Shotrunner) -> None:
    matrix.film(scores={"open@cold,9:16/take-2": 0.9})
    matrix.ran()
    told = shotrunner("explain", "open@cold,9:16").out
    assert told.startswith("open@cold,9:16\n  shown in 2 variants: cold,en-GB,9:16; cold,de-DE,9:16\n")
    assert "prompt: Frost melting" in told
    assert re.search(r"take 2  key [0-9a-f]{12}  seed \d+  have  score 0\.900  circled\n", told)
    facts = shotrunner("explain", "film.yaml", "open@cold,9:16/take-2", "--json").facts
    (want,) = facts["wants"]
    assert (want["credits_each"], want["credits_now"], len(want["takes"])) == (24, 0, 2)
    keys = [a.key for a in matrix.prepared().plan.actions if a.want == "open@cold,9:16/take"]
    assert [take["key"] for take in want["takes"]] == keys


@pytest.mark.usefixtures("examples")
def test_one_clip_that_waits_for_its_still(shotrunner: Shotrunner) -> None:
    told = shotrunner("explain", WINTER, "hero@kettle-green,9:16").out
    assert "shown in 8 variants: kettle-green,cold,en-GB,9:16; " in told
    assert "kettle-green,late,ja-JP,9:16 … and 2 more\n" in told
    assert "input: @product refs/kettle-green.png sha256 " in told
    assert "input: starts on circled-still of hero@kettle-green,9:16" in told
    assert "no key yet: new; starts on the still circled of hero@kettle-green,9:16" in told
    line = shotrunner("explain", WINTER, "hook@cold,en-GB", "--json").facts
    assert {name.split(",")[1:3] == ["cold", "en-GB"] for name in line["variants"]} == {True}


@pytest.mark.usefixtures("examples")
def test_one_clip_of_a_campaign_is_shown_in_several_spots(shotrunner: Shotrunner) -> None:
    told = shotrunner("explain", "campaign-morning.yaml", "film-30/pour").out
    assert told.startswith("film-30/pour\n  shown in 3 variants: film-30; social-15; bumper-6\n")
    assert shotrunner("plan", "campaign-morning.yaml", "--why", "film-30/pour").out.startswith(
        "film-30/pour depends on"
    )


def test_nothing_has_that_address(matrix: Paper, shotrunner: Shotrunner) -> None:
    answer = shotrunner("explain", "film.yaml", "open@cold,4:5")
    assert answer.code == 2
    assert "there are open@cold,16:9, open@cold,9:16" in answer.err
    nobody = shotrunner("explain", "open@cold,9:16")
    assert (nobody.code, "nothing has run here yet" in nobody.err) == (2, True)


def test_a_variant_tells_what_fills_its_values_in(matrix: Paper, shotrunner: Shotrunner) -> None:
    first = shotrunner("explain", "film.yaml").out
    assert first.startswith("variant cold,en-GB,16:9\n")
    told = shotrunner("explain", "film.yaml", "--variant", "gift,de-DE,9:16").out
    line = matrix.manifest.read_text().splitlines().index("      subject: ${hook.scene}") + 1
    subject = "shots[0].prompt.subject: hands tying a plain ribbon on a small box"
    assert f"{subject}   [film.yaml:{line}, axis hook gift]\n" in told
    assert re.search(r"supers\[0\]\.text: 59 €   \[film\.yaml:\d+, copy price in de-DE\]", told)
    assert "generate.ratio: 9:16   [axis ratio]" in told
    assert "youtube-instream" not in told, "it is not delivered in this ratio"
    only = shotrunner("explain", "film.yaml", "hero", "--variant", "gift,de-DE,9:16", "--json").facts
    assert (only["variant"], list(only["prompts"]), only["values"]) == ("gift,de-DE,9:16", ["hero"], [])
    wrong = shotrunner("explain", "film.yaml", "--variant", "gift,de-DE,9:17")
    assert (wrong.code, "did you mean `gift,de-DE,9:16`?" in wrong.err) == (2, True)


# --- status ---


def test_status_counts_films_and_shots(matrix: Paper, shotrunner: Shotrunner) -> None:
    matrix.film(failed={f"open@gift,9:16/take-{n}": "input-moderated" for n in range(1, 9)})
    matrix.ran()
    told = shotrunner("status", "film.yaml").out
    assert "  8 variants, 12 files: 6 have all that they are made of, 2 wait\n" in told
    assert re.search(r"  open +take +4 clips: 6 have, 2 failed +3 of 4 circled\n", told)
    assert "open@gift,9:16/take is missing in 2 variants" in told
    assert "gift,en-GB,9:16 waits for open@gift,9:16/take" in told
    assert "open@gift,9:16 take 1: failed" in told
    assert len(told.splitlines()) < 20
    facts = shotrunner("status", "film.yaml", "--json").facts
    assert len(facts["rows"]) == 6
    assert set(facts["waiting"]) == {"gift,en-GB,9:16", "gift,de-DE,9:16"}


def test_status_of_whole_films(matrix: Paper, shotrunner: Shotrunner) -> None:
    matrix.film()
    matrix.ran()
    told = shotrunner("status", "film.yaml").out
    assert "8 variants, 12 files: 8 have all that they are made of\n" in told
    assert "waits" not in told


# --- the end of a run ---


def films(count: int, failed: int) -> list[dict[str, object]]:
    profiles = ("meta-reels", "tiktok-infeed")
    return [
        {"file": f"out/{n}.mp4", "facts": "FAIL" if n < failed else "ok", "ok": n >= failed, "profile": profiles[n % 2]}
        for n in range(count)
    ]


def test_many_films_are_counted_and_the_failures_named() -> None:
    lines = film_lines(films(114, 2))
    assert lines[0] == "  114 files, 2 failed"
    assert lines[1:3] == ["      57  meta-reels, 1 failed", "      57  tiktok-infeed, 1 failed"]
    assert lines[3:] == ["  out/0.mp4  FAIL", "  out/1.mp4  FAIL"]
    assert film_lines(films(114, 0))[0] == "  114 files, all ok"
    assert len(film_lines(films(114, 114))) < 20
    assert len(film_lines(films(3, 0))) == 3


def test_many_problems_are_told_once_each_and_then_counted() -> None:
    problem = {"address": "", "summary": "the answer was lost", "detail": "", "remedy": "", "exit_code": 3}
    record = {
        "steps_made": {}, "steps_kept": {}, "paid": False, "calls": 0, "spent_credits": 0, "cpu_seconds": 0.0,
        "incomplete": {f"v{n}": ["open/take"] for n in range(40)}, "notices": [],
        "problems": [problem | {"address": f"s{n % 20}"} for n in range(60)],
    }  # fmt: skip
    lines = run_lines(record, [])
    assert "  not complete: v0, lacks open/take" in lines
    assert "  … and 28 more not complete" in lines
    assert "  … and 8 more problems: see the dailies" in lines
    assert len(lines) < 32
