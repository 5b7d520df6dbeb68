"""CPU seconds and memory of our finishing against one hand-written ffmpeg pass for every file.

`python benchmarks/finishing.py [MANIFEST]` for one film, `--matrix` for 16 films that share shots. The takes are bought
on the backlot first, which is not counted. Both sides then run here and now, from the same takes; every frame of every
two films is compared. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory import Watch, peak_lines
from one_pass import one_pass

from infra.media.ffmpeg import find_ffmpeg, run_ffmpeg_for_output

if TYPE_CHECKING:
    from films import Seen, Set

LEAST_PSNR = 35.0  # dB of the luma of any frame; the neighbour of a frame at a cut has less than 20
SHARED = ("graphics", "mix")  # made by us for both sides
BESIDE = ("verify", "contrast", "captions")  # measured and written by us; one pass has nothing of the kind
MATRIX_RATIO = 1.0  # ours has to stay below it where films share shots


@dataclass
class Cost:
    """What one side took. `cpu_seconds`: all its processes, and what this process did for it."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def worst(self) -> int:
        return max(self.peaks.values())


@contextmanager
def measured() -> Iterator[Cost]:
    """User and system time of this process and of every child that ended meanwhile, and the most memory of a child."""
    cost = Cost()
    before, began = _cpu(), time.monotonic()
    with Watch(os.getpid(), with_root=False) as watch:
        yield cost
    cost.cpu_seconds = _cpu() - before - watch.cpu_seconds
    cost.wall_seconds = time.monotonic() - began
    own = f"python {Path(__file__).name}"  # a child that has not become another program yet
    cost.peaks = {label: peak.bytes for label, peak in watch.peaks.items() if label != own}
    cost.lines = [line for line in peak_lines(watch) if own not in line]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


@dataclass(frozen=True)
class Compared:
    """Two files of one film. `frames`: wanted, ours, theirs."""

    name: str
    frames: tuple[int, int, int]
    mean: float
    least: float
    at: int

    @property
    def same(self) -> bool:
        return len(set(self.frames)) == 1 and self.least > LEAST_PSNR


def compare_films(seen: Seen, ours: Path, theirs: Path) -> Compared:
    """Frames of both, then PSNR of luma over all frames."""
    from infra.media.probe import probe_video

    counts = [probe_video(path).frames for path in (ours, theirs)]
    graph = "[0:v]settb=1/24,setpts=N[a];[1:v]settb=1/24,setpts=N[b];[a][b]psnr=stats_file=-"
    out, _ = run_ffmpeg_for_output(["-i", str(ours), "-i", str(theirs), "-lavfi", graph, "-f", "null", "-"])
    luma = [
        float(dict(word.split(":", 1) for word in line.split())["psnr_y"])
        for line in out.splitlines()
        if "psnr_y:" in line
    ]
    if len(luma) != max(counts):
        sys.exit(f"{len(luma)} frames were compared, the films have {counts}")
    finite = [min(value, 100.0) for value in luma]  # equal frames have no limit
    name, frames = f"{seen.production.variant.name} {seen.profile.name}".strip(), seen.production.cut.frames
    mean, least = sum(finite) / len(finite), min(finite)
    return Compared(name, (frames, counts[0], counts[1]), round(mean, 2), round(least, 2), finite.index(least))


def pass_all(made: Set, folder: Path, jobs: int) -> list[Path]:
    """One pass for each film, as many at once as our side has steps."""
    from films import parts_of

    paths = [folder / f"one-pass-{number}.mp4" for number in range(len(made.films))]
    commands = [
        [find_ffmpeg(), *one_pass(parts_of(seen, made.conformed)), str(path)]
        for seen, path in zip(made.films, paths, strict=True)
    ]

    def carry_out(command: Sequence[str]) -> None:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(carry_out, commands))
    return paths


def run(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    from films import buy_takes, copy_examples, file_of, finish_films, write_matrix

    root = work / "project"
    copy_examples(root)
    manifest = write_matrix(root) if given.matrix else root / given.manifest.name
    jobs = len(os.sched_getaffinity(0)) if given.matrix else 1
    made = buy_takes(manifest, given.set, jobs)
    print("the takes are there", flush=True)
    with measured() as our_cost:
        finish_films(made)
    ours = [file_of(seen.production, seen.film) for seen in made.films]
    with measured() as their_cost:
        theirs = pass_all(made, work, jobs)
    films = [compare_films(*three) for three in zip(made.films, ours, theirs, strict=True)]
    figures = tell(made, our_cost, their_cost, films)
    figures["film_bytes"] = {
        "ours": sum(path.stat().st_size for path in ours), "one_pass": sum(path.stat().st_size for path in theirs),
    }  # fmt: skip
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            (given.keep / f"{number}-ours.mp4").write_bytes(one.read_bytes())
            (given.keep / f"{number}-one-pass.mp4").write_bytes(other.read_bytes())
    return {"campaign": manifest.stem, "jobs_at_once": jobs, **figures}


def tell(made: Set, ours: Cost, theirs: Cost, films: Sequence[Compared]) -> dict[str, Any]:
    """Prints everything, and returns it as one mapping."""
    steps, minutes = made.steps, made.minutes
    shared, beside = _sum(steps, SHARED), _sum(steps, BESIDE)
    rows = {
        "everything": (ours.cpu_seconds, theirs.cpu_seconds + shared),
        "without measuring": (ours.cpu_seconds - beside, theirs.cpu_seconds + shared),
        "without words and mix": (ours.cpu_seconds - beside - shared, theirs.cpu_seconds),
    }
    print(f"{len(made.films)} films, {minutes:.2f} minutes; our finishing, CPU seconds by step:")
    for name, seconds in sorted(steps.items(), key=lambda row: -row[1]):
        note = " (for both sides)" if name in SHARED else " (nothing like it in one pass)" if name in BESIDE else ""
        print(f"{seconds:10.1f}  {name}{note}")
    print(f"{ours.cpu_seconds - sum(steps.values()):10.1f}  everything around them: processes, records, bytes")
    print(f"{'CPU seconds a delivered minute':32}{'ours':>10}{'one pass':>10}{'ratio':>8}")
    for name, (mine, other) in rows.items():
        print(f"  {name:30}{mine / minutes:10.1f}{other / minutes:10.1f}{mine / other:8.2f}")
    print(f"{'most memory of a process, MB':32}{ours.worst / 1e6:10.0f}{theirs.worst / 1e6:10.0f}")
    print(f"{'wall seconds':32}{ours.wall_seconds:10.1f}{theirs.wall_seconds:10.1f}")
    print("most memory of our processes, by step (number of processes):", *ours.lines, sep="\n")
    for film in films:
        wanted, mine, other = film.frames
        luma = f"luma {film.mean} dB, least {film.least} (frame {film.at})"
        print(f"{film.name}: frames {mine} and {other} of {wanted}, {luma}")
    return {
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
        "films": len(made.films),
        "minutes": round(minutes, 3),
        "steps_cpu_seconds": {name: round(seconds, 2) for name, seconds in steps.items()},
        "ours": _figures(ours),
        "one_pass": _figures(theirs) | {"shared_cpu_seconds": round(shared, 2)},
        "cpu_seconds_a_minute": {
            name: {"ours": round(mine / minutes, 1), "one_pass": round(other / minutes, 1),
                   "ratio": round(mine / other, 3)}
            for name, (mine, other) in rows.items()
        },
        "compared": [vars(film) for film in films],
        "all_the_same": all(film.same for film in films),
    }  # fmt: skip


def _sum(steps: Mapping[str, float], names: Sequence[str]) -> float:
    return sum(steps.get(name, 0.0) for name in names)


def _figures(cost: Cost) -> dict[str, Any]:
    return {
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "wall_seconds": round(cost.wall_seconds, 1),
        "peak_megabytes": {label: round(size / 1e6) for label, size in sorted(cost.peaks.items())},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, nargs="?", default=Path("morning-30s.yaml"), help="of the examples")
    parser.add_argument("--matrix", action="store_true", help="16 films that share shots, instead of one manifest")
    parser.add_argument("--set", action="append", default=[], help="override a value of the manifest")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--keep", type=Path, help="put all films into this folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shotrunner-finishing-") as folder:
        os.environ["PREFECT_HOME"] = str(Path(folder) / "prefect")
        from flows.rehearse import own_environment

        with own_environment():
            figures = run(given, Path(folder))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    if not figures["all_the_same"]:
        print("NOT THE SAME WORK: the figures say nothing")
        return 1
    dearer = given.matrix and figures["cpu_seconds_a_minute"]["everything"]["ratio"] >= MATRIX_RATIO
    print("dearer than one pass for every file" if dearer else "as it should be")
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main())
