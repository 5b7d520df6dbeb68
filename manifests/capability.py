"""What the chosen models cannot do for this manifest: every problem an error with its line, before anything is paid.

Judges by the tables alone. What a service really answers may differ, so outputs are probed as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from manifests.catalogue import ModelCard, Profile
from manifests.diagnostics import Diagnostic, suggest
from manifests.images import ImageFacts, check_images
from manifests.loaded import LoadedSpot
from manifests.placement import check_deliver
from manifests.prompts import compose_still, compose_video, prompt_units
from manifests.ratecard import find_endpoint, native_size, still_size
from manifests.reframing import check_reframe, filmed_ratio
from manifests.schema import Shot
from manifests.seams import check_seams
from manifests.segments import LONGEST_PICTURE, LONGEST_SHOT, Segment
from manifests.timing import FILM_RATE, ShotCut, cut_of

__all__ = ["ImageFacts", "check_capability", "check_images", "first_frame_of"]

MOST_REFERENCES = 3  # at once, in every service seen (C1)
TEXT, IMAGE, STILL = "/v1/text_to_video", "/v1/image_to_video", "/v1/text_to_image"


def check_capability(
    loaded: LoadedSpot, models: Mapping[str, ModelCard], profiles: Mapping[str, Profile]
) -> list[Diagnostic]:
    """In the order of the manifest's blocks: errors, and warnings of what will be seen."""
    found = list(_check_generate(loaded, models))
    cut = cut_of(loaded.spot, models)
    for shot in loaded.spot.shots:
        found += _check_shot(loaded, shot, cut.shot(shot.id), models, cut.segments[shot.id])
        card = _usable(models, shot.model or loaded.spot.generate.model, "video")
        path = TEXT if first_frame_of(loaded, shot) is None else IMAGE
        found += check_reframe(loaded, shot, card, path, profiles) if card is not None else ()
        found += check_seams(loaded, shot, cut, models)
    found += _check_sound(loaded, models)
    found += check_deliver(loaded, profiles, cut.frames)
    return list(dict.fromkeys(found))


def first_frame_of(loaded: LoadedSpot, shot: Shot) -> str | None:
    """Where a shot's first frame comes from: `continues`, `start_image`, `keyframe`, or None for text alone."""
    if shot.continues is not None:
        return "continues"
    if shot.start_image is not None:
        return "start_image"
    return "keyframe" if loaded.spot.generate.keyframe is not None else None


def _error(loaded: LoadedSpot, path: str, summary: str, detail: str, remedy: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, path, loaded.where(path), remedy)


# --- models ---


def _check_model(
    loaded: LoadedSpot, path: str, name: str, makes: str, models: Mapping[str, ModelCard]
) -> Iterator[Diagnostic]:
    sold = [card.id for card in models.values() if card.makes == makes and card.retired is None]
    listed = f"models that make {makes}: {', '.join(sold)}"
    card = models.get(name)
    if card is None:
        near = suggest(name, sold)
        yield _error(loaded, path, "unknown model", f"no model is called `{name}`{near}", listed)
    elif card.retired is not None:
        detail = f"`{name}` has not been sold since {card.retired} ({card.source})"
        replacement = models.get(card.replacement or "")
        if replacement is not None and replacement.retired is None:
            yield _error(loaded, path, "retired model", detail, f"use `{replacement.id}`; its pictures will differ")
        else:
            named = f"its successor `{card.replacement}` is not driven by this version; " if card.replacement else ""
            yield _error(loaded, path, "retired model", detail, named + listed)
    elif card.makes != makes:
        yield _error(loaded, path, "wrong model", f"`{name}` makes {card.makes}, and here {makes} is wanted", listed)


def _check_generate(loaded: LoadedSpot, models: Mapping[str, ModelCard]) -> Iterator[Diagnostic]:
    generate = loaded.spot.generate
    if any(shot.model is None for shot in loaded.spot.shots):
        yield from _check_model(loaded, "generate.model", generate.model, "video", models)
    for shot in loaded.spot.shots:
        if shot.model is not None:
            yield from _check_model(loaded, f"shots.{shot.id}.model", shot.model, "video", models)
    if generate.retry.fallback is not None:
        yield from _check_model(loaded, "generate.retry.fallback", generate.retry.fallback, "video", models)
    if generate.keyframe is not None:
        yield from _check_model(loaded, "generate.keyframe.model", generate.keyframe.model, "still", models)
        card = _usable(models, generate.keyframe.model, "still")
        for shot in loaded.spot.shots if card is not None else ():
            ratio = filmed_ratio(loaded.spot, shot)
            if card is not None and still_size(card, ratio) is None:
                detail = f"`{card.id}` sells no still of {ratio}"
                yield _error(loaded, _ratio_path(shot), "ratio not sold", detail, _ratios_sold(card, STILL))
    if generate.drafts is not None:
        path = "generate.drafts.model"
        yield from _check_model(loaded, path, generate.drafts.model, "video", models)
        card = _usable(models, generate.drafts.model, "video")
        if card is not None and card.seconds is not None and not card.seconds.sells(generate.drafts.duration):
            detail = f"`{card.id}` does not sell {generate.drafts.duration} s: it sells {_lengths(card)}"
            yield _error(loaded, "generate.drafts.duration", "length not sold", detail)


def _ratio_path(shot: Shot) -> str:
    """Where the ratio is written that a shot is filmed in."""
    return f"shots.{shot.id}.reframe.from" if shot.reframe is not None else "generate.ratio"


def _usable(models: Mapping[str, ModelCard], name: str, makes: str) -> ModelCard | None:
    card = models.get(name)
    return card if card is not None and card.retired is None and card.makes == makes else None


def _lengths(card: ModelCard) -> str:
    lengths = card.seconds.lengths if card.seconds else ()
    if len(lengths) > 3 and lengths == tuple(range(lengths[0], lengths[-1] + 1)):
        return f"whole seconds from {lengths[0]} to {lengths[-1]}"
    return f"{', '.join(str(length) for length in lengths)} s"


def _ratios_sold(card: ModelCard, path: str) -> str:
    endpoint = find_endpoint(card, path)
    usual = ("16:9", "9:16", "1:1", "4:3", "3:4", "21:9", "4:5")
    sold = [ratio for ratio in usual if endpoint is not None and native_size(card, path, ratio)]
    return f"sold: {', '.join(sold)}" if sold else ""


# --- shots ---


def _check_shot(
    loaded: LoadedSpot,
    shot: Shot,
    shot_cut: ShotCut,
    models: Mapping[str, ModelCard],
    segments: Sequence[Segment],
) -> Iterator[Diagnostic]:
    generate = loaded.spot.generate
    card = _usable(models, shot.model or generate.model, "video")
    still = _usable(models, generate.keyframe.model, "still") if generate.keyframe else None
    if first_frame_of(loaded, shot) == "keyframe" and still is not None:
        yield from _check_prompt(loaded, shot, still, "still", compose_still(shot, loaded.brand))
    yield from _check_reference_count(loaded, shot, still)
    if shot_cut.screen < 1:
        detail = f"{shot.duration} s is less than one frame at {FILM_RATE} frames a second"
        yield _error(loaded, f"shots.{shot.id}.duration", "no frames", detail)
    if card is None:
        return
    yield from _check_prompt(loaded, shot, card, "video", compose_video(shot, loaded.brand))
    yield from _check_length(loaded, shot, shot_cut, card)
    yield from _check_first_frame(loaded, shot, card)
    yield from _check_draft(loaded, shot, models)
    yield from _check_fallback(loaded, shot, segments, card, models)
    if shot.end_image is not None:
        yield from _check_end_image(loaded, shot, card, models)


def _check_fallback(
    loaded: LoadedSpot, shot: Shot, segments: Sequence[Segment], card: ModelCard, models: Mapping[str, ModelCard]
) -> Iterator[Diagnostic]:
    """The other model must be able to film the shot: found out now, not when the first one has failed."""
    name, path = loaded.spot.generate.retry.fallback, "generate.retry.fallback"
    other = _usable(models, name, "video") if name is not None and name != card.id else None
    if other is None:
        return
    endpoint = TEXT if first_frame_of(loaded, shot) is None else IMAGE
    ratio = filmed_ratio(loaded.spot, shot)
    if native_size(other, endpoint, ratio) is None:
        detail = f"`{other.id}` sells no {ratio} on {endpoint}, which `{shot.id}` would need"
        yield _error(loaded, path, "fallback cannot film a shot", detail)
    needed = Fraction(max(segment.needed for segment in segments), FILM_RATE)
    if other.seconds is None or other.seconds.shortest(needed) is None:
        detail = f"`{other.id}` sells no {float(needed):.3g} s for `{shot.id}`: it sells {_lengths(other)}"
        yield _error(loaded, path, "fallback cannot film a shot", detail)
    yield from _check_prompt(loaded, shot, other, "video", compose_video(shot, loaded.brand))


def _check_prompt(loaded: LoadedSpot, shot: Shot, card: ModelCard, what: str, text: str) -> Iterator[Diagnostic]:
    path, units = f"shots.{shot.id}.prompt", prompt_units(text)
    if units > card.prompt_units:
        detail = f"the {what}'s prompt has {units:,} UTF-16 units; `{card.id}` takes {card.prompt_units:,}"
        remedy = f"shorten it by {units - card.prompt_units}; the brand's look and the fixed sentences count too"
        yield _error(loaded, path, "prompt too long", detail, remedy)
    elif not text and card.prompt_required:
        yield _error(loaded, path, "prompt missing", f"`{card.id}` needs a prompt", "fill in the five fields")


def _check_length(loaded: LoadedSpot, shot: Shot, shot_cut: ShotCut, card: ModelCard) -> Iterator[Diagnostic]:
    if card.seconds is None:
        return
    why = _why_longer(shot_cut)
    if shot.clip is not None:
        path = f"shots.{shot.id}.clip"
        if not card.seconds.sells(shot.clip):
            detail = f"`{card.id}` does not sell {shot.clip} s: it sells {_lengths(card)}"
            yield _error(loaded, path, "length not sold", detail)
        elif shot.clip * FILM_RATE < shot_cut.frames_needed:
            missing = shot_cut.frames_needed - shot.clip * FILM_RATE
            detail = f"{shot.clip} s are {missing} frames short: the cut needs {shot_cut.frames_needed}{why}"
            yield _error(loaded, path, "clip too short", detail, "remove `clip`, or shorten the shot")
    elif shot.duration > LONGEST_SHOT or shot_cut.frames_needed > LONGEST_PICTURE * FILM_RATE:
        seconds = f"{Decimal(shot_cut.frames_needed) / FILM_RATE:.3f}".rstrip("0").rstrip(".")
        detail = f"needs {seconds} s of picture{why}; a shot is filmed for at most {LONGEST_SHOT} s"
        remedy = f"split it in two shots; the second may have `continues: {shot.id}`"
        yield _error(loaded, f"shots.{shot.id}.duration", "too long a shot", detail, remedy)


def _why_longer(shot_cut: ShotCut) -> str:
    extra = []
    if shot_cut.shown > shot_cut.screen:
        extra.append(f"{shot_cut.shown - shot_cut.screen} for dissolves")
    if shot_cut.in_frame:
        extra.append("1 for the doubled frame of `continues`")
    return f" ({shot_cut.screen} frames on screen, {', '.join(extra)})" if extra else ""


def _check_first_frame(loaded: LoadedSpot, shot: Shot, card: ModelCard) -> Iterator[Diagnostic]:
    """Text alone or an image: does the model take it, and does it sell the ratio that way?"""
    where, ratio = f"shots.{shot.id}", filmed_ratio(loaded.spot, shot)
    first = first_frame_of(loaded, shot)
    if shot.mode == "text-to-video" and first is not None:
        detail = f"`mode` says text-to-video, but the first frame comes from `{first}`"
        yield _error(loaded, f"{where}.mode", "mode differs", detail, f"remove `mode`, or `{first}`")
    if shot.mode == "image-to-video" and first is None:
        detail = "`mode` says image-to-video, but the shot has no first frame"
        yield _error(
            loaded, f"{where}.mode", "mode differs", detail, "give it a `start_image`, or set `generate.keyframe`"
        )
    if shot.references and first is None and not card.references_maximum:
        detail = f"`{card.id}` takes no references, and no still is made for them to act on"
        remedy = "add under `generate`:  keyframe: {model: gen4_image}"
        yield _error(loaded, f"{where}.references", "references not taken", detail, remedy)
        return
    if first is None and (card.image_required or find_endpoint(card, TEXT) is None):
        yield _error(loaded, where, "image needed", f"text alone, and `{card.id}` needs a first frame", IMAGE_FIXES)
        return
    path = IMAGE if first is not None else TEXT
    if native_size(card, path, ratio) is None:
        how = "from an image" if path == IMAGE else "from text alone"
        remedy = _ratios_sold(card, path)
        if path == TEXT and native_size(card, IMAGE, ratio):
            remedy += "; with a first frame it sells this one: set `generate.keyframe`"
        detail = f"`{card.id}` sells no {ratio} {how}"
        yield _error(loaded, _ratio_path(shot), "ratio not sold", detail, remedy)


IMAGE_FIXES = (
    "one of: give the shot a `start_image`; set `generate.keyframe`, and a still is made first; "
    "or choose a model that films from text, such as `gen4.5`"
)


def _check_draft(loaded: LoadedSpot, shot: Shot, models: Mapping[str, ModelCard]) -> Iterator[Diagnostic]:
    drafts = loaded.spot.generate.drafts
    card = _usable(models, drafts.model, "video") if drafts else None
    if card is not None and card.image_required and first_frame_of(loaded, shot) is None:
        detail = f"shot `{shot.id}` is text alone, and the draft model `{card.id}` needs a first frame"
        yield _error(loaded, "generate.drafts.model", "image needed", detail, IMAGE_FIXES)


def _check_reference_count(loaded: LoadedSpot, shot: Shot, still: ModelCard | None) -> Iterator[Diagnostic]:
    path = f"shots.{shot.id}.references"
    most = still.references_maximum if still else MOST_REFERENCES
    if len(shot.references) > most:
        detail = f"{len(shot.references)} references ({', '.join(shot.references)}); at most {most} act at once"
        yield _error(loaded, path, "too many references", detail, "keep those that the shot cannot do without")
    if still is None or first_frame_of(loaded, shot) != "keyframe":
        return
    if len(shot.references) < still.references_minimum:
        detail = f"`{still.id}` needs at least {still.references_minimum} reference for a still; `{shot.id}` has none"
        yield _error(loaded, f"shots.{shot.id}", "reference needed", detail, "list one, or use `gen4_image` for stills")


def _check_end_image(
    loaded: LoadedSpot, shot: Shot, card: ModelCard, models: Mapping[str, ModelCard]
) -> Iterator[Diagnostic]:
    path = f"shots.{shot.id}.end_image"
    if "last" not in card.image_positions:
        able = [m.id for m in models.values() if "last" in m.image_positions and m.retired is None]
        detail = f"`{card.id}` takes a first frame only"
        yield _error(loaded, path, "end image not taken", detail, f"models that take both: {', '.join(able)}")
    elif first_frame_of(loaded, shot) is None:
        detail = f"`{card.id}` takes an end image only together with a first frame"
        yield _error(loaded, path, "end image alone", detail, "give the shot a `start_image` too")


# --- sound ---


def _check_sound(loaded: LoadedSpot, models: Mapping[str, ModelCard]) -> Iterator[Diagnostic]:
    sound = loaded.spot.sound
    voice = loaded.brand.voices.get(sound.voiceover.voice) if sound.voiceover else None
    if sound.voiceover is not None and voice is not None:
        yield from _check_model(loaded, f"brand.voices.{sound.voiceover.voice}.model", voice.model, "speech", models)
        card = _usable(models, voice.model, "speech")
        for line in sound.voiceover.lines if card else ():
            if card is not None and prompt_units(line.text) > card.prompt_units:
                detail = f"{prompt_units(line.text):,} characters; `{card.id}` takes {card.prompt_units:,} at once"
                path = f"sound.voiceover.lines.{line.id}.text"
                yield _error(loaded, path, "line too long", detail, "split the line in two")
    effects: Iterable[ModelCard] = (m for m in models.values() if m.makes == "effect" and m.retired is None)
    maker = next(iter(effects), None)
    for number, effect in enumerate(sound.effects):
        if effect.prompt is None or maker is None or maker.seconds is None:
            continue
        longest = maker.seconds.lengths[-1]
        if not Decimal("0.5") <= effect.duration <= longest:
            detail = f"`{maker.id}` makes effects of 0.5 to {longest} s, not {effect.duration}"
            yield _error(loaded, f"sound.effects[{number}].duration", "length not sold", detail)
        if prompt_units(effect.prompt) > maker.prompt_units:
            detail = f"{prompt_units(effect.prompt):,} characters; `{maker.id}` takes {maker.prompt_units:,}"
            yield _error(loaded, f"sound.effects[{number}].prompt", "prompt too long", detail)
