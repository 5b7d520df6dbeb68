"""Measured loudness of any file with sound: EBU R 128 integrated loudness and true peak, by ffmpeg's ebur128."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from infra.errors import MediaError
from infra.media.ffmpeg import run_ffmpeg_for_output

SILENCE_LUFS = -70.0  # the absolute gate: quieter sound has no integrated loudness
SILENCE_DBTP = -120.0


@dataclass(frozen=True)
class Loudness:
    """LUFS, dBTP and LU. Silence reads as -70 LUFS and -120 dBTP, so that every value can be written as JSON."""

    integrated: float
    true_peak: float
    range: float
    momentary_max: float
    short_term_max: float

    @property
    def silent(self) -> bool:
        return self.integrated <= SILENCE_LUFS


def measure_loudness(path: Path, *, seconds: float = 600) -> Loudness:
    """Measures the first sound track of `path`. Blocks; costs about 1 s of CPU for a minute of stereo."""
    if not path.exists():
        raise MediaError(f"{path} is not there")
    graph = "ebur128=peak=true:metadata=1:framelog=quiet,ametadata=mode=print:file='pipe\\:1'"
    arguments = ["-v", "info", "-nostats", "-threads", "1", "-i", str(path), "-vn", "-map", "0:a:0", "-af", graph]
    printed, said = run_ffmpeg_for_output([*arguments, "-f", "null", "-"], seconds=seconds)
    integrated = _values(printed, "I")
    return Loudness(
        integrated=max(integrated[-1], SILENCE_LUFS) if integrated else SILENCE_LUFS,
        true_peak=_true_peak(printed, said),
        range=_values(printed, "LRA")[-1] if integrated else 0.0,
        momentary_max=max([*_values(printed, "M"), SILENCE_DBTP]),
        short_term_max=max([*_values(printed, "S"), SILENCE_DBTP]),
    )


def _values(printed: str, key: str) -> list[float]:
    found = re.findall(rf"^lavfi\.r128\.{re.escape(key)}=(\S+)$", printed, flags=re.MULTILINE)
    return [value for value in map(float, found) if math.isfinite(value)]


def _true_peak(printed: str, said: str) -> float:
    """The finer of two readings; the summary alone hears the last tenth of a second, in steps of 0.1 dB."""
    linear = max(_values(printed, "true_peak"), default=0.0)
    fine = 20 * math.log10(linear) if linear > 0 else SILENCE_DBTP
    summary = re.search(r"True peak:\s+Peak:\s+(\S+) dBFS", said)
    coarse = float(summary.group(1)) if summary else SILENCE_DBTP
    if not math.isfinite(coarse):
        coarse = SILENCE_DBTP
    return round(fine if abs(fine - coarse) <= 0.1 else max(fine, coarse), 2)
