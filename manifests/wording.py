"""Word lists and small tests on English sentences, for the lint. Rough on purpose: it only ever warns."""

from __future__ import annotations

import re
from functools import lru_cache

from manifests.camera import DIRECTIONS, SPEEDS

_LIGHT = "say where the light comes from and what it does"
# Words that promise a feeling and show nothing → what to write instead (A3)
MOOD_WORDS: dict[str, str] = {
    "beautiful": _LIGHT,
    "gorgeous": _LIGHT,
    "stunning": _LIGHT,
    "breathtaking": _LIGHT,
    "amazing": "say what is to be seen",
    "awesome": "say what is to be seen",
    "incredible": "say what is to be seen",
    "perfect": "say what makes it so: shape, surface, place",
    "dramatic": "say how hard the light is, from which side, and how deep the shadows are",
    "moody": "say how dark it is, which colours, and where the one light stands",
    "atmospheric": "say what is in the air: haze, steam, dust, rain",
    "cinematic": "say lens, depth of field, light and palette",
    "epic": "say how large, how far, seen from where",
    "magical": "say what glows, drifts or sparkles, and in which colour",
    "dreamy": "say soft focus, haze, pale colours, slow movement",
    "ethereal": "say pale light, haze, thin shadows",
    "mysterious": "say what is hidden, and by which shadow or haze",
    "emotional": "say what the face and hands do",
    "inspiring": "say what happens in the picture",
    "elegant": "say surfaces, lines and colours",
    "luxurious": "say materials, reflections and how the light falls on them",
    "premium": "say materials, reflections and how the light falls on them",
    "vibrant": "name the colours",
    "cosy": "say warm lamp or fire light, soft textures, closeness",
    "cozy": "say warm lamp or fire light, soft textures, closeness",
    "futuristic": "say materials, shapes and light",
    "professional": "say what the picture shows; quality words change nothing",
    "high quality": "say what the picture shows; quality words change nothing",
    "high-quality": "say what the picture shows; quality words change nothing",
    "masterpiece": "say what the picture shows; quality words change nothing",
    "ultra realistic": "say lens, light and surfaces",
    "photorealistic": "say lens, light and surfaces",
}
_STATIC = (
    "static",
    "still",
    "motionless",
    "nothing moves",
    "unmoving",
    "at rest",
    "rests",
    "hangs",
    "sits",
    "lies",
    "waits",
)
# verbs that hold a direction in themselves
_DIRECTED = (
    "pour", "rise", "fall", "lift", "lower", "drop", "sink", "climb", "descend", "approach", "enter", "exit",
    "turn", "open", "close", "curl", "spread", "tilt", "lean", "spin", "rotate", "circle", "follow", "drip", "drift",
    "flow", "fill",
)  # fmt: skip
_IRREGULAR = (
    "is",
    "are",
    "goes",
    "does",
    "fly",
    "run",
    "put",
    "set",
    "cut",
    "let",
    "blow",
    "stir",
    "hold",
    "look",
    "walk",
)
_NOUN_BEFORE = (
    "a", "an", "the", "of", "with", "both", "two", "three", "four", "five", "some", "many", "several", "no", "few",
    "these", "those", "all", "its", "her", "his", "their", "on", "in", "at", "under", "between", "and", "around",
)  # fmt: skip
_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "several": 3, "many": 3}
_NEGATIVE = re.compile(r"\b(?:no|not|without|never|don't|doesn't|isn't|aren't|avoid)\b(?:\s+[a-z-]+){0,2}", re.I)
_PEOPLE = re.compile(
    r"\b(?:wom[ae]n|m[ae]n|person|people|girls?|boys?|child(?:ren)?|couple|face|portrait|family|barista|chef|actor"
    r"|actress|model|customers?|friends?|mother|father|grandmother|grandfather|runner|athlete|dancer)\b",
    re.I,
)


_MOODS = [(word, re.compile(rf"\b{re.escape(word)}(?:ly)?\b")) for word in MOOD_WORDS]


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z0-9'@_-]+", text.lower())


_once = lru_cache(4096)  # a field is the same in thousands of variants


@_once
def find_mood_words(text: str) -> tuple[str, ...]:
    lowered = text.lower()
    return tuple(word for word, pattern in _MOODS if pattern.search(lowered))


@_once
def find_negatives(text: str) -> tuple[str, ...]:
    return tuple(found[0] for found in _NEGATIVE.finditer(text))


@_once
def find_banned(text: str, never: tuple[str, ...]) -> tuple[str, ...]:
    lowered = text.lower()
    return tuple(word for word in never if re.search(rf"\b{re.escape(word.lower())}\b", lowered))


@_once
def has_people(text: str) -> bool:
    return _PEOPLE.search(text) is not None


@_once
def has_speed(text: str) -> bool:
    return not _none_of(text, SPEEDS)


@_once
def has_direction(text: str) -> bool:
    words = words_of(text)
    return not _none_of(text, DIRECTIONS) or any(_stem_in(word, _DIRECTED) for word in words)


@_once
def is_still(text: str) -> bool:
    return not _none_of(text, _STATIC)


@_once
def has_verb(text: str) -> bool:
    """Any word that looks like a verb in use: lifts, brightening, moved. A plural noun does not where a
    determiner or preposition stands before it; "green leaves" passes for a verb."""
    words = words_of(text)
    for before, word in zip(["", *words], words, strict=False):
        if word in _IRREGULAR or _stem_in(word, _DIRECTED):
            return True
        if before in _NOUN_BEFORE or len(word) < 4:
            continue
        if word.endswith(("ing", "ed")) or (word.endswith("s") and not word.endswith(("ss", "us"))):
            return True
    return False


@_once
def count_subjects(text: str) -> int:
    """How many things a subject lists: "a woman with a dog, a cat and two birds" are 4; what follows "with" is not one
    unless it is listed after a comma."""
    count = 0
    for part in re.split(r",|\band\b|&|\bplus\b", re.sub(r"\bwith\b[^,]*", "", text.lower())):
        words = words_of(part)
        if not words or words[0].startswith("@") or words[0] in ("tilted", "standing", "sitting", "lying"):
            continue
        count += _NUMBERS.get(words[0], 1)
    return count


def _none_of(text: str, words: tuple[str, ...]) -> bool:
    lowered = f" {' '.join(words_of(text))} "
    return not any(f" {word} " in lowered for word in words)


def _stem_in(word: str, stems: tuple[str, ...]) -> bool:
    return any(word.startswith(stem[:-1]) and _is_form(word, stem) for stem in stems)


def _is_form(word: str, stem: str) -> bool:
    roots = (stem, stem[:-1], stem + stem[-1])  # fill, rise → rising, drip → dripping
    return word == stem or word in {root + ending for root in roots for ending in ("s", "es", "ed", "ing", "d")}
