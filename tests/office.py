"""A vendor's account on paper: balance, and usage by day and model, behind the real client."""

from __future__ import annotations

import json

import httpx

KEY = "key_" + "5a" * 64


class Office:
    """An account over HTTP: balance, and usage by day and model."""

    def __init__(self, usage: dict[tuple[str, str], float] | None = None, *, balance: int = 900) -> None:
        self.usage = usage or {}
        self.balance = balance
        self.periods: list[tuple[str, str]] = []
        self.trouble: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        if self.trouble is not None:
            return self.trouble
        if request.method == "GET":
            models = {"gen4.5": {"maxConcurrentGenerations": 2, "maxDailyGenerations": 50}}
            used = {"gen4.5": {"dailyGenerations": 3}}
            answer = {"creditBalance": self.balance, "tier": {"models": models}, "usage": {"models": used}}
            return httpx.Response(200, json=answer)
        period = json.loads(request.content)
        start, before = period["startDate"], period["beforeDate"]
        self.periods.append((start, before))
        days = sorted({day for day, _ in self.usage if start <= day < before})
        results = [
            {"date": d, "usedCredits": [{"model": m, "amount": a} for (day, m), a in self.usage.items() if day == d]}
            for d in days
        ]
        return httpx.Response(200, json={"results": results, "models": [], "apiKeys": None})
