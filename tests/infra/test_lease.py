"""One run per campaign, on real processes where it matters: a killed owner, a reused number, a zombie."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from faults.store import Fault, FaultyStore

from infra import errors
from infra import process as process_module
from infra.lease import HeldLease, acquire_lease, living_leases
from infra.process import ProcessIdentity, process_lives, process_started, this_process
from infra.records import read_record, read_versioned, swap_record
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.journal import Lease
from manifests.naming import lease_key

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ProcessIdentity("other-host", "other-boot", 1, "7", "ann@other-host")


class SteppedClock:
    """Time that moves when it is told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self._now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
        self.slept: list[float] = []
        self.cancel_after = 100

    def now(self) -> dt.datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def pass_(self, seconds: float) -> None:
        self._now += dt.timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        if len(self.slept) == self.cancel_after:
            raise asyncio.CancelledError
        self.slept.append(seconds)
        self.pass_(seconds)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(params=["memory:", "store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return open_store(request.param, tmp_path)


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield running
    running.kill()
    running.wait()


def identity_of(pid: int) -> ProcessIdentity:
    return replace(this_process(), pid=pid, started=process_started(pid) or "", owner="bob@here")


def stored(store: ObjectStore) -> Lease:
    lease = read_record(store, lease_key("film"), Lease)
    assert lease is not None
    return lease


def test_a_lease_names_its_owner_and_lasts_a_minute(store: ObjectStore, clock: SteppedClock) -> None:
    held = acquire_lease(store, clock, "film")
    lease = stored(store)
    assert lease == held.lease
    assert (lease.pid, lease.name, lease.nonce, lease.rev) == (os.getpid(), "film", held.nonce, 1)
    assert lease.expires_at == clock.now() + dt.timedelta(seconds=60)
    assert living_leases(store, clock) == [held.nonce]


def test_a_second_run_is_told_who_holds_it_and_how_long(store: ObjectStore, clock: SteppedClock) -> None:
    acquire_lease(store, clock, "film", identity=ELSEWHERE)
    clock.pass_(18)
    with pytest.raises(errors.LeaseHeldError, match=r"held by ann@other-host, process 1, for another 42 s") as raised:
        acquire_lease(store, clock, "film")
    assert raised.value.seconds_left == 42
    assert raised.value.exit_code == 9
    assert "42 s" in raised.value.remedy


def test_this_process_is_another_too(store: ObjectStore, clock: SteppedClock) -> None:
    acquire_lease(store, clock, "film")
    with pytest.raises(errors.LeaseHeldError):
        acquire_lease(store, clock, "film")


def test_two_campaigns_do_not_meet(store: ObjectStore, clock: SteppedClock) -> None:
    both = [acquire_lease(store, clock, name).nonce for name in ("film", "film-2")]
    assert sorted(living_leases(store, clock)) == sorted(both)


def test_a_lease_from_elsewhere_is_taken_when_it_has_run_out(store: ObjectStore, clock: SteppedClock) -> None:
    theirs = acquire_lease(store, clock, "film", identity=ELSEWHERE)
    clock.pass_(59)
    with pytest.raises(errors.LeaseHeldError):
        acquire_lease(store, clock, "film")
    clock.pass_(1)
    assert living_leases(store, clock) == []
    mine = acquire_lease(store, clock, "film")
    assert living_leases(store, clock) == [mine.nonce]
    assert stored(store).rev == 2
    with pytest.raises(errors.LeaseHeldError, match="took over film"):
        theirs.renew()
    theirs.release()
    assert living_leases(store, clock) == [mine.nonce]


def test_renewing_prolongs_it(store: ObjectStore, clock: SteppedClock) -> None:
    theirs = acquire_lease(store, clock, "film", identity=ELSEWHERE)
    for _ in range(5):
        clock.pass_(45)
        theirs.renew()
    with pytest.raises(errors.LeaseHeldError):
        acquire_lease(store, clock, "film")
    assert stored(store).rev == 6


def test_a_released_lease_is_free_at_once(store: ObjectStore, clock: SteppedClock) -> None:
    held = acquire_lease(store, clock, "film", identity=ELSEWHERE)
    held.release()
    held.release()
    held.renew()
    assert (stored(store).rev, stored(store).released) == (2, True)
    assert living_leases(store, clock) == []
    assert acquire_lease(store, clock, "film").nonce != held.nonce


def test_a_living_owner_here_keeps_it(
    store: ObjectStore, clock: SteppedClock, other_process: subprocess.Popen[bytes]
) -> None:
    acquire_lease(store, clock, "film", identity=identity_of(other_process.pid))
    with pytest.raises(errors.LeaseHeldError, match="bob@here"):
        acquire_lease(store, clock, "film")


def test_a_dead_owner_here_loses_it_at_once(
    store: ObjectStore, clock: SteppedClock, other_process: subprocess.Popen[bytes]
) -> None:
    dead = acquire_lease(store, clock, "film", identity=identity_of(other_process.pid))
    assert living_leases(store, clock) == [dead.nonce]
    other_process.kill()
    other_process.wait()
    assert living_leases(store, clock) == []
    mine = acquire_lease(store, clock, "film")
    assert living_leases(store, clock) == [mine.nonce]


def test_a_zombie_is_dead(other_process: subprocess.Popen[bytes]) -> None:
    started = process_started(other_process.pid)
    assert started is not None
    assert process_lives(other_process.pid, started)
    other_process.kill()
    os.waitid(os.P_PID, other_process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet collected
    assert not process_lives(other_process.pid, started)


def test_a_number_that_was_given_again_is_not_the_owner(store: ObjectStore, clock: SteppedClock) -> None:
    earlier = replace(this_process(), started="1")
    acquire_lease(store, clock, "film", identity=earlier)
    assert living_leases(store, clock) == []
    acquire_lease(store, clock, "film")


@pytest.mark.parametrize("change", [{"host": "other-host"}, {"boot_id": "before the restart"}])
def test_the_same_number_elsewhere_says_nothing(
    store: ObjectStore, clock: SteppedClock, change: dict[str, str]
) -> None:
    acquire_lease(store, clock, "film", identity=replace(this_process(), started="1", **change))
    with pytest.raises(errors.LeaseHeldError):
        acquire_lease(store, clock, "film")


def test_without_proc_only_a_missing_number_is_dead(
    monkeypatch: pytest.MonkeyPatch, other_process: subprocess.Popen[bytes], store: ObjectStore, clock: SteppedClock
) -> None:
    monkeypatch.setattr(process_module, "_stat", lambda _: None)
    monkeypatch.setattr(process_module, "_BOOT_ID", Path("/nowhere/boot_id"))
    me = this_process()
    assert (me.boot_id, me.started) == ("", "")
    acquire_lease(store, clock, "film", identity=replace(me, pid=other_process.pid))
    with pytest.raises(errors.LeaseHeldError):
        acquire_lease(store, clock, "film")
    other_process.kill()
    other_process.wait()
    acquire_lease(store, clock, "film")


def test_a_user_without_a_name_still_has_an_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(process_module.getpass, "getuser", nameless)
    assert this_process().owner.startswith(f"{os.getuid()}@")


def test_a_killed_run_does_not_hold_up_the_next(tmp_path: Path, clock: SteppedClock) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from infra.clock import SystemClock
        from infra.lease import acquire_lease
        from infra.storage import open_store
        acquire_lease(open_store("store", Path(sys.argv[1])), SystemClock(), "film", seconds=10**6)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False)
    assert killed.returncode == -9
    store = open_store("store", tmp_path)
    assert stored(store).pid != os.getpid()
    assert acquire_lease(store, clock, "film").lease.rev == 2


def test_one_of_eight_gets_it(store: ObjectStore, clock: SteppedClock) -> None:
    barrier = threading.Barrier(8)

    def take(_: int) -> HeldLease | None:
        barrier.wait()
        try:
            return acquire_lease(store, clock, "film")
        except errors.LeaseHeldError:
            return None

    for round_number in range(3):
        with ThreadPoolExecutor(8) as pool:
            held = [lease for lease in pool.map(take, range(8)) if lease]
        assert [lease.nonce for lease in held] == [stored(store).nonce], f"round {round_number}"
        held[0].release()


def test_a_renewal_whose_reply_was_lost_goes_on(store: ObjectStore, clock: SteppedClock) -> None:
    held = acquire_lease(FaultyStore(store, Fault("fail-after", at=2)), clock, "film", identity=ELSEWHERE)
    with pytest.raises(errors.StoreUnavailableError):
        held.renew()
    clock.pass_(30)
    held.renew()
    assert stored(store).expires_at == clock.now() + dt.timedelta(seconds=60)
    assert stored(store).nonce == held.nonce
    held.release()
    assert stored(store).released


def test_a_lease_that_was_deleted_is_lost(store: ObjectStore, clock: SteppedClock) -> None:
    held = acquire_lease(store, clock, "film")
    store.delete(lease_key("film"))
    with pytest.raises(errors.LeaseHeldError, match="someone took over"):
        held.renew()


async def test_keeping_renews_every_twenty_seconds_until_cancelled(store: ObjectStore, clock: SteppedClock) -> None:
    held = acquire_lease(store, clock, "film", identity=ELSEWHERE)
    clock.cancel_after = 5
    with pytest.raises(asyncio.CancelledError):
        await held.keep()
    assert clock.slept == [20] * 5
    assert stored(store).rev == 6
    held.release()
    assert stored(store).released


async def test_keeping_ends_when_another_took_it(store: ObjectStore, clock: SteppedClock) -> None:
    held = acquire_lease(store, clock, "film", identity=ELSEWHERE)
    before = read_versioned(store, lease_key("film"), Lease)
    taken = held.lease.model_copy(update={"nonce": "theirs", "rev": 2, "owner": "eve@there"})
    swap_record(store, lease_key("film"), taken, expected=before)
    with pytest.raises(errors.LeaseHeldError, match="eve@there"):
        await held.keep()


async def test_keeping_survives_a_store_that_is_away_for_a_while(store: ObjectStore, clock: SteppedClock) -> None:
    faulty = FaultyStore(store, Fault("fail-before", at=2, times=3))
    held = acquire_lease(faulty, clock, "film", identity=ELSEWHERE)
    clock.cancel_after = 6
    with pytest.raises(asyncio.CancelledError):
        await held.keep()
    assert clock.slept == [20, 5, 5, 5, 20, 20]
    assert stored(store).rev == 4


async def test_keeping_gives_up_when_the_lease_has_run_out(store: ObjectStore, clock: SteppedClock) -> None:
    faulty = FaultyStore(store, Fault("fail-before", at=2, times=1000))
    held = acquire_lease(faulty, clock, "film", identity=ELSEWHERE)
    with pytest.raises(errors.StoreUnavailableError):
        await held.keep()
    assert sum(clock.slept) == 60
