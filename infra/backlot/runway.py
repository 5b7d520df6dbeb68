"""The part of Runway's API that films: creates, tasks, uploads, outputs, organization and usage."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import secrets
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from infra.backlot.books import Task, write_instant
from infra.backlot.desk import Call, Desk, RefusalError
from infra.backlot.faults import fault_count
from infra.backlot.inputs import Media, MediaCupboard, MediaRefusedError, check_aspect
from infra.backlot.jobs import shrink_job, still_job, take_job
from infra.backlot.studio import Knobs
from infra.backlot.validation import Checked, MediaField, check_body, media_issue, refusal_body
from infra.backlot.wire import TruncatedFile
from manifests.catalogue import ModelCard
from manifests.digest import digest_json
from manifests.ratecard import price_still, price_take

CREATES = ("/v1/text_to_image", "/v1/text_to_video", "/v1/image_to_video")
NO_CREDITS = "You do not have enough credits to run this task."
_MEDIA_FIELDS = frozenset({"uri", "promptImage"})


class RunwayCounter:
    """Handlers of the vendor's paths. One per server, in its event loop."""

    def __init__(self, desk: Desk, cupboard: MediaCupboard) -> None:
        self._desk, self._studio, self._cupboard = desk, desk.studio, cupboard
        self._books, self._clock = desk.studio.books, desk.studio.clock
        self._shown: dict[str, tuple[float, dict[str, Any]]] = {}

    @property
    def _knobs(self) -> Knobs:
        return self._studio.knobs

    def routes(self) -> list[Route]:
        desk = self._desk
        return [
            *(desk.route("POST", path, self.create, vendor="runway", create=True) for path in CREATES),
            desk.route("GET", "/v1/tasks/{id}", self.show_task, vendor="runway"),
            desk.route("DELETE", "/v1/tasks/{id}", self.delete_task, vendor="runway"),
            desk.route("GET", "/v1/organization", self.show_organization, vendor="runway"),
            desk.route("POST", "/v1/organization/usage", self.show_usage, vendor="runway"),
            desk.route("GET", "/outputs/{id}/{name}", self.send_output, vendor="open"),  # Starlette adds HEAD
        ]

    async def create(self, call: Call) -> Response:
        path = call.request.url.path
        checked = check_body(path, call.body, self._studio.models)
        media = await asyncio.to_thread(self._take_media, checked, call)
        if checked.issues or checked.card is None:
            raise RefusalError(400, refusal_body(checked.issues))
        card, body = checked.card, call.body
        assert call.digest is not None  # noqa: S101 - set with the media above
        job = self._make_job(card, body, media, call)
        price = price_create(card, path, body, job)
        # From here to the charge nothing may await: two creates must not both pass on one balance.
        self._check_allowance(card, price)
        task = self._studio.create(
            endpoint=path, model=card.id, digest=call.digest, job=job, price=price, faults=call.task_faults
        )
        call.task_id, call.credits = task.id, price
        return JSONResponse({"id": task.id, "estimatedCost": {"credits": price}})

    async def show_task(self, call: Call) -> Response:
        task = self._find_task(call)
        now = self._clock.monotonic()
        shown_at, shown = self._shown.get(task.id, (0.0, None))
        if shown is None or now - shown_at >= self._knobs.visibility:
            shown = self._describe(task, str(call.request.base_url))
            if self._knobs.visibility:
                self._shown[task.id] = (now, shown)
        return JSONResponse(shown)

    async def delete_task(self, call: Call) -> Response:
        task = self._find_task(call)
        self._studio.delete(task)
        self._shown.pop(task.id, None)
        return Response(status_code=204)

    async def show_organization(self, _call: Call) -> Response:
        cards = [c for c in self._studio.models.values() if c.vendor == "runway" and c.retired is None]
        today = self._books.models_today(self._clock.now())
        limits = {
            card.id: {
                "maxConcurrentGenerations": self._knobs.concurrent(card),
                "maxDailyGenerations": self._knobs.daily,
            }
            for card in cards
        }
        used = {card.id: {"dailyGenerations": today.get(card.id, 0)} for card in cards}
        return JSONResponse(
            {
                "creditBalance": self._books.balance,
                "tier": {"maxMonthlyCreditSpend": 10_000_000, "models": limits},
                "usage": {"models": used},
            }
        )

    async def show_usage(self, call: Call) -> Response:
        try:
            body = await call.request.json() if await call.request.body() else {}
            first, end = _read_period(body, self._clock.now().date())
        except (ValueError, TypeError, AttributeError) as error:
            raise RefusalError(400, {"error": f"Validation of body failed: {error}"}) from error
        days: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for at, model, amount in self._books.movements:
            if first <= at.date() < end:
                days[at.date().isoformat()][model] += amount
        results = [
            {"date": day, "usedCredits": [{"model": model, "amount": amount} for model, amount in sorted(used.items())]}
            for day, used in sorted(days.items())
        ]
        return JSONResponse({"results": results, "models": sorted({model for used in days.values() for model in used})})

    async def send_output(self, call: Call) -> Response:
        """One output. Its token, not a key, opens it; HEAD and ranges work as at the vendor's file host."""
        params = call.request.path_params
        task = self._books.tasks.get(params["id"])
        call.task_id = params["id"]
        if task is None or task.deleted or task.film is None or params["name"] != _output_name(task):
            return PlainTextResponse("Not Found", 404)
        if not self._token_opens(task, call.request.query_params.get("_jwt", "")):
            return PlainTextResponse("Forbidden", 403)
        path = self._studio.lab.path(task.film)
        kind = "video/mp4" if path.suffix == ".mp4" else "image/png"
        if call.request.method == "GET":
            task.seen["download"] += 1
            if task.seen["download"] <= fault_count(task.faults, "truncated-download"):
                return TruncatedFile(path, kind, self._desk.connections)
        return FileResponse(path, media_type=kind)

    def _find_task(self, call: Call) -> Task:
        call.task_id = call.request.path_params["id"]
        task = self._books.tasks.get(call.task_id)
        if task is None or task.deleted:
            raise RefusalError(404, {"error": "Could not find Task"})
        call.model = task.model
        return task

    def _take_media(self, checked: Checked, call: Call) -> dict[MediaField, Media]:
        """Looks at every media input; adds issues; gives the call its digest. Blocks: for a worker thread."""
        now, found = self._clock.now(), {}
        for field in checked.media:
            try:
                media = self._cupboard.take_image(field.text, now)
            except MediaRefusedError as refused:
                checked.issues.append(media_issue(str(refused), field.path))
                continue
            found[field] = media
            wrong = check_aspect(media, checked.card) if field.first_frame and checked.card else None
            if wrong:
                checked.issues.append(media_issue(wrong, field.path))
        known = {field.text: media.sha256 for field, media in found.items()}
        call.digest = digest_create(call.request.url.path, call.body, known, self._cupboard, now)
        return found

    def _make_job(
        self, card: ModelCard, body: Mapping[str, Any], media: Mapping[MediaField, Media], call: Call
    ) -> dict[str, Any]:
        digest = call.digest or ""
        if card.makes == "still":
            entries = body.get("referenceImages", [])
            references = [
                {"tag": entries[field.path[1]].get("tag", ""), "sha256": found.sha256} for field, found in media.items()
            ]
            return shrink_job(still_job(body, references, digest=digest), self._knobs.picture_scale)
        images = {}
        for field, found in media.items():
            entry = body["promptImage"]
            position = "first" if isinstance(entry, str) else entry[field.path[1]]["position"]
            images[position] = found.sha256
        job = take_job(card, body, images, digest=digest, faults=call.task_faults)
        return shrink_job(job, self._knobs.picture_scale)

    def _check_allowance(self, card: ModelCard, price: int) -> None:
        if self._knobs.daily is not None:
            made = self._books.created_today(card.id, self._clock.now())
            if made >= self._knobs.daily:
                raise RefusalError(
                    429, {"error": f"You have reached the daily limit of {self._knobs.daily} generations."}
                )
        if price > self._books.balance:
            raise RefusalError(400, {"error": NO_CREDITS})

    def _describe(self, task: Task, base_url: str) -> dict[str, Any]:
        """Exactly the fields of its status, as the closed schema of the service has them."""
        body: dict[str, Any] = {"id": task.id, "createdAt": write_instant(task.created), "status": task.status}
        estimate = {"credits": task.price}
        task.seen["look"] += 1
        if task.seen["look"] <= fault_count(task.faults, "unknown-status"):
            return {**body, "status": "HELD_FOR_REVIEW", "estimatedCost": estimate}
        if task.status == "RUNNING":
            return {**body, "progress": self._studio.progress(task), "estimatedCost": estimate}
        if task.alive:
            return {**body, "estimatedCost": estimate}
        if "missing-cost" not in task.faults:
            body["cost"] = {"credits": task.cost}
        if task.status == "SUCCEEDED":
            body["output"] = [self._link(task, base_url)]
        if task.status == "FAILED":
            body["failure"] = task.failure
            body |= {"failureCode": task.code} if task.code is not None else {}
        return body

    def _link(self, task: Task, base_url: str) -> str:
        task.seen["link"] += 1
        expired = task.seen["link"] <= fault_count(task.faults, "expired-link")
        life = -1.0 if expired else self._knobs.link_seconds
        expires = (self._clock.now() + dt.timedelta(seconds=life)).timestamp()
        payload = f"{expires:.3f}.{secrets.token_hex(8)}"
        return f"{base_url}outputs/{task.id}/{quote(_output_name(task))}?_jwt={payload}.{self._sign(task, payload)}"

    def _token_opens(self, task: Task, token: str) -> bool:
        payload, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(task, payload).encode()):
            return False
        return self._clock.now().timestamp() < float(payload.rpartition(".")[0])

    def _sign(self, task: Task, payload: str) -> str:
        text = f"{task.id}/{payload}".encode()
        return hmac.new(self._books.secret.encode(), text, hashlib.sha256).hexdigest()[:32]


def price_create(card: ModelCard, path: str, body: Mapping[str, Any], job: Mapping[str, Any]) -> int:
    """What the service would charge. Left out, `audio` is true where the model has sound: the dearer one."""
    if card.makes == "still":
        return price_still(card, body["ratio"])
    sound = card.audio and body.get("audio", True)
    return price_take(card, path, body["ratio"], job["seconds"], audio=bool(sound))


def digest_create(path: str, body: object, known: Mapping[str, str], cupboard: MediaCupboard, now: dt.datetime) -> str:
    """Digest of a create, every media input replaced by the digest of its bytes, however they were sent."""

    def replace(value: object, name: str) -> object:
        if isinstance(value, dict):
            return {key: replace(item, key) for key, item in value.items()}
        if isinstance(value, list):
            return [replace(item, name) for item in value]
        if isinstance(value, str) and name in _MEDIA_FIELDS:
            return {"sha256": known.get(value) or cupboard.digest_input(value, now)}
        return value

    return digest_json({"endpoint": path, "body": replace(body, "")})


def _output_name(task: Task) -> str:
    return f"{task.model}{PurePosixPath(task.film or '').suffix}"


def _read_period(body: Mapping[str, Any], today: dt.date) -> tuple[dt.date, dt.date]:
    if not isinstance(body, dict):
        raise ValueError("expected an object")
    end = dt.date.fromisoformat(body["beforeDate"]) if "beforeDate" in body else today + dt.timedelta(days=1)
    first = dt.date.fromisoformat(body["startDate"]) if "startDate" in body else end - dt.timedelta(days=30)
    if not dt.timedelta(0) < end - first <= dt.timedelta(days=90):
        raise ValueError("the period must be between 1 and 90 days")
    return first, end
