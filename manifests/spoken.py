"""What is sent to be spoken, and what captions show of it: pronunciations change the first, never the second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

PUNCTUATION = ".,;:!?…\"'()\u201c\u201d\u2018\u2019"


@dataclass(frozen=True)
class ScriptTiming:
    """The script's own characters, each with its start and end in seconds of the sound."""

    characters: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]


def spoken_text(text: str, say: Mapping[str, str]) -> str:
    """The line with pronunciations in it, word for word: engines differ in what dictionaries they take."""
    words = []
    for word in text.split():
        core = word.strip(PUNCTUATION)
        words.append(word.replace(core, say[core]) if core and core in say else word)
    return " ".join(words)


def shift_times(times: Sequence[float], kept: Sequence[Sequence[float]]) -> list[float]:
    """Times in a sound of which only the parts `kept` are left, one after the other; a time that is cut out becomes the
    place of the cut."""
    return [round(sum(min(max(time, start), end) - start for start, end in kept), 6) for time in times]


def time_script(
    script: str, spoken: Sequence[str], starts: Sequence[float], ends: Sequence[float], *, seconds: float
) -> ScriptTiming:
    """Times of the script's characters from those of the text that was spoken.

    Word n of the script takes the time of word n of the spoken text, spread over its letters. Where the service gave no
    timings, or the words do not pair up, the letters share `seconds` evenly.
    """
    words = script.split()
    if not words:
        return ScriptTiming((), (), ())
    spans = _word_spans(spoken, starts, ends)
    if len(spans) != len(words):
        spans = _even_spans(words, seconds)
    characters: list[str] = []
    begins: list[float] = []
    finishes: list[float] = []

    def add(text: str, start: float, end: float) -> None:
        step = (end - start) / len(text)
        for index, character in enumerate(text):
            characters.append(character)
            begins.append(start + index * step)
            finishes.append(start + (index + 1) * step)

    for index, (word, (start, end)) in enumerate(zip(words, spans, strict=True)):
        if index:
            add(" ", finishes[-1], max(start, finishes[-1]))
        start = max(start, finishes[-1]) if finishes else start  # services let neighbours overlap by a little
        add(word, start, max(end, start))
    return ScriptTiming(tuple(characters), tuple(begins), tuple(finishes))


def _word_spans(characters: Sequence[str], starts: Sequence[float], ends: Sequence[float]) -> list[tuple[float, float]]:
    gaps = [-1, *(n for n, c in enumerate(characters) if c.isspace()), len(characters)]
    return [(starts[a + 1], ends[b - 1]) for a, b in pairwise(gaps) if b - a > 1]


def _even_spans(words: Sequence[str], seconds: float) -> list[tuple[float, float]]:
    total = sum(len(word) + 1 for word in words)
    spans, at = [], 0
    for word in words:
        spans.append((seconds * at / total, seconds * (at + len(word)) / total))
        at += len(word) + 1
    return spans
