"""`--set a.b=c` on the tree before it is checked: maps merge, lists replace, null deletes, list items go by id."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from manifests.diagnostics import Diagnostic, Where, suggest
from manifests.nodes import Items, Map, Node, Scalar, Step, Steps, child, item_id, item_index, parse_steps

MAX_STEPS = 16

Parse = Callable[[str, str], tuple[Node, list[Diagnostic]]]


class _OverrideError(Exception):
    """Why a path cannot be set."""


def apply_overrides(root: Node, overrides: Sequence[str], parse: Parse) -> tuple[Node, list[Diagnostic]]:
    """A new tree; shared nodes are copied on the way, so that an alias elsewhere keeps its value."""
    problems: list[Diagnostic] = []
    for text in overrides:
        path, equals, value = text.partition("=")
        where = Where(f"--set {path}")
        steps = parse_steps(path.strip())
        if not equals or not steps or len(steps) > MAX_STEPS:
            remedy = "example: --set generate.takes=1, or --set shots.pour.duration=5"
            problems.append(Diagnostic("override", f"`{text[:80]}` is not `path=value`", "", Where("--set"), remedy))
            continue
        node, found = parse(value, f"--set {path}")
        problems += found
        try:
            root = _set(root, steps, node, where)
        except _OverrideError as problem:
            problems.append(Diagnostic("override", str(problem), path.strip(), where))
    return root, problems


def _set(node: Node, steps: Steps, value: Node, where: Where) -> Node:
    step, rest = steps[0], steps[1:]
    if isinstance(node, Scalar) and node.value is None:
        node = Map(node.where)
    if isinstance(node, Map):
        return _set_key(node, str(step), rest, value, where)
    if isinstance(node, Items):
        return _set_item(node, step, rest, value, where)
    raise _OverrideError(f"`{step}` cannot be set: what is above it is a plain value")


def _set_key(node: Map, key: str, rest: Steps, value: Node, where: Where) -> Map:
    entries = dict(node.entries)
    key_where, old = entries.get(key, (where, None))
    if rest:
        entries[key] = (key_where, _set(old if old is not None else Map(where), rest, value, where))
    elif isinstance(value, Scalar) and value.value is None:
        entries.pop(key, None)
    else:
        entries[key] = (where, merge(old, value))
    return Map(node.where, entries)


def _set_item(node: Items, step: Step, rest: Steps, value: Node, where: Where) -> Items:
    index = item_index(node.items, step)
    if index is None:
        ids = [name for item in node.items if (name := item_id(item))]
        known = f"ids here: {', '.join(ids)}" if ids else f"positions here: 0 to {len(node.items) - 1}"
        raise _OverrideError(f"no item `{step}` in this list{suggest(str(step), ids)} ({known})")
    items = list(node.items)
    if rest:
        items[index] = _set(items[index], rest, value, where)
    elif isinstance(value, Scalar) and value.value is None:
        del items[index]
    else:
        items[index] = merge(items[index], value)
    return Items(node.where, items)


def merge(old: Node | None, new: Node) -> Node:
    """Maps merge key by key, null deletes a key, anything else replaces."""
    if not isinstance(old, Map) or not isinstance(new, Map):
        return new
    entries = dict(old.entries)
    for key, (where, value) in new.entries.items():
        if isinstance(value, Scalar) and value.value is None:
            entries.pop(key, None)
        else:
            before = child(old, key)
            entries[key] = (where, merge(before[1] if before else None, value))
    return Map(old.where, entries)
