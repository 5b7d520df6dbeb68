"""A film in which another model stood in for one that failed: finished is finished, and status says who filmed it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from command import Shotrunner
from paper import Paper

from flows.apply import finished_films

FAILED = {f"pour/take-{n}": "third-party" for n in range(1, 9)}


@pytest.fixture
def stood_in(paper: Paper) -> Paper:
    """Everything is bought: `pour` by the fallback, `sip` by its own model."""
    paper.change("takes: 2,", "takes: 2, retry: {fallback: veo3.1},")
    paper.film(failed=FAILED)
    paper.ran()
    assert paper.buys() == []
    return paper


def finished(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, str]]:
    """What `run` would find, were every film in the store; and what it takes the film to be made of."""
    seen: dict[str, str] = {}
    index = SimpleNamespace(variant="16x9-youtube-instream", film_sha256="f" * 64, spot="", key="k" * 64)

    def found(*arguments: Any) -> tuple[str, Any]:
        seen.update(next(a for a in arguments if isinstance(a, dict)))
        return "key", index

    monkeypatch.setattr("flows.apply.find_deliverable", found)
    prepared = paper.prepared()
    return finished_films(prepared.store, prepared.plan, prepared.planner), seen


def test_a_film_with_a_stand_in_has_nothing_left_to_do(stood_in: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    films, inputs = finished(stood_in, monkeypatch)
    assert len(films) == 1
    planner = stood_in.prepared().planner
    assert planner.fell_back == {"pour/take": "pour/fallback"}
    [first, *_] = planner.walks["pour/fallback"].wanted
    assert first.result is not None
    assert inputs["pour/take"] == first.result.blob.sha256


def test_a_take_that_is_still_to_be_bought_is_something_to_do(stood_in: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    stood_in.change("the cup is lifted slowly", "the cup is raised slowly")
    assert finished(stood_in, monkeypatch)[0] is None


def test_a_shot_without_any_take_is_neverfinished_films(paper: Paper) -> None:
    paper.film(failed=FAILED)
    paper.ran()
    assert paper.prepared().planner.settled is False


def test_status_has_a_row_for_the_model_that_stood_in(stood_in: Paper, shotrunner: Shotrunner) -> None:
    rows = {(r["address"], r["model"]): r for r in shotrunner("status", "film.yaml", "--json").facts["rows"]}
    own, other = rows["pour", "gen4.5"], rows["pour", "veo3.1"]
    assert (own["circled"], other["circled"]) == (None, 1)
    assert (own["fallback"], other["fallback"]) == (False, True)
    assert "veo3.1 filmed it in its place" in own["notes"]
    out = shotrunner("status", "film.yaml").out
    assert "take 1 circled   by veo3.1, the fallback" in out
    assert len(rows) == 3, "nothing stood in for `sip`"
