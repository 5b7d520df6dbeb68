"""Media steps on a Dask cluster when something is wrong with it: dead workers, none, unfit ones, no scheduler."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from dask_cluster import DaskCluster, HeldFfmpeg, lives, parents_of, wait_until
from footage import film_clip

from infra.blobs import put_blob
from infra.clock import SystemClock
from infra.errors import ClusterError, ProgramMissingError
from infra.media.ffmpeg import find_ffmpeg
from infra.media.steps import STEPS
from infra.runners import open_runner, require_runner
from infra.runners.base import StepJob, StepMade
from infra.runners.cluster import DaskRunner, open_cluster
from infra.runners.local import LocalRunner
from infra.runners.scratch import Scratch
from infra.runners.worker import answer_job, read_job, tell_job
from infra.steps import step_key_of
from infra.storage import open_store
from infra.storage.base import ObjectStore
from infra.storage.memory import MemoryStore
from manifests.journal import BlobRef

CONFORM = {"frames": 24, "rate": "24", "width": 320, "height": 180}


@pytest.fixture(scope="module")
def ffmpeg_program(tmp_path_factory: pytest.TempPathFactory) -> HeldFfmpeg:
    return HeldFfmpeg(tmp_path_factory.mktemp("bin"), find_ffmpeg())


@pytest.fixture
def ffmpeg(ffmpeg_program: HeldFfmpeg) -> HeldFfmpeg:
    ffmpeg_program.release()
    return ffmpeg_program


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory, ffmpeg_program: HeldFfmpeg) -> Iterator[DaskCluster]:
    started = DaskCluster(tmp_path_factory.mktemp("dask"), ffmpeg_program.environment)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def cluster(scheduler: DaskCluster, ffmpeg: HeldFfmpeg) -> Iterator[DaskCluster]:
    """A scheduler; workers are each test's own. Their ffmpeg goes through until a test holds it."""
    yield scheduler
    scheduler.dismiss()


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film_clip(tmp_path_factory.mktemp("clip") / "take.mp4", numbered=True)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store("store", tmp_path)


@pytest.fixture
def clip(store: ObjectStore, filmed: Path) -> BlobRef:
    return put_blob(store, "take", filmed, "video/mp4")


def job_of(name: str, params: dict[str, Any], clip: BlobRef) -> StepJob:
    return StepJob(step_key_of(name, params, {"take": clip}), name, params, {"take": clip})


def joined(cluster: DaskCluster, store: ObjectStore) -> Any:
    return open_cluster(store, SystemClock(), Path("unused"), address=cluster.address, jobs=1)


async def made_here(store: ObjectStore, folder: Path, job: StepJob) -> StepMade:
    return await LocalRunner(store, folder / "own", 1).make(job)


async def test_a_step_whose_worker_is_killed_is_finished_by_another(
    cluster: DaskCluster, ffmpeg: HeldFfmpeg, store: ObjectStore, clip: BlobRef, tmp_path: Path
) -> None:
    of_nanny = {"MALLOC_TRIM_THRESHOLD_": "65536"}
    workers = [cluster.add_worker(env=of_nanny), cluster.add_worker(env=of_nanny)]
    job = job_of("conform", CONFORM, clip)
    ffmpeg.hold()
    async with joined(cluster, store) as runner:
        making = asyncio.create_task(runner.make(job))
        [pid] = await asyncio.to_thread(ffmpeg.wait_held)
        victim = next(worker for worker in workers if worker.pid in parents_of(pid))
        ffmpeg.release()
        cluster.kill(victim)
        made = await making
    await asyncio.to_thread(wait_until, lambda: not lives(pid), "the end of the dead worker's child")
    assert ffmpeg.held() == [pid], "it was held once; the second time it went through"
    assert made.files == (await made_here(store, tmp_path, job)).files
    assert victim.returncode == -signal.SIGKILL
    assert not of_nanny.keys() & ffmpeg.environment_of(pid), "it would make decoding slow"


async def test_a_worker_that_joins_later_is_used(cluster: DaskCluster, store: ObjectStore, clip: BlobRef) -> None:
    async with joined(cluster, store) as runner:
        making = asyncio.create_task(runner.make(job_of("out_frame", {"frame": 3}, clip)))
        await asyncio.sleep(0.3)
        assert not making.done()
        cluster.add_worker()
        assert (await making).facts["frame"] == 3


async def test_without_any_worker_patience_ends(cluster: DaskCluster, store: ObjectStore, clip: BlobRef) -> None:
    async with client_of(cluster) as client:
        runner = DaskRunner(client, store, SystemClock(), patience_seconds=0.5)
        with pytest.raises(ClusterError, match="no worker has been there for 0 s") as caught:
            await runner.make(job_of("out_frame", {"frame": 3}, clip))
        await runner.close()
    assert caught.value.exit_code == 6
    assert "dask worker" in caught.value.remedy


@asynccontextmanager
async def client_of(cluster: DaskCluster) -> AsyncIterator[Any]:
    from distributed import Client

    async with Client(cluster.address, asynchronous=True, set_as_default=False) as client:
        yield client


async def test_a_scheduler_that_dies_is_told(
    ffmpeg: HeldFfmpeg, store: ObjectStore, clip: BlobRef, tmp_path: Path
) -> None:
    cluster = DaskCluster(tmp_path / "dask", ffmpeg.environment)
    cluster.add_worker()
    ffmpeg.hold()
    async with joined(cluster, store) as runner:
        making = asyncio.create_task(runner.make(job_of("conform", CONFORM, clip)))
        [pid] = await asyncio.to_thread(ffmpeg.wait_held)
        cluster.kill(cluster.scheduler)
        with pytest.raises(ClusterError, match=r"the scheduler at tcp://.* has gone"):
            await making
    await asyncio.to_thread(wait_until, lambda: not lives(pid), "the end of the child that nobody waits for")
    cluster.stop()


async def test_a_step_that_kills_its_workers_is_given_up(
    ffmpeg: HeldFfmpeg, store: ObjectStore, clip: BlobRef, tmp_path: Path
) -> None:
    """After one death here; Dask's own measure is three."""
    once = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    cluster = DaskCluster(tmp_path / "dask", ffmpeg.environment | once)
    try:
        worker = cluster.add_worker()
        ffmpeg.hold()
        async with joined(cluster, store) as runner:
            making = asyncio.create_task(runner.make(job_of("conform", CONFORM, clip)))
            await asyncio.to_thread(ffmpeg.wait_held)
            cluster.kill(worker)
            with pytest.raises(ClusterError, match="workers died one by one with the step 'conform'") as caught:
                await making
        assert "memory" in caught.value.remedy
    finally:
        cluster.stop()


async def test_what_one_worker_cannot_do_is_done_by_another(
    cluster: DaskCluster, store: ObjectStore, clip: BlobRef, tmp_path: Path
) -> None:
    cluster.add_worker(env={"IMAGEIO_FFMPEG_EXE": "/nowhere/ffmpeg"})
    async with joined(cluster, store) as runner:
        with pytest.raises(ProgramMissingError, match=r"not a program \(on tcp://"):  # three times by the only one
            await runner.make(job_of("conform", CONFORM | {"frames": 20}, clip))
        cluster.add_worker()
        await cluster.joined(2)
        jobs = [job_of("conform", CONFORM | {"frames": 21 + n}, clip) for n in range(2)]
        made = await asyncio.gather(*map(runner.make, jobs))
    assert [m.files for m in made] == [(await made_here(store, tmp_path, job)).files for job in jobs]


async def test_two_runs_that_want_the_same_step_share_it_and_one_may_leave(
    cluster: DaskCluster, ffmpeg: HeldFfmpeg, store: ObjectStore, clip: BlobRef
) -> None:
    cluster.add_worker(places=2)
    job = job_of("conform", CONFORM, clip)
    ffmpeg.hold()
    async with joined(cluster, store) as one, joined(cluster, store) as other:
        leaving, staying = asyncio.create_task(one.make(job)), asyncio.create_task(other.make(job))
        [pid] = await asyncio.to_thread(ffmpeg.wait_held)
        await asyncio.sleep(0.5)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.sleep(0.5)
        assert lives(pid)
        ffmpeg.release()
        os.kill(pid, signal.SIGKILL)  # what was held cannot go on; its step fails, for the one that stayed
        with pytest.raises(Exception, match=r"conform|ffmpeg"):
            await staying
    assert ffmpeg.held() == [pid]


async def test_nothing_secret_reaches_the_scheduler(
    cluster: DaskCluster, ffmpeg: HeldFfmpeg, store: ObjectStore, clip: BlobRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI", "RUNWAYML_API_SECRET": "key_77", "AWS_SESSION_TOKEN": "FwoGZX"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    cluster.add_worker()
    ffmpeg.hold()
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no scheduler has our tests
    async with joined(cluster, store) as runner, client_of(cluster) as other:
        making = asyncio.create_task(runner.make(job_of("conform", CONFORM, clip)))
        await asyncio.to_thread(ffmpeg.wait_held)
        seen = await other.run_on_scheduler(what_it_knows)
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
    assert clip.sha256.encode() in seen, "the job is there"
    assert not [name for name, value in secrets.items() if value.encode() in seen]


def what_it_knows(dask_scheduler: Any) -> bytes:
    """Every task and every client that the scheduler has heard of, as bytes."""
    tasks = [cloudpickle.dumps(task.run_spec) for task in dask_scheduler.tasks.values()]
    return b"".join(tasks) + repr([(c.client_key, c.versions) for c in dask_scheduler.clients.values()]).encode()


async def test_without_an_address_a_cluster_is_started_and_ends(
    store: ObjectStore, clip: BlobRef, tmp_path: Path, ffmpeg: HeldFfmpeg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(ffmpeg.program))
    job = job_of("conform", CONFORM, clip)
    ffmpeg.hold()
    async with open_runner("dask", store, SystemClock(), tmp_path / "work", 2) as runner:
        making = asyncio.create_task(runner.make(job))
        [pid] = await asyncio.to_thread(ffmpeg.wait_held)
        above = parents_of(pid)
        between = above[: above.index(os.getpid())]
        os.kill(between[-1], signal.SIGINT)  # as a terminal does to all of us at a Ctrl-C
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
        ffmpeg.release()
        assert lives(between[-1])
        made = await runner.make(job)
    await asyncio.to_thread(wait_until, lambda: not any(map(lives, [pid, *between])), "the end of everything")
    assert made.files == (await made_here(store, tmp_path, job)).files


def test_a_run_that_is_killed_takes_its_own_cluster_with_it(
    store: ObjectStore, clip: BlobRef, tmp_path: Path, ffmpeg: HeldFfmpeg
) -> None:
    ffmpeg.hold()
    program = tmp_path / "run.py"
    program.write_text(
        "import asyncio, json, sys\nfrom pathlib import Path\n"
        "from infra.clock import SystemClock\nfrom infra.runners.cluster import open_cluster\n"
        "from infra.runners.worker import read_job\nfrom infra.storage import open_store\n"
        "async def main():\n    store = open_store(sys.argv[1], Path('/'))\n"
        "    async with open_cluster(store, SystemClock(), Path(sys.argv[3]), address=None, jobs=1) as runner:\n"
        "        await runner.make(read_job(json.loads(sys.argv[2])))\n"
        "if __name__ == '__main__':\n    asyncio.run(main())\n"
    )
    told = json.dumps(tell_job(job_of("conform", CONFORM, clip), "t", store.url))
    run = subprocess.Popen(
        [sys.executable, str(program), store.url, told, str(tmp_path)],
        env=os.environ | ffmpeg.environment, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    [pid] = ffmpeg.wait_held()
    above = parents_of(pid)
    others = above[: above.index(run.pid)]
    assert len(others) >= 2, "the step and the worker"
    run.kill()
    run.wait()
    wait_until(lambda: not any(map(lives, [pid, *others])), "the end of everything")


def test_a_missing_package_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match="not installed") as caught:
        require_runner("dask", None)
    assert caught.value.exit_code == 6
    assert "requirements-dask.txt" in caught.value.remedy
    require_runner("local", "tcp://nowhere:1")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "tcp://127.0.0.1:notaport"])
async def test_a_scheduler_that_is_not_there_is_told(address: str, store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=f"no Dask scheduler answers at {address}") as caught:
        require_runner("dask", address)
    assert "SHOTRUNNER_DASK_ADDRESS" in caught.value.remedy


async def test_joining_what_is_not_there_is_told(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no Dask scheduler answers at nonsense://x"):
        async with open_cluster(store, SystemClock(), tmp_path, address="nonsense://x", jobs=1):
            raise AssertionError("it was joined")


async def test_a_store_in_memory_goes_nowhere(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="in memory"):
        async with open_cluster(MemoryStore(), SystemClock(), tmp_path, address=None, jobs=1):
            raise AssertionError("it was opened")


async def test_a_worker_without_shotrunner_says_so_and_lives(
    cluster: DaskCluster, store: ObjectStore, clip: BlobRef, tmp_path: Path
) -> None:
    (tmp_path / "not-ours" / "infra").mkdir(parents=True)
    (tmp_path / "not-ours" / "infra" / "__init__.py").write_text("raise ImportError('another one')")
    foreign = cluster.add_worker(env={"PYTHONPATH": str(tmp_path / "not-ours")})
    async with joined(cluster, store) as runner:
        with pytest.raises(ClusterError, match="not installed there: another one"):
            await runner.make(job_of("out_frame", {"frame": 3}, clip))
        cluster.add_worker()
        await cluster.joined(2)
        assert (await runner.make(job_of("out_frame", {"frame": 4}, clip))).facts["frame"] == 4
    assert foreign.poll() is None


async def test_a_worker_that_does_not_see_the_store_says_so_and_makes_none(clip: BlobRef, tmp_path: Path) -> None:
    elsewhere = tmp_path / "not" / "here"
    told = tell_job(job_of("out_frame", {"frame": 3}, clip), "t", str(elsewhere))
    answer = await answer_job(told, Scratch(tmp_path / "scratch"), "tcp://w:1")
    assert (answer["schema"], answer["error"], answer["elsewhere"]) == ("step-failed/1", "ClusterError", True)
    assert "s3://" in answer["remedy"]
    assert not elsewhere.parent.exists()


async def test_a_worker_of_another_version_refuses(store: ObjectStore, clip: BlobRef, tmp_path: Path) -> None:
    told = tell_job(job_of("out_frame", {"frame": 3}, clip), "t", store.url)
    assert told["version"] == STEPS["out_frame"]
    answer = await answer_job(told | {"version": 99}, Scratch(tmp_path / "scratch"), "tcp://w:1")
    assert (answer["error"], answer["elsewhere"]) == ("ClusterError", True)
    assert "wanted in version 99" in answer["detail"]


async def test_a_worker_whose_disk_fails_says_so(store: ObjectStore, clip: BlobRef, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file where the folder should be")
    told = tell_job(job_of("out_frame", {"frame": 3}, clip), "t", store.url)
    answer = await answer_job(told, Scratch(tmp_path / "scratch"), "tcp://w:1")
    assert (answer["error"], answer["elsewhere"]) == ("ClusterError", True)


def test_what_travels_is_plain(store: ObjectStore, clip: BlobRef) -> None:
    job = job_of("conform", CONFORM, clip)
    told = tell_job(job, "t", store.url)
    assert json.loads(json.dumps(told)) == told
    assert read_job(told) == job


def test_scratch_is_bounded_and_keeps_what_is_in_use(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, limit=25)
    blobs = [BlobRef(kind="take", sha256=f"{n}" * 64, size=10, content_type="video/mp4") for n in range(4)]

    def job(*numbers: int) -> StepJob:
        return StepJob("k", "n", {}, {str(n): blobs[n] for n in numbers})

    def lying() -> set[int]:
        return {int(path.name[0]) for path in tmp_path.iterdir() if len(path.name) == 64}

    def download(number: int) -> None:
        (tmp_path / blobs[number].sha256).write_bytes(b"x" * 10)
        os.utime(tmp_path / blobs[number].sha256, ns=(number, number))

    (tmp_path / f"{blobs[3].sha256}.part").write_bytes(b"x" * 90)
    with scratch.hold(job(0)):
        for number in (0, 1, 2, 3):
            download(number)
        with scratch.hold(job(1)):
            pass
        assert lying() == {0, 1, 3}, "the oldest that nobody uses went; 1 was used just now"
    assert lying() == {0, 1}, "0 has its turn to go when it has not been used for the longest time"
    assert (tmp_path / f"{blobs[3].sha256}.part").exists(), "what is being downloaded stays"


def test_distributed_is_imported_only_when_chosen() -> None:
    code = "import sys, infra.production, flows.apply, infra.runners.cluster; sys.exit('distributed' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
