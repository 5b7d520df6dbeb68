"""The one decorator that makes a function a Prefect task, and what every task shares: no retries and no cache of
Prefect's. Steps remember by their own keys, and a purchase is never repeated by an orchestrator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ParamSpec, TypeVar

from opentelemetry import trace
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.utilities.annotations import quote

from infra.errors import ShotrunnerError
from infra.production import Production

P = ParamSpec("P")
R = TypeVar("R")


def production_task(
    name: str,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]:
    """An async task whose run is named by its `slate` argument. It returns records, never bytes. An error without an
    address gets the slate: a person has to know where to look."""

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def named(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                _name_span(str(kwargs.get("slate", args[0] if args else name)), (*args, *kwargs.values()))
                return await function(*args, **kwargs)
            except ShotrunnerError as error:
                error.address = error.address or str(kwargs.get("slate", args[0] if args else name))
                raise

        wrap = task(name=name, task_run_name="{slate}", cache_policy=NO_CACHE, persist_result=False, retries=0)
        made: Callable[..., Coroutine[Any, Any, R]] = wrap(named)

        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return await made(*map(_unseen, args), **{key: _unseen(value) for key, value in kwargs.items()})

        call.fn = named  # type: ignore[attr-defined]
        return call

    return decorate


def _name_span(slate: str, arguments: Sequence[Any]) -> None:
    """Where Prefect keeps a span for a task, it says which take of which run it is about."""
    span = trace.get_current_span()
    if not span.is_recording():
        return
    production = next((a for a in arguments if isinstance(a, Production)), None)
    about = {"run_id": production.run_id, "campaign": production.plan.campaign} if production is not None else {}
    span.set_attributes({f"shotrunner.{key}": value for key, value in ({"slate": slate} | about).items()})


def _unseen(argument: Any) -> Any:
    """Prefect looks for futures in all that a task is given, field by field: the whole plan, twice for every task."""
    return quote(argument) if isinstance(argument, Production) else argument
