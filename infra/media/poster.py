"""One frame of a finished film as a small picture, for pages and grids that show many films."""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.colour import frame_to_rgb
from infra.media.probe import AGAIN

QUALITY = 82


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: int = Field(ge=0)
    height: int = Field(ge=32)


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    picture = _read_frame(inputs["film"], params.frame)
    width = max(2, round(picture.width * params.height / picture.height))
    small = picture.resize((width, params.height), Image.Resampling.LANCZOS)
    small.save(out / "poster.jpg", quality=QUALITY)
    return {"width": width, "height": params.height, "frame": params.frame}


def _read_frame(film: Path, number: int) -> Image.Image:
    """Sought by time: a film that we made is of constant rate."""
    import av

    try:
        with av.open(str(film)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            rate, base = stream.average_rate, stream.time_base
            if rate is None or base is None:
                raise MediaError(f"{film} has no frame rate", remedy=AGAIN)
            start = stream.start_time or 0
            wanted = start + round(Fraction(number) / rate / base)
            container.seek(wanted, stream=stream)
            for frame in container.decode(stream):
                if frame.pts is not None and frame.pts + 1 >= wanted:
                    return Image.fromarray(frame_to_rgb(frame))
    except av.error.FFmpegError as error:
        raise MediaError(f"{film} is damaged: {error.strerror}", remedy=AGAIN) from error
    raise MediaError(f"{film} has no frame {number} (they count from 0)", remedy="ask for an earlier one")


def shrink_jpeg(data: bytes, width: int) -> bytes:
    """The same picture as JPEG, no wider than that; as it is when it is one already."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width <= width and image.format == "JPEG":
            return data
        small = image.convert("RGB")
        if image.width > width:
            small = small.resize((width, max(1, round(image.height * width / image.width))))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
