"""Order within a campaign: speech, then every shot as soon as what it needs is there, then the deliverables, then wrap.

The flow's only parameters are the digest of a plan and the store that holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.shots import Circled, make_sound, shoot
from flows.spot import Sounds, finish_deliverable
from flows.takes import CAMPAIGN_WIDE
from infra.console import current_console
from infra.errors import DailyCapError, ShotrunnerError, StoppedError
from infra.production import Production, SpokenTake, home_of, open_production, read_plan
from infra.settings import read_settings
from infra.storage import open_store
from manifests.finish import Finished
from manifests.journal import Result
from manifests.naming import slate
from tasks.voice import fit_line
from tasks.wrap import wrap


class ProductionError(ShotrunnerError):
    """The run ended, and not everything in it worked. `problems` says what; the run record has them too."""

    summary = "not everything worked"

    def __init__(self, problems: Sequence[ShotrunnerError], exit_code: int) -> None:
        super().__init__("; ".join(f"{p.address or ''} {p.summary}".strip() for p in problems))
        self.problems = tuple(problems)
        self.status = exit_code


def _campaign_of() -> str:
    """The flow run is named after its campaign; the parameters hold only where to find it."""
    parameters = flow_run.parameters
    store = open_store(parameters["store"], home_of(parameters["store"], current_console()).parent)
    return read_plan(store, parameters["plan"]).campaign


@flow(name="produce", flow_run_name=_campaign_of, persist_result=False, retries=0)
async def produce(plan: str, store: str) -> dict[str, Any]:
    """Applies the plan with this digest. Returns the run record; raises ProductionError when something failed."""
    console = current_console()
    settings = read_settings(home_of(store, console).parent)
    async with open_production(plan, store, settings, console) as production:
        console.events.emit("flow", flow_run=str(flow_run.id))
        finished = await apply_plan(production)
        record = await wrap(slate(production.plan.campaign, "wrap"), production, finished, flow_run.id or "")
        if record.exit_code:
            raise ProductionError(production.problems, record.exit_code)
        return record.model_dump(mode="json", by_alias=True)


async def apply_plan(production: Production) -> list[Finished]:
    """Everything that could be finished. What failed is in `production.problems`."""
    lines = await _speak(production)
    if lines is None:  # no line, no film: not one picture is bought
        return []
    shots: dict[str, asyncio.Task[Circled]] = {}
    for cut in production.cut.shots:
        shots[cut.id] = asyncio.create_task(_shot(production, cut.id, shots), name=cut.id)
    sounds = asyncio.create_task(_sounds(production, lines), name="sounds")
    films = [
        asyncio.create_task(finish_deliverable(production, wanted, shots, sounds), name=wanted.profile)
        for wanted in production.spot.deliver
    ]
    try:
        outcomes = await asyncio.gather(*shots.values(), sounds, *films, return_exceptions=True)
    finally:
        for task in (*shots.values(), sounds, *films):
            task.cancel()
    note_problems(production, outcomes)
    return [o for o in outcomes if isinstance(o, Finished)]


def note_problems(production: Production, outcomes: Sequence[object]) -> None:
    """Expected failures are noted once each; anything else is raised."""
    for outcome in outcomes:
        if isinstance(outcome, ShotrunnerError):
            if not any(_same(p, outcome) for p in production.problems):
                production.problems.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
    if not production.console.stopping:  # nobody interrupted: buying ended with the money, or with the lease
        others = [p for p in production.problems if not isinstance(p, StoppedError)]
        production.problems[:] = others or production.problems


def _same(one: ShotrunnerError, other: ShotrunnerError) -> bool:
    """What ended the buying of the campaign, or of a model, is one problem however many takes it met."""
    if one is other or type(one) is not type(other):
        return one is other
    return type(one) in CAMPAIGN_WIDE or (isinstance(one, DailyCapError) and one.detail == other.detail)


async def _shot(production: Production, shot_id: str, shots: dict[str, asyncio.Task[Circled]]) -> Circled:
    """Stills first where the shot starts on one; a continued shot waits for the take that it continues."""
    pictures: dict[str, str] = {}
    trims: dict[str, int] = {}
    still = None
    take = production.want(f"{shot_id}/take")
    for needed in take.needs:
        source = needed.split("/")[0]
        if needed.endswith("/still"):
            circled = still = await shoot(production, production.want(needed), {})
        else:
            circled = await asyncio.shield(shots[source])
        pictures[needed], trims[needed] = circled.result.blob.sha256, circled.trim
    return replace(await shoot(production, take, pictures, trims), still=still)


async def _speak(production: Production) -> list[SpokenTake] | None:
    """Buys and fits every line, before any picture is bought. None when one cannot be had; the problems are noted."""
    voiceover = production.spot.sound.voiceover
    if voiceover is None:
        return []
    starts = {cue.path: cue.start for cue in production.cut.cues}
    bought = await asyncio.gather(
        *(make_sound(production, production.want(f"{line.id}/line")) for line in voiceover.lines),
        return_exceptions=True,
    )
    note_problems(production, bought)
    sounds = [sound for sound in bought if isinstance(sound, Result)]
    if len(sounds) < len(bought):
        return None
    fitted = []
    for line, sound in zip(voiceover.lines, sounds, strict=True):
        start = starts[f"sound.voiceover.lines.{line.id}"]
        label = slate(production.plan.campaign, line.id, "fit")
        fitted.append(fit_line(label, production, line, sound, start, _room_end(production, line.at)))
    takes = await asyncio.gather(*fitted, return_exceptions=True)
    note_problems(production, takes)
    spoken = [take for take in takes if isinstance(take, SpokenTake)]
    return spoken if len(spoken) == len(takes) else None


def _room_end(production: Production, at: str) -> int:
    """The film frame at which a line that hangs on `at` has to be over: the end of its shot, on paper."""
    cut = production.cut
    return next((s.cue + s.screen for s in cut.shots if s.id == at), cut.frames)


async def _sounds(production: Production, lines: list[SpokenTake]) -> Sounds:
    effects = production.spot.sound.effects
    wants = {n: f"{e.at}-{n + 1}/effect" for n, e in enumerate(effects) if e.prompt is not None}
    outcomes = await asyncio.gather(
        *(make_sound(production, production.want(w)) for w in wants.values()), return_exceptions=True
    )
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    if len(results) < len(outcomes):
        note_problems(production, outcomes)
        raise next(outcome for outcome in outcomes if isinstance(outcome, BaseException))
    bought = dict(zip(wants.values(), (r.blob for r in results), strict=True))
    heard = {
        n: bought[wants[n]] if n in wants else production.file_blob(f"sound.effects[{n}].file")
        for n in range(len(effects))
    }
    return Sounds(lines, heard, bought)
