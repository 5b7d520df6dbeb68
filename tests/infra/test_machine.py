"""Jobs at once follow cores and memory, by affinity and by the container's limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.machine import STEP_BYTES, free_bytes, steps_at_once, usable_cores


@pytest.mark.parametrize(("cpu_max", "most"), [("50000 100000\n", 1), ("150000 100000\n", 2), ("max 100000\n", 10**6)])
def test_a_containers_quota_counts(tmp_path: Path, cpu_max: str, most: int) -> None:
    (tmp_path / "cpu.max").write_text(cpu_max)
    assert 1 <= usable_cores(tmp_path) <= most


def test_memory_is_what_is_free_or_what_the_container_leaves(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert free_bytes(meminfo, tmp_path) is None
    meminfo.write_text("MemTotal:       9000000 kB\nMemAvailable:   4000000 kB\n")
    assert free_bytes(meminfo, tmp_path) == 4_096_000_000
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_bytes(meminfo, tmp_path) == 4_096_000_000
    (tmp_path / "memory.max").write_text("2001000\n")
    assert free_bytes(meminfo, tmp_path) == 2_000_000


def test_steps_follow_the_scarcer_of_the_two() -> None:
    assert steps_at_once(8, None) == 8
    assert steps_at_once(8, 100 * STEP_BYTES) == 8
    assert steps_at_once(8, 3 * STEP_BYTES + 1) == 3
    assert steps_at_once(8, 5) == 1
