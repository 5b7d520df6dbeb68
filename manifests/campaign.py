"""A manifest of any kind as it was read: one spot, the variants of a spot, or the spots of a campaign.

Every spot becomes a template and as few resolved variants as show each of its parts in every form: those are checked
like a spot by itself. Reads files, never the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from manifests.dependence import dependence_of, varies_by_problems
from manifests.diagnostics import Diagnostic, ManifestError, Where, sort_diagnostics
from manifests.films import (
    RATIO,
    Source,
    Variant,
    address_of,
    narrow,
    plain_json,
    with_effect_ids,
    with_valid_to,
)
from manifests.loaded import FileUse, LoadedCampaign, LoadedSource, LoadedSpot
from manifests.lookup_words import PARAMS
from manifests.lookups import Lookups, check_lookups, covering_cells
from manifests.matrix import Matrix
from manifests.nodes import Map, Scalar, child, item_id, items_at, to_data
from manifests.pages import NamedBrand, Page, check_page, kind_of, load_named_brand, read_page, read_variant, validated
from manifests.paths import find_root
from manifests.presence import check_presence, left_out
from manifests.scheduled import Resolved
from manifests.schema import Campaign
from manifests.spots import patched_spots
from manifests.tabled import read_tabled


@dataclass(slots=True)
class _Reading:
    """What is found on the way. `told` keeps one problem from being said for every variant."""

    page: Page
    scheduled: Resolved | None = None
    problems: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    files: dict[str, FileUse] = field(default_factory=dict)
    not_applied: dict[str, None] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def load_campaign(path: Path, overrides: Sequence[str] = (), scheduled: Resolved | None = None) -> LoadedCampaign:
    """Raises ManifestError with everything that is wrong."""
    loaded, problems = read_campaign(path, overrides, scheduled)
    if loaded is None or problems:
        raise ManifestError(problems)
    return loaded


def read_campaign(
    path: Path, overrides: Sequence[str] = (), scheduled: Resolved | None = None
) -> tuple[LoadedCampaign | None, list[Diagnostic]]:
    """What could be read, and its errors stage by stage; None when too little of it makes sense to go on.

    `scheduled`: what a schedule says of the day. `overrides` are said after it.
    """
    page = read_page(path, overrides, scheduled.as_patch(find_root(path)) if scheduled else None)
    reading = _Reading(page, scheduled)
    kind = "campaign" if kind_of(page.tree) == "campaign" else "spot"
    tree = check_page(page.tree, kind, page.problems)
    if not isinstance(tree, Map):
        return None, sort_diagnostics(page.problems, page.shown)
    brand = load_named_brand(page, tree, page.problems)
    if kind == "spot":
        templates = [_Template("", page, tree)]
        name = str(to_data(child(tree, "name")[1])) if child(tree, "name") else ""  # type: ignore[index]
    else:
        campaign, tree = validated(Campaign, tree, page.problems)
        if campaign is None or not isinstance(tree, Map):
            return None, sort_diagnostics(page.problems, page.shown)
        name = campaign.name
        templates = [
            _Template(s.id, s.page, s.tree, s.takes_of)
            for s in patched_spots(page, tree, campaign, page.problems, reading.notices, reading.files)
        ]
    sources: list[LoadedSource] = []
    for template in templates:
        source = _read_source(reading, template, brand, sources, first=not sources)
        if source is not None:
            sources.append(source)
    told = reading.problems or sort_diagnostics(page.problems, page.shown)
    problems = list(dict.fromkeys(told))  # of the brand kit each spot says the same
    if not sources or len(sources) < len(templates):
        return None, problems
    loaded = LoadedCampaign(
        page.path, name, tuple(sources), reading.files, tuple(sort_diagnostics(reading.warnings, page.shown)),
        tuple(reading.not_applied), tuple(reading.notices),
    )  # fmt: skip
    return loaded, problems


@dataclass(frozen=True, slots=True)
class _Template:
    id: str
    page: Page
    tree: Map
    takes_of: str = ""


def _read_source(
    reading: _Reading, template: _Template, brand: NamedBrand | None, before: Sequence[LoadedSource], *, first: bool
) -> LoadedSource | None:
    page, tree = template.page, template.tree
    problems = list(reading.page.problems) if first else []
    tabled = read_tabled(page, tree)
    matrix, table = tabled.matrix, tabled.copy_table
    problems += tabled.problems
    reading.files |= {address_of(template.id, name, (), {}): use for name, use in tabled.files.items()}
    if matrix is None:
        reading.problems += sort_diagnostics(problems, page.shown)
        return None
    if matrix.axes:
        tree = with_effect_ids(tree)
    params, run = (dict(known.params), dict(known.run)) if (known := reading.scheduled) else ({}, {})
    valid_to = (known.valid_to if known else None) or {}
    matrix = with_valid_to(matrix, valid_to)
    lookups = Lookups(matrix, table, params, run)
    wrong = [*check_lookups(_without(tree, "variants", "copy"), lookups, page.shown), *check_presence(tree, matrix)]
    if wrong:
        reading.problems += sort_diagnostics([*problems, *wrong], page.shown)
        return None
    depends = dependence_of(tree, lookups)
    problems += [*_axes_in_use(tree, matrix), *varies_by_problems(tree, lookups, depends)]
    if template.takes_of:
        depends = {**depends, **_depends_of(before, template.takes_of)}
    source = Source(
        id=template.id, data=plain_json(to_data(_without(tree, "variants", "copy"))), matrix=matrix, copy_table=table,
        depends=depends, takes_of=template.takes_of, params=params, params_valid_to=valid_to.get(PARAMS, {}), run=run,
    )  # fmt: skip
    reading.notices += [f"{template.id}: {told}" if template.id else told for told in left_out(tree, matrix)]
    found, whole = _read_parts(reading, template, source, tree, brand, problems)
    reading.problems += _told_once(found, frozenset(problems), len(matrix.cells))
    parts = tuple((variant, loaded) for variant, loaded, _ in found if loaded is not None)
    if not whole or not parts:
        return None
    reading.problems += _continued_apart(tree, parts) if not template.takes_of else ()
    return LoadedSource(source, tree, parts)


_Part = tuple[Variant, LoadedSpot | None, list[Diagnostic]]


def _read_parts(
    reading: _Reading,
    template: _Template,
    source: Source,
    tree: Map,
    brand: NamedBrand | None,
    problems: Sequence[Diagnostic],
) -> tuple[list[_Part], bool]:
    """Few variants, each with what is wrong with it, and whether they could all be read: those after one that makes no
    sense are not looked at. The first one has the problems of the spot as a whole among its own."""
    parts: list[_Part] = []
    matrix, page, shots = source.matrix, replace(template.page, problems=[]), _shot_ids(tree)
    # A part must be seen in each of its forms, and in a variant that has it: so with every axis that decides of that.
    comes_and_goes = frozenset(source.depends.get("when", ()))
    axes = (comes_and_goes.union(axes) for axes in ((RATIO,), *source.depends.values()))
    undelivered = _not_delivered(tree, matrix)
    for cell in covering_cells(matrix, axes):
        if RATIO in matrix.positions and cell[matrix.positions[RATIO]] in undelivered:
            continue  # refused with its line already; it would be a spot without a delivery
        variant = Variant(source, cell)
        narrowed = narrow(tree, matrix, cell, source.lookups)
        absent = shots - _shot_ids(narrowed)
        loaded, errors = read_variant(page, narrowed, brand, () if parts else problems, absent)
        parts.append((variant, loaded, errors))
        if loaded is None:
            return parts, False
        reading.warnings += [w for w in loaded.warnings if w not in reading.warnings]
        reading.not_applied |= dict.fromkeys(loaded.not_applied)
        for path, use in loaded.files.items():
            reading.files.setdefault(variant.file(path), use)
    return parts, True


def _told_once(parts: Sequence[_Part], common: frozenset[Diagnostic], variants: int) -> Iterator[Diagnostic]:
    """What is wrong at one place is told for the first variant in which it is; that one is named, unless it is wrong
    in all of them, or with the spot itself."""
    having: dict[Diagnostic, int] = {}
    for _, _, errors in parts:
        for problem in dict.fromkeys(errors):
            having[problem] = having.get(problem, 0) + 1
    told: set[tuple[str, Where]] = set()
    for variant, _, errors in parts:
        places = {(p.summary, p.where) for p in errors}
        for problem in errors:
            if (problem.summary, problem.where) in told:
                continue
            everywhere = variants == 1 or problem in common or having[problem] == len(parts)
            yield problem if everywhere else replace(problem, detail=f"{problem.detail} [{variant.name}]")
        told |= places


# --- what is said of all variants together ---


def _axes_in_use(tree: Map, matrix: Matrix) -> Iterator[Diagnostic]:
    """A ratio that is made and not delivered costs money for nothing; one that is not made has no picture."""
    made, delivered = _ratios(matrix), _delivered(tree)
    if not made or not delivered:
        return
    for ratio in _not_delivered(tree, matrix):
        where = child(tree, "variants")[0]  # type: ignore[index]
        detail = f"nothing is delivered in {ratio}"
        yield Diagnostic("ratio", detail, f"variants.axes.{RATIO}", where, "add it to `deliver`, or leave it out here")
    for ratio, where in delivered.items():
        if ratio not in made:
            remedy = f"ratios: {', '.join(made)}"
            yield Diagnostic("ratio", f"no variant has the ratio {ratio}", "deliver", where, remedy)


def _ratios(matrix: Matrix) -> tuple[str, ...]:
    return tuple(matrix.axis(RATIO).ids) if RATIO in matrix.positions else ()


def _delivered(tree: Map) -> dict[str, Where]:
    """Ratios, and where each is first named."""
    found: dict[str, Where] = {}
    for item in items_at(tree, "deliver"):
        entry = child(item, "ratio")
        if entry and isinstance(entry[1], Scalar):
            found.setdefault(str(entry[1].value), entry[1].where)
    return found


def _not_delivered(tree: Map, matrix: Matrix) -> tuple[str, ...]:
    delivered = _delivered(tree)
    return tuple(ratio for ratio in _ratios(matrix) if delivered and ratio not in delivered)


def _continued_apart(tree: Map, parts: Sequence[tuple[Variant, LoadedSpot]]) -> Iterator[Diagnostic]:
    """A shot may be without the one that it continues, as long as some film has both: that one says on which frame it
    starts, and buys it."""
    bought: set[str] = set()
    wanting: dict[str, tuple[str, str]] = {}  # address → the shot, and the one that it continues
    for variant, loaded in parts:
        for shot in loaded.spot.shots:
            if shot.continues is not None and shot.continues in loaded.absent:
                wanting.setdefault(variant.shot(shot.id), (shot.id, shot.continues))
            else:
                bought.add(variant.shot(shot.id))
    told: set[str] = set()
    for address, (name, continued) in wanting.items():
        if address not in bought and name not in told:
            told.add(name)
            entry = child(next(item for item in items_at(tree, "shots") if item_id(item) == name), "continues")
            detail = f"no variant has both `{continued}` and `{address}`, so nobody can say on which frame it starts"
            remedy = f"give `{name}` the same `when` as `{continued}`, or let one variant have both"
            where = entry[1].where if entry else tree.where
            yield Diagnostic("continues", detail, f"shots.{name}.continues", where, remedy)


def _shot_ids(tree: Map) -> frozenset[str]:
    return frozenset(name for item in items_at(tree, "shots") if (name := item_id(item)))


def _depends_of(before: Sequence[LoadedSource], spot: str) -> Mapping[str, tuple[str, ...]]:
    """Shots of a cut-down are named as in the spot that they come from."""
    origin = next((s.source for s in before if s.source.id == spot), None)
    return {k: v for k, v in origin.depends.items() if k.startswith("shots.")} if origin else {}


def _without(tree: Map, *keys: str) -> Map:
    return Map(tree.where, {key: entry for key, entry in tree.entries.items() if key not in keys})
