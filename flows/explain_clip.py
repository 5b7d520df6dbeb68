"""One clip whole: what it is made from, what the models are told, its keys, who shows it, its price and its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flows.prepare import Prepared
from flows.targets import UnknownNameError
from flows.views import counted
from manifests.diagnostics import suggest
from manifests.expand import Want
from manifests.plan import Plan
from manifests.planner import Planner
from manifests.sharing import users_of
from manifests.standing import standing_of_take
from manifests.walk import Numbered

SHOWN = 6  # variants named; the rest are counted
_UNTOLD = ("promptText", "text", "model", "model_id", "ratio", "duration", "audio")


def clip_facts(prepared: Prepared, address: str) -> dict[str, Any]:
    """Of a shot at its axis values, or of a line or an effect; with `/take-2` also of its shot. Raises
    UnknownNameError."""
    plan = prepared.plan
    named = address if "/" not in address or address in _addresses(plan) else address.rpartition("/")[0]
    wants = [w for w in plan.every_want if named in (w.address, _whole(w.address))]
    if not wants:
        known = _addresses(plan)
        near = [a for a in known if a.partition("@")[0] == named.partition("@")[0]] or known
        raise UnknownNameError(
            f"nothing is called {address!r}{suggest(address, known)}",
            remedy=f"there are {', '.join(near[:6])}{' …' if len(near) > 6 else ''}",
        )
    return {
        "message_type": "explain",
        "campaign": plan.campaign,
        "address": named,
        "variants": [variant.name for variant in users_of(plan.sources, _whole(wants[0].address))],
        "wants": [_want_facts(prepared, want) for want in wants],
    }


def _addresses(plan: Plan) -> list[str]:
    return list(dict.fromkeys(name for want in plan.every_want for name in (_whole(want.address), want.address)))


def _whole(address: str) -> str:
    """Without the number of a segment."""
    shot, dot, segment = address.rpartition(".")
    return shot if dot and segment.isdigit() else address


def _want_facts(prepared: Prepared, want: Want) -> dict[str, Any]:
    plan, planner = prepared.plan, prepared.planner
    walk = planner.walks.get(want.id)
    actions = {a.number: a for a in plan.actions if a.want == want.id}
    numbers = sorted((*walk.wanted, *walk.skipped), key=lambda n: n.number) if walk else []
    return {
        "id": want.id, "what": want.what, "mode": want.mode, "service": want.service, "model": want.model,
        "endpoint": want.endpoint, "seconds": want.seconds, "frames": want.frames, "size": [want.width, want.height],
        "prompt": want.body.get("promptText") or want.body.get("text"),
        "inputs": list(_inputs(plan, want)),
        "settings": {k: v for k, v in want.body.items() if isinstance(v, int | str) and k not in _UNTOLD},
        "count": want.count,
        "credits_each": want.credits,
        "credits_now": sum(action.credits for action in actions.values()),
        "segment_key": walk.segment if walk else None,
        "waits_for": [] if walk else list(want.needs),
        "takes": [_take_facts(n, planner, want, plan.campaign) for n in numbers],
        "reasons": list(dict.fromkeys(action.reason for action in actions.values())),
    }  # fmt: skip


def _take_facts(numbered: Numbered, planner: Planner, want: Want, campaign: str) -> dict[str, Any]:
    screened = numbered.screened
    return {
        "number": numbered.number,
        "key": numbered.key,
        "seed": numbered.request["body"].get("seed"),
        "state": numbered.state.value,
        "standing": str(standing_of_take(numbered, campaign)),
        "circled": planner.circled.get(want.id) == numbered.number and want.id not in planner.fell_back,
        "sha256": numbered.result.blob.sha256 if numbered.result else None,
        "credits": numbered.result.credits if numbered.result else None,
        "score": screened.score if screened else None,
        "faults": list(screened.faults) if screened else [],
    }


def _inputs(plan: Plan, want: Want) -> Iterator[str]:
    """Every picture of the request, as a person knows it."""
    names: dict[str, list[str]] = {}
    for pin in plan.files:
        names.setdefault(pin.sha256, []).append(pin.path)

    def told(value: Any, tag: str) -> Iterator[str]:
        if isinstance(value, Mapping):
            if "sha256" in value:
                digest = str(value["sha256"])
                yield f"{tag} {', '.join(dict.fromkeys(names.get(digest, ['picture'])))} sha256 {digest[:12]}".strip()
            elif "from" in value and "what" in value:
                frame = f", frame {value['frame']}" if "frame" in value else ""
                yield f"{tag} {value['what']} of {value['from'].rpartition('/')[0]}{frame}".strip()
            else:
                inner = f"@{value['tag']}" if "tag" in value else tag
                for item in value.values():
                    yield from told(item, inner)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from told(item, tag)

    for key, value in want.body.items():
        yield from told(value, "starts on" if key == "promptImage" else "")


def clip_lines(facts: Mapping[str, Any], *, paid: bool) -> list[str]:
    names = facts["variants"]
    more = f" … and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    listed = f": {'; '.join(names[:SHOWN])}{more}" if any(names) else ""
    lines = [facts["address"], f"  shown in {counted(len(names), 'variant')}{listed}"]
    for want in facts["wants"]:
        lines += _want_lines(want, "credits" if paid else "play credits")
    return lines


def _want_lines(want: Mapping[str, Any], purse: str) -> list[str]:
    size = " {}×{}".format(*want["size"]) if want["size"][0] else ""
    length = f" {want['seconds']} s" if want["seconds"] else ""
    mode = f", {want['mode']}" if want["mode"] != want["what"] else ""
    price = f"{want['count']} at {want['credits_each']:,}, {want['credits_now']:,} {purse} now"
    lines = [f"  {want['what']}: {want['model']}{length}{size}{mode}, {want['service']}; {price}"]
    lines += [f"    prompt: {want['prompt']}"] if want["prompt"] else []
    lines += [f"    input: {told}" for told in want["inputs"]]
    lines += [f"    {name}: {value}" for name, value in want["settings"].items()]
    if want["waits_for"]:
        lines.append(f"    no key yet: {'; '.join(want['reasons'])}")
    for take in want["takes"]:
        seed = f"  seed {take['seed']}" if take["seed"] is not None else ""
        score = f"  score {take['score']:.3f}" if take["score"] is not None else ""
        circled = "  circled" if take["circled"] else ""
        lines.append(
            f"    {want['what']} {take['number']}  key {take['key'][:12]}{seed}  {take['standing']}{score}{circled}"
        )
        lines += [f"      {fault}" for fault in take["faults"]]
    return lines
