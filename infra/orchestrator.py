"""Prefect's own server as a child of this run, for a machine that has none: `python -m infra.orchestrator PORT PARENT`.

Prefect would start the same one by itself, but in our process group and for ever: Ctrl-C would end it while paid takes
are still being collected, and a killed run would leave it behind. Ours hears no Ctrl-C, gets no vendor's key, and ends
when its parent does. Imports nothing of Prefect.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from infra.errors import ShotrunnerError
from infra.secret_sources import prefect_headers

APP = "prefect.server.api.server:create_app"
# What Prefect's own client raises when its server does not answer, or refuses
UNANSWERED: type[Exception] = httpx.HTTPError
START_SECONDS = 90.0  # a fresh home has needed 15 (prefect sheet §1)
STOP_SECONDS = 5.0
_SECRET = ("RUNWAYML_", "ELEVENLABS_", "AWS_")
_SETTINGS = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",  # only the services that a run of its own needs
    "PREFECT__SERVER_FINAL": "1",
}


class ServerError(ShotrunnerError):
    summary = "Prefect's server is not there"
    exit_code = 6


class PrefectServer:
    """Starts at once and goes on starting while the caller does other things; `wait` when it is needed. `without`:
    further variables of ours that hold a secret."""

    def __init__(self, home: Path, *, without: Collection[str] = ()) -> None:
        self._log = home / "server.log"
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._log.touch()
        except OSError as error:
            raise ServerError(
                f"{home} cannot be written: {error.strerror}",
                remedy="give this user access to that folder, or set PREFECT_API_URL to a server that stays",
            ) from error
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_SECRET) and k not in without}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "infra.orchestrator", str(port), str(os.getpid())],
                env={**kept, **_SETTINGS, "PREFECT_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> str:
        """The URL of its API, once it answers. Raises ServerError with its last words."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return self.url
            except httpx.HTTPError:
                time.sleep(0.05)
        last = self._log.read_text(errors="replace").strip()[-500:]
        self.stop()
        raise ServerError(last or f"no answer for {START_SECONDS:.0f} s", remedy=f"see {self._log}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def require_server(url: str) -> None:
    """Raises ServerError when nothing that is a Prefect server answers at the URL that the user set."""
    try:
        found = httpx.get(f"{url.rstrip('/')}/health", timeout=10).status_code
        reason = f"{url} answers {found}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        found, reason = 0, f"{url} does not answer ({type(error).__name__})"
    if found != 200:
        raise ServerError(reason, remedy="start it (`prefect server start`), or unset PREFECT_API_URL")


@dataclass(frozen=True)
class ServerState:
    """`pools`: workers that are online, by the pool they work for."""

    version: str
    pools: Mapping[str, int]


def ask_server(url: str) -> ServerState:
    """What the server that the user set is. Raises ServerError."""
    require_server(url)
    base = url.rstrip("/")
    try:
        with httpx.Client(timeout=10, headers=prefect_headers()) as client:
            found = client.get(f"{base}/admin/version")
            pools = client.post(f"{base}/work_pools/filter", json={})
            if found.status_code != 200 or pools.status_code != 200:
                raise ServerError(f"{url} answers {found.status_code}", remedy="see PREFECT_API_KEY")
            online = {}
            for pool in pools.json():
                workers = client.post(f"{base}/work_pools/{quote(pool['name'], safe='')}/workers/filter", json={})
                online[pool["name"]] = sum(w.get("status") == "ONLINE" for w in workers.json())
            return ServerState(found.json(), online)
    except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
        raise ServerError(f"{url} answers what no Prefect server does ({type(error).__name__})") from error


def serve(port: int, parent: int) -> None:
    """In the child: dies with its parent, however that dies."""
    import uvicorn

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG
        if os.getppid() != parent:
            return
    uvicorn.run(APP, factory=True, host="127.0.0.1", port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
