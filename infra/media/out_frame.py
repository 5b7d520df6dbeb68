"""One true frame of a take as a PNG: what the next segment starts on. Counted from the start, never sought by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.probe import AGAIN, probe_video

if TYPE_CHECKING:
    from av import VideoFrame


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    frame: int = Field(ge=0)


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    from PIL import Image

    from infra.media.colour import frame_to_rgb

    take = inputs["take"]
    facts = probe_video(take)
    if params.frame >= facts.frames:
        raise MediaError(
            f"{take} has {facts.frames} frames, so no frame {params.frame} (they count from 0)",
            remedy="check the take's length, or film it again",
        )
    for index, frame in enumerate(decode_frames(take)):
        if index == params.frame:
            picture = Image.fromarray(frame_to_rgb(frame))
            picture.save(out / "frame.png", compress_level=6)
            return {"width": picture.width, "height": picture.height, "frame": params.frame}
    raise MediaError(f"{take} ended before frame {params.frame} could be decoded", remedy=AGAIN)


def decode_frames(path: Path, *, first: int = 0) -> Iterator[VideoFrame]:
    """The presented frames from number `first` on, decoded on one thread. Raises MediaError at the first damaged one.

    Threads by frame lose decodable frames after a damaged packet (media sheet §4).
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            stream.codec_context.thread_type = "SLICE"
            for index, frame in enumerate(container.decode(stream)):
                if frame.is_corrupt:
                    raise MediaError(f"{path} is damaged at frame {index}", remedy=AGAIN)
                if index >= first:
                    yield frame
    except av.error.FFmpegError as error:
        raise MediaError(f"{path} is damaged: {error.strerror}", remedy=AGAIN) from error
