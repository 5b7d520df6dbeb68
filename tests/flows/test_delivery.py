"""Films whose offer has ended are not delivered, on paper: which ones, from which moment, and what the sheets say."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import Shotrunner
from paper import AT
from weeks import Clock, Weekly, write_weekly

from flows.apply import finished_films
from flows.delivery import put_out, refused_films
from flows.scheduling import Planned, StartDoneError
from flows.stored_plan import store_inputs
from infra.blobs import put_blob, read_blob
from infra.deliverables import film_name
from infra.errors import PreconditionFailedError
from infra.records import create_record, read_record
from manifests.films import Variant
from manifests.finish import DeliverableIndex, finish_key, sidecar_text
from manifests.journal import RunRecord
from manifests.naming import deliverable_index_key, run_key
from manifests.plan import Plan
from manifests.ratecard import load_profiles
from manifests.validity import valid_to_facts

DAY = "2026-12-14"
MEASURED = {
    "ok": True, "checks": [],
    "measured": {"lufs": None, "true_peak": None, "width": 1920, "height": 1080, "frames": 96,
                 "presented_seconds": {"video": 4.0}},
}  # fmt: skip


@pytest.fixture
def weekly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: Path) -> Weekly:
    """In London: the blue cup ends on 20 December, the offer of both on the 24th."""
    found = write_weekly(tmp_path / "p")
    monkeypatch.chdir(found.root)
    found.edit("data/offers.csv", "2026-12-20,tea for two\n2026-12-21", "2026-12-24,tea for two\n2026-12-25")
    return found


def start(weekly: Weekly) -> Planned:
    clock = Clock()
    clock.set(2026, 12, 14, 6, 0)
    return weekly.start(DAY, clock)


def film_of(planned: Planned, variant: Variant) -> DeliverableIndex:
    """A film of some bytes and its sidecar, as a run leaves them in the store."""
    plan, store, wanted = planned.prepared.plan, planned.prepared.store, variant.spot.deliver[0]
    sidecar = {"schema": "sidecar/1", **valid_to_facts(variant.valid_to, plan.zone)}
    cup = variant.values["cup"]
    files = {
        f"{cup}.mp4": put_blob(store, "out", f"film of {cup}".encode(), "video/mp4"),
        f"{cup}.json": put_blob(store, "out", sidecar_text(sidecar).encode(), "application/json"),
    }
    name = film_name(variant, wanted)
    index = DeliverableIndex(
        key=cup.encode().hex().ljust(64, "0"), campaign="paper", variant=name, profile=wanted.profile,
        ratio=wanted.ratio, values=variant.values, files=files, inputs={}, measured=MEASURED, backlot=True,
    )  # fmt: skip
    where = deliverable_index_key("paper", name, index.key[:12])
    with contextlib.suppress(PreconditionFailedError):  # the film is kept, and its sidecar with it
        create_record(store, where, index)
    stored = read_record(store, where, DeliverableIndex)
    assert stored is not None
    return stored


def ran(planned: Planned, **fields: Any) -> RunRecord:
    """A run that made every film, on record."""
    store, plan = planned.prepared.store, planned.prepared.plan
    films = [film_of(planned, variant) for variant in plan.variants]
    keys = tuple(deliverable_index_key("paper", film.variant, film.key[:12]) for film in films)
    usual: dict[str, Any] = {
        "run_id": "20261214-0600-7f3a", "campaign": "paper", "plan": store_inputs(planned.prepared), "flow_runs": (),
        "started": AT, "ended": AT, "exit_code": 0, "problems": (), "calls": 0, "steps_made": {}, "steps_kept": {},
        "cpu_seconds": 0, "spent_credits": 0, "paid": False, "deliverables": keys, "dailies": None,
        "scheduled": plan.scheduled.brief() if plan.scheduled else None,
    }  # fmt: skip
    record = RunRecord(**(usual | fields))
    create_record(store, run_key(record.run_id, "run.json"), record)
    return record


def put(planned: Planned, record: RunRecord, now: str) -> list[str]:
    """Names of the films that are put out at a time in UTC, beside what is there already."""
    when = dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC)
    return [
        film.path.name for film in put_out(planned.prepared.store, planned.prepared.plan, record, Path("out"), when)
    ]


def sheet() -> dict[str, str]:
    """Last day by file."""
    rows = csv.DictReader((Path("out") / "trafficking.csv").read_text().splitlines())
    return {row["file"]: row["valid_to"] for row in rows}


def test_until_the_end_of_its_day_a_film_is_delivered_and_then_refused(weekly: Weekly) -> None:
    planned = start(weekly)
    record = ran(planned)
    assert put(planned, record, "2026-12-20T23:59") == ["green.mp4", "blue.mp4"]
    assert sheet() == {
        "youtube-instream/green.mp4": "2026-12-24", "youtube-instream/blue.mp4": "2026-12-20",
    }  # fmt: skip
    assert put(planned, record, "2026-12-21T00:00") == ["green.mp4"]
    assert sheet() == {"youtube-instream/green.mp4": "2026-12-24"}
    [refused] = refused_films(
        planned.prepared.store, planned.prepared.plan, record, dt.datetime(2026, 12, 21, tzinfo=dt.UTC)
    )
    assert str(refused) == (
        "blue-16x9-youtube-instream: its offer has ended: blue.mp4 was good until 2026-12-20 (Europe/London), says "
        "data/cups.csv:3\n    change that table, then `shotrunner run --schedule weekly.yaml --date 2026-12-14 "
        "--anew`: what stands on screen is drawn anew, and no take is bought for it"
    )


def test_where_nothing_may_be_delivered_there_is_no_sheet_to_book_by(weekly: Weekly) -> None:
    planned = start(weekly)
    record = ran(planned)
    put(planned, record, "2026-12-20T12:00")
    assert put(planned, record, "2026-12-25T00:00") == []
    assert not list(Path("out").glob("*.csv")) + list(Path("out").glob("*-assets.json"))
    assert (Path("out") / "youtube-instream" / "blue.mp4").is_file(), "what was put there is left"


def test_the_day_ends_where_the_schedule_is(weekly: Weekly) -> None:
    weekly.edit("weekly.yaml", "Europe/London", "America/Los_Angeles")
    planned = start(weekly)
    record = ran(planned)
    assert "blue.mp4" in put(planned, record, "2026-12-21T07:59")
    assert "blue.mp4" not in put(planned, record, "2026-12-21T08:00")


def test_films_that_somebody_has_to_see_are_shown_all_the_same(weekly: Weekly) -> None:
    planned = start(weekly)
    everything = ran(planned)
    waiting = everything.model_copy(update={"deliverables": (), "waiting": everything.deliverables})
    assert put(planned, waiting, "2026-12-25T00:00") == ["green.mp4", "blue.mp4"]
    assert len(list(Path("out/review").rglob("*.mp4"))) == 2


def test_what_a_run_could_not_deliver_is_delivered_once_its_table_says_so(weekly: Weekly) -> None:
    """`over` is what was so when the run ended; what its plan says now decides."""
    planned = start(weekly)
    everything = ran(planned)
    over = everything.model_copy(update={"deliverables": (), "over": everything.deliverables})
    assert put(planned, over, "2026-12-21T00:00") == ["green.mp4"]


def test_the_copy_for_people_follows_the_table_and_the_store_keeps_its_bytes(weekly: Weekly) -> None:
    planned = start(weekly)
    record = ran(planned)
    stored = film_of(planned, list(planned.prepared.plan.variants)[1])
    before = read_blob(planned.prepared.store, stored.files["blue.json"])
    assert json.loads(before)["valid_to"] == "2026-12-20"
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,2026-12-22")
    later = start(weekly)
    assert "blue.mp4" in put(later, record, "2026-12-22T00:00")
    sidecar = Path("out/youtube-instream/blue.json")
    assert json.loads(sidecar.read_bytes()) == {
        "schema": "sidecar/1", "valid_to": "2026-12-22", "valid_to_zone": "Europe/London",
        "valid_to_row": "data/cups.csv:3",
    }  # fmt: skip
    assert read_blob(planned.prepared.store, stored.files["blue.json"]) == before
    weekly.edit("data/cups.csv", "deep blue,,2026-12-22", "deep blue,,")
    weekly.edit("data/offers.csv", "2026-12-24,tea for two\n2026-12-25", "2027-01-31,tea for two\n2027-02-01")
    put(start(weekly), record, "2026-12-22T00:00")
    assert json.loads(sidecar.read_bytes())["valid_to"] == "2027-01-31"
    put(planned, record, "2026-12-15T00:00")
    assert sidecar.read_bytes() == before


def test_another_last_day_changes_no_key_and_nothing_that_is_bought(weekly: Weekly) -> None:
    def keys(plan: Plan) -> list[str]:
        profile = load_profiles()["youtube-instream"]
        return [finish_key(plan, variant, {}, profile, "16:9", 1, {}) for variant in plan.variants]

    before = start(weekly).prepared.plan
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,2026-12-22")
    weekly.edit("data/offers.csv", "2026-12-24,tea for two\n2026-12-25", "2026-12-30,tea for two\n2026-12-31")
    after = start(weekly).prepared.plan
    assert [str(v.valid_to and v.valid_to.day) for v in after.variants] == ["2026-12-30", "2026-12-22"]
    assert keys(after) == keys(before)
    assert (after.wants, after.actions) == (before.wants, before.actions)


def test_axes_that_were_renamed_since_are_found_by_the_films_name(weekly: Weekly) -> None:
    planned = start(weekly)
    record = ran(planned)
    plan, store = planned.prepared.plan, planned.prepared.store
    for cup in ("green", "blue"):
        key = next(key for key in record.deliverables if cup in key)
        old = json.loads(store.get_bytes(key)[0])
        store.put_bytes(key, json.dumps(old | {"values": {"mug": cup}}).encode(), content_type="application/json")
    [refused] = refused_films(store, plan, record, dt.datetime(2026, 12, 21, tzinfo=dt.UTC))
    assert refused.address == "blue-16x9-youtube-instream"


def test_the_plan_says_what_ends_first(weekly: Weekly) -> None:
    said = "good until 2026-12-20 at the earliest (data/cups.csv:3): later, what shows it is not delivered"
    assert said in start(weekly).prepared.plan.notices


# --- what `run` finds to do ---


@pytest.fixture
def look(weekly: Weekly, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What `run` would find in the store, were every film there."""

    def find(planned: Planned, *now: int) -> Any:
        films = {v.cell: film_of(planned, v) for v in planned.prepared.plan.variants}
        monkeypatch.setattr(
            "flows.apply.find_deliverable", lambda store, plan, variant, *_: ("key", films[variant.cell])
        )
        clock = Clock()
        clock.set(*now)
        monkeypatch.setattr("flows.apply.SystemClock", lambda: clock)
        return finished_films(planned.prepared.store, planned.prepared.plan, planned.prepared.planner)

    return find


def test_a_run_of_an_offer_that_has_ended_is_not_silent(weekly: Weekly, look: Any) -> None:
    clock = Clock()
    clock.set(2026, 12, 14, 6, 0)
    weekly.film_of(weekly.begin(DAY, clock))
    planned = start(weekly)
    ran(planned)
    assert len(look(planned, 2026, 12, 20, 23, 59)) == 2
    assert look(planned, 2026, 12, 21) is None


def test_a_run_after_the_last_day_has_moved_goes_on_record(weekly: Weekly, look: Any) -> None:
    """Or `deliver` would go by the old one: its day, and whether it may be delivered."""
    clock = Clock()
    clock.set(2026, 12, 14, 6, 0)
    planned = start(weekly)
    weekly.film_of(planned)
    ran(planned)
    other = ran(weekly.start("2026-12-21", clock), run_id="20261221-0600-7f3a")
    assert other.plan != start(weekly).prepared.plan.digest
    assert len(look(start(weekly), 2026, 12, 15)) == 2, "the other start's rows are its own affair"
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,2026-12-22")
    assert look(start(weekly), 2026, 12, 15) is None


def test_a_start_whose_offer_has_ended_may_be_settled_anew_though_it_was_done(weekly: Weekly) -> None:
    clock = Clock()
    clock.set(2026, 12, 14, 6, 0)
    ran(weekly.begin(DAY, clock))
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,2026-12-27")
    clock.set(2026, 12, 20, 23, 59)
    with pytest.raises(StartDoneError):
        weekly.start(DAY, clock, anew=True)
    clock.set(2026, 12, 21, 0, 0)
    assert weekly.start(DAY, clock, anew=True).changes == ("blue is good until: 2026-12-20 → 2026-12-27",)


# --- the command ---


def ended_yesterday(weekly: Weekly) -> Planned:
    """Filmed a week ago: the blue cup has ended since, whatever today is."""
    today = dt.datetime.now(dt.UTC).date()
    weekly.edit("weekly.yaml", '"30 5 * * 1"', '"30 5 * * *"')
    weekly.edit("weekly.yaml", '["2026-12-28"]', "[]")
    (weekly.root / "data" / "offers.csv").write_text("from,to,offer\n2020-01-01,,tea for two\n")
    two_days_ago = today - dt.timedelta(days=2)
    (weekly.root / "data" / "cups.csv").write_text(f"id,colour,from,to\ngreen,green,,\nblue,blue,,{two_days_ago}\n")
    clock = Clock()
    clock.set(*(today - dt.timedelta(days=7)).timetuple()[:3], 6, 0)
    return weekly.start(str(today - dt.timedelta(days=7)), clock)


def test_deliver_names_film_row_and_remedy_and_puts_the_others_out(weekly: Weekly, shotrunner: Shotrunner) -> None:
    ran(ended_yesterday(weekly))
    answer = shotrunner("deliver", "weekly.yaml", "--out", "for-the-buyer")
    assert answer.code == 7
    assert "paper: 1 file in for-the-buyer" in answer.out
    assert "blue-16x9-youtube-instream: its offer has ended: blue.mp4 was good until" in answer.err
    assert "data/cups.csv:3" in answer.err
    assert "--anew`: what stands on screen is drawn anew, and no take is bought for it" in answer.err
    assert [path.name for path in Path("for-the-buyer").rglob("*.mp4")] == ["green.mp4"]
    facts = shotrunner("deliver", "weekly.yaml", "--json")
    assert facts.code == 7
    assert [one["film"] for one in facts.facts["refused"]] == ["blue-16x9-youtube-instream"]
    assert len(facts.facts["films"]) == 1


def test_deliver_of_what_still_holds_is_as_ever(weekly: Weekly, shotrunner: Shotrunner) -> None:
    (weekly.root / "data" / "cups.csv").write_text("id,colour,from,to\ngreen,green,,\nblue,blue,,9999-12-31\n")
    (weekly.root / "data" / "offers.csv").write_text("from,to,offer\n2020-01-01,,tea for two\n")
    ran(start(weekly))
    answer = shotrunner("deliver", "weekly.yaml")
    assert (answer.code, answer.err) == (0, "")
    assert "paper: 2 files in out/paper" in answer.out
