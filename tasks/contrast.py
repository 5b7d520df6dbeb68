"""Whether words read on the pictures under them, measured. Words that do not are a notice, never a failure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from infra.drawing import LEAST_CONTRAST, letter_colour
from infra.production import Production
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from tasks.policy import production_task


class Under(Protocol):
    """A conformed clip: `start` is the film frame that shows its first."""

    @property
    def blob(self) -> BlobRef: ...
    @property
    def start(self) -> int: ...
    @property
    def frames(self) -> int: ...


@production_task("contrast")
async def measure_contrast(
    slate: str, production: Production, overlay: StepResult, clips: Sequence[Under], start: int, profile: Profile
) -> float | None:
    """The least contrast of the overlay, as `draw_super` or `draw_captions` made it, that stands from film frame
    `start`. None when it stands on none of the clips, or no letter is thick enough."""
    frames = int(overlay.facts["frames"])
    under: list[dict[str, Any]] = []
    inputs = {"overlay": overlay.files["overlay.mov"]}
    for clip in clips:
        first, last = max(start, clip.start), min(start + frames, clip.start + clip.frames)
        if first < last:
            name = f"clip{len(under)}"
            inputs[name] = clip.blob
            under.append({"input": name, "first": first - clip.start, "frames": last - first})
    if not under:
        return None
    params = {
        "rate": profile.rate,
        "frames": frames,
        "x": overlay.facts["x"],
        "y": overlay.facts["y"],
        "text_height": overlay.facts["text_height"],
        "letters": letter_colour(production.brand),
        "under": under,
    }
    made = await production.steps.run("contrast", params, inputs)
    return None if made.facts["contrast"] is None else float(made.facts["contrast"])


def contrast_notice(
    kind: Literal["super", "legal", "lower-third", "caption", "label"], text: str, where: str, contrast: float | None
) -> str | None:
    """What the report says of words that are hard to read; None when they are not. `where` is profile and ratio."""
    least = LEAST_CONTRAST[kind]
    if contrast is None or contrast >= least:
        return None
    return f"{text!r} is hard to read in {where}: contrast {contrast:.1f}:1 at its worst, {least}:1 is wanted"
