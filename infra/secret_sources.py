"""The places where a key may be kept: environment, file, AWS Secrets Manager, a secret block of a Prefect server.

Nothing is cached here, and no message holds what was read. Prefect is asked over HTTP: this layer never imports it.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from infra.errors import KeyUnreadableError

if TYPE_CHECKING:
    import httpx

_LONGEST_FILE = 64 * 1024
_SECONDS = 10.0


@dataclass(frozen=True)
class SecretSource:
    """`read` blocks and raises KeyUnreadableError. `remote`: asked over the network, so not for every request."""

    read: Callable[[str], str]
    remote: bool


def read_variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise KeyUnreadableError(f"the environment has no {name}", remedy=f"Set {name} where the run is started.")
    return value


def read_key_file(place: str) -> str:
    """Its whole text. The path is absolute: a worker's folder is nobody's choice."""
    path = Path(place).expanduser()
    if not path.is_absolute():
        raise KeyUnreadableError("the path is not absolute", remedy="file:/run/secrets/runway_key, for example.")
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise KeyUnreadableError(f"{error.strerror}", remedy="Mount the file, and let this user read it.") from error
    if len(data) > _LONGEST_FILE:
        raise KeyUnreadableError(f"more than {_LONGEST_FILE} bytes", remedy="The file holds the key and nothing else.")
    return data.decode("utf-8", errors="replace")


def read_from_aws(place: str) -> str:
    """`secret-id` or `secret-id#key`; the id may be an ARN, whose region then counts."""
    import boto3  # costs start-up time that other places need not
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    name, _, key = place.partition("#")
    named = name.split(":")[3] if name.startswith("arn:") and name.count(":") >= 6 else ""
    region = named or os.environ.get("AWS_REGION") or None  # boto3 hears AWS_DEFAULT_REGION only
    config = Config(connect_timeout=5, read_timeout=_SECONDS, retries={"mode": "standard", "total_max_attempts": 3})
    try:
        client = boto3.session.Session().client("secretsmanager", region_name=region, config=config)
        text = str(client.get_secret_value(SecretId=name).get("SecretString", ""))
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise KeyUnreadableError(
            f"AWS Secrets Manager answered {code}",
            remedy="The role needs secretsmanager:GetSecretValue on it, and kms:Decrypt on its key.",
        ) from error
    except (BotoCoreError, ValueError) as error:
        raise KeyUnreadableError(
            f"AWS Secrets Manager could not be asked ({type(error).__name__})",
            remedy="Set AWS_REGION and credentials, or give the worker a role.",
        ) from error
    return _field(text, key) if key else text


def _field(text: str, key: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get(key), str):
        raise KeyUnreadableError(
            f"the secret has no text under {key!r}", remedy="It is a JSON object of names and keys."
        ) from None
    return str(value[key])


def read_from_prefect(block: str) -> str:
    """The value of a `Secret` block of the server at PREFECT_API_URL."""
    import httpx  # every command reads settings, and few ask anybody

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise KeyUnreadableError(
            "PREFECT_API_URL is not set", remedy="Secret blocks are kept by a server; without one use env: or file:."
        )
    address = f"{url.rstrip('/')}/block_types/slug/secret/block_documents/name/{quote(block, safe='')}"
    try:
        answer = httpx.get(
            address, params={"include_secrets": "true"}, headers=prefect_headers(), timeout=_SECONDS,
            follow_redirects=False,
        )  # fmt: skip
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise KeyUnreadableError(
            f"Prefect's server could not be asked ({type(error).__name__})", remedy="See PREFECT_API_URL."
        ) from error
    if answer.status_code == 404:
        raise KeyUnreadableError("Prefect's server has no secret block of that name", remedy="Save it there first.")
    if answer.status_code != 200:
        raise KeyUnreadableError(
            f"Prefect's server answered HTTP {answer.status_code}",
            remedy="See PREFECT_API_KEY or PREFECT_API_AUTH_STRING.",
        )
    value = _block_value(answer)
    if value is None:
        raise KeyUnreadableError("the block holds no text", remedy="Save the key itself in it, as text.")
    return value


def _block_value(answer: httpx.Response) -> str | None:
    try:
        document: Any = answer.json()
    except ValueError:
        return None
    data = document.get("data") if isinstance(document, dict) else None
    value = data.get("value") if isinstance(data, dict) else None
    return value if isinstance(value, str) else None


def prefect_headers() -> dict[str, str]:
    """As Prefect's own client sends them: a user and password before a key."""
    if said := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(said.encode()).decode()}"}
    if said := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {said}"}
    return {}


SOURCES: Mapping[str, SecretSource] = {
    "env": SecretSource(read_variable, remote=False),
    "file": SecretSource(read_key_file, remote=False),
    "aws-sm": SecretSource(read_from_aws, remote=True),
    "prefect-secret": SecretSource(read_from_prefect, remote=True),
}
