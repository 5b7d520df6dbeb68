"""Frames read by number: the right ones, and nothing decoded beyond what is asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from footage import film_clip, read_number

from infra.errors import MediaError
from infra.media.reader import FrameReader

RATE = Fraction(24)
GROUP = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four groups with B-frames in them; what is shown last in a group is not decoded last."""
    return film_clip(tmp_path_factory.mktemp("reader") / "clip.mp4", frames=4 * GROUP, gop=GROUP, numbered=True)


def numbers(path: Path, first: int, frames: int, end: int | None) -> list[int]:
    with FrameReader(path, RATE, first, end) as reader:
        return [read_number(reader.read(n).to_ndarray()[:180]) for n in range(first, first + frames)]


@pytest.mark.parametrize("first", [0, 5, GROUP, 2 * GROUP + 3])
@pytest.mark.parametrize("frames", [1, 7, GROUP])
def test_with_an_end_the_frames_are_the_same(clip: Path, first: int, frames: int) -> None:
    wanted = list(range(first, first + frames))
    assert numbers(clip, first, frames, None) == wanted
    assert numbers(clip, first, frames, first + frames) == wanted


def test_what_is_damaged_after_the_group_of_the_last_frame_is_never_met(clip: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    keys = [p for p in packets if p.is_keyframe]
    assert [p.pts * p.time_base * RATE for p in keys] == [0, 12, 24, 36]
    for packet in packets[packets.index(keys[1]) + 1 :]:
        data[packet.pos + 4 : packet.pos + packet.size] = b"\xff" * (packet.size - 4)
    damaged.write_bytes(data)
    assert numbers(damaged, 0, GROUP, GROUP) == list(range(GROUP))
    with pytest.raises(MediaError, match=r"damaged|has no frame"):
        numbers(damaged, 0, 2 * GROUP, 2 * GROUP)


def test_a_frame_beyond_the_end_or_the_file_is_an_error(clip: Path) -> None:
    with pytest.raises(MediaError, match="has no frame 12 at 24 frames a second: it ends before"):
        numbers(clip, 5, GROUP, GROUP)
    with pytest.raises(MediaError, match="has no frame 48"):
        numbers(clip, 45, 4, None)
    with FrameReader(clip, RATE, 3) as reader, pytest.raises(ValueError, match="frame 9 was asked for, 3 is next"):
        reader.read(9)
