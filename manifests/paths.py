"""Files that a manifest names: relative to the file they are written in, inside the project, and really there.

Looks at names and kinds only; what is in the files is measured where media is known.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from manifests.diagnostics import Diagnostic, Where, nearest
from manifests.loaded import FileUse, Role
from manifests.nodes import Node, Steps, address, find
from manifests.schema import Brand, Rights, Spot

ROOT_MARK = "shotrunner.toml"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def find_root(manifest: Path) -> Path:
    """The nearest folder above with shotrunner.toml, else the manifest's own."""
    folder = manifest.absolute().parent
    return next((parent for parent in (folder, *folder.parents) if (parent / ROOT_MARK).is_file()), folder)


def from_root(path: Path, root: Path) -> str:
    """How a file is called on any machine."""
    return Path(os.path.relpath(path, root)).as_posix()


def resolve_file(text: str, base: Path, root: Path) -> Path | tuple[str, str, str]:
    """The file, absolute; or (summary, detail, remedy) when it cannot be used."""
    if _SCHEME.match(text):
        scheme = text.partition("://")[0]
        return "not a local file", f"`{scheme}://` addresses are not taken yet", "copy the file into the project"
    if Path(text).is_absolute() or text.startswith("~"):
        return "absolute path", f"`{text}` is an absolute path", "write it relative to the file it stands in"
    path = base / text
    try:
        real, real_root = path.resolve(), root.resolve()
        if not real.is_relative_to(real_root):
            return _outside(text, base, root)
        if not real.exists():
            return "file not found", f"no such file: {text}", _near_file(path)
        if not real.is_file():
            return "not a file", f"`{text}` is not a file", "name the file itself"
    except (OSError, RuntimeError, ValueError) as problem:  # a loop of links, a name too long, a NUL
        reason = getattr(problem, "strerror", None) or "not a possible path"
        return "not a file", f"`{text[:100]}` cannot be used: {reason}", ""
    plain = Path(*_collapsed(path.absolute()))
    return plain if plain.resolve() == real else real  # `..` after a link leads elsewhere


def _outside(text: str, base: Path, root: Path) -> tuple[str, str, str]:
    plain = Path(*_collapsed((base / text).absolute()))
    if plain.is_relative_to(root):
        return (
            "outside the project",
            f"`{text}` is a link that leads out of the project",
            "copy the file into the project",
        )
    remedy = f"the project is the folder with {ROOT_MARK}, or else the manifest's own: copy the file into it"
    return "outside the project", f"`{text}` lies outside the project", remedy


def _collapsed(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        if part != "..":
            parts.append(part)
        elif len(parts) > 1:
            parts.pop()
    return parts


def _near_file(path: Path) -> str:
    if "\\" in path.name:
        return "write paths with `/`"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent.name}/ either"
    near = nearest(path.name, sorted(entry.name for entry in path.parent.iterdir()))
    return f"did you mean {near}?" if near else "paths are relative to the file they are written in"


def _rights(steps: Steps, rights: Rights | None, name: str) -> Iterator[tuple[Steps, str, Role, str]]:
    if rights and rights.document:
        yield (*steps, "rights", "document"), rights.document, "document", name


def named_by_spot(spot: Spot) -> Iterator[tuple[Steps, str, Role, str]]:
    """(path in the YAML, file as written, role, name)."""
    for name, reference in spot.references.items():
        yield ("references", name, "file"), reference.file, "reference", name
        yield from _rights(("references", name), reference.rights, name)
    for number, effect in enumerate(spot.sound.effects):
        if effect.file:
            yield ("sound", "effects", number, "file"), effect.file, "audio", f"effect {number + 1}"
        yield from _rights(("sound", "effects", number), effect.rights, f"effect {number + 1}")
    if spot.sound.music:
        yield ("sound", "music", "file"), spot.sound.music.file, "music", "music"
        yield from _rights(("sound", "music"), spot.sound.music.rights, "music")


def named_by_brand(brand: Brand) -> Iterator[tuple[Steps, str, Role, str]]:
    if brand.logo:
        yield ("logo", "light"), brand.logo.light, "logo", "light"
        yield ("logo", "dark"), brand.logo.dark, "logo", "dark"
    for script, font in brand.fonts.items():
        yield ("fonts", script), font, "font", script
    for name, card in brand.end_cards.items():
        yield ("end_cards", name, "template"), card.template, "card", name
    for name, voice in brand.voices.items():
        yield from _rights(("voices", name), voice.rights, name)


def collect_files(
    spot: Spot,
    tree: Node,
    folder_of: Callable[[Where], Path],
    brand: Brand,
    brand_tree: Node,
    brand_base: Path,
    root: Path,
    looked_up: dict[tuple[str, Path], Path | tuple[str, str, str]],
) -> tuple[dict[str, FileUse], list[Diagnostic]]:
    """Every file by its YAML path, and what is wrong with those that cannot be used. `folder_of`: what a path that is
    written in a place is relative to; `looked_up`: answers of `resolve_file`, kept for the other variants."""
    files: dict[str, FileUse] = {}
    problems: list[Diagnostic] = []
    named = [("", tree, item) for item in named_by_spot(spot)]
    named += [("brand.", brand_tree, item) for item in named_by_brand(brand)]
    for prefix, node, (steps, text, role, name) in named:
        key, where = address(node, steps), value_place(node, steps)
        folder = brand_base if prefix else folder_of(where)
        found = looked_up.get((text, folder)) or resolve_file(text, folder, root)
        looked_up[text, folder] = found
        if isinstance(found, Path):
            files[prefix + key] = FileUse(found, role, where, name)
        else:
            summary, detail, remedy = found
            problems.append(Diagnostic(summary, detail, key, where, remedy))
    return files, problems


def value_place(node: Node, steps: Steps) -> Where:
    """Where the value stands, or its key's nearest parent."""
    key, found, depth = find(node, steps)
    return found.where if depth == len(steps) else key
