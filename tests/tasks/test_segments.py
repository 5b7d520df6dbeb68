"""Segments of a long shot, joined by the real steps: no frame lost, none shown twice, none held."""

from __future__ import annotations

from pathlib import Path

from footage import decode_luma, film_clip, read_number
from stitching import Room

from manifests.ratecard import load_models
from manifests.schema import Spot
from manifests.sections import Fade, Span
from manifests.timing import cut_of

FILM = {
    "manifest": 1,
    "kind": "spot",
    "name": "film",
    "brand": "brand.yaml",
    "generate": {"model": "veo3.1"},
    "shots": [
        {"id": "long", "duration": 9, "prompt": {"text": "a kettle"}},
        {"id": "short", "duration": 3, "prompt": {"text": "a cup"}},
    ],
    "edit": {"transitions": [{"between": ["long", "short"], "kind": "dissolve", "duration": "0.5"}]},
    "deliver": [{"profile": "youtube-instream", "ratio": "16:9"}],
    "budget": {"credits": 1},
}


async def test_every_frame_of_a_long_shot_is_seen_once_and_in_order(tmp_path: Path) -> None:
    cut = cut_of(Spot.model_validate(FILM), load_models())
    assert [part.id for part in cut.shots] == ["long.1", "long.2", "short"]
    room, joins = Room(tmp_path), [Fade(join.kind, join.at, join.frames) for join in cut.joins]
    clips = []
    for number, part in enumerate(cut.shots):
        frames = part.seconds_to_buy * 24
        take = film_clip(tmp_path / f"{part.id}.mp4", frames=frames, seed=number, crf=8, numbered=True)
        clips.append(await room.conform(take, Span(part.start, part.shown), joins, in_frame=part.in_frame))
    film = await room.stitch(clips, joins)
    numbers = [read_number(luma) for luma in decode_luma(film)]
    first, second, short = cut.shots
    (join,) = cut.joins
    assert len(numbers) == cut.frames == 12 * 24
    assert numbers[: first.shown] == list(range(first.shown))
    # what its model made of the frame that it started on is not shown: it is the last one of the segment before
    assert numbers[first.shown : join.at] == list(range(1, join.at - second.start + 1))
    assert second.frames_needed == second.shown + 1
    assert numbers[join.at + join.frames :] == list(range(join.frames, short.shown))
    assert room.made["section"] == 1  # the seam is a plain cut: copied, not encoded again
