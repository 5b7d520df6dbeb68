"""What only a folder has: races between processes, kills, a full or forbidden disk, and what it leaves behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conformance.racers import COUNTS, CREATES

from infra import errors
from infra.storage import disk, open_store
from infra.storage.base import ObjectStore
from infra.storage.folder import FolderStore

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    return open_store("store", tmp_path)


def python(code: str, *arguments: str | Path, inside: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    command = [*inside, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)


def race(folder: Path, act: str, processes: int = 8) -> list[int]:
    """Each process's answer; they are released together when all are there."""
    command = [sys.executable, "-m", "conformance.racers", str(folder)]
    running = [
        subprocess.Popen([*command, str(n), act], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        for n in range(processes)
    ]
    deadline = time.monotonic() + 60
    while len(list(folder.glob("ready-*"))) < processes:
        assert time.monotonic() < deadline, "the racers did not start"
        assert all(p.poll() is None for p in running), "a racer died"
        time.sleep(0.01)
    (folder / "go").touch()
    return [int(p.communicate(timeout=60)[0]) for p in running]


def leftovers(root: Path) -> list[str]:
    return [p.name for p in (root / "store" / ".tmp").iterdir()]


def test_eight_processes_create_each_key_once(tmp_path: Path) -> None:
    won = race(tmp_path, "create")
    assert sum(won) == CREATES
    store = open_store("store", tmp_path)
    bodies = {b"%d " % n * 1000 for n in range(8)}
    assert all(store.get_bytes(info.key)[0] in bodies for info in store.list("race/"))
    assert leftovers(tmp_path) == []


def test_eight_processes_lose_no_swap(tmp_path: Path) -> None:
    store = open_store("store", tmp_path)
    store.put_bytes("counter", b"0")
    conflicts = race(tmp_path, "count")
    assert store.get_bytes("counter")[0] == b"%d" % (8 * COUNTS)
    assert sum(conflicts) > 0, "nobody met anybody: this was no race"
    assert leftovers(tmp_path) == []


def test_folders_that_come_and_go_stop_nobody(tmp_path: Path) -> None:
    assert race(tmp_path, "churn", processes=4) == [0] * 4
    assert not (tmp_path / "store" / "deep").exists()


def test_a_killed_writer_leaves_no_object(tmp_path: Path) -> None:
    killed = python(
        """
        import os, signal, sys
        from pathlib import Path
        from infra.storage import open_store
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
        open_store("store", Path(sys.argv[1])).put_bytes("k", b"x" * 100_000)
        """,
        tmp_path,
    )
    assert killed.returncode == -9
    store = open_store("store", tmp_path)
    assert list(store.list("")) == []
    store.put_bytes("k", b"whole", if_absent=True)
    assert store.get_bytes("k")[0] == b"whole"


def test_the_litter_of_the_killed_goes_after_a_day(tmp_path: Path, folder: ObjectStore) -> None:
    litter = tmp_path / "store" / ".tmp"
    litter.mkdir(parents=True)
    old, fresh = litter / "1-old", litter / "2-fresh"
    old.touch()
    fresh.touch()
    two_days_ago = time.time() - 48 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    folder.put_bytes("k", b"x")
    assert leftovers(tmp_path) == [fresh.name]


def test_a_failed_write_leaves_neither_object_nor_temporary_file(tmp_path: Path, folder: ObjectStore) -> None:
    with pytest.raises(errors.IntegrityError):
        folder.put_bytes("k", b"x", sha256="0" * 64)
    assert leftovers(tmp_path) == []


def test_reading_makes_no_folder(tmp_path: Path, folder: ObjectStore) -> None:
    assert list(folder.list("v1/")) == []
    assert folder.local_path("v1/a") is None
    folder.delete("v1/a")
    with pytest.raises(errors.NotFoundError):
        folder.get_bytes("v1/a")
    assert not (tmp_path / "store").exists()


def test_a_full_disk_says_so_and_keeps_what_was_there(tmp_path: Path) -> None:
    own_mounts = ["unshare", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*own_mounts, "true"], check=False).returncode:
        pytest.skip("no right to mount a small disk, so none can be filled")
    done = python(
        """
        import subprocess, sys
        from pathlib import Path
        from infra import errors
        from infra.storage import open_store
        root = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", root], check=True)
        store = open_store("store", root)
        store.put_bytes("kept", b"kept")
        try:
            store.put_bytes("k", b"x" * 1_000_000)
        except errors.StoreFullError as error:
            print(error)
        assert [i.key for i in store.list("")] == ["kept"]
        assert store.get_bytes("kept")[0] == b"kept"
        assert not list((root / "store" / ".tmp").iterdir())
        store.put_bytes("small", b"fits again")
        """,
        tmp_path,
        inside=own_mounts,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"the store is full: k in {tmp_path}/store: no space left on device")
    assert "SHOTRUNNER_STORE" in done.stdout


def test_a_forbidden_folder_names_the_remedy(tmp_path: Path) -> None:
    root = tmp_path / "theirs"
    (root / "store").mkdir(parents=True)
    done = python(
        """
        import os, sys
        from pathlib import Path
        from infra import errors
        from infra.storage import open_store
        root = Path(sys.argv[1])
        os.chdir(root)
        (root / "store").chmod(0o555)
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            open_store("store", Path(".")).put_bytes("k", b"x")
        except errors.AccessDeniedError as error:
            print(error)
        """,
        root,
    )
    (root / "store").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "the store refused access: k in" in done.stdout
    assert "Give this user access" in done.stdout
    assert list((root / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, errors.StoreFullError),
        (errno.EDQUOT, errors.StoreFullError),
        (errno.EROFS, errors.AccessDeniedError),
        (errno.EACCES, errors.AccessDeniedError),
        (errno.EPERM, errors.StoreError),
        (errno.EXDEV, errors.StoreError),
        (errno.EIO, errors.StoreUnavailableError),
    ],
)
def test_every_disk_error_has_a_class_and_a_remedy(number: int, kind: type[errors.StoreError]) -> None:
    error = disk.explain_disk_error(OSError(number, os.strerror(number)), "k in store", reading=False)
    assert type(error) is kind
    assert error.remedy
    assert os.strerror(number).lower() in error.detail


def test_one_key_cannot_lie_under_another(folder: ObjectStore) -> None:
    folder.put_bytes("a", b"x")
    with pytest.raises(errors.StoreError, match="lies under the other"):
        folder.put_bytes("a/b", b"y")
    folder.put_bytes("c/d", b"x")
    for create_only in (False, True):
        with pytest.raises(errors.StoreError, match="lies under the other"):
            folder.put_bytes("c", b"y", if_absent=create_only)
    assert [i.key for i in folder.list("")] == ["a", "c/d"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path, folder: ObjectStore) -> None:
    (tmp_path / "store").write_text("not a folder")
    with pytest.raises(errors.StoreError, match=f"{tmp_path}/store"):
        folder.put_bytes("k", b"x")
    assert (tmp_path / "store").read_text() == "not a folder"


def test_without_attributes_the_type_follows_the_name(folder: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "getxattr", refuse)
    folder.put_bytes("a.json", b"{}", content_type="application/json")
    folder.put_bytes("a", b"{}", content_type="application/json")
    assert folder.head("a.json").content_type == "application/json"
    assert folder.head("a").content_type == "application/octet-stream"


def test_a_large_objects_tag_changes_with_it(folder: ObjectStore) -> None:
    first = folder.put_bytes("k", b"1" * 3_000_000)
    assert folder.head("k").version == first
    second = folder.put_bytes("k", b"2" * 3_000_000, if_match=first.tag)
    assert second.tag != first.tag
    with pytest.raises(errors.PreconditionFailedError):
        folder.put_bytes("k", b"3", if_match=first.tag)


def test_a_small_objects_tag_does_not_hang_on_its_file(folder: ObjectStore) -> None:
    """A freed inode is given again within one step of the file clock, so two states could look like one."""
    tags = [folder.put_bytes("k", body).tag for body in (b"one", b"two", b"one")]
    assert tags[0] == tags[2] != tags[1]


def test_a_folder_is_relative_to_the_project(tmp_path: Path) -> None:
    store = open_store("some/where", tmp_path)
    assert isinstance(store, FolderStore)
    assert store.root == tmp_path / "some" / "where"
    store.put_bytes("k", b"x")
    assert store.local_path("k") == tmp_path / "some" / "where" / "k"
    assert open_store(str(tmp_path / "abs"), Path("/elsewhere")).url == str(tmp_path / "abs")


@pytest.mark.parametrize("url", ["gs://bucket/x", "http://127.0.0.1:9000/bucket", " ", ""])
def test_an_address_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(errors.StoreError, match="s3://bucket/prefix"):
        open_store(url, tmp_path)
