"""What refers to what: shots, references, voices, cards, cue points, deliveries and dates that must agree.

Pure: a loaded spot in, diagnostics out. Rights are `manifests.rights`; what a model sells is `manifests.capability`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal

from manifests.diagnostics import Diagnostic, suggest
from manifests.loaded import LoadedSpot
from manifests.schema import Camera, Shot

MOST_REFERENCES = 3
LONGEST_CHAIN = 2  # links of `continues`; the subject drifts further with every one
WORDS_FOR_TIMES = ("start", "end")
_NUMBERED = re.compile(r"(take|still|line|effect)-\d+")  # how addresses end

_TAG = re.compile(r"(?<![\w@.])@([A-Za-z][A-Za-z0-9_]*)")


def check_references(loaded: LoadedSpot) -> list[Diagnostic]:
    """Every cross reference that leads nowhere, errors and warnings, in the order of the checks."""
    return [problem for check in _CHECKS for problem in check(loaded)]


def _error(loaded: LoadedSpot, path: str, summary: str, detail: str, remedy: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, loaded.address(path), loaded.value_where(path), remedy)


def _warning(loaded: LoadedSpot, path: str, summary: str, detail: str, remedy: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, loaded.address(path), loaded.value_where(path), remedy, "warning")


# --- shots ---


def _ids(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    lines = loaded.spot.sound.voiceover.lines if loaded.spot.sound.voiceover else ()
    for path, ids in (("shots", [s.id for s in loaded.spot.shots]), ("sound.voiceover.lines", [i.id for i in lines])):
        for number, name in enumerate(ids):
            place = f"{path}[{number}].id"
            if name in ids[:number]:
                first = loaded.value_where(f"{path}[{ids.index(name)}].id").line
                yield _error(loaded, place, "duplicate id", f"id `{name}` is taken; it is first given on line {first}")
            elif path == "shots" and name in WORDS_FOR_TIMES:
                detail = f"`{name}` cannot be a shot's id: `at: {name}` means the {name} of the film"
                yield _error(loaded, place, "reserved id", detail)
            elif path == "shots" and _NUMBERED.fullmatch(name):
                yield _error(
                    loaded, place, "reserved id", f"`{name}` cannot be a shot's id: it reads as a take's number"
                )


def _continues(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    ids = [shot.id for shot in loaded.spot.shots]
    links: dict[str, int] = {}
    for number, shot in enumerate(loaded.spot.shots):
        if shot.continues is None:
            continue
        path = f"shots[{number}].continues"
        summary = "continues"
        if shot.continues in loaded.absent:
            continue  # bought by a film that has both
        if shot.continues not in ids:
            yield _unknown_shot(loaded, path, shot.continues)
        elif shot.continues == shot.id:
            yield _error(loaded, path, summary, f"`{shot.id}` continues itself", "name an earlier shot")
        elif shot.continues not in ids[:number]:
            detail = f"`{shot.continues}` comes later in the film; a shot continues an earlier one"
            yield _error(loaded, path, summary, detail, f"put `{shot.continues}` before `{shot.id}`")
        else:
            links[shot.id] = links.get(shot.continues, 0) + 1
            if links[shot.id] > LONGEST_CHAIN:
                detail = f"link {links[shot.id]} of a chain: the subject drifts with every link"
                yield _warning(loaded, path, summary, detail, "cut to another view and start from the references again")
        if shot.start_image:
            detail = "`continues` and `start_image` both give the first frame"
            yield _error(loaded, path, summary, detail, "keep one of the two")
        if shot.mode == "text-to-video":
            path = f"shots[{number}].mode"
            yield _error(loaded, path, "mode", "a shot that continues another is image-to-video", "remove `mode`")


def _unknown_shot(loaded: LoadedSpot, path: str, name: str) -> Diagnostic:
    ids = [shot.id for shot in loaded.spot.shots]
    return _error(
        loaded, path, "unknown shot", f"unknown shot `{name}`{suggest(name, ids)}", f"shots: {', '.join(ids)}"
    )


def _transitions(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    shots = {shot.id: shot for shot in loaded.spot.shots}
    ids = list(shots)
    seen: set[tuple[str, ...]] = set()
    for number, transition in enumerate(loaded.spot.edit.transitions):
        path = f"edit.transitions[{number}]"
        known = [name for name in transition.between if name in shots]
        for position, name in enumerate(transition.between):
            if name not in shots:
                yield _unknown_shot(loaded, f"{path}.between[{position}]", name)
        if len(known) < 2:
            continue
        first, second = known
        if ids.index(second) != ids.index(first) + 1:
            detail = f"`{first}` and `{second}` are not neighbours in this order"
            yield _error(loaded, f"{path}.between", "transition", detail, f"the film: {', '.join(ids)}")
        elif (first, second) in seen:
            yield _error(loaded, f"{path}.between", "transition", f"`{first}` and `{second}` have a transition already")
        seen.add((first, second))
        shortest = min((shots[first], shots[second]), key=lambda shot: shot.duration)
        if transition.kind != "cut" and transition.duration > shortest.duration:
            detail = f"{transition.duration} s is longer than `{shortest.id}`, {shortest.duration} s"
            yield _error(loaded, f"{path}.duration", "transition", detail)


# --- references ---


def _reference_lists(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    known = list(loaded.spot.references)
    used: set[str] = set()
    for number, shot in enumerate(loaded.spot.shots):
        base = f"shots[{number}]"
        given = [(f"{base}.references[{i}]", name) for i, name in enumerate(shot.references)]
        images = (("start_image", shot.start_image), ("end_image", shot.end_image))
        given += [(f"{base}.{key}", name) for key, name in images if name]
        for path, name in given:
            if name not in known:
                remedy = f"references: {', '.join(known)}" if known else "there is no `references` block"
                detail = f"unknown reference `{name}`{suggest(name, known)}"
                yield _error(loaded, path, "unknown reference", detail, remedy)
        for index, name in enumerate(shot.references):
            if name in shot.references[:index]:
                yield _error(loaded, f"{base}.references[{index}]", "reference", f"`{name}` is listed twice")
        if len(set(shot.references)) > MOST_REFERENCES:
            names = ", ".join(shot.references)
            detail = f"{len(shot.references)} references ({names}); a shot takes at most {MOST_REFERENCES}"
            yield _error(loaded, f"{base}.references", "too many references", detail, "leave one out")
        used |= {name for _, name in given} | _tags(shot)
    for name in known:
        if name not in used:
            detail, remedy = f"no shot uses `{name}`", "list it in a shot's `references`, or remove it"
            where = loaded.where(f"references.{name}")
            yield Diagnostic("unused reference", detail, f"references.{name}", where, remedy)


def _prompt_tags(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    known = list(loaded.spot.references)
    for number, shot in enumerate(loaded.spot.shots):
        base = f"shots[{number}]"
        listed = {*shot.references, shot.start_image, shot.end_image}
        for path, text in _prompt_texts(shot):
            for name in dict.fromkeys(_TAG.findall(text)):
                place = f"{base}.prompt.{path}"
                if name not in known:
                    detail = f"`@{name}` is no reference{suggest(name, known)}"
                    remedy = f"references: {', '.join(known)}" if known else "there is no `references` block"
                    yield _error(loaded, place, "unknown reference", detail, remedy)
                elif name not in listed:
                    detail = f"`@{name}` is not among this shot's references"
                    names = ", ".join([*shot.references, name])
                    yield _error(loaded, place, "reference not listed", detail, f"write `references: [{names}]`")
        for index, name in enumerate(shot.references if shot.continues is None else ()):  # no still, nothing to name
            if name in known and name not in _tags(shot):
                detail = f"`{name}` is listed and `@{name}` is not in the prompt"
                yield _warning(
                    loaded, f"{base}.references[{index}]", "reference not named", detail, f"write @{name} in it"
                )


def _prompt_texts(shot: Shot) -> Iterator[tuple[str, str]]:
    for key in ("subject", "action", "environment", "mood", "layout", "text"):
        value = getattr(shot.prompt, key)
        if value:
            yield key, value
    camera = shot.prompt.camera
    if isinstance(camera, str):
        yield "camera", camera
    elif isinstance(camera, Camera):
        yield from ((f"camera.{key}", value) for key, value in camera if isinstance(value, str))
    else:
        yield from ((f"camera[{index}]", beat) for index, beat in enumerate(camera or ()))


def _tags(shot: Shot) -> set[str]:
    return {name for _, text in _prompt_texts(shot) for name in _TAG.findall(text)}


# --- cue points ---


def _cues(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    """Everything hung on a shot must begin and end inside the film. How long a line is, is measured later."""
    spot = loaded.spot
    begins = {"start": Decimal(0)}
    length = Decimal(0)
    for shot in spot.shots:
        begins[shot.id] = length
        length += shot.duration
    begins["end"] = length
    length += spot.graphics.end_card.duration if spot.graphics.end_card else 0
    lines = spot.sound.voiceover.lines if spot.sound.voiceover else ()
    cues = [(f"sound.voiceover.lines[{i}]", line.at, line.offset, Decimal(0)) for i, line in enumerate(lines)]
    cues += [(f"sound.effects[{i}]", e.at, e.offset, e.duration) for i, e in enumerate(spot.sound.effects)]
    cues += [(f"graphics.supers[{i}]", s.at, s.offset, s.duration) for i, s in enumerate(spot.graphics.supers)]
    for path, at, offset, duration in cues:
        if at in loaded.absent:
            detail = f"`{at}` is not in this film, and no line is left out silently"
            remedy = f"give the line the same `when` as `{at}`, or hang it on a shot that is always there"
            yield _error(loaded, f"{path}.at", "absent shot", detail, remedy)
            continue
        if at not in begins:
            yield _unknown_shot(loaded, f"{path}.at", at)
            continue
        begin = begins[at] + offset
        if begin >= length:
            detail = f"begins at {begin} s; the film is {length} s long"
            yield _error(loaded, f"{path}.offset", "outside the film", detail)
        elif begin + duration > length:
            detail = f"lasts until {begin + duration} s; the film is {length} s long"
            remedy = f"at most {length - begin} s fit here"
            yield _error(loaded, f"{path}.duration", "outside the film", detail, remedy)


# --- sound, words, delivery, money ---


def _sound(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    sound, voices = loaded.spot.sound, list(loaded.brand.voices)
    if sound.voiceover and sound.voiceover.voice not in voices:
        name = sound.voiceover.voice
        remedy = f"voices of the brand kit: {', '.join(voices)}" if voices else "the brand kit has no voices"
        detail = f"no voice `{name}` in the brand kit{suggest(name, voices)}"
        yield _error(loaded, "sound.voiceover.voice", "unknown voice", detail, remedy)
    for number, effect in enumerate(sound.effects):
        path = f"sound.effects[{number}]"
        if effect.prompt and effect.file:
            detail = "`prompt` buys an effect, `file` gives one: both are set"
            yield _error(loaded, path, "effect", detail, "keep one of the two")
        elif not effect.prompt and not effect.file:
            yield _error(loaded, path, "effect", "needs `prompt` (to buy it) or `file`")
    if sound.music and sound.music.duck and not sound.voiceover:
        yield _warning(loaded, "sound.music.duck", "duck", "there is no voiceover to make room for")


def _graphics(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    graphics, cards = loaded.spot.graphics, loaded.brand.end_cards
    if graphics.end_card:
        name = graphics.end_card.card
        if name not in cards:
            remedy = f"cards of the brand kit: {', '.join(cards)}" if cards else "the brand kit has no cards"
            detail = f"no card `{name}` in the brand kit{suggest(name, cards)}"
            yield _error(loaded, "graphics.end_card.card", "unknown card", detail, remedy)
        else:
            yield from _card_fields(loaded, name, graphics.end_card.fields)
    captions = graphics.captions
    if captions and not loaded.spot.sound.voiceover:
        yield _error(loaded, "graphics.captions", "captions", "there is no voiceover to caption")
    profiles = [item.profile for item in loaded.spot.deliver]
    for index, name in enumerate(captions.burn if captions else ()):
        if name not in profiles:
            detail = f"`{name}` is not delivered{suggest(name, profiles)}"
            remedy = f"delivered: {', '.join(profiles)}"
            yield _error(loaded, f"graphics.captions.burn[{index}]", "profile not delivered", detail, remedy)


def _card_fields(loaded: LoadedSpot, card: str, given: dict[str, str]) -> Iterator[Diagnostic]:
    fields = loaded.brand.end_cards[card].fields
    for name in given:
        if name not in fields:
            where = loaded.where(f"graphics.end_card.fields.{name}")
            detail = f"card `{card}` has no field `{name}`{suggest(name, fields)}"
            remedy = f"its fields: {', '.join(fields)}" if fields else "it has no fields"
            yield Diagnostic("unknown field", detail, f"graphics.end_card.fields.{name}", where, remedy)
    absent = [name for name in fields if name not in given]
    if absent:
        detail = f"card `{card}` stays empty at {', '.join(f'`{name}`' for name in absent)}"
        yield _warning(loaded, "graphics.end_card", "empty field", detail)


def _deliver(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    spot = loaded.spot
    seen: set[tuple[str, str]] = set()
    for number, item in enumerate(spot.deliver):
        if item.ratio != spot.generate.ratio:
            detail = f"no picture has the ratio {item.ratio}: takes are made in {spot.generate.ratio}"
            remedy = "set `generate.ratio`, or write a spot for each ratio"
            yield _error(loaded, f"deliver[{number}].ratio", "ratio", detail, remedy)
        if (item.profile, item.ratio) in seen:
            detail = f"`{item.profile}` in {item.ratio} is delivered already"
            yield _error(loaded, f"deliver[{number}]", "delivered twice", detail)
        seen.add((item.profile, item.ratio))


def _money(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    budget, retry = loaded.spot.budget, loaded.spot.generate.retry
    if budget.per_shot is not None and budget.per_shot > budget.credits:
        detail = f"{budget.per_shot} for one shot is more than {budget.credits} for everything"
        yield _warning(loaded, "budget.per_shot", "budget", detail)
    if retry.on_moderation == "fallback" and not retry.fallback:
        yield _error(loaded, "generate.retry.on_moderation", "fallback", "needs `fallback`, the model to go to")


def _dates(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    flight = loaded.spot.compliance.flight if loaded.spot.compliance else None
    dates = [("compliance.flight.start", flight.start), ("compliance.flight.end", flight.end)] if flight else []
    rights = [(f"references.{name}.rights", r.rights) for name, r in loaded.spot.references.items()]
    rights += [(f"sound.effects[{i}].rights", e.rights) for i, e in enumerate(loaded.spot.sound.effects)]
    rights += [("sound.music.rights", loaded.spot.sound.music.rights)] if loaded.spot.sound.music else []
    rights += [(f"brand.voices.{name}.rights", v.rights) for name, v in loaded.brand.voices.items()]
    dates += [(f"{path}.expires", right.expires) for path, right in rights if right and right.expires]
    for path, text in dates:
        if parse_date(text) is None:
            yield _error(loaded, path, "date", f"{text} is no day of the calendar")
    if flight and parse_date(flight.start) and parse_date(flight.end) and flight.end < flight.start:
        detail = f"the flight ends on {flight.end}, before it starts on {flight.start}"
        yield _error(loaded, "compliance.flight.end", "flight", detail)


def parse_date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


_CHECKS = (
    _ids, _continues, _transitions, _reference_lists, _prompt_tags, _cues, _sound, _graphics, _deliver, _money, _dates,
)  # fmt: skip
