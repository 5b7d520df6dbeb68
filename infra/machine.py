"""How much of this machine a run may use: cores by affinity and by the container's quota, memory by what is free."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
# The most that a media step was measured to hold at 1080 lines (`benchmarks/memory.py`), rounded up.
STEP_BYTES = 700_000_000


def usable_cores(cgroup: Path = CGROUP) -> int:
    """At least 1. A container's CPU quota does not show in the affinity, so both are asked."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, ceil(int(quota) / int(period)))
    return max(1, cores)


def free_bytes(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """What programs may still take; None where the system does not tell."""
    found = []
    for line in _read(meminfo).splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            found.append(int(amount.split()[0]) * 1024)
    limit, used = _read(cgroup / "memory.max").strip(), _read(cgroup / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        found.append(max(0, int(limit) - int(used)))
    return min(found, default=None)


def steps_at_once(cores: int, free: int | None) -> int:
    """One media step for each core, and no more than memory holds (media sheet §7); at least 1."""
    return cores if free is None else max(1, min(cores, free // STEP_BYTES))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
