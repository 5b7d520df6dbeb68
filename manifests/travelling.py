"""Which files a manifest may need on any of its days: all that it, its tables and what they name could mean as a path.

Rather one file too many than one too few: a worker has nothing but what travels. Reads files, never the network.
"""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from manifests.diagnostics import ManifestError
from manifests.load import parse_yaml
from manifests.lock import lock_path
from manifests.nodes import Items, Map, Node, Scalar

_WRITTEN = {".yaml", ".yml", ".csv"}  # what can name files in turn
# The name of a file, with look-ups in it or without
_PATH = re.compile(r"(?!/)[^\n\r\t\"<>|]{1,300}\.[A-Za-z0-9]{1,5}\Z")
_LOOKUP = re.compile(r"\$\{[^{}]*\}")


def files_that_may_be_needed(first: Iterable[Path], root: Path) -> set[Path]:
    """`first` and, step by step, every file inside `root` that something written in them names. A look-up in a path
    stands for anything: `refs/${product.id}.png` brings all that could be meant."""
    found = {path.absolute() for path in first}
    queue, texts, folders = sorted(found), set[str](), set[Path]()
    while queue:
        written = [path for path in queue if path.suffix.lower() in _WRITTEN]
        new_texts = {text for path in written for text in _texts_of(path)} - texts
        new_folders = {path.parent for path in written} - folders
        # A cell of a table is looked up in a manifest, so it is relative to any of them
        pairs = [(t, f) for t in new_texts for f in folders | new_folders]
        pairs += [(t, f) for t in texts for f in new_folders]
        texts, folders = texts | new_texts, folders | new_folders
        named = {path for text, folder in pairs for path in _meant(text, folder, root)}
        queue = sorted(named - found)
        found |= named
    locks = {lock_path(path) for path in found if path.suffix.lower() in (".yaml", ".yml")}
    return found | {lock for lock in locks if lock.is_file()}


def _texts_of(path: Path) -> Iterator[str]:
    """What is written in it that could be a path."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        cells = _cells(text) if path.suffix.lower() == ".csv" else _values(parse_yaml(text, path.name)[0], set())
        yield from (value for value in cells if _PATH.match(value))
    except (OSError, ValueError, csv.Error, ManifestError):
        return  # what is wrong with it is told by whoever reads it as what it is


def _cells(text: str) -> Iterator[str]:
    for record in csv.reader(text.splitlines(), skipinitialspace=True):
        yield from (cell.strip() for cell in record)


def _values(node: Node, seen: set[int]) -> Iterator[str]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, Map):
        for _, below in node.entries.values():
            yield from _values(below, seen)
    elif isinstance(node, Items):
        for below in node.items:
            yield from _values(below, seen)
    elif isinstance(node, Scalar) and isinstance(node.value, str):
        yield node.value


def _meant(text: str, folder: Path, root: Path) -> Iterator[Path]:
    parts = [glob.escape(part) for part in _LOOKUP.split(text)]
    places = [folder / text] if len(parts) == 1 else list(folder.glob("*".join(parts)))
    for place in places:
        try:
            inside = place.is_file() and place.resolve().is_relative_to(root.resolve())
        except (OSError, ValueError):
            continue
        if inside:
            yield Path(_collapsed(place))


def _collapsed(path: Path) -> Path:
    """Without `..`, where that means the same file."""
    parts: list[str] = []
    for part in path.absolute().parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    plain = Path(*parts)
    return plain if plain.resolve() == path.resolve() else path.resolve()
