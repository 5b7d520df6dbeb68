"""Captions: what a viewer can read, never two at once, exact to the millisecond."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.errors import MediaError
from infra.media import captions
from infra.media.captions import Cue, SpokenLine, build_cues


def spoken(text: str, *, at: str = "0", pace: float = 0.07, speed: str = "1") -> SpokenLine:
    starts = [round(i * pace, 3) for i in range(len(text))]
    return SpokenLine(list(text), starts, [round(s + pace, 3) for s in starts], Decimal(at), Decimal(speed))


def texts(cues: list[Cue]) -> list[str]:
    return [cue.text for cue in cues]


words = st.text(alphabet=st.sampled_from("abcdefghij,.!?'"), min_size=1, max_size=60)


@st.composite
def films(draw: st.DrawFn) -> tuple[list[SpokenLine], int]:
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        text = " ".join(draw(st.lists(words, min_size=1, max_size=14)))
        paces = draw(st.lists(st.sampled_from([0.0, 0.01, 0.06, 0.3]), min_size=len(text), max_size=len(text)))
        edges = list(itertools.accumulate(paces, initial=0.0))
        offset = Decimal(draw(st.integers(0, 20_000))).scaleb(-3)
        lines.append(SpokenLine(list(text), edges[:-1], edges[1:], offset))
    return lines, 200


@settings(max_examples=150)
@given(films(), st.sampled_from(["24", "24000/1001", "25"]))
def test_every_film_of_lines_gives_readable_cues(film: tuple[list[SpokenLine], int], rate: str) -> None:
    lines, seconds = film
    cues = build_cues(lines, film_seconds=Decimal(seconds), rate=rate)
    gap = 2 / Fraction(rate)
    for cue in cues:
        rows = cue.text.split("\n")
        assert len(rows) <= 2
        assert all(0 < len(row) <= 42 for row in rows)
        assert 0 <= cue.start < cue.end <= seconds
        assert cue.start == cue.start.quantize(Decimal("0.001"))
    for one, other in itertools.pairwise(cues):
        assert Fraction(other.start) - Fraction(one.end) >= gap
    said = sorted(c for line in lines for c in "".join(line.characters) if not c.isspace())
    assert sorted(c for cue in cues for c in cue.text if not c.isspace()) == said


@settings(max_examples=150)
@given(st.lists(words, min_size=1, max_size=30), st.integers(0, 9000))
def test_one_slow_line_keeps_its_words_in_order_and_its_cues_long_enough(parts: list[str], offset: int) -> None:
    text = " ".join(parts)
    line = spoken(text, at=str(Decimal(offset).scaleb(-3)), pace=0.2)
    cues = build_cues([line], film_seconds=Decimal(3000), rate="24")
    assert re.sub(r"\s", "", "".join(texts(cues))) == re.sub(r"\s", "", text)
    assert all(cue.end - cue.start >= 1 for cue in cues)
    assert cues[0].start <= line.offset  # borrowed time at most, never late


def test_breaks_stand_at_phrase_boundaries() -> None:
    line = spoken(
        "The Alder kettle, made in one small workshop by the river. Made to be used every day, for twenty years.",
        at="2",
    )
    cues = build_cues([line], film_seconds=Decimal(30), rate="24")
    assert texts(cues) == [
        "The Alder kettle, made in one\nsmall workshop by the river.",
        "Made to be used every day,\nfor twenty years.",
    ]


def test_a_short_line_is_one_cue_that_starts_with_the_voice() -> None:
    (cue,) = build_cues([spoken("Just water.", at="5.417")], film_seconds=Decimal(30), rate="24")
    assert cue == Cue(start=Decimal("5.417"), end=Decimal("6.487"), text="Just water.")  # 0.77 s spoken, 0.3 s more


def test_the_end_of_the_film_ends_the_last_cue() -> None:
    (cue,) = build_cues([spoken("Every day.", at="9.5")], film_seconds=Fraction(240240, 24000), rate="24000/1001")
    assert cue.end == Decimal("10.010")
    assert cue.start == Decimal("9.010")  # a second is kept by beginning earlier


def test_a_line_spoken_faster_has_its_times_moved_together() -> None:
    (slow,) = build_cues([spoken("a" * 40, at="1")], film_seconds=Decimal(30), rate="24")
    (fast,) = build_cues([spoken("a" * 40, at="1", speed="1.25")], film_seconds=Decimal(30), rate="24")
    assert slow.end == Decimal("4.100")
    assert fast.end == Decimal("3.540")


def test_text_without_spaces_is_broken_between_characters() -> None:
    cues = build_cues([spoken("お湯が沸くまで三分。" * 9)], film_seconds=Decimal(30), rate="24")
    assert len(cues) > 1
    assert all(not row.startswith("。") for cue in cues for row in cue.text.split("\n"))


def test_a_line_after_the_end_is_an_error() -> None:
    with pytest.raises(MediaError, match="after the end of the film"):
        build_cues([spoken("Too late.", at="30")], film_seconds=Decimal(30), rate="24")


def test_timings_of_another_text_are_an_error() -> None:
    with pytest.raises(MediaError, match="3 characters has 2 starts"):
        build_cues([SpokenLine("abc", [0, 1], [1, 2], Decimal(0))], film_seconds=Decimal(30), rate="24")


def test_more_cues_than_a_film_can_hold_are_an_error() -> None:
    lines = [spoken("Now.", at=f"0.{n:03d}", pace=0.001) for n in range(20)]
    with pytest.raises(MediaError, match="20 captions do not fit"):
        build_cues(lines, film_seconds=Decimal(1), rate="24")


def test_no_lines_no_cues(tmp_path: Path) -> None:
    assert build_cues([], film_seconds=Decimal(30), rate="24") == []
    assert captions.run(captions.Params(formats=("srt", "vtt")), {}, tmp_path) == {"cues": 0}
    assert (tmp_path / "captions.vtt").read_text() == "WEBVTT\n\n"


def test_files_say_exactly_what_the_cues_say(tmp_path: Path) -> None:
    cues = [
        {"start": "1.001", "end": "2.345", "text": "Fish & chips <b>\n{now} --> 3 €"},
        {"start": "3661.5", "end": "3662", "text": r"C:\new"},
    ]
    params = captions.Params.model_validate({"cues": cues, "formats": ["srt", "vtt"]})
    assert captions.run(params, {}, tmp_path) == {"cues": 2}
    srt = (tmp_path / "captions.srt").read_text(encoding="utf-8")
    assert srt.startswith("1\n00:00:01,001 --> 00:00:02,345\nFish & chips <b>\n{now} --> 3 €\n\n2\n01:01:01,500 -->")
    vtt = (tmp_path / "captions.vtt").read_text(encoding="utf-8")
    assert "00:00:01.001 --> 00:00:02.345\nFish &amp; chips &lt;b&gt;\n{now} --&gt; 3 €\n" in vtt
    assert vtt.replace("\u2060", "").rstrip().endswith(r"C:\new")
    read = pysubs2.SSAFile.from_string(srt)
    assert [(event.start, event.end) for event in read] == [(1001, 2345), (3_661_500, 3_662_000)]


def test_a_cue_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Cue(start=Decimal(2), end=Decimal(2), text="x")
