"""Until when a variant is good: the first to end of the rows that it shows, in the schedule's zone, and no other."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weeks import Weekly, write_weekly

from manifests.campaign import load_campaign
from manifests.films import Source, Variant, with_valid_to
from manifests.matrix import Axis, AxisValue, Matrix
from manifests.occurrences import occurrence_on
from manifests.scheduled import Resolved, read_schedule, resolve_schedule
from manifests.validity import ValidTo, earliest

OFFERS = "data/offers.csv"


@pytest.fixture
def weekly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weekly:
    """The offer ends on 24 December, the blue cup on the 20th, the green one never."""
    found = write_weekly(tmp_path / "p")
    monkeypatch.chdir(found.root)
    found.edit(OFFERS, "2026-12-20,tea for two\n2026-12-21", "2026-12-24,tea for two\n2026-12-25")
    return found


def settle(day: str = "2026-12-14") -> Resolved:
    loaded = read_schedule(Path("weekly.yaml"))
    return resolve_schedule(loaded, occurrence_on(loaded.schedule, dt.date.fromisoformat(day)))


def source_of(scheduled: Resolved | None) -> Source:
    return load_campaign(Path("film.yaml"), scheduled=scheduled).sources[0].source


def ends(scheduled: Resolved | None) -> dict[str, str]:
    """By variant: the day, and the row that says so."""
    source = source_of(scheduled)
    found = {v.name: v.valid_to for v in (Variant(source, cell) for cell in source.matrix.cells)}
    return {name: f"{end.day} {end.row}" if end else "" for name, end in found.items()}


def test_a_variant_is_good_until_the_first_of_its_rows_ends(weekly: Weekly) -> None:
    assert ends(settle()) == {"green": "2026-12-24 data/offers.csv:2", "blue": "2026-12-20 data/cups.csv:3"}
    assert ends(settle("2027-01-04")) == {"green": "", "white": ""}


def test_read_back_from_the_store_it_is_the_same(weekly: Weekly) -> None:
    fresh = settle()
    stored = Resolved.model_validate_json(fresh.model_dump_json(by_alias=True))
    assert ends(stored) == ends(fresh)
    plain = fresh.model_dump(mode="json", by_alias=True)
    del plain["valid_to"]  # as it was written before anybody asked
    assert ends(Resolved.model_validate(plain)) == {"green": "", "blue": ""}


def test_a_parameter_that_is_in_no_picture_counts_for_nothing(weekly: Weekly) -> None:
    weekly.edit("film.yaml", "${params.offer}", "Time for tea")
    weekly.edit("film.yaml", "budget: {credits: 2000}", 'description: "${params.offer}"\nbudget: {credits: 2000}')
    assert ends(settle()) == {"green": "", "blue": "2026-12-20 data/cups.csv:3"}


def test_what_a_variant_does_not_have_counts_for_nothing(weekly: Weekly) -> None:
    weekly.edit("film.yaml", "duration: 0.5, text", "duration: 0.5, when: {cup: [blue]}, text")
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,2026-12-31")
    assert ends(settle()) == {"green": "", "blue": "2026-12-24 data/offers.csv:2"}


def test_a_literal_look_up_shows_no_row(weekly: Weekly) -> None:
    weekly.edit("film.yaml", "${params.offer}", "$${ params.offer")
    assert ends(settle())["green"] == ""


def test_a_row_is_good_as_long_as_the_parameter_that_chose_it(weekly: Weekly) -> None:
    """Its table is named by the offer, and the offer ends."""
    weekly.edit("film.yaml", "${params.offer}", "Time for tea")
    weekly.edit("weekly.yaml", "data/cups.csv", '"data/${params.file}.csv"')
    chosen = 'file: {table: data/files.csv, date: "${run.date}", column: file}'
    weekly.edit("weekly.yaml", "params:\n", f"params:\n  {chosen}\n")
    (weekly.root / "data" / "files.csv").write_text("file,from,to\ncups,,2026-12-19\n")
    assert ends(settle()) == {"green": "2026-12-19 data/files.csv:2", "blue": "2026-12-19 data/files.csv:2"}


def test_without_a_schedule_the_rows_of_the_manifests_own_tables_count(weekly: Weekly) -> None:
    weekly.edit("film.yaml", "${params.offer}", "Time for tea")
    weekly.edit("film.yaml", "[{id: green, colour: matte green}]", '{table: data/cups.csv, date: "2026-12-20"}')
    assert ends(None) == {"green": "", "blue": "2026-12-20 data/cups.csv:3"}


def test_texts_of_the_copy_table_end_with_the_value_they_are_for(weekly: Weekly) -> None:
    (weekly.root / "copy.yaml").write_text("en-GB:\n  cta: Buy\n  cta@blue: Buy blue\n")
    weekly.edit("film.yaml", "brand: brand.yaml\n", "brand: brand.yaml\ncopy: copy.yaml\n")
    weekly.edit("film.yaml", "matte green}]}", "matte green}], locale: [en-GB]}")
    weekly.edit("film.yaml", "${params.offer}", "${copy.cta}")
    assert ends(settle()) == {"green,en-GB": "", "blue,en-GB": "2026-12-20 data/cups.csv:3"}


def test_what_ends_first_of_all_films_is_known_without_looking_at_each(weekly: Weekly) -> None:
    assert source_of(settle()).first_end == ValidTo(day=dt.date(2026, 12, 20), table="data/cups.csv", line=3)
    weekly.edit("data/cups.csv", "deep blue,,2026-12-20", "deep blue,,")
    assert source_of(settle()).first_end == ValidTo(day=dt.date(2026, 12, 24), table=OFFERS, line=2)
    weekly.edit("film.yaml", "${params.offer}", "Time for tea")
    assert source_of(settle()).first_end is None
    assert source_of(settle("2027-01-04")).first_end is None


# --- days ---


@pytest.mark.parametrize(("now", "zone", "over"), [
    ("2026-12-20T23:59:59+00:00", "UTC", False),
    ("2026-12-21T00:00:00+00:00", "UTC", True),
    ("2026-12-21T07:59:59+00:00", "America/Los_Angeles", False),
    ("2026-12-21T08:00:00+00:00", "America/Los_Angeles", True),
    ("2026-12-20T15:00:00+00:00", "Asia/Tokyo", True),
])  # fmt: skip
def test_a_day_counts_to_its_end_where_clocks_say_so(now: str, zone: str, over: bool) -> None:
    end = ValidTo(day=dt.date(2026, 12, 20), table=OFFERS, line=2)
    assert end.over(dt.datetime.fromisoformat(now), zone) is over


_ENDS = st.none() | st.builds(
    ValidTo, day=st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 9)), table=st.sampled_from("ab"), line=st.integers(2, 9)
)


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(("price", "offer", "legal")), _ENDS, min_size=1),
    st.dictionaries(st.sampled_from(("green", "blue")), _ENDS, min_size=1),
    st.data(),
)
def test_whatever_is_shown_the_first_end_counts(
    params: dict[str, ValidTo | None], cups: dict[str, ValidTo | None], data: st.DataObject
) -> None:
    """Some supers show a parameter, some only in variants of one cup; the definition is counted out."""
    supers = data.draw(st.lists(st.tuples(st.sampled_from(sorted(params)), st.sampled_from((None, *cups))), max_size=4))
    tree = {
        "shots": [{"id": "pour", "prompt": {"subject": "A ${cup} cup"}}],
        "graphics": {"supers": [
            {"at": "pour", "text": f"now ${{params.{name}}}!", **({"when": {"cup": [cup]}} if cup else {})}
            for name, cup in supers
        ]},
    }  # fmt: skip
    values = tuple(AxisValue(id=cup, fields={"id": cup}) for cup in cups)
    matrix = Matrix(axes=(Axis(name="cup", values=values),), cells=tuple((cup,) for cup in cups))
    source = Source(
        data=tree, matrix=with_valid_to(matrix, {"cup": {cup: end for cup, end in cups.items() if end}}),
        params=dict.fromkeys(params, "x"), params_valid_to={name: end for name, end in params.items() if end},
    )  # fmt: skip
    for cup, own in cups.items():
        shown = [params[name] for name, only in supers if only in (None, cup)]
        days = [end.day for end in (own, *shown) if end is not None]
        found = Variant(source, (cup,)).valid_to
        assert (found.day if found else None) == min(days, default=None)
        assert found in (None, own, *shown)


def test_of_rows_that_end_on_one_day_always_the_same_is_told() -> None:
    rows = [ValidTo(day=dt.date(2026, 1, 1), table=table, line=line) for table in "ba" for line in (3, 2)]
    assert earliest(rows) == earliest(reversed(rows)) == rows[3]
    assert earliest([None]) is None
