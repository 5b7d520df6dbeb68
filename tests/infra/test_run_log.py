"""A run's log: lines that a machine reads, kept through a kill, in the store at the end."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from clocks import TestClock

from infra.errors import StoreUnavailableError
from infra.run_log import LOGGER, RunLog
from infra.storage.memory import MemoryStore

RUN = "20261121-0900-abcd"
TAKE = {"address": "pour@en-GB/take-2", "what": "take", "take": 2}


def lines(data: bytes | str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def test_a_line_says_when_which_run_and_which_take(tmp_path: Path) -> None:
    log = RunLog(TestClock(), RUN, "winter", tmp_path)
    log.listen({"message_type": "failed", **TAKE, "code": "INTERNAL"})
    line = lines((tmp_path / f"{RUN}.jsonl").read_text())[0]
    assert line == {
        "at": "2026-11-21T09:00:00+00:00", "level": "ERROR", "run_id": RUN, "campaign": "winter",
        "slate": "winter pour@en-GB take-2", "event": "failed", **TAKE, "code": "INTERNAL",
    }  # fmt: skip


def test_at_the_end_the_store_has_it_and_the_file_goes(tmp_path: Path) -> None:
    store, log = MemoryStore(), RunLog(TestClock(), RUN, "winter", tmp_path)
    for kind in ("run", "stopping"):
        log.listen({"message_type": kind})
    log.close(store)
    kept = lines(store.get_bytes(f"v1/runs/{RUN}/log.jsonl")[0])
    assert [line["event"] for line in kept] == ["run", "stopping"]
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_leaves_its_lines(tmp_path: Path) -> None:
    log = RunLog(TestClock(), RUN, "winter", tmp_path)
    log.listen({"message_type": "create", **TAKE})
    assert len(lines((tmp_path / f"{RUN}.jsonl").read_text())) == 1  # without close: written as it happened


def test_a_store_that_is_gone_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, log = MemoryStore(), RunLog(TestClock(), RUN, "winter", tmp_path)
    log.listen({"message_type": "run"})

    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailableError("gone")

    monkeypatch.setattr(store, "put_file", gone)
    log.close(store)
    assert (tmp_path / f"{RUN}.jsonl").is_file()


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    log = RunLog(TestClock(), RUN, "winter", tmp_path / "logs")
    log.listen({"message_type": "run"})
    log.close(MemoryStore())


@pytest.fixture
def quiet() -> Any:
    yield
    LOGGER.handlers.clear()
    LOGGER.propagate = True


def test_aloud_it_is_on_standard_error(tmp_path: Path, quiet: None, capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog(TestClock(), RUN, "winter", tmp_path, aloud=True)
    log.listen({"message_type": "policy", **TAKE, "next": "retake", "reason": "black"})
    assert lines(capsys.readouterr().err)[0]["level"] == logging.getLevelName(logging.WARNING)
