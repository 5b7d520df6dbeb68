"""Finished films put where people look, with what the people who book the media need beside them; but for those whose
offer has ended. Reads the store."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from infra.blobs import read_blob
from infra.clock import SystemClock
from infra.deliverables import copy_out, ended_films
from infra.errors import OfferEndedError
from infra.files import place_file
from infra.records import read_record
from infra.runs import list_runs
from infra.selections import read_decisions
from infra.storage.base import ObjectStore
from manifests.adnames import content_id
from manifests.approvals import said_of_film
from manifests.digest import digest_bytes
from manifests.finish import DeliverableIndex, sidecar_text, valid_to_of
from manifests.journal import RunRecord
from manifests.naming import plan_key
from manifests.plan import Plan
from manifests.ratecard import load_profiles
from manifests.trafficking import Trafficked, google_assets, meta_assets, trafficking_rows, write_csv
from manifests.validity import valid_to_facts

REVIEW = "review"  # films that somebody has to see first
SHEETS = ("trafficking.csv", "meta-assets.json", "google-assets.json")


@dataclass(frozen=True)
class PutOut:
    index: DeliverableIndex
    path: Path


def put_out(
    store: ObjectStore, plan: Plan, record: RunRecord, folder: Path, now: dt.datetime | None = None
) -> list[PutOut]:
    """Every film of a run, its dailies, and the sheets; not the films of `refused_films`. What is there already stays;
    nothing else is removed."""
    finished = list(read_indexes(store, (*record.deliverables, *record.over)))
    over = ended_films(plan, finished, now or SystemClock().now())
    films = [put_film(store, plan, index, folder) for index in finished if index.key not in over]
    for name in SHEETS if over and not films else ():  # nothing of what they book may be delivered any more
        (folder / name).unlink(missing_ok=True)
    films += [put_film(store, plan, index, folder / REVIEW) for index in read_indexes(store, record.waiting)]
    put_sheets(store, plan, films, folder)
    put_pages(store, record, folder)
    return films


def refused_films(
    store: ObjectStore, plan: Plan, record: RunRecord, now: dt.datetime | None = None
) -> list[OfferEndedError]:
    """Those that are not put out, as their offer has ended."""
    finished = read_indexes(store, (*record.deliverables, *record.over))
    return list(ended_films(plan, finished, now or SystemClock().now()).values())


def put_pages(store: ObjectStore, record: RunRecord, folder: Path) -> None:
    """The dailies, and the picture of all variants."""
    for name, blob in (("dailies.html", record.dailies), ("grid.png", record.grid)):
        if blob is not None:
            place_file(folder / name, blob.sha256, partial(read_blob, store, blob))


def put_film(store: ObjectStore, plan: Plan, index: DeliverableIndex, folder: Path) -> PutOut:
    """A folder for each placement, where there is more than one film of each."""
    place = folder / index.profile if has_variants(plan) else folder
    for path in copy_out(store, index, place):
        if path.suffix == ".json":
            _tell_days(path, valid_to_facts(valid_to_of(plan, index), plan.zone))
    return PutOut(index, place / index.film)


def _tell_days(sidecar: Path, told: dict[str, str]) -> None:
    """A film that is kept while its table changes keeps its bytes; only the copy for people follows the table."""
    facts = json.loads(sidecar.read_bytes())
    others = {key: value for key, value in facts.items() if not key.startswith("valid_to")}
    if others | told != facts:
        _place_text(sidecar, sidecar_text(others | told))


def has_variants(plan: Plan) -> bool:
    return len(plan.sources) > 1 or any(len(source.matrix.cells) > 1 for source in plan.sources)


def read_indexes(store: ObjectStore, keys: Sequence[str]) -> Iterator[DeliverableIndex]:
    for key in keys:
        index = read_record(store, key, DeliverableIndex)
        if index is not None:
            yield index


def put_sheets(store: ObjectStore, plan: Plan, films: Sequence[PutOut], folder: Path) -> None:
    """`trafficking.csv`, and what Meta's and Google's own tools read; only of what may be delivered."""
    ready = [film for film in films if REVIEW not in film.path.relative_to(folder).parts]
    if not ready:
        return
    rows = [_trafficked(store, plan, film, folder) for film in ready]
    assets = [json.dumps(of(rows), indent=2, ensure_ascii=False) + "\n" for of in (meta_assets, google_assets)]
    for name, text in zip(SHEETS, (write_csv(trafficking_rows(rows)), *assets), strict=True):
        _place_text(folder / name, text)


def _trafficked(store: ObjectStore, plan: Plan, film: PutOut, folder: Path) -> Trafficked:
    index, profile = film.index, load_profiles()[film.index.profile]
    spot, measured = plan.read_spot(), film.index.measured["measured"]
    flight = spot.compliance.flight if spot.compliance else None
    end = valid_to_of(plan, index)
    said = said_of_film(read_decisions(store, plan.campaign), index.variant, index.film_sha256)
    approvers = [str(word["by"]) for word in said if word.get("decision") == "approve"]
    place = film.path.parent.relative_to(folder)
    return Trafficked(
        file=(place / index.film).as_posix(),
        ad_name=Path(index.film).stem,
        content_id=content_id(index.film_sha256),
        brand=str(plan.brand["name"]),
        campaign=plan.campaign,
        spot=index.spot or plan.campaign,
        ratio=index.ratio,
        profile=profile,
        width=int(measured["width"]),
        height=int(measured["height"]),
        frames=int(measured["frames"]),
        rate=profile.rate,
        sha256=index.film_sha256,
        bytes=index.files[index.film].size,
        lufs=measured["lufs"],
        true_peak=measured["true_peak"],
        version=index.version,
        axes=index.values,
        captions=tuple((place / n).as_posix() for n in sorted(index.files) if n.endswith((".srt", ".vtt"))),
        flight=(flight.start, flight.end) if flight else ("", ""),
        valid_to=str(end.day) if end is not None else "",
        approver=", ".join(dict.fromkeys(approvers)),
        animatic=index.backlot,
    )


def offers_moved(store: ObjectStore, plan: Plan) -> bool:
    """Whether films were good for longer, or less long, when this start last ran: `deliver` goes by that run's plan."""
    instant = plan.scheduled.instant if plan.scheduled else None
    runs = (run for run in reversed(list_runs(store, plan.campaign)) if not run.speech_only)
    before = next((run for run in runs if (run.scheduled.instant if run.scheduled else None) == instant), None)
    last = read_record(store, plan_key(before.plan), Plan) if before is not None else None
    return last is not None and _days(last) != _days(plan)


def _days(plan: Plan) -> list[tuple[str, dict[tuple[str, str], dt.date]]]:
    return [(source.id, {place: end.day for place, end in source.ends.items()}) for source in plan.sources]


def _place_text(path: Path, text: str) -> None:
    data = text.encode()
    place_file(path, digest_bytes(data), lambda: data)


def delivered_facts(films: Sequence[PutOut]) -> list[dict[str, Any]]:
    return [{"file": str(f.path), "profile": f.index.profile, "ratio": f.index.ratio} for f in films]
