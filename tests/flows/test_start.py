"""What is looked at before a run starts: nothing is stored and nothing is bought when it is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import Shotrunner

from infra.clock import SystemClock
from infra.lease import acquire_lease
from infra.storage import open_store

NAME = "alder-kettle-10s"


def test_a_server_that_is_not_there_is_named(
    examples: Path, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    answer = shotrunner("run", "product-10s.yaml")
    assert answer.code == 6
    assert "http://127.0.0.1:9/api does not answer" in answer.err
    assert "unset PREFECT_API_URL" in answer.err
    assert not (examples / ".shotrunner" / "store").exists()


def test_a_store_that_is_a_file_is_named(
    examples: Path, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (examples / "taken").write_text("")
    monkeypatch.setenv("SHOTRUNNER_STORE", "taken")
    for command in ("plan", "run"):
        answer = shotrunner(command, "product-10s.yaml")
        assert (answer.code, "taken is a file" in answer.err) == (6, True)


def test_a_campaign_that_is_held_is_refused_before_anything_starts(examples: Path, shotrunner: Shotrunner) -> None:
    store = open_store(".shotrunner/store", examples)
    lease = acquire_lease(store, SystemClock(), NAME)
    answer = shotrunner("run", "product-10s.yaml")
    assert answer.code == 9, answer.err
    assert "starting" not in answer.out
    assert f"process {os.getpid()}" in answer.err
    lease.release()


def test_sigterm_stops_like_ctrl_c(examples: Path) -> None:
    manifest = (examples / "product-10s.yaml").read_text().replace("duration: 10", "duration: 2")
    (examples / "short.yaml").write_text(manifest)
    environment = {**os.environ, "SHOTRUNNER_BACKLOT_LATENCY": "2"}
    run = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", "short.yaml", "--json", "--set", "generate.takes=1"],
        cwd=examples, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stdout is not None
    deadline = time.monotonic() + 300
    for line in run.stdout:
        if '"accepted"' in line or time.monotonic() > deadline:
            break
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=300)
    assert run.returncode == 130, err
    assert '"collected"' in out
    assert err == "", "nor a word of Prefect that its server has gone"
