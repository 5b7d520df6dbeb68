"""The table of media steps, and running one of them as a child process.

A step is `run(params, inputs, out) -> facts` in one module of this package: files in, files out, nothing else. It is
run as `python -m infra.media JOB`, so that it cannot stall an event loop, leak memory or outlive its parent.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import errors

# Name → version. A raised version makes every result of that step anew: raise it when bytes or facts change.
STEPS: Mapping[str, int] = {
    "screen": 1,
    "out_frame": 1,
    "conform": 3,
    "graphics": 2,
    "contrast": 1,
    "section": 1,
    "stitch": 2,
    "render": 1,
    "speech": 1,
    "pauses": 1,
    "mix": 2,
    "encode": 1,
    "verify": 2,
    "captions": 1,
    "contact_sheet": 1,
    "poster": 1,
    "poster_grid": 1,
}
_NO_ROOM = os.strerror(errno.ENOSPC)  # in our words, and in ffmpeg's


@dataclass(frozen=True)
class StepOutcome:
    facts: Mapping[str, Any]
    files: Mapping[str, Path]  # by file name, as the step left them in `out`
    cpu_seconds: float
    peak_bytes: int = 0  # the most memory that the step, or an ffmpeg of it, held


async def run_step_process(
    name: str, params: Mapping[str, Any], inputs: Mapping[str, Path], out: Path, *, seconds: float = 1800
) -> StepOutcome:
    """Runs one step in a child process. `out` is an empty directory of the caller's.

    Raises MediaError (or what the step raised, by class), and kills the child's whole process group on cancellation or
    after `seconds`. The child ends by itself when this process dies.
    """
    import asyncio  # here: a step's own process imports this module for the table, and pays for every import

    job = write_job(name, params, inputs, out, parent=os.getpid())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the working folder may hold another package called infra
        "-m",
        "infra.media",
        str(job),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, stderr = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError as error:
        raise errors.MediaError(f"the step {name!r} took more than {seconds:.0f} s and was stopped") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return read_outcome(name, out, process.returncode, stderr)


def write_job(name: str, params: Mapping[str, Any], inputs: Mapping[str, Path], out: Path, **more: Any) -> Path:
    """What the step's process reads. Raises KeyError when there is no such step."""
    if name not in STEPS:
        raise KeyError(name)
    told = {"step": name, "params": params, "inputs": {k: str(v) for k, v in inputs.items()}, "out": str(out)}
    job = out / "_job.json"
    try:
        job.write_text(json.dumps(told | more))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _full(name, out) from error
    return job


def read_outcome(name: str, out: Path, status: int | None, stderr: bytes) -> StepOutcome:
    """What a step left in `out`. Raises MediaError, or what the step raised."""
    failure = out / "_error.json"
    tail = stderr.decode(errors="replace").strip()[-800:]
    told = None
    if failure.exists():
        with suppress(ValueError):  # cut off, which is what a full disk leaves of it
            told = json.loads(failure.read_text())
        if told is None or _NO_ROOM in told["detail"]:
            raise _full(name, out)
        kind = getattr(errors, told["error"])
        raise kind(told["detail"], remedy=told["remedy"])
    if status != 0:
        if _NO_ROOM in tail:
            raise _full(name, out)
        raise errors.MediaError(f"the step {name!r} ended with status {status}: {tail}")
    told = json.loads((out / "_facts.json").read_text())
    files = {p.name: p for p in sorted(out.iterdir()) if not p.name.startswith("_")}
    return StepOutcome(told["facts"], files, told["cpu_seconds"], told["peak_bytes"])


def _full(name: str, out: Path) -> errors.StoreFullError:
    return errors.StoreFullError(
        f"no room for what the step {name!r} makes, in {out.parent}",
        remedy="Free space there, then run again: it goes on from here.",
    )
