"""What the dailies page says of many films: the grid of posters, films by variant, shots by name, and the buttons by
which a page without scripts hides what nobody asked for. Reads the store; decides nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.blobs import read_blob
from infra.posters import tile_of
from infra.storage.base import ObjectStore
from manifests.films import Source, Variant
from manifests.journal import BlobRef
from manifests.plan import Plan
from manifests.poster_grid import lay_out
from manifests.sharing import shot_uses, use_of

MOST_VALUES = 40  # of an axis: more are found quicker by the browser's own search
SPOT = "spot"


@dataclass(frozen=True)
class Filter:
    """One axis. `values`: (id of the button, what it says)."""

    axis: str
    number: int
    values: tuple[tuple[str, str], ...]

    @property
    def all(self) -> tuple[tuple[str, str], ...]:
        """With the button that takes the choice back."""
        return ((f"f{self.number}-0", "all"), *self.values)


@dataclass
class VariantFilms:
    name: str
    anchor: str
    classes: str
    poster: str | None
    films: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return all(film["index"].measured["ok"] for film in self.films)


@dataclass(frozen=True)
class Page:
    """Empty lists where there is one film only."""

    filters: tuple[Filter, ...] = ()
    grids: tuple[dict[str, Any], ...] = ()
    variants: tuple[VariantFilms, ...] = ()
    shots: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


def page_of(
    plan: Plan,
    store: ObjectStore,
    posters: Mapping[str, BlobRef],
    films: Mapping[str, Sequence[dict[str, Any]]],
    groups: Sequence[dict[str, Any]],
) -> Page:
    """`films`: by variant's name; `groups`: takes by shot address, as the page of one film lists them."""
    filters = _filters(plan.sources)
    pictures = {name: _data(read_blob(store, blob)) for name, blob in posters.items()}
    variants = [
        VariantFilms(v.name, anchor_of(v.name), _classes(v, filters), pictures.get(v.name), list(films[v.name]))
        for v in plan.variants
        if films.get(v.name)
    ]
    grids = [_grid(source, filters, pictures) for source in plan.sources]
    uses, shots = shot_uses(plan.sources), dict[str, list[dict[str, Any]]]()
    for group in groups:
        use = use_of(group["want"].address, uses)
        name = (f"{use.spot}/{use.shot}" if use.spot else use.shot) if use else group["want"].address
        shots.setdefault(name, []).append(group)
    return Page(filters, tuple(grids), tuple(variants), shots)


def _filters(sources: Sequence[Source]) -> tuple[Filter, ...]:
    axes: dict[str, dict[str, None]] = {}
    if len(sources) > 1:
        axes[SPOT] = {source.id: None for source in sources}
    for source in sources:
        for axis in source.matrix.axes:
            axes.setdefault(axis.name, {}).update(dict.fromkeys(axis.ids))
    usable = [(name, list(ids)) for name, ids in axes.items() if 1 < len(ids) <= MOST_VALUES]
    return tuple(
        Filter(name, number, tuple((f"f{number}-{n}", value) for n, value in enumerate(ids, 1)))
        for number, (name, ids) in enumerate(usable)
    )


def _classes(variant: Variant, filters: Sequence[Filter]) -> str:
    """A spot without that axis is shown whatever its value."""
    found = []
    for one in filters:
        value = variant.source.id if one.axis == SPOT else variant.values.get(one.axis)
        found += [name for name, shown in one.values if value in (shown, None)]
    return " ".join(found)


def _grid(source: Source, filters: Sequence[Filter], pictures: Mapping[str, str]) -> dict[str, Any]:
    grid = lay_out(source)
    rows = []
    for row in grid.rows:
        cells = []
        for column in grid.columns:
            name = tile_of(source, grid, row, column)
            cell = grid.cells.get((row, column))
            classes = _classes(Variant(source, cell), filters) if cell is not None else ""
            poster = pictures.get(name or "")
            cells.append({"name": name, "anchor": anchor_of(name or ""), "classes": classes, "poster": poster})
        rows.append({"label": " · ".join(row), "cells": cells})
    return {"title": source.id, "columns": list(grid.columns), "rows": rows}


def anchor_of(variant: str) -> str:
    return f"v-{re.sub(r'[^A-Za-z0-9]+', '-', variant).strip('-')}"


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
