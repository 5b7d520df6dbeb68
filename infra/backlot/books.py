"""What the backlot remembers: an append-only file of events in its folder, and the state folded from it.

The file is the truth: a line is written before its effect is answered, so a kill between two calls loses nothing that
was charged. A torn last line (the process died inside the write) is cut off when the folder is opened.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.backlot.lines import LineFile

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
DAY = dt.timedelta(hours=24)


def write_instant(at: dt.datetime) -> str:
    """ISO 8601 with milliseconds and Z, as the vendor writes it."""
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def read_instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@dataclass
class Task:
    id: str
    endpoint: str
    model: str
    digest: str  # of the create body, every media input replaced by the digest of its bytes
    job: Mapping[str, Any]  # what is to be filmed
    price: int
    created: dt.datetime
    faults: tuple[str, ...] = ()
    status: str = "PENDING"
    started: dt.datetime | None = None
    cost: int | None = None
    failure: str | None = None
    code: str | None = None
    film: str | None = None
    deleted: bool = False
    seen: Counter[str] = field(default_factory=Counter)  # how often a counted fault has shown; not remembered

    @property
    def alive(self) -> bool:
        return self.status not in ENDED and not self.deleted


@dataclass
class Upload:
    id: str
    filename: str
    expires: dt.datetime
    sha256: str | None = None


class Books:
    """State and events of one folder. For the server's event loop; `append` is the single way to change it."""

    def __init__(self, folder: Path, *, now: dt.datetime, balance: int) -> None:
        self.path = folder / "books.jsonl"
        self._file = LineFile(self.path)
        self.tasks: dict[str, Task] = {}
        self.uploads: dict[str, Upload] = {}
        self.balance = 0
        self.characters_used = 0
        self.secret = ""
        self.movements: list[tuple[dt.datetime, str, int]] = []  # instant, model, credits charged (negative: refunded)
        self._creates: dict[str, deque[dt.datetime]] = {}
        self._file.cut_torn_line()
        lines = self._file.read()
        for line in lines:
            self._apply(line)
        if not lines:
            self.append("opened", now, balance=balance, secret=secrets.token_hex(16))

    def close(self) -> None:
        self._file.close()

    def append(self, event: str, at: dt.datetime, **facts: Any) -> None:
        line = {"event": event, "at": write_instant(at), **facts}
        self._file.append(line)
        self._apply(line)

    def created_today(self, model: str, now: dt.datetime) -> int:
        """Creates of the past 24 hours, whatever became of them."""
        times = self._creates.get(model, deque())
        while times and times[0] <= now - DAY:
            times.popleft()
        return len(times)

    def models_today(self, now: dt.datetime) -> dict[str, int]:
        return {model: count for model in sorted(self._creates) if (count := self.created_today(model, now))}

    def _apply(self, line: Mapping[str, Any]) -> None:
        at = read_instant(line["at"])
        match line["event"]:
            case "opened":
                self.balance, self.secret = line["balance"], line["secret"]
            case "balance":
                self.balance = line["credits"]
            case "created":
                self._apply_created(line, at)
            case "started":
                task = self.tasks[line["id"]]
                task.status, task.started = "RUNNING", at
            case "ended":
                self._apply_ended(line, at)
            case "deleted":
                self.tasks[line["id"]].deleted = True
            case "upload":
                upload = Upload(line["id"], line["filename"], read_instant(line["expires"]))
                self.uploads[upload.id] = upload
            case "received":
                self.uploads[line["id"]].sha256 = line["sha256"]
            case "sound":
                self.characters_used += line["units"]
            case other:
                raise ValueError(f"{self.path}: unknown event {other!r}; was it written by a newer version?")

    def _apply_created(self, line: Mapping[str, Any], at: dt.datetime) -> None:
        task = Task(
            line["id"], line["endpoint"], line["model"], line["digest"], line["job"], line["price"], at,
            tuple(line["faults"]),
        )  # fmt: skip
        self.tasks[task.id] = task
        self.balance -= task.price
        self.movements.append((at, task.model, task.price))
        self._creates.setdefault(task.model, deque()).append(at)

    def _apply_ended(self, line: Mapping[str, Any], at: dt.datetime) -> None:
        task = self.tasks[line["id"]]
        task.status, task.cost, task.film = line["status"], line["cost"], line["film"]
        task.failure, task.code = line["failure"], line["code"]
        refund = task.price - line["cost"]
        if refund:
            self.balance += refund
            self.movements.append((at, task.model, -refund))
