"""Whether a file from a vendor arrived as a whole one of its kind, before it is admitted: its frame is read, no picture
is decoded, and no decoder library is loaded. What it shows is for the screening."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.errors import MediaError
from infra.media.boxes import read_movie, top_length

_MP4, _PNG, _JPEG, _WEBP, _ZIP = "video/mp4", "image/png", "image/jpeg", "image/webp", "application/zip"
_MOV, _UNKNOWN = "video/quicktime", "application/octet-stream"
_PNG_END = b"IEND\xaeB`\x82"
_TAIL = 64 << 10  # JPEGs may carry something behind their end


def content_type_of(head: bytes) -> str:
    """By the first bytes: an output link's own type is not passed on."""
    if head[4:8] == b"ftyp":
        return _MOV if head[8:12] == b"qt  " else _MP4
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return _PNG
    if head.startswith(b"\xff\xd8\xff"):
        return _JPEG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _WEBP
    return _ZIP if head.startswith(b"PK\x03\x04") else _UNKNOWN


def look_at_arrival(path: Path) -> dict[str, Any]:
    """Facts of the file for its record; with `fault`, in words, where it is not whole. Never raises for its bytes."""
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(max(path.stat().st_size - _TAIL, 0))
        tail = file.read()
    size, kind = path.stat().st_size, content_type_of(head)
    fault = ""
    match kind:
        case "video/mp4" | "video/quicktime":
            return _look_at_movie(path, size)
        case "image/png" if not tail.endswith(_PNG_END):
            fault = "the picture has no end"
        case "image/jpeg" if b"\xff\xd9" not in tail:
            fault = "the picture has no end"
        case "image/webp" if int.from_bytes(head[4:8], "little") + 8 > size:
            fault = "the picture is shorter than it says"
        case "application/octet-stream":
            fault = "it is no picture and no film"
    return {"fault": fault} if fault else {}


def _look_at_movie(path: Path, size: int) -> dict[str, Any]:
    try:
        movie = read_movie(path)
    except MediaError as error:
        return {"fault": error.detail.replace(str(path), "it")}
    pictures = [track for track in movie.tracks if track.handler == "vide"] if movie else []
    if movie is None or not pictures:
        return {"fault": "it has no picture"}
    if (told := top_length(path)) > size:
        return {"fault": f"it is {told - size} bytes shorter than it says"}
    return {
        "seconds": round(float(pictures[0].presented[1]), 3),
        "frames": pictures[0].samples,
        "tracks": [f"{track.handler} {track.codec}".strip() for track in movie.tracks],
    }
