"""The child process of one job: `python -m infra.backlot.render JOB`. Lowest priority, and it dies with its parent."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from infra.errors import ShotrunnerError


def _follow_parent(parent: int) -> None:
    """A child would survive `kill -9` of its parent and go on using the machine (prefect sheet §4)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 = PR_SET_PDEATHSIG
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
    made.replace(order["out"])
    shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
