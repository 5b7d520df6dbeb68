"""Clocks that differ, told by a real server whose time we choose."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clocks import TestClock

from infra.skew import seconds_off


class _Server:
    date: str | None = None

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response_only(404)
                if outer.date is not None:
                    self.send_header("Date", outer.date)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"


@pytest.fixture
def other() -> Iterator[_Server]:
    made = _Server()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize("off", [-300, -1, 0, 1, 45])
def test_ahead_is_positive(other: _Server, off: int) -> None:
    clock = TestClock()
    other.date = format_datetime(clock.now() - dt.timedelta(seconds=off), usegmt=True)
    found = seconds_off(other.url, clock)
    assert found is not None
    assert abs(found - off) <= 0.5


@pytest.mark.parametrize("said", [None, "yesterday"])
def test_a_server_that_says_no_time(other: _Server, said: str | None) -> None:
    other.date = said
    assert seconds_off(other.url, TestClock()) is None


def test_nobody_there() -> None:
    assert seconds_off("http://127.0.0.1:9/", TestClock()) is None
