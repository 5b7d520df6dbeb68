"""A process killed at every point between two operations of one purchase, and what the next one makes of what it left:
`python benchmarks/kill_points.py [--into FILE]`. Prints a table in Markdown.

The points, the killing (SIGKILL, a store in a folder, a vendor over HTTP) and what counts as a breach are those of
`tests/kill_points.py`, which the suite walks through as well. Ends with 1 on any breach.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[1] / "tests"))

from clocks import TestClock
from kill_points import SCENES, RealDeath, Row, every_gap, kill_and_resume, operations_of, serve
from scripted_vendor import Set

from infra.storage.folder import FolderStore

HEAD = "| killed between | found | calls of the resume | charged | result |\n|---|---|---|---|---|"
WHAT = {"create": "create", "sound": "create", "poll": "poll", "output": "fetch"}


async def walk(folder: Path) -> list[Row]:
    """Every point of every scene, each with a store and a vendor of its own."""
    rows: list[Row] = []
    stage = Set(TestClock())
    with serve(lambda: stage.vendor) as url, RealDeath(url) as death:
        for scene in SCENES:
            for point in every_gap(await operations_of(TestClock(), scene)):
                stage = Set(TestClock(), FolderStore(folder / str(len(rows))))
                rows.append(await kill_and_resume(stage, scene, point, death))
    return rows


def line_of(row: Row) -> str:
    calls = ", ".join(f"{count} {WHAT[door]}" for door, count in row.calls.items()) or "none"
    result = f"**{'; '.join(row.breaches)}**" if row.breaches else row.outcome
    return f"| {row.point} | {row.left} | {calls} | {row.charged} | {result} |"


def table_of(rows: list[Row]) -> str:
    parts = []
    for scene in SCENES:
        lines = [line_of(row) for row in rows if row.scene == scene]
        parts.append("\n".join([f"## {scene}, {len(lines)} points\n", HEAD, *lines]))
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, help="also write the table to this file")
    said = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(walk(Path(folder)))
    table = table_of(rows)
    wrong = sum(bool(row.breaches) for row in rows)
    told = f"{len(rows)} points, {len(rows)} kills, {wrong} breaches, {time.perf_counter() - began:.0f} s"
    print(f"{table}\n{told}")
    if said.into:
        said.into.write_text(f"# Kill points\n\nMade by `benchmarks/kill_points.py`: {told}.\n\n{table}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
