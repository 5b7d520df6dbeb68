"""The child process of one media step: `python -m infra.media JOB`. Writes `_facts.json`, or `_error.json`."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path

from infra.errors import ShotrunnerError
from infra.media.steps import STEPS


def main(job_path: str) -> int:
    job = json.loads(Path(job_path).read_text())
    if job["step"] not in STEPS:
        raise KeyError(job["step"])
    out = Path(job["out"])
    module = importlib.import_module(f"infra.media.{job['step']}")
    try:
        params = module.Params.model_validate(job["params"])
        facts = module.run(params, {k: Path(v) for k, v in job["inputs"].items()}, out)
    except ShotrunnerError as error:
        told = {"error": type(error).__name__, "detail": error.detail, "remedy": error.remedy}
        (out / "_error.json").write_text(json.dumps(told))
        return 1
    used = sum(
        u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    (out / "_facts.json").write_text(json.dumps({"facts": facts, "cpu_seconds": round(used, 3)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
