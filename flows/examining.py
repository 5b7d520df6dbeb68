"""What `store doctor` and `store gc` found: facts for `--json`, lines for people. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from infra.garbage import Collection
from infra.storage.doctor import Check

_MOST = 10  # keys that are named, of each sort


def check_facts(url: str, endpoint: str, checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "message_type": "store-doctor", "store": url, "endpoint": endpoint,
        "checks": [{**asdict(check), "ok": check.ok} for check in checks], "ok": all(check.ok for check in checks),
    }  # fmt: skip


def check_lines(facts: Mapping[str, Any]) -> list[str]:
    where = f" at {facts['endpoint']}" if facts["endpoint"] else ""
    width = max(len(check["name"]) for check in facts["checks"])
    lines = [f"{facts['store']}{where}"]
    lines += [f"  {_verdict(check):4}  {check['name']:<{width}}  {check['found']}" for check in facts["checks"]]
    if not facts["ok"]:
        failed = ", ".join(check["name"] for check in facts["checks"] if not check["ok"])
        lines.append(f"nothing may be bought into this store: {failed}")
    return lines


def _verdict(check: Mapping[str, Any]) -> str:
    if check["holds"] is None:
        return "-"
    if check["holds"]:
        return "ok"
    return "no" if check["ok"] else "FAIL"


def collection_facts(url: str, done: Collection, grace: str) -> dict[str, Any]:
    return {"message_type": "store-gc", "store": url, "grace": grace, **asdict(done)}


def collection_lines(facts: Mapping[str, Any]) -> list[str]:
    applied = facts["applied"]
    lines = [f"{facts['store']}: {facts['blobs']:,} blobs, {_size(facts['bytes'])}; {facts['records']:,} records"]
    sorts = (
        ("deleted" if applied else "would be deleted", facts["deleted"]),
        ("listed" if applied else "would be listed", facts["listed"]),
        ("listed before, and waiting", facts["waiting"]),
        ("litter removed" if applied else "litter, would be removed", facts["litter"]),
    )
    for words, found in sorts:
        if found:
            lines.append(f"  {words}: {len(found):,}, {_size(sum(found.values()))}")
            lines += [f"    {key}" for key in sorted(found)[:_MOST]]
            lines += [f"    and {len(found) - _MOST:,} more"] if len(found) > _MOST else []
    if facts["spared"]:
        lines.append(f"  in use again, and spared: {len(facts['spared']):,}")
    if facts["uploads"]:
        lines.append(f"  unfinished uploads {'ended' if applied else 'that would be ended'}: {facts['uploads']:,}")
    if facts["uploads"] is None:
        lines.append("  unfinished uploads: these keys may not look (s3:ListBucketMultipartUploads)")
    lines += [f"  not ours, left alone: {key}" for key in facts["foreign"][:_MOST]]
    if facts["listed"] and applied:
        lines.append(f"  run it again in {facts['grace']}: what is listed is deleted then, unless it is used by then")
    elif facts["next_due"] is not None:
        lines.append(f"  what waits can be deleted from {facts['next_due']:%Y-%m-%d %H:%M} UTC")
    if not applied:
        lines.append("nothing was changed; --apply does it")
    return lines


def _size(count: int) -> str:
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count} bytes"
