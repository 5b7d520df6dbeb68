"""What a run of 2,000 takes holds in memory: `python benchmarks/many_takes.py [--takes N] [--json FILE]`.

A film of a hundred shots, twenty takes of each, through the real flow: Prefect's server, the backlot over HTTP in a
process of its own, a store in a folder. Only pictures and their screening come from a shelf, where one tiny take lies
under 2,000 names and digests. Ends with 1 when the run or the backlot holds over 500 MB or goes on growing.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from flows.apply import prefect_environment
from flows.prepare import Prepared, make_plan
from flows.refusals import refuse_over_budget
from flows.rehearse import PICTURE_SCALE, own_environment
from flows.stored_plan import store_inputs
from infra.backlot.films import make_film
from infra.backlot.jobs import film_name, shrink_job, take_job
from infra.backlot.serve import Backlot
from infra.clock import FastClock
from infra.console import CONSOLE, RunConsole
from infra.ledger import spent_and_reserved
from infra.media.steps import STEPS, run_step_process
from infra.settings import Settings
from infra.state import screen_params
from manifests.catalogue import ModelCard
from manifests.digest import digest_bytes, step_key
from manifests.expand import Want
from manifests.plan import Options
from manifests.ratecard import load_models
from manifests.walk import request_of

REPO = Path(__file__).parents[1]
TAKES_PER_SHOT = 20  # as many as a manifest may ask for
CONCURRENCY = 20
LATENCY_SECONDS = 6.0
SPEED = 4.0  # the lease of 60 s then lasts 15 s, which also a busy machine renews in time
PATIENCE_SECONDS = 20_000.0
ALLOWED_MB = 500
ALLOWED_GROWTH = 0.1  # of the second half of the takes over the first; what is written once per take is kilobytes
LOOKS = 20
CREDITS = 24  # of a take: two seconds
SHOT = """\
  - id: shot{number}
    duration: 1
    prompt:
      subject: A matte green kettle, number {number}
      action: hot water pours in one steady stream into a cup
      environment: on the worktop of a kitchen
      camera: slow push in at cup height
      mood: warm side light, visible steam
"""
MANIFEST = """\
manifest: 1
kind: spot
name: many
brand: brand/alder.yaml
generate: {{model: gen4.5, takes: {takes}, ratio: "16:9", seed: 7}}
shots:
{shots}deliver:
  - {{profile: youtube-instream, ratio: "16:9"}}
budget: {{credits: {credits}}}
"""


@dataclass(frozen=True)
class Order:
    """What the process of the run has to know."""

    manifest: Path
    url: str
    shelf: Path
    watched: Mapping[str, int]  # processes, by name
    every: int  # takes between two looks
    began: dt.datetime
    since: float


def write_project(root: Path, takes: int) -> Path:
    shots = "".join(SHOT.format(number=number) for number in range(1, takes // TAKES_PER_SHOT + 1))
    shutil.copytree(REPO / "manifests" / "examples", root, dirs_exist_ok=True)  # for its brand and the rights
    (root / "shotrunner.toml").write_text("")
    manifest = root / "many.yaml"
    manifest.write_text(MANIFEST.format(takes=TAKES_PER_SHOT, shots=shots, credits=takes * CREDITS))
    return manifest


def settings_of(manifest: Path, url: str) -> dict[str, str]:
    return {"SHOTRUNNER_STORE": str(manifest.parent / "store"), "RUNWAYML_BASE_URL": url, "ELEVENLABS_BASE_URL": url}


def prepare(manifest: Path, url: str) -> Prepared:
    options = Options(approve="auto", picture_scale=PICTURE_SCALE)
    prepared = make_plan(manifest, options=options, settings=Settings.model_validate(settings_of(manifest, url)))
    refuse_over_budget(prepared.plan)
    return prepared


def fill_shelves(wants: Sequence[Want], films: Path, shelf: Path, work: Path) -> None:
    """One take is filmed and screened; the others are its bytes with a number after them, so that each has a digest,
    an object and a record of its own."""
    cards = load_models()
    jobs = [job_of(cards[want.model], want, number) for want in wants for number in range(1, want.count + 1)]
    work.mkdir()
    film = make_film(jobs[0], work, work).read_bytes()
    want, screened = wants[0], work / "screened"
    screened.mkdir()
    (work / "take.mp4").write_bytes(film)
    asyncio.run(run_step_process("screen", screen_params(want), {"take": work / "take.mp4"}, screened))
    for number, job in enumerate(jobs):
        data = film + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big")  # a box that players skip
        (films / film_name(job)).write_bytes(data)
        sha256 = digest_bytes(data)
        key = step_key("screen", STEPS["screen"], screen_params(want), {"take": sha256})
        shutil.copytree(screened, shelf / key)


def job_of(card: ModelCard, want: Want, number: int) -> dict[str, Any]:
    """As the backlot makes it of the create."""
    body = request_of(want, want.body, number)["body"]
    return shrink_job(take_job(card, body, {}, digest="0", faults=()), PICTURE_SCALE)


# --- processes ---


def serve(folder: Path, films: Path, told: Connection) -> None:
    """The backlot, until somebody speaks."""
    with Backlot(
        folder, films=films, latency=LATENCY_SECONDS, concurrency=CONCURRENCY, picture_scale=PICTURE_SCALE
    ) as backlot:
        backlot.turn(clock_scale=SPEED)
        told.send(str(backlot.url))
        told.recv()


def run(order: Order, told: Connection) -> None:
    """What `shotrunner run` does, on a faster clock."""
    from flows.campaign import produce

    os.environ.update(settings_of(order.manifest, order.url))
    looks: list[dict[str, float]] = []
    console = RunConsole(
        home=order.manifest.parent, clock=FastClock(SPEED, order.began, order.since), shelf=order.shelf,
        patience_seconds=PATIENCE_SECONDS,
    )  # fmt: skip
    collected = 0

    def look(event: Mapping[str, Any]) -> None:
        nonlocal collected
        collected += event["message_type"] == "collected"
        first = event["message_type"] == "create" and not looks
        if first or (event["message_type"] == "collected" and collected % order.every == 0):
            looks.append({"takes": collected, **{name: resident_mb(pid) for name, pid in order.watched.items()}})
            looks[-1]["run"] = resident_mb(os.getpid())
            print("  ".join(f"{name} {held:6.0f}" for name, held in looks[-1].items()), flush=True)

    console.events.listen(look)
    CONSOLE.set(console)
    prepared = prepare(order.manifest, order.url)
    record = asyncio.run(produce(plan=store_inputs(prepared), store=prepared.store_url))
    paid = spent_and_reserved(prepared.store, "many", paid=False)
    most = {name: most_mb(pid) for name, pid in {**order.watched, "run": os.getpid()}.items()}
    told.send(
        {"collected": collected, "exit_code": record["exit_code"], "credits": paid.total, "looks": looks, "most": most}
    )


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def most_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)


def measure(root: Path, takes: int) -> dict[str, Any]:
    manifest = write_project(root, takes)
    films, shelf = root / "films", root / "steps"
    began, since = dt.datetime.now(dt.UTC), time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    server = prefect_environment(root)
    if server is None:
        raise RuntimeError("a server of its own is wanted")
    try:
        ours, theirs = spawn.Pipe()
        backlot = spawn.Process(target=serve, args=(root / "backlot", films, theirs), daemon=True)
        backlot.start()
        url = ours.recv()
        fill_shelves(prepare(manifest, url).plan.wants, films, shelf, root / "filming")
        server.wait()
        watched = {"backlot": backlot.pid, "server": server._process.pid}
        heard, speaks = spawn.Pipe()
        order = Order(manifest, url, shelf, watched, max(1, takes // LOOKS), began, since)
        runner = spawn.Process(target=run, args=(order, speaks), daemon=True)
        runner.start()
        speaks.close()  # so that its end is heard when it dies
        try:
            figures: dict[str, Any] = heard.recv()
        finally:
            runner.join()
            ours.send("end")
            backlot.join()
    finally:
        server.stop()
    return {"takes": takes, "shots": takes // TAKES_PER_SHOT, "seconds": round(time.monotonic() - since), **figures}


def judge(told: Mapping[str, Any]) -> list[str]:
    """What is wrong."""
    wrong = []
    if (told["collected"], told["credits"], told["exit_code"]) != (told["takes"], told["takes"] * CREDITS, 0):
        wrong.append(f"{told['collected']} takes for {told['credits']} credits, exit {told['exit_code']}")
    for name in ("run", "backlot"):
        half = [look[name] for look in told["looks"] if look["takes"] >= told["takes"] / 2]
        if told["most"][name] > ALLOWED_MB:
            wrong.append(f"the {name} held {told['most'][name]:.0f} MB")
        if half[-1] > half[0] * (1 + ALLOWED_GROWTH):
            wrong.append(f"the {name} grew from {half[0]:.0f} to {half[-1]:.0f} MB over the second half")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--takes", type=int, default=2000, help=f"in shots of {TAKES_PER_SHOT}")
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shotrunner-many-") as folder, own_environment():
        told = measure(Path(folder), said.takes)
    print("most: " + ", ".join(f"{name} {held:.0f} MB" for name, held in told["most"].items()))
    wrong = judge(told)
    print("\n".join(wrong) or f"{told['collected']} takes, {told['credits']} credits, {told['seconds']} s: flat")
    if said.json:
        said.json.write_text(json.dumps(told, indent=1) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
