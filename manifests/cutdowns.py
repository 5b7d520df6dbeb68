"""Cut-downs: what is left out of a film with its shots, words that would outlast a shorter film, and the frames that
a cut-down may show, which are those that the other spot buys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from manifests.catalogue import ModelCard
from manifests.diagnostics import Diagnostic
from manifests.expand import frames_needed
from manifests.loaded import LoadedCampaign
from manifests.nodes import Items, Map, Node, Scalar, child, data_at, find, item_id, items_at, keep_items
from manifests.presence import HANGING, NEED_VOICE, TRANSITIONS, keep_lines, without
from manifests.timing import FILM_RATE, cut_of, picture_frames

_VOICE = ("sound", "voiceover")
_END_CARD = ("graphics", "end_card", "duration")


def keep_hanging(tree: Map, shots: Sequence[str], written_in: str) -> tuple[Map, list[str]]:
    """Without what hangs on shots that are not there, and without joins of shots that are no neighbours any more; and
    what that was, as people call it. What `written_in` itself wrote for this film stays, to be refused."""
    places, neighbours, lost = {*shots, "start", "end"}, set(pairwise(shots)), list[str]()

    def hangs(item: Node) -> bool:
        stays = data_at(item, "at") in places or item.where.file == written_in
        if not stays:
            lost.append(item_id(item) or _called(item))
        return stays

    def joins(item: Node) -> bool:
        between = data_at(item, "between")
        return item.where.file == written_in or (isinstance(between, list) and tuple(between) in neighbours)

    tree = keep_lines(tree, hangs)
    for path in HANGING:
        tree = keep_items(tree, path, hangs)
    return keep_items(tree, TRANSITIONS, joins), list(dict.fromkeys(lost))


def without_voice(tree: Map, written_in: str) -> tuple[Map, list[str]]:
    """What needs a voice is left out where there is none, and what that was."""
    lost: list[str] = []
    for path in NEED_VOICE if find(tree, _VOICE)[2] < len(_VOICE) else ():
        where, _, depth = find(tree, path)
        if depth == len(path) and where.file != written_in:
            tree = without(tree, path)
            lost.append(".".join(path))
    return tree, lost


def end_with_film(tree: Map, written_in: str) -> tuple[Map, list[str]]:
    """What was hung on a longer film ends with this one: effects and supers, but those that `written_in` itself wrote
    for it. Also what that was."""
    begins, length = {"start": Decimal(0)}, Decimal(0)
    for shot in items_at(tree, "shots"):
        begins[str(item_id(shot))] = length
        length += _number(data_at(shot, "duration"))
    begins["end"] = length
    _, card, depth = find(tree, _END_CARD)
    length += _number(card.value) if depth == len(_END_CARD) and isinstance(card, Scalar) else 0
    cut: list[str] = []

    def ended(item: Node) -> Node | None:
        at, offset = begins.get(str(data_at(item, "at"))), _number(data_at(item, "offset"))
        if not isinstance(item, Map) or at is None or item.where.file == written_in:
            return item
        left = length - at - offset
        if _number(data_at(item, "duration")) <= left:
            return item
        cut.append(_called(item))
        if left <= 0:
            return None
        entry = child(item, "duration")
        where = entry[1].where if entry else item.where
        return Map(item.where, {**item.entries, "duration": (where, Scalar(where, left, str(left)))})

    for block, key in HANGING:
        entry = tree.entries.get(block)
        items = items_at(tree, block, key)
        if entry is None or not isinstance(entry[1], Map) or not items:
            continue
        kept = [new for item in items if (new := ended(item)) is not None]
        place, old = entry[1].entries[key]
        below = Map(entry[1].where, {**entry[1].entries, key: (place, Items(old.where, kept))})
        tree = Map(tree.where, {**tree.entries, block: (entry[0], below)})
    return tree, cut


def _called(item: Node) -> str:
    return str(data_at(item, "text") or data_at(item, "prompt") or data_at(item, "file"))


def _number(value: object) -> Decimal:
    """Of what is no number nothing is said here: the models refuse it."""
    return Decimal(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else Decimal(0)


def check_cutdowns(campaign: LoadedCampaign, models: Mapping[str, ModelCard]) -> Iterator[Diagnostic]:
    """A cut-down shows what is bought for the other spot, and not a frame more."""
    bought = bought_frames(campaign, models)
    for source in campaign.sources:
        if not source.source.takes_of:
            continue
        for variant, loaded in source.parts:
            for shot, frames in picture_frames(loaded.spot).items():
                there = bought.get(variant.shot(shot))
                where = loaded.value_where(f"shots.{shot}.duration")
                address = f"spots.{source.source.id}.shots.{shot}"
                if there is None:
                    detail = f"`{source.source.takes_of}` has no `{variant.shot(shot)}` to show"
                    yield Diagnostic("not bought", detail, address, where, "leave it out, or exclude these variants")
                elif frames > there:
                    detail = (
                        f"shows frames up to {frames} of `{shot}`; `{source.source.takes_of}` buys {there} "
                        f"({_seconds(there)} s)"
                    )
                    by = _seconds(frames - there)
                    remedy = f"an earlier `in` or a shorter `duration`, {by} s in all; a cut-down buys nothing"
                    yield Diagnostic("not bought", detail, address, where, remedy)


def bought_frames(campaign: LoadedCampaign, models: Mapping[str, ModelCard]) -> dict[str, int]:
    """By address. Of one take every frame there is; segments end where the next one was continued from."""
    needed, bought = frames_needed(campaign), dict[str, int]()
    for source in campaign.sources:
        for variant, loaded in source.parts if not source.source.takes_of else ():
            longest = {shot.id: needed.get(variant.shot(shot.id), 0) for shot in loaded.spot.shots}
            for shot, segments in cut_of(loaded.spot, models, longest).segments.items():
                one = len(segments) == 1
                bought[variant.shot(shot)] = segments[0].seconds * FILM_RATE if one else segments[-1].end
    return bought


def _seconds(frames: int) -> str:
    return f"{Decimal(frames) / FILM_RATE:.3f}".rstrip("0").rstrip(".")
