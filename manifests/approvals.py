"""What people said of stills, takes and films, and whether a gate may be passed. Records and decisions about them; no
storage, no clock.

Every word is kept as a `Decisions` record that is never rewritten. What it changes now (circled, rejected) is in the
selection; a gate looks at both.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import Field

from manifests.digest import digest_json
from manifests.journal import Choice, Record, Rejection, Selection
from manifests.schema import Gate, Review
from manifests.walk import Numbered

GateName = Literal["keyframes", "takes", "cut"]
Subject = Literal["still", "take", "film"]
Reason = Literal[
    "causality", "vanishing-object", "false-success", "identity", "product-shape", "logo", "lettering", "hands-face",
    "camera", "motion", "lighting-continuity", "flicker", "composition", "off-brief", "brand-safety", "rights", "other",
]  # fmt: skip
REASONS: tuple[str, ...] = get_args(Reason)
GATES: Mapping[str, GateName] = {"still": "keyframes", "take": "takes", "film": "cut"}


class Word(Record):
    """One decision about one thing. `target` is a segment key, or the variant of a film."""

    address: str
    what: Subject
    number: int = 0  # of a still or a take
    target: str
    sha256: str
    decision: Literal["approve", "reject"]
    reasons: tuple[str, ...] = ()
    note: str = ""
    replace: bool = False  # a rejected take that is to be made anew
    trim: int = 0  # frames into an approved take at which the cut begins to show it


class Decisions(Record):
    """What one person said at one time, whole. `by` is a role of the manifest or a name, `person` who spoke."""

    schema_: Literal["decisions/1"] = Field(default="decisions/1", alias="schema")
    campaign: str
    run: str | None = None
    gate: GateName | None = None  # of an approvals file; a single word may be about anything
    by: str
    person: str
    at: dt.datetime
    words: tuple[Word, ...]
    silence: bool = False  # nobody spoke: a schedule's deadline passed, and it says what that means

    @property
    def digest(self) -> str:
        return digest_json(self.model_dump(mode="json", by_alias=True))


@dataclass(frozen=True)
class Waiting:
    """A gate that cannot be passed yet, and why."""

    gate: GateName
    by: tuple[str, ...]
    needed: int
    have: tuple[str, ...]  # persons who said yes to what is circled now
    refused_by: str = ""

    def __str__(self) -> str:
        if self.refused_by:
            return f"refused at gate `{self.gate}` by {self.refused_by}"
        who = " or ".join(self.by)
        if self.needed == 1:
            return f"gate `{self.gate}`: {who} has to decide"
        said = f", {' and '.join(self.have)} did" if self.have else ""
        return f"gate `{self.gate}`: {self.needed} of {who} have to say yes{said}"


@dataclass(frozen=True)
class ReviewGates:
    """The gates of one manifest, and everything that was said in its campaign, oldest first."""

    review: Review | None = None
    auto: bool = False  # --approve auto: the score decides where a person would
    said: Sequence[Decisions] = field(default=())

    def gate(self, what: str) -> Gate | None:
        name = GATES.get(what)
        return getattr(self.review, name) if self.review is not None and name is not None else None

    def waiting(self, what: str, target: str, sha256: str | None) -> Waiting | None:
        """`sha256`: of the film, or of the still or take that a person circled. None: nothing stands in the way."""
        gate = self.gate(what)
        if gate is None or self.auto:
            return None
        name = GATES[what]
        if what != "film" and sha256 is not None and self._by_silence(target) == sha256:
            return None
        persons, roles = self._standing(gate, target, sha256)
        refused = next((by for by, decision in roles.items() if decision == "reject"), "")
        if sha256 is not None and not refused and len(persons) >= gate.needed:
            return None
        return Waiting(name, gate.by, gate.needed, persons, refused if what == "film" else "")

    def _by_silence(self, target: str) -> str | None:
        """What a passed deadline chose. Never asked of a film: nobody's silence passes one."""
        words = [word for record in self.said if record.silence for word in record.words if word.target == target]
        return words[-1].sha256 if words else None

    def _standing(self, gate: Gate, target: str, sha256: str | None) -> tuple[tuple[str, ...], dict[str, str]]:
        """Who says yes to these bytes, and each role's last word on them. A person's later yes to another take takes
        the earlier one back."""
        yes: dict[str, str] = {}
        roles: dict[str, str] = {}
        for record in sorted(self.said, key=lambda r: r.at):
            if record.silence or (record.by not in gate.by and record.person not in gate.by):
                continue
            for word in record.words:
                if word.target != target:
                    continue
                if word.decision == "approve":
                    yes[record.person] = word.sha256
                elif yes.get(record.person) == word.sha256:
                    del yes[record.person]
                if word.sha256 == sha256:
                    roles[record.by] = word.decision
        return tuple(person for person, bytes_ in yes.items() if bytes_ == sha256), roles


def chosen_bytes(selection: Selection | None) -> str | None:
    """What a person circled: a score passes no gate."""
    if selection is None or selection.circled is None or selection.circled.by == "score":
        return None
    return selection.circled.sha256


def words_said(selection: Selection | None) -> dict[str, object]:
    """What people said of a segment, for sidecars; empty when only the score spoke."""
    if selection is None:
        return {}
    told: dict[str, object] = {}
    if selection.circled is not None and selection.circled.by != "score":
        trim = {"trim": selection.circled.trim} if selection.circled.trim else {}
        told["circled"] = _facts(selection.circled, "note") | trim
    if selection.rejected:
        told["rejected"] = [_facts(r, "reason", "note") for r in selection.rejected]
    return told


def _facts(word: Choice | Rejection, *names: str) -> dict[str, object]:
    said = {name: getattr(word, name) for name in ("take", "by", "person", *names)}
    return {name: value for name, value in said.items() if value != ""} | {"at": word.at.isoformat()}


def said_of_film(said: Sequence[Decisions], variant: str, sha256: str | None = None) -> list[dict[str, object]]:
    """What people said of a film, oldest first, for sidecars and dailies: of these bytes, or of any."""
    told: list[dict[str, object]] = []
    for record in sorted(said, key=lambda r: r.at):
        for word in record.words:
            if word.what == "film" and word.target == variant and sha256 in (None, word.sha256):
                facts: dict[str, object] = {
                    "decision": word.decision, "by": record.by, "reason": ", ".join(word.reasons), "note": word.note,
                    "person": record.person if record.person != record.by else "",
                }  # fmt: skip
                told.append({k: v for k, v in facts.items() if v} | {"at": record.at.isoformat()})
    return told


# --- what a word does to a selection ---


def empty_selection(segment: str, address: str) -> Selection:
    return Selection(rev=0, segment_key=segment, address=address)


def circle(
    selection: Selection, numbered: Numbered, by: str, person: str, note: str, at: dt.datetime, trim: int = 0
) -> Selection:
    """A person's choice: it beats the score and what was said before. A circled take is no rejected one."""
    if numbered.result is None:
        raise ValueError(f"take {numbered.number} has not been collected")
    screened = numbered.screened
    choice = Choice(
        take=numbered.number, sha256=numbered.result.blob.sha256, by=by, person=person if person != by else "",
        score=screened.score if screened else None, score_parts=dict(screened.parts) if screened else {}, note=note,
        trim=trim, at=at,
    )  # fmt: skip
    taken_back = [r for r in selection.rejected if r.take == numbered.number]
    rejected = tuple(r for r in selection.rejected if r.take != numbered.number)
    retried = dict.fromkeys((*selection.retried, *(r.take for r in taken_back if r.replace)))  # it was replaced already
    return selection.model_copy(update={"circled": choice, "rejected": rejected, "retried": tuple(retried)})


def reject(selection: Selection, rejection: Rejection) -> Selection:
    """Rejecting the circled take un-circles it. One that was marked for replacement stays marked: it was replaced."""
    before = next((r for r in selection.rejected if r.take == rejection.take), None)
    marked = rejection.model_copy(update={"replace": rejection.replace or (before is not None and before.replace)})
    others = tuple(r for r in selection.rejected if r.take != rejection.take)
    circled = selection.circled
    if circled is not None and circled.take == rejection.take:
        circled = None
    return selection.model_copy(update={"circled": circled, "rejected": (*others, marked)})


def apply_words(
    selection: Selection, record: Decisions, words: Sequence[Word], numbers: Mapping[int, Numbered]
) -> Selection:
    """All that one record says of one segment, in its order. `numbers`: the takes of the segment as they are."""
    for word in words:
        if word.decision == "approve":
            chosen = numbers[word.number]
            selection = circle(selection, chosen, record.by, record.person, word.note, record.at, word.trim)
        else:
            said = Rejection(
                take=word.number, by=record.by, person=record.person if record.person != record.by else "",
                reason=", ".join(word.reasons), note=word.note, at=record.at, replace=word.replace,
            )  # fmt: skip
            selection = reject(selection, said)
    return selection
