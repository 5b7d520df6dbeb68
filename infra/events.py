"""What happened, as one stream of small mappings: people's lines and JSON lines are both made from it, in flows.views.

An event never holds a prompt, a link or a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Listener = Callable[[Mapping[str, Any]], None]


def ignore(event: Mapping[str, Any]) -> None:
    """The listener that does nothing."""


class Events:
    """Hands every event to each listener, in order, with `message_type` first."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = list(listeners)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def emit(self, message_type: str, **fields: Any) -> None:
        event = {"message_type": message_type, **fields}
        for listener in self._listeners:
            listener(event)
