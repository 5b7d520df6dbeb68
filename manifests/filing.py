"""What the files of all films are called: the pattern of a manifest, what fills it, and the check over every file
before anything is paid. How patterns are made and read is `manifests.adnames`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from manifests.adnames import Fields, Pattern, check_pattern, content_id, default_pattern, name_file, parse_pattern
from manifests.catalogue import Profile
from manifests.diagnostics import Diagnostic
from manifests.films import RATIO, Source, Variant
from manifests.loaded import LoadedCampaign, LoadedSource
from manifests.schema import Deliver
from manifests.timing import FILM_RATE, film_frames


def naming_text(naming: str | None, sources: Sequence[Source]) -> str:
    """The pattern that is used: what is written, or one that tells all files of these spots apart."""
    return naming or default_pattern(tuple(axis_values(sources)), len(sources))


def axis_values(sources: Sequence[Source]) -> dict[str, tuple[str, ...]]:
    """The ids of every axis that any spot has."""
    found: dict[str, dict[str, None]] = {}
    for source in sources:
        for axis in source.matrix.axes:
            found.setdefault(axis.name, {}).update(dict.fromkeys(axis.ids))
    return {name: tuple(ids) for name, ids in found.items()}


def pattern_of(naming: str | None, sources: Sequence[Source]) -> Pattern:
    """Raises UnusableNameError, which `check_names` has told with its line."""
    return parse_pattern(naming_text(naming, sources), axis_values(sources))


def name_film(pattern: Pattern, variant: Variant, wanted: Deliver, profile: Profile, told: Fields, key: str) -> str:
    """The name of one film without its ending. `told`: brand, campaign and duration; `key` is what it is made of."""
    fields = {**_fields(variant.source, variant.values, wanted, told), "id": content_id(key)}
    return name_file(pattern, profile, fields) if wanted.ad_id else pattern.format(fields)


def _fields(source: Source, values: Mapping[str, str], wanted: Deliver, told: Fields) -> dict[str, str | int | None]:
    return {
        **values, **told, "spot": source.id, "ratio": wanted.ratio, "profile": wanted.profile,
        "version": wanted.version, "ad_id": wanted.ad_id,
    }  # fmt: skip


def check_names(campaign: LoadedCampaign, profiles: Mapping[str, Profile]) -> list[Diagnostic]:
    """Files are named when all is paid for: too late to find out that a name cannot be, or that two share one."""
    lead = campaign.lead
    sources = [one.source for one in campaign.sources]
    text = naming_text(lead.spot.naming, sources)
    unnamed = {wanted.profile: problem for wanted, problem in _without_ad_id(campaign, profiles)}
    named = {name: profile for name, profile in profiles.items() if name not in unnamed}
    files = _files(campaign, profiles)
    found = check_pattern(text, axis_values(sources), files, lead.where("naming"), named)
    return [*found, *unnamed.values()]


def _files(campaign: LoadedCampaign, profiles: Mapping[str, Profile]) -> Iterator[Fields]:
    lead = campaign.lead
    for source in campaign.sources:
        delivered, seconds = _delivered(source), _seconds(source)
        whens = source.source.depends.get("when", ())
        matrix = source.source.matrix
        for cell in matrix.cells:
            values = matrix.values(cell)
            duration = seconds[tuple(values[axis] for axis in whens)]
            told: Fields = {"brand": lead.brand.name, "campaign": campaign.name, "duration": duration}
            for wanted in delivered.get(values.get(RATIO, ""), ()):
                if wanted.profile in profiles:
                    yield _fields(source.source, values, wanted, told)


def _delivered(source: LoadedSource) -> dict[str, tuple[Deliver, ...]]:
    """By ratio; where that is no axis, the same for all."""
    return {variant.values.get(RATIO, ""): loaded.spot.deliver for variant, loaded in source.parts}


def _seconds(source: LoadedSource) -> dict[tuple[str, ...], int]:
    """Whole seconds of the film by the values on which it depends which shots there are."""
    whens = source.source.depends.get("when", ())
    return {
        tuple(variant.values[axis] for axis in whens): film_frames(loaded.spot) // FILM_RATE
        for variant, loaded in source.parts
    }


def _without_ad_id(campaign: LoadedCampaign, profiles: Mapping[str, Profile]) -> Iterator[tuple[Deliver, Diagnostic]]:
    for source in campaign.sources:
        for _, loaded in source.parts:
            for number, wanted in enumerate(loaded.spot.deliver):
                profile = profiles.get(wanted.profile)
                if profile is None or profile.named_by != "ad_id" or wanted.ad_id:
                    continue
                detail = f"{profile.name} takes a file by its Ad-ID; without one it is named like the others"
                where, remedy = loaded.where(f"deliver[{number}]"), "add `ad_id`, letters and digits"
                yield wanted, Diagnostic("no Ad-ID", detail, f"deliver[{number}]", where, remedy, "warning")
