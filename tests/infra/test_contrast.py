"""Contrast of words measured on what is under them, against values worked out by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from infra.errors import MediaError
from infra.media import contrast, graphics
from infra.media.contrast import measure_contrast
from infra.media.layers import write_card
from infra.media.steps import run_step_process
from tasks.contrast import contrast_notice

PAPER = (0xF4, 0xEF, 0xE6)
COLOURS = {"ink": "#16221C", "paper": "#F4EFE6", "accent": "#2E6B4F"}
W, H = 960, 540


def overlay(*, shade: float = 0.0) -> npt.NDArray[np.uint8]:
    """Two upright strokes, 8 pixels wide, 120 apart, on a black ground of that opacity."""
    picture = np.zeros((60, 200, 4), np.uint8)
    picture[..., 3] = round(255 * shade)
    for left in (20, 140):
        picture[10:50, left : left + 8] = (*PAPER, 255)
    return picture


def ground(left: int, right: int) -> npt.NDArray[np.uint8]:
    """Grey of one value left of the middle, of another right of it."""
    picture = np.full((60, 200, 3), left, np.uint8)
    picture[:, 100:] = right
    return picture


def luminance(rgb: tuple[float, float, float]) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(under: float) -> float:
    return (luminance(PAPER) + 0.05) / (luminance((under, under, under)) + 0.05)


def measured(*grounds: npt.NDArray[np.uint8], shade: float = 0.0) -> contrast.Measured:
    found = measure_contrast(overlay(shade=shade), grounds, letters=PAPER, size=40)
    assert found is not None
    return found


def test_the_worst_part_of_the_worst_frame_counts() -> None:
    assert measured(ground(0, 0)).ratio == pytest.approx(ratio(0), rel=0.001)
    assert measured(ground(0, 128)).ratio == pytest.approx(ratio(128), rel=0.001)  # not the mean of both halves
    worst = measured(ground(0, 0), ground(160, 0), ground(0, 90))
    assert worst.at == 1
    assert worst.ratio == pytest.approx(ratio(160), rel=0.001)


def test_light_ground_is_as_bad_as_no_ground() -> None:
    assert measured(ground(235, 235)).ratio < 1.1
    assert measured(ground(255, 255)).ratio == pytest.approx(1 / ratio(255), rel=0.001)  # the ground is the lighter


def test_the_shade_is_laid_before_it_is_measured() -> None:
    assert measured(ground(255, 255), shade=0.6).ratio == pytest.approx(ratio(255 * 0.4), rel=0.01)


def test_letters_too_thin_to_measure_give_nothing() -> None:
    faint = overlay()
    faint[..., 3] = np.minimum(faint[..., 3], 200)
    assert measure_contrast(faint, [ground(0, 0)], letters=PAPER, size=40) is None


# --- as a step, on real files ---


def film(path: Path, values: list[int]) -> Path:
    """A clip of plain greys, one for each frame."""
    pictures = [np.full((H, W, 3), value, np.uint8) for value in values]
    write_card(path, iter((picture, None) for picture in pictures), Fraction(24))
    return path


def words(out: Path, **given: Any) -> dict[str, Any]:
    out.mkdir()
    usual = {"kind": "super", "text": "Boils now", "width": W, "height": H, "rate": "24", "frames": 24}
    return graphics.run(graphics.Params.model_validate({**usual, "colours": COLOURS, **given}), {}, out)


def params(facts: dict[str, Any], *under: dict[str, Any]) -> contrast.Params:
    place = {name: facts[name] for name in ("frames", "x", "y", "text_height")}
    return contrast.Params.model_validate({**place, "rate": "24", "letters": "#F4EFE6", "under": under})


def test_a_flash_in_the_last_frame_under_the_words_is_found(tmp_path: Path) -> None:
    facts = words(tmp_path / "w")
    files = {
        "overlay": tmp_path / "w/overlay.mov",
        "clip0": film(tmp_path / "a.mov", [30] * 20),
        "clip1": film(tmp_path / "b.mov", [30] * 11 + [255] + [30] * 6),
    }
    first = {"input": "clip0", "first": 8, "frames": 12}
    found = contrast.run(params(facts, first, {"input": "clip1", "first": 0, "frames": 12}), files, tmp_path)
    assert (found["input"], found["frame"]) == ("clip1", 11)
    calm = contrast.run(params(facts, first, {"input": "clip1", "first": 0, "frames": 11}), files, tmp_path)
    assert isinstance(calm["contrast"], float)
    assert isinstance(found["contrast"], float)
    assert calm["contrast"] > 10 > 5 > found["contrast"] >= 3.0  # the shade holds even on white


@pytest.mark.parametrize(("kind", "least"), [("super", 3.0), ("legal", 4.5), ("caption", 4.5), ("label", 4.5)])
def test_our_own_grounds_hold_on_white(tmp_path: Path, kind: str, least: float) -> None:
    facts = words(tmp_path / "w", kind=kind, text="Hill mill 0.7", width=1920, height=1080)
    white = np.full((facts["height"], facts["width"], 3), 255, np.uint8)
    with av.open(str(tmp_path / "w/overlay.mov")) as container:
        standing = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)][12]
    found = measure_contrast(standing, [white], letters=PAPER, size=facts["text_height"])
    assert found is not None
    assert found.ratio >= least


async def test_as_a_step_of_its_own(tmp_path: Path) -> None:
    facts = words(tmp_path / "w", kind="caption")
    files = {"overlay": tmp_path / "w/overlay.mov", "clip0": film(tmp_path / "a.mov", [200] * 24)}
    told = params(facts, {"input": "clip0", "first": 0, "frames": 24}).model_dump(mode="json")
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    outcome = await run_step_process("contrast", told, files, tmp_path / "good")
    assert outcome.facts["contrast"] >= 4.5
    assert outcome.facts["frames"] == 5
    assert not outcome.files
    with pytest.raises(MediaError, match="smaller than the words"):
        await run_step_process("contrast", told | {"x": 900}, files, tmp_path / "bad")


def test_a_notice_names_the_words_and_the_place() -> None:
    assert contrast_notice("super", "Boils", "meta-reels 9:16", 3.0) is None
    assert contrast_notice("legal", "*0.7 litre", "meta-reels 9:16", None) is None
    assert contrast_notice("legal", "*0.7 litre", "meta-reels 9:16", 3.0) == (
        "'*0.7 litre' is hard to read in meta-reels 9:16: contrast 3.0:1 at its worst, 4.5:1 is wanted"
    )
