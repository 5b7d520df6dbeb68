"""The end of a run: sidecars, the dailies page and the run record. Everything in them is read back from the store."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

import infra
from infra.ahead import add_all
from infra.blobs import has_blob, put_blob, read_blob
from infra.dailies import Page, page_of
from infra.deliverables import ended_films, film_name
from infra.errors import ApprovalNeededError, BudgetExceededError, QualityError, ShotrunnerError
from infra.ledger import spent_and_reserved
from infra.media.poster import shrink_jpeg
from infra.posters import Posters, make_posters
from infra.production import Production
from infra.records import create_record
from infra.selections import read_decisions
from infra.state import StoreState, screened_of
from manifests.allowance import left_out_words
from manifests.approvals import Decisions, said_of_film
from manifests.estimate import estimate_seconds
from manifests.expand import Want
from manifests.films import Variant
from manifests.finish import DeliverableIndex, Finished, film_facts, wants_of
from manifests.journal import BlobRef, Choice, Problem, Rejection, RunRecord, SectionCount, Selection, StepResult
from manifests.naming import deliverable_index_key, parse_address, run_key
from manifests.planner import Planner
from manifests.prompts import review_questions
from manifests.sharing import count_variants
from manifests.standing import standing_of_take
from manifests.walk import Numbered, Walk, circled_number, is_tie
from tasks.policy import production_task

TEMPLATES = Path(infra.__file__).parent / "templates"
LEFT_OUT = "the others are delivered; say --budget +N for this start, or raise the schedule's budget"
MANY_PICTURES, SMALL_WIDTH = 120, 320  # on one page: with more, each is smaller


@production_task("wrap")
async def wrap(slate: str, production: Production, finished: Sequence[Finished], flow_run: str) -> RunRecord:
    """Writes dailies and run record, whatever happened before. Returns the record."""
    for film in finished:
        if not film.ok:
            production.problems.append(_failed_checks(film))
    if production.plan.left_out:
        production.problems.append(BudgetExceededError(left_out_words(production.plan.left_out), remedy=LEFT_OUT))
    over = ended_films(production.plan, [film.index for film in finished], production.clock.now())
    production.problems += over.values()  # nobody is asked about them, nor told that they are there
    waiting = await asyncio.to_thread(_undecided, production, [f for f in finished if f.index.key not in over])
    production.problems += waiting.values()
    incomplete = await asyncio.to_thread(incomplete_films, production, finished)
    posters = await _posters(production, finished)
    page = await asyncio.to_thread(_dailies, production, finished, list(waiting), list(over), incomplete, posters)
    dailies = await asyncio.to_thread(put_blob, production.store, "out", page.encode(), "text/html")
    record = _record(production, finished, list(waiting), list(over), flow_run, dailies)
    record = record.model_copy(update={"incomplete": incomplete, "grid": posters.grid})
    await asyncio.to_thread(create_record, production.store, run_key(record.run_id, "run.json"), record)
    return record


async def _posters(production: Production, finished: Sequence[Finished]) -> Posters:
    """Without them the page is poorer; no film is."""
    try:
        return await make_posters(production, finished)
    except ShotrunnerError as error:
        production.notices.append(f"no poster frames: {error.summary}: {error.detail}")
        return Posters({})


def _failed_checks(film: Finished) -> ShotrunnerError:
    failed = [c for c in film.index.measured["checks"] if not c["ok"]]
    detail = "; ".join(f"{c['name']}: wanted {c['wanted']}, found {c['found']}" for c in failed)
    return QualityError(
        detail, address=film.deliver.profile, remedy="the file is kept; change what is named and run again"
    )


def _undecided(production: Production, finished: Sequence[Finished]) -> dict[str, ApprovalNeededError]:
    """By index key: films that somebody has to see before they are delivered."""
    gates = production.review_gates()
    found = {}
    for film in finished:
        index = film.index
        waiting = gates.waiting("film", index.variant, index.film_sha256)
        if waiting is not None:
            who, campaign = waiting.by[0], production.plan.campaign
            found[index.key] = ApprovalNeededError(
                f"{waiting}; {index.film} is in review/",
                address=index.variant,
                remedy=f"shotrunner circle {index.variant} film --by {who} --in {campaign}, "
                f"or shotrunner approve {production.run_id} FILE; then run again",
            )
    return found


def incomplete_films(production: Production, finished: Sequence[Finished]) -> dict[str, tuple[str, ...]]:
    """By variant, what keeps a film from being made: wants without a circled take or a sound. Empty when money, vendor
    and makers all did their part, and when only the speech was to be made."""
    if production.plan.is_speech:
        return {}
    made = {film.index.variant for film in finished}
    films = [(v, film_name(v, wanted)) for v in production.plan.variants for wanted in v.spot.deliver]
    open_films = [(variant, name) for variant, name in films if name not in made]
    if not open_films:
        return {}
    planner = add_all(
        production.plan.wants, partial(Planner, production.state(), gates=production.review_gates()), production.store
    )
    lacking = []
    for want in production.plan.wants:
        walk = planner.walks.get(want.id)
        sounds = [n for n in walk.wanted if n.result is not None] if walk is not None else []
        if want.id not in planner.pictures if want.what in ("take", "still") else not sounds:
            lacking.append(want.id)
    stills = {want.removesuffix("still") + "take": want for want in lacking if want.endswith("/still")}

    def lacks(variant: Variant) -> tuple[str, ...]:
        needed = wants_of(variant, production.plan.cut(variant, production.models))
        return tuple(want for want in lacking if want in needed or want in {stills.get(n) for n in needed})

    return {name: lacks(variant) for variant, name in open_films}


def _record(
    production: Production, finished: Sequence[Finished], waiting: Sequence[str], over: Sequence[str], flow_run: str,
    dailies: BlobRef,
) -> RunRecord:  # fmt: skip
    problems = production.problems

    def keys(films: Sequence[Finished]) -> tuple[str, ...]:
        return tuple(deliverable_index_key(f.index.campaign, f.index.variant, f.index.key[:12]) for f in films)

    return RunRecord(
        run_id=production.run_id,
        campaign=production.plan.campaign,
        plan=production.plan.digest,
        flow_runs=tuple(dict.fromkeys(name for name in (*production.flow_runs, flow_run) if name)),
        started=production.started,
        ended=production.clock.now(),
        exit_code=exit_code_of(problems),
        problems=tuple(
            Problem(summary=p.summary, detail=p.detail, address=p.address, remedy=p.remedy, exit_code=p.exit_code)
            for p in problems
        ),
        calls=production.calls,
        steps_made=dict(production.steps.made),
        steps_kept=dict(production.steps.kept),
        cpu_seconds=round(production.steps.cpu_seconds, 1),
        spent_credits=production.spent,
        paid=production.plan.paid,
        deliverables=keys([f for f in finished if f.index.key not in (*waiting, *over)]),
        waiting=keys([f for f in finished if f.index.key in waiting]),
        over=keys([f for f in finished if f.index.key in over]),
        dailies=dailies,
        notices=(*production.plan.notices, *production.notices),
        buying_seconds=production.buying_seconds,
        scheduled=production.plan.scheduled.brief() if production.plan.scheduled else None,
        estimated_seconds=estimated_seconds(production),
        fits=_fits(production),
        speech_only=production.plan.is_speech,
        sections=count_sections(production, finished),
    )


def count_sections(production: Production, finished: Sequence[Finished]) -> SectionCount:
    shown, made = production.shown, production.steps.made_keys
    return SectionCount(
        shown=Counter(shown.values()),
        encoded=Counter(step for key, step in shown.items() if key in made),
        films=len(finished),
        films_made=sum(film.made for film in finished),
    )


def _fits(production: Production) -> tuple[Any, ...]:
    """`LineFit` of every line, locale by locale."""
    return tuple(sorted(production.fits.values(), key=lambda fit: (fit.locale, fit.line, fit.room)))


def exit_code_of(problems: Sequence[ShotrunnerError]) -> int:
    """Interrupted first, then what nobody expected; of several other kinds 2 before 8 before 5, then the rest."""
    codes = {p.exit_code for p in problems}
    for code in (130, 1, 2, 8, 5, 6, 9, 4, 7, 3):
        if code in codes:
            return code
    return 1 if codes else 0


def estimated_seconds(production: Production) -> tuple[int, int] | None:
    """What the plan said that purchasing would take; None when it had nothing to buy."""
    plan, slots = production.plan, production.settings.concurrency
    if not plan.unfinished:
        return None
    low, high = (
        estimate_seconds(plan.wants, plan.actions, production.models, slots, slow=slow) for slow in (False, True)
    )
    return low, high


# --- dailies: every take of the run, what was circled and why ---


def _dailies(
    production: Production,
    finished: Sequence[Finished],
    undecided: Sequence[str],
    over: Sequence[str],
    incomplete: Mapping[str, Sequence[str]],
    posters: Posters,
) -> str:
    state = StoreState(production.store, production.clock)
    planner = add_all(production.plan.wants, partial(Planner, state, gates=production.review_gates()), production.store)
    groups = [
        _group(production, state, want, planner.walks[want.id])
        for want in production.plan.every_want
        if want.id in planner.walks
    ]
    spending = spent_and_reserved(production.store, production.plan.campaign, paid=production.plan.paid)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    poster = next((t["poster"] for g in groups for t in g["takes"] if t["circled"] and g["want"].what == "take"), None)
    said = read_decisions(production.store, production.plan.campaign)
    plan = production.plan
    many = count_variants(plan.sources) > 1
    names = {film_name(v, wanted): v.name for v in plan.variants for wanted in v.spot.deliver} if many else {}
    films, by_variant = [], dict[str, list[dict[str, Any]]]()
    for made in finished:
        folder = ("review/" if made.index.key in undecided else "") + (f"{made.index.profile}/" if many else "")
        films.append(_film(made.index, made.made, poster, folder, said))
        films[-1]["over"] = made.index.key in over
        by_variant.setdefault(names.get(made.index.variant, ""), []).append(films[-1])
    page = page_of(plan, production.store, posters.of, by_variant, groups) if many else Page()
    waiting = [w.id for w in production.plan.wants if w.id not in planner.walks]
    return environment.get_template("dailies.html.j2").render(
        plan=production.plan,
        run_id=production.run_id,
        groups=groups,
        films=films,
        page=page,
        incomplete=incomplete,
        waiting=waiting,
        problems=production.problems,
        spent=production.spent,
        spending=spending,
        production=production,
        decisions=production.decisions,
        estimated=estimated_seconds(production),
        fits=_fits(production),
        sections=count_sections(production, finished),
    )


def _film(
    index: DeliverableIndex, made: bool, poster: str | None, folder: str, said: Sequence[Decisions]
) -> dict[str, Any]:
    film = index.film
    return {
        "index": index,
        "made": made,
        "poster": poster,
        "facts": film_facts(index.measured),
        "name": film,
        "folder": folder,
        "undecided": folder.startswith("review/"),
        "words": [_film_words(word) for word in said_of_film(said, index.variant, index.film_sha256)],
        "others": [n for n in sorted(index.files) if n != film],
    }


def _group(production: Production, state: StoreState, want: Want, walk: Walk) -> dict[str, Any]:
    selection = state.selection(walk.segment)
    chosen = circled_number(walk, selection)
    numbers = sorted((*walk.wanted, *walk.skipped), key=lambda n: n.number)
    return {
        "want": want,
        "questions": _questions(production, want),
        "prompt": want.body.get("promptText") or want.body.get("text"),
        "takes": [_take(production, state, want, n, chosen, selection) for n in numbers],
        "chosen": chosen,
        "why": _why(selection, numbers, chosen),
        "credits": sum(n.result.credits for n in numbers if n.result) + _failed_credits(numbers),
    }


def _questions(production: Production, want: Want) -> tuple[str, ...]:
    """What a person should look for in the takes of a shot."""
    name = parse_address(want.address).shot
    shot = next((s for s in production.spot.shots if s.id == name), None)
    return review_questions(shot) if shot is not None and want.what == "take" else ()


def _failed_credits(numbers: Sequence[Numbered]) -> int:
    return sum(f.credits for n in numbers for f in n.history.failures)


def _why(selection: Selection | None, numbers: Sequence[Numbered], chosen: Numbered | None) -> str:
    if selection is None or selection.circled is None or chosen is None:
        return ""
    choice = selection.circled
    if choice.by != "score":
        return f"take {choice.take} circled by {choice.by}" + (f": {choice.note}" if choice.note else "")
    rivals = [n.screened.score for n in numbers if n.usable and n.screened and n.number != chosen.number]
    score = choice.score or 0.0
    if not rivals:
        return f"the only usable one (score {score:.3f})"
    if is_tie(max(rivals), score):
        return f"score {score:.3f}; another within 0.01, the lower number wins"
    return f"best score {score:.3f}, next {max(rivals):.3f}"


def _take(
    production: Production,
    state: StoreState,
    want: Want,
    numbered: Numbered,
    chosen: Numbered | None,
    selection: Selection | None,
) -> dict[str, Any]:
    poster = None
    faults: Sequence[str] = ()
    if numbered.result is not None and want.what in ("take", "still"):
        record = state.screening_record(want, numbered.result.blob)
        if record is not None:
            poster = _picture(production, record) if "poster.jpg" in record.files else None  # nothing could be decoded
            faults = screened_of(record).faults
    body = numbered.request["body"]
    return {
        "number": numbered.number,
        "state": _state_words(numbered, production.plan.campaign),
        "poster": poster,
        "score": numbered.screened.score if numbered.screened else None,
        "parts": dict(numbered.screened.parts) if numbered.screened else {},
        "faults": faults,
        "credits": numbered.result.credits if numbered.result else _failed_credits([numbered]),
        "seed": body.get("seed"),
        "digest": numbered.result.blob.sha256[:12] if numbered.result else "",
        "seconds": numbered.result.seconds if numbered.result else None,
        "circled": chosen is not None and numbered.number == chosen.number,
        "words": _words(selection, numbered.number),
    }


def _words(selection: Selection | None, number: int) -> list[str]:
    """What people said of one take, with who and when."""
    told = []
    choice = selection.circled if selection else None
    if choice is not None and choice.take == number and choice.by != "score":
        trim = f", shown from frame {choice.trim} on" if choice.trim else ""
        told.append(f"circled by {_who(choice)}{trim}" + (f": {choice.note}" if choice.note else ""))
    for said in selection.rejected if selection else ():
        if said.take == number:
            note = f": {said.note}" if said.note else ""
            told.append(f"rejected ({said.reason}) by {_who(said)}{note}" + (", replaced" if said.replace else ""))
    return told


def _film_words(word: Mapping[str, Any]) -> str:
    verdict = "approved" if word["decision"] == "approve" else f"rejected ({word.get('reason', '')})"
    person = f" ({word['person']})" if "person" in word else ""
    note = f": {word['note']}" if "note" in word else ""
    return f"{verdict} by {word['by']}{person}, {word['at'][:16].replace('T', ' ')} UTC{note}"


def _who(said: Choice | Rejection) -> str:
    person = f" ({said.person})" if said.person else ""
    return f"{said.by}{person}, {said.at:%Y-%m-%d %H:%M} UTC"


def _state_words(numbered: Numbered, target: str) -> str:
    if numbered.screened is not None and not numbered.screened.ok:
        return "screened out"
    return str(standing_of_take(numbered, target))


def _picture(production: Production, record: StepResult) -> str | None:
    if not has_blob(production.store, record.files["poster.jpg"]):
        return None  # lost intermediate bytes; the take itself is there
    picture = read_blob(production.store, record.files["poster.jpg"])
    if len(production.plan.actions) > MANY_PICTURES:
        picture = shrink_jpeg(picture, SMALL_WIDTH)
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
