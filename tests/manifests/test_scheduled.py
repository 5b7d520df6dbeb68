"""A schedule read and settled for a day: the same value on any machine, and each slip told with its line."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weeks import Weekly, write_weekly

from manifests.campaign import load_campaign
from manifests.diagnostics import Diagnostic, ManifestError, format_diagnostic
from manifests.jsonschema import manifest_schema
from manifests.occurrences import occurrence_on
from manifests.schedule import Schedule
from manifests.scheduled import Resolved, is_schedule, read_schedule, resolve_schedule
from manifests.schema import PEOPLE

VALIDATOR = jsonschema.Draft202012Validator(manifest_schema())
WEEK = "2026-12-14"


@pytest.fixture
def weekly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weekly:
    found = write_weekly(tmp_path / "p")
    monkeypatch.chdir(found.root)
    return found


def settle(day: str = WEEK, path: str = "weekly.yaml") -> Resolved:
    loaded = read_schedule(Path(path))
    return resolve_schedule(loaded, occurrence_on(loaded.schedule, dt.date.fromisoformat(day)))


def slips(day: str = WEEK) -> list[str]:
    """What is wrong with the schedule on that day, as people see it."""
    with pytest.raises(ManifestError) as refused:
        load_campaign(Path("film.yaml"), scheduled=settle(day))
    return [told_first(problem) for problem in refused.value.diagnostics]


def told_first(problem: Diagnostic) -> str:
    """What is wrong, and where; without what to do about it."""
    return format_diagnostic(problem).partition("\n")[0]


def test_parameters_and_rows_are_those_of_the_day(weekly: Weekly) -> None:
    first, later = settle("2026-12-14"), settle("2026-12-21")
    assert first.params == {"offer": "tea for two", "week": "2026-W51"}
    assert later.params == {"offer": "tea for one", "week": "2026-W52"}
    assert (first.axes, later.axes) == ({"cup": ("green", "blue")}, {"cup": ("green", "white")})
    assert first.patch == (
        '{"variants": {"axes": {"cup": '
        '[{"id": "green", "colour": "matte green"}, {"id": "blue", "colour": "deep blue"}]}}}'
    )
    assert set(first.tables) == {"data/offers.csv", "data/cups.csv"}


def test_what_is_settled_says_nothing_of_this_machine(
    weekly: Weekly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = settle()
    there = write_weekly(tmp_path / "elsewhere" / "deeper")
    monkeypatch.chdir(there.root)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert settle() == here
    assert settle().resolved_digest == here.resolved_digest
    assert str(tmp_path) not in here.model_dump_json()


def test_stored_and_read_back_it_makes_the_same_films(weekly: Weekly) -> None:
    weekly.edit("weekly.yaml", "    axes:\n", "    axes:\n      ratio: ['16:9']\n")
    weekly.edit("weekly.yaml", "override:\n", "override:\n  generate: {seed: 7, upscale: none}\n  edit: {match: {}}\n")
    weekly.edit("weekly.yaml", "  edit: {match: {}}\n", "  budget: {reroll_reserve: 0.25}\n")
    weekly.edit("weekly.yaml", "upscale: none", "takes: 3")
    fresh = settle()
    stored = Resolved.model_validate_json(fresh.model_dump_json(by_alias=True))
    assert stored == fresh
    films = [load_campaign(Path("film.yaml"), scheduled=s) for s in (fresh, stored)]
    assert films[0].sources[0].source == films[1].sources[0].source
    assert [str(f.lead.spot.budget.reroll_reserve) for f in films] == ["0.25", "0.25"]
    assert (films[1].lead.spot.generate.seed, films[1].lead.spot.generate.takes) == (7, 3)


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@settings(max_examples=60)
@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.decimals(-99, 99, places=2) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8,
))  # fmt: skip
def test_a_patch_is_read_back_as_it_was_written(data: Any) -> None:
    from manifests.films import node_of
    from manifests.load import parse_yaml
    from manifests.nodes import to_data
    from manifests.scheduled import _as_json

    tree, problems = parse_yaml(_as_json(node_of({"x": data})), "weekly.yaml")
    assert problems == []
    assert to_data(tree) == {"x": data}


def test_lists_replace_maps_merge_and_null_deletes(weekly: Weekly) -> None:
    weekly.edit("weekly.yaml", "override:\n", "override:\n  graphics: null\n  generate: {takes: 4}\n")
    weekly.edit("weekly.yaml", '  offer: {table: data/offers.csv, date: "${run.date}", column: offer}\n', "")
    spot = load_campaign(Path("film.yaml"), scheduled=settle()).lead.spot
    assert (spot.generate.takes, spot.generate.model, spot.graphics.supers) == (4, "gen4.5", ())


def test_texts_for_values_of_other_days_are_left_alone(weekly: Weekly) -> None:
    """The table has white only from Christmas on; its texts may stand in the copy table all year."""
    (weekly.root / "copy.yaml").write_text("en-GB:\n  cta: Buy\n  cta@white: Buy white\n  cta@green: Buy green\n")
    weekly.edit("film.yaml", "brand: brand.yaml\n", "brand: brand.yaml\ncopy: copy.yaml\n")
    weekly.edit("film.yaml", "matte green}]}", "matte green}], locale: [en-GB]}")
    source = load_campaign(Path("film.yaml"), scheduled=settle()).sources[0].source
    assert source.copy_table is not None
    assert source.copy_table.text("cta", "en-GB", {"cup": "green", "locale": "en-GB"}) == "Buy green"
    (weekly.root / "copy.yaml").write_text("en-GB:\n  cta: Buy\n  cta@whte: Buy white\n")
    assert slips() == ["copy.yaml:3:3: en-GB.cta@whte: no axis has a value `whte`"]


DAYS = "has 4 fields; five are wanted: minute, hour, day of the month, month, day of the week"
APPROVALS = "approvals: {%s: {by: [art], %s}}\noverride:\n"


@pytest.mark.parametrize(("old", "new", "told"), [
    ('"30 5 * * 1"', '"30 5 * *"', f"5:14: when.cron: `30 5 * *` {DAYS}"),
    (", timezone: Europe/London", "", "5:1: when: missing key `timezone`"),
    ("Europe/London", "Europe/Londn",
     "5:38: when.timezone: no time zone `Europe/Londn`; did you mean `Europe/London`?"),
    ('"2026-12-28"', '"2026-02-30"', "5:66: when.skip_dates[0]: `2026-02-30` is no day of the calendar"),
    ("run: film.yaml", "run: flim.yaml", "4:6: run: no such file: flim.yaml"),
    ("override:\n", "overlap: skipp\noverride:\n",
     "9:10: overlap: `skipp` is not one of: skip, queue, cancel; did you mean `skip`?"),
    ("override:\n", "start_deadline: 6\noverride:\n", "9:17: start_deadline: must be text, not the number 6"),
    ("override:\n", "start_deadline: 6hours\noverride:\n",
     "9:17: start_deadline: `6hours` must be a whole number with m, h or d, such as 30m, 6h or 2d"),
    ("override:\n", "override:\n  name: other\n", "10:3: override.name: `name` is the same every week"),
    ("override:\n", "overide:\n", "9:1: overide: unknown key `overide`; did you mean `override`?"),
    ("override:\n", "notify: [{events: [failed], to: https://hooks.example/x}]\noverride:\n",
     "9:33: notify[0].to: `https://hooks.example/x` must be where the address is kept, such as env:ALDER_WEBHOOK, "
     "and never the address itself"),
    ("override:\n", "budget: {per_run: {credits: 5.5}}\noverride:\n",
     "9:29: budget.per_run.credits: must be a whole number, not the number 5.5"),
    ("override:\n", "refresh: {retire_after: 0}\noverride:\n", "9:25: refresh.retire_after: must be at least 1, is 0"),
    ("override:\n", APPROVALS % ("cut", "on_deadline: best-score, deadline: Tue 12:00"),
     "9:43: approvals.cut.on_deadline: `best-score` is not one of: hold"),
    ("override:\n", APPROVALS % ("takes", "on_deadline: best-score"),
     "9:20: approvals.takes: needs `deadline` with this `on_deadline`, not a map"),
    ("override:\n", APPROVALS % ("takes", "deadline: Tuesday"),
     "9:42: approvals.takes.deadline: `Tuesday` must be a weekday and a time, such as Tue 12:00"),
    ("override:\n", "budget: {per_run: {credits: 1500}, per_month: {credits: 1000}}\noverride:\n",
     "9:29: budget.per_run.credits: 1,500 for one start is more than the 1,000 of the whole month"),
    ("override:\n", APPROVALS % ("takes", "deadline: Tue 12:00, reminders: [Mon 15:00, Mon 05:00]"),
     "9:76: approvals.takes.reminders[1]: `Mon 05:00` is not before the deadline `Tue 12:00`"),
    ("override:\n", "approvals: {takes: {by: [art], deadline: Wed 17:00}, cut: {by: [art], deadline: Tue 12:00}}\n"
     "override:\n",
     "9:81: approvals.cut.deadline: `Tue 12:00` comes before the deadline of takes, `Wed 17:00`"),
])  # fmt: skip
def test_a_slip_of_the_schedule_is_told_with_its_line(weekly: Weekly, old: str, new: str, told: str) -> None:
    weekly.edit("weekly.yaml", old, new)
    with pytest.raises(ManifestError) as refused:
        read_schedule(Path("weekly.yaml"))
    assert f"weekly.yaml:{told}" in [told_first(problem) for problem in refused.value.diagnostics]


def test_times_that_are_in_order_after_some_starts_are_let_be(weekly: Weekly) -> None:
    """After a start on Monday the cut's deadline is the first, after one on Wednesday it is not."""
    weekly.edit("weekly.yaml", '"30 5 * * 1"', '"30 5 * * 1,3"')
    gates = "takes: {by: [art], deadline: Thu 12:00, reminders: [Tue 09:00]}, cut: {by: [art], deadline: Tue 12:00}"
    weekly.edit("weekly.yaml", "override:\n", f"approvals: {{{gates}}}\noverride:\n")
    assert read_schedule(Path("weekly.yaml")).schedule.approvals.cut is not None


TABLE = "cup: {table: data/cups.csv, date: "


@pytest.mark.parametrize(("path", "old", "new", "told"), [
    ("data/offers.csv", "2026-12-07", "2026-12-15",
     "data/offers.csv:2: params.offer: no row is good on 2026-12-14: line 2 begins on 2026-12-15"),
    ("data/offers.csv", "2026-12-21,,", "2026-12-14,,",
     "data/offers.csv:3: params.offer: this row is good on 2026-12-14, and so is line 2"),
    ("weekly.yaml", "column: offer", "column: ofer",
     "weekly.yaml:8:64: params.offer: no column `ofer`; did you mean `offer`?"),
    ("weekly.yaml", "data/offers.csv", "data/ofers.csv",
     "weekly.yaml:8:18: params.offer.table: no such file: data/ofers.csv"),
    ("weekly.yaml", "week: ${run.week}", "week: ${run.weak}",
     "weekly.yaml:7:9: params.week: `${run.weak}`: no value of the run `weak`; did you mean `week`?"),
    ("weekly.yaml", "week: ${run.week}", "week: ${hook.name}",
     "weekly.yaml:7:9: params.week: `${hook.name}` is not known here"),
    ("weekly.yaml", f'{TABLE}"${{run.date}}", limit: 2}}', "cup: {table: data/cups.csv, limit: 2}",
     "weekly.yaml:12:12: override.variants.axes.cup: the rows of data/cups.csv are good from a day to a day"),
    ("weekly.yaml", f'{TABLE}"${{run.date}}"', f"{TABLE}Monday",
     "weekly.yaml:12:41: override.variants.axes.cup.date: `Monday` must be a date in quotes, such as \"2026-12-01\""),
    ("weekly.yaml", "limit: 2}", "where: {colour: pink}}",
     "weekly.yaml:12:64: override.variants.axes.cup.where: no row of data/cups.csv has colour: pink"),
    ("data/cups.csv", "green,matte green,,", "green,matte green,,\ngreen,dark green,2026-12-14,",
     "data/cups.csv:3: override.variants.axes.cup: `green` is good on 2026-12-14, and so is line 2"),
    ("weekly.yaml", "override:\n", "override:\n  generate: {taks: 3}\n",
     "weekly.yaml:10:14: generate.taks: unknown key `taks`; did you mean `takes`?"),
    ("weekly.yaml", "override:\n", "override:\n  generate: {takes: 99}\n",
     "weekly.yaml:10:21: generate.takes: must be at most 20, is 99"),
    ("weekly.yaml", "override:\n", "override:\n  shots: []\n", "weekly.yaml:10:10: shots: is an empty list"),
    ("weekly.yaml", "  offer: {", "  ofer: {",
     "film.yaml:26:57: graphics.supers[0].text: `${params.offer}`: no parameter `offer`; did you mean `ofer`?"),
    ("data/cups.csv", "blue,deep blue", "Blue!,deep blue",
     "data/cups.csv:3: variants.axes.cup.Blue!: `Blue!` must be letters, digits, `-`, `.` and `:`, at most 63, the "
     "first and the last a letter or digit"),
])  # fmt: skip
def test_a_slip_of_the_day_is_told_with_its_line(weekly: Weekly, path: str, old: str, new: str, told: str) -> None:
    weekly.edit(path, old, new)
    assert told in slips()


def test_all_slips_are_told_at_once(weekly: Weekly) -> None:
    weekly.edit("weekly.yaml", "Europe/London", "Mars/Phobos")
    weekly.edit("weekly.yaml", "30 5 * * 1", "30 25 * * 1")
    weekly.edit("weekly.yaml", "film.yaml", "none.yaml")
    with pytest.raises(ManifestError) as refused:
        read_schedule(Path("weekly.yaml"))
    assert [p.address for p in refused.value.diagnostics] == ["run", "when.cron", "when.timezone"]


def test_a_schedule_cannot_run_a_schedule(weekly: Weekly) -> None:
    weekly.edit("weekly.yaml", "run: film.yaml", "run: weekly.yaml")
    with pytest.raises(ManifestError, match="this file is a schedule, and a spot is wanted here"):
        load_campaign(Path("weekly.yaml"), scheduled=settle())


def test_whether_a_file_is_one(weekly: Weekly) -> None:
    (weekly.root / "broken.yaml").write_text("kind: [")
    assert [is_schedule(Path(name)) for name in ("weekly.yaml", "film.yaml", "none.yaml", "broken.yaml")] == [
        True, False, False, False,
    ]  # fmt: skip


FULL: dict[str, Any] = {
    "manifest": 1, "kind": "schedule", "name": "weekly", "run": "film.yaml",
    "when": {"cron": "30 5 * * 1", "timezone": "Europe/London", "skip_dates": ["2026-12-28"]},
    "overlap": "skip", "catch_up": "none", "start_deadline": "6h",
    "params": {"week": "${run.week}", "offer": {"table": "a.csv", "date": "${run.date}", "column": "offer"}},
    "override": {"variants": {"exclude": []}},
    "refresh": {"reuse": "unchanged", "retire_after": 4},
    "budget": {"per_run": {"credits": 7500}, "per_month": {"credits": 20000}, "when_exceeded": "hold"},
    "approvals": {
        "takes": {"by": ["art"], "deadline": "Tue 12:00", "reminders": ["Mon 15:00"], "on_deadline": "best-score",
                  "only_if": {"people": "none"}},
        "cut": {"by": ["brand", "legal"], "needed": 2, "deadline": "Wed 17:00", "on_deadline": "hold"},
    },
    "notify": [{"events": ["failed"], "to": "env:HOOK"}],
}  # fmt: skip
WRONG: list[Any] = [None, True, -1, 0, "", "x", [], ["x"], {"x": 1}]


def _places(value: Any, steps: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [steps, *(place for key, item in items for place in _places(item, (*steps, key)))]


@pytest.mark.parametrize(
    "steps", [p for p in _places(FULL) if p and p[0] != "override"], ids=lambda p: ".".join(map(str, p))
)
def test_models_and_schema_agree(steps: tuple[Any, ...]) -> None:
    import copy

    assert not list(VALIDATOR.iter_errors(FULL))
    for value in WRONG:
        data = copy.deepcopy(FULL)
        inside: Any = data
        for step in steps[:-1]:
            inside = inside[step]
        inside[steps[-1]] = value
        try:
            Schedule.model_validate(data, context=PEOPLE, by_alias=True, by_name=False)
            taken = True
        except ValueError:
            taken = False
        no_deadline = steps[-1] == "deadline" and value is None  # what it is for is told by another key
        assert taken == (not list(VALIDATOR.iter_errors(data))) or no_deadline, value
