"""News to a webhook: one POST of JSON whose `text` Slack, Mattermost and the like show as it is.

An address of a webhook is a secret: it is given by reference, and no message of ours repeats it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import httpx

from infra.clock import Clock
from infra.errors import ShotrunnerError
from manifests.news import News

TRIES = 3
TIMEOUT = httpx.Timeout(10, connect=5)


class NotifyError(ShotrunnerError):
    """Never ends a run: what was made is made."""

    summary = "nobody could be told"
    exit_code = 6


def address_of(reference: str, environment: Mapping[str, str] = os.environ) -> str:
    """What `env:NAME` stands for. Raises NotifyError."""
    kind, _, name = reference.partition(":")
    if kind != "env" or not name:
        raise NotifyError(f"`{reference}` is no reference", remedy="write env:NAME, or block:TYPE/NAME of Prefect")
    address = environment.get(name, "").strip()
    if urlsplit(address).scheme not in ("http", "https"):
        found = "holds no http address" if address else "is not set"
        raise NotifyError(f"the environment variable {name} {found}", remedy="set it where the run works")
    return address


async def post_news(reference: str, news: News, clock: Clock, *, client: httpx.AsyncClient | None = None) -> None:
    """Raises NotifyError when the webhook cannot be found, or does not take it."""
    address = address_of(reference)
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
