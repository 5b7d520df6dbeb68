"""An end card laid out from its template: logo first, then line after line, each fading up a little into its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from infra.errors import MediaError
from infra.media.card_template import Box, Template, Words, parse_colour, read_template
from infra.media.layers import Colour, Layer, Pixels
from infra.media.lettering import Coverage, above, block_size, cap_height, draw_block, measure_with
from infra.media.safe import Safe
from infra.media.type_setting import Setting, check_text, fit_text
from infra.media.typeface import Typeface

SMALLEST = 0.024  # of the shorter side: no text of a card is set smaller
SHRINKS_TO = 0.62  # of its size in the template
STAGGER = 0.45  # of a fade, from one element to the next
RISE = 0.010  # of the shorter side


@dataclass(frozen=True)
class Laid:
    layers: list[Layer]
    ground: Colour
    lines: list[str]
    smallest: float  # size of the smallest text, in pixels
    smallest_cap: float


@dataclass(frozen=True)
class _Frame:
    """Template units to pixels: about the middle, by the shorter side, and smaller where something would leave the
    safe area."""

    size: tuple[int, int]
    view: tuple[float, float]
    scale: float

    def x(self, value: float) -> float:
        return self.size[0] / 2 + (value - self.view[0] / 2) * self.scale

    def y(self, value: float) -> float:
        return self.size[1] / 2 + (value - self.view[1] / 2) * self.scale


@dataclass(frozen=True)
class CardJob:
    """Of several logos the one that stands out more from the card's ground is used."""

    template: Path
    face_for: Callable[[str], Typeface]
    logos: Sequence[Path]
    fields: Mapping[str, str]
    colours: Mapping[str, str]
    size: tuple[int, int]
    safe: Safe


def check_card(job: CardJob) -> None:
    """Raises what `card_layers` would, and draws nothing."""
    read, _, _ = _settle(job)
    if any(isinstance(element, Box) and element.colour is None for element in read.elements):
        _open_logos(job.logos)


def card_layers(job: CardJob, *, frames: int, fade: int) -> Laid:
    """Raises MediaError for a field without a text in the template, text that does not fit, or texts that meet."""
    read, frame, settled = _settle(job)
    ground = parse_colour(job.colours["paper"])
    pieces: list[tuple[int, Layer]] = []  # 0: there from the start, 1: the logo, 2: words, 3: shapes
    blocks = iter(settled)
    for element in read.elements:
        if isinstance(element, Words):
            pieces.append((2, _draw(next(blocks), frame)))
        elif element.colour is None:
            pieces.append((1, _logo(element, frame, job.logos, ground)))
        elif _bleeds(element, read) and element.opacity == 1 and not pieces:
            ground = element.colour
        elif _spans(element, read):
            pieces.append((0, _band(element, read, frame)))
        else:
            pieces.append((3, _shape(element, frame)))
    smallest, smallest_cap = min(
        ((block.setting.size, cap_height(block.text.face, block.setting.size)) for block in settled),
        default=(0.0, 0.0),
    )
    return Laid(
        layers=_build_in(pieces, frames, fade, RISE * min(job.size)),
        ground=ground,
        lines=[line for block in settled for line in block.setting.lines],
        smallest=smallest,
        smallest_cap=smallest_cap,
    )


def _settle(job: CardJob) -> tuple[Template, _Frame, list[_Block]]:
    """The template with its words, and these in the sizes at which they fit, in its order."""
    read = _filled(read_template(job.template, job.colours), job.fields, job.template)
    frame = _frame(read, job.size, job.safe)
    texts = [_Text(element, job.face_for(element.text)) for element in read.elements if isinstance(element, Words)]
    return read, frame, _keep_apart(texts, frame, job.safe)


def _filled(template: Template, fields: Mapping[str, str], path: Path) -> Template:
    """Texts with their fields' words. A text with an id and no words is left out, as is a field left empty."""
    known = {element.id for element in template.elements if isinstance(element, Words) and element.id}
    for name in fields:
        if name not in known:
            raise MediaError(
                f"the card {path.name} has no text for the field {name!r}; it has {', '.join(sorted(known)) or 'none'}",
                remedy=f'give a <text> of the template id="{name}", or take the field out',
            )
    filled: list[Box | Words] = []
    for element in template.elements:
        if isinstance(element, Words):
            text = fields.get(element.id, "" if fields else element.text) if element.id else element.text
            if text.strip():
                filled.append(replace(element, text=text))
        else:
            filled.append(element)
    return replace(template, elements=tuple(filled))


def _bleeds(box: Box, template: Template) -> bool:
    return box.x <= 0 and box.y <= 0 and box.x + box.width >= template.width and box.y + box.height >= template.height


def _spans(box: Box, template: Template) -> bool:
    """From edge to edge: it belongs to the ground, stands from the start, and is stretched with the frame."""
    across = box.x <= 0 and box.x + box.width >= template.width
    return across or (box.y <= 0 and box.y + box.height >= template.height)


def _band(box: Box, template: Template, frame: _Frame) -> Layer:
    """Its ends at an edge of the template are at that edge of the frame, whatever the ratio."""

    def reach(start: float, length: float, whole: float, to: int, place: Callable[[float], float]) -> tuple[int, int]:
        first = 0 if start <= 0 else round(place(start))
        last = to if start + length >= whole else round(place(start + length))
        if start > 0 and start + length >= whole:
            first = round(to - length * frame.scale)
        elif start <= 0 and start + length < whole:
            last = round(length * frame.scale)
        return first, max(last, first + 1)

    left, right = reach(box.x, box.width, template.width, frame.size[0], frame.x)
    top, bottom = reach(box.y, box.height, template.height, frame.size[1], frame.y)
    assert box.colour is not None  # noqa: S101 a box without colour is the logo's
    return Layer(box.colour, np.full((bottom - top, right - left), box.opacity, np.float32), left, top)


def _frame(template: Template, size: tuple[int, int], safe: Safe) -> _Frame:
    scale = min(size) / min(template.width, template.height)
    middle = template.width / 2
    for element in template.elements:
        if isinstance(element, Words):
            reach = abs(element.x - middle)
        elif _spans(element, template):
            continue
        else:
            reach = max(abs(element.x - middle), abs(element.x + element.width - middle))
        room = min(size[0] / 2 - safe.left, safe.right - size[0] / 2)
        if reach * scale > room and size[0] / size[1] < template.width / template.height * 0.99:
            scale = room / reach
    return _Frame(size, (template.width, template.height), scale)


@dataclass(frozen=True)
class _Text:
    words: Words
    face: Typeface


@dataclass(frozen=True)
class _Block:
    """A text as it is set, and the box of its ink in pixels."""

    text: _Text
    setting: Setting
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Block) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


def _set(text: _Text, frame: _Frame, safe: Safe, most_lines: int, scale: float) -> _Block:
    words, face = text.words, text.face
    x, unit = frame.x(words.x), min(frame.size)
    room = {"start": safe.right - x, "end": x - safe.left, "middle": 2 * min(x - safe.left, safe.right - x)}[
        words.anchor
    ]
    size = words.size * frame.scale
    floor = min(size, max(size * SHRINKS_TO, SMALLEST * unit))
    setting = fit_text(
        check_text(face, words.text),
        measure_with(face),
        width=min(room, words.width * frame.scale) if words.width else room,
        size=max(size * scale, floor),
        floor=floor,
        most_lines=most_lines,
    )
    across, down = block_size(face, setting)
    # More lines than the template drew grow both ways from where its one line stands.
    baseline = frame.y(words.y) - (len(setting.lines) - 1) * setting.size * face.leading / 2
    left = x - {"start": 0.0, "middle": across / 2, "end": float(across)}[words.anchor]
    top = baseline - above(face, setting)
    if top < safe.top or top + down > safe.bottom:
        raise MediaError(f"{words.text!r} leaves the safe area of the card", remedy="move it in the template")
    return _Block(text, setting, left, top, left + across, top + down)


def _draw(block: _Block, frame: _Frame) -> Layer:
    words = block.text.words
    margin = int(RISE * min(frame.size)) + 6
    align = {"start": "left", "middle": "centre", "end": "right"}[words.anchor]
    letters = draw_block(block.text.face, block.setting, align=align, margin=margin) * np.float32(words.opacity)
    return Layer(words.colour, letters, round(block.left) - margin, round(block.top) - margin)


def _keep_apart(texts: Sequence[_Text], frame: _Frame, safe: Safe) -> list[_Block]:
    """Texts that meet are set anew, the larger first: in fewer lines, then smaller. Raises MediaError when they meet
    all the same."""
    turns = {id(text): iter(_ways(text.words.lines)) for text in texts}
    blocks = [_set(text, frame, safe, *next(turns[id(text)])) for text in texts]
    while True:
        meeting = next(((a, b) for n, b in enumerate(blocks) for a in blocks[:n] if a.meets(b)), None)
        if meeting is None:
            return blocks
        for block in sorted(meeting, key=lambda block: -block.setting.size):
            anew = _set_anew(block.text, frame, safe, turns[id(block.text)])
            if anew is not None:
                blocks[blocks.index(block)] = anew
                break
        else:
            first, second = (block.text.words.text for block in meeting)
            raise MediaError(
                f"{first!r} and {second!r} run into each other on the end card", remedy="shorten one of them"
            )


def _ways(lines: int) -> list[tuple[int, float]]:
    """Most lines and scale, in the order in which they are tried."""
    return [*((most, 1.0) for most in range(lines, 0, -1)), *((lines, scale) for scale in (0.9, 0.8, 0.7, SHRINKS_TO))]


def _set_anew(text: _Text, frame: _Frame, safe: Safe, ways: Iterator[tuple[int, float]]) -> _Block | None:
    for way in ways:
        with suppress(MediaError):
            return _set(text, frame, safe, *way)
    return None


def _logo(box: Box, frame: _Frame, logos: Sequence[Path], ground: Colour) -> Layer:
    picture = max(_open_logos(logos), key=lambda picture: _distance(picture, ground))
    width, height = box.width * frame.scale, box.height * frame.scale
    scale = min(width / picture.width, height / picture.height)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    small = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    x, y = frame.x(box.x) + (width - size[0]) / 2, frame.y(box.y) + (height - size[1]) / 2
    colour: Pixels = np.ascontiguousarray(small[..., :3])
    alpha: Coverage = small[..., 3].astype(np.float32) / np.float32(255) * np.float32(box.opacity)
    return Layer(colour, alpha, round(x), round(y))


def _open_logos(logos: Sequence[Path]) -> list[Image.Image]:
    if not logos:
        raise MediaError("the end card shows a logo and the brand kit has none", remedy="add `logo` to the brand kit")
    return [_open_logo(path) for path in logos]


def _open_logo(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            picture: Image.Image = opened.convert("RGBA")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise MediaError(f"the logo {path.name} cannot be read: {error}", remedy="give a PNG with alpha") from error
    return picture


def _distance(picture: Image.Image, ground: Colour) -> float:
    """How far what is seen of it is from the ground, on average."""
    seen = np.asarray(picture.resize((64, 64)), dtype=np.float32)
    alpha = seen[..., 3]
    apart = np.abs(seen[..., :3] - np.array(ground, np.float32)).mean(axis=2)
    return float((apart * alpha).sum() / max(alpha.sum(), 1.0))


def _shape(box: Box, frame: _Frame) -> Layer:
    assert box.colour is not None  # noqa: S101 a box without colour is the logo's
    width, height = max(round(box.width * frame.scale), 1), max(round(box.height * frame.scale), 1)
    coverage = rounded(width, height, box.radius * frame.scale) * np.float32(box.opacity)
    return Layer(box.colour, coverage, round(frame.x(box.x)), round(frame.y(box.y)))


def rounded(width: int, height: int, radius: float) -> Coverage:
    """A filled box with round corners, smooth at the edges."""
    over, radius = 4, min(radius, width / 2, height / 2)
    x = np.abs((np.arange(width * over) + 0.5) / over - width / 2) - (width / 2 - radius)
    y = np.abs((np.arange(height * over) + 0.5) / over - height / 2) - (height / 2 - radius)
    if radius < 0.5:
        return np.ones((height, width), np.float32)
    inside = np.hypot(np.maximum(x, 0)[None, :], np.maximum(y, 0)[:, None]) <= radius
    return cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)


def _build_in(pieces: list[tuple[int, Layer]], frames: int, fade: int, rise: float) -> list[Layer]:
    """All has arrived by the middle of the card, so that it can be read."""
    order = sorted(
        (number for number, (rank, _) in enumerate(pieces) if rank), key=lambda number: pieces[number][0] > 1
    )
    steps = max(len(order) - 1, 0)
    fade = min(fade, int(frames / 2 / (1 + steps * STAGGER)))
    layers = [layer for _, layer in pieces]
    for turn, number in enumerate(order):
        is_text = pieces[number][0] == 2
        moved = replace(layers[number], delay=round(turn * fade * STAGGER), fade_in=fade, rise=rise if is_text else 0.0)
        layers[number] = moved
    return layers
