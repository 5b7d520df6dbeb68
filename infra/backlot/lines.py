"""Append-only files of JSON lines: whole lines go in, whole lines come out, whatever happens to disk or process."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any


class LineFile:
    """Opened at its first append, so that one who only reads creates nothing. One writer at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def append(self, line: Mapping[str, Any]) -> None:
        """Past this process when it returns; a machine that loses power may lose the last lines. Raises OSError."""
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        size = self._file.tell()
        if self._file.write(data) != len(data):
            os.truncate(self.path, size)  # or the next line would be glued to half of this one
            raise OSError(errno.ENOSPC, "the file cannot grow", str(self.path))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self) -> list[dict[str, Any]]:
        """Every whole line. Safe from any thread or process."""
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]

    def cut_torn_line(self) -> None:
        """Removes what a process that died inside a write left. Only for the one who will append."""
        if self.path.exists():
            data = self.path.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                os.truncate(self.path, whole)
