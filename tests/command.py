"""What a command of shotrunner answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def facts(self) -> dict[str, Any]:
        """The one object of an answer in JSON."""
        facts = json.loads(self.out)
        assert isinstance(facts, dict)
        return facts


Shotrunner = Callable[..., Answer]
