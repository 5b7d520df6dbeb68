"""Finding and running the ffmpeg program: no standard input, its own words on failure, nothing left behind.

It never guesses success: damaged input ends in an error only because every call carries -xerror (media sheet §13.7).
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from infra.errors import MediaError, ProgramMissingError

SETTING = "IMAGEIO_FFMPEG_EXE"
REMEDY = f"install the project's locked dependencies again (make setup), or set {SETTING} to an ffmpeg of version 7 up"
TAIL_CHARACTERS = 1200


def find_ffmpeg() -> str:
    """The path of the program: what the setting names, else the one that the wheel brings, else the system's."""
    named = os.environ.get(SETTING)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ProgramMissingError(f"{SETTING} names {named!r}, which is not a program", remedy=REMEDY)
        return found
    import imageio_ffmpeg  # on first use: it looks through its own files

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise ProgramMissingError("no ffmpeg was found", remedy=REMEDY) from error


@functools.cache
def ffmpeg_version() -> str:
    """As the program says it, such as 7.0.2-static."""
    words = run_ffmpeg_for_output(["-version"])[0].split()
    return words[2] if words[:2] == ["ffmpeg", "version"] else "unknown"


def run_ffmpeg(args: Sequence[str], *, seconds: float = 1800) -> str:
    """Runs ffmpeg to its end and returns what it wrote to standard error.

    The caller's arguments come after -nostdin, -xerror and the log level "error"; give -v to hear more.
    """
    return run_ffmpeg_for_output(args, seconds=seconds)[1]


def run_ffmpeg_for_output(args: Sequence[str], *, seconds: float = 1800) -> tuple[str, str]:
    """Like `run_ffmpeg`, for filters that print: returns standard output and standard error."""
    program = find_ffmpeg()
    command = [program, "-nostdin", "-hide_banner", "-v", "error", "-xerror", "-y", *args]
    try:
        # The child stays in this process's group: whoever kills the group of a step kills its ffmpeg too.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ProgramMissingError(f"{program} cannot be started: {error.strerror}", remedy=REMEDY) from error
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise MediaError(f"ffmpeg took more than {seconds:.0f} s and was stopped") from error
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if process.returncode != 0:
        raise MediaError(_describe_failure(process.returncode, stderr, args))
    return stdout, stderr


def _describe_failure(status: int, stderr: str, args: Sequence[str]) -> str:
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    tail = stderr.strip()[-TAIL_CHARACTERS:] or "it said nothing"
    files = [Path(args[i + 1]).name for i, word in enumerate(args[:-1]) if word == "-i"]
    return f"ffmpeg {how} on {', '.join(files) or 'its input'}: {tail}"
