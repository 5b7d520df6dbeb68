"""A schedule file and what runs on one of its days: parameters, patch and gates, settled once from tables and the date.

What comes out holds no clock and no path of this machine, so the same day settles to the same value anywhere. Reads
files, never the network.
"""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr

from manifests.axes import AxisReader
from manifests.diagnostics import Diagnostic, ManifestError, Where, sort_diagnostics, suggest
from manifests.digest import digest_bytes, digest_json
from manifests.films import node_of
from manifests.journal import Scheduled
from manifests.load import parse_yaml
from manifests.lookup_words import PARAMS, RUN, LookUpError, Name
from manifests.lookups import Lookups
from manifests.matrix import Matrix
from manifests.nodes import Items, Map, Node, Scalar, address, child, place_of
from manifests.occurrences import Occurrence, cron_problem
from manifests.overrides import merge
from manifests.pages import Page, Patch, check_page, kind_of, read_page, validated
from manifests.paths import from_root, resolve_file
from manifests.reading import join, parse_day
from manifests.schedule import Schedule, TableCell
from manifests.schedule_sense import sense_problems
from manifests.tables import FROM, TO, Row, Table, read_table, row_with
from manifests.validity import ValidTo, earliest

FIXED = ("manifest", "kind", "name")  # the ledger and every file are the manifest's: no week may call it otherwise


@dataclass(frozen=True)
class LoadedSchedule:
    """A schedule that makes sense by itself; its tables and the manifest it runs are looked at for a day."""

    page: Page = field(repr=False)
    tree: Map = field(repr=False)
    schedule: Schedule
    manifest: Path  # absolute

    @property
    def path(self) -> Path:
        return self.page.path

    @property
    def root(self) -> Path:
        return self.page.root

    @property
    def digest(self) -> str:
        return digest_bytes(self.page.raw)


class Resolved(Scheduled):
    """A schedule on one of its days: all that a plan needs of it, on any machine and at any time."""

    schema_: Literal["scheduled/1"] = Field(default="scheduled/1", alias="schema")
    manifest: str  # its path from the project's root
    patch: str  # on the manifest, as JSON with plain numbers
    rules: Schedule  # without its override, which is the patch
    ids: tuple[str, ...] = ()  # of all values that its axis tables have, on whatever day
    axes: Mapping[str, tuple[str, ...]] = {}  # those that they have on this one
    # Of rows that end: by axis and id, and by parameter under `params`; None in records from before this was kept
    valid_to: Mapping[str, Mapping[str, ValidTo]] | None = None
    _read: Node | None = PrivateAttr(default=None)  # the schedule, and
    _patch: Node | None = PrivateAttr(default=None)  # the patch: each value with its place, while they were just read

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resolved) and self.model_dump() == other.model_dump()  # whatever their places

    def __hash__(self) -> int:
        return hash((self.digest, self.instant))

    @property
    def run(self) -> Mapping[str, str]:
        """`${run.…}`."""
        return {"date": self.date, "week": self.week}

    def as_patch(self, root: Path) -> Patch:
        """With the gates of `approvals` and the limit of `budget`, which are the schedule's and no day's."""
        tree = self._patch if self._patch is not None else parse_yaml(self.patch, self.schedule)[0]
        gates = {
            name: {"by": list(gate.by), "needed": gate.needed}
            for name in ("keyframes", "takes", "cut")
            if (gate := getattr(self.rules.approvals, name)) is not None
        }
        budget = self.rules.budget.per_run or self.rules.budget.per_month
        blocks: list[tuple[str, str, object]] = [("review", "approvals", gates)] if gates else []
        blocks += [("budget", "budget", {"credits": budget.credits})] if budget is not None else []
        for key, named, data in blocks:
            where = place_of(self._read, named) if self._read is not None else tree.where
            tree = merge(tree, _placed(node_of({key: data}), where))
        return Patch(tree, (root / self.schedule).parent, self.ids)

    def with_rules(self, schedule: Schedule) -> Resolved:
        """Parameters and patch stay as they were settled; limits, gates and deadlines are the schedule's of today."""
        return Resolved(**{
            **{name: getattr(self, name) for name in Resolved.model_fields},
            "rules": schedule.model_copy(update={"override": {}}),
        })  # fmt: skip

    @property
    def resolved_digest(self) -> str:
        return digest_json(self.model_dump(mode="json", by_alias=True))

    def brief(self) -> Scheduled:
        """For the record of a run."""
        return Scheduled(**{name: getattr(self, name) for name in Scheduled.model_fields})


def is_schedule(path: Path) -> bool:
    """Whether the file says so; of one that cannot be read, whoever reads it as a manifest tells why."""
    try:
        return kind_of(read_page(path).tree) == "schedule"
    except ManifestError:
        return False


def read_schedule(path: Path, overrides: tuple[str, ...] = ()) -> LoadedSchedule:
    """Raises ManifestError with everything that is wrong with the schedule by itself."""
    page = read_page(path, overrides)
    problems = page.problems
    tree = check_page(page.tree, "schedule", problems)
    if tree is None:
        raise ManifestError(sort_diagnostics(problems, page.shown))
    schedule, tree = validated(Schedule, tree, problems)
    if schedule is None or not isinstance(tree, Map):
        raise ManifestError(sort_diagnostics(problems, page.shown))
    problems += [*_when_problems(schedule, tree), *_override_problems(tree)]
    if not problems:
        problems += sense_problems(schedule, tree)
    manifest = _file(page, tree, ("run",), schedule.run, problems)
    if problems or manifest is None:
        raise ManifestError(sort_diagnostics(problems, page.shown))
    return LoadedSchedule(page, tree, schedule, manifest)


def _when_problems(schedule: Schedule, tree: Map) -> list[Diagnostic]:
    found = []
    when = schedule.when
    problem = cron_problem(when.cron)
    if problem:
        remedy = 'such as "30 5 * * 1": Mondays at 05:30'
        found.append(
            Diagnostic("cron", f"`{when.cron}` {problem}", "when.cron", place_of(tree, "when", "cron"), remedy)
        )
    zones = zoneinfo.available_timezones()
    if when.timezone not in zones:
        detail = f"no time zone `{when.timezone}`{suggest(when.timezone, sorted(zones))}"
        remedy = "a name such as Europe/London, which knows when clocks change"
        found.append(Diagnostic("time zone", detail, "when.timezone", place_of(tree, "when", "timezone"), remedy))
    for number, text in enumerate(when.skip_dates):
        if parse_day(text) is None:
            detail = f"`{text}` is no day of the calendar"
            place = place_of(tree, "when", "skip_dates", number)
            found.append(Diagnostic("date", detail, f"when.skip_dates[{number}]", place))
    return found


def _override_problems(tree: Map) -> list[Diagnostic]:
    entry = child(tree, "override")
    if entry is None or not isinstance(entry[1], Map):
        return []
    return [
        Diagnostic("override", f"`{key}` is the same every week", f"override.{key}", entry[1].entries[key][0],
                   "change it in the manifest, or schedule another manifest")
        for key in FIXED if key in entry[1].entries
    ]  # fmt: skip


def resolve_schedule(loaded: LoadedSchedule, occurrence: Occurrence) -> Resolved:
    """What runs on that day. Raises ManifestError with everything that its tables and look-ups lack."""
    settling = _Settling(loaded, occurrence)
    params = settling.params()
    tree = settling.patch(params)
    if settling.problems:
        raise ManifestError(sort_diagnostics(settling.problems, loaded.page.shown))
    resolved = Resolved(
        name=loaded.schedule.name, schedule=from_root(loaded.path, loaded.root), digest=loaded.digest,
        instant=occurrence.instant, zone=loaded.schedule.when.timezone, date=str(occurrence.date),
        week=occurrence.week, params=dict(sorted(params.items())), manifest=from_root(loaded.manifest, loaded.root),
        patch=_as_json(tree), rules=loaded.schedule.model_copy(update={"override": {}}), tables=settling.tables,
        ids=tuple(sorted(settling.ids)), axes=dict(sorted(settling.axes.items())),
        valid_to={name: dict(sorted(ends.items())) for name, ends in sorted(settling.valid_to.items()) if ends},
    )  # fmt: skip
    resolved._read, resolved._patch = loaded.tree, tree
    return resolved


class _Settling:
    """One day's parameters and patch. What is wrong stays in `problems`."""

    def __init__(self, loaded: LoadedSchedule, occurrence: Occurrence) -> None:
        self._page, self._tree, self._schedule = loaded.page, loaded.tree, loaded.schedule
        self._run = {"date": str(occurrence.date), "week": occurrence.week}
        self._read: dict[Path, Table | Diagnostic] = {}
        self.problems: list[Diagnostic] = []
        self.tables: dict[str, str] = {}  # digests, by the path as written
        self.ids: set[str] = set()
        self.axes: dict[str, tuple[str, ...]] = {}
        self.valid_to: dict[str, dict[str, ValidTo]] = {PARAMS: {}}
        self._asked: set[str] = set()  # parameters that were filled in

    def params(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in self._schedule.params.items():
            if isinstance(value, TableCell):
                text = self._cell(("params", name), value)
            else:
                node = self._node("params", name)
                text = self._filled(node, join("params", name), {})
            if text is not None:
                found[name] = text
        return found

    def patch(self, params: Mapping[str, str]) -> Map:
        """`override` with the rows of its tables in their place."""
        entry = child(self._tree, "override")
        tree = entry[1] if entry is not None and isinstance(entry[1], Map) else Map(self._tree.where)
        return self._with_axes(tree, params)

    def _cell(self, steps: tuple[str, ...], cell: TableCell) -> str | None:
        place = ".".join(steps)
        day = self._day(self._node(*steps, "date"), join(place, "date"), {})
        where = self._node(*steps, "table").where
        table = self._table(cell.table, where)
        if isinstance(table, Table) and day is not None:
            found = row_with(table, date=day, column=cell.column)
            if isinstance(found, Row):
                if (end := table.valid_to(found)) is not None:
                    self.valid_to[PARAMS][steps[-1]] = end
                return found.cells[cell.column]
            column = self._node(*steps, "column").where
            unknown = cell.column not in table.columns
            at = column if unknown and not table.problems else found.where
            self.problems.append(replace(found, address=place, where=at))
        elif isinstance(table, Diagnostic):
            self.problems.append(replace(table, address=table.address or join(place, "table")))
        return None

    def _with_axes(self, tree: Map, params: Mapping[str, str]) -> Map:
        variants = child(tree, "variants")
        axes = child(variants[1], "axes") if variants is not None else None
        if variants is None or axes is None or not isinstance(axes[1], Map) or not isinstance(variants[1], Map):
            return tree
        settled = {
            name: (where, self._rows(value, f"override.variants.axes.{name}", params))
            if isinstance(value, Map)
            else (where, value)
            for name, (where, value) in axes[1].entries.items()
        }
        block = Map(variants[1].where, {**variants[1].entries, "axes": (axes[0], Map(axes[1].where, settled))})
        return Map(tree.where, {**tree.entries, "variants": (variants[0], block)})

    def _rows(self, node: Map, place: str, params: Mapping[str, str]) -> Node:
        """The rows that a table has for this day, as records, each good as long as the parameters that chose it."""
        self._asked.clear()
        filled = Map(
            node.where,
            {
                key: (where, self._filled_node(value, join(place, key), params))
                for key, (where, value) in node.entries.items()
            },
        )
        reader = AxisReader(self._axis_table)
        values = reader.table_rows(filled, place)
        self.problems += reader.problems
        axis, chosen_by = place.rpartition(".")[2], [self.valid_to[PARAMS].get(name) for name in self._asked]
        self.axes[axis] = tuple(value.id for value in values)
        ends = {value.id: earliest([value.valid_to, *chosen_by]) for value in values}
        self.valid_to[axis] = {name: end for name, end in ends.items() if end is not None}
        columns = [c for c in (values[0].fields if values else ()) if c not in (FROM, TO)]
        columns = [c for c in columns if all(value.fields[c] for value in values)]
        rows: list[Node] = [
            Map(v.where, {c: (v.where, Scalar(v.where, v.fields[c], v.fields[c])) for c in columns}) for v in values
        ]
        return Items(node.where, rows)

    def _filled_node(self, node: Node, place: str, params: Mapping[str, str]) -> Node:
        if isinstance(node, Map):
            return Map(
                node.where,
                {k: (w, self._filled_node(v, join(place, k), params)) for k, (w, v) in node.entries.items()},
            )
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return node
        text = self._filled(node, place, params)
        return node if text is None else Scalar(node.where, text, text)

    def _filled(self, node: Node, place: str, params: Mapping[str, str]) -> str | None:
        """`${run.…}` and, where they are known, `${params.…}`."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        lookups = Lookups(Matrix(), params=params, run=self._run)
        for part in lookups.parse(node.value):
            if isinstance(part, Name) and not part.escaped and part.text.partition(".")[0] not in (RUN, PARAMS):
                detail = f"`${{{part.text}}}` is not known here"
                told = "there are ${run.date} and ${run.week}" + (", and ${params.name}" if params else "")
                self.problems.append(Diagnostic("look-up", detail, place, node.where, told))
                return None
            if isinstance(part, Name) and part.text.startswith(f"{PARAMS}."):
                self._asked.add(part.text.removeprefix(f"{PARAMS}."))
        try:
            return lookups.fill(node.value, ())
        except LookUpError as problem:
            self.problems.append(Diagnostic(problem.summary, problem.detail, place, node.where, problem.remedy))
            return None

    def _day(self, node: Node, place: str, params: Mapping[str, str]) -> dt.date | None:
        text = self._filled(node, place, params)
        day = parse_day(text) if text is not None else None
        if text is not None and day is None:
            detail = f'`{text}` must be ${{run.date}} or a day in quotes, such as "2026-12-01"'
            self.problems.append(Diagnostic("value", detail, place, node.where))
        return day

    def _axis_table(self, text: str, where: Where) -> Table | Diagnostic:
        table = self._table(text, where)
        self.ids |= {row.cells.get("id", "") for row in table.rows} if isinstance(table, Table) else set()
        return table

    def _table(self, text: str, where: Where) -> Table | Diagnostic:
        path = resolve_file(text, self._page.folder(where), self._page.root)
        if not isinstance(path, Path):
            summary, detail, remedy = path
            return Diagnostic(summary, detail, "", where, remedy)
        if path not in self._read:
            place = from_root(path, self._page.root)
            self._read[path] = read_table(path, where, self._page.shown_path(text, where), place)
            if isinstance(self._read[path], Table):
                self.tables[text] = digest_bytes(path.read_bytes())
        return self._read[path]

    def _node(self, *steps: str) -> Node:
        node: Node = self._tree
        for step in steps:
            found = child(node, step)
            if found is None:
                return node
            node = found[1]
        return node


def _file(page: Page, tree: Map, steps: tuple[str, ...], text: str, problems: list[Diagnostic]) -> Path | None:
    where = place_of(tree, *steps)
    found = resolve_file(text, page.folder(where), page.root)
    if isinstance(found, Path):
        return found
    summary, detail, remedy = found
    problems.append(Diagnostic(summary, detail, address(tree, steps), where, remedy))
    return None


def _placed(node: Node, where: Where) -> Node:
    if isinstance(node, Map):
        return Map(where, {key: (where, _placed(value, where)) for key, (_, value) in node.entries.items()})
    if isinstance(node, Items):
        return Items(where, [_placed(item, where) for item in node.items])
    return Scalar(where, node.value, node.text)


def _as_json(node: Node) -> str:
    """Numbers stay as they were written, so that reading it back checks the same values."""
    if isinstance(node, Map):
        return "{" + ", ".join(f"{_quoted(k)}: {_as_json(v)}" for k, (_, v) in node.entries.items()) + "}"
    if isinstance(node, Items):
        return "[" + ", ".join(_as_json(item) for item in node.items) + "]"
    value = node.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
