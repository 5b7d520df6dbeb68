"""Whether a create body is what its model takes: the vendor's own Zod-style issues, all of them at once.

Pure: it reads the model cards and the body, and names the media inputs that still have to be fetched and looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from manifests.catalogue import EndpointCard, ModelCard

Issue = dict[str, Any]
Path = tuple[str | int, ...]

DOC_URL = "https://docs.dev.runwayml.com/api"
SEED_MAXIMUM = 4294967295
OUTPUT_FORMATS = (
    "mp4", "prores", "png_sequence", "hdr10", "hlg", "sdr_rec709_10bit", "hdr_pq_12bit_master", "hdr_prores",
    "hdr_png_sequence", "hdr_exr_sequence", "hdr_exr_acescg_sequence_1_3", "hdr_exr_acescg_sequence_2_0",
)  # fmt: skip
_TAG = re.compile(r"[a-z][a-z0-9_]*\Z")
_ABSENT = object()


@dataclass(frozen=True)
class MediaField:
    """A media string found in a body, and which rules it has to keep."""

    path: Path
    text: str
    first_frame: bool  # the model's aspect window applies


@dataclass
class Checked:
    """What validation found. `card` and `endpoint` are None when the model itself is not known here."""

    card: ModelCard | None = None
    endpoint: EndpointCard | None = None
    issues: list[Issue] = field(default_factory=list)
    media: list[MediaField] = field(default_factory=list)


def refusal_body(issues: list[Issue]) -> dict[str, Any]:
    return {"error": "Validation of body failed", "issues": issues, "docUrl": DOC_URL}


def count_units(text: str) -> int:
    """UTF-16 code units: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_body(path: str, body: object, models: Mapping[str, ModelCard]) -> Checked:
    checked = Checked()
    if not isinstance(body, dict):
        checked.issues.append(_wrong_type("object", body, ()))
        return checked
    offered = {
        card.id: (card, endpoint)
        for card in models.values()
        if card.vendor == "runway" and card.retired is None
        for endpoint in card.endpoints
        if endpoint.path == path
    }
    model = body.get("model")
    if not isinstance(model, str) or model not in offered:
        checked.issues.append(_not_one_of(tuple(sorted(offered)), ("model",)))
        return checked
    checked.card, checked.endpoint = offered[model]
    _check_fields(checked, checked.card, checked.endpoint, body)
    return checked


def _check_fields(checked: Checked, card: ModelCard, endpoint: EndpointCard, body: Mapping[str, Any]) -> None:
    known = (*endpoint.required, *endpoint.optional)
    for name in known:
        value = body.get(name, _ABSENT)
        if name == "model" or (value is _ABSENT and name not in endpoint.required):
            continue
        _FIELDS[name](checked, card, endpoint, value)
    unknown = [name for name in body if name not in known]
    # Open bodies ignore what they do not know, and bill: that is the vendor's trap, and it is kept.
    if unknown and card.strict_body:
        checked.issues.append(_unrecognized(unknown, ()))


def _check_prompt(checked: Checked, card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    _check_text(checked, value, ("promptText",), card.prompt_units)


def _check_negative(checked: Checked, card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    _check_text(checked, value, ("negativePrompt",), card.prompt_units)


def _check_text(checked: Checked, value: object, path: Path, most: int) -> None:
    if not isinstance(value, str):
        checked.issues.append(_wrong_type("string", value, path))
    elif not value:
        checked.issues.append(_too_small("string", 1, path, "Too small: expected string to have >=1 characters"))
    elif count_units(value) > most:
        message = f"Too big: expected string to have <={most} characters"
        checked.issues.append(_too_big("string", most, path, message))


def _check_ratio(checked: Checked, _card: ModelCard, endpoint: EndpointCard, value: object) -> None:
    if value not in endpoint.ratios:
        checked.issues.append(_not_one_of(endpoint.ratios, ("ratio",)))


def _check_duration(checked: Checked, card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    sold = card.seconds
    if sold is not None and sold.values:
        if isinstance(value, bool) or value not in sold.values:
            checked.issues.append(_not_one_of(sold.values, ("duration",)))
        return
    low, high = (sold.minimum, sold.maximum) if sold is not None else (None, None)
    _check_integer(checked, value, ("duration",), low, high)


def _check_seed(checked: Checked, _card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    _check_integer(checked, value, ("seed",), 0, SEED_MAXIMUM)


def _check_integer(checked: Checked, value: object, path: Path, low: int | None, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        checked.issues.append(_wrong_type("number", value, path))
    elif not float(value).is_integer():
        checked.issues.append({**_wrong_type("int", value, path), "format": "safeint"})
    elif low is not None and value < low:
        checked.issues.append(_too_small("number", low, path, f"Too small: expected number to be >={low}"))
    elif high is not None and value > high:
        checked.issues.append(_too_big("number", high, path, f"Too big: expected number to be <={high}"))


def _check_audio(checked: Checked, _card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    if not isinstance(value, bool):
        checked.issues.append(_wrong_type("boolean", value, ("audio",)))


def _check_moderation(checked: Checked, _card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    if not isinstance(value, dict):
        checked.issues.append(_wrong_type("object", value, ("contentModeration",)))
    elif value.get("publicFigureThreshold", "auto") not in ("auto", "low"):
        checked.issues.append(_not_one_of(("auto", "low"), ("contentModeration", "publicFigureThreshold")))


def _check_output_format(checked: Checked, _card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    if value not in OUTPUT_FORMATS:
        checked.issues.append(_not_one_of(OUTPUT_FORMATS, ("outputFormat",)))
    elif value != "mp4":
        # Not the vendor's rule: better a refusal than an .mp4 under another name.
        checked.issues.append(_custom("The backlot films mp4 only.", ("outputFormat",)))


def _check_prores(checked: Checked, _card: ModelCard, _endpoint: EndpointCard, _value: object) -> None:
    checked.issues.append(_custom("proresProfile can only be used with a ProRes outputFormat.", ("proresProfile",)))


def _check_prompt_image(checked: Checked, card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    if isinstance(value, str):
        _take_media(checked, value, ("promptImage",), first_frame=True)
        return
    if not isinstance(value, list):
        checked.issues.append(_wrong_type("string or array", value, ("promptImage",)))
        return
    _check_count(checked, value, ("promptImage",), 1, max(1, len(card.image_positions)))
    seen = []
    for index, entry in enumerate(value):
        path: Path = ("promptImage", index)
        if not isinstance(entry, dict):
            checked.issues.append(_wrong_type("object", entry, path))
            continue
        position = entry.get("position")
        if position not in card.image_positions:
            checked.issues.append(_not_one_of(card.image_positions, (*path, "position")))
        elif position in seen:
            checked.issues.append(_custom(f'Only one image can have position "{position}".', (*path, "position")))
        seen.append(position)
        _take_media(checked, entry.get("uri", _ABSENT), (*path, "uri"), first_frame=True)
    if "last" in seen and "first" not in seen:
        checked.issues.append(_custom('An image with position "first" is required.', ("promptImage",)))


def _check_references(checked: Checked, card: ModelCard, _endpoint: EndpointCard, value: object) -> None:
    if not isinstance(value, list):
        checked.issues.append(_wrong_type("array", value, ("referenceImages",)))
        return
    _check_count(checked, value, ("referenceImages",), card.references_minimum, card.references_maximum)
    tags: list[str] = []
    for index, entry in enumerate(value):
        path: Path = ("referenceImages", index)
        if not isinstance(entry, dict):
            checked.issues.append(_wrong_type("object", entry, path))
            continue
        _take_media(checked, entry.get("uri", _ABSENT), (*path, "uri"), first_frame=False)
        if "tag" in entry:
            _check_tag(checked, entry["tag"], (*path, "tag"), tags)


def _check_tag(checked: Checked, tag: object, path: Path, tags: list[str]) -> None:
    if not isinstance(tag, str):
        checked.issues.append(_wrong_type("string", tag, path))
        return
    if len(tag) < 3:
        checked.issues.append(_too_small("string", 3, path, "Too small: expected string to have >=3 characters"))
    elif len(tag) > 16:
        checked.issues.append(_too_big("string", 16, path, "Too big: expected string to have <=16 characters"))
    if not _TAG.match(tag):
        message = "Invalid string: must match pattern /^[a-z][a-z0-9_]+$/"
        issue = {"code": "invalid_format", "format": "regex", "origin": "string", "pattern": "/^[a-z][a-z0-9_]+$/"}
        checked.issues.append({**issue, "message": message, "path": list(path)})
    elif tag in tags:
        checked.issues.append(_custom(f'Tag "{tag}" is used more than once.', path))
    tags.append(tag)


def _check_count(checked: Checked, value: list[Any], path: Path, low: int, high: int) -> None:
    if len(value) < low:
        checked.issues.append(_too_small("array", low, path, f"Too small: expected array to have >={low} items"))
    elif len(value) > high:
        checked.issues.append(_too_big("array", high, path, f"Too big: expected array to have <={high} items"))


def _take_media(checked: Checked, value: object, path: Path, *, first_frame: bool) -> None:
    if isinstance(value, str):
        checked.media.append(MediaField(path, value, first_frame))
    else:
        checked.issues.append(_wrong_type("string", value, path))


Check = Callable[[Checked, ModelCard, EndpointCard, object], None]
_FIELDS: Mapping[str, Check] = {
    "promptText": _check_prompt,
    "promptImage": _check_prompt_image,
    "referenceImages": _check_references,
    "negativePrompt": _check_negative,
    "ratio": _check_ratio,
    "duration": _check_duration,
    "seed": _check_seed,
    "audio": _check_audio,
    "contentModeration": _check_moderation,
    "outputFormat": _check_output_format,
    "proresProfile": _check_prores,
}


def knows_field(name: str) -> bool:
    """Whether a field named by a model card can be checked here."""
    return name == "model" or name in _FIELDS


def _custom(message: str, path: Path) -> Issue:
    return {"code": "custom", "message": message, "path": list(path)}


def media_issue(message: str, path: Path) -> Issue:
    return _custom(message, path)


def _wrong_type(expected: str, value: object, path: Path) -> Issue:
    message = f"Invalid input: expected {expected}, received {_name_type(value)}"
    return {"code": "invalid_type", "expected": expected, "message": message, "path": list(path)}


def _not_one_of(values: tuple[str, ...] | tuple[int, ...], path: Path) -> Issue:
    shown = "|".join(f'"{v}"' if isinstance(v, str) else str(v) for v in values)
    start = "Invalid option: expected one of " if len(values) != 1 else "Invalid input: expected "
    return {"code": "invalid_value", "values": list(values), "message": start + shown, "path": list(path)}


def _unrecognized(keys: list[str], path: Path) -> Issue:
    shown = ", ".join(f'"{key}"' for key in keys)
    message = f"Unrecognized key{'s' if len(keys) > 1 else ''}: {shown}"
    return {"code": "unrecognized_keys", "keys": keys, "message": message, "path": list(path)}


def _too_big(origin: str, maximum: int, path: Path, message: str) -> Issue:
    # The service sends both `type` and `origin` (seen live 2026-08-26).
    issue = {"code": "too_big", "maximum": maximum, "type": origin, "inclusive": True, "origin": origin}
    return {**issue, "message": message, "path": list(path)}


def _too_small(origin: str, minimum: int, path: Path, message: str) -> Issue:
    issue = {"code": "too_small", "minimum": minimum, "type": origin, "inclusive": True, "origin": origin}
    return {**issue, "message": message, "path": list(path)}


def _name_type(value: object) -> str:
    if value is _ABSENT:
        return "undefined"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
