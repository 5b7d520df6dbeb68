"""A weekly schedule on paper: the film of `paper` as a matrix of cups, with tables that change in Christmas week."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from clocks import TestClock
from paper import AT, BRAND, FILM, Paper

from flows.scheduling import Planned, begin_scheduled, find_occurrence, prepare_scheduled
from flows.stored_plan import store_inputs
from manifests.plan import Options
from manifests.scheduled import read_schedule

WEEKLY = """\
manifest: 1
kind: schedule
name: weekly
run: film.yaml
when: {cron: "30 5 * * 1", timezone: Europe/London, skip_dates: ["2026-12-28"]}
params:
  week: ${run.week}
  offer: {table: data/offers.csv, date: "${run.date}", column: offer}
override:
  variants:
    axes:
      cup: {table: data/cups.csv, date: "${run.date}", limit: 2}
"""
OFFERS = """\
from,to,offer
2026-12-07,2026-12-20,tea for two
2026-12-21,,tea for one
"""
CUPS = """\
id,colour,from,to
green,matte green,,
blue,deep blue,,2026-12-20
white,plain white,2026-12-21,
"""
CHANGES = (
    ("brand: brand.yaml\n", "brand: brand.yaml\nvariants: {axes: {cup: [{id: green, colour: matte green}]}}\n"),
    ("A matte green kettle", "A ${cup.colour} kettle"),
    (
        "deliver:\n",
        'graphics:\n  supers: [{at: pour, offset: 0.1, duration: 0.5, text: "${params.offer}"}]\ndeliver:\n',
    ),
)


class Clock(TestClock):
    """It can be set."""

    def set(self, *day: int) -> None:
        self.elapsed = (dt.datetime(*day, tzinfo=dt.UTC) - self._began).total_seconds()  # type: ignore[misc,arg-type]


class Weekly(Paper):
    """A schedule, its film and its tables in an empty project."""

    @property
    def file(self) -> Path:
        return self.root / "weekly.yaml"

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
        (self.root / path).write_text(text.replace(old, new))

    def start(self, day: str, clock: Clock | None = None, *, anew: bool = False, **options: Any) -> Planned:
        occurrence = find_occurrence(read_schedule(self.file).schedule, day)
        return prepare_scheduled(self.file, occurrence, clock=clock, options=Options(**options), anew=anew)

    def film_of(self, planned: Planned, at: dt.datetime = AT) -> None:
        """Everything that its plan buys, until it buys nothing more."""
        store_inputs(planned.prepared)
        for _ in range(10):
            occurrence, clock = planned.occurrence, Clock()
            clock.set(*at.timetuple()[:5])
            prepared = prepare_scheduled(self.file, occurrence, clock=clock).prepared
            todo = [a for a in prepared.plan.purchases if a.key is not None and a.credits]
            for action in todo:
                self.buy(prepared, action, at=at)
            if not todo:
                return

    def begin(self, day: str, clock: Clock | None = None, **options: Any) -> Planned:
        return begin_scheduled(self.start(day, clock, **options), clock)


def write_weekly(folder: Path, *changes: tuple[str, str], film: str = FILM) -> Weekly:
    for old, new in CHANGES:
        assert film.count(old) == 1, old
        film = film.replace(old, new)
    schedule = WEEKLY
    for old, new in changes:
        assert schedule.count(old) == 1, old
        schedule = schedule.replace(old, new)
    (folder / "data").mkdir(parents=True)
    texts = {
        "film.yaml": film, "brand.yaml": BRAND, "weekly.yaml": schedule, "shotrunner.toml": "",
        "data/offers.csv": OFFERS, "data/cups.csv": CUPS,
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    return Weekly(folder)
