"""Steps forked from a process that has imported everything: what is theirs alone. That they are steps like any other is
in test_media_steps.py, for both kinds."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from footage import film_clip

from infra.errors import MediaError
from infra.media import fork_server
from infra.media.forks import StepForks
from infra.media.steps import StepOutcome, run_step_process

HELD = """#!/bin/sh
echo $$ > "$(dirname "$0")/ffmpeg.pid"
exec sleep 60
"""
CONFORM = {"frames": 24, "rate": "24", "width": 320, "height": 180}
SECTION = {
    "width": 320, "height": 180, "rate": "24", "frames": 6,
    "video": {
        "codec": "h264", "profile": "high", "pixel_format": "yuv420p", "preset": "veryfast", "crf": 17,
        "gop_frames": 48,
    },
    "clips": [{"input": "a", "start": 0, "frames": 6, "first": 18}, {"input": "b", "start": 0, "frames": 6}],
    "transitions": [{"kind": "dissolve", "at": 0, "frames": 6}],
}  # fmt: skip


@pytest.fixture
def forks() -> Iterator[StepForks]:
    with closing(StepForks()) as found:
        yield found


@pytest.fixture
def held_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(HELD)
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    return program.parent / "ffmpeg.pid"


def folder(tmp_path: Path, name: str = "out") -> Path:
    out = tmp_path / name
    out.mkdir()
    return out


def status_of(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def parent_of(pid: int) -> int:
    return int(status_of(pid)["PPid"])


def gone(pid: int) -> bool:
    for _ in range(200):
        if status_of(pid).get("State", "Z")[0] == "Z":
            return True
        time.sleep(0.05)
    return False


async def held_pid(path: Path) -> int:
    """Of the program in ffmpeg's place, as soon as it runs."""
    for _ in range(400):
        if told := read_if_there(path):
            return int(told)
        await asyncio.sleep(0.05)
    raise AssertionError("no step came to its ffmpeg")


def read_if_there(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def folder_and_sockets_of(pid: int) -> tuple[Path, list[str]]:
    files = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115 - no path
    return Path(f"/proc/{pid}/cwd").resolve(), [file for file in files if file.startswith("socket:")]


def server_of(forks: StepForks) -> subprocess.Popen[bytes]:
    assert forks._server is not None
    process = forks._server.end.peek()
    assert process is not None
    return process[2][1]


async def frame_of(forks: StepForks, take: Path, out: Path, frame: int = 0) -> StepOutcome:
    return await forks.run_step("out_frame", {"frame": frame}, {"take": take}, out)


async def test_the_same_bytes_as_in_a_process_of_its_own(forks: StepForks, tmp_path: Path) -> None:
    clips = {name: film_clip(tmp_path / f"{name}.mp4", numbered=True) for name in ("a", "b")}
    alone = await run_step_process("section", SECTION, clips, folder(tmp_path, "alone"))
    forked = [await forks.run_step("section", SECTION, clips, folder(tmp_path, f"forked-{n}")) for n in range(2)]
    assert {o.files["section.mp4"].read_bytes() for o in (alone, *forked)} == {alone.files["section.mp4"].read_bytes()}
    assert all(dict(outcome.facts) == dict(alone.facts) for outcome in forked)
    assert all(list(outcome.files) == ["section.mp4"] for outcome in forked), "what it said is no file of the step"


async def test_many_at_once_from_one_server(forks: StepForks, tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", numbered=True)
    outcomes = await asyncio.gather(*(frame_of(forks, take, folder(tmp_path, str(n)), n) for n in range(8)))
    assert [outcome.facts["frame"] for outcome in outcomes] == list(range(8))
    server = server_of(forks)
    await frame_of(forks, take, folder(tmp_path, "later"))
    assert server_of(forks) is server
    forks.close()
    assert server.returncode is not None


async def test_a_step_is_polite_named_and_where_we_are(forks: StepForks, tmp_path: Path, held_ffmpeg: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        running = asyncio.create_task(forks.run_step("conform", CONFORM, {"take": take}, folder(tmp_path)))
        step = parent_of(await held_pid(held_ffmpeg))
        assert os.sched_getaffinity(step) == {min(cores)}
    finally:
        os.sched_setaffinity(0, cores)
    assert (status_of(step)["Name"], status_of(step)["Threads"]) == ("conform", "1")
    assert os.getpriority(os.PRIO_PROCESS, step) == os.getpriority(os.PRIO_PROCESS, 0) + 10
    assert folder_and_sockets_of(step) == (Path.cwd(), []), "a socket that it held would keep another step alive"
    assert os.getpgid(step) == step, "killed together with its ffmpeg"
    assert parent_of(step) == server_of(forks).pid
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(step)


async def test_other_steps_go_on_when_one_is_cancelled(forks: StepForks, tmp_path: Path, held_ffmpeg: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    held = asyncio.create_task(forks.run_step("conform", CONFORM, {"take": take}, folder(tmp_path)))
    pid = await held_pid(held_ffmpeg)
    clips = {name: film_clip(tmp_path / f"{name}.mp4", numbered=True) for name in ("a", "b")}
    other = asyncio.create_task(forks.run_step("section", SECTION, clips, folder(tmp_path, "other")))
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    assert status_of(pid).get("State", "Z")[0] == "Z", "by the time that we hear of it"
    assert (await other).facts["frames"] == 6


async def test_a_lost_server_takes_its_steps_with_it_and_is_started_again(
    forks: StepForks, tmp_path: Path, held_ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = film_clip(tmp_path / "take.mp4")
    running = asyncio.create_task(forks.run_step("conform", CONFORM, {"take": take}, folder(tmp_path)))
    pid = await held_pid(held_ffmpeg)
    server_of(forks).send_signal(signal.SIGKILL)
    with pytest.raises(MediaError, match="'conform' was lost"):
        await running
    assert gone(pid)
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE")
    assert (await frame_of(forks, take, folder(tmp_path, "again"))).facts["frame"] == 0
    assert server_of(forks).poll() is None


def test_steps_and_server_die_with_whoever_asked_even_by_kill_9(tmp_path: Path, held_ffmpeg: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    code = (
        "import asyncio, sys; from pathlib import Path; from infra.media.forks import StepForks\n"
        f"asyncio.run(StepForks().run_step('conform', {CONFORM!r}, {{'take': Path(sys.argv[1])}}, Path(sys.argv[2])))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(take), str(folder(tmp_path))])
    ffmpeg = asyncio.run(held_pid(held_ffmpeg))
    step = parent_of(ffmpeg)
    server = parent_of(step)
    assert parent_of(server) == parent.pid
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert all(gone(pid) for pid in (step, ffmpeg, server))


def test_nothing_is_left_and_nothing_said_when_nobody_closes_it(tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    code = (
        "import asyncio, sys; from pathlib import Path; from infra.media.forks import StepForks\n"
        "forks = StepForks()\n"
        "asyncio.run(forks.run_step('out_frame', {'frame': 0}, {'take': Path(sys.argv[1])}, Path(sys.argv[2])))\n"
        "print(forks._server.end.peek()[2][1].pid)\n"
    )
    words = [sys.executable, "-W", "error", "-X", "dev", "-c", code, str(take), str(folder(tmp_path))]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert gone(int(ended.stdout))


@pytest.mark.parametrize("reason", ["no interpreter", "it ends at once", "threads"])
async def test_where_nothing_can_be_forked_the_step_is_made_all_the_same(
    forks: StepForks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    take = film_clip(tmp_path / "take.mp4")
    begin: Any = subprocess.Popen

    def start(words: list[str], **how: Any) -> subprocess.Popen[bytes]:
        if "--serve" not in words:
            return begin(words, **how)
        if reason == "no interpreter":
            raise FileNotFoundError(words[0])
        number = words[words.index("--serve") + 1]
        code = {"it ends at once": "raise SystemExit(3)", "threads": THREADED.format(number)}[reason]
        return begin([sys.executable, "-c", code], **how)

    monkeypatch.setattr("infra.media.forks.subprocess.Popen", start)
    outcome = await frame_of(forks, take, folder(tmp_path))
    assert outcome.facts["frame"] == 0
    assert list(outcome.files) == ["frame.png"]


THREADED = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
from infra.media.fork_server import serve
serve({})
"""


async def test_without_work_it_ends_and_comes_back(
    forks: StepForks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = film_clip(tmp_path / "take.mp4")
    begin: Any = subprocess.Popen

    def start(words: list[str], **how: Any) -> subprocess.Popen[bytes]:
        if "--serve" not in words:
            return begin(words, **how)
        code = f"from infra.media import fork_server as f; f.IDLE_SECONDS = 0.2; f.serve({words[-1]})"
        return begin([sys.executable, "-c", code], **how)

    monkeypatch.setattr("infra.media.forks.subprocess.Popen", start)
    await frame_of(forks, take, folder(tmp_path, "one"))
    first = server_of(forks)
    assert await asyncio.to_thread(first.wait, 20) == 0
    await frame_of(forks, take, folder(tmp_path, "two"))
    assert server_of(forks) is not first
    assert fork_server.IDLE_SECONDS >= 10
