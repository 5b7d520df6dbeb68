"""On which axes each part of a spot depends, from the look-ups that are written in it. What a part does not depend
on is not in its name, and so it is made once for all variants that agree on the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from manifests.diagnostics import Diagnostic
from manifests.films import RATIO
from manifests.lookups import Lookups, axes_of_node
from manifests.nodes import Items, Map, Node, Scalar, child, data_at, find, item_id, items_at, to_data

# Of a shot: what decides in which variants it is, or how it is shown, and nothing about how it is filmed.
_NOT_FILMED = ("when", "varies_by", "id", "duration", "check", "in", "reframe")
_CAST = ("references", "start_image", "end_image")


def dependence_of(tree: Map, lookups: Lookups) -> dict[str, tuple[str, ...]]:
    """Axes by part, in axis order: `shots.hero`, `sound.voiceover.lines.vo1`, `sound.effects.pour-1`, files by their
    path, `when` for the axes by which shots come and go."""
    found: dict[str, frozenset[str]] = {}
    found |= _shots(tree, lookups)
    found |= _sounds(tree, lookups)
    found |= _files(tree, lookups)
    for key, (_, node) in tree.entries.items():
        if key not in ("shots", "variants", "copy", "sound", "graphics", "references"):
            found[key] = axes_of_node(node, lookups)
    for block in ("sound", "graphics"):
        for path, scalar in _scalars(tree.entries[block][1], block) if block in tree.entries else ():
            found.setdefault(path, lookups.axes_of(scalar.text))
    whens = frozenset(axis for node in _whens(tree) for axis in node.entries)
    order = [axis.name for axis in lookups.matrix.axes]
    found["when"] = whens & frozenset(order)
    return {part: tuple(a for a in order if a in axes) for part, axes in found.items() if axes}


def why_shot(tree: Map, lookups: Lookups, shot_id: str) -> dict[str, list[str]]:
    """By axis, what makes a shot depend on it: `${product.name}` in prompt.subject, the reference product, ratio."""
    shot = next((s for s in items_at(tree, "shots") if item_id(s) == shot_id), None)
    reasons: dict[str, list[str]] = {}
    if shot is None:
        return reasons
    for path, scalar in _scalars(shot, ""):
        if path.split(".")[0].split("[")[0] not in _NOT_FILMED:
            for axis in lookups.axes_of(scalar.text):
                reasons.setdefault(axis, []).append(f"{path}: {scalar.text}")
    for name in _cast_of(shot):
        for axis in _reference_axes(tree, lookups, name):
            reasons.setdefault(axis, []).append(f"the reference {name}")
    if (generate := child(tree, "generate")) is not None:
        for axis in axes_of_node(generate[1], lookups):
            reasons.setdefault(axis, []).append("generate")
    if _native_ratio(shot, lookups):
        reasons.setdefault(RATIO, []).append("each ratio is filmed natively")
    if (continued := child(shot, "continues")) is not None:
        for axis in why_shot(tree, lookups, str(to_data(continued[1]))):
            reasons.setdefault(axis, []).append(f"it starts on the last frame of {to_data(continued[1])}")
    return reasons


def varies_by_problems(tree: Map, lookups: Lookups, depends: Mapping[str, Sequence[str]]) -> Iterator[Diagnostic]:
    """`varies_by` is an assertion: it has to name exactly the axes that a shot depends on."""
    known = [axis.name for axis in lookups.matrix.axes]
    for shot in items_at(tree, "shots"):
        entry, name = child(shot, "varies_by"), item_id(shot)
        if entry is None or name is None:
            continue
        declared = to_data(entry[1])
        wanted = [str(axis) for axis in declared] if isinstance(declared, list) else []
        address = f"shots.{name}.varies_by"
        for axis in wanted:
            if axis not in known:
                remedy = f"axes: {', '.join(known)}" if known else "there is no `variants` block"
                yield Diagnostic("unknown axis", f"no axis is called `{axis}`", address, entry[1].where, remedy)
        actual = depends.get(f"shots.{name}", ())
        reasons = why_shot(tree, lookups, name)
        for axis in actual:
            if axis not in wanted:
                detail = f"`{name}` also varies by `{axis}`: {reasons.get(axis, ['?'])[0]}"
                remedy = f"remove that look-up, or write `varies_by: [{', '.join(actual)}]`"
                yield Diagnostic("varies by more", detail, address, entry[1].where, remedy)
        for axis in wanted:
            if axis in known and axis not in actual:
                detail = f"nothing in `{name}` varies by `{axis}`"
                remedy = f"write `varies_by: [{', '.join(actual)}]`"
                yield Diagnostic("varies by less", detail, address, entry[1].where, remedy)


def _shots(tree: Map, lookups: Lookups) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    everywhere = child(tree, "generate")
    common = axes_of_node(everywhere[1], lookups) if everywhere else frozenset[str]()
    for shot in items_at(tree, "shots"):
        name = item_id(shot)
        if name is None or not isinstance(shot, Map):
            continue
        axes = common
        for key, (_, node) in shot.entries.items():
            if key not in _NOT_FILMED:
                axes |= axes_of_node(node, lookups)
        reframe = child(shot, "reframe")
        filmed = child(reframe[1], "from") if reframe else None
        axes |= axes_of_node(filmed[1], lookups) if filmed else frozenset()
        for reference in _cast_of(shot):
            axes |= _reference_axes(tree, lookups, reference)
        if _native_ratio(shot, lookups):
            axes |= {RATIO}
        continued = child(shot, "continues")
        if continued is not None:
            axes |= found.get(f"shots.{to_data(continued[1])}", frozenset())
        found[f"shots.{name}"] = axes
    return found


def _native_ratio(shot: Node, lookups: Lookups) -> bool:
    return child(shot, "reframe") is None and any(axis.name == RATIO for axis in lookups.matrix.axes)


def _cast_of(shot: Node) -> list[str]:
    names: list[str] = []
    for key in _CAST:
        entry = child(shot, key)
        data = to_data(entry[1]) if entry else None
        names += [str(n) for n in data] if isinstance(data, list) else [str(data)] if data else []
    return names


def _reference_axes(tree: Map, lookups: Lookups, name: str) -> frozenset[str]:
    references = child(tree, "references")
    entry = child(references[1], name) if references else None
    file = child(entry[1], "file") if entry else None
    return axes_of_node(file[1], lookups) if file else frozenset()


def _sounds(tree: Map, lookups: Lookups) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    path = ("sound", "voiceover", "voice")
    _, voice, depth = find(tree, path)
    common = axes_of_node(voice, lookups) if depth == len(path) else frozenset[str]()
    for line in items_at(tree, "sound", "voiceover", "lines"):
        text = child(line, "text")
        axes = axes_of_node(text[1], lookups) if text else frozenset[str]()
        found[f"sound.voiceover.lines.{item_id(line)}"] = common | axes
    for number, effect in enumerate(items_at(tree, "sound", "effects"), 1):
        name = item_id(effect) or f"{data_at(effect, 'at')}-{number}"
        prompt = child(effect, "prompt")
        found[f"sound.effects.{name}"] = axes_of_node(prompt[1], lookups) if prompt else frozenset()
    return found


def _files(tree: Map, lookups: Lookups) -> dict[str, frozenset[str]]:
    """Files whose name holds a look-up: pinned once for each."""
    found: dict[str, frozenset[str]] = {}
    references = child(tree, "references")
    for name, (_, reference) in references[1].entries.items() if references and isinstance(references[1], Map) else ():
        for path, scalar in _scalars(reference, f"references.{name}"):
            found[path] = lookups.axes_of(scalar.text)
    sound = child(tree, "sound")
    for path, scalar in _scalars(sound[1], "sound") if sound else ():
        if path.endswith((".file", ".document")):
            found[path] = lookups.axes_of(scalar.text)
    return found


def _whens(node: Node) -> Iterator[Map]:
    if isinstance(node, Map):
        for key, (_, value) in node.entries.items():
            if key == "when" and isinstance(value, Map):
                yield value
            else:
                yield from _whens(value)
    elif isinstance(node, Items):
        for item in node.items:
            yield from _whens(item)


def _scalars(node: Node, path: str) -> Iterator[tuple[str, Scalar]]:
    if isinstance(node, Map):
        for key, (_, value) in node.entries.items():
            yield from _scalars(value, f"{path}.{key}" if path else key)
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            name = item_id(item)
            yield from _scalars(item, f"{path}.{name}" if name else f"{path}[{index}]")
    else:
        yield path, node
