"""Dailies of films that share shots: every film is found from its poster, and the page filters without a script."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from footage import film_clip
from matrices import write_matrix
from paper import AT, RUN, Paper
from PIL import Image

from flows.delivery import put_out
from flows.views import run_lines
from infra.blobs import blob_file, put_blob, read_blob
from infra.clock import SystemClock
from infra.deliverables import film_name
from infra.events import Events
from infra.records import create_record
from infra.runners.local import LocalRunner
from infra.selections import read_gates
from infra.state import StoreState
from infra.steps import StepRunner
from infra.storage.base import ObjectStore
from manifests.finish import DeliverableIndex, Finished
from manifests.journal import RunRecord
from manifests.naming import deliverable_index_key
from manifests.ratecard import load_models
from tasks.wrap import wrap

RATIOS = {"16:9": (320, 180), "9:16": (180, 320)}


class Tags(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [a for name, a in self.found if name == tag and all(a.get(k) == v for k, v in wanted.items())]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of eight variants at its end, as the flow has it: circled on paper, no film yet."""
    for name in [n for n in os.environ if n.startswith(("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    paper = write_matrix(tmp_path)
    paper.film()
    paper.ran()
    return production(paper)


def steps_in(store: ObjectStore, work: Path) -> StepRunner:
    return StepRunner(store, SystemClock(), Events(), LocalRunner(store, work, 2))


def production(paper: Paper) -> Any:
    prepared = paper.prepared()
    plan, store = prepared.plan, prepared.store
    spot = plan.read_spot()
    return SimpleNamespace(
        plan=plan, spot=spot, store=store, run_id=f"{RUN[:-1]}b", clock=SystemClock(), started=AT,
        models=load_models(), settings=prepared.settings, problems=[], notices=[], decisions=[], calls=0, spent=0,
        buying_seconds=None, fits={}, shown={}, flow_runs=(), steps=steps_in(store, paper.root / "work"),
        state=lambda: StoreState(store, SystemClock()),
        review_gates=lambda: read_gates(store, plan.campaign, spot.review, auto=False),
    )  # fmt: skip


def films_of(made: Any, tmp_path: Path, *, ok: bool = True) -> list[Finished]:
    """A real film for every ratio; each variant's placements have it."""
    blobs = {
        ratio: put_blob(made.store, "out", film_clip(tmp_path / f"{width}.mp4", frames=121, width=width, height=height),
                        "video/mp4")
        for ratio, (width, height) in RATIOS.items()
    }  # fmt: skip
    measured = {
        "ok": ok, "checks": [{"name": "frames", "wanted": "120", "found": "121", "ok": ok}],
        "measured": {"lufs": None, "true_peak": None, "width": 320, "height": 180, "frames": 120,
                     "presented_seconds": {"video": 5.0}},
    }  # fmt: skip
    films = []
    for variant in made.plan.variants:
        for wanted in variant.spot.deliver:
            name = film_name(variant, wanted)
            index = DeliverableIndex(
                key=f"{len(films):064x}", campaign="paper", variant=name, profile=wanted.profile, ratio=wanted.ratio,
                files={f"{name}.mp4": blobs[wanted.ratio]}, inputs={}, measured=measured, backlot=True,
                values=variant.values,
            )  # fmt: skip
            create_record(made.store, deliverable_index_key("paper", name, index.key[:12]), index)
            films.append(Finished(index, wanted, made=True))
    return films


async def wrapped(made: Any, films: list[Finished]) -> tuple[RunRecord, str]:
    record = await wrap.fn("wrap", made, films, "")  # type: ignore[attr-defined]
    assert record.dailies is not None
    return record, read_blob(made.store, record.dailies).decode()


async def test_every_film_is_found_from_its_poster(made: Any, tmp_path: Path) -> None:
    record, page = await wrapped(made, films_of(made, tmp_path))
    tags = Tags(page)
    ids = [attrs["id"] for _, attrs in tags.found if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = [attrs["href"].removeprefix("#") for attrs in tags.of("a")]
    assert len(set(anchors)) == 8
    assert set(anchors) <= set(ids)
    assert record.steps_made == {"poster": 2, "poster_grid": 1}, "films of the same bytes share theirs"
    assert page.count("cold,en-GB,9:16</b> · 2 files, all ok") == 1
    out = tmp_path / "put"
    put_out(made.store, made.plan, record, out)
    for video in tags.of("video"):
        assert (out / video["src"]).is_file(), "the page plays what lies beside it"
    assert len(tags.of("video")) == 12
    assert {video["preload"] for video in tags.of("video")} == {"none"}
    with Image.open(out / "grid.png") as grid:
        assert grid.width > grid.height > 2 * 180
    assert re.search(r"<b>open</b> · 4 clips, 8 takes, 4 circled", page)


async def test_buttons_hide_what_nobody_asked_for(made: Any, tmp_path: Path) -> None:
    _, page = await wrapped(made, films_of(made, tmp_path))
    tags = Tags(page)
    assert not tags.of("script")
    groups: dict[str, list[dict[str, str]]] = {}
    for button in tags.of("input", type="radio"):
        groups.setdefault(button["name"], []).append(button)
    assert [len(buttons) for buttons in groups.values()] == [3, 3, 3], "all, and each value, of three axes"
    for buttons in groups.values():
        assert [("checked" in b) for b in buttons] == [True, False, False]
    rules = re.findall(r"#(f\d-\d):checked ~ \.picked \.v:not\(\.(f\d-\d)\) \{ display: none; \}", page)
    assert len(rules) == 6
    variants = [attrs["class"].split() for attrs in tags.of("details") if "variant" in attrs.get("class", "")]
    for button, kept in rules:
        assert button == kept
        assert sum(kept in classes for classes in variants) == 4, "half of eight variants have each value"
    assert {attrs["for"] for attrs in tags.of("label")} == {b["id"] for buttons in groups.values() for b in buttons}


async def test_what_failed_its_checks_is_open(made: Any, tmp_path: Path) -> None:
    _, page = await wrapped(made, films_of(made, tmp_path, ok=False))
    opened = [attrs for attrs in Tags(page).of("details") if "variant" in attrs.get("class", "")]
    assert all("open" in attrs for attrs in opened)
    assert page.count("NOT all ok") == 8 + 12


async def test_a_film_that_did_not_change_keeps_its_poster(made: Any, tmp_path: Path) -> None:
    films = films_of(made, tmp_path)
    await wrapped(made, films)
    made.run_id, made.steps = f"{RUN[:-1]}c", steps_in(made.store, tmp_path / "w2")
    record, page = await wrapped(made, films)
    assert record.steps_made == {}
    assert record.grid is not None
    assert "sections of picture" not in page, "of films that noted none"


async def test_sections_are_told_by_the_run_that_made_them(made: Any, tmp_path: Path) -> None:
    films = [replace(film, made=number < 2) for number, film in enumerate(films_of(made, tmp_path))]
    made.shown = {"a": "conform", "b": "conform", "c": "section"}
    made.steps.made_keys = {"b", "c", "a step that no film shows"}
    record, page = await wrapped(made, films)
    assert record.sections is not None
    assert record.sections.shown == {"conform": 2, "section": 1}
    assert record.sections.encoded == {"conform": 1, "section": 1}
    assert "<b>2 of 3</b><span>sections of picture encoded, the rest kept</span>" in page
    told = run_lines(record.model_dump(mode="json", by_alias=True), [])
    assert told[1] == "  sections 2 of 3 encoded, 1 kept; 2 of 12 files made anew"


async def test_a_film_that_cannot_be_read_costs_only_the_posters(made: Any, tmp_path: Path) -> None:
    films = films_of(made, tmp_path)
    path = blob_file(made.store, films[0].index.files[films[0].index.film], tmp_path)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    record, page = await wrapped(made, films)
    assert record.grid is None
    assert any("no poster frames" in notice for notice in record.notices)
    assert "cold,en-GB,9:16</b>" in page
    assert "<img" not in page


async def test_missing_films_leave_a_hole(made: Any, tmp_path: Path) -> None:
    films = films_of(made, tmp_path)
    kept = [film for film in films if film.index.values["hook"] == "cold"]
    record, page = await wrapped(made, kept)
    assert record.grid is not None
    assert page.count('class="absent"') == 4
    assert len(record.incomplete) == 6
