"""What a campaign cost, by the ledger and by the vendor; the stop on charges that nobody explains; lost answers."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from command import Shotrunner
from office import KEY, Office
from paper import AT, RUN, Paper

import infra.providers.wire
from flows.costs import BASELINE, costs_facts, refuse_unexplained
from flows.targets import Target
from flows.views import run_lines
from infra.clock import Clock
from infra.errors import CredentialsError, UnexplainedSpendError
from infra.providers.runway import RunwayProvider
from infra.reconcile import read_acknowledgements
from infra.settings import Settings
from infra.state import StoreState
from manifests.approvals import ReviewGates
from tasks.wrap import incomplete_films

DAY = AT.date().isoformat()
NOW = AT + dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor cannot be reached from here, and nobody wants to wait for that."""
    monkeypatch.setattr(infra.providers.wire, "READ_TRIES", 1)


class Noon:
    """An hour after everything on paper."""

    def now(self) -> dt.datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing waits here")


@pytest.fixture
def office(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A key is set, and behind the client sits this account."""
    monkeypatch.setenv("RUNWAYML_API_SECRET", KEY)
    vendor = Office()

    @contextlib.asynccontextmanager
    async def opened(settings: Settings, service: str, clock: Clock) -> AsyncIterator[RunwayProvider]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(vendor)) as client:
            assert settings.runway_key is not None
            yield RunwayProvider(
                "https://api.test", settings.runway_key.get_secret_value(), service, clock=clock, client=client
            )

    for module in ("flows.costs", "flows.unknowns"):
        monkeypatch.setattr(f"{module}.open_account", opened)
        monkeypatch.setattr(f"{module}.SystemClock", Noon)
    return vendor


def charge(office: Office, credits: float, model: str = "gen4.5") -> None:
    office.usage[(DAY, model)] = office.usage.get((DAY, model), 0) + credits


def prices(paper: Paper) -> list[int]:
    """Of one take of `pour` and of `sip`."""
    return [want.credits for want in paper.prepared().plan.wants]


# --- the ledger ---


def test_nothing_bought_costs_nothing(paper: Paper, shotrunner: Shotrunner) -> None:
    answer = shotrunner("costs", "film.yaml")
    assert answer.code == 0
    assert "nothing was bought yet" in answer.out
    assert "no vendor key is set" in answer.out


def test_play_credits_by_model_and_by_shot(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film(failed={"sip/take-2": "unknown"})
    paper.ran()
    facts = shotrunner("costs", RUN, "--json").facts
    pour, sip = prices(paper)
    play = facts["play"]
    assert facts["paid"]["credits"] == 0
    assert play["credits"] == 2 * pour + 2 * sip
    assert play["by_fate"] == {"settled": 2 * pour + sip, "unknown": sip}
    assert [(r["model"], r["purchases"], r["credits"], r["open"]) for r in play["models"]] == [
        ("gen4.5", 4, 2 * pour + 2 * sip, sip)
    ]
    assert [(r["shot"], r["credits"]) for r in play["shots"]] == [("pour", 2 * pour), ("sip", 2 * sip)]
    assert (facts["run"]["run_id"], facts["vendor"]) == (RUN, None)


def test_a_second_on_screen_costs_what_was_spent_for_it(paper: Paper, shotrunner: Shotrunner) -> None:
    """Seconds on screen, not seconds bought; what has no circled take is not usable."""
    paper.film()
    paper.ran()
    facts = shotrunner("costs", "paper", "--json").facts
    seconds = sum(shot.screen for shot in paper.prepared().checked.cut.shots) / 24
    assert float(facts["play"]["usable_seconds"]) == pytest.approx(seconds)
    assert float(facts["play"]["credits_per_usable_second"]) == pytest.approx(
        facts["play"]["credits"] / seconds, abs=0.05
    )
    assert "play credits a usable second on screen" in shotrunner("costs", "film.yaml").out


def test_a_target_that_is_nothing(paper: Paper, shotrunner: Shotrunner) -> None:
    for target in ("nobody", "20261123-0530-ffff", "other.yaml", "a/b", "..", "Nobody Ever"):
        answer = shotrunner("costs", target)
        assert answer.code == 2, target
        assert "no such manifest, run or campaign" in answer.err


def test_a_campaign_whose_runs_were_all_killed_is_known_by_name(paper: Paper, shotrunner: Shotrunner) -> None:
    from flows.stored_plan import store_inputs

    store_inputs(paper.prepared())
    assert shotrunner("costs", "paper").code == 0


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "broken"])
def test_the_ledger_answers_without_its_manifest(paper: Paper, shotrunner: Shotrunner, *, gone: bool) -> None:
    paper.film()
    paper.ran()
    spent = paper.prepared().plan.totals.spent
    if gone:
        paper.manifest.unlink()
    else:
        paper.change("takes: 2", "taks: 2")
    for target in (RUN, "paper"):
        answer = shotrunner("costs", target)
        assert answer.code == 0, answer.err
        assert "note: by the ledger alone: " in answer.out
        assert "film.yaml" in answer.out
        facts = shotrunner("costs", target, "--json").facts
        assert (facts["play"]["credits"], facts["run"]["run_id"]) == (spent, RUN)
        assert facts["play"]["usable_seconds"] is None
    assert shotrunner("costs", "film.yaml").code == 2, "a manifest that is named has to be one"
    assert shotrunner("costs", "nobody").code == 2


# --- beside the vendor's figures ---


def test_agreement_to_the_credit(paper: Paper, office: Office, shotrunner: Shotrunner) -> None:
    paper.film()
    paper.ran()
    charge(office, paper.prepared().plan.totals.spent)
    answer = shotrunner("costs", "paper")
    assert "balance 900 credits" in answer.out
    assert "difference 0" in answer.out
    assert "unexplained" not in answer.out


def test_the_entries_that_could_explain_a_difference_are_named(
    paper: Paper, office: Office, shotrunner: Shotrunner
) -> None:
    paper.film(failed={"pour/take-2": "unknown", "sip/take-1": "in flight"})
    paper.ran()
    spent = paper.prepared().plan.totals.spent
    pour, sip = prices(paper)
    charge(office, spent - pour - sip)
    facts = shotrunner("costs", "film.yaml", "--json").facts["vendor"]
    assert (facts["charged"], facts["ledger"], facts["difference"]) == (spent - pour - sip, spent, -pour - sip)
    assert (facts["not_charged"], facts["unexplained"], facts["blocks"]) == (pour + sip, 0, False)
    assert [(s["address"], s["credits"], s["why"].partition(":")[0]) for s in facts["suspects"]] == [
        ("pour", pour, "its answer was lost"),
        ("sip", sip, "in flight"),
    ]
    assert "counted in full, perhaps never charged" in shotrunner("costs", "film.yaml").out


def test_a_rehearsal_is_not_on_the_vendors_bill(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, shotrunner: Shotrunner
) -> None:
    paper.film()
    office: Office = request.getfixturevalue("office")
    paper.film()
    charge(office, paper.prepared().plan.totals.spent)
    facts = shotrunner("costs", "film.yaml", "--json").facts
    assert facts["play"]["credits"] == facts["paid"]["credits"] > 0
    assert facts["vendor"]["difference"] == 0
    assert facts["play"]["credits_per_usable_second"] is None, (
        "the film of the paid plan is measured against paid takes"
    )


def test_a_key_that_is_not_accepted(paper: Paper, office: Office, shotrunner: Shotrunner) -> None:
    office.trouble = httpx.Response(401, json={"error": "bad key"})
    answer = shotrunner("costs", "film.yaml")
    assert answer.code == 6
    assert KEY not in answer.out + answer.err


# --- the stop ---


def test_unexplained_charges_stop_the_next_paid_run_until_somebody_answers(
    paper: Paper, office: Office, shotrunner: Shotrunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr("flows.apply.run_flow", lambda *a, **_: started.append(a) or 0)
    paper.film()
    paper.ran()
    charge(office, paper.prepared().plan.totals.spent + 51)
    paper.change("hot water pours in one steady stream into a cup", "the stream of hot water thins and stops")

    answer = shotrunner("run", "film.yaml", "--yes")
    assert (answer.code, started) == (5, [])
    assert "the vendor has charged more than the ledger knows of" in answer.err
    assert "51 credits that no entry of the ledger accounts for (gen4.5 +51)" in answer.err
    assert "--acknowledge --by WHO" in answer.err
    assert "51 credits are unexplained: no paid run until somebody answers for them" in shotrunner("costs", "paper").out

    words = ("--acknowledge", "--by", "mara", "--why", "stills made in the web app")
    answer = shotrunner("costs", "paper", *words)
    assert answer.code == 0
    assert "mara answers for 51 credits" in answer.out
    [kept] = read_acknowledgements(paper.store, "runway")
    assert (kept.credits, kept.by, kept.why) == (51, "mara", "stills made in the web app")
    assert shotrunner("run", "film.yaml", "--yes").code == 0
    assert len(started) == 1
    assert shotrunner("costs", "paper", *words).code == 2, "once is enough"

    charge(office, 51)
    assert shotrunner("run", "film.yaml", "--yes").code == 5


def test_up_to_the_threshold_nobody_is_stopped(paper: Paper, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    paper.film()
    charge(office, paper.prepared().plan.totals.spent + 50)
    paper.change("hot water pours in one steady stream into a cup", "the stream of hot water thins and stops")
    assert refuse_unexplained(paper.prepared()) == ""
    monkeypatch.setenv("SHOTRUNNER_UNEXPLAINED_CREDITS", "49")
    with pytest.raises(UnexplainedSpendError):
        refuse_unexplained(paper.prepared())


def test_what_others_spent_before_the_first_purchase_is_noted_and_stops_nobody(paper: Paper, office: Office) -> None:
    charge(office, 700)
    assert refuse_unexplained(paper.prepared()) == ""
    [noted] = read_acknowledgements(paper.store, "runway")
    assert (noted.credits, noted.why) == (700, BASELINE)
    paper.film()
    charge(office, paper.prepared().plan.totals.spent)
    found = costs_facts(paper.prepared(), Target(paper.manifest), Noon())["vendor"]
    assert (found["acknowledged"], found["unexplained"]) == (700, 0)
    paper.change("hot water pours in one steady stream into a cup", "the stream of hot water thins and stops")
    assert refuse_unexplained(paper.prepared()) == ""
    charge(office, 51)
    with pytest.raises(UnexplainedSpendError):
        refuse_unexplained(paper.prepared())


def test_figures_that_cannot_be_had_are_said_and_stop_nobody(paper: Paper, office: Office) -> None:
    office.trouble = httpx.Response(404, json={"error": "not for this account"})
    assert "spending is not compared" in refuse_unexplained(paper.prepared())
    office.trouble = httpx.Response(401, json={"error": "bad key"})
    with pytest.raises(CredentialsError):
        refuse_unexplained(paper.prepared())


def test_on_the_backlot_nothing_is_compared_or_answered_for(paper: Paper, shotrunner: Shotrunner) -> None:
    assert refuse_unexplained(paper.prepared()) == ""
    answer = shotrunner("costs", "film.yaml", "--acknowledge", "--by", "mara", "--why", "x")
    assert answer.code == 2
    assert "no vendor key is set" in answer.err


@pytest.mark.parametrize("words", [["--acknowledge"], ["--by", "mara"], ["--acknowledge", "--by", "mara"]])
def test_an_answer_has_a_name_and_a_reason(paper: Paper, shotrunner: Shotrunner, words: list[str]) -> None:
    answer = shotrunner("costs", "film.yaml", *words)
    assert answer.code == 2
    assert "belong together" in answer.err


# --- lost answers ---


def unknown_of(shotrunner: Shotrunner) -> dict[str, Any]:
    [told] = shotrunner("doctor", "--json").facts["unknowns"]
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize(
    ("extra", "verdict"), [(0, "not charged"), (1, "charged"), (0.5, "cannot be told")], ids=["no", "yes", "perhaps"]
)
def test_doctor_says_what_the_figures_say(
    paper: Paper, office: Office, shotrunner: Shotrunner, extra: float, verdict: str
) -> None:
    paper.film(failed={"pour/take-2": "unknown"})
    plan = paper.prepared().plan
    each = plan.wants[0].credits
    charge(office, plan.totals.spent - each + int(extra * each))
    told = unknown_of(shotrunner)
    assert (told["campaign"], told["address"], told["credits"], told["paid"]) == ("paper", "pour", each, True)
    assert (told["usage"]["verdict"], told["balance"], told["generations_today"]) == (verdict, 900, 3)
    assert told["settle"] == ["shotrunner retake paper --rebuy-unknown", "shotrunner retake paper --give-up"]
    lines = shotrunner("doctor").out
    assert f"paper pour: unknown since {AT:%Y-%m-%d %H:%M} UTC" in lines
    assert "shotrunner retake paper --give-up" in lines


def test_doctor_without_a_key_still_names_them(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film(failed={"pour/take-2": "unknown"})
    told = unknown_of(shotrunner)
    assert (told["paid"], told["usage"], told["vendor_says"]) == (False, None, None)
    assert "play credits count as spent" in shotrunner("doctor").out


def test_doctor_says_why_the_figures_cannot_be_had(paper: Paper, office: Office, shotrunner: Shotrunner) -> None:
    paper.film(failed={"pour/take-2": "unknown"})
    office.trouble = httpx.Response(404, json={"error": "not for this account"})
    assert "HTTP 404" in unknown_of(shotrunner)["vendor_says"]


def test_doctor_names_what_was_paid_and_is_lost(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film(failed={"pour/take-1": "lost"})
    [told] = shotrunner("doctor", "--json").facts["lost"]
    assert (told["campaign"], told["address"], told["paid"]) == ("paper", "pour", False)
    lines = shotrunner("doctor").out
    assert "paper pour: paid but lost" in lines
    assert "shotrunner retake paper --failed" in lines


def test_a_project_without_unknowns(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film()
    assert shotrunner("doctor", "--json").facts["unknowns"] == []


# --- status ---


def test_status_says_what_to_do_about_each(paper: Paper, shotrunner: Shotrunner) -> None:
    paper.film(failed={"pour/take-1": "lost", "pour/take-2": "unknown", "pour/take-3": "input-moderated"})
    out = shotrunner("status", "film.yaml").out
    assert "paid but lost, lost (X.1)" in out
    assert "`shotrunner retake paper --failed` films it under a new number" in out
    assert "`shotrunner retake paper --rebuy-unknown` or `shotrunner retake paper --give-up`" in out
    assert "change the prompt or the reference" in out


# --- what is left when the money runs out ---


def test_a_run_says_which_films_are_not_complete_and_what_they_lack(paper: Paper) -> None:
    paper.film(failed={f"sip/take-{n}": "input-moderated" for n in range(1, 9)})
    prepared = paper.prepared()
    production: Any = SimpleNamespace(
        plan=prepared.plan,
        spot=prepared.plan.read_spot(),
        models=prepared.checked.models,
        state=lambda: StoreState(prepared.store, Noon()),
        store=prepared.store,
        review_gates=ReviewGates,
    )
    lacking = incomplete_films(production, ())
    assert lacking == {"16x9-youtube-instream": ("sip/take",)}
    made: Any = SimpleNamespace(index=SimpleNamespace(variant="16x9-youtube-instream"))
    assert incomplete_films(production, [made]) == {}
    record = {
        "steps_made": {}, "steps_kept": {}, "paid": True, "calls": 1, "spent_credits": 1, "cpu_seconds": 0,
        "notices": [], "problems": [], "incomplete": lacking,
    }  # fmt: skip
    assert "  not complete: 16x9-youtube-instream, lacks sip/take" in run_lines(record, [])
