"""Lifecycle rules of a store: what goes by itself, and what may lie cheaper. Everything else is left to `store gc`.

Pure: from the rules that are there and the store's prefix to the rules that should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from manifests.naming import blob_prefix, layout_prefix, staging_prefix

# name, prefix below the store's own, what happens there (infra/deploy/storage.yaml says the same)
Rule = tuple[str, str, Mapping[str, Any]]
RULES: tuple[Rule, ...] = (
    ("parts", layout_prefix(), {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}),
    ("staging", staging_prefix(), {"Expiration": {"Days": 2}}),
    ("tmp", blob_prefix("tmp"), {"Expiration": {"Days": 14}}),
    (
        "old-versions",
        layout_prefix(),
        {
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
    ),
)
TIERING: tuple[Rule, ...] = (
    ("takes", blob_prefix("take"), {"Transitions": [{"Days": 1, "StorageClass": "INTELLIGENT_TIERING"}]}),
)


def merged_rules(prefix: str, rules: Sequence[Rule]) -> Callable[[Any], list[dict[str, Any]]]:
    """A function from the rules of a bucket (or None) to them with ours, each once; those of others keep their place.

    `prefix` is the store's within its bucket: several stores in one bucket have rules of their own.
    """
    ours = [_rule(prefix, rule) for rule in rules]
    names = {rule["ID"] for rule in ours}

    def merge(found: Any) -> list[dict[str, Any]]:
        there: list[dict[str, Any]] = list(found or [])
        by_name = {rule.get("ID"): rule for rule in there}
        if all(_same(by_name.get(rule["ID"]), rule) for rule in ours):
            return there
        return [_modern(rule) for rule in there if rule.get("ID") not in names] + ours

    return merge


def _rule(prefix: str, rule: Rule) -> dict[str, Any]:
    name, below, action = rule
    suffix = f":{prefix.rstrip('/')}" if prefix else ""
    return {"ID": f"shotrunner-{name}{suffix}", "Status": "Enabled", "Filter": {"Prefix": prefix + below}, **action}


def _same(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    """Servers give a prefix back in either of the two forms that the protocol has."""
    return found is not None and _modern(found) == wanted


def _modern(rule: Mapping[str, Any]) -> dict[str, Any]:
    """With its prefix in a filter: one configuration cannot hold rules of both forms."""
    if "Prefix" not in rule or "Filter" in rule:
        return dict(rule)
    return {**{name: value for name, value in rule.items() if name != "Prefix"}, "Filter": {"Prefix": rule["Prefix"]}}
