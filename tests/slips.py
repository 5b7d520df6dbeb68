"""A slip in a manifest and what has to be said of it, whole."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    changes: dict[str, str]  # of the film in tests/manifests/conftest.py
    lines: tuple[str, ...]  # what is said, whole
    brand: dict[str, str]
    exit_code: int


def case(changes: dict[str, str], *lines: str, brand: dict[str, str] | None = None, exit_code: int = 2) -> Case:
    return Case(changes, lines, brand or {}, exit_code)
