"""Scripts that are written letter by letter, and which font of a brand kit sets a text: by what its characters are.

Pure: knows names of fonts, opens none. What needs shaping is refused where type is set.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

LATIN: Final = "latin"
EAST_ASIAN: Final = ("japanese", "chinese", "chinese-traditional", "korean")  # the fonts that hold Han
KIT_FONTS: Final = (LATIN, "greek", "cyrillic", "armenian", "georgian", *EAST_ASIAN)

# First code point of each stretch, and its script; `common` goes with its neighbours. Han marks are `wide`.
_STRETCHES: Final = (
    (0x0000, "common"), (0x0041, LATIN), (0x005B, "common"), (0x0061, LATIN), (0x007B, "common"),
    (0x00AA, LATIN), (0x00AB, "common"), (0x00BA, LATIN), (0x00BB, "common"), (0x00C0, LATIN), (0x00D7, "common"),
    (0x00D8, LATIN), (0x00F7, "common"), (0x00F8, LATIN), (0x02B0, "common"), (0x0370, "greek"), (0x0400, "cyrillic"),
    (0x0530, "armenian"), (0x0590, "common"), (0x10A0, "georgian"), (0x1100, "hangul"), (0x1200, "common"),
    (0x1C80, "cyrillic"), (0x1C90, "georgian"), (0x1CC0, "common"), (0x1D00, LATIN), (0x1DC0, "common"),
    (0x1E00, LATIN), (0x1F00, "greek"), (0x2000, "common"), (0x2C60, LATIN), (0x2C80, "common"), (0x2D00, "georgian"),
    (0x2D30, "common"), (0x2DE0, "cyrillic"), (0x2E00, "common"), (0x2E80, "han"), (0x2FF0, "wide"), (0x3005, "han"),
    (0x3008, "wide"), (0x3021, "han"), (0x302A, "wide"), (0x3041, "kana"), (0x30FB, "wide"), (0x30FC, "kana"),
    (0x3100, "bopomofo"), (0x3130, "hangul"), (0x3190, "han"), (0x31A0, "bopomofo"), (0x31C0, "han"),
    (0x31F0, "kana"), (0x3200, "wide"), (0x3400, "han"), (0x4DC0, "wide"), (0x4E00, "han"), (0xA000, "common"),
    (0xA640, "cyrillic"), (0xA6A0, "common"), (0xA720, LATIN), (0xA800, "common"), (0xA960, "hangul"),
    (0xA980, "common"), (0xAB30, LATIN), (0xAB70, "common"), (0xAC00, "hangul"), (0xD800, "common"), (0xF900, "han"),
    (0xFB00, LATIN), (0xFB07, "common"), (0xFE30, "wide"), (0xFE50, "common"), (0xFF00, "wide"), (0xFF66, "kana"),
    (0xFFA0, "hangul"), (0xFFE0, "wide"), (0xFFF0, "common"), (0x1B000, "kana"), (0x1B170, "common"),
    (0x20000, "han"), (0x40000, "common"),
)  # fmt: skip
_STARTS: Final = [first for first, _ in _STRETCHES]
_WIDE: Final = frozenset({"kana", "han", "hangul", "bopomofo", "wide"})


@lru_cache(maxsize=8192)
def script_of(character: str) -> str:
    return _STRETCHES[bisect_right(_STARTS, ord(character)) - 1][1]


@lru_cache(maxsize=8192)
def is_wide(character: str) -> bool:
    """Whether it fills a square, as East Asian characters do."""
    return script_of(character) in _WIDE and not "\uff61" <= character <= "\uffdc"


def main_font(text: str, fonts: Sequence[str], locale: str | None = None) -> str:
    """The font of the kit that the text is mostly set in; `latin` when the kit has none for its script.

    Han alone does not tell its language: the locale does, then the kit's own order.
    """
    scripts = Counter(script_of(character) for character in text)
    if any(scripts[script] for script in _WIDE):
        return _east_asian(scripts, fonts, locale)
    letters = {script: count for script, count in scripts.items() if script in fonts}
    return max(letters, key=lambda script: letters[script]) if letters else LATIN


def _east_asian(scripts: Counter[str], fonts: Sequence[str], locale: str | None) -> str:
    held = [font for font in fonts if font in EAST_ASIAN]
    wished = [*_languages(locale)] if not scripts["kana"] and not scripts["hangul"] else []
    wished += ["japanese"] if scripts["kana"] else ["korean"] if scripts["hangul"] else []
    wished += ["chinese", "chinese-traditional"] if scripts["bopomofo"] else []
    return next((font for font in (*wished, *held) if font in held), LATIN)


def _languages(locale: str | None) -> tuple[str, ...]:
    language, _, rest = (locale or "").partition("-")
    if language in {"zh", "yue"}:
        traditional = any(part in {"Hant", "TW", "HK", "MO"} for part in rest.split("-"))
        both = ("chinese-traditional", "chinese")
        return both if traditional else both[::-1]
    return {"ja": ("japanese",), "ko": ("korean",)}.get(language, ())


def fonts_for(text: str, fonts: Sequence[str], locale: str | None = None) -> tuple[str, ...]:
    """The fonts of the kit that this text may need, the main one first, and of the East Asian ones only one: what a
    text does not need must not make it anew."""
    main = main_font(text, fonts, locale)
    scripts = {script_of(character) for character in text}
    needed = [font for font in fonts if font == LATIN or (font in scripts and font not in EAST_ASIAN)]
    return tuple(dict.fromkeys([font for font in (main, *needed) if font in fonts]))


def unknown_fonts(fonts: Iterable[str]) -> list[str]:
    """Fonts of the kit whose script is not set."""
    return [font for font in fonts if font not in KIT_FONTS]
