"""The fonts of one text: which of the brand kit's files draws which of its characters.

The main font draws all it can of an East Asian text, Latin letters and digits included; elsewhere each script has its
own. Marks and digits go with their neighbours. Nothing is substituted: what no font has is an error.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from infra.errors import MediaError
from manifests.scripts import EAST_ASIAN, LATIN, main_font, script_of

FALLBACK_FONT = Path(__file__).with_name("fonts") / "Inter-SemiBold.otf"
LATIN_LEADING, EAST_ASIAN_LEADING = 1.22, 1.4  # of the em, from line to line

IGNORABLE = frozenset("\u00ad\u200b\u2060\ufeff")  # soft hyphen, zero-width space, word joiner, byte order mark


@dataclass(frozen=True)
class Typeface:
    """`files`: font file by its name in the kit. `main` is one of them."""

    files: tuple[tuple[str, Path], ...]
    main: str

    @property
    def main_file(self) -> Path:
        return dict(self.files)[self.main]

    def lacks(self, what: str) -> str:
        """For people: that no font has `what`."""
        *others, last = [path.name for _, path in self.files]
        return f"neither {', '.join(others)} nor {last} has {what}" if others else f"the font {last} has no {what}"

    @property
    def leading(self) -> float:
        return EAST_ASIAN_LEADING if self.main in EAST_ASIAN else LATIN_LEADING

    def runs(self, text: str) -> list[tuple[Path, str]]:
        """The text in pieces of one font each."""
        return list(_runs(self, text))

    def missing(self, text: str) -> str:
        """The characters that none of the fonts has, each once, in order. Raises MediaError for a bad font."""
        known = [characters_of(path) for _, path in self.files]
        wanted = (c for c in unicodedata.normalize("NFC", text) if c not in "\r\n\t" and c not in IGNORABLE)
        return "".join(c for c in dict.fromkeys(wanted) if not any(ord(c) in font for font in known))


def open_typeface(inputs: Mapping[str, Path], text: str) -> Typeface:
    """Of a step's inputs: `font` is the Latin one, `font_NAME` that of another script. Without any, our own."""
    files = {"latin" if name == "font" else name[5:]: path for name, path in inputs.items() if name.startswith("font")}
    if LATIN not in files:
        files[LATIN] = FALLBACK_FONT
    return Typeface(tuple(sorted(files.items())), main_font(text, sorted(files)))


def characters_of(font: Path) -> frozenset[int]:
    """The code points that a font has glyphs for. Raises MediaError for a bad font."""
    try:
        state = font.stat()
    except OSError as error:
        raise MediaError(f"{font.name} cannot be read as a font: {error}", remedy="give a .ttf or .otf") from error
    return _characters(os.fspath(font), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=32)
def _characters(name: str, changed: int, size: int) -> frozenset[int]:
    from fontTools.ttLib import TTFont, TTLibError

    font = Path(name)
    try:
        with font.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as opened:
            return frozenset(opened.getBestCmap() or {})
    except (TTLibError, OSError, KeyError, AssertionError) as error:
        raise MediaError(f"{font.name} cannot be read as a font: {error}", remedy="give a .ttf or .otf") from error


@lru_cache(maxsize=4096)
def _runs(face: Typeface, text: str) -> tuple[tuple[Path, str], ...]:
    files = dict(face.files)
    pieces: list[tuple[Path, str]] = []
    for character in text:
        before = pieces[-1][0] if pieces else files[face.main]
        path = next(
            (path for path in _wished(face, files, character, before) if ord(character) in characters_of(path)), before
        )
        if pieces and path == before:
            pieces[-1] = (path, pieces[-1][1] + character)
        else:
            pieces.append((path, character))
    return tuple(pieces)


def _wished(face: Typeface, files: Mapping[str, Path], character: str, before: Path) -> list[Path]:
    script = script_of(character)
    first = before if script == "common" else files.get(script, files[face.main])
    if face.main in EAST_ASIAN and script in {"common", LATIN}:
        first = files[face.main]
    return [first, files[face.main], *files.values()]
