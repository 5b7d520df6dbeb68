"""Look-ups in a manifest: `${axis}`, `${axis.field}`, `${copy.key}`, `${params.x}`, `${run.week}`, `${run.date}`.

Nothing else: no arithmetic, no conditions, no look-up inside a look-up; `$${` is a literal `${`. Says on which axes a
text depends, fills it in for one cell, and checks all look-ups over all cells. Trees are taken as unchanging.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from manifests.axes import LOCALE
from manifests.copytext import CopyTable
from manifests.cover import covering_cells, sample_cells
from manifests.diagnostics import Diagnostic, sort_diagnostics
from manifests.lookup_words import COPY, PARAMS, RUN, Known, LookUpError, Name
from manifests.matrix import Cell, Matrix
from manifests.nodes import Items, Map, Node, Scalar, Steps, address
from manifests.reading import join

__all__ = [
    "LookUpError", "Lookups", "axes_of_data", "axes_of_node", "check_lookups", "covering_cells", "resolve_data",
    "resolve_tree",
]  # fmt: skip

_TOKEN = re.compile(r"(\$)?\$\{([^{}]*)(\})?")
_NOTHING: frozenset[str] = frozenset()

# What all variants share; an axis looked up there would make it another film. Parameters and the run may be.
SHARED = ("manifest", "kind", "name", "brand", "copy", "variants", "naming", "budget", "deliver", "review")
SHARED_ANYWHERE = ("id", "when", "varies_by")


class Lookups(Known):
    """Fills in look-ups; keeps what it has parsed, judged and filled, so that asking again costs nothing."""

    def __init__(
        self,
        matrix: Matrix,
        copy: CopyTable | None = None,
        params: Mapping[str, str] | None = None,
        run: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(matrix, copy, params, run)
        self._parsed: dict[str, tuple[str | Name, ...]] = {}
        self._judged: dict[Name, LookUpError | None] = {}
        self._samples: dict[frozenset[str], tuple[Cell, ...]] = {}
        self._known: dict[int, _KnownNode] = {}

    def fill(self, text: str, cell: Cell) -> str:
        """Raises LookupError, with a sentence that says what to do, for a look-up that yields nothing."""
        return "".join(part if isinstance(part, str) else self.look_up(part, cell) for part in self.parse(text))

    def axes_of(self, text: str) -> frozenset[str]:
        """The axes of the matrix that the text depends on."""
        if "${" not in text:
            return _NOTHING
        return _NOTHING.union(*(self.axes_of_name(part) for part in self.parse(text) if isinstance(part, Name)))

    def axes_of_name(self, name: Name) -> frozenset[str]:
        if name.escaped:
            return _NOTHING
        head, _, rest = name.text.partition(".")
        if head == COPY:
            axes = self.copy.axes_of(rest) if self.copy else frozenset({LOCALE})
            return axes.intersection(self.matrix.positions)
        return frozenset({head}) if head in self.matrix.positions else _NOTHING

    def look_up(self, name: Name, cell: Cell) -> str:
        """One look-up; raises LookUpError."""
        if name.escaped:
            return f"${{{name.text}" + ("}" if name.closed else "")
        problem = self.judge(name)
        if problem:
            raise LookUpError(problem.summary, problem.detail, problem.remedy)
        head, dot, rest = name.text.partition(".")
        if head == COPY:
            text = self._copy_text(rest, cell)
        elif head in (PARAMS, RUN):
            text = (self.params if head == PARAMS else self.run)[rest]
        else:
            text = self.matrix.field(cell, head, rest if dot else "id")
        if not text.strip():
            raise self.empty(name.text, self.axes_of_name(name), cell)
        return text

    def _copy_text(self, key: str, cell: Cell) -> str:
        values = self.matrix.values(cell)
        try:
            return (self.copy or CopyTable()).text(key, values[LOCALE], values)
        except LookupError:
            raise self.missing_text(key, cell) from None

    def judge(self, name: Name) -> LookUpError | None:
        """What is wrong with it whatever the cell."""
        if name not in self._judged:
            if not name.escaped:
                self._judged[name] = self.problem_of(name)
            else:
                self._judged[name] = self._escape_problem(name)
        return self._judged[name]

    def _escape_problem(self, name: Name) -> LookUpError | None:
        """`$${copy.price}` is meant as a price in dollars far more often than as these very letters."""
        if self.problem_of(Name(name.text, name.closed)) is not None:
            return None
        detail = f"`$${{{name.text}}}` is not looked up: `$${{` is a literal `${{`"
        return LookUpError("look-up", detail, "put the dollar sign into the text that is looked up")

    def parse(self, text: str) -> tuple[str | Name, ...]:
        found = self._parsed.get(text)
        if found is None:
            found = self._parsed[text] = tuple(_split(text))
        return found

    def names_in(self, node: Scalar) -> tuple[str, ...]:
        """What is looked up in it, as it is written."""
        parts = self.parse(str(node.value)) if _looks(node) else ()
        return tuple(part.text for part in parts if isinstance(part, Name) and not part.escaped)

    def samples(self, axes: frozenset[str]) -> tuple[Cell, ...]:
        """A cell for every combination of values that the axes take."""
        if axes not in self._samples:
            self._samples[axes] = sample_cells(self.matrix, axes)
        return self._samples[axes]

    def known(self, node: Node) -> _KnownNode:
        """What is known of a node. Only for nodes that last as long as this: they are kept."""
        kept = self._known.get(id(node))
        if kept is None:
            below = [self.known(value) for value in _below(node)]
            looks = _looks(node) or any(one.looks for one in below)
            own = self.axes_of(str(node.value)) if isinstance(node, Scalar) and looks else _NOTHING
            kept = self._known[id(node)] = _KnownNode(node, own.union(*(one.axes for one in below)), looks)
        return kept


@dataclass(frozen=True, slots=True)
class _KnownNode:
    node: Node  # kept, so that no other node gets its id
    axes: frozenset[str]
    looks: bool  # whether anything is looked up in it
    filled: dict[Cell, Node] = field(default_factory=dict)  # by the values of its axes


def _split(text: str) -> Iterator[str | Name]:
    end = 0
    for found in _TOKEN.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        yield Name(found[2], closed=found[3] is not None, escaped=found[1] is not None)
        end = found.end()
    if end < len(text):
        yield text[end:]


def _looks(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.value


def _below(node: Node) -> Iterable[Node]:
    """Without people's own notes, `x-…`."""
    if isinstance(node, Map):
        return [value for key, (_, value) in node.entries.items() if not key.startswith("x-")]
    return node.items if isinstance(node, Items) else ()


# --- on which axes something depends ---


def axes_of_node(node: Node, lookups: Lookups) -> frozenset[str]:
    """The axes that anything in the tree depends on; people's own notes (`x-…`) do not count."""
    if isinstance(node, Scalar):
        return lookups.axes_of(node.value) if isinstance(node.value, str) else _NOTHING
    return _NOTHING.union(*(lookups.known(value).axes for value in _below(node)))


def axes_of_data(data: object, lookups: Lookups) -> frozenset[str]:
    """The same for plain data."""
    if isinstance(data, str):
        return lookups.axes_of(data)
    values: Iterable[object] = ()
    if isinstance(data, Mapping):
        values = [value for key, value in data.items() if not str(key).startswith("x-")]
    elif isinstance(data, list | tuple):
        values = data
    return _NOTHING.union(*(axes_of_data(value, lookups) for value in values))


# --- filling in ---


def resolve_tree(node: Node, lookups: Lookups, cell: Cell) -> Node:
    """The tree of one cell, every node at its place. What looks nothing up is the same object, and what depends on
    fewer axes than there are is the same object for all cells that agree on them. Raises LookupError.

    `node` itself may be short-lived; what hangs below it is kept with `lookups`, and must not be changed.
    """
    return _fill_scalar(node, lookups, cell) if isinstance(node, Scalar) else _rebuild(node, lookups, cell)


def _resolve(node: Node, lookups: Lookups, cell: Cell) -> Node:
    known = lookups.known(node)
    if not known.looks:
        return node
    if isinstance(node, Scalar):
        return _fill_scalar(node, lookups, cell)
    if len(known.axes) == len(lookups.matrix.axes) > 0:
        return _rebuild(node, lookups, cell)  # another in every cell: not worth keeping
    key = tuple([cell[index] for name, index in lookups.matrix.positions.items() if name in known.axes])
    found = known.filled.get(key)
    if found is None:
        found = known.filled[key] = _rebuild(node, lookups, cell)
    return found


def _rebuild(node: Map | Items, lookups: Lookups, cell: Cell) -> Node:
    if isinstance(node, Items):
        items = [_resolve(item, lookups, cell) for item in node.items]
        return node if _same(items, node.items) else Items(node.where, items)
    entries = {
        key: (where, value if key.startswith("x-") else _resolve(value, lookups, cell))
        for key, (where, value) in node.entries.items()
    }
    same = all(entries[key][1] is value for key, (_, value) in node.entries.items())
    return node if same else Map(node.where, entries)


def _same(new: Sequence[object], old: Sequence[object]) -> bool:
    return all(one is other for one, other in zip(new, old, strict=True))


def _fill_scalar(node: Scalar, lookups: Lookups, cell: Cell) -> Scalar:
    if not _looks(node):
        return node
    written = str(node.value)
    text = lookups.fill(written, cell)
    return Scalar(node.where, text, text, lookups.names_in(node))


def resolve_data(data: object, lookups: Lookups, cell: Cell) -> object:
    """The same for plain data: what looks nothing up is the same object."""
    if isinstance(data, str):
        return lookups.fill(data, cell) if "${" in data else data
    if isinstance(data, Mapping):
        filled = {k: v if str(k).startswith("x-") else resolve_data(v, lookups, cell) for k, v in data.items()}
        return data if all(filled[key] is value for key, value in data.items()) else filled
    if isinstance(data, list | tuple):
        items = [resolve_data(value, lookups, cell) for value in data]
        return data if _same(items, data) else type(data)(items)
    return data


# --- checking ---


def check_lookups(tree: Node, lookups: Lookups, shown: str, base: str = "") -> list[Diagnostic]:
    """Every look-up over all cells, each different one once: unknown names, texts that are missing, empty results.

    `tree` is a whole spot, unless `base` says where it stands: then it goes before the addresses.
    """
    told: dict[Name, list[LookUpError]] = {}
    problems = []
    for steps, scalar in _scalars(tree, ()):
        for name in dict.fromkeys(part for part in lookups.parse(str(scalar.value)) if isinstance(part, Name)):
            if name not in told:
                told[name] = _problems_of(name, lookups)
            found = told[name]
            if not found and lookups.axes_of_name(name) and _is_shared(steps, base):
                detail = f"`${{{name.text}}}` cannot stand here: it is the same for all variants"
                found = [LookUpError("look-up", detail, "write the value out")]
            place = _address(tree, steps, base) if found else ""
            problems += [Diagnostic(p.summary, p.detail, place, scalar.where, p.remedy) for p in found]
    return sort_diagnostics(problems, shown)


def _problems_of(name: Name, lookups: Lookups) -> list[LookUpError]:
    """At most one for each locale; several values with the same trouble are counted."""
    problem = lookups.judge(name)
    if problem:
        return [problem]
    axes = lookups.axes_of_name(name)
    found: dict[str, list[LookUpError]] = {}
    for cell in lookups.samples(axes):
        try:
            lookups.look_up(name, cell)
        except LookUpError as trouble:
            locale = lookups.matrix.values(cell)[LOCALE] if LOCALE in axes else ""
            found.setdefault(locale, []).append(trouble)
    return [_summed(troubles) for troubles in found.values()]


def _summed(problems: Sequence[LookUpError]) -> LookUpError:
    first, others = problems[0], len({problem.detail for problem in problems}) - 1
    more = f" (and {others:,} other{'s' if others > 1 else ''} like it)" if others else ""
    return LookUpError(first.summary, first.detail + more, first.remedy)


def _is_shared(steps: Steps, base: str) -> bool:
    return (not base and steps[0] in SHARED) or any(step in SHARED_ANYWHERE for step in steps)


def _scalars(node: Node, steps: Steps) -> Iterator[tuple[Steps, Scalar]]:
    """Those with a look-up."""
    if isinstance(node, Map):
        for key, (_, value) in node.entries.items():
            if not key.startswith("x-"):
                yield from _scalars(value, (*steps, key))
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            yield from _scalars(item, (*steps, index))
    elif _looks(node):
        yield steps, node


def _address(tree: Node, steps: Steps, base: str) -> str:
    path = address(tree, steps)
    return base + path if path.startswith("[") else join(base, path) if path else base
