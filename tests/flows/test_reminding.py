"""When a start that waits for people is looked at again."""

from __future__ import annotations

import datetime as dt

import pytest

from flows.reminding import next_look
from manifests.occurrences import occurrence_on
from manifests.schedule import Schedule

GATES = {
    "takes": {
        "by": ["art"], "deadline": "Tue 12:00", "reminders": ["Mon 15:00", "Tue 09:00"], "on_deadline": "best-score",
    },
    "cut": {"by": ["brand"], "deadline": "Wed 17:00"},
}  # fmt: skip


def schedule(**gates: object) -> Schedule:
    return Schedule.model_validate({
        "manifest": 1, "kind": "schedule", "name": "weekly", "run": "film.yaml", "approvals": gates,
        "when": {"cron": "30 5 * * 1", "timezone": "Europe/London"},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("2026-12-14T05:40", "2026-12-14T15:00"),
        ("2026-12-14T15:00", "2026-12-15T09:00"),
        ("2026-12-15T09:00", "2026-12-15T12:01"),
        ("2026-12-15T12:01", "2026-12-16T17:01"),
        ("2026-12-16T17:01", None),
    ],
)
def test_at_each_reminder_and_once_each_deadline_has_passed(now: str, wanted: str | None) -> None:
    weekly = schedule(**GATES)
    found = next_look(weekly, occurrence_on(weekly, dt.date(2026, 12, 14)), dt.datetime.fromisoformat(f"{now}+00:00"))
    assert found == (dt.datetime.fromisoformat(f"{wanted}+00:00") if wanted else None)


def test_without_a_deadline_nobody_is_pressed() -> None:
    weekly = schedule(takes={"by": ["art"]})
    day = occurrence_on(weekly, dt.date(2026, 12, 14))
    assert next_look(weekly, day, day.instant) is None
