"""Which take is circled, in the store. Swapped records: a person's choice beats a score, and a score never beats
anything that is there already."""

from __future__ import annotations

from infra.records import update_record
from infra.storage.base import ObjectStore
from manifests.journal import Choice, Selection
from manifests.naming import selection_key


def circle_take(store: ObjectStore, segment: str, address: str, choice: Choice) -> Selection:
    """Records a choice and returns the selection that now stands: somebody else's, if theirs came first."""

    def choose(known: Selection | None) -> Selection:
        if known is None:
            return Selection(rev=1, segment_key=segment, address=address, circled=choice)
        if known.circled is not None and choice.by == "score":
            return known
        return known.model_copy(update={"circled": choice})

    return update_record(store, selection_key(segment), Selection, choose)
