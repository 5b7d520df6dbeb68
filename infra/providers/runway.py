"""Runway's developer API over httpx: creates, tasks, uploads, organization. Knows nothing of ledger, budget or plans.

A create is sent exactly once: no retry, no redirect. Reads repeat themselves. The key goes to the API's host only.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx
from pydantic import SecretStr, ValidationError

from infra.clock import Clock
from infra.errors import (
    CredentialsError,
    CreditsExhaustedError,
    DailyCapError,
    DownloadError,
    LinkExpiredError,
    RequestRejectedError,
    TaskMissingError,
    UnknownOutcomeError,
    VendorUnavailableError,
)
from infra.keys import VendorKey, key_of, raise_refused
from infra.providers.base import Accepted, AccountLimits, ProviderRequest, TaskReport
from infra.providers.media_inputs import MediaInputs
from infra.providers.runway_answers import error_words, read_accepted, read_json, read_limits, read_task, read_usage
from infra.providers.wire import (
    CREATE_TIMEOUT,
    READ_TIMEOUT,
    bare_link,
    make_client,
    plain,
    read_patiently,
    request_id,
    send_once,
)
from manifests.reconcile import DayUsage

API_VERSION = "2024-11-06"
# By RFC 9110 neither was carried out, but both can come from a gateway that had already passed the request on, and
# neither is in the vendor's table of errors: held as unknown, because a wrong "refused" is paid twice.
_AMBIGUOUS = (408, 409)


class RunwayProvider:
    """VideoProvider for Runway, and for anything else that answers as it does (the backlot)."""

    def __init__(
        self,
        base_url: str,
        key: VendorKey | SecretStr | str,
        service: str,
        *,
        clock: Clock,
        client: httpx.AsyncClient | None = None,
        on_behalf_of: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.service = service
        self._base = base_url.rstrip("/")
        self._key = key_of(key)
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter only
        # Creates get a fresh connection each: an idle one may be closed by the server at the very moment of sending,
        # and that is an unknown outcome for nothing.
        self._creates = client or make_client(self._base, keep_alive=False)
        self._reads = client or make_client(self._base, keep_alive=True)
        self._on_behalf_of = on_behalf_of
        self._media = MediaInputs(self._open_upload, self._reads, clock, self._rng)

    async def submit(self, request: ProviderRequest) -> Accepted:
        """One POST. Before it, media place-holders become data URIs or uploads (see `media_inputs`)."""
        body = await self._media.fill(request.body, request.media)
        key = await self._key.current()
        message = self._creates.build_request(
            "POST", self._base + request.endpoint, json=body, headers=self._headers(key), timeout=CREATE_TIMEOUT
        )
        response = await send_once(self._creates, message, self.service)
        if response.status_code == 401:
            words = plain(error_words(response), self._key)
            await raise_refused(self._key, key, words, request_id=request_id(response), remedy=_KEY_REMEDY)
        if not response.is_success:
            self._raise_create(response)
        return read_accepted(response, self.service)

    async def poll(self, task_id: str) -> TaskReport:
        response = await self._read("GET", f"/v1/tasks/{quote(task_id, safe='')}")
        if response.status_code == 404:
            raise TaskMissingError(
                f"{self.service} has no task {task_id}", remedy="Was it deleted, or is the key another organization's?"
            )
        self._expect_ok(response)
        try:
            return read_task(response)
        except ValidationError as e:
            raise VendorUnavailableError(f"{self.service}: the state of task {task_id} cannot be read") from e

    async def collect(self, output: str) -> AsyncIterator[bytes]:
        """The link is signed for its own host: no key goes with it."""
        # identity, so that what arrives can be counted against Content-Length
        headers = {"Accept-Encoding": "identity"}
        link = _read_link(output)
        async with AsyncExitStack() as open_responses:

            async def open_link() -> httpx.Response:
                message = self._reads.build_request("GET", link, headers=headers, timeout=READ_TIMEOUT)
                response = await self._reads.send(message, stream=True, follow_redirects=False)
                open_responses.push_async_callback(response.aclose)
                return response

            response = await read_patiently(open_link, self._clock, self.service, self._rng)
            async for chunk in _whole(response, bare_link(output)):
                yield chunk

    async def cancel(self, task_id: str) -> None:
        response = await self._read("DELETE", f"/v1/tasks/{quote(task_id, safe='')}")
        if response.status_code != 404:
            self._expect_ok(response)

    async def limits(self) -> AccountLimits:
        response = await self._read("GET", "/v1/organization")
        self._expect_ok(response)
        try:
            return read_limits(response)
        except ValidationError as e:
            raise VendorUnavailableError(f"{self.service}: the account's limits cannot be read") from e

    async def usage(self, start: dt.date, before: dt.date) -> tuple[DayUsage, ...]:
        """Credits per model and day (UTC), `before` not included; at most 90 days. Raises CredentialsError or
        VendorUnavailableError."""
        period = {"startDate": start.isoformat(), "beforeDate": before.isoformat()}
        response = await self._read("POST", "/v1/organization/usage", period)
        self._expect_ok(response)
        try:
            return read_usage(response)
        except ValidationError as e:
            raise VendorUnavailableError(f"{self.service}: the account's usage cannot be read") from e

    async def close(self) -> None:
        await self._creates.aclose()
        await self._reads.aclose()

    def _headers(self, key: str) -> dict[str, str]:
        whose = {"X-Runway-On-Behalf-Of": self._on_behalf_of} if self._on_behalf_of else {}
        return {"Authorization": f"Bearer {key}", "X-Runway-Version": API_VERSION, **whose}

    async def _read(self, method: str, path: str, json: object = None) -> httpx.Response:
        """A key that is refused is read again where it is kept, once: somebody may just have changed it."""
        key = await self._key.current()
        response = await self._read_with(key, method, path, json)
        if response.status_code == 401 and await self._key.changed(key):
            response = await self._read_with(await self._key.current(), method, path, json)
        return response

    async def _read_with(self, key: str, method: str, path: str, json: object) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self._reads.request(
                method,
                self._base + path,
                json=json,
                headers=self._headers(key),
                timeout=READ_TIMEOUT,
                follow_redirects=False,
            )

        return await read_patiently(send, self._clock, self.service, self._rng)

    async def _open_upload(self, filename: str) -> Mapping[str, Any]:
        response = await self._read("POST", "/v1/uploads", {"filename": filename, "type": "ephemeral"})
        self._expect_ok(response)
        answer = read_json(response)
        return answer if isinstance(answer, dict) else {}

    def _expect_ok(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        words = f"{self.service}: HTTP {response.status_code}: {plain(error_words(response), self._key)}"
        if response.status_code == 401:
            raise CredentialsError(words, request_id=request_id(response), remedy=_KEY_REMEDY)
        raise VendorUnavailableError(words, request_id=request_id(response))

    def _raise_create(self, response: httpx.Response) -> NoReturn:
        status, asked = response.status_code, request_id(response)
        words = plain(error_words(response), self._key)
        if not 400 <= status < 500 or status in _AMBIGUOUS:
            raise UnknownOutcomeError(f"{self.service} answered HTTP {status} to a create: {words}", request_id=asked)
        if status == 429:
            raise DailyCapError(
                words, request_id=asked, remedy="The cap rolls over 24 hours: run again later, or raise the tier."
            )
        if status == 400 and "enough credits" in words.lower():
            raise CreditsExhaustedError(words, request_id=asked, remedy="Buy credits, then run again: it goes on here.")
        raise RequestRejectedError(f"HTTP {status}: {words}", request_id=asked)


_KEY_REMEDY = "Check the key, and that it belongs to this base URL."


def _read_link(output: str) -> httpx.URL:
    try:
        if urlsplit(output).scheme in ("http", "https"):
            return httpx.URL(output)
    except (ValueError, httpx.InvalidURL):
        pass  # said below
    raise DownloadError("the vendor named an output that is not a link")


async def _whole(response: httpx.Response, link: str) -> AsyncIterator[bytes]:
    """The body of a download, checked against its announced length."""
    if response.status_code in (403, 404, 410):
        raise LinkExpiredError(f"HTTP {response.status_code} from {link}")
    if response.status_code != 200 or response.headers.get("content-type", "").startswith("text/html"):
        raise DownloadError(f"HTTP {response.status_code}, not a file, from {link}")
    announced, arrived = response.headers.get("content-length", ""), 0
    try:
        async for chunk in response.aiter_bytes():
            arrived += len(chunk)
            yield chunk
    except httpx.RequestError as e:
        raise DownloadError(f"{link} broke off after {arrived} bytes: {type(e).__name__}") from e
    if "content-encoding" not in response.headers and announced.isdigit() and int(announced) != arrived:
        raise DownloadError(f"{link}: {announced} bytes announced, {arrived} arrived")
