"""Ephemeral uploads: a ticket from `POST /v1/uploads`, then the file as a form at the address that the ticket names."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from pathlib import PurePosixPath
from xml.sax.saxutils import escape

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.backlot.books import Upload
from infra.backlot.desk import Call, Desk, RefusalError
from infra.backlot.inputs import UPLOAD_MAXIMUM_BYTES, UPLOAD_MINIMUM_BYTES, MediaCupboard
from infra.backlot.validation import media_issue, refusal_body

LIFE = dt.timedelta(hours=24)
FORM_OVERHEAD_BYTES = 64 * 1024
_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp"}  # stills
    | {".mp4", ".mov", ".mkv", ".webm", ".3gp", ".ogv"}
    | {".mp3", ".wav", ".flac", ".m4a", ".aac"}
)


class UploadCounter:
    def __init__(self, desk: Desk, cupboard: MediaCupboard) -> None:
        self._desk, self._cupboard = desk, cupboard
        self._books, self._clock = desk.studio.books, desk.studio.clock

    def routes(self) -> list[Route]:
        return [
            self._desk.route("POST", "/v1/uploads", self.open_upload, vendor="runway"),
            self._desk.route("POST", "/upload-target/{id}", self.receive, vendor="open"),
        ]

    async def open_upload(self, call: Call) -> Response:
        try:
            body = await call.request.json()
            filename, kind = body["filename"], body["type"]
        except (ValueError, KeyError, TypeError) as error:
            issue = media_issue("Invalid input: expected filename and type", ())
            raise RefusalError(400, refusal_body([issue])) from error
        issues = []
        if kind != "ephemeral":
            issues.append(media_issue('Invalid input: expected "ephemeral"', ("type",)))
        if not isinstance(filename, str) or PurePosixPath(filename).suffix.lower() not in _SUFFIXES:
            issues.append(media_issue("The filename must end with a supported extension.", ("filename",)))
        if issues:
            raise RefusalError(400, refusal_body(issues))
        identifier = str(uuid.uuid4())
        now = self._clock.now()
        expires = (now + LIFE).isoformat()
        self._books.append("upload", now, id=identifier, filename=filename, expires=expires)
        fields = {"key": f"ephemeral/{identifier}", "policy": "backlot", "x-amz-signature": identifier.replace("-", "")}
        return JSONResponse(
            {
                "uploadUrl": f"{call.request.base_url}upload-target/{identifier}",
                "fields": fields,
                "runwayUri": f"runway://{identifier}",
            }
        )

    async def receive(self, call: Call) -> Response:
        """The file host's half: it answers in XML, as the one behind the vendor does."""
        upload = self._books.uploads.get(call.request.path_params["id"])
        if upload is None or self._clock.now() >= upload.expires:
            return _xml_error(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        if upload.sha256 is not None:
            return _xml_error(403, "AccessDenied", "This upload has been used.")
        if "content-length" not in call.request.headers:
            return _xml_error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        if int(call.request.headers["content-length"]) > UPLOAD_MAXIMUM_BYTES + FORM_OVERHEAD_BYTES:
            return _too_large()
        try:
            form = await call.request.form(max_files=1, max_fields=20)
        except (MultiPartException, HTTPException) as error:
            return _xml_error(400, "MalformedPOSTRequest", str(getattr(error, "detail", error)))
        try:
            return await self._keep(upload, form.multi_items())
        finally:
            await form.close()

    async def _keep(self, upload: Upload, items: list[tuple[str, UploadFile | str]]) -> Response:
        fields = [name for name, value in items if isinstance(value, str)]
        files = [value for name, value in items if name == "file" and isinstance(value, UploadFile)]
        if not files:
            return _xml_error(400, "InvalidArgument", "POST requires exactly one file upload per request.")
        if isinstance(items[-1][1], str) or "key" not in fields:
            # everything after the file is ignored by such hosts, so a late field is a missing one
            return _xml_error(400, "InvalidArgument", "Bucket POST must contain a field named 'key' before the file.")
        data = await files[0].read()
        if len(data) < UPLOAD_MINIMUM_BYTES:
            return _xml_error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size.")
        if len(data) > UPLOAD_MAXIMUM_BYTES:
            return _too_large()
        sha256 = await asyncio.to_thread(self._cupboard.keep, data)
        self._books.append("received", self._clock.now(), id=upload.id, sha256=sha256, bytes=len(data))
        return Response(status_code=204)


def _too_large() -> Response:
    return _xml_error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")


def _xml_error(status: int, code: str, message: str) -> Response:
    told = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{told}'
    return Response(text, status, media_type="application/xml")
