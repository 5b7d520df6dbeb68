"""`plan --why SHOT`: on which axes a shot depends, what makes it so, and how many clips that makes. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.prepare import Prepared
from flows.targets import UnknownNameError
from flows.views import counted
from manifests.dependence import why_shot
from manifests.diagnostics import suggest
from manifests.loaded import LoadedSource
from manifests.nodes import Map, item_id, items_at
from manifests.plan import Plan
from manifests.sharing import shot_uses, use_of


def why_facts(prepared: Prepared, shot: str) -> dict[str, Any]:
    """One answer for each spot that films a shot of that name. Raises UnknownNameError."""
    spot, _, name = shot.partition("@")[0].rpartition("/")
    sources = [s for s in prepared.checked.campaign.sources if not s.source.takes_of]
    found = [s for s in sources if name in shots_of(s) and spot in ("", s.source.id)]
    if not found:
        known = [f"{s.source.id}/{n}" if s.source.id else n for s in sources for n in shots_of(s)]
        raise UnknownNameError(f"no shot {shot!r}{suggest(shot, known)}", remedy=f"there are {', '.join(known)}")
    return {
        "message_type": "why",
        "shot": name,
        "campaign": prepared.plan.campaign,
        "spots": [_why(prepared.plan, source, name) for source in found],
    }


def shots_of(source: LoadedSource) -> list[str]:
    return [name for shot in items_at(source.template, "shots") if (name := item_id(shot))]


def _why(plan: Plan, loaded: LoadedSource, shot: str) -> dict[str, Any]:
    source, tree = loaded.source, loaded.template
    axes = source.depends.get(f"shots.{shot}", ())
    reasons = why_shot(tree, source.lookups, shot) if isinstance(tree, Map) else {}
    uses = shot_uses(plan.sources)
    mine = {address for address, use in uses.items() if (use.spot, use.shot) == (source.id, shot)}
    takes = [w for w in plan.wants if w.what == "take" and (u := use_of(w.address, uses)) and u.address in mine]
    variants = [uses[address].variants for address in mine]
    return {
        "spot": source.id,
        "depends_on": {axis: list(dict.fromkeys(reasons.get(axis, ()))) for axis in axes},
        "values": {axis: list(source.matrix.axis(axis).ids) for axis in axes},
        "not_on": [axis for axis in source.matrix.names if axis not in axes],
        "clips": len(takes),
        "takes": sum(want.count for want in takes),
        "seconds": sorted({want.seconds for want in takes}),
        "credits": sum(want.count * want.credits for want in takes),
        "variants": [min(variants, default=0), max(variants, default=0)],
    }


def why_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for told in facts["spots"]:
        name = f"{told['spot']}/{facts['shot']}" if told["spot"] else facts["shot"]
        lines += [_sentence(name, told), _clips(told)]
        lines += [f"  {axis}: {reason}" for axis, reasons in told["depends_on"].items() for reason in reasons]
    return lines


def _sentence(name: str, told: Mapping[str, Any]) -> str:
    """`use depends on product (prompt.subject) and ratio (…). Not on hook, not on locale.`"""
    depends = [f"{axis} ({_places(reasons)})" for axis, reasons in told["depends_on"].items()]
    words = f"depends on {_listed(depends)}" if depends else "depends on no axis: one clip serves every variant"
    absent = [f"not on {axis}" for axis in told["not_on"]]
    return f"{name} {words}." + (f" N{', '.join(absent)[1:]}." if absent else "")


def _places(reasons: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(reason.partition(": ")[0] for reason in reasons))


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _clips(told: Mapping[str, Any]) -> str:
    seconds = " or ".join(map(str, told["seconds"]))
    low, high = told["variants"]
    shown = f"{low}" if low == high else f"{low} to {high}"
    sizes = " × ".join(f"{len(values)} of {axis}" for axis, values in told["values"].items())
    return (
        f"  {f'{sizes}: ' if sizes else ''}{counted(told['clips'], 'clip')}, {counted(told['takes'], 'take')} of "
        f"{seconds} s, {told['credits']:,} credits at list; each is shown in {shown} variants"
    )
