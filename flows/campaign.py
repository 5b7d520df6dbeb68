"""Order within a campaign: speech, then every shot as soon as what it needs is there, then the deliverables, then wrap.

The flow's only parameters are the digest of a plan and the store that holds it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.graphics import shared_borders
from flows.orphans import mark_orphans
from flows.problems import note_problems
from flows.scheduling import refuse_superseded
from flows.shots import Circled, shoot
from flows.shown import Shown
from flows.speech import Purchases, measure_lines, speak
from flows.spot import Sounds, finish_deliverable
from flows.stopping import Stop, state_after, stoppable
from flows.views import counted
from infra.attempts import Attempt
from infra.console import current_console
from infra.errors import ShotrunnerError, StoppedError
from infra.open_production import home_of, open_production
from infra.production import Production, SpokenTake, read_plan
from infra.settings import Settings, read_settings
from infra.storage import open_store
from manifests.finish import Finished
from manifests.journal import Result, RunRecord
from manifests.naming import slate
from tasks.wrap import wrap

INTERRUPTED = StoppedError.exit_code
MOST_TOLD = 5  # problems, in the one line of a state


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
async def produce(plan: str, store: str) -> dict[str, Any] | State[Any]:
    """Applies the plan with this digest. Returns the run record; raises ProductionError when something failed."""
    console = current_console()
    settings = read_settings(home_of(store, console).parent)
    async with stoppable(console) as stop:
        ended = await produce_plan(plan, store, settings, stop)
    if stop.asked and ended.record.exit_code == INTERRUPTED:
        return await state_after(stop, ended.told)
    if ended.record.exit_code:
        raise ProductionError(ended.problems, ended.record.exit_code)
    return ended.record.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True)
class Ended:
    """A plan that was applied, as far as it went."""

    record: RunRecord
    problems: Sequence[ShotrunnerError]

    @property
    def told(self) -> str:
        """In a line, for Prefect's pages."""
        told = dict.fromkeys(f"{p.address or ''} {p.summary}: {p.detail}".strip() for p in self.problems)
        left = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
        said = "; ".join(list(told)[:MOST_TOLD]) + left or counted(len(self.record.deliverables), "film")
        return f"{said} (run {self.record.run_id})"


async def produce_plan(
    plan: str, store: str, settings: Settings, stop: Stop, *, attempt: Attempt | None = None
) -> Ended:
    """What every flow does with a plan. `attempt`: of a scheduled start, which may go on with a run that was killed."""
    console, this = stop.console, str(flow_run.id or "")
    run_id = attempt.run_id if attempt else None
    async with open_production(plan, store, settings, console, run_id=run_id) as production:
        production.flow_runs = attempt.flow_runs if attempt else ()
        console.events.emit("flow", flow_run=this)
        await mark_orphans(production.plan.campaign, store, this)
        shown = Shown(production)
        await shown.begin()
        try:
            await asyncio.to_thread(refuse_superseded, production.store, production.plan)
            finished = await stop.in_time(apply_plan(production))
        except asyncio.CancelledError:
            if not stop.late.is_set():
                raise
            finished = []
            note_problems(production, [StoppedError("what was not ready in time is in flight", remedy="Run again.")])
        except Exception as error:  # noqa: BLE001 - whatever it was, the run ends on record
            finished = []
            note_problems(production, [error])
        record = await wrap(slate(production.plan.campaign, "wrap"), production, finished, this)
        await shown.end(record, finished)
        return Ended(record, tuple(production.problems))


async def apply_plan(production: Production) -> list[Finished]:
    """Everything that could be finished. What failed is in `production.problems`."""
    if production.plan.is_speech:
        await measure_lines(production)
        return []
    films = [production.of_variant(variant) for variant in production.plan.variants]
    edges = shared_borders(films)
    for film in films:
        film.borders = edges
    spoken = await speak(production, films)
    shots: dict[str, asyncio.Task[Circled]] = {}
    for film, _ in spoken:  # a film that cannot be spoken asks for no picture
        for cut in film.cut.shots:
            _begin(production, film.variant.shot(cut.shot, cut.segment), shots)
    bought = Purchases(production)
    sounds: list[asyncio.Task[Sounds]] = []
    finishing: list[asyncio.Task[Finished]] = []
    for film, lines in spoken:
        heard = asyncio.create_task(_sounds(film, lines, bought), name="sounds")
        seen = {cut.id: shots[film.variant.shot(cut.shot, cut.segment)] for cut in film.cut.shots}
        sounds.append(heard)
        finishing += [
            asyncio.create_task(finish_deliverable(film, wanted, seen, heard), name=wanted.profile)
            for wanted in film.spot.deliver
        ]
    told = _tell_film(production)
    for film_task in finishing:
        film_task.add_done_callback(told)
    tasks: list[asyncio.Task[Any]] = [*shots.values(), *sounds, *finishing]
    try:
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        for task in (*tasks, *bought.tasks):
            task.cancel()
    note_problems(production, outcomes)
    return [o for o in outcomes if isinstance(o, Finished)]


def _tell_film(production: Production) -> Callable[[asyncio.Task[Finished]], None]:
    """One event for each film as it is done, with how many there are: what a run's end is guessed from."""
    count = itertools.count(1)
    of = sum(len(variant.spot.deliver) for variant in production.plan.variants)

    def told(task: asyncio.Task[Finished]) -> None:
        if task.cancelled() or task.exception() is not None:
            return  # its problem is told at the end
        index = task.result().index
        frames = index.measured["measured"]["frames"]
        production.events.emit(
            "film", address=index.variant, file=index.film, frames=frames, number=next(count), of=of,
            made=task.result().made,
        )  # fmt: skip

    return told


def _begin(production: Production, address: str, shots: dict[str, asyncio.Task[Circled]]) -> None:
    """One task for each shot or segment, however many films show it, or start on it without showing it."""
    if address not in shots:
        for needed in production.want(f"{address}/take").needs:
            if needed.endswith("/take"):
                _begin(production, needed.rpartition("/")[0], shots)
        shots[address] = asyncio.create_task(_shot(production, address, shots), name=address)


async def _shot(production: Production, address: str, shots: dict[str, asyncio.Task[Circled]]) -> Circled:
    """Stills first where the shot starts on one; a continued shot and a later segment wait for the take before."""
    pictures: dict[str, str] = {}
    trims: dict[str, int] = {}
    still = None
    take = production.want(f"{address}/take")
    for needed in take.needs:
        if needed.endswith("/still"):
            circled = still = await shoot(production, production.want(needed), {})
        else:
            circled = await asyncio.shield(shots[needed.rpartition("/")[0]])
        pictures[needed], trims[needed] = circled.result.blob.sha256, circled.trim
    return replace(await shoot(production, take, pictures, trims), still=still)


async def _sounds(film: Production, lines: list[SpokenTake], bought: Purchases) -> Sounds:
    """What is heard in one film beside its lines."""
    effects, variant = film.spot.sound.effects, film.variant
    names = [effect.id or f"{effect.at}-{n}" for n, effect in enumerate(effects, 1)]
    wants = {n: f"{variant.effect(names[n])}/effect" for n, e in enumerate(effects) if e.prompt is not None}
    outcomes = await asyncio.gather(*(bought.sound(want) for want in wants.values()), return_exceptions=True)
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    if len(results) < len(outcomes):
        note_problems(film, outcomes)
        raise next(outcome for outcome in outcomes if isinstance(outcome, BaseException))
    blobs = dict(zip(wants.values(), (r.blob for r in results), strict=True))
    heard = {
        n: blobs[wants[n]] if n in wants else film.file_blob(f"sound.effects{_step(effects[n].id, n)}.file")
        for n in range(len(effects))
    }
    return Sounds(lines, heard, blobs)


def _step(name: str | None, number: int) -> str:
    """How a list item stands in a path: by its id where it has one."""
    return f".{name}" if name else f"[{number}]"
