"""What a run counts, read back by Prometheus' own parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clocks import TestClock
from prometheus_client.parser import text_string_to_metric_families

from infra.counters import Counters

TAKE = {"address": "pour/take-1", "what": "take", "take": 1, "service": "runway", "model": "gen4.5"}


def read(folder: Path) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = (folder / "shotrunner-winter.prom").read_text()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def value(folder: Path, name: str, **labels: str) -> float:
    wanted = {"campaign": "winter", "purse": "paid", **labels}
    return read(folder)[(name, frozenset(wanted.items()))]


@pytest.fixture
def counters(tmp_path: Path) -> Counters:
    return Counters(TestClock(), "winter", "paid", tmp_path / "metrics")


def tell(counters: Counters, kind: str, **fields: Any) -> None:
    counters.listen({"message_type": kind, **TAKE, **fields})


def test_a_take_is_reserved_then_settled(counters: Counters, tmp_path: Path) -> None:
    tell(counters, "create", credits=60)
    tell(counters, "accepted", credits=50)
    counters.write()
    assert value(tmp_path / "metrics", "shotrunner_credits_reserved") == 50
    tell(counters, "collected", credits=48)
    counters.write()
    assert value(tmp_path / "metrics", "shotrunner_credits_reserved") == 0
    assert value(tmp_path / "metrics", "shotrunner_credits_spent_total") == 48
    assert value(tmp_path / "metrics", "shotrunner_takes_total", what="take", state="collected") == 1


def test_a_lost_answer_stays_reserved(counters: Counters, tmp_path: Path) -> None:
    tell(counters, "create", credits=60)
    tell(counters, "unknown", credits=60)
    counters.write()
    assert value(tmp_path / "metrics", "shotrunner_credits_reserved") == 60
    assert value(tmp_path / "metrics", "shotrunner_credits_spent_total") == 0
    assert value(tmp_path / "metrics", "shotrunner_takes_total", what="take", state="unknown") == 1


def test_waiting_is_measured_until_the_vendor_begins(tmp_path: Path) -> None:
    clock = TestClock()
    counters = Counters(clock, "winter", "paid", tmp_path / "metrics")
    tell(counters, "accepted", credits=50)
    clock.elapsed += 42
    tell(counters, "progress", status="THROTTLED")
    clock.elapsed += 8
    tell(counters, "progress", status="RUNNING")
    clock.elapsed += 90
    tell(counters, "progress", status="RUNNING")
    counters.write()
    assert value(tmp_path / "metrics", "shotrunner_queue_wait_seconds_sum", model="gen4.5") == 50
    assert value(tmp_path / "metrics", "shotrunner_queue_wait_seconds_count", model="gen4.5") == 1


def test_steps_are_counted_by_name(counters: Counters, tmp_path: Path) -> None:
    for seconds in (1.5, 2.0):
        counters.listen({"message_type": "step", "step": "conform", "seconds": seconds})
    counters.write()
    assert value(tmp_path / "metrics", "shotrunner_steps_total", step="conform") == 2
    assert value(tmp_path / "metrics", "shotrunner_step_cpu_seconds_total", step="conform") == 3.5


def test_the_file_is_not_written_at_every_event(tmp_path: Path) -> None:
    clock = TestClock()
    counters = Counters(clock, "winter", "paid", tmp_path / "metrics")
    tell(counters, "create", credits=60)
    tell(counters, "collected", credits=48)
    assert value(tmp_path / "metrics", "shotrunner_credits_reserved") == 60
    clock.elapsed += 11
    counters.listen({"message_type": "stopping"})
    assert value(tmp_path / "metrics", "shotrunner_credits_spent_total") == 48


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("a file")
    counters = Counters(TestClock(), "winter", "paid", tmp_path / "metrics")
    tell(counters, "create", credits=60)
    counters.write()


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    counters = Counters(TestClock(), "winter", "play")
    tell(counters, "create", credits=60)
    counters.write()
    assert list(tmp_path.iterdir()) == []
