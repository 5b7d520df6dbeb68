"""What a manifest comes to: every value of one variant with its origin, what each model is told, and one clip whole.

Facts for `--json`, lines for people. Buys and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.checking import Checked
from flows.targets import UnknownNameError
from manifests.diagnostics import Where, suggest
from manifests.extending import seconds_of, seconds_text
from manifests.films import LOCALE, RATIO, Variant, narrow
from manifests.loaded import LoadedSource
from manifests.lookup_words import COPY, Name
from manifests.nodes import Items, Map, Node, Scalar, find, parse_steps
from manifests.prompts import compose_still, compose_video


@dataclass(frozen=True)
class Value:
    path: str
    value: str
    origin: str


def find_variant(checked: Checked, name: str | None) -> Variant:
    """The first variant unless one is named: `kettle-green,cold,en-GB,9:16`, with its spot and `@` before it in a
    campaign. Raises UnknownNameError."""
    variants = [Variant(s.source, cell) for s in checked.campaign.sources for cell in s.source.matrix.cells]
    if name is None:
        return variants[0]
    found = next((v for v in variants if v.name == name), None)
    if found is None:
        names = [v.name for v in variants if v.name]
        there = f"there are {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else "there is only one"
        raise UnknownNameError(f"no variant {name!r}{suggest(name, names)}", remedy=there)
    return found


def merged_values(checked: Checked, variant: Variant) -> list[Value]:
    """Every value as it applies in one variant, and where it comes from: a line, an axis or the copy table that fills
    it in, the brand kit, or the default."""
    loaded = checked.loaded
    source = next(s for s in checked.campaign.sources if s.source is variant.source)
    if not isinstance(source.template, Map):
        raise TypeError("a spot is a map")
    tree = narrow(source.template, variant.source.matrix, variant.cell, variant.source.lookups)
    origins = _Origins(source, variant)
    longer = _longer(variant)
    values = []
    for node, prefix, data in (
        (tree, "", variant.spot.model_dump(mode="json", by_alias=True)),
        (loaded.brand_tree, "brand.", loaded.brand.model_dump(mode="json", by_alias=True)),
    ):
        for path, value in _leaves(data, ""):
            values.append(Value(prefix + path, str(value), origins.of(node, path) + longer.get(prefix + path, "")))
    return values


def _longer(variant: Variant) -> dict[str, str]:
    """Durations that are not as written, because of what is spoken."""
    return {
        f"shots[{number}].duration": f", longer by {seconds_text(seconds_of(variant.longer[shot.id]))} s for its lines"
        for number, shot in enumerate(variant.spot.shots)
        if shot.id in variant.longer
    }


class _Origins:
    """Of one variant: what is written where a value was filled in."""

    def __init__(self, source: LoadedSource, variant: Variant) -> None:
        self._variant = variant
        self._written = {node.where: str(node.value) for node in _scalars(source.template)}

    def of(self, tree: Node, path: str) -> str:
        steps = parse_steps(path)
        where, node, depth = find(tree, steps)
        if depth < len(steps):
            return "default"
        if path == "generate.ratio" and RATIO in self._variant.values:
            return f"axis {RATIO}"
        filled = ", ".join(self._names(node.where))
        return f"{Path(where.file).name}:{where.line}" + (f", {filled}" if filled else "")

    def _names(self, where: Where) -> Iterator[str]:
        """By what each look-up of a value is filled in."""
        for part in self._variant.source.lookups.parse(self._written.get(where, "")):
            if isinstance(part, Name) and not part.escaped:
                head, _, key = part.text.partition(".")
                values = self._variant.values
                yield f"copy {key} in {values.get(LOCALE, '?')}" if head == COPY else f"axis {head} {values.get(head)}"


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Map):
        for _, value in node.entries.values():
            yield from _scalars(value)
    elif isinstance(node, Items):
        for item in node.items:
            yield from _scalars(item)
    else:
        yield node


def _leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        for key, item in data.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(data, list) and data and isinstance(data[0], dict | list):
        for index, item in enumerate(data):
            yield from _leaves(item, f"{path}[{index}]")
    elif data not in (None, [], {}):
        yield path, data


def prompts_of(checked: Checked, variant: Variant) -> dict[str, dict[str, str]]:
    """What the still model and the video model are told, by shot."""
    brand = checked.loaded.brand
    return {
        shot.id: {"still": compose_still(shot, brand), "video": compose_video(shot, brand)}
        for shot in variant.spot.shots
    }


def manifest_facts(checked: Checked, variant: Variant, shot: str | None) -> dict[str, Any]:
    """The whole manifest of one variant, or only what is told of one shot. Raises UnknownNameError."""
    prompts = prompts_of(checked, variant)
    if shot is not None and shot not in prompts:
        raise UnknownNameError(f"no shot {shot!r}{suggest(shot, prompts)}", remedy=f"there are {', '.join(prompts)}")
    return {
        "message_type": "explain",
        "variant": variant.name,
        "values": [asdict(value) for value in merged_values(checked, variant)] if shot is None else [],
        "prompts": {name: told for name, told in prompts.items() if shot in (None, name)},
    }


def manifest_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = [f"variant {facts['variant']}"] if facts["variant"] else []
    lines += [f"{v['path']}: {v['value']}   [{v['origin']}]" for v in facts["values"]]
    for name, told in facts["prompts"].items():
        lines += [f"{name}, still: {told['still']}", f"{name}, video: {told['video']}"]
    return lines
