"""Which camera move a prompt asks for, and the path of the camera as one homography per frame.

Frame 0 is always the identity, so that a continued shot joins cleanly; no frame shows anything beyond the image, except
a move backwards, which has nothing else to show than the mirrored edge.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["pan", "tilt", "truck", "crane", "zoom", "dolly", "orbit", "roll", "handheld"]
Matrix = NDArray[np.float64]

_TOWARDS = r"(?:\s+\w+){0,3}?\s+"
# A bare "pan", "tilted" or "rolls" may be the subject's: each needs the grammar of a camera's move.
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    (
        "dolly",
        r"\b(?:dolly|dollies|dollying|push(?:es|ing)?[ -]?(?:in|out|forward|back))\b"
        r"|\bpull(?:s|ing)?[ -](?:in|out|back)\b",
    ),
    ("dolly", r"\bcamera(?:\s+\w+)? (?:approaches|advances|retreats|moves (?:in|closer|forward|back|away))\b"),
    ("zoom", r"\bzoom(?:s|ing)?\b"),
    (
        "pan",
        rf"(?<!frying )\b(?:pan(?:s|ning)?|camera turns){_TOWARDS}(?:left|right)\b"
        r"|\b(?:slow|whip) pan\b|\bcamera pans\b|\bpanning\b",
    ),
    ("tilt", rf"\b(?:tilt(?:s|ing)?|camera looks){_TOWARDS}?(?:up|down)\b|\bcamera tilts\b|\bslow tilt\b"),
    (
        "truck",
        r"\b(?:truck(?:s|ing)?|track(?:s|ing)?|slid(?:e|es|ing)|lateral move)\b(?:\s+\w+){0,2}?"
        r"\s+(?:left|right|sideways)\b"
        r"|\b(?:tracking|trucking|slider) shot\b",
    ),
    (
        "crane",
        r"\bcran(?:e|es|ing)\b|\bpedestal\b|\bboom(?:s|ing)? (?:up|down)\b|\bjib\b"
        r"|\bcamera (?:rises|lifts|descends|lowers|sinks)\b",
    ),
    ("orbit", r"\borbit(?:s|ing)?\b|\barc(?:s|ing)?(?: shot| around| left| right)\b|\bcamera circles\b"),
    ("roll", r"\b(?:camera|slow|dutch) rolls?\b|\broll(?:s|ing)? (?:clockwise|anti-?clockwise|counter-?clockwise)\b"),
    ("handheld", r"\bhand-?held\b|\bshoulder camera\b"),
)
_BACKWARDS = r"\b(?:out|back|backwards?|away|retreats)\b"
_NEGATIVE: dict[Kind, str] = {
    "pan": r"\bleft\b",
    "tilt": r"\bup\b",
    "truck": r"\bleft\b",
    "crane": r"\b(?:down|descends|lowers|sinks)\b",
    "zoom": _BACKWARDS,
    "dolly": _BACKWARDS,
    "orbit": r"\bleft\b",
    "roll": r"\b(?:anti|counter)-?clockwise\b",
}
_PACES: tuple[tuple[str, float], ...] = (
    (r"\bvery slow(?:ly)?\b|\bimperceptibl[ey]\b", 0.4),
    (r"\bslow(?:ly)?\b|\bslight(?:ly)?\b|\bsubtl[ey]\b|\bgentl[ey]\b|\bsoft(?:ly)?\b|\bcreep(?:s|ing)?\b", 0.65),
    (r"\bvery fast\b|\bwhip\b|\brush(?:es|ing)?\b", 2.2),
    (r"\bfast\b|\bquick(?:ly)?\b|\brapid(?:ly)?\b|\bbrisk(?:ly)?\b", 1.6),
)
# How far a move of ordinary pace goes in one second, and at most: image widths (or heights), ratio, or radians.
_REACH: dict[Kind, tuple[float, float]] = {
    "pan": (0.017, 0.14),
    "tilt": (0.018, 0.14),
    "truck": (0.017, 0.14),
    "crane": (0.018, 0.14),
    "zoom": (0.034, 0.30),
    "dolly": (0.032, 0.28),
    "orbit": (0.030, 0.22),
    "roll": (0.020, 0.14),
    "handheld": (1.0, 1.0),
}
_NAMES: dict[Kind, tuple[str, str]] = {
    "pan": ("pan right", "pan left"),
    "tilt": ("tilt down", "tilt up"),
    "truck": ("truck right", "truck left"),
    "crane": ("crane up", "crane down"),
    "zoom": ("zoom in", "zoom out"),
    "dolly": ("push in", "pull back"),
    "orbit": ("orbit right", "orbit left"),
    "roll": ("roll clockwise", "roll anticlockwise"),
    "handheld": ("handheld", "handheld"),
}


@dataclass(frozen=True)
class Step:
    """One component of a move, eased over the part [start, end] of the clip (fractions)."""

    kind: Kind
    forward: bool
    pace: float
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True)
class Move:
    steps: tuple[Step, ...]

    @property
    def label(self) -> str:
        return " + ".join(_NAMES[s.kind][0 if s.forward else 1] for s in self.steps) or "static"


def parse_move(prompt: str) -> Move:
    """The camera's move in the words of a prompt. Unknown or contradictory words are a static camera, as are none."""
    parts = re.split(r"\bthen\b|\bbefore (?=(?:pan|tilt|push|pull|zoom|dolly))", prompt.lower())
    found: list[tuple[int, Step]] = []
    for number, part in enumerate(parts):
        for clause in re.split(r"[.,;:\n]|\bwhile\b", part):
            for step in _find_steps(clause):
                if all(step.kind != other.kind or number != at for at, other in found):
                    found.append((number, step))
    phases = sorted({number for number, step in found if step.kind != "handheld"})
    steps = []
    for number, step in found:
        if step.kind == "handheld" or (len(phases) == 1 and not _follows_handheld(found, number)):
            steps.append(step)
        else:
            # what follows "then" starts when the first has had its share of the clip
            first, last = min(n for n, _ in found), max(n for n, _ in found)
            share = 1 / (last - first + 1)
            begin = (number - first) * share
            steps.append(replace(step, start=max(0.0, begin - 0.06), end=min(1.0, begin + share)))
    unique = {(s.kind, s.start): s for s in steps}
    return Move(tuple(sorted(unique.values(), key=lambda s: (s.start, s.kind))))


def _follows_handheld(found: list[tuple[int, Step]], number: int) -> bool:
    return any(at < number and step.kind == "handheld" for at, step in found)


def _find_steps(clause: str) -> list[Step]:
    pace = next((value for pattern, value in _PACES if re.search(pattern, clause)), 1.0)
    steps: dict[Kind, Step] = {}
    for kind, pattern in _PATTERNS:
        match = re.search(pattern, clause)
        if match and kind not in steps:
            rest = clause[match.start() :]
            forward = kind == "handheld" or re.search(_NEGATIVE[kind], rest) is None
            steps[kind] = Step(kind, forward, pace)
    drift = re.search(r"\bdrift(?:s|ing)?(?: \w+){0,2}? (left|right)\b", clause)
    if drift and "handheld" in steps and "truck" not in steps:
        steps["truck"] = Step("truck", drift[1] == "right", pace * 0.5)
    return list(steps.values())


def plan_path(move: Move, *, width: int, height: int, seconds: Fraction, frames: int, seed: int) -> list[Matrix]:
    """For every frame the matrix from its pixels to the image's. The seed varies reach and rhythm a little."""
    rng = np.random.default_rng([seed, 11])
    reach = [_reach(step, float(seconds)) * float(rng.uniform(0.88, 1.12)) for step in move.steps]
    sways = [_sway(rng) for _ in move.steps]
    bare, engaged = [], []
    for number in range(frames):
        u = number / max(1, frames - 1)
        matrix, left = np.eye(3), 1.0
        for step, amount, sway in zip(move.steps, reach, sways, strict=True):
            if step.kind == "handheld":
                ease = _smooth(min(1.0, number / max(1.0, frames * 0.25)))
                part = _handheld(sway, u * float(seconds), ease * step.pace, width, height)
            else:
                ease = _smooth(min(1.0, max(0.0, (u - step.start) / (step.end - step.start))))
                part = _component(step, amount * ease, width, height)
            matrix = matrix @ part
            left *= 1 - ease
        bare.append(matrix)
        engaged.append(1 - left)
    zoom = _fit(bare, engaged, width, height) if _can_fit(move) else 0.0
    return [m @ _scale(1 / (1 + zoom * e), width, height) for m, e in zip(bare, engaged, strict=True)]


def _can_fit(move: Move) -> bool:
    return not any(s.kind in ("zoom", "dolly") and not s.forward for s in move.steps)


def _reach(step: Step, seconds: float) -> float:
    rate, limit = _REACH[step.kind]
    span = seconds * (step.end - step.start)
    amount = min(rate * span * step.pace, limit)
    backwards = step.kind in ("zoom", "dolly") and not step.forward
    return (min(amount, 0.09) if backwards else amount) * (1 if step.forward else -1)


def _smooth(u: float) -> float:
    return u * u * (3 - 2 * u)


def _component(step: Step, amount: float, width: int, height: int) -> Matrix:
    match step.kind:
        case "pan" | "truck":
            return np.array([[1, 0, amount * width], [0, 1, 0], [0, 0, 1]], np.float64)
        case "tilt":
            return np.array([[1, 0, 0], [0, 1, amount * height], [0, 0, 1]], np.float64)
        case "crane":
            return np.array([[1, 0, 0], [0, 1, -amount * height], [0, 0, 1]], np.float64)
        case "zoom":
            return _scale(1 / (1 + amount), width, height)
        case "dolly":
            return _scale(1 - amount, width, height)  # at even speed the subject grows as 1/(1-k u)
        case "orbit":
            return _yaw(amount, width, height)
        case _:
            return _turn(amount, width, height)


def _scale(factor: float, width: int, height: int) -> Matrix:
    cx, cy = (width - 1) / 2, (height - 1) / 2
    return np.array([[factor, 0, cx * (1 - factor)], [0, factor, cy * (1 - factor)], [0, 0, 1]], np.float64)


def _turn(angle: float, width: int, height: int) -> Matrix:
    cx, cy = (width - 1) / 2, (height - 1) / 2
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, cx - c * cx + s * cy], [s, c, cy - s * cx - c * cy], [0, 0, 1]], np.float64)


def _yaw(angle: float, width: int, height: int) -> Matrix:
    """K R K⁻¹ about the upright axis, centred again on the middle of the image: an orbit around what stands there."""
    focal = 1.2 * width
    cx, cy = (width - 1) / 2, (height - 1) / 2
    k = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]], np.float64)
    c, s = math.cos(angle), math.sin(angle)
    matrix = k @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float64) @ np.linalg.inv(k)
    middle = matrix @ np.array([cx, cy, 1.0])
    back = np.eye(3)
    back[0, 2] = cx - middle[0] / middle[2]
    moved: Matrix = back @ matrix
    return np.asarray(moved / moved[2, 2], np.float64)


def _sway(rng: np.random.Generator) -> NDArray[np.float64]:
    """Three slow sines per axis (x, y, roll): frequency, amplitude, phase."""
    waves = np.empty((3, 3, 3))
    for axis in range(3):
        waves[axis, :, 0] = rng.uniform([0.16, 0.34, 0.6], [0.26, 0.5, 0.9])
        waves[axis, :, 1] = np.array([0.6, 0.3, 0.1]) * rng.uniform(0.85, 1.15, 3)
        waves[axis, :, 2] = rng.uniform(0, 2 * math.pi, 3)
    return waves


def _handheld(waves: NDArray[np.float64], at: float, ease: float, width: int, height: int) -> Matrix:
    x, y, roll = (
        float(np.sum(w[:, 1] * (np.sin(2 * math.pi * w[:, 0] * at + w[:, 2]) - np.sin(w[:, 2])))) for w in waves
    )
    shift = np.array([[1, 0, x * ease * 0.010 * width], [0, 1, y * ease * 0.008 * width], [0, 0, 1]], np.float64)
    moved: Matrix = shift @ _turn(roll * ease * 0.004, width, height)
    return moved


def _fit(path: list[Matrix], engaged: list[float], width: int, height: int) -> float:
    """The least extra zoom, growing with the move, that keeps all four corners of every frame inside the image."""
    corners = np.array([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1], [1, 1, 1, 1]], np.float64)

    def inside(zoom: float) -> bool:
        for matrix, e in zip(path, engaged, strict=True):
            at = matrix @ _scale(1 / (1 + zoom * e), width, height) @ corners
            x, y = at[0] / at[2], at[1] / at[2]
            if x.min() < -0.01 or y.min() < -0.01 or x.max() > width - 0.99 or y.max() > height - 0.99:
                return False
        return True

    if inside(0.0):
        return 0.0
    low, high = 0.0, 2.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if inside(middle) else (middle, high)
    return high
