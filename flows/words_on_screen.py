"""Whether the words on screen can be set: every glyph is there, every line fits. Asked before anything is paid.

Called once for each resolved variant: what was asked before is remembered in `Asked`, because thousands of variants
have few distinct texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.drawing import card_files, card_params, check_layout, super_files, super_params
from infra.errors import MediaError
from infra.media.type_setting import FALLBACK_FONT, missing_characters, unsettable_script
from manifests.catalogue import Profile
from manifests.diagnostics import Diagnostic
from manifests.loaded import LoadedSpot

ANY_FRAMES = 24  # how long words stand changes nothing about whether they fit
NAMED = 3  # variants that a message names; of more it says how many


@dataclass
class Asked:
    """Answers kept for one command. Its files and profiles must not change meanwhile."""

    glyphs: dict[tuple[object, ...], str | MediaError] = field(default_factory=dict)
    scripts: dict[str, str | None] = field(default_factory=dict)
    layouts: dict[tuple[object, ...], MediaError | None] = field(default_factory=dict)

    def missing(self, font: Path, text: str) -> str:
        key = (font, text)
        if key not in self.glyphs:
            try:
                self.glyphs[key] = missing_characters(font, text)
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


def check_glyphs(loaded: LoadedSpot, measured: Collection[str], asked: Asked | None = None) -> list[Diagnostic]:
    """Every character on screen is in the font that draws it: a missing one would be an empty box in the film.
    `measured`: the files that are sound. Of a font that is not, that is said already."""
    asked = asked or Asked()
    key = "brand.fonts.latin"
    font = loaded.files.get(key)
    usable = key in measured if "latin" in loaded.brand.fonts else True
    found = []
    for path, text in texts_on_screen(loaded).items():
        script = asked.script_problem(text)
        if script is not None:
            detail, remedy = f"{script} cannot be set right yet", "use a script that is written letter by letter"
            found.append(Diagnostic("script not set", detail, path, loaded.where(path), remedy))
            continue
        if not usable:
            continue
        file = font.path if font is not None else FALLBACK_FONT
        try:
            missing = asked.missing(file, text)
        except MediaError as error:
            found.append(Diagnostic("unusable font", error.detail, key, loaded.where(key), error.remedy))
            usable = False
            continue
        if missing:
            detail = f"{file.name} has no {', '.join(repr(c) for c in missing)}"
            remedy = "use other characters, or a font in the brand kit that has them"
            found.append(Diagnostic("missing character", detail, path, loaded.where(path), remedy))
    return found


def texts_on_screen(loaded: LoadedSpot) -> dict[str, str]:
    """By YAML path."""
    graphics = loaded.spot.graphics
    texts = {f"graphics.supers[{n}].text": s.text for n, s in enumerate(graphics.supers)}
    if graphics.end_card is not None:
        texts |= {f"graphics.end_card.fields.{k}": v for k, v in graphics.end_card.fields.items()}
    return texts


def check_layout_of(
    loaded: LoadedSpot, profiles: Mapping[str, Profile], asked: Asked | None = None
) -> list[Diagnostic]:
    """Sets every line on screen as it will be drawn, for every deliverable of this spot, each distinct one once."""
    asked = asked or Asked()
    found: dict[str, Diagnostic] = {}
    spot, brand = loaded.spot, loaded.brand

    def ask(path: str, key: tuple[object, ...], make: Callable[[], tuple[dict[str, Any], dict[str, str]]]) -> None:
        def lay_out() -> None:
            params, files = make()
            check_layout(params, {name: loaded.files[file].path for name, file in files.items()})

        problem = asked.layout_problem(key, lay_out)
        if problem is not None and path not in found:
            found[path] = Diagnostic("words on screen", problem.detail, path, loaded.where(path), problem.remedy)

    for name, ratio in dict.fromkeys((deliver.profile, deliver.ratio) for deliver in spot.deliver):
        profile, place = profiles[name], (loaded.brand_path, name, ratio)
        for n, wanted in enumerate(spot.graphics.supers):
            ask(
                f"graphics.supers[{n}].text",
                (*place, wanted.style, wanted.place, wanted.text),
                lambda w=wanted, p=profile, r=ratio: (super_params(brand, w, ANY_FRAMES, p, r), super_files(brand)),  # type: ignore[misc]
            )
        card = spot.graphics.end_card
        if card is not None:
            ask(
                "graphics.end_card",
                (*place, card.card, *sorted(card.fields.items())),
                lambda c=card, p=profile, r=ratio: (  # type: ignore[misc]
                    card_params(brand, c, ANY_FRAMES, p, r),
                    card_files(brand, c),
                ),
            )
    return list(found.values())


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
