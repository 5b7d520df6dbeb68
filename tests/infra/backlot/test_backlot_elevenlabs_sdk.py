"""The voice vendor's own client, unmodified, drives the backlot; and what it refuses."""

from __future__ import annotations

import base64
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import av
import httpx
import pytest
from elevenlabs.client import ElevenLabs
from elevenlabs.core.api_error import ApiError
from hypothesis import given
from hypothesis import strategies as st

from infra.backlot.elevenlabs import FORMATS, align_characters
from infra.backlot.faults import FaultRule
from infra.backlot.jobs import guess_language, speech_job

VOICE = "21m00Tcm4TlvDq8ikWAM"
TEXT = "Good morning. Coffee is ready."
KEY = {"xi-api-key": "key"}


@pytest.fixture
def sdk(caller: Any) -> Iterator[ElevenLabs]:
    with httpx.Client(trust_env=False) as client:
        yield ElevenLabs(api_key="key", base_url=caller.url, httpx_client=client)


def _seconds(data: bytes) -> float:
    with wave.open(BytesIO(data)) as sound:
        return sound.getnframes() / sound.getframerate()


def test_speech(sdk: ElevenLabs, caller: Any) -> None:
    with sdk.text_to_speech.with_raw_response.convert(
        VOICE, text=TEXT, model_id="eleven_multilingual_v2", output_format="wav_48000"
    ) as answer:
        data = b"".join(answer.data)
        assert answer.headers["character-cost"] == str(len(TEXT))
        assert answer.headers["request-id"]
        assert answer.headers["maximum-concurrent-requests"] == "5"
        assert answer.headers["current-concurrent-requests"] == "1"
    with wave.open(BytesIO(data)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (48000, 1, 2)
    assert 1 < _seconds(data) < 5
    again = b"".join(sdk.text_to_speech.convert(VOICE, text=TEXT, output_format="wav_48000"))
    assert again == data
    other = b"".join(sdk.text_to_speech.convert("another", text=TEXT, output_format="wav_48000"))
    assert other != data
    assert sdk.user.subscription.get().character_count == 3 * len(TEXT)
    purchases = caller.backlot.log.purchases()
    assert [line["units"] for line in purchases] == [len(TEXT)] * 3
    assert len({line["digest"] for line in purchases}) == 3


def test_speech_with_timestamps(sdk: ElevenLabs) -> None:
    answer = sdk.text_to_speech.convert_with_timestamps(VOICE, text=TEXT, output_format="wav_48000")
    timing = answer.alignment
    assert timing is not None
    assert "".join(timing.characters) == TEXT
    starts, ends = timing.character_start_times_seconds, timing.character_end_times_seconds
    assert len(starts) == len(ends) == len(TEXT)
    assert starts == sorted(starts)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))
    assert 0.5 < ends[-1] <= _seconds(base64.b64decode(answer.audio_base_64)) + 0.01
    spoken = starts[TEXT.index("Coffee")]
    assert ends[TEXT.index("g.")] <= spoken < ends[-1]


def test_pace_changes_the_length(sdk: ElevenLabs) -> None:
    slow, fast = (
        b"".join(
            sdk.text_to_speech.convert(VOICE, text=TEXT, output_format="wav_48000", voice_settings={"speed": speed})  # type: ignore[arg-type]
        )
        for speed in (0.7, 1.2)
    )
    assert _seconds(slow) > _seconds(fast) * 1.3


def test_sound_effects(sdk: ElevenLabs, caller: Any) -> None:
    data = b"".join(
        sdk.text_to_sound_effects.convert(text="A soft whoosh", duration_seconds=1.5, output_format="wav_48000")
    )
    assert _seconds(data) == pytest.approx(1.5, abs=0.001)
    assert caller.backlot.log.purchases()[-1]["units"] == 60
    compressed = b"".join(sdk.text_to_sound_effects.convert(text="A soft whoosh", duration_seconds=1.5))
    with av.open(BytesIO(compressed)) as sound:
        stream = sound.streams.audio[0]
        assert (stream.codec_context.name, stream.rate) in (("mp3float", 44100), ("mp3", 44100))


def test_models_and_subscription(sdk: ElevenLabs) -> None:
    models = {model.model_id: model for model in sdk.models.list()}
    assert models["eleven_multilingual_v2"].can_do_text_to_speech
    assert models["eleven_multilingual_v2"].maximum_text_length_per_request == 10000
    rates = models["eleven_flash_v2_5"].model_rates
    assert rates is not None
    assert rates.character_cost_multiplier == 0.5
    assert not models["eleven_text_to_sound_v2"].can_do_text_to_speech
    assert sdk.user.subscription.get().character_limit == 1_000_000


@pytest.mark.parametrize("wanted", ["mp3_22050_32", "opus_48000_64", "pcm_16000", "ulaw_8000", "alaw_8000", "wav_8000"])
def test_formats(caller: Any, wanted: str) -> None:
    answer = caller.http.post(
        f"/v1/text-to-speech/{VOICE}?output_format={wanted}", json={"text": "Hello."}, headers=KEY
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == FORMATS[wanted]
    start = {"opus": b"OggS", "wav": b"RIFF"}.get(wanted.partition("_")[0])
    assert start is None or answer.content.startswith(start)
    assert len(answer.content) > 1000


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model_id": "eleven_nothing"}, 400, "model_not_found"),
        ({"model_id": "gen4.5"}, 400, "model_not_found"),
        ({"model_id": 5}, 400, "model_not_found"),
        ({"text": " "}, 400, "input_text_empty"),
        ({"text": "x" * 10001}, 400, "max_character_limit_exceeded"),
    ],
)
def test_refusals_have_the_vendors_envelope(caller: Any, changes: dict[str, Any], status: int, code: str) -> None:
    body = {"text": TEXT, **changes}
    answer = caller.http.post(f"/v1/text-to-speech/{VOICE}", json=body, headers=KEY)
    assert answer.status_code == status
    assert answer.json()["detail"]["status"] == code
    assert answer.json()["detail"]["message"]
    assert caller.backlot.log.purchases() == []


def test_all_wrong_fields_are_told_in_a_list(caller: Any) -> None:
    body = {"text": 5, "seed": -1, "voice_settings": {"speed": 3, "stability": True, "style": "much"}}
    answer = caller.http.post(f"/v1/text-to-speech/{VOICE}", json=body, headers=KEY)
    assert answer.status_code == 422
    assert [problem["loc"][1] for problem in answer.json()["detail"]] == ["text", "seed", "speed", "stability", "style"]
    for bad in ({}, {"voice_settings": 1, "text": "x"}, []):
        assert caller.http.post(f"/v1/text-to-speech/{VOICE}", json=bad, headers=KEY).status_code == 422
    effect = caller.http.post("/v1/sound-generation", json={"text": "x", "duration_seconds": 60}, headers=KEY)
    assert effect.json()["detail"][0]["loc"] == ["body", "duration_seconds"]


def test_key_voice_and_format(caller: Any) -> None:
    path = f"/v1/text-to-speech/{VOICE}"
    answer = httpx.post(caller.url + path, json={"text": TEXT}, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["detail"]["status"] == "invalid_api_key"
    answer = caller.http.post("/v1/text-to-speech/no%20such", json={"text": TEXT}, headers=KEY)
    assert answer.json()["detail"]["status"] == "voice_not_found"
    answer = caller.http.post(f"{path}?output_format=mp3_1", json={"text": TEXT}, headers=KEY)
    assert answer.json()["detail"]["status"] == "invalid_output_format"
    answer = caller.http.post(path, content=b"{", headers=KEY)
    assert (answer.status_code, answer.json()["detail"]["status"]) == (400, "invalid_request")


def test_a_language_that_the_voice_lacks_costs_nothing(caller: Any) -> None:
    body = {"text": TEXT, "language_code": "xx", "model_id": "eleven_flash_v2_5"}
    answer = caller.http.post(f"/v1/text-to-speech/{VOICE}", json=body, headers=KEY)
    assert answer.status_code == 400
    assert "xx" in answer.json()["detail"]["message"]
    assert caller.backlot.log.purchases() == []


def test_the_quota_is_kept_and_arrives_under_401(open_backlot: Callable[..., Any], tmp_path: Any) -> None:
    caller = open_backlot(characters=len(TEXT) + 5)
    path = f"/v1/text-to-speech/{VOICE}?output_format=wav_48000"
    assert caller.http.post(path, json={"text": TEXT}, headers=KEY).status_code == 200
    refused = caller.http.post(path, json={"text": TEXT}, headers=KEY)
    assert (refused.status_code, refused.json()["detail"]["status"]) == (401, "quota_exceeded")
    caller.backlot.stop()
    again = open_backlot(characters=len(TEXT) + 5)
    told = again.http.get("/v1/user/subscription", headers=KEY).json()
    assert (told["character_count"], told["character_limit"]) == (len(TEXT), len(TEXT) + 5)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("status:429", 429, "too_many_concurrent_requests"),
        ("status:429-busy", 429, "system_busy"),
        ("status:401-quota", 401, "quota_exceeded"),
        ("status-before-charge:500", 500, "internal_server_error"),
    ],
)
def test_faults_speak_the_vendors_language(
    open_backlot: Callable[..., Any], fault: str, status: int, code: str
) -> None:
    caller = open_backlot(faults=[FaultRule(match={"endpoint": "/v1/text-to-speech"}, fault=fault)])
    with httpx.Client(trust_env=False) as client:
        speech = ElevenLabs(api_key="key", base_url=caller.url, httpx_client=client).text_to_speech
        with pytest.raises(ApiError) as told:
            b"".join(speech.convert(VOICE, text=TEXT))
    assert (told.value.status_code, told.value.body["detail"]["status"]) == (status, code)
    assert caller.backlot.log.purchases() == []


def test_a_lost_answer_of_speech_is_charged(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(faults=[FaultRule(fault="lose-answer", times=1)])
    path = f"/v1/text-to-speech/{VOICE}?output_format=wav_48000"
    with pytest.raises(httpx.RemoteProtocolError):
        caller.http.post(path, json={"text": TEXT}, headers=KEY)
    assert len(caller.backlot.log.purchases()) == 1
    assert caller.backlot.log.creates()[0]["status"] == "lost"


def test_too_many_calls_at_once_are_refused(open_backlot: Callable[..., Any]) -> None:
    """One place and a queue of four for it: the sixth call is refused, the others are served in turn."""
    caller = open_backlot(sound_places=1)
    path = f"/v1/text-to-speech/{VOICE}?output_format=wav_8000"

    def speak(number: int) -> int:
        answer = httpx.post(
            caller.url + path, json={"text": f"Line {number}."}, headers=KEY, timeout=60, trust_env=False
        )
        if answer.status_code == 429:
            assert answer.json()["detail"]["status"] == "too_many_concurrent_requests"
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(speak, range(8)))
    assert statuses.count(200) >= 5
    assert statuses.count(200) + statuses.count(429) == 8
    assert len(caller.backlot.log.purchases()) == statuses.count(200)


def test_calls_at_once_do_not_share_the_last_characters(open_backlot: Callable[..., Any]) -> None:
    caller = open_backlot(characters=len("Line 0.") + 3)
    path = f"/v1/text-to-speech/{VOICE}?output_format=wav_8000"

    def speak(number: int) -> int:
        body = {"text": f"Line {number}."}
        return httpx.post(caller.url + path, json=body, headers=KEY, timeout=60, trust_env=False).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(speak, range(4))) == [200, 401, 401, 401]


@given(st.lists(st.tuples(st.text("abcé😀", min_size=1, max_size=4), st.integers(0, 3)), max_size=8))
def test_alignment_has_a_time_for_every_character(words: list[tuple[str, int]]) -> None:
    text, events, now = "", [], 0.0
    for word, gap in words:
        text += " " * gap
        events.append([len(text), len(word), now, now + 0.25])
        text, now = text + word, now + 0.5
    told = align_characters(text + " ", events)
    starts, ends = told["character_start_times_seconds"], told["character_end_times_seconds"]
    assert told["characters"] == list(text + " ")
    assert len(starts) == len(ends) == len(text) + 1
    assert starts == sorted(starts)
    assert all(start <= end for start, end in zip(starts, ends, strict=True))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Good morning, this is the day.", "en"),
        ("Guten Morgen, das ist nicht der Tag.", "de"),
        ("Bonjour, le café est pour vous.", "fr"),
        ("おはようございます", "ja"),
        ("Доброе утро", "ru"),
        ("", "en"),
    ],
)
def test_the_language_is_heard_from_the_text(text: str, language: str) -> None:
    assert guess_language(text) == language
    assert speech_job("v", {"text": text, "language_code": "pt"}, "wav_48000")["language"] == "pt"
