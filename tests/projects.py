"""A project on disk for whole runs: the command in a child process, the backlot behind it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from infra.backlot.request_log import RequestLog
from infra.ledger import read_entries, spent_and_reserved
from infra.records import read_record
from infra.runs import last_run
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.journal import BudgetHead, RunRecord
from manifests.naming import budget_key

REPO = Path(__file__).parents[1]
KEY = "key_" + "7f" * 64
PATIENCE = 400.0  # seconds: a run takes twenty, on a busy machine many times that
EXAMPLE = REPO / "manifests" / "examples" / "brand"

BRAND = """\
manifest: 1
kind: brand
name: alder
display_name: Alder
logo: {light: logo-light.png, dark: logo-dark.png}
colours: {ink: "#16221C", paper: "#F4EFE6", accent: "#2E6B4F"}
voices:
  warm: {provider: elevenlabs, voice_id: EXAMPLE, rights: {basis: synthetic}}
look: muted cool palette, 35mm film grain
end_cards:
  plain: {template: plain.svg, fields: [headline, legal]}
"""

# One second of one shot from text alone, one take, no sound: the cheapest film there is. Two seconds are bought.
SHORT = """\
manifest: 1
kind: spot
name: short
brand: brand.yaml
generate: {model: gen4.5, takes: 1, ratio: "16:9"}
shots:
  - id: pour
    duration: 1
    prompt:
      subject: A matte green kettle
      action: hot water pours in one steady stream into a cup
      environment: on the worktop of a kitchen
      camera: slow push in at cup height
      mood: warm side light, visible steam
deliver:
  - {profile: youtube-instream, ratio: "16:9"}
budget: {credits: 500}
"""


TWO_TAKES = ("takes: 1", "takes: 2")


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n{self.out}\n{self.err}"


@dataclass
class Project:
    """A folder with its own store, backlot and Prefect home."""

    root: Path
    name: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        return open_store(str(self.root / ".shotrunner" / "store"), self.root)

    @property
    def log(self) -> RequestLog:
        return RequestLog(self.root / ".shotrunner" / "backlot")

    @property
    def record(self) -> RunRecord:
        record = last_run(self.store, self.name)
        assert record is not None, "no run has ended"
        return record

    @property
    def manifest(self) -> Path:
        return self.root / "film.yaml"

    def change(self, *pairs: tuple[str, str], path: str = "film.yaml") -> None:
        text = (self.root / path).read_text()
        for old, new in pairs:
            assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
            text = text.replace(old, new)
        (self.root / path).write_text(text)

    def faults(self, *rules: Mapping[str, Any]) -> dict[str, str]:
        path = self.root / "faults.json"
        path.write_text(json.dumps({"faults": list(rules)}))
        return {"SHOTRUNNER_BACKLOT_FAULTS": str(path)}

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """In a session of its own, as from another terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "flows", *arguments],
            cwd=self.root,
            env={**clean_environment(), **self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def command(self, *arguments: str, env: Mapping[str, str] | None = None, seconds: float = PATIENCE) -> Ended:
        return end(self.start(*arguments, env=env), seconds)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        return self.command("run", "film.yaml", *arguments, env=env)

    def run_events(self, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[Ended, list[dict[str, Any]]]:
        ended = self.run("--json", *arguments, env=env)
        return ended, [json.loads(line) for line in ended.out.splitlines()]

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9, without a word to anybody."""
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def wait_for(self, condition: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
        end_of_patience = time.monotonic() + 60
        while not condition():
            if process.poll() is not None:
                out, err = process.communicate()
                raise AssertionError(f"ended with {process.returncode} before {what}:\n{out}\n{err}")
            assert time.monotonic() < end_of_patience, f"waited a minute for {what}"
            time.sleep(0.02)

    def steps_made(self) -> Counter[str]:
        """Production steps on record, by name."""
        records = (self.root / ".shotrunner" / "store" / "v1" / "steps").glob("*/result.json")
        return Counter(json.loads(path.read_text())["name"] for path in records)

    def creates(self) -> list[str]:
        """Digests of all create bodies that the backlot was ever sent."""
        return [entry["digest"] for entry in self.log.creates()]

    def assert_nothing_twice(self) -> None:
        sent = Counter(self.creates())
        assert not [digest for digest, times in sent.items() if times > 1]
        assert self.log.bought_twice() == {}

    def assert_books_agree(self) -> None:
        """The ledger of the campaign says what the backlot charged: tasks at their cost, sounds at ours."""
        books = self.root / ".shotrunner" / "backlot" / "books.jsonl"
        lines = [json.loads(line) for line in books.read_text().splitlines()]
        ended = {line["id"]: line["cost"] for line in lines if line["event"] == "ended"}
        charged = sum(ended.get(line["id"], line["price"]) for line in lines if line["event"] == "created")
        settled = [e for e in read_entries(self.store, self.name) if e.kind == "settle" and not e.paid]
        pictures = sum(e.credits for e in settled if e.what in ("take", "still"))
        spending = spent_and_reserved(self.store, self.name, paid=False)
        assert pictures == charged, (settled, lines)
        assert len([e for e in settled if e.what in ("speech", "effect")]) == sum(x["event"] == "sound" for x in lines)
        assert spending.spent == sum(e.credits for e in settled)
        assert spending.reserved == {}
        head = read_record(self.store, budget_key(self.name, "play"), BudgetHead)
        assert head is not None
        assert (head.spent, head.reserved) == (spending.spent, {}), "the running total differs from the ledger"

    def balance_spent(self) -> int:
        return spent_and_reserved(self.store, self.name, paid=False).total


def clean_environment() -> dict[str, str]:
    """What this machine has set for itself must not reach the runs."""
    ours = ("RUNWAYML_", "ELEVENLABS_", "PREFECT_", "SHOTRUNNER_", "AWS_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "SHOTRUNNER_BACKLOT_LATENCY": "0", "SHOTRUNNER_MEDIA_JOBS": "2"}


def end(process: subprocess.Popen[str], seconds: float = PATIENCE) -> Ended:
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"still running after {seconds:.0f} s:\n{out}\n{err}") from None
    ended = Ended(process.returncode, out, err, time.monotonic() - began)
    assert "Traceback" not in ended.err, ended.text
    assert "never retrieved" not in ended.err, ended.text
    return ended


def write_project(root: Path, manifest: str, name: str, environment: Mapping[str, str]) -> Project:
    root.mkdir(parents=True)
    (root / "shotrunner.toml").write_text("")
    (root / "film.yaml").write_text(manifest)
    (root / "brand.yaml").write_text(BRAND)
    for file in ("cards/plain.svg", "logo-light.png", "logo-dark.png"):
        shutil.copy(EXAMPLE / file, root)
    paint_reference(root / "cup.png")
    return Project(root, name, dict(environment))


def paint_reference(path: Path) -> None:
    """A cup of a kind: shapes with edges, and grain, so that it is neither flat nor noise."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:720, 0:1280]
    picture = np.stack([90 + x / 16, 120 + y / 12, 150 - x / 20 + y / 30], axis=2)
    picture[(x - 640) ** 2 + (y - 360) ** 2 < 180**2] = (46, 107, 79)
    picture += rng.normal(0, 6, (720, 1280, 1))
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path)


def lines_with(text: str, words: Sequence[str]) -> list[str]:
    return [line for line in text.splitlines() if all(word in line for word in words)]
