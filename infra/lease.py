"""One run per campaign: a lease in the store that lasts 60 s, is renewed every 20 s and dies with its owner.

On the owner's own machine a dead owner's lease is taken at once; from elsewhere it has to run out. Machines' clocks
must agree to within some seconds.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
import uuid
from collections.abc import Callable
from typing import Literal

from infra import errors
from infra.clock import Clock
from infra.process import ProcessIdentity, process_lives, this_process
from infra.records import read_record, read_versioned, swap_record
from infra.storage.base import ObjectStore, Version
from manifests.journal import Lease
from manifests.naming import lease_key, lease_prefix

_TRIES = 5
_LOOK = 1.0  # how often a wait looks whether the lease is free
_TOLD_EVERY = 60.0


def acquire_lease(
    store: ObjectStore, clock: Clock, name: str, *, seconds: int = 60, identity: ProcessIdentity | None = None
) -> HeldLease:
    """Raises LeaseHeldError, with the owner and the seconds left, while another holds it; this process counts as
    another. Blocks; does not wait for a living owner."""
    identity = identity or this_process()
    for _ in range(_TRIES):
        found = read_versioned(store, lease_key(name), Lease)
        if found and _holds(found[0], clock.now(), identity):
            raise _held_by(found[0], clock.now(), identity)
        lease = Lease(
            rev=found[0].rev + 1 if found else 1,
            name=name,
            nonce=uuid.uuid4().hex,
            host=identity.host,
            boot_id=identity.boot_id,
            pid=identity.pid,
            process_started=identity.started,
            owner=identity.owner,
            expires_at=clock.now() + dt.timedelta(seconds=seconds),
        )
        try:
            version = swap_record(store, lease_key(name), lease, expected=found)
        except errors.PreconditionFailedError:
            continue  # another was first, or our own write was sent twice: what is there now tells
        return HeldLease(store, clock, lease, version, seconds)
    raise errors.ConflictError(f"the lease of {name} changed {_TRIES} times while it was taken", remedy="Run again.")


async def acquire_patiently(
    store: ObjectStore,
    clock: Clock,
    name: str,
    *,
    identity: ProcessIdentity | None = None,
    waits: Callable[[errors.LeaseHeldError], None] = lambda _: None,
) -> HeldLease:
    """As `acquire_lease`, but a lease of another machine is waited for until it runs out, once: if it is renewed by
    then, its owner lives and LeaseHeldError is raised. `waits` is told how long."""
    try:
        return await asyncio.to_thread(acquire_lease, store, clock, name, identity=identity)
    except errors.LeaseHeldError as held:
        if not held.elsewhere:
            raise
        waits(held)
        await clock.sleep(held.seconds_left + 0.5)
    return await asyncio.to_thread(acquire_lease, store, clock, name, identity=identity)


async def acquire_when_free(
    store: ObjectStore,
    clock: Clock,
    name: str,
    *,
    waits: Callable[[errors.LeaseHeldError], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> HeldLease:
    """As `acquire_lease`, but waits for a living owner, however long it takes; `waits` is told once a minute. Raises
    StoppedError when `stopped` says so."""
    told: float | None = None
    while True:
        try:
            return await asyncio.to_thread(acquire_lease, store, clock, name)
        except errors.LeaseHeldError as held:
            if stopped():
                raise errors.StoppedError("the other run was waited for", remedy="Run again.") from held
            if told is None or clock.monotonic() - told >= _TOLD_EVERY:
                told = clock.monotonic()
                waits(held)
        await clock.sleep(_LOOK)


def refuse_if_held(store: ObjectStore, clock: Clock, name: str) -> None:
    """Raises LeaseHeldError while another process of this host lives and holds it. A look, not a hold: it spares the
    work of starting; only `acquire_lease` decides."""
    identity = this_process()
    lease = read_record(store, lease_key(name), Lease)
    if lease is not None and _holds(lease, clock.now(), identity) and lease.host == identity.host:
        raise _held_by(lease, clock.now(), identity)


def who_holds(store: ObjectStore, clock: Clock, name: str) -> Literal["", "here", "elsewhere"]:
    """A living process of this host, or perhaps one of another: until its lease runs out nobody here can know."""
    identity = this_process()
    lease = read_record(store, lease_key(name), Lease)
    if lease is None or not _holds(lease, clock.now(), identity):
        return ""
    return "here" if lease.host == identity.host else "elsewhere"


def living_leases(store: ObjectStore, clock: Clock, *, identity: ProcessIdentity | None = None) -> list[str]:
    """Nonces of the leases that are held now: an open intent of any other owner is unknown, not in flight."""
    identity = identity or this_process()
    leases = [read_record(store, info.key, Lease) for info in store.list(lease_prefix())]
    return [lease.nonce for lease in leases if lease and _holds(lease, clock.now(), identity)]


def _holds(lease: Lease, now: dt.datetime, identity: ProcessIdentity) -> bool:
    if lease.released or lease.expires_at <= now:
        return False
    here = (lease.host, lease.boot_id) == (identity.host, identity.boot_id)
    return not here or process_lives(lease.pid, lease.process_started)


def _held_by(lease: Lease, now: dt.datetime, identity: ProcessIdentity) -> errors.LeaseHeldError:
    left = max(0.0, (lease.expires_at - now).total_seconds())
    return errors.LeaseHeldError(
        f"{lease.name} is held by {lease.owner}, process {lease.pid}, for another {left:.0f} s unless it renews",
        seconds_left=left,
        elsewhere=(lease.host, lease.boot_id) != (identity.host, identity.boot_id),
        remedy=f"Let that run finish or stop it; if {lease.host} is gone, run again in {left:.0f} s.",
    )


class HeldLease:
    """A lease that this process holds until it is released, taken over, or not renewed in time. Safe for threads."""

    def __init__(self, store: ObjectStore, clock: Clock, lease: Lease, version: Version, seconds: int) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._version = version
        self._seconds = seconds
        self._lock = threading.Lock()

    @property
    def nonce(self) -> str:
        return self._lease.nonce

    @property
    def lease(self) -> Lease:
        return self._lease

    def renew(self) -> None:
        """Raises LeaseHeldError when another has taken it: then buy nothing more. Does nothing after `release`."""
        with self._lock:
            if not self._lease.released:
                self._swap(self._lease.model_copy(update={"expires_at": self._expiry()}))

    def release(self) -> None:
        """Lets the next run begin at once. May be called twice, and after another has taken it."""
        with self._lock:
            if self._lease.released:
                return
            try:
                self._swap(self._lease.model_copy(update={"released": True, "expires_at": self._clock.now()}))
            except errors.LeaseHeldError:
                self._lease = self._lease.model_copy(update={"released": True})

    async def keep(self) -> None:
        """Renews three times per life of the lease until cancelled. A store that does not answer is asked again until
        the lease has run out; then, or when another took it, this raises: cancel all buying with it."""
        pause = self._seconds / 3
        while True:
            await self._clock.sleep(pause)
            try:
                await asyncio.to_thread(self.renew)
                pause = self._seconds / 3
            except (errors.StoreUnavailableError, errors.ConflictError):
                if self._clock.now() >= self._lease.expires_at:
                    raise
                pause = self._seconds / 12

    def _expiry(self) -> dt.datetime:
        return self._clock.now() + dt.timedelta(seconds=self._seconds)

    def _swap(self, wanted: Lease) -> None:
        for _ in range(_TRIES):
            wanted = wanted.model_copy(update={"rev": self._lease.rev + 1})
            try:
                self._version = swap_record(
                    self._store, lease_key(wanted.name), wanted, expected=(self._lease, self._version)
                )
            except errors.PreconditionFailedError:
                self._reread()
                continue
            self._lease = wanted
            return
        raise errors.ConflictError(f"the lease of {wanted.name} could not be written {_TRIES} times")

    def _reread(self) -> None:
        """After a lost reply the document may be further than we know, and still ours."""
        found = read_versioned(self._store, lease_key(self._lease.name), Lease)
        if found is None or found[0].nonce != self.nonce:
            by = f"{found[0].owner}, process {found[0].pid}," if found else "someone"
            raise errors.LeaseHeldError(
                f"{by} took over {self._lease.name}: this run had not renewed its lease in time",
                remedy="What was paid is in the ledger; run again when that run has ended.",
            )
        self._lease, self._version = found
