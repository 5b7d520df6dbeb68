"""Commands around the work: a first manifest, what models can do, what a machine lacks, and the backlot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators

from flows import views
from flows.cli_plan import Json

Port = Annotated[
    int, Parameter(help="0 takes a free one.", show_default=True, validator=validators.Number(gte=0, lte=65535))
]
Latency = Annotated[
    float,
    Parameter(help="Seconds that a generation takes at least.", show_default=True, validator=validators.Number(gte=0)),
]


def models(*, json: Json = False) -> int:
    """List what the vendors sell: lengths, sizes, prices, and when that was known.

    Example: shotrunner models

    Exit: 0.
    """
    from flows.answers import model_lines
    from manifests.ratecard import load_models

    cards = load_models()
    rows = [card.model_dump(mode="json") for card in cards.values()]
    views.answer({"message_type": "models", "models": rows}, model_lines(cards), json=json)
    return 0


def doctor(*, json: Json = False) -> int:
    """Check everything that a run needs: packages, programs, store, keys, balance. Spends nothing.

    Also explains every purchase of this project whose answer or whose file was lost, and how to settle it.

    Example: shotrunner doctor

    Exit: 0 all is well; 6 something is not.
    """
    from flows.doctor import examine, finding_lines
    from flows.prepare import absolute_store
    from flows.unknowns import find_lost, find_unknowns, lost_lines, unknown_lines
    from infra.settings import read_settings
    from manifests.paths import find_root

    root = find_root(Path.cwd() / "here")
    settings = read_settings(root)
    store_url = absolute_store(settings.store, root)
    findings = examine(settings, store_url, root)
    readable = all(f.ok for f in findings if f.name == "store")
    unknowns = find_unknowns(settings, store_url, root) if readable else []
    lost = find_lost(store_url, root) if readable else []
    ok = all(f.ok for f in findings)
    facts = {
        "message_type": "doctor", "findings": [vars(f) for f in findings], "unknowns": unknowns, "lost": lost, "ok": ok,
    }  # fmt: skip
    views.answer(facts, [*finding_lines(findings), *unknown_lines(unknowns), *lost_lines(lost)], json=json)
    return 0 if facts["ok"] else 6


def schema() -> int:
    """Print the JSON Schema of manifests, for editors.

    Example: shotrunner schema

    Exit: 0.
    """
    from manifests.jsonschema import schema_text

    sys.stdout.write(schema_text())
    return 0


def init(
    kind: Annotated[
        Literal["product", "film", "schedule"],
        Parameter(help="One shot from a photograph; a short film; or when one of them runs."),
    ],
    folder: Annotated[Path, Parameter(help="Where to write it.")] = Path(),
    /,
    *,
    json: Json = False,
) -> int:
    """Write a commented manifest, a brand kit and stand-in pictures to replace with yours. Overwrites nothing.

    Example: shotrunner init product my-first

    Exit: 0; 2 a file is in the way.
    """
    from flows.starting import write_starter

    written = write_starter(kind, folder)
    lines = [f"wrote {path}" for path in written]
    if any(path.suffix in (".png", ".jpg") for path in written):
        lines.append("the pictures are stand-ins: put yours in their place")
    lines.append(f"next: shotrunner {'schedule preview' if kind == 'schedule' else 'plan'} {written[0]}")
    views.answer({"message_type": "init", "files": [str(p) for p in written]}, lines, json=json)
    return 0


def backlot(
    *,
    port: Port = 8799,
    folder: Annotated[Path, Parameter(help="Its tasks, balance and request log.", show_default=True)] = Path(
        ".shotrunner/backlot"
    ),
    latency: Latency = 1.0,
    faults: Annotated[Path | None, Parameter(help="A file of rules: which call misbehaves, and how.")] = None,
    json: Json = False,
) -> int:
    """Serve the Runway and ElevenLabs APIs on this machine, filming animatics. Ctrl-C ends it.

    Example: shotrunner backlot --port 8799 --latency 2

    Exit: 0; 2 faults file; 6 the port or the folder is in use.
    """
    from infra.backlot.faults import load_faults
    from infra.backlot.serve import Backlot

    server = Backlot(folder, port=port, latency=latency, faults=load_faults(faults) if faults else ())
    url = server.start()
    lines = [
        f"backlot at {url}",
        f"  RUNWAYML_BASE_URL={url} ELEVENLABS_BASE_URL={url} shotrunner run MANIFEST",
    ]
    try:
        views.answer({"message_type": "backlot", "url": url}, lines, json=json)
        sys.stdout.flush()
        server.wait()
    except KeyboardInterrupt:
        server.stop()
    return 0


COMMANDS = (models, doctor, schema, init, backlot)
