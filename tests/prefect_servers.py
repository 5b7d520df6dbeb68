"""What a team has, on this machine: PostgreSQL, a Prefect server on it, and process workers, each a child with a folder
of its own. They end with the test, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

OURS = ("RUNWAYML_", "ELEVENLABS_", "PREFECT_", "SHOTRUNNER_", "AWS_")
TERM_SECONDS = 10.0
BUSY_SECONDS = 30.0


class MissingError(Exception):
    """A program that these servers need is not on this machine; the message says which."""


def find_program(name: str) -> Path:
    """On the path, or where Debian keeps PostgreSQL's. Raises MissingError."""
    places = [Path(found)] if (found := shutil.which(name)) else []
    places += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    if not places:
        raise MissingError(f"{name} is not installed (Debian: postgresql)")
    return places[0].resolve()


def server_user() -> str | None:
    """PostgreSQL refuses to be root: whom it runs as instead; None for ourselves. Raises MissingError."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise MissingError("PostgreSQL refuses to run as root, and there is no user to run it as")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(met: Callable[[], Any], what: str, seconds: float = 60.0, pause: float = 0.2) -> Any:
    """The first answer of `met` that is true."""
    end = time.monotonic() + seconds
    while not (answer := met()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)
    return answer


class Child:
    """A program with its own process group and a log; `stop` asks, and insists."""

    def __init__(
        self, words: list[str | Path], log: Path, env: Mapping[str, str], *, cwd: Path | None = None,
        user: str | None = None,
    ) -> None:  # fmt: skip
        self.log = log
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [str(word) for word in words], env=dict(env), cwd=cwd, user=user, stdin=subprocess.DEVNULL,
                stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """-9, to it alone."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.alive:
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(TERM_SECONDS)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()


def clean(**more: str) -> dict[str, str]:
    """Nothing that this machine has set for itself."""
    return {**{k: v for k, v in os.environ.items() if not k.startswith(OURS)}, **more}


class Postgres:
    """An empty cluster that trusts loopback, in a folder outside the test's: its user may not enter ours."""

    def __init__(self) -> None:
        initdb, postgres, user = find_program("initdb"), find_program("postgres"), server_user()
        self.folder = Path(tempfile.mkdtemp(prefix="shotrunner-postgres-"))
        if user:
            shutil.chown(self.folder, user)
        data = self.folder / "data"
        made = subprocess.run(
            [initdb, "-D", data, "-U", "prefect", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"],
            user=user, cwd=self.folder, env=clean(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise MissingError(f"initdb: {made.stderr.strip()[-300:]}")
        port = free_port()
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=120"]
        self._child = Child(
            [postgres, "-D", data, "-p", str(port), "-k", self.folder, *options],
            self.folder / "log", clean(), cwd=self.folder, user=user,
        )  # fmt: skip
        self.url = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        wait_until(lambda: _answers(port), "PostgreSQL", 30)

    def stop(self) -> None:
        self._child.stop(signal.SIGINT)  # its fast shutdown: SIGTERM would wait for clients
        shutil.rmtree(self.folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class PrefectServer:
    """`prefect server start` with every service, on `database`."""

    def __init__(self, folder: Path, database: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/api"
        self._child = Child(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            folder / "server.log",
            clean(
                PREFECT_HOME=str(folder),
                PREFECT_API_DATABASE_CONNECTION_URL=database,
                PREFECT_SERVER_ANALYTICS_ENABLED="false",
                PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL="1",
                **settings,
            ),
        )
        wait_until(self._healthy, f"the Prefect server (see {self._child.log})", 120)

    def _healthy(self) -> bool:
        assert self._child.alive, f"the Prefect server ended: {self._child.words()[-2000:]}"
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self._child.stop()

    # --- what its users see ---

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Says it again while the server says 503, as Prefect's own client does: its SQLite is locked at times."""
        end = time.monotonic() + BUSY_SECONDS
        while True:
            answer = httpx.request(method, f"{self.url}/{path}", timeout=30, **request)
            if answer.status_code != 503 or time.monotonic() > end:
                answer.raise_for_status()
                return answer.json() if answer.content else None
            time.sleep(0.5)

    def post(self, path: str, **body: Any) -> Any:
        return self.ask("POST", path, json=body)

    def flow_runs(self, deployment: str | None = None) -> list[dict[str, Any]]:
        """Newest first."""
        chosen = {"deployments": {"name": {"any_": [deployment]}}} if deployment else {}
        found: list[dict[str, Any]] = self.post("flow_runs/filter", sort="START_TIME_DESC", limit=200, **chosen)
        return found

    def flow_run(self, flow_run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"flow_runs/{flow_run_id}")
        return found

    def states(self, flow_run_id: str) -> list[str]:
        """Names of the states that a flow run went through, oldest first."""
        answer = self.ask("GET", "flow_run_states/", params={"flow_run_id": flow_run_id})
        return [state["name"] for state in sorted(answer, key=lambda state: state["timestamp"])]

    def set_state(self, flow_run_id: str, state: str, name: str | None = None) -> None:
        """As the buttons of the UI do."""
        told = {"type": state, "name": name} if name else {"type": state}
        self.post(f"flow_runs/{flow_run_id}/set_state", state=told)


class Worker(Child):
    """A process worker with a home, a folder for temporary files and a working folder of its own: a machine apart.
    `host`: by that name, too, which only root may do."""

    def __init__(
        self, name: str, folder: Path, api: str, pool: str = "shotrunner", *, options: Sequence[str] = (),
        host: str = "", **env: str,
    ) -> None:  # fmt: skip
        self.name, self.folder = name, folder
        for part in ("home", "tmp", "cwd"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', host] if host else []
        command = ["-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", name, *options]
        super().__init__(
            [*named, sys.executable, *command],
            folder / "log",
            clean(
                PREFECT_HOME=str(folder / "home"),
                TMPDIR=str(folder / "tmp"),
                PREFECT_API_URL=api,
                PREFECT_WORKER_QUERY_SECONDS="2",
                PREFECT_SERVER_ANALYTICS_ENABLED="false",
                **env,
            ),
            cwd=folder / "cwd",
        )

    def flow_processes(self) -> list[int]:
        """Processes of flow runs that it has started: those with its folder for temporary files."""
        mark = f"TMPDIR={self.folder / 'tmp'}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes().split(b"\0") and int(path.name) != self.process.pid:
                    found.append(int(path.name))
            except OSError:
                continue  # it has ended, or is another user's
        return found

    def kill_with_children(self) -> None:
        """The machine is gone: -9 for the worker and everything it had started."""
        for pid in [self.process.pid, *self.flow_processes()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        for pid in self.flow_processes():  # what was being started meanwhile
            os.kill(pid, signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> None:
        super().stop(number)
        for pid in self.flow_processes():
            os.kill(pid, signal.SIGKILL)
