"""What the models refuse, in words for people: one message for each slip, where it was made.

Turns pydantic's errors and the tree they came from into diagnostics; decides nothing about what is right.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from manifests import schedule, schema
from manifests.diagnostics import Diagnostic, Where, nearest, suggest
from manifests.nodes import Items, Map, Node, Scalar, Steps, address, as_written, child, find, kind_of, to_data
from manifests.schema import PEOPLE, PROMPT_FIELDS

M = TypeVar("M", bound=BaseModel)

_FORMS = {
    schema.Name: "lower-case letters, digits and dashes, at most 63, such as alder-morning-30s",
    schema.Identifier: "lower-case letters, digits, `-` and `_`, starting with a letter, at most 40",
    schema.ReferenceName: "3 to 16 lower-case letters, digits and `_`, starting with a letter (the vendor's rule)",
    schema.Ratio: 'a ratio in quotes, such as "16:9"',
    schema.Date: 'a date in quotes, such as "2026-12-01"',
    schema.Colour: 'a colour in quotes, such as "#2E6B4F"',
    schema.Locale: "a language tag, such as en-GB",
    schema.Market: "a market: a country code such as GB, EU, or a country and state such as US-NY",
    schema.Territory: "a territory: a country code such as GB, EU, US-NY, or worldwide",
    schedule.Span: "a whole number with m, h or d, such as 30m, 6h or 2d",
    schedule.WeekTime: "a weekday and a time, such as Tue 12:00",
    schedule.Secret: "where the address is kept, such as env:ALDER_WEBHOOK, and never the address itself",
}


def _patterns() -> dict[str, str]:
    return {get_args(kind)[1].pattern: words for kind, words in _FORMS.items()}


_WORDS_BY_PATTERN = _patterns()
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
    "less_than": ("lt", "must be less than"),
}
_KINDS = {
    "model_type": "a map of `key: value` lines",
    "dict_type": "a map of `key: value` lines",
    "tuple_type": "a list",
    "list_type": "a list",
}


def validate(model: type[M], root: Node) -> tuple[M | None, list[Diagnostic]]:
    """The model, or what is wrong with it. `root` must be a map."""
    try:
        return model.model_validate(to_data(root), context=PEOPLE, by_alias=True, by_name=False), []
    except ValidationError as problem:
        errors = problem.errors(include_url=False, include_input=False)
        return None, list(_Explainer(model, root).explain(errors))


def repair(model: type[BaseModel], root: Node) -> Node:
    """The tree with misspelt keys spelt as suggested, so that what they hold is checked in the same run."""
    return _repaired(_inner(model), root)


def _repaired(candidates: list[Any], node: Node) -> Node:
    if isinstance(node, Items):
        return Items(node.where, [_repaired(_step_into(candidates, 0), item) for item in node.items])
    if not isinstance(node, Map):
        return node
    allowed = _allowed(candidates)
    entries = dict(node.entries)
    if allowed:
        for key in [key for key in entries if key not in allowed and not key.startswith("x-")]:
            entry = entries.pop(key)
            meant = _meant(key, allowed, node)
            if meant and meant not in entries:
                entries[meant] = entry
    return Map(
        node.where,
        {key: (where, _repaired(_step_into(candidates, key), value)) for key, (where, value) in entries.items()},
    )


class _Explainer:
    def __init__(self, model: type[BaseModel], root: Node) -> None:
        self._model = model
        self._root = root

    def explain(self, errors: Iterable[ErrorDetails]) -> Iterator[Diagnostic]:
        missing: dict[Steps, list[str]] = {}
        spoken_for: dict[Steps, set[str]] = {}  # missing keys that a misspelt one stands for
        for error in errors:
            steps = self._steps(error["loc"], last_is_new=error["type"] == "missing")
            match error["type"]:
                case "missing":
                    missing.setdefault(steps[:-1], []).append(str(steps[-1]))
                case "extra_forbidden":
                    diagnostic, meant = self._unknown_key(steps)
                    spoken_for.setdefault(steps[:-1], set()).update(meant)
                    yield diagnostic
                case "prompt_incomplete" | "text_not_alone":
                    pass  # said below, for all prompts, whatever else is wrong with them
                case "too_short" if not self._is_short(steps, error):
                    pass  # pydantic counts the good items only; the bad ones have their own message
                case _:
                    yield self._one(error, steps)
        for steps, prompt in self._prompts():
            yield from self._prompt(steps, prompt, missing)
        for steps, keys in missing.items():
            yield from self._missing(steps, keys, spoken_for.get(steps, set()))

    def _steps(self, loc: tuple[int | str, ...], *, last_is_new: bool) -> Steps:
        """Pydantic's path without the names of union members, which are no keys of the file."""
        steps: Steps = ()
        node: Node | None = self._root
        for position, part in enumerate(loc):
            if last_is_new and position == len(loc) - 1:
                return (*steps, part)
            found = child(node, part) if node is not None else None
            if found:
                steps, node = (*steps, part), found[1]
        return steps

    def _is_short(self, steps: Steps, error: ErrorDetails) -> bool:
        node = find(self._root, steps)[1]
        return isinstance(node, Items) and len(node.items) < error.get("ctx", {})["min_length"]

    def _place(self, steps: Steps) -> Where:
        return find(self._root, steps)[1].where

    def _unknown_key(self, steps: Steps) -> tuple[Diagnostic, set[str]]:
        key, parent = str(steps[-1]), find(self._root, steps[:-1])[1]
        allowed = _allowed(_walk(self._model, steps[:-1]))
        meant = _meant(key, allowed, parent) if isinstance(parent, Map) else None
        detail = f"unknown key `{key}`" + (f"; did you mean `{meant}`?" if meant else "")
        remedy = f"allowed here: {', '.join(allowed)}" if allowed else ""
        where = find(self._root, steps)[0]
        return Diagnostic("unknown key", detail, address(self._root, steps), where, remedy), {meant} if meant else set()

    def _missing(self, steps: Steps, keys: list[str], spoken_for: set[str]) -> Iterator[Diagnostic]:
        if "text" in spoken_for and set(keys) & set(PROMPT_FIELDS):
            return
        left = [key for key in keys if key not in spoken_for]
        if left:
            names = ", ".join(f"`{key}`" for key in left)
            detail = f"missing key{'s' if len(left) > 1 else ''} {names}"
            where = find(self._root, steps)[0] if steps else self._root.where
            yield Diagnostic("missing key", detail, address(self._root, steps), where)

    def _prompts(self) -> Iterator[tuple[Steps, Map]]:
        shots = find(self._root, ("shots",))[1] if self._model is schema.Spot else None
        for number, shot in enumerate(shots.items if isinstance(shots, Items) else ()):
            entry = child(shot, "prompt")
            if entry and isinstance(entry[1], Map):
                yield ("shots", number, "prompt"), entry[1]

    def _prompt(self, steps: Steps, node: Map, missing: dict[Steps, list[str]]) -> Iterator[Diagnostic]:
        given = [key for key, (_, value) in node.entries.items() if not _is_empty(value)]
        fields = [key for key in given if key in (*PROMPT_FIELDS, "layout")]
        if "text" not in given:
            absent = [key for key in PROMPT_FIELDS if key not in node.entries]
            if absent:
                missing[steps] = absent
            for key in (key for key in PROMPT_FIELDS if key in node.entries and key not in given):
                yield self._empty((*steps, key))
        elif fields:
            names = ", ".join(f"`{key}`" for key in fields)
            detail = f"`text` is the whole prompt and stands alone; it is given with {names}"
            where = node.entries["text"][0]
            yield Diagnostic("prompt", detail, address(self._root, steps), where, "keep `text`, or the five fields")

    def _empty(self, steps: Steps) -> Diagnostic:
        where = self._place(steps)
        return Diagnostic(
            "no value", "has no value", address(self._root, steps), where, "give it one, or remove the key"
        )

    def _one(self, error: ErrorDetails, steps: Steps) -> Diagnostic:
        node = find(self._root, steps)[1]
        if "[key]" in error["loc"]:
            detail, remedy = self._words(error, Scalar(node.where, steps[-1], str(steps[-1])))
            where = find(self._root, steps)[0]
            return Diagnostic("key's form", detail, address(self._root, steps), where, remedy)
        if _is_empty(node) and error["type"] not in ("too_short", "string_too_short"):
            return self._empty(steps)
        detail, remedy = self._words(error, node)
        return Diagnostic("value", detail, address(self._root, steps), node.where, remedy)

    def _words(self, error: ErrorDetails, node: Node) -> tuple[str, str]:
        kind, context, shown = error["type"], error.get("ctx", {}), as_written(node)
        if kind in _BOUNDS:
            name, words = _BOUNDS[kind]
            return f"{words} {context[name]}, is {shown}", ""
        if kind in _KINDS:
            remedy = f"write [{shown.strip('`')}]" if kind == "tuple_type" and isinstance(node, Scalar) else ""
            return f"must be {_KINDS[kind]}, not {kind_of(node)}", remedy
        match kind:
            case "string_type":
                remedy = f'put it in quotes: "{node.text}"' if isinstance(node, Scalar) else ""
                return f"must be text, not {kind_of(node)}", remedy
            case "number_wanted" | "whole_wanted":
                return f"{error['msg']}, not {kind_of(node)}", _number_remedy(node, whole=kind == "whole_wanted")
            case "literal_error":
                return _choice(context, node, shown)
            case "string_pattern_mismatch":
                return f"{shown} must be {_WORDS_BY_PATTERN.get(context['pattern'], context['pattern'])}", ""
            case "string_too_short":
                return "is empty", ""
            case "too_short" | "too_long":
                return _how_many(context, len(node.items) if isinstance(node, Items) else 0), ""
            case "string_too_long":
                return f"longer than {context['max_length']} characters", ""
            case "decimal_max_places":
                return f"{shown} has more than {context['decimal_places']} decimals", ""
        return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {kind_of(node)}", ""


def _choice(context: dict[str, Any], node: Node, shown: str) -> tuple[str, str]:
    expected = str(context["expected"])
    words = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    hint = suggest(str(node.value), words) if isinstance(node, Scalar) else ""
    return f"{shown} is not one of: {', '.join(words)}{hint}", ""


def _how_many(context: dict[str, Any], count: int) -> str:
    if not count:
        return "is an empty list"
    if "max_length" in context:
        return f"takes at most {context['max_length']} items, has {count}"
    return f"needs at least {context['min_length']} items, has {count}"


def _number_remedy(node: Node, *, whole: bool) -> str:
    if not isinstance(node, Scalar):
        return ""
    if isinstance(node.value, Decimal):
        return "write it without a decimal point" if whole else ""
    text = node.text.replace(",", ".")
    try:
        number = Decimal(text)
    except ArithmeticError:
        return "write seconds as a plain number, such as 90 or 1.5" if ":" in text else ""
    return f"write {number.normalize():f}" if number.is_finite() and abs(number) < 10**9 else ""


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


# --- which keys a place takes: read from the models ---


def _inner(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without Annotated and None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _inner(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [found for part in get_args(annotation) if part is not type(None) for found in _inner(part)]
    return [annotation]


def _step_into(candidates: list[Any], step: str | int) -> list[Any]:
    found: list[Any] = []
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            for name, info in candidate.model_fields.items():
                if step == (info.alias or name):
                    found += _inner(info.annotation)
        elif get_origin(candidate) is tuple:
            found += _inner(get_args(candidate)[0])
        elif get_origin(candidate) is dict:
            found += _inner(get_args(candidate)[1])
    return found


def _walk(model: type[BaseModel], steps: Steps) -> list[Any]:
    candidates: list[Any] = [model]
    for step in steps:
        candidates = _step_into(candidates, step)
    return candidates


def _allowed(candidates: list[Any]) -> list[str]:
    models = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
    return [info.alias or name for model in models for name, info in model.model_fields.items()]


def _meant(key: str, allowed: list[str], parent: Map) -> str | None:
    """Keys that are not given yet are likelier."""
    return nearest(key, [name for name in allowed if name not in parent.entries]) or nearest(key, allowed)
