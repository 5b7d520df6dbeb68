"""The part of a frame that players leave free of their own furniture."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from infra.errors import MediaError


class Safe(NamedTuple):
    """Half-open box in pixels: words stand at x with left ≤ x < right."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def safe_box(width: int, height: int, *, top: Decimal, bottom: Decimal, left: Decimal, right: Decimal) -> Safe:
    """Insets are per cent of height or width, rounded inwards."""

    def inset(of: int, per_cent: Decimal) -> int:
        return int((of * per_cent / 100).to_integral_value(ROUND_CEILING))

    box = Safe(inset(width, left), inset(height, top), width - inset(width, right), height - inset(height, bottom))
    if min(top, bottom, left, right) < 0 or box.width < width // 10 or box.height < height // 10:
        raise MediaError(
            f"the safe area leaves {box.width}x{box.height} of a {width}x{height} frame",
            remedy="correct `safe_area` in the delivery profile",
        )
    return box
