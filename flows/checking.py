"""Everything `validate` does: a manifest read, its files measured, every part of every variant judged. Touches no
network and no store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.words_on_screen import Asked, check_glyphs, check_layout_of, name_variants
from infra.errors import MediaError
from infra.files import file_digest
from infra.media.probe import probe_image
from manifests.campaign import read_campaign
from manifests.capability import check_capability, check_images
from manifests.catalogue import ModelCard, Profile
from manifests.cutdowns import check_cutdowns
from manifests.diagnostics import Diagnostic, ManifestError, sort_diagnostics
from manifests.filing import check_names
from manifests.films import Variant
from manifests.images import ImageFacts
from manifests.lint import lint_spot
from manifests.loaded import FileUse, LoadedCampaign, LoadedSpot
from manifests.plan import FilePin
from manifests.ratecard import load_models, load_profiles
from manifests.scheduled import Resolved
from manifests.timing import Cut, cut_of

CONTENT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".json": "application/json",
}
IMAGES = ("reference", "logo")


@dataclass(frozen=True)
class Checked:
    """A manifest that can be planned: nothing in it is wrong, and every file was measured."""

    campaign: LoadedCampaign
    models: Mapping[str, ModelCard]
    profiles: Mapping[str, Profile]
    files: tuple[FilePin, ...]
    cut: Cut  # of the first film
    warnings: tuple[Diagnostic, ...]

    @property
    def loaded(self) -> LoadedSpot:
        """The first variant of the first spot."""
        return self.campaign.lead

    @property
    def parts(self) -> Iterable[tuple[Variant, LoadedSpot]]:
        """As few variants as show every part of every spot in every form it has."""
        return (part for source in self.campaign.sources for part in source.parts)


def check_manifest(path: Path, overrides: Sequence[str] = (), scheduled: Resolved | None = None) -> Checked:
    """Raises ManifestError with every problem at once."""
    campaign, said = read_campaign(path, overrides, scheduled)
    if campaign is None:
        raise ManifestError(said)
    models, profiles = load_models(), load_profiles()
    pins, images, broken = _measure(campaign)
    whole, asked = {pin.name for pin in pins}, Asked()
    found: list[tuple[str, Diagnostic]] = []
    for source in campaign.sources:
        for variant, loaded in source.parts:
            seen = {name: images[pin] for name in loaded.files if (pin := variant.file(name)) in images}
            usable = {name for name in loaded.files if variant.file(name) in whole}
            judged = [*check_capability(loaded, models, profiles), *check_images(loaded, seen, models)]
            judged += [*check_glyphs(loaded, usable, asked), *lint_spot(loaded)]
            name = variant.name if len(source.parts) > 1 else ""
            found += [(name, problem) for problem in judged]
    judged = [
        *broken,
        *_name_where_they_differ(found),
        *check_names(campaign, profiles),
        *check_cutdowns(campaign, models),
    ]
    errors = _by_stage(said, [p for p in judged if p.severity == "error"], str(path))
    if errors:
        raise ManifestError(errors)
    warnings = (*campaign.warnings, *(p for p in judged if p.severity == "warning"))
    return Checked(campaign, models, profiles, pins, cut_of(campaign.lead.spot, models), warnings)


def _name_where_they_differ(found: Sequence[tuple[str, Diagnostic]]) -> list[Diagnostic]:
    """What is wrong in every variant that was looked at is wrong with the spot: no variant is named then."""
    looked_at = {name for name, _ in found}
    having: dict[Diagnostic, set[str]] = {}
    for name, problem in found:
        having.setdefault(problem, set()).add(name)
    return name_variants(("" if having[problem] >= looked_at else name, problem) for name, problem in found)


def refuse_words_that_do_not_fit(checked: Checked) -> None:
    """Part of `validate` and of `run`, before anything is paid; `plan` is quicker without. Raises ManifestError with
    everything that does not fit or is missing."""
    asked = Asked()
    found = [
        (v.name, problem) for v, loaded in checked.parts for problem in check_layout_of(loaded, checked.profiles, asked)
    ]
    if found:
        raise ManifestError(name_variants(found))


def _by_stage(said: Sequence[Diagnostic], judged: Sequence[Diagnostic], shown: str) -> list[Diagnostic]:
    """What is capable comes after what is written and before money and rights, which have exit codes of their own.
    What was said of a key is not said again."""
    told = {(p.address, p.summary) for p in said}
    news = [p for p in judged if (p.address, p.summary) not in told]
    written, last = [p for p in said if p.exit_code == 2], [p for p in said if p.exit_code != 2]
    return [*written, *sort_diagnostics(news, shown), *last]


def _measure(campaign: LoadedCampaign) -> tuple[tuple[FilePin, ...], dict[str, ImageFacts], list[Diagnostic]]:
    pins, images, broken = [], {}, []
    for name, use in sorted(campaign.files.items()):
        try:
            pin, facts = _measure_file(campaign.path.parent, name, use)
        except MediaError as error:
            summary = "unusable image" if use.role in IMAGES else "empty file"
            broken.append(Diagnostic(summary, error.detail, name, use.where, error.remedy))
        except OSError as error:
            detail = f"{use.path.name} cannot be read: {error.strerror}"
            broken.append(Diagnostic("file not readable", detail, name, use.where, "allow it to be read"))
        else:
            pins.append(pin)
            if facts is not None:
                images[name] = facts
    return tuple(pins), images, broken


def _measure_file(folder: Path, name: str, use: FileUse) -> tuple[FilePin, ImageFacts | None]:
    size = use.path.stat().st_size
    content_type = CONTENT_TYPES.get(use.path.suffix.lower(), "application/octet-stream")
    facts = None
    if use.role in IMAGES:
        info = probe_image(use.path)
        content_type = f"image/{info.format}"  # what it is, whatever it is called: the vendor checks
        facts = ImageFacts(width=info.width, height=info.height, format=info.format.upper(), bytes=size)
    elif size == 0:
        raise MediaError(f"{use.path.name} has 0 bytes", remedy="export it again")
    pin = FilePin(
        name=name,
        path=relative(use.path, folder),
        sha256=file_digest(use.path),
        size=size,
        content_type=content_type,
        width=facts.width if facts else None,
        height=facts.height if facts else None,
    )
    return pin, facts


def relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
