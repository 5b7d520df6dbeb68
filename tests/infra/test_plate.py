"""Stills: what stands where, in which light, and that pictures which cannot be read are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from infra.errors import MediaError
from infra.media.plate import paint_still

SIZE = (480, 270)
EXAMPLES = Path(__file__).parents[2] / "manifests/examples/refs"


def paint(tmp_path: Path, prompt: str, references: list[tuple[str, Path]], seed: int = 1) -> np.ndarray:
    paint_still(prompt, references, *SIZE, seed, tmp_path / "still.png")
    with Image.open(tmp_path / "still.png") as picture:
        assert picture.size == SIZE
        assert picture.mode == "RGB"
        return np.asarray(picture).astype(float)


@pytest.fixture
def red_thing(tmp_path: Path) -> Path:
    """A cut-out with a thin spout on its left."""
    picture = Image.new("RGBA", (300, 240), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((90, 60, 290, 235), fill=(200, 30, 30, 255))
    draw.line((110, 130, 20, 60), fill=(200, 30, 30, 255), width=14)
    picture.save(tmp_path / "thing.png")
    return tmp_path / "thing.png"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (640, 360), (150, 160, 170))
    ImageDraw.Draw(picture).rectangle((0, 0, 150, 359), fill=(90, 110, 140))
    picture.save(tmp_path / "place.jpg")
    return tmp_path / "place.jpg"


def reds(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] > 1.8 * picture[..., 1]) & (picture[..., 0] > 60)


def middle(mask: np.ndarray) -> float:
    return float(np.flatnonzero(mask.any(axis=0)).mean() / mask.shape[1])


def test_words_place_and_size_the_subject(tmp_path: Path, red_thing: Path, place: Path) -> None:
    both = [("thing", red_thing), ("place", place)]
    left = reds(paint(tmp_path, "the thing, medium shot, in the left third", both))
    right = reds(paint(tmp_path, "the thing, medium shot, in the right third", both))
    assert middle(left) < 0.45
    assert middle(right) > 0.55
    close = reds(paint(tmp_path, "the thing, close shot", both)).sum()
    wide = reds(paint(tmp_path, "the thing, wide shot", both)).sum()
    assert close > 2 * wide > 0


def test_the_place_fills_the_picture_when_alone(tmp_path: Path, place: Path) -> None:
    picture = paint(tmp_path, "the place, wide shot", [("place", place)])
    assert picture[:, :60].mean() < picture[:, 300:].mean() - 15
    assert not reds(picture).any()


def test_mood_words_make_the_light(tmp_path: Path, place: Path) -> None:
    def warmth(mood: str) -> tuple[float, float]:
        picture = paint(tmp_path, f"the place, wide shot, {mood}", [("place", place)])
        return float(picture[..., 0].mean() - picture[..., 2].mean()), float(picture.mean())

    blue, bright, night = warmth("blue hour"), warmth("bright warm morning"), warmth("night")
    assert blue[0] < bright[0] - 10
    assert night[1] < blue[1] < bright[1]


def test_pouring_tips_the_spout_over_a_white_cup(tmp_path: Path, red_thing: Path, place: Path) -> None:
    prompt = "the thing tilted over a white ceramic cup, at cup height, stream stays in the left third"
    picture = paint(tmp_path, prompt, [("thing", red_thing), ("place", place)])
    body = reds(picture)
    columns = np.flatnonzero(body.any(axis=0))
    tip = int(columns[0])
    assert 0.25 < tip / SIZE[0] < 0.42
    under = picture[170:215, tip - 12 : tip + 12]
    around = picture[170:215, :20]
    assert under.mean() > around.mean() + 15


def test_seeds_differ_a_little_and_repeat_exactly(tmp_path: Path, red_thing: Path, place: Path) -> None:
    both = [("thing", red_thing), ("place", place)]
    first, again, other = (paint(tmp_path, "the thing, medium shot", both, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert 0.5 < np.abs(first - other).mean() < 25


@pytest.mark.parametrize(
    "prompt",
    ["a quiet kitchen with warm light", "hills at dawn", "the sea at dusk", "a dark wooden table", "", "夜の街"],
)
def test_without_references_there_is_still_a_picture(tmp_path: Path, prompt: str) -> None:
    picture = paint(tmp_path, prompt, [])
    assert 25 < picture.mean() < 235
    assert picture.std() > 12


def test_a_portrait_on_an_even_ground_is_cut_out(tmp_path: Path) -> None:
    person = Image.new("RGB", (300, 400), (215, 220, 216))
    draw = ImageDraw.Draw(person)
    draw.ellipse((100, 60, 200, 190), fill=(210, 40, 40))
    draw.rectangle((40, 190, 260, 400), fill=(200, 30, 30))
    person.save(tmp_path / "person.png")
    Image.new("RGB", (640, 360), (20, 60, 90)).save(tmp_path / "place.png")
    picture = paint(
        tmp_path,
        "a person, medium close shot, in the right third",
        [("person", tmp_path / "person.png"), ("place", tmp_path / "place.png")],
    )
    figure = reds(picture)
    assert figure[-1].any()  # cropped by the frame, as a bust is
    assert middle(figure) > 0.55
    assert picture[20:120, 10:150].mean() < 110  # nothing of the portrait's pale ground
    beside = np.flatnonzero(figure[200])[-1] + 8
    assert picture[200, beside : beside + 15].mean() < 110


def test_the_example_references_work_together(tmp_path: Path) -> None:
    together = [("kettle", EXAMPLES / "kettle-front.png"), ("kitchen", EXAMPLES / "kitchen-wide.jpg")]
    picture = paint(tmp_path, "@kettle on the worktop of @kitchen, close shot, left third", together)
    green = (picture[..., 1] > picture[..., 0] * 1.3) & (picture[..., 1] > picture[..., 2] * 1.1)
    assert green[:, :300].mean() > 0.05
    portrait = paint(tmp_path, "@woman, medium close shot, right third", [("woman", EXAMPLES / "woman-portrait.jpg")])
    navy = (portrait[..., 2] > portrait[..., 0] * 1.35) & (portrait[..., 2] < 140)
    assert middle(navy) > 0.5


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n0000"])
def test_a_broken_reference_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(MediaError, match="@bad"):
        paint(tmp_path, "@bad", [("bad", tmp_path / "bad.png")])
