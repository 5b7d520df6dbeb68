"""The command as people start it: words in, exit code and words out; in a project of its own."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from command import Answer, Shotrunner
from hypothesis import HealthCheck, settings

from flows.cli import main

EXAMPLES = Path(__file__).parents[1] / "manifests" / "examples"
# How long one example takes is the machine's affair, and what else it does
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
FOREIGN = ("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_", "AWS_")


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The examples, copied to an empty project that is the working folder. No key, no setting of this machine."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    root = tmp_path / "examples"
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("*.lock.json"))
    (root / "shotrunner.toml").write_text("")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def shotrunner(capsys: pytest.CaptureFixture[str]) -> Shotrunner:
    """`shotrunner("plan", "x.yaml")`: through the real entry point."""

    def call(*words: str | Path | int) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, told.out, told.err)

    return call


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection and any look-up of a name fails the test."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
