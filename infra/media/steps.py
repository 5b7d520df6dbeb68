"""The table of media steps, and running one of them as a child process.

A step is `run(params, inputs, out) -> facts` in one module of this package: files in, files out, nothing else. It is
run as `python -m infra.media JOB`, so that it cannot stall an event loop, leak memory or outlive its parent.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import errors

# Name → version. A raised version makes every result of that step anew: raise it when bytes or facts change.
STEPS: Mapping[str, int] = {
    "screen": 1,
    "out_frame": 1,
    "conform": 1,
    "graphics": 1,
    "stitch": 1,
    "speech": 1,
    "mix": 1,
    "encode": 1,
    "verify": 1,
    "captions": 1,
    "contact_sheet": 1,
}


@dataclass(frozen=True)
class StepOutcome:
    facts: Mapping[str, Any]
    files: Mapping[str, Path]  # by file name, as the step left them in `out`
    cpu_seconds: float


def _die_with_parent() -> None:
    """A child would survive `kill -9` of its parent and go on using the machine (prefect sheet §4)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 = PR_SET_PDEATHSIG


async def run_step_process(
    name: str, params: Mapping[str, Any], inputs: Mapping[str, Path], out: Path, *, seconds: float = 1800
) -> StepOutcome:
    """Runs one step in a child process. `out` is an empty directory of the caller's.

    Raises MediaError (or what the step raised, by class), and kills the child's whole process group on cancellation or
    after `seconds`.
    """
    if name not in STEPS:
        raise KeyError(name)
    job = out / "_job.json"
    job.write_text(
        json.dumps({"step": name, "params": params, "inputs": {k: str(v) for k, v in inputs.items()}, "out": str(out)})
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.media",
        str(job),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )
    try:
        _, stderr = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError as error:
        raise errors.MediaError(f"the step {name!r} took more than {seconds:.0f} s and was stopped") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    failure = out / "_error.json"
    if failure.exists():
        told = json.loads(failure.read_text())
        kind = getattr(errors, told["error"], errors.MediaError)
        raise kind(told["detail"], remedy=told["remedy"])
    if process.returncode != 0:
        tail = stderr.decode(errors="replace").strip()[-800:]
        raise errors.MediaError(f"the step {name!r} ended with status {process.returncode}: {tail}")
    told = json.loads((out / "_facts.json").read_text())
    files = {p.name: p for p in sorted(out.iterdir()) if not p.name.startswith("_")}
    return StepOutcome(facts=told["facts"], files=files, cpu_seconds=told["cpu_seconds"])
