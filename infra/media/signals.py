"""The measured series of one take, from a single decode: light, change, motion and sharpness of every frame.

Judges nothing; `faults.py` reads these numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from infra.media.colour import Plane, frame_to_rgb, read_luma

if TYPE_CHECKING:
    from av import VideoFrame

Series = NDArray[np.float64]
LONG, SHORT = 320, 180  # the size at which motion is measured
GRID = (9, 16)
LIT = 26  # above every black that codecs make
STRIP_FRAMES = 6


@dataclass
class Signals:
    """One value per frame; series of change start at frame 1 and hold 0 for frame 0."""

    mean: Series
    spread: Series
    change: Series  # mean absolute difference to the frame before
    residual: Series  # what is left of it after following the motion
    residual_widest: Series  # greatest cell of the grid
    residual_share: Series  # share of cells with a residual above 6
    change_widest: Series  # greatest cell of the plain difference
    motion: Series  # median length of the flow, in pixels of the small picture
    shift: NDArray[np.float64]  # median flow, frames x 2
    sharpness: Series  # log10 of the Laplacian's variance in the middle of the full picture
    likeness: Series  # correlation with the frame before, light and contrast taken out
    rows: Series  # brightest value ever seen in each row of the small picture
    columns: Series
    row_shares: Series  # greatest share of a row that is ever lit at once
    column_shares: Series
    decoded: int
    damage: str = ""  # the decoder's words where it stopped
    first: Plane | None = None  # the first small luma picture
    kept: list[Plane] = field(default_factory=list)  # RGB, evenly spaced, the first one first


def measure_take(path: Path, frames: int) -> Signals:
    """Decodes everything once. A damaged file yields what came before the damage, and says so."""
    watch = _Watch(keep={round(i * (max(frames, 1) - 1) / (STRIP_FRAMES - 1)) for i in range(STRIP_FRAMES)})
    damage = ""
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # frame threads lose good frames before a damaged one
            stream.codec_context.thread_type = "SLICE"
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    damage = damage or f"frame {watch.count} is damaged"
                watch.see(frame)
    except av.error.FFmpegError as error:
        damage = damage or f"after frame {watch.count}: {error.strerror}"
    return watch.finish(damage)


def measure_sharpness(luma: Plane) -> float:
    """Of the middle quarter, at full size: scaling would hide softness."""
    height, width = luma.shape
    middle = luma[height // 4 : height - height // 4, width // 4 : width - width // 4]
    variance = float(cv2.Laplacian(np.ascontiguousarray(middle), cv2.CV_32F).var())
    return float(np.log10(variance + 1e-3))


def shrink(luma: Plane) -> Plane:
    size = (LONG, SHORT) if luma.shape[1] >= luma.shape[0] else (SHORT, LONG)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def correlate(a: Plane, b: Plane) -> float:
    """-1 to 1, whatever the light and contrast; two flat pictures are alike."""
    x, y = a.astype(np.float32).ravel(), b.astype(np.float32).ravel()
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 1e-6 else 1.0


class _Watch:
    def __init__(self, keep: set[int]) -> None:
        cv2.setNumThreads(1)
        # The algorithm objects are not thread-safe: one for each take.
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._keep = keep
        self._before: Plane | None = None
        self._first: Plane | None = None
        self._rows: Any = None
        self._columns: Any = None
        self._row_shares: Any = 0.0
        self._column_shares: Any = 0.0
        self._grid: Any = None
        self._values: list[tuple[float, ...]] = []
        self._kept: list[Plane] = []

    @property
    def count(self) -> int:
        return len(self._values)

    def see(self, frame: VideoFrame) -> None:
        if self.count in self._keep:
            self._kept.append(frame_to_rgb(frame))
        luma = read_luma(frame)
        small = shrink(luma)
        rows, columns = small.max(axis=1), small.max(axis=0)
        lit = small > LIT
        self._row_shares = np.maximum(self._row_shares, lit.mean(axis=1))
        self._column_shares = np.maximum(self._column_shares, lit.mean(axis=0))
        if self._before is None:
            self._first = small
            self._rows, self._columns = rows, columns
            height, width = small.shape
            self._grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
            moved: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        else:
            self._rows, self._columns = np.maximum(self._rows, rows), np.maximum(self._columns, columns)
            moved = self._compare(self._before, small)
        self._values.append((float(small.mean()), float(small.std()), measure_sharpness(luma), *moved))
        self._before = small

    def _compare(self, before: Plane, after: Plane) -> tuple[float, ...]:
        difference = cv2.absdiff(before, after)
        flow = np.asarray(self._flow.calc(after, before, None))  # type: ignore[call-overload]  # the stub wants a buffer
        places, edge = self._grid + flow, cv2.BORDER_REPLICATE
        followed = cv2.remap(before, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=edge)
        left = cv2.absdiff(followed, after)
        grid = GRID if after.shape[1] >= after.shape[0] else GRID[::-1]
        cells = cv2.resize(left.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
        changed = cv2.resize(difference.astype(np.float32), grid[::-1], interpolation=cv2.INTER_AREA)
        return (
            float(difference.mean()),
            float(left.mean()),
            float(cells.max()),
            float((cells > 6).mean()),
            float(changed.max()),
            float(np.median(np.hypot(flow[..., 0], flow[..., 1]))),
            float(np.median(flow[..., 0])),
            float(np.median(flow[..., 1])),
            correlate(before, after),
        )

    def finish(self, damage: str) -> Signals:
        table = np.array(self._values, np.float64).reshape(-1, 12)
        names = ("mean", "spread", "sharpness", "change", "residual", "residual_widest", "residual_share")
        series = {name: table[:, i] for i, name in enumerate((*names, "change_widest", "motion"))}
        return Signals(
            **series,
            shift=table[:, 9:11],
            likeness=table[:, 11],
            rows=np.asarray(self._rows if self._rows is not None else [], np.float64),
            columns=np.asarray(self._columns if self._columns is not None else [], np.float64),
            row_shares=np.atleast_1d(np.asarray(self._row_shares, np.float64)),
            column_shares=np.atleast_1d(np.asarray(self._column_shares, np.float64)),
            decoded=len(table),
            damage=damage,
            first=self._first,
            kept=self._kept,
        )
