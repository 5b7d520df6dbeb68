"""A whole run with keys by reference: they reach the vendors, and nothing that the run wrote or said holds them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from command import Shotrunner
from faults.proxy import SpoilingProxy
from projects import Project

from infra.backlot.serve import Backlot
from infra.errors import KeyUnreadableError
from infra.keys import VendorKey

RUNWAY, SOUND = "key_" + "c4" * 64, "sk_" + "9d" * 24
SPOKEN = (
    "deliver:",
    "sound: {voiceover: {voice: warm, language: en-GB, lines: [{id: vo1, at: pour, text: Tea.}]}}\ndeliver:",
)


@pytest.mark.slow
def test_keys_by_reference_are_sent_and_kept_nowhere(
    film: Callable[..., Project], migrated_home: Path, tmp_path: Path
) -> None:
    """With a Prefect home of its own, so that its whole database can be read."""
    project = film(SPOKEN)
    del project.environment["PREFECT_API_URL"]
    shutil.copytree(migrated_home, project.root / ".shotrunner" / "prefect")
    kept = tmp_path / "secrets" / "elevenlabs_key"
    kept.parent.mkdir()
    kept.write_text(f"{SOUND}\n")
    with Backlot(tmp_path / "lot", latency=0) as lot, SpoilingProxy(int(lot.url.rsplit(":", 1)[1])) as line:
        (project.root / "shotrunner.toml").write_text(
            f'runway_url = "{line.url}"\nelevenlabs_url = "{line.url}"\nelevenlabs_key = "file:{kept}"\n'
        )
        ended = project.run(
            env={
                "RUNWAYML_API_SECRET": "env:ALDER_RUNWAY",
                "ALDER_RUNWAY": RUNWAY,
                "PREFECT_LOGGING_LEVEL": "INFO",
            }
        )
        assert ended.code == 0, ended.text
        sent = [{name.lower(): value for name, value in seen.headers.items()} for seen in line.seen]
    assert f"Bearer {RUNWAY}" in {headers.get("authorization") for headers in sent}
    assert SOUND in {headers.get("xi-api-key") for headers in sent}
    assert "env:" not in str(sent), "what is sent is the key, not where it is kept"

    with closing(sqlite3.connect(project.root / ".shotrunner" / "prefect" / "prefect.db")) as base:
        base.execute("pragma wal_checkpoint(truncate)")
        assert base.execute("select count(*) from flow_run").fetchone()[0] == 1
        assert base.execute("select count(*) from log").fetchone()[0] > 0
    files = [path for folder in (project.root, tmp_path / "lot") for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 30
    for key in (RUNWAY, SOUND):
        assert key not in ended.out + ended.err
        assert not [path for path in files if key.encode() in path.read_bytes()]


def test_a_place_without_a_key_is_told_before_anything_is_bought(film: Callable[..., Project], tmp_path: Path) -> None:
    project = film()
    with Backlot(tmp_path / "lot", latency=0) as lot:
        ended = project.run(env={"RUNWAYML_BASE_URL": lot.url, "RUNWAYML_API_SECRET": "file:/nowhere/runway_key"})
        assert ended.code == 6, ended.text
        assert "file:/nowhere/runway_key: No such file" in ended.err
        assert lot.log.creates() == []


def test_a_secret_block_of_a_real_server(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.blocks.system import Secret
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_server}):
        Secret(value=RUNWAY).save("alder-runway", overwrite=True)
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    assert VendorKey("prefect-secret:alder-runway").reveal() == RUNWAY
    with pytest.raises(KeyUnreadableError, match="no secret block"):
        VendorKey("prefect-secret:nobody").reveal()


def test_doctor_looks_where_the_keys_are_kept(
    shotrunner: Shotrunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shotrunner.toml").write_text(f'elevenlabs_key = "file:{tmp_path}/key"\n')
    for name in ("RUNWAYML_API_SECRET", "ELEVENLABS_API_KEY", "PREFECT_API_URL", "SHOTRUNNER_STORE"):
        monkeypatch.delenv(name, raising=False)
    answer = shotrunner("doctor")
    assert answer.code == 6
    assert f"FAIL sound: file:{tmp_path}/key: No such file" in answer.out
    (tmp_path / "key").write_text(SOUND)
    answer = shotrunner("doctor")
    assert f"ok   sound: elevenlabs, key is set: file:{tmp_path}/key" in answer.out
    assert SOUND not in answer.out + answer.err
