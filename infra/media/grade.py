"""The light of a still, from the mood words of its prompt: cool or warm, dark or bright, hazy; then grain."""

from __future__ import annotations

import re

import numpy as np

from infra.media import brush
from infra.media.brush import Picture, rgb

# words → gain per channel, gamma (above 1 is darker), contrast
_MOODS: tuple[tuple[str, tuple[float, float, float], float, float], ...] = (
    (r"\bblue hour\b|\bbefore sunrise\b|\btwilight\b", (0.80, 0.93, 1.13), 1.22, 0.90),
    (r"\bnight\b|\bmidnight\b", (0.62, 0.74, 1.0), 1.65, 1.0),
    (r"\bdusk\b|\bevening\b|\bsunset\b", (1.05, 0.93, 0.88), 1.22, 1.02),
    (r"\bbright\b|\bbrighter\b", (1.05, 1.04, 1.0), 0.88, 1.0),
    (r"\bwarm\b|\bgolden\b|\bsunlit\b|\blamp\b", (1.045, 1.0, 0.93), 0.99, 1.02),
    (r"\bcool\b|\bcold\b|\bgrey-green\b", (0.95, 1.01, 1.04), 1.04, 1.0),
    (r"\bmorning\b|\bdawn\b", (1.03, 1.01, 0.97), 0.98, 1.0),
    (r"\bmuted\b|\blow contrast\b", (1.0, 1.0, 1.0), 1.0, 0.90),
)


def grade_picture(picture: Picture, words: str, rng: np.random.Generator) -> Picture:
    h, w = picture.shape[:2]
    gains, gamma, contrast, taken = np.ones(3, np.float32), 1.0, 1.0, 0
    for pattern, gain, power, steepness in _MOODS:
        if re.search(pattern, words) and taken < 3:
            share = 1.0 if taken == 0 else 0.5  # the first mood leads, the others tint
            gains *= np.asarray(gain, np.float32) ** share
            gamma *= power**share
            contrast *= steepness**share
            taken += 1
    picture = np.clip(picture, 0, 1) ** np.float32(gamma) * gains
    picture = 0.46 + (picture - 0.46) * contrast
    if re.search(r"\bmuted\b|\bcalm\b", words):
        picture = brush.mix(picture.mean(axis=2, keepdims=True), picture, 0.86)
    from_right = bool(re.search(r"(?:light|window)[^.]{0,24}(?:from|on) the right", words))
    source = w * (0.84 if from_right else 0.16) * float(rng.uniform(0.92, 1.08))
    pool = brush.glow(w, h, source, h * 0.28, w * 0.5, h * 0.7)
    strength = float(rng.uniform(0.08, 0.13)) * (1.5 if re.search(r"\bturning to warm\b", words) else 1.0)
    # laid on as light is, so that what is bright already does not turn yellow
    picture = 1 - (1 - picture) * (1 - pool[..., None] * rgb("#FFDDB4") * strength)
    if re.search(r"\bhaze\b|\bhazy\b|\bmist\b|\bfog\b", words):
        veil = brush.ramp(w, h, (0, h), (0, 0)) * 0.10
        picture = brush.mix(picture, rgb("#EDE7DC"), veil)
    bloom = brush.soften(np.clip(picture - 0.80, 0, 1), h * 0.02)
    picture = 1 - (1 - picture) * (1 - np.clip(bloom, 0, 1) * 0.5)
    corners = 1 - brush.glow(w, h, w * 0.5, h * 0.48, w * 0.78, h * 0.86)
    brush.shade(picture, corners, 0.70)
    return brush.grain(picture, rng, 0.010)
