"""Takes in a store that exists only on paper: the records of a purchase, and a reader of state that tests fill."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.digest import take_key
from manifests.expand import Want
from manifests.journal import (
    BlobRef,
    Choice,
    Failure,
    Intent,
    Refusal,
    Rejection,
    Release,
    Result,
    Selection,
    TakeHistory,
    TaskRecord,
)
from manifests.walk import Screened, request_of

AT = dt.datetime(2026, 11, 21, 9, 0, tzinfo=dt.UTC)
PLAN = "a" * 64
ENDPOINT = "/v1/text_to_video"
BODY: Mapping[str, Any] = {"model": "gen4.5", "promptText": "steam", "ratio": "1280:720", "duration": 2}


def make_want(**changes: Any) -> Want:
    fields: dict[str, Any] = {
        "id": "pour/take", "address": "pour", "what": "take", "service": "runway", "model": "gen4.5",
        "endpoint": ENDPOINT, "body": dict(BODY), "base_seed": 0, "count": 3, "attempts": 3, "rerolls": 2, "seconds": 2,
        "frames": 48, "width": 1280, "height": 720, "credits": 24, "mode": "text-to-video",
    }  # fmt: skip
    return Want(**{**fields, **changes})


def key_of(want: Want, number: int, body: Mapping[str, Any] | None = None) -> str:
    return take_key(want.service, request_of(want, want.body if body is None else body, number), number)


def bytes_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def make_intent(key: str, attempt: int = 1, *, plan: str = PLAN, lease: str = "dead") -> Intent:
    return Intent(
        nonce="n", key=key, attempt=attempt, what="take", address="pour", campaign="morning", lease_nonce=lease,
        plan=plan, service="runway", model="gen4.5", take=1, request={}, reserved_credits=24, at=AT,
    )  # fmt: skip


def make_result(key: str, attempt: int = 1, *, sha256: str | None = None) -> Result:
    blob = BlobRef(kind="take", sha256=sha256 or bytes_of(key), size=10, content_type="video/mp4")
    return Result(key=key, attempt=attempt, what="take", blob=blob, credits=24, at=AT)


def make_history(key: str, *chapters: str, plan: str = PLAN, lease: str = "dead") -> TakeHistory:
    """One attempt for each chapter: have, in flight, unknown, failed, moderated, refused, rebought, given up."""
    intents, tasks, refusals, releases, failures = [], [], [], [], []
    result = None
    for attempt, chapter in enumerate(chapters, 1):
        intents.append(make_intent(key, attempt, plan=plan, lease=lease))
        if chapter in ("have", "in flight", "failed", "moderated"):
            tasks.append(TaskRecord(key=key, attempt=attempt, task_id=f"t{attempt}", estimated_credits=24, at=AT))
        if chapter == "have":
            result = make_result(key, attempt)
        elif chapter in ("failed", "moderated"):
            failures.append(
                Failure(
                    key=key, attempt=attempt, code="X", detail="", failure_class=chapter,
                    retryable=chapter == "failed", credits=0, at=AT,
                )
            )  # fmt: skip
        elif chapter == "refused":
            refusals.append(Refusal(key=key, attempt=attempt, error="ThrottledError", detail="busy", at=AT))
        elif chapter in ("rebought", "given up"):
            decision: Any = "rebuy" if chapter == "rebought" else "give-up"
            releases.append(Release(key=key, attempt=attempt, decision=decision, by="me", why="", at=AT))
    return TakeHistory(
        key=key, intents=tuple(intents), tasks=tuple(tasks), refusals=tuple(refusals), releases=tuple(releases),
        failures=tuple(failures), result=result,
    )  # fmt: skip


def make_selection(
    segment: str,
    *,
    circled: tuple[int, str] | None = None,
    by: str = "mara",
    rejected: Sequence[tuple[int, bool]] = (),
    extra_takes: int = 0,
) -> Selection:
    """`rejected`: (take, whether it is to be replaced)."""
    choice = Choice(take=circled[0], sha256=circled[1], by=by, at=AT) if circled else None
    words = tuple(Rejection(take=t, by="mara", reason="no", at=AT, replace=replace) for t, replace in rejected)
    return Selection(
        rev=1, segment_key=segment, address="pour", circled=choice, rejected=words, extra_takes=extra_takes
    )


GOOD = Screened(ok=True, score=0.8)
BAD = Screened(ok=False, score=0.1, faults=("black: all of it",))


@dataclass
class PaperState:
    """A StateReader. A result that nobody screened here counts as good."""

    histories: dict[str, TakeHistory] = field(default_factory=dict)
    selections: dict[str, Selection] = field(default_factory=dict)
    screened: dict[str, Screened | None] = field(default_factory=dict)  # by take key
    leases: Sequence[str] = ()

    def history(self, key: str) -> TakeHistory:
        return self.histories.get(key, TakeHistory(key=key))

    def selection(self, segment_key: str) -> Selection | None:
        return self.selections.get(segment_key)

    def screening(self, want: Want, result: Result) -> Screened | None:
        return self.screened.get(result.key, GOOD) if want.what in ("take", "still") else None

    def living_leases(self) -> Sequence[str]:
        return self.leases

    def note(self, key: str, *chapters: str, plan: str = PLAN, lease: str = "dead") -> None:
        self.histories[key] = make_history(key, *chapters, plan=plan, lease=lease)

    def buy(self, want: Want, *numbers: int, body: Mapping[str, Any] | None = None, plan: str = PLAN) -> None:
        for number in numbers:
            self.note(key_of(want, number, body), "have", plan=plan)
