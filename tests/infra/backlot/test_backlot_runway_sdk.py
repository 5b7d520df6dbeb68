"""The vendor's own client, unmodified and strict about answers, drives the backlot; its types are our model cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal, Required, get_args, get_origin, get_type_hints

import av
import httpx
import pytest
import runwayml
from runwayml.types import image_to_video_create_params, text_to_image_create_params, text_to_video_create_params

from infra.backlot.faults import FaultRule
from infra.backlot.runway import CREATES
from infra.backlot.validation import OUTPUT_FORMATS, knows_field
from manifests.catalogue import EndpointCard, ModelCard
from manifests.ratecard import load_models

PARAMS = {
    "/v1/text_to_image": text_to_image_create_params.TextToImageCreateParams,
    "/v1/text_to_video": text_to_video_create_params.TextToVideoCreateParams,
    "/v1/image_to_video": image_to_video_create_params.ImageToVideoCreateParams,
}
SOLD = [
    (card, endpoint)
    for card in load_models().values()
    for endpoint in card.endpoints
    if card.vendor == "runway" and card.retired is None and endpoint.path in CREATES
]


@pytest.fixture
def sdk(caller: Any) -> Iterator[runwayml.RunwayML]:
    with (
        httpx.Client(trust_env=False) as client,
        runwayml.RunwayML(
            api_key="key_test", base_url=caller.url, http_client=client, _strict_response_validation=True
        ) as opened,
    ):
        yield opened


def _finish(sdk: runwayml.RunwayML, caller: Any, task: str) -> bytes:
    caller.wait(task)
    shown = sdk.tasks.retrieve(task)
    assert shown.status == "SUCCEEDED"
    data = httpx.get(shown.output[0], trust_env=False).raise_for_status().content
    assert shown.cost.credits > 0
    sdk.tasks.delete(task)
    with pytest.raises(runwayml.NotFoundError, match="Could not find Task"):
        sdk.tasks.retrieve(task)
    return data


def test_upload_still_and_organization(
    sdk: runwayml.RunwayML, caller: Any, png: Callable[..., bytes], tmp_path: Path
) -> None:
    file = tmp_path / "cup.png"
    file.write_bytes(png(640, 640) + b"\0" * 600)
    uploaded = sdk.uploads.create_ephemeral(file=file)
    assert uploaded.uri.startswith("runway://")
    made = sdk.text_to_image.create(
        model="gen4_image",
        prompt_text="@cup on a worktop",
        ratio="720:720",
        reference_images=[{"uri": uploaded.uri, "tag": "cup"}],
        seed=5,
        content_moderation={"public_figure_threshold": "low"},
    )
    assert made.estimated_cost.credits == 5
    assert sdk.tasks.retrieve(made.id).status in ("PENDING", "RUNNING", "SUCCEEDED")
    assert _finish(sdk, caller, made.id).startswith(b"\x89PNG")
    organization = sdk.organization.retrieve()
    assert organization.credit_balance == 1_000_000 - 5
    assert organization.usage.models["gen4_image"].daily_generations == 1
    assert organization.tier.models["gen4_image"].max_concurrent_generations == 2
    usage = sdk.organization.retrieve_usage()
    assert [(used.model, used.amount) for day in usage.results for used in day.used_credits] == [("gen4_image", 5)]


def test_video_from_text(sdk: runwayml.RunwayML, caller: Any) -> None:
    made = sdk.text_to_video.create(
        model="gen4.5", prompt_text="A cup. Slow push in.", ratio="1280:720", duration=2, seed=1
    )
    assert made.estimated_cost.credits == 24
    _check_film(_finish(sdk, caller, made.id), 1280, 720, 48)


def test_video_from_an_image(
    sdk: runwayml.RunwayML, caller: Any, png: Callable[..., bytes], uri: Callable[..., str]
) -> None:
    made = sdk.image_to_video.create(
        model="gen4_turbo",
        prompt_image=[{"uri": uri(png(832, 1104)), "position": "first"}],
        prompt_text="Pan left",
        ratio="832:1104",
        duration=2,
    )
    assert made.estimated_cost.credits == 10
    _check_film(_finish(sdk, caller, made.id), 832, 1104, 48)


def _check_film(data: bytes, width: int, height: int, frames: int) -> None:
    with av.open(BytesIO(data)) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (width, height, Fraction(24))
        assert sum(1 for _ in film.decode(stream)) == frames


async def test_the_asynchronous_client(caller: Any) -> None:
    async with runwayml.AsyncRunwayML(
        api_key="key_test",
        base_url=caller.url,
        http_client=httpx.AsyncClient(trust_env=False),
        _strict_response_validation=True,
    ) as sdk:
        made = await sdk.text_to_image.create(
            model="gen4_image", prompt_text="A cup on a worktop", ratio="720:720", seed=1
        )
        caller.wait(made.id)
        assert (await sdk.tasks.retrieve(made.id)).status == "SUCCEEDED"
        await sdk.tasks.delete(made.id)


@pytest.mark.parametrize("fault", ["stuck", "fail:SAFETY.INPUT.IMAGE", "fail:null"])
def test_every_other_status_is_what_the_client_expects(open_backlot: Callable[..., Any], fault: str) -> None:
    caller = open_backlot(concurrency=1, faults=[FaultRule(fault=fault)])
    with httpx.Client(trust_env=False) as client:
        sdk = runwayml.RunwayML(
            api_key="key_test", base_url=caller.url, http_client=client, _strict_response_validation=True
        )
        first, second = caller.make_still(), caller.make_still()
        if fault == "stuck":
            caller.wait(first, "RUNNING")
            assert sdk.tasks.retrieve(first).status == "RUNNING"
            assert sdk.tasks.retrieve(second).status == "THROTTLED"
        else:
            caller.wait(first)
            failed = sdk.tasks.retrieve(first)
            assert failed.status == "FAILED"
            assert failed.failure_code == (None if fault == "fail:null" else fault.removeprefix("fail:"))


def test_refusals_reach_the_client(sdk: runwayml.RunwayML, caller: Any) -> None:
    with pytest.raises(runwayml.BadRequestError) as refused:
        sdk.text_to_video.create(model="gen4.5", prompt_text="", ratio="1280:720", duration=99)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["error"] == "Validation of body failed"
    assert {issue["path"][0] for issue in refused.value.body["issues"]} == {"promptText", "duration"}
    with pytest.raises(runwayml.AuthenticationError):
        sdk.organization.retrieve(extra_headers={"Authorization": "Basic abc"})
    with pytest.raises(runwayml.BadRequestError, match="X-Runway-Version"):
        sdk.organization.retrieve(extra_headers={"X-Runway-Version": "2023-09-06"})


@pytest.mark.parametrize("fault", ["lose-answer", "status:502-html"])
def test_a_lost_answer_makes_this_client_buy_twice(open_backlot: Callable[..., Any], fault: str) -> None:
    """Why ours sends a create once: the log sees the same body charged again."""
    caller = open_backlot(faults=[FaultRule(fault=fault, times=1)])
    with httpx.Client(trust_env=False) as client:
        sdk = runwayml.RunwayML(api_key="k", base_url=caller.url, http_client=client, _strict_response_validation=True)
        sdk.text_to_image.create(model="gen4_image", prompt_text="A cup on a worktop", ratio="720:720", seed=1)
    log = caller.backlot.log
    assert [entry["status"] for entry in log.creates()] == ["lost" if fault == "lose-answer" else 502, 200]
    assert [entry["retry"] for entry in log.creates()] == ["0", "1"]
    assert list(log.bought_twice().values()) == [2]
    assert caller.balance() == 1_000_000 - 10


# --- the client's types against our model cards ---


def _read_type(endpoint: str, model: str) -> dict[str, Any]:
    for kind in get_args(PARAMS[endpoint]):
        hints = get_type_hints(kind, include_extras=True)
        if model in get_args(get_args(hints["model"])[0]):
            return hints
    raise AssertionError(f"the client does not know {model} on {endpoint}")


def _wire_name(name: str, hint: Any) -> str:
    if get_origin(hint) is Required:
        hint = get_args(hint)[0]
    alias = get_args(hint)[1].alias if get_origin(hint) is Annotated else None
    return alias or name


def _values(hint: Any) -> tuple[Any, ...]:
    while get_origin(hint) in (Required, Annotated):
        hint = get_args(hint)[0]
    return get_args(hint) if get_origin(hint) is Literal else ()


@pytest.mark.parametrize(("card", "endpoint"), SOLD, ids=lambda row: getattr(row, "id", getattr(row, "path", "")))
def test_model_cards_have_the_fields_and_sizes_of_the_client(card: ModelCard, endpoint: EndpointCard) -> None:
    hints = _read_type(endpoint.path, card.id)
    required = {_wire_name(name, hint) for name, hint in hints.items() if get_origin(hint) is Required}
    optional = {_wire_name(name, hint) for name, hint in hints.items()} - required
    assert set(endpoint.required) == required
    assert set(endpoint.optional) == optional
    assert set(endpoint.ratios) == set(_values(hints["ratio"]))
    if "duration" in hints and (sold := _values(hints["duration"])):
        assert card.seconds is not None
        assert card.seconds.values == sold
    if card.id == "gen4.5":
        assert set(OUTPUT_FORMATS) == set(_values(hints["output_format"]))
    assert all(knows_field(name) for name in (*endpoint.required, *endpoint.optional))


def test_a_model_that_the_client_lost_is_marked_retired() -> None:
    known = {
        model
        for kinds in PARAMS.values()
        for kind in get_args(kinds)
        for model in get_args(get_args(get_type_hints(kind, include_extras=True)["model"])[0])
    }
    runway = [card for card in load_models().values() if card.vendor == "runway"]
    assert {card.id for card in runway if card.retired is None} <= known
    assert not {card.id for card in runway if card.retired is not None} & known
