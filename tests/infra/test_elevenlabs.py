"""The ElevenLabs client over handler functions: one POST for each create; both error envelopes; timings."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from infra import errors
from infra.audio.base import CharacterTiming, SoundRequest
from infra.audio.elevenlabs import ElevenLabsProvider, read_error

BASE = "https://sound.example.test"
KEY = "sk_false_key_for_tests"
SPEECH = SoundRequest("/v1/text-to-speech/v1ce/with-timestamps?output_format=wav_48000", {"text": "Hi"})
PLAIN = SoundRequest("/v1/text-to-speech/v1ce?output_format=mp3_44100_128", {"text": "Hi", "model_id": "m"})
EFFECT = SoundRequest("/v1/sound-generation", {"text": "a kettle clicks", "duration_seconds": 2})
ALIGNMENT = {
    "characters": ["H", "i"],
    "character_start_times_seconds": [0.0, 0.1],
    "character_end_times_seconds": [0.1, 0.25],
}


class Line:
    """Answers every request with the same step and keeps what it was sent."""

    def __init__(self, step: httpx.Response | Exception) -> None:
        self.step = step
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if isinstance(self.step, Exception):
            raise self.step
        return httpx.Response(self.step.status_code, headers=self.step.headers, content=self.step.content)


def provider(line: Line) -> ElevenLabsProvider:
    client = httpx.AsyncClient(transport=httpx.MockTransport(line))
    return ElevenLabsProvider(BASE, KEY, "elevenlabs", client=client)


def detail(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"detail": {"status": code, "message": f"about {code}"}})


def timed(**fields: Any) -> httpx.Response:
    body = {"audio_base64": base64.b64encode(b"RIFFsound").decode(), "alignment": ALIGNMENT, **fields}
    return httpx.Response(200, json=body, headers={"character-cost": "2", "request-id": "r-1"})


OUTCOMES: list[tuple[str, Any, type[errors.ShotrunnerError]]] = [
    ("lost answer", httpx.RemoteProtocolError("disconnected"), errors.UnknownOutcomeError),
    ("read timeout", httpx.ReadTimeout(""), errors.UnknownOutcomeError),
    ("write error", httpx.WriteError(""), errors.UnknownOutcomeError),
    ("500", detail(500, "internal"), errors.UnknownOutcomeError),
    ("502", httpx.Response(502, html="<html>"), errors.UnknownOutcomeError),
    ("503", httpx.Response(503), errors.UnknownOutcomeError),
    ("504", httpx.Response(504), errors.UnknownOutcomeError),
    ("408", httpx.Response(408), errors.UnknownOutcomeError),
    ("409", httpx.Response(409), errors.UnknownOutcomeError),
    ("302", httpx.Response(302, headers={"location": BASE + "/elsewhere"}), errors.UnknownOutcomeError),
    ("200 HTML", httpx.Response(200, html="<html>"), errors.UnknownOutcomeError),
    ("200 empty", httpx.Response(200), errors.UnknownOutcomeError),
    ("201", httpx.Response(201, content=b"?"), errors.UnknownOutcomeError),
    ("refused connection", httpx.ConnectError("refused"), errors.VendorUnreachableError),
    ("no such host", httpx.ConnectError("Name or service not known"), errors.VendorUnreachableError),
    ("429 busy", detail(429, "system_busy"), errors.ThrottledError),
    ("429 concurrent", detail(429, "too_many_concurrent_requests"), errors.ThrottledError),
    ("401 quota", detail(401, "quota_exceeded"), errors.CreditsExhaustedError),
    ("400 quota", detail(400, "quota_exceeded"), errors.CreditsExhaustedError),
    ("401 key", detail(401, "invalid_api_key"), errors.CredentialsError),
    ("401 bare", httpx.Response(401), errors.CredentialsError),
    ("400", detail(400, "max_character_limit_exceeded"), errors.RequestRejectedError),
    ("403", detail(403, "plan_gate"), errors.RequestRejectedError),
    ("404", detail(404, "voice_not_found"), errors.RequestRejectedError),
    (
        "422",
        httpx.Response(422, json={"detail": [{"loc": ["body", "text"], "msg": "field required", "type": "missing"}]}),
        errors.RequestRejectedError,
    ),
]


@pytest.mark.parametrize("request_", [SPEECH, PLAIN, EFFECT], ids=["timed", "plain", "effect"])
@pytest.mark.parametrize(("step", "wanted"), [o[1:] for o in OUTCOMES], ids=[o[0] for o in OUTCOMES])
async def test_a_create_is_one_post_whatever_comes_back(
    request_: SoundRequest, step: Any, wanted: type[errors.ShotrunnerError]
) -> None:
    line = Line(step)
    with pytest.raises(errors.ShotrunnerError) as caught:
        await provider(line).make(request_)
    assert type(caught.value) is wanted
    assert [r.method for r in line.seen] == ["POST"]
    assert KEY not in str(caught.value)


async def test_speech_with_timings() -> None:
    line = Line(timed())
    sound = await provider(line).make(SPEECH)
    assert sound.data == b"RIFFsound"
    assert sound.timing == CharacterTiming(("H", "i"), (0.0, 0.1), (0.1, 0.25))
    assert (sound.content_type, sound.vendor_units, sound.request_id) == ("audio/wav", 2, "r-1")
    sent = line.seen[0]
    assert str(sent.url) == BASE + SPEECH.endpoint
    assert sent.headers["xi-api-key"] == KEY
    assert json.loads(sent.content) == SPEECH.body


@pytest.mark.parametrize(
    "alignment",
    [
        None,
        [],
        {"characters": ["H"]},
        {**ALIGNMENT, "characters": ["H"]},
        {**ALIGNMENT, "character_start_times_seconds": ["soon", "later"]},
        {**ALIGNMENT, "character_end_times_seconds": None},
    ],
)
async def test_a_paid_sound_is_kept_when_its_timings_are_of_no_use(alignment: object) -> None:
    sound = await provider(Line(timed(alignment=alignment))).make(SPEECH)
    assert sound.data == b"RIFFsound"
    assert sound.timing is None


@pytest.mark.parametrize("body", [{}, {"audio_base64": "%%%"}, {"audio_base64": ""}, {"audio_base64": 5}, [], "x"])
async def test_an_answer_without_its_sound_is_unknown(body: object) -> None:
    with pytest.raises(errors.UnknownOutcomeError):
        await provider(Line(httpx.Response(200, json=body))).make(SPEECH)


@pytest.mark.parametrize(
    ("endpoint", "header", "wanted"),
    [
        ("/v1/sound-generation", "audio/mpeg", "audio/mpeg"),
        ("/v1/sound-generation", "application/octet-stream", "audio/mpeg"),
        ("/v1/sound-generation?output_format=wav_48000", "", "audio/wav"),
        ("/v1/sound-generation?output_format=opus_48000_96", "audio/ogg; codecs=opus", "audio/ogg"),
        ("/v1/sound-generation?output_format=new_1", "", "application/octet-stream"),
    ],
)
async def test_the_type_of_an_effect(endpoint: str, header: str, wanted: str) -> None:
    step = httpx.Response(200, content=b"ID3", headers={"content-type": header, "character-cost": "about 40"})
    sound = await provider(Line(step)).make(SoundRequest(endpoint, EFFECT.body))
    assert (sound.content_type, sound.vendor_units, sound.timing) == (wanted, None, None)


@pytest.mark.parametrize(
    ("response", "wanted"),
    [
        (detail(400, "c"), ("c", "about c")),
        (httpx.Response(400, json={"detail": {}}), ("", "no explanation")),
        (httpx.Response(422, json={"detail": [{"loc": ["body", 0], "msg": "bad"}, 7]}), ("", "body.0: bad")),
        (httpx.Response(422, json={"detail": [{"msg": "bad"}]}), ("", "bad")),
        (httpx.Response(422, json={"detail": []}), ("", "no explanation")),
        (httpx.Response(400, json={"detail": "words"}), ("", "words")),
        (httpx.Response(400, json=[1]), ("", "Bad Request")),
        (httpx.Response(503, html="<html>"), ("", "Service Unavailable")),
        (httpx.Response(418, json={"detail": 3}), ("", "I'm a teapot")),
    ],
)
def test_no_shape_of_error_breaks_the_reader(response: httpx.Response, wanted: tuple[str, str]) -> None:
    assert read_error(response) == wanted


async def test_a_client_of_its_own_is_closed() -> None:
    client = ElevenLabsProvider(BASE, KEY, "elevenlabs")
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.make(EFFECT)
