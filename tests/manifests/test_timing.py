"""Frames and seconds: the worked example to the frame, and what must hold for every film."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.ratecard import load_models
from manifests.schema import Spot
from manifests.segments import Segment
from manifests.timing import (
    Cut,
    ShotCut,
    cut_of,
    dissolve_halves,
    film_frames,
    frames_to_samples,
    picture_frames,
    screen_frames,
)

MODELS = load_models()
NTSC_FILM = Fraction(24000, 1001)


def make_spot(shots: list[dict[str, Any]], **more: Any) -> Spot:
    prompt = {"text": "a kettle"}
    return Spot.model_validate(
        {
            "manifest": 1,
            "kind": "spot",
            "name": "film",
            "brand": "brand.yaml",
            "shots": [{"prompt": prompt, **shot} for shot in shots],
            "deliver": [{"profile": "master-4k", "ratio": "16:9"}],
            "budget": {"credits": 1},
            **more,
        }
    )


def morning() -> Spot:
    """The manifest sheet's example (b)."""
    return make_spot(
        [
            {"id": "dawn", "duration": 5},
            {"id": "pour", "duration": 6},
            {"id": "lift", "duration": 6},
            {"id": "sip", "duration": 6, "continues": "lift"},
            {"id": "still", "duration": 4},
        ],
        edit={"transitions": [{"between": ["dawn", "pour"], "kind": "dissolve", "duration": Decimal("0.4")}]},
        sound={
            "voiceover": {
                "voice": "warm",
                "language": "en-GB",
                "lines": [
                    {"id": "vo1", "at": "dawn", "offset": Decimal("1.2"), "text": "Some"},
                    {"id": "vo2", "at": "end", "text": "The end"},
                ],
            },
            "effects": [{"at": "pour", "offset": Decimal("0.3"), "duration": 5, "prompt": "water"}],
            "music": {"file": "bed.wav"},
        },
        graphics={
            "supers": [{"at": "still", "offset": Decimal("0.8"), "duration": 3, "text": "Boils"}],
            "end_card": {"card": "plain", "duration": 3},
        },
    )


def test_the_example_comes_out_as_written_on_paper() -> None:
    cut = cut_of(morning(), MODELS)
    assert [shot.seconds_to_buy for shot in cut.shots] == [6, 7, 6, 7, 4]
    assert cut.seconds_to_buy == 30
    assert cut.frames == 720
    assert cut.card == (648, 720)
    assert [shot.frames_needed for shot in cut.shots] == [125, 149, 144, 145, 96]
    assert [shot.start for shot in cut.shots] == [0, 115, 264, 408, 552]
    assert [shot.out_frame for shot in cut.shots] == [124, 148, 143, 144, 95]
    assert cut.stitch_transitions == [{"kind": "dissolve", "at": 115, "frames": 10}]


def test_cues_lie_on_the_frame() -> None:
    cues = {cue.path: cue for cue in cut_of(morning(), MODELS).cues}
    assert cues["sound.voiceover.lines.vo1"].start == 29  # 28.8
    assert cues["sound.voiceover.lines.vo2"].start == 648  # the card begins where the last shot ends
    assert (cues["sound.effects[0]"].start, cues["sound.effects[0]"].frames) == (120 + 7, 120)
    assert (cues["graphics.supers[0]"].start, cues["graphics.supers[0]"].frames) == (552 + 19, 72)
    assert (cues["sound.music"].start, cues["sound.music"].frames) == (0, 720)


def test_what_hangs_over_the_end_is_cut_there() -> None:
    effect = {"at": "one", "offset": 4, "duration": 3, "file": "noise.wav"}
    (cue,) = cut_of(make_spot([{"id": "one", "duration": 5}], sound={"effects": [effect]}), MODELS).cues
    assert (cue.start, cue.frames, cue.cut_off) == (96, 24, 48)


def test_a_few_frames_less_that_would_save_a_second() -> None:
    hints = [shot.hint for shot in cut_of(morning(), MODELS).shots]
    assert hints[0] == "dawn: 5 frames less would save 1 s of every take"
    assert hints[3] == "sip: 1 frame less would save 1 s of every take"
    assert [bool(hint) for hint in hints] == [True, True, False, True, False]


def test_the_hint_counts_what_the_model_sells() -> None:
    veo = make_spot([{"id": "one", "duration": Decimal("6.25")}], generate={"model": "veo3.1"})
    (shot,) = cut_of(veo, MODELS).shots
    assert (shot.seconds_to_buy, shot.saving_frames, shot.saving_seconds) == (8, 6, 2)


def test_short_shots_buy_the_shortest_clip() -> None:
    (shot,) = cut_of(make_spot([{"id": "one", "duration": 1}]), MODELS).shots
    assert (shot.seconds_to_buy, shot.hint) == (2, "")


def test_clip_overrides_what_is_bought() -> None:
    (shot,) = cut_of(make_spot([{"id": "one", "duration": 3, "clip": 8}]), MODELS).shots
    assert (shot.seconds_to_buy, shot.frames_needed, shot.hint) == (8, 72, "")


def test_what_no_model_sells_still_has_a_length() -> None:
    shots = [{"id": "long", "duration": Decimal("36.5")}, {"id": "odd", "duration": 3, "model": "nobody"}]
    assert [shot.seconds_to_buy for shot in cut_of(make_spot(shots), MODELS).shots] == [37, 3]


@pytest.mark.parametrize("kind", ["dissolve", "dip", "wipe"])
def test_every_kind_of_transition_takes_frames_of_both_shots(kind: str) -> None:
    shots = [{"id": "one", "duration": 5}, {"id": "two", "duration": 5}]
    cut = cut_of(make_spot(shots, edit={"transitions": [{"between": ["one", "two"], "kind": kind}]}), MODELS)
    assert [(j.kind, j.at, j.frames) for j in cut.joins] == [(kind, 115, 10)]
    assert [shot.frames_needed for shot in cut.shots] == [125, 125]
    assert cut.frames == 240


def test_a_cut_takes_none() -> None:
    shots = [{"id": "one", "duration": 5}, {"id": "two", "duration": 5}]
    cut = cut_of(make_spot(shots, edit={"transitions": [{"between": ["one", "two"], "kind": "cut"}]}), MODELS)
    assert cut.joins == ()
    assert [shot.frames_needed for shot in cut.shots] == [120, 120]


def test_the_odd_frame_of_a_dissolve_is_the_earlier_shots() -> None:
    assert dissolve_halves(11) == (5, 6)
    assert dissolve_halves(1) == (0, 1)
    transition = {"between": ["one", "two"], "kind": "dissolve", "duration": Decimal("0.458")}
    shots = [{"id": "one", "duration": 5}, {"id": "two", "duration": 5}]
    one, two = cut_of(make_spot(shots, edit={"transitions": [transition]}), MODELS).shots
    assert (one.frames_needed, two.frames_needed) == (126, 125)
    assert (one.end, two.start) == (126, 115)


@pytest.mark.parametrize(
    ("seconds", "frames"),
    [("0", 0), ("0.02", 0), ("0.021", 1), ("0.4", 10), ("5.0625", 122), ("5.062", 121), ("30", 720)],
)
def test_seconds_are_rounded_to_the_nearest_frame_half_up(seconds: str, frames: int) -> None:
    assert screen_frames(Decimal(seconds)) == frames


def test_frames_at_other_rates() -> None:
    assert screen_frames(15, Fraction(30000, 1001)) == 450
    assert screen_frames(30, NTSC_FILM) == 719  # thirty seconds of the clock; the film's 720 frames last 30.030


@pytest.mark.parametrize(
    ("frames", "rate", "samples"),
    [(720, Fraction(24), 1_440_000), (720, NTSC_FILM, 1_441_440), (1, Fraction(30000, 1001), 1602), (0, NTSC_FILM, 0)],
)
def test_frames_to_samples(frames: int, rate: Fraction, samples: int) -> None:
    assert frames_to_samples(frames, rate, 48_000) == samples


@given(st.integers(0, 10**7), st.sampled_from([24, 25, 30, 48]))
def test_whole_rates_give_whole_samples(frames: int, rate: int) -> None:
    assert frames_to_samples(frames, rate, 48_000) * rate == frames * 48_000


@st.composite
def films(draw: st.DrawFn) -> Spot:
    """Any film that loading lets through: a dissolve is not longer than either of its shots."""
    durations = draw(st.lists(st.integers(42, 9000) | st.integers(9000, 30_000), min_size=1, max_size=7))
    shots, transitions = [], []
    for number, milliseconds in enumerate(durations):
        shot: dict[str, Any] = {"id": f"s{number}", "duration": Decimal(milliseconds) / 1000}
        if number and draw(st.booleans()):
            shot["continues"] = f"s{draw(st.integers(0, number - 1))}"
        shots.append(shot)
    for number in range(len(durations) - 1):
        if draw(st.booleans()):
            longest = min(durations[number], durations[number + 1])
            length = Decimal(draw(st.integers(0, longest))) / 1000
            transitions.append({"between": [f"s{number}", f"s{number + 1}"], "kind": "dissolve", "duration": length})
    card = draw(st.none() | st.integers(0, 6000))
    graphics = {"end_card": {"card": "plain", "duration": Decimal(card) / 1000}} if card else {}
    return make_spot(
        shots,
        edit={"transitions": transitions},
        graphics=graphics,
        generate={"model": draw(st.sampled_from(["gen4.5", "veo3.1"]))},
    )


def coverage(cut: Cut) -> Counter[int]:
    return Counter(frame for shot in cut.shots for frame in range(shot.start, shot.end))


@given(films())
def test_a_film_is_as_long_as_the_sum_on_paper(spot: Spot) -> None:
    cut = cut_of(spot, MODELS)
    card = spot.graphics.end_card
    total = sum(screen_frames(shot.duration) for shot in spot.shots) + (screen_frames(card.duration) if card else 0)
    assert cut.frames == film_frames(spot) == total
    assert sum(shot.shown for shot in cut.shots) == sum(s.screen for s in cut.shots) + sum(j.frames for j in cut.joins)
    if cut.card:
        assert cut.card == (sum(shot.screen for shot in cut.shots), cut.frames)


@given(films())
def test_every_frame_shows_one_shot_or_the_two_of_a_dissolve(spot: Spot) -> None:
    cut = cut_of(spot, MODELS)
    covered = coverage(cut)
    pictures = cut.card[0] if cut.card else cut.frames
    assert set(covered) == set(range(pictures))
    blended = [frame for join in cut.joins for frame in range(join.at, join.at + join.frames)]
    assert sorted(frame for frame, count in covered.items() if count > 1) == sorted(blended)
    assert max(covered.values(), default=1) <= 2
    for join in cut.joins:
        assert (cut.shot(join.later).start, cut.shot(join.earlier).end) == (join.at, join.at + join.frames)


@given(films(), st.data())
def test_a_film_shows_the_same_frames_of_a_shot_however_much_more_of_it_another_needs(
    spot: Spot, data: st.DataObject
) -> None:
    longest = {shot: frames + data.draw(st.integers(0, 120)) for shot, frames in picture_frames(spot).items()}
    alone, shared = cut_of(spot, MODELS), cut_of(spot, MODELS, longest)
    for shot in spot.shots:
        ours, theirs = alone.shot(shot.id), shared.shot(shot.id)
        assert (ours.start, ours.shown, ours.screen, ours.cue) == (
            theirs.start,
            theirs.shown,
            theirs.screen,
            theirs.cue,
        )
        segments = shared.segments[shot.id]
        shown = [seen for part in shared.parts(shot.id) for seen in picture_of(part, segments)]
        first = shown[0] if shown else 0
        assert shown == list(range(first, first + ours.shown))  # none lost, none twice
        assert first == (1 if shot.continues else 0)
    assert alone.cues == shared.cues


def picture_of(part: ShotCut, segments: tuple[Segment, ...]) -> list[int]:
    """The frames of the shot's picture that a part shows."""
    segment = next(s for s in segments if s.number == part.segment)
    first = segment.first + part.in_frame - segment.doubled
    return list(range(first, first + part.shown))


@given(films())
def test_what_is_bought_covers_what_is_needed_and_no_more(spot: Spot) -> None:
    for shot in cut_of(spot, MODELS).shots:
        sold = MODELS[spot.generate.model].seconds
        assert sold is not None
        assert shot.frames_needed == shot.in_frame + shot.shown == shot.out_frame + 1
        assert shot.frames_needed <= shot.seconds_to_buy * 24
        if shot.segment:
            continue
        shorter = [length for length in sold.lengths if length < shot.seconds_to_buy]
        if sold.sells(shot.seconds_to_buy) and shorter:
            assert shorter[-1] * 24 < shot.frames_needed
            if shot.saving_frames:
                assert shot.frames_needed - shot.saving_frames == shorter[-1] * 24
                assert shot.saving_seconds == shot.seconds_to_buy - shorter[-1]
