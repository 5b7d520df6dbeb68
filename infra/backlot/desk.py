"""Where every request arrives: the vendor's key check, the faults, the request log; then the handler of its path."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from infra.backlot.books import write_instant
from infra.backlot.faults import split_faults
from infra.backlot.request_log import RequestLog
from infra.backlot.studio import Studio
from infra.backlot.wire import Connections, LostAnswer
from manifests.digest import canonical_json

Vendor = Literal["runway", "elevenlabs", "open"]
VERSION = "2024-11-06"
LONGEST_BODY = 128 * 1024 * 1024


class RefusalError(Exception):
    """An answer other than 200, raised by a handler."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


@dataclass
class Call:
    """One request on its way: what the handler is given, and what the log line will say."""

    request: Request
    id: str
    body: Any = None
    model: str | None = None
    digest: str | None = None
    task_id: str | None = None
    credits: int | None = None
    task_faults: list[str] = field(default_factory=list)


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Desk:
    """Wraps handlers into routes."""

    studio: Studio
    log: RequestLog
    connections: Connections

    def route(self, method: str, path: str, handler: Handler, *, vendor: Vendor, create: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            return await self._answer(request, handler, vendor, create)

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, handler: Handler, vendor: Vendor, create: bool) -> Response:
        started = self.studio.clock.monotonic()
        call = Call(request, uuid.uuid4().hex[:20])
        shown: str | int = "failed"
        answer_faults: list[str] = []
        try:
            try:
                _check_key(request, vendor)
                if create:
                    await _read_body(call, vendor)
                faults = self.studio.knobs.desk.take(
                    method=request.method, path=request.url.path, model=call.model, create=create
                )
                answer_faults, call.task_faults = split_faults(faults)
                response = await self._carry_out(call, handler, vendor, answer_faults)
            except RefusalError as refusal:
                response = JSONResponse(refusal.body, refusal.status)
            except OSError as error:
                response = JSONResponse(error_body(vendor, 500, f"The backlot cannot go on: {error}"), 500)
            shown = "lost" if isinstance(response, LostAnswer) else response.status_code
        except ClientDisconnect:
            shown = "gone"
            return Response(status_code=499)
        finally:
            self._write_log(call, vendor, create, shown, [*answer_faults, *call.task_faults], started)
        response.headers["request-id" if vendor == "elevenlabs" else "x-request-id"] = call.id
        return response

    async def _carry_out(self, call: Call, handler: Handler, vendor: Vendor, faults: list[str]) -> Response:
        late = sum(float(fault.removeprefix("slow:")) for fault in faults if fault.startswith("slow:"))
        canned = [fault for fault in faults if fault.startswith("status")]
        if canned and (canned[0].startswith("status-before-charge:") or canned[0].startswith("status:4")):
            response = _canned_answer(canned[0], vendor)
        else:
            response = await handler(call)
            if canned and response.status_code < 400:
                response = _canned_answer(canned[0], vendor)
        if late:
            await asyncio.sleep(late)
        return LostAnswer(self.connections) if "lose-answer" in faults else response

    def _write_log(
        self, call: Call, vendor: Vendor, create: bool, shown: str | int, faults: list[str], started: float
    ) -> None:
        request, clock = call.request, self.studio.clock
        agent = request.headers.get("user-agent", "")
        entry = {
            "at": write_instant(clock.now()),
            "vendor": vendor,
            "method": request.method,
            "path": request.url.path,
            "create": create,
            "status": shown,
            "model": call.model,
            "digest": call.digest,
            "task": call.task_id,
            "credits": call.credits,
            "faults": faults,
            "request": call.id,
            "retry": request.headers.get("x-stainless-retry-count"),
            "agent": agent[:80],
            "seconds": round(clock.monotonic() - started, 3),
        }
        self.log.append(entry)


async def _read_body(call: Call, vendor: Vendor) -> None:
    """The JSON of a create. Parsing may take long for inline images, so it leaves the loop."""
    data = bytearray()
    async for part in call.request.stream():
        data += part
        if len(data) > LONGEST_BODY:
            raise RefusalError(413, error_body(vendor, 413, "The request body is too large."))
    call.digest = hashlib.sha256(data).hexdigest()  # until the media inputs are known
    try:
        call.body = await asyncio.to_thread(_parse_body, bytes(data))
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, error_body(vendor, 400, "The request body is not valid JSON.")) from error
    if isinstance(call.body, dict):
        model = call.body.get("model" if vendor == "runway" else "model_id")
        call.model = model if isinstance(model, str) else None


def _parse_body(data: bytes) -> Any:
    body = json.loads(data)
    canonical_json(body)  # NaN and half an emoji have no digest, and are no JSON text either
    return body


def _check_key(request: Request, vendor: Vendor) -> None:
    if vendor == "runway":
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise RefusalError(401, {"error": "Missing or malformed API key in the Authorization header."})
        version = request.headers.get("x-runway-version")
        if version != VERSION:
            told = "is required" if version is None else f'has the unknown value "{version}"'
            raise RefusalError(400, {"error": f"The X-Runway-Version header {told}. Use {VERSION}."})
    if vendor == "elevenlabs" and not request.headers.get("xi-api-key", "").strip():
        raise RefusalError(401, eleven_body("invalid_api_key", "Invalid API key"))


def eleven_body(status: str, message: str) -> dict[str, Any]:
    return {"detail": {"status": status, "message": message}}


_ELEVEN_STATUSES = {
    400: "invalid_request",
    401: "invalid_api_key",
    403: "missing_permissions",
    404: "voice_not_found",
    429: "too_many_concurrent_requests",
}


def error_body(vendor: Vendor, status: int, message: str) -> dict[str, Any]:
    """A plain error in the vendor's envelope."""
    if vendor == "elevenlabs":
        return eleven_body(_ELEVEN_STATUSES.get(status, "internal_server_error"), message)
    return {"error": message}


def _canned_answer(fault: str, vendor: Vendor) -> Response:
    number, _, kind = fault.partition(":")[2].partition("-")
    status = int(number)
    if kind == "html":
        page = f"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
        return HTMLResponse(page, status)
    if kind == "busy":
        return JSONResponse(eleven_body("system_busy", "The system is busy, try again later."), status)
    if kind == "quota":
        if vendor == "runway":
            return JSONResponse({"error": "You do not have enough credits to run this task."}, status)
        return JSONResponse(eleven_body("quota_exceeded", "This request exceeds your quota."), status)
    message = "Too many generations in the last 24 hours." if status == 429 else "A fault was asked for."
    return JSONResponse(error_body(vendor, status, message), status)
