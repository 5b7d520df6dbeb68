"""What every task hands to Prefect: not the whole production to be searched, and errors with an address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prefect.utilities.annotations import quote

import tasks.policy
from infra.errors import ShotrunnerError
from infra.production import Production
from tasks.policy import production_task


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Prefect was given, in order; it runs the function with what was meant."""
    seen: list[Any] = []

    def fake_task(**_options: Any) -> Callable[..., Any]:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            async def run(*args: Any, **named: Any) -> Any:
                seen.extend([*args, *named.values()])
                meant = [a.unwrap() if isinstance(a, quote) else a for a in args]
                return await function(
                    *meant, **{k: v.unwrap() if isinstance(v, quote) else v for k, v in named.items()}
                )

            return run

        return wrap

    monkeypatch.setattr(tasks.policy, "task", fake_task)
    return seen


async def test_the_production_is_not_searched_for_futures(handed: list[Any]) -> None:
    @production_task("weigh")
    async def weigh(slate: str, production: Production, extra: Production, plain: list[int]) -> list[Any]:
        return [slate, production, extra, plain]

    production = object.__new__(Production)
    assert await weigh("pour", production, extra=production, plain=[1]) == ["pour", production, production, [1]]
    assert [isinstance(argument, quote) for argument in handed] == [False, True, True, False]


async def test_an_error_without_an_address_gets_the_slate(handed: list[Any]) -> None:
    @production_task("weigh")
    async def weigh(slate: str, address: str | None) -> None:
        raise ShotrunnerError("no", address=address)

    for address, told in [(None, "pour take 1"), ("lift/take-2", "lift/take-2")]:
        with pytest.raises(ShotrunnerError) as caught:
            await weigh("pour take 1", address)
        assert caught.value.address == told


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What an operator's exporter would get. The provider can be set once in a process, so it stays."""
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield exporter
    processor.shutdown()


async def test_a_span_says_which_take_of_which_run(handed: list[Any], spans: InMemorySpanExporter) -> None:
    @production_task("weigh")
    async def weigh(slate: str, production: Production) -> str:
        return slate

    production = object.__new__(Production)
    production.run_id = "20261121-0900-abcd"
    production.plan = SimpleNamespace(campaign="winter")  # type: ignore[assignment]
    with trace.get_tracer("prefect").start_as_current_span("weigh"):  # as Prefect does where spans are wanted
        await weigh("winter pour take 1", production)
    (span,) = spans.get_finished_spans()
    assert dict(span.attributes or {}) == {
        "shotrunner.slate": "winter pour take 1",
        "shotrunner.run_id": "20261121-0900-abcd",
        "shotrunner.campaign": "winter",
    }
