"""File names: made, read back, and every clash or length found over a whole campaign before anything is paid."""

from __future__ import annotations

import re
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.adnames import (
    Fields,
    UnusableNameError,
    check_pattern,
    content_id,
    default_pattern,
    name_file,
    parse_pattern,
)
from manifests.diagnostics import Diagnostic, Where
from manifests.naming import DEFAULT_NAME
from manifests.ratecard import load_profiles

PROFILES = load_profiles()
SHEET = "{brand}_{campaign}_{product}_{hook}_{locale}_{ratio}_{duration}s_{profile}_v{version}"
AXES = {"product": ("kettle-green", "pot-clay"), "hook": ("cold", "gift"), "locale": ("en-GB", "ja-JP")}
HERE = Where("winter.yaml", 90, 1)
FILE: Fields = {
    "brand": "alder", "campaign": "winter", "product": "kettle-green", "hook": "cold", "locale": "en-GB",
    "ratio": "9:16", "duration": 15, "profile": "meta-reels", "version": 1,
}  # fmt: skip

words = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True)
ratios = st.sampled_from(["16:9", "9:16", "1:1", "4:5", "2:3"])
locales = st.sampled_from(["en-GB", "de-DE", "ja-JP", "zh-Hant-TW", "es-419"])
files = st.fixed_dictionaries(
    {
        "brand": words, "campaign": words, "product": words, "hook": words, "locale": locales, "ratio": ratios,
        "duration": st.integers(0, 900).map(str), "profile": st.sampled_from(sorted(PROFILES)),
        "version": st.integers(1, 120).map(str),
    },
    optional={"spot": words, "id": st.from_regex(r"[a-z0-9]{6}", fullmatch=True)},
)  # fmt: skip


def check(text: str, made: list[Fields], axes: dict[str, tuple[str, ...]] | None = None) -> tuple[Diagnostic, ...]:
    return check_pattern(text, AXES if axes is None else axes, made, HERE, PROFILES)


def test_the_name_of_the_sheet() -> None:
    name = parse_pattern(SHEET, AXES).format(FILE)
    assert name == "alder_winter_kettle-green_cold_en-GB_9x16_15s_meta-reels_v01"
    assert parse_pattern(SHEET, AXES).read(name) == {**FILE, "duration": "15", "version": "1"}


@given(files)
def test_a_name_is_read_back(file: dict[str, str]) -> None:
    pattern = parse_pattern(SHEET, {"product": (), "hook": (), "locale": ()})
    name = pattern.format(file)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,120}", name)
    assert pattern.read(name) == {key: value for key, value in file.items() if key not in ("spot", "id")}


@given(files, st.sets(st.sampled_from(["product", "hook", "locale", "spot"])))
def test_parts_that_a_file_does_not_have_are_left_out_and_still_read(file: dict[str, str], without: set[str]) -> None:
    """What is left out is told from what stands there by the values that are known."""
    axes = {"product": ("kettle", "pot"), "hook": ("cold", "late"), "locale": ("en-GB", "de-DE")}
    file = {**file, "product": "pot", "hook": "cold", "locale": "de-DE"}
    file = {key: value for key, value in file.items() if key not in without}
    pattern = parse_pattern(SHEET, axes)
    name = pattern.format(file)
    assert "__" not in name
    assert pattern.read(name) == {key: value for key, value in file.items() if key not in ("spot", "id")}


@given(files)
def test_without_variants_a_name_is_what_it_always_was(file: dict[str, str]) -> None:
    assert default_pattern() == DEFAULT_NAME
    before = "{brand}_{campaign}_{ratio}_{duration}s_{profile}_v{version:0>2}".format(**file).replace(":", "x")
    assert parse_pattern(default_pattern()).format(file) == before


def test_the_pattern_that_is_used_where_none_is_written() -> None:
    assert default_pattern(("product", "hook", "locale", "ratio")) == SHEET
    assert default_pattern(("locale",), spots=3) == (
        "{brand}_{campaign}_{spot}_{locale}_{ratio}_{duration}s_{profile}_v{version}"
    )


def test_two_fields_in_one_part() -> None:
    pattern = parse_pattern("{brand}_{ratio}-{duration}s_{product}-v{version}", AXES)
    name = pattern.format({**FILE, "version": 7})
    assert name == "alder_9x16-15s_kettle-green-v07"
    assert pattern.read(name)["product"] == "kettle-green"
    assert str(pattern) == "{brand}_{ratio}-{duration}s_{product}-v{version}"


def test_an_axis_with_a_line_in_its_name_and_values_with_colons() -> None:
    pattern = parse_pattern("{campaign}_{crop_to}_{ratio}", {"crop_to": ("4:5", "x-y")})
    name = pattern.format({**FILE, "crop_to": "4:5"})
    assert name == "winter_4x5_9x16"
    assert pattern.read(name) == {"campaign": "winter", "crop_to": "4:5", "ratio": "9:16"}


BAD_PATTERNS = [
    ("{brand}_{prodct}", "there is no field {prodct}; did you mean `product`?"),
    ("{brand}_{brand}", "{brand} stands in the name twice"),
    ("{brand}__{profile}", "two `_` stand together"),
    ("{brand}_", "one stands at an end"),
    ("", "one stands at an end"),
    ("{brand}/{profile}", "characters that ad servers refuse"),
    ("my film {profile}", "characters that ad servers refuse"),
    ("{brand}{campaign}", "cannot be read back"),
    ("{brand", "characters that ad servers refuse"),
]


@pytest.mark.parametrize(("text", "said"), BAD_PATTERNS)
def test_a_pattern_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(UnusableNameError) as caught:
        parse_pattern(text, AXES)
    assert said in str(caught.value)
    (found,) = check(text, [FILE])
    assert (found.summary, found.address, found.where, found.exit_code) == ("unusable name", "naming", HERE, 2)
    assert said in found.detail
    assert found.remedy.endswith("{product}_{hook}_{locale}_{ratio}_{duration}s_{profile}_v{version}")


BAD_FIELDS: list[tuple[Fields, str, str]] = [
    ({"campaign": "Winter"}, "campaign", "'Winter' cannot stand for {campaign} in a name: lower-case letters"),
    ({"hook": "a_b"}, "hook", "'a_b' cannot stand for {hook}"),
    ({"hook": "café"}, "hook", "'café' cannot stand for {hook}"),
    ({"hook": "-x"}, "hook", "'-x' cannot stand for {hook}"),
    ({"locale": "en_GB"}, "locale", "'en_GB' cannot stand for {locale} in a name: letters, digits"),
    ({"ratio": "wide"}, "ratio", "such as 9:16 only"),
    ({"duration": "7.5"}, "duration", "whole seconds only"),
    ({"version": None}, "version", "{version} is empty, and every file has one"),
    ({"campaign": "w" * 90}, "campaign", "at most 120 are taken; the longest is {campaign}"),
]


@pytest.mark.parametrize(("change", "blamed", "said"), BAD_FIELDS)
def test_a_name_that_cannot_be_names_its_field(change: Fields, blamed: str, said: str) -> None:
    with pytest.raises(UnusableNameError) as caught:
        parse_pattern(SHEET, AXES).format({**FILE, **change})
    assert caught.value.field == blamed
    assert said in str(caught.value)


def test_half_a_part_is_not_guessed() -> None:
    pattern = parse_pattern("{brand}_{product}-{hook}", AXES)
    with pytest.raises(UnusableNameError, match=r"\{hook\} is empty, and the rest of `\{product\}-\{hook\}` is not"):
        pattern.format({**FILE, "hook": None})
    assert pattern.format({**FILE, "hook": None, "product": None}) == "alder"


def test_names_of_another_pattern_and_names_with_two_meanings() -> None:
    pattern = parse_pattern(SHEET, AXES)
    for name in ("", "alder", "alder_winter_9x16", "alder_winter_teapot_cold_en-GB_9x16_15s_meta-reels_v01"):
        with pytest.raises(UnusableNameError, match="is not a name by the pattern"):
            pattern.read(name)
    unknown = parse_pattern(SHEET, {"product": (), "hook": (), "locale": ()})
    with pytest.raises(UnusableNameError, match="two ways") as caught:
        unknown.read("alder_winter_cold_9x16_15s_meta-reels_v01")
    assert caught.value.field in AXES
    joined = parse_pattern("{brand}-{campaign}")
    assert joined.read("alder-winter") == {"brand": "alder", "campaign": "winter"}
    with pytest.raises(UnusableNameError, match="two ways"):
        joined.read("alder-winter-30")


# --- all files of a campaign ---


def cells(products: int, hooks: int, locales_: int) -> list[Fields]:
    made = product(range(products), range(hooks), range(locales_), ["16:9", "9:16"])
    return [{**FILE, "product": f"p{p}", "hook": f"h{h}", "locale": f"l{n}", "ratio": r} for p, h, n, r in made]


def test_a_good_campaign_has_no_problem() -> None:
    assert check(SHEET, cells(3, 2, 2)) == ()
    assert check(SHEET + "_{id}", [FILE]) == ()  # known when the file is made


def test_an_axis_that_is_missing_makes_two_files_share_a_name() -> None:
    (found,) = check(SHEET.replace("{hook}_", ""), cells(2, 2, 1))
    assert found.detail == (
        "alder_winter_p0_l0_9x16_15s_meta-reels_v01 is the name of two files (and 3 more); what differs is hook"
    ) or found.detail.startswith("alder_winter_p0_l0_16x9_15s_meta-reels_v01 is the name of two files (and 3 more)")
    assert found.remedy == "put {hook} into `naming`"
    (found,) = check(SHEET, [FILE, dict(FILE)])
    assert "they are the same file" in found.detail
    (found,) = check("{product}_{profile}", [{**FILE, "locale": "en-GB"}, {**FILE, "locale": "ja-JP", "hook": "gift"}])
    assert found.remedy == "put {hook} and {locale} into `naming`"
    shared = check("{campaign}_{locale}", [{**FILE, "locale": "en-gb"}, {**FILE, "locale": "en-GB"}])
    assert len(shared) == 1, "some file systems take them for one"


def test_each_cause_is_told_once() -> None:
    made = [{**file, "campaign": "Winter"} for file in cells(5, 5, 2)]
    (found,) = check(SHEET, made)
    assert "(and 99 more)" in found.detail
    assert "{campaign}" in found.remedy
    long: list[Fields] = [{**FILE, "hook": "h" * n} for n in range(80, 89)]
    first, second = check(SHEET, [*long, {**FILE, "product": "Pot"}])
    assert "at most 120 are taken; the longest is {hook} (and 8 more)" in first.detail
    assert f"{'h' * 88}" in first.detail
    assert "'Pot' cannot stand for {product}" in second.detail


def test_broadcasters_take_the_ad_id_and_nothing_else() -> None:
    us = PROFILES["broadcast-us"]
    pattern = parse_pattern(SHEET, AXES)
    tv: Fields = {**FILE, "profile": "broadcast-us", "ratio": "16:9"}
    assert name_file(pattern, us, {**tv, "ad_id": "ALDR0001000H"}) == "ALDR0001000H"
    assert name_file(pattern, PROFILES["meta-reels"], {**FILE, "ad_id": "ALDR0001000H"}).startswith("alder_")
    for ad_id, said in ((None, "there is none"), ("ALDR-1", "letters and digits"), ("A" * 13, "takes at most 12")):
        with pytest.raises(UnusableNameError, match=said) as caught:
            name_file(pattern, us, {**tv, "ad_id": ad_id})
        assert caught.value.field == "ad_id"
        (found,) = check(SHEET, [{**tv, "ad_id": ad_id}])
        assert "`ad_id`" in found.remedy
    (found,) = check(SHEET, [{**tv, "ad_id": "ALDR1"}, {**tv, "ad_id": "aldr1", "product": "pot-clay"}])
    assert found.detail.startswith("aldr1 is the name of two files")


def test_twenty_thousand_files_are_checked_in_half_a_second() -> None:
    made = cells(50, 20, 10)
    assert len(made) == 20_000
    best = 9.0
    for _ in range(3):
        began = time.process_time()
        assert check(SHEET, made) == ()
        best = min(best, time.process_time() - began)
    assert best < 0.5


@given(st.binary(min_size=32, max_size=32))
def test_a_content_id_follows_from_the_digest(raw: bytes) -> None:
    assert re.fullmatch(r"[a-z0-9]{6}", content_id(raw.hex()))
    assert content_id(raw.hex()) == content_id(raw.hex().upper())


def test_content_ids_differ() -> None:
    assert len({content_id(f"{n:064x}") for n in range(5000)}) == 5000
