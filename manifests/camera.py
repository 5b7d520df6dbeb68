"""The camera's vocabulary: a closed list of moves with the words people use for them, sizes of shot, and angles.

The lint and the prompt composer read it. It knows words, not pictures.
"""

from __future__ import annotations

import itertools
import re
from difflib import get_close_matches

# move → its other names. The first word that people should write is the key.
MOVES: dict[str, tuple[str, ...]] = {
    "static": ("locked off", "locked-off", "locked camera", "still camera", "fixed camera", "tripod", "no movement"),
    "dolly in": ("dolly forward", "push in", "push-in", "move in", "track in", "creep in", "moves closer"),
    "dolly out": ("dolly back", "pull out", "pull back", "pull-out", "push out", "move back", "track out"),
    "truck": (
        "dolly left",
        "dolly right",
        "tracking shot",
        "track left",
        "track right",
        "tracks",
        "slide left",
        "slide right",
        "lateral move",
    ),
    "follow": ("following shot", "follows"),
    "pan": ("pans", "panning"),
    "tilt": ("tilts", "tilting"),
    "orbit": ("arc", "circle around", "circles", "rotate around", "orbits", "360"),
    "crane": ("boom", "jib", "pedestal", "rise up", "cranes"),
    "zoom": ("zooms", "zooming", "crash zoom"),
    "handheld": ("hand-held", "hand held", "shoulder camera"),
    "stabilised": ("stabilized", "gimbal", "steadicam", "steady cam"),
    "aerial": ("drone", "flyover", "fly over", "bird's-eye move"),
    "rack focus": ("focus pull", "pull focus", "focus shift"),
}
# dolly, and pull and push, without a direction are moves too, only less clear ones
VAGUE_MOVES = ("dolly", "push", "pull", "track", "tracking", "drift", "glide", "camera moves", "moving camera")
NEED_NO_DIRECTION = ("static", "handheld", "stabilised", "rack focus", "follow")
DIRECTIONS = (
    "left", "right", "up", "upward", "upwards", "down", "downward", "downwards", "in", "out", "back", "forward",
    "forwards", "toward", "towards", "away", "around", "over", "across", "along", "through", "past", "from",
    "clockwise", "counter-clockwise", "anticlockwise", "into", "above", "below", "outward", "inward",
    "sideways", "behind",
)  # fmt: skip
SPEEDS = (
    "slow", "slowly", "gentle", "gently", "gradual", "gradually", "slight", "slightly", "steady", "steadily",
    "smooth", "smoothly", "fast", "quick", "quickly", "rapid", "rapidly", "medium", "moderate", "sudden",
    "suddenly", "brisk", "briskly", "subtle", "subtly", "barely", "soft", "softly", "swift", "swiftly", "calm",
    "calmly", "lazy", "lazily", "same", "small", "pauses", "continuous", "continuously", "constant", "second",
    "seconds",
)  # fmt: skip
_SIZES = (
    "extreme wide shot", "very wide shot", "wide shot", "full shot", "long shot", "medium wide shot",
    "medium long shot", "medium close-up", "medium close shot", "medium shot", "extreme close-up", "close-up",
    "close up", "close shot", "macro shot", "macro", "detail shot", "establishing shot", "two-shot", "two shot",
    "over-the-shoulder shot", "top-down shot", "overhead shot", "insert shot", "cowboy shot",
)  # fmt: skip

_ALIASES = {name: move for move, names in MOVES.items() for name in (move, *names)}


def _any_of(words: tuple[str, ...] | list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_MOVE = re.compile(rf"\b(?:{_any_of(list(_ALIASES))})\b", re.I)
_VAGUE = re.compile(rf"\b(?:{_any_of(VAGUE_MOVES)})\b", re.I)
_SIZE = re.compile(rf"\b(?:{_any_of(_SIZES)})\b", re.I)
_ANGLE = re.compile(
    r"\b(?:at [a-z-]+(?: [a-z-]+)? (?:height|level)|(?:low|high|dutch|overhead|top-down|eye-level|bird's-eye) angle"
    r"|from (?:above|below|behind|overhead)|eye level)\b",
    re.I,
)
_CLAUSE = re.compile(r"\s*[,;.]\s*(?:then\s+)?|\s+then\s+")
_STILL_WORDS = re.compile(r"\b(?:static|locked[- ]off|locked camera|fixed|unmoving|motionless)\b", re.I)


def find_moves(text: str) -> list[str]:
    """The moves that a sentence names, in our words and its order."""
    return list(dict.fromkeys(_ALIASES[m[0].lower()] for m in _MOVE.finditer(text)))


def has_vague_move(text: str) -> bool:
    return _VAGUE.search(text) is not None


def suggest_move(text: str) -> str | None:
    """The move whose name is nearest to one or two words of the text, for a slip of the finger."""
    words = re.findall(r"[a-z-]+", text.lower())
    pairs = [" ".join(pair) for pair in itertools.pairwise(words)]
    for candidate in [*pairs, *words]:
        near = get_close_matches(candidate, _ALIASES, n=1, cutoff=0.8)
        if near and (len(candidate) > 3 or candidate in _ALIASES):
            return _ALIASES[near[0]]
    return None


def framing_of(text: str) -> str:
    """What of a camera sentence can be seen in a still: size of shot, angle and where things stand, without the move.

    Of "from medium shot to close shot" the first counts: a still is the first frame.
    """
    kept: list[str] = []
    sized = False
    for clause in (c.strip() for c in _CLAUSE.split(text)):
        if not clause:
            continue
        size, angle = _SIZE.search(clause), _ANGLE.search(clause)
        if _MOVE.search(clause) or _VAGUE.search(clause):
            parts = [size[0] if size and not sized else "", angle[0] if angle else ""]
            clause = " ".join(part for part in parts if part)
        elif size and sized:
            continue
        sized = sized or size is not None
        if clause:
            kept.append(clause)
    return ", ".join(kept)


def is_static(text: str) -> bool:
    return _STILL_WORDS.search(text) is not None or find_moves(text) == ["static"]
