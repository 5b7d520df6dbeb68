"""How well words read on the picture under them: WCAG contrast of the letters against the worst part of the ground that
they stand on, shade and plate included, over frames of the conformed clips. Measures; judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.card_template import parse_colour
from infra.media.colour import frame_to_rgb
from infra.media.probe import AGAIN
from infra.media.reader import FrameReader

Pixels = npt.NDArray[np.uint8]

FRAMES_OF_A_CLIP = 5
SOLID = 250  # alpha, of 255, from which a pixel is letter and no longer edge
NEAR = 8  # steps of 8 bits that a letter's pixel may be off its colour
ENOUGH = 6  # pixels of letter, and of ground, in a part that is judged


class Stretch(BaseModel):
    """Frames of one clip that are seen under the words; `first` counts in the clip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    first: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(gt=0)]


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: str
    frames: Annotated[int, Field(gt=0)]  # of the overlay
    x: int
    y: int
    text_height: Annotated[int, Field(gt=0)]
    letters: str  # their colour
    under: tuple[Stretch, ...]


class Measured(NamedTuple):
    ratio: float
    at: int  # which of the frames


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    """`contrast`: the least ratio, 1 to 21, or None where no letter is thick enough to be measured."""
    overlay = _standing(inputs["overlay"], Fraction(params.rate), params.frames)
    box = (params.x, params.y, overlay.shape[1], overlay.shape[0])
    places = [(s, s.first + n) for s in params.under for n in _sampled(s.frames)]
    grounds = (_cut_out(inputs[s.input], Fraction(params.rate), number, box) for s, number in places)
    found = measure_contrast(overlay, grounds, letters=parse_colour(params.letters), size=params.text_height)
    if found is None:
        return {"contrast": None, "frames": len(places)}
    stretch, number = places[found.at]
    return {"contrast": round(found.ratio, 2), "frames": len(places), "input": stretch.input, "frame": number}


def _sampled(frames: int) -> list[int]:
    """The ends are kept: what is seen there is farthest from the rest."""
    return sorted({round(n * (frames - 1) / (FRAMES_OF_A_CLIP - 1)) for n in range(FRAMES_OF_A_CLIP)})


def _standing(path: Path, rate: Fraction, frames: int) -> Pixels:
    """The words when they have come up: the middle frame."""
    with FrameReader(path, rate, frames // 2) as reader:
        return np.asarray(reader.read(frames // 2).to_ndarray(format="rgba"), dtype=np.uint8)


def _cut_out(path: Path, rate: Fraction, number: int, box: tuple[int, int, int, int]) -> Pixels:
    x, y, width, height = box
    with FrameReader(path, rate, number) as reader:
        picture: av.VideoFrame = reader.read(number)
        if x + width > picture.width or y + height > picture.height:
            raise MediaError(f"{path.name} is smaller than the words over it", remedy=AGAIN)
        return np.asarray(frame_to_rgb(picture)[y : y + height, x : x + width], dtype=np.uint8)


def measure_contrast(
    overlay: Pixels, grounds: Iterable[Pixels], *, letters: tuple[int, int, int], size: int
) -> Measured | None:
    """`overlay` is RGBA, the grounds are RGB of the same box, `size` is the em in pixels. The least contrast of all
    frames and of all parts of the box, each about a letter wide."""
    colour, alpha = overlay[..., :3].astype(np.int16), overlay[..., 3]
    letter = (alpha >= SOLID) & (np.abs(colour - np.array(letters, np.int16)).max(axis=2) <= NEAR)
    edge = max(1, round(size * 0.03))  # where letter and ground are one pixel, and the eye sees neither
    ground = _grown(letter, 2 * edge) & ~_grown(letter, edge)
    parts, count = _parts(letter.shape, size)
    seen = np.bincount(parts[letter], minlength=count) >= ENOUGH
    seen &= np.bincount(parts[ground], minlength=count) >= ENOUGH
    least: Measured | None = None
    for at, under in enumerate(grounds):
        if not seen.any():
            break
        shown = _lay_over(overlay, under)
        light = _means(shown, letter, parts, count)[seen]
        dark = _means(shown, ground, parts, count)[seen]
        ratios = (np.maximum(light, dark) + 0.05) / (np.minimum(light, dark) + 0.05)
        if least is None or ratios.min() < least.ratio:
            least = Measured(float(ratios.min()), at)
    return least


def _grown(mask: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def _parts(shape: tuple[int, ...], size: int) -> tuple[npt.NDArray[np.intp], int]:
    """The number of its part for every pixel, and how many parts there are."""
    rows, columns = (np.arange(length) // max(size, 8) for length in shape[:2])
    return rows[:, None] * (columns[-1] + 1) + columns[None, :], int((rows[-1] + 1) * (columns[-1] + 1))


def _means(
    luminance: npt.NDArray[np.float64], mask: npt.NDArray[np.bool_], parts: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.float64]:
    sums = np.bincount(parts[mask], weights=luminance[mask], minlength=count)
    return sums / np.maximum(np.bincount(parts[mask], minlength=count), 1)


def _lay_over(overlay: Pixels, under: Pixels) -> npt.NDArray[np.float64]:
    """Relative luminance (WCAG 2) of the words on the picture."""
    alpha = overlay[..., 3:].astype(np.float64) / 255
    shown = (overlay[..., :3] * alpha + under * (1 - alpha)) / 255
    linear = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))
