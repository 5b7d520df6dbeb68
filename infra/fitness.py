"""Whether a run may buy into a store: a bucket has to keep creators apart, and to be closed to strangers.

Folders and memory are ours and under test; a bucket is examined once, briefly, by the first run that meets it, or at
length by `store doctor`. Whether it is closed is asked at every start, for that can change.
"""

from __future__ import annotations

from infra import errors
from infra.clock import Clock
from infra.records import read_record
from infra.storage import doctor
from infra.storage.base import ObjectStore
from infra.storage.doctor import CREATE_ONCE, PRIVATE, Capabilities, endpoint_of, probe, write_capabilities
from manifests.naming import capabilities_key


def require_fit_store(store: ObjectStore, clock: Clock, *, public: bool = False) -> None:
    """Raises UnfitStoreError; `public`: strangers may read, and somebody said so."""
    if not store.url.startswith("s3://"):
        return
    from infra.storage.s3 import S3Store
    from infra.storage.s3_doctor import check_private

    if not isinstance(store, S3Store):
        raise TypeError(f"{store.url} is not opened as a bucket")
    known = _known(store)
    if known is None:
        with probe(store) as corner:
            checks = [doctor.check_create_once(corner, *doctor.BRIEF)]
        checks.append(check_private(store, thorough=True))
        known = write_capabilities(store, clock, checks, thorough=False)
    if known.holds.get(CREATE_ONCE) is not True:
        raise errors.UnfitStoreError(
            f"{store.url}: two writers can both create one object, so a take could be bought twice"
            f" (examined on {known.at:%Y-%m-%d}: {known.found.get(CREATE_ONCE, 'not asked')})",
            remedy="Use another server. `shotrunner store doctor` examines this one again.",
        )
    if public:
        return
    closed = check_private(store)
    if not closed.holds or (known.holds.get(PRIVATE) is False and not check_private(store, thorough=True).holds):
        raise errors.UnfitStoreError(
            f"{store.url}: {closed.found}",
            remedy="Close it: `shotrunner infra bootstrap`, and see `shotrunner store doctor`; or say that it is meant:"
            " public_store = true in shotrunner.toml.",
        )


def _known(store: ObjectStore) -> Capabilities | None:
    """None for another server's, and for what another version wrote."""
    try:
        told = read_record(store, capabilities_key(), Capabilities)
    except errors.IntegrityError:
        return None
    return told if told is not None and told.endpoint == endpoint_of(store) else None
