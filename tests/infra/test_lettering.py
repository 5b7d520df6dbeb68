"""Words in other scripts than Latin, and captions in the picture: how they break, which font draws them, where they
stand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.drawing import check_layout
from infra.errors import MediaError
from infra.media import graphics
from infra.media.lettering import draw_line, measure_with
from infra.media.type_setting import check_text, fit_text, may_part
from infra.media.typeface import FALLBACK_FONT, Typeface, characters_of, open_typeface
from manifests.ratecard import load_profiles

BRAND = Path(__file__).parents[2] / "manifests" / "examples" / "brand"
LATIN, JAPANESE = BRAND / "fonts/OpenSans-Semibold.ttf", BRAND / "fonts/NotoSansJP-Bold.otf"
FONTS = {"font": LATIN, "font_japanese": JAPANESE}
COLOURS = {"ink": "#16221C", "paper": "#F4EFE6", "accent": "#2E6B4F"}
CARD = {**FONTS, "template": BRAND / "cards/plain.svg", "logo_dark": BRAND / "logo-dark.png"}


def params(**given: Any) -> graphics.Params:
    usual = {"kind": "super", "width": 1920, "height": 1080, "rate": "24", "frames": 2, "colours": COLOURS}
    return graphics.Params.model_validate(usual | {"fade_frames": 0} | given)


def render(out: Path, fonts: dict[str, Path] = FONTS, **given: Any) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    return graphics.run(params(**given), fonts, out)


def frame(path: Path) -> npt.NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgba")


# --- which font draws what ---


def drawn_by(face: Typeface, text: str) -> list[tuple[str, str]]:
    return [(path.name.partition("-")[0], run) for path, run in face.runs(text)]


def test_japanese_text_is_drawn_in_one_font_with_its_latin_letters_and_digits() -> None:
    face = open_typeface(FONTS, "Alderなら3分。")
    assert face.main == "japanese"
    assert drawn_by(face, "Alderなら3分。") == [("NotoSansJP", "Alderなら3分。")]
    assert drawn_by(face, "Alder") == [("NotoSansJP", "Alder")]  # a line of it, too


def test_what_the_main_font_lacks_comes_from_another_of_the_kit() -> None:
    assert ord("ș") not in characters_of(JAPANESE)
    face = open_typeface(FONTS, "毎日șです")
    assert drawn_by(face, "毎日șです") == [("NotoSansJP", "毎日"), ("OpenSans", "ș"), ("NotoSansJP", "です")]
    assert face.missing("毎日șです☃") == "☃"


def test_latin_text_never_opens_another_font() -> None:
    assert drawn_by(open_typeface(FONTS, "Boils in 3 minutes"), "Boils in 3 minutes") == [
        ("OpenSans", "Boils in 3 minutes")
    ]
    assert open_typeface({}, "Every day").files == (("latin", FALLBACK_FONT),)


def test_letters_of_each_script_have_their_own_font_and_marks_go_with_their_neighbours() -> None:
    text = "Утро, Alder: 3!"
    face = open_typeface({"font": LATIN, "font_cyrillic": FALLBACK_FONT}, text)
    assert drawn_by(face, text) == [("Inter", "Утро, "), ("OpenSans", "Alder: 3!")]


def test_runs_of_two_fonts_stand_side_by_side_on_one_baseline() -> None:
    face = Typeface((("japanese", JAPANESE), ("latin", LATIN)), "japanese")
    measure = measure_with(face)
    assert measure("毎ș日", 40) == pytest.approx(measure("毎", 40) + measure("ș", 40) + measure("日", 40))
    both, base = draw_line(face, "毎ș", 40, margin=4)
    alone, alone_base = draw_line(face, "毎", 40, margin=4)
    right = 4 + int(measure("毎", 40))
    assert np.abs(both[base - 30 : base + 6, :right] - alone[alone_base - 30 : alone_base + 6, :right]).max() < 0.01
    assert both[base - 26 : base, right + 1 :].max() > 0.9


@pytest.mark.parametrize("text", ["شاي", "תה", "ชา", "चाय", "ம", "ᄒᆞᆫ", "𑀓"])
def test_scripts_that_need_shaping_are_refused_whatever_the_kit_has(text: str) -> None:
    with pytest.raises(MediaError, match="cannot be set"):
        check_text(open_typeface(FONTS, text), text)


def test_no_font_of_the_kit_is_named_when_none_has_the_glyph() -> None:
    with pytest.raises(MediaError, match=r"neither NotoSansJP-Bold\.otf nor OpenSans-Semibold\.ttf has '☃' \(U\+2603"):
        check_text(open_typeface(FONTS, "毎日☃"), "毎日☃")


def test_the_example_has_the_characters_that_everyday_japanese_needs() -> None:
    known = characters_of(JAPANESE)
    level_one = [bytes((row + 0xA0, cell + 0xA0)).decode("euc_jp") for row in range(16, 47) for cell in range(1, 95)]
    marks = "、。「」『』（）・ー～※①％￥々塡剝頰𠮟㈱㎏"  # noqa: RUF001
    assert [c for c in [*level_one, *marks] if ord(c) not in known] == []
    assert JAPANESE.stat().st_size < 2_000_000
    assert "SIL OPEN FONT LICENSE" in JAPANESE.with_name("NotoSansJP-LICENSE.txt").read_text()


@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\u00ad\u2060 "])
def test_nothing_to_read_is_an_error(text: str) -> None:
    with pytest.raises(MediaError, match="no text to set"):
        check_text(open_typeface(FONTS, text), text)


# --- how Japanese breaks ---


def square(text: str, size: float) -> float:
    return sum(size if ord(c) > 0x2E80 else size / 2 for c in text)


def lines(text: str, columns: int, most: int = 9) -> tuple[str, ...]:
    return fit_text(text, square, width=columns * 10, size=10, floor=10, most_lines=most).lines


def test_lines_break_between_phrases_where_that_fits() -> None:
    assert lines("Alderのケトルなら、お湯が沸くまで約3分。「毎日」を使いやすく。", 11, 3) == (
        "Alderのケトルなら、",
        "お湯が沸くまで約3分。",
        "「毎日」を使いやすく。",
    )


def test_a_phrase_longer_than_a_line_breaks_between_characters() -> None:
    assert lines("東京都千代田区霞が関", 6) == ("東京都千代", "田区霞が関")
    with pytest.raises(MediaError, match="does not fit: 1 line"):
        lines("東京都千代田区霞が関", 6, 1)


TOGETHER = ["毎、", "毎。", "た」", "あっ", "カー", "人々", "「毎", "（火", "3分", "第3", "……", "100"]  # noqa: RUF001


@pytest.mark.parametrize("pair", TOGETHER)
def test_what_belongs_together_is_not_parted(pair: str) -> None:
    assert not any(may_part(a, b) for a, b in itertools.pairwise(pair))


@pytest.mark.parametrize("pair", ["毎日", "、毎", "」を", "の「", "Hで", "でI", "は3"])
def test_other_characters_may_part(pair: str) -> None:
    assert may_part(*pair)


japanese = st.text(alphabet="毎日湯沸くまでのっャー、。「」（）3分Alder ", min_size=1, max_size=60).filter(str.strip)  # noqa: RUF001


@settings(max_examples=200)
@given(japanese, st.integers(12, 30))
def test_no_line_begins_or_ends_with_what_must_not(text: str, columns: int) -> None:
    try:
        found = lines(text, columns)
    except MediaError:
        return
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert all(square(line, 10) <= columns * 10 for line in found)
    for before, after in itertools.pairwise(found):
        if not text.count(" "):
            assert after[0] not in "、。」）っャー"  # noqa: RUF001
            assert before[-1] not in "「（"  # noqa: RUF001
            assert not before[-1].isdigit()


# --- in the picture ---


@pytest.mark.parametrize("ratio", ["16:9", "9:16"])
def test_japanese_supers_and_legal_lines_stand_in_the_safe_area(tmp_path: Path, ratio: str) -> None:
    width, height = {"16:9": (960, 540), "9:16": (540, 960)}[ratio]
    for kind, text in (("super", "お湯が沸くまで三分。毎日を使いやすく。"), ("legal", "※0.7リットル、中火で測定。")):
        facts = render(tmp_path / kind, kind=kind, text=text, width=width, height=height, place="bottom")
        letters = frame(tmp_path / kind / "overlay.mov")
        rows, columns = np.nonzero((letters[..., 3] > 230) & (letters[..., 0] > 220))
        assert rows.size > 100
        assert facts["y"] + rows.max() < 0.95 * height
        assert facts["x"] + columns.min() >= 0.05 * width
        assert facts["x"] + columns.max() < 0.95 * width


def test_a_japanese_headline_makes_room_for_the_line_below_it(tmp_path: Path) -> None:
    """In two lines it would run into the legal line: it is set in one, smaller."""
    fields = {"headline": "毎日のために、つくられたケトル。", "legal": "Alder Home 株式会社"}
    reels = {"top": "14", "bottom": "35", "left": "6", "right": "6"}
    facts = render(tmp_path, CARD, kind="end-card", fields=fields, width=1080, height=1920, safe=reels)
    assert facts["lines"] == list(fields.values())


def test_texts_of_a_card_that_meet_at_every_size_are_an_error(tmp_path: Path) -> None:
    template = tmp_path / "card.svg"
    template.write_text(CARD["template"].read_text().replace('y="760"', 'y="690"'))
    with pytest.raises(MediaError, match=r"'Every day\.' and 'alder\.example' run into each other"):
        render(
            tmp_path,
            CARD | {"template": template},
            kind="end-card",
            fields={"headline": "Every day.", "legal": "alder.example"},
        )


# --- captions ---

FULL = "Some mornings ask for nothing at all, yes,\nand then the kettle simply boils on its own"  # 2 × 42


def box(facts: dict[str, Any], path: Path) -> tuple[int, int, int, int]:
    """Of what is seen: left, top, right, bottom."""
    rows, columns = np.nonzero(frame(path / "overlay.mov")[..., 3] > 90)
    x, y = facts["x"], facts["y"]
    return x + columns.min(), y + rows.min(), x + columns.max() + 1, y + rows.max() + 1


@pytest.mark.parametrize("name", sorted(load_profiles()))
def test_captions_are_lowest_and_touch_nothing_in_any_profile(tmp_path: Path, name: str) -> None:
    profile = load_profiles()[name]
    safe = {k: v for k, v in profile.safe_area.model_dump().items() if k in {"top", "bottom", "left", "right"}}
    for number, (width, height) in enumerate(profile.sizes.values()):
        if max(width, height) > 1920:
            continue
        frame_of = {"width": width, "height": height, "safe": safe, "frames": 1}
        caption = render(tmp_path / f"c{number}", kind="caption", text=FULL, **frame_of)
        assert len(caption["lines"]) == 2
        left, top, right, bottom = box(caption, tmp_path / f"c{number}")
        edge = height * (1 - float(safe["bottom"]) / 100)
        assert edge - 2 <= bottom <= edge
        assert left >= width * float(safe["left"]) / 100
        assert right <= width * (1 - float(safe["right"]) / 100)
        legal = params(kind="legal", text="*0.7 litre.", place="bottom", over_captions=True, **frame_of)
        letters, setting = graphics._words(legal, open_typeface(FONTS, "x"))
        low = letters[1].y + np.flatnonzero(letters[1].coverage.max(axis=1) > 0.05).max()
        assert low < top, setting


def test_supers_stand_where_they_did_when_no_captions_are_burned(tmp_path: Path) -> None:
    low = render(tmp_path / "a", text="Every day", place="bottom")
    high = render(tmp_path / "b", text="Every day", place="bottom", over_captions=True)
    third = [render(tmp_path / n, kind="lower-third", text="Jo\nBaker", over_captions=n == "d") for n in "cd"]
    assert high["y"] + high["height"] < low["y"] + low["height"] - 0.1 * 1080
    assert third[1]["y"] < third[0]["y"] - 0.1 * 1080


def test_captions_have_one_size_through_the_film(tmp_path: Path) -> None:
    short = render(tmp_path / "a", kind="caption", text="Just water.")
    full = render(tmp_path / "b", kind="caption", text=FULL)
    japanese = render(tmp_path / "c", kind="caption", text="朝は何も求めない。\nケトルがあれば、それで十分です。")
    assert short["text_height"] == full["text_height"] == japanese["text_height"]
    assert japanese["lines"] == ["朝は何も求めない。", "ケトルがあれば、それで十分です。"]


def test_a_caption_stands_at_once_on_dark_ground(tmp_path: Path) -> None:
    facts = render(tmp_path, kind="caption", text="Just water.", frames=3)
    first = frame(tmp_path / "overlay.mov")
    assert facts["opaque"] is False
    middle = first[first.shape[0] // 2, 12]  # ground, left of the letters
    assert middle[3] == pytest.approx(0.76 * 255, abs=2)
    assert middle[:3].max() < 60


def test_a_caption_over_the_end_card_stands_at_the_top(tmp_path: Path) -> None:
    facts = render(tmp_path, kind="caption", text="Just water.", place="top")
    assert facts["y"] in range(54, 57)


def test_a_caption_that_needs_three_lines_is_an_error() -> None:
    with pytest.raises(MediaError, match="does not fit: 2 lines"):
        check_layout(params(kind="caption", text="a long word " * 30).model_dump(mode="json"), FONTS)
