"""The part of ElevenLabs' API that speaks: speech, speech with timestamps, effects, subscription, models."""

from __future__ import annotations

import asyncio
import base64
import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.backlot.desk import Call, Desk, RefusalError, eleven_body
from infra.backlot.jobs import effect_job, speech_job, unpack_sound
from infra.backlot.lab import JobFailedError
from manifests.catalogue import ModelCard
from manifests.digest import digest_json

DEFAULT_FORMAT = "mp3_44100_128"
_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
FORMATS: Mapping[str, str] = {
    **{f"pcm_{rate}": "audio/pcm" for rate in _RATES},
    **{f"wav_{rate}": "audio/wav" for rate in _RATES},
    **{f"mp3_44100_{kbit}": "audio/mpeg" for kbit in (32, 64, 96, 128, 192)},
    "mp3_22050_32": "audio/mpeg",
    "mp3_24000_48": "audio/mpeg",
    **{f"opus_48000_{kbit}": "audio/ogg" for kbit in (32, 64, 96, 128, 192)},
    "ulaw_8000": "audio/basic",
    "alaw_8000": "audio/alaw",
}
# Characters of the subscription: half price for the fast models, and effects by the second (documentation of 2025-08).
_EFFECT_PER_SECOND, _EFFECT_AUTOMATIC = 40, 200
_QUEUE_PER_PLACE = 4


class ElevenLabsCounter:
    """Handlers of the vendor's paths. `characters` is the quota, `places` the concurrency of the plan."""

    def __init__(self, desk: Desk, *, characters: int, places: int) -> None:
        self._desk, self._studio, self._books = desk, desk.studio, desk.studio.books
        self._characters, self._places = characters, places
        self._free = asyncio.Semaphore(places)
        self._inside = self._promised = 0

    def routes(self) -> list[Route]:
        speech = "/v1/text-to-speech/{voice_id}"
        return [
            self._desk.route("POST", speech, self._timed(self.speak), vendor="elevenlabs", create=True),
            self._desk.route(
                "POST", f"{speech}/with-timestamps", self._timed(self.speak_timed), vendor="elevenlabs", create=True
            ),
            self._desk.route(
                "POST", "/v1/sound-generation", self._timed(self.make_effect), vendor="elevenlabs", create=True
            ),
            self._desk.route("GET", "/v1/user/subscription", self.show_subscription, vendor="elevenlabs"),
            self._desk.route("GET", "/v1/models", self.list_models, vendor="elevenlabs"),
        ]

    async def speak(self, call: Call) -> Response:
        wanted, _, data, units = await self._speak(call)
        return self._answer(Response(data, media_type=FORMATS[wanted]), units)

    async def speak_timed(self, call: Call) -> Response:
        _, words, data, units = await self._speak(call)
        alignment = align_characters(call.body["text"], words)
        body = {
            "audio_base64": base64.b64encode(data).decode(),
            "alignment": alignment,
            "normalized_alignment": alignment,
        }
        return self._answer(JSONResponse(body), units)

    async def make_effect(self, call: Call) -> Response:
        body = call.body
        wanted = _read_format(call)
        card = self._check_model(call, "effect", "eleven_text_to_sound_v2")
        problems = [*_check_text(body, card), *_check_number(body, "duration_seconds", 0.5, 30)]
        problems += _check_number(body, "prompt_influence", 0, 1)
        _refuse(problems)
        seconds = body.get("duration_seconds")
        units = _EFFECT_AUTOMATIC if seconds is None else math.ceil(_EFFECT_PER_SECOND * seconds)
        _, data = await self._buy(call, effect_job(body, wanted), units)
        return self._answer(Response(data, media_type=FORMATS[wanted]), units)

    async def show_subscription(self, _call: Call) -> Response:
        return JSONResponse(
            {
                "tier": "backlot",
                "character_count": self._books.characters_used,
                "character_limit": self._characters,
                "max_credit_limit_extension": 0,
                "can_extend_character_limit": False,
                "allowed_to_extend_character_limit": False,
                "voice_slots_used": 0,
                "professional_voice_slots_used": 0,
                "voice_limit": 0,
                "voice_add_edit_counter": 0,
                "professional_voice_limit": 0,
                "can_extend_voice_limit": False,
                "can_use_instant_voice_cloning": False,
                "can_use_professional_voice_cloning": False,
                "next_character_count_reset_unix": int(self._studio.clock.now().timestamp()) + 30 * 86400,
                "status": "active",
                "open_invoices": [],
                "has_open_invoices": False,
            }
        )

    async def list_models(self, _call: Call) -> Response:
        cards = [card for card in self._studio.models.values() if card.vendor == "elevenlabs" and not card.retired]
        return JSONResponse(
            [
                {
                    "model_id": card.id,
                    "name": card.id,
                    "can_do_text_to_speech": card.makes == "speech",
                    "can_do_voice_conversion": False,
                    "maximum_text_length_per_request": card.prompt_units,
                    "model_rates": {"character_cost_multiplier": _multiplier(card), "cost_discount_multiplier": 1.0},
                    "languages": [],
                    "concurrency_group": "standard",
                    "description": card.notes,
                }
                for card in cards
            ]
        )

    def _timed(self, handler: Callable[[Call], Awaitable[Response]]) -> Callable[[Call], Awaitable[Response]]:
        """The plan's concurrency: over it calls queue, and when the queue is full they are refused."""

        async def within(call: Call) -> Response:
            if self._inside >= self._places * (1 + _QUEUE_PER_PLACE):
                raise RefusalError(429, eleven_body("too_many_concurrent_requests", "Too many concurrent requests."))
            self._inside += 1
            try:
                async with self._free:
                    return await handler(call)
            finally:
                self._inside -= 1

        return within

    async def _speak(self, call: Call) -> tuple[str, list[list[float]], bytes, int]:
        body, voice = call.body, call.request.path_params["voice_id"]
        wanted = _read_format(call)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", voice):
            raise RefusalError(400, eleven_body("voice_not_found", f"A voice with the voice_id {voice} was not found."))
        card = self._check_model(call, "speech", "eleven_multilingual_v2")
        settings = body.get("voice_settings") or {}
        problems = [*_check_text(body, card), *_check_number(body, "seed", 0, 4294967295)]
        if isinstance(settings, dict):
            problems += _check_number(settings, "speed", 0.7, 1.2)
            for name in ("stability", "similarity_boost", "style"):
                problems += _check_number(settings, name, 0, 1)
        else:
            problems.append(_problem("voice_settings", "Input should be a valid dictionary", "dict_type"))
        _refuse(problems)
        units = math.ceil(len(body["text"]) * _multiplier(card))
        words, data = await self._buy(call, speech_job(voice, body, wanted), units)
        return wanted, words, data, units

    async def _buy(self, call: Call, job: Mapping[str, Any], units: int) -> tuple[list[list[float]], bytes]:
        """Makes the sound, then charges and notes it. The vendor has no jobs: a sound that failed costs nothing."""
        left = self._characters - self._books.characters_used - self._promised
        if units > left:
            message = f"This request exceeds your quota of {self._characters}. You have {left} credits remaining."
            raise RefusalError(401, eleven_body("quota_exceeded", message))
        self._promised += units  # calls that are being made must not pass on the same remainder
        try:
            path = await self._studio.lab.make(job)
            words, data = await asyncio.to_thread(unpack_sound, path)
        except JobFailedError as error:
            raise RefusalError(400, eleven_body("invalid_request", str(error))) from error
        finally:
            self._promised -= units
        request = call.request
        call.digest = digest_json(
            {"endpoint": request.url.path, "query": dict(request.query_params), "body": call.body}
        )
        call.credits = units
        self._books.append(
            "sound", self._studio.clock.now(), endpoint=request.url.path, model=call.model, digest=call.digest,
            units=units, request=call.id,
        )  # fmt: skip
        return words, data

    def _check_model(self, call: Call, makes: str, default: str) -> ModelCard:
        if not isinstance(call.body, dict):
            _refuse([_problem(None, "Input should be a valid dictionary", "model_attributes_type")])
        model = call.body.get("model_id") or default
        call.model = model
        card = self._studio.models.get(model) if isinstance(model, str) else None
        if card is None or card.vendor != "elevenlabs" or card.makes != makes or card.retired is not None:
            raise RefusalError(400, eleven_body("model_not_found", f"A model with model ID {model} was not found."))
        return card

    def _answer(self, response: Response, units: int) -> Response:
        response.headers["character-cost"] = str(units)
        response.headers["current-concurrent-requests"] = str(min(self._inside, self._places))
        response.headers["maximum-concurrent-requests"] = str(self._places)
        return response


def align_characters(text: str, words: Sequence[Sequence[float]]) -> dict[str, list[Any]]:
    """Times of every character of the text as sent: even within a word; what stands between words is the gap."""
    starts, ends = [0.0] * len(text), [0.0] * len(text)
    said, cursor = 0.0, 0
    for position, length, start, end in words:
        begin, count = int(position), int(length)
        for index in range(cursor, begin):
            starts[index], ends[index] = said, start
        span = (end - start) / max(1, count)
        for index in range(count):
            starts[begin + index] = round(start + span * index, 3)
            ends[begin + index] = round(start + span * (index + 1), 3)
        said, cursor = end, begin + count
    for index in range(cursor, len(text)):
        starts[index] = ends[index] = said
    return {
        "characters": list(text),
        "character_start_times_seconds": starts,
        "character_end_times_seconds": ends,
    }


def _multiplier(card: ModelCard) -> float:
    return 0.5 if "flash" in card.id or "turbo" in card.id else 1.0


def _read_format(call: Call) -> str:
    wanted = call.request.query_params.get("output_format", DEFAULT_FORMAT)
    if wanted not in FORMATS:
        message = f"Output format {wanted} is not supported. Supported formats: {', '.join(FORMATS)}."
        raise RefusalError(400, eleven_body("invalid_output_format", message))
    return wanted


def _check_text(body: Mapping[str, Any], card: ModelCard) -> list[dict[str, Any]]:
    text = body.get("text")
    if text is None:
        return [_problem("text", "Field required", "missing")]
    if not isinstance(text, str):
        return [_problem("text", "Input should be a valid string", "string_type")]
    if not text.strip():
        raise RefusalError(400, eleven_body("input_text_empty", "The text must not be empty."))
    if len(text) > card.prompt_units:
        message = f"This request's text has {len(text)} characters and exceeds the limit of {card.prompt_units}."
        raise RefusalError(400, eleven_body("max_character_limit_exceeded", message))
    return []


def _check_number(body: Mapping[str, Any], name: str, low: float, high: float) -> list[dict[str, Any]]:
    value = body.get(name)
    if value is None:
        return []
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [_problem(name, "Input should be a valid number", "float_type")]
    if not low <= value <= high:
        return [_problem(name, f"Input should be between {low:g} and {high:g}", "out_of_range")]
    return []


def _problem(name: str | None, message: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *([name] if name else [])], "msg": message, "type": kind}


def _refuse(problems: list[dict[str, Any]]) -> None:
    """422 is the second shape of its errors: a list."""
    if problems:
        raise RefusalError(422, {"detail": problems})
