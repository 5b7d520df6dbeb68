"""Media inputs of a create: data URIs, https addresses and uploads become files under their digest, or a message.

The rules are the vendor's (runway-api sheet, section 6). Everything here may block: it is called in a worker thread.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from PIL import Image, UnidentifiedImageError

from infra.backlot.books import Upload
from manifests.catalogue import ModelCard
from manifests.digest import digest_bytes

IMAGE_TYPES = ("image/jpeg", "image/jpg", "image/png", "image/webp")
DATA_URI_CHARACTERS = 5_242_880
ADDRESS_CHARACTERS = 2048
UPLOAD_URI_CHARACTERS = 5000
FETCHED_IMAGE_BYTES = 16 * 1024 * 1024
UPLOAD_MINIMUM_BYTES = 512
UPLOAD_MAXIMUM_BYTES = 200 * 1024 * 1024
_DATA_URI = re.compile(r"data:([^;,]+)((?:;[^;,]+)*?);base64,(.*)\Z", re.DOTALL)
_PILLOW_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


class MediaRefusedError(Exception):
    """The message of the issue."""


@dataclass(frozen=True)
class Media:
    sha256: str
    content_type: str
    width: int
    height: int


class MediaCupboard:
    """Bytes under their sha256 in one folder, written once, and how each form of media string becomes bytes."""

    def __init__(self, folder: Path, uploads: Mapping[str, Upload], transport: httpx.BaseTransport | None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.part"):
            unfinished.unlink()
        self._uploads = uploads
        self._transport = transport

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def keep(self, data: bytes) -> str:
        """Stores bytes under their digest; a second time is free."""
        sha256 = digest_bytes(data)
        final = self.path(sha256)
        if not final.exists():
            unfinished = final.with_name(f"{sha256}.{id(data)}.part")
            unfinished.write_bytes(data)
            unfinished.replace(final)
        return sha256

    def take_image(self, text: str, now: dt.datetime) -> Media:
        """The image behind a media string. Raises MediaRefusedError with what the vendor would say."""
        data = self._read(text, now)
        width, height, content_type = _look_at_image(data)
        return Media(self.keep(data), content_type, width, height)

    def digest_input(self, text: str, now: dt.datetime) -> str:
        """Digest for the request log: of the bytes where they can be had, else of the text."""
        try:
            return digest_bytes(self._read(text, now))
        except MediaRefusedError:
            return digest_bytes(text.encode(errors="surrogatepass"))

    def _read(self, text: str, now: dt.datetime) -> bytes:
        if text.startswith("data:"):
            return _read_data_uri(text)
        if text.startswith("runway://"):
            return self._read_upload(text, now)
        return self._fetch(text)

    def _read_upload(self, text: str, now: dt.datetime) -> bytes:
        if len(text) > UPLOAD_URI_CHARACTERS:
            raise MediaRefusedError(f"Too big: expected string to have <={UPLOAD_URI_CHARACTERS} characters")
        upload = self._uploads.get(text.removeprefix("runway://"))
        if upload is None or upload.sha256 is None:
            raise MediaRefusedError("Invalid Runway upload URI: no file was uploaded to it.")
        if now >= upload.expires:
            raise MediaRefusedError("Invalid Runway upload URI: it has expired.")
        return self.path(upload.sha256).read_bytes()

    def _fetch(self, text: str) -> bytes:
        _check_address(text)
        headers = {"User-Agent": "RunwayML API/backlot"}
        try:
            with httpx.Client(transport=self._transport, timeout=10, headers=headers, trust_env=False) as client:
                _check_announced(client.head(text))
                with client.stream("GET", text) as answer:
                    _check_status(answer)
                    data = bytearray()
                    for part in answer.iter_bytes():
                        data += part
                        _check_size(len(data))
                    return bytes(data)
        except httpx.TimeoutException as error:
            raise MediaRefusedError("Failed to fetch asset. The request timed out.") from error
        except httpx.HTTPError as error:
            raise MediaRefusedError("Failed to fetch asset. Could not connect to the server.") from error


def check_aspect(media: Media, card: ModelCard) -> str | None:
    """What is wrong with the shape of a first or last frame, or None."""
    aspect = Fraction(media.width, media.height)
    low, high = card.aspect_minimum, card.aspect_maximum
    shown = f"Got {float(aspect):.3f}."
    if low is not None and aspect < Fraction(low):
        return f"Invalid asset aspect ratio. width / height ratio must be at least {low}. {shown}"
    if high is not None and aspect > Fraction(high):
        return f"Invalid asset aspect ratio. width / height ratio must be at most {high}. {shown}"
    return None


def _read_data_uri(text: str) -> bytes:
    if len(text) > DATA_URI_CHARACTERS:
        raise MediaRefusedError(f"Too big: expected string to have <={DATA_URI_CHARACTERS} characters")
    parts = _DATA_URI.match(text)
    if parts is None:
        raise MediaRefusedError("Invalid data URI: expected data:<type>;base64,<data>.")
    _check_type(parts[1].strip().lower())
    try:
        return base64.b64decode(parts[3], validate=True)
    except (binascii.Error, ValueError) as error:
        raise MediaRefusedError("Invalid data URI: the data is not valid base64.") from error


def _check_type(content_type: str) -> None:
    if content_type not in IMAGE_TYPES:
        raise MediaRefusedError(f'Unsupported asset type "{content_type}". Supported types: {", ".join(IMAGE_TYPES)}.')


def _check_address(text: str) -> None:
    if len(text) > ADDRESS_CHARACTERS:
        raise MediaRefusedError(f"Too big: expected string to have <={ADDRESS_CHARACTERS} characters")
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError as error:
        raise MediaRefusedError("Invalid URL.") from error
    if parts.scheme == "http":
        raise MediaRefusedError("Only HTTPS URLs are allowed.")
    if parts.scheme != "https" or not host:
        raise MediaRefusedError("Invalid URL: expected an https://, runway:// or data: URI.")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if "." in host:
            return
    raise MediaRefusedError("Invalid URL: the host must be a domain name.")


def _check_status(answer: httpx.Response) -> None:
    if answer.status_code != 200:  # redirects are not followed
        raise MediaRefusedError(f'Failed to fetch asset. Received HTTP response code "{answer.status_code}".')


def _check_announced(answer: httpx.Response) -> None:
    _check_status(answer)
    _check_type(answer.headers.get("content-type", "").partition(";")[0].strip().lower())
    if "content-length" not in answer.headers:
        raise MediaRefusedError("Failed to fetch asset. The server did not send a Content-Length header.")
    _check_size(int(answer.headers["content-length"]))


def _check_size(size: int) -> None:
    if size > FETCHED_IMAGE_BYTES:
        raise MediaRefusedError("Asset size must be at most 16 MB.")


def _look_at_image(data: bytes) -> tuple[int, int, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data)) as image:
                content_type = _PILLOW_TYPES.get(image.format or "")
                if content_type is None:
                    raise MediaRefusedError(f"Unsupported asset type: the file is {image.format}.")
                image.load()  # a truncated file is refused now, not filmed later
                width, height = image.size
                # the vendor turns pictures as their camera was held
                if image.getexif().get(0x0112, 1) >= 5:
                    width, height = height, width
                return width, height, content_type
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MediaRefusedError("Invalid asset: the image could not be read.") from error
