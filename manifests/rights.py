"""Whether everything that is seen and heard may be used, where and as long as the film runs, before money is spent.

Engineering guidance, not legal advice. Pure: a loaded spot in, diagnostics with exit code 8 out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.diagnostics import Diagnostic
from manifests.loaded import LoadedSpot
from manifests.schema import Compliance, Rights

RIGHTS = 8  # exit code
EU_MEMBERS = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()  # noqa: SIM905
)
# Markets that ask for a visible label on every realistic generated picture (compliance sheet, section 1).
LABEL_REALISTIC = frozenset({"EU", "CN", "IN"}) | EU_MEMBERS
LABEL_PEOPLE = frozenset({"US", "US-NY"})  # and that ask for one where people are synthetic


@dataclass(frozen=True, slots=True)
class _Asset:
    path: str
    what: str
    rights: Rights | None
    required: bool


def check_rights(loaded: LoadedSpot) -> list[Diagnostic]:
    """Missing, ended and too narrow rights, missing consent, and a label that is switched off where it is needed."""
    problems = [problem for asset in _assets(loaded) for problem in _check(loaded, asset)]
    return [*problems, *_label(loaded)]


def _assets(loaded: LoadedSpot) -> Iterator[_Asset]:
    spot = loaded.spot
    for name, reference in spot.references.items():
        yield _Asset(f"references.{name}", reference.kind, reference.rights, reference.kind == "character")
    if spot.sound.voiceover and spot.sound.voiceover.voice in loaded.brand.voices:
        name = spot.sound.voiceover.voice
        yield _Asset(f"brand.voices.{name}", "voice", loaded.brand.voices[name].rights, True)
    for number, effect in enumerate(spot.sound.effects):
        if effect.file:
            yield _Asset(f"sound.effects[{number}]", "effect", effect.rights, False)
    if spot.sound.music:
        yield _Asset("sound.music", "music", spot.sound.music.rights, True)


def _check(loaded: LoadedSpot, asset: _Asset) -> Iterator[Diagnostic]:
    rights, compliance = asset.rights, loaded.spot.compliance
    path = f"{asset.path}.rights"
    if rights is None:
        remedy = "add `rights: {basis: …, holder: …}`"
        if asset.required:
            yield _refusal(loaded, asset.path, "rights missing", f"{asset.what} without `rights`", remedy)
        else:
            where = loaded.where(asset.path)
            detail = f"{asset.what} without `rights`"
            yield Diagnostic("rights missing", detail, loaded.address(asset.path), where, remedy, "warning")
        return
    if rights.basis == "consent" and not rights.document:
        yield _refusal(loaded, path, "consent", "`basis: consent` needs the consent as `document`")
    elif asset.what == "character" and compliance and compliance.people == "real" and not rights.document:
        yield _refusal(loaded, path, "consent", "a real person needs a consent `document`")
    if compliance is None:
        return
    end = compliance.flight.end
    if rights.expires and rights.expires < end:
        yield _refusal(loaded, path, "rights end", f"expires {rights.expires}, flight ends {end}")
    outside = [market for market in compliance.markets if not covers(rights.territories, market)]
    if outside:
        detail = f"covers {', '.join(rights.territories)}, not {', '.join(outside)}"
        yield _refusal(loaded, path, "rights do not cover a market", detail)


def covers(territories: tuple[str, ...], market: str) -> bool:
    """No territories means everywhere; a country covers its states, EU its members."""
    held = set(territories)
    if not held or "worldwide" in held or market in held or market.partition("-")[0] in held:
        return True
    return held >= EU_MEMBERS if market == "EU" else "EU" in held and market in EU_MEMBERS


def label_rules(compliance: Compliance | None) -> list[tuple[str, str]]:
    """(market, why) for every market of the film that asks for a visible label."""
    if compliance is None:
        return []
    photoreal, synthetic = compliance.realism == "photoreal", compliance.people == "synthetic"
    rules = [(m, "generated pictures that look real") for m in compliance.markets if photoreal and m in LABEL_REALISTIC]
    return rules + [(m, "synthetic people") for m in compliance.markets if synthetic and m in LABEL_PEOPLE]


def _label(loaded: LoadedSpot) -> Iterator[Diagnostic]:
    if loaded.spot.graphics.disclosure != "off":
        return
    needing = [market for market, _ in label_rules(loaded.spot.compliance)]
    if needing:
        detail = f"the label is switched off, and it is needed in {', '.join(needing)}"
        remedy = "write `disclosure: auto`, or `disclosure: {override: {by: NAME, reason: WHY}}`"
        yield _refusal(loaded, "graphics.disclosure", "label", detail, remedy)


def _refusal(loaded: LoadedSpot, path: str, summary: str, detail: str, remedy: str = "") -> Diagnostic:
    return Diagnostic(summary, detail, loaded.address(path), loaded.where(path), remedy, exit_code=RIGHTS)
