"""The end of a run on paper: what its dailies and its record say of films, made or not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paper import AT, BRAND, FILM, RUN, Paper

from infra.blobs import put_blob, read_blob
from infra.clock import SystemClock
from infra.deliverables import find_deliverable
from infra.records import create_record
from infra.selections import keep_decisions, read_decisions, read_gates
from infra.state import StoreState
from manifests.approvals import Decisions, Word
from manifests.finish import DeliverableIndex, Finished
from manifests.journal import RunRecord
from manifests.naming import deliverable_index_key
from manifests.news import news_of
from manifests.ratecard import load_models, load_profiles
from tasks.wrap import wrap

VARIANT = "16x9-youtube-instream"


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    for name in [n for n in os.environ if n.startswith(("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    for name, text in (("film.yaml", FILM), ("brand.yaml", BRAND), ("shotrunner.toml", "")):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return Paper(tmp_path)


def production(paper: Paper) -> Any:
    """As a run has it at its end."""
    prepared = paper.prepared()
    plan, store = prepared.plan, prepared.store
    spot = plan.read_spot()
    return SimpleNamespace(
        plan=plan, spot=spot, store=store, run_id=RUN, clock=SystemClock(), started=AT, models=load_models(),
        settings=prepared.settings, problems=[], notices=[], decisions=[], calls=0, spent=0, buying_seconds=None,
        steps=SimpleNamespace(made={}, kept={}, made_keys={}, cpu_seconds=0.0), fits={}, shown={}, flow_runs=(),
        state=lambda: StoreState(store, SystemClock()),
        review_gates=lambda: read_gates(store, plan.campaign, spot.review, auto=False),
    )  # fmt: skip


def film_of(made: Any, name: str = "film.mp4") -> Finished:
    blob = put_blob(made.store, "out", b"a film", "video/mp4")
    measured = {
        "ok": True, "checks": [],
        "measured": {
            "lufs": None, "true_peak": None, "width": 1920, "height": 1080, "frames": 96,
            "presented_seconds": {"video": 4.0},
        },
    }  # fmt: skip
    index = DeliverableIndex(
        key="k" * 64, campaign="paper", variant=VARIANT, profile="youtube-instream", ratio="16:9", files={name: blob},
        inputs={}, measured=measured, backlot=True,
    )  # fmt: skip
    return Finished(index, made.spot.deliver[0], made=True)


def say(made: Any, sha256: str, decision: Any, **fields: Any) -> None:
    word = Word(address=VARIANT, what="film", target=VARIANT, sha256=sha256, decision=decision, **fields)
    keep_decisions(made.store, Decisions(campaign="paper", by="legal", person="jan", at=AT, words=(word,)))


def find(made: Any, film: Finished) -> tuple[str, DeliverableIndex | None]:
    profile, said = load_profiles()["youtube-instream"], read_decisions(made.store, "paper")
    return find_deliverable(made.store, made.plan, next(iter(made.plan.variants)), {}, profile, film.deliver, said)


async def wrapped(made: Any, *films: Finished) -> tuple[RunRecord, str]:
    record = await wrap.fn("wrap", made, films, "")  # type: ignore[attr-defined]
    assert record.dailies is not None
    return record, read_blob(made.store, record.dailies).decode()


async def test_dailies_name_the_films_that_are_not_complete_and_what_they_lack(paper: Paper) -> None:
    paper.film(failed={f"sip/take-{n}": "input-moderated" for n in range(1, 9)})
    made = production(paper)
    record, page = await wrapped(made)
    assert record.incomplete == {VARIANT: ("sip/take",)}
    assert f"<b>{VARIANT}</b> is not complete: it lacks sip/take" in page


async def test_dailies_of_a_whole_film_say_nothing_of_the_kind(paper: Paper) -> None:
    paper.film()
    made = production(paper)
    _, page = await wrapped(made, film_of(made))
    assert "is not complete" not in page
    assert "<b>1</b><span>deliverable</span>" in page
    assert "<h2>Sound</h2>" not in page, "a silent film"


async def test_dailies_say_who_let_a_film_pass_and_when(paper: Paper) -> None:
    paper.film()
    made = production(paper)
    film = film_of(made)
    say(made, film.index.film_sha256, "approve", note="as agreed")
    say(made, "0" * 64, "reject", reasons=("logo",))
    _, page = await wrapped(made, film)
    assert "approved by legal (jan), 2026-11-23 05:30 UTC: as agreed" in page
    assert "rejected (logo)" not in page, "said of other bytes"


async def test_a_film_whose_offer_has_ended_is_neither_delivered_nor_asked_about(paper: Paper) -> None:
    (paper.root / "cups.csv").write_text("id,from,to\ngreen,,2026-01-31\n")
    axes = "variants: {axes: {cup: {table: cups.csv, date: '2026-01-01'}}}"
    paper.change("brand: brand.yaml\n", f"brand: brand.yaml\n{axes}\n")
    paper.change("deliver:", "review: {cut: {by: [legal], needed: 1}}\ndeliver:")
    paper.film()
    made = production(paper)
    film = film_of(made)
    index = film.index.model_copy(update={"variant": f"green-{VARIANT}", "values": {"cup": "green"}})
    record, page = await wrapped(made, replace(film, index=index))
    assert (record.deliverables, record.waiting, record.exit_code) == ((), (), 7)
    assert record.over == (deliverable_index_key("paper", index.variant, index.key[:12]),)
    [told] = record.problems
    assert (told.summary, told.detail) == (
        "its offer has ended", "film.mp4 was good until 2026-01-31 (UTC), says cups.csv:2",
    )  # fmt: skip
    assert told.remedy.startswith("change that table, then run again:")
    assert "not delivered: its offer has ended" in page
    assert "<video" not in page
    assert [news.event for news in news_of(record)] == ["failed"]


def test_a_word_about_a_film_makes_its_sidecar_anew(paper: Paper) -> None:
    """Only then: the key of a film that nobody spoke of is what it always was."""
    paper.film()
    made = production(paper)
    film = film_of(made)
    plain, _ = find(made, film)
    create_record(
        made.store, deliverable_index_key("paper", VARIANT, plain[:12]), film.index.model_copy(update={"key": plain})
    )
    assert find(made, film)[1] is not None
    say(made, film.index.film_sha256, "approve")
    key, index = find(made, film)
    assert (key != plain, index) == (True, None)
