"""A schedule travels only when it plans the same without its project."""

from __future__ import annotations

import shutil

import pytest
from weeks import Clock, Weekly

from flows.bundling import bundle_schedule
from flows.scheduling import begin_scheduled
from infra.bundle import BundleError


@pytest.fixture
def clock(clock: Clock) -> Clock:
    """Before the start, not after it."""
    clock.set(2026, 12, 14, 5, 0)
    return clock


def test_what_plans_the_same_anywhere_is_put_into_the_store(weekly: Weekly, clock: Clock) -> None:
    bundled = bundle_schedule(weekly.file, clock)
    assert {"weekly.yaml", "film.yaml", "data/offers.csv"} < set(bundled.bundle.files)


def test_a_start_that_has_begun_with_other_values_is_told(weekly: Weekly, clock: Clock) -> None:
    assert bundle_schedule(weekly.file, clock).begun_otherwise == ""
    weekly.begin("2026-12-14", clock)
    assert bundle_schedule(weekly.file, clock).begun_otherwise == ""
    weekly.edit("data/offers.csv", "tea for two", "tea for three")
    told = (
        "the start of 2026-12-14 has begun with what was settled then (offer: tea for two → tea for three): "
        "`shotrunner run --schedule weekly.yaml --date 2026-12-14 --anew` settles it again"
    )
    assert bundle_schedule(weekly.file, clock).begun_otherwise == told
    begin_scheduled(weekly.start("2026-12-14", clock, anew=True), clock)
    assert bundle_schedule(weekly.file, clock).begun_otherwise == ""


@pytest.mark.parametrize("change", [
    ("weekly.yaml", '"30 5 * * 1"', '"30 6 * * 1"'), ("data/offers.csv", "2026-12-07,", "2026-12-15,"),
])  # fmt: skip
def test_a_start_that_could_not_be_settled_now_is_left_alone(
    weekly: Weekly, clock: Clock, change: tuple[str, str, str]
) -> None:
    weekly.begin("2026-12-14", clock)
    weekly.edit(*change)
    clock.set(2026, 12, 21, 0, 0)
    assert bundle_schedule(weekly.file, clock).begun_otherwise == ""


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
