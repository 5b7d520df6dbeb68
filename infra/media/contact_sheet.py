"""One picture of many: tiles in columns with their labels, for the dailies and the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from pydantic import BaseModel, ConfigDict, Field

from infra.media.probe import probe_image

GAP = 12
LABEL_HEIGHT = 26
TITLE_HEIGHT = 52
GROUND, INK, QUIET = (24, 24, 26), (240, 240, 238), (168, 168, 172)
FONTS = Path(__file__).parent / "fonts"


class Tile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    label: str = ""


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: int = Field(default=4, gt=0)
    tile_width: int = Field(default=480, ge=32)
    title: str = ""
    tiles: tuple[Tile, ...] = Field(min_length=1)


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    pictures = [_read_tile(inputs[tile.input], params.tile_width) for tile in params.tiles]
    columns = min(params.columns, len(pictures))
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    head = GAP + (TITLE_HEIGHT if params.title else 0)
    heights = [max(picture.height for picture in row) + LABEL_HEIGHT for row in rows]
    width = GAP + columns * (params.tile_width + GAP)
    sheet = Image.new("RGB", (width, head + sum(heights) + GAP * len(rows)), GROUND)
    draw = ImageDraw.Draw(sheet)
    if params.title:
        draw.text((GAP, GAP + 8), shorten(params.title, width - 2 * GAP, 28), font=font_of(28), fill=INK)
    labels = iter(tile.label for tile in params.tiles)
    top = head
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = GAP + column * (params.tile_width + GAP)
            sheet.paste(picture, (left, top))
            text = shorten(next(labels), params.tile_width, 15)
            draw.text((left, top + picture.height + 5), text, font=font_of(15), fill=QUIET)
        top += height + GAP
    sheet.save(out / "sheet.png", compress_level=6)
    return {"width": sheet.width, "height": sheet.height}


def _read_tile(path: Path, width: int) -> Image.Image:
    probe_image(path)
    with Image.open(path) as image:
        height = max(1, round(image.height * width / image.width))
        tile: Image.Image = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    return tile


def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    found = sorted(FONTS.glob("*.[ot]tf"))
    return ImageFont.truetype(str(found[0]), size) if found else ImageFont.load_default(size)


def shorten(text: str, width: int, size: int) -> str:
    """The text, shortened in the middle until it fits: both ends of a slate say something."""
    font = font_of(size)
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 0, -1):
        short = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        if font.getlength(short) <= width:
            return short
    return ""
