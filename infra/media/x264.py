"""The x264 parameters that every encode of ours carries, so that the same picture gives the same bytes anywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path


def write_x264_params(**own: int | str) -> str:
    """One thread, closed groups, one instruction set; `own` adds parameters, `_` for `-`."""
    fixed: dict[str, int | str] = {"open-gop": 0, "min-keyint": 1, "threads": 1, "lookahead-threads": 1}
    if _has_avx2():
        # With AVX-512, x264 core 165 gave one of three results for the same input within one process (November 2026,
        # width 320, mbtree and adaptive quantisation on). AVX2 is as fast and always gives the same.
        fixed["asm"] = "avx2"
    fixed |= {name.replace("_", "-"): value for name, value in own.items()}
    return ":".join(f"{name}={value}" for name, value in fixed.items())


@cache
def _has_avx2() -> bool:
    try:
        return " avx2 " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
