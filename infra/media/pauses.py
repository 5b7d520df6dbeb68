"""A bought line without the silence at its ends and with its long pauses shortened; no sound is cut, and no word.

What was kept is told, so that timings which count from the first sample of the line can follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.levels import loudness, sounding
from infra.media.pcm import RATE, Samples, read_pcm, write_wav

LONGEST_PAUSE = 0.25  # seconds: what still parts two sentences
EDGE = 0.05  # before the first sound and after the last, where breath and reverberation are
FADE = RATE // 200  # five milliseconds, where two quiet parts meet


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: Literal[48000] = 48000
    speed: Annotated[Decimal, Field(ge=Decimal("0.5"), le=2)] = Decimal(1)


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    """Writes line.wav. Facts as the speech step's, and `kept`: seconds of the line as bought, before any speed-up."""
    bought = read_pcm(inputs["sound"], channels=1)
    ranges = sounding(bought, bridge=LONGEST_PAUSE)
    if not ranges:
        raise MediaError(
            f"{inputs['sound'].name} is silent", remedy="make the line again: the service answered without speech"
        )
    kept = keep_parts(ranges, len(bought))
    line = _joined(bought, kept)
    if params.speed != 1:
        whole = out / "_whole.wav"
        write_wav(whole, line, sample="float32")
        line = read_pcm(whole, channels=1, tempo=str(params.speed))
        whole.unlink()
    write_wav(out / "line.wav", line)
    heard, level = sounding(line), loudness(line)
    return {
        "samples": len(line),
        "seconds": round(len(line) / RATE, 6),
        "starts": round(heard[0][0] / RATE, 6),
        "ends": round(heard[-1][1] / RATE, 6),
        "lufs": None if level is None else round(level, 2),
        "kept": [[round(start / RATE, 6), round(end / RATE, 6)] for start, end in kept],
    }


def keep_parts(ranges: list[tuple[int, int]], samples: int) -> list[tuple[int, int]]:
    """The parts of a line that stay: what sounds, a little before and after all of it, half a pause on each side of a
    long one."""
    edge, half = round(EDGE * RATE), round(LONGEST_PAUSE * RATE / 2)
    starts = [max(0, ranges[0][0] - edge), *(start - half for start, _ in ranges[1:])]
    ends = [*(end + half for _, end in ranges[:-1]), min(samples, ranges[-1][1] + edge)]
    parts = [(starts[0], ends[0])]
    for start, end in zip(starts[1:], ends[1:], strict=True):
        if start <= parts[-1][1]:  # a pause of just the longest length
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((start, end))
    return parts


def _joined(line: Samples, parts: list[tuple[int, int]]) -> Samples:
    """Room tone ends and begins softly at a cut, or it would click."""
    pieces = [line[start:end].copy() for start, end in parts]
    ramp = np.linspace(0, 1, FADE, endpoint=False)[:, None]
    for before, after in pairwise(pieces):
        before[-FADE:] *= ramp[::-1]
        after[:FADE] *= ramp
    joined: Samples = np.concatenate(pieces)
    return joined
