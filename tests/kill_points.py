"""One purchase killed at every point between two operations on store or network, and taken up again: the points, the
killing (an exception, or SIGKILL of a real process) and what must be true afterwards. For a test and a table of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from clocks import TestClock
from scripted_vendor import CAMPAIGN, Set, Vendor, answer, cut_short, line, place_of, take

from infra import errors
from infra.buying import Buyer, Purchase
from infra.ledger import read_history, repair_ledger
from infra.storage.base import ObjectInfo, ObjectStore, Version
from infra.storage.folder import FolderStore
from manifests.journal import Result, TakeHistory, TakeState

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone: nothing after this happens."""


class Fuse:
    """Counts operations on store and network together and strikes at the nth, before or after it is carried out.

    `once`: what comes after the strike is carried out again; else nothing is.
    """

    def __init__(self, strike: Callable[[], BaseException] | None = None, at: int = -1, *, after: bool = False) -> None:
        self.strike, self.at, self.after = strike, at, after
        self.names: list[str] = []
        self.once = False
        self.dead = False
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        return len(self.names)

    @contextlib.contextmanager
    def operation(self, name: str) -> Iterator[None]:
        with self._lock:
            number = len(self.names)
            self.names.append(name)
            if self.dead:
                raise Killed
            hit = number == self.at and self.strike is not None
            self.dead = self.dead or (hit and not self.once)
        if hit and self.strike is not None and not self.after:
            raise self.strike()
        try:
            yield
        finally:  # also when it says no: that nothing is there is an answer
            if hit and self.strike is not None:
                raise self.strike()

    def run(self, name: str, operation: Callable[[], T]) -> T:
        with self.operation(name):
            return operation()


class FusedStore:
    """Every operation on the store within burns the fuse."""

    def __init__(self, inner: ObjectStore, fuse: Fuse) -> None:
        self.url = inner.url
        self._inner = inner
        self._fuse = fuse

    def put_bytes(self, key: str, data: bytes, **options: Any) -> Version:
        return self._fuse.run(f"write {short(key)}", lambda: self._inner.put_bytes(key, data, **options))

    def put_file(self, key: str, path: Path, **options: Any) -> Version:
        return self._fuse.run(f"write {short(key)}", lambda: self._inner.put_file(key, path, **options))

    def get_bytes(self, key: str) -> tuple[bytes, Version]:
        return self._fuse.run(f"read {short(key)}", lambda: self._inner.get_bytes(key))

    def open_read(self, key: str) -> Any:
        return self._fuse.run(f"read {short(key)}", lambda: self._inner.open_read(key))

    def head(self, key: str) -> ObjectInfo:
        return self._fuse.run(f"look at {short(key)}", lambda: self._inner.head(key))

    def list(self, prefix: str, *, start_after: str = "") -> Iterator[ObjectInfo]:
        def whole() -> list[ObjectInfo]:
            return [*self._inner.list(prefix, start_after=start_after)]

        return iter(self._fuse.run(f"list {short(prefix)}", whole))

    def local_path(self, key: str) -> Path | None:
        return self._inner.local_path(key)

    def touch(self, key: str) -> None:
        self._fuse.run(f"refresh {short(key)}", lambda: self._inner.touch(key))

    def end_uploads(self, before: dt.datetime, *, dry: bool = False) -> int:
        return self._fuse.run("end uploads", lambda: self._inner.end_uploads(before, dry=dry))

    def delete(self, key: str, *, if_match: str | None = None) -> None:
        self._fuse.run(f"delete {short(key)}", lambda: self._inner.delete(key, if_match=if_match))


def short(key: str) -> str:
    """`v1/takes/<sha256>/intent-1.json` is the take's intent-1."""
    parts = key.split("/")[1:]
    match parts[0]:
        case "takes":
            return "the take's " + (parts[2].removesuffix(".json") or "records")
        case "ledger":
            return "the ledger" + (f" ({parts[2].rpartition('-')[2].removesuffix('.json')})" if parts[2] else "")
        case "blobs":
            return "the bytes"
        case "leases":
            return "the leases"
        case _:
            return "the budget" if "budget" in key else parts[0]


DOORS = {"create": "POST the create", "sound": "POST the line", "poll": "GET the task", "output": "GET the output"}


def fused(vendor: Vendor, fuse: Fuse) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: fuse.run(DOORS[place_of(request)], lambda: vendor(request))


class FusedTransport(httpx.AsyncBaseTransport):
    """Over a real network. An answer counts as received when all of it is here."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self._inner = httpx.AsyncHTTPTransport(verify=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self._fuse.operation(DOORS[place_of(request)]):
            response = await self._inner.handle_async_request(request)
            try:
                await response.aread()
            except httpx.RemoteProtocolError:  # which its reader has to meet
                return cut_short(request)
        return response


# --- scenes ---


def plainly(vendor: Vendor) -> None:
    pass


def failing(vendor: Vendor) -> None:
    vendor.ending = {"status": "FAILED", "failure": "no", "failureCode": "INTERNAL", "cost": {"credits": 9}}


def refusing_first(vendor: Vendor) -> None:
    vendor.script["create"] = [answer(400, {"error": "no"})]


def expiring(vendor: Vendor) -> None:
    vendor.script["output"] = [answer(403), cut_short]


SCENES: dict[str, tuple[Purchase, Callable[[Vendor], None]]] = {
    "take": (take(), plainly),
    "failed take": (take(), failing),
    "refused, then bought": (take(), refusing_first),
    "expired link": (take(), expiring),
    "speech": (line(), plainly),
}
SHOWN = (Result, errors.TakeFailedError, errors.UnknownOutcomeError)


async def attempt(buyer: Buyer, purchase: Purchase) -> Any:
    """The outcome as a value. A refusal is tried again once, as the next run would."""
    for _ in range(2):
        try:
            return await buyer.obtain(purchase)
        except errors.RefusedError:
            continue
        except (errors.ShotrunnerError, Killed) as e:
            return e
    raise AssertionError("refused twice")


def prompt_of(purchase: Purchase) -> str:
    body = purchase.request["body"]
    return str(body.get("promptText") or body.get("text"))


# --- points ---


@dataclass(frozen=True)
class Point:
    """Dies before or after one operation, by number; `name` says between which two."""

    at: int
    after: bool
    name: str


async def operations_of(clock: Any, scene: str) -> list[str]:
    """All operations of a purchase that nobody disturbs, in order."""
    (purchase, prepare), stage, fuse = SCENES[scene], Set(clock), Fuse()
    prepare(stage.vendor)
    outcome = await attempt(stage.buyer(FusedStore(stage.store, fuse), fused(stage.vendor, fuse)), purchase)
    assert isinstance(outcome, SHOWN)
    return fuse.names


def points_of(operations: Sequence[str], *, after: bool) -> list[Point]:
    """One for each operation. Just after one and just before the next are the same for store and vendor."""
    gaps = [*zip(["(start)", *operations], [*operations, "(end)"], strict=True)]
    return [Point(at, after, " → ".join(gaps[at + 1] if after else gaps[at])) for at in range(len(operations))]


def every_gap(operations: Sequence[str]) -> list[Point]:
    """The start, every point between two operations, and the end: each once."""
    return [points_of(operations, after=False)[0], *points_of(operations, after=True)]


# --- killing, and going on ---

Kill = Callable[[Set, str, Point], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """What became of one kill."""

    scene: str
    point: str
    left: TakeState  # what the next process finds
    calls: dict[str, int]  # that it makes, by the vendor's door
    charged: int  # by the vendor, in all
    outcome: str
    breaches: tuple[str, ...]


async def kill_and_resume(stage: Set, scene: str, point: Point, kill: Kill) -> Row:
    """`stage` is new. Its vendor has been charged what it has been charged, whoever was killed."""
    purchase, prepare = SCENES[scene]
    prompt, vendor = prompt_of(purchase), stage.vendor
    prepare(vendor)
    await kill(stage, scene, point)
    left = read_history(stage.store, purchase.key)
    before = Counter(vendor.calls)
    resumed = await attempt(stage.buyer(), purchase)
    calls, charged = vendor.calls - before, vendor.charged[prompt]
    breaches = [
        words
        for words, wrong in {
            f"ended with {resumed!r}": not isinstance(resumed, SHOWN),
            "held without need, or sent again": (left.state() is TakeState.UNKNOWN) != is_held(resumed),
            "bought twice": vendor.creates[prompt] > 1,
            "bought, and nothing to show for it": vendor.creates[prompt] < 1 and not is_held(resumed),
        }.items()
        if wrong
    ]
    breaches += await _stays(stage, purchase, resumed)
    breaches += _count_money(stage, purchase, held=is_held(resumed))
    outcome = _words(resumed)
    if is_held(resumed):
        bought = await attempt(stage.buyer(rebuy_unknown=True), purchase)
        breaches += _judge_rebuy(stage, purchase, left, bought)
        outcome += f"; --rebuy-unknown: {_words(bought)}, {vendor.charged[prompt]} charged in all"
    return Row(scene, point.name, left.state(), dict(calls), charged, outcome, tuple(breaches))


def is_held(outcome: Any) -> bool:
    return isinstance(outcome, errors.UnknownOutcomeError)


async def _stays(stage: Set, purchase: Purchase, resumed: Any) -> list[str]:
    """Another run says the same and sends nothing."""
    doors = ("create", "sound")
    before = [stage.vendor.calls[door] for door in doors]
    again = await attempt(stage.buyer(), purchase)
    if type(again) is type(resumed) and [stage.vendor.calls[door] for door in doors] == before:
        return []
    return [f"a second resume ended with {again!r}"]


def _count_money(stage: Set, purchase: Purchase, *, held: bool) -> list[str]:
    """The ledger has all of it, before its own repair and after."""
    charged = stage.vendor.charged[prompt_of(purchase)]
    wrong = [] if stage.total() >= charged else [f"{charged} charged, {stage.total()} counted"]
    repair_ledger(stage.store, CAMPAIGN, [purchase.key])
    if (held and stage.total() < charged) or (not held and stage.total() != charged):
        wrong.append(f"{charged} charged, {stage.total()} counted after the repair")
    return wrong


def _judge_rebuy(stage: Set, purchase: Purchase, left: TakeHistory, bought: Any) -> list[str]:
    """Said by a person: one more create, and both are on the bill."""
    prompt, history = prompt_of(purchase), read_history(stage.store, purchase.key)
    new_refusals = len(history.refusals) - len(left.refusals)
    checks = {
        f"--rebuy-unknown ended with {bought!r}": isinstance(bought, Result | errors.TakeFailedError),
        "--rebuy-unknown sent more than one": stage.vendor.creates[prompt] <= 2
        and len(history.intents) == len(left.intents) + 1 + new_refusals,
        "--rebuy-unknown is not on the bill": stage.total() >= stage.vendor.charged[prompt],
    }
    return [words for words, right in checks.items() if not right]


def _words(outcome: Any) -> str:
    if isinstance(outcome, Result):
        return "have"
    if isinstance(outcome, errors.TakeFailedError):
        return f"failed ({outcome.code})"
    return "held: counted as spent, not sent again" if is_held(outcome) else type(outcome).__name__


# --- the ways to die ---


async def die_by_exception(stage: Set, scene: str, point: Point) -> None:
    """In this process: from then on every operation is refused."""
    fuse = Fuse(Killed, point.at, after=point.after)
    killed = await attempt(stage.buyer(FusedStore(stage.store, fuse), fused(stage.vendor, fuse)), SCENES[scene][0])
    assert isinstance(killed, Killed), killed


class RealDeath:
    """In a process of its own, by SIGKILL of itself; the vendor answers it over HTTP on loopback.

    The processes are forked from one that has imported everything and has no threads.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._parent = subprocess.Popen(
            [sys.executable, "-c", "import kill_points; kill_points.obey()"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._parent.communicate()  # its orders end, and so does it

    async def __call__(self, stage: Set, scene: str, point: Point) -> None:
        stage.vendor.cdn = self._url
        order = {"store": stage.store.url, "url": self._url, "scene": scene, "at": point.at, "after": point.after}
        ended = await asyncio.to_thread(self._ask, json.dumps(order))
        assert ended == f"{-signal.SIGKILL}", f"ended with {ended!r}, and was to be killed at {point}"

    def _ask(self, order: str) -> str:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(order + "\n")
        self._parent.stdin.flush()
        return self._parent.stdout.readline().strip()


def obey() -> None:
    """For every order a process; how it ended."""
    for order in sys.stdin:
        process = os.fork()
        if process == 0:
            asyncio.run(perform_and_die(**json.loads(order)))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


async def perform_and_die(store: str, url: str, scene: str, at: int, after: bool) -> None:
    def strike() -> BaseException:
        os.kill(os.getpid(), signal.SIGKILL)
        return Killed()

    fuse = Fuse(strike, at, after=after)
    stage = Set(TestClock(), FolderStore(Path(store)))
    async with httpx.AsyncClient(transport=FusedTransport(fuse)) as client:
        buyer = stage.buyer(FusedStore(stage.store, fuse), url=url, client=client, lease_nonce="dead")
        await attempt(buyer, SCENES[scene][0])


@contextlib.contextmanager
def serve(answers: Callable[[], Vendor]) -> Iterator[str]:
    """The scripted vendor of the moment over HTTP; its URL."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                response = answers()(httpx.Request(self.command, f"{url}{self.path}", content=body))
                data = b"".join(response.stream)  # type: ignore[arg-type]
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
