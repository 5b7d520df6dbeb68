"""The backlot's own paths, without a key: what it is, its knobs, its request log. No vendor has anything like them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.backlot.desk import Call, Desk, RefusalError
from infra.backlot.faults import FaultDesk, parse_faults

_PAGE = 1000


class ControlCounter:
    def __init__(self, desk: Desk, about: Mapping[str, Any]) -> None:
        self._desk, self._studio, self._about = desk, desk.studio, about

    def routes(self) -> list[Route]:
        return [
            self._desk.route("GET", "/backlot", self.introduce, vendor="open"),
            self._desk.route("GET", "/backlot/control", self.show_knobs, vendor="open"),
            self._desk.route("POST", "/backlot/control", self.turn_knobs, vendor="open"),
            self._desk.route("GET", "/backlot/log", self.show_log, vendor="open"),
        ]

    async def introduce(self, _call: Call) -> Response:
        """How a client recognises that a base URL is a backlot."""
        return JSONResponse({"service": "backlot", **self._about})

    async def show_knobs(self, _call: Call) -> Response:
        return JSONResponse(self._describe())

    async def turn_knobs(self, call: Call) -> Response:
        """Changes what the body names, or nothing: all problems are told at once."""
        try:
            body = await call.request.json()
        except ValueError as error:
            raise RefusalError(400, {"error": "The request body is not valid JSON."}) from error
        if not isinstance(body, dict):
            raise RefusalError(400, {"error": "Expected an object of knobs."})
        problems, changes = self._read_changes(body)
        if problems:
            raise RefusalError(400, {"error": "; ".join(problems)})
        for change in changes:
            change()
        self._studio.release_waiting()
        return JSONResponse(self._describe())

    async def show_log(self, call: Call) -> Response:
        """Entries from number `after` on, a thousand at a time, and the purchases that were made twice."""
        try:
            after = max(0, int(call.request.query_params.get("after", "0")))
        except ValueError as error:
            raise RefusalError(400, {"error": "after: expected a whole number"}) from error
        entries = await asyncio.to_thread(self._desk.log.entries)
        twice = await asyncio.to_thread(self._desk.log.bought_twice)
        return JSONResponse({"entries": entries[after : after + _PAGE], "total": len(entries), "bought_twice": twice})

    def _describe(self) -> dict[str, Any]:
        knobs, clock = self._studio.knobs, self._studio.clock
        return {
            "latency": knobs.latency,
            "concurrency": knobs.concurrency,
            "daily": knobs.daily,
            "visibility": knobs.visibility,
            "link_seconds": knobs.link_seconds,
            "clock_scale": clock.scale,
            "now": clock.now().isoformat(),
            "balance": self._studio.books.balance,
            "faults": [rule.model_dump(mode="json", exclude_none=True) for rule in knobs.desk.rules],
        }

    def _read_changes(self, body: Mapping[str, Any]) -> tuple[list[str], list[Callable[[], None]]]:
        problems: list[str] = []
        changes: list[Callable[[], None]] = []
        for name, value in body.items():
            try:
                changes.append(self._read_change(name, value))
            except ValueError as error:
                problems.append(f"{name}: {error}")
        return problems, changes

    def _read_change(self, name: str, value: object) -> Callable[[], None]:
        studio, knobs, clock = self._studio, self._studio.knobs, self._studio.clock
        match name:
            case "latency" | "visibility" | "link_seconds":
                number = _read_number(value, least=0)
                return lambda: setattr(knobs, name, number)
            case "concurrency" | "daily":
                count = None if value is None else int(_read_number(value, least=0))
                return lambda: setattr(knobs, name, count)
            case "clock_scale":
                scale = _read_number(value, least=0.001)
                return lambda: clock.change(scale=scale)
            case "advance_seconds":
                seconds = _read_number(value, least=0)
                return lambda: clock.change(advance_seconds=seconds)
            case "balance":
                credits = int(_read_number(value, least=0))
                return lambda: studio.books.append("balance", clock.now(), credits=credits)
            case "faults":
                desk = FaultDesk.of(parse_faults(value))
                return lambda: setattr(knobs, "desk", desk)
        raise ValueError("not a knob")


def _read_number(value: object, *, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e12:
        raise ValueError(f"expected a number of at least {least:g}")
    return value
