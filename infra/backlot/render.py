"""The child process of one job: `python -m infra.backlot.render JOB`. Lowest priority, and it dies with its parent."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from infra.errors import ShotrunnerError


def _follow_parent(parent: int) -> None:
    """Ends this process and its own children when the parent dies, even by `kill -9` (prefect sheet §4)."""
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 = PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def main(job_path: str) -> int:
    order = json.loads(Path(job_path).read_text())
    _follow_parent(order["parent"])
    os.nice(19)
    # after the priority is low: these imports are most of a short job
    from infra.backlot.films import make_film

    work = Path(order["work"])
    try:
        made = make_film(order["job"], Path(order["media"]), work)
    except ShotrunnerError as error:
        sys.stderr.write(str(error))
        return 1
    publish_file(made, Path(order["out"]))
    shutil.rmtree(work, ignore_errors=True)
    return 0


def publish_file(made: Path, out: Path) -> None:
    """The whole file appears at once, also when the films lie on another disk."""
    try:
        made.replace(out)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        unfinished = out.with_name(f"{out.name}.{os.getpid()}.part")
        shutil.copyfile(made, unfinished)
        unfinished.replace(out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
