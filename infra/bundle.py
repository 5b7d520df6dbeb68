"""A schedule and every file it needs, put into the store and written out again on a machine that never saw its project.

Bytes are blobs like any other, and one record tells their paths. No key and no setting of this machine travels.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra import errors
from infra.blobs import place_blob, put_blob
from infra.records import create_record, read_record
from infra.settings import CONFIG_NAME
from infra.storage.base import ObjectStore
from manifests.bundle import Bundle
from manifests.journal import BlobRef
from manifests.naming import bundle_key

# What the project has decided. Where the store is, how many cores there are and every key is the machine's own affair.
TRAVELS = (
    "concurrency", "elevenlabs_url", "on_behalf_of", "patience_seconds", "runway_url", "unexplained_credits",
)  # fmt: skip
_URLS = ("elevenlabs_url", "runway_url")


class BundleError(errors.ShotrunnerError):
    summary = "the schedule cannot travel"
    exit_code = 2


def put_bundle(store: ObjectStore, name: str, root: Path, schedule: Path, files: Mapping[Path, str]) -> Bundle:
    """`files`: content types by path; the schedule is one of them. Safe to repeat. Raises BundleError for a file
    outside the project, and StoreError."""
    refs: dict[str, BlobRef] = {}
    for path, content_type in sorted(files.items()):
        place = path_in_project(path, root)
        if place != CONFIG_NAME:
            refs[place] = put_blob(store, "ref", path, content_type)
    refs[CONFIG_NAME] = put_blob(store, "ref", settings_that_travel(root), "application/toml")
    bundle = Bundle(name=name, path=path_in_project(schedule, root), files=dict(sorted(refs.items())))
    create_record(store, bundle_key(bundle.digest), bundle)
    return bundle


def read_bundle(store: ObjectStore, digest: str) -> Bundle:
    """Raises NotFoundError, or IntegrityError when the record is not the one with that digest."""
    bundle = read_record(store, bundle_key(digest), Bundle)
    if bundle is None:
        raise errors.NotFoundError(
            f"{store.url} has no schedule {digest[:12]}",
            remedy="`shotrunner schedule apply` puts it there; a worker needs the same store.",
        )
    if bundle.digest != digest:
        raise errors.IntegrityError(
            f"the schedule {digest[:12]} in {store.url} has been changed",
            remedy="Run `shotrunner schedule apply` again.",
        )
    return bundle


def open_bundle(store: ObjectStore, digest: str, folder: Path) -> Path:
    """Writes every file below `folder`, checked, and returns the path of the schedule. What is there already and the
    same is kept. Raises NotFoundError and IntegrityError."""
    bundle = read_bundle(store, digest)
    for place, ref in bundle.files.items():
        place_blob(store, ref, folder / place)
    return folder / bundle.path


def path_in_project(path: Path, root: Path) -> str:
    """As it is written in the project, also where links lead to it. Raises BundleError."""
    for given, base in ((path.absolute(), root.absolute()), (path.resolve(), root.resolve())):
        if given.is_relative_to(base) and ".." not in given.relative_to(base).parts:
            return given.relative_to(base).as_posix()
    raise BundleError(f"{path} is outside the project {root}", remedy="copy it into the project")


def settings_that_travel(root: Path) -> bytes:
    """What `shotrunner.toml` says for the project, in one form. Raises BundleError for a URL with a password."""
    try:
        said: dict[str, Any] = tomllib.loads((root / CONFIG_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = {}
    kept = {key: said[key] for key in TRAVELS if key in said}
    for key in _URLS:
        if "@" in urlsplit(str(kept.get(key, ""))).netloc:
            raise BundleError(
                f"{CONFIG_NAME}: {key} holds a user or a password", remedy="set it in the environment of the workers"
            )
    # JSON's texts and numbers are TOML's as well, as long as nothing is escaped into surrogates
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in kept.items()).encode()
