"""Steps as child processes: facts and files come back, errors keep their class, and nothing outlives its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from footage import film_clip
from PIL import Image

from infra.errors import MediaError, ProgramMissingError, StoreFullError
from infra.media import contact_sheet
from infra.media.ffmpeg import find_ffmpeg
from infra.media.forks import StepForks
from infra.media.steps import STEPS, StepOutcome, read_outcome, run_step_process

ENDLESS = """#!/bin/sh
echo $$ > "$(dirname "$0")/ffmpeg.pid"
exec sleep 60
"""
CONFORM = {"frames": 24, "rate": "24", "width": 320, "height": 180}
RunStep = Callable[..., Awaitable[StepOutcome]]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def await_pid(path: Path) -> int:
    for _ in range(400):
        if path.exists() and path.read_text().strip():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


def gone(pid: int) -> bool:
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def endless_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in ffmpeg's place that never ends and tells its number."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(ENDLESS)
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    return program.parent / "ffmpeg.pid"


def folder(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    return out


@pytest.fixture(params=["alone", "forked"])
def run_step(request: pytest.FixtureRequest) -> Iterator[RunStep]:
    """A step in a process started for it, and in a fork: nobody can tell one from the other."""
    if request.param == "alone":
        yield run_step_process
        return
    with closing(StepForks()) as forks:
        yield forks.run_step


async def test_facts_files_and_cost_come_back(run_step: RunStep, tmp_path: Path) -> None:
    take = film_clip(tmp_path / "take.mp4", numbered=True)
    outcome = await run_step("out_frame", {"frame": 3}, {"take": take}, folder(tmp_path))
    assert outcome.facts == {"width": 320, "height": 180, "frame": 3}
    assert list(outcome.files) == ["frame.png"]
    assert outcome.files["frame.png"].stat().st_size > 1000
    assert outcome.cpu_seconds > 0.02
    assert 10_000_000 < outcome.peak_bytes < 1_000_000_000


async def test_a_media_error_keeps_its_words(run_step: RunStep, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="is not there") as caught:
        await run_step("out_frame", {"frame": 3}, {"take": tmp_path / "none.mp4"}, folder(tmp_path))
    assert type(caught.value) is MediaError


async def test_a_missing_program_keeps_its_class_and_remedy(
    run_step: RunStep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = film_clip(tmp_path / "take.mp4")
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nowhere/ffmpeg")
    with pytest.raises(ProgramMissingError) as caught:
        await run_step("conform", CONFORM, {"take": take}, folder(tmp_path))
    assert "IMAGEIO_FFMPEG_EXE" in caught.value.remedy
    assert caught.value.exit_code == 6


async def test_wrong_parameters_end_in_words_not_silence(run_step: RunStep, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"(?s)'out_frame' ended with status 1: .*Extra inputs"):
        await run_step("out_frame", {"frame": 3, "fram": 4}, {}, folder(tmp_path))
    with pytest.raises(KeyError):
        await run_step("nothing", {}, {}, tmp_path / "out")


@pytest.mark.parametrize(
    ("written", "stderr"),
    [
        ("", b""),
        (json.dumps({"error": "MediaError", "detail": "ffmpeg: No space left on device", "remedy": ""}), b""),
        (None, b"OSError: [Errno 28] No space left on device: '_job.json'"),
    ],
)
def test_a_full_disk_is_named(written: str | None, stderr: bytes, tmp_path: Path) -> None:
    """Seen: the file that says what went wrong is there and empty."""
    if written is not None:
        (tmp_path / "_error.json").write_text(written)
    with pytest.raises(StoreFullError, match="no room for what the step 'conform' makes") as caught:
        read_outcome("conform", tmp_path, 1, stderr)
    assert (caught.value.exit_code, "Free space" in caught.value.remedy) == (6, True)


async def test_a_step_that_takes_too_long_is_stopped_with_its_ffmpeg(
    run_step: RunStep, tmp_path: Path, endless_ffmpeg: Path
) -> None:
    take = film_clip(tmp_path / "take.mp4")
    with pytest.raises(MediaError, match="more than 4 s"):
        await run_step("conform", CONFORM, {"take": take}, folder(tmp_path), seconds=4)
    assert gone(await_pid(endless_ffmpeg))


async def test_cancelling_kills_the_whole_group(run_step: RunStep, tmp_path: Path, endless_ffmpeg: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    running = asyncio.create_task(run_step("conform", CONFORM, {"take": take}, folder(tmp_path)))
    pid = await asyncio.to_thread(await_pid, endless_ffmpeg)
    assert alive(pid)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(pid)


def test_a_step_dies_with_its_parent_even_by_kill_9(tmp_path: Path, endless_ffmpeg: Path) -> None:
    take = film_clip(tmp_path / "take.mp4")
    code = (
        "import asyncio, sys; from pathlib import Path; from infra.media.steps import run_step_process\n"
        f"asyncio.run(run_step_process('conform', {CONFORM!r}, {{'take': Path(sys.argv[1])}}, Path(sys.argv[2])))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(take), str(folder(tmp_path))])
    pid = await_pid(endless_ffmpeg)
    step = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert step != parent.pid
    assert alive(step)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert gone(step)
    assert gone(pid)


def test_a_step_whose_parent_is_already_gone_does_nothing(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"step": "out_frame", "params": {}, "inputs": {}, "out": str(tmp_path), "parent": 1}))
    done = subprocess.run([sys.executable, "-m", "infra.media", str(job)], check=False)
    assert done.returncode == 1
    assert not (tmp_path / "_error.json").exists()


def test_a_job_can_be_run_by_hand(tmp_path: Path) -> None:
    """Without a parent to watch: for looking at one step alone."""
    take = film_clip(tmp_path / "take.mp4")
    job = tmp_path / "job.json"
    told = {"step": "out_frame", "params": {"frame": 0}, "inputs": {"take": str(take)}, "out": str(tmp_path)}
    job.write_text(json.dumps(told))
    subprocess.run([sys.executable, "-m", "infra.media", str(job)], check=True)
    assert json.loads((tmp_path / "_facts.json").read_text())["facts"]["frame"] == 0


def test_every_step_in_the_table_is_a_module_with_params_and_run() -> None:
    import importlib

    for name in STEPS:
        module = importlib.import_module(f"infra.media.{name}")
        assert callable(module.run)
        assert module.Params.model_config["extra"] == "forbid"
        assert module.Params.model_config["frozen"] is True


def test_the_program_is_found_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    assert os.access(find_ffmpeg(), os.X_OK)


def test_a_contact_sheet_shows_its_tiles_in_order(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30), (30, 200, 200)]
    inputs = {}
    for number, colour in enumerate(colours):
        inputs[str(number)] = tmp_path / f"{number}.png"
        Image.new("RGB", (160, 90), colour).save(inputs[str(number)])
    label = "morning/pour/take-2 with a very long label that cannot possibly fit into so narrow a tile"
    tiles = [{"input": name, "label": label} for name in inputs]
    params = contact_sheet.Params.model_validate({"columns": 2, "tile_width": 320, "title": "Tea", "tiles": tiles})
    told = contact_sheet.run(params, inputs, tmp_path)
    with Image.open(tmp_path / "sheet.png") as image:
        assert (image.width, image.height) == (told["width"], told["height"]) == (676, 718)
        sheet = np.asarray(image.convert("RGB"))
    for number, colour in enumerate(colours):
        y, x = 64 + number // 2 * 218 + 90, 12 + number % 2 * 332 + 160
        assert tuple(sheet[y, x]) == colour
    again = contact_sheet.run(params, inputs, tmp_path)
    assert again == told
    spoilt = inputs | {"0": tmp_path / "none.png"}
    with pytest.raises(MediaError, match="is not there"):
        contact_sheet.run(params, spoilt, tmp_path)
