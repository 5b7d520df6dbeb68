"""Buying one still, take, line of speech or effect: intent, one create, poll, collect. Never retried by the
orchestrator: a create is sent once."""

from __future__ import annotations

from infra.production import Production
from manifests.expand import Want
from manifests.journal import Result
from manifests.walk import Numbered
from tasks.policy import production_task


@production_task("generate")
async def generate(slate: str, production: Production, want: Want, numbered: Numbered) -> Result:
    """The purchase's record, made now or collected if it was paid before. Raises as `Buyer.obtain` does."""
    return await production.buyer.obtain(await production.purchase(want, numbered))
