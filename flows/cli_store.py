"""The command `store`: whether the configured store keeps its promises, and what lies in it for nothing."""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from flows import views
from flows.cli_words import Json, UsageError

if TYPE_CHECKING:
    from infra.storage.base import ObjectStore

store = cyclopts.App(
    name="store",
    help="""Examine the store that runs buy into, and collect what nothing refers to any more.

    Example: shotrunner store doctor

    Exit: 0; 2 arguments; 6 the store, its credentials, or a promise that it does not keep; 9 a collection is at work.
    """,
)

StoreUrl = Annotated[
    str | None, Parameter(name="--store", help="s3://bucket/prefix or a folder; SHOTRUNNER_STORE unless given.")
]
_SPAN = re.compile(r"([0-9]{1,5})\s*(h|d|w)\Z")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@store.command
def doctor(*, store_: StoreUrl = None, json: Json = False) -> int:
    """Try the whole contract on a store, and write down what holds there. Leaves nothing else behind.

    Runs look at what is written; a bucket that two writers can both create an object in is never bought into, and
    neither is one that strangers may read, unless `public_store = true` says so.

    Example: shotrunner store doctor --store s3://alder-films/2026

    Exit: 0 everything that is needed holds; 6 something does not, or the store cannot be used.
    """
    import time

    from flows.examining import check_facts, check_lines
    from infra.clock import SystemClock
    from infra.storage.doctor import endpoint_of, examine_store, write_capabilities

    opened, public = _open(store_)
    checks = examine_store(opened, time.sleep, public=public)
    write_capabilities(opened, SystemClock(), checks, thorough=True)
    facts = check_facts(opened.url, endpoint_of(opened), checks)
    views.answer(facts, check_lines(facts), json=json)
    return 0 if facts["ok"] else 6


@store.command
def gc(
    *,
    grace: Annotated[
        str, Parameter(help="How long nothing has to refer to something: 36h, 7d, 2w.", show_default=True)
    ] = "7d",
    apply: Annotated[bool, Parameter(help="Do it; otherwise only say what would be done.")] = False,
    store_: StoreUrl = None,
    json: Json = False,
) -> int:
    """Collect blobs that no record refers to: list them, and delete a grace later what was listed before.

    Intermediates that no run has used for 14 days go the same way, for their steps make them again; what is left of
    transfers that broke off goes after two days. Records, takes that were bought and deliverables stay.

    Example: shotrunner store gc --apply

    Exit: 0; 2 arguments; 6 store; 9 another collection is at work.
    """
    from flows.examining import collection_facts, collection_lines
    from infra.clock import SystemClock
    from infra.garbage import collect_garbage

    span = read_span(grace)
    opened, _ = _open(store_)
    show = sys.stderr.isatty() and not json
    done = collect_garbage(
        opened, SystemClock(), grace=span, apply=apply,
        tell=lambda line: views.say(line, stream=sys.stderr) if show else None,
    )  # fmt: skip
    facts = collection_facts(opened.url, done, grace)
    views.answer(facts, collection_lines(facts), json=json)
    return 0


def read_span(text: str) -> dt.timedelta:
    """`36h`, `7d`, `2w`. Raises UsageError below what writers count on."""
    from infra.doomed import LEAST_GRACE

    match = _SPAN.match(text.strip())
    if match is None:
        raise UsageError(f"--grace {text}: no span of time", remedy="a number and h, d or w: 36h, 7d, 2w")
    span = dt.timedelta(**{_UNITS[match[2]]: int(match[1])})
    if span < LEAST_GRACE:
        raise UsageError(
            f"--grace {text} is too short", remedy="at least 1d: a run may refer tomorrow to what it stored today"
        )
    return span


def _open(url: str | None) -> tuple[ObjectStore, bool]:
    """The store, and whether strangers may read it."""
    from flows.prepare import absolute_store
    from infra.settings import read_settings
    from infra.storage import open_store
    from manifests.paths import find_root

    root = find_root(Path.cwd() / "here")
    settings = read_settings(root)
    named = absolute_store(url, Path.cwd()) if url else absolute_store(settings.store, root)
    return open_store(named, root), settings.public_store


COMMANDS = (store,)
