"""A schedule as it travels: every file that it needs, by its path in the project and the digest of its bytes.

A value only; `infra.bundle` puts the bytes where any machine can read them, and writes them out again there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from manifests.digest import digest_json
from manifests.journal import BlobRef, Record


class Bundle(Record):
    """`path` is the schedule's own among `files`. Equal files give an equal digest, wherever it is made."""

    schema_: Literal["bundle/1"] = Field(default="bundle/1", alias="schema")
    name: str  # of the schedule
    path: str
    files: Mapping[str, BlobRef]

    @cached_property
    def digest(self) -> str:
        plain: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        return digest_json(plain)

    @field_validator("files")
    @classmethod
    def _inside(cls, files: Mapping[str, BlobRef]) -> Mapping[str, BlobRef]:
        for path in files:
            check_inside(path)
        folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
        if both := folders & set(files):
            raise ValueError(f"{min(both)!r} is both a file and a folder")
        return files

    @model_validator(mode="after")
    def _complete(self) -> Bundle:
        if self.path not in self.files:
            raise ValueError(f"the schedule {self.path!r} is not among its files")
        return self


def check_inside(path: str) -> None:
    """A bundle is written out on machines that never saw its project, so no path may lead out of the folder that it is
    written to. Raises ValueError."""
    parts = PurePosixPath(path).parts
    plain = "/".join(parts) == path and parts and not path.startswith("/")
    if not plain or ".." in parts or "\\" in path or "\0" in path:
        raise ValueError(f"{path!r} is not a path inside the project")
