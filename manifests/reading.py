"""Reading a block by hand where no model does it: every slip is kept with its place, in the same words as the models'.

For what people write that is a table rather than a record: variants and copy. Knows nothing of what the keys mean.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from manifests.diagnostics import Diagnostic, Where, nearest
from manifests.nodes import Items, Map, Node, Scalar, as_written, kind_of

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
MOST_LISTED = 12


class Reader:
    """Answers None for what it refused, and keeps why in `problems`."""

    def __init__(self) -> None:
        self.problems: list[Diagnostic] = []

    def refuse(self, summary: str, detail: str, address: str, where: Where, remedy: str = "") -> None:
        self.problems.append(Diagnostic(summary, detail, address, where, remedy))

    def map(self, node: Node, address: str) -> Map | None:
        if isinstance(node, Map):
            return node
        self._wrong_kind(node, address, "a map of `key: value` lines")
        return None

    def items(self, node: Node, address: str) -> list[Node] | None:
        if isinstance(node, Items):
            return node.items
        remedy = f"write [{as_written(node).strip('`')}]" if isinstance(node, Scalar) else ""
        self._wrong_kind(node, address, "a list", remedy)
        return None

    def text(self, node: Node, address: str) -> str | None:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            if node.value:
                return node.value
            self.refuse("value", "is empty", address, node.where)
            return None
        remedy = f'put it in quotes: "{node.text}"' if isinstance(node, Scalar) else ""
        self._wrong_kind(node, address, "text", remedy)
        return None

    def whole(self, node: Node, address: str, most: int) -> int | None:
        """A number from 1 to `most`."""
        if not isinstance(node, Scalar) or type(node.value) is not int:
            self._wrong_kind(node, address, "a whole number")
        elif not 1 <= node.value <= most:
            bound = "at least 1" if node.value < 1 else f"at most {most}"
            self.refuse("value", f"must be {bound}, is {as_written(node)}", address, node.where)
        else:
            return node.value
        return None

    def date(self, node: Node, address: str) -> dt.date | None:
        text = self.text(node, address)
        found = parse_day(text) if text is not None else None
        if text is not None and found is None:
            detail = f'{as_written(node)} must be a date in quotes, such as "2026-12-01"'
            self.refuse("value", detail, address, node.where)
        return found

    def keys(self, node: Map, allowed: Collection[str], address: str, *, needed: Collection[str] = ()) -> None:
        """Unknown keys but for `x-…`, and those that are missing unless a misspelt one stands for them."""
        meant = set()
        for key, (where, _) in entries_of(node):
            if key not in allowed:
                near = nearest(key, [name for name in allowed if name not in node.entries])
                hint = f"; did you mean `{near}`?" if near else ""
                remedy = f"allowed here: {', '.join(allowed)}"
                self.refuse("unknown key", f"unknown key `{key}`{hint}", join(address, key), where, remedy)
                meant.add(near)
        for key in needed:
            if key not in node.entries and key not in meant:
                self.refuse("missing key", f"missing key `{key}`", address, node.where)

    def _wrong_kind(self, node: Node, address: str, wanted: str, remedy: str = "") -> None:
        if isinstance(node, Scalar) and node.value is None:
            self.refuse("no value", "has no value", address, node.where, "give it one, or remove the key")
        else:
            self.refuse("value", f"must be {wanted}, not {kind_of(node)}", address, node.where, remedy)


def entries_of(node: Map) -> list[tuple[str, tuple[Where, Node]]]:
    """Without people's own notes, `x-…`."""
    return [(key, entry) for key, entry in node.entries.items() if not key.startswith("x-")]


def join(address: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{address}[{step}]"
    return f"{address}.{step}" if address else step


def listed(words: Collection[str]) -> str:
    """The words with commas, at most a dozen of them."""
    shown = list(words)[:MOST_LISTED]
    left = len(words) - len(shown)
    return ", ".join(shown) + (f" and {left:,} more" if left else "")


def parse_day(text: str) -> dt.date | None:
    """A day of the calendar as 2026-12-01, and in no other form."""
    try:
        return dt.date.fromisoformat(text) if _DATE.match(text) else None
    except ValueError:
        return None
