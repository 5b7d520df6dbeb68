"""Manifest path → plan: check, compare with the lock, read the store. No Prefect, no task, and no vendor call."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from flows.allowing import Purse, money_notices, what_fits
from flows.checking import Checked, check_manifest, relative
from flows.heard import Heard, Stage, hear, lengthen_checked
from flows.marks import NO_MARKS, Marks, write_marks
from infra.blobs import put_blob
from infra.clock import Clock, SystemClock
from infra.errors import (
    BudgetExceededError,
    PreconditionFailedError,
    ReferenceDriftError,
    ShotrunnerError,
    StalePlanError,
)
from infra.files import place_file
from infra.ledger import Spending, shot_of
from infra.records import create_record, read_record
from infra.runs import last_run
from infra.selections import read_gates
from infra.service import decide_services
from infra.settings import Settings, read_settings
from infra.state import StoreState
from infra.storage import open_store
from infra.storage.base import ObjectStore
from manifests.allowance import Allowance
from manifests.approvals import Decisions
from manifests.catalogue import ModelCard
from manifests.digest import digest_bytes
from manifests.expand import Services, Want, expand_campaign
from manifests.films import Source
from manifests.fitting import films_that_fit, only_films
from manifests.lengthen import lines_that_extend
from manifests.loaded import WRITTEN, LoadedCampaign
from manifests.lock import (
    Lock,
    LockedFile,
    accept,
    compare_lock,
    describe_change,
    format_lock,
    lock_digest,
    lock_path,
    make_lock,
    read_lock,
)
from manifests.naming import lock_key, manifest_key, plan_key
from manifests.paths import find_root
from manifests.plan import (
    Options,
    Plan,
    Planner,
    StateReader,
    Totals,
    first_limit,
    moved_positions,
    per_shot_credits,
    totals_of,
)
from manifests.ratecard import rate_card_date, rate_card_digest
from manifests.scheduled import Resolved
from manifests.seams import tell_segments
from manifests.timing import cut_of
from manifests.tiny import shrink_wants


@dataclass(frozen=True)
class Prepared:
    """A plan and what it was made from. `checked` has the shots that speech makes longer, `written` has not."""

    checked: Checked
    plan: Plan
    planner: Planner
    lock: Lock
    drift: tuple[str, ...]  # what changed since the lock, in words
    settings: Settings
    store: ObjectStore
    store_url: str
    written: Checked
    stage: Stage = "next"
    heard: Heard | None = None  # None: no line makes its shot longer
    marks: Marks = NO_MARKS  # of a schedule's start: in the plan already, and written when it is applied

    @property
    def home(self) -> Path:
        return self.checked.loaded.root / ".shotrunner"


def make_plan(
    path: Path,
    *,
    overrides: Sequence[str] = (),
    accepted: Sequence[str] = (),
    options: Options | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    scheduled: Resolved | None = None,
    stage: Stage = "next",
) -> Prepared:
    """Everything `plan` does. Raises ManifestError, and what reading the store raises; writes nothing.

    `scheduled`: what a schedule says of the day on which it runs the manifest. `stage`: "next" plans the speech alone
    while pictures wait for its length; "all" plans the pictures too, at the lengths known now, for those who only look.
    """
    checked = check_manifest(path, overrides, scheduled)
    loaded = checked.loaded
    settings = settings or read_settings(loaded.root)
    services = decide_services(settings)
    store_url = absolute_store(settings.store, loaded.root)
    store = open_store(store_url, loaded.root)
    lock, drift = _locked(checked, accepted, scheduled)
    clock = clock or SystemClock()
    purse = Purse(store, scheduled, clock.now())
    state = StoreState(store, clock)
    planned = _plan(checked, lock, services, purse, state, options or Options(), tuple(overrides), stage=stage)
    return Prepared(
        planned.checked, planned.plan, planned.planner, lock, drift, settings, store, store_url, checked, stage,
        planned.heard,
    )  # fmt: skip


def replan(
    prepared: Prepared, state: StateReader, said: Sequence[Decisions] = (), *, stage: Stage | None = None
) -> Prepared:
    """The plan as it would be by `state`, were this `said` too: to see what a word costs before it is kept."""
    plan, stage = prepared.plan, stage or prepared.stage
    services = Services(plan.video_service, plan.sound_service)
    purse = Purse(prepared.store, plan.scheduled, known=plan.allowance)
    fresh = _plan(
        prepared.written, prepared.lock, services, purse, state, plan.options, plan.overrides, said, stage=stage
    )
    return replace(
        prepared, checked=fresh.checked, plan=fresh.plan, planner=fresh.planner, heard=fresh.heard, stage=stage
    )


def plan_pictures(prepared: Prepared, state: StateReader) -> Prepared | None:
    """What comes after a plan of the speech was applied: everything, at the lengths that the lines need. None when
    that plan was not of the speech, or when the speech is not there yet."""
    if not prepared.plan.is_speech:
        return None
    after = replan(prepared, state, stage="all")
    return None if after.heard is not None and after.heard.to_buy else after


def absolute_store(store: str, root: Path) -> str:
    """A folder is meant from the project's root, wherever the command was given: else a second store would be made,
    and everything in it bought again."""
    if "://" in store or store == "memory:":
        return store
    return str((root / store).absolute())


def pinned_by(checked: Checked, scheduled: Resolved | None) -> Path:
    """The file that the lock lies beside. A schedule has its own: its days name other files than the manifest alone."""
    return checked.campaign.path if scheduled is None else checked.loaded.root / scheduled.schedule


def _locked(checked: Checked, accepted: Sequence[str], scheduled: Resolved | None) -> tuple[Lock, tuple[str, ...]]:
    """The lock as it is wanted now, and what has changed against the one on disk, in words."""
    campaign = checked.campaign
    files = {
        pin.name: LockedFile(
            name=campaign.files[pin.name].name, path=pin.path, sha256=pin.sha256, bytes=pin.size, width=pin.width,
            height=pin.height,
        )
        for pin in checked.files
    }  # fmt: skip
    used = [checked.models[name] for name in sorted(_used_models(checked))]
    lock = make_lock(files, used, rate_card_digest(), rate_card_date())
    old = read_lock(pinned_by(checked, scheduled))
    if old is None:
        return lock, ()
    drift = compare_lock(accept(old, lock, accepted), lock)
    told = (change for change in drift.changed if campaign.files[change.key].role not in WRITTEN)
    return lock, tuple(describe_change(change) for change in told)


def _used_models(checked: Checked) -> set[str]:
    used: set[str] = set()
    for _, loaded in checked.parts:
        spot, brand = loaded.spot, loaded.brand
        used |= {spot.generate.model, *(shot.model for shot in spot.shots if shot.model)}
        if spot.generate.keyframe is not None:
            used.add(spot.generate.keyframe.model)
        if spot.sound.voiceover is not None:
            used.add(brand.voices[spot.sound.voiceover.voice].model)
    return used


def refuse_drift(prepared: Prepared) -> None:
    """A pinned file that changed stops `run`: somebody has to say that the new one is meant."""
    if prepared.drift:
        raise ReferenceDriftError(
            "; ".join(prepared.drift),
            remedy="restore the file, or say --accept-reference NAME (see the lock beside the manifest)",
        )


RUN_AGAIN = "`shotrunner run --schedule S --date D --budget +N`"
LOCK_REMEDY = "the lock lies beside its manifest: let this user write there, or copy the project"
PRICES_MAY_MOVE = Decimal("0.02")


def refuse_moved_prices(prepared: Prepared) -> None:
    """What the last run was told it would cost is what people agreed to; above 2 % somebody has to agree again."""
    before = _wanted_before(prepared.store, prepared.plan.campaign)
    same = [(before[w.id].credits, w.credits) for w in prepared.plan.wants if w.id in before and _same(before[w.id], w)]
    old, new = sum(a for a, _ in same), sum(b for _, b in same)
    if old and abs(Decimal(new - old)) / old > PRICES_MAY_MOVE:
        raise StalePlanError(
            f"prices have moved since the last run: what cost {old:,} credits would cost {new:,}",
            remedy="look at `shotrunner plan`, then say --accept-prices",
        )


def _same(before: Want, now: Want) -> bool:
    return (before.service, before.model, before.endpoint, before.body) == (
        now.service, now.model, now.endpoint, now.body,
    )  # fmt: skip


@dataclass(frozen=True)
class _Planned:
    plan: Plan
    planner: Planner
    checked: Checked
    heard: Heard | None


def _plan(
    checked: Checked,
    lock: Lock,
    services: Services,
    purse: Purse,
    state: StateReader,
    options: Options,
    overrides: tuple[str, ...],
    said: Sequence[Decisions] = (),
    stage: Stage = "next",
) -> _Planned:
    walker = _walker(checked, services, purse.store, state, options, said)
    heard: Heard | None = None
    if lines := lines_that_extend(checked.campaign):
        heard = hear(purse.store, *walker.walk(checked.campaign, _spoken(lines)))
        checked = lengthen_checked(checked, heard.seconds)
    wants, planner = walker.walk(checked.campaign)
    loaded, spot = checked.loaded, checked.loaded.spot
    allowance, spending = purse.read(spot.name, wants)
    totals, whole = _totals(checked, options, spending, wants, planner, allowance), None
    left_out: tuple[str, ...] = ()
    if allowance is not None and allowance.when_exceeded == "deliver-what-fits":
        credits = what_fits(spot, options, totals, allowance)
        fit = films_that_fit(sources_of(checked), wants, planner.actions, credits)
        if fit.films and fit.left_out:
            left_out = tuple(variant.name for variant in fit.left_out)
            checked = replace(checked, campaign=only_films(checked.campaign, fit.films))
            wants, planner = walker.walk(checked.campaign, lambda want: want.id in fit.wants)
            totals = _totals(checked, options, spending, wants, planner, allowance)
    per_shot = per_shot_credits(wants, planner.actions)
    spent = {} if spot.budget.per_shot is None else _spent_on(spending, wants)
    if heard is not None and (stage == "speech" or (stage == "next" and heard.missing)):
        wants, planner = walker.walk(checked.campaign, _spoken(lines))
        spending = purse.read(spot.name, wants)[1]
        totals, whole = _totals(checked, options, spending, wants, planner, allowance), totals
    plan = Plan(
        campaign=spot.name,
        manifest=relative(checked.campaign.path, loaded.root),
        overrides=overrides,
        manifest_digest=digest_bytes(loaded.manifest_bytes),
        lock_digest=lock_digest(lock),
        rate_card=rate_card_digest(),
        ledger_position=planner.position,
        positions=planner.positions,
        spot=spot.model_dump(mode="json", by_alias=True),
        sources=sources_of(checked),
        brand=loaded.brand.model_dump(mode="json", by_alias=True),
        files=checked.files,
        video_service=services.video,
        sound_service=services.sound,
        wants=wants,
        actions=tuple(planner.actions),
        totals=totals,
        per_shot=per_shot,
        per_shot_spent=spent,
        not_applied=checked.campaign.not_applied,
        notices=(
            *_speech_notices(heard, whole, totals), *money_notices(allowance, whole or totals, left_out),
            *_notices(checked, services),
        ),
        options=options,
        with_pictures=whole,
        scheduled=purse.scheduled,
        allowance=allowance,
        left_out=left_out,
    )  # fmt: skip
    return _Planned(plan, planner, checked, heard)


def sources_of(checked: Checked) -> tuple[Source, ...]:
    return tuple(source.source for source in checked.campaign.sources)


def _spoken(lines: Collection[str]) -> Callable[[Want], bool]:
    return lambda want: want.what == "speech" and want.address in lines


_Walked = tuple[tuple[Want, ...], Planner]


@dataclass(frozen=True)
class _Walker:
    """Expands a campaign, and asks the store how all that it wants stands."""

    models: Mapping[str, ModelCard]
    pins: Mapping[str, str]
    services: Services
    picture_scale: int
    planner: Callable[[], Planner]

    def walk(
        self, campaign: LoadedCampaign, only: Callable[[Want], bool] | None = None
    ) -> tuple[tuple[Want, ...], Planner]:
        """Of everything, or of some."""
        wants = shrink_wants(expand_campaign(campaign, self.models, self.pins, self.services), self.picture_scale)
        wants = wants if only is None else tuple(want for want in wants if only(want))
        planner = self.planner()
        for want in wants:
            planner.add(want)
        return wants, planner


def _walker(
    checked: Checked,
    services: Services,
    store: ObjectStore,
    state: StateReader,
    options: Options,
    said: Sequence[Decisions],
) -> _Walker:
    spot = checked.loaded.spot
    rebuy = options.rebuy_unknown or spot.generate.retry.on_unknown == "rebuy"
    gates = read_gates(store, spot.name, spot.review, auto=options.approve == "auto", said=said)
    planner = partial(Planner, state, rebuy=rebuy, before=_wanted_before(store, spot.name), gates=gates)
    pins = {pin.name: pin.sha256 for pin in checked.files}
    return _Walker(checked.models, pins, services, options.picture_scale, planner)


def _totals(
    checked: Checked, options: Options, spending: Spending, wants: Sequence[Want], planner: Planner,
    allowance: Allowance | None,
) -> Totals:  # fmt: skip
    limit = checked.loaded.spot.budget.credits if allowance is None else allowance.credits
    return totals_of(
        wants, planner.actions, spent=spending.total, budget=limit + options.extra_credits,
        screen_seconds=str(Decimal(_screen_frames(checked)) / 24), spent_first=spending.total_of(again=False),
    )  # fmt: skip


def _speech_notices(heard: Heard | None, whole: Totals | None, totals: Totals) -> list[str]:
    if whole is not None:
        about = whole.credits - totals.credits
        return [
            "fit: extend: this plan is of the speech alone; the pictures are planned and priced when it is there, as "
            f"long as it needs them: about {about:,} credits more, at the lengths known now"
        ]
    if heard is not None and heard.missing:
        return ["fit: extend: not every line is there; shots may become longer, and dearer, when it is"]
    return []


def _screen_frames(checked: Checked) -> int:
    """Of all films together. As written, lengths differ only where shots come and go."""
    return sum(
        len(source.source.matrix.cells) * cut_of(source.parts[0][1].spot, checked.models).frames
        if source.frames is None
        else source.frames
        for source in checked.campaign.sources
    )


def _spent_on(spending: Spending, wants: Sequence[Want]) -> dict[str, int]:
    shots = sorted({shot_of(want.address) for want in wants if want.what in ("still", "take")})
    return {shot: used for shot in shots if (used := spending.total_of(shot=shot))}


def _wanted_before(store: ObjectStore, campaign: str) -> dict[str, Want]:
    """What the campaign's last run wanted, so that a purchase can say what has changed."""
    run = last_run(store, campaign)
    plan = read_record(store, plan_key(run.plan), Plan) if run else None
    return {want.id: want for want in plan.wants} if plan else {}


def _notices(checked: Checked, services: Services) -> tuple[str, ...]:
    spot = checked.loaded.spot
    notices = list(checked.campaign.notices)
    if spot.graphics.disclosure == "auto" and spot.compliance and spot.compliance.people != "none":
        notices.append("disclosure: the label is not drawn yet; people appear, so a paid run stops here")
    for shot in spot.shots:
        if shot.references and (shot.continues or shot.start_image):
            start = f"continues {shot.continues}" if shot.continues else f"starts on {shot.start_image}"
            notices.append(f"{shot.id}: {start}, so its references ({', '.join(shot.references)}) are not sent")
    notices += tell_segments(checked.campaign, checked.models)
    notices += [cut.hint for cut in checked.cut.shots if cut.hint]
    return tuple(notices)


class BudgetHeldError(BudgetExceededError):
    """A start of a schedule that waits for somebody to allow more."""

    summary = "held: over budget"


def refuse_over_budget(plan: Plan) -> None:
    """Before anything is paid. The reserve for retakes is held back from the first takes; retakes may use all of it."""
    spot = plan.read_spot()
    totals = plan.with_pictures or plan.totals  # speech that no picture can be paid for is not bought either
    spent_first = totals.spent if totals.spent_first is None else totals.spent_first
    first = totals.credits - totals.credits_again
    too_many_first = first > max(first_limit(spot, plan.options, plan.allowance) - spent_first, 0)
    if too_many_first or totals.credits > max(totals.budget - totals.spent, 0):
        held = f" ({spot.budget.reroll_reserve:.0%} is held for retakes)" if spot.budget.reroll_reserve else ""
        costs = "speech and pictures cost at least" if plan.is_speech else "the plan costs"
        if plan.allowance is not None:
            detail = f"{costs} {totals.credits:,} credits; {plan.allowance.words()}{held}; nothing was bought"
            if plan.allowance.when_exceeded == "hold":
                raise BudgetHeldError(detail, remedy=f"{RUN_AGAIN} goes on, or raise the schedule's budget")
            raise BudgetExceededError(detail, remedy=f"raise the schedule's budget; {RUN_AGAIN} buys it all the same")
        raise BudgetExceededError(
            f"{costs} {totals.credits:,} credits; {totals.budget:,} are allowed{held}, {totals.spent:,} are spent",
            remedy="raise budget.credits, ask for fewer takes, or say --budget +N",
        )
    limit = spot.budget.per_shot
    before = plan.per_shot_spent
    dear = {
        shot: cost
        for shot, cost in plan.per_shot.items()
        if limit is not None and cost and cost + before.get(shot, 0) > limit
    }
    if dear:
        spent = {shot: f" on top of {before[shot]:,}" if shot in before else "" for shot in dear}
        shots = ", ".join(f"{shot} {cost:,}{spent[shot]}" for shot, cost in dear.items())
        raise BudgetExceededError(
            f"budget.per_shot is {limit:,} credits; {shots}", remedy="raise it, or ask these shots for fewer takes"
        )


def store_inputs(prepared: Prepared, *, lock_beside: bool = True) -> str:
    """Puts manifest, lock, files and plan where any machine can read them; returns the plan's digest. Writes the lock
    beside the manifest first, but for a rehearsal, and what a schedule decides about takes. Raises StoreError."""
    checked, plan, store = prepared.checked, prepared.plan, prepared.store
    write_marks(store, plan.campaign, prepared.marks)
    text = format_lock(prepared.lock).encode()
    if lock_beside:
        beside = lock_path(pinned_by(checked, plan.scheduled))
        place_file(beside, digest_bytes(text), lambda: text, remedy=LOCK_REMEDY)
    for pin in checked.files:
        put_blob(store, "ref", checked.campaign.files[pin.name].path, pin.content_type)
    _put_once(store, manifest_key(plan.campaign, plan.manifest_digest), checked.loaded.manifest_bytes, "text/yaml")
    _put_once(store, lock_key(plan.campaign, plan.manifest_digest), text, "application/json")
    digest = plan.digest
    create_record(store, plan_key(digest), plan)
    return digest


def _put_once(store: ObjectStore, key: str, data: bytes, content_type: str) -> None:
    try:
        store.put_bytes(key, data, content_type=content_type, if_absent=True)
    except PreconditionFailedError:
        return  # the same manifest was run before


def prepare_stored(plan: Plan, accepted: Sequence[str] = ()) -> Prepared:
    """A stored plan with the files that it was made from, in the project of the current folder.

    Raises StalePlanError when the manifest, a file, a price, a service or the ledger has moved since. What the plan
    bought itself is progress: after a crash it goes on.
    """
    path = find_root(Path.cwd() / "plan.json") / plan.manifest
    if not path.is_file():
        raise StalePlanError(f"its manifest {plan.manifest} is not here", remedy="run it from its project's folder")
    fresh = make_plan(
        path, overrides=plan.overrides, accepted=accepted, options=plan.options, scheduled=plan.scheduled,
        stage="speech" if plan.is_speech else "all",
    )  # fmt: skip
    now = fresh.plan
    reasons = {
        "the manifest": (plan.manifest_digest, now.manifest_digest),
        "the brand kit": (plan.brand, now.brand),
        "a file that it names": (plan.files, now.files),
        "the price table": (plan.rate_card, now.rate_card),
        "the vendor": ((plan.video_service, plan.sound_service), (now.video_service, now.sound_service)),
        "what has to be bought": (plan.wants, now.wants),
    }
    moved = [what for what, (before, after) in reasons.items() if before != after]
    if not moved and moved_positions(plan, StoreState(fresh.store, SystemClock())):
        moved = ["the ledger"]
    if moved:
        changed = " and ".join(moved)
        raise StalePlanError(f"{changed} has changed since", remedy="make it again with `shotrunner plan M --out`")
    return replace(fresh, plan=plan)


def read_plan_file(path: Path) -> Plan:
    """A plan that `plan --out` wrote. Raises NotAPlanError when it is none."""
    try:
        return Plan.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise NotAPlanError(f"{path}: {why}", remedy="make one with `shotrunner plan M --out plan.json`") from error


class NotAPlanError(ShotrunnerError):
    summary = "not a plan"
    exit_code = 2
