"""What counts as failed in a run: problems of many takes and films, each noted once."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Sequence
from pathlib import Path

from flows.takes import CAMPAIGN_WIDE
from infra.errors import DailyCapError, ShotrunnerError, StoppedError, UnexpectedError
from infra.masking import MASKING
from infra.production import Production
from infra.providers.wire import plain
from infra.settings import SECRETS, Settings

_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s'\"]+=[^\s'\"]*")  # of a link: may be a signature
_SHORTEST_SECRET = 8


def note_problems(production: Production, outcomes: Sequence[object]) -> None:
    """Every failure once. One that nobody expected is a problem among the others: what is paid is collected, the films
    that it does not touch are made, and the run ends on record."""
    for outcome in outcomes:
        if isinstance(outcome, ShotrunnerError):
            if not any(_same(p, outcome) for p in production.problems):
                production.problems.append(outcome)
        elif isinstance(outcome, Exception):
            if not any(p.__cause__ is outcome for p in production.problems):
                production.problems.append(unexpected(outcome, production.settings))
        elif isinstance(outcome, BaseException):
            raise outcome
    if not production.console.stopping:  # nobody interrupted: buying ended with the money, or with the lease
        others = [p for p in production.problems if not isinstance(p, StoppedError)]
        production.problems[:] = others or production.problems


def unexpected(error: Exception, settings: Settings) -> UnexpectedError:
    """With its class, its words without anything secret, and the place in our code."""
    kept = [getattr(settings, name) for name in SECRETS]
    secrets = [value.get_secret_value() for value in kept if value is not None]
    secrets += [v for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= _SHORTEST_SECRET]
    words = MASKING.hide(str(error))  # keys that were read from where a reference points
    for secret in secrets:
        words = words.replace(secret, "[key]")
    words = _QUERY.sub("?…", plain(words))
    root = Path(__file__).parent.parent
    ours = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(root)]
    ours = [f for f in ours if not Path(f.filename).relative_to(root).parts[0].startswith(".")] or ours
    where = f" ({Path(ours[-1].filename).relative_to(root).as_posix()}, line {ours[-1].lineno})" if ours else ""
    problem = UnexpectedError(
        f"{type(error).__name__}: {words}{where}",
        remedy="What was paid is on record; run again. If it comes again, report it with these words.",
    )
    problem.__cause__ = error
    return problem


def _same(one: ShotrunnerError, other: ShotrunnerError) -> bool:
    """What ended the buying of the campaign, or of a model, is one problem however many takes it met."""
    if one is other or type(one) is not type(other):
        return one is other
    return type(one) in CAMPAIGN_WIDE or (isinstance(one, DailyCapError) and one.detail == other.detail)
