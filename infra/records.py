"""Records of the store as JSON: created once, or swapped with a rising `rev`. What they mean is `manifests.journal`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from infra import errors
from infra.storage.base import ObjectStore, Version
from manifests.journal import BudgetHead, Lease, Selection

M = TypeVar("M", bound=BaseModel)
# The only documents that are ever written twice (storage sheet, layout)
S = TypeVar("S", Selection, BudgetHead, Lease)

_JSON = "application/json"
_SWAP_TRIES = 50


def encode_record(record: BaseModel) -> bytes:
    """The same record gives the same bytes, whatever the order of its mappings. Raises ValueError for NaN and
    infinities: pydantic's own JSON would store them as null, which nothing reads back."""
    plain = record.model_dump(by_alias=True)
    text = json.dumps(plain, default=to_jsonable_python, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    return f"{text}\n".encode()


def create_record(store: ObjectStore, key: str, record: BaseModel) -> None:
    """Raises PreconditionFailedError when another's record is there. Finding exactly this one there is success: the
    reply to an earlier write was lost. So a record over which two writers can contend must carry a nonce."""
    data = encode_record(record)
    try:
        store.put_bytes(key, data, content_type=_JSON, if_absent=True)
    except errors.PreconditionFailedError:
        if store.get_bytes(key)[0] != data:
            raise


def read_record(store: ObjectStore, key: str, model: type[M]) -> M | None:
    """None when there is none. Raises IntegrityError when it cannot be read as `model`."""
    found = read_versioned(store, key, model)
    return found and found[0]


def read_versioned(store: ObjectStore, key: str, model: type[M]) -> tuple[M, Version] | None:
    """With the version that `swap_record` wants back."""
    try:
        data, version = store.get_bytes(key)
    except errors.NotFoundError:
        return None
    try:
        return model.model_validate_json(data), version
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise errors.IntegrityError(
            f"{key} in {store.url} is no {model.__name__}: {place + ': ' if place else ''}{first['msg']}",
            remedy="It is damaged, or a later shotrunner wrote it: bring it back from a copy, or use that version.",
        ) from error


def swap_record(store: ObjectStore, key: str, record: S, *, expected: tuple[S, Version] | None) -> Version:
    """Writes `record` in the place of exactly what was read (`None`: nothing). Its `rev` must be one higher, so that
    equal bodies never bring back an old tag. Raises PreconditionFailedError when another was first."""
    before = expected[0].rev if expected else 0
    if record.rev != before + 1:
        raise ValueError(f"{key}: rev {record.rev} cannot follow {before}")
    data = encode_record(record)
    if expected is None:
        return store.put_bytes(key, data, content_type=_JSON, if_absent=True)
    return store.put_bytes(key, data, content_type=_JSON, if_match=expected[1].tag)


def update_record(store: ObjectStore, key: str, model: type[S], change: Callable[[S | None], S]) -> S:
    """Reads, changes and swaps until nobody came between; returns what was written. `rev` is set here. `change` may
    run several times, so it must only compute. After StoreUnavailableError the change may have been written."""
    for _ in range(_SWAP_TRIES):
        found = read_versioned(store, key, model)
        wanted = change(found[0] if found else None)
        wanted = wanted.model_copy(update={"rev": found[0].rev + 1 if found else 1})
        try:
            swap_record(store, key, wanted, expected=found)
        except errors.PreconditionFailedError:
            continue
        return wanted
    raise errors.ConflictError(f"{key} changed {_SWAP_TRIES} times while it was to be changed", remedy="Run again.")
