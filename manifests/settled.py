"""What has changed between two settlings of one start, in words: parameters, rows, days, and the rest of the patch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from manifests.lookup_words import PARAMS
from manifests.scheduled import Resolved
from manifests.validity import ValidTo

NONE = "(none)"
MOST = 60  # letters of a value that are told
_AXES = ("variants", "axes")


def changes_between(before: Resolved, after: Resolved) -> tuple[str, ...]:
    """`offer: tea for two → tea for three`, one line for each. Limits, gates and deadlines are not settled: they are
    always the schedule's of today."""
    found = (*_params(before, after), *_rows(before, after), *_patches(before, after), *_days(before, after))
    return found if found or before.patch == after.patch else ("override: the same in another order or form",)


def _params(before: Resolved, after: Resolved) -> Iterator[str]:
    for name in dict.fromkeys((*before.params, *after.params)):
        yield from _change(name, before.params.get(name), after.params.get(name))


def _rows(before: Resolved, after: Resolved) -> Iterator[str]:
    for axis in dict.fromkeys((*before.axes, *after.axes)):
        ids = [", ".join(one.axes[axis]) if axis in one.axes else None for one in (before, after)]
        yield from _change(axis, *ids)


def _patches(before: Resolved, after: Resolved) -> Iterator[str]:
    """Rows that came or went are told by their ids."""
    told = [dict(_leaves(_data(one.patch), ())) for one in (before, after)]
    settled, stay = {*before.axes, *after.axes}, _kept(before, after)
    for path in dict.fromkeys((*told[0], *told[1])):
        of_row = path[:2] == _AXES and len(path) > 3 and path[2] in settled
        if not of_row or path[2:4] in stay:
            yield from _change(f"override.{'.'.join(path)}", told[0].get(path), told[1].get(path))


def _days(before: Resolved, after: Resolved) -> Iterator[str]:
    """A row that only moved within its table is the same. What was settled before days were kept says nothing."""
    if before.valid_to is None or after.valid_to is None:
        return
    ends, stay = (before.valid_to, after.valid_to), _kept(before, after)
    for place in dict.fromkeys((of, name) for known in ends for of, rows in known.items() for name in rows):
        days = [_day(known.get(place[0], {}).get(place[1])) for known in ends]
        yield from _change(f"{place[1]} is good until", *days) if place in stay else ()


def _kept(before: Resolved, after: Resolved) -> set[tuple[str, ...]]:
    """Parameters, and rows of axes, that were there and still are."""
    rows = [{(axis, name) for axis, ids in one.axes.items() for name in ids} for one in (before, after)]
    params = [{(PARAMS, name) for name in one.params} for one in (before, after)]
    return (rows[0] & rows[1]) | (params[0] & params[1])


def _day(end: ValidTo | None) -> str:
    return str(end.day) if end is not None else "for ever"


def _change(what: str, before: str | None, after: str | None) -> Iterator[str]:
    if before != after:
        yield f"{what}: {_shown(before)} → {_shown(after)}"


def _shown(text: str | None) -> str:
    if text is None:
        return NONE
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def _data(patch: str) -> Any:
    """Numbers as they are written: 0.10 is not 0.1 to whoever wrote it."""
    return json.loads(patch, parse_float=str, parse_int=str)


def _leaves(data: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """List items by their id where they have one."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(data, list) and data:
        for number, value in enumerate(data):
            name = value.get("id") if isinstance(value, dict) else None
            yield from _leaves(value, (*path, str(name if name is not None else number)))
    elif path:
        yield path, data if isinstance(data, str) else json.dumps(data)
