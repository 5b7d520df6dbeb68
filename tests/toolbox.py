"""Programs for tests that pin what would not go with ours: each in an environment of its own below `.tools`."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class InstallError(Exception):
    """It could not be installed; the message is pip's last words."""


def install_tools(name: str) -> Path:
    """The folder of programs of `tests/NAME-requirements.txt`; installed once, and again when the file changes. Safe
    for parallel test processes."""
    home, requirements = ROOT / ".tools" / name, ROOT / "tests" / f"{name}-requirements.txt"
    programs, mark = home / "bin", home / ".installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    home.mkdir(parents=True, exist_ok=True)
    with (home.parent / f"{name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == wanted:
            return programs
        _call(sys.executable, "-m", "venv", "--clear", str(home))
        pip = [str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _call(*pip, "--no-compile", "--require-hashes", "--no-deps", "-r", str(requirements))
        mark.write_text(wanted)
    return programs


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"{' '.join(command[:4])} …: no end after {error.timeout:.0f} s") from error
    if done.returncode:
        raise InstallError(f"{' '.join(command[:4])} …: {done.stderr.strip()[-400:]}")
