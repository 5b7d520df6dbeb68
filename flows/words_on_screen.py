"""Whether the words on screen can be set: every glyph is there, every line fits. Asked before anything is paid.

Called once for each resolved variant: what was asked before is remembered in `Asked`, because thousands of variants
have few distinct texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from infra.captioning import likely_cues
from infra.drawing import (
    burns_captions,
    caption_params,
    card_files,
    card_params,
    check_layout,
    super_params,
    text_files,
)
from infra.errors import MediaError
from infra.media.type_setting import unsettable_script
from infra.media.typeface import Typeface, open_typeface
from manifests.catalogue import Profile
from manifests.diagnostics import Diagnostic
from manifests.loaded import LoadedSpot
from manifests.schema import Brand, EndCard, Spot, Super

ANY_FRAMES = 24  # how long words stand changes nothing about whether they fit
GLYPH_REMEDY = "use other characters, or a font in the brand kit that has them"
_Job = tuple[dict[str, Any], dict[str, str]]
_Make = Callable[[], _Job]
NAMED = 3  # variants that a message names; of more it says how many


@dataclass
class Asked:
    """Answers kept for one command. Its files and profiles must not change meanwhile."""

    glyphs: dict[tuple[Typeface, str], str | MediaError] = field(default_factory=dict)
    scripts: dict[str, str | None] = field(default_factory=dict)
    layouts: dict[tuple[object, ...], MediaError | None] = field(default_factory=dict)

    def missing(self, face: Typeface, text: str) -> str:
        key = (face, text)
        if key not in self.glyphs:
            try:
                self.glyphs[key] = face.missing(text)
            except MediaError as error:
                self.glyphs[key] = error
        answer = self.glyphs[key]
        if isinstance(answer, MediaError):
            raise answer
        return answer

    def script_problem(self, text: str) -> str | None:
        if text not in self.scripts:
            self.scripts[text] = unsettable_script(text)
        return self.scripts[text]

    def layout_problem(self, key: tuple[object, ...], ask: Callable[[], None]) -> MediaError | None:
        if key not in self.layouts:
            try:
                ask()
                self.layouts[key] = None
            except MediaError as error:
                self.layouts[key] = error
        return self.layouts[key]


def check_glyphs(
    loaded: LoadedSpot, measured: Collection[str], asked: Asked | None = None, locale: str | None = None
) -> list[Diagnostic]:
    """Every character on screen is in a font that draws it: a missing one would be an empty box in the film.
    `measured`: the files that are sound. Of a font that is not, that is said already."""
    asked = asked or Asked()
    found: list[Diagnostic] = []
    broken = {path for path in _font_paths(loaded) if path not in measured}
    for path, text in texts_on_screen(loaded).items():
        script = asked.script_problem(text)
        if script is not None:
            detail, remedy = f"{script}: it cannot be set right yet", "use a script that is written letter by letter"
            found.append(Diagnostic("script not set", detail, path, loaded.where(path), remedy))
            continue
        fonts = text_files(loaded.brand, text, locale)
        if broken & set(fonts.values()):
            continue
        face = open_typeface({name: loaded.files[file].path for name, file in fonts.items()}, text)
        try:
            missing = asked.missing(face, text)
        except MediaError as error:
            key = next(file for file in fonts.values() if loaded.files[file].path.name in error.detail)
            broken.add(key)
            found.append(Diagnostic("unusable font", error.detail, key, loaded.where(key), error.remedy))
            continue
        if missing:
            detail = face.lacks(", ".join(repr(c) for c in missing))
            found.append(Diagnostic("missing character", detail, path, loaded.where(path), GLYPH_REMEDY))
    return found


def _font_paths(loaded: LoadedSpot) -> list[str]:
    return [f"brand.fonts.{name}" for name in loaded.brand.fonts]


def texts_on_screen(loaded: LoadedSpot) -> dict[str, str]:
    """By YAML path."""
    graphics = loaded.spot.graphics
    texts = {f"graphics.supers[{n}].text": s.text for n, s in enumerate(graphics.supers)}
    if graphics.end_card is not None:
        texts |= {f"graphics.end_card.fields.{k}": v for k, v in graphics.end_card.fields.items()}
    captions, voice = graphics.captions, loaded.spot.sound.voiceover
    if captions is not None and captions.burn and voice is not None:
        texts |= {f"sound.voiceover.lines[{n}].text": line.text for n, line in enumerate(voice.lines)}
    return texts


def check_layout_of(
    loaded: LoadedSpot,
    profiles: Mapping[str, Profile],
    asked: Asked | None = None,
    locale: str | None = None,
) -> list[Diagnostic]:
    """Sets every line on screen as it will be drawn, for every deliverable of this spot, each distinct one once."""
    asked = asked or Asked()
    found: dict[str, Diagnostic] = {}
    spot, brand = loaded.spot, loaded.brand
    for name, ratio in dict.fromkeys((deliver.profile, deliver.ratio) for deliver in spot.deliver):
        for path, key, make in _jobs(spot, brand, profiles[name], ratio, locale):

            def lay_out(make: _Make = make) -> None:
                params, files = make()
                check_layout(params, {name: loaded.files[file].path for name, file in files.items()})

            problem = asked.layout_problem((loaded.brand_path, name, ratio, locale, *key), lay_out)
            if problem is not None and path not in found:
                found[path] = Diagnostic("words on screen", problem.detail, path, loaded.where(path), problem.remedy)
    return list(found.values())


def _jobs(
    spot: Spot, brand: Brand, profile: Profile, ratio: str, locale: str | None
) -> Iterator[tuple[str, tuple[object, ...], _Make]]:
    """YAML path, what tells one layout from another, and what the step would be given."""
    burned = burns_captions(spot, profile)

    def super_job(wanted: Super) -> _Job:
        params = super_params(brand, wanted, ANY_FRAMES, profile, ratio, over_captions=burned)
        return params, text_files(brand, wanted.text, locale)

    def card_job(card: EndCard) -> _Job:
        return card_params(brand, card, ANY_FRAMES, profile, ratio), card_files(brand, card, locale)

    def caption_job(text: str) -> _Job:
        return caption_params(brand, text, ANY_FRAMES, profile, ratio), text_files(brand, text, locale)

    for n, wanted in enumerate(spot.graphics.supers):
        key = (wanted.style, wanted.place, burned, wanted.text)
        yield f"graphics.supers[{n}].text", key, partial(super_job, wanted)
    card = spot.graphics.end_card
    if card is not None:
        yield "graphics.end_card", (card.card, *sorted(card.fields.items())), partial(card_job, card)
    for n, line in enumerate(spot.sound.voiceover.lines if burned and spot.sound.voiceover else ()):
        for text in likely_cues(line.text):
            yield f"sound.voiceover.lines[{n}].text", ("caption", text), partial(caption_job, text)


def name_variants(found: Iterable[tuple[str, Diagnostic]]) -> list[Diagnostic]:
    """One diagnostic for each problem, that names the variants or locales which have it. An empty name is none."""
    where: dict[Diagnostic, dict[str, None]] = {}
    for variant, problem in found:
        where.setdefault(problem, {})[variant] = None
    return [replace(problem, detail=f"{_list_names(names)}{problem.detail}") for problem, names in where.items()]


def _list_names(names: Iterable[str]) -> str:
    known = [name for name in names if name]
    if not known:
        return ""
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return f"in {', '.join(known[:NAMED])}{more}: "
