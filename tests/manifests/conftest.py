"""A small film and its brand kit on disk, for tests that need lines: change a piece of its text, load it, judge it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from films import BRAND, FILM, load_spot

from manifests.loaded import LoadedSpot


@pytest.fixture
def load_film(tmp_path: Path) -> Callable[..., LoadedSpot]:
    """`load_film({old: new, …}, brand={old: new})`: the film with pieces of its text replaced, each there once."""

    def changed(text: str, changes: dict[str, str]) -> str:
        for old, new in changes.items():
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in the film"
            text = text.replace(old, new)
        return text

    def load(changes: dict[str, str] | None = None, *, brand: dict[str, str] | None = None) -> LoadedSpot:
        (tmp_path / "film.yaml").write_text(changed(FILM, changes or {}))
        (tmp_path / "brand.yaml").write_text(changed(BRAND, brand or {}))
        for name in ("kettle.png", "card.svg"):
            (tmp_path / name).write_bytes(b"not looked into")
        return load_spot(tmp_path / "film.yaml")

    return load
