"""A checked manifest and what the store says → the plan: its wants, actions, totals and notices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from flows.allowing import Purse, money_notices, what_fits
from flows.checking import Checked, relative
from flows.heard import Heard, Stage, hear, lengthen_checked
from infra.ahead import add_all
from infra.ledger import Spending, shot_of
from infra.records import read_record
from infra.runs import last_run
from infra.selections import read_gates
from infra.storage.base import ObjectStore
from manifests.allowance import Allowance
from manifests.approvals import Decisions
from manifests.catalogue import ModelCard
from manifests.digest import digest_bytes
from manifests.expand import Services, Want, expand_campaign
from manifests.films import Source
from manifests.fitting import films_that_fit, only_films
from manifests.lengthen import lines_that_extend
from manifests.loaded import LoadedCampaign
from manifests.lock import (
    Lock,
    lock_digest,
)
from manifests.naming import plan_key
from manifests.plan import Options, Plan, StateReader, Totals
from manifests.planner import Planner
from manifests.ratecard import rate_card_digest
from manifests.seams import tell_segments
from manifests.timing import cut_of
from manifests.tiny import shrink_wants
from manifests.totals import per_shot_credits, totals_of
from manifests.validity import earliest


@dataclass(frozen=True)
class PlannedCampaign:
    plan: Plan
    planner: Planner
    checked: Checked
    heard: Heard | None


def plan_checked(
    checked: Checked,
    lock: Lock,
    services: Services,
    purse: Purse,
    state: StateReader,
    options: Options,
    overrides: tuple[str, ...],
    said: Sequence[Decisions] = (),
    stage: Stage = "next",
) -> PlannedCampaign:
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
    return PlannedCampaign(plan, planner, checked, heard)


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
    store: ObjectStore

    def walk(
        self, campaign: LoadedCampaign, only: Callable[[Want], bool] | None = None
    ) -> tuple[tuple[Want, ...], Planner]:
        """Of everything, or of some."""
        wants = shrink_wants(expand_campaign(campaign, self.models, self.pins, self.services), self.picture_scale)
        wants = wants if only is None else tuple(want for want in wants if only(want))
        return wants, add_all(wants, self.planner, self.store)


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
    planner = partial(Planner, state, rebuy=rebuy, before=wanted_before(store, spot.name), gates=gates)
    pins = {pin.name: pin.sha256 for pin in checked.files}
    return _Walker(checked.models, pins, services, options.picture_scale, planner, store)


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


def wanted_before(store: ObjectStore, campaign: str) -> dict[str, Want]:
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
    if end := earliest(source.first_end for source in sources_of(checked)):
        notices.append(f"good until {end.day} at the earliest ({end.row}): later, what shows it is not delivered")
    notices += tell_segments(checked.campaign, checked.models)
    notices += [cut.hint for cut in checked.cut.shots if cut.hint]
    return tuple(notices)
