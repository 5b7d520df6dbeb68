"""ElevenLabs speech and sound effects over httpx. One create is one POST: no retry, no redirect, no SDK around it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from infra.audio.base import CharacterTiming, Sound, SoundRequest
from infra.errors import (
    CreditsExhaustedError,
    RequestRejectedError,
    ThrottledError,
    UnknownOutcomeError,
)
from infra.keys import VendorKey, key_of, raise_refused
from infra.providers.wire import CREATE_TIMEOUT, make_client, plain, request_id, send_once

# see providers.runway: a wrong "refused" would be paid twice
_AMBIGUOUS = (408, 409)
_FORMATS = {"mp3": "audio/mpeg", "wav": "audio/wav", "opus": "audio/ogg", "pcm": "audio/pcm"}
_DEFAULT_FORMAT = "mp3_44100_128"


class ElevenLabsProvider:
    """SoundProvider for ElevenLabs, and for anything else that answers as it does (the backlot)."""

    def __init__(
        self, base_url: str, key: VendorKey | SecretStr | str, service: str, *, client: httpx.AsyncClient | None = None
    ) -> None:
        self.service = service
        self._base = base_url.rstrip("/")
        self._key = key_of(key)
        self._client = client or make_client(self._base, keep_alive=False)

    async def make(self, request: SoundRequest) -> Sound:
        key = await self._key.current()
        message = self._client.build_request(
            "POST",
            self._base + request.endpoint,
            json=dict(request.body),
            headers={"xi-api-key": key},
            timeout=CREATE_TIMEOUT,
        )
        response = await send_once(self._client, message, self.service)
        if response.status_code != 200:
            await self._raise(response, key)
        parts = urlsplit(request.endpoint)
        asked = parse_qs(parts.query).get("output_format", [_DEFAULT_FORMAT])[0]
        announced = _FORMATS.get(asked.partition("_")[0], "application/octet-stream")
        if parts.path.endswith("/with-timestamps"):
            return _read_timed(response, announced, self.service)
        return _read_bytes(response, announced, self.service)

    async def close(self) -> None:
        await self._client.aclose()

    async def _raise(self, response: httpx.Response, key: str) -> NoReturn:
        status, asked = response.status_code, request_id(response)
        code, words = read_error(response)
        words = plain(f"HTTP {status}, {code}: {words}" if code else f"HTTP {status}: {words}", self._key)
        if not 400 <= status < 500 or status in _AMBIGUOUS:
            raise UnknownOutcomeError(f"{self.service} answered a create with {words}", request_id=asked)
        # the code decides before the status: an empty purse arrives under 401
        if code == "quota_exceeded":
            raise CreditsExhaustedError(words, request_id=asked, remedy="Top up the account, then run again.")
        if status == 429:
            raise ThrottledError(words, request_id=asked, remedy="Lower the concurrency, or run again later.")
        if status == 401:
            await raise_refused(self._key, key, words, request_id=asked, remedy=_KEY_REMEDY)
        raise RequestRejectedError(words, request_id=asked)


_KEY_REMEDY = "Check the key, and that it belongs to this base URL."


def read_error(response: httpx.Response) -> tuple[str, str]:
    """(code, words) of `{"detail": {status, message}}`, of `{"detail": [{loc, msg}]}`, or of neither."""
    try:
        answer = response.json()
    except ValueError:
        return "", response.reason_phrase or "no explanation"
    detail = answer.get("detail") if isinstance(answer, dict) else None
    if isinstance(detail, dict):
        return str(detail.get("status") or detail.get("code") or ""), str(detail.get("message", "no explanation"))
    if isinstance(detail, list):
        return "", "; ".join(_issue_words(i) for i in detail if isinstance(i, dict)) or "no explanation"
    return "", detail if isinstance(detail, str) else response.reason_phrase or "no explanation"


def _issue_words(issue: Mapping[str, Any]) -> str:
    where = issue.get("loc")
    path = ".".join(str(p) for p in where) if isinstance(where, list) else ""
    return f"{path}: {issue.get('msg', '?')}" if path else str(issue.get("msg", "?"))


def _units(response: httpx.Response) -> int | None:
    text = response.headers.get("character-cost", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _read_bytes(response: httpx.Response, announced: str, service: str) -> Sound:
    content_type = response.headers.get("content-type", "").partition(";")[0].strip()
    if not response.content or content_type.startswith("text/") or content_type == "application/json":
        raise UnknownOutcomeError(f"{service} answered HTTP 200 without a sound", request_id=request_id(response))
    generic = not content_type.startswith("audio/")
    return Sound(response.content, announced if generic else content_type, None, _units(response), request_id(response))


def _read_timed(response: httpx.Response, announced: str, service: str) -> Sound:
    try:
        answer = response.json()
        data = base64.b64decode(answer["audio_base64"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error) as e:
        raise UnknownOutcomeError(
            f"{service} answered HTTP 200 without a sound", request_id=request_id(response)
        ) from e
    if not data:
        raise UnknownOutcomeError(f"{service} answered HTTP 200 with an empty sound", request_id=request_id(response))
    return Sound(data, announced, _read_timing(answer.get("alignment")), _units(response), request_id(response))


def _read_timing(alignment: object) -> CharacterTiming | None:
    """None for timings that cannot be used: the sound is paid, and is kept without them."""
    if not isinstance(alignment, dict):
        return None
    lists = [alignment.get(n) for n in ("characters", "character_start_times_seconds", "character_end_times_seconds")]
    if not all(isinstance(values, list) for values in lists):
        return None
    try:
        characters, starts, ends = (tuple(values or ()) for values in lists)
        timing = CharacterTiming(tuple(map(str, characters)), tuple(map(float, starts)), tuple(map(float, ends)))
    except (TypeError, ValueError):
        return None
    return timing if len(timing.characters) == len(timing.starts) == len(timing.ends) else None
