"""Media inputs of a request: place-holders become data URIs, or uploads when the file is large, just before sending.

A place-holder is a mapping with a key `sha256` or `derived`, anywhere in the body. Its name in `ProviderRequest.media`
is `digest_json(placeholder)`. Bytes that no longer match their digest are never sent.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from infra.clock import Clock
from infra.errors import RefusedError, VendorError
from infra.providers.base import MediaInput
from infra.providers.wire import READ_TIMEOUT, backoff
from manifests.digest import digest_bytes, digest_json

DATA_URI_BYTES = 3_300_000  # the vendor's advice; the limit is 5 MB of text once encoded
UPLOAD_BYTES = 200_000_000
UPLOAD_LIVES_SECONDS = 20 * 3600  # the vendor keeps an upload for 24 h; the margin is for queueing
_UPLOAD_TRIES = 3
_SUFFIXES = {
    "image/jpeg": "jpg", "image/jpg": "jpg", "image/png": "png", "image/webp": "webp", "video/mp4": "mp4",
    "video/quicktime": "mov", "audio/mpeg": "mp3", "audio/wav": "wav",
}  # fmt: skip


def is_placeholder(value: object) -> bool:
    return isinstance(value, Mapping) and ("sha256" in value or "derived" in value)


class MediaInputs:
    """Fills bodies. Uploads are remembered while the vendor keeps them, so one image is not sent for every take.

    Everything here happens before the create: whatever fails is a RefusedError, nothing was bought.
    """

    def __init__(
        self,
        open_upload: Callable[[str], Awaitable[Mapping[str, Any]]],
        client: httpx.AsyncClient,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._open_upload = open_upload
        self._client = client
        self._clock = clock
        self._rng = rng
        self._uploaded: dict[str, tuple[float, str]] = {}
        self._one_by_one = asyncio.Lock()

    async def fill(self, body: object, media: Mapping[str, MediaInput]) -> Any:
        """A copy of `body` as it is sent."""
        if is_placeholder(body):
            name = digest_json(body)
            if name not in media:
                raise RefusedError("the request names a media input that was not given; nothing was sent")
            return await self._uri(media[name])
        if isinstance(body, Mapping):
            return {key: await self.fill(value, media) for key, value in body.items()}
        if isinstance(body, list | tuple):
            return [await self.fill(item, media) for item in body]
        return body

    async def _uri(self, source: MediaInput) -> str:
        try:
            data = await asyncio.to_thread(source.path.read_bytes)
        except OSError as e:
            raise RefusedError(f"{source.path.name} cannot be read ({e.strerror}); nothing was sent") from e
        if digest_bytes(data) != source.sha256:
            raise RefusedError(f"{source.path.name} is not what it was when it was planned; nothing was sent")
        if len(data) <= DATA_URI_BYTES:
            return f"data:{source.content_type};base64,{base64.b64encode(data).decode()}"
        if len(data) > UPLOAD_BYTES:
            raise RefusedError(
                f"{source.path.name} has {len(data)} bytes, more than the vendor takes; nothing was sent"
            )
        async with self._one_by_one:  # two takes of one picture must not upload it twice
            sent_at, uri = self._uploaded.get(source.sha256, (0.0, ""))
            if not uri or self._clock.monotonic() - sent_at > UPLOAD_LIVES_SECONDS:
                uri = await self._upload(source, data)
                self._uploaded[source.sha256] = (self._clock.monotonic(), uri)
        return uri

    async def _upload(self, source: MediaInput, data: bytes) -> str:
        """Two steps. When the second fails the vendor wants both again, never the second alone."""
        name = f"{source.sha256[:16]}.{_SUFFIXES.get(source.content_type, 'bin')}"
        why = ""
        for attempt in range(_UPLOAD_TRIES):
            if attempt:
                await self._clock.sleep(backoff(attempt, self._rng))
            try:
                ticket = await self._open_upload(name)
                url, uri, fields = ticket.get("uploadUrl"), ticket.get("runwayUri"), ticket.get("fields")
                if not isinstance(url, str) or not isinstance(uri, str) or not isinstance(fields, dict):
                    why = "the vendor's answer is not an upload ticket"
                    continue
                response = await self._client.post(
                    url, data=fields, files={"file": (name, data, source.content_type)}, timeout=READ_TIMEOUT,
                    follow_redirects=False,
                )  # fmt: skip
            except httpx.RequestError as e:
                why = type(e).__name__
            except VendorError as e:
                if isinstance(e, RefusedError):
                    raise
                why = e.detail
            else:
                if response.is_success:
                    return uri
                why = f"HTTP {response.status_code}"
        raise RefusedError(f"{source.path.name} could not be uploaded ({why}); nothing was bought")
