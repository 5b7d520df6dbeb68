"""A schedule travels only when it plans the same without its project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from weeks import Clock, Weekly, write_weekly

from flows.bundling import bundle_schedule
from infra.bundle import BundleError


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.set(2026, 12, 14, 5, 0)
    return clock


@pytest.fixture
def weekly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path) -> Weekly:
    found = write_weekly(tmp_path / "p")
    monkeypatch.chdir(found.root)
    return found


def test_what_plans_the_same_anywhere_is_put_into_the_store(weekly: Weekly, clock: Clock) -> None:
    bundled = bundle_schedule(weekly.file, clock)
    assert {"weekly.yaml", "film.yaml", "data/offers.csv"} < set(bundled.bundle.files)


def test_what_would_plan_something_else_there_does_not_travel(weekly: Weekly, clock: Clock) -> None:
    """`..` after a link: here it leads to the brand kit beside the linked folder, there to another one of that name."""
    root = weekly.root
    for folder in ("real/deep", "sub"):
        (root / folder).mkdir(parents=True)
    (root / "sub" / "link").symlink_to("../real/deep")
    shutil.move(root / "film.yaml", root / "real" / "deep")
    shutil.copy(root / "brand.yaml", root / "real")
    shutil.move(root / "brand.yaml", root / "sub")
    weekly.edit("real/deep/film.yaml", "brand: brand.yaml", "brand: ../brand.yaml")
    weekly.edit("weekly.yaml", "run: film.yaml", "run: sub/link/film.yaml\ndescription: sub/brand.yaml")
    bundle_schedule(weekly.file, clock)
    weekly.edit("sub/brand.yaml", "muted cool palette", "loud warm palette")
    with pytest.raises(BundleError, match="away from this project it would plan something else") as refused:
        bundle_schedule(weekly.file, clock)
    assert "links" in refused.value.remedy
