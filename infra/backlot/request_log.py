"""The request log: one JSON line for every request the backlot answered, or meant to. Holds no key, prompt or link."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.backlot.lines import LineFile


class RequestLog:
    """Appends, and reads back. Reading is safe from any thread or process; appending is the server's."""

    def __init__(self, folder: Path) -> None:
        self._requests = LineFile(folder / "requests.jsonl")
        self._books = LineFile(folder / "books.jsonl")

    def open(self) -> None:
        self._requests.cut_torn_line()

    def append(self, entry: Mapping[str, Any]) -> None:
        """A full disk costs the line, not the answer: what was bought is in the books already."""
        with contextlib.suppress(OSError):
            self._requests.append(entry)

    def close(self) -> None:
        self._requests.close()

    def entries(self) -> list[dict[str, Any]]:
        """Every request, oldest first."""
        return self._requests.read()

    def creates(self) -> list[dict[str, Any]]:
        """The requests that could cost something, answered well or not."""
        return [entry for entry in self.entries() if entry["create"]]

    def movements(self) -> list[dict[str, Any]]:
        """Every line of the books: tasks created and ended with what they cost, sounds, balances."""
        return self._books.read()

    def purchases(self) -> list[dict[str, Any]]:
        """What was really made and charged, from the books: `digest`, `endpoint`, `model`. Complete after any crash."""
        return [line for line in self._books.read() if line["event"] in ("created", "sound")]

    def bought_twice(self) -> dict[str, int]:
        """Digests of create bodies that were charged more than once, with how often."""
        counted = Counter(str(line["digest"]) for line in self.purchases())
        return {digest: count for digest, count in counted.items() if count > 1}
