"""Which text can be set, and how it is broken into lines of a size that fits: measured, never guessed.

Nothing is substituted: a missing character, or a script that needs shaping we do not do, is an error that names it.
Japanese and Chinese break between characters, but for what may not begin a line (、。」っ) or end one (「).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.errors import MediaError
from infra.media.typeface import IGNORABLE, Typeface
from manifests.scripts import script_of

# Marks, small kana and the prolonged sound do not begin a line; opening brackets do not end one (JIS X 4051).
_NOT_FIRST = frozenset(
    "、。，．・：；？！）］｝〕〉》」』】〙〗〟’”»ゝゞ々〻ーヽヾ‐–—…‥〜～゠％‰℃"  # noqa: RUF001 Japanese marks
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ"
    "｡､･｣ｧｨｩｪｫｬｭｮｯｰﾞﾟ,.;:!?)]}%¢°"
)
_NOT_LAST = frozenset("（［｛〔〈《「『【〘〖〝‘“«([{｢￥＄£¥$€#№")  # noqa: RUF001
_CLOSES = frozenset("、。，．：；？！）］｝〕〉》」』】…‥")  # noqa: RUF001
_TOGETHER = frozenset("—…‥")  # two of them are one mark
_SPACES = " \t\u3000"  # a no-break space does not part
_SHAPED = (
    (0x0900, 0x0DFF, "an Indic script"),
    (0x0E00, 0x0EFF, "Thai or Lao"),
    (0x0F00, 0x109F, "Tibetan or Burmese"),
    (0x1780, 0x18AF, "Khmer or Mongolian"),
    (0x1900, 0x1CFF, "a script of South-East Asia"),
    (0x1100, 0x11FF, "Korean in single strokes"),
    (0xA800, 0xA95F, "an Indic script"),
    (0xA980, 0xABFF, "an Indic script"),
    (0x11000, 0x11FFF, "an Indic script"),
)
NO_GLYPH_REMEDY = "name a font for this script under `fonts` in the brand kit, or write it without these characters"
SHRINK = 0.96  # from one size that is tried to the next

Measure = Callable[[str, float], float]  # width in pixels of a text at a size


@dataclass(frozen=True)
class Setting:
    """Text as it will be drawn: its lines and their size in pixels (of the em)."""

    lines: tuple[str, ...]
    size: float
    width: float  # of the widest line


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


def check_text(face: Typeface, text: str) -> str:
    """The text in the form it is set in. Raises MediaError naming the character that stands in the way."""
    plain = "".join(c for c in unicodedata.normalize("NFC", text) if c not in IGNORABLE)
    if not plain.strip():
        raise MediaError("there is no text to set", remedy="write some, or take the graphic out")
    problem = unsettable_script(text)
    if problem:
        raise MediaError(
            f"{text!r} cannot be set: {problem}", remedy="have this graphic drawn by hand and given as an image"
        )
    missing = face.missing(text)
    if missing:
        named = ", ".join(name_of(c) for c in missing[:5])
        raise MediaError(f"{face.lacks(named)}, needed for {text!r}", remedy=NO_GLYPH_REMEDY)
    return plain


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
    """Lines no wider than `width`; None if `most` are not enough. Line feeds are kept. Japanese parts between phrases
    where that does, else between any two characters that may part."""
    paragraphs = [split_pieces(part) for part in text.splitlines() if part.strip()]
    return _balance([_join_phrases(pieces) for pieces in paragraphs], measure, width, most) or _balance(
        paragraphs, measure, width, most
    )


def _balance(
    paragraphs: Sequence[list[str]], measure: Callable[[str], float], width: float, most: int
) -> list[str] | None:
    """Lines as equal as they can be."""
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


def split_pieces(text: str) -> list[str]:
    """What must stay together, each with the space that follows it."""
    pieces: list[str] = []
    for character in text.strip(" \t"):
        if pieces and not may_part(pieces[-1][-1], character):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def may_part(last: str, character: str) -> bool:
    """Whether a line may end with `last` and the next begin with `character`."""
    if character in _SPACES or last in _SPACES:
        return last in _SPACES and character not in _SPACES
    if character in _NOT_FIRST or last in _NOT_LAST or (last == character and last in _TOGETHER):
        return False
    if last.isdigit():  # 3分
        return False
    if character.isdigit():
        return _breaks(last) and last not in "第約"
    return _breaks(last) or _breaks(character)


def _breaks(character: str) -> bool:
    """Whether lines break beside it without a space. Korean has spaces."""
    return script_of(character) in {"kana", "han", "wide", "bopomofo"}


def _join_phrases(pieces: Sequence[str]) -> list[str]:
    """Japanese marks no words; but a phrase ends with a mark, or with hiragana before what is none."""
    phrases: list[str] = []
    for piece in pieces:
        if phrases and not ends_phrase(phrases[-1], piece):
            phrases[-1] += piece
        else:
            phrases.append(piece)
    return phrases


def ends_phrase(before: str, piece: str) -> bool:
    """Whether a line that ends with `before` breaks well, when `piece` is next. Words with spaces do always."""
    last, first = before[-1], piece[0]
    if not (_breaks(last) or _breaks(first)) or last in _SPACES:
        return True
    if _is_hiragana(last):
        return not _is_hiragana(first) and before not in {"お", "ご"}  # お湯, ご飯
    return last in _CLOSES and not (last in "）］｝〕〉》」』】" and _is_hiragana(first))  # noqa: RUF001


def _is_hiragana(character: str) -> bool:
    return "\u3041" <= character <= "\u309f"


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
