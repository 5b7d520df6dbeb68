"""Everything that a schedule needs, put into the store, and tried: away from its project it has to plan the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flows.checking import CONTENT_TYPES, refuse_words_that_do_not_fit
from flows.refusals import refuse_drift
from flows.scheduling import Planned, begun_otherwise, next_occurrence, prepare_scheduled
from infra.bundle import BundleError, open_bundle, put_bundle
from infra.clock import Clock, SystemClock
from infra.errors import MediaError, StoreError
from infra.media.probe import probe_image
from manifests.bundle import Bundle
from manifests.scheduled import read_schedule
from manifests.travelling import files_that_may_be_needed

_PICTURES = {".png", ".jpg", ".jpeg", ".webp"}
_TEXTS = {".yaml": "text/yaml", ".yml": "text/yaml", ".csv": "text/csv", ".txt": "text/plain"}


@dataclass(frozen=True)
class Bundled:
    """A schedule that is in the store, with the plan of its next start as any machine would make it."""

    bundle: Bundle
    planned: Planned
    store_url: str
    begun_otherwise: str = ""  # of a start that does not take what is applied now, what to do


def bundle_schedule(path: Path, clock: Clock | None = None) -> Bundled:
    """Raises ManifestError for what is wrong with the schedule or its next start, BundleError, and what the store
    raises. Safe to repeat."""
    clock = clock or SystemClock()
    loaded = read_schedule(path)
    occurrence = next_occurrence(loaded.schedule, clock.now())
    planned = prepare_scheduled(path, occurrence, clock=clock)
    prepared = planned.prepared
    refuse_drift(prepared)
    refuse_words_that_do_not_fit(prepared.checked)
    if prepared.store_url == "memory:":
        raise StoreError("memory: holds nothing for another process", remedy="set SHOTRUNNER_STORE to a bucket")
    files = files_that_may_be_needed([loaded.path, loaded.manifest], loaded.root)
    files |= {use.path for use in prepared.checked.campaign.files.values()}
    bundle = put_bundle(prepared.store, loaded.schedule.name, loaded.root, loaded.path, content_types(files))
    with tempfile.TemporaryDirectory(prefix="shotrunner-") as folder:
        settings = prepared.settings.model_copy(update={"store": prepared.store_url})
        away = open_bundle(prepared.store, bundle.digest, Path(folder))
        there = prepare_scheduled(away, occurrence, settings=settings, clock=clock).prepared.plan
    if there.wants != prepared.plan.wants:
        raise BundleError(
            "away from this project it would plan something else", remedy="look for files that it reaches through links"
        )
    return Bundled(bundle, planned, prepared.store_url, begun_otherwise(planned, clock))


def content_types(files: Iterable[Path]) -> dict[Path, str]:
    """By what they are: what a picture is called says nothing to a vendor that looks into it."""
    return {path: _content_type(path) for path in files}


def _content_type(path: Path) -> str:
    ending = path.suffix.lower()
    if ending in _PICTURES:
        try:
            return f"image/{probe_image(path).format}"
        except MediaError:
            pass  # nobody uses it, or the plan would have said so
    return _TEXTS.get(ending) or CONTENT_TYPES.get(ending, "application/octet-stream")
