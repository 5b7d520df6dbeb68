"""Every answer of the command line short of a run: exit code, words, and what was left alone."""

from __future__ import annotations

import io
import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from command import Shotrunner
from footage import film_clip

from flows import cli
from flows.prepare import absolute_store
from infra.backlot.serve import Backlot
from infra.errors import LeaseHeldError, QualityError, ShotrunnerError, VendorError
from manifests.diagnostics import Diagnostic, ManifestError, Where
from manifests.jsonschema import SCHEMA_FILE

PRODUCT, MORNING = "product-10s.yaml", "morning-30s.yaml"
pytestmark = pytest.mark.usefixtures("examples")


@pytest.fixture
def key(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that opens nothing: enough for real credits to be at stake."""
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)


@pytest.fixture
def no_flow(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run that gets past every gate ends here, before Prefect is imported."""
    started: list[str] = []

    def note(prepared: Any, *_: object, **__: object) -> int:
        started.append(prepared.plan.campaign)
        return 0

    monkeypatch.setattr("flows.apply.run_flow", note)
    monkeypatch.setattr("flows.apply.refuse_unexplained", lambda _: "")  # asks the vendor; tests/flows/test_costs.py
    return started


def edit(path: str, **changes: str) -> None:
    """Replaces pieces of a file's text, each there once."""
    text = Path(path).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    Path(path).write_text(text)


def store_is_empty() -> bool:
    return not Path(".shotrunner/store").exists()


# --- arguments ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan"], "MANIFEST requires an argument"),
        (["fly"], 'Unknown command "fly"'),
        (["plan", PRODUCT, "--nope"], "Unknown option: --nope"),
        (["run", PRODUCT, "--approve", "maybe"], 'Choose from: "ask", "auto"'),
        (["run", PRODUCT, "--budget", "300"], "--budget takes +N"),
        (["backlot", "--port", "70000"], "Must be <= 65535"),
        (["backlot", "--latency", "-1"], "Must be >= 0"),
        (["init", "opera"], '"product", "film"'),
        (["verify", "x.mp4"], "--profile requires an argument"),
    ],
)
def test_wrong_arguments_are_told_with_where_to_look(shotrunner: Shotrunner, words: list[str], said: str) -> None:
    answer = shotrunner(*words)
    assert answer.code == 2
    assert said in answer.err
    assert "\n    " in answer.err
    assert answer.out == ""


def test_alone_it_lists_its_commands(shotrunner: Shotrunner) -> None:
    answer = shotrunner()
    assert answer.code == 0
    assert all(name in answer.out for name in ("init", "validate", "plan", "run", "backlot"))


def test_version(shotrunner: Shotrunner) -> None:
    assert re.fullmatch(r"shotrunner \d+\.\d+\.\d+\n", shotrunner("--version").out)


# --- validate ---


def test_a_valid_manifest_is_ok_without_network_or_store(shotrunner: Shotrunner, no_network: None) -> None:
    answer = shotrunner("validate", PRODUCT)
    assert (answer.code, answer.out) == (0, "ok\n")
    assert store_is_empty()


def test_a_typo_costs_nothing(shotrunner: Shotrunner, no_network: None) -> None:
    edit(PRODUCT, **{"  takes: 3\n": "  take: 3\n"})
    answer = shotrunner("validate", PRODUCT)
    assert answer.code == 2
    assert answer.err == (
        "product-10s.yaml:10:3: generate.take: unknown key `take`; did you mean `takes`?\n"
        "    allowed here: model, takes, seed, ratio, drafts, keyframe, upscale, retry\n"
        "1 error\n"
    )
    assert answer.out == ""


def test_all_problems_come_at_once(shotrunner: Shotrunner) -> None:
    edit(PRODUCT, **{"  takes: 3\n": "  take: 3\n", "duration: 10": "duration: ten", "credits: 520": "credits: -1"})
    answer = shotrunner("validate", PRODUCT)
    assert answer.code == 2
    assert answer.err.endswith("\n3 errors\n")


def test_a_program_gets_problems_as_data(shotrunner: Shotrunner) -> None:
    edit(PRODUCT, **{"  takes: 3\n": "  take: 3\n"})
    answer = shotrunner("validate", PRODUCT, "--json")
    assert answer.code == answer.facts["exit_code"] == 2
    (problem,) = answer.facts["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (PRODUCT, 10, 3)
    assert (problem["address"], problem["severity"]) == ("generate.take", "error")


def test_valid_as_json(shotrunner: Shotrunner) -> None:
    facts = shotrunner("validate", PRODUCT, "--json").facts
    assert (facts["message_type"], facts["ok"], facts["campaign"]) == ("validate", True, "alder-kettle-10s")


def test_strict_counts_warnings(shotrunner: Shotrunner) -> None:
    edit(PRODUCT, **{"    rights: {basis: owned, holder: Alder Home Ltd}\n": ""})
    assert shotrunner("validate", PRODUCT).code == 0
    answer = shotrunner("validate", PRODUCT, "--strict")
    assert answer.code == 2
    assert "1 warning\n" in answer.err


def test_rights_come_before_nothing_but_the_manifest_itself(shotrunner: Shotrunner) -> None:
    edit(MORNING, **{'expires: "2027-12-31"': 'expires: "2026-12-31"'})
    assert shotrunner("validate", MORNING).code == 8
    edit(MORNING, **{"  takes: 3 ": "  take: 3 "})
    assert shotrunner("validate", MORNING).code == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (b"- a\n- b\n", "a map of `key: value` lines"),
        (b"just words\n", "a map of `key: value` lines"),
        (b"a: [1, 2\n", "bad.yaml:2"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "bad.yaml"),
        (b"manifest: 1\nkind: schedule\n", "bad.yaml:"),
        (b"manifest: 1\nkind: brand\n", "kind"),
        (b"# " + b"x" * 50_000_000, "at most 1,000,000"),
        (
            b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 60)),
            "alias",
        ),
    ],
    ids=["missing", "empty", "list", "words", "broken", "bytes", "png", "schedule", "brand", "50-MB", "bomb"],
)
@pytest.mark.parametrize("command", ["validate", "run"])
def test_what_is_no_manifest(shotrunner: Shotrunner, command: str, data: bytes | None, said: str) -> None:
    if data is not None:
        Path("bad.yaml").write_bytes(data)
    answer = shotrunner(command, "bad.yaml")
    assert answer.code == 2
    assert said.lower() in answer.err.lower()
    assert len(answer.err) < 2000
    assert store_is_empty()
    assert not Path("bad.yaml.lock.json").exists()


def test_a_folder_is_no_manifest(shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", "refs")
    assert answer.code == 2
    assert "refs" in answer.err


GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "0 bytes"), (b"\xff\xd8\xff\xe0 nothing of a picture", "kettle-on-worktop.jpg"), (GIF, "gif")],
    ids=["empty", "corrupt", "gif"],
)
def test_a_picture_that_is_none(shotrunner: Shotrunner, data: bytes, said: str) -> None:
    Path("refs/kettle-on-worktop.jpg").write_bytes(data)
    answer = shotrunner("validate", PRODUCT)
    assert answer.code == 2
    assert "product-10s.yaml:16:" in answer.err
    assert said in answer.err.lower()


def test_a_missing_picture(shotrunner: Shotrunner) -> None:
    Path("refs/kettle-on-worktop.jpg").unlink()
    answer = shotrunner("validate", PRODUCT)
    assert answer.code == 2
    assert "product-10s.yaml:16:" in answer.err


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{nope}", "there is no field {nope}\n    fields: brand, campaign, ratio"),
        ("same", "same is the name of two files; what differs is profile"),
        ("a b {profile}", "characters that ad servers refuse"),
        ("{profile}" + "x" * 120, "at most 120 are taken"),
    ],
)
def test_a_name_that_cannot_be_is_found_before_anything_is_paid(
    shotrunner: Shotrunner, pattern: str, said: str
) -> None:
    answer = shotrunner("validate", PRODUCT, "--set", f"naming='{pattern}'")
    assert answer.code == 2
    assert said in answer.err
    assert shotrunner("validate", PRODUCT, "--set", "naming='{profile}'").code == 0


# --- plan ---


def test_a_plan_says_what_is_bought_and_why(shotrunner: Shotrunner, no_network: None) -> None:
    answer = shotrunner("plan", PRODUCT)
    assert answer.code == 0
    assert "alder-kettle-10s: 1 shot, 10.0 s on screen, 16:9\n" in answer.out
    assert re.search(r"hero take +gen4\.5 10 s, image-to-video +1-3 +360 +new\n", answer.out)
    assert "total  360 play credits" in answer.out
    assert "gen4.5 12/s (provider list, as of 2026-09-27)" in answer.out
    assert "3 purchases, 1 at a time of each model (tier 1, assumed)" in answer.out
    assert store_is_empty()
    assert not Path(f"{PRODUCT}.lock.json").exists()


def test_a_plan_as_json(shotrunner: Shotrunner) -> None:
    facts = shotrunner("plan", MORNING, "--json").facts
    assert facts["message_type"] == "plan"
    assert (facts["service"], facts["campaign"]) == ("backlot", "alder-morning-30s")
    assert facts["credits"]["total"] == sum(a["credits"] for a in facts["actions"])
    assert sum(facts["per_shot"].values()) < facts["credits"]["total"]
    assert {a["what"] for a in facts["actions"]} == {"speech", "effect", "still", "take"}
    assert {a["verb"] for a in facts["actions"]} == {"buy"}
    by_id = {a["id"]: a for a in facts["actions"]}
    assert by_id["dawn/still-1"]["key"] is not None
    assert (by_id["sip/take-1"]["key"], by_id["sip/take-1"]["needs"]) == (None, ["lift/take"])
    assert "graphics.disclosure" in facts["not_applied"]


def test_a_plan_made_twice_is_the_same_to_the_byte(shotrunner: Shotrunner) -> None:
    told = {shotrunner("plan", MORNING, "--json", "--out", f"plan-{n}.json").out for n in range(2)}
    assert len(told) == 1
    assert Path("plan-0.json").read_bytes() == Path("plan-1.json").read_bytes()


def test_a_value_said_on_the_command_line(shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", PRODUCT, "--set", "generate.takes=1", "--set", "shots.hero.duration=5", "--json")
    assert answer.facts["credits"]["total"] == 60
    wrong = shotrunner("plan", PRODUCT, "--set", "generate.take=1")
    assert wrong.code == 2
    assert "--set generate.take: generate.take: unknown key `take`; did you mean `takes`?" in wrong.err


def test_over_budget_nothing_is_written(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    for words in (["plan", "--out", "plan.json"], ["run"]):
        answer = shotrunner(words[0], PRODUCT, *words[1:], "--set", "budget.credits=300")
        assert answer.code == 5
        assert "over budget: the plan costs 360 credits; 300 are allowed" in answer.err
    assert store_is_empty()
    assert not Path(f"{PRODUCT}.lock.json").exists()
    assert no_flow == []
    assert shotrunner("run", "plan.json").code == 5


def test_over_budget_is_part_of_the_one_object(shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", PRODUCT, "--set", "budget.credits=300", "--json")
    assert answer.code == 5
    assert answer.facts["credits"]["total"] == 360
    assert [p["summary"] for p in answer.facts["problems"]] == ["over budget"]
    assert shotrunner("plan", PRODUCT, "--json").facts["problems"] == []


def test_over_budget_for_one_shot(shotrunner: Shotrunner) -> None:
    answer = shotrunner("plan", PRODUCT, "--set", "budget.per_shot=100")
    assert answer.code == 5
    assert "budget.per_shot is 100 credits; hero 360" in answer.err


def test_more_may_be_allowed_for_one_run(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    assert shotrunner("run", PRODUCT, "--set", "budget.credits=300", "--budget", "+60").code == 0
    assert no_flow == ["alder-kettle-10s"]


def test_detailed_exit_code(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shotrunner("plan", PRODUCT, "--detailed-exitcode").code == 10
    monkeypatch.setattr("manifests.plan.Plan.unfinished", property(lambda _: False))
    assert shotrunner("plan", PRODUCT, "--detailed-exitcode").code == 0


def test_what_is_not_built_is_told(shotrunner: Shotrunner) -> None:
    told = shotrunner("plan", MORNING).out
    assert "not applied yet: graphics.disclosure" in told
    assert "disclosure: the label is not drawn yet" in told


# --- services ---


def test_a_key_makes_it_runway_and_every_take_new(shotrunner: Shotrunner, key: None, no_network: None) -> None:
    facts = shotrunner("plan", PRODUCT, "--json").facts
    assert facts["service"] == "runway"
    assert [(a["verb"], a["reason"]) for a in facts["actions"]] == [("buy", "new")] * 3
    told = shotrunner("plan", PRODUCT).out
    assert "total  360 credits = $3.60" in told
    assert "play credits" not in told


def test_the_key_is_part_of_every_take(
    shotrunner: Shotrunner, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the backlot films can never stand in for a take that is paid."""
    backlot = shotrunner("plan", PRODUCT, "--json").facts
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)
    runway = shotrunner("plan", PRODUCT, "--json").facts
    assert not {a["key"] for a in backlot["actions"]} & {a["key"] for a in runway["actions"]}


def test_a_base_url_that_does_not_answer(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, key: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("RUNWAYML_BASE_URL", url)
    for command in ("plan", "run", "status"):
        answer = shotrunner(command, PRODUCT)
        assert answer.code == 6
        assert f"{url} does not answer" in answer.err
        assert "shotrunner backlot" in answer.err
    assert shotrunner("validate", PRODUCT).code == 0
    assert store_is_empty()


def test_a_base_url_that_is_a_backlot(
    shotrunner: Shotrunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: None
) -> None:
    """A key does not turn play credits into real ones."""
    with Backlot(tmp_path / "backlot") as server:
        assert server.url is not None
        monkeypatch.setenv("RUNWAYML_BASE_URL", server.url)
        facts = shotrunner("plan", PRODUCT, "--json").facts
    assert facts["service"] == "backlot"


def test_the_key_is_never_told(shotrunner: Shotrunner, key: None, no_network: None) -> None:
    said = [shotrunner(*words) for words in (["plan", PRODUCT], ["plan", PRODUCT, "--json"], ["run", PRODUCT])]
    assert not any("key_0" in answer.out + answer.err for answer in said)


# --- gates before money ---


@pytest.mark.usefixtures("key", "no_network")
class TestPaidRun:
    def test_people_without_a_label(self, shotrunner: Shotrunner) -> None:
        answer = shotrunner("run", MORNING)
        assert answer.code == 8
        assert "people: synthetic" in answer.err
        assert "override" in answer.err
        assert store_is_empty()

    def test_a_person_may_take_it_on_themselves(self, shotrunner: Shotrunner, no_flow: list[str]) -> None:
        signed = "graphics.disclosure={override: {by: A. Person, reason: labelled by the broadcaster}}"
        assert shotrunner("run", MORNING, "--set", signed, "--yes").code == 0
        assert no_flow == ["alder-morning-30s"]

    def test_a_review_block_stops_nothing_before_its_gate(self, shotrunner: Shotrunner, no_flow: list[str]) -> None:
        assert shotrunner("run", PRODUCT, "--set", "review={takes: {by: [art]}}", "--yes").code == 0
        assert len(no_flow) == 1

    def test_rights_before_money(self, shotrunner: Shotrunner) -> None:
        poor = ["--set", "budget.credits=1"]
        assert shotrunner("run", MORNING, *poor).code == 8
        assert shotrunner("run", PRODUCT, *poor).code == 5

    @pytest.mark.parametrize("manifest", [PRODUCT, MORNING])
    def test_the_score_decides(self, shotrunner: Shotrunner, no_flow: list[str], manifest: str) -> None:
        review = ["--set", "review={takes: {by: [art]}}"]
        assert shotrunner("run", manifest, *review, "--approve", "auto", "--yes").code == 0
        assert len(no_flow) == 1

    def test_nobody_to_ask(self, shotrunner: Shotrunner, no_flow: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
        answer = shotrunner("run", PRODUCT)
        assert answer.code == 2
        assert "the plan costs 360 credits and nobody can be asked" in answer.err
        assert "--yes" in answer.err
        assert (no_flow, store_is_empty()) == ([], True)

    @pytest.mark.parametrize(("reply", "code"), [("y", 0), ("yes", 0), ("n", 2), ("", 2)])
    def test_the_total_is_asked_for(
        self, shotrunner: Shotrunner, no_flow: list[str], monkeypatch: pytest.MonkeyPatch, reply: str, code: int
    ) -> None:
        asked: list[str] = []
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or reply)
        assert shotrunner("run", PRODUCT).code == code
        assert "360 credits ($3.60)" in asked[0]
        assert len(no_flow) == (code == 0)
        assert store_is_empty() == (code != 0)


def test_on_the_backlot_people_without_a_label_are_a_notice(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    assert shotrunner("run", MORNING).code == 0
    assert no_flow == ["alder-morning-30s"]


# --- the lock and stored plans ---


def change_picture() -> None:
    from PIL import Image

    path = Path("refs/kettle-on-worktop.jpg")
    with Image.open(path) as picture:
        picture.convert("L").convert("RGB").save(path)


def test_a_changed_picture_stops_until_it_is_accepted(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    lock = Path(f"{PRODUCT}.lock.json")
    assert shotrunner("run", PRODUCT).code == 0
    pinned = lock.read_bytes()
    change_picture()
    planned = shotrunner("plan", PRODUCT)
    assert planned.code == 0
    assert "changed since the lock: kettle: refs/kettle-on-worktop.jpg has changed" in planned.out
    assert len(shotrunner("plan", PRODUCT, "--json").facts["drift"]) == 1
    stopped = shotrunner("run", PRODUCT)
    assert stopped.code == 2
    assert "a pinned file has changed: kettle: refs/kettle-on-worktop.jpg" in stopped.err
    assert "--accept-reference" in stopped.err
    assert lock.read_bytes() == pinned
    unknown = shotrunner("run", PRODUCT, "--accept-reference", "kettel")
    assert unknown.code == 2
    assert "did you mean `kettle`?" in unknown.err
    assert shotrunner("run", PRODUCT, "--accept-reference", "kettle").code == 0
    assert lock.read_bytes() != pinned
    assert shotrunner("run", PRODUCT).code == 0
    assert len(no_flow) == 3


def test_a_stored_plan_is_no_way_past_the_lock(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    assert shotrunner("run", PRODUCT).code == 0
    change_picture()
    assert shotrunner("plan", PRODUCT, "--out", "plan.json").code == 0
    assert shotrunner("run", "plan.json").code == 2
    assert shotrunner("run", "plan.json", "--accept-reference", "kettle").code == 0
    assert len(no_flow) == 2


def test_a_broken_lock(shotrunner: Shotrunner) -> None:
    Path(f"{PRODUCT}.lock.json").write_text("{}")
    answer = shotrunner("plan", PRODUCT)
    assert answer.code == 2
    assert f"{PRODUCT}.lock.json" in answer.err


def test_a_stored_plan_is_carried_out(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    plan = shotrunner("plan", PRODUCT, "--out", "plan.json", "--json").facts["plan"]
    assert shotrunner("run", "plan.json").code == 0
    assert no_flow == ["alder-kettle-10s"]
    assert any(plan in str(path) for path in Path(".shotrunner/store").rglob("*"))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (PRODUCT, "seed: 4105", "seed: 4106", "the manifest and what has to be bought"),
        (PRODUCT, "name: alder-kettle-10s", "name: alder-kettle-10s   # a note", "the manifest has changed"),
        ("brand/alder.yaml", "display_name: Alder", "display_name: Elder", "the brand kit has changed"),
        ("shotrunner.toml", "", "", "the vendor and what has to be bought"),
    ],
)
def test_a_stale_plan(
    shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, said: str
) -> None:
    assert shotrunner("plan", PRODUCT, "--out", "plan.json").code == 0
    if old:
        edit(file, **{old: new})
    else:
        monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "0" * 128)
    answer = shotrunner("run", "plan.json")
    assert answer.code == 2
    assert "the plan is stale" in answer.err
    assert said in answer.err
    assert store_is_empty()


def test_a_plan_whose_manifest_is_gone(shotrunner: Shotrunner) -> None:
    assert shotrunner("plan", PRODUCT, "--out", "plan.json").code == 0
    Path(PRODUCT).unlink()
    answer = shotrunner("run", "plan.json")
    assert answer.code == 2
    assert "the plan is stale: its manifest product-10s.yaml is not here" in answer.err


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"schema": "plan/2"}'])
def test_what_is_no_plan(shotrunner: Shotrunner, text: str | None) -> None:
    if text is not None:
        Path("plan.json").write_text(text)
    answer = shotrunner("run", "plan.json")
    assert answer.code == 2
    assert "not a plan: plan.json" in answer.err
    assert "shotrunner plan M --out" in answer.err


@pytest.mark.parametrize(
    "words", [["--set", "generate.takes=1"], ["--approve", "auto"], ["--budget", "+10"], ["--rebuy-unknown"]]
)
def test_a_stored_plan_takes_no_second_thoughts(shotrunner: Shotrunner, words: list[str]) -> None:
    assert shotrunner("plan", PRODUCT, "--out", "plan.json").code == 0
    answer = shotrunner("run", "plan.json", *words)
    assert answer.code == 2
    assert "a stored plan is carried out as it is" in answer.err


# --- the store ---


def test_a_store_that_cannot_be_written(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a-file").write_text("in the way")
    monkeypatch.setenv("SHOTRUNNER_STORE", "a-file/store")
    answer = shotrunner("run", PRODUCT)
    assert answer.code == 6
    assert "a-file" in answer.err
    assert "\n    " in answer.err
    assert Path("a-file").read_text() == "in the way"


@pytest.mark.parametrize("store", ["ftp://somewhere/else", "s3:bucket", "s3:/bucket/prefix"])
def test_a_store_that_is_none(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    monkeypatch.setenv("SHOTRUNNER_STORE", store)
    answer = shotrunner("plan", PRODUCT)
    assert answer.code == 6
    assert "names no store" in answer.err


def test_a_store_in_somebodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute_store("~/films", Path("/project")) == f"{tmp_path}/films"
    assert absolute_store("films", Path("/project")) == "/project/films"


def test_a_plan_that_cannot_be_written(shotrunner: Shotrunner) -> None:
    Path("a-file").write_text("")
    answer = shotrunner("plan", PRODUCT, "--out", "a-file/plan.json")
    assert answer.code == 6
    assert "a-file/plan.json cannot be written" in answer.err


def test_a_setting_that_is_wrong(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTRUNNER_CONCURRENCY", "none")
    answer = shotrunner("plan", PRODUCT)
    assert answer.code == 2
    assert "settings: SHOTRUNNER_CONCURRENCY" in answer.err


def test_no_ffmpeg(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    answer = shotrunner("run", PRODUCT)
    assert answer.code == 6
    assert "a program is missing" in answer.err
    assert "\n    " in answer.err
    assert store_is_empty()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('sotre = "elsewhere"', "unknown key `sotre`; did you mean `store`?"),
        ("store = [", "shotrunner.toml: "),
        ('runway_key = "key_1"', "runway_key is a secret"),
        ('RUNWAYML_API_SECRET = "key_1"', "RUNWAYML_API_SECRET is a secret"),
    ],
)
def test_a_file_of_settings_that_is_wrong(shotrunner: Shotrunner, text: str, said: str) -> None:
    """A misspelt `store` would be a second store, and everything would be bought again."""
    Path("shotrunner.toml").write_text(text)
    for words in (["plan", PRODUCT], ["run", PRODUCT], ["doctor"]):
        answer = shotrunner(*words)
        assert answer.code == 2
        assert said in answer.err
        assert "key_1" not in answer.err
    assert store_is_empty()


def test_settings_of_the_project(shotrunner: Shotrunner, no_flow: list[str]) -> None:
    Path("shotrunner.toml").write_text('store = "elsewhere"\nconcurrency = 3\n')
    assert "3 at a time of each model (from settings)" in shotrunner("plan", PRODUCT).out
    assert shotrunner("run", PRODUCT).code == 0
    assert (store_is_empty(), Path("elsewhere/v1").is_dir()) == (True, True)


# --- status, explain, models, schema ---


def test_status_before_anything(shotrunner: Shotrunner) -> None:
    assert "0 of 520 play credits spent" in shotrunner("status", PRODUCT).out
    facts = shotrunner("status", PRODUCT, "--json").facts
    assert facts["rows"] == [
        {
            "address": "hero", "what": "take", "wanted": 3, "model": "gen4.5", "fallback": False,
            "states": {"new": 3}, "circled": None, "notes": [],
        }
    ]  # fmt: skip
    assert facts["last_run"] is None
    assert store_is_empty()


def test_explain_names_every_origin(shotrunner: Shotrunner, no_network: None) -> None:
    answer = shotrunner("explain", PRODUCT, "--set", "generate.takes=2")
    assert answer.code == 0
    assert "generate.model: gen4.5   [product-10s.yaml:9]" in answer.out
    assert "generate.takes: 2   [--set generate.takes" in answer.out
    assert "generate.ratio: 16:9   [default]" in answer.out
    assert "brand.name: alder   [alder.yaml:5]" in answer.out
    only = shotrunner("explain", PRODUCT, "hero", "--json").facts
    assert only["values"] == []
    assert only["prompts"]["hero"]["video"].count("dolly in") == 1
    unknown = shotrunner("explain", PRODUCT, "nobody")
    assert unknown.code == 2
    assert "there are hero" in unknown.err


def test_models(shotrunner: Shotrunner, no_network: None) -> None:
    assert re.search(r"^gen4\.5 +video +.* 12/s ", shotrunner("models").out, re.MULTILINE)
    rows = {row["id"]: row for row in shotrunner("models", "--json").facts["models"]}
    assert rows["gen4.5"]["price"]["credits_per_second"] == 12


def test_the_schema_is_the_committed_one(shotrunner: Shotrunner) -> None:
    assert shotrunner("schema").out == SCHEMA_FILE.read_text()


# --- init ---


@pytest.mark.parametrize("kind", ["product", "film"])
def test_a_first_project_plans_as_it_is(shotrunner: Shotrunner, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "elsewhere" / "first"
    facts = shotrunner("init", kind, folder, "--json").facts
    assert {str(p) for p in folder.rglob("*") if p.is_file()} == set(facts["files"])
    assert (folder / "shotrunner.toml").is_file()
    planned = shotrunner("plan", folder / f"{kind}.yaml")
    assert planned.code == 0
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = shotrunner("init", kind, folder)
    assert again.code == 2
    assert "a file is in the way" in again.err
    assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_one_file_in_the_way_is_enough(shotrunner: Shotrunner, tmp_path: Path) -> None:
    (tmp_path / "first/brand").mkdir(parents=True)
    (tmp_path / "first/brand/brand.yaml").write_text("mine")
    assert shotrunner("init", "product", tmp_path / "first").code == 2
    assert [p.name for p in (tmp_path / "first").rglob("*") if p.is_file()] == ["brand.yaml"]


def test_a_folder_that_cannot_be_made(shotrunner: Shotrunner) -> None:
    Path("a-file").write_text("")
    answer = shotrunner("init", "product", "a-file/first")
    assert answer.code == 6
    assert "a-file/first cannot be written" in answer.err


# --- verify ---


@pytest.mark.parametrize(
    ("data", "code", "said"), [(None, 2, "no.mp4 is not there"), (b"", 7, "no.mp4"), (b"no film" * 100, 7, "no.mp4")]
)
def test_verify_what_is_no_film(shotrunner: Shotrunner, data: bytes | None, code: int, said: str) -> None:
    if data is not None:
        Path("no.mp4").write_bytes(data)
    answer = shotrunner("verify", "no.mp4", "--profile", "youtube-instream")
    assert answer.code == code
    assert said in answer.err


def test_verify_tells_every_measure_and_what_is_wrong(shotrunner: Shotrunner) -> None:
    film_clip(Path("small.mp4"), frames=24, width=320, height=180)
    answer = shotrunner("verify", "small.mp4", "--profile", "youtube-instream", "--frames", "48")
    assert answer.code == 7
    assert re.search(r"^ok   codec: h264$", answer.out, re.MULTILINE)
    assert "FAIL picture size: 320x180   wanted 1920x1080\n" in answer.out
    facts = shotrunner("verify", "small.mp4", "--profile", "youtube-instream", "--frames", "48", "--json").facts
    assert not facts["ok"]
    assert {"picture size", "frames"} <= {check["name"] for check in facts["checks"] if not check["ok"]}


def test_verify_against_an_unknown_profile(shotrunner: Shotrunner) -> None:
    answer = shotrunner("verify", "refs/kettle-on-worktop.jpg", "--profile", "cinema")
    assert answer.code == 2
    assert "there are broadcast-eu, broadcast-us, ctv-generic, " in answer.err


def test_verify_in_an_unknown_ratio(shotrunner: Shotrunner) -> None:
    answer = shotrunner("verify", "x.mp4", "--profile", "youtube-instream", "--ratio", "3:1")
    assert answer.code == 2
    assert "16:9" in answer.err


# --- backlot ---


def test_a_port_in_use(shotrunner: Shotrunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = shotrunner("backlot", "--port", port, "--folder", "backlot")
    assert answer.code == 6
    assert f"port {port} on 127.0.0.1" in answer.err
    assert "--port" in answer.err


def test_a_file_of_faults_that_is_wrong(shotrunner: Shotrunner) -> None:
    Path("faults.yaml").write_text("- fault: explode\n")
    assert shotrunner("backlot", "--port", "0", "--folder", "backlot", "--faults", "faults.yaml").code == 2
    assert shotrunner("backlot", "--port", "0", "--folder", "backlot", "--faults", "none.yaml").code == 2
    assert not Path("backlot").exists()


# --- the mapping ---


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LeaseHeldError("x"), 9),
        (QualityError("x"), 7),
        (VendorError("x"), 6),
        (ShotrunnerError("x"), 1),
        (KeyboardInterrupt(), 130),
        (ValueError("x"), 1),
        (ManifestError([]), 2),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert cli.exit_code_of(error) == code


def test_the_manifest_before_rights_before_money() -> None:
    problems = [Diagnostic("s", "d", "a", Where("f"), exit_code=code) for code in (5, 8, 2)]
    assert [cli.exit_code_of(ManifestError(problems[: n + 1])) for n in range(3)] == [5, 8, 2]


def test_an_interruption_is_told(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.cli.check_manifest", interrupt)
    answer = shotrunner("validate", PRODUCT)
    assert (answer.code, answer.err) == (130, "interrupted\n")
