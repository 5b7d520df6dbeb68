"""Who this process is and whether another still lives: host, boot, process id and start time. No psutil, no signals."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """`boot_id` and `started` are empty where the system does not tell (no /proc)."""

    host: str
    boot_id: str
    pid: int
    started: str
    owner: str  # for people: user@host


def this_process() -> ProcessIdentity:
    host = socket.gethostname()
    return ProcessIdentity(host, _boot_id(), os.getpid(), process_started(os.getpid()) or "", f"{_user()}@{host}")


def process_lives(pid: int, started: str) -> bool:
    """On this machine. A number that was given to a later process, and a zombie, count as dead; doubt as alive."""
    try:
        os.kill(pid, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    stat = _stat(pid)
    if stat is None or not started:
        return True
    state, now_started = stat
    return state not in ("Z", "X") and now_started == started


def process_started(pid: int) -> str | None:
    """Ticks from boot to its start, or None where that cannot be read."""
    stat = _stat(pid)
    return stat and stat[1]


def _stat(pid: int) -> tuple[str, str] | None:
    """(state, start time) of `man 5 proc`: fields 3 and 22, counted after the name, which may hold spaces and ')'."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else None


def _boot_id() -> str:
    """With the process namespace: containers of one machine share its boot but count their processes apart."""
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name; KeyError before Python 3.13
        return str(os.getuid())
