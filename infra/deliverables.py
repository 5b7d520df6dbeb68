"""Finished deliverables in the store: found by what they are made of, and copied to where people look."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from infra.blobs import has_blob, read_blob
from infra.errors import OfferEndedError
from infra.files import place_file
from infra.media.steps import STEPS
from infra.records import read_record
from infra.storage.base import ObjectStore
from manifests.adnames import Fields
from manifests.approvals import Decisions, said_of_film
from manifests.catalogue import Profile
from manifests.digest import digest_json
from manifests.filing import name_film, pattern_of
from manifests.films import Variant
from manifests.finish import DeliverableIndex, finish_key, valid_to_of
from manifests.journal import BlobRef
from manifests.naming import blob_key, deliverable_index_key, variant_name
from manifests.plan import Plan
from manifests.schema import Deliver
from manifests.timing import FILM_RATE
from manifests.validity import ValidTo


def film_name(variant: Variant, wanted: Deliver) -> str:
    """A film's part of a key: `16x9-youtube-instream`, with the variant's values before it."""
    return variant_name(wanted.ratio, wanted.profile, variant.source.id, *variant.cell)


def file_name(plan: Plan, variant: Variant, wanted: Deliver, profile: Profile, frames: int, key: str) -> str:
    """Name of the film, without its ending. `key` says what it is made of."""
    pattern = pattern_of(variant.spot.naming, plan.sources)
    told: Fields = {"brand": str(plan.brand["name"]), "campaign": plan.campaign, "duration": frames // FILM_RATE}
    return name_film(pattern, variant, wanted, profile, told, key)


def find_deliverable(
    store: ObjectStore,
    plan: Plan,
    variant: Variant,
    inputs: Mapping[str, str],
    profile: Profile,
    wanted: Deliver,
    decisions: Sequence[Decisions],
) -> tuple[str, DeliverableIndex | None]:
    """The finish key, and the index that the store has under it, if its files are still there. What people said of the
    film is part of the key, for its sidecar tells it; the film itself is not encoded again."""
    name = film_name(variant, wanted)
    said = said_of_film(decisions, name)
    told = {**inputs, f"{name}/said": digest_json(said)} if said else dict(inputs)
    if wanted.ad_id:
        told[f"{name}/ad_id"] = digest_json(wanted.ad_id)
    key = finish_key(plan, variant, told, profile, wanted.ratio, wanted.version, STEPS)
    where = deliverable_index_key(plan.campaign, name, key[:12])
    index = read_record(store, where, DeliverableIndex)
    return key, index if index and all(has_blob(store, blob) for blob in index.files.values()) else None


def ended_films(plan: Plan, films: Iterable[DeliverableIndex], now: dt.datetime) -> dict[str, OfferEndedError]:
    """By index key: those that are finished and may not be delivered any more."""
    ends = ((index, valid_to_of(plan, index)) for index in films)
    return {index.key: _ended(plan, index, end) for index, end in ends if end is not None and end.over(now, plan.zone)}


def _ended(plan: Plan, index: DeliverableIndex, end: ValidTo) -> OfferEndedError:
    """Says what to do, too."""
    start = plan.scheduled
    again = f"`shotrunner run --schedule {start.schedule} --date {start.date} --anew`" if start else "run again"
    return OfferEndedError(
        f"{index.film} was good until {end.day} ({plan.zone}), says {end.row}",
        address=index.variant,
        remedy=f"change that table, then {again}: what stands on screen is drawn anew, and no take is bought for it",
    )


def place_of(store: ObjectStore, links: str | None, blob: BlobRef) -> str:
    """Where people can open it: under `links` where that is set, else where it lies. Never a signed link."""
    key = blob_key(blob.kind, blob.sha256)
    if links:
        return f"{links.rstrip('/')}/{key}"
    path = store.local_path(key)
    return path.as_uri() if path is not None else f"{store.url}/{key}"


def copy_out(store: ObjectStore, index: DeliverableIndex, folder: Path) -> list[Path]:
    """Puts the files of a deliverable where people look, whole or not at all; what is there already stays."""
    return [
        place_file(folder / name, blob.sha256, partial(read_blob, store, blob)) for name, blob in index.files.items()
    ]
