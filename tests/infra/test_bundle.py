"""A project put into a store and written out on another machine is the same project, byte for byte, without a key."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.bundle import BundleError, open_bundle, put_bundle, read_bundle, settings_that_travel
from infra.errors import IntegrityError, NotFoundError
from infra.settings import read_settings
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.naming import blob_key, bundle_key

NAME = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\"), min_size=1, max_size=20
).filter(lambda name: name not in (".", "..", "shotrunner.toml") and len(name.encode()) < 200)
TREES = st.dictionaries(st.lists(NAME, min_size=1, max_size=3).map("/".join), st.binary(max_size=300), max_size=6)


def writable(files: dict[str, bytes]) -> bool:
    folders = {str(parent) for path in files for parent in Path(path).parents}
    return not folders & set(files)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "store"), tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "weekly.yaml").write_text("kind: schedule\n")
    (root / "data" / "offers.csv").write_text("from,to,offer\n")
    (root / "shotrunner.toml").write_text('store = "elsewhere"\nconcurrency = 3\nmedia_jobs = 7\n')
    return root


def files_of(root: Path) -> dict[Path, str]:
    return {root / "weekly.yaml": "text/yaml", root / "data" / "offers.csv": "text/csv"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(TREES.filter(writable), st.integers(1, 200) | st.none())
def test_it_comes_out_as_it_went_in(store: ObjectStore, files: dict[str, bytes], concurrency: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        for name, data in {**files, "weekly.yaml": b"kind: schedule"}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        if concurrency is not None:
            (root / "shotrunner.toml").write_text(f"concurrency = {concurrency}\n")
        named = {path: "application/octet-stream" for path in root.rglob("*") if path.is_file()}
        bundle = put_bundle(store, "weekly", root, root / "weekly.yaml", named)
        assert open_bundle(store, bundle.digest, out) == out / "weekly.yaml"
        found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        assert found.pop("shotrunner.toml").decode() == (f"concurrency = {concurrency}\n" if concurrency else "")
        assert found == {**files, "weekly.yaml": b"kind: schedule"}
        # what was written out is a project like the first: the same bundle, made again
        again = {path: "application/octet-stream" for path in out.rglob("*") if path.is_file()}
        assert put_bundle(store, "weekly", out, out / "weekly.yaml", again) == bundle


def test_only_what_the_project_decided_travels(
    store: ObjectStore, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_" + "5e" * 64)
    monkeypatch.setenv("SHOTRUNNER_CONCURRENCY", "9")
    monkeypatch.delenv("SHOTRUNNER_STORE", raising=False)
    bundle = put_bundle(store, "weekly", project, project / "weekly.yaml", files_of(project))
    open_bundle(store, bundle.digest, tmp_path / "out")
    assert (tmp_path / "out" / "shotrunner.toml").read_text() == "concurrency = 3\n"
    monkeypatch.delenv("SHOTRUNNER_CONCURRENCY")
    read = read_settings(tmp_path / "out")
    assert (read.concurrency, read.media_jobs, read.store) == (3, None, ".shotrunner/store")
    assert not [i.key for i in store.list("v1/") if b"5e5e5e" in store.get_bytes(i.key)[0]]


def test_a_value_comes_back_as_it_was_written(project: Path) -> None:
    (project / "shotrunner.toml").write_text('on_behalf_of = "Łódź \\"№ 5\\" 🎬"\nrunway_url = "http://vendor:99/x"\n')
    (project / "shotrunner.toml").write_bytes(settings_that_travel(project))
    read = read_settings(project)
    assert (read.on_behalf_of, read.runway_url) == ('Łódź "№ 5" 🎬', "http://vendor:99/x")


def test_a_password_in_a_url_does_not_travel(project: Path) -> None:
    (project / "shotrunner.toml").write_text('runway_url = "http://me:hunter2@proxy/x"\n')
    with pytest.raises(BundleError, match="a user or a password") as told:
        settings_that_travel(project)
    assert "hunter2" not in str(told.value)


def test_a_file_outside_the_project_is_refused(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    (tmp_path / "stray.csv").write_text("a")
    with pytest.raises(BundleError, match="outside the project"):
        put_bundle(store, "weekly", project, project / "weekly.yaml", {tmp_path / "stray.csv": "text/csv"})


def test_a_file_behind_a_link_keeps_its_place(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    (project / "current.csv").symlink_to("data/offers.csv")
    named = files_of(project) | {project / "current.csv": "text/csv"}
    bundle = put_bundle(store, "weekly", project, project / "weekly.yaml", named)
    open_bundle(store, bundle.digest, tmp_path / "out")
    assert (tmp_path / "out" / "current.csv").read_text() == "from,to,offer\n"
    assert not (tmp_path / "out" / "current.csv").is_symlink()


def test_what_is_not_there_or_not_the_same_is_told(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has no schedule 000000000000"):
        open_bundle(store, "0" * 64, tmp_path / "out")
    bundle = put_bundle(store, "weekly", project, project / "weekly.yaml", files_of(project))
    offers = store.local_path(blob_key("ref", bundle.files["data/offers.csv"].sha256))
    assert offers is not None
    offers.chmod(0o644)
    offers.write_text("from,to,OFFER\n")
    with pytest.raises(IntegrityError, match="other bytes"):
        open_bundle(store, bundle.digest, tmp_path / "out")
    assert not (tmp_path / "out" / "data" / "offers.csv").exists()
    other = "1" * 64
    store.put_bytes(bundle_key(other), store.get_bytes(bundle_key(bundle.digest))[0], content_type="application/json")
    with pytest.raises(IntegrityError, match="has been changed"):
        read_bundle(store, other)


def test_a_damaged_copy_is_written_anew(store: ObjectStore, project: Path, tmp_path: Path) -> None:
    bundle = put_bundle(store, "weekly", project, project / "weekly.yaml", files_of(project))
    path = open_bundle(store, bundle.digest, tmp_path / "out")
    path.write_text("kind: something else\n")
    assert open_bundle(store, bundle.digest, tmp_path / "out").read_text() == "kind: schedule\n"
