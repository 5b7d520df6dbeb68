"""The records that the store keeps, and folding them into the state of a take. No storage here, and no decisions.

Layout and meaning: one intent before each create, then a task or a refusal, then a result or a failure. Records are
created once and never rewritten; selections, budget head and leases are the three that are swapped.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

What = Literal["take", "still", "speech", "effect"]


class Record(BaseModel):
    """Frozen and closed. Our own files say what they are in `schema`, as name/version."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class BlobRef(Record):
    """Bytes in the store. `kind` is the class in the key: ref, take, tmp, audio or out."""

    kind: Literal["ref", "take", "tmp", "audio", "out"]
    sha256: str
    size: int
    content_type: str


class Intent(Record):
    """Written before a create is sent. With neither task nor refusal after it, the purchase is in flight or unknown."""

    schema_: Literal["intent/1"] = Field(default="intent/1", alias="schema")
    nonce: str  # ours: tells an own retry of the write from another writer's
    key: str
    attempt: int  # n of intent-n: rises only after a refusal or a released unknown
    what: What
    address: str  # for people; never part of a key
    campaign: str
    lease_nonce: str
    plan: str  # digest of the plan this descends from
    service: str
    model: str
    take: int
    request: Mapping[str, Any]
    reserved_credits: int
    again: bool = False  # in place of one that failed or was not wanted: may use the reserve for retakes
    at: dt.datetime


class TaskRecord(Record):
    """The vendor accepted: its task id, written before the first poll."""

    schema_: Literal["task/1"] = Field(default="task/1", alias="schema")
    key: str
    attempt: int
    task_id: str
    estimated_credits: int | None
    request_id: str | None = None
    at: dt.datetime


class Refusal(Record):
    """Certainly not created: a 4xx, or nothing was sent."""

    schema_: Literal["refused/1"] = Field(default="refused/1", alias="schema")
    key: str
    attempt: int
    error: str  # class name in infra.errors
    detail: str
    request_id: str | None = None
    at: dt.datetime


class Release(Record):
    """A person or a policy settled an unknown: given up, or allowed to be bought again."""

    schema_: Literal["released/1"] = Field(default="released/1", alias="schema")
    key: str
    attempt: int
    decision: Literal["rebuy", "give-up"]
    by: str
    why: str
    at: dt.datetime


class Result(Record):
    """The commit point of a purchase: the bytes are in the store."""

    schema_: Literal["result/1"] = Field(default="result/1", alias="schema")
    key: str
    attempt: int
    what: What
    blob: BlobRef
    credits: int  # what it cost in our credits
    vendor_units: int | None = None  # the vendor's own count, for sound: characters
    task_id: str | None = None
    seconds: float | None = None  # measured length of a sound
    facts: Mapping[str, Any] = Field(default_factory=dict)  # probe; for speech also `timing`
    at: dt.datetime


class Failure(Record):
    """The vendor's task ended without a result. `retryable` says whether the next take number may be tried."""

    schema_: Literal["failed/1"] = Field(default="failed/1", alias="schema")
    key: str
    attempt: int
    code: str
    detail: str
    failure_class: str  # see FailureClass
    retryable: bool
    credits: int  # what stayed charged
    task_id: str | None = None
    at: dt.datetime


class FailureClass(enum.StrEnum):
    """What a failure means for us (vendor sheet, task failures); the policy per class is in tasks."""

    INPUT_MODERATED = "input-moderated"
    OUTPUT_MODERATED = "output-moderated"
    BAD_OUTPUT = "bad-output"
    INVALID_INPUT = "invalid-input"
    THIRD_PARTY = "third-party"
    INTERNAL = "internal"
    LOST = "lost"  # the task succeeded and its file is gone
    CANCELLED = "cancelled"


class TakeState(enum.StrEnum):
    """What a person sees. IN_FLIGHT has a task id or a living lease; UNKNOWN may or may not have been paid; LOST was
    paid, and its file is gone."""

    NEW = "new"
    IN_FLIGHT = "in flight"
    HAVE = "have"
    FAILED = "failed"
    UNKNOWN = "unknown"
    LOST = "paid but lost"


class TakeHistory(Record):
    """All records of one key, by attempt, as the store holds them."""

    key: str
    intents: tuple[Intent, ...] = ()
    tasks: tuple[TaskRecord, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    releases: tuple[Release, ...] = ()
    failures: tuple[Failure, ...] = ()
    result: Result | None = None

    @property
    def open_intent(self) -> Intent | None:
        """The last intent, while nothing has settled it: no refusal, release, failure or result of that attempt."""
        if self.result is not None or not self.intents:
            return None
        last = self.intents[-1]
        settled = {r.attempt for r in self.refusals} | {r.attempt for r in self.releases}
        settled |= {r.attempt for r in self.failures}
        return None if last.attempt in settled else last

    def task_of(self, attempt: int) -> TaskRecord | None:
        return next((t for t in self.tasks if t.attempt == attempt), None)

    def state(self, living_leases: Sequence[str] = ()) -> TakeState:
        """`living_leases`: nonces of the leases that are held right now."""
        if self.result is not None:
            return TakeState.HAVE
        intent = self.open_intent
        if intent is not None:
            if self.task_of(intent.attempt) is not None or intent.lease_nonce in living_leases:
                return TakeState.IN_FLIGHT
            return TakeState.UNKNOWN
        if self.failures:
            lost = self.failures[-1].failure_class == FailureClass.LOST
            return TakeState.LOST if lost else TakeState.FAILED
        if any(r.decision == "give-up" for r in self.releases):
            return TakeState.FAILED
        return TakeState.NEW

    @property
    def failed_retryably(self) -> bool:
        """Whether the next take number may be tried in its place."""
        return self.result is None and bool(self.failures) and self.failures[-1].retryable


class StepResult(Record):
    """What a production step made: facts and named files. A step with this record is not run again."""

    schema_: Literal["step/1"] = Field(default="step/1", alias="schema")
    key: str
    name: str
    version: int
    facts: Mapping[str, Any]
    files: Mapping[str, BlobRef]
    cpu_seconds: float | None = None
    at: dt.datetime


class Rejection(Record):
    take: int
    by: str
    person: str = ""
    reason: str
    note: str = ""
    at: dt.datetime
    replace: bool = False  # marked for a retake: the number is then skipped like a failed one


class Choice(Record):
    """A circled take. `by` is a person's role or name, or `score`; a person's choice always wins."""

    take: int
    sha256: str
    by: str
    person: str = ""  # who spoke for the role `by`
    score: float | None = None
    score_parts: Mapping[str, float] = Field(default_factory=dict)
    note: str = ""
    trim: int = 0  # frames into the take at which the cut begins to show it
    at: dt.datetime


class Selection(Record):
    """Of one segment or still, under its segment key. Swapped, so it carries a rising `rev`."""

    schema_: Literal["selection/1"] = Field(default="selection/1", alias="schema")
    rev: int
    segment_key: str
    address: str
    circled: Choice | None = None
    rejected: tuple[Rejection, ...] = ()
    extra_takes: int = 0
    retried: tuple[int, ...] = ()  # failed numbers that a person gave another number; they no longer count as tries


class Lease(Record):
    """Who holds a campaign. Lasts 60 s, renewed every 20 s; on the same host a dead owner's lease is taken at once."""

    schema_: Literal["lease/1"] = Field(default="lease/1", alias="schema")
    rev: int
    name: str
    nonce: str
    host: str
    boot_id: str
    pid: int
    process_started: str
    owner: str  # for people: user@host
    expires_at: dt.datetime
    released: bool = False


class LedgerEntry(Record):
    """One movement of money, in whole credits ($0.01). `paid` is false for play credits of the backlot."""

    schema_: Literal["ledger/1"] = Field(default="ledger/1", alias="schema")
    campaign: str
    key: str
    attempt: int
    kind: Literal["reserve", "settle", "release"]
    credits: int
    vendor_units: int | None = None
    service: str
    model: str
    what: What
    address: str
    paid: bool
    again: bool = False
    at: dt.datetime


class BudgetHead(Record):
    """Running totals of one campaign and purse; can be rebuilt from the ledger entries."""

    schema_: Literal["budget/1"] = Field(default="budget/1", alias="schema")
    rev: int
    campaign: str
    purse: Literal["play", "paid"]
    spent: int
    reserved: Mapping[str, int]  # by `{take key}-{attempt}`
    limit: int | None


class Problem(Record):
    """An expected failure, as it is reported."""

    summary: str
    detail: str
    address: str | None = None
    remedy: str = ""
    exit_code: int


class RunEvent(Record):
    """One decision of a run that its plan did not have: a retry, a wait, a hold, a fallback."""

    schema_: Literal["event/1"] = Field(default="event/1", alias="schema")
    run_id: str
    campaign: str
    number: int
    address: str | None
    next: str  # what was done about it: manifests.policy.Next
    reason: str
    seconds: float | None = None  # how long it waits
    at: dt.datetime


class LineFit(Record):
    """How one line of speech got into the time that it has."""

    line: str  # its address
    locale: str
    seconds: float  # as it is heard
    room: float  # until its shot ends
    speed: str  # decimal text; 1 as bought
    silence: float = 0.0  # seconds of it that were taken out
    longer: float = 0.0  # seconds that its shot is shown longer than written


class SectionCount(Record):
    """The picture of a run's films, by the encodes that it consists of.

    A section is what one encode gave to the films: a shot or an end card as it was conformed, from which they copy
    packets (`conform`); a transition, or words over a shot (`section`); a film whose rate is kept over all of it
    (`render`). One that several films show, or that one film copies in several stretches, is one section.
    """

    shown: Mapping[str, int]  # by step: in the films of this run, made by it or found
    encoded: Mapping[str, int]  # of these: by this run
    films: int
    films_made: int  # whose file is new: in picture, sound or name

    @property
    def all(self) -> int:
        return sum(self.shown.values())

    @property
    def all_encoded(self) -> int:
        return sum(self.encoded.values())


class Scheduled(Record):
    """Which start of which schedule a run is, and what was settled for it."""

    name: str
    schedule: str  # its path from the project's root
    digest: str  # of that file
    instant: dt.datetime  # UTC: it tells one start from every other
    zone: str
    date: str
    week: str
    params: Mapping[str, str]
    tables: Mapping[str, str] = {}  # digests of the tables that were asked, by path as written


class RunRecord(Record):
    """One application of a plan, when it ended."""

    schema_: Literal["run/1"] = Field(default="run/1", alias="schema")
    run_id: str
    campaign: str
    plan: str
    flow_runs: tuple[str, ...]
    started: dt.datetime
    ended: dt.datetime
    exit_code: int
    problems: tuple[Problem, ...]
    calls: int  # creates sent
    steps_made: Mapping[str, int]
    steps_kept: Mapping[str, int]
    cpu_seconds: float
    spent_credits: int  # by this run
    paid: bool
    deliverables: tuple[str, ...]  # keys of their indexes
    waiting: tuple[str, ...] = ()  # the same of films that nobody has approved yet, where a gate asks for it
    over: tuple[str, ...] = ()  # the same of films whose offer had ended before they could be delivered
    incomplete: Mapping[str, tuple[str, ...]] = {}  # by variant of a film that could not be made: what it lacks
    dailies: BlobRef | None
    grid: BlobRef | None = None  # one picture of all variants
    notices: tuple[str, ...] = ()
    buying_seconds: float | None = None  # from the first create to the last take that was collected
    estimated_seconds: tuple[int, int] | None = None  # what the plan said of that
    fits: tuple[LineFit, ...] = ()  # every line of every locale that was spoken, each once for the time it has
    speech_only: bool = False  # its plan was of the speech alone: no picture was meant to be made
    sections: SectionCount | None = None
    scheduled: Scheduled | None = None
