"""A manifest as it was read: the models, every file they name, and where each key stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from manifests.diagnostics import Diagnostic, Where
from manifests.nodes import Map, Node, Steps, address, find, parse_steps
from manifests.schema import Brand, Spot

if TYPE_CHECKING:
    from manifests.films import Source, Variant

Role = Literal["reference", "audio", "font", "logo", "card", "document", "music", "copy", "table", "spot"]
WRITTEN: frozenset[Role] = frozenset({"copy", "table", "spot"})  # parts of the manifest: to change them is to say so


@dataclass(frozen=True, slots=True)
class FileUse:
    """A file that a manifest or its brand kit names. `name` is what people call it: a reference's name, a script."""

    path: Path  # absolute
    role: Role
    where: Where
    name: str


@dataclass(frozen=True, slots=True)
class LoadedSpot:
    """A spot and its brand kit, checked. Keys of `files` are YAML paths; those of the brand kit start with `brand.`."""

    path: Path  # absolute, as are root and brand_path
    root: Path
    spot: Spot
    brand: Brand
    brand_path: Path
    manifest_bytes: bytes
    files: Mapping[str, FileUse] = field(default_factory=dict)
    warnings: tuple[Diagnostic, ...] = ()
    not_applied: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()  # shots of other variants, by id
    tree: Node = field(default_factory=lambda: Map(Where("")), repr=False, compare=False)
    brand_tree: Node = field(default_factory=lambda: Map(Where("")), repr=False, compare=False)

    def where(self, yaml_path: str) -> Where:
        """Where a key stands (`shots.pour.duration`, `sound.effects[0]`, `brand.look`); else its nearest parent."""
        tree, steps = self._tree_and_steps(yaml_path)
        return find(tree, steps)[0]

    def value_where(self, yaml_path: str) -> Where:
        """Where a value stands; for a key that is not there, the same as `where`."""
        tree, steps = self._tree_and_steps(yaml_path)
        key, node, depth = find(tree, steps)
        return node.where if depth == len(steps) else key

    def address(self, yaml_path: str) -> str:
        """The path as people write it in its own file: list items by id."""
        return address(*self._tree_and_steps(yaml_path))

    def _tree_and_steps(self, yaml_path: str) -> tuple[Node, Steps]:
        steps = parse_steps(yaml_path)
        if len(steps) > 1 and steps[0] == "brand":
            return self.brand_tree, steps[1:]
        return self.tree, steps


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """One spot of a campaign. `parts` are as few variants as show every shot, line and word in every form it has."""

    source: Source
    template: Node = field(repr=False)
    parts: tuple[tuple[Variant, LoadedSpot], ...]
    frames: int | None = None  # of all its films together; None: they differ only where shots come and go


@dataclass(frozen=True, slots=True)
class LoadedCampaign:
    """A manifest as it was read: one spot, its variants, or several spots. Keys of `files` are names of pins: the path
    in the YAML, with the values of the axes that it depends on."""

    path: Path
    name: str
    sources: tuple[LoadedSource, ...]
    files: Mapping[str, FileUse]
    warnings: tuple[Diagnostic, ...] = ()
    not_applied: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    longest: Mapping[str, int] = field(default_factory=dict)  # frames of a picture by address, of films not in `parts`

    @property
    def lead(self) -> LoadedSpot:
        """The first variant of the first spot: what all share (budget, review, brand) is in it."""
        return self.sources[0].parts[0][1]
