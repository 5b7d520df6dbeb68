"""What is wrong with a manifest, where, and what to do about it; as data first, as text last.

A `Diagnostic` never travels alone: `ManifestError` carries every problem of one reading, sorted for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file, counted from 1. Line 0 means the whole file, or something given on the command line."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """`summary` never varies (machines group by it); `detail` is the sentence people read, `remedy` what to do.

    `address` is the YAML path (`shots.pour.prompt`); `exit_code` is 2 for the manifest itself, 8 for rights, 5 for
    money. Warnings never change an exit code.
    """

    summary: str
    detail: str
    address: str
    where: Where
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"
    exit_code: int = 2


class ManifestError(Exception):
    """Everything that is wrong with a manifest and what it names, at once."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(format_diagnostic(d) for d in self.diagnostics))

    @property
    def exit_code(self) -> int:
        """The manifest's own faults come before rights, and rights before money."""
        found = {d.exit_code for d in self.diagnostics if d.severity == "error"}
        return next((code for code in (2, 8, 5) if code in found), max(found, default=2))


def format_diagnostic(d: Diagnostic) -> str:
    """`file:line:column: path: what is wrong`, and below it, indented, what to do."""
    address = f"{d.address}: " if d.address else ""
    warning = "warning: " if d.severity == "warning" else ""
    remedy = "".join(f"\n    {line}" for line in d.remedy.splitlines())
    return f"{d.where}: {warning}{address}{d.detail or d.summary}{remedy}"


def sort_diagnostics(diagnostics: Iterable[Diagnostic], first_file: str) -> list[Diagnostic]:
    """By line; the manifest before the files it names. Doubles, which aliases make, are dropped."""
    unique = dict.fromkeys(diagnostics)
    return sorted(unique, key=lambda d: (d.where.file != first_file, d.where.file, d.where.line, d.where.column))


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing when no known word is near."""
    near = nearest(word, known)
    return f"; did you mean `{near}`?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a slip of the finger would turn into this one."""
    found = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
