"""Walking the take numbers of a want: which are good, which are skipped, which are still to be bought.

The plan and its application both ask here, so that what is bought is what was planned. Also the rule by which a take is
circled when nobody chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.digest import derive_seed, segment_key, take_key
from manifests.expand import Want
from manifests.journal import Choice, Result, Selection, TakeHistory, TakeState
from manifests.naming import parse_address
from manifests.policy import REFUSALS_PER_SHOT, rule_of_failure
from manifests.timing import FILM_RATE

SCORE_TIE = 0.01  # scores nearer than this are equal, and the lower take number wins


@dataclass(frozen=True)
class Screened:
    """What screening found of one take or still."""

    ok: bool
    score: float
    parts: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    frames: int = 0  # that the file has; 0 when nobody counted


@dataclass(frozen=True)
class Numbered:
    """One take number with its key, its full request and what the store says of it."""

    number: int
    key: str
    request: Mapping[str, Any]
    state: TakeState
    history: TakeHistory
    screened: Screened | None = None

    @property
    def result(self) -> Result | None:
        return self.history.result

    @property
    def usable(self) -> bool:
        return self.result is not None and (self.screened is None or self.screened.ok)


@dataclass(frozen=True)
class Walk:
    """`wanted` are the numbers that fill the want, in order; `skipped` were replaced by a later number."""

    segment: str  # segment key
    wanted: tuple[Numbered, ...]
    skipped: tuple[Numbered, ...]

    def of(self, *states: TakeState) -> tuple[Numbered, ...]:
        return tuple(n for n in self.wanted if n.state in states)

    @property
    def moderated(self) -> int:
        """How often the vendor's moderation refused this very request, but for what a person had tried again."""
        failures = [n.history.failures[-1] for n in self.wanted if n.history.failures]
        return sum(rule_of_failure(f).moderation for f in failures)

    @property
    def stopped(self) -> bool:
        """Refused so often that the numbers left are not bought: only other words are."""
        return self.moderated >= REFUSALS_PER_SHOT

    @property
    def ended(self) -> bool:
        """Nothing left to buy or to collect. A held unknown counts as ended, and what moderation stopped."""
        return not self.of(TakeState.IN_FLIGHT) and (self.stopped or not self.of(TakeState.NEW))


def request_of(want: Want, body: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The request of one take, as it will be sent."""
    seeded = dict(body) if want.base_seed is None else {**body, "seed": derive_seed(want.base_seed, number)}
    return {"endpoint": want.endpoint, "body": seeded}


def segment_of(want: Want, body: Mapping[str, Any]) -> str:
    return segment_key(want.service, {"endpoint": want.endpoint, "body": body})


def walk_takes(
    want: Want,
    body: Mapping[str, Any],
    history: Callable[[str], TakeHistory],
    screening: Callable[[Want, Result], Screened | None],
    selection: Selection | None = None,
    living_leases: Sequence[str] = (),
) -> Walk:
    """Numbers from 1 until `want.count` places are filled. `body` has no blanks left.

    A number that the service failed is skipped while `attempts` lasts, a bad picture while `rerolls` lasts, and always
    what a person marked (a rejected one for replacement, a failed one for another try: neither counts as a try);
    after that it keeps its place, and the want stays short of a take.
    """
    marked = marked_numbers(selection)
    places = want.count + (selection.extra_takes if selection else 0)
    failures = bad = number = 0
    wanted: list[Numbered] = []
    skipped: list[Numbered] = []
    while len(wanted) < places:
        number += 1
        request = request_of(want, body, number)
        key = take_key(want.service, request, number)
        past = history(key)
        screened = screening(want, past.result) if past.result is not None else None
        numbered = Numbered(number, key, request, past.state(living_leases), past, screened)
        skip = number in marked
        counts = _counts(numbered)
        if skip:
            pass
        elif counts == "attempts":
            failures += 1
            skip = failures < want.attempts
        elif counts == "rerolls":
            bad += 1
            skip = bad <= want.rerolls
        (skipped if skip else wanted).append(numbered)
    return Walk(segment_of(want, body), tuple(wanted), tuple(skipped))


def _counts(numbered: Numbered) -> str | None:
    """The allowance that another number in the place of this one is taken from; None when none is called for."""
    if numbered.screened is not None:
        return None if numbered.screened.ok else "rerolls"
    failures = numbered.history.failures
    return rule_of_failure(failures[-1]).counts if failures and numbered.result is None else None


def marked_numbers(selection: Selection | None) -> set[int]:
    """Numbers that a person had replaced by another one."""
    if selection is None:
        return set()
    return {r.take for r in selection.rejected if r.replace} | set(selection.retried)


def circled_number(walk: Walk, selection: Selection | None) -> Numbered | None:
    """The take that is circled already, if its bytes are still the ones that were chosen."""
    if selection is None or selection.circled is None:
        return None
    for numbered in (*walk.wanted, *walk.skipped):
        if numbered.number == selection.circled.take and numbered.result is not None:
            return numbered if numbered.result.blob.sha256 == selection.circled.sha256 else None
    return None


def take_frames(want: Want, numbered: Numbered) -> int:
    """How many frames a take has: as counted, else as bought."""
    counted = numbered.screened.frames if numbered.screened is not None else 0
    return counted or want.seconds * FILM_RATE


def takes_over(want: Want) -> bool:
    """Whether it is a later segment of a long shot."""
    return (parse_address(want.address).segment or 0) > 1


def trim_of(want: Want, numbered: Numbered, selection: Selection | None) -> int:
    """Frames into the circled take at which the cut begins to show it: as a person said, but never so far that the cut
    would run out of frames (it may need more of them than on the day when they said it). A later segment of a long shot
    is shown from where it takes over, or the picture would jump."""
    if takes_over(want):
        return 0
    choice = selection.circled if selection is not None else None
    if choice is None or numbered.result is None or choice.sha256 != numbered.result.blob.sha256:
        return 0
    return max(0, min(choice.trim, take_frames(want, numbered) - want.frames))


def falls_back(want: Want, walk: Walk) -> bool:
    """Whether another model films it: everything has ended, nothing is usable, and a failure calls for it."""
    if want.fallback is None or not walk.ended:
        return False
    numbers = (*walk.wanted, *walk.skipped)
    classes = {n.history.failures[-1].failure_class for n in numbers if n.history.failures}
    return not any(n.usable for n in numbers) and not classes.isdisjoint(want.fallback_after)


def best_take(walk: Walk, selection: Selection | None = None) -> Numbered | None:
    """Who wins when nobody chooses: the best score; within 0.01 the lowest number. None when no take is usable."""
    refused = {r.take for r in selection.rejected} if selection else set()
    good = [n for n in (*walk.wanted, *walk.skipped) if n.usable and n.screened and n.number not in refused]
    if not good:
        return None
    top = max(n.screened.score for n in good if n.screened)
    close = [n for n in good if n.screened and is_tie(n.screened.score, top)]
    return min(close, key=lambda n: n.number)


def is_tie(score: float, top: float) -> bool:
    """A difference of exactly 0.01 is a tie, whatever binary fractions make of it."""
    return top - score <= SCORE_TIE + 1e-9


def choice_by_score(numbered: Numbered, at: Any) -> Choice:
    if numbered.result is None or numbered.screened is None:
        raise ValueError(f"take {numbered.number} has not been collected and screened")
    return Choice(
        take=numbered.number,
        sha256=numbered.result.blob.sha256,
        by="score",
        score=numbered.screened.score,
        score_parts=dict(numbered.screened.parts),
        at=at,
    )
