"""The technical screening of a take or still: is it what was asked for, is it whole, and how good is it, from 0 to 1.

One decode. A file that cannot be read is a rejected take with the fault `undecodable`, not an error: it was paid for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from infra.errors import MediaError
from infra.media.colour import LUMA_WEIGHTS, Plane
from infra.media.faults import Fault, find_faults, flicker_of
from infra.media.probe import VideoFacts, probe_image, probe_video
from infra.media.signals import Signals, correlate, measure_sharpness, measure_take, shrink

POSTER_WIDTH = 640
STRIP_TILE_WIDTH = 320
RATE_TOLERANCE = Fraction(1, 5000)  # 24 and 24000/1001 differ by 1/1000
START_LIKENESS = 0.5
SOFT_STILL = 0.22  # rounding to whole tones alone gives 0.18
WEIGHTS = {"sharpness": 0.25, "flicker": 0.2, "steadiness": 0.25, "start": 0.3}


class Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["take", "still"]
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    rate: str = "24"
    frames: int = Field(default=0, ge=0)  # fewest needed


def run(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    take = inputs["take"]
    if not take.is_file():
        raise MediaError(f"{take} is not there")
    return _screen_still(params, take, out) if params.kind == "still" else _screen_take(params, inputs, out)


def _screen_take(params: Params, inputs: Mapping[str, Path], out: Path) -> dict[str, object]:
    try:
        facts = probe_video(inputs["take"])
    except MediaError as error:
        return _report({}, [Fault("undecodable", error.detail, "reject")], {})
    signals = measure_take(inputs["take"], facts.frames)
    start = _read_grey(inputs["start"]) if "start" in inputs else None
    parts = _rate_take(signals, start)
    faults = [*_check_wanted(params, facts, signals), *find_faults(signals)]
    if parts.get("start", 1.0) < START_LIKENESS:
        faults.append(Fault("start", "the first frame is not the picture it was to start on", "review"))
    if signals.kept:
        _save_jpeg(_scale(signals.kept[0], POSTER_WIDTH), out / "poster.jpg")
        _save_jpeg(np.hstack([_scale(tile, STRIP_TILE_WIDTH) for tile in signals.kept]), out / "strip.jpg")
    return _report(facts.as_facts(), faults, parts)


def _check_wanted(params: Params, facts: VideoFacts, signals: Signals) -> Iterator[Fault]:
    if signals.damage or signals.decoded == 0:
        yield Fault("undecodable", signals.damage or "no frame can be decoded", "reject")
    elif signals.decoded != facts.frames:
        yield Fault("truncated", f"{facts.frames} frames are stored, {signals.decoded} can be decoded", "reject")
    if facts.header_frames and facts.header_frames > facts.frames:
        yield Fault("truncated", f"the file claims {facts.header_frames} frames and holds {facts.frames}", "reject")
    if (facts.width, facts.height) != (params.width, params.height):
        found = f"{facts.width}x{facts.height}, not {params.width}x{params.height}"
        yield Fault("size", f"the picture is {found}", "reject")
    wanted = Fraction(params.rate)
    if not facts.constant_rate:
        yield Fault("rate", "the frames do not come at a constant rate", "reject")
    elif abs(facts.rate / wanted - 1) > RATE_TOLERANCE:
        yield Fault("rate", f"{float(facts.rate):.3f} frames a second, not {float(wanted):.3f}", "reject")
    if facts.frames < params.frames:
        yield Fault("short", f"{facts.frames} frames, {params.frames} are needed", "reject")


def _rate_take(signals: Signals, start: Plane | None) -> dict[str, float]:
    if signals.decoded < 2 or signals.first is None:
        return {}
    parts = {
        "sharpness": _rate_sharpness(float(np.median(signals.sharpness))),
        "flicker": 1 / (1 + (flicker_of(signals) / 0.006) ** 2),
        "steadiness": _rate_steadiness(signals),
    }
    if start is not None:
        first = signals.first
        parts["start"] = max(0.0, correlate(_cover(start, first.shape[1], first.shape[0]), first))
    return {name: round(value, 4) for name, value in parts.items()}


def _rate_sharpness(logarithm: float) -> float:
    """0 for a variance of 1, which is mush, to 1 for 1000, which is fine texture."""
    return min(1.0, max(0.0, logarithm / 3))


def _rate_steadiness(signals: Signals) -> float:
    """How little the camera's path trembles: its second difference against its speed."""
    path = signals.shift[1:]
    if len(path) < 3:
        return 1.0
    tremble = float(np.median(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    return 1 / (1 + (tremble / 0.5) ** 2)


def _screen_still(params: Params, still: Path, out: Path) -> dict[str, object]:
    try:
        info = probe_image(still)
    except MediaError as error:
        return _report({}, [Fault("undecodable", error.detail, "reject")], {})
    with Image.open(still) as opened:
        rgb = np.asarray(opened.convert("RGB"), np.uint8)
    luma = _luma(rgb)
    facts: dict[str, object] = {"format": info.format, "width": info.width, "height": info.height, "frames": 1}
    facts |= {"rate": "0", "seconds": 0.0, "has_audio": False, "codec": info.format, "bytes": still.stat().st_size}
    parts = {"sharpness": round(_rate_sharpness(measure_sharpness(luma)), 4)}
    _save_jpeg(_scale(rgb, POSTER_WIDTH), out / "poster.jpg")
    return _report(facts, list(_check_still(params, (info.width, info.height), luma, animated=info.animated)), parts)


def _check_still(params: Params, size: tuple[int, int], luma: Plane, *, animated: bool) -> Iterator[Fault]:
    if animated:
        yield Fault("animated", "the image moves", "reject")
    if size != (params.width, params.height):
        yield Fault("size", f"the image is {size[0]}x{size[1]}, not {params.width}x{params.height}", "reject")
    mean, spread = float(luma.mean()), float(luma.std())
    if mean < 24 and spread < 4:
        yield Fault("black", "the image is black", "reject")
    elif spread < 4:
        yield Fault("flat", "the image is one flat tone", "reject")
    elif _rate_sharpness(measure_sharpness(luma)) < SOFT_STILL:
        yield Fault("softness", "the image is soft all over", "review")


def _report(facts: dict[str, object], faults: list[Fault], parts: dict[str, float]) -> dict[str, object]:
    """Nothing decoded has nothing to score."""
    weight = sum(WEIGHTS[name] for name in parts)
    score = sum(WEIGHTS[name] * value for name, value in parts.items()) / weight if weight else 0.0
    return {
        "probe": facts,
        "ok": not any(fault.severity == "reject" for fault in faults),
        "faults": [fault._asdict() for fault in faults],
        "parts": parts,
        "score": round(score, 4),
    }


def _luma(rgb: Plane) -> Plane:
    """Limited-range BT.709 luma, on the scale of the decoded takes."""
    red, blue = LUMA_WEIGHTS["bt709"]
    weighted = rgb[..., 0] * red + rgb[..., 1] * (1 - red - blue) + rgb[..., 2] * blue
    luma: Plane = (16.5 + weighted * (219 / 255)).astype(np.uint8)
    return luma


def _read_grey(path: Path) -> Plane:
    probe_image(path)
    with Image.open(path) as opened:
        return _luma(np.asarray(opened.convert("RGB"), np.uint8))


def _cover(image: Plane, width: int, height: int) -> Plane:
    """The middle of the image in the take's shape, shrunk alike: services crop a start image to their size."""
    rows, columns = image.shape
    if columns * height > rows * width:
        inner = round(rows * width / height)
        image = image[:, (columns - inner) // 2 :][:, :inner]
    else:
        inner = round(columns * height / width)
        image = image[(rows - inner) // 2 :][:inner]
    return shrink(np.ascontiguousarray(image))


def _scale(rgb: Plane, width: int) -> Plane:
    height = max(2, round(rgb.shape[0] * width / rgb.shape[1]))
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _save_jpeg(rgb: Plane, path: Path) -> None:
    Image.fromarray(rgb).save(path, quality=88)
