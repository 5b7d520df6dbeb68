"""A run that meets what nobody expected still ends on record, and tells no secret of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from projects import Project, clean_environment
from pydantic import SecretStr

from flows.problems import note_problems, unexpected
from infra.errors import ShotFailedError
from infra.production import Production
from infra.settings import Settings
from tasks.wrap import exit_code_of

KEY = "key_" + "5a" * 64
BREAKS = """
import flows.spot
async def conform(*_, **__):
    raise KeyError("in_frame")
flows.spot.conform = conform
from flows.cli import main
main(["run", "film.yaml"])
"""


def settings(key: str | None = None) -> Settings:
    return cast("Settings", SimpleNamespace(runway_key=SecretStr(key) if key else None, elevenlabs_key=None))


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - any
        return caught


def test_its_class_and_words_are_told_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    words = f"got {KEY} and wJalrXUtnFEMI from https://cdn.test/x.mp4?sig=abc&until=9"
    told = str(unexpected(raised(ValueError(words)), settings(KEY)))
    assert "ValueError: got [key] and [key] from https://cdn.test/x.mp4?…" in told
    assert "line" in told
    assert not [secret for secret in (KEY, "wJalrXUtnFEMI", "sig=abc") if secret in told]


def test_it_is_noted_once_and_the_others_with_it() -> None:
    production: Any = SimpleNamespace(problems=[], settings=settings(), console=SimpleNamespace(stopping=False))
    error = raised(KeyError("x"))
    note_problems(cast("Production", production), [error, ShotFailedError("none"), error])
    assert [type(p).__name__ for p in production.problems] == ["UnexpectedError", "ShotFailedError"]
    assert exit_code_of(production.problems) == 1
    with pytest.raises(KeyboardInterrupt):
        note_problems(cast("Production", production), [KeyboardInterrupt()])


def test_the_run_ends_on_record(film: Callable[..., Project]) -> None:
    project = film()
    ended = subprocess.run(
        [sys.executable, "-c", BREAKS],
        cwd=project.root, env={**clean_environment(), **project.environment}, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert ended.returncode == 1, ended.stdout + ended.stderr
    record = project.record
    assert record.exit_code == 1
    [problem] = record.problems
    assert problem.summary == "something that nobody expected"
    assert "KeyError: 'in_frame'" in problem.detail
    assert record.incomplete == {"16x9-youtube-instream": ()}
    assert "KeyError" in (project.root / "out" / "short" / "dailies.html").read_text()
    assert "KeyError" in ended.stdout
    assert project.run().code == 0, "what was paid is there"
    assert len(project.creates()) == 1
