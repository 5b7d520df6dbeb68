"""A YAML file as a tree that remembers where everything was written; plain data comes out of it.

Knows nothing of YAML's syntax (that is `manifests.load`) and nothing of what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from manifests.diagnostics import Where

Step = str | int
Steps = tuple[Step, ...]

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


@dataclass(slots=True)
class Scalar:
    where: Where
    value: object
    text: str = ""  # as it was written
    looked_up: tuple[str, ...] = field(default=(), compare=False)  # names of what was filled in


@dataclass(slots=True)
class Items:
    where: Where
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Map:
    where: Where
    entries: dict[str, tuple[Where, Node]] = field(default_factory=dict)  # key → where the key is, its value


Node = Scalar | Items | Map


def to_data(node: Node) -> object:
    """Maps to dicts, lists to lists, scalars as they were read."""
    if isinstance(node, Map):
        return {key: to_data(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [to_data(item) for item in node.items]
    return node.value


def parse_steps(path: str) -> Steps:
    """`shots.pour.check[0]` → ("shots", "pour", "check", 0)."""
    return tuple(int(m[1]) if m[1] is not None else m[2] for m in _STEP.finditer(path))


def item_id(node: Node) -> str | None:
    """The `id` of a list item that has one."""
    entry = node.entries.get("id") if isinstance(node, Map) else None
    value = entry[1] if entry else None
    return value.value if isinstance(value, Scalar) and isinstance(value.value, str) else None


def item_index(items: Sequence[Node], step: Step) -> int | None:
    """A list item by its id, or by its position counted from 0."""
    if isinstance(step, str):
        for index, item in enumerate(items):
            if item_id(item) == step:
                return index
        if not (step.isascii() and step.isdigit()):
            return None
        step = int(step[:9])
    return step if step < len(items) else None


def child(node: Node, step: Step) -> tuple[Where, Node] | None:
    """(where the key or item is written, its value)."""
    if isinstance(node, Map):
        return node.entries.get(str(step))
    if isinstance(node, Items):
        index = item_index(node.items, step)
        return None if index is None else (node.items[index].where, node.items[index])
    return None


def find(node: Node, steps: Steps) -> tuple[Where, Node, int]:
    """(where the key is, the node, how many steps led there): the nearest parent when the path ends early."""
    where = node.where
    for depth, step in enumerate(steps):
        found = child(node, step)
        if found is None:
            return where, node, depth
        where, node = found
    return where, node, len(steps)


def place_of(tree: Node, *steps: Step) -> Where:
    """Where the value at a path is written: the nearest parent's place when the path ends early."""
    where = tree.where
    for step in steps:
        found = child(tree, step)
        if found is None:
            return where
        where, tree = found[1].where, found[1]
    return where


def address(root: Node, steps: Steps) -> str:
    """The path as people write it: list items by id where they have one, else `[position]`."""
    text = ""
    node: Node | None = root
    for step in steps:
        found = child(node, step) if node is not None else None
        if isinstance(node, Items) and found is not None:
            name = item_id(found[1])
            text += f".{name}" if name else f"[{item_index(node.items, step)}]"
        else:
            text += f"[{step}]" if isinstance(step, int) else f".{step}"
        node = found[1] if found else None
    return text.removeprefix(".")


def as_written(node: Node) -> str:
    """A value as its author sees it: numbers bare, text in backquotes, shortened."""
    if not isinstance(node, Scalar):
        return kind_of(node)
    text = node.text if len(node.text) <= 60 else node.text[:59] + "…"
    return text if isinstance(node.value, int | Decimal) and not isinstance(node.value, bool) else f"`{text}`"


def kind_of(node: Node) -> str:
    """What stands there, in words: a list, the number 5, the text `x`."""
    if isinstance(node, Map):
        return "a map"
    if isinstance(node, Items):
        return "a list"
    if isinstance(node.value, bool):
        return f"the word {node.text}"
    if isinstance(node.value, int | Decimal):
        return f"the number {as_written(node)}"
    return "nothing" if node.value is None else f"the text {as_written(node)}"


def keep_items(node: Map, path: Sequence[str], keep: Callable[[Node], bool]) -> Map:
    """The tree with only those items of the list at `path` that are wanted; what does not change is shared."""
    entry = node.entries.get(path[0])
    if entry is None:
        return node
    where, below = entry
    if len(path) > 1:
        changed: Node = keep_items(below, path[1:], keep) if isinstance(below, Map) else below
    elif isinstance(below, Items) and not all(keep(item) for item in below.items):
        changed = Items(below.where, [item for item in below.items if keep(item)])
    else:
        changed = below
    return node if changed is below else Map(node.where, {**node.entries, path[0]: (where, changed)})


def items_at(node: Node, *path: str) -> list[Node]:
    """The items of the list at `path`; none when there is no list."""
    for key in path:
        entry = child(node, key)
        if entry is None:
            return []
        node = entry[1]
    return node.items if isinstance(node, Items) else []


def data_at(node: Node, key: str) -> object:
    """Plain data under a key; None when there is none."""
    entry = child(node, key)
    return to_data(entry[1]) if entry else None
