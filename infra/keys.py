"""A vendor's key, or a reference to where it is kept, read when a request is about to be sent. Stores nothing.

References: `env:NAME`, `file:/path`, `aws-sm:secret-id#key`, `prefect-secret:block`. Anything else is the key itself.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from pydantic import SecretStr

from infra.errors import CredentialsError, KeyChangedError, KeyUnreadableError
from infra.masking import MASKING
from infra.secret_sources import SOURCES

KEPT_SECONDS = 300.0  # how long a key of a service that is asked over the network is used before it is asked again


def is_reference(text: str) -> bool:
    """Whether it names a place of a kind that we know. What the place holds is not looked at."""
    scheme, colon, place = text.strip().partition(":")
    return bool(colon and place) and scheme in SOURCES


def named_variables(*settings: SecretStr | None) -> tuple[str, ...]:
    """The environment variables that `env:` references name: no child needs them."""
    texts = [s.get_secret_value().strip() for s in settings if s is not None]
    return tuple(text.removeprefix("env:") for text in texts if text.startswith("env:"))


def check_key(text: str) -> str:
    """The key as it goes into a header. Raises CredentialsError for one that cannot (a stray line break, an umlaut)."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise CredentialsError("the key is empty or has characters that no key has", remedy="Copy the key again.")
    if ":" in text:  # never printed: it may be a key after all
        raise CredentialsError(
            "the key has a colon in it, so it is a reference of a kind that is not known here",
            remedy=f"References begin with {', '.join(f'{name}:' for name in SOURCES)}; keys have no colon.",
        )
    return text


class VendorKey:
    """Safe for threads. `reveal` may block: async callers use `current`.

    A key that was given as such is checked at once and never changes. A reference is read at first use: the environment
    and a file every time, the others at most every five minutes.
    """

    def __init__(self, said: SecretStr | str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        text = (said.get_secret_value() if isinstance(said, SecretStr) else said).strip()
        self.reference = text if is_reference(text) else None
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._known: list[str] = []  # the last one is in use; an older one may still be echoed in an answer
        if self.reference is None:
            self._keep(check_key(text))

    def reveal(self) -> str:
        """Raises CredentialsError when the place cannot be read or holds no key."""
        with self._lock:
            if self.reference is None:
                return self._known[-1]
            remote = SOURCES[self.reference.partition(":")[0]].remote
            if remote and self._known and self._monotonic() - self._read_at < KEPT_SECONDS:
                return self._known[-1]
            return self._fetch(self.reference)

    async def current(self) -> str:
        return self.reveal() if self.reference is None else await asyncio.to_thread(self.reveal)

    async def changed(self, refused: str) -> bool:
        """After the vendor refused a key: whether the place holds another one now, which `current` then gives."""
        return self.reference is not None and await asyncio.to_thread(self._renew, refused)

    def hide(self, text: str) -> str:
        """The text without any key that was read here."""
        for known in self._known:
            text = text.replace(known, "[key]")
        return text

    def _renew(self, refused: str) -> bool:
        with self._lock:
            if self._known and self._known[-1] != refused:
                return True  # another call has fetched it meanwhile
            return self.reference is not None and self._fetch(self.reference) != refused

    def _fetch(self, reference: str) -> str:
        scheme, _, place = reference.partition(":")
        try:
            key = check_key(SOURCES[scheme].read(place))
        except CredentialsError as error:
            raise KeyUnreadableError(f"{reference}: {error.detail}", remedy=error.remedy) from error
        self._keep(key)
        return key

    def _keep(self, key: str) -> None:
        self._read_at = self._monotonic()
        if key not in self._known:
            self._known.append(key)
            MASKING.add(key)
        elif self._known[-1] != key:  # put back
            self._known.remove(key)
            self._known.append(key)


def key_of(said: VendorKey | SecretStr | str) -> VendorKey:
    return said if isinstance(said, VendorKey) else VendorKey(said)


async def raise_refused(key: VendorKey, used: str, words: str, *, request_id: str | None, remedy: str) -> NoReturn:
    """For a 401 to a create, which certainly made nothing. Raises KeyChangedError when the place holds another key by
    now, else CredentialsError."""
    if await key.changed(used):
        raise KeyChangedError(
            f"{words}; {key.reference} holds another one now, and the next create is sent with it",
            request_id=request_id,
            remedy="Run again: nothing was bought.",
        )
    raise CredentialsError(words, request_id=request_id, remedy=remedy)
