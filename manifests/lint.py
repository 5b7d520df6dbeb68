"""Advice on prompts and takes: what the field says works badly (requirements A1 to A8, A15, A16, A18, B7, B9, C8, E1).

Warnings only, each at its line. Wrong now and then by design: language is not arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from manifests.camera import MOVES, NEED_NO_DIRECTION, find_moves, has_vague_move, is_static, suggest_move
from manifests.diagnostics import Diagnostic, nearest
from manifests.loaded import LoadedSpot
from manifests.prompts import camera_sentence, sort_avoided
from manifests.schema import Camera, Shot
from manifests.wording import (
    MOOD_WORDS,
    count_subjects,
    find_banned,
    find_mood_words,
    find_negatives,
    has_direction,
    has_people,
    has_speed,
    has_verb,
    is_still,
    words_of,
)

FIELDS = ("subject", "action", "environment", "mood")
SECONDS_PER_BEAT = Decimal("2.5")
FEWEST_WORDS = 4
FEW_TAKES, MANY_TAKES = 1, 6


def lint_spot(loaded: LoadedSpot) -> list[Diagnostic]:
    """Every warning, shot by shot."""
    found = list(_lint_takes(loaded))
    for shot in loaded.spot.shots:
        for part in (_lint_words, _lint_action, _lint_camera, _lint_subject, _lint_motion, _lint_image):
            found += part(loaded, shot)
    return list(dict.fromkeys(found))


def _warn(loaded: LoadedSpot, path: str, summary: str, detail: str, remedy: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, path, loaded.where(path), remedy, "warning")


def _lint_takes(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    counts = [("generate.takes", loaded.spot.generate.takes)]
    counts += [(f"shots.{shot.id}.takes", shot.takes) for shot in loaded.spot.shots if shot.takes is not None]
    for path, takes in counts:
        if takes <= FEW_TAKES:
            detail = "one take leaves nothing to choose from"
            yield _warn(loaded, path, "one take", detail, "three to five is the usual number")
        elif takes >= MANY_TAKES:
            detail = f"{takes} takes of each shot are all paid for"
            yield _warn(loaded, path, "many takes", detail, "three to five is usual; work on the prompt instead")


def _lint_words(loaded: LoadedSpot, shot: Shot) -> Iterator[Diagnostic]:
    """The escape hatch, mood words, negatives, lettering."""
    prompt, base = shot.prompt, f"shots.{shot.id}.prompt"
    if prompt.text is not None:
        detail = "free text: the five fields are not composed, and nothing of it is checked"
        yield _warn(
            loaded, f"{base}.text", "free prompt", detail, "subject, action, environment, camera and mood are surer"
        )
    said = {field: getattr(prompt, field) for field in (*FIELDS, "text")}
    said["camera"] = camera_sentence(prompt)
    for field, text in said.items():
        path = f"{base}.{field}"
        for word in find_mood_words(text or ""):
            yield _warn(loaded, path, "mood word", f"`{word}` shows nothing by itself", MOOD_WORDS[word])
        for phrase in find_negatives(text or ""):
            remedy = "say what is there instead, or list it under `avoid`"
            yield _warn(
                loaded, path, "negative", f"`{phrase}`: models often draw what they are told to leave out", remedy
            )
        for banned in find_banned(text or "", loaded.brand.never):
            remedy = "take it out; the brand kit lists it under `never`"
            yield _warn(loaded, path, "banned", f"the brand never shows `{banned}`", remedy)
    rest = sort_avoided(shot).rest
    if rest:
        detail = f"{', '.join(rest)}: not said to the model, asked of the person who looks at the takes"
        yield _warn(
            loaded, f"shots.{shot.id}.avoid", "avoid", detail, "describe what should be there instead, if you can"
        )
    if shot.lettering is not None:
        detail = "models misspell: a name, price or claim belongs in `graphics.supers`"
        yield _warn(
            loaded, f"shots.{shot.id}.lettering", "lettering", detail, "keep it for words that belong to the scene"
        )


def _lint_action(loaded: LoadedSpot, shot: Shot) -> Iterator[Diagnostic]:
    text, path = shot.prompt.action, f"shots.{shot.id}.prompt.action"
    if text is None:
        return
    if len(words_of(text)) < FEWEST_WORDS:
        yield _warn(loaded, path, "short action", f"`{text}` is short", "a sentence: who does what, where to, how fast")
        return
    missing = []
    if not has_verb(text) and not is_still(text):
        missing.append("a verb")
    if not is_still(text):
        missing += [] if has_direction(text) else ["a direction"]
        missing += [] if has_speed(text) else ["a speed"]
    if missing:
        remedy = "such as: lifts the cup slowly towards the window; or say that it stands still"
        yield _warn(loaded, path, "vague action", f"does not say {_listed(missing)}", remedy)


def _lint_camera(loaded: LoadedSpot, shot: Shot) -> Iterator[Diagnostic]:
    camera, path = shot.prompt.camera, f"shots.{shot.id}.prompt.camera"
    if camera is None:
        return
    if isinstance(camera, tuple):
        most = max(1, int(shot.duration / SECONDS_PER_BEAT))
        if len(camera) > most:
            detail = f"{len(camera)} beats in {shot.duration} s; there is time for {most}"
            yield _warn(loaded, path, "many beats", detail, f"one beat takes about {SECONDS_PER_BEAT} s")
    text = camera_sentence(shot.prompt)
    named = camera.move if isinstance(camera, Camera) else text
    moves = find_moves(f"{camera.move} {camera.direction or ''}" if isinstance(camera, Camera) else text)
    if not moves and not has_vague_move(text):
        near = suggest_move(named) or (nearest(named, MOVES) if isinstance(camera, Camera) else None)
        detail = f"no camera move that models know{f'; did you mean `{near}`?' if near else ''}"
        where = f"{path}.move" if isinstance(camera, Camera) else path
        yield _warn(loaded, where, "unknown camera move", detail, f"moves: {', '.join(MOVES)}")
        return
    if not isinstance(camera, Camera) and len(words_of(text)) < FEWEST_WORDS and not is_static(text):
        yield _warn(loaded, path, "short camera", f"`{text}` is short", "a sentence: which move, where to, how fast")
        return
    missing = []
    if not is_static(text):
        clear = set(moves) & set(NEED_NO_DIRECTION)
        missing += [] if clear or has_direction(text) else ["a direction"]
        missing += [] if has_speed(text) else ["a speed"]
    if missing:
        remedy = "such as: slow dolly in from medium shot to close shot"
        yield _warn(loaded, path, "vague camera", f"does not say {_listed(missing)}", remedy)


def _lint_subject(loaded: LoadedSpot, shot: Shot) -> Iterator[Diagnostic]:
    text = shot.prompt.subject
    count = count_subjects(text) if text else 0
    if count >= 3:
        remedy = "take more takes, make two shots of it, or say who stands where in `layout`"
        detail = f"about {count} subjects; one clear subject against a clear background holds better"
        yield _warn(loaded, f"shots.{shot.id}.prompt.subject", "many subjects", detail, remedy)


def _lint_motion(loaded: LoadedSpot, shot: Shot) -> Iterator[Diagnostic]:
    if shot.motion == "high":
        remedy = "use medium where you can, or take five takes"
        yield _warn(loaded, f"shots.{shot.id}.motion", "high motion", "fast movement brings artefacts", remedy)


def _lint_image(loaded: LoadedSpot, shot: Shot) -> Iterator[Diagnostic]:
    """People and products from text alone drift (C8)."""
    spot, base = loaded.spot, f"shots.{shot.id}"
    if shot.continues or shot.start_image or spot.generate.keyframe is not None:
        return
    said = " ".join(part for part in (shot.prompt.subject, shot.prompt.action, shot.prompt.text) if part)
    products = [n for n, r in spot.references.items() if r.kind == "object" and n.replace("_", " ") in words_of(said)]
    if has_people(said) or products:
        what = f"`{products[0]}`" if products else "a person"
        remedy = "give it a `start_image`, or set `generate.keyframe` and list references"
        yield _warn(loaded, base, "no image", f"{what} from text alone will look different in every take", remedy)


def _listed(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
