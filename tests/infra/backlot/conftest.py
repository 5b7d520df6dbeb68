"""A running backlot for tests: no latency, and one shelf of films for the whole session (their names are digests)."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from infra.backlot.serve import Backlot

HEADERS = {"Authorization": "Bearer key_test", "X-Runway-Version": "2024-11-06"}
STILL = {"model": "gen4_image", "promptText": "A cup on a worktop", "ratio": "720:720", "seed": 1}
TAKE = {"model": "gen4.5", "promptText": "A cup. Slow push in.", "ratio": "1280:720", "duration": 2, "seed": 1}
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def draw_png(width: int = 64, height: int = 64, kind: str = "PNG", colour: str = "#a06030") -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind)
    return out.getvalue()


def data_uri(data: bytes, content_type: str = "image/png") -> str:
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


class Caller:
    """A plain client of one backlot: no retry, so that what it sends is what was asked."""

    def __init__(self, backlot: Backlot) -> None:
        self.backlot = backlot
        self.url = backlot.start()
        self.http = httpx.Client(base_url=self.url, headers=HEADERS, timeout=60, trust_env=False)

    def create(self, path: str, body: object) -> httpx.Response:
        return self.http.post(path, json=body)

    def make_still(self, **changes: Any) -> str:
        answer = self.create("/v1/text_to_image", {**STILL, **changes})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def make_take(self, **changes: Any) -> str:
        answer = self.create("/v1/text_to_video", {**TAKE, **changes})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def look(self, task: str) -> dict[str, Any]:
        return dict(self.http.get(f"/v1/tasks/{task}").raise_for_status().json())

    def wait(self, task: str, *statuses: str) -> dict[str, Any]:
        wanted = statuses or ENDED
        end = time.monotonic() + 90
        while (shown := self.look(task))["status"] not in wanted:
            assert time.monotonic() < end, f"still {shown}"
            time.sleep(0.01)
        return shown

    def link(self, task: str) -> str:
        """Of the output, once it is made."""
        done = self.wait(task)
        assert done["status"] == "SUCCEEDED", done
        return str(done["output"][0])

    def balance(self) -> int:
        return int(self.http.get("/v1/organization").raise_for_status().json()["creditBalance"])

    def control(self, **knobs: Any) -> dict[str, Any]:
        return dict(self.http.post("/backlot/control", json=knobs).raise_for_status().json())


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture
def open_backlot(tmp_path: Path, films: Path) -> Iterator[Callable[..., Caller]]:
    """Starts backlots, in a folder of the test's own unless it names one."""
    callers: list[Caller] = []

    def open_one(folder: Path | None = None, **knobs: Any) -> Caller:
        settings = {"latency": 0.0, "films": films, **knobs}
        caller = Caller(Backlot(folder or tmp_path / "backlot", **settings))
        callers.append(caller)
        return caller

    yield open_one
    for caller in callers:
        caller.http.close()
        caller.backlot.stop()


@pytest.fixture
def caller(open_backlot: Callable[..., Caller]) -> Caller:
    return open_backlot()


@pytest.fixture
def png() -> Callable[..., bytes]:
    return draw_png


@pytest.fixture
def uri() -> Callable[..., str]:
    return data_uri
