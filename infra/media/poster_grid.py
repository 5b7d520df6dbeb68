"""All variants in one picture: rows and columns with their labels, every tile of a row equally high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field

from infra.media.contact_sheet import GROUND, INK, QUIET, font_of, shorten

GAP, MARGIN = 6, 24
TEXT, TITLE = 15, 26
LINE = 24
EMPTY = (36, 36, 39)
LONGEST = 16_000  # pixels of a side: larger pictures are opened by few programs


class Block(BaseModel):
    """One spot. A label is one line for each axis; a tile is the name of an input, or none where there is no film."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    columns: tuple[tuple[str, ...], ...] = Field(min_length=1)
    rows: tuple[tuple[str, ...], ...] = Field(min_length=1)
    tiles: tuple[tuple[str | None, ...], ...]  # by row, then column


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = ""
    tile_height: int = Field(default=180, ge=24)
    blocks: tuple[Block, ...] = Field(min_length=1)


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    height = _height_that_fits(params)
    pictures = {name: _read(path, height) for name, path in inputs.items()}
    drawn = [_draw(block, pictures, height) for block in params.blocks]
    head = MARGIN + (LINE * 2 if params.title else 0)
    width = max(block.width for block in drawn) + 2 * MARGIN
    sheet = Image.new("RGB", (width, head + sum(block.height + MARGIN for block in drawn)), GROUND)
    if params.title:
        title = shorten(params.title, width - 2 * MARGIN, TITLE)
        ImageDraw.Draw(sheet).text((MARGIN, MARGIN - 4), title, font=font_of(TITLE), fill=INK)
    top = head
    for block in drawn:
        sheet.paste(block, (MARGIN, top))
        top += block.height + MARGIN
    sheet.save(out / "grid.png", compress_level=6)
    return {"width": sheet.width, "height": sheet.height, "tiles": len(pictures)}


def _height_that_fits(params: Params) -> int:
    rows = sum(len(block.rows) for block in params.blocks)
    columns = max(len(block.columns) for block in params.blocks)
    most = LONGEST - 1000  # for labels
    return max(8, min(params.tile_height, most // rows - GAP, int(most / columns / (16 / 9)) - GAP))


def _read(path: Path, height: int) -> Image.Image:
    with Image.open(path) as image:
        width = max(1, round(image.width * height / image.height))
        tile: Image.Image = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    return tile


def _draw(block: Block, pictures: Mapping[str, Image.Image], height: int) -> Image.Image:
    widths = [_column_width(block, pictures, column, height) for column in range(len(block.columns))]
    side = max((_length(" · ".join(label)) for label in block.rows), default=0)
    left = side + 2 * GAP if side else 0
    levels = len(block.columns[0])
    top = LINE * (levels + (1 if block.title else 0)) + GAP
    size = (left + sum(widths) + GAP * len(widths), top + (height + GAP) * len(block.rows))
    picture = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(picture)
    if block.title:
        draw.text((0, 0), block.title, font=font_of(TEXT + 3), fill=INK)
    places = [left + sum(widths[:n]) + GAP * n for n in range(len(widths))]
    for level in range(levels):
        _draw_heads(draw, block, level, places, widths, LINE * (level + (1 if block.title else 0)))
    for number, (label, tiles) in enumerate(zip(block.rows, block.tiles, strict=True)):
        y = top + (height + GAP) * number
        draw.text((0, y + height // 2 - TEXT // 2), " · ".join(label), font=font_of(TEXT), fill=INK)
        for x, width, tile in zip(places, widths, tiles, strict=True):
            if tile is None:
                draw.rectangle((x, y, x + width - 1, y + height - 1), fill=EMPTY)
            else:
                picture.paste(pictures[tile], (x + (width - pictures[tile].width) // 2, y))
    return picture


def _column_width(block: Block, pictures: Mapping[str, Image.Image], column: int, height: int) -> int:
    """Of the widest picture in it; a square where there is none."""
    return max((pictures[row[column]].width for row in block.tiles if row[column]), default=height)  # type: ignore[index]


def _draw_heads(
    draw: ImageDraw.ImageDraw, block: Block, level: int, places: Sequence[int], widths: Sequence[int], y: int
) -> None:
    """A value that several columns in a row share is written once above them."""
    number = 0
    while number < len(places):
        start, label = number, block.columns[number][: level + 1]
        while number < len(places) and block.columns[number][: level + 1] == label:
            number += 1
        room = places[number - 1] + widths[number - 1] - places[start]
        last = level == len(block.columns[0]) - 1
        text = shorten(label[-1], room, TEXT)
        draw.text((places[start], y), text, font=font_of(TEXT), fill=QUIET if last else INK)


def _length(text: str) -> int:
    return int(font_of(TEXT).getlength(text)) + 1 if text else 0
