"""Which service answers at a base URL: our backlot says so itself, anything else is taken for the vendor."""

from __future__ import annotations

from infra.errors import VendorUnavailableError
from infra.settings import Settings
from manifests.expand import Services

SECONDS = 5.0


def decide_services(settings: Settings) -> Services:
    """A key decides; without one it is the backlot. A base URL that the user set is asked once, without the key.

    Raises VendorUnavailableError when it does not answer.
    """
    return Services(
        video=_service("runway", settings.runway_url, settings.runway_key is not None),
        sound=_service("elevenlabs", settings.elevenlabs_url, settings.elevenlabs_key is not None),
    )


def _service(vendor: str, url: str | None, has_key: bool) -> str:
    if url is None:
        return vendor if has_key else "backlot"
    import httpx  # slow to import, and mostly nobody is asked

    try:
        answer = httpx.get(f"{url.rstrip('/')}/backlot", timeout=SECONDS, follow_redirects=False)
    except httpx.HTTPError as error:
        raise VendorUnavailableError(
            f"{url} does not answer ({type(error).__name__})",
            remedy="start it (`shotrunner backlot`), or unset the base URL to use the backlot in this process",
        ) from error
    try:
        told = answer.json()
    except ValueError:
        return vendor
    return "backlot" if isinstance(told, dict) and told.get("service") == "backlot" else vendor
