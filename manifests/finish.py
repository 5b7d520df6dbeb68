"""What a deliverable is made of, as one key: when the store has an index under it, nothing has to be encoded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from manifests.approvals import words_said
from manifests.catalogue import Profile
from manifests.digest import digest_json
from manifests.filing import naming_text
from manifests.films import Variant, yaml_path
from manifests.journal import BlobRef, Record, Selection
from manifests.matrix import Cell
from manifests.naming import DEFAULT_NAME, variant_name
from manifests.plan import Plan
from manifests.ratecard import load_models
from manifests.schema import Deliver
from manifests.timing import Cut
from manifests.validity import ValidTo

# Parts of a spot that change no deliverable: money, approval, and how takes are made (the takes themselves are inputs).
# The rights of references stay: the sidecar lists them.
_NOT_SHOWN = ("budget", "review", "description", "references", "generate", "deliver")
_ABOUT_FILMS = ("poster", "poster_grid")  # steps that show films that are finished


class DeliverableIndex(Record):
    """A finished deliverable, every digest back to the takes. `files` by the name a person sees."""

    schema_: Literal["deliverable/1"] = Field(default="deliverable/1", alias="schema")
    key: str
    campaign: str
    variant: str
    profile: str
    ratio: str
    version: int = 1  # as its name says
    spot: str = ""  # of a campaign
    values: Mapping[str, str] = {}  # by axis
    files: Mapping[str, BlobRef]
    inputs: Mapping[str, str]  # sha256 by want id and by file
    measured: Mapping[str, Any]
    backlot: bool  # whether any take in it was filmed on the backlot

    @property
    def film(self) -> str:
        """The name of its one film."""
        return next(name for name in self.files if name.endswith((".mp4", ".mov")))

    @property
    def film_sha256(self) -> str:
        return self.files[self.film].sha256


@dataclass(frozen=True)
class Finished:
    """A deliverable, measured. `made` is false when the store had it already."""

    index: DeliverableIndex
    deliver: Deliver
    made: bool

    @property
    def ok(self) -> bool:
        return bool(self.index.measured["ok"])


def sidecar_text(facts: Mapping[str, Any]) -> str:
    """As it is stored."""
    return json.dumps(facts, indent=2, sort_keys=True, ensure_ascii=False)


def valid_to_of(plan: Plan, index: DeliverableIndex) -> ValidTo | None:
    """What ends first of all that a film shows, as the plan has it: the film may be of an earlier one."""
    source = next((source for source in plan.sources if source.id == index.spot), None)
    if source is None or not source.ends:
        return None
    matrix = source.matrix
    if set(matrix.names) == set(index.values):
        return Variant(source, tuple(index.values[name] for name in matrix.names)).valid_to
    # The axes were called otherwise when it was made: only their values are in the names of films
    named = (cell for cell in matrix.cells if _named(index, source.id, cell) == index.variant)
    cell = next(named, None)
    return None if cell is None else Variant(source, cell).valid_to


def _named(index: DeliverableIndex, spot: str, cell: Cell) -> str:
    return variant_name(index.ratio, index.profile, spot, *cell)


def wants_of(variant: Variant, cut: Cut) -> tuple[str, ...]:
    """Ids of everything that is seen and heard in one film: circled takes, lines, bought effects."""
    sound = variant.spot.sound
    lines = sound.voiceover.lines if sound.voiceover else ()
    effects = [(e.id or f"{e.at}-{n}", e) for n, e in enumerate(sound.effects, 1)]
    return (
        *(f"{variant.shot(part.shot, part.segment)}/take" for part in cut.shots),
        *(f"{variant.line(line.id)}/line" for line in lines),
        *(f"{variant.effect(name)}/effect" for name, effect in effects if effect.prompt is not None),
    )


def finish_inputs(plan: Plan, variant: Variant, bought: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """The digest of everything that is seen or heard in one film, and of the papers that its sidecar names. `bought`:
    circled takes and sounds, by want id; `said`: of what people said of them and of their stills."""
    wants = wants_of(variant, plan.cut(variant, load_models()))
    stills = {want.removesuffix("take") + "still" for want in wants if want.endswith("/take")}
    shown, papers = ("brand.fonts", "brand.logo", "brand.end_cards", "sound."), ".rights.document"
    paths = {f.name: yaml_path(f.name) for f in plan.files}
    told = [f for f in plan.files if paths[f.name].startswith(shown) or paths[f.name].endswith(papers)]
    return {
        **{want: bought[want] for want in wants},
        **{key: digest for key, digest in said.items() if key.removesuffix("/said") in stills.union(wants)},
        **{f.name: f.sha256 for f in told if variant.file(paths[f.name]) == f.name},
    }


def said_inputs(selections: Mapping[str, Selection | None]) -> dict[str, str]:
    """By want id: the digest of what people said of it. Nothing where only the score spoke."""
    said = {want: words_said(selection) for want, selection in selections.items()}
    return {f"{want}/said": digest_json(words) for want, words in said.items() if words}


def finish_key(
    plan: Plan,
    variant: Variant,
    inputs: Mapping[str, str],
    profile: Profile,
    ratio: str,
    version: int,
    steps: Mapping[str, int],
) -> str:
    """`inputs`: sha256 of the circled take of each shot, of each sound and of each file, by want id or YAML path."""
    spot = variant.spot.model_dump(mode="json", by_alias=True)
    shown = {k: v for k, v in spot.items() if k not in _NOT_SHOWN}
    if plan.sources and naming_text(None, plan.sources) != DEFAULT_NAME:
        shown["naming"] = naming_text(variant.spot.naming, plan.sources)  # follows from the spots and axes of all films
    upscale = spot.get("generate", {}).get("upscale")
    return digest_json(
        {
            "spot": shown,
            "rights": {
                kind: {name: item.get("rights") for name, item in (part.get(kind) or {}).items()}
                for kind, part in (("references", spot), ("voices", plan.brand))
            },
            "upscale": upscale,
            "brand": {k: plan.brand.get(k) for k in ("name", "display_name", "colours", "end_cards", "fonts", "logo")},
            "inputs": dict(inputs),
            "profile": profile.model_dump(mode="json"),
            "ratio": ratio,
            "version": version,
            "steps": {name: version for name, version in steps.items() if name not in _ABOUT_FILMS},
        }
    )


def film_facts(verified: Mapping[str, Any]) -> str:
    """One line of measured facts of a deliverable, from what `verify` found."""
    measured, verdict = verified["measured"], "ok" if verified["ok"] else "FAIL"
    silent = measured["lufs"] is None or measured["lufs"] <= -70  # the meter's floor
    loudness = "silent" if silent else f"{measured['lufs']:.1f} LUFS  TP {measured['true_peak']:.1f}"
    return (
        f"{measured['width']}×{measured['height']}  {measured['frames']} frames  "
        f"{float(measured['presented_seconds']['video']):.3f} s  {loudness}  {verdict}"
    )
