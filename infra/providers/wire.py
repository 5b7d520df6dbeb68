"""What vendor clients share: sending a create exactly once, repeating reads, keeping links and keys out of logs."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import httpx

from infra.clock import Clock
from infra.errors import UnknownOutcomeError, VendorUnavailableError, VendorUnreachableError
from infra.keys import VendorKey

CREATE_TIMEOUT = httpx.Timeout(60, connect=15, write=120, read=120)
READ_TIMEOUT = httpx.Timeout(30, connect=10)
READ_TRIES = 5
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_LONGEST_DETAIL = 400
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-amz-cf-id", "cf-ray")


class _BareLinks(logging.Filter):
    """httpx logs every address in full, and the query of an output link is a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(bare_link(str(a)) if isinstance(a, httpx.URL) else a for a in record.args)
        return True


_BARE_LINKS = _BareLinks()


def bare_link(url: str) -> str:
    """Host and path only: the query and any user name stay out of messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable link"
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def make_client(base_url: str, *, keep_alive: bool) -> httpx.AsyncClient:
    """A client of our own: never redirects. A proxy from the environment is not asked for this machine's own ports."""
    logging.getLogger("httpx").addFilter(_BARE_LINKS)
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=20 if keep_alive else 0)
    at_home = urlsplit(base_url).hostname in ("127.0.0.1", "localhost", "::1")
    return httpx.AsyncClient(limits=limits, follow_redirects=False, trust_env=not at_home)


def request_id(response: httpx.Response) -> str | None:
    return next((response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), None)


def plain(text: object, key: VendorKey | None = None) -> str:
    """A vendor's words, fit for a message: one line, not long, without our key."""
    line = " ".join(str(text).split())
    if key is not None:
        line = key.hide(line)
    return line if len(line) <= _LONGEST_DETAIL else line[: _LONGEST_DETAIL - 1] + "…"


async def send_once(client: httpx.AsyncClient, request: httpx.Request, vendor: str) -> httpx.Response:
    """Sends a create and reads its whole answer. Never sends twice, whatever happens; callers must not either.

    Raises VendorUnreachableError when nothing can have been sent, UnknownOutcomeError when the answer is not known.
    """
    try:
        return await client.send(request, follow_redirects=False)
    except (
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.PoolTimeout,
        httpx.ProxyError,
        httpx.UnsupportedProtocol,
    ) as e:
        host = bare_link(str(request.url.copy_with(raw_path=b"/")))
        raise VendorUnreachableError(
            f"{vendor} at {host}: {type(e).__name__}: {plain(e)}; nothing was sent",
            remedy="Check network and base URL.",
        ) from e
    except httpx.RequestError as e:
        raise UnknownOutcomeError(f"{vendor}: {type(e).__name__} after the request had been sent") from e


async def read_patiently(
    send: Callable[[], Awaitable[httpx.Response]], clock: Clock, vendor: str, rng: random.Random
) -> httpx.Response:
    """Repeats a call that costs nothing while the vendor is out of breath: transport errors, 429 and 5xx.

    Raises VendorUnavailableError after the last try. Answers below 500 other than 429 are returned as they are.
    """
    last = ""
    for attempt in range(READ_TRIES):
        hint: float | None = None
        try:
            response = await send()
        except httpx.RequestError as e:
            last = f"{type(e).__name__}"
        else:
            if response.status_code != 429 and response.status_code < 500:
                return response
            last, hint = f"HTTP {response.status_code}", _retry_after(response)
            await response.aclose()
        if attempt + 1 < READ_TRIES:
            await clock.sleep(hint if hint is not None else backoff(attempt, rng))
    raise VendorUnavailableError(
        f"{vendor}: {last}, {READ_TRIES} times", remedy="Run again: what was paid is not lost."
    )


def backoff(attempt: int, rng: random.Random) -> float:
    """Half a second doubling up to 8 s, and up to half as much again at random (vendor sheet §4)."""
    return float(min(0.5 * 2**attempt, 8.0) * rng.uniform(1.0, 1.5))


def _retry_after(response: httpx.Response) -> float | None:
    try:
        seconds = float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 < seconds <= 60 else None
