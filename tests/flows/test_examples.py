"""The examples' locks are committed: the files beside them are the ones that were pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.prepare import make_plan
from manifests.lock import format_lock, lock_path
from manifests.scheduled import is_schedule

FILES = sorted((Path(__file__).parents[2] / "manifests" / "examples").glob("*.yaml"))
EXAMPLES = [path for path in FILES if not is_schedule(path)]  # the lock of a schedule is of its last day
REFRESH = "delete the lock, run `shotrunner run` on the example, and commit what it writes"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_committed_lock_is_what_run_would_write(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTRUNNER_STORE", "memory:")
    prepared = make_plan(example)
    assert prepared.drift == ()
    assert lock_path(example).read_text() == format_lock(prepared.lock), REFRESH
