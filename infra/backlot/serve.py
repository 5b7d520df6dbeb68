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
        self._knobs = Knobs(latency, concurrency, daily, visibility, link_seconds, FaultDesk.of(faults))
        self._connections = Connections()
        self._lock: IO[str] | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.url: str | None = None

    def start(self) -> str:
        """Serves in a daemon thread; returns when requests are answered. Raises PortInUseError."""
        if self.url is not None:
            return self.url
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._lock_folder()
        except OSError as error:
            raise AccessDeniedError(
                f"the backlot's folder {self.folder} cannot be written: {error.strerror}",
                remedy="choose another folder, or change its permissions",
            ) from error
        try:
            listener = _bind(self._port)
        except BaseException:
            self._unlock()
            raise
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._lock.write(json.dumps({"pid": os.getpid(), "url": url}))
        self._lock.flush()
        config = uvicorn.Config(
            Starlette(lifespan=self._lifespan, exception_handlers={HTTPException: _answer_http_error}),
            http=self._connections.protocol(),
            ws="none",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, args=(self._server, listener), name="backlot", daemon=True)
        self._thread.start()
        self._await_start(self._server)
        self.url = url
        return url

    def stop(self) -> None:
        """Ends the server and its child processes; unfinished tasks go on at the next start. Harmless when stopped."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(START_SECONDS)
        self._server = self._thread = self.url = None
        self._unlock()

    def wait(self) -> None:
        """Blocks until the server has ended: for a command that does nothing else."""
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Backlot:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _serve(self, server: uvicorn.Server, listener: socket.socket) -> None:
        try:
            with contextlib.closing(listener):
                server.run(sockets=[listener])
        except BaseException as error:  # noqa: BLE001 - told by start(), which is waiting in the other thread
            self._failure = self._failure or error

    def _await_start(self, server: uvicorn.Server) -> None:
        pause = threading.Event()
        thread = self._thread
        while not server.started:
            if thread is None or not thread.is_alive():
                self.stop()
                raise StoreError(
                    f"the backlot's folder {self.folder} cannot be used: {self._failure}",
                    remedy="move the folder away: a new one starts empty, and what it filmed is filmed again",
                ) from self._failure
            pause.wait(0.005)

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Opens books and lab within the loop that uses them, and leaves both in order."""
        try:
            books = Books(self.folder, now=self._clock.now(), balance=self._balance)
            cupboard = MediaCupboard(self.folder / "media", books.uploads, self._transport)
            lab = Lab(self._films, cupboard.folder, at_once=self._at_once)
        except BaseException as error:
            self._failure = error  # uvicorn would only log it
            raise
        studio = Studio(books, lab, self._knobs, self._clock, self._models)
        app.router.routes.extend(self._routes(studio, cupboard))
        studio.open()
        try:
            yield
        finally:
            await studio.close()
            lab.close()
            books.close()

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
        file = (self.folder / "serving.lock").open("a+")
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

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()  # the lock goes with the file, as it does when the process dies
            self._lock = None


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
