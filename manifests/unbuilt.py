"""What manifests can say and shotrunner does not do yet: refused with its line, or listed, never silently dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from manifests.nodes import Items, Map, Node, Scalar, Steps, address, find
from manifests.scripts import unknown_fonts


@dataclass(frozen=True, slots=True)
class NotApplied:
    """`path` with `*` for every item; `when` sees the value as plain data."""

    path: str
    why: str
    when: Callable[[object], bool] = lambda value: value is not None


def _other_than(*values: object) -> Callable[[object], bool]:
    return lambda value: value is not None and value not in values


NOT_APPLIED: tuple[NotApplied, ...] = (
    NotApplied("generate.drafts", "nobody looks at drafts until their gate is built, so none is bought"),
    NotApplied("shots.*.end_image", "it is not sent yet"),
    NotApplied("shots.*.source_audio", "the sound of takes is dropped", _other_than("drop")),
    NotApplied("edit.match.colour", "colour is left as filmed", _other_than("none")),
    NotApplied("edit.match.grain", "grain is left as filmed", _other_than("none")),
    NotApplied("graphics.disclosure", "the label is not drawn yet", lambda value: value == "auto"),
    NotApplied("compliance.claims", "claims are recorded, no gate waits for them", _other_than([])),
    NotApplied("review.drafts", "no drafts are bought, so nobody waits for them"),
    *(NotApplied(f"review.{gate}.sample", "all of it is looked at") for gate in ("keyframes", "takes", "cut")),
)

BRAND_NOT_APPLIED: tuple[NotApplied, ...] = (
    NotApplied("logo.clear_space", "the card's template places the logo"),
    NotApplied("disclosure", "the label is not drawn yet"),
)


def not_applied(tree: Node, table: tuple[NotApplied, ...] = NOT_APPLIED) -> tuple[str, ...]:
    """What this manifest sets and nothing acts on, in the order of the table; `generate.` is left away."""
    found: dict[str, None] = {}
    for row in table:
        for steps in _matches(tree, row.path.split("."), ()):
            if row.when(_plain(find(tree, steps)[1])):
                found[address(tree, steps).removeprefix("generate.")] = None
    return tuple(found)


def brand_not_applied(tree: Node) -> tuple[str, ...]:
    """The same for the brand kit, with `brand.` before each."""
    _, fonts, depth = find(tree, ("fonts",))
    others = unknown_fonts(fonts.entries) if depth and isinstance(fonts, Map) else []
    found = [*not_applied(tree, BRAND_NOT_APPLIED), *(f"fonts.{name}" for name in others)]
    return tuple(f"brand.{path}" for path in found)


def _matches(node: Node, path: list[str], steps: Steps) -> Iterator[Steps]:
    if not path:
        yield steps
    elif path[0] == "*":
        for index, item in enumerate(node.items if isinstance(node, Items) else ()):
            yield from _matches(item, path[1:], (*steps, index))
    elif isinstance(node, Map) and path[0] in node.entries:
        yield from _matches(node.entries[path[0]][1], path[1:], (*steps, path[0]))


def _plain(node: Node) -> object:
    if isinstance(node, Scalar):
        return node.value
    return [] if isinstance(node, Items) and not node.items else node
