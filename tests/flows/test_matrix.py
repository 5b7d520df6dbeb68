"""A cut-down matrix from manifest to files: 2 products × 2 hooks × 2 locales × 2 ratios, twelve clips, sixteen films.
Pictures are tiny; everything else is what `run` does."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from projects import PATIENCE, Project, clean_environment, paint_reference, write_project

from flows.apply import finished_films
from flows.prepare import make_plan
from flows.views import run_lines
from infra.records import read_record
from manifests.finish import DeliverableIndex
from manifests.plan import Options

MATRIX = """\
manifest: 1
kind: spot
name: winter
brand: brand.yaml
copy: copy.yaml
variants:
  axes:
    product:
      - {id: green, name: matte green kettle, ref: green.png}
      - {id: black, name: matte black kettle, ref: black.png}
    hook:
      - {id: cold, scene: frost melting slowly on a kitchen window}
      - {id: gift, scene: hands tying a plain ribbon on a small box}
    locale: [en-GB, de-DE]
    ratio: ["16:9", "9:16"]
generate:
  model: gen4.5
  takes: 1
  seed: 900
references:
  product: {kind: object, file: "${product.ref}", rights: {basis: owned}}
shots:
  - id: open
    varies_by: [hook, ratio]
    duration: 1
    prompt:
      subject: ${hook.scene}
      action: steam drifts slowly to the right
      environment: a quiet winter home at dusk
      camera: static medium shot
      mood: blue evening light from outside, warm lamp inside
  - id: hero
    varies_by: [product, ratio]
    duration: 2
    start_image: product
    prompt:
      subject: A ${product.name}
      action: steam rises slowly and drifts to the right
      environment: on a dark wooden table, plain wall
      camera: slow dolly in, product stays centred
      mood: single warm side light, deep soft shadows
  - id: use
    varies_by: [product, ratio]
    duration: 1
    start_image: product
    prompt:
      subject: A ${product.name}
      action: a hand lifts it slowly to the left
      environment: the same wooden table
      camera: close shot, locked off
      mood: the same warm side light
edit:
  transitions: [{between: [open, hero], duration: 0.4}]
sound:
  voiceover:
    voice: warm
    language: ${locale}
    lines: [{id: line, at: hero, offset: 0.1, text: "${copy.line}"}]
graphics:
  supers: [{at: use, offset: 0.2, duration: 0.6, text: "${copy.price}"}]
  end_card: {card: plain, duration: 1, fields: {headline: "${copy.cta}", legal: "${copy.legal}"}}
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
  - {profile: meta-reels, ratio: "9:16"}
budget: {credits: 2000}
"""
COPY = """\
en-GB: {line: Warm hands, price: "£49", cta: Take your time, legal: Alder Home Ltd}
de-DE: {line: Warme Hände, price: 59 €, cta: Nimm dir Zeit, legal: Alder Home GmbH}
"""
SCALE = 8

# What `run` does once the plan is made, with pictures an eighth of their size.
RUN = """\
import asyncio, json, sys
from pathlib import Path
from flows.delivery import put_out
from flows.prepare import make_plan
from flows.refusals import refuse_over_budget
from flows.stored_plan import store_inputs
from infra.console import CONSOLE, RunConsole
from infra.runs import last_run
from manifests.plan import Options

prepared = make_plan(Path("film.yaml"), options=Options(picture_scale=int(sys.argv[1])))
refuse_over_budget(prepared.plan)
CONSOLE.set(RunConsole(home=prepared.home))
from flows.campaign import ProductionError, produce
try:
    asyncio.run(produce(plan=store_inputs(prepared), store=prepared.store_url))
except ProductionError as error:
    sys.exit(f"{error.status}: {error}")
run = last_run(prepared.store, prepared.plan.campaign)
put_out(prepared.store, prepared.plan, run, Path("out"))
print(json.dumps(run.model_dump(mode="json", by_alias=True)))
"""


def run_tiny(project: Project) -> dict[str, Any]:
    """The run record. The child has the session's Prefect server and the project's own store and backlot."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, str(SCALE)], cwd=project.root, env={**clean_environment(), **project.environment},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def takes_filmed(project: Project) -> int:
    return sum(line.get("path", "") in ("/v1/image_to_video", "/v1/text_to_video") for line in project.log.entries())


def films_of(project: Project, record: dict[str, Any]) -> list[DeliverableIndex]:
    films = [read_record(project.store, key, DeliverableIndex) for key in record["deliverables"]]
    return [film for film in films if film is not None]


def take_of(film: DeliverableIndex, shot: str) -> str:
    return next(
        sha256 for want, sha256 in film.inputs.items() if want.startswith(f"{shot}@") and want.endswith("/take")
    )


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> tuple[Project, dict[str, Any]]:
    project = write_project(
        tmp_path_factory.mktemp("matrix") / "p", MATRIX, "winter", {"PREFECT_API_URL": prefect_server}
    )
    (project.root / "copy.yaml").write_text(COPY)
    for name in ("green", "black"):
        paint_reference(project.root / f"{name}.png")
    (project.root / "black.png").write_bytes(_darker(project.root / "black.png"))
    return project, run_tiny(project)


def _darker(path: Path) -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.open(path).point(lambda value: value // 2).save(out, "PNG")
    return out.getvalue()


def test_twelve_clips_make_sixteen_films(matrix: tuple[Project, dict[str, Any]]) -> None:
    project, record = matrix
    assert (record["exit_code"], record["problems"]) == (0, [])
    assert takes_filmed(project) == 12  # open: 2 hooks × 2 ratios; hero and use: 2 products × 2 ratios each
    assert len(record["deliverables"]) == 16
    assert len(list((project.root / "out").rglob("*.mp4"))) == 16


def test_a_matrix_that_is_finished_leaves_nothing_to_do(
    matrix: tuple[Project, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = matrix
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    prepared = make_plan(project.root / "film.yaml", options=Options(picture_scale=SCALE))
    finished = finished_films(prepared.store, prepared.plan, prepared.planner)
    assert finished is not None
    assert len(finished) == 16


def test_the_sheet_has_a_row_for_each_file(matrix: tuple[Project, dict[str, Any]]) -> None:
    project, _ = matrix
    sheet = (project.root / "out" / "trafficking.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(sheet.splitlines()))
    assert len(rows) == 16
    assert Counter(row["profile"] for row in rows) == {"youtube-instream": 8, "meta-reels": 8}
    assert {(r["product"], r["hook"], r["locale"]) for r in rows} == {
        (p, h, loc) for p in ("green", "black") for h in ("cold", "gift") for loc in ("en-GB", "de-DE")
    }
    for row in rows:
        assert (project.root / "out" / row["file"]).is_file()
        assert row["frames"] == "120"


def test_locales_share_all_pictures_without_words(matrix: tuple[Project, dict[str, Any]]) -> None:
    """Conformed once per ratio: each distinct take (animatics this small can be equal) and, by locale and ratio, the
    card. Only words and joins are encoded again."""
    _, record = matrix
    made = record["steps_made"]
    assert made["conform"] == made["screen"] + 4
    # at most the dissolve by hook × product × ratio, and the super by product × locale × ratio
    assert made["section"] <= 8 + 8
    assert made["mix"] == 2
    sections = record["sections"]
    assert sections["encoded"] == sections["shown"], "nothing was there before"
    assert sections["shown"]["conform"] == made["conform"], "each is shown on its own in some film"
    assert sections["shown"]["section"] == made["section"]
    assert (sections["films"], sections["films_made"]) == (16, 16)


def test_a_late_price_costs_no_call_and_only_its_own_pictures(matrix: tuple[Project, dict[str, Any]]) -> None:
    project, _ = matrix
    calls = len(project.log.entries())
    project.change(("59 €", "55 €"), path="copy.yaml")
    record = run_tiny(project)
    creates = [e for e in project.log.entries()[calls:] if e.get("method") == "POST"]
    assert (record["exit_code"], creates, record["calls"]) == (0, [], 0)
    made = record["steps_made"]
    assert made["section"] <= 4  # by product × ratio, of the locale whose price it is
    assert "conform" not in made
    assert "mix" not in made
    assert made["stitch"] <= 8
    assert len(record["deliverables"]) == 16
    # exactly one for each picture under that price: animatics this small can be equal
    films = films_of(project, record)
    priced = {(film.ratio, take_of(film, "use")) for film in films if film.values["locale"] == "de-DE"}
    sections, total = record["sections"], sum(matrix[1]["sections"]["shown"].values())
    assert sections["encoded"] == {"section": len(priced)}
    assert sections["shown"] == matrix[1]["sections"]["shown"], "films that were there are counted, too"
    assert len(priced) / total < 1 / 5
    kept = total - len(priced)
    assert f"  sections {len(priced)} of {total} encoded, {kept} kept; 8 of 16 files made anew" in run_lines(record, [])


@pytest.mark.slow
def test_a_late_legal_line_is_one_card_for_each_locale_and_ratio(matrix: tuple[Project, dict[str, Any]]) -> None:
    project, first = matrix
    calls, total = len(project.log.entries()), sum(first["sections"]["shown"].values())
    project.change(("Alder Home Ltd", "Alder Home Limited"), ("Alder Home GmbH", "Alder Home AG"), path="copy.yaml")
    record = run_tiny(project)
    creates = [e for e in project.log.entries()[calls:] if e.get("method") == "POST"]
    assert (record["exit_code"], creates, record["calls"]) == (0, [], 0)
    assert (record["sections"]["encoded"], record["steps_made"]["conform"]) == ({"conform": 4}, 4)
    assert "section" not in record["steps_made"]
    assert f"  sections 4 of {total} encoded, {total - 4} kept; 16 of 16 files made anew" in run_lines(record, [])
    assert 4 / total < 1 / 5
