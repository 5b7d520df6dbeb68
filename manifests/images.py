"""Whether the images that a manifest names will do for what they are used for. Judges measurements that others took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from manifests.catalogue import ModelCard
from manifests.diagnostics import Diagnostic
from manifests.loaded import LoadedSpot
from manifests.reframing import filmed_ratio, filmed_size, parse_size, same_shape

FORMATS = ("jpeg", "jpg", "png", "webp")  # what the vendor takes; GIF is refused by name
MOST_BYTES = 200_000_000  # of an upload
FAR_TOO_SMALL, SMALL, PORTRAIT, LARGE = 128, 640, 1024, 4096  # pixels


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """As measured after the file's orientation tag was followed. `fault` says why a file could not be decoded."""

    width: int
    height: int
    format: str  # as the decoder calls it, in any case: jpeg, PNG, webp, gif …
    bytes: int
    fault: str = ""


def check_images(
    loaded: LoadedSpot, measured: Mapping[str, ImageFacts], models: Mapping[str, ModelCard]
) -> list[Diagnostic]:
    """Errors and warnings. `measured` is by the file's place in the YAML, such as `references.kettle.file`."""
    found: list[Diagnostic] = []
    for key, facts in measured.items():
        broken = list(_check_file(loaded, key, facts))
        if not broken and key.startswith("references."):
            name = key.split(".")[1]
            broken = list(_check_sendable(loaded, key, facts))
            if not broken:
                found += [*_check_reference(loaded, key, name, facts), *_check_frames(loaded, key, name, facts, models)]
        found += broken
    return list(dict.fromkeys(found))


def _say(
    loaded: LoadedSpot,
    key: str,
    summary: str,
    detail: str,
    remedy: str,
    severity: Literal["error", "warning"] = "error",
) -> Diagnostic:
    return Diagnostic(summary, f"{_shown(loaded, key)}: {detail}", key, loaded.where(key), remedy, severity)


def _shown(loaded: LoadedSpot, key: str) -> str:
    file = loaded.files.get(key)
    return file.path.name if file is not None else key


def _check_file(loaded: LoadedSpot, key: str, facts: ImageFacts) -> Iterator[Diagnostic]:
    if facts.bytes == 0:
        yield _say(loaded, key, "empty image", "the file has 0 bytes", "export it again")
    elif facts.fault:
        detail = f"cannot be decoded: {facts.fault}"
        yield _say(loaded, key, "damaged image", detail, "open it in an editor and export it again as PNG or JPEG")


def _check_sendable(loaded: LoadedSpot, key: str, facts: ImageFacts) -> Iterator[Diagnostic]:
    """What goes to the vendor: a logo never does."""
    if facts.format.lower() not in FORMATS:
        detail = f"is {facts.format.upper()}; the vendor takes JPEG, PNG and WebP"
        yield _say(loaded, key, "image type not taken", detail, "export it as PNG or JPEG")
    elif facts.bytes > MOST_BYTES:
        detail = f"{facts.bytes:,} bytes; the vendor takes {MOST_BYTES:,}"
        yield _say(loaded, key, "image too large", detail, "export it smaller, or as JPEG")
    elif min(facts.width, facts.height) < FAR_TOO_SMALL:
        detail = f"{facts.width}x{facts.height} holds too little to go by"
        yield _say(loaded, key, "image too small", detail, f"use one of at least {SMALL}x{SMALL}")


def _check_reference(loaded: LoadedSpot, key: str, name: str, facts: ImageFacts) -> Iterator[Diagnostic]:
    size = f"{facts.width}x{facts.height}"
    reference = loaded.spot.references.get(name)
    if min(facts.width, facts.height) < SMALL:
        remedy = f"use one of at least {SMALL}x{SMALL}: the vendor advises against smaller ones"
        yield _say(loaded, key, "small image", f"only {size}", remedy, "warning")
    elif reference is not None and reference.kind == "character" and max(facts.width, facts.height) < PORTRAIT:
        remedy = f"identity holds better from a photograph of at least {PORTRAIT} pixels"
        yield _say(loaded, key, "small portrait", f"only {size}", remedy, "warning")
    if max(facts.width, facts.height) > LARGE:
        remedy = "more than 4K gains nothing and is slow to send"
        yield _say(loaded, key, "large image", size, remedy, "warning")


def _check_frames(
    loaded: LoadedSpot, key: str, name: str, facts: ImageFacts, models: Mapping[str, ModelCard]
) -> Iterator[Diagnostic]:
    """An image that is a first or last frame must lie in its model's window, and is cropped to the film's ratio."""
    aspect = Decimal(facts.width) / facts.height
    for shot in loaded.spot.shots:
        if name not in (shot.start_image, shot.end_image):
            continue
        card = models.get(shot.model or loaded.spot.generate.model)
        ratio = filmed_ratio(loaded.spot, shot)
        sold = filmed_size(loaded.spot, shot, card, "/v1/image_to_video") if card else None
        wide, high = sold or parse_size(ratio)  # a near size is cropped to the ratio later, the image is not
        low, top = (card.aspect_minimum, card.aspect_maximum) if card else (None, None)
        if card and low and top and not Decimal(low) <= aspect <= Decimal(top):
            detail = f"{facts.width}x{facts.height} is {aspect:.2f} wide for 1 high; `{card.id}` takes {low} to {top}"
            remedy = f"crop it to {ratio}"
            yield _say(loaded, key, "image outside the model's window", detail, remedy)
            continue
        kept = min(aspect / (Decimal(wide) / high), (Decimal(wide) / high) / aspect)
        if kept < Decimal("0.98"):
            shape = ratio if same_shape((wide, high), parse_size(ratio)) else f"{wide}:{high}"
            detail = f"{100 - kept * 100:.0f} % of it is cut away to make {shape} of {facts.width}x{facts.height}"
            remedy = "it is cropped from the centre; crop it yourself to choose what stays"
            yield _say(loaded, key, "image is cropped", detail, remedy, "warning")
