"""What is sent to be spoken, and the script's own letters with their times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.spoken import ScriptTiming, shift_times, spoken_text, time_script

WORDS = st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8), max_size=8)


@pytest.mark.parametrize(
    ("text", "say", "sent"),
    [
        ("Alder boils.", {"Alder": "AWL-der"}, "AWL-der boils."),
        ("(Alder!)", {"Alder": "AWL-der"}, "(AWL-der!)"),
        ("Alderman boils", {"Alder": "AWL-der"}, "Alderman boils"),  # a whole word, not a piece of one
        ("alder", {"Alder": "AWL-der"}, "alder"),
        ("“Alder,” she said…", {"Alder": "AWL-der"}, "“AWL-der,” she said…"),
        ("two  spaces\nand a line", {}, "two spaces and a line"),
        ("...", {"": "x"}, "..."),
        ("", {}, ""),
    ],
)
def test_pronunciations_replace_whole_words(text: str, say: dict[str, str], sent: str) -> None:
    assert spoken_text(text, say) == sent


@given(WORDS)
def test_without_pronunciations_the_words_are_the_scripts(words: list[str]) -> None:
    text = " ".join(words)
    assert spoken_text(text, {}).split() == text.split()


def even(text: str, seconds: float) -> ScriptTiming:
    return time_script(text, [], [], [], seconds=seconds)


def lawful(timing: ScriptTiming, script: str) -> None:
    assert "".join(timing.characters) == " ".join(script.split())
    for start, end in zip(timing.starts, timing.ends, strict=True):
        assert start <= end + 1e-9
    for before, after in pairwise(timing.starts):
        assert before <= after + 1e-9
    for end, start in zip(timing.ends, timing.starts[1:], strict=False):
        assert end <= start + 1e-9, "letters never overlap"


@given(WORDS, st.floats(0.1, 60))
def test_without_timings_the_letters_share_the_time(words: list[str], seconds: float) -> None:
    script = " ".join(words)
    timing = even(script, seconds)
    lawful(timing, script)
    if script.split():
        assert timing.starts[0] == 0
        assert timing.ends[-1] <= seconds + 1e-9


@given(st.data(), WORDS.filter(lambda words: any(w.split() for w in words)))
def test_with_timings_each_word_has_its_own(data: st.DataObject, words: list[str]) -> None:
    script = " ".join(words)
    steps = data.draw(st.lists(st.floats(0, 0.5), min_size=len(script), max_size=len(script)))
    overlap = data.draw(st.floats(0, 0.05))
    starts, ends, at = [], [], 0.0
    for step in steps:
        starts.append(max(0.0, at - overlap))
        at += step
        ends.append(at)
    timing = time_script(script, list(script), starts, ends, seconds=at)
    lawful(timing, script)
    assert timing.starts[0] == starts[len(script) - len(script.lstrip())]


def test_a_word_spoken_otherwise_keeps_the_time_of_its_own() -> None:
    spoken = list("AWL-der boils")
    starts = [n * 0.1 for n in range(len(spoken))]
    ends = [n * 0.1 + 0.1 for n in range(len(spoken))]
    timing = time_script("Alder boils", spoken, starts, ends, seconds=1.3)
    assert "".join(timing.characters) == "Alder boils"
    assert timing.starts[0] == 0
    assert timing.ends[4] == pytest.approx(0.7)
    assert timing.starts[6] == pytest.approx(0.8)
    assert timing.ends[-1] == pytest.approx(1.3)


def test_words_that_do_not_pair_up_share_the_time() -> None:
    spoken = list("one two three")
    times = [n * 0.1 for n in range(len(spoken))]
    assert time_script("one two", spoken, times, times, seconds=2) == even("one two", 2)


def test_no_words_have_no_times() -> None:
    assert even("  ", 3) == ScriptTiming((), (), ())


# --- a sound of which parts were taken out ---


def test_times_follow_what_was_kept() -> None:
    kept = [[0.5, 1.5], [2.0, 3.0]]
    assert shift_times([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], kept) == [0, 0.5, 1.0, 1.0, 1.5, 2.0]
    assert shift_times([0.0, 1.7, 9.9], kept) == [0, 1.0, 2.0], "what is cut out becomes the place of the cut"


@given(st.lists(st.floats(0, 60), max_size=20), st.lists(st.floats(0, 60), min_size=2, max_size=8, unique=True))
def test_shifted_times_keep_their_order_and_never_move_apart(times: list[float], edges: list[float]) -> None:
    edges = sorted(edges)
    kept = list(zip(edges[::2], edges[1::2], strict=False))
    before, after = sorted(times), shift_times(sorted(times), kept)
    for one, other in pairwise(range(len(before))):
        assert -1e-6 <= after[other] - after[one] <= before[other] - before[one] + 2e-6
    assert all(0 <= time <= sum(end - start for start, end in kept) + 1e-6 for time in after)
