"""The films of a manifest bought on the backlot, then finished by the tasks of a run, without Prefect around them; and
what they were made from, film by film, so that somebody else can make them, too."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import bare_tasks  # noqa: F401
import yaml
from one_pass import Card, FilmParts, Shot, Words

from flows import campaign, graphics, spot
from flows.prepare import make_plan
from flows.refusals import refuse_over_budget
from flows.stored_plan import store_inputs
from infra.blobs import blob_file
from infra.console import RunConsole
from infra.events import Events
from infra.open_production import open_production
from infra.production import Production
from infra.settings import Settings
from manifests.catalogue import Profile
from manifests.finish import Finished
from manifests.journal import BlobRef, StepResult
from manifests.plan import Options

EXAMPLES = Path(__file__).parents[1] / "manifests" / "examples"
RATIOS = {"16:9": "youtube-instream", "9:16": "meta-reels"}


def write_matrix(root: Path) -> Path:
    """The matrix of the examples with two values on each axis: 16 variants, 16 files, 12 clips."""
    matrix = yaml.safe_load((root / "winter-15s.yaml").read_text())
    axes = matrix["variants"]["axes"] | {"ratio": list(RATIOS)}
    # the copy table has words for all of them, so they stay in the axes
    others = [(name, value) for name, values in axes.items() for value in values[2:]]
    excluded = [{name: value["id"] if isinstance(value, dict) else value} for name, value in others]
    matrix["name"] = "finishing-matrix"
    matrix["variants"] = {"axes": axes, "exclude": excluded, "limit": 16}
    matrix["deliver"] = [{"profile": profile, "ratio": ratio} for ratio, profile in RATIOS.items()]
    captions = matrix["graphics"]["captions"]
    captions["burn"] = [name for name in captions["burn"] if name in RATIOS.values()]
    manifest = root / "finishing-matrix.yaml"
    manifest.write_text(yaml.safe_dump(matrix, sort_keys=False, allow_unicode=True))
    return manifest


def copy_examples(root: Path) -> None:
    shutil.copytree(EXAMPLES, root, ignore=shutil.ignore_patterns("*.lock.json"))
    (root / "shotrunner.toml").write_text("")


@dataclass(frozen=True)
class Seen:
    """One film as it was made. `told`: what `stitch` got."""

    production: Production
    profile: Profile
    told: Mapping[str, Any]
    mixed: StepResult
    film: BlobRef


@dataclass
class Set:
    """A manifest whose takes are there. `steps`: CPU seconds of each step that was made since."""

    manifest: Path
    plan: str
    store: str
    settings: Settings
    steps: Counter[str] = field(default_factory=Counter)
    conformed: dict[str, tuple[BlobRef, int]] = field(default_factory=dict)  # take and in frame, by the clip's sha256
    films: list[Seen] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        """Of all films together."""
        return float(sum(one.production.cut.frames / Fraction(one.profile.rate) for one in self.films) / 60)


def buy_takes(manifest: Path, overrides: Sequence[str], jobs: int) -> Set:
    """Everything but the films: takes, stills and speech, screened and circled."""
    store = str(manifest.parent / "store")
    settings = Settings.model_validate({"SHOTRUNNER_STORE": store, "SHOTRUNNER_MEDIA_JOBS": jobs})
    options = Options(approve="auto")
    prepared = make_plan(manifest, overrides=("generate.takes=1", *overrides), options=options, settings=settings)
    refuse_over_budget(prepared.plan)
    bought = Set(manifest, store_inputs(prepared, lock_beside=False), store, settings)
    order: Any = campaign
    finish = order.finish_deliverable

    async def only_wait(film: Any, wanted: Any, shots: Mapping[str, Any], sounds: Any) -> Any:
        await asyncio.gather(*map(asyncio.shield, (*shots.values(), sounds)))

    order.finish_deliverable = only_wait
    try:
        asyncio.run(_apply(bought))
    finally:
        order.finish_deliverable = finish
    bought.steps.clear()
    return bought


def finish_films(bought: Set) -> None:
    """As a run does when the last take is circled."""
    _take_notes(bought)
    finished = asyncio.run(_apply(bought))
    if len(finished) != len(bought.films) or not finished:
        raise RuntimeError(f"{len(finished)} films are finished, {len(bought.films)} were made")


async def _apply(bought: Set) -> list[Finished]:
    events = Events(lambda event: None)

    def count(event: Mapping[str, Any]) -> None:
        if event["message_type"] == "step":
            bought.steps[event["step"]] += event["seconds"]

    events.listen(count)
    console = RunConsole(events, home=bought.manifest.parent / ".shotrunner")
    async with open_production(bought.plan, bought.store, bought.settings, console) as production:
        finished = await campaign.apply_plan(production)
        if production.problems:
            raise RuntimeError("; ".join(str(problem) for problem in production.problems))
        return finished


def _take_notes(bought: Set) -> None:
    """Looks over the shoulder of the tasks."""
    told: dict[tuple[str, str], Mapping[str, Any]] = {}
    films: Any = spot
    words: Any = graphics
    conform, stitch, encode = films.conform, films.stitch, films.delivery.encode

    async def conformed(slate: str, production: Production, picture: BlobRef, **how: Any) -> Any:
        made = await conform(slate, production, picture, **how)
        bought.conformed[made.files["shot.mp4"].sha256] = (picture, how["in_frame"])
        return made

    async def stitched(slate: str, production: Production, **how: Any) -> Any:
        told[production.variant.name, how["profile"].name] = how
        return await stitch(slate, production, **how)

    async def encoded(
        slate: str, production: Production, picture: StepResult, mixed: StepResult, profile: Profile, title: str
    ) -> Any:
        film = await encode(slate, production, picture, mixed, profile, title)
        made = next(blob for name, blob in film.files.items() if name.startswith("film."))
        bought.films.append(Seen(production, profile, told[production.variant.name, profile.name], mixed, made))
        return film

    films.conform = words.conform = conformed
    films.stitch, films.delivery.encode = stitched, encoded


def parts_of(seen: Seen, conformed: Mapping[str, tuple[BlobRef, int]]) -> FilmParts:
    """What the hand-written pass gets: the takes as they were bought; words, card and mix as we made them."""
    production, cut, profile = seen.production, seen.production.cut, seen.profile
    width, height = profile.sizes[seen.told["ratio"]]
    shots, card = [], None
    for clip in seen.told["clips"]:
        source, in_frame = conformed[clip.blob.sha256]
        path = file_of(production, source)
        if cut.card is not None and clip.start == cut.card[0]:
            card = Card(path, clip.frames)
        else:
            shots.append(Shot(path, in_frame, clip.frames, clip.start))
    words = [Words(file_of(production, o.blob), o.x, o.y, o.start) for o in seen.told["overlays"]]
    return FilmParts(
        width=width, height=height, rate=Fraction(profile.rate), frames=cut.frames, shots=shots,
        dissolves={join.at: join.frames for join in seen.told["joins"] if join.frames}, card=card, words=words,
        mix=file_of(production, seen.mixed.files["mix.wav"]), video=profile.video, audio=profile.audio,
    )  # fmt: skip


def file_of(production: Production, blob: BlobRef) -> Path:
    return blob_file(production.store, blob, production.work)
