"""Files in folders that people look at: written whole under a temporary name and moved, or left alone."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from infra.errors import StoreError


def file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place_file(
    path: Path, sha256: str | None, read: Callable[[], bytes], *, remedy: str = "choose another folder with --out"
) -> Path:
    """Writes `read()` to `path` unless a file with that digest is there. Raises StoreError with the reason."""
    try:
        if sha256 is not None and path.is_file() and file_digest(path) == sha256:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(read())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", remedy=remedy) from error
    return path


def save_image(source: Path, target: Path) -> None:
    """The picture at `source` in the format that the ending of `target` asks for."""
    from PIL import Image

    with Image.open(source) as image:
        image.convert("RGB").save(target, quality=92)
