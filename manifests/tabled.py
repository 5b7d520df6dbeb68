"""The files behind a matrix: its axes' tables and its copy table, read, judged, and named for the lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from manifests.copytext import CopyTable, read_copy
from manifests.diagnostics import Diagnostic, ManifestError, Where
from manifests.load import parse_yaml, read_text
from manifests.loaded import FileUse
from manifests.matrix import Matrix, read_matrix
from manifests.nodes import Map, Scalar, child
from manifests.pages import Page
from manifests.paths import from_root, resolve_file
from manifests.tables import Table, read_table


@dataclass(frozen=True, slots=True)
class Tabled:
    """`matrix` is None where too little can be told to go on. `files` by their place in the YAML."""

    matrix: Matrix | None
    copy_table: CopyTable | None = None
    problems: list[Diagnostic] = field(default_factory=list)
    files: Mapping[str, FileUse] = field(default_factory=dict)


def read_tabled(page: Page, tree: Map) -> Tabled:
    """What stands under `variants` and `copy`. Raises nothing: what is wrong is in `problems`."""
    files: dict[str, FileUse] = {}
    matrix: Matrix | None = Matrix()
    problems: list[Diagnostic] = []
    variants = child(tree, "variants")
    if variants is not None:

        def table(text: str, where: Where) -> Table | Diagnostic:
            axis = _axis_at(variants[1], where)
            key = f"variants.axes.{axis}.table"
            path = _resolved(page, text, where, key)
            if isinstance(path, Diagnostic):
                return path
            files[key] = FileUse(path, "table", where, f"{axis} table")
            return read_table(path, where, page.shown_path(text, where), from_root(path, page.root))

        matrix, problems = read_matrix(variants[1], table, page.shown)
    copied = child(tree, "copy")
    if copied is None or not isinstance(copied[1], Scalar) or not isinstance(copied[1].value, str):
        return Tabled(matrix, None, problems, files)
    written = copied[1]
    path = _resolved(page, str(written.value), written.where, "copy")
    if isinstance(path, Diagnostic):
        return Tabled(None, None, [*problems, path], files)
    files["copy"] = FileUse(path, "copy", written.where, "copy")
    if matrix is None:
        return Tabled(None, None, problems, files)
    shown = page.shown_path(str(written.value), written.where)
    try:
        copy_tree, found = parse_yaml(read_text(path, shown), shown)
    except ManifestError as error:
        return Tabled(None, None, [*problems, *error.diagnostics], files)
    copy_table, wrong = read_copy(copy_tree, matrix, shown, page.elsewhere)
    return Tabled(None if found or wrong else matrix, copy_table, [*problems, *found, *wrong], files)


def _resolved(page: Page, text: str, where: Where, key: str) -> Path | Diagnostic:
    path = resolve_file(text, page.folder(where), page.root)
    if isinstance(path, Path):
        return path
    summary, detail, remedy = path
    return Diagnostic(summary, detail, key, where, remedy)


def _axis_at(variants: Map | object, where: Where) -> str:
    """The axis whose table is named there."""
    axes = child(variants, "axes") if isinstance(variants, Map) else None
    for name, (_, axis) in axes[1].entries.items() if axes and isinstance(axes[1], Map) else ():
        entry = child(axis, "table")
        if entry is not None and entry[1].where == where:
            return name
    return "?"
