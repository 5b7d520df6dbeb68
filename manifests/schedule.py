"""`kind: schedule`: when a manifest runs unattended, with which parameters, and who is asked until when.

Shape and ranges only. Which days those are is `manifests.occurrences`; what runs on one is `manifests.scheduled`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from manifests.schema import (
    Credits,
    Date,
    FilePath,
    Format,
    Identifier,
    Model,
    Name,
    Place,
    Share,
    Text,
    Tries,
    _take_whole,
)

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

Cron = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Span = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,3}[mhd]$")]
WeekTime = Annotated[str, StringConstraints(pattern=r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01][0-9]|2[0-3]):[0-5][0-9]$")]
Secret = Annotated[str, StringConstraints(pattern=r"^(env|file|aws-sm|prefect-secret|block):[^\s]+$")]
Weeks = Annotated[int, Field(ge=1, le=520), BeforeValidator(_take_whole)]


class When(Model):
    """At what local time, in a named zone: five fields of cron."""

    cron: Cron = Field(description="Minute, hour, day of the month, month, day of the week.", examples=["30 5 * * 1"])
    timezone: Zone = Field(description="A named zone: it knows when clocks change.", examples=["Europe/London"])
    skip_dates: tuple[Date, ...] = Field(
        default=(), description="Local days on which nothing starts, in quotes.", examples=[["2026-12-28"]]
    )


class TableCell(Model):
    """One text out of a table: that of the row which is good on a day."""

    table: FilePath = Field(description="A CSV file, relative to this file.", examples=["data/offers.csv"])
    date: Text = Field(description="The day: ${run.date}, or a day in quotes.", examples=["${run.date}"])
    column: Text = Field(description="Which column.", examples=["offer"])


class Refresh(Model):
    """What becomes of takes of earlier weeks."""

    reuse: Literal["unchanged"] = Field(
        default="unchanged", description="A shot whose inputs did not change keeps its take."
    )
    retire_after: Weeks | None = Field(
        default=None, description="Weeks after which a take is made anew, even if nothing changed."
    )


class Sum(Model):
    """An amount of money."""

    credits: Credits = Field(description="Credits of $0.01.")


class ScheduleBudget(Model):
    """Takes the place of the manifest's `budget.credits`."""

    per_run: Sum | None = Field(default=None, description="For one occurrence, however often it is started.")
    per_month: Sum | None = Field(
        default=None, description="For a calendar month in the schedule's zone: everything that the campaign spent."
    )
    warn_at: Share | None = Field(default=None, description="Share of a limit from which people are told.")
    when_exceeded: Literal["hold", "deliver-what-fits", "fail"] = Field(
        default="hold",
        description="hold: buy nothing until somebody allows more; deliver-what-fits: as many films as there is money "
        "for; fail: buy nothing, and it is over.",
    )


class OnlyIf(Model):
    """What must be so before silence counts as a choice."""

    score_at_least: Place | None = Field(default=None, description="The score of every take that is chosen.")
    people: Literal["none"] = Field(
        default="none", description="Nobody is seen: what shows people always waits for a person."
    )


class _ScheduledGate(Model):
    by: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(description="Roles or names.", examples=[["art"]])
    needed: Tries = Field(default=1, description="How many of them.")
    deadline: WeekTime | None = Field(
        default=None, description="The first such time after the start, in the schedule's zone.", examples=["Tue 12:00"]
    )
    reminders: tuple[WeekTime, ...] = Field(default=(), description="When they are asked again.")

    @model_validator(mode="after")
    def _deadline_for_policy(self) -> Self:
        if self.deadline is None and getattr(self, "on_deadline", "hold") != "hold":
            raise PydanticCustomError("deadline_missing", "needs `deadline` with this `on_deadline`")
        return self


class PictureGate(_ScheduledGate):
    """Who chooses stills or takes, until when, and what happens then."""

    on_deadline: Literal["best-score", "reuse-last", "hold"] = Field(
        default="hold",
        description="best-score: the score chooses; reuse-last: the take that was shown before; hold: it waits.",
    )
    only_if: OnlyIf = Field(default=OnlyIf(), description="Else it waits all the same.")


class CutGate(_ScheduledGate):
    """Who lets the finished films pass. Silence never does."""

    on_deadline: Literal["hold"] = Field(
        default="hold", description="Only hold: no film ships because nobody answered."
    )


class Approvals(Model):
    """The gates of a run that nobody watches; they take the place of the manifest's `review`."""

    keyframes: PictureGate | None = Field(default=None, description="The stills.")
    takes: PictureGate | None = Field(default=None, description="The takes.")
    cut: CutGate | None = Field(default=None, description="The finished films.")


class Notify(Model):
    """Who is told what."""

    events: Annotated[
        tuple[Literal["needs-approval", "failed", "budget-warning", "delivered"], ...], Field(min_length=1)
    ] = Field(description="Of what.")
    to: Secret = Field(
        description="Where the webhook's address is kept, never the address: env:NAME, file:/PATH, aws-sm:ID#KEY, "
        "prefect-secret:BLOCK; or block:TYPE/NAME, a notification block of Prefect.",
        examples=["env:ALDER_WEBHOOK"],
    )


class Schedule(Model):
    """A manifest that runs by the calendar."""

    manifest: Format = Field(description="Format version.")
    kind: Literal["schedule"] = Field(description="A schedule.")
    name: Name = Field(description="Names the deployment and its records.", examples=["alder-weekly-refresh"])
    run: FilePath = Field(description="The manifest that runs, relative to this file.", examples=["winter-15s.yaml"])
    description: Text | None = Field(default=None, description="For people.")
    when: When = Field(description="When it starts.")
    overlap: Literal["skip", "queue", "cancel"] = Field(
        default="skip", description="What a start does while the run before it still works."
    )
    catch_up: Literal["none", "last"] = Field(
        default="none", description="After downtime: nothing, or the last start that was missed."
    )
    start_deadline: Span | None = Field(
        default=None, description="Later than this a start counts as missed: 30m, 6h, 2d.", examples=["6h"]
    )
    params: dict[Identifier, Text | TableCell] = Field(
        default_factory=dict, description="Become ${params.name} in the manifest; settled once for each start."
    )
    override: dict[str, Any] = Field(
        default_factory=dict,
        description="Patch on the manifest: maps merge, lists replace, null deletes. An axis may be a table.",
    )
    refresh: Refresh = Field(default=Refresh(), description="Whether takes of earlier weeks are shown again.")
    budget: ScheduleBudget = Field(default=ScheduleBudget(), description="What a start and a month may cost.")
    approvals: Approvals = Field(default=Approvals(), description="Who is asked, until when, and what then.")
    notify: tuple[Notify, ...] = Field(default=(), description="Who is told what.")

    @property
    def deadline(self) -> dt.timedelta | None:
        """How late a start may be."""
        return None if self.start_deadline is None else span_of(self.start_deadline)


def span_of(text: str) -> dt.timedelta:
    """`6h` as a length of time."""
    return dt.timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def next_week_time(wall: dt.datetime, text: str) -> dt.datetime:
    """The first `Tue 12:00` after a time, both as a clock shows them."""
    weekday, _, time = text.partition(" ")
    days = (WEEKDAYS.index(weekday) - wall.weekday()) % 7
    found = dt.datetime.combine(wall.date() + dt.timedelta(days=days), dt.time.fromisoformat(time))
    return found if found > wall else found + dt.timedelta(days=7)
