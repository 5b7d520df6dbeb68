"""Look-ups in a manifest: `${axis}`, `${axis.field}`, `${copy.key}`, `${params.x}`, `${run.week}`, `${run.date}`.

Nothing else: no arithmetic, no conditions, no look-up inside a look-up; `$${` is a literal `${`. Says on which axes a
text depends, fills it in for one cell, and checks all look-ups over all cells. Trees are taken as unchanging.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from manifests.copytext import CopyTable
from manifests.diagnostics import Diagnostic, Where, sort_diagnostics, suggest
from manifests.matrix import LOCALE, Cell, Matrix
from manifests.nodes import Items, Map, Node, Scalar, Steps, address
from manifests.reading import join, listed

COPY, PARAMS, RUN = "copy", "params", "run"
RUN_NAMES = ("week", "date")
FORMS = "${axis}, ${axis.field}, ${copy.key}, ${params.name}, ${run.week} and ${run.date}"

_TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)(\})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)?\Z", re.ASCII)
_NOTHING: frozenset[str] = frozenset()


class LookUpError(LookupError):
    """A look-up that yields nothing. `summary` and `remedy` are for a diagnostic."""

    def __init__(self, summary: str, detail: str, remedy: str = "") -> None:
        super().__init__(f"{detail}; {remedy}" if remedy else detail)
        self.summary, self.detail, self.remedy = summary, detail, remedy


class _Name(NamedTuple):
    """What stands in the braces; `closed` when there is a closing one."""

    text: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Use:
    """One look-up at one place."""

    name: str  # without the braces
    axes: frozenset[str]
    address: str
    where: Where


@dataclass(frozen=True, slots=True)
class _Filled:
    node: Node  # kept, so that no other node gets its id
    axes: frozenset[str]
    looks: bool  # whether anything is looked up in it
    by_values: dict[Cell, Node] = field(default_factory=dict)


class Lookups:
    """What can be looked up. `params` and `run` are known when a schedule runs the manifest."""

    def __init__(
        self,
        matrix: Matrix,
        copy: CopyTable | None = None,
        params: Mapping[str, str] | None = None,
        run: Mapping[str, str] | None = None,
    ) -> None:
        self.matrix, self.copy = matrix, copy
        self.params, self.run = dict(params or {}), dict(run or {})
        self._parsed: dict[str, tuple[str | _Name, ...]] = {}
        self._filled: dict[int, _Filled] = {}

    def names(self, text: str) -> tuple[str, ...]:
        """What the text looks up, without the braces, each once."""
        return tuple(dict.fromkeys(part.text for part in self._parse(text) if isinstance(part, _Name)))

    def fill(self, text: str, cell: Cell) -> str:
        """Raises LookupError, with a sentence that says what to do, for a look-up that yields nothing."""
        return "".join(part if isinstance(part, str) else self.look_up(part, cell) for part in self._parse(text))

    def axes_of(self, text: str) -> frozenset[str]:
        """The axes of the matrix that the text depends on."""
        if "${" not in text:
            return _NOTHING
        return _NOTHING.union(*(self.axes_of_name(name) for name in self.names(text)))

    def axes_of_name(self, name: str) -> frozenset[str]:
        head, _, rest = name.partition(".")
        if head == COPY:
            axes = self.copy.axes_of(rest) if self.copy else frozenset({LOCALE})
            return axes.intersection(self.matrix.positions)
        return frozenset({head}) if head in self.matrix.positions else _NOTHING

    def look_up(self, name: _Name, cell: Cell) -> str:
        """One look-up; raises LookUpError."""
        problem = self.problem_of(name)
        if problem:
            raise problem
        head, dot, rest = name.text.partition(".")
        if head == COPY:
            text = self._copy_text(rest, cell)
        elif head in (PARAMS, RUN):
            text = (self.params if head == PARAMS else self.run)[rest]
        else:
            text = self.matrix.field(cell, head, rest if dot else "id")
        if not text:
            raise LookUpError("empty look-up", f"`${{{name.text}}}` is empty{self._for(name.text, cell)}")
        return text

    def _copy_text(self, key: str, cell: Cell) -> str:
        values = self.matrix.values(cell)
        locale = values[LOCALE]
        copy = self.copy or CopyTable()
        try:
            return copy.text(key, locale, values)
        except LookupError:
            others = copy.axes_of(key) - {LOCALE}
            some = key in copy.rows.get(locale, {})
            whose = ", ".join(f"{axis} {values[axis]}" for axis in self.matrix.names if axis in others) if some else ""
            detail = f"`${{copy.{key}}}` has no text for {locale}" + (f" with {whose}" if whose else "")
            remedy = f"add `{key}` under `{locale}`"
            if others and not some:
                remedy += ", or rows for all values of " + " and ".join(sorted(others))
            remedy += f" in {copy.file}, or write `{key}: {{fallback: …}}` there"
            raise LookUpError("missing text", f"{detail} in {copy.file}", remedy) from None

    def _for(self, name: str, cell: Cell) -> str:
        axes = self.axes_of_name(name)
        values = self.matrix.values(cell)
        named = [f"{axis} {values[axis]}" for axis in self.matrix.names if axis in axes]
        return f" for {', '.join(named)}" if named else ""

    # --- what is wrong with a look-up whatever the cell ---

    def problem_of(self, name: _Name) -> LookUpError | None:
        shown = f"`${{{name.text}}}`" if len(name.text) <= 60 else f"`${{{name.text[:59]}…`"
        if not name.closed:
            return LookUpError(
                "look-up", f"`${{{name.text[:40]}` has no closing `}}`", "a literal `${` is written `$${`"
            )
        head, dot, rest = name.text.partition(".")
        if not _NAME.match(name.text):
            stripped = "".join(name.text.split())
            hint = f"; did you mean `${{{stripped}}}`?" if _NAME.match(stripped) else ""
            return LookUpError("look-up", f"{shown} is no look-up{hint}", f"there are {FORMS}")
        if head == COPY:
            return self._copy_problem(shown, rest)
        if head == PARAMS:
            remedy = (
                f"parameters: {listed(self.params)}"
                if self.params
                else "parameters are set by a schedule: there is none"
            )
            return None if rest in self.params else self._unknown(shown, "parameter", rest, self.params, remedy)
        if head == RUN:
            return self._run_problem(shown, rest)
        return self._axis_problem(shown, head, rest if dot else "id")

    def _copy_problem(self, shown: str, key: str) -> LookUpError | None:
        if self.copy is None:
            remedy = "name one with `copy:`, a YAML file of texts by locale"
            return LookUpError("look-up", f"{shown}: this manifest has no copy table", remedy)
        if LOCALE not in self.matrix.positions:
            remedy = "add `locale: [en-GB]` to `variants.axes`"
            return LookUpError("look-up", f"{shown} needs an axis `locale`", remedy)
        if key in self.copy.keys:
            return None
        remedy = f"keys: {listed(sorted(self.copy.keys))}"
        return self._unknown(shown, "text", key, self.copy.keys, remedy, f" in any locale of {self.copy.file}")

    def _run_problem(self, shown: str, name: str) -> LookUpError | None:
        if name in self.run:
            return None
        if name in RUN_NAMES:
            return LookUpError("look-up", f"{shown} is known only when a schedule runs this", "write the value out")
        return self._unknown(shown, "value of the run", name, RUN_NAMES, "there are ${run.week} and ${run.date}")

    def _axis_problem(self, shown: str, axis: str, name: str) -> LookUpError | None:
        names = self.matrix.names
        if axis not in self.matrix.positions:
            remedy = f"axes: {listed(names)}" if names else "there is no `variants` block"
            return self._unknown(shown, "axis", axis, (*names, COPY, PARAMS, RUN), remedy)
        fields = self.matrix.axis(axis).fields
        if name in fields:
            return None
        others = [other for other in fields if other != "id"]
        remedy = f"fields of {axis}: {listed(others)}" if others else f"the values of {axis} are words without fields"
        return self._unknown(shown, "field", name, others, remedy)

    @staticmethod
    def _unknown(shown: str, what: str, name: str, known: Iterable[str], remedy: str, where: str = "") -> LookUpError:
        said = f"no {what} `{name}`" if name else f"it names no {what}"
        return LookUpError("unknown look-up", f"{shown}: {said}{where}{suggest(name, known) if name else ''}", remedy)

    # --- parsing, kept ---

    def _parse(self, text: str) -> tuple[str | _Name, ...]:
        found = self._parsed.get(text)
        if found is None:
            found = self._parsed[text] = tuple(_split(text))
        return found

    def parsed_names(self, text: str) -> Iterator[_Name]:
        return (part for part in self._parse(text) if isinstance(part, _Name))

    # --- trees, kept ---

    def filled(self, node: Node) -> _Filled:
        """What is known of a node. Only for nodes that last as long as this: it is kept."""
        kept = self._filled.get(id(node))
        if kept is None:
            below = [self.filled(value) for value in _below(node)]
            looks = _looks(node) or any(one.looks for one in below)
            own = self.axes_of(str(node.value)) if isinstance(node, Scalar) and _looks(node) else _NOTHING
            kept = self._filled[id(node)] = _Filled(node, own.union(*(one.axes for one in below)), looks)
        return kept


def _split(text: str) -> Iterator[str | _Name]:
    end = 0
    for found in _TOKEN.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        yield "${" if found[1] is None else _Name(found[1], found[2] is not None)
        end = found.end()
    if end < len(text):
        yield text[end:]


def _looks(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.value


def _below(node: Node) -> list[Node]:
    if isinstance(node, Map):
        return [value for key, (_, value) in node.entries.items() if not key.startswith("x-")]
    return node.items if isinstance(node, Items) else []


def axes_of_node(node: Node, lookups: Lookups) -> frozenset[str]:
    """The axes that anything in the tree depends on; people's own notes (`x-…`) do not count."""
    if isinstance(node, Scalar):
        return lookups.axes_of(node.value) if isinstance(node.value, str) else _NOTHING
    return _NOTHING.union(*(lookups.filled(value).axes for value in _below(node)))


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


def resolve_tree(node: Node, lookups: Lookups, cell: Cell) -> Node:
    """The tree of one cell, every node at its place; what looks nothing up is the same object, and what depends on
    fewer axes than there are is the same object for all cells that agree on them. Raises LookupError.

    `node` itself may be short-lived; what hangs below it must live as long as `lookups`.
    """
    if isinstance(node, Scalar):
        return _fill_scalar(node, lookups, cell)
    return _rebuilt(node, lookups, cell)


def _resolve(node: Node, lookups: Lookups, cell: Cell) -> Node:
    known = lookups.filled(node)
    if not known.looks:
        return node
    if isinstance(node, Scalar):
        return _fill_scalar(node, lookups, cell)
    if len(known.axes) == len(lookups.matrix.axes) > 0:
        return _rebuilt(node, lookups, cell)  # another in every cell: not worth keeping
    positions = lookups.matrix.positions
    key = tuple([cell[index] for name, index in positions.items() if name in known.axes])
    found = known.by_values.get(key)
    if found is None:
        found = known.by_values[key] = _rebuilt(node, lookups, cell)
    return found


def _rebuilt(node: Map | Items, lookups: Lookups, cell: Cell) -> Node:
    if isinstance(node, Items):
        items = [_resolve(item, lookups, cell) for item in node.items]
        return node if all(map(_is, items, node.items)) else Items(node.where, items)
    entries = {
        key: (where, value if key.startswith("x-") else _resolve(value, lookups, cell))
        for key, (where, value) in node.entries.items()
    }
    same = all(entries[key][1] is value for key, (_, value) in node.entries.items())
    return node if same else Map(node.where, entries)


def _is(one: object, other: object) -> bool:
    return one is other


def _fill_scalar(node: Scalar, lookups: Lookups, cell: Cell) -> Scalar:
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    text = lookups.fill(node.value, cell)
    return Scalar(node.where, text, text)


def resolve_data(data: object, lookups: Lookups, cell: Cell) -> object:
    """The same for plain data: what looks nothing up is the same object."""
    if isinstance(data, str):
        return lookups.fill(data, cell) if "${" in data else data
    if isinstance(data, Mapping):
        filled = {k: v if str(k).startswith("x-") else resolve_data(v, lookups, cell) for k, v in data.items()}
        return data if all(filled[key] is value for key, value in data.items()) else filled
    if isinstance(data, list | tuple):
        items = [resolve_data(value, lookups, cell) for value in data]
        return data if all(map(_is, items, data)) else type(data)(items)
    return data


# --- where, why, and whether ---


def uses_in(tree: Node, lookups: Lookups, base: str = "") -> Iterator[Use]:
    """Every look-up with its place, in the tree's order. `base` goes before the addresses."""
    for steps, scalar in _scalars(tree, ()):
        for name in lookups.parsed_names(str(scalar.value)):
            yield Use(name.text, lookups.axes_of_name(name.text), _address(tree, steps, base), scalar.where)


def check_lookups(tree: Node, lookups: Lookups, shown: str, base: str = "") -> list[Diagnostic]:
    """Every look-up over all cells, each different one once: unknown names, texts that are missing, empty results."""
    told: dict[_Name, list[LookUpError]] = {}
    problems = []
    for steps, scalar in _scalars(tree, ()):
        for name in dict.fromkeys(lookups.parsed_names(str(scalar.value))):
            if name not in told:
                told[name] = _problems_of(name, lookups)
            place = _address(tree, steps, base) if told[name] else ""
            problems += [Diagnostic(e.summary, e.detail, place, scalar.where, e.remedy) for e in told[name]]
    return sort_diagnostics(problems, shown)


def _problems_of(name: _Name, lookups: Lookups) -> list[LookUpError]:
    """At most one for each locale, or one; several values with the same trouble are counted."""
    problem = lookups.problem_of(name)
    if problem:
        return [problem]
    axes = lookups.axes_of_name(name.text)
    found: dict[str, list[LookUpError]] = {}
    for cell in sample_cells(lookups.matrix, axes):
        try:
            lookups.look_up(name, cell)
        except LookUpError as problem:
            locale = lookups.matrix.values(cell)[LOCALE] if LOCALE in axes else ""
            found.setdefault(locale, []).append(problem)
    return [_summed(problems) for problems in found.values()]


def _summed(problems: Sequence[LookUpError]) -> LookUpError:
    first = problems[0]
    others = len({problem.detail for problem in problems}) - 1
    more = f", and for {others:,} other{'s' if others > 1 else ''}" if others else ""
    return LookUpError(first.summary, first.detail + more, first.remedy)


def sample_cells(matrix: Matrix, axes: Iterable[str]) -> tuple[Cell, ...]:
    """The first cell for every combination of values that the axes take."""
    indexes = [matrix.positions[name] for name in axes]
    found: dict[Cell, Cell] = {}
    for cell in matrix.cells if indexes else matrix.cells[:1]:
        found.setdefault(tuple([cell[index] for index in indexes]), cell)
    return tuple(found.values())


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


def covering_cells(matrix: Matrix, parts: Iterable[frozenset[str]]) -> tuple[Cell, ...]:
    """Few cells that show every part in every form it has: for each set of axes, all values they take together.

    Greedy, the first cell always among them, in the matrix's order.
    """
    wanted = _widest({part.intersection(matrix.positions) for part in parts})
    if not matrix.cells:
        return ()
    getters = [itemgetter(*sorted(matrix.positions[name] for name in part)) for part in wanted]
    seen: list[set[object]] = [set() for _ in getters]
    chosen: list[int] = []
    # What a cell adds only shrinks, so those that would add most are looked at first, and fall to where they belong.
    waiting: list[list[int]] = [[] for _ in range(len(getters) + 1)]
    waiting[-1] = list(range(len(matrix.cells)))
    for gain in range(len(getters), 0, -1):
        for index in sorted(waiting[gain]):
            cell = matrix.cells[index]
            values = [get(cell) for get in getters]
            adds = sum(value not in known for value, known in zip(values, seen, strict=True))
            if adds == gain:
                chosen.append(index)
                for value, known in zip(values, seen, strict=True):
                    known.add(value)
            else:
                waiting[adds].append(index)
    return tuple(matrix.cells[index] for index in sorted({0, *chosen}))


def _widest(parts: set[frozenset[str]]) -> list[frozenset[str]]:
    """Without those that lie in another: who sees all of `a, b` sees all of `a`. In an order of their own."""
    kept = [part for part in parts if part and not any(part < other for other in parts)]
    return sorted(kept, key=sorted)
