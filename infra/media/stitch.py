"""The film from its sections: packets of conformed clips and of rendered sections, one after the other, nothing
encoded again."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.packets import Part, join_parts
from infra.media.probe import AGAIN


class PartRow(BaseModel):
    """Frames [first, first + frames) of an input, both ends on IDR frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    first: int = Field(default=0, ge=0)
    frames: int = Field(gt=0)


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: str
    frames: int = Field(gt=0)
    parts: tuple[PartRow, ...] = Field(min_length=1)


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    whole = out / "_picture.mp4"
    parts = (Part(inputs[part.input], part.first, part.frames) for part in params.parts)
    made = join_parts(parts, Fraction(params.rate), whole)
    if made.frames != params.frames:
        raise MediaError(f"the sections have {made.frames} frames together, not {params.frames}", remedy=AGAIN)
    whole.rename(out / "picture.mp4")
    return {**made.as_facts(), "seconds": float(made.seconds), "sections": len(params.parts)}
