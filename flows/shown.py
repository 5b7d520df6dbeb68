"""What Prefect's own pages show of a run: the call sheet, progress, spend, films and the grid as artifacts, a line for
each event in its log, and events that an automation can act on. A server that does not take them stops nothing.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    acreate_image_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.events import emit_event
from prefect.logging.handlers import APILogHandler
from prefect.runtime import flow_run

from flows.views import counted, event_line
from infra.blobs import read_blob
from infra.deliverables import place_of
from infra.media.poster import shrink_jpeg
from infra.notify import NotifyError, post_news
from infra.production import Production
from infra.run_log import level_of
from manifests.finish import Finished, film_facts
from manifests.journal import BlobRef, RunRecord
from manifests.naming import slate
from manifests.news import News, budget_news, news_of
from manifests.plan import Verb

PROGRESS_SECONDS = 5.0  # between two updates of one bar
MOST_ROWS = 500  # of a table: Prefect keeps it in its database
GRID_WIDTH = 1000
WARN_AT = Decimal("0.8")  # of the budget, where no schedule says otherwise
_ENDED = ("collected", "failed", "refused", "unknown")


class Shown:
    """Belongs to one flow run. `begin` first, then it hears the run's events, then `end`."""

    def __init__(self, production: Production) -> None:
        self._production = production
        plan = production.plan
        self._used = plan.totals.spent
        self._limit = plan.totals.budget
        scheduled = plan.scheduled
        self._warn_at = (scheduled.rules.budget.warn_at if scheduled is not None else None) or WARN_AT
        self._warned = self._used > self._warn_at * self._limit  # told before
        self._open: dict[str, int] = {}
        self._todo = sum(a.verb in (Verb.BUY, Verb.COLLECT) for a in plan.actions)
        self._ended = 0
        self._bar: UUID | None = None
        self._films: UUID | None = None
        self._film_words = (0.0, "Films")
        self._looked = 0.0
        self._working: set[asyncio.Task[Any]] = set()
        self._logger = _logger_of(str(flow_run.id))

    async def begin(self) -> None:
        plan = self._production.plan
        rows = [
            {"what": a.id, "do": a.verb.value, "seconds": a.seconds, "credits": a.credits, "why": a.reason}
            for a in plan.actions[:MOST_ROWS]
        ]
        left = f" (the first {MOST_ROWS} of {len(plan.actions):,})" if len(plan.actions) > MOST_ROWS else ""
        purse = "credits" if plan.paid else "play credits"
        head = f"Call sheet of {plan.campaign}: {plan.totals.credits:,} {purse}{left}"
        await self._try(acreate_table_artifact(rows, key=self._key("call-sheet"), description=head))
        self._bar = await self._try(acreate_progress_artifact(0.0, key=self._key("purchases"), description="Purchases"))
        self._films = await self._try(acreate_progress_artifact(0.0, key=self._key("finishing"), description="Films"))
        self._production.events.listen(self.listen)

    def listen(self, event: Mapping[str, Any]) -> None:
        line = event_line(event)
        if line:
            self._logger.log(level_of(event), line)
        kind = event["message_type"]
        if kind in ("create", "accepted", *_ENDED):
            self._count(event, kind)
        if kind in _ENDED:
            self._ended += 1
            self._advance()
        if kind == "film":
            self._film_words = (
                100 * event["number"] / event["of"],
                f"Films: {event['number']} of {event['of']} are there",
            )
            self._advance()

    def _count(self, event: Mapping[str, Any], kind: str) -> None:
        """Near its limit a campaign says so once, while there is still time to raise it."""
        name = f"{event['address']}/{event['what']}-{event['take']}"
        amount = event.get("credits") or 0
        if kind in ("create", "accepted", "unknown"):
            self._open[name] = amount
        else:
            self._open.pop(name, None)
            self._used += amount
        used = self._used + sum(self._open.values())
        if not self._warned and used > self._warn_at * self._limit:
            self._warned = True
            self._later(self.tell(budget_news(self._production.plan.campaign, used, self._limit, self._warn_at)))

    def _advance(self) -> None:
        now = time.monotonic()
        if now - self._looked >= PROGRESS_SECONDS:
            self._looked = now
            self._later(self._update(self._share()))

    async def _update(self, share: float) -> None:
        for bar, done, words in ((self._bar, share, self._words()), (self._films, *self._film_words)):
            if bar is not None:
                await self._try(aupdate_progress_artifact(bar, done, description=words))

    def _share(self) -> float:
        return min(100.0, 100 * self._ended / max(1, self._todo))

    def _words(self) -> str:
        return f"Purchases: {self._ended} of {self._todo} have ended"

    async def end(self, record: RunRecord, finished: Sequence[Finished]) -> None:
        """After wrap: what it cost, what was made and where it lies, and the news of it."""
        await asyncio.gather(*self._working)
        await self._update(100.0 if not self._todo else self._share())
        await self._try(acreate_markdown_artifact(self._spend(record), key=self._key("spend")))
        films = [self._film_row(film) for film in finished[:MOST_ROWS]]
        await self._try(acreate_table_artifact(films, key=self._key("films"), description=self._where(record)))
        if record.grid is not None:
            picture = await asyncio.to_thread(self._grid, record.grid)
            making = acreate_image_artifact(picture, key=self._key("grid"), description="Every variant's poster")
            await self._try(making)
        self._tell_shots(record)
        for news in news_of(record):
            await self.tell(news)

    def _spend(self, record: RunRecord) -> str:
        totals, purse = self._production.plan.totals, "credits" if record.paid else "play credits"
        made, kept = sum(record.steps_made.values()), sum(record.steps_kept.values())
        return "\n".join([
            f"### {record.campaign}, run {record.run_id}",
            f"- spent by this run: **{record.spent_credits:,} {purse}** in {counted(record.calls, 'vendor call')}",
            f"- planned: {totals.credits:,}, up to {totals.up_to:,}; before this run: {totals.spent:,}",
            f"- budget: {totals.budget:,}",
            f"- steps: {made:,} made, {kept:,} kept, {record.cpu_seconds:,.0f} s of processor time",
            *(f"- {p.address or ''} {p.summary}: {p.detail}" for p in record.problems),
        ])  # fmt: skip

    def _film_row(self, film: Finished) -> dict[str, Any]:
        index, store, settings = film.index, self._production.store, self._production.settings
        return {
            "film": index.film, "variant": index.variant, "placement": index.profile, "ok": bool(film.ok),
            "measured": film_facts(index.measured),
            "where": place_of(store, settings.links, index.files[index.film]),
        }  # fmt: skip

    def _where(self, record: RunRecord) -> str:
        if record.dailies is None:
            return "Films"
        return f"Films. Dailies: {place_of(self._production.store, self._production.settings.links, record.dailies)}"

    def _grid(self, grid: BlobRef) -> str:
        """A link where people have one; else the picture itself, small: Prefect's pages open no file."""
        store, links = self._production.store, self._production.settings.links
        if links:
            return place_of(store, links, grid)
        jpeg = shrink_jpeg(read_blob(store, grid), GRID_WIDTH)
        return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"

    def _tell_shots(self, record: RunRecord) -> None:
        for problem in record.problems:
            label = slate(record.campaign, problem.address or "")
            emit_event(
                "shotrunner.shot.failed" if problem.address else "shotrunner.campaign.problem",
                resource={"prefect.resource.id": f"shotrunner.shot.{label.replace(' ', '.')}"},
                payload={"run_id": record.run_id, **problem.model_dump(mode="json")},
            )

    async def tell(self, news: News) -> None:
        """An event for automations, and a message to everybody who asked for it."""
        emit_event(
            f"shotrunner.campaign.{news.event}",
            resource={"prefect.resource.id": f"shotrunner.campaign.{news.campaign}"},
            payload={"text": news.text, **news.facts},
        )
        for asked in self._production.notify:
            if news.event in asked.events:
                await self._send(asked.to, news)

    async def _send(self, to: str, news: News) -> None:
        try:
            if to.startswith("block:"):
                await _through_block(to.removeprefix("block:"), news)
            else:
                await post_news(to, news, self._production.clock)
        except NotifyError as error:
            self._production.events.emit("warning", why=f"{error.summary}: {error.detail}")
            self._logger.warning("%s: %s", error.summary, error.detail)

    def _key(self, name: str) -> str:
        """Prefect takes small letters, digits and dashes."""
        plain = re.sub(r"[^a-z0-9]+", "-", self._production.plan.campaign.lower()).strip("-")
        return f"{plain}-{name}"

    def _later(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _try(self, making: Awaitable[UUID]) -> UUID | None:
        try:
            return await making
        except Exception as error:  # noqa: BLE001 - whatever the server says, no purchase may end for it
            self._logger.warning("Prefect took no artifact: %s", type(error).__name__)
            return None


def _logger_of(run: str) -> logging.LoggerAdapter[logging.Logger]:
    """To the log of the flow run and nowhere else: a terminal has its own lines. Not Prefect's own run logger, which
    `run` keeps quiet: it tells the end of every task."""
    logger = logging.getLogger("shotrunner.run")
    if not logger.handlers:
        logger.addHandler(APILogHandler())
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logging.LoggerAdapter(logger, {"flow_run_id": run})


async def _through_block(name: str, news: News) -> None:
    """`TYPE/NAME` of a notification block, as Prefect's own pages make them."""
    try:
        block: Any = await Block.aload(name)
        if not isinstance(block, NotificationBlock):
            raise NotifyError(f"Prefect's block {name} sends no notifications", remedy="name a notification block")
        await block.notify(news.text, subject=f"shotrunner: {news.campaign} {news.event}")
    except NotifyError:
        raise
    except Exception as error:  # noqa: BLE001 - blocks raise whatever their service raises, addresses and all
        raise NotifyError(
            f"block:{name}: {type(error).__name__}", remedy="try the block on Prefect's own page"
        ) from None
