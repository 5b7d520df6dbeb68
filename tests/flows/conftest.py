"""Real runs in a project of their own: the command in a child process, the backlot behind it, Prefect around it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from farm import Farm, open_farm
from paper import BRAND, FILM, Paper
from prefect_servers import MissingError, Postgres, PrefectServer, find_program, server_user
from projects import SHORT, TWO_TAKES, Project, clean_environment, write_project
from schedules import WEEKLY
from weeks import Clock, Weekly, write_weekly


@contextlib.contextmanager
def made_once(factory: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder that the processes of one test session share, and whether it is filled. One at a time may look."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield folder, done.exists()
        done.touch()


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Prefect home with its database made, as `make setup` leaves one."""
    with made_once(tmp_path_factory, "prefect-home") as (home, there):
        if not there:
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
                env={**clean_environment(), "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
                check=True,
                capture_output=True,
                timeout=120,
            )
    return home


@pytest.fixture(scope="session")
def prefect_server(migrated_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, as a team has one. The URL of its API."""
    home = tmp_path_factory.mktemp("prefect-server")
    shutil.copytree(migrated_home, home, dirs_exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"],
        env={
            **clean_environment(),
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        else:
            raise AssertionError("the Prefect server did not start")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """As a team has one for its schedules: on PostgreSQL, with every service."""
    try:
        find_program("initdb")
        server_user()
    except MissingError as error:
        pytest.skip(str(error))
    with contextlib.ExitStack() as stack:
        database = Postgres()
        stack.callback(database.stop)
        found = PrefectServer(tmp_path_factory.mktemp("server"), database.url)
        stack.callback(found.stop)
        yield found


@pytest.fixture
def farm(
    postgres_server: PrefectServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Farm]]:
    """`farm(latency, (old, new), …, schedule=…)`: changes are of the film."""
    name = request.node.name.translate({ord(sign): "-" for sign in "_[]"}).strip("-")[-40:].strip("-")
    with contextlib.ExitStack() as stack:

        def make(latency: float, *changes: tuple[str, str], schedule: str = WEEKLY) -> Farm:
            return stack.enter_context(open_farm(postgres_server, tmp_path, name, latency, *changes, schedule=schedule))

        yield make


@pytest.fixture
def short_film(tmp_path: Path, prefect_server: str) -> Callable[..., Project]:
    """`short_film((old, new), …)`: a project with the cheapest film, on the server that the session shares: an embedded
    one would cost each run six seconds."""

    def make(*changes: tuple[str, str]) -> Project:
        project = write_project(tmp_path / "project", SHORT, "short", {"PREFECT_API_URL": prefect_server})
        project.change(*changes)
        return project

    return make


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    """An empty project with a film of two shots, the second continuing the first; it is the working folder."""
    for name in [n for n in os.environ if n.startswith(("RUNWAYML_", "ELEVENLABS_", "SHOTRUNNER_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    for name, text in (("film.yaml", FILM), ("brand.yaml", BRAND), ("shotrunner.toml", "")):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return Paper(tmp_path)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Project:
    """The short film made once, with one take and then with two: its steps and animatics need not be made again."""
    with made_once(tmp_path_factory, "made") as (folder, there):
        root, environment = folder / "project", {"PREFECT_API_URL": prefect_server}
        if there:
            return Project(root, "short", environment)
        project = write_project(root, SHORT, "short", environment)
        for changes in ([], [TWO_TAKES]):
            project.change(*changes)
            ended = project.run()
            assert ended.code == 0, ended.text
    return project


@pytest.fixture
def film(made: Project, short_film: Callable[..., Project]) -> Callable[..., Project]:
    """`film((old, new), …)`: the short film in an empty project that holds no take, no task and no ledger, only what
    finishing steps and animatics leave behind. What these tests are about is bought anew; what they are not is not
    computed again."""

    def make(*changes: tuple[str, str]) -> Project:
        project = short_film(*changes)
        for part in ("store/v1/steps", "store/v1/blobs", "backlot/films"):
            shutil.copytree(made.root / ".shotrunner" / part, project.root / ".shotrunner" / part)
        return project

    return make


@pytest.fixture
def clock() -> Clock:
    """Half an hour after the start of `weekly`."""
    clock = Clock()
    clock.set(2026, 12, 14, 6, 0)
    return clock


@pytest.fixture
def weekly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path) -> Weekly:
    """A weekly schedule on paper; its project is the working folder."""
    found = write_weekly(tmp_path / "p")
    monkeypatch.chdir(found.root)
    return found
