"""The lock beside a manifest: which bytes every named file had, which models were used, and which prices held.

Compares measurements that others took. `run` writes it first, `plan` only reports; a file that changed behind an
unchanged manifest stops a run until somebody accepts it by name.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from manifests.catalogue import ModelCard
from manifests.diagnostics import Diagnostic, ManifestError, Where, suggest
from manifests.digest import digest_json

MAX_BYTES = 5_000_000
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class LockedFile(_Part):
    """One file as it was measured. `path` is relative to the manifest, with `/`; `name` is what people call it."""

    name: str
    path: str
    sha256: Digest
    bytes: Annotated[int, Field(ge=0)]
    width: int | None = None
    height: int | None = None


class LockedModel(_Part):
    as_of: str
    digest: Digest  # of the whole row: a changed capability shows


class LockedRates(_Part):
    digest: Digest
    as_of: str


class Lock(_Part):
    """`files` by their place in the YAML (`references.kettle.file`), `models` by id."""

    schema_: Literal["lock/1"] = Field(default="lock/1", alias="schema")
    files: dict[str, LockedFile]
    models: dict[str, LockedModel]
    rate_card: LockedRates


@dataclass(frozen=True, slots=True)
class Change:
    key: str
    old: LockedFile
    new: LockedFile


@dataclass(frozen=True, slots=True)
class Drift:
    """`changed` stops a run; the rest is told. A file that the manifest now names by another path is `new`: somebody
    wrote that."""

    changed: tuple[Change, ...] = ()
    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # keys that the manifest no longer names
    models: tuple[str, ...] = ()  # ids whose row moved since
    prices_moved: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.new or self.missing or self.models or self.prices_moved)


def lock_path(manifest: Path) -> Path:
    return manifest.with_name(f"{manifest.name}.lock.json")


def make_lock(
    files: Mapping[str, LockedFile], models: Iterable[ModelCard], rate_card_digest: str, rate_card_date: str
) -> Lock:
    """`models` are the rows that this manifest uses."""
    rows = {card.id: LockedModel(as_of=card.as_of, digest=digest_json(card.model_dump(mode="json"))) for card in models}
    return Lock(
        files=dict(sorted(files.items())),
        models=dict(sorted(rows.items())),
        rate_card=LockedRates(digest=rate_card_digest, as_of=rate_card_date),
    )


def lock_digest(lock: Lock) -> str:
    return digest_json(lock.model_dump(mode="json", by_alias=True))


def format_lock(lock: Lock) -> str:
    """The file's text: sorted and indented, so that a changed line is a changed fact."""
    return json.dumps(lock.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2, sort_keys=True) + "\n"


def parse_lock(data: bytes, shown: str) -> Lock:
    """Raises ManifestError when this is no lock that this version can read."""
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"{len(data):,} bytes; a lock has at most {MAX_BYTES:,}")
        return Lock.model_validate(json.loads(data))
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
    except (ValueError, RecursionError) as problem:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        reason = str(problem)
    raise ManifestError(
        [
            Diagnostic(
                "lock not readable",
                f"not a lock of the form lock/1: {reason}",
                "",
                Where(shown),
                "restore it from version control; or delete it, and the files as they are now are pinned anew",
            )
        ]
    )


def read_lock(manifest: Path) -> Lock | None:
    """The lock beside `manifest`, None when there is none."""
    path = lock_path(manifest)
    try:
        return parse_lock(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None
    except OSError as problem:
        detail = f"cannot be read: {problem.strerror or problem}"
        raise ManifestError([Diagnostic("lock not readable", detail, "", Where(str(path)))]) from None


def compare_lock(old: Lock, new: Lock) -> Drift:
    changed, added = [], []
    for key, file in new.files.items():
        before = old.files.get(key)
        if before is None or (before.path != file.path and before.sha256 != file.sha256):
            added.append(key)
        elif before.sha256 != file.sha256:
            changed.append(Change(key, before, file))
    models = (name for name, row in new.models.items() if name in old.models and old.models[name].digest != row.digest)
    return Drift(
        changed=tuple(changed),
        new=tuple(added),
        missing=tuple(key for key in old.files if key not in new.files),
        models=tuple(models),
        prices_moved=old.rate_card.digest != new.rate_card.digest,
    )


def accept(old: Lock, new: Lock, names: Collection[str]) -> Lock:
    """The lock to write: as `new`, but what changed and was not accepted keeps its old pin.

    A name may be the reference's (`kettle`), its key or its path; one that has not changed is accepted already. Raises
    ManifestError for a name that no file has.
    """
    changed = compare_lock(old, new).changed
    known = {name for key, file in new.files.items() for name in _names(key, file)}
    if unknown := sorted(set(names) - known):
        detail = f"no file is called {', '.join(f'`{name}`' for name in unknown)}{suggest(unknown[0], known)}"
        ready = ", ".join(sorted({change.new.name for change in changed})) or "nothing"
        raise ManifestError([Diagnostic("unknown file", detail, "", Where("--accept-reference"), f"changed: {ready}")])
    kept = {change.key: change.old for change in changed if not set(names) & _names(change.key, change.new)}
    return new.model_copy(update={"files": {**new.files, **kept}})


def describe_change(change: Change) -> str:
    """One line for people: what it was and what it is."""

    def shown(file: LockedFile) -> str:
        size = f", {file.width}x{file.height}" if file.width and file.height else ""
        return f"{file.sha256[:12]} ({file.bytes:,} bytes{size})"

    return f"{change.new.name}: {change.new.path} has changed from {shown(change.old)} to {shown(change.new)}"


def _names(key: str, file: LockedFile) -> set[str]:
    return {key, file.name, file.path}
