"""A spot with its look-ups still in it, and the films that come of it: one for every variant.

What a shot depends on gives it its name: `hero@kettle-green,9:16` is the same purchase in every variant that agrees on
product and ratio, whatever its locale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from manifests.copytext import CopyTable
from manifests.diagnostics import Where
from manifests.extending import frames_added, lengthen_spot
from manifests.journal import Record
from manifests.lookup_words import PARAMS
from manifests.lookups import Lookups, resolve_tree
from manifests.matrix import Axis, AxisValue, Cell, Matrix
from manifests.naming import segment_address
from manifests.nodes import Items, Map, Node, Scalar, data_at, items_at, keep_items, to_data
from manifests.presence import keep_present
from manifests.schema import Deliver, Spot
from manifests.validity import ValidTo, earliest

RATIO, LOCALE = "ratio", "locale"  # axes with a meaning of their own
NOT_OF_A_FILM = ("variants", "copy")
_ABOUT_RUNS = ("budget", "review", "description")  # nothing of them is in a film or in its sidecar


class Source(Record):
    """One spot as written. `depends` says, part by part (`shots.hero`, `sound.voiceover.lines.vo1`, `sound.effects[0]`,
    a file's path in the YAML), on which axes it depends; what is not listed is the same in every variant."""

    id: str = ""  # in a campaign; empty for a spot by itself
    data: Mapping[str, Any]
    matrix: Matrix = Matrix()
    copy_table: CopyTable | None = None
    depends: Mapping[str, tuple[str, ...]] = {}
    takes_of: str = ""  # the spot whose takes a cut-down shows
    params: Mapping[str, str] = {}  # of the schedule that runs it,
    params_valid_to: Mapping[str, ValidTo] = {}  # of those that stand in rows which end, and
    run: Mapping[str, str] = {}  # what is known of the run
    spoken: Mapping[str, Decimal] = {}  # seconds that lines take, by address: those that may make their shots longer
    continued: Mapping[str, int] = {}  # by address, frames more of a shot that another starts on: alike in all films

    @cached_property
    def lookups(self) -> Lookups:
        return Lookups(self.matrix, self.copy_table, self.params, self.run)

    @cached_property
    def tree(self) -> Map:
        node = node_of(self.data)
        if not isinstance(node, Map):
            raise TypeError("a spot is a map")
        return node

    @cached_property
    def ends(self) -> Mapping[tuple[str, str], ValidTo]:
        """Rows behind it that end: by axis and id, and by `params` and name."""
        rows = {(a.name, v.id): v.valid_to for a in self.matrix.axes for v in a.values if v.valid_to is not None}
        return rows | {(PARAMS, name): end for name, end in self.params_valid_to.items()}

    @cached_property
    def first_end(self) -> ValidTo | None:
        """What ends first of the rows behind its films, without looking which film shows which parameter."""
        if not self.ends:
            return None
        used = {(axis, name) for cell in self.matrix.cells for axis, name in zip(self.matrix.names, cell, strict=True)}
        used |= {(PARAMS, name) for name in _params_in(self.tree, self.lookups)}
        return earliest(end for place, end in self.ends.items() if place in used)

    def resolve(self, cell: Cell) -> Spot:
        """The spot of one variant as written, as if it had been written by itself."""
        return Spot.model_validate(plain_json(to_data(narrow(self.tree, self.matrix, cell, self.lookups))))

    def at(self, part: str, name: str, values: Mapping[str, str]) -> str:
        """`name` with the values of the axes that `part` depends on, and the spot it belongs to."""
        return address_of(self.takes_of or self.id, name, self.depends.get(part, ()), values)


def address_of(spot: str, name: str, axes: Sequence[str], values: Mapping[str, str]) -> str:
    text = f"{spot}/{name}" if spot else name
    return f"{text}@{','.join(values[axis] for axis in axes)}" if axes else text


@dataclass(frozen=True)
class Variant:
    """One cell of one spot. `name` is what people call it: `kettle-green,cold,en-GB,9:16`; empty without variants."""

    source: Source
    cell: Cell

    @cached_property
    def values(self) -> dict[str, str]:
        return self.source.matrix.values(self.cell)

    @property
    def name(self) -> str:
        text = ",".join(self.cell)
        return f"{self.source.id}@{text}" if self.source.id and text else self.source.id or text

    @cached_property
    def written(self) -> Spot:
        return self.source.resolve(self.cell)

    @cached_property
    def longer(self) -> Mapping[str, int]:
        """By shot, how many frames more than written it is shown, for what is spoken over it."""
        source, spot = self.source, self.written
        if not source.spoken:
            return {}
        lines = spot.sound.voiceover.lines if spot.sound.voiceover else ()
        ends = {line.id: seconds for line in lines if (seconds := source.spoken.get(self.line(line.id))) is not None}
        alike = {shot.id: source.continued.get(self.shot(shot.id), 0) for shot in spot.shots}
        added = frames_added(spot, ends)
        return {shot: more for shot, same in alike.items() if (more := max(same, added.get(shot, 0)))}

    @cached_property
    def spot(self) -> Spot:
        """As it is made: what is written, with the shots that speech makes longer."""
        return lengthen_spot(self.written, self.longer)

    @cached_property
    def valid_to(self) -> ValidTo | None:
        """What ends first of the rows behind it: of the values it is made for, and of the parameters in it."""
        source, axes = self.source, self.source.matrix.axes
        rows = [axis.ids[name].valid_to for axis, name in zip(axes, self.cell, strict=True)]
        if source.params_valid_to:
            tree = narrow(source.tree, source.matrix, self.cell, source.lookups)
            rows += [source.params_valid_to.get(name) for name in _params_in(tree)]
        return earliest(rows)

    def shot(self, shot_id: str, segment: int = 0) -> str:
        """Its address in this variant, or that of one of its segments."""
        return segment_address(self.source.at(f"shots.{shot_id}", shot_id, self.values), segment)

    def line(self, line_id: str) -> str:
        return self.source.at(f"sound.voiceover.lines.{line_id}", line_id, self.values)

    def effect(self, name: str) -> str:
        return self.source.at(f"sound.effects.{name}", name, self.values)

    def file(self, path: str) -> str:
        """The name under which a file of this variant is pinned: of the brand kit's, its path; of others, with the spot
        before it and the values that it depends on after it."""
        if path.startswith("brand."):
            return path
        return address_of(self.source.id, path, self.source.depends.get(path, ()), self.values)

    @property
    def delivers(self) -> tuple[Deliver, ...]:
        return self.spot.deliver


def yaml_path(pinned: str) -> str:
    """The path in the YAML of a file by the name it is pinned under."""
    return pinned.partition("@")[0].rpartition("/")[2]


def variants_of(sources: Sequence[Source]) -> Iterator[Variant]:
    for source in sources:
        for cell in source.matrix.cells:
            yield Variant(source, cell)


# --- from a template to the tree of one variant ---


def narrow(tree: Map, matrix: Matrix, cell: Cell, lookups: Lookups) -> Map:
    """The tree of one variant: look-ups filled in, what it does not have left out, and only what is delivered in its
    ratio. Nodes keep their places, so every check of a spot by itself tells the right line. Raises LookupError."""
    values = matrix.values(cell)
    kept = {key: entry for key, entry in tree.entries.items() if key not in NOT_OF_A_FILM}
    found = resolve_tree(Map(tree.where, kept), lookups, cell)
    if not isinstance(found, Map):
        raise TypeError("a spot is a map")
    if values:
        found = keep_present(found, values)
    return _of_ratio(found, values[RATIO]) if RATIO in values else found


def _of_ratio(tree: Map, ratio: str) -> Map:
    """Takes are made in the variant's ratio, and it is delivered where that is wanted."""
    where, generate = tree.entries.get("generate", (Where(""), Map(Where(""))))
    if isinstance(generate, Map):
        scalar = Scalar(generate.where, ratio, ratio)
        told = Map(generate.where, {**generate.entries, "ratio": (where, scalar)})
        tree = Map(tree.where, {**tree.entries, "generate": (where, told)})
    return deliver_only(tree, lambda item: data_at(item, "ratio") in (ratio, None))


def deliver_only(tree: Map, keep: Callable[[Node], bool]) -> Map:
    """Without the other deliveries, and without captions burned for placements that get none of these films."""
    everything = {data_at(item, "profile") for item in items_at(tree, "deliver")}
    tree = keep_items(tree, ("deliver",), keep)
    lost = everything - {data_at(item, "profile") for item in items_at(tree, "deliver")}
    return keep_items(tree, ("graphics", "captions", "burn"), lambda item: to_data(item) not in lost)


def _params_in(tree: Map, lookups: Lookups | None = None) -> set[str]:
    """Parameters whose text stands in a tree that is filled in; with `lookups`, in one that is not."""
    found: set[str] = set()
    left = [node for key, (_, node) in tree.entries.items() if key not in _ABOUT_RUNS]
    while left:
        node = left.pop()
        if isinstance(node, Scalar):
            heads = (name.partition(".") for name in (lookups.names_in(node) if lookups else node.looked_up))
            found |= {rest for head, _, rest in heads if head == PARAMS}
        else:
            left += node.items if isinstance(node, Items) else (below for _, below in node.entries.values())
    return found


def with_valid_to(matrix: Matrix, known: Mapping[str, Mapping[str, ValidTo]]) -> Matrix:
    """Of axes whose rows a schedule has settled; by axis and id."""
    if known.keys().isdisjoint(matrix.positions):
        return matrix
    axes = []
    for axis in matrix.axes:
        rows = known.get(axis.name, {})
        values = tuple(AxisValue(id=v.id, fields=v.fields, valid_to=rows.get(v.id, v.valid_to)) for v in axis.values)
        axes.append(Axis(name=axis.name, values=values))
    return Matrix(axes=tuple(axes), cells=matrix.cells)


def with_effect_ids(tree: Map) -> Map:
    """Effects named after their shot and place, so that they are called the same where others are left out."""
    sound = tree.entries.get("sound")
    if sound is None or not isinstance(sound[1], Map) or not items_at(sound[1], "effects"):
        return tree

    def named(number: int, item: Node) -> Node:
        if not isinstance(item, Map) or "id" in item.entries:
            return item
        name = f"{data_at(item, 'at')}-{number}"
        return Map(item.where, {**item.entries, "id": (item.where, Scalar(item.where, name, name))})

    where, effects = sound[1].entries["effects"]
    items = [named(number, item) for number, item in enumerate(items_at(sound[1], "effects"), 1)]
    below = Map(sound[1].where, {**sound[1].entries, "effects": (where, Items(effects.where, items))})
    return Map(tree.where, {**tree.entries, "sound": (sound[0], below)})


def node_of(data: Any) -> Node:
    """A tree of plain data, whose places nobody asks for."""
    where = Where("")
    if isinstance(data, Mapping):
        return Map(where, {str(key): (where, node_of(value)) for key, value in data.items()})
    if isinstance(data, list | tuple):
        return Items(where, [node_of(item) for item in data])
    return Scalar(where, data, data if isinstance(data, str) else "")


def plain_json(data: Any) -> Any:
    """Decimals as text, as our own JSON has them."""
    if isinstance(data, Mapping):
        return {key: plain_json(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain_json(item) for item in data]
    return str(data) if isinstance(data, Decimal) else data
