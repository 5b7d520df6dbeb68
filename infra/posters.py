"""A poster frame of every variant, and one picture of them all. Steps like any other: a film that did not change keeps
its poster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.deliverables import film_name
from infra.production import Production
from manifests.films import Source, Variant
from manifests.finish import Finished
from manifests.journal import BlobRef
from manifests.matrix import Cell
from manifests.poster_grid import Grid, lay_out, poster_frame

POSTER_HEIGHT = 240
MOST_TILES = 1500  # in one picture; above, only the page shows them


@dataclass(frozen=True)
class Posters:
    """`of`: by the variant's name."""

    of: Mapping[str, BlobRef]
    grid: BlobRef | None = None


async def make_posters(production: Production, finished: Sequence[Finished]) -> Posters:
    """Of variants that have a film, where there is more than one. Raises what a step raises."""
    films = {film.index.variant: film for film in finished}
    shown: dict[str, BlobRef] = {}
    variants = list(production.plan.variants)
    if len(variants) < 2:
        return Posters({})
    wanted = [(v, film) for v in variants if (film := _film_of(v, films)) is not None]
    posters = await asyncio.gather(*(_poster(production, variant, film) for variant, film in wanted))
    shown = {variant.name: poster for (variant, _), poster in zip(wanted, posters, strict=True)}
    grid = await _draw(production, shown) if 1 < len(shown) <= MOST_TILES else None
    return Posters(shown, grid)


def _film_of(variant: Variant, films: Mapping[str, Finished]) -> Finished | None:
    """Its placements show the same picture in other sizes: the first one stands for it."""
    names = (film_name(variant, wanted) for wanted in variant.spot.deliver)
    return next((films[name] for name in names if name in films), None)


async def _poster(production: Production, variant: Variant, film: Finished) -> BlobRef:
    cut = production.plan.cut(variant, production.models)
    params = {"frame": poster_frame(cut), "height": POSTER_HEIGHT}
    made = await production.steps.run("poster", params, {"film": film.index.files[film.index.film]})
    return made.files["poster.jpg"]


async def _draw(production: Production, shown: Mapping[str, BlobRef]) -> BlobRef:
    inputs: dict[str, BlobRef] = {}
    blocks = [_block(source, shown, inputs) for source in production.plan.sources]
    params = {"title": production.plan.campaign, "blocks": [block for block in blocks if block["tiles"]]}
    made = await production.steps.run("poster_grid", params, inputs, kind="out")
    return made.files["grid.png"]


def _block(source: Source, shown: Mapping[str, BlobRef], inputs: dict[str, BlobRef]) -> dict[str, object]:
    """Notes in `inputs` which pictures it shows."""
    grid = lay_out(source)
    tiles = []
    for row in grid.rows:
        line = []
        for column in grid.columns:
            name = tile_of(source, grid, row, column)
            if name is not None and name in shown:
                inputs[name] = shown[name]
            line.append(name if name in shown else None)
        tiles.append(line)
    title = source.id if source.id else ""
    return {"title": title, "columns": list(grid.columns), "rows": list(grid.rows), "tiles": tiles}


def tile_of(source: Source, grid: Grid, row: Cell, column: Cell) -> str | None:
    """The name of the variant in that place."""
    cell = grid.cells.get((row, column))
    return Variant(source, cell).name if cell is not None else None
