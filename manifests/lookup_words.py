"""What may stand in `${…}`, and what is wrong with what does, in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from manifests.axes import LOCALE
from manifests.copytext import CopyTable
from manifests.diagnostics import suggest
from manifests.matrix import Cell, Matrix
from manifests.reading import listed

COPY, PARAMS, RUN = "copy", "params", "run"
RUN_NAMES = ("week", "date")
FORMS = "${axis}, ${axis.field}, ${copy.key}, ${params.name}, ${run.week} and ${run.date}"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)?\Z", re.ASCII)


class LookUpError(LookupError):
    """A look-up that yields nothing. `summary`, `detail` and `remedy` are for a diagnostic."""

    def __init__(self, summary: str, detail: str, remedy: str = "") -> None:
        super().__init__(f"{detail}; {remedy}" if remedy else detail)
        self.summary, self.detail, self.remedy = summary, detail, remedy


class Name(NamedTuple):
    """What stands in the braces; `closed` when there is a closing one, `escaped` after a second `$`."""

    text: str
    closed: bool = True
    escaped: bool = False


class Known:
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

    def problem_of(self, name: Name) -> LookUpError | None:
        """What is wrong with a look-up whatever the cell."""
        if not name.closed:
            remedy = "close it, or write `$${` for a literal `${`"
            return LookUpError("look-up", f"`${{{name.text[:40]}` has no closing `}}`", remedy)
        shown = _shown(name.text)
        if not _NAME.match(name.text):
            tight = "".join(name.text.split())
            hint = f"; did you mean `${{{tight}}}`?" if _NAME.match(tight) else ""
            return LookUpError("look-up", f"{shown} is no look-up{hint}", f"there are {FORMS}")
        head, dot, rest = name.text.partition(".")
        if head == COPY:
            return self._copy_problem(shown, rest)
        if head == PARAMS:
            return self._params_problem(shown, rest)
        if head == RUN:
            return self._run_problem(shown, rest)
        return self._axis_problem(shown, head, rest if dot else "id")

    def missing_text(self, key: str, cell: Cell) -> LookUpError:
        """The copy table has the key, and nothing for this cell."""
        copy, values = self.copy or CopyTable(), self.matrix.values(cell)
        locale, axes = values[LOCALE], copy.axes_of(key)
        rows = copy.rows.get(locale, {}).get(key, ())
        file = copy.file or "the copy table"
        detail = f"`${{copy.{key}}}` has no text for {locale}"
        remedy = f"add `{key}` under `{locale}`, or `{key}: {{fallback: …}}` for the text of another locale"
        if rows:
            wanted = [axis for axis in self.matrix.names if axis in axes and axis != LOCALE]
            detail += " with " + ", ".join(f"{axis} {values[axis]}" for axis in wanted) if wanted else ""
            fallbacks = dict.fromkeys(row.fallback for row in rows if row.fallback)
            places = " or ".join(f"`{name}`" for name in (locale, *fallbacks))
            remedy = f"add `{key}` under {places}, for all that has no row of its own"
        return LookUpError("missing text", f"{detail} in {file}", remedy)

    def empty(self, name: str, axes: Iterable[str], cell: Cell) -> LookUpError:
        values, wanted = self.matrix.values(cell), set(axes)
        named = ", ".join(f"{axis} {values[axis]}" for axis in self.matrix.names if axis in wanted)
        return LookUpError("empty look-up", f"{_shown(name)} is empty" + (f" for {named}" if named else ""))

    def _copy_problem(self, shown: str, key: str) -> LookUpError | None:
        if self.copy is None:
            remedy = "name one with `copy:`, a YAML file of texts by locale"
            return LookUpError("look-up", f"{shown}: this manifest has no copy table", remedy)
        if LOCALE not in self.matrix.positions:
            remedy = "add `locale: [en-GB]` to `variants.axes`"
            return LookUpError("look-up", f"{shown} needs an axis `locale`", remedy)
        if key in self.copy.keys:
            return None
        file = self.copy.file or "the copy table"
        return _unknown(shown, "text", key, sorted(self.copy.keys), f"keys of {file}: ", "it has no keys")

    def _params_problem(self, shown: str, name: str) -> LookUpError | None:
        if name in self.params:
            return None
        return _unknown(
            shown, "parameter", name, self.params, "parameters: ", "a schedule sets parameters: there is none"
        )

    def _run_problem(self, shown: str, name: str) -> LookUpError | None:
        if name in self.run:
            return None
        if name in RUN_NAMES:
            return LookUpError("look-up", f"{shown} is known only when a schedule runs this", "write the value out")
        return _unknown(shown, "value of the run", name, RUN_NAMES, "there are: ")

    def _axis_problem(self, shown: str, axis: str, name: str) -> LookUpError | None:
        if axis not in self.matrix.positions:
            known = (*self.matrix.names, *((COPY,) if self.copy else ()), PARAMS, RUN)
            problem = _unknown(shown, "axis", axis, known, "")
            names = self.matrix.names
            remedy = f"axes: {listed(names)}" if names else "there is no `variants` block"
            return LookUpError(problem.summary, problem.detail, remedy)
        fields = self.matrix.axis(axis).fields
        if name in fields:
            return None
        others = [other for other in fields if other != "id"]
        return _unknown(
            shown, "field", name, others, f"fields of {axis}: ", f"the values of {axis} are words without fields"
        )


def _shown(name: str) -> str:
    return f"`${{{name}}}`" if len(name) <= 60 else f"`${{{name[:59]}…`"


def _unknown(shown: str, what: str, name: str, known: Iterable[str], remedy: str, none: str = "") -> LookUpError:
    names = list(known)
    detail = f"{shown}: no {what} `{name}`{suggest(name, names)}" if name else f"{shown} names no {what}"
    return LookUpError("unknown look-up", detail, remedy + listed(names) if names else none)
