"""One bought line of speech made ready for the mix: 48 kHz mono, at the asked speed, and measured.

Nothing is trimmed: the vendor's character timings count from the first sample, silence included.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.levels import loudness, sounding
from infra.media.pcm import RATE, read_pcm, write_wav


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: Literal[48000] = 48000
    speed: Annotated[Decimal, Field(ge=Decimal("0.5"), le=2)] = Decimal(1)  # 1.05 is five per cent faster


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    """Writes line.wav; facts in seconds from its first sample, `starts` and `ends` being the first and last sound."""
    line = read_pcm(inputs["sound"], channels=1, tempo=str(params.speed))
    ranges = sounding(line)
    if not ranges:
        raise MediaError(
            f"{inputs['sound'].name} is silent", remedy="make the line again: the service answered without speech"
        )
    write_wav(out / "line.wav", line)
    level = loudness(line)
    return {
        "samples": len(line),
        "seconds": round(len(line) / RATE, 6),
        "starts": round(ranges[0][0] / RATE, 6),
        "ends": round(ranges[-1][1] / RATE, 6),
        "lufs": None if level is None else round(level, 2),
    }
