"""The request log: one JSON line for every request the backlot answered, or meant to. Holds no key, prompt or link."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RequestLog:
    """Appends, and reads back. Reading is safe from any thread or process; appending is the server's."""

    def __init__(self, folder: Path) -> None:
        self._requests = folder / "requests.jsonl"
        self._books = folder / "books.jsonl"

    def append(self, entry: Mapping[str, Any]) -> None:
        data = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._requests.open("ab") as file:
            file.write(data)

    def entries(self) -> list[dict[str, Any]]:
        """Every request, oldest first."""
        return _read_lines(self._requests)

    def creates(self) -> list[dict[str, Any]]:
        """The requests that could cost something, answered well or not."""
        return [entry for entry in self.entries() if entry["create"]]

    def purchases(self) -> list[dict[str, Any]]:
        """What was really made and charged, from the books: `digest`, `endpoint`, `model`. Complete after any crash."""
        return [line for line in _read_lines(self._books) if line["event"] in ("created", "sound")]

    def bought_twice(self) -> dict[str, int]:
        """Digests of create bodies that were charged more than once, with how often."""
        counted = Counter(str(line["digest"]) for line in self.purchases())
        return {digest: count for digest, count in counted.items() if count > 1}


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    data = path.read_bytes()
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines() if line.strip()]
