"""Which take is circled and which are rejected, in the store, and every word of a person as it was said.

Selections are swapped: a person's choice beats a score, and a score never beats anything that is there already. What
was said is created once and never rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from infra.errors import NotFoundError
from infra.records import create_record, read_record, update_record
from infra.storage.base import ObjectStore
from manifests.approvals import Decisions, ReviewGates, empty_selection
from manifests.journal import Choice, Selection
from manifests.naming import decision_key, decision_prefix, selection_key
from manifests.schema import Review


def circle_take(store: ObjectStore, segment: str, address: str, choice: Choice) -> Selection:
    """Records a choice and returns the selection that now stands: somebody else's, if theirs came first."""

    def choose(known: Selection | None) -> Selection:
        if known is None:
            return Selection(rev=1, segment_key=segment, address=address, circled=choice)
        if known.circled is not None and choice.by == "score":
            return known
        return known.model_copy(update={"circled": choice})

    return update_record(store, selection_key(segment), Selection, choose)


def change_selection(
    store: ObjectStore, segment: str, address: str, change: Callable[[Selection], Selection]
) -> Selection:
    """`change` may run several times, so it must only compute."""
    return update_record(
        store, selection_key(segment), Selection, lambda known: change(known or empty_selection(segment, address))
    )


def keep_decisions(store: ObjectStore, record: Decisions) -> None:
    """Said again, it is the same record. Before the selections: a crash between the two loses no word."""
    create_record(store, decision_key(record.campaign, record.digest), record)


def read_decisions(store: ObjectStore, campaign: str) -> list[Decisions]:
    """Everything that was said in a campaign, oldest first."""
    found = []
    for info in store.list(decision_prefix(campaign)):
        record = read_record(store, info.key, Decisions)
        if record is None:
            raise NotFoundError(
                f"{info.key} was listed and is gone", remedy="Nothing but gc deletes: look at who else does."
            )
        found.append(record)
    return sorted(found, key=lambda r: r.at)


def read_gates(
    store: ObjectStore, campaign: str, review: Review | None, *, auto: bool, said: Sequence[Decisions] = ()
) -> ReviewGates:
    """The gates of a campaign with everything that was said until now, and `said`."""
    if review is None:
        return ReviewGates()
    return ReviewGates(review, auto, (*read_decisions(store, campaign), *said))
