"""Opens a production: takes its lease, reads its plan, finds its vendors, and closes all of it whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from infra.audio.base import SoundProvider
from infra.audio.elevenlabs import ElevenLabsProvider
from infra.backlot.faults import load_faults
from infra.backlot.serve import Backlot
from infra.budget import Budget
from infra.buying import Buyer
from infra.clock import Clock, SystemClock
from infra.console import RunConsole
from infra.counters import Counters
from infra.errors import LeaseHeldError, ShotrunnerError
from infra.events import Events
from infra.fitness import require_fit_store
from infra.lease import HeldLease, acquire_patiently, acquire_when_free
from infra.ledger import is_paid
from infra.limits import follow_limits, slots_of
from infra.machine import free_bytes, steps_at_once, usable_cores
from infra.media.forks import StepForks
from infra.production import Production, read_plan
from infra.providers.base import AccountLimits, VideoProvider
from infra.providers.runway import RunwayProvider
from infra.run_events import RunEvents, read_run_events
from infra.run_log import RunLog
from infra.runners import open_runner
from infra.runners.local import InForks, Shelf
from infra.settings import ELEVENLABS_URL, RUNWAY_URL, Settings
from infra.steps import StepRunner
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.plan import Plan, first_limit
from manifests.ratecard import load_models, load_profiles
from manifests.timing import cut_of
from manifests.tiny import shrink_profile

BACKLOT = "backlot"
BACKLOT_KEY = "key_" + "0" * 128  # the backlot takes any key of the right form
PLAY_BALANCE = 1_000_000


def new_run_id(clock: Clock) -> str:
    return f"{clock.now():%Y%m%d-%H%M}-{secrets.token_hex(2)}"


def home_of(store_url: str, console: RunConsole) -> Path:
    """Where the backlot and half-finished work lie: in the project of whoever started the run, so that its settings
    count; on a worker beside a store that is a folder, else in the current folder."""
    if console.home is not None:
        return console.home
    if "://" in store_url or store_url == "memory:":
        return Path.cwd() / ".shotrunner"
    return Path(store_url).parent


def media_jobs(settings: Settings) -> int:
    """Steps at once: one for each core, as far as memory goes; or what the user set."""
    return settings.media_jobs or steps_at_once(usable_cores(), free_bytes())


@contextlib.asynccontextmanager
async def open_production(
    plan_digest: str, store_url: str, settings: Settings, console: RunConsole, clock: Clock | None = None,
    *, run_id: str | None = None,
) -> AsyncIterator[Production]:  # fmt: skip
    """Takes the campaign's lease, starts the backlot if the plan films there, and closes everything at the end.
    `run_id`: of a run that was killed and goes on."""
    own_time = clock or console.clock
    clock = own_time or SystemClock()
    events = console.events
    home = home_of(store_url, console)
    store = open_store(store_url, home.parent)
    await asyncio.to_thread(require_fit_store, store, clock, public=settings.public_store)
    plan = read_plan(store, plan_digest)
    spot, brand = plan.read_spot(), plan.read_brand()
    models = load_models()
    fast = plan.video_service == BACKLOT and own_time is None  # the backlot films in a second what takes a minute
    poll_seconds, pace = (0.25, 0.01) if fast else (5.0, console.pace)
    profiles = {name: shrink_profile(p, plan.options.picture_scale) for name, p in load_profiles().items()}
    lease = await _acquire(store, clock, plan.campaign, console)
    keeper = asyncio.create_task(lease.keep())
    work = home / "work"
    try:
        async with (
            _steps(store, work, settings, console, clock) as steps,
            _vendors(plan, home, settings, clock, events) as (video, sound, limits),
        ):
            budget = Budget(
                store, clock, plan.campaign, paid=plan.paid, limit=plan.totals.budget,
                first_limit=first_limit(spot, plan.options, plan.allowance), shot_limit=spot.budget.per_shot,
                since=plan.allowance.since if plan.allowance else None,
            )  # fmt: skip
            for paid in {is_paid(want.service) for want in plan.wants}:
                await budget.spending(paid=paid)  # opened before anything is settled, or that would count twice
            buyer = Buyer(
                store=store,
                clock=clock,
                video=video,
                sound=sound,
                budget=budget,
                campaign=plan.campaign,
                plan=plan_digest,
                lease_nonce=lease.nonce,
                poll_seconds=poll_seconds,
                patience_seconds=console.patience_seconds or settings.patience_seconds,
                rebuy_unknown=plan.rebuys_unknown,
                slots=slots_of(limits, poll_seconds),
                wait_for_cap=console.wait,
                pace=pace,
                on_event=lambda event: events.emit(**event),
            )
            production = Production(
                plan=plan, run_id=run_id or new_run_id(clock), spot=spot, brand=brand, cut=cut_of(spot, models),
                models=models, profiles=profiles, store=store, clock=clock, settings=settings, events=events,
                buyer=buyer, steps=steps, work=work, lease=lease, started=clock.now(), console=console, pace=pace,
            )  # fmt: skip
            told = await asyncio.to_thread(read_run_events, store, run_id) if run_id else ()
            decisions = RunEvents(store, clock, production.run_id, plan.campaign, told)
            production.decisions = decisions.told
            events.listen(decisions.listen)
            events.listen(_count_creates(production))
            log = RunLog(clock, production.run_id, plan.campaign, home / "logs", aloud=settings.log == "json")
            events.listen(log.listen)
            counters = _counters(production)
            limits_keeper = asyncio.create_task(follow_limits(video, clock, poll_seconds, buyer.change_slots))
            console.on_stop(buyer.stop)
            console.on_stop(steps.stop)
            keeper.add_done_callback(_stop_when_lost(production))
            events.emit("run", run_id=production.run_id, campaign=plan.campaign)
            try:
                yield production
            finally:
                limits_keeper.cancel()
                await asyncio.gather(limits_keeper, return_exceptions=True)
                await buyer.finish()  # a create that was on its way gets its outcome on record
                await decisions.flush()
                counters.write()
                await asyncio.to_thread(log.close, store)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await asyncio.to_thread(lease.release)


@contextlib.asynccontextmanager
async def _steps(
    store: ObjectStore, work: Path, settings: Settings, console: RunConsole, clock: Clock
) -> AsyncIterator[StepRunner]:
    """Opened before anything is bought: where no step can be made, nothing is worth buying."""
    name, address = console.media_runner or settings.media_runner, settings.dask_address
    with contextlib.closing(StepForks()) as forks:
        forked = InForks(forks)
        perform = Shelf(console.shelf, forked) if console.shelf is not None else forked
        jobs = media_jobs(settings)
        async with open_runner(name, store, clock, work, jobs, address=address, perform=perform) as runner:
            if name != "local":
                console.events.emit("media", runner=name, address=address)
            steps = StepRunner(store, clock, console.events, runner)
            try:
                yield steps
            finally:
                await steps.cancel()


def _counters(production: Production) -> Counters:
    settings, plan = production.settings, production.plan
    counters = Counters(production.clock, plan.campaign, "paid" if plan.paid else "play", settings.metrics)
    production.events.listen(counters.listen)
    return counters


def _tell_wait(events: Events, campaign: str) -> Callable[[LeaseHeldError], None]:
    def told(held: LeaseHeldError) -> None:
        events.emit("lease", campaign=campaign, seconds=round(held.seconds_left), why=held.detail)

    return told


async def _acquire(store: ObjectStore, clock: Clock, campaign: str, console: RunConsole) -> HeldLease:
    """Waits for another run of the campaign where that was asked for, however long it takes."""
    waits = _tell_wait(console.events, campaign)
    if not console.wait:
        return await acquire_patiently(store, clock, campaign, waits=waits)
    return await acquire_when_free(store, clock, campaign, waits=waits, stopped=lambda: console.stopping)


def _stop_when_lost(production: Production) -> Callable[[asyncio.Task[None]], None]:
    """Without its lease a run buys nothing more; what it paid it still collects."""

    def lost(keeper: asyncio.Task[None]) -> None:
        if keeper.cancelled():
            return
        error = keeper.exception()
        if isinstance(error, ShotrunnerError):
            production.problems.append(error)
        production.buyer.stop()

    return lost


def _count_creates(production: Production) -> Any:
    def listener(event: Mapping[str, Any]) -> None:
        production.calls += event["message_type"] == "create"
        if event["message_type"] in ("create", "progress") and production.bought_from is None:
            production.bought_from = production.clock.monotonic()
        if event["message_type"] in ("collected", "failed"):
            production.spent += event.get("credits") or 0
            production.bought_until = production.clock.monotonic()

    return listener


@contextlib.asynccontextmanager
async def _vendors(
    plan: Plan, home: Path, settings: Settings, clock: Clock, events: Events
) -> AsyncIterator[tuple[VideoProvider, SoundProvider, AccountLimits]]:
    """Clients for the plan's services. A key that is set decides; without one, the backlot answers in this process."""
    backlot: Backlot | None = None
    own = ""
    needs_own = (plan.video_service == BACKLOT and settings.runway_url is None) or (
        plan.sound_service == BACKLOT and settings.elevenlabs_url is None
    )
    if needs_own:
        backlot = Backlot(
            home / "backlot",
            latency=settings.backlot_latency,
            concurrency=max(settings.concurrency, media_jobs(settings)),
            faults=load_faults(settings.backlot_faults) if settings.backlot_faults else (),
            picture_scale=plan.options.picture_scale,
        )
        own = await asyncio.to_thread(backlot.start)
        events.emit("backlot", url=own)
    video = RunwayProvider(
        settings.runway_url or (own if plan.video_service == BACKLOT else RUNWAY_URL),
        settings.runway_key or BACKLOT_KEY,
        plan.video_service,
        clock=clock,
        on_behalf_of=settings.on_behalf_of,
    )
    sound = ElevenLabsProvider(
        settings.elevenlabs_url or (own if plan.sound_service == BACKLOT else ELEVENLABS_URL),
        settings.elevenlabs_key or BACKLOT_KEY,
        plan.sound_service,
    )
    try:
        yield video, sound, await video.limits()
    finally:
        await video.close()
        await sound.close()
        if backlot is not None:
            await asyncio.to_thread(backlot.stop)
