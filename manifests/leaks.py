"""Keys and passwords that somebody wrote into a manifest: refused without repeating them.

Manifests are stored, hashed into plans and sent to colleagues; a secret belongs in the environment.
"""

from __future__ import annotations

import re

from manifests.diagnostics import Diagnostic
from manifests.nodes import Items, Map, Node, Steps, address

_SECRETS = (
    (re.compile(r"\bkey_[0-9a-fA-F]{32,}"), "a Runway key", "RUNWAYML_API_SECRET"),
    (re.compile(r"\bsk_[0-9A-Za-z]{24,}"), "an ElevenLabs key", "ELEVENLABS_API_KEY"),
    (re.compile(r"\bsk-[0-9A-Za-z_-]{20,}"), "an API key", "the environment"),
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an AWS key", "the usual AWS variables"),
    (re.compile(r"\bgh[pousr]_[0-9A-Za-z]{36,}"), "a GitHub token", "the environment"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key", "the environment"),
    (re.compile(r"://[^/\s:@]+:[^/\s:@]+@"), "a password in an address", "the environment"),
)


def find_secrets(root: Node) -> list[Diagnostic]:
    """One error for each value that looks like a secret, `x-…` blocks included."""
    problems: list[Diagnostic] = []
    _search(root, root, (), problems)
    return problems


def _search(root: Node, node: Node, steps: Steps, problems: list[Diagnostic]) -> None:
    if isinstance(node, Map):
        for key, (_, value) in node.entries.items():
            _search(root, value, (*steps, key), problems)
    elif isinstance(node, Items):
        for index, item in enumerate(node.items):
            _search(root, item, (*steps, index), problems)
    else:
        found = next(((what, home) for pattern, what, home in _SECRETS if pattern.search(node.text)), None)
        if found:
            what, home = found
            detail = f"this looks like {what}; secrets never stand in a manifest"
            remedy = f"put it into {home} and, if it was shared, have it replaced"
            problems.append(Diagnostic("secret", detail, address(root, steps), node.where, remedy))
