"""One media step in the process that is its own: reads the job, writes `_facts.json`, or `_error.json`."""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from types import ModuleType

from infra.errors import ShotrunnerError
from infra.media.steps import STEPS

SET_PARENT_DEATH_SIGNAL = 1  # prctl's number
POLITENESS = 10  # rendering gives way to the process that waits for vendors


def perform_job(job_path: Path) -> int:
    """The exit code of the step's process."""
    job = json.loads(job_path.read_text())
    if job["step"] not in STEPS:
        raise KeyError(job["step"])
    out = Path(job["out"])
    module = import_step(job["step"])
    try:
        params = module.Params.model_validate(job["params"])
        facts = module.run(params, {k: Path(v) for k, v in job["inputs"].items()}, out)
    except ShotrunnerError as error:
        told = {"error": type(error).__name__, "detail": error.detail, "remedy": error.remedy}
        (out / "_error.json").write_text(json.dumps(told))
        return 1
    used = sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    peak = max(_own_peak_kib(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    measured = {"facts": facts, "cpu_seconds": round(used, 3), "peak_bytes": peak * 1024}
    (out / "_facts.json").write_text(json.dumps(measured))
    return 0


def import_step(name: str) -> ModuleType:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy starts a thread for every core when it is imported
    gc.disable()  # importing leaves nothing to collect, and looking for it takes a tenth of the time
    try:
        return importlib.import_module(f"infra.media.{name}")
    finally:
        gc.enable()


def die_with(parent: int) -> None:
    """Ends this process, leader of its group, and its ffmpeg when the parent dies, even by kill -9 (prefect sheet §4).

    Set here and not between fork and exec, where Python must not run beside other threads.
    """
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def _own_peak_kib() -> int:
    """The most memory of this process. The kernel's ru_maxrss would count the parent's too, from before the exec."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.partition("VmHWM:")[2].split()[0])
