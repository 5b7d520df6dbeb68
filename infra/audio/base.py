"""The SoundProvider port: speech with timings, and sound effects. Vendors of sound answer with the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class SoundRequest:
    """One create, as it will be sent: `endpoint` with its query, and the JSON body."""

    endpoint: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class CharacterTiming:
    """Of the text as it was sent; all three have equal length, seconds from the start of the sound."""

    characters: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]


@dataclass(frozen=True)
class Sound:
    data: bytes
    content_type: str
    timing: CharacterTiming | None
    vendor_units: int | None  # what the vendor counted: characters, for ElevenLabs
    request_id: str | None = None


class SoundProvider(Protocol):
    """Contract: `make` sends its request exactly once, ever. Raises RefusedError (or a subclass),
    CreditsExhaustedError, or UnknownOutcomeError."""

    service: str  # `elevenlabs`, `backlot`, or a configured name

    async def make(self, request: SoundRequest) -> Sound: ...

    async def close(self) -> None: ...
