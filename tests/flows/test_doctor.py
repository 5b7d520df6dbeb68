"""`doctor`: what it asks of this machine, of Prefect's server and of clocks, and what it says to do."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command import Shotrunner
from projects import Project

import infra.media.typeface
from flows.doctor import MOST_SECONDS_OFF

pytestmark = pytest.mark.usefixtures("examples")


@pytest.mark.skipif(shutil.disk_usage("/").free < 3e9, reason="doctor is right to complain here")
def test_all_is_well(shotrunner: Shotrunner) -> None:
    answer = shotrunner("doctor", "--json")
    assert answer.code == 0
    findings = {f["name"]: f for f in answer.facts["findings"]}
    assert set(findings) >= {
        "packages", "prefect", "ffmpeg", "fonts", "backlot voice", "clock", "store", "video", "sound",
    }  # fmt: skip
    assert "nothing can be spent" in findings["video"]["found"]
    assert "Inter-SemiBold.otf" in findings["fonts"]["found"]
    assert not list(Path(".shotrunner").rglob("*doctor*/*"))


def test_what_is_wrong_comes_with_a_remedy(
    shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("a-file").write_text("")
    monkeypatch.setenv("SHOTRUNNER_STORE", "a-file/store")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    monkeypatch.setattr(infra.media.typeface, "FALLBACK_FONT", tmp_path / "gone.otf")
    answer = shotrunner("doctor")
    assert answer.code == 6
    for name in ("ffmpeg", "store", "fonts"):
        assert re.search(rf"FAIL {name}: .*\n     ", answer.out), name


def test_the_cluster_for_media_steps(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTRUNNER_MEDIA_RUNNER", "dask")
    answer = shotrunner("doctor")
    assert re.search(r"ok   dask: [0-9.]+, a cluster of each run\n", answer.out)
    for address, told in (
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9: "),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787 is no address of a Dask scheduler"),
    ):
        monkeypatch.setenv("SHOTRUNNER_DASK_ADDRESS", address)
        answer = shotrunner("doctor")
        assert answer.code == 6
        assert f"FAIL dask: {told}" in answer.out


def test_a_prefect_server_that_is_not_there(shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    answer = shotrunner("doctor")
    assert answer.code == 6
    assert "FAIL prefect: http://127.0.0.1:9/api does not answer" in answer.out


class _Impostor:
    """Answers 200 to everything, with a date and a body of our choice."""

    def __init__(self, body: Any, *, late: float = 0) -> None:
        said = json.dumps(body).encode()

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.send_response_only(200)
                self.send_header("Date", formatdate(self.date_time() - late, usegmt=True))
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(said)

            def date_time(self) -> float:
                import time

                return time.time()

            do_GET = do_POST = do_HEAD = _answer

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.api = f"http://127.0.0.1:{self.server.server_address[1]}/api"


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers = []

    def start(body: Any, **options: float) -> str:
        made = _Impostor(body, **options)
        threading.Thread(target=made.server.serve_forever, daemon=True).start()
        servers.append(made.server)
        return made.api

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_that_is_no_prefect(
    shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, serve: Callable[..., str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", serve("hello"))
    answer = shotrunner("doctor")
    assert answer.code == 6
    assert "answers what no Prefect server does" in answer.out


@pytest.mark.parametrize(("late", "code"), [(0, 0), (MOST_SECONDS_OFF + 5, 6), (-MOST_SECONDS_OFF - 5, 6)])
def test_clocks_that_differ(
    shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch, serve: Callable[..., str], late: float, code: int
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", serve([], late=late))
    facts = shotrunner("doctor", "--json").facts
    (clock,) = [f for f in facts["findings"] if f["name"] == "clock"]
    assert clock["ok"] is (code == 0), clock
    if code:
        assert clock["found"].endswith(f"{'ahead of' if late > 0 else 'behind'} 127.0.0.1")
        assert clock["remedy"] == "let NTP set it"


def test_a_real_server_with_a_pool_and_no_worker(short_film: Callable[..., Project], prefect_server: str) -> None:
    import httpx

    httpx.post(f"{prefect_server}/work_pools/", json={"name": "shotrunner", "type": "process"}, timeout=20)
    ended = short_film().command("doctor")
    assert "has 3." in ended.out, ended.text
    assert "ok   pool shotrunner: 0 workers online\n     prefect worker start --pool shotrunner" in ended.out
