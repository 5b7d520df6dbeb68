"""News to a webhook: one POST of JSON whose `text` Slack, Mattermost and the like show as it is.

An address of a webhook is a secret: it is given by reference, and no message of ours repeats it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx

from infra.clock import Clock
from infra.errors import KeyUnreadableError, ShotrunnerError
from infra.masking import MASKING
from infra.secret_sources import SOURCES
from manifests.news import News

TRIES = 3
TIMEOUT = httpx.Timeout(10, connect=5)


class NotifyError(ShotrunnerError):
    """Never ends a run: what was made is made."""

    summary = "nobody could be told"
    exit_code = 6


def address_of(reference: str) -> str:
    """What the reference stands for. May block. Raises NotifyError."""
    scheme, _, place = reference.partition(":")
    source = SOURCES.get(scheme)
    if source is None or not place:
        raise NotifyError(f"`{reference}` is no reference", remedy=f"it begins with {', '.join(SOURCES)} and a colon")
    try:
        address = source.read(place).strip()
    except KeyUnreadableError as error:
        raise NotifyError(f"{reference}: {error.detail}", remedy=error.remedy) from error
    if urlsplit(address).scheme not in ("http", "https"):
        raise NotifyError(f"{reference} holds no http address", remedy="it holds the whole address of the webhook")
    MASKING.add(address)
    return address


async def post_news(reference: str, news: News, clock: Clock, *, client: httpx.AsyncClient | None = None) -> None:
    """Raises NotifyError when the webhook cannot be found, or does not take it."""
    address = await asyncio.to_thread(address_of, reference)
    body = asdict(news)
    own = client or httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False)
    try:
        why = await _try(own, address, body, clock)
    finally:
        if client is None:
            await own.aclose()
    if why:
        raise NotifyError(f"{reference}: {why}", remedy="the run itself is not touched by it")


async def _try(client: httpx.AsyncClient, address: str, body: Mapping[str, Any], clock: Clock) -> str:
    why = ""
    for attempt in range(TRIES):
        if attempt:
            await clock.sleep(2.0**attempt)
        try:
            answer = await client.post(address, json=body)
        except httpx.HTTPError as error:
            why = type(error).__name__  # its words would repeat the address
            continue
        if answer.is_success:
            return ""
        why = f"answered {answer.status_code}"
        if answer.status_code < 500 and answer.status_code != 429:
            return why
    return why
