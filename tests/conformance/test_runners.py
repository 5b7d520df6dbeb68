"""The MediaRunner contract on all places: this machine, its steps started or forked, and a Dask cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dask_cluster import DaskCluster, HeldFfmpeg, lives, wait_until
from footage import film_clip

from infra.blobs import has_blob, put_blob
from infra.clock import SystemClock
from infra.errors import IntegrityError, MediaError, NotFoundError, ShotrunnerError
from infra.media.ffmpeg import find_ffmpeg
from infra.media.forks import StepForks
from infra.runners.base import MediaRunner, StepJob, StepMade
from infra.runners.cluster import open_cluster
from infra.runners.local import InForks, LocalRunner
from infra.steps import step_key_of
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.journal import BlobRef
from manifests.naming import blob_key

CONFORM = {"frames": 24, "rate": "24", "width": 320, "height": 180}
PLACES = 2


@pytest.fixture(scope="module")
def ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> HeldFfmpeg:
    return HeldFfmpeg(tmp_path_factory.mktemp("bin"), find_ffmpeg())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, ffmpeg: HeldFfmpeg) -> Iterator[DaskCluster]:
    started = DaskCluster(tmp_path_factory.mktemp("dask"), ffmpeg.environment)
    try:
        for _ in range(PLACES):
            started.add_worker()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film_clip(tmp_path_factory.mktemp("clip") / "take.mp4", numbered=True)


@dataclass
class Place:
    """A runner, its store and the ffmpeg that it uses."""

    runner: MediaRunner
    store: ObjectStore
    ffmpeg: HeldFfmpeg
    folder: Path
    take: BlobRef

    async def make(self, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef]) -> StepMade:
        return await self.runner.make(StepJob(step_key_of(name, params, inputs), name, params, inputs))


@pytest.fixture(params=["local", "forked", "dask"])
async def place(
    request: pytest.FixtureRequest, tmp_path: Path, ffmpeg: HeldFfmpeg, filmed: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    store = open_store("store", tmp_path)
    take = put_blob(store, "take", filmed, "video/mp4")
    ffmpeg.release()
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(ffmpeg.program))
    if request.param == "local":
        yield Place(LocalRunner(store, tmp_path / "work", PLACES), store, ffmpeg, tmp_path, take)
        return
    if request.param == "forked":
        with closing(StepForks()) as forks:
            yield Place(LocalRunner(store, tmp_path / "work", PLACES, InForks(forks)), store, ffmpeg, tmp_path, take)
        return
    address = request.getfixturevalue("cluster").address
    async with open_cluster(store, SystemClock(), tmp_path / "work", address=address, jobs=PLACES) as runner:
        yield Place(runner, store, ffmpeg, tmp_path, take)


async def made_here(place: Place, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef]) -> StepMade:
    """The same step with nothing between it and its child process but a store of its own."""
    other = open_store("other", place.folder)
    for ref in inputs.values():
        path = place.store.local_path(blob_key(ref.kind, ref.sha256))
        assert path is not None
        put_blob(other, ref.kind, path, ref.content_type)
    runner = LocalRunner(other, place.folder / "own", 1)
    return await runner.make(StepJob(step_key_of(name, params, inputs), name, params, inputs))


@pytest.mark.parametrize(("name", "params"), [("out_frame", {"frame": 3}), ("conform", CONFORM)])
async def test_facts_and_bytes_are_the_same_everywhere(place: Place, name: str, params: Mapping[str, Any]) -> None:
    inputs = {"take": place.take}
    made, expected = await place.make(name, params, inputs), await made_here(place, name, params, inputs)
    assert made.files
    assert made.files == expected.files
    assert dict(made.facts) == dict(expected.facts)
    assert made.cpu_seconds > 0.01
    assert all(has_blob(place.store, ref) for ref in made.files.values())
    assert not list(place.store.list("v1/steps/")), "records are the caller's"
    assert (await place.make(name, params, inputs)).files == made.files


async def broken(place: Place, what: str) -> tuple[dict[str, Any], BlobRef]:
    """Parameters and input of an out_frame that cannot be."""
    clip = place.take
    if what == "no film":
        return {"frame": 3}, put_blob(place.store, "take", b"words", "video/mp4")
    if what == "damaged":
        place.store.put_bytes(blob_key("take", clip.sha256), b"x" * clip.size)
    if what == "not in the store":
        return {"frame": 3}, clip.model_copy(update={"sha256": "0" * 64})
    return {"frame": 3, "fram": 4}, clip


@pytest.mark.parametrize(
    ("what", "kind", "words", "remedy"),
    [
        ("wrong parameters", MediaError, r"the step 'out_frame' ended with status 1: (?s:.*)Extra inputs(?s:.*)", ""),
        ("no film", MediaError, "{blob} cannot be read as video: Invalid data .*", "export or download the file again"),
        ("not in the store", NotFoundError, "v1/blobs/take/sha256/00/0{{64}} in {store}", ""),
        ("damaged", IntegrityError, "{key} in {store} holds other bytes than its name says .*bytes.", "Bring it .*"),
    ],
)
async def test_errors_keep_class_words_and_remedy(
    place: Place, what: str, kind: type[ShotrunnerError], words: str, remedy: str
) -> None:
    params, blob = await broken(place, what)
    with pytest.raises(ShotrunnerError) as caught:
        await place.make("out_frame", params, {"take": blob})
    assert type(caught.value) is kind
    key = blob_key("take", blob.sha256)
    expected = words.format(key=key, blob=f"{place.store.url}/{key}", store=place.store.url)
    assert re.fullmatch(expected, caught.value.detail)
    assert re.fullmatch(remedy, caught.value.remedy)


async def test_as_many_at_once_as_there_are_places(place: Place) -> None:
    clip = place.take
    place.ffmpeg.hold()
    jobs = [
        asyncio.create_task(place.make("conform", CONFORM | {"frames": 24 - n}, {"take": clip}))
        for n in range(PLACES + 1)
    ]
    await asyncio.to_thread(place.ffmpeg.wait_held, PLACES)
    await asyncio.sleep(0.5)  # time for one more, if there were a place
    assert len(place.ffmpeg.held()) == PLACES
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    await asyncio.to_thread(wait_until, lambda: not any(map(lives, place.ffmpeg.held())), "the end of all children")
    assert len(place.ffmpeg.held()) == PLACES, "what waited for a place was not begun"


async def test_cancelling_leaves_no_process_and_no_file(place: Place) -> None:
    clip = place.take
    place.ffmpeg.hold()
    making = asyncio.create_task(place.make("conform", CONFORM, {"take": clip}))
    [pid] = await asyncio.to_thread(place.ffmpeg.wait_held)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await asyncio.to_thread(wait_until, lambda: not lives(pid), "the end of the child")
    assert not list(place.store.list("v1/blobs/tmp/"))
    place.ffmpeg.release()
    made = await place.make("conform", CONFORM, {"take": clip})
    assert made.files == (await made_here(place, "conform", CONFORM, {"take": clip})).files


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_workers_reach_a_bucket_with_their_own_keys_and_one_that_cannot_costs_nothing(
    s3_url: str, filmed: Path, tmp_path: Path
) -> None:
    """Only the worker's environment says where the bucket is; the first worker is let in nowhere."""
    refusing = await asyncio.start_server(refuse, "127.0.0.1", 0)
    wrong = f"http://127.0.0.1:{refusing.sockets[0].getsockname()[1]}"
    store = open_store(s3_url, tmp_path)
    clip = put_blob(store, "take", filmed, "video/mp4")
    cluster = DaskCluster(tmp_path / "dask")
    try:
        cluster.add_worker(env={"AWS_ENDPOINT_URL_S3": wrong})
        cluster.add_worker()
        jobs = [StepJob(f"{n}" * 64, "out_frame", {"frame": n}, {"take": clip}) for n in range(2)]
        async with open_cluster(store, SystemClock(), tmp_path, address=cluster.address, jobs=1) as runner:
            await cluster.joined(2)
            made = await asyncio.gather(*map(runner.make, jobs))
            assert len(runner._unfit) == 1, "each had one of the two, and one had to be made elsewhere"
            [kept] = await asyncio.to_thread(lambda: list(tmp_path.glob(f"dask/*/**/{clip.sha256}")))
    finally:
        cluster.stop()
        refusing.close()
    assert [m.facts["frame"] for m in made] == [0, 1]
    own = [await LocalRunner(store, tmp_path / "own", 1).make(job) for job in jobs]
    assert [m.files for m in made] == [m.files for m in own]
    assert kept.relative_to(tmp_path / "dask").parts[0] == "worker-2", "what it downloaded stays for the next step"
