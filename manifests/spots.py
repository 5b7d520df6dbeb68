"""The spots of a campaign as trees: each file with the campaign's blocks in place of its own, and cut-downs made of the
spot that they come from. Nodes keep their places, so that a problem is told where it was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.cutdowns import end_with_film, keep_hanging, without_voice
from manifests.diagnostics import Diagnostic, ManifestError, Where, suggest
from manifests.films import deliver_only
from manifests.loaded import FileUse
from manifests.nodes import Items, Map, Node, Scalar, child, data_at, item_id, items_at, keep_items, to_data
from manifests.overrides import merge
from manifests.pages import Page, check_page, read_page
from manifests.paths import resolve_file
from manifests.presence import keep_shots
from manifests.schema import Campaign, CampaignSpot

REPLACED = ("budget", "review", "deliver", "compliance", "naming")  # of each spot, by the campaign's own
MERGED = ("generate",)
PATCHED = ("sound", "graphics", "edit")  # by the entry of the spot in the campaign
_OFF = "none"


@dataclass(frozen=True, slots=True)
class PatchedSpot:
    id: str
    page: Page
    tree: Map
    takes_of: str = ""  # a cut-down shows the takes of that spot


def patched_spots(
    page: Page,
    tree: Map,
    campaign: Campaign,
    problems: list[Diagnostic],
    notices: list[str],
    files: dict[str, FileUse],
) -> list[PatchedSpot]:
    """In the campaign's order; a spot that cannot be read is left out, and said in `problems`. `files`: the spot files,
    by their place in the YAML."""
    found: dict[str, PatchedSpot] = {}
    nodes = items_at(tree, "spots")
    for number, (wanted, node) in enumerate(zip(campaign.spots, nodes, strict=True)):
        where = _place(node, "id")
        if wanted.id in found:
            problems.append(Diagnostic("duplicate id", f"id `{wanted.id}` is taken", f"spots[{number}].id", where))
            continue
        made = (
            _from_file(page, tree, wanted, node, problems, notices, files)
            if wanted.file is not None
            else _cut_down(page, tree, wanted, campaign.spots[:number], node, found, problems, notices)
        )
        if made is not None:
            found[wanted.id] = made
    _check_deliver(tree, campaign, problems)
    return list(found.values())


def _from_file(
    page: Page,
    campaign: Map,
    wanted: CampaignSpot,
    node: Node,
    problems: list[Diagnostic],
    notices: list[str],
    files: dict[str, FileUse],
) -> PatchedSpot | None:
    where, address = _place(node, "file"), f"spots.{wanted.id}.file"
    path = resolve_file(str(wanted.file), page.path.parent, page.root)
    if not isinstance(path, Path):
        summary, detail, remedy = path
        problems.append(Diagnostic(summary, detail, address, where, remedy))
        return None
    try:
        spot = read_page(Path(page.shown).parent / str(wanted.file))
    except ManifestError as error:
        problems += error.diagnostics
        return None
    problems += spot.problems
    spot.problems = []
    tree = check_page(spot.tree, "spot", problems)
    if not isinstance(tree, Map):
        return None
    replaced = [key for key in REPLACED if key in tree.entries and key in campaign.entries]
    if replaced:
        blocks = ", ".join(replaced)
        notices.append(
            f"{wanted.id}: the campaign's {blocks} {'stands' if len(replaced) == 1 else 'stand'} for its own"
        )
    spot.root, spot.raw, spot.campaign = page.root, page.raw, page  # plans and stores know one manifest
    files[address] = FileUse(path, "spot", where, wanted.id)
    return PatchedSpot(wanted.id, spot, _quiet(_patch(tree, campaign, wanted, node), tree, page, wanted, notices))


def _cut_down(
    page: Page,
    campaign: Map,
    wanted: CampaignSpot,
    above: Sequence[CampaignSpot],
    node: Node,
    found: dict[str, PatchedSpot],
    problems: list[Diagnostic],
    notices: list[str],
) -> PatchedSpot | None:
    """Shots of another spot, in and out only: its takes, nothing new."""
    origin = found.get(str(wanted.from_))
    if origin is None and wanted.from_ in [spot.id for spot in above]:
        return None  # why it cannot be read is told
    if origin is None:
        detail = f"`{wanted.from_}` is no spot above this one{suggest(str(wanted.from_), found)}"
        remedy = f"spots above: {', '.join(found)}" if found else "put the spot that it comes from above it"
        problems.append(Diagnostic("unknown spot", detail, f"spots.{wanted.id}.from", _place(node, "from"), remedy))
        return None
    shots = {item_id(shot): shot for shot in items_at(origin.tree, "shots")}
    kept: list[Node] = []
    for number, (shot, item) in enumerate(zip(wanted.shots, items_at(node, "shots"), strict=True)):
        whole = shots.get(shot.id)
        if not isinstance(whole, Map) or not isinstance(item, Map):
            detail = f"`{origin.id}` has no shot `{shot.id}`{suggest(shot.id, [s for s in shots if s])}"
            remedy = f"its shots: {', '.join(s for s in shots if s)}"
            address = f"spots.{wanted.id}.shots[{number}].id"
            problems.append(Diagnostic("unknown shot", detail, address, _place(item, "id"), remedy))
            return None
        entries = {**whole.entries, **item.entries}
        before = entries.get("continues")
        if before is not None and to_data(before[1]) not in [s.id for s in wanted.shots[:number]]:
            del entries["continues"]  # what it starts on is not in this film; its takes are bought by the other spot
        kept.append(Map(item.where, entries))
    if not kept:
        detail = "a cut-down names the shots that it shows"
        problems.append(
            Diagnostic("no shots", detail, f"spots.{wanted.id}", node.where, "add `shots: [{id: …, duration: …}]`")
        )
        return None
    place, names = child(node, "shots"), [s.id for s in wanted.shots]
    tree = keep_shots(origin.tree, lambda shot: item_id(shot) in names)
    shown = (place[0] if place else node.where, Items(node.where, kept))
    tree = _patch(Map(tree.where, {**tree.entries, "shots": shown}), campaign, wanted, node)
    tree = _quiet(tree, origin.tree, page, wanted, notices)
    tree, lost = keep_hanging(tree, names, page.shown)
    tree, cut = end_with_film(tree, page.shown)
    for told, what in (("left out with their shots", lost), ("cut off where this shorter film ends", cut)):
        notices += [f"{wanted.id}: {told}: {'; '.join(what)}"] if what else []
    return PatchedSpot(wanted.id, origin.page, tree, origin.takes_of or origin.id)


def _quiet(tree: Map, before: Map, page: Page, wanted: CampaignSpot, notices: list[str]) -> Map:
    """Where the campaign switches the voice off, what needs one goes too."""
    voices = [child(block[1], "voiceover") for one in (before, tree) if (block := child(one, "sound"))]
    if len(voices) < 2 or voices[0] is None or voices[1] is not None:
        return tree
    tree, lost = without_voice(tree, page.shown)
    notices += [f"{wanted.id}: left out without a voice: {'; '.join(lost)}"] if lost else []
    return tree


def _patch(tree: Map, campaign: Map, wanted: CampaignSpot, node: Node) -> Map:
    entries = dict(tree.entries)
    for key in REPLACED:
        if key in campaign.entries:
            entries[key] = campaign.entries[key]
    for key in MERGED:
        if key in campaign.entries:
            where, value = campaign.entries[key]
            old = entries.get(key)
            entries[key] = (where, merge(old[1] if old else None, value))
    for key in PATCHED:
        entry = child(node, key)
        if entry is not None:
            old = entries.get(key)
            entries[key] = (entry[0], merge(old[1] if old else Map(entry[0]), _switched_off(entry[1])))
    if "name" in entries:  # runs, files and the ledger are the campaign's
        entries["name"] = campaign.entries["name"]

    def ours(item: Node) -> bool:
        named = data_at(item, "spots")
        return not isinstance(named, list) or not named or wanted.id in named

    whole = Map(tree.where, entries)
    if not any(ours(item) for item in items_at(whole, "deliver")):  # told as that, and not as an empty list
        return Map(tree.where, {**entries, **{key: tree.entries[key] for key in ("deliver",) if key in tree.entries}})
    patched = deliver_only(whole, ours)
    own, now = ({data_at(item, "profile") for item in items_at(t, "deliver")} for t in (tree, patched))
    lost = own - now  # burned for a placement of the spot's own block, which the campaign's stands for
    return keep_items(patched, ("graphics", "captions", "burn"), lambda item: to_data(item) not in lost)


def _switched_off(node: Node) -> Node:
    """`none` at a key switches off what the spot has there, as `null` does."""
    if not isinstance(node, Map):
        return node
    entries = {}
    for key, (where, value) in node.entries.items():
        off = isinstance(value, Scalar) and value.value == _OFF
        entries[key] = (where, Scalar(value.where, None, "") if off else _switched_off(value))
    return Map(node.where, entries)


def _check_deliver(tree: Map, campaign: Campaign, problems: list[Diagnostic]) -> None:
    known = [spot.id for spot in campaign.spots]
    for number, (wanted, node) in enumerate(zip(campaign.deliver, items_at(tree, "deliver"), strict=True)):
        for name in wanted.spots:
            if name not in known:
                detail = f"no spot is called `{name}`{suggest(name, known)}"
                where = _place(node, "spots")
                problems.append(
                    Diagnostic("unknown spot", detail, f"deliver[{number}].spots", where, f"spots: {', '.join(known)}")
                )
    served = {name for wanted in campaign.deliver for name in (wanted.spots or known)}
    for spot, node in zip(campaign.spots, items_at(tree, "spots"), strict=True):
        if spot.id not in served:
            detail = f"`{spot.id}` is not delivered anywhere"
            problems.append(Diagnostic("not delivered", detail, f"spots.{spot.id}", node.where, "add it to `deliver`"))


def _place(node: Node, key: str) -> Where:
    entry = child(node, key)
    return entry[1].where if entry else node.where
