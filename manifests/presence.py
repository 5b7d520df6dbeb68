"""Which shots a variant has: `when`. What hangs on a shot that is not there is left out, and told; only a voice line
never is. Works on trees whose nodes keep their places."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from manifests.diagnostics import Diagnostic, Where, suggest
from manifests.matrix import Cell, Matrix
from manifests.nodes import Items, Map, Node, Scalar, address, child, data_at, item_id, items_at, keep_items, to_data
from manifests.reading import listed

LINES = ("sound", "voiceover", "lines")
HANGING = (("sound", "effects"), ("graphics", "supers"))
TRANSITIONS = ("edit", "transitions")
NEED_VOICE = (("graphics", "captions"), ("sound", "music", "duck"))
_WITH_WHEN = (("shots",), LINES, *HANGING)
_TAG = re.compile(r"@([A-Za-z][A-Za-z0-9_]*)")


def keep_present(tree: Map, values: Mapping[str, str]) -> Map:
    """Without the shots that this variant does not have, and without what hangs on them. A line stays unless its own
    `when` says otherwise: words are not dropped silently."""
    shots = items_at(tree, "shots")
    absent = {data_at(item, "id") for item in shots if not is_present(item, values)}

    def hangs(item: Node) -> bool:
        return is_present(item, values) and data_at(item, "at") not in absent

    def stays(item: Node) -> bool:
        return is_present(item, values)

    tree = keep_shots(tree, stays)
    tree = keep_items(tree, TRANSITIONS, lambda item: _joins(item, shots, absent))
    tree = keep_lines(tree, stays)
    for path in HANGING:
        tree = keep_items(tree, path, hangs)
    return tree


def keep_shots(tree: Map, keep: Callable[[Node], bool]) -> Map:
    """Without the other shots, and without references that only they use."""
    shots = items_at(tree, "shots")
    cast = [(keep(shot), _cast_of(shot)) for shot in shots]
    gone = {name for kept, names in cast if not kept for name in names}
    gone -= {name for kept, names in cast if kept for name in names}
    tree = keep_items(tree, ("shots",), keep)
    entry = tree.entries.get("references")
    if entry is None or not isinstance(entry[1], Map) or gone.isdisjoint(entry[1].entries):
        return tree
    left = {name: found for name, found in entry[1].entries.items() if name not in gone}
    return Map(tree.where, {**tree.entries, "references": (entry[0], Map(entry[1].where, left))})


def keep_lines(tree: Map, keep: Callable[[Node], bool]) -> Map:
    """Without the other lines; where none is left, without a voice and what needs one."""
    before = len(items_at(tree, *LINES))
    tree = keep_items(tree, LINES, keep)
    if not before or items_at(tree, *LINES):
        return tree
    tree = without(tree, LINES[:-1])
    for path in NEED_VOICE:
        tree = without(tree, path)
    return tree


def without(tree: Map, path: Sequence[str]) -> Map:
    """Without the key at the end of the path, if it is there."""
    entry = tree.entries.get(path[0])
    if entry is None:
        return tree
    if len(path) == 1:
        return Map(tree.where, {key: found for key, found in tree.entries.items() if key != path[0]})
    if not isinstance(entry[1], Map):
        return tree
    return Map(tree.where, {**tree.entries, path[0]: (entry[0], without(entry[1], path[1:]))})


def _cast_of(shot: Node) -> set[str]:
    """References by name: those that it lists, starts or ends on, and those that its prompt calls."""
    listed_there = data_at(shot, "references")
    names = {str(name) for name in (listed_there if isinstance(listed_there, list) else ())}
    names |= {str(data_at(shot, key)) for key in ("start_image", "end_image")}
    prompt = child(shot, "prompt")
    return names | {name for text in _texts(prompt[1] if prompt else shot) for name in _TAG.findall(text)}


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar):
        yield str(node.value)
        return
    for below in node.items if isinstance(node, Items) else (value for _, value in node.entries.values()):
        yield from _texts(below)


def is_present(item: Node, values: Mapping[str, str]) -> bool:
    """Whether its `when` matches; without one it is in every variant."""
    return all(values[axis] in wanted for axis, wanted, _ in _conditions(item) if axis in values)


def _joins(item: Node, shots: list[Node], absent: Collection[object]) -> bool:
    """Whether a transition joins two shots of this variant. Shots that come and go may stand between them; that others
    do is told by the checks of a spot."""
    between = data_at(item, "between")
    if not isinstance(between, list):
        return True
    if any(name in absent for name in between):
        return False
    places = [index for index, shot in enumerate(shots) if item_id(shot) in between]
    inside = shots[places[0] + 1 : places[-1]] if len(places) == 2 else []
    return not any(item_id(shot) not in absent and child(shot, "when") for shot in inside)


def _conditions(item: Node) -> Iterator[tuple[str, list[object], tuple[Where, Node]]]:
    """(axis, values of it, where they stand)."""
    entry = item.entries.get("when") if isinstance(item, Map) else None
    if entry is not None and isinstance(entry[1], Map):
        for axis, (where, wanted) in entry[1].entries.items():
            data = to_data(wanted)
            yield axis, data if isinstance(data, list) else [data], (where, wanted)


def check_presence(tree: Map, matrix: Matrix) -> list[Diagnostic]:
    """Every `when` must name axes and values that there are and match a variant, and no variant may be left empty."""
    found = [problem for path in _WITH_WHEN for item in _placed(tree, path) for problem in _check_when(*item, matrix)]
    if found:
        return found
    shots = items_at(tree, "shots")
    axes = {axis for shot in shots for axis, _, _ in _conditions(shot)}
    empty = [
        cell
        for cell in (matrix.cells if axes else ())
        if not any(is_present(shot, matrix.values(cell)) for shot in shots)
    ]
    if empty:
        detail = f"no shot is left in {_counted(empty)}: every one has a `when` that does not match"
        remedy = "let one shot be in all variants, or exclude these"
        found.append(Diagnostic("no shots", detail, "shots", tree.entries["shots"][0], remedy))
    return found


def _check_when(place: str, item: Node, matrix: Matrix) -> Iterator[Diagnostic]:
    known = {axis.name: axis for axis in matrix.axes}
    sound = True
    for name, wanted, (where, node) in _conditions(item):
        at = f"{place}.when.{name}"
        if name not in known:
            remedy = f"axes: {listed(known)}" if known else "there is no `variants` block"
            yield Diagnostic("unknown axis", f"unknown axis `{name}`{suggest(name, known)}", at, where, remedy)
            sound = False
            continue
        ids = known[name].ids
        nodes = node.items if isinstance(node, Items) else [node]
        for value, below in zip(wanted, nodes, strict=True):
            if value not in ids:
                detail = f"`{value}` is no value of `{name}`{suggest(str(value), ids)}"
                yield Diagnostic("unknown value", detail, at, below.where, f"values: {listed(ids)}")
                sound = False
    entry = child(item, "when")
    if entry and sound and not any(is_present(item, matrix.values(cell)) for cell in matrix.cells):
        detail = "matches no variant: they are excluded"
        yield Diagnostic("when", detail, f"{place}.when", entry[1].where, "remove it, or the rule that excludes them")


def left_out(tree: Map, matrix: Matrix) -> Iterator[str]:
    """In words, what is not in some films because the shot that it hangs on is not."""
    shots = {item_id(shot): shot for shot in items_at(tree, "shots")}
    whens = {name for name, shot in shots.items() if child(shot, "when")}
    if not whens:
        return
    cells = [matrix.values(cell) for cell in matrix.cells]
    for path in HANGING:
        for place, item in _placed(tree, path):
            shot = data_at(item, "at")
            if shot in whens:
                lost = sum(is_present(item, v) and not is_present(shots[str(shot)], v) for v in cells)
                if lost:
                    yield f"{place}: left out of {lost:,} of {len(cells):,} variants, which have no `{shot}`"
    for place, item in _placed(tree, TRANSITIONS):
        between = data_at(item, "between")
        names = [str(name) for name in between if name in shots] if isinstance(between, list) else []
        lost = 0
        for values in cells:
            absent = {name for name in whens if not is_present(shots[name], values)}
            lost += not _joins(item, list(shots.values()), absent)
        if lost:
            pair = " and ".join(f"`{name}`" for name in names)
            yield f"{place}: left out of {lost:,} of {len(cells):,} variants, where {pair} do not meet"


def _placed(tree: Map, path: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    """Items with their addresses as people write them."""
    for index, item in enumerate(items_at(tree, *path)):
        yield address(tree, (*path, index)), item


def _counted(cells: list[Cell]) -> str:
    first = ",".join(cells[0])
    return first if len(cells) == 1 else f"{first} (and {len(cells) - 1:,} more)"
