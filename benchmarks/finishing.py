"""CPU seconds and memory of our finishing against one hand-written ffmpeg pass that makes the same film.

`python benchmarks/finishing.py [PROJECT]`: a project whose store holds a finished film (`make demo`). Both sides run
here and now, from the same takes; then every frame of the two films is compared. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from memory import Watch, peak_lines
from one_pass import Card, FilmParts, Shot, Words, one_pass

from infra.media.ffmpeg import find_ffmpeg, run_ffmpeg_for_output

if TYPE_CHECKING:
    from infra.production import Production, SpokenTake
    from infra.storage.base import ObjectStore
    from manifests.catalogue import Profile
    from manifests.finish import DeliverableIndex
    from manifests.journal import BlobRef, StepResult

LEAST_PSNR = 35.0  # dB of the luma of any frame; the neighbour of a frame at a cut has less than 20
SHARED = ("graphics", "mix")  # made by us for both sides


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
    own = name_self()
    cost.peaks = {label: peak.bytes for label, peak in watch.peaks.items() if label != own}
    cost.lines = [line for line in peak_lines(watch) if own not in line]


def name_self() -> str:
    return f"python {Path(__file__).name}"  # a child that has not become another program yet


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


@dataclass
class Film:
    """Our side: a finished film of the project, to be made once more in an empty store."""

    production: Production
    profile: Profile
    ratio: str
    takes: Mapping[str, BlobRef]
    lines: list[SpokenTake]
    effects: Mapping[int, BlobRef]


def open_film(project: Path, campaign: str | None, work: Path, steps: Counter[str]) -> Film:
    """The newest deliverable of the project's store, or of one campaign in it; what it was made of is copied into an
    empty store."""
    from infra.clock import SystemClock
    from infra.events import Events
    from infra.production import Production, media_jobs, read_plan
    from infra.records import read_record
    from infra.runners.local import LocalRunner
    from infra.runs import list_runs
    from infra.settings import read_settings
    from infra.steps import StepRunner
    from infra.storage import open_store
    from manifests.finish import DeliverableIndex
    from manifests.ratecard import load_models, load_profiles
    from manifests.timing import cut_of

    settings = read_settings(project)
    there, here = open_store(settings.store, project), open_store("store", work)
    run = next((r for r in reversed(list_runs(there, campaign)) if r.deliverables), None)
    if run is None:
        sys.exit(f"{project} has no finished film: make one first (make demo)")
    plan = read_plan(there, run.plan)
    index = cast(DeliverableIndex, read_record(there, run.deliverables[0], DeliverableIndex))
    spot = plan.read_spot()

    def count(event: Mapping[str, Any]) -> None:
        steps[event["step"]] += event["seconds"]

    events, clock = Events(count), SystemClock()
    runner = LocalRunner(here, work / "steps", media_jobs(settings))
    production = Production(
        plan=plan, run_id="", spot=spot, brand=plan.read_brand(), cut=cut_of(spot, load_models()),
        models=load_models(), profiles=load_profiles(), store=here, clock=clock, settings=settings, events=events,
        buyer=cast(Any, None), steps=StepRunner(here, clock, events, runner),
        work=work / "steps", lease=cast(Any, None), started=clock.now(), console=cast(Any, None),
    )  # fmt: skip
    copied = _copy_inputs(there, here, index, work)
    for pin in plan.files:
        _copy(there, here, pin.sha256, work)
    effects = {n: c for n, effect in enumerate(spot.sound.effects) if (c := _effect(copied, effect.at, n))}
    takes = {cut.id: copied[f"{cut.id}/take"] for cut in production.cut.shots}
    film = Film(production, production.profiles[index.profile], index.ratio, takes, [], effects)
    film.lines.extend(asyncio.run(_fit_lines(film, copied)))
    steps.clear()
    return film


def _effect(copied: Mapping[str, BlobRef], at: str, number: int) -> BlobRef | None:
    return copied.get(f"{at}-{number + 1}/effect") or copied.get(f"sound.effects[{number}].file")


def _copy_inputs(there: ObjectStore, here: ObjectStore, index: DeliverableIndex, work: Path) -> dict[str, BlobRef]:
    return {name: _copy(there, here, sha256, work) for name, sha256 in index.inputs.items()}


def _copy(there: ObjectStore, here: ObjectStore, sha256: str, work: Path) -> BlobRef:
    from infra.blobs import blob_file, find_blob, put_blob

    found = find_blob(there, sha256, ("take", "ref", "audio"))
    if found is None:
        sys.exit(f"the store has lost {sha256[:12]}, which the film was made of")
    return put_blob(here, found.kind, blob_file(there, found, work / "read"), found.content_type)


async def _fit_lines(film: Film, copied: Mapping[str, BlobRef]) -> list[SpokenTake]:
    """The lines as they are mixed. Before the clock starts: a run does it before the first picture is bought."""
    from tasks.voice import fit_line

    voiceover, cut = film.production.spot.sound.voiceover, film.production.cut
    starts = {cue.path: cue.start for cue in cut.cues}
    fitted = []
    for line in voiceover.lines if voiceover else ():
        end = next((s.cue + s.screen for s in cut.shots if s.id == line.at), cut.frames)
        sound = cast(Any, SimpleNamespace(blob=copied[f"{line.id}/line"], facts={}))
        start = starts[f"sound.voiceover.lines.{line.id}"]
        fitted.append(await _plain(fit_line)("", film.production, line, sound, start, end))
    return fitted


def _plain(task: Any) -> Callable[..., Any]:
    """The function under a Prefect task: what the orchestrator costs is not the cost of finishing."""
    return cast(Callable[..., Any], task.fn)


@dataclass
class Made:
    film: StepResult
    mix: StepResult
    card: StepResult | None
    supers: list[StepResult]


async def finish(film: Film) -> Made:
    """The same tasks in the same order as flows.spot, as many at once as there are cores."""
    from manifests.sections import Span, idr_frames
    from tasks.conform import conform
    from tasks.deliver import encode
    from tasks.graphics import draw_card, draw_super
    from tasks.mix import mix
    from tasks.stitch import Clip, Overlay, clip_of, stitch

    production, profile, ratio, cut = film.production, film.profile, film.ratio, film.production.cut
    spot = production.spot
    spans = {cue.path: (cue.start, cue.frames) for cue in cut.cues}
    covered = [spans[f"graphics.supers[{n}]"] for n in range(len(spot.graphics.supers))]

    async def clip(blob: BlobRef, in_frame: int, start: int, frames: int) -> Clip:
        idr = idr_frames(Span(start, frames), cut.joins, [Span(*span) for span in covered])
        made = await _plain(conform)(
            "", production, blob, in_frame=in_frame, frames=frames, profile=profile, ratio=ratio,
            ceiling=spot.generate.upscale.to, idr=idr,
        )  # fmt: skip
        return clip_of(made, start)

    async def card() -> tuple[StepResult, Clip] | None:
        if spot.graphics.end_card is None or cut.card is None:
            return None
        frames = cut.card[1] - cut.card[0]
        drawn = await _plain(draw_card)("", production, spot.graphics.end_card, frames, profile, ratio)
        return drawn, await clip(drawn.files["card.mov"], 0, cut.card[0], frames)

    async def words(number: int) -> tuple[StepResult, Overlay]:
        start, frames = spans[f"graphics.supers[{number}]"]
        wanted = spot.graphics.supers[number]
        drawn = await _plain(draw_super)("", production, wanted, frames, profile, ratio)
        x, y = int(str(drawn.facts["x"])), int(str(drawn.facts["y"]))
        return drawn, Overlay(drawn.files["overlay.mov"], x, y, start, frames)

    ends, supers, shots, mixed = await asyncio.gather(
        card(),
        asyncio.gather(*(words(n) for n in range(len(spot.graphics.supers)))),
        asyncio.gather(*(clip(film.takes[s.id], s.in_frame, s.start, s.shown) for s in cut.shots)),
        _plain(mix)("", production, film.lines, film.effects, profile),
    )
    clips = [*shots, *([ends[1]] if ends else [])]
    picture = await _plain(stitch)(
        "", production, clips=clips, joins=cut.joins, overlays=[o for _, o in supers], frames=cut.frames,
        profile=profile, ratio=ratio,
    )  # fmt: skip
    encoded = await _plain(encode)("", production, picture, mixed, profile, "film")
    return Made(encoded, mixed, ends[0] if ends else None, [drawn for drawn, _ in supers])


def film_parts(film: Film, made: Made) -> FilmParts:
    """What the hand-written pass gets: the takes as they were bought; words, card and mix as we made them."""
    production, cut = film.production, film.production.cut
    width, height = film.profile.sizes[film.ratio]
    spans = {cue.path: (cue.start, cue.frames) for cue in cut.cues}
    files = {id(blob): _file(production, blob) for blob in film.takes.values()}
    supers = [
        Words(_file(production, drawn.files["overlay.mov"]), int(drawn.facts["x"]), int(drawn.facts["y"]),
              spans[f"graphics.supers[{n}]"][0])
        for n, drawn in enumerate(made.supers)
    ]  # fmt: skip
    card = None
    if made.card is not None and cut.card is not None:
        card = Card(_file(production, made.card.files["card.mov"]), cut.card[1] - cut.card[0])
    return FilmParts(
        width=width, height=height, rate=Fraction(film.profile.rate), frames=cut.frames,
        shots=[Shot(files[id(film.takes[s.id])], s.in_frame, s.shown, s.start) for s in cut.shots],
        dissolves={join.at: join.frames for join in cut.joins}, card=card, words=supers,
        mix=_file(production, made.mix.files["mix.wav"]), video=film.profile.video, audio=film.profile.audio,
    )  # fmt: skip


def _file(production: Production, blob: BlobRef) -> Path:
    from infra.blobs import blob_file

    return blob_file(production.store, blob, production.work)


def compare_films(ours: Path, theirs: Path) -> tuple[list[int], float, float, int]:
    """Frames of both, then mean and least PSNR of luma over all frames, and the frame with the least."""
    counts = [_count_frames(path) for path in (ours, theirs)]
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
    return counts, sum(finite) / len(finite), min(finite), finite.index(min(finite))


def _count_frames(path: Path) -> int:
    from infra.media.probe import probe_video

    return probe_video(path).frames


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, nargs="?", default=Path(__file__).resolve().parents[1])
    parser.add_argument("--campaign", help="the film of this campaign, not the newest one")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--keep", type=Path, help="put both films into this folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["PREFECT_HOME"] = str(work / "prefect")
        steps: Counter[str] = Counter()
        film = open_film(given.project.resolve(), given.campaign, work, steps)
        with measured() as our_cost:
            made = asyncio.run(finish(film))
        ours, theirs = _file(film.production, made.film.files["film.mp4"]), work / "one-pass.mp4"
        command = [find_ffmpeg(), *one_pass(film_parts(film, made)), str(theirs)]
        with measured() as their_cost:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        figures = tell(steps, our_cost, their_cost, compare_films(ours, theirs), (ours, theirs))
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            for name, path in (("ours.mp4", ours), ("one-pass.mp4", theirs)):
                (given.keep / name).write_bytes(path.read_bytes())
    figures["campaign"] = film.production.plan.campaign
    figures["frames_wanted"] = film.production.cut.frames
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    same = figures["frames"] == [film.production.cut.frames] * 2 and figures["least_psnr"] > LEAST_PSNR
    if not same:
        print("NOT THE SAME WORK: the figures say nothing")
    return 0 if same else 1


def tell(
    steps: Mapping[str, float],
    ours: Cost,
    theirs: Cost,
    compared: tuple[list[int], float, float, int],
    films: tuple[Path, Path],
) -> dict[str, Any]:
    """Prints everything, and returns it as one mapping."""
    shared = sum(seconds for name, seconds in steps.items() if name in SHARED)
    ratio = ours.cpu_seconds / (theirs.cpu_seconds + shared)
    alone = (ours.cpu_seconds - shared) / theirs.cpu_seconds
    counts, mean, least, where = compared
    print("our finishing, CPU seconds by step:")
    for name, seconds in sorted(steps.items(), key=lambda row: -row[1]):
        print(f"{seconds:10.1f}  {name}{' (for both sides)' if name in SHARED else ''}")
    print(f"{ours.cpu_seconds - sum(steps.values()):10.1f}  starting processes, hashing and storing what they made")
    print(f"{'':26}{'ours':>10}{'one pass':>10}{'ratio':>8}")
    print(f"{'CPU seconds, whole film':26}{ours.cpu_seconds:10.1f}{theirs.cpu_seconds + shared:10.1f}{ratio:8.2f}")
    print(f"{'  without words and mix':26}{ours.cpu_seconds - shared:10.1f}{theirs.cpu_seconds:10.1f}{alone:8.2f}")
    memory = ours.worst / theirs.worst
    print(f"{'peak of a process, MB':26}{ours.worst / 1e6:10.0f}{theirs.worst / 1e6:10.0f}{memory:8.2f}")
    print(f"{'size of the film, MB':26}{films[0].stat().st_size / 1e6:10.1f}{films[1].stat().st_size / 1e6:10.1f}")
    print(f"{'wall seconds (not equal)':26}{ours.wall_seconds:10.1f}{theirs.wall_seconds:10.1f}")
    print("most memory of our processes, by step (number of processes):", *ours.lines, sep="\n")
    print(f"frames {counts[0]} and {counts[1]}; luma PSNR mean {mean:.1f} dB, least {least:.1f} dB (frame {where})")
    return {
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
        "steps_cpu_seconds": {name: round(seconds, 2) for name, seconds in steps.items()},
        "ours": _figures(ours, films[0]),
        "one_pass": _figures(theirs, films[1]) | {"shared_cpu_seconds": round(shared, 2)},
        "cpu_ratio": round(ratio, 3),
        "cpu_ratio_without_shared": round(alone, 3),
        "frames": counts,
        "mean_psnr": round(mean, 2),
        "least_psnr": round(least, 2),
    }


def _figures(cost: Cost, film: Path) -> dict[str, Any]:
    return {
        "cpu_seconds": round(cost.cpu_seconds, 2),
        "wall_seconds": round(cost.wall_seconds, 1),
        "peak_megabytes": {label: round(size / 1e6) for label, size in sorted(cost.peaks.items())},
        "film_bytes": film.stat().st_size,
    }


if __name__ == "__main__":
    sys.exit(main())
