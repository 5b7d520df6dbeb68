"""Which take numbers a retake replaces, and which it holds with a reason. Pure: marks on selections come out, and the
planner shows what they cost before anything is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from manifests.approvals import empty_selection
from manifests.expand import Want
from manifests.journal import FailureClass, Release, Result, Selection, TakeHistory, TakeState
from manifests.plan import Action, Plan, StateReader
from manifests.standing import REMEDIES
from manifests.walk import Numbered, Screened, Walk, marked_numbers

# The same request would end the same way: only other inputs help, and those have keys of their own
HELD = (FailureClass.INPUT_MODERATED, FailureClass.OUTPUT_MODERATED, FailureClass.INVALID_INPUT)


@dataclass(frozen=True)
class Asked:
    """What the person wants made anew. `shot` is the address of a shot or segment."""

    failed: bool = False
    rejected: bool = False
    shot: str | None = None
    give_up: bool = False


@dataclass(frozen=True)
class Note:
    """A line about one take number (0: about all of them)."""

    address: str
    what: str
    number: int
    words: str

    def __str__(self) -> str:
        where = f"{self.address} {self.what} {self.number}" if self.number else f"{self.address} {self.what}"
        return f"{where}: {self.words}"


@dataclass(frozen=True)
class Marks:
    """What is to be written: selections by segment, releases of unknowns; and what people are told."""

    selections: Mapping[str, Selection] = field(default_factory=dict)
    releases: tuple[Release, ...] = ()
    retaken: tuple[Note, ...] = ()
    held: tuple[Note, ...] = ()


def mark_retakes(
    asked: Asked,
    walks: Sequence[tuple[Want, Walk]],
    selection_of: Mapping[str, Selection],
    *,
    by: str,
    at: dt.datetime,
) -> Marks:
    """`selection_of`: what stands now, by segment key. A segment that several wants share is marked once."""
    selections: dict[str, Selection] = {}
    releases: dict[str, Release] = {}
    retaken: list[Note] = []
    held: list[Note] = []
    for want, walk in walks:
        if walk.segment in selections:
            continue
        before = selection_of.get(walk.segment) or empty_selection(walk.segment, want.address)
        after = before
        if asked.failed:
            again, kept = split_failed(walk)
            after = retry_numbers(after, [n.number for n in again])
            retaken += [_note(want, n, f"{_failure(n)}: another take in its place") for n in again]
            held += [_note(want, n, f"{_failure(n)}, held: {_remedy(n)}") for n in kept]
        if asked.rejected:
            marked = marked_numbers(after)
            retaken += [
                Note(want.address, want.what, r.take, f"rejected by {r.by} ({r.reason}): another take in its place")
                for r in after.rejected
                if r.take not in marked
            ]
            after = replace_rejected(after)
        if asked.shot is not None and asked.shot == want.address and want.what == "take":
            after = after.model_copy(update={"extra_takes": after.extra_takes + want.count})
            retaken.append(Note(want.address, want.what, 0, f"{want.count} more"))
        if asked.give_up:
            for numbered in walk.of(TakeState.UNKNOWN):
                intent = numbered.history.open_intent
                if intent is not None:
                    releases[numbered.key] = _give_up(numbered, intent.attempt, by, at)
                    held.append(_note(want, numbered, f"given up; its {intent.reserved_credits:,} credits stay spent"))
        if after != before:
            selections[walk.segment] = after
    return Marks(selections, tuple(releases.values()), tuple(retaken), tuple(held))


def split_failed(walk: Walk) -> tuple[list[Numbered], list[Numbered]]:
    """(those that another number may replace, those that only other inputs help). What was given up is neither."""
    failed = [n for n in walk.of(TakeState.FAILED, TakeState.LOST) if n.history.failures]
    held = [n for n in failed if n.history.failures[-1].failure_class in HELD]
    return [n for n in failed if n not in held], held


def retry_numbers(selection: Selection, numbers: Sequence[int]) -> Selection:
    return selection.model_copy(update={"retried": tuple(dict.fromkeys((*selection.retried, *numbers)))})


def replace_rejected(selection: Selection) -> Selection:
    """One new take for each rejected one; said again, it changes nothing."""
    rejected = tuple(r.model_copy(update={"replace": True}) for r in selection.rejected)
    return selection.model_copy(update={"rejected": rejected})


def _give_up(numbered: Numbered, attempt: int, by: str, at: dt.datetime) -> Release:
    return Release(key=numbered.key, attempt=attempt, decision="give-up", by=by, why="retake --give-up", at=at)


def _note(want: Want, numbered: Numbered, words: str) -> Note:
    return Note(want.address, want.what, numbered.number, words)


def _failure(numbered: Numbered) -> str:
    failure = numbered.history.failures[-1]
    return f"{failure.failure_class} ({failure.code or 'no code'})"


def _remedy(numbered: Numbered) -> str:
    return REMEDIES.get(numbered.history.failures[-1].failure_class, "")


class MarkedState:
    """A StateReader that answers as the store will once the marks are written."""

    def __init__(
        self, state: StateReader, selections: Mapping[str, Selection], releases: Sequence[Release] = ()
    ) -> None:
        self._state = state
        self._selections = selections
        self._releases = {r.key: r for r in releases}

    def history(self, key: str) -> TakeHistory:
        history = self._state.history(key)
        release = self._releases.get(key)
        return history if release is None else history.model_copy(update={"releases": (*history.releases, release)})

    def selection(self, segment_key: str) -> Selection | None:
        return self._selections.get(segment_key) or self._state.selection(segment_key)

    def screening(self, want: Want, result: Result) -> Screened | None:
        return self._state.screening(want, result)

    def living_leases(self) -> Sequence[str]:
        return self._state.living_leases()


def bought_anew(before: Plan, after: Plan) -> list[Action]:
    """What a word makes the next run buy that it would not have bought: takes that start on another picture now."""
    known = {a.id for a in before.purchases}
    return [a for a in after.purchases if a.id not in known]
