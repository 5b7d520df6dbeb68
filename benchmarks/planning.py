"""How long it takes to know what there is to do: `python benchmarks/planning.py [--takes N] [--json FILE]`.

Ten thousand variants of a thousand distinct shots are validated and planned; a finished campaign of a thousand takes is
run again, beside `ninja` and `doit` with a thousand finished targets where they are installed. Every command is a new
process. Ends with 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from many_takes import PICTURE_SCALE, measure

from flows.prepare import make_plan
from flows.rehearse import own_environment
from infra.ahead import add_all
from infra.clock import SystemClock
from infra.state import StoreState
from infra.storage.base import ObjectStore
from manifests.planner import Planner

REPO = Path(__file__).parents[1]
PRODUCTS, HOOKS, LOCALES, SHOTS = 250, 10, ("en-GB", "de-DE", "fr-FR", "it-IT"), 4
PLAN_SECONDS, PLAN_MB, NOTHING_SECONDS = 2.0, 300, 1.0
AWAY_SECONDS = 0.02  # of a bucket in the same region, more or less
ROUNDS = 5

SHOT = """\
  - id: shot{number}
    varies_by: [product]
    duration: 4
    prompt:
      subject: A ${{product.name}}
      action: steam rises slowly and drifts to the right, view {number}
      environment: on a dark wooden table, plain wall
      camera: slow dolly in, product stays centred
      mood: single warm side light, deep soft shadows
"""
MANIFEST = """\
manifest: 1
kind: spot
name: big
brand: brand/alder.yaml
copy: copy.yaml
variants:
  axes:
    product: [{products}]
    hook: [{hooks}]
    locale: [{locales}]
  limit: 10000
generate: {{model: gen4.5, takes: 1}}
shots:
{shots}graphics:
  supers: [{{at: shot0, offset: 0.5, duration: 2, text: "${{copy.price}} ${{hook.line}}"}}]
deliver: [{{profile: youtube-instream, ratio: "16:9"}}]
budget: {{credits: 100000}}
"""
# `shotrunner run` of what is finished already. Its pictures are tiny, which the command line cannot ask for.
AGAIN = """\
import gc
gc.disable()
import functools
import sys

from flows import __main__, cli
cli._options = functools.partial(cli._options, picture_scale=int(sys.argv.pop()))
__main__.main()
"""


def write_matrix(root: Path) -> Path:
    shutil.copytree(REPO / "manifests" / "examples", root)
    (root / "shotrunner.toml").write_text("")
    (root / "copy.yaml").write_text("".join(f"{locale}: {{price: now}}\n" for locale in LOCALES))
    manifest = root / "big.yaml"
    manifest.write_text(
        MANIFEST.format(
            products=", ".join(f"{{id: p{n}, name: kettle number {n}}}" for n in range(PRODUCTS)),
            hooks=", ".join(f"{{id: h{n}, line: line {n}}}" for n in range(HOOKS)),
            locales=", ".join(LOCALES),
            shots="".join(SHOT.format(number=n) for n in range(SHOTS)),
        )
    )
    return manifest


def timed(command: Sequence[str], cwd: Path, says: str = "") -> dict[str, float]:
    """The quickest of several rounds: wall seconds, with CPU seconds and the most memory of that round. Each has to
    have said what it says when all is well."""
    rounds = [_once(command, cwd, says) for _ in range(ROUNDS)]
    return min(rounds, key=lambda figures: figures["seconds"])


def _once(command: Sequence[str], cwd: Path, says: str) -> dict[str, float]:
    environment = os.environ | {"SHOTRUNNER_STORE": str(cwd / "store")}
    started = time.perf_counter()
    child = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = (child.stdout.read() if child.stdout else b"").decode()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0 or says not in said:
        raise RuntimeError(f"{command[:4]}: {said[-800:]}")
    cpu = used.ru_utime + used.ru_stime
    return {"seconds": round(seconds, 2), "cpu": round(cpu, 2), "mb": round(used.ru_maxrss / 1024)}


def plan_matrix(root: Path) -> dict[str, Any]:
    manifest = write_matrix(root)
    command = str(Path(sys.executable).parent / "shotrunner")
    says = {"validate": "ok", "plan": "10,000 variants"}
    found = {name: timed([command, name, str(manifest)], root, word) for name, word in says.items()}
    imports = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows", "plan", str(manifest)],
        cwd=root, capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    prefect = sum(line.split("|")[-1].strip().split(".")[0] == "prefect" for line in imports.splitlines())
    return {"variants": PRODUCTS * HOOKS * len(LOCALES), "shots": PRODUCTS * SHOTS, **found, "prefect": prefect}


class Away:
    """A store, `seconds` away for whatever is asked of it."""

    def __init__(self, inner: ObjectStore, seconds: float) -> None:
        self.url, self._inner, self._seconds = f"away://{inner.url}", inner, seconds

    def __getattr__(self, name: str) -> Callable[..., Any]:
        ask = getattr(self._inner, name)

        def slowly(*words: Any, **more: Any) -> Any:
            time.sleep(self._seconds)
            return ask(*words, **more)

        return slowly


def plan_away(manifest: Path) -> dict[str, Any]:
    """What the store says of every shot, were it a bucket: asked one after the other, and as `plan` does."""
    prepared = make_plan(manifest)
    store = cast(ObjectStore, Away(prepared.store, AWAY_SECONDS))
    wants = prepared.plan.wants
    told: dict[str, Any] = {"round_trip": AWAY_SECONDS}
    for name, near in (("one_by_one", prepared.store), ("at_once", store)):
        began = time.monotonic()
        planner = add_all(wants, partial(Planner, StoreState(store, SystemClock())), near)
        told[name] = round(time.monotonic() - began, 2)
        if tuple(planner.actions) != prepared.plan.actions:
            raise SystemExit("the plans differ")
    return told


def run_again(root: Path, takes: int) -> dict[str, Any]:
    """The backlot is gone by now: nothing is asked of it when there is nothing to do."""
    run = measure(root, takes)
    words = ["run", str(root / "many.yaml"), "--approve", "auto", "--yes", str(PICTURE_SCALE)]
    figures = timed([sys.executable, "-c", AGAIN, *words], root, "nothing to do; 0 vendor calls")
    return {"takes": takes, "made_in": run["seconds"], **figures}


def run_peers(root: Path, targets: int) -> dict[str, Mapping[str, float]]:
    """A thousand finished targets each; left out where the program is not installed (`pip install ninja doit`)."""
    root.mkdir()
    for number in range(targets):
        (root / f"in{number}").write_text("x")
    lines = [f"build out{n}: copy in{n}" for n in range(targets)]
    (root / "build.ninja").write_text("rule copy\n  command = cp $in $out\n" + "\n".join(lines) + "\n")
    (root / "dodo.py").write_text(
        "def task_copy():\n"
        f"    for n in range({targets}):\n"
        "        yield {'name': str(n), 'file_dep': [f'in{n}'], 'targets': [f'done{n}'],"
        " 'actions': [f'cp in{n} done{n}']}\n"
    )
    found = {}
    for name, says in (("ninja", "no work to do"), ("doit", "-- copy")):
        program = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        if program is not None:
            subprocess.run([program], cwd=root, capture_output=True, check=True)
            figures = timed([program], root, says)
            found[name] = {what: figures[what] for what in ("seconds", "cpu")}  # so small that ours would be told
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takes", type=int, default=1000, help="of the finished campaign; 0 leaves it out")
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    told: dict[str, Any] = {"machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}}
    with tempfile.TemporaryDirectory(prefix="shotrunner-planning-") as folder, own_environment():
        told["matrix"] = plan_matrix(Path(folder) / "matrix")
        told["away"] = plan_away(Path(folder) / "matrix" / "big.yaml")
        if said.takes:
            told["finished"] = run_again(Path(folder) / "finished", said.takes)
            told["peers"] = run_peers(Path(folder) / "peers", said.takes)
    print(json.dumps(told, indent=1))
    if said.json:
        said.json.write_text(json.dumps(told, indent=1) + "\n")
    planned, again = told["matrix"], told.get("finished", {"seconds": 0})
    wrong = [name for name in ("validate", "plan") if planned[name]["mb"] > PLAN_MB]
    wrong += ["plan"] if planned["validate"]["seconds"] + planned["plan"]["seconds"] > PLAN_SECONDS else []
    wrong += ["prefect is imported"] if planned["prefect"] else []
    wrong += ["nothing to do"] if again["seconds"] > NOTHING_SECONDS else []
    print("; ".join(wrong) or "within every limit")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
