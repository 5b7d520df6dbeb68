"""What a model is told: one shot's five fields as text, once for the still and once for the video.

Both texts are part of what a take is called: any change to a sentence here means that everything is bought again.
Nothing is left out silently: what a prompt cannot say well is a question for the person who circles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from manifests.camera import framing_of
from manifests.schema import Brand, Camera, Prompt, Shot

ONE_SHOT = "One continuous shot, no scene cut."  # how the launch prompts say it (A13)
MOTION = {
    "low": "The subject moves little and gently.",
    "medium": "",  # what the models do unasked; saying it would make a still life move
    "high": "The subject moves fast and strongly.",
}

# What must not be there → the same said as what is there: the vendor advises against negatives (A8). A rewrite of the
# first group is about the picture and goes into stills too; one of the second is about time, for videos only.
_PICTURE = (
    (r"(?:other )?(?:people|persons|bystanders|passers-by|crowds?|pedestrians)", "the place is otherwise empty"),
    (
        r"(?:any )?(?:lettering|text|words|writing|signs?|signage|captions?|subtitles?|watermarks?|numbers)",
        "plain unmarked surfaces",
    ),
    (r"(?:competitor )?(?:logos?|brand names?|brands?|trademarks?|labels?)", "unbranded objects"),
    (r"(?:clutter|mess|busy background|cluttered background)", "clean uncluttered background"),
    (r"(?:blur|blurriness|out of focus|soft focus)", "sharp clear picture"),
    (r"(?:darkness|dark|underexposure)", "bright even light"),
    (r"(?:harsh light|hard light|harsh shadows)", "soft diffused light"),
)
_TIME = (
    (r"(?:camera movement|camera motion|moving camera|camera moves?)", "locked camera, static shot"),
    (r"(?:camera shake|shake|shaky camera|shaking|jitter)", "steady stabilised camera"),
    (r"(?:flicker|flickering|flashes|flashing)", "steady even light"),
    (r"(?:slow motion|slow-motion|slow mo)", "real-time speed"),
    (r"(?:time-?lapse|fast motion|speed-?up)", "real-time speed"),
    (r"(?:(?:scene |hard |jump )?cuts?|scene changes?|transitions?)", ""),  # the one-shot sentence says it
)
# Words in subject or action that call for a look at what models get wrong (A17, L1, L2)
_QUESTIONS = (
    (r"\bhands?\b|\bfingers?\b", "hands whole, five fingers each?"),
    (r"\bmirrors?\b|\breflect", "the reflection shows what is before it?"),
    (r"\bpours?\b|\bpouring\b|\bfills?\b", "it pours before it fills?"),
    (r"\bopens?\b|\bdoors?\b|\bcloses?\b", "the hand touches before the thing opens?"),
    (r"\bhits?\b|\bsplash|\bfalls?\b|\bdrops?\b", "contact comes before its effect?"),
    (r"\bpass(?:es)?\b|\bhands? over\b|\bgives?\b", "the object stays the same in the other hand?"),
)
_LEADING_NO = re.compile(r"^(?:no|without|not|never|avoid|any)\s+", re.I)
_NAME = r"(?<![\w@.])@([A-Za-z][A-Za-z0-9_]*)"  # as `manifests.check` finds them
_APPOSITION = re.compile(rf",\s*{_NAME}")
_TAG = re.compile(rf"(\b(?:the|a|an)\s+)?{_NAME}", re.I)


@dataclass(frozen=True, slots=True)
class Avoided:
    """An `avoid` list, sorted: `picture` and `time` are positives for the prompt, `rest` has no known positive."""

    picture: tuple[str, ...]
    time: tuple[str, ...]
    rest: tuple[str, ...]


def prompt_units(text: str) -> int:
    """Length as the vendor counts it: UTF-16 code units, so an emoji is 2."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def compose_still(shot: Shot, brand: Brand) -> str:
    """Subject, environment, camera (framing only), mood, look; `@name` stays a tag."""
    prompt = shot.prompt
    if prompt.text is not None:
        said = [prompt.text]
    else:
        camera = framing_of(camera_sentence(prompt))
        said = [prompt.subject or "", prompt.environment or "", prompt.layout or "", camera, prompt.mood or ""]
    return _sentences([*said, _lettering(shot), ", ".join(sort_avoided(shot).picture), brand.look or ""])


def compose_video(shot: Shot, brand: Brand) -> str:
    """All five fields, motion, look, the one-continuous-shot sentence; tags become words, for no video model that is
    used here takes references."""
    prompt, avoided = shot.prompt, sort_avoided(shot)
    if prompt.text is not None:
        said = [prompt.text]
    else:
        action = ", ".join(part.strip(" .,") for part in (prompt.subject, prompt.action) if part)
        said = [action, prompt.environment or "", prompt.layout or "", camera_sentence(prompt), prompt.mood or ""]
    positives = ", ".join(dict.fromkeys((*avoided.picture, *avoided.time)))
    said = [*said, MOTION[shot.motion], _lettering(shot), positives, brand.look or ""]
    if shot.cuts == "none":
        said.append(ONE_SHOT)
    return _sentences([untag(part) for part in said])


def compose_negative(shot: Shot) -> str:
    """What remains of `avoid`, for an endpoint that has a `negativePrompt`; elsewhere these are review questions."""
    return ", ".join(sort_avoided(shot).rest)


def review_questions(shot: Shot) -> tuple[str, ...]:
    """What a person is asked when looking at a take: `avoid`, `check` and what the words of the prompt call for."""
    questions = [f"no {_LEADING_NO.sub('', item.strip())}?" for item in shot.avoid]
    questions += [item.rstrip("?") + "?" for item in shot.check]
    if shot.prompt.layout:
        questions.append("positions as asked?")
    if shot.lettering:
        questions.append(f"reads exactly “{shot.lettering}”?")
    words = " ".join(part for part in (shot.prompt.subject, shot.prompt.action, shot.prompt.text) if part).lower()
    questions += [question for pattern, question in _QUESTIONS if re.search(pattern, words)]
    return tuple(dict.fromkeys(questions))


def camera_sentence(prompt: Prompt) -> str:
    """The camera field as one sentence, whichever of its three forms it was written in."""
    camera = prompt.camera
    if isinstance(camera, Camera):
        parts = [camera.framing, " ".join(p for p in (camera.speed, camera.move, camera.direction) if p)]
        if camera.focus:
            parts.append(camera.focus if re.search(r"\bfocus", camera.focus, re.I) else f"focus on {camera.focus}")
        if camera.hold:
            said = re.search(r"\b(?:stays?|remains?|kept|keep(?:s|ing)?|hold(?:s|ing)?)\b", camera.hold, re.I)
            parts.append(camera.hold if said else f"holding {camera.hold}")
        return ", ".join(part for part in parts if part)
    if isinstance(camera, tuple):
        return ", then ".join(beat.strip(" .,;") for beat in camera)
    return camera or ""


def sort_avoided(shot: Shot) -> Avoided:
    picture: list[str] = []
    time: list[str] = []
    rest: list[str] = []
    for item in shot.avoid:
        bare = _LEADING_NO.sub("", item.strip(" .")).strip()
        for rewrites, found in ((_PICTURE, picture), (_TIME, time)):
            positive = next((p for pattern, p in rewrites if re.fullmatch(pattern, bare, re.I)), None)
            if positive is not None:
                found.append(positive)
                break
        else:
            rest.append(bare)
    return Avoided(tuple(dict.fromkeys(filter(None, picture))), tuple(dict.fromkeys(filter(None, time))), tuple(rest))


def untag(text: str) -> str:
    """ ", @kettle" after a noun is dropped, any other "@kettle" becomes "the kettle"."""

    def spoken(found: re.Match[str]) -> str:
        article = found[1] or "the "
        return article + found[2].replace("_", " ")

    return (_TAG.sub(spoken, _APPOSITION.sub("", text)) if "@" in text else text).strip()


def _lettering(shot: Shot) -> str:
    return f"The words “{shot.lettering}” can be read" if shot.lettering else ""


def _sentences(parts: list[str]) -> str:
    """Every part a sentence: first letter large, a full stop where none is, spaces evened out."""
    said = []
    for part in parts:
        text = " ".join(part.split()).rstrip(" ,;")
        if text:
            text = text[0].upper() + text[1:]
            said.append(text if text[-1] in '.!?…”"' else f"{text}.")
    return " ".join(said)
