"""A step's own process, `python -m infra.media JOB`, and the one from which others are forked, `… --serve FD`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from infra.media.job import POLITENESS, die_with, perform_job


def main(words: list[str]) -> int:
    if words[0] == "--serve":
        from infra.media.fork_server import serve

        return serve(int(words[1]))
    path = Path(words[0])
    told = json.loads(path.read_text())
    if "parent" in told:  # else it was started by hand
        die_with(told["parent"])
        os.nice(POLITENESS)
    return perform_job(path)


if __name__ == "__main__":
    # everything is written by now, and taking the interpreter apart costs a tenth of a small step
    os._exit(main(sys.argv[1:]))
