"""The copy table: texts by locale and key, with rows for some values of the axes; the most specific row wins.

`super_price@kettle-green,gift` counts where both values do. Reads and answers; which texts a film needs is known by the
look-ups in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cached_property

from manifests.axes import LOCALE, LOCALE_TAG
from manifests.diagnostics import Diagnostic, Where, nearest, sort_diagnostics, suggest
from manifests.journal import Record
from manifests.matrix import Matrix
from manifests.nodes import Map, Node, Scalar
from manifests.reading import Reader, entries_of, join, listed

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,79}\Z", re.ASCII)
_REMEDY = "write `en-GB:` and its texts below it"
_HEAD = {"manifest": 1, "kind": "copy"}  # may stand above the locales, as in every file that people write


class CopyRow(Record):
    """`match`: value ids by axis, empty for the row without `@`. Either a text, or the locale whose text is taken."""

    match: Mapping[str, str] = {}
    text: str = ""
    fallback: str = ""


class CopyTable(Record):
    """Locale → key → its rows, the most specific first. `file` is what people call it."""

    file: str = ""
    rows: Mapping[str, Mapping[str, tuple[CopyRow, ...]]] = {}

    @cached_property
    def _axes(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for keys in self.rows.values():
            for key, rows in keys.items():
                found[key] = found.get(key, frozenset({LOCALE})).union(*(row.match for row in rows))
        return found

    @property
    def keys(self) -> frozenset[str]:
        """Those that any locale has."""
        return frozenset(self._axes)

    def axes_of(self, key: str) -> frozenset[str]:
        """`locale` and the axes that its specific rows name, in whatever locale."""
        return self._axes.get(key, frozenset({LOCALE}))

    def text(self, key: str, locale: str, values: Mapping[str, str]) -> str:
        """Raises LookupError when no row of the locale counts; `values` are value ids by axis."""
        for row in self.rows.get(locale, {}).get(key, ()):
            if all(values.get(axis) == name for axis, name in row.match.items()):
                return self.text(key, row.fallback, values) if row.fallback else row.text
        raise LookupError(f"no text `{key}` in {locale} of {self.file or 'the copy table'}")


def read_copy(
    tree: Node, matrix: Matrix, shown: str, elsewhere: Collection[str] = ()
) -> tuple[CopyTable, list[Diagnostic]]:
    """The table and what is wrong with it; rows that are wrong are left out, and so are those for values which an axis
    has on other days only: `elsewhere`."""
    page = _Page(matrix, elsewhere)
    rows = page.read(tree)
    return CopyTable(file=shown, rows=rows), sort_diagnostics(page.problems, shown)


class _Page(Reader):
    def __init__(self, matrix: Matrix, elsewhere: Collection[str]) -> None:
        super().__init__()
        self._matrix, self._elsewhere = matrix, elsewhere
        self._axes_of_id: dict[str, list[str]] = {}
        for axis in matrix.axes:
            for name in axis.ids:
                self._axes_of_id.setdefault(name, []).append(axis.name)
        self._fallbacks: list[tuple[str, str, CopyRow, str, Where]] = []

    def read(self, tree: Node) -> dict[str, dict[str, tuple[CopyRow, ...]]]:
        if isinstance(tree, Scalar) and tree.value is None:
            self.refuse("copy", "the file is empty", "", tree.where, _REMEDY)
            return {}
        page = self.map(tree, "")
        rows: dict[str, dict[str, list[tuple[CopyRow, Where]]]] = {}
        for locale, (where, node) in entries_of(page) if page else ():
            if locale in _HEAD:
                self._head(locale, node)
                continue
            if not LOCALE_TAG.match(locale):
                hint = suggest(locale, self._locales())
                self.refuse("locale", f"`{locale}` must be a full language tag, such as en-GB{hint}", locale, where)
            keys = self.map(node, locale)
            rows[locale] = self._locale(keys, locale) if keys else {}
        if page and not rows:
            self.refuse("copy", "has no locale", "", page.where, _REMEDY)
        ordered = {
            locale: {key: tuple(row for row, _ in sorted(found, key=self._rank)) for key, found in keys.items()}
            for locale, keys in rows.items()
        }
        self._check_fallbacks(ordered)
        return ordered

    def _head(self, key: str, node: Node) -> None:
        if not isinstance(node, Scalar) or node.value != _HEAD[key]:
            self.refuse("value", f"must be {_HEAD[key]} in a copy table", key, node.where)

    def _locales(self) -> list[str]:
        return list(self._matrix.axis(LOCALE).ids) if LOCALE in self._matrix.positions else []

    def _rank(self, found: tuple[CopyRow, Where]) -> tuple[int, list[int]]:
        """More values win; among as many, those of the first axes."""
        match = found[0].match
        return -len(match), sorted(self._matrix.positions[axis] for axis in match)

    def _locale(self, keys: Map, locale: str) -> dict[str, list[tuple[CopyRow, Where]]]:
        found: dict[str, list[tuple[CopyRow, Where]]] = {}
        for written, (where, node) in entries_of(keys):
            place = join(locale, written)
            key, at, ids = written.partition("@")
            if not _KEY.match(key):
                detail = f"key `{key}` must be letters, digits, `-` and `_`, starting with a letter"
                self.refuse("copy", detail, place, where, "rows for some values are written `key@value,value`")
                continue
            match = self._match(ids, place, where) if at else {}
            row = self._row(node, match or {}, place)
            if row is None or match is None:
                found.setdefault(key, [])
                continue
            rows = found.setdefault(key, [])
            same = next((place_ for other, place_ in rows if other.match == match), None)
            if same:
                detail = f"`{written}` says again what line {same.line} does: the order of the values is nothing"
                self.refuse("copy", detail, place, where, "keep one of the two")
                continue
            rows.append((row, where))
            if row.fallback:
                self._fallbacks.append((locale, key, row, place, node.where))
        return found

    def _match(self, ids: str, place: str, where: Where) -> dict[str, str] | None:
        """Which value of which axis; None when that cannot be told."""
        match: dict[str, str] = {}
        before, today = len(self.problems), True
        for name in (part.strip() for part in ids.split(",")):
            axes = self._axes_of_id.get(name, [])
            if not axes and name in self._elsewhere:
                today = False
            elif not axes:
                detail = f"no axis has a value `{name}`{suggest(name, self._axes_of_id)}"
                known = [value for value in self._axes_of_id if value not in self._locales()]
                remedy = f"values: {listed(known)}" if known else "there is no `variants` block"
                self.refuse("unknown value", detail, place, where, remedy)
            elif len(axes) > 1:
                detail = f"`{name}` is a value of {' and of '.join(f'`{axis}`' for axis in axes)}: which is meant?"
                self.refuse("copy", detail, place, where, "give one of the two another id")
            elif axes[0] == LOCALE:
                remedy = f"write the text under `{name}:`"
                self.refuse("copy", f"`{name}` is a locale: it stands above the keys", place, where, remedy)
            elif axes[0] in match:
                detail = f"`{match[axes[0]]}` and `{name}` are both values of `{axes[0]}`: no variant has both"
                self.refuse("copy", detail, place, where, "write a row for each")
            else:
                match[axes[0]] = name
        return match if today and len(self.problems) == before else None

    def _row(self, node: Node, match: dict[str, str], place: str) -> CopyRow | None:
        if isinstance(node, Map):
            self.keys(node, ("fallback",), place, needed=("fallback",))
            entry = node.entries.get("fallback")
            locale = self.text(entry[1], join(place, "fallback")) if entry else None
            return None if locale is None else CopyRow(match=match, fallback=locale)
        text = self.text(node, place)
        if text is None:
            return None
        if not text.strip():
            self.refuse("value", "is empty", place, node.where)
            return None
        if "${" in text:
            remedy = "write the value out; texts for some values stand under `key@value`"
            self.refuse("look-up", "`${…}` inside a text: look-ups are not nested", place, node.where, remedy)
        return CopyRow(match=match, text=text)

    def _check_fallbacks(self, rows: Mapping[str, Mapping[str, tuple[CopyRow, ...]]]) -> None:
        for locale, key, row, place, where in self._fallbacks:
            target = row.fallback
            if target not in rows:
                near = nearest(target, rows)
                hint = f"; did you mean `{near}`?" if near else ""
                detail = f"falls back to `{target}`, which this table has not{hint}"
                self.refuse("fallback", detail, place, where, f"locales: {listed(rows)}")
            elif key not in rows[target]:
                self.refuse("fallback", f"{target} has no `{key}` either", place, where, "write the text out")
            elif locale in _reached(rows, key, target):
                self.refuse("fallback", "falls back to itself, round and round", place, where, "write one of them out")


def _reached(rows: Mapping[str, Mapping[str, tuple[CopyRow, ...]]], key: str, start: str) -> set[str]:
    """The locales whose texts a fallback to `start` may come to, whatever the values: too many rather than a loop."""
    reached, left = set(), [start]
    while left:
        locale = left.pop()
        if locale not in reached:
            reached.add(locale)
            left += [row.fallback for row in rows.get(locale, {}).get(key, ()) if row.fallback]
    return reached
