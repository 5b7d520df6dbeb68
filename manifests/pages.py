"""A manifest's file before anything is known of what it means: brand kits and single variants, each with every problem
at once. `manifests.campaign` puts them together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from manifests.check import check_references
from manifests.diagnostics import Diagnostic, ManifestError, Where, sort_diagnostics, suggest
from manifests.leaks import find_secrets
from manifests.load import decode_text, parse_yaml, read_bytes, read_text
from manifests.loaded import LoadedSpot
from manifests.nodes import Items, Map, Node, Scalar, child, item_id
from manifests.overrides import apply_overrides, merge
from manifests.paths import collect_files, find_root, resolve_file
from manifests.problems import repair, validate
from manifests.rights import check_rights
from manifests.schema import Brand, Model, Spot
from manifests.unbuilt import brand_not_applied, not_applied
from manifests.upgrade import upgrade_tree

M = TypeVar("M", bound=Model)
KINDS = ("spot", "brand", "campaign", "schedule")


@dataclass(frozen=True, slots=True)
class Patch:
    """Part of a manifest that is written in another file, whose places its nodes have."""

    tree: Node
    folder: Path  # what its paths are relative to
    ids: Collection[str] = ()  # of the values that its axes have on other days


@dataclass(slots=True)
class Page:
    """A manifest's text as a tree, before anything is known of it."""

    path: Path  # absolute
    shown: str  # as it was given
    raw: bytes
    tree: Node
    root: Path
    problems: list[Diagnostic]
    found: dict[tuple[str, Path], Path | tuple[str, str, str]] = field(default_factory=dict)  # files looked for
    campaign: Page | None = None  # whose blocks stand in this spot's tree
    patch: Patch | None = None  # what a schedule says in its stead
    elsewhere: frozenset[str] = frozenset()  # ids of values that its axes have without the patch, or on another day

    def folder(self, where: Where) -> Path:
        """What a path that is written there is relative to: the file it is written in."""
        page = self._written_in(where)
        return page.patch.folder if page.patch and page.is_of_patch(where) else page.path.parent

    def shown_path(self, text: str, where: Where) -> str:
        """A file that is named there, as people find it from where they are."""
        page = self._written_in(where)
        shown = page.patch.tree.where.file if page.patch and page.is_of_patch(where) else page.shown
        return str(Path(shown).parent / text)

    def is_of_patch(self, where: Where) -> bool:
        return self.patch is not None and where.file == self.patch.tree.where.file

    def _written_in(self, where: Where) -> Page:
        campaign = self.campaign
        if campaign is None:
            return self
        ours = where.file == campaign.shown or where.file.startswith("--set") or campaign.is_of_patch(where)
        return campaign if ours else self


@dataclass(frozen=True, slots=True)
class NamedBrand:
    path: Path
    kit: Brand
    tree: Node


def read_page(path: Path, overrides: Sequence[str] = (), patch: Patch | None = None) -> Page:
    """Raises ManifestError for a file that is no YAML at all."""
    shown, raw = str(path), read_bytes(path)
    tree, problems = parse_yaml(decode_text(raw, shown), shown)
    elsewhere: frozenset[str] = frozenset()
    if patch is not None and isinstance(tree, Map):
        elsewhere = frozenset((*patch.ids, *_axis_ids(tree)))
        tree = merge(tree, patch.tree)
    tree, found = apply_overrides(tree, overrides, parse_yaml)
    path = path.absolute()
    return Page(path, shown, raw, tree, find_root(path), [*problems, *found], patch=patch, elsewhere=elsewhere)


def _axis_ids(tree: Map) -> Iterator[str]:
    """Of the values that are written out under `variants.axes`."""
    variants = child(tree, "variants")
    axes = child(variants[1], "axes") if variants else None
    for _, axis in axes[1].entries.values() if axes and isinstance(axes[1], Map) else ():
        for value in axis.items if isinstance(axis, Items) else ():
            name = item_id(value) or (value.value if isinstance(value, Scalar) else None)
            yield from (name,) if isinstance(name, str) else ()


def read_variant(
    page: Page,
    tree: Node,
    brand: NamedBrand | None,
    before: Sequence[Diagnostic] = (),
    absent: frozenset[str] = frozenset(),
) -> tuple[LoadedSpot | None, list[Diagnostic]]:
    """A spot without look-ups, and its errors stage by stage, those found `before` among the first. `absent`: ids of
    shots that are in other variants only."""
    problems = list(before)
    value, tree = validated(Spot, tree, problems)
    if value is None or brand is None:
        return None, sort_diagnostics(problems, page.shown)
    files, found = collect_files(
        value, tree, page.folder, brand.kit, brand.tree, brand.path.parent, page.root, page.found
    )
    loaded = LoadedSpot(
        page.path, page.root, value, brand.kit, brand.path, page.raw, files,
        not_applied=(*not_applied(tree), *brand_not_applied(brand.tree)), absent=absent, tree=tree,
        brand_tree=brand.tree,
    )  # fmt: skip
    stages = [problems, [*found, *check_references(loaded)], check_rights(loaded)]
    ordered = [problem for stage in stages for problem in sort_diagnostics(stage, page.shown)]
    errors = [problem for problem in ordered if problem.severity == "error"]
    warnings = [problem for problem in ordered if problem.severity == "warning"]
    return replace(loaded, warnings=tuple(sort_diagnostics(warnings, page.shown))), errors


def load_brand(path: Path) -> Brand:
    """A brand kit by itself."""
    tree, problems = parse_yaml(read_text(path), str(path))
    checked = check_page(tree, "brand", problems)
    brand = validated(Brand, checked, problems)[0] if checked is not None else None
    if brand is None or problems:
        raise ManifestError(sort_diagnostics(problems, str(path)))
    return brand


def check_page(tree: Node, kind: str, problems: list[Diagnostic]) -> Node | None:
    """The tree in the current format; None when it is no file of this kind."""
    problems += find_secrets(tree)
    if not isinstance(tree, Map):
        what = "a list" if isinstance(tree, Items) else "empty" if tree.value is None else "a single value"
        detail = f"the file is {what}; a manifest is a map of `key: value` lines"
        problems.append(Diagnostic("not a map", detail, "", tree.where, "`shotrunner init` writes one to start from"))
        return None
    stop = _other_kind(tree, kind)
    upgraded, found = upgrade_tree(tree)
    problems += [*stop, *found]
    return None if stop or found else upgraded


def validated(model: type[M], tree: Node, problems: list[Diagnostic]) -> tuple[M | None, Node]:
    """The model is there although problems were found where keys were only misspelt: later checks go on with it."""
    value, found = validate(model, tree)
    problems += found
    if value is None:
        said = {problem.where for problem in found}
        tree = repair(model, tree)
        value, found = validate(model, tree)
        problems += [problem for problem in found if problem.where not in said]
    return value, tree


def kind_of(tree: Node) -> str:
    """What the file says it is; empty when it does not."""
    entry = child(tree, "kind") if isinstance(tree, Map) else None
    return str(entry[1].value) if entry and isinstance(entry[1], Scalar) else ""


def _other_kind(tree: Map, kind: str) -> list[Diagnostic]:
    entry = child(tree, "kind")
    found = entry[1].value if entry and isinstance(entry[1], Scalar) else None
    if entry is None or found == kind or not isinstance(found, str):
        return []
    if found in KINDS:
        detail = f"this file is a {found}, and a {kind} is wanted here"
        remedy = "`shotrunner run --schedule FILE --date DAY` starts it by hand" if found == "schedule" else ""
    else:
        detail, remedy = f"unknown kind `{found}`{suggest(found, KINDS)}", f"kinds: {', '.join(KINDS)}"
    return [Diagnostic("kind", detail, "kind", entry[1].where, remedy)]


def load_named_brand(page: Page, tree: Node, problems: list[Diagnostic]) -> NamedBrand | None:
    """The brand kit that the manifest names; what is wrong with it joins the problems."""
    entry = child(tree, "brand")
    text = entry[1].value if entry and isinstance(entry[1], Scalar) else None
    if entry is None or not isinstance(text, str) or not text:
        return None
    path = resolve_file(text, page.path.parent, page.root)
    if not isinstance(path, Path):
        summary, detail, remedy = path
        problems.append(Diagnostic(summary, detail, "brand", entry[1].where, remedy))
        return None
    shown = str(Path(page.shown).parent / text)
    try:
        brand_tree, found = parse_yaml(read_text(path, shown), shown)
    except ManifestError as problem:
        problems += problem.diagnostics
        return None
    problems += found
    checked = check_page(brand_tree, "brand", problems)
    if checked is None:
        return None
    kit, checked = validated(Brand, checked, problems)
    return None if kit is None else NamedBrand(path, kit, checked)
