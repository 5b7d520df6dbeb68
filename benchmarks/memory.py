"""The most memory that each process of a command held: `python benchmarks/memory.py [--limit-mb N] COMMAND…`.

Reads VmHWM of the whole process tree many times a second. The kernel's own mark only rises, so nothing between two
readings is missed, but for what a process takes in its last moments before it ends.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PAUSE = 0.05  # seconds between two readings
PROC = Path("/proc")


@dataclass
class Peak:
    """All processes that ran the same program: how many, and the most that one of them held."""

    bytes: int = 0
    processes: int = 0


class Watch:
    """Watches a process and everything that it starts, from a thread: `with Watch(pid) as watch: …`.

    `peaks` goes by program, `worst` is the highest; `together` is the most that all of them held at one moment, shared
    pages counted in each; `cpu_seconds` is what the watching itself took from this process.
    """

    def __init__(self, root: int, *, with_root: bool = True) -> None:
        self._root = root
        self._with_root = with_root
        self._known: dict[tuple[int, str], str] = {}  # pid and start, so that a pid used again is another process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._most: dict[tuple[int, str, str], int] = {}
        self.together = 0
        self.cpu_seconds = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peaks(self) -> dict[str, Peak]:
        """By what each process was last: between fork and exec a child has its parent's name and memory."""
        peaks: dict[str, Peak] = {}
        for (pid, started, label), held in self._most.items():
            if self._known[pid, started] == label:
                peak = peaks.setdefault(label, Peak())
                peak.bytes, peak.processes = max(peak.bytes, held), peak.processes + 1
        return peaks

    @property
    def worst(self) -> int:
        return max((peak.bytes for peak in self.peaks.values()), default=0)

    def _watch(self) -> None:
        while True:
            self._read()
            self.cpu_seconds = time.thread_time()
            if self._stop.wait(PAUSE):
                return

    def _read(self) -> None:
        ours = {self._root}
        held = 0
        for pid, parent, started in sorted(_processes()):
            # A child's number is nearly always higher than its parent's; if not, the next reading finds it.
            if pid == self._root or parent in ours or (pid, started) in self._known:
                ours.add(pid)
                if pid != self._root or self._with_root:
                    held += self._note(pid, started)
        self.together = max(self.together, held)

    def _note(self, pid: int, started: str) -> int:
        """Reads one process; returns what it holds now. One that has just ended holds nothing."""
        try:
            words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[:-1]
            status = (PROC / str(pid) / "status").read_text()
        except OSError:
            return 0
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in status.splitlines() if "kB" in line}
        if "VmHWM" not in sizes or not words:
            return 0
        called = status.partition("Name:")[2].partition("\n")[0].strip()
        label = name_program([word.decode(errors="replace") for word in words], called)
        self._known[pid, started] = label
        self._most[pid, started, label] = max(self._most.get((pid, started, label), 0), sizes["VmHWM"])
        return sizes["VmRSS"]


def _processes() -> Iterator[tuple[int, int, str]]:
    """(pid, parent, when it started) of everything that runs."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it has just ended
                told = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), int(told[1]), told[19]


def name_program(words: list[str], called: str) -> str:
    """What a person would call it: the program, the module or script of a Python, and the step of a media step, which
    is `called` after it when it was forked."""
    program = Path(words[0]).name
    if not program.startswith("python"):
        return program
    if "-m" in words[:-1]:
        module = words[words.index("-m") + 1]
        if "--serve" in words:
            return "steps' server" if called.startswith("python") else f"step {called}"
        if module == "infra.media":  # its job lies in a folder called after the step
            return f"step {Path(words[-1]).parent.name.partition('-')[0]}"
        return f"python -m {module}"
    if "-c" in words:
        return "python -c"
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return f"python {Path(script).name}".rstrip()


def peak_lines(watch: Watch) -> list[str]:
    rows = sorted(watch.peaks.items(), key=lambda row: -row[1].bytes)
    return [f"{peak.bytes / 1e6:8.0f} MB  {label} ({peak.processes})" for label, peak in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit-mb", type=int, help="end with 1 when any process held more")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    if not given.command:
        parser.error("name the command to watch")
    process = subprocess.Popen(given.command)
    with Watch(process.pid) as watch:
        status = process.wait()
    print("\nmost memory of a process, by program (number of processes)")
    print("\n".join(peak_lines(watch)))
    print(f"{watch.together / 1e6:8.0f} MB  all at one moment, shared pages counted in each")
    if given.json:
        told = {label: {"bytes": peak.bytes, "processes": peak.processes} for label, peak in watch.peaks.items()}
        given.json.write_text(json.dumps({"peaks": told, "together": watch.together}, indent=1) + "\n")
    if given.limit_mb and watch.worst > given.limit_mb * 1_000_000:
        print(f"above the limit of {given.limit_mb} MB")
        return status or 1
    return status


if __name__ == "__main__":
    sys.exit(main())
