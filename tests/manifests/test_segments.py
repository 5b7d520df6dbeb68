"""Long shots as segments: every frame of the picture is in exactly one, and no fewer seconds would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.catalogue import SecondsSold
from manifests.ratecard import load_models
from manifests.segments import LONGEST_PICTURE, divide_picture, seconds_saved, segment_lengths

RATE = 24


def sold_by(model: str) -> SecondsSold:
    seconds = load_models()[model].seconds
    assert seconds is not None
    return seconds


SOLD = st.sampled_from([sold_by("gen4.5"), sold_by("veo3.1"), SecondsSold(values=(5, 10)), SecondsSold(values=(5, 8))])
FRAMES = st.integers(1, LONGEST_PICTURE * RATE)


@pytest.mark.parametrize(
    ("model", "frames", "seconds"),
    [
        ("gen4.5", 240, (10,)),
        ("gen4.5", 241, (6, 5)),
        ("gen4.5", 20 * RATE, (7, 7, 7)),  # one frame of each join is shown once: 479 are in 10 + 10
        ("gen4.5", 20 * RATE - 1, (10, 10)),
        ("gen4.5", 30 * RATE, (8, 8, 8, 7)),
        ("veo3.1", 12 * RATE, (8, 6)),
        ("veo3.1", 17 * RATE, (6, 6, 6)),
    ],
)
def test_the_least_is_bought_in_the_fewest_and_evenest_parts(model: str, frames: int, seconds: tuple[int, ...]) -> None:
    assert segment_lengths(frames, sold_by(model), RATE) == seconds


def test_more_parts_where_they_cost_less() -> None:
    assert segment_lengths(13 * RATE + 1, SecondsSold(values=(5, 8)), RATE) == (5, 5, 5)


@given(FRAMES, SOLD)
def test_every_frame_is_in_one_segment_and_every_take_is_long_enough(frames: int, sold: SecondsSold) -> None:
    segments = divide_picture(frames, sold, RATE)
    covered = [frame for segment in segments for frame in range(segment.first, segment.end)]
    assert covered == list(range(frames))
    for number, segment in enumerate(segments, 1):
        assert segment.number == (number if len(segments) > 1 else 0)
        assert segment.frames >= 1
        assert segment.needed <= segment.seconds * RATE
        assert sold.sells(segment.seconds)
        assert segment.doubled == (1 if number > 1 else 0)


@given(FRAMES, SOLD)
def test_no_fewer_seconds_hold_it(frames: int, sold: SecondsSold) -> None:
    """Against every sum that so many takes can have, found one take at a time."""
    bought = sum(segment_lengths(frames, sold, RATE))
    sums = {0}
    for count in range(1, 9):
        sums = {total + length for total in sums for length in sold.lengths}
        enough = [total for total in sums if total * RATE - (count - 1) >= frames]
        assert min(enough, default=bought) >= bought


@given(FRAMES, SOLD, st.integers(0, 30))
def test_so_many_frames_less_really_save(frames: int, sold: SecondsSold, fewer: int) -> None:
    less, saved = seconds_saved(frames, sold, RATE, fewer)
    assert (less == 0) == (saved == 0)
    if less:
        assert less <= fewer
        now = sum(segment_lengths(frames, sold, RATE))
        assert sum(segment_lengths(frames - less, sold, RATE)) == now - saved
        assert less == 1 or sum(segment_lengths(frames - less + 1, sold, RATE)) == now
