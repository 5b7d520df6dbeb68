"""The command `infra`: what a store needs around it, made once by whoever administers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from flows import views
from flows.cli_words import Json, UsageError

infra = cyclopts.App(
    name="infra",
    help="""Set up the bucket that holds a store: versions, no public access, encryption, expiry of scratch.

    Example: shotrunner infra bootstrap --dry-run

    Exit: 0; 2 the store is no bucket; 6 store or its credentials.
    """,
)


@infra.command
def bootstrap(
    *,
    store: Annotated[str | None, Parameter(help="s3://bucket/prefix; SHOTRUNNER_STORE unless given.")] = None,
    kms_key: Annotated[
        str | None, Parameter(help="ARN of the key that encrypts; the server's own unless given.")
    ] = None,
    tls_only: Annotated[bool, Parameter(help="Deny requests in the clear by a bucket policy.")] = False,
    dry_run: Annotated[bool, Parameter(help="Say what would be done, and do nothing.")] = False,
    json: Json = False,
) -> int:
    """Make the bucket if it is missing, and set what a store relies on. Again, it changes nothing.

    Rules and policy statements of others stay. What the server does not support is said, and nothing else suffers from
    it. Needs an administrator's keys; workers need none of these rights.

    Example: shotrunner infra bootstrap --store s3://alder-films/2026

    Exit: 0; 2 the store is no bucket; 6 store or its credentials.
    """
    from infra.bootstrap import bootstrap as carry_out
    from infra.settings import read_settings
    from infra.storage.s3 import open_s3
    from manifests.paths import find_root

    url = store or read_settings(find_root(Path.cwd() / "here")).store
    if not url.startswith("s3://"):
        raise UsageError(f"{url} is no bucket", remedy="--store s3://bucket/prefix; a folder needs no setting up")
    done = carry_out(open_s3(url), kms_key=kms_key, tls_only=tls_only, dry_run=dry_run)
    missing = [setting.name for setting in done if setting.state == "not supported"]
    facts = {
        "message_type": "bootstrap", "store": url, "dry_run": dry_run, "settings": [vars(s) for s in done],
        "not_supported": missing,
    }  # fmt: skip
    lines = [f"{setting.state:16}  {setting.name}: {setting.detail}" for setting in done]
    if any(s.name == "versioning" and s.state in ("made", "changed") for s in done):
        lines.append("Amazon asks for 15 minutes between the first versioning of a bucket and the first write")
    if not dry_run:
        lines.append(f"next: SHOTRUNNER_STORE={url} shotrunner doctor")
    views.answer(facts, lines, json=json)
    return 0


COMMANDS = (infra,)
