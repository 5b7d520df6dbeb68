"""Walks wants against what the store says of them: which are bought, kept, collected, held or given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from manifests.approvals import ReviewGates, Waiting, chosen_bytes
from manifests.digest import digest_json
from manifests.expand import Want, fill_blanks, find_blanks
from manifests.journal import Selection, TakeHistory, TakeState
from manifests.plan import Action, Plan, StateReader, Verb
from manifests.walk import (
    Numbered,
    Walk,
    best_take,
    circled_number,
    falls_back,
    segment_of,
    trim_of,
    walk_takes,
)


class Planner:
    """Walks the wants in order, resolving each blank as soon as the picture behind it has been circled."""

    def __init__(
        self,
        state: StateReader,
        plan_digest: str | None = None,
        *,
        rebuy: bool = False,
        before: Mapping[str, Want] | None = None,
        gates: ReviewGates | None = None,
    ) -> None:
        self._state = state
        self._gates = gates or ReviewGates()
        self._before = before or {}  # by id, what the last run wanted: a purchase can then say why it is needed
        self._own = plan_digest  # when a stored plan is checked: what it bought itself counts as not yet bought
        self._rebuy = rebuy  # unknowns are bought again
        self._first: dict[str, str] = {}  # action id by key, of what will be bought or collected
        self.actions: list[Action] = []
        self.positions: dict[str, str] = {}
        self.walks: dict[str, Walk] = {}
        self.pictures: dict[str, str] = {}  # sha256 of the circled still or take, by want id
        self.circled: dict[str, int] = {}  # its number
        self.trims: dict[str, int] = {}  # frames into it at which the cut begins to show it
        self.fell_back: dict[str, str] = {}  # want id to the id of what another model filmed in its place
        self.selections: dict[str, Selection | None] = {}  # by want id
        self.waiting: dict[str, Waiting] = {}  # by want id: there is something to look at, and nobody has decided

    def add(self, want: Want) -> None:
        """`want` comes after every want that it needs."""
        missing = [blank["from"] for blank in find_blanks(want.body) if blank["from"] not in self.pictures]
        if missing:
            reason = self._reason_of_blank(want, missing)
            self.actions += [_blank_action(want, number, missing, reason) for number in range(1, want.count + 1)]
            return
        body = fill_blanks(want.body, self.pictures, self.trims)
        selection = self._selection(want, body)
        walk = walk_takes(want, body, self._history, self._state.screening, selection, self._state.living_leases())
        self.walks[want.id] = walk
        self.selections[want.id] = selection
        self.actions += [self._action(want, numbered, stopped=walk.stopped) for numbered in walk.wanted]
        for numbered in (*walk.wanted, *walk.skipped):
            self.positions[numbered.key] = numbered.state.value
        if want.what in ("still", "take"):
            self._choose(want, walk, selection)

    def _choose(self, want: Want, walk: Walk, selection: Selection | None) -> None:
        """The picture that others start on. A circle stands while more takes are made; else all must be there."""
        chosen = circled_number(walk, selection)
        if chosen is None and self._ended(walk) and self._all_screened(walk):
            chosen = best_take(walk, selection)
        if chosen is None or chosen.result is None:
            if want.fallback is not None and falls_back(want, walk):
                self._choose_fallback(want, want.fallback)
            return
        waiting = self._gates.waiting(want.what, walk.segment, chosen_bytes(selection))
        if waiting is not None:
            self.waiting[want.id] = waiting
            return
        self.pictures[want.id] = chosen.result.blob.sha256
        self.circled[want.id] = chosen.number
        self.trims[want.id] = trim_of(want, chosen, selection)

    def _choose_fallback(self, want: Want, fallback: Want) -> None:
        """The picture of the other model stands for the shot."""
        self.add(fallback)
        if fallback.id in self.pictures:
            self.fell_back[want.id] = fallback.id
            self.pictures[want.id] = self.pictures.pop(fallback.id)
            self.circled[want.id] = self.circled.pop(fallback.id)
            self.trims[want.id] = self.trims.pop(fallback.id)
            self.selections[want.id] = self.selections.pop(fallback.id)
        elif fallback.id in self.waiting:
            self.waiting[want.id] = self.waiting.pop(fallback.id)

    def _ended(self, walk: Walk) -> bool:
        return walk.ended and not (self._rebuy and walk.of(TakeState.UNKNOWN))

    def _reason_of_blank(self, want: Want, missing: Sequence[str]) -> str:
        waits = " and ".join(
            f"the {'still' if m.endswith('/still') else 'take'} circled of {m.rpartition('/')[0]}" for m in missing
        )
        before = self._before.get(want.id)
        if before is None or before.service != want.service:
            return f"new; starts on {waits}"
        changes = what_changed(before, want)
        return f"stale because {changes} changed" if changes else f"stale because {waits} changes"

    def _action(self, want: Want, numbered: Numbered, *, stopped: bool = False) -> Action:
        action = _action(want, numbered, rebuy=self._rebuy)
        if stopped and numbered.state is TakeState.NEW:
            reason = "not bought: moderation refused these very words before"
            return action.model_copy(update={"verb": Verb.GIVE_UP, "credits": 0, "seconds": 0, "reason": reason})
        if action.verb is Verb.BUY and action.reason == "new":
            parts = what_changed(self._before.get(want.id, want), want)
            action = action.model_copy(update={"reason": f"stale because {parts} changed"}) if parts else action
        if action.verb in (Verb.BUY, Verb.COLLECT, Verb.HOLD):
            first = self._first.setdefault(numbered.key, action.id)
            if first != action.id:
                changes = {"verb": Verb.SHARE, "credits": 0, "seconds": 0, "reason": f"the same request as {first}"}
                return action.model_copy(update=changes)
        return action

    @staticmethod
    def _all_screened(walk: Walk) -> bool:
        return all(n.screened is not None for n in walk.wanted if n.result is not None)

    def _history(self, key: str) -> TakeHistory:
        history = self._state.history(key)
        return history if self._own is None else without_plan(history, self._own)

    def _selection(self, want: Want, body: Mapping[str, Any]) -> Selection | None:
        segment = segment_of(want, body)
        selection = self._state.selection(segment)
        self.positions[segment] = _words_of(selection)
        return selection

    @property
    def settled(self) -> bool:
        """Nothing to buy or to collect, and what was given up is missed by no film: another take, or another model's,
        stands in its place."""
        stood_in = {*self.pictures, *self.fell_back.values()}
        given_up = {a.want for a in self.actions if a.verb is Verb.GIVE_UP}
        others = any(a.verb not in (Verb.KEEP, Verb.GIVE_UP) for a in self.actions)
        return not self.waiting and not others and given_up <= stood_in

    @property
    def position(self) -> str:
        return digest_json(self.positions)


def _words_of(selection: Selection | None) -> str:
    """What a person said of a segment. A circle by score follows from the takes; only a word makes a plan stale."""
    if selection is None:
        return ""
    choice = selection.circled
    words = [f"{choice.take}:{choice.sha256}"] if choice and choice.by != "score" else []
    words += [f"from frame {choice.trim}"] if choice and choice.trim else []
    words += [f"not {r.take}{', another' if r.replace else ''}" for r in selection.rejected]
    words += [f"{selection.extra_takes} more"] if selection.extra_takes else []
    words += [f"{number} again" for number in selection.retried]
    return "; ".join(words)


def without_plan(history: TakeHistory, plan: str) -> TakeHistory:
    """The records of a take as they would be if this plan had bought nothing: its intents and what followed from them,
    and the releases that made room for them."""
    own = {i.attempt for i in history.intents if i.plan == plan}
    if not own:
        return history
    result = history.result
    return TakeHistory(
        key=history.key,
        intents=tuple(i for i in history.intents if i.attempt not in own),
        tasks=tuple(t for t in history.tasks if t.attempt not in own),
        refusals=tuple(r for r in history.refusals if r.attempt not in own),
        releases=tuple(r for r in history.releases if r.attempt not in own and r.attempt + 1 not in own),
        failures=tuple(f for f in history.failures if f.attempt not in own),
        result=None if result is None or result.attempt in own else result,
    )


_PARTS = {
    "promptText": "its prompt",
    "text": "its text",
    "duration": "its length",
    "duration_seconds": "its length",
    "ratio": "its size",
    "referenceImages": "its references",
    "promptImage": "the picture it starts on",
    "model": "its model",
    "model_id": "its model",
}


def what_changed(before: Want, now: Want) -> str:
    """In words, what of a request is not as it was; nothing when another service makes it, for then it is new."""
    if before.service != now.service:
        return ""
    parts = [_PARTS.get(k, k) for k in {**before.body, **now.body} if before.body.get(k) != now.body.get(k)]
    if before.base_seed != now.base_seed:
        parts.append("its seed")
    if before.endpoint != now.endpoint and not parts:
        parts.append("how it is made")
    return " and ".join(dict.fromkeys(parts))


def _blank_action(want: Want, number: int, missing: Sequence[str], reason: str) -> Action:
    return Action(
        id=f"{want.id}-{number}", verb=Verb.BUY, want=want.id, what=want.what, number=number, key=None,
        credits=want.credits, seconds=want.seconds, reason=reason, needs=tuple(missing),
    )  # fmt: skip


def _action(want: Want, numbered: Numbered, *, rebuy: bool) -> Action:
    verb, credits, reason = _verdict(want, numbered, rebuy=rebuy)
    return Action(
        id=f"{want.id}-{numbered.number}", verb=verb, want=want.id, what=want.what, number=numbered.number,
        key=numbered.key, credits=credits, seconds=want.seconds if verb is Verb.BUY else 0, reason=reason,
        needs=want.needs,
    )  # fmt: skip


def _verdict(want: Want, numbered: Numbered, *, rebuy: bool) -> tuple[Verb, int, str]:
    if numbered.state is TakeState.HAVE:
        bad = numbered.screened is not None and not numbered.screened.ok
        return Verb.KEEP, 0, "have, screened out" if bad else "have"
    if numbered.state is TakeState.IN_FLIGHT:
        return Verb.COLLECT, 0, "in flight: paid, to be collected"
    if numbered.state is TakeState.UNKNOWN and rebuy:
        return Verb.BUY, want.credits, "unknown, bought again: it may then have been paid twice"
    if numbered.state is TakeState.UNKNOWN:
        return Verb.HOLD, 0, "unknown: its answer was lost, perhaps paid"
    if numbered.state is TakeState.LOST:
        return Verb.GIVE_UP, 0, "paid but lost: its file is gone"
    if numbered.state is TakeState.FAILED:
        failure = numbered.history.failures[-1] if numbered.history.failures else None
        return Verb.GIVE_UP, 0, f"failed: {failure.failure_class}" if failure else "given up"
    replaces = numbered.number > want.count
    return Verb.BUY, want.credits, "new; in place of one that failed or was rejected" if replaces else "new"


def moved_positions(plan: Plan, state: StateReader) -> list[str]:
    """What somebody else changed since the plan was made: take and segment keys. Empty: the plan may be applied."""
    planner = Planner(state, plan.digest, rebuy=plan.rebuys_unknown)
    for want in plan.wants:
        planner.add(want)
    now = planner.positions
    return [
        key
        for key, before in plan.positions.items()
        if now.get(key, before) != before and not _is_progress(before, now[key], rebuy=plan.rebuys_unknown)
    ]


def _is_progress(before: str, now: str, *, rebuy: bool) -> bool:
    """Collecting is the plan's own action, and so is releasing an unknown to buy it again."""
    if before == TakeState.IN_FLIGHT.value:
        return now in (TakeState.HAVE.value, TakeState.FAILED.value, TakeState.LOST.value)
    return rebuy and before == TakeState.UNKNOWN.value and now == TakeState.NEW.value
