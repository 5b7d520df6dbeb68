"""A run's events as structured lines: one JSON object each, with time, run id, campaign and slate.

They are written to a file beside the store as they happen, so that a killed run leaves them, and put into the store at
the end. What was logged holds what events hold: no prompt, no link, no key.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.clock import Clock
from infra.errors import PreconditionFailedError, StoreError
from infra.storage.base import ObjectStore
from manifests.naming import run_key, slate

LOGGER = logging.getLogger("shotrunner")
LOG_NAME = "log.jsonl"


class RunLog:
    """Belongs to one run. `aloud`: the lines go to standard error, too, where a worker's log collector reads them."""

    def __init__(self, clock: Clock, run_id: str, campaign: str, folder: Path, *, aloud: bool = False) -> None:
        self._clock = clock
        self._run_id = run_id
        self._campaign = campaign
        self._path = folder / f"{run_id}.jsonl"
        self._aloud = aloud
        if aloud and not LOGGER.handlers:
            LOGGER.addHandler(logging.StreamHandler())
            LOGGER.setLevel(logging.INFO)
            LOGGER.propagate = False

    def listen(self, event: Mapping[str, Any]) -> None:
        line = json.dumps(self._line(event), ensure_ascii=False, default=str)
        if self._aloud:
            LOGGER.log(level_of(event), "%s", line)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError:  # a full disk: the take's own records tell what happened
            return

    def _line(self, event: Mapping[str, Any]) -> dict[str, Any]:
        address = event.get("address")
        told: dict[str, Any] = {"at": self._clock.now().isoformat(), "level": logging.getLevelName(level_of(event))}
        told |= {"run_id": self._run_id, "campaign": self._campaign}
        if address:
            told["slate"] = slate(self._campaign, address)
        return told | {"event": event["message_type"]} | {k: v for k, v in event.items() if k != "message_type"}

    def close(self, store: ObjectStore) -> None:
        """Puts the lines into the store, and removes the file when they are there."""
        if not self._path.is_file():
            return
        try:
            store.put_file(
                run_key(self._run_id, LOG_NAME), self._path, content_type="application/x-ndjson", if_absent=True
            )
        except PreconditionFailedError:
            return  # of this very run already: the file is kept for whoever looks into that
        except (StoreError, OSError):
            return  # the file stays where it is
        self._path.unlink(missing_ok=True)


def level_of(event: Mapping[str, Any]) -> int:
    kind = event["message_type"]
    if kind in ("failed", "refused", "unknown"):
        return logging.ERROR
    return logging.WARNING if kind in ("policy", "warning", "stopping", "lease") else logging.INFO
