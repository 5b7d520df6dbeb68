"""The approvals file: many decisions at once, bound to the bytes that were looked at. Read strictly and refused as a
whole; what refers to takes is checked against what the store holds now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from manifests.approvals import REASONS, Decisions, Reason, Subject, Word
from manifests.diagnostics import Diagnostic, ManifestError, Where, sort_diagnostics, suggest
from manifests.load import parse_yaml, read_text
from manifests.nodes import Items, Map, Node, find, parse_steps
from manifests.problems import validate
from manifests.schema import Format, Model, Review, Seconds, Text
from manifests.timing import FILM_RATE, screen_frames

SUBJECTS: Mapping[str, Subject] = {"keyframes": "still", "takes": "take", "cut": "film"}
SHORTEST = 12  # characters of a digest that dailies show
Digest = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{SHORTEST},64}}$")]


class Trim(Model):
    """Which part of an approved take the cut shows, in seconds of the take."""

    in_: Seconds = Field(default=Decimal(0), alias="in", description="The cut begins to show it here.")
    out: Seconds | None = Field(default=None, description="And is to need nothing after this.")


class FileDecision(Model):
    """About one shot or film. `retake` refuses everything that there is of it; the others are about one take."""

    clip: Text = Field(description="Address of the shot, or the variant of a film.")
    take: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Its number; not for a film.")
    sha256: Digest | None = Field(default=None, description="Of the bytes that were looked at, 12 characters or more.")
    decision: Literal["approve", "reject", "retake"]
    reasons: tuple[Reason, ...] = ()
    note: str = ""
    trim: Trim | None = None


class Approvals(Model):
    manifest: Format
    kind: Literal["approvals"]
    run: Text
    gate: Literal["keyframes", "drafts", "takes", "cut"]
    by: Text = Field(description="A role of the manifest's review block, or a name.")
    person: Text | None = Field(default=None, description="Who speaks for the role; attested, not proven.")
    at: Text = Field(description="When, with its offset.", examples=["2026-11-23T14:02:11+00:00"])
    decisions: Annotated[tuple[FileDecision, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Seen:
    """One thing that can be decided about now. `number` is 0 for a film."""

    address: str
    what: Subject
    number: int
    target: str
    sha256: str
    frames: int = 0  # of a take, and how many of them the cut needs
    needed: int = 0


@dataclass(frozen=True)
class Checked:
    """What a file says, resolved. `stale`: decisions about other bytes than the store has now."""

    decisions: Decisions
    stale: tuple[Diagnostic, ...]


def read_approvals(path: Path) -> tuple[Approvals, Node]:
    """Raises ManifestError with everything that is wrong in the file itself."""
    shown = str(path)
    tree, problems = parse_yaml(read_text(path), shown)
    if not isinstance(tree, Map):
        raise ManifestError(
            [Diagnostic("not a map", "an approvals file is a map of `key: value` lines", "", tree.where)]
        )
    value, found = validate(Approvals, tree)
    problems += found
    if value is None or problems:
        raise ManifestError(sort_diagnostics(problems, shown))
    return value, tree


def check_approvals(
    path: Path, campaign: str, run_id: str, review: Review | None, seen: Mapping[str, tuple[Seen, ...]], *,
    skip_stale: bool = False,
) -> Checked:  # fmt: skip
    """`seen`: by address or variant, what there is at the file's gate and elsewhere. Raises ManifestError: nothing of a
    file is applied when anything in it is wrong, or stale unless `skip_stale`."""
    said, tree = read_approvals(path)
    reader = _Reader(said, tree, review, seen)
    at = reader.check_head(run_id)
    words = [word for number in range(len(said.decisions)) for word in reader.read(number)]
    problems = [*reader.problems, *(() if skip_stale else reader.stale)]
    if problems:
        raise ManifestError(sort_diagnostics(problems, str(path)))
    record = Decisions(
        campaign=campaign, run=said.run, gate=None if said.gate == "drafts" else said.gate, by=said.by,
        person=said.person or said.by, at=at, words=tuple(words),
    )  # fmt: skip
    return Checked(record, tuple(reader.stale))


class _Reader:
    def __init__(
        self, said: Approvals, tree: Node, review: Review | None, seen: Mapping[str, tuple[Seen, ...]]
    ) -> None:
        self.said = said
        self.problems: list[Diagnostic] = []
        self.stale: list[Diagnostic] = []
        self._tree = tree
        self._review = review
        self._seen = seen

    def check_head(self, run_id: str) -> dt.datetime:
        said = self.said
        if said.run != run_id:
            self._wrong("run", "another run", f"the file is about run {said.run}, not {run_id}")
        if said.gate == "drafts":
            self._wrong("gate", "not built yet", "drafts are not bought yet, so there are none to approve")
        gate = getattr(self._review, said.gate, None)
        if gate is not None and said.by not in gate.by and said.person not in gate.by:
            detail = f"at gate `{said.gate}` {' or '.join(gate.by)} decides, not {said.by}"
            self._wrong("by", "not theirs to decide", detail, "write the role or name that the manifest has")
        try:
            at = dt.datetime.fromisoformat(said.at)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            remedy = 'such as "2026-11-23T14:02:11+00:00"'
            self._wrong("at", "not a time", f"`{said.at}` is not a time with its offset", remedy)
            return dt.datetime.min.replace(tzinfo=dt.UTC)
        return at.astimezone(dt.UTC)

    def read(self, number: int) -> list[Word]:
        """The words of one decision; empty when it is wrong or stale."""
        said, path = self.said.decisions[number], f"decisions[{number}]"
        before = len(self.problems)
        there = self._seen.get(said.clip, ())
        subject = SUBJECTS.get(self.said.gate)
        if said.clip not in self._seen:
            detail = f"there is no {said.clip!r}{suggest(said.clip, tuple(self._seen))}"
            self._wrong(f"{path}.clip", "unknown clip", detail)
        elif there and subject is not None and all(s.what != subject for s in there):
            self._wrong(f"{path}.clip", "nothing to decide", f"{said.clip} has no {subject} to decide about")
        self._check_form(path, said, film=subject == "film")
        self._check_twice(number, said, path)
        if len(self.problems) > before or subject is None:
            return []
        wanted = [s for s in there if s.what == subject]
        if wanted and said.decision == "retake" and said.take is None:
            return [self._word(s, said) for s in wanted]
        match = next((s for s in wanted if said.take in (None, s.number)), None)
        if match is None or not match.sha256.startswith(str(said.sha256)):
            self._note_stale(path, said, match, subject)
            return []
        if said.trim is not None:
            self._check_trim(f"{path}.trim", said.trim, match, said.decision)
        return [self._word(match, said)]

    def _check_form(self, path: str, said: FileDecision, *, film: bool) -> None:
        if said.decision != "retake" or said.take is not None:
            if said.take is None and not film:
                self._wrong(path, "incomplete", f"`{said.decision}` is about one take: which?", "add `take: 2`")
            if said.sha256 is None:
                detail = "without the sha256 nobody knows which bytes were looked at"
                self._wrong(
                    path, "incomplete", detail, f"add `sha256:`, at least {SHORTEST} characters; dailies show them"
                )
        if film and said.take is not None:
            self._wrong(f"{path}.take", "not for a film", "a film has no takes", "remove it")
        if said.decision == "approve" and said.reasons:
            self._wrong(
                f"{path}.reasons", "contradiction", "an approval has no reasons for a refusal", "write a `note:`"
            )
        if said.decision != "approve" and not said.reasons:
            remedy = f"add `reasons: [{REASONS[-4]}]`; there are {', '.join(REASONS)}"
            self._wrong(path, "incomplete", f"`{said.decision}` needs a reason", remedy)

    def _check_trim(self, path: str, trim: Trim, seen: Seen, decision: str) -> None:
        """The cut's length stands, so a trim only says where it begins; what is left has to be long enough."""
        if decision != "approve" or seen.what != "take":
            self._wrong(path, "nothing to trim", "only an approved take is trimmed", "remove it")
            return
        first, last = screen_frames(trim.in_), seen.frames
        if trim.out is not None:
            last = screen_frames(trim.out)
        if last > seen.frames:
            detail = f"the take ends at {seen.frames / FILM_RATE:.3f} s"
            self._wrong(path, "outside the take", detail, "keep `out` inside it, or leave it away")
        elif last - first < seen.needed:
            left = f"{max(0, last - first)} frames are left and the cut needs {seen.needed}"
            latest = max(0, last - seen.needed) / FILM_RATE
            remedy = f"`in: {latest:.3f}` is the latest; or make the shot shorter in the manifest"
            self._wrong(path, "too short", left, remedy if last >= seen.needed else "give it more of the take")

    def _check_twice(self, number: int, said: FileDecision, path: str) -> None:
        """One approval for each clip, one word for each take, and nothing beside a refusal of all."""
        of_clip = [d for d in self.said.decisions[:number] if d.clip == said.clip]
        all_refused = any(d.decision == "retake" and d.take is None for d in of_clip)
        refuses_all = said.decision == "retake" and said.take is None and bool(of_clip)
        same_take = any(d.take == said.take for d in of_clip)
        two_yes = said.decision == "approve" and any(d.decision == "approve" for d in of_clip)
        if all_refused or refuses_all or same_take or two_yes:
            self._wrong(
                f"{path}.clip", "decided twice", f"{said.clip} is decided twice in this file", "keep one of them"
            )

    def _note_stale(self, path: str, said: FileDecision, match: Seen | None, subject: Subject) -> None:
        of = said.clip if said.take is None else f"{said.clip} {subject} {said.take}"
        now = f"{of} is {match.sha256[:SHORTEST]}… now" if match else f"{of} is not there"
        where = self._where(f"{path}.sha256")
        about = f"{said.sha256[:SHORTEST]}…" if said.sha256 else "what was there then"
        detail = f"{now}; the decision is about {about}"
        remedy = "look at what is there now and decide again; --skip-stale applies the rest"
        self.stale.append(Diagnostic("stale decision", detail, f"{path}.sha256", where, remedy))

    def _word(self, seen: Seen, said: FileDecision) -> Word:
        return Word(
            address=seen.address, what=seen.what, number=seen.number, target=seen.target, sha256=seen.sha256,
            decision="approve" if said.decision == "approve" else "reject", reasons=said.reasons, note=said.note,
            replace=said.decision == "retake", trim=screen_frames(said.trim.in_) if said.trim else 0,
        )  # fmt: skip

    def _where(self, path: str) -> Where:
        where, node, _ = find(self._tree, parse_steps(path))
        return node.where if isinstance(node, Map | Items) and not where.line else where

    def _wrong(self, path: str, summary: str, detail: str, remedy: str = "") -> None:
        self.problems.append(Diagnostic(summary, detail, path, self._where(path), remedy))
