"""From an accepted create to a job: plain data that holds all that the bytes of the film, still or sound depend on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manifests.digest import digest_bytes, digest_json
from manifests.tiny import shrink_length

if TYPE_CHECKING:
    from manifests.catalogue import ModelCard  # the child process that renders has no use for pydantic

RENDERER = 1  # raise it when the same job would come out otherwise
FLAWS = ("black", "frozen", "wrong-size")
# espeak variants that stay intelligible; a voice id always gets the same one
_VOICES = ("f2", "m3", "f3", "m7", "f4", "m1", "f5", "m6")
_SCRIPTS = (
    (r"[\u3040-\u30ff]", "ja"),
    (r"[\uac00-\ud7af]", "ko"),
    (r"[\u4e00-\u9fff]", "cmn"),
    (r"[\u0400-\u04ff]", "ru"),
    (r"[\u0370-\u03ff]", "el"),
    (r"[\u0600-\u06ff]", "ar"),
    (r"[\u0900-\u097f]", "hi"),
)
_COMMON_WORDS = {
    "en": "the and of to in is it you that for on with your this are",
    "de": "der die das und ist nicht ein eine mit für den wir sie auf dem ich",
    "fr": "le la les et est une un des dans pour pas vous nous que qui du",
    "es": "el la los y es una un de que para con no en las por su",
    "it": "il lo gli e è una un di che per non con la del della sono",
    "pt": "o os as e é uma um de que para não com em do da você",
    "nl": "de het een en is niet van voor met op dat je wij ik zijn",
}


def film_name(job: Mapping[str, Any]) -> str:
    """Name of the file of a job: digest and suffix."""
    suffix = {"take": ".mp4", "still": ".png"}.get(job["make"], ".sound")
    return digest_json({"renderer": RENDERER, "job": job}) + suffix


def take_job(
    card: ModelCard, body: Mapping[str, Any], images: Mapping[str, str], *, digest: str, faults: Sequence[str]
) -> dict[str, Any]:
    """`images` holds sha256 by position. A create without a seed gets one from its digest: same body, same bytes."""
    width, height = read_ratio(body["ratio"])
    lengths = card.seconds.lengths if card.seconds else (5,)
    # Where the vendor's default is not known, the middle of what is sold.
    seconds = int(body.get("duration", lengths[len(lengths) // 2]))
    return {
        "make": "take",
        "model": card.id,
        "prompt": body.get("promptText", ""),
        "width": width,
        "height": height,
        "seconds": seconds,
        "rate": card.frame_rate or "24",
        "seed": body.get("seed", int(digest[:8], 16)),
        "image": images.get("first"),
        "last": images.get("last"),
        "flaw": next((fault for fault in faults if fault in FLAWS), None),
    }


def still_job(body: Mapping[str, Any], references: Sequence[Mapping[str, str]], *, digest: str) -> dict[str, Any]:
    width, height = read_ratio(body["ratio"])
    return {
        "make": "still",
        "prompt": body["promptText"],
        "width": width,
        "height": height,
        "seed": body.get("seed", int(digest[:8], 16)),
        "references": list(references),
    }


def shrink_job(job: Mapping[str, Any], scale: int) -> dict[str, Any]:
    """The same picture, so many times smaller in each direction."""
    return {**job, "width": shrink_length(job["width"], scale), "height": shrink_length(job["height"], scale)}


def speech_job(voice_id: str, body: Mapping[str, Any], output_format: str) -> dict[str, Any]:
    settings = body.get("voice_settings") or {}
    return {
        "make": "speech",
        "text": body["text"],
        "voice": _VOICES[hashlib.sha256(voice_id.encode()).digest()[0] % len(_VOICES)],
        "language": body.get("language_code") or guess_language(body["text"]),
        "speed": str(settings.get("speed") or 1),
        "seed": body.get("seed"),
        "format": output_format,
    }


def effect_job(body: Mapping[str, Any], output_format: str) -> dict[str, Any]:
    seconds = body.get("duration_seconds")
    return {
        "make": "effect",
        "text": body["text"],
        "seconds": str(4 if seconds is None else seconds),
        "loop": bool(body.get("loop", False)),
        "seed": int(digest_bytes(body["text"].encode())[:8], 16),
        "format": output_format,
    }


def read_ratio(ratio: str) -> tuple[int, int]:
    width, _, height = ratio.partition(":")
    return int(width), int(height)


def guess_language(text: str) -> str:
    """The vendor hears which language a text is in; here script and the commonest words must do."""
    for pattern, language in _SCRIPTS:
        if re.search(pattern, text):
            return language
    words = re.findall(r"[^\W\d_]+", text.lower())
    hits = {language: sum(word in common.split() for word in words) for language, common in _COMMON_WORDS.items()}
    best = max(hits, key=lambda language: hits[language])
    return best if hits[best] > hits["en"] else "en"


def pack_sound(words: Sequence[Sequence[float]], sound: Path, packed: Path) -> Path:
    """One file: a line of JSON with the words (position, length, start, end), then the sound."""
    packed.write_bytes(json.dumps(words).encode() + b"\n" + sound.read_bytes())
    return packed


def unpack_sound(packed: Path) -> tuple[list[list[float]], bytes]:
    head, _, data = packed.read_bytes().partition(b"\n")
    return json.loads(head), data
