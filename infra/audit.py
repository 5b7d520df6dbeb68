"""The books checked against each other: what the vendor was asked and charged, what the ledger says, what was made.

Pure: every check gets plain evidence and returns the breaches that it found, in words. Finds nothing by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.ledger import Spending, entries_of
from manifests.finish import DeliverableIndex
from manifests.journal import LedgerEntry, TakeHistory

# 1 is a bug and 2 was checked before; 9 would mean that a dead run still holds its campaign.
GOOD_ENDS = frozenset({0, 3, 4, 5, 6, 7})
KILLED = -9
_FLAWS = frozenset({"black", "frozen", "wrong-size"})
_PICTURES = ("take", "still")


@dataclass(frozen=True)
class Evidence:
    """Of one campaign, when nothing runs any more. `books` and `requests`: the backlot's own lines, oldest first."""

    campaign: str
    books: Sequence[Mapping[str, Any]]
    requests: Sequence[Mapping[str, Any]]
    histories: Sequence[TakeHistory]
    entries: Sequence[LedgerEntry]
    spending: Spending
    budget: int
    ends: Sequence[int]  # of every run, in order; KILLED for those we killed
    frames: int = 0
    lengths: Mapping[str, int] = field(default_factory=dict)  # frames by film, where not all are that long
    wanted: int = 0  # deliverables
    films: Sequence[DeliverableIndex] = ()  # of the last run
    decoded: Mapping[str, int] = field(default_factory=dict)  # frames of each film, by its key, counted anew
    unfinished: int = 0  # what another run would buy or collect
    overran: int = 0  # runs that had to be ended

    @property
    def creates(self) -> list[Mapping[str, Any]]:
        return [line for line in self.requests if line["create"]]

    @property
    def charged(self) -> list[Mapping[str, Any]]:
        return [line for line in self.books if line["event"] in ("created", "sound")]

    @property
    def costs(self) -> dict[str, int]:
        """What the vendor keeps of each task: its price until it has ended."""
        ended = {line["id"]: line["cost"] for line in self.books if line["event"] == "ended"}
        return {x["id"]: ended.get(x["id"], x["price"]) for x in self.books if x["event"] == "created"}


def audit(evidence: Evidence) -> list[str]:
    """Every breach, in words; nothing when the books are in order."""
    checks = (check_creates, check_intents, check_budget, check_entries, check_tasks, check_sounds, check_unnamed)
    return [breach for check in (*checks, check_ends, check_films) for breach in check(evidence)]


def check_creates(evidence: Evidence) -> Iterator[str]:
    """Each intent is one create, unless it was killed before; no request is charged twice but for a released unknown.

    The vendor's digest of a request and our key of a take are different functions of the same thing, so what was
    charged is compared in order of size.
    """
    intents = sum(len(h.intents) for h in evidence.histories)
    sent, unsent = len(evidence.creates), sum(1 for _ in _unnamed(evidence))
    if not intents - unsent <= sent <= intents:
        yield f"{sent} creates were sent for {intents} intents, {unsent} of them without an answer"
    charged = sorted(Counter(str(line["digest"]) for line in evidence.charged).values(), reverse=True)
    rights = sorted((1 + sum(r.decision == "rebuy" for r in h.releases) for h in evidence.histories), reverse=True)
    if any(count > (rights[n] if n < len(rights) else 0) for n, count in enumerate(charged)):
        yield f"requests were charged {charged[:4]} times, and the releases allow {rights[:4]}"


def check_intents(evidence: Evidence) -> Iterator[str]:
    """A second intent of one key follows only a refusal, or an unknown that was released."""
    for history in evidence.histories:
        closed = {r.attempt for r in history.refusals} | {r.attempt for r in history.releases}
        for intent in history.intents:
            if intent.attempt > 1 and intent.attempt - 1 not in closed:
                yield f"{intent.address}: attempt {intent.attempt} without a refusal or release of the one before"


def check_budget(evidence: Evidence) -> Iterator[str]:
    if evidence.spending.total > evidence.budget:
        yield f"{evidence.spending.total} credits are spent or reserved of {evidence.budget} allowed"
    charged = sum(evidence.costs.values())
    if charged > evidence.budget:
        yield f"the vendor charged {charged} credits of {evidence.budget} allowed"


def check_entries(evidence: Evidence) -> Iterator[str]:
    """Every movement that follows from the records of a take is in the ledger, and nothing else is."""
    wanted = {_entry_id(e): e for h in evidence.histories for e in entries_of(h, evidence.campaign)}
    found = {_entry_id(e): e for e in evidence.entries}
    for key, entry in wanted.items():
        if key not in found:
            yield f"{entry.address}: no {entry.kind} of attempt {entry.attempt} ({entry.credits} credits)"
        elif found[key].credits != entry.credits:
            yield f"{entry.address}: the ledger says {found[key].credits} credits, the records {entry.credits}"
    for key, entry in found.items():
        # a reservation whose intent was never written: nothing was sent, and it counts nothing
        if key not in wanted and entry.kind != "reserve":
            yield f"{entry.address}: a {entry.kind} of {entry.credits} credits follows from no record"


def check_tasks(evidence: Evidence) -> Iterator[str]:
    """To the credit, task by task: what the ledger settled or holds is what the vendor keeps.

    Where the vendor told no cost we count it in full, and may be over; never under.
    """
    silent = {line["id"] for line in evidence.books if "missing-cost" in line.get("faults", ())}
    costs = evidence.costs
    for history in evidence.histories:
        for task in history.tasks:
            cost = costs.get(task.task_id)
            ours = _credits_of(history, task.attempt)
            if cost is None:
                yield f"task {task.task_id[:8]} is in the ledger and not in the vendor's books"
            elif ours != cost and not (task.task_id in silent and ours > cost):
                yield f"{history.intents[0].address}: {ours} credits in the ledger, {cost} in the vendor's books"


def check_sounds(evidence: Evidence) -> Iterator[str]:
    """Sounds have no task: as many as were bought or may have been, the vendor made."""
    made = sum(line["event"] == "sound" for line in evidence.books)
    bought = sum(h.result is not None for h in evidence.histories if h.intents and h.intents[0].what not in _PICTURES)
    open_ = sum(1 for _, what, _ in _unnamed(evidence) if what not in _PICTURES)
    if not bought <= made <= bought + open_:
        yield f"the vendor made {made} sounds; {bought} are on record and {open_} unknown"


def check_unnamed(evidence: Evidence) -> Iterator[str]:
    """What the vendor charged for without our knowing its task is held by an unknown of the same model and price."""
    known = {task.task_id for h in evidence.histories for task in h.tasks}
    lost = Counter(
        (line["model"], line["price"])
        for line in evidence.books
        if line["event"] == "created" and line["id"] not in known
    )
    held = Counter((model, credits) for model, what, credits in _unnamed(evidence) if what in _PICTURES)
    for (model, price), count in (lost - held).items():
        yield f"{count} tasks of {model} at {price} credits are charged and in no record of ours"


def check_ends(evidence: Evidence) -> Iterator[str]:
    for number, code in enumerate(evidence.ends, 1):
        if code not in GOOD_ENDS and code != KILLED:
            yield f"run {number} ended with {code}"
    if evidence.overran:
        yield f"{evidence.overran} runs did not end by themselves"
    if not evidence.ends or evidence.ends[-1] == KILLED:
        yield "no run came to its end"
    elif evidence.ends[-1] in (3, 6, 7) and not _troubled(evidence):
        yield f"the last run ended with {evidence.ends[-1]}, and nothing on record says why"


def check_films(evidence: Evidence) -> Iterator[str]:
    """A finished run has every film, whole: frames exact, verified, and no flawed take in it."""
    if evidence.ends and evidence.ends[-1] == 0:
        if len(evidence.films) < evidence.wanted:
            yield f"{len(evidence.films)} films of {evidence.wanted}, and the run says it is done"
        if evidence.unfinished:
            yield f"the run says it is done, and {evidence.unfinished} purchases are open"
    flawed = {line["id"] for line in evidence.books if _FLAWS & set(line.get("faults", ()))}
    tasks = {h.result.blob.sha256: h.result.task_id for h in evidence.histories if h.result is not None}
    for film in evidence.films:
        if not film.measured["ok"] and 7 not in evidence.ends[-1:]:
            yield f"{film.profile}: not verified, and the run does not say so"
        counted = evidence.decoded.get(film.key, film.measured["measured"]["frames"])
        frames = evidence.lengths.get(film.variant, evidence.frames)
        if film.measured["measured"]["frames"] != frames or counted != frames:
            yield f"{film.profile}: a hole, {counted} frames of {frames}"
        shown = {want: sha256 for want, sha256 in film.inputs.items() if want.endswith("/take")}
        for want, sha256 in shown.items():
            if sha256 not in tasks:
                yield f"{film.profile}: {want} shows a picture that nobody bought"
            elif tasks[sha256] in flawed:
                yield f"{film.profile}: {want} shows a flawed take"


def books_differ(evidence: Evidence) -> int:
    """Ledger less vendor, in credits of pictures: what unknowns and untold costs hold beyond the vendor's books."""
    ours = sum(_credits_of(h, i.attempt) for h in evidence.histories for i in h.intents if i.what in _PICTURES)
    return ours - sum(evidence.costs.values())


def _troubled(evidence: Evidence) -> bool:
    """Whether any purchase failed, is held or in flight, or was filmed badly: then a film may be missing for good."""
    flawed = any(_FLAWS & set(line.get("faults", ())) for line in evidence.books)
    settled = (h.result is not None or (not h.failures and h.open_intent is None) for h in evidence.histories)
    return flawed or not all(settled)


def _credits_of(history: TakeHistory, attempt: int) -> int:
    """What one intent counts: settled, or held while nobody knows."""
    if history.result is not None and history.result.attempt == attempt:
        return history.result.credits
    for failure in history.failures:
        if failure.attempt == attempt:
            return failure.credits
    if any(r.attempt == attempt for r in history.refusals):
        return 0
    task = history.task_of(attempt)
    if task is not None and task.estimated_credits is not None:
        return task.estimated_credits
    return next(i.reserved_credits for i in history.intents if i.attempt == attempt)


def _unnamed(evidence: Evidence) -> Iterator[tuple[str, str, int]]:
    """(model, what, credits) of every intent that has no task, no refusal and no result: in flight then, or lost."""
    for history in evidence.histories:
        for intent in history.intents:
            answered = {r.attempt for r in history.tasks} | {r.attempt for r in history.refusals}
            answered |= {history.result.attempt} if history.result is not None else set()
            if intent.attempt not in answered:
                yield intent.model, intent.what, intent.reserved_credits


def _entry_id(entry: LedgerEntry) -> tuple[str, int, str]:
    return entry.key, entry.attempt, entry.kind
