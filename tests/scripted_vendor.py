"""A small scripted vendor of pictures and sound, and one set: a store, that vendor, and a new buyer for each run."""

from __future__ import annotations

import base64
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from infra.audio.elevenlabs import ElevenLabsProvider
from infra.budget import Budget
from infra.buying import Buyer, Purchase
from infra.ledger import spent_and_reserved
from infra.providers.runway import RunwayProvider
from infra.storage.base import ObjectStore
from infra.storage.memory import MemoryStore
from manifests.digest import take_key

KEY = "key_" + "5a" * 64
CAMPAIGN = "morning"


def box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


PICTURE_TRACK = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + b"vide")))
FILM = box(b"ftyp", b"mp42" + b"film" * 3) + box(b"mdat", b"film" * 500) + box(b"moov", PICTURE_TRACK)
STILL = b"\x89PNG\r\n\x1a\nstill\x00IEND\xaeB`\x82"
SOUND = b"RIFF....WAVE"
TIMINGS = {
    "characters": ["H", "i"],
    "character_start_times_seconds": [0.0, 0.1],
    "character_end_times_seconds": [0.1, 0.3],
}
Step = Callable[[httpx.Request], httpx.Response | None]
Event = Mapping[str, Any]


def answer(status: int, body: object = None) -> httpx.Response:
    return httpx.Response(status, json=body)


def place_of(request: httpx.Request) -> str:
    """Which of the vendor's doors a request goes to."""
    if request.method == "POST":
        return "sound" if request.url.path.startswith(("/v1/text-to-speech", "/v1/sound")) else "create"
    return "poll" if request.url.path.startswith("/v1/tasks/") else "output"


class Vendor:
    """Keeps tasks by id, charges for creates, and counts them by prompt. `script[place]` answers instead, in order.

    A scripted step may return None: then the request is carried out as well, and its answer counts.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = {}
        self.creates: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.charged: Counter[str] = Counter()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.bodies: list[Any] = []
        self.links = itertools.count()
        self.live = self.most_live = 0
        self.ending: dict[str, Any] = {"status": "SUCCEEDED"}
        self.price = 60
        self.polls_needed = 2
        self.cdn = "https://cdn.test"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        place = place_of(request)
        self.calls[place] += 1
        steps = self.script.get(place)
        step = steps.pop(0) if steps else None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        scripted: httpx.Response | None = step(request) if step is not None else None
        if scripted is not None:
            return scripted
        doors = {"create": self._create, "sound": self._sound, "poll": self._poll, "output": self._output}
        return doors[place](request)

    def _create(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        self.creates[body["promptText"]] += 1
        self.charged[body["promptText"]] += self.price
        task_id = f"task-{len(self.tasks) + 1}"
        self.tasks[task_id] = {"polls": 0, "prompt": body["promptText"]}
        self.live += 1
        self.most_live = max(self.live, self.most_live)
        return answer(200, {"id": task_id, "estimatedCost": {"credits": self.price}})

    def _sound(self, request: httpx.Request) -> httpx.Response:
        text = json.loads(request.content)["text"]
        self.creates[text] += 1
        self.charged[text] += 3
        if request.url.path.endswith("/with-timestamps"):
            body = {"audio_base64": base64.b64encode(SOUND).decode(), "alignment": TIMINGS}
            return httpx.Response(200, json=body, headers={"character-cost": "2"})
        return httpx.Response(200, content=SOUND, headers={"content-type": "audio/wav"})

    def _poll(self, request: httpx.Request) -> httpx.Response:
        task_id = request.url.path.rsplit("/", 1)[1]
        if task_id not in self.tasks:
            return answer(404, {"error": "Could not find Task"})
        task = self.tasks[task_id]
        task["polls"] += 1
        if task["polls"] < self.polls_needed:
            return answer(200, {"id": task_id, "status": "RUNNING", "progress": 0.5})
        first = not task.setdefault("ended", False)
        task["ended"] = True
        self.live -= first
        done = {"id": task_id, "cost": {"credits": self.price}, **self.ending}
        if done["status"] == "SUCCEEDED":
            done.setdefault("output", [f"{self.cdn}/{task_id}.mp4?_jwt={next(self.links)}"])
        elif first:
            self.charged[task["prompt"]] += (done["cost"] or {"credits": self.price})["credits"] - self.price
        return answer(200, done)

    def _output(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=FILM)


class Set:
    """One store, one vendor, and a new buyer for each run."""

    def __init__(self, clock: Any, store: ObjectStore | None = None) -> None:
        self.clock = clock
        self.store: Any = store if store is not None else MemoryStore()
        self.vendor = Vendor()
        self.events: list[Event] = []
        self._runs = itertools.count(1)
        self.budget: Budget

    def buyer(
        self, store: Any = None, vendor: Any = None, *, limit: int | None = 10_000, url: str = "", **options: Any
    ) -> Buyer:
        """`url`: where the vendor answers over HTTP; without it, in this process."""
        store = store if store is not None else self.store
        client = options.pop("client", None) or httpx.AsyncClient(transport=httpx.MockTransport(vendor or self.vendor))
        self.budget = Budget(store, self.clock, options.get("campaign", CAMPAIGN), limit=limit)
        given: dict[str, Any] = {
            "store": store,
            "clock": self.clock,
            "video": RunwayProvider(url or "https://api.test", KEY, "runway", clock=self.clock, client=client),
            "sound": ElevenLabsProvider(url or "https://sound.test", "sk_false", "elevenlabs", client=client),
            "budget": self.budget,
            "campaign": CAMPAIGN,
            "plan": "0" * 64,
            "lease_nonce": f"lease-{next(self._runs)}",
            "on_event": self.events.append,
        }
        return Buyer(**{**given, **options})

    def told(self) -> list[str]:
        return [e["message_type"] for e in self.events]

    def total(self) -> int:
        return spent_and_reserved(self.store, CAMPAIGN, paid=True).total


def take(prompt: str = "a kettle", *, number: int = 1, model: str = "gen4.5", **fields: Any) -> Purchase:
    request = {"endpoint": "/v1/text_to_video", "body": {"model": model, "promptText": prompt, "seed": number}}
    given: dict[str, Any] = {
        "key": take_key("runway", request, number), "what": "take", "address": f"pour/take-{number}",
        "service": "runway", "model": model, "take": number, "request": request, "price_credits": 60,
        "size_class": "1280x720x5",
    }  # fmt: skip
    return Purchase(**{**given, **fields})


def line(text: str = "Hi", what: str = "speech") -> Purchase:
    endpoint = (
        "/v1/text-to-speech/v/with-timestamps?output_format=wav_48000" if what == "speech" else "/v1/sound-generation"
    )
    request = {"endpoint": endpoint, "body": {"text": text}}
    return take(
        key=take_key("elevenlabs", request, 1), what=what, address=f"hello/{what}", service="elevenlabs",
        model="eleven_v3", request=request, price_credits=3, size_class="",
    )  # fmt: skip


def cut_short(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-length": str(len(FILM))}, stream=httpx.ByteStream(FILM[:100]))
