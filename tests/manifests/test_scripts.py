"""Which font of a brand kit sets which text, told from its characters alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.scripts import KIT_FONTS, fonts_for, is_wide, main_font, script_of, unknown_fonts

KIT = ("latin", "japanese", "cyrillic", "greek", "korean", "chinese")


@pytest.mark.parametrize(
    ("text", "locale", "wanted"),
    [
        ("Boils in three minutes", None, ("latin",)),
        ("3:00 — 100 %", None, ("latin",)),
        ("お湯が沸く", None, ("japanese", "latin")),
        ("Alder ケトル", "en-GB", ("japanese", "latin")),
        ("早朝", None, ("japanese", "latin")),  # the kit's own order
        ("早朝", "zh-CN", ("chinese", "latin")),
        ("早朝", "zh-TW", ("chinese", "latin")),
        ("早朝", "ja-JP", ("japanese", "latin")),
        ("早朝の湯", "zh-CN", ("japanese", "latin")),  # kana tells more than the locale
        ("아침", None, ("korean", "latin")),
        ("Утро с Alder", None, ("cyrillic", "latin")),  # noqa: RUF001
        ("Πρωί", None, ("greek", "latin")),
        ("Πρωί и утро снова", None, ("cyrillic", "latin", "greek")),
        ("", None, ("latin",)),
    ],
)
def test_a_text_needs_the_fonts_of_its_scripts_and_no_others(
    text: str, locale: str | None, wanted: tuple[str, ...]
) -> None:
    assert fonts_for(text, KIT, locale) == wanted


def test_a_script_that_the_kit_has_no_font_for_is_tried_in_the_latin_one() -> None:
    assert fonts_for("Утро", ("latin", "japanese")) == ("latin",)
    assert fonts_for("お湯", ("latin",)) == ("latin",)
    assert fonts_for("お湯", ()) == ()
    assert main_font("お湯", ()) == "latin"


def test_traditional_chinese_has_a_font_of_its_own_where_the_kit_has_one() -> None:
    kit = ("chinese", "chinese-traditional", "latin")
    assert main_font("早朝", kit, "zh-Hant-HK") == "chinese-traditional"
    assert main_font("早朝", kit, "zh-CN") == "chinese"
    assert main_font("早朝", ("latin", "chinese-traditional"), "zh-CN") == "chinese-traditional"


def test_fonts_of_unknown_scripts_are_told() -> None:
    assert unknown_fonts({"latin": "a.ttf", "thai": "b.ttf", "japanese": "c.ttf"}) == ["thai"]


@given(st.characters())
def test_every_letter_is_where_unicode_names_it(character: str) -> None:
    name = unicodedata.name(character, "")
    names = {
        "LATIN ": "latin", "GREEK ": "greek", "CYRILLIC ": "cyrillic", "ARMENIAN ": "armenian",
        "GEORGIAN ": "georgian", "CJK UNIFIED": "han", "HIRAGANA LETTER": "kana", "KATAKANA LETTER": "kana",
        "HANGUL SYLLABLE": "hangul",
    }  # fmt: skip
    wanted = next((script for start, script in names.items() if name.startswith(start)), None)
    if wanted and unicodedata.category(character) in {"Lu", "Ll", "Lo"} and ord(character) < 0x10000:
        assert script_of(character) == wanted


def test_wide_is_what_fills_a_square() -> None:
    assert [c for c in "aア湯。、ｱ１！é「아" if is_wide(c)] == list("ア湯。、１！「아")  # noqa: RUF001
    assert set(KIT_FONTS) > {"latin", "japanese"}
