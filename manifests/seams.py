"""What is told of a shot that is filmed in segments: how many, where they join, and what each of them starts on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from manifests.catalogue import ModelCard
from manifests.diagnostics import Diagnostic
from manifests.expand import frames_needed
from manifests.loaded import LoadedCampaign, LoadedSpot
from manifests.schema import Shot
from manifests.segments import LONGEST_CHAIN, Segment
from manifests.timing import Cut, cut_of


def check_seams(loaded: LoadedSpot, shot: Shot, cut: Cut, models: Mapping[str, ModelCard]) -> Iterator[Diagnostic]:
    """A transition that reaches over a seam is an error: it would show three takes. A long chain is a warning."""
    path = f"shots.{shot.id}.duration"
    segments = cut.segments[shot.id]
    if len(segments) > LONGEST_CHAIN and not shot.allow_long_chain:
        lengths = models[shot.model or loaded.spot.generate.model].seconds
        longest = lengths.lengths[-1] if lengths else 0
        detail = f"{len(segments)} segments of at most {longest} s, each starting on the last frame of the one before"
        remedy = (
            "the subject drifts with every one: make it shorter, cut to another view in between, or say "
            "`allow_long_chain: true`"
        )
        yield Diagnostic("long chain", detail, path, loaded.value_where(path), remedy, "warning")
    seams = [part.start for part in cut.parts(shot.id)[1:]]
    for join in cut.joins:
        if shot.id in (join.earlier, join.later) and any(join.at <= seam <= join.at + join.frames for seam in seams):
            detail = (
                f"the {join.kind} between `{join.earlier}` and `{join.later}` reaches over the seam between two "
                f"segments of `{shot.id}`, which `{shot.model or loaded.spot.generate.model}` films one by one"
            )
            where = loaded.value_where("edit.transitions")
            yield Diagnostic("transition", detail, "edit.transitions", where, "make it shorter, or the shot longer")


def tell_segments(campaign: LoadedCampaign, models: Mapping[str, ModelCard]) -> tuple[str, ...]:
    """What `plan` says of every long shot."""
    needed = frames_needed(campaign)
    told: dict[str, None] = {}
    for source in campaign.sources:
        for variant, loaded in source.parts if not source.source.takes_of else ():
            longest = {shot.id: needed.get(variant.shot(shot.id), 0) for shot in loaded.spot.shots}
            cut = cut_of(loaded.spot, models, longest)
            for shot in loaded.spot.shots:
                told |= dict.fromkeys(_tell_shot(loaded, shot, cut.segments[shot.id]))
    return tuple(told)


def _tell_shot(loaded: LoadedSpot, shot: Shot, segments: Sequence[Segment]) -> Iterator[str]:
    if len(segments) < 2:
        return
    model = shot.model or loaded.spot.generate.model
    lengths = " + ".join(str(segment.seconds) for segment in segments)
    yield (
        f"{shot.id}: longer than {model} films at once: {len(segments)} segments of {lengths} s, one after the other, "
        "each starting on the last frame shown of the one before it"
    )
    if shot.references and not shot.continues and not shot.start_image:
        names = ", ".join(shot.references)
        yield f"{shot.id}: its references ({names}) act on the still of its first segment; {model} takes none later"
