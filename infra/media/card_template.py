"""End card templates: a small part of SVG, read strictly. An element or attribute that we do not draw is an error.

svg (viewBox), g, rect, line, text, image; colours as #rrggbb or var(--ink), var(--paper), var(--accent). A text is
filled by its id; `data-width` is the widest it may be and `data-lines` how many lines it may take (2).
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.errors import MediaError
from infra.media.layers import Colour

REMEDY = "see the end card of the example brand for what a template may hold"
MOST_BYTES = 200_000

_IGNORED = {"id", "class", "version", "font-family", "font-weight", "font-style", "width", "height", "fill"}
_KNOWN: Mapping[str, set[str]] = {
    "svg": {"viewBox", "width", "height"},
    "g": set(),
    "rect": {"x", "y", "width", "height", "rx", "ry", "fill", "opacity", "fill-opacity"},
    "line": {"x1", "y1", "x2", "y2", "stroke", "stroke-width", "stroke-linecap", "opacity"},
    "text": {"x", "y", "font-size", "text-anchor", "fill", "opacity", "fill-opacity", "data-width", "data-lines"},
    "image": {"x", "y", "width", "height", "href", "preserveAspectRatio", "opacity"},
}
_SKIPPED = {"title", "desc", "metadata"}


@dataclass(frozen=True)
class Box:
    """A rect, a line (as the thin box it covers), or, without a colour, the place of the logo."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour | None
    opacity: float
    radius: float = 0.0


@dataclass(frozen=True)
class Words:
    id: str | None
    text: str
    x: float
    y: float  # of the baseline
    size: float
    anchor: str  # start, middle, end
    colour: Colour
    opacity: float
    width: float | None
    lines: int


@dataclass(frozen=True)
class Template:
    width: float
    height: float
    elements: tuple[Box | Words, ...]


def read_template(path: Path, colours: Mapping[str, str]) -> Template:
    """Raises MediaError naming the file and what in it cannot be drawn."""
    try:
        data = path.read_bytes()
        if len(data) > MOST_BYTES or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise MediaError(f"{path.name} is too large for a card, or declares a document type", remedy=REMEDY)
        root = ElementTree.fromstring(data)  # noqa: S314 small, and without a document type there are no entities
    except (OSError, ElementTree.ParseError) as error:
        raise MediaError(f"{path.name} cannot be read as a card: {error}", remedy=REMEDY) from error
    try:
        if _tag(root) != "svg":
            raise ValueError(f"its root is <{_tag(root)}>, not <svg>")
        view = [float(part) for part in re.split(r"[ ,]+", root.get("viewBox", "0 0 1920 1080").strip())]
        if len(view) != 4 or view[:2] != [0, 0] or min(view[2:]) <= 0:
            raise ValueError(f"its viewBox {root.get('viewBox')!r} does not begin at 0 0")
        return Template(view[2], view[3], tuple(_elements(root, colours)))
    except ValueError as error:
        raise MediaError(f"the card {path.name} cannot be drawn: {error}", remedy=REMEDY) from error


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _elements(parent: ElementTree.Element, colours: Mapping[str, str]) -> list[Box | Words]:
    _check(parent)
    found: list[Box | Words] = []
    for element in parent:
        if not isinstance(element.tag, str) or _tag(element) in _SKIPPED:
            continue
        _check(element)
        kind = _tag(element)
        if kind in {"g", "svg"}:
            found.extend(_elements(element, colours))
        elif kind == "text":
            found.append(_words(element, colours))
        else:
            found.append(_box(element, colours))
    return found


def _check(element: ElementTree.Element) -> None:
    kind = _tag(element)
    if kind not in _KNOWN:
        raise ValueError(f"it has a <{kind}>, which is not one of {', '.join(sorted(_KNOWN))}")
    for name in element.attrib:
        plain = name.rpartition("}")[2]
        if plain not in _KNOWN[kind] | _IGNORED and not plain.startswith("aria-"):
            raise ValueError(f"the attribute {plain!r} of a <{kind}> is not understood")


def _number(element: ElementTree.Element, name: str, default: str = "0") -> float:
    text = element.get(name, default).removesuffix("px")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} of a <{_tag(element)}> is not a number") from None


def _colour(element: ElementTree.Element, name: str, colours: Mapping[str, str]) -> Colour:
    text = element.get(name, "var(--ink)").strip()
    variable = re.fullmatch(r"var\(--([a-z]+)\)", text)
    value = colours.get(variable.group(1), "") if variable else text
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        raise ValueError(f"{name}={text!r} of a <{_tag(element)}> is neither #rrggbb nor a colour of the brand")
    return parse_colour(value)


def parse_colour(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _opacity(element: ElementTree.Element) -> float:
    return max(0.0, min(1.0, _number(element, "opacity", "1") * _number(element, "fill-opacity", "1")))


def _box(element: ElementTree.Element, colours: Mapping[str, str]) -> Box:
    opacity = _opacity(element)
    if _tag(element) == "line":
        x1, y1, x2, y2 = (_number(element, name) for name in ("x1", "y1", "x2", "y2"))
        thick = _number(element, "stroke-width", "1")
        if x1 != x2 and y1 != y2:
            raise ValueError("a <line> that is neither level nor upright is not understood")
        left, top = min(x1, x2), min(y1, y2)
        across, down = abs(x2 - x1), abs(y2 - y1)
        if y1 == y2:
            top, down = top - thick / 2, thick
        else:
            left, across = left - thick / 2, thick
        radius = thick / 2 if element.get("stroke-linecap") == "round" else 0.0
        return Box(left, top, across, down, _colour(element, "stroke", colours), opacity, radius)
    x, y, width, height = (_number(element, name) for name in ("x", "y", "width", "height"))
    if width <= 0 or height <= 0:
        raise ValueError(f"a <{_tag(element)}> has no width or no height")
    colour = None if _tag(element) == "image" else _colour(element, "fill", colours)
    return Box(x, y, width, height, colour, opacity, _number(element, "rx"))


def _words(element: ElementTree.Element, colours: Mapping[str, str]) -> Words:
    anchor = element.get("text-anchor", "start")
    if anchor not in {"start", "middle", "end"}:
        raise ValueError(f"text-anchor={anchor!r} is not start, middle or end")
    if len(element):
        raise ValueError(f"a <text> holds a <{_tag(element[0])}>: only plain words are understood")
    size = _number(element, "font-size", "48")
    if size <= 0:
        raise ValueError("a <text> has no size")
    return Words(
        id=element.get("id"),
        text=" ".join((element.text or "").split()),
        x=_number(element, "x"),
        y=_number(element, "y"),
        size=size,
        anchor=anchor,
        colour=_colour(element, "fill", colours),
        opacity=_opacity(element),
        width=_number(element, "data-width") if "data-width" in element.attrib else None,
        lines=int(_number(element, "data-lines", "2")),
    )
