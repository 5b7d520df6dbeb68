"""Which text a font can set, and how it is broken into lines of a size that fits: measured, never guessed.

Nothing is substituted: a missing character, or a script that needs shaping we do not do, is an error that names it.
`missing_characters` and `unsettable_script` are cheap enough for `validate`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import MediaError

FALLBACK_FONT = Path(__file__).with_name("fonts") / "Inter-SemiBold.otf"

_IGNORABLE = frozenset("\u00ad\u200b\u2060\ufeff")  # soft hyphen, zero-width space, word joiner, byte order mark
_BREAK_AFTER = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uff66-\uff9f]")  # kana and Han
_NOT_FIRST = frozenset("、。，．・：；？！）」』】〉》”’ー々,.;:!?)]}»…%")  # noqa: RUF001 Japanese marks
_SHAPED = (
    (0x0900, 0x0DFF, "an Indic script"),
    (0x0E00, 0x0EFF, "Thai or Lao"),
    (0x0F00, 0x109F, "Tibetan or Burmese"),
    (0x1780, 0x18AF, "Khmer or Mongolian"),
    (0x1900, 0x1CFF, "a script of South-East Asia"),
    (0xA800, 0xABFF, "an Indic script"),
)
SHRINK = 0.96  # from one size that is tried to the next

Measure = Callable[[str, float], float]  # width in pixels of a text at a size


@dataclass(frozen=True)
class Setting:
    """Text as it will be drawn: its lines and their size in pixels (of the em)."""

    lines: tuple[str, ...]
    size: float
    width: float  # of the widest line


def missing_characters(font: Path, text: str) -> str:
    """The characters of `text` that `font` has no glyph for, each once, in order. Raises MediaError for a bad font."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with font.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as opened:
            known = opened.getBestCmap() or {}
    except (TTLibError, OSError, KeyError, AssertionError) as error:
        raise MediaError(f"{font.name} cannot be read as a font: {error}", remedy="give a .ttf or .otf") from error
    wanted = dict.fromkeys(c for c in unicodedata.normalize("NFC", text) if c not in "\r\n\t" and c not in _IGNORABLE)
    return "".join(c for c in wanted if ord(c) not in known)


def unsettable_script(text: str) -> str | None:
    """What in `text` we cannot set even with the right font, in words; None if there is nothing."""
    for character in unicodedata.normalize("NFC", text):
        if unicodedata.bidirectional(character) in {"R", "AL", "AN", "RLE", "RLO", "RLI"}:
            return f"{name_of(character)} is written from right to left"
        if unicodedata.category(character) in {"Mn", "Mc", "Me"}:
            return f"{name_of(character)} has to be placed on its neighbour"
        for first, last, script in _SHAPED:
            if first <= ord(character) <= last:
                return f"{name_of(character)} belongs to {script}, whose letters join or stack"
    return None


def name_of(character: str) -> str:
    return f"{character!r} (U+{ord(character):04X} {unicodedata.name(character, 'unnamed')})"


def check_text(font: Path, text: str) -> str:
    """The text in the form it is set in. Raises MediaError naming the character that stands in the way."""
    if not text.strip():
        raise MediaError("there is no text to set", remedy="write some, or take the graphic out")
    problem = unsettable_script(text)
    if problem:
        raise MediaError(
            f"{text!r} cannot be set: {problem}", remedy="have this graphic drawn by hand and given as an image"
        )
    missing = missing_characters(font, text)
    if missing:
        named = ", ".join(name_of(c) for c in missing[:5])
        raise MediaError(
            f"the font {font.name} has no {named}, needed for {text!r}",
            remedy="name a font for this script under `fonts` in the brand kit, or write it without these characters",
        )
    return "".join(c for c in unicodedata.normalize("NFC", text) if c not in _IGNORABLE)


def fit_text(
    text: str,
    measure: Measure,
    *,
    width: float,
    size: float,
    floor: float,
    most_lines: int,
) -> Setting:
    """Wraps at `size`, and only then shrinks, to no less than `floor`. Raises MediaError when it still does not fit."""
    while True:
        lines = _wrap(text, lambda part, at=size: measure(part, at), width, most_lines)  # type: ignore[misc]
        if lines is not None:
            return Setting(tuple(lines), size, max(measure(line, size) for line in lines))
        if size <= floor:
            break
        size = max(size * SHRINK, floor)
    raise MediaError(
        f"{text!r} does not fit: {most_lines} line{'s' if most_lines > 1 else ''} of {width:.0f} pixels hold no more "
        f"at the smallest size that can be read ({floor:.0f} pixels)",
        remedy="shorten the text",
    )


def _wrap(text: str, measure: Callable[[str], float], width: float, most: int) -> list[str] | None:
    """Lines no wider than `width`, as equal as they can be; None if `most` are not enough. Line feeds are kept."""
    paragraphs = [_pieces(part) for part in text.splitlines() if part.strip()]
    wide: list[list[str]] = []
    for pieces in paragraphs:
        lines = _fill(pieces, measure, width)
        if lines is None:
            return None
        wide.append(lines)
    if sum(map(len, wide)) > most:
        return None
    # The narrowest measure that needs no more lines: no widow, no ragged second line.
    balanced: list[str] = []
    for pieces, lines in zip(paragraphs, wide, strict=True):
        low, high = 0.0, width
        for _ in range(12 if len(lines) > 1 else 0):
            middle = (low + high) / 2
            tried = _fill(pieces, measure, middle)
            if tried is not None and len(tried) <= len(lines):
                high, lines = middle, tried
            else:
                low = middle
        balanced.extend(lines)
    return balanced


def _pieces(text: str) -> list[str]:
    """What must stay together, each with the space that follows it. A no-break space does not part."""
    pieces: list[str] = []
    for word in re.findall(r"[^ \t]+[ \t]*", text.strip()):
        piece = ""
        for character in word:
            if piece and _BREAK_AFTER.match(piece[-1]) and character not in _NOT_FIRST and character != " ":
                pieces.append(piece)
                piece = ""
            piece += character
        pieces.append(piece)
    return pieces


def _fill(pieces: Sequence[str], measure: Callable[[str], float], width: float) -> list[str] | None:
    lines: list[str] = []
    line = ""
    for piece in pieces:
        if line and measure((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
        if line == piece and measure(piece.rstrip()) > width:
            return None
    lines.append(line.rstrip())
    return lines
