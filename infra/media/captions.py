"""Captions: cues out of character timings, and .srt and .vtt out of cues. Times are whole milliseconds throughout.

A cue is at most two lines of 42 characters (of 21 that are as wide as high, as Japanese is), breaks where the sentence
does, and never touches the next one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.errors import MediaError
from infra.media.type_setting import ends_phrase, may_part
from manifests.scripts import is_wide

LINE_COLUMNS = 42
LINES = 2
SHORTEST_MS, LONGEST_MS, LINGER_MS = 1000, 6000, 300
FLOOR_MS = 200  # a cue squeezed between others keeps at least this, where the film has room
GAP_FRAMES = 2
GAP_MS = 84  # about what two frames last, when cues are weighed; placing them uses the film's own rate

_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")  # noqa: RUF001 full-width marks end sentences too
_CLAUSE_END = re.compile(r"[,;:—–、，；：][\"'”’»)\]]*$")  # noqa: RUF001


class Cue(BaseModel):
    """`start` and `end` in seconds from the film's first frame, exact to the millisecond."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Annotated[Decimal, Field(ge=0, decimal_places=3)]
    end: Annotated[Decimal, Field(decimal_places=3)]
    text: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _lasts(self) -> Cue:
        if self.end <= self.start:
            raise ValueError("a cue ends after it starts")
        return self


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cues: tuple[Cue, ...] = ()
    formats: tuple[Literal["srt", "vtt"], ...] = ("srt",)


@dataclass(frozen=True)
class SpokenLine:
    """One line as it was spoken: a start and an end, in seconds of the sound, for every character of its text."""

    characters: Sequence[str]
    starts: Sequence[float]
    ends: Sequence[float]
    offset: Decimal  # seconds of the film at which the sound begins
    speed: Decimal = Decimal(1)  # what the speech step was told


class _Unit(NamedTuple):
    """A word, or a phrase where there are no spaces."""

    text: str
    start: int
    end: int
    space: bool  # a space stands before it


class _Draft(NamedTuple):
    start: int
    end: int
    text: str


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    """Writes captions.srt and captions.vtt, as asked."""
    import pysubs2  # slow to import, and `plan` only asks how a line will break

    for form in params.formats:
        subtitles = pysubs2.SSAFile()
        for cue in params.cues:
            # The library takes {…} for a style and drops it, and takes \n for a break whoever wrote it.
            text = re.sub(r"\\(?=[hnN])", "\\\\\u2060", cue.text)
            if form == "vtt":
                text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            event = pysubs2.SSAEvent(start=_ms(cue.start), end=_ms(cue.end))
            event.text = text.replace("\n", r"\N")
            subtitles.events.append(event)
        written = subtitles.to_string(form, keep_ssa_tags=True)
        (out / f"captions.{form}").write_text(written, encoding="utf-8", newline="\n")
    return {"cues": len(params.cues)}


def build_cues(lines: Sequence[SpokenLine], *, film_seconds: Fraction | Decimal, rate: str) -> list[Cue]:
    """Cues for everything that is said, in order of time, the last one ending with the film at the latest."""
    drafts = [draft for line in lines for draft in _split(_units(line))]
    film = int(Fraction(film_seconds) * 1000)
    gap = -(-GAP_FRAMES * 1000 * Fraction(rate).denominator // Fraction(rate).numerator)
    late = next((draft for draft in drafts if draft.start >= film), None)
    if late is not None:
        raise MediaError(
            f"{late.text!r} is spoken after the end of the film", remedy="start the line earlier or shorten its text"
        )
    placed = _place(sorted(drafts, key=lambda draft: (draft.start, draft.end)), film, gap)
    return [Cue(start=_seconds(start), end=_seconds(end), text=text) for start, end, text in placed]


def _ms(seconds: Decimal) -> int:
    return int((seconds * 1000).to_integral_value())


def _seconds(ms: int) -> Decimal:
    return Decimal(ms).scaleb(-3)


def _units(line: SpokenLine) -> list[_Unit]:
    """Words with their times; a word longer than a line, or written without spaces, in pieces."""
    if not len(line.characters) == len(line.starts) == len(line.ends):
        raise MediaError(
            f"speech of {len(line.characters)} characters has {len(line.starts)} starts, {len(line.ends)} ends",
            remedy="make the line again: its timings do not belong to its text",
        )
    units: list[_Unit] = []
    space = True
    for character, start, end in zip(line.characters, line.starts, line.ends, strict=True):
        if not character.strip():
            space = True
            continue
        begins, ends = (_ms(line.offset + Decimal(repr(t)) / line.speed) for t in (float(start), float(end)))
        last = units[-1] if units else None
        if last is None or space or _part(last.text, character):
            units.append(_Unit(character, begins, max(begins, ends), space))
        else:
            units[-1] = _Unit(last.text + character, last.start, max(last.end, ends), last.space)
        space = False
    return units


def _part(before: str, character: str) -> bool:
    """Between phrases of what is written without spaces; a word longer than a line wherever the line is full."""
    if may_part(before[-1], character) and ends_phrase(before, character):
        return True
    return _columns(before) + _columns(character) > LINE_COLUMNS


def _columns(text: str) -> int:
    return sum(2 if is_wide(character) else 1 for character in text)


def _join(units: Sequence[_Unit]) -> str:
    return "".join((" " if unit.space and number else "") + unit.text for number, unit in enumerate(units))


def _lay(units: Sequence[_Unit]) -> str | None:
    """One line if it fits, else the two that are nearest in length and break best; None if two are not enough."""
    whole = _join(units)
    if _columns(whole) <= LINE_COLUMNS:
        return whole
    best: tuple[float, str] | None = None
    for at in range(1, len(units)):
        first, second = _join(units[:at]), _join(units[at:])
        if max(_columns(first), _columns(second)) <= LINE_COLUMNS:
            cost = abs(_columns(first) - _columns(second)) - (12 if _break_cost(units[at - 1]) < 1 else 0)
            if best is None or cost < best[0]:
                best = (cost, f"{first}\n{second}")
    return best[1] if best else None


def _break_cost(unit: _Unit) -> float:
    if _SENTENCE_END.search(unit.text):
        return 0.0
    return 0.4 if _CLAUSE_END.search(unit.text) else 2.5


def _split(units: list[_Unit]) -> list[_Draft]:
    """The cheapest division into cues: few, ended by punctuation, between one and six seconds long."""
    costs = [0.0] + [float("inf")] * len(units)
    cuts = [0] * (len(units) + 1)
    for end in range(1, len(units) + 1):
        for start in range(end - 1, -1, -1):
            chunk = units[start:end]
            if _lay(chunk) is None:
                break
            until = units[end].start if end < len(units) else chunk[-1].end + LINGER_MS
            lasts = until - chunk[0].start - (GAP_MS if end < len(units) else 0)
            cost = 1.0 + (_break_cost(chunk[-1]) if end < len(units) else 0.0)
            cost += 0.6 * sum(_break_cost(unit) == 0 for unit in chunk[:-1])
            if lasts < SHORTEST_MS:  # only where nothing else is possible
                cost += 100 + 100 * (SHORTEST_MS - lasts) / SHORTEST_MS
            cost += 2 * max(0, lasts - LONGEST_MS) / 1000
            if costs[start] + cost < costs[end]:
                costs[end], cuts[end] = costs[start] + cost, start
    drafts: list[_Draft] = []
    end = len(units)
    while end:
        chunk = units[cuts[end] : end]
        drafts.append(_Draft(chunk[0].start, max(unit.end for unit in chunk), _lay(chunk) or _join(chunk)))
        end = cuts[end]
    return drafts[::-1]


def _place(drafts: list[_Draft], film: int, gap: int) -> list[_Draft]:
    """Starts stay with the words wherever they can; ends linger a little, and give way to the next cue."""
    count = len(drafts)
    if not count:
        return []
    floor = min(FLOOR_MS, (film - (count - 1) * gap) // count)
    if floor < 1:
        raise MediaError(f"{count} captions do not fit into {film / 1000:.3f} s", remedy="say less, or say it slower")
    starts = [draft.start for draft in drafts]
    for number, (before, _) in enumerate(itertools.pairwise(drafts), start=1):
        starts[number] = max(starts[number], starts[number - 1] + floor + gap, before.start)
    starts = [min(start, film - floor - (count - 1 - number) * (floor + gap)) for number, start in enumerate(starts)]
    placed: list[_Draft] = []
    for number, draft in enumerate(drafts):
        start = starts[number]
        latest = starts[number + 1] - gap if number + 1 < count else film
        end = min(latest, max(draft.end + LINGER_MS, start + SHORTEST_MS))
        earliest = placed[-1].end + gap if placed else 0
        placed.append(_Draft(min(start, max(earliest, end - SHORTEST_MS)), end, draft.text))
    return placed
