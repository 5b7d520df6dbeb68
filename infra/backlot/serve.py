"""The backlot as one object: a folder, a port, knobs; started in a thread of its own on loopback.

One process serves a folder at a time. Everything it must remember is written before it is answered, so a `kill -9` of
the process around it loses nothing: the next Backlot on the folder goes on with its tasks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.backlot.books import Books
from infra.backlot.control import ControlCounter
from infra.backlot.desk import Desk
from infra.backlot.elevenlabs import ElevenLabsCounter
from infra.backlot.faults import FaultDesk, FaultRule
from infra.backlot.inputs import MediaCupboard
from infra.backlot.lab import Lab
from infra.backlot.request_log import RequestLog
from infra.backlot.runway import RunwayCounter
from infra.backlot.stage_clock import StageClock
from infra.backlot.studio import Knobs, Studio
from infra.backlot.uploads import UploadCounter
from infra.backlot.wire import Connections
from infra.clock import Clock
from infra.errors import AccessDeniedError, PortInUseError, StoreError
from manifests.catalogue import ModelCard
from manifests.ratecard import load_models

START_SECONDS = 30.0


class Backlot:
    """`start()` returns the base URL for Runway and ElevenLabs clients alike; any key opens it; `stop()` ends it.

    `latency`: seconds that a generation takes at least. `concurrency`: of every model (None: its first tier, 0: no
    limit). `daily`: generations of every model in 24 h. `balance`: play credits of a new folder; an old one keeps its
    own. `films`: where films are kept, so that several backlots can share them. `at_once`: child processes.
    `picture_scale`, for rehearsals: pictures are filmed so many times smaller; checks and prices stay the vendor's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        latency: float = 1.0,
        faults: Sequence[FaultRule] = (),
        balance: int = 1_000_000,
        concurrency: int | None = None,
        daily: int | None = None,
        visibility: float = 0.0,
        link_seconds: float = 24 * 3600.0,
        characters: int = 1_000_000,
        sound_places: int = 5,
        films: Path | None = None,
        at_once: int | None = None,
        picture_scale: int = 1,
        clock: Clock | None = None,
        models: Mapping[str, ModelCard] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.folder = folder.absolute()
        self.log = RequestLog(self.folder)
        self._port, self._balance, self._transport = port, balance, transport
        self._characters, self._sound_places = characters, sound_places
        self._films, self._at_once = films or self.folder / "films", at_once
        self._models = load_models() if models is None else models
        self._clock = StageClock(clock)
        self._knobs = Knobs(latency, concurrency, daily, visibility, link_seconds, FaultDesk.of(faults), picture_scale)
        self._connections = Connections()
        self._opened = contextlib.ExitStack()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.url: str | None = None

    def start(self) -> str:
        """Serves in a daemon thread; returns when requests are answered.

        Raises PortInUseError for a port or folder that another process serves, StoreError for a folder it cannot use.
        """
        if self.url is not None:
            return self.url
        with contextlib.ExitStack() as opened:
            lock = opened.enter_context(self._lock_folder())
            listener = opened.enter_context(contextlib.closing(_bind(self._port)))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            lock.write(json.dumps({"pid": os.getpid(), "url": url}))
            lock.flush()
            studio, cupboard = self._open_studio(opened)
            self._server = uvicorn.Server(self._configure(studio, cupboard))
            # A bound method: the thread keeps this object, and with it the lock, when the caller drops it.
            self._thread = threading.Thread(target=self._serve, args=(listener,), name="backlot", daemon=True)
            self._thread.start()
            _await_start(self._server, self._thread)
            self._opened = opened.pop_all()
        self.url = url
        return url

    def stop(self) -> None:
        """Ends the server and its child processes; unfinished tasks go on at the next start. Harmless when stopped."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(START_SECONDS)
        self._server = self._thread = self.url = None
        self._opened.close()

    def turn(self, **knobs: object) -> None:
        """Changes knobs of the running server, as its control endpoint does."""
        httpx.post(f"{self.url}/backlot/control", json=knobs, timeout=START_SECONDS).raise_for_status()

    def wait(self) -> None:
        """Blocks until the server has ended: for a command that does nothing else."""
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Backlot:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _configure(self, studio: Studio, cupboard: MediaCupboard) -> uvicorn.Config:
        @contextlib.asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            studio.open()
            try:
                yield
            finally:
                await studio.close()

        app = Starlette(
            routes=self._routes(studio, cupboard),
            lifespan=lifespan,
            exception_handlers={HTTPException: _answer_http_error},
        )
        return uvicorn.Config(
            app,
            http=self._connections.protocol(),
            loop="asyncio",  # the one whose child processes were tried here
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )

    def _serve(self, listener: socket.socket) -> None:
        if self._server is not None:
            self._server.run(sockets=[listener])

    def _open_studio(self, opened: contextlib.ExitStack) -> tuple[Studio, MediaCupboard]:
        try:
            books = Books(self.folder, now=self._clock.now(), balance=self._balance)
            opened.callback(books.close)
            self.log.open()
            opened.callback(self.log.close)
            cupboard = MediaCupboard(self.folder / "media", books.uploads, self._transport)
            lab = Lab(self._films, cupboard.folder, self.folder / "work", at_once=self._at_once)
        except (ValueError, KeyError, OSError) as error:
            raise StoreError(
                f"the backlot's folder {self.folder} cannot be used: {error}",
                remedy="move the folder away: a new one starts empty, and what it filmed is filmed again",
            ) from error
        return Studio(books, lab, self._knobs, self._clock, self._models), cupboard

    def _routes(self, studio: Studio, cupboard: MediaCupboard) -> list[Route]:
        desk = Desk(studio, self.log, self._connections)
        about: dict[str, Any] = {"version": 1, "vendors": ["runway", "elevenlabs"], "folder": self.folder.name}
        speech = ElevenLabsCounter(desk, characters=self._characters, places=self._sound_places)
        return [
            *RunwayCounter(desk, cupboard).routes(),
            *UploadCounter(desk, cupboard).routes(),
            *speech.routes(),
            *ControlCounter(desk, about).routes(),
        ]

    def _lock_folder(self) -> IO[str]:
        """The lock goes with the file: when it is closed, or when the process dies however it dies."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "serving.lock").open("a+")
        except OSError as error:
            raise AccessDeniedError(
                f"the backlot's folder {self.folder} cannot be written: {error.strerror}",
                remedy="choose another folder, or change its permissions",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            told = _read_holder(file.read())
            file.close()
            raise PortInUseError(
                f"another backlot serves the folder {self.folder}{told}",
                remedy="use that one (RUNWAYML_BASE_URL, ELEVENLABS_BASE_URL), stop it, or choose another folder",
            ) from error
        file.truncate(0)
        return file


def _await_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    end = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            server.should_exit = True
            raise StoreError("the backlot's server did not start", remedy="see the log above for the cause")
        time.sleep(0.005)


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"port {port} on 127.0.0.1 cannot be used: {error.strerror}",
            remedy="stop the program that uses it, or choose another with --port (0 takes any free one)",
        ) from error
    return listener


def _read_holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f": process {holder['pid']}, at {holder['url']}"
    except (ValueError, KeyError, TypeError):
        return ""


async def _answer_http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"error": {404: "Not found", 405: "Method not allowed"}.get(status, str(error))}, status)
