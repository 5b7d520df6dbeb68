"""Prefect's own server: what is said where it cannot be started."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.orchestrator import PrefectServer, ServerError


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ServerError) as caught:
        PrefectServer(tmp_path / "file" / "prefect")
    assert caught.value.exit_code == 6
    assert f"{tmp_path}/file/prefect cannot be written: Not a directory" in str(caught.value)
    assert "PREFECT_API_URL" in caught.value.remedy
