"""The store's contract, tried on a store itself: what holds there, in plain words. Cleans up after itself.

`S3-compatible` says little: of seven servers three let two writers both create an object (storage sheet §1.1).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import Field

from infra import errors
from infra.clock import Clock
from infra.records import encode_record
from infra.storage.base import ObjectStore
from manifests.journal import Record
from manifests.naming import capabilities_key, staging_key, staging_prefix

T = TypeVar("T")
CREATE_ONCE, PRIVATE = "create-once", "private"
# Writers and keys of the race for creation. A server that looks first and writes then was caught at two keys of three
# by 16 writers (storage sheet §1.1), so eight keys let it through once in ten thousand times
THOROUGH, BRIEF = (16, 8), (12, 6)
_PAUSE = 1.1  # times of objects may come in whole seconds


@dataclass(frozen=True)
class Check:
    """`needed`: without it nothing may be bought there. `holds` is None where it could not be asked."""

    name: str
    holds: bool | None
    found: str
    needed: bool = True

    @property
    def ok(self) -> bool:
        return self.holds is True or not self.needed


class Capabilities(Record):
    """What an examination found; written anew by each. `holds` by name of check; it is about one endpoint only."""

    schema_: Literal["capabilities/1"] = Field(default="capabilities/1", alias="schema")
    store: str
    endpoint: str
    at: dt.datetime
    thorough: bool
    holds: Mapping[str, bool | None]
    found: Mapping[str, str]


class Probe:
    """A corner of the store for one examination; `end` leaves nothing of it."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._run = f"doctor-{secrets.token_hex(4)}"

    def key(self, name: str) -> str:
        return staging_key(self._run, name)

    @property
    def prefix(self) -> str:
        return f"{staging_prefix()}{self._run}/"

    def end(self) -> None:
        for info in [*self.store.list(self.prefix)]:
            self.store.delete(info.key)


@contextlib.contextmanager
def probe(store: ObjectStore) -> Iterator[Probe]:
    corner = Probe(store)
    try:
        yield corner
    finally:
        with contextlib.suppress(errors.StoreError):  # the first error says more; the rest expires
            corner.end()


def examine_store(store: ObjectStore, pause: Callable[[float], None], *, public: bool = False) -> list[Check]:
    """Everything that can be asked; `public`: strangers may read, and somebody said so. Raises StoreError only where
    the store cannot be used at all."""
    with probe(store) as corner:
        checks = [
            check_create_once(corner, *THOROUGH),
            _tried("swap", lambda: _check_swap(corner)),
            _tried("listing", lambda: _check_listing(corner)),
            _tried("touch", lambda: _check_touch(corner, pause)),
        ]
        if store.url.startswith("s3://"):
            from infra.storage.s3_doctor import examine_bucket

            checks += examine_bucket(corner, pause, public=public)
    return checks


def check_create_once(corner: Probe, writers: int, keys: int) -> Check:
    """What every purchase relies on: of writers at one key, one wins, and what is there is the winner's."""
    contested = [corner.key(f"create-{number}") for number in range(keys)]
    broken = [key for key in contested if not _one_wins(corner.store, key, writers)]
    if broken:
        found = f"{writers} writers at each of {keys} keys: at {len(broken)} of them more than one won, or none"
        return Check(CREATE_ONCE, False, found)
    return Check(CREATE_ONCE, True, f"{writers} writers at each of {keys} keys: one won each time")


def _one_wins(store: ObjectStore, key: str, writers: int) -> bool:
    bodies = [b"%d " % number * (1 + 997 * number) for number in range(writers)]
    barrier = threading.Barrier(writers)

    def create(body: bytes) -> bytes | None:
        barrier.wait()
        try:
            store.put_bytes(key, body, if_absent=True)
        except (errors.PreconditionFailedError, errors.ConflictError):
            return None
        return body

    with ThreadPoolExecutor(writers) as pool:
        won = [body for body in pool.map(create, bodies) if body is not None]
    return len(won) == 1 and store.get_bytes(key)[0] == won[0]


def _check_swap(corner: Probe, *, writers: int = 8, times: int = 5) -> Check:
    store, key = corner.store, corner.key("swap")
    store.put_bytes(key, b"0 ")
    tries = 0

    def count(number: int) -> None:
        nonlocal tries
        done = 0
        while done < times and tries < writers * times * 50:
            data, version = store.get_bytes(key)
            tries += 1
            with contextlib.suppress(errors.PreconditionFailedError, errors.ConflictError):
                store.put_bytes(key, b"%d %d" % (int(data.split()[0]) + 1, number), if_match=version.tag)
                done += 1

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(count, range(writers)))
    reached = int(store.get_bytes(key)[0].split()[0])
    bare = ", by tags without quotes" if getattr(store, "wants_bare_tags", False) else ""
    return Check(
        "swap", reached == writers * times, f"{writers} writers counted to {reached} of {writers * times}{bare}"
    )


def _check_listing(corner: Probe) -> Check:
    store = corner.store
    wanted = [corner.key(f"list-{number:02}") for number in range(20)]
    for key in wanted:
        store.put_bytes(key, b"x")
    seen = [info.key for info in store.list(corner.key("list-"))]
    for key in wanted:
        store.delete(key)
    left = [info.key for info in store.list(corner.key("list-"))]
    holds = seen == wanted and not left
    found = "what was written or deleted just now shows at once, in order"
    return Check("listing", holds, found if holds else f"{len(seen)} of 20 shown at once, {len(left)} after their end")


def _check_touch(corner: Probe, pause: Callable[[float], None]) -> Check:
    store, key = corner.store, corner.key("touch")
    store.put_bytes(key, b"same", content_type="image/png")
    before = store.head(key)
    pause(_PAUSE)
    store.touch(key)
    after = store.head(key)
    same = store.get_bytes(key)[0] == b"same" and after.content_type == before.content_type
    holds = same and after.modified > before.modified
    found = "an object can be made young without sending it" if holds else "a copy of an object onto itself is not it"
    return Check("touch", holds, found)


def _tried(name: str, act: Callable[[], Check], *, needed: bool = True) -> Check:
    """A store that fails at this one thing is told so; one that refuses us altogether is not examined."""
    try:
        return act()
    except (errors.AccessDeniedError, errors.StoreUnavailableError, errors.StoreFullError):
        raise
    except errors.StoreError as error:
        return Check(name, False, f"{error.summary}: {error.detail}", needed)


def write_capabilities(store: ObjectStore, clock: Clock, checks: list[Check], *, thorough: bool) -> Capabilities:
    told = Capabilities(
        store=store.url, endpoint=endpoint_of(store), at=clock.now(), thorough=thorough,
        holds={check.name: check.holds for check in checks}, found={check.name: check.found for check in checks},
    )  # fmt: skip
    store.put_bytes(capabilities_key(), encode_record(told), content_type="application/json")
    return told


def endpoint_of(store: ObjectStore) -> str:
    """Who answers for a bucket: the same name at another server is another store. Empty for other kinds."""
    client: Any = getattr(store, "client", None)
    return str(client.meta.endpoint_url) if client is not None else ""
