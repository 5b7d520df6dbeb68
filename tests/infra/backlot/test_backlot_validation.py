"""Bodies and media that the vendor would refuse: every issue at once, in its own words, and nothing charged."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from infra.backlot.validation import check_body, count_units
from manifests.ratecard import load_models

T2I, T2V, I2V = "/v1/text_to_image", "/v1/text_to_video", "/v1/image_to_video"
VIDEO = {"model": "gen4.5", "promptText": "x", "ratio": "1280:720", "duration": 5}
STILL = {"model": "gen4_image", "promptText": "x", "ratio": "1280:720"}
TURBO = {**STILL, "model": "gen4_image_turbo"}
VEO = {"model": "veo3.1", "promptText": "x", "ratio": "1280:720", "duration": 8, "audio": False}


def _issues(path: str, body: object) -> list[dict[str, Any]]:
    return check_body(path, body, load_models()).issues


def test_all_issues_come_at_once(caller: Any) -> None:
    body = {"model": "gen4.5", "promptText": "", "ratio": "16:9", "duration": 11, "seed": -1}
    answer = caller.create("/v1/text_to_video", body)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Validation of body failed",
        "issues": [
            {
                "code": "too_small",
                "minimum": 1,
                "type": "string",
                "inclusive": True,
                "origin": "string",
                "message": "Too small: expected string to have >=1 characters",
                "path": ["promptText"],
            },
            {
                "code": "invalid_value",
                "values": ["1280:720", "720:1280"],
                "message": 'Invalid option: expected one of "1280:720"|"720:1280"',
                "path": ["ratio"],
            },
            {
                "code": "too_big",
                "maximum": 10,
                "type": "number",
                "inclusive": True,
                "origin": "number",
                "message": "Too big: expected number to be <=10",
                "path": ["duration"],
            },
            {
                "code": "too_small",
                "minimum": 0,
                "type": "number",
                "inclusive": True,
                "origin": "number",
                "message": "Too small: expected number to be >=0",
                "path": ["seed"],
            },
        ],
        "docUrl": "https://docs.dev.runwayml.com/api",
    }
    assert caller.backlot.log.purchases() == []
    assert caller.backlot.log.creates()[0]["status"] == 400


@pytest.mark.parametrize("model", ["gen5", "gen4_image", "veo3", None, 5])
def test_an_unknown_model_lists_those_that_are_known(model: object) -> None:
    (issue,) = _issues("/v1/text_to_video", {**VIDEO, "model": model})
    assert issue["path"] == ["model"]
    assert issue["values"] == ["gen4.5", "veo3.1", "veo3.1_fast"]


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        (T2V, {"model": "gen4.5"}, "promptText:invalid_type ratio:invalid_value duration:invalid_type"),
        (T2V, {**VIDEO, "duration": 2.5}, "duration:invalid_type"),
        (T2V, {**VIDEO, "duration": True}, "duration:invalid_type"),
        (T2V, {**VIDEO, "duration": "5"}, "duration:invalid_type"),
        (T2V, {**VIDEO, "duration": 1}, "duration:too_small"),
        (T2V, {**VIDEO, "seed": 2**32}, "seed:too_big"),
        (T2V, {**VIDEO, "seed": None}, "seed:invalid_type"),
        (T2V, {**VIDEO, "promptText": "😀" * 501}, "promptText:too_big"),
        (T2V, {**VIDEO, "promptText": ["x"]}, "promptText:invalid_type"),
        (T2V, {**VIDEO, "outputFormat": "avi"}, "outputFormat:invalid_value"),
        (T2V, {**VIDEO, "outputFormat": "prores"}, "outputFormat:custom"),
        (T2V, {**VIDEO, "proresProfile": "4444"}, "proresProfile:custom"),
        (T2V, {**VIDEO, "contentModeration": 1}, "contentModeration:invalid_type"),
        (T2V, {**VIDEO, "contentModeration": {"publicFigureThreshold": "x"}}, "contentModeration:invalid_value"),
        (T2V, {**VEO, "duration": 5}, "duration:invalid_value"),
        (T2V, {**VEO, "audio": "yes"}, "audio:invalid_type"),
        (T2V, {**VEO, "negativePrompt": ""}, "negativePrompt:too_small"),
        (I2V, VIDEO, "promptImage:invalid_type"),
        (I2V, {**VIDEO, "promptImage": []}, "promptImage:too_small"),
        (I2V, {**VIDEO, "promptImage": ["x"]}, "promptImage:invalid_type"),
        (I2V, {**VIDEO, "promptImage": [{"position": "first"}]}, "promptImage:invalid_type"),
        (I2V, {**VIDEO, "promptImage": [{"position": "x", "uri": "y"}]}, "promptImage:invalid_value"),
        (T2I, TURBO, "referenceImages:invalid_type"),
        (T2I, {**TURBO, "referenceImages": []}, "referenceImages:too_small"),
        (T2I, {**STILL, "referenceImages": [5]}, "referenceImages:invalid_type"),
        (T2I, [], ":invalid_type"),
    ],
)
def test_bounds_and_types(path: str, body: object, found: str) -> None:
    told = [f"{issue['path'][0] if issue['path'] else ''}:{issue['code']}" for issue in _issues(path, body)]
    assert told == found.split(" ")


def test_frames_of_a_model_that_takes_two(uri: Callable[..., str], png: Callable[..., bytes]) -> None:
    image = uri(png())

    def found(*positions: str) -> list[str]:
        entries = [{"uri": image, "position": position} for position in positions]
        return [issue["code"] for issue in _issues("/v1/image_to_video", {**VEO, "promptImage": entries})]

    assert found("first") == found("first", "last") == found("last", "first") == []
    assert found("last") == ["custom"]
    assert found("first", "first") == ["custom"]
    assert found("first", "last", "last") == ["too_big", "custom"]


def test_references_and_tags(uri: Callable[..., str], png: Callable[..., bytes]) -> None:
    image = uri(png())

    def found(*tags: object) -> list[str]:
        entries = [{"uri": image, "tag": tag} for tag in tags]
        return [issue["code"] for issue in _issues("/v1/text_to_image", {**STILL, "referenceImages": entries})]

    assert found("cup", "pot_2", "a" * 16) == []
    assert found("a", "b", "c", "d") == ["too_big", *["too_small"] * 4]
    assert found("cup", "cup") == ["custom"]
    assert found("a" * 17, "Cup", "2cup") == ["too_big", "invalid_format", "invalid_format"]
    assert found("cup-1", 5) == ["invalid_format", "invalid_type"]
    assert _issues("/v1/text_to_image", {**STILL, "referenceImages": [{"uri": image}] * 3}) == []


def test_open_bodies_bill_what_they_do_not_know_and_closed_ones_refuse(caller: Any) -> None:
    answer = caller.create("/v1/text_to_image", {**STILL, "ratio": "720:720", "promptStrength": 5})
    assert answer.status_code == 200
    assert caller.balance() == 1_000_000 - 5
    assert _issues("/v1/text_to_video", {**VEO, "cfg": 1, "camera": 2}) == [
        {
            "code": "unrecognized_keys",
            "keys": ["cfg", "camera"],
            "message": 'Unrecognized keys: "cfg", "camera"',
            "path": [],
        }
    ]


def test_sound_is_dearer_and_the_default(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(concurrency=1, latency=1000)
    without = {key: value for key, value in VEO.items() if key != "audio"}
    prices = [
        caller.create("/v1/text_to_video", body).json()["estimatedCost"]["credits"]
        for body in (without, {**VEO, "audio": True}, VEO)
    ]
    assert prices == [320, 320, 160]


@given(st.text(max_size=20))
def test_length_is_counted_in_utf16_units(text: str) -> None:
    assert count_units(text) == sum(2 if ord(character) > 0xFFFF else 1 for character in text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_NAMES = ["promptText", "promptImage", "ratio", "duration", "seed", "referenceImages", "audio", "contentModeration"]


@settings(max_examples=60)
@given(
    path=st.sampled_from(["/v1/text_to_image", "/v1/text_to_video", "/v1/image_to_video"]),
    model=st.sampled_from(["gen4.5", "gen4_turbo", "gen4_image", "gen4_image_turbo", "veo3.1", "x"]),
    fields=st.dictionaries(st.sampled_from(_NAMES), _JSON),
)
def test_no_body_breaks_validation(path: str, model: str, fields: dict[str, Any]) -> None:
    for issue in _issues(path, {"model": model, **fields}):
        assert {"code", "message", "path"} <= set(issue)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"seed": NaN}', b'{"promptText": "\\ud800"}'])
def test_a_body_that_is_not_json(caller: Any, content: bytes) -> None:
    answer = caller.http.post("/v1/text_to_image", content=content)
    assert answer.status_code == 400
    assert answer.json() == {"error": "The request body is not valid JSON."}


def test_keys_and_version_are_checked_first(caller: Any) -> None:
    def ask(**headers: str) -> httpx.Response:
        return httpx.get(f"{caller.url}/v1/organization", headers=headers, trust_env=False)

    assert ask().status_code == ask(Authorization="Bearer").status_code == ask(Authorization="key").status_code == 401
    missing = ask(Authorization="Bearer k")
    assert (missing.status_code, "X-Runway-Version" in missing.json()["error"]) == (400, True)
    wrong = ask(Authorization="Bearer k", **{"X-Runway-Version": "2030-01-01"})
    assert (wrong.status_code, "2030-01-01" in wrong.json()["error"]) == (400, True)


# --- media inputs ---


def _refuse_image(caller: Any, text: str) -> str:
    body = {"model": "gen4_turbo", "ratio": "1280:720", "duration": 2, "promptImage": text}
    answer = caller.create("/v1/image_to_video", body)
    assert answer.status_code == 400, answer.text
    (issue,) = answer.json()["issues"]
    assert (issue["code"], issue["path"]) == ("custom", ["promptImage"])
    assert caller.backlot.log.purchases() == []
    return str(issue["message"])


def test_media_that_cannot_be_used(caller: Any, png: Callable[..., bytes], uri: Callable[..., str]) -> None:
    good = png()
    cases = {
        uri(png(kind="GIF"), "image/gif"): 'Unsupported asset type "image/gif"',
        uri(png(kind="GIF"), "image/png"): "the file is GIF",
        uri(good, "application/octet-stream"): "Unsupported asset type",
        uri(b"", "image/png"): "could not be read",
        uri(b"not a picture"): "could not be read",
        uri(good[: len(good) // 2]): "could not be read",
        "data:image/png;base64,####": "not valid base64",
        "data:image/png,abc": "Invalid data URI",
        "data:image/png;base64," + "A" * 5_242_880: "Too big",
        "http://example.com/a.png": "Only HTTPS",
        "https://127.0.0.1/a.png": "domain name",
        "https://[::1]/a.png": "domain name",
        "https://localhost/a.png": "domain name",
        "https://[bad/a.png": "Invalid URL",
        "https://example.com/" + "a" * 2048: "Too big",
        "ftp://example.com/a.png": "Invalid URL",
        "cup.png": "Invalid URL",
        "": "Invalid URL",
        "runway://nothing": "no file was uploaded",
        "runway://" + "a" * 5000: "Too big",
        uri(png(100, 300)): "at least 0.5",
        uri(png(300, 100)): "at most 2.358",
    }
    for text, message in cases.items():
        assert message in _refuse_image(caller, text), text[:60]


def test_every_bad_input_is_named(caller: Any, png: Callable[..., bytes], uri: Callable[..., str]) -> None:
    entries = [{"uri": uri(png())}, {"uri": "http://x.org/a"}, {"uri": "runway://x"}]
    answer = caller.create("/v1/text_to_image", {**STILL, "ratio": "9:9", "referenceImages": entries})
    assert [issue["path"] for issue in answer.json()["issues"]] == [
        ["ratio"],
        ["referenceImages", 1, "uri"],
        ["referenceImages", 2, "uri"],
    ]


def test_a_picture_turned_by_its_camera_is_measured_upright(caller: Any, uri: Callable[..., str]) -> None:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 90)).save(out, "JPEG", exif=exif)
    assert "at least 0.5" in _refuse_image(caller, uri(out.getvalue(), "image/jpeg"))


def test_one_digest_however_the_bytes_travel(
    open_backlot: Callable[..., Any], png: Callable[..., bytes], uri: Callable[..., str]
) -> None:
    data = png() + b"\0" * 600
    asked: list[tuple[str, str]] = []

    def host(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.headers["user-agent"]))
        return httpx.Response(200, content=data, headers={"content-type": "image/png"})

    caller = open_backlot(latency=1000, transport=httpx.MockTransport(host))
    forms = [uri(data), _upload(caller, data), "https://pictures.example.com/cup"]
    for form in forms:
        body = {"model": "gen4_turbo", "ratio": "1280:720", "duration": 2, "promptImage": form}
        assert caller.create("/v1/image_to_video", body).status_code == 200
    assert list(caller.backlot.log.bought_twice().values()) == [3]
    assert [method for method, _ in asked] == ["HEAD", "GET"]
    assert all(agent.startswith("RunwayML API/") for _, agent in asked)
    other = {"model": "gen4_turbo", "ratio": "1280:720", "duration": 2, "promptImage": uri(png(colour="#123456"))}
    caller.create("/v1/image_to_video", other)
    assert len({line["digest"] for line in caller.backlot.log.purchases()}) == 2


def _picture(content: str | httpx.ByteStream, *, kind: str = "image/png", length: str | None = None) -> httpx.Response:
    headers = {"content-type": kind, **({"content-length": length} if length else {})}
    if isinstance(content, str):
        return httpx.Response(200, headers=headers, content=content)
    return httpx.Response(200, headers=headers, stream=content)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.Response(404), 'Received HTTP response code "404".'),
        (httpx.Response(301, headers={"location": "https://b.org/"}), 'Received HTTP response code "301".'),
        (_picture("x", kind="application/octet-stream"), "Unsupported asset type"),
        (_picture("x", length=str(17 * 2**20)), "at most 16 MB"),
        (_picture(httpx.ByteStream(b"")), "Content-Length"),
        (httpx.ConnectError("no"), "Could not connect"),
        (httpx.ReadTimeout("slow"), "timed out"),
    ],
    ids=["404", "redirect", "generic", "large", "unsized", "unreachable", "slow"],
)
def test_hosts_that_do_not_serve(
    open_backlot: Callable[..., Any], answer: httpx.Response | Exception, message: str
) -> None:
    def host(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    caller = open_backlot(transport=httpx.MockTransport(host))
    assert message in _refuse_image(caller, "https://pictures.example.com/cup.png")


# --- uploads ---


def _ticket(caller: Any, filename: str = "a.png") -> dict[str, Any]:
    return dict(
        caller.http.post("/v1/uploads", json={"filename": filename, "type": "ephemeral"}).raise_for_status().json()
    )


def _upload(caller: Any, data: bytes) -> str:
    ticket = _ticket(caller)
    answer = httpx.post(ticket["uploadUrl"], data=ticket["fields"], files={"file": ("a.png", data)}, trust_env=False)
    assert (answer.status_code, answer.content) == (204, b"")
    return str(ticket["runwayUri"])


def test_uploads_expire_with_their_clock(caller: Any, png: Callable[..., bytes]) -> None:
    used = _upload(caller, png() + b"\0" * 600)
    late = _ticket(caller)
    caller.control(advance_seconds=24 * 3600 + 1)
    assert "expired" in _refuse_image(caller, used)
    answer = httpx.post(late["uploadUrl"], data=late["fields"], files={"file": b"x" * 600}, trust_env=False)
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)


def test_the_upload_form_is_checked(caller: Any) -> None:
    ticket = _ticket(caller)
    url, fields = ticket["uploadUrl"], ticket["fields"]

    def send(**form: Any) -> tuple[int, str]:
        answer = httpx.post(url, trust_env=False, **form)
        return answer.status_code, answer.text

    assert "EntityTooSmall" in send(data=fields, files={"file": b"x" * 511})[1]
    assert "exactly one file" in send(data=fields)[1]
    assert "field named 'key'" in send(files={"file": b"x" * 600})[1]
    late = [("file", ("a", b"x" * 600)), *[(name, (None, value)) for name, value in fields.items()]]
    assert "before the file" in send(files=late)[1]
    assert send(content=b"x", headers={"content-type": "multipart/form-data; boundary=b"})[0] == 400
    assert send(data=fields, files={"file": b"x" * 512})[0] == 204
    assert "has been used" in send(data=fields, files={"file": b"x" * 512})[1]
    assert httpx.post(f"{caller.url}/upload-target/none", trust_env=False).status_code == 403


def test_an_upload_over_200_mb_is_stopped_by_what_it_announces(caller: Any) -> None:
    address = urlsplit(_ticket(caller)["uploadUrl"])

    def announce(*headers: tuple[str, str]) -> tuple[int, bytes]:
        assert address.hostname is not None
        with contextlib.closing(http.client.HTTPConnection(address.hostname, address.port, timeout=10)) as connection:
            connection.putrequest("POST", address.path)
            for name, value in (("Content-Type", "multipart/form-data; boundary=b"), *headers):
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read()

    status, text = announce(("Content-Length", str(201 * 2**20)))
    assert (status, b"EntityTooLarge" in text) == (400, True)
    assert announce(("Transfer-Encoding", "chunked"))[0] == 411


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"filename": "a.gif", "type": "ephemeral"}, [["filename"]]),
        ({"filename": "a", "type": "forever"}, [["type"], ["filename"]]),
        ({"filename": 5, "type": "ephemeral"}, [["filename"]]),
        ({"type": "ephemeral"}, [[]]),
        ([], [[]]),
    ],
)
def test_an_upload_is_asked_for_properly(caller: Any, body: object, wrong: list[list[str]]) -> None:
    answer = caller.http.post("/v1/uploads", json=body)
    assert answer.status_code == 400
    assert [issue["path"] for issue in answer.json()["issues"]] == wrong


def test_inputs_are_kept_once(caller: Any, png: Callable[..., bytes], uri: Callable[..., str], tmp_path: Path) -> None:
    body = {**STILL, "ratio": "720:720", "referenceImages": [{"uri": uri(png())}, {"uri": uri(png())}]}
    caller.create("/v1/text_to_image", body)
    assert len(list((caller.backlot.folder / "media").iterdir())) == 1
