"""Format versions: version n of shotrunner's manifests reads n and the one before, step by step, on the tree.

There is one version so far, so no step yet; a step is a function of the tree in STEPS under the version it starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from manifests.diagnostics import Diagnostic
from manifests.nodes import Map, Node, Scalar

CURRENT = 1
STEPS: Mapping[int, Callable[[Map], Map]] = {}


def upgrade_tree(
    root: Map, *, current: int = CURRENT, steps: Mapping[int, Callable[[Map], Map]] = STEPS
) -> tuple[Node, list[Diagnostic]]:
    """The tree in the current version. A missing or malformed `manifest:` is left to the models."""
    entry = root.entries.get("manifest")
    value = entry[1].value if entry and isinstance(entry[1], Scalar) else None
    if entry is None or type(value) is not int or value == current:
        return root, []
    where = entry[1].where
    oldest = max(1, current - 1)
    if value > current:
        detail, remedy = (
            f"format version {value} is newer than this shotrunner, which reads {current}",
            "upgrade shotrunner",
        )
    elif value < oldest:
        reads = f"{oldest} and {current}" if oldest < current else f"{current}"
        detail, remedy = (
            f"format version {value} is not read; this shotrunner reads {reads}",
            f"write `manifest: {current}`",
        )
    else:
        return _set_version(steps[value](root), current), []
    return root, [Diagnostic("format version", detail, "manifest", where, remedy)]


def _set_version(root: Map, version: int) -> Map:
    key, node = root.entries["manifest"]
    return Map(root.where, {**root.entries, "manifest": (key, Scalar(node.where, version, str(version)))})
