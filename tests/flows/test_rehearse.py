"""Rehearsals: the weather repeats, the audit finds what was doctored, and half a dozen seeds of a small film pass."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects import Project, write_project

from flows.prepare import make_plan
from flows.rehearse import film_of, plan_from_nothing
from infra.audit import KILLED, Evidence, audit
from infra.backlot.faults import FaultRule
from infra.blobs import put_blob
from infra.chaos import ANSWERS, KINDS, LOOKS, TASKS, Film, make_schedule
from infra.ledger import Spending, entries_of
from infra.records import create_record
from infra.settings import Settings
from manifests.finish import DeliverableIndex
from manifests.journal import BlobRef, Intent, Refusal, Release, Result, TakeHistory, TaskRecord
from manifests.naming import take_record_key
from manifests.ratecard import load_profiles
from manifests.tiny import shrink_length, shrink_profile

FILM = Film({"gen4.5": 6, "gen4_image": 2}, 3, 400, Decimal("0.2"))
AT = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
CAMPAIGN, MODEL, PRICE = "two", "gen4.5", 24

# --- the weather ---


@given(st.integers(0, 10**6))
def test_the_same_seed_is_the_same_weather(seed: int) -> None:
    assert make_schedule(seed, FILM) == make_schedule(seed, FILM)
    json.dumps(make_schedule(seed, FILM).as_facts())


def test_schedules_stay_what_they_are() -> None:
    """A breach is reported by its seed: a later version of the same release must meet the same weather."""
    schedule = make_schedule(7, FILM)
    assert schedule.faults[0].fault == KINDS[7]
    assert make_schedule(8, FILM) != replace(schedule, seed=8)


def test_every_kind_of_fault_comes_in_turn() -> None:
    first = [make_schedule(seed, FILM).faults[0] for seed in range(len(KINDS))]
    assert {rule.fault for rule in first} == {*ANSWERS, *TASKS, *(fault for _, fault in LOOKS)}
    assert all(FaultRule.model_validate(rule.model_dump()) == rule for rule in first)


@given(st.integers(0, 10**6))
def test_a_tight_budget_still_lets_the_first_takes_through(seed: int) -> None:
    budget = make_schedule(seed, FILM).budget
    assert budget is None or int(budget * (1 - FILM.reserve)) >= FILM.credits


@given(st.integers(0, 10**6))
def test_faults_of_a_picture_are_for_a_model_that_makes_some(seed: int) -> None:
    for rule in make_schedule(seed, FILM).faults:
        assert not rule.of_task or rule.match.model in FILM.pictures


# --- the audit ---


def intent_of(key: str, attempt: int = 1) -> Intent:
    return Intent(
        nonce=f"{key}{attempt}", key=key, attempt=attempt, what="take", address="pour/take-1", campaign=CAMPAIGN,
        lease_nonce="lease", plan="p", service="backlot", model=MODEL, take=1, request={}, reserved_credits=PRICE,
        at=AT,
    )  # fmt: skip


def result_of(key: str, attempt: int = 1, credits: int = PRICE) -> Result:
    blob = BlobRef(kind="take", sha256=key, size=1, content_type="video/mp4")
    return Result(key=key, attempt=attempt, what="take", blob=blob, credits=credits, task_id=f"task-{key}", at=AT)


def bought(key: str) -> TakeHistory:
    task = TaskRecord(key=key, attempt=1, task_id=f"task-{key}", estimated_credits=PRICE, at=AT)
    return TakeHistory(key=key, intents=(intent_of(key),), tasks=(task,), result=result_of(key))


def created(key: str, **more: Any) -> dict[str, Any]:
    line = {"event": "created", "id": f"task-{key}", "model": MODEL, "digest": key, "price": PRICE, "faults": []}
    return line | more


def ended(key: str, cost: int = PRICE) -> dict[str, Any]:
    return {"event": "ended", "id": f"task-{key}", "cost": cost}


def sent(digest: str) -> dict[str, Any]:
    return {"create": True, "digest": digest, "faults": []}


def film_index(shown: str, frames: int = 48) -> DeliverableIndex:
    return DeliverableIndex(
        key="f" * 64, campaign=CAMPAIGN, variant="v", profile="youtube-instream", ratio="16:9", files={},
        inputs={"pour/take": shown}, measured={"ok": True, "checks": [], "measured": {"frames": frames}}, backlot=True,
    )  # fmt: skip


A, B = "a" * 64, "b" * 64


@pytest.fixture
def evidence() -> Evidence:
    """Two takes, bought, paid, shown; nothing wrong."""
    return of([bought(A), bought(B)])


def of(histories: list[TakeHistory], **more: Any) -> Evidence:
    entries = [entry for history in histories for entry in entries_of(history, CAMPAIGN)]
    spent = sum(e.credits for e in entries if e.kind == "settle")
    facts: dict[str, Any] = {
        "campaign": CAMPAIGN, "books": [created(A), created(B), ended(A), ended(B)], "requests": [sent(A), sent(B)],
        "histories": histories, "entries": entries, "spending": Spending(spent), "budget": 100, "ends": [KILLED, 0],
        "frames": 48, "wanted": 1, "films": [film_index(A)], "decoded": {"f" * 64: 48},
    }  # fmt: skip
    return Evidence(**(facts | more))


def test_books_in_order(evidence: Evidence) -> None:
    assert audit(evidence) == []


def test_a_double_create_is_found(evidence: Evidence) -> None:
    twice = replace(evidence, requests=[sent(A), sent(B), sent(B)])
    assert audit(twice) == ["3 creates were sent for 2 intents, 0 of them without an answer"]


def test_a_double_charge_is_found(evidence: Evidence) -> None:
    again = created(B, id="task-again")
    breaches = audit(replace(evidence, books=[*evidence.books, again, {**ended(B), "id": "task-again"}]))
    assert "requests were charged [2, 1] times, and the releases allow [1, 1]" in breaches
    assert "1 tasks of gen4.5 at 24 credits are charged and in no record of ours" in breaches


def test_a_create_that_was_never_sent_is_found(evidence: Evidence) -> None:
    assert audit(replace(evidence, requests=[sent(A)])) == [
        "1 creates were sent for 2 intents, 0 of them without an answer"
    ]


def test_a_missing_settle_is_found(evidence: Evidence) -> None:
    entries = [e for e in evidence.entries if (e.key, e.kind) != (B, "settle")]
    assert audit(replace(evidence, entries=entries)) == ["pour/take-1: no settle of attempt 1 (24 credits)"]


def test_a_settle_from_nowhere_is_found(evidence: Evidence) -> None:
    stray = evidence.entries[-1].model_copy(update={"attempt": 2})
    assert "follows from no record" in audit(replace(evidence, entries=[*evidence.entries, stray]))[0]


def test_a_wrong_amount_is_found(evidence: Evidence) -> None:
    entries = [e.model_copy(update={"credits": 23}) if e.kind == "settle" else e for e in evidence.entries]
    assert "the ledger says 23 credits, the records 24" in audit(replace(evidence, entries=entries))[0]


def test_one_credit_between_ledger_and_vendor_is_found(evidence: Evidence) -> None:
    books = [created(A), created(B), ended(A), ended(B, cost=23)]
    assert audit(replace(evidence, books=books)) == ["pour/take-1: 24 credits in the ledger, 23 in the vendor's books"]


def test_a_cost_that_the_vendor_kept_to_itself_may_be_counted_in_full_and_never_less(evidence: Evidence) -> None:
    silent = created(B, faults=["missing-cost"])
    assert audit(replace(evidence, books=[created(A), silent, ended(A), ended(B, cost=0)])) == []
    assert audit(replace(evidence, books=[created(A), silent, ended(A), ended(B, cost=25)])) != []


def test_overspend_is_found(evidence: Evidence) -> None:
    assert audit(replace(evidence, budget=47)) == [
        "48 credits are spent or reserved of 47 allowed",
        "the vendor charged 48 credits of 47 allowed",
    ]


def test_a_second_intent_without_a_release_is_found() -> None:
    second = bought(B).model_copy(update={"intents": (intent_of(B), intent_of(B, 2))})
    breaches = audit(of([bought(A), second], requests=[sent(A), sent(B), sent(B)]))
    assert "pour/take-1: attempt 2 without a refusal or release of the one before" in breaches


def test_an_unknown_may_have_been_charged_or_not() -> None:
    lost = TakeHistory(key=B, intents=(intent_of(B),))
    assert audit(of([bought(A), lost])) == []
    assert audit(of([bought(A), lost], books=[created(A), ended(A)])) == []
    assert audit(of([bought(A), lost], books=[created(A), ended(A)], requests=[sent(A)])) == []


def test_a_released_unknown_may_be_charged_twice_and_a_refused_one_may_not() -> None:
    task = TaskRecord(key=B, attempt=2, task_id=f"task-{B}", estimated_credits=PRICE, at=AT)
    again = TakeHistory(key=B, intents=(intent_of(B), intent_of(B, 2)), tasks=(task,), result=result_of(B, 2))
    release = Release(key=B, attempt=1, decision="rebuy", by="somebody", why="meant", at=AT)
    refusal = Refusal(key=B, attempt=1, error="RequestRejectedError", detail="", at=AT)
    twice: dict[str, Any] = {
        "requests": [sent(A), sent(B), sent(B)],
        "books": [created(A), created(B), created(B, id="lost"), ended(A), ended(B), {**ended(B), "id": "lost"}],
    }
    assert audit(of([bought(A), again.model_copy(update={"releases": (release,)})], **twice)) == []
    refused = again.model_copy(update={"refusals": (refusal,)})
    assert "requests were charged [2, 1] times, and the releases allow [1, 1]" in audit(
        of([bought(A), refused], **twice)
    )


@pytest.mark.parametrize(("code", "told"), [(1, "run 2 ended with 1"), (9, "run 2 ended with 9"), (-11, "run 2 ended")])
def test_an_end_that_is_not_on_the_list_is_found(evidence: Evidence, code: int, told: str) -> None:
    assert any(told in breach for breach in audit(replace(evidence, ends=[KILLED, code])))


def test_a_run_that_never_ends_is_found(evidence: Evidence) -> None:
    assert audit(replace(evidence, ends=[KILLED, KILLED])) == ["no run came to its end"]
    assert audit(replace(evidence, overran=1)) == ["1 runs did not end by themselves"]


def test_a_hole_is_found(evidence: Evidence) -> None:
    assert audit(replace(evidence, films=[film_index(A, 47)], decoded={})) == [
        "youtube-instream: a hole, 47 frames of 48"
    ]
    assert audit(replace(evidence, decoded={"f" * 64: 46})) == ["youtube-instream: a hole, 46 frames of 48"]
    assert audit(replace(evidence, films=[])) == ["0 films of 1, and the run says it is done"]


def test_a_picture_that_should_not_be_seen_is_found(evidence: Evidence) -> None:
    books = [created(A, faults=["black"]), created(B), ended(A), ended(B)]
    assert audit(replace(evidence, books=books)) == ["youtube-instream: pour/take shows a flawed take"]
    assert audit(replace(evidence, films=[film_index("c" * 64)])) == [
        "youtube-instream: pour/take shows a picture that nobody bought"
    ]


def test_work_left_by_a_run_that_says_it_is_done_is_found(evidence: Evidence) -> None:
    assert audit(replace(evidence, unfinished=2)) == ["the run says it is done, and 2 purchases are open"]


# --- small pictures ---


@given(st.integers(16, 8192), st.integers(2, 16))
def test_small_sizes_are_even_and_never_nothing(pixels: int, scale: int) -> None:
    assert shrink_length(pixels, scale) % 2 == 0
    assert 2 <= shrink_length(pixels, scale) <= pixels
    assert shrink_length(pixels, 1) == pixels


def test_a_small_profile_asks_for_no_least_rate_and_is_else_the_same() -> None:
    for profile in load_profiles().values():
        small = shrink_profile(profile, 8)
        assert (small.video.minimum_kbps, small.minimum_kbps, small.minimum_bytes) == (None, None, None)
        same = {name: getattr(profile, name) for name in ("sizes", "video", "minimum_kbps", "minimum_bytes")}
        assert small.model_copy(update=same) == profile
        assert shrink_profile(profile, 1) is profile


# --- whole rehearsals ---

TWO = """\
manifest: 1
kind: spot
name: two
brand: brand.yaml
generate:
  model: gen4.5
  takes: 1
  ratio: "16:9"
  retry: {attempts: 3, rerolls: 1}
shots:
  - id: pour
    duration: 2
    prompt:
      subject: A green porcelain cup
      action: hot water pours in one steady stream into the cup
      environment: on the pale worktop of a quiet kitchen
      camera: slow push in at cup height
      mood: warm side light, visible steam
  - id: sip
    duration: 2
    prompt:
      subject: The same green porcelain cup
      action: steam rises and drifts slowly to the right
      environment: on the same worktop
      camera: slow pan left towards the window
      mood: the same warm side light
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 500}
"""


@pytest.fixture
def two_shots(tmp_path: Path) -> Project:
    return write_project(tmp_path / "project", TWO, "two", {})


def test_half_a_dozen_seeds_of_two_shots(two_shots: Project) -> None:
    """The command, as people give it: every book agrees, and nothing is left in the project or behind it."""
    before = sorted(two_shots.root.rglob("*"))
    scratch = Path(tempfile.mkdtemp(prefix="r-", dir="/tmp"))  # sockets in it need a short path
    told = two_shots.command(
        "rehearse", "film.yaml", "--seeds", "6", "--json",
        env={"TMPDIR": str(scratch), "RUNWAYML_API_SECRET": "key_" + "7f" * 64}, seconds=400,
    )  # fmt: skip
    *rows, end = [json.loads(line) for line in told.out.splitlines()]
    assert (told.code, end["breaches"]) == (0, []), told.text
    assert sorted(row["seed"] for row in rows) == list(range(6))
    assert end["kills"] > 3
    assert end["finished"] > 3
    assert len(end["faults"]) > 8
    assert sorted(two_shots.root.rglob("*")) == before
    assert list(scratch.glob("shotrunner-*")) == []
    shutil.rmtree(scratch)


def test_what_the_project_has_already_bought_does_not_change_the_weather(two_shots: Project, tmp_path: Path) -> None:
    fresh = film_of(plan_from_nothing(two_shots.manifest, (), tmp_path))
    settings = Settings.model_validate({"SHOTRUNNER_STORE": str(two_shots.root / ".shotrunner" / "store")})
    for action in make_plan(two_shots.manifest, settings=settings).plan.actions:
        assert action.key is not None
        create_record(two_shots.store, take_record_key(action.key, "intent", 1), intent_of(action.key))
        (tmp_path / "clip").write_text(action.id)
        blob = put_blob(two_shots.store, "take", tmp_path / "clip", "video/mp4")
        made = result_of(action.key).model_copy(update={"blob": blob})
        create_record(two_shots.store, take_record_key(action.key, "result"), made)
    assert make_plan(two_shots.manifest, settings=settings).plan.totals.credits == 0
    assert film_of(plan_from_nothing(two_shots.manifest, (), tmp_path)) == fresh
    assert fresh.credits > 0


def test_a_manifest_that_is_wrong_starts_nothing(two_shots: Project) -> None:
    two_shots.change(
        ("duration: 2\n    prompt:\n      subject: A green", "duration: 99\n    prompt:\n      subject: A green")
    )
    told = two_shots.command("rehearse", "film.yaml")
    assert told.code == 2
    assert "film.yaml" in told.err


def test_a_breach_is_exit_7(two_shots: Project, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from flows import cli
    from flows.rehearse import Row

    row = Row(4, {"black": 1}, 1, (-9, 1), 3, 72, 0, ("run 2 ended with 1",), 4.2, "/somewhere/seed-4")

    def stage(*args: Any, **_: Any) -> list[Row]:
        tell: Callable[[Row], None] = args[3]
        tell(row)
        return [row]

    monkeypatch.setattr("flows.rehearse.rehearse", stage)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["rehearse", str(two_shots.manifest), "--seed", "4"])
    told = capsys.readouterr().out
    assert stopped.value.code == 7
    assert "BREACH" in told
    assert "run 2 ended with 1" in told
    assert "breaches: seeds 4" in told
