"""A small reader of MP4 and MOV boxes: what is presented when, which no decoder library tells.

It reads the index only (`moov`), never the media, and refuses to repair anything.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from infra.errors import MediaError

MOVIE_TICKS = 240_000  # a second in the files we write: frames of every film rate and 48 kHz samples are whole in it
MOST_REORDERED_SAMPLES = 24 * 3600 * 60
LARGEST_INDEX_BYTES = 256 * 1024 * 1024
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}


@dataclass(frozen=True)
class Edit:
    """One edit-list entry, in seconds; `media_time` None is an empty edit."""

    duration: Fraction
    media_time: Fraction | None
    rate: int


@dataclass(frozen=True)
class Track:
    handler: str  # vide, soun, tmcd, …
    codec: str  # four-character code
    samples: int
    edits: tuple[Edit, ...]
    first: Fraction  # composition time of the earliest and the end of the latest sample, before edits
    end: Fraction

    @property
    def presented(self) -> tuple[Fraction, Fraction]:
        """When its media starts on the film's clock and how long it is shown, after edits."""
        if not self.edits:
            return self.first, self.end - self.first
        clock, spans = Fraction(0), []
        for edit in self.edits:
            if edit.media_time is not None:
                low = max(edit.media_time, self.first)
                high = self.end if edit.duration == 0 else min(edit.media_time + edit.duration, self.end)
                if high > low:
                    spans.append((clock + low - edit.media_time, clock + high - edit.media_time))
            clock += edit.duration
        if not spans:
            return Fraction(0), Fraction(0)
        return min(s[0] for s in spans), sum((s[1] - s[0] for s in spans), Fraction(0))

    @property
    def plain_edit(self) -> bool:
        """Whether there is exactly one entry, at normal speed, and it shows media."""
        return len(self.edits) == 1 and self.edits[0].media_time is not None and self.edits[0].rate == 1


@dataclass(frozen=True)
class Movie:
    brand: str
    index_first: bool  # moov lies before mdat: playback can start before the whole file is there
    fragmented: bool
    tracks: tuple[Track, ...]


def read_movie(path: Path) -> Movie | None:
    """Reads the index; None when the file is not MP4 or MOV. Raises MediaError when it is one without an index."""
    with path.open("rb") as file:
        top = list(_top_boxes(file, path.stat().st_size))
        kinds = [kind for kind, _, _ in top]
        if not kinds or kinds[0] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return None
        if b"moov" not in kinds:
            raise MediaError(
                f"{path} has no index (moov): it was cut off, or its writing never ended",
                remedy="export or download the file again",
            )
        _, start, size = top[kinds.index(b"moov")]
        if size > LARGEST_INDEX_BYTES:
            raise MediaError(f"{path} has an index of {size} bytes, which no sane file has")
        file.seek(start)
        moov = file.read(size)
        brand = _brand(file, top)
    try:
        tracks = _tracks(moov)
    except MediaError as error:
        raise MediaError(f"{path} has {error.detail}") from error
    except (struct.error, IndexError, ZeroDivisionError) as error:
        raise MediaError(f"{path} has a damaged index: {error}") from error
    first = b"mdat" not in kinds or kinds.index(b"moov") < kinds.index(b"mdat")
    return Movie(brand=brand, index_first=first, fragmented=b"moof" in kinds, tracks=tracks)


def top_length(path: Path) -> int:
    """How long the file is by what its outermost boxes say; more than it has when its end is missing."""
    length, told = path.stat().st_size, 0
    with path.open("rb") as file:
        while told + 8 <= length:
            file.seek(told)
            size, _ = struct.unpack(">I4s", file.read(8))
            if size == 1 and told + 16 <= length:
                (size,) = struct.unpack(">Q", file.read(8))
            if size < 8:  # 0: until the end of the file
                return length
            told += size
    return told


def _top_boxes(file: BinaryIO, length: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of payload, payload bytes) of each box at the top level."""
    position = 0
    while position + 8 <= length:
        file.seek(position)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            wide = file.read(8)
            if len(wide) < 8:
                return
            (size,) = struct.unpack(">Q", wide)
            header = 16
        elif size == 0:
            size = length - position
        if size < header:
            return
        yield kind, position + header, min(size, length - position) - header
        position += size


def _brand(file: BinaryIO, top: list[tuple[bytes, int, int]]) -> str:
    for kind, start, _ in top:
        if kind == b"ftyp":
            file.seek(start)
            return file.read(4).decode("latin-1")
    return "qt  "


def _children(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        if size == 0:
            size = len(data) - position
        if size < header:
            return
        yield kind, data[position + header : position + size]
        position += size


def _flatten(data: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for kind, payload in _children(data):
        if kind in CONTAINERS:
            # the outermost wins: MOV has a second handler box, of the data, deeper down
            found = _flatten(payload) | found
        else:
            found.setdefault(kind, payload)
    return found


def _tracks(moov: bytes) -> tuple[Track, ...]:
    movie_scale = 0
    tracks = []
    for kind, payload in _children(moov):
        if kind == b"mvhd":
            movie_scale = _time_header(payload)
    for kind, payload in _children(moov):
        if kind == b"trak":
            tracks.append(_read_track(_flatten(payload), movie_scale))
    return tuple(tracks)


def _time_header(payload: bytes) -> int:
    """The timescale of an mvhd or mdhd box."""
    scale: int = struct.unpack_from(">I", payload, 20 if payload[0] == 1 else 12)[0]
    return scale


def _read_track(boxes: dict[bytes, bytes], movie_scale: int) -> Track:
    scale = _time_header(boxes[b"mdhd"]) if b"mdhd" in boxes else 1
    samples, first, end = _composition(boxes.get(b"stts", b""), boxes.get(b"ctts", b""))
    described = boxes.get(b"stsd", b"")
    return Track(
        handler=boxes.get(b"hdlr", b"\0" * 12)[8:12].decode("latin-1").strip("\0"),
        codec=described[12:16].decode("latin-1"),
        samples=samples,
        edits=_edits(boxes.get(b"elst", b""), movie_scale, scale),
        first=Fraction(first, scale),
        end=Fraction(end, scale),
    )


def _pairs(payload: bytes, form: str) -> Iterator[tuple[int, int]]:
    if len(payload) >= 8:
        (count,) = struct.unpack_from(">I", payload, 4)
        yield from struct.iter_unpack(form, payload[8 : 8 + count * 8])


def _composition(stts: bytes, ctts: bytes) -> tuple[int, int, int]:
    """(samples, earliest composition time, latest end) in ticks of the track."""
    # Old files write negative offsets in version 0 too: every reader takes them as signed.
    if ctts and sum(count for count, _ in _pairs(stts, ">II")) > MOST_REORDERED_SAMPLES:
        raise MediaError("a damaged index: it counts more pictures than a day of film has")
    offsets = (offset for count, offset in _pairs(ctts, ">Ii") for _ in range(count))
    clock = samples = 0
    first: int | None = None
    end = 0
    for count, delta in _pairs(stts, ">II"):
        if not ctts:  # sound: one run of equal samples, possibly a million of them
            first = clock if first is None else first
            clock, samples, end = clock + count * delta, samples + count, clock + count * delta
            continue
        for _ in range(count):
            shown = clock + next(offsets, 0)
            first = shown if first is None else min(first, shown)
            end = max(end, shown + delta)
            clock, samples = clock + delta, samples + 1
    return samples, first or 0, end


def _edits(elst: bytes, movie_scale: int, scale: int) -> tuple[Edit, ...]:
    if len(elst) < 8:
        return ()
    form = ">QqhH" if elst[0] == 1 else ">IihH"
    size = struct.calcsize(form)
    (count,) = struct.unpack_from(">I", elst, 4)
    edits = []
    for duration, media_time, rate, _ in struct.iter_unpack(form, elst[8 : 8 + count * size]):
        shown = None if media_time < 0 else Fraction(media_time, scale)
        edits.append(Edit(Fraction(duration, movie_scale), shown, rate))
    return tuple(edits)
