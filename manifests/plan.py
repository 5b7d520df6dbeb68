"""Wants + lock + what the store says → Plan: a frozen list of actions with their prices. Nothing else decides spending.

`apply` carries out exactly this list. Blanks (a picture that does not exist yet) and the allowance for failures and bad
pictures are part of it; everything else that moves makes the plan stale.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

from pydantic import Field

from manifests.allowance import Allowance
from manifests.catalogue import ModelCard
from manifests.digest import digest_json
from manifests.expand import Want
from manifests.films import Source, Variant, variants_of
from manifests.journal import Record, Result, Selection, TakeHistory, What
from manifests.naming import shot_address
from manifests.scheduled import Resolved
from manifests.schema import Brand, Spot
from manifests.timing import Cut, cut_of
from manifests.validity import NO_ZONE
from manifests.walk import (
    Screened,
)


class StateReader(Protocol):
    """What the store says. Reads only; every answer may be remembered for the length of one plan."""

    def history(self, key: str) -> TakeHistory: ...
    def selection(self, segment_key: str) -> Selection | None: ...
    def screening(self, want: Want, result: Result) -> Screened | None: ...
    def living_leases(self) -> Sequence[str]: ...


class Verb(enum.StrEnum):
    BUY = "buy"
    COLLECT = "collect"  # paid already, its task is known
    KEEP = "keep"
    HOLD = "hold"  # unknown: perhaps paid; never bought again unasked
    SHARE = "share"  # the very request of another action in this plan: one purchase serves both
    GIVE_UP = "give up"  # failed for good, or out of retries


class Action(Record):
    """One purchase, or the reason why there is none. `key` is missing while the request has a blank."""

    id: str  # `pour/take-2`
    verb: Verb
    want: str
    what: What
    number: int
    key: str | None
    credits: int  # what it will cost now
    seconds: int
    reason: str
    needs: tuple[str, ...] = ()


class FilePin(Record):
    """A file that the manifest names, as it was when the plan was made."""

    name: str  # path in the YAML, such as `references.kettle.file`
    path: str  # as written
    sha256: str
    size: int
    content_type: str
    width: int | None = None
    height: int | None = None


class Options(Record):
    """What the person said on the command line that the flow has to know."""

    rebuy_unknown: bool = False
    approve: Literal["ask", "auto"] = "ask"
    extra_credits: int = 0
    picture_scale: int = 1  # above 1 in rehearsals only: pictures are that many times smaller (manifests.tiny)


def first_limit(spot: Spot, options: Options, allowance: Allowance | None = None) -> int:
    """What first takes may cost in all; what is left of the budget is for those that replace one. Credits that were
    added on the command line are for whatever is needed."""
    first = int(spot.budget.credits * (1 - spot.budget.reroll_reserve))
    return (first if allowance is None else min(first, allowance.credits)) + options.extra_credits


class Totals(Record):
    credits: int
    up_to: int  # with the allowance, within the budget
    spent: int  # by this campaign before, in the same purse
    budget: int
    credits_again: int = 0  # of credits: for numbers that replace one
    spent_first: int | None = None  # of spent: what first takes cost; None when it was not counted
    bought_seconds: int
    screen_seconds: str  # decimal text


class Plan(Record):
    schema_: Literal["plan/1"] = Field(default="plan/1", alias="schema")
    campaign: str
    manifest: str  # its path from the project's root
    overrides: tuple[str, ...] = ()  # what --set said
    manifest_digest: str
    lock_digest: str
    rate_card: str
    ledger_position: str
    positions: Mapping[str, str]  # what the position is a digest of: state by take key, choice by segment key
    spot: Mapping[str, Any]  # the first film's: budget, review and brand are everybody's
    sources: tuple[Source, ...] = ()
    brand: Mapping[str, Any]
    files: tuple[FilePin, ...]
    video_service: str
    sound_service: str
    wants: tuple[Want, ...]
    actions: tuple[Action, ...]
    totals: Totals
    per_shot: Mapping[str, int]
    per_shot_spent: Mapping[str, int] = {}  # before, where there is a limit for it
    not_applied: tuple[str, ...]
    notices: tuple[str, ...]
    options: Options = Options()
    with_pictures: Totals | None = None  # a plan of the speech alone: what all of it comes to at the lengths now known
    scheduled: Resolved | None = None
    allowance: Allowance | None = None  # of a schedule, in place of the spot's budget
    left_out: tuple[str, ...] = ()  # films for which it did not suffice

    @property
    def digest(self) -> str:
        return digest_json(self.model_dump(mode="json", by_alias=True))

    @property
    def every_want(self) -> tuple[Want, ...]:
        """With what another model would film in place of a want that failed."""
        return with_fallbacks(self.wants)

    @property
    def purchases(self) -> tuple[Action, ...]:
        return tuple(a for a in self.actions if a.verb is Verb.BUY)

    @property
    def rebuys_unknown(self) -> bool:
        """Whether what may have been paid is bought again: said on the command line or in the manifest."""
        return self.options.rebuy_unknown or self.read_spot().generate.retry.on_unknown == "rebuy"

    @property
    def is_speech(self) -> bool:
        """Whether the pictures are planned when this plan was applied: their lengths follow from what is spoken."""
        return self.with_pictures is not None

    @property
    def zone(self) -> str:
        """Where its days are those of clocks: the schedule's, else UTC."""
        return self.scheduled.zone if self.scheduled is not None else NO_ZONE

    @property
    def unfinished(self) -> bool:
        return self.is_speech or any(a.verb in (Verb.BUY, Verb.COLLECT) for a in self.actions)

    @property
    def paid(self) -> bool:
        """Whether real credits can be spent: any service that is not the backlot."""
        return any(w.service != "backlot" for w in self.wants)

    def read_spot(self) -> Spot:
        return Spot.model_validate(dict(self.spot))

    def read_brand(self) -> Brand:
        return Brand.model_validate(dict(self.brand))

    @cached_property
    def _files(self) -> dict[str, FilePin]:
        return {pin.name: pin for pin in self.files}

    def file(self, name: str) -> FilePin:
        """By its path in the YAML, with the values of the axes that it depends on."""
        return self._files[name]

    @property
    def variants(self) -> Iterator[Variant]:
        """Every film to be made, in the order of the matrix."""
        return variants_of(self.sources)

    @cached_property
    def picture_frames(self) -> Mapping[str, int]:
        """Frames of every shot's picture that are bought, by its address, over all its segments."""
        frames: dict[str, int] = {}
        for want in self.wants:
            if want.what == "take":
                shot = shot_address(want.address)
                frames[shot] = frames.get(shot, 1) + want.frames - 1  # a segment's first frame is doubled
        return frames

    def cut(self, variant: Variant, models: Mapping[str, ModelCard]) -> Cut:
        """What a film shows of the takes that are bought for all of them."""
        longest = {shot.id: self.picture_frames.get(variant.shot(shot.id), 0) for shot in variant.spot.shots}
        return cut_of(variant.spot, models, longest)


def with_fallbacks(wants: Sequence[Want]) -> tuple[Want, ...]:
    return tuple(w for want in wants for w in (want, want.fallback) if w is not None)
