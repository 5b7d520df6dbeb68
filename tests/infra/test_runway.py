"""The Runway client over handler functions: one POST for each create, whatever comes back; reads that repeat."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from infra import errors
from infra.keys import VendorKey
from infra.providers.base import MediaInput, ProviderRequest, TaskState
from infra.providers.media_inputs import DATA_URI_BYTES
from infra.providers.runway import RunwayProvider
from infra.providers.wire import bare_link, plain
from manifests.digest import digest_json

BASE = "https://api.example.test"
KEY = "key_" + "5a" * 64
TASK = "17f20503-6c24-4c16-946b-35dbbce2af2f"
REQUEST = ProviderRequest("/v1/text_to_video", {"model": "gen4.5", "promptText": "a kettle", "duration": 5})
Handler = Callable[[httpx.Request], httpx.Response]
NO_CREDITS = {"error": "You do not have enough credits to run this task."}
INVALID = {
    "error": "Validation of body failed",
    "issues": [
        {"code": "too_big", "path": ["promptImage", 0, "uri"], "message": "Too long"},
        {"code": "invalid_type", "path": ["duration"], "message": "Required"},
    ],
    "docUrl": "https://docs.dev.runwayml.com/api",
}


class Line:
    """A transport that answers with the next of its script (the last one for ever) and keeps what it was sent."""

    def __init__(self, *script: httpx.Response | Exception | Handler) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        return step(request)


def provider(clock: Any, line: Handler, **options: Any) -> RunwayProvider:
    client = httpx.AsyncClient(transport=httpx.MockTransport(line))
    return RunwayProvider(BASE + "/", SecretStr(KEY), "runway", clock=clock, client=client, **options)


def answer(status: int, body: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def lose_answer(request: httpx.Request) -> httpx.Response:
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)


OUTCOMES: list[tuple[str, Any, type[errors.ShotrunnerError]]] = [
    ("lost answer", lose_answer, errors.UnknownOutcomeError),
    ("read timeout", httpx.ReadTimeout(""), errors.UnknownOutcomeError),
    ("read error", httpx.ReadError(""), errors.UnknownOutcomeError),
    ("write timeout", httpx.WriteTimeout(""), errors.UnknownOutcomeError),
    ("write error", httpx.WriteError(""), errors.UnknownOutcomeError),
    ("unreadable answer", httpx.DecodingError("bad gzip"), errors.UnknownOutcomeError),
    ("500", answer(500, {"error": "x"}), errors.UnknownOutcomeError),
    ("502 in HTML", httpx.Response(502, html="<html>bad gateway</html>"), errors.UnknownOutcomeError),
    ("503", answer(503), errors.UnknownOutcomeError),
    ("504", answer(504), errors.UnknownOutcomeError),
    ("408", answer(408, {"error": "timeout"}), errors.UnknownOutcomeError),
    ("409", answer(409, {"error": "conflict"}), errors.UnknownOutcomeError),
    ("307", httpx.Response(307, headers={"location": BASE + "/v2"}), errors.UnknownOutcomeError),
    ("200 HTML", httpx.Response(200, html="<html>hello</html>"), errors.UnknownOutcomeError),
    ("200 without id", answer(200, {"estimatedCost": {"credits": 60}}), errors.UnknownOutcomeError),
    ("200 with a list", answer(200, [TASK]), errors.UnknownOutcomeError),
    ("204", httpx.Response(204), errors.UnknownOutcomeError),
    ("refused connection", httpx.ConnectError("refused"), errors.VendorUnreachableError),
    ("no such host", httpx.ConnectError("[Errno -2] Name or service not known"), errors.VendorUnreachableError),
    ("connect timeout", httpx.ConnectTimeout(""), errors.VendorUnreachableError),
    ("proxy", httpx.ProxyError("403"), errors.VendorUnreachableError),
    ("429", answer(429, {"error": "Daily limit"}), errors.DailyCapError),
    ("401", answer(401, {"error": "Unauthorized"}), errors.CredentialsError),
    ("no credits", answer(400, NO_CREDITS), errors.CreditsExhaustedError),
    ("invalid", answer(400, INVALID), errors.RequestRejectedError),
    ("403", answer(403), errors.RequestRejectedError),
    ("404", answer(404, {"error": "no such path"}), errors.RequestRejectedError),
    ("413", httpx.Response(413, html="<html>too large</html>"), errors.RequestRejectedError),
    ("422", answer(422, {"error": "x"}), errors.RequestRejectedError),
    ("425", answer(425, {"error": "x"}), errors.RequestRejectedError),
]


@pytest.mark.parametrize(("step", "wanted"), [o[1:] for o in OUTCOMES], ids=[o[0] for o in OUTCOMES])
async def test_a_create_is_one_post_whatever_comes_back(
    test_clock: Any, step: Any, wanted: type[errors.ShotrunnerError]
) -> None:
    line = Line(step)
    with pytest.raises(errors.ShotrunnerError) as caught:
        await provider(test_clock, line).submit(REQUEST)
    assert type(caught.value) is wanted
    assert [r.method for r in line.seen] == ["POST"]
    assert KEY not in str(caught.value)
    assert test_clock.naps == []


async def test_an_accepted_create_says_task_price_and_request(test_clock: Any) -> None:
    line = Line(answer(200, {"id": TASK, "estimatedCost": {"credits": 60}}, **{"x-request-id": "r-1"}))
    accepted = await provider(test_clock, line, on_behalf_of="reader-7").submit(REQUEST)
    assert (accepted.task_id, accepted.estimated_credits, accepted.request_id) == (TASK, 60, "r-1")
    sent = line.seen[0]
    assert str(sent.url) == BASE + "/v1/text_to_video"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["x-runway-version"] == "2024-11-06"
    assert sent.headers["x-runway-on-behalf-of"] == "reader-7"
    assert json.loads(sent.content) == REQUEST.body


@pytest.mark.parametrize(
    ("cost", "credits"),
    [({"credits": 7.2}, 8), ({"credits": "7"}, None), (None, None), ({"credits": True}, None), ({"credits": -1}, None)],
)
async def test_an_estimate_is_rounded_up_or_missing(test_clock: Any, cost: object, credits: int | None) -> None:
    accepted = await provider(test_clock, Line(answer(200, {"id": TASK, "estimatedCost": cost}))).submit(REQUEST)
    assert accepted.estimated_credits == credits


async def test_issues_are_told_in_words(test_clock: Any) -> None:
    with pytest.raises(errors.RequestRejectedError) as caught:
        await provider(test_clock, Line(answer(400, INVALID, **{"x-request-id": "r-9"}))).submit(REQUEST)
    assert caught.value.detail == (
        "HTTP 400: Validation of body failed: promptImage.0.uri: Too long; duration: Required"
    )
    assert caught.value.request_id == "r-9"


@pytest.mark.parametrize("key", ["", "  ", "key\nwith break", "schlüssel", "two words"])
def test_a_key_that_cannot_travel_is_said_before_anything_is_sent(test_clock: Any, key: str) -> None:
    with pytest.raises(errors.CredentialsError) as caught:
        RunwayProvider(BASE, key, "runway", clock=test_clock)
    assert not key.strip() or key not in str(caught.value)


# --- against a real socket: what httpx really does ---


class Server:
    """A real server that answers, or hangs up, and counts the creates it read."""

    def __init__(self, reply: bytes | None) -> None:
        self.reply = reply
        self.creates = 0
        self.connections = 0

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length"))
            await reader.readexactly(length)
            self.creates += 1
            if self.reply:
                writer.write(self.reply)
                await writer.drain()
        finally:
            writer.close()


def reply(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status.encode(), len(body)) + body


async def test_a_dropped_connection_after_the_body_is_unknown_and_one_post(test_clock: Any) -> None:
    server = Server(None)
    async with server as url:
        client = RunwayProvider(url, KEY, "runway", clock=test_clock)
        with pytest.raises(errors.UnknownOutcomeError):
            await client.submit(REQUEST)
        await client.close()
    assert server.creates == server.connections == 1


async def test_half_an_answer_is_unknown(test_clock: Any) -> None:
    server = Server(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"id": "half')
    async with server as url:
        client = RunwayProvider(url, KEY, "runway", clock=test_clock)
        with pytest.raises(errors.UnknownOutcomeError):
            await client.submit(REQUEST)
        await client.close()
    assert server.creates == 1


async def test_every_create_has_a_fresh_connection(test_clock: Any) -> None:
    server = Server(reply(json.dumps({"id": TASK}).encode()))
    async with server as url:
        client = RunwayProvider(url, KEY, "runway", clock=test_clock)
        for _ in range(3):
            await client.submit(REQUEST)
        await client.close()
    assert server.creates == server.connections == 3


async def test_a_closed_port_means_that_nothing_was_sent(test_clock: Any) -> None:
    async with Server(None) as url:
        pass
    client = RunwayProvider(url, KEY, "runway", clock=test_clock)
    with pytest.raises(errors.VendorUnreachableError, match="nothing was sent"):
        await client.submit(REQUEST)
    await client.close()


# --- reads ---


def task(status: str, **fields: object) -> httpx.Response:
    return answer(200, {"id": TASK, "createdAt": "2026-11-21T09:00:00.000Z", "status": status, **fields})


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PENDING", TaskState.WAITING),
        ("THROTTLED", TaskState.WAITING),
        ("RUNNING", TaskState.RUNNING),
        ("SUCCEEDED", TaskState.SUCCEEDED),
        ("FAILED", TaskState.FAILED),
        ("CANCELLED", TaskState.CANCELLED),
        ("CANCELED", TaskState.CANCELLED),
        ("DREAMING", TaskState.UNRECOGNISED),
    ],
)
async def test_every_status_has_a_state(test_clock: Any, status: str, state: TaskState) -> None:
    report = await provider(test_clock, Line(task(status, novelty={"x": 1}))).poll(TASK)
    assert (report.state, report.vendor_status, report.cost_credits) == (state, status, None)


async def test_a_finished_task_says_outputs_and_cost(test_clock: Any) -> None:
    done = task("SUCCEEDED", output=["https://cdn.test/a.mp4?_jwt=x"], cost={"credits": 60})
    report = await provider(test_clock, Line(done)).poll(TASK)
    assert report.outputs == ("https://cdn.test/a.mp4?_jwt=x",)
    assert report.cost_credits == 60
    failed = task("FAILED", failure="An unexpected error occurred.", failureCode=None, cost={"credits": 0}, output=None)
    report = await provider(test_clock, Line(failed)).poll(TASK)
    assert (report.failure, report.failure_code, report.cost_credits) == ("An unexpected error occurred.", None, 0)


@pytest.mark.parametrize("trouble", [answer(429), answer(500), answer(503), httpx.ReadTimeout(""), lose_answer])
async def test_reads_repeat_with_growing_pauses(test_clock: Any, trouble: Any) -> None:
    line = Line(trouble, trouble, trouble, task("RUNNING", progress=0.5))
    report = await provider(test_clock, line).poll(TASK)
    assert report.progress == 0.5
    assert len(line.seen) == 4

    assert all(low <= nap <= low * 1.5 for low, nap in zip((0.5, 1.0, 2.0), test_clock.naps, strict=True))


async def test_reads_give_up_at_last(test_clock: Any) -> None:
    line = Line(answer(503))
    with pytest.raises(errors.VendorUnavailableError, match="HTTP 503, 5 times"):
        await provider(test_clock, line).poll(TASK)
    assert len(line.seen) == 5
    assert len(test_clock.naps) == 4


async def test_a_read_obeys_a_sensible_retry_after_only(test_clock: Any) -> None:
    line = Line(
        answer(429, None, **{"retry-after": "7"}), answer(429, None, **{"retry-after": "3600"}), task("PENDING")
    )
    await provider(test_clock, line).poll(TASK)
    assert test_clock.naps[0] == 7
    assert test_clock.naps[1] <= 1.5


async def test_what_a_poll_cannot_repair(test_clock: Any) -> None:
    for response, wanted in [
        (answer(404, {"error": "Could not find Task"}), errors.TaskMissingError),
        (answer(401, {"error": "Unauthorized"}), errors.CredentialsError),
        (answer(400, {"error": "?"}), errors.VendorUnavailableError),
        (httpx.Response(302, headers={"location": "https://elsewhere.test"}), errors.VendorUnavailableError),
        (httpx.Response(200, html="<html>"), errors.VendorUnavailableError),
    ]:
        line = Line(response)
        with pytest.raises(wanted):
            await provider(test_clock, line).poll(TASK)
        assert len(line.seen) == 1


async def test_deleting_what_is_gone_is_success(test_clock: Any) -> None:
    for response in (httpx.Response(204), answer(404, {"error": "Could not find Task"})):
        line = Line(answer(503), response)
        await provider(test_clock, line).cancel(TASK)
        assert [r.method for r in line.seen] == ["DELETE", "DELETE"]
    with pytest.raises(errors.CredentialsError):
        await provider(test_clock, Line(answer(401))).cancel(TASK)


async def test_limits_of_the_account(test_clock: Any) -> None:
    body = {
        "creditBalance": 1200,
        "tier": {
            "maxMonthlyCreditSpend": 10000,
            "models": {
                "gen4.5": {"maxConcurrentGenerations": 1, "maxDailyGenerations": 50},
                "gen4_image": {"maxConcurrentGenerations": None, "maxDailyGenerations": None},
            },
        },
        "usage": {"models": {"gen4.5": {"dailyGenerations": 7}}},
    }
    limits = await provider(test_clock, Line(answer(200, body))).limits()
    assert limits.balance_credits == 1200
    assert (limits.models["gen4.5"].concurrent, limits.models["gen4.5"].used_today) == (1, 7)
    assert limits.models["gen4_image"].daily is None
    with pytest.raises(errors.VendorUnavailableError):
        await provider(test_clock, Line(answer(200, {"tier": {}}))).limits()


# --- outputs ---

LINK = f"https://cdn.example.test/a/{TASK}/out.mp4?_jwt=secret-token"


async def fetch(client: RunwayProvider, link: str = LINK) -> bytes:
    return b"".join([chunk async for chunk in client.collect(link)])


async def test_an_output_is_fetched_whole_and_without_the_key(test_clock: Any) -> None:
    line = Line(answer(503), httpx.Response(200, content=b"film" * 1000))
    assert await fetch(provider(test_clock, line, on_behalf_of="reader-7")) == b"film" * 1000
    for request in line.seen:
        assert KEY not in str(request.headers)
        assert not any(name.startswith("x-runway") for name in request.headers)


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_dead_link_is_an_expired_one(test_clock: Any, status: int) -> None:
    with pytest.raises(errors.LinkExpiredError) as caught:
        await fetch(provider(test_clock, Line(answer(status))))
    assert "secret-token" not in str(caught.value)


async def broken(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    raise httpx.ReadError("reset")


@pytest.mark.parametrize(
    "step",
    [
        lambda _: httpx.Response(200, headers={"content-length": "100"}, content=broken()),
        lambda _: httpx.Response(200, headers={"content-length": "100"}, content=broken(b"half")),
        lambda _: httpx.Response(200, stream=httpx.ByteStream(b"short"), headers={"content-length": "100"}),
        lambda _: httpx.Response(200, stream=httpx.ByteStream(b"longer"), headers={"content-length": "3"}),
        lambda _: httpx.Response(200, html="<html>log in first</html>"),
        lambda _: httpx.Response(302, headers={"location": "https://elsewhere.test"}),
        lambda _: httpx.Response(206, content=b"part"),
    ],
    ids=["nothing", "reset", "short", "long", "a page", "a redirect", "a part"],
)
async def test_a_broken_download_is_never_taken_for_a_file(test_clock: Any, step: Handler) -> None:
    with pytest.raises(errors.DownloadError) as caught:
        await fetch(provider(test_clock, Line(step)))
    assert "secret-token" not in str(caught.value)


async def test_an_output_that_is_no_link(test_clock: Any) -> None:
    line = Line(answer(200))
    with pytest.raises(errors.DownloadError):
        await fetch(provider(test_clock, line), "https://[broken")
    assert line.seen == []


async def test_logs_hold_neither_token_nor_key(test_clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with Server(None) as url:
        RunwayProvider(url, KEY, "runway", clock=test_clock)  # a client of our own puts the guard up
    caplog.set_level(logging.DEBUG)
    await fetch(provider(test_clock, Line(httpx.Response(200, content=b"film"))))
    assert "out.mp4" in caplog.text
    assert "secret-token" not in caplog.text
    assert KEY not in caplog.text


def test_links_and_words_are_made_fit_for_messages() -> None:
    assert bare_link("https://me:pw@cdn.test:8443/a/b.mp4?_jwt=1#x") == "https://cdn.test/a/b.mp4"
    assert plain("a\nb   c k3y", VendorKey("k3y")) == "a b c [key]"
    assert len(plain("x" * 1000)) == 400


# --- media inputs ---


def media(path: Path, data: bytes, content_type: str = "image/png", **holder: object) -> tuple[dict[str, Any], Any]:
    path.write_bytes(data)
    sha = hashlib.sha256(data).hexdigest()
    placeholder: dict[str, Any] = dict(holder) if holder else {"sha256": sha}
    return placeholder, {digest_json(placeholder): MediaInput(sha, path, content_type)}


async def test_small_media_travel_in_the_body(test_clock: Any, tmp_path: Path) -> None:
    first, one = media(tmp_path / "a.png", b"\x89PNG first")
    second, two = media(
        tmp_path / "b.png", b"\x89PNG frame", derived="out-frame", source="ab" * 32, frame=119, version=1
    )
    body = {"promptImage": [{"uri": first, "position": "first"}], "referenceImages": [{"uri": second, "tag": "cup"}]}
    line = Line(answer(200, {"id": TASK}))
    await provider(test_clock, line).submit(ProviderRequest("/v1/image_to_video", body, {**one, **two}))
    sent = json.loads(line.seen[0].content)
    assert sent["promptImage"][0]["uri"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG first").decode()
    assert sent["referenceImages"][0]["uri"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG frame").decode()
    assert sent["referenceImages"][0]["tag"] == "cup"
    assert body["promptImage"][0]["uri"] is first  # the request itself is left as it was


async def test_large_media_are_uploaded_once_and_the_key_stays_home(test_clock: Any, tmp_path: Path) -> None:
    holder, inputs = media(tmp_path / "big.png", b"\x89PNG" + bytes(DATA_URI_BYTES))
    ticket = {"uploadUrl": "https://bucket.test/in", "fields": {"policy": "p1"}, "runwayUri": "runway://u1"}
    posts: list[str] = []

    def vendor(request: httpx.Request) -> httpx.Response:
        posts.append(str(request.url))
        if request.url.path == "/v1/uploads":
            assert json.loads(request.content)["filename"].endswith(".png")
            return answer(200, ticket)
        if request.url.host == "bucket.test":
            assert "authorization" not in request.headers
            form = request.content
            assert form.index(b'name="policy"') < form.index(b'name="file"')
            return httpx.Response(503 if posts.count("https://bucket.test/in") == 1 else 204)
        assert json.loads(request.content)["promptImage"] == "runway://u1"
        return answer(200, {"id": TASK})

    client = provider(test_clock, vendor)
    request = ProviderRequest("/v1/image_to_video", {"promptImage": holder}, inputs)
    await asyncio.gather(client.submit(request), client.submit(request))
    assert posts.count(BASE + "/v1/uploads") == 2  # when the second step fails, both are done again
    assert posts.count(BASE + "/v1/image_to_video") == 2
    test_clock.elapsed += 21 * 3600
    await client.submit(request)
    assert posts.count(BASE + "/v1/uploads") == 3


async def test_media_that_cannot_go_stop_the_create(test_clock: Any, tmp_path: Path) -> None:
    holder, inputs = media(tmp_path / "a.png", b"\x89PNG")
    line = Line(answer(200, {"id": TASK}))
    client = provider(test_clock, line)

    async def refused(request: ProviderRequest) -> str:
        with pytest.raises(errors.RefusedError) as caught:
            await client.submit(request)
        return str(caught.value)

    assert "not given" in await refused(ProviderRequest("/v1/image_to_video", {"promptImage": holder}))
    (tmp_path / "a.png").write_bytes(b"\x89PNG changed")
    assert "is not what it was" in await refused(ProviderRequest("/v1/x", {"promptImage": holder}, inputs))
    (tmp_path / "a.png").unlink()
    assert "cannot be read" in await refused(ProviderRequest("/v1/x", {"promptImage": holder}, inputs))
    assert line.seen == []


@pytest.mark.parametrize(
    ("step", "wanted", "posts"),
    [
        (answer(401), errors.CredentialsError, 1),
        (answer(200, {"uploadUrl": 5}), errors.RefusedError, 3),
        (answer(400, {"error": "no credits were ever bought"}), errors.RefusedError, 3),
        (httpx.ReadError(""), errors.RefusedError, 15),
    ],
)
async def test_an_upload_that_fails_buys_nothing(
    test_clock: Any, tmp_path: Path, step: Any, wanted: type[Exception], posts: int
) -> None:
    holder, inputs = media(tmp_path / "big.png", bytes(DATA_URI_BYTES + 1))
    line = Line(step)
    with pytest.raises(errors.RefusedError) as caught:
        await provider(test_clock, line).submit(ProviderRequest("/v1/image_to_video", {"promptImage": holder}, inputs))
    assert type(caught.value) is wanted
    assert [r.url.path for r in line.seen] == ["/v1/uploads"] * posts
