"""The command `deliver`: arguments in, exit code out."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows import views
from flows.cli_words import Json, Target, UsageError


def deliver(
    target: Target,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Where to. [default: out/CAMPAIGN]")] = None,
    json: Json = False,
) -> int:
    """Put the finished films of a run where people look, with the sheets for who books the media. Makes nothing.

    A folder for each placement where there are variants; trafficking.csv has one row for each file. A film that shows
    a row of a table is good until that row ends; from then on it is refused, and the others are put out.

    Example: shotrunner deliver alder-morning-30s --out ~/for-the-buyer

    Exit: 0; 2 unknown target, or nothing has been run; 6 store; 7 the offer of a film has ended.
    """
    from flows.delivery import delivered_facts, put_out, refused_films
    from flows.prepare import absolute_store
    from flows.targets import find_target
    from infra.clock import SystemClock
    from infra.errors import OfferEndedError
    from infra.records import read_record
    from infra.runs import last_run
    from infra.settings import read_settings
    from infra.storage import open_store
    from manifests.naming import plan_key
    from manifests.nodes import data_at
    from manifests.pages import read_page
    from manifests.paths import find_root
    from manifests.plan import Plan

    found = find_target(target)
    root = find_root(found.manifest)
    store = open_store(absolute_store(read_settings(root).store, root), root)
    run = found.run or last_run(store, str(data_at(read_page(found.manifest).tree, "name")))
    if run is None:
        raise UsageError(f"{target} has not been run", remedy="run it; `run` puts its films out, too")
    plan = read_record(store, plan_key(run.plan), Plan)
    if plan is None:
        raise UsageError(f"the plan of {run.run_id} is not in the store", remedy="run the manifest again")
    folder = out or Path("out") / plan.campaign
    now = SystemClock().now()
    films, refused = put_out(store, plan, run, folder, now), refused_films(store, plan, run, now)
    facts = {
        "message_type": "delivered", "run_id": run.run_id, "out": str(folder), "films": delivered_facts(films),
        "refused": [{"film": e.address, "why": f"{e.summary}: {e.detail}", "remedy": e.remedy} for e in refused],
    }  # fmt: skip
    by_profile = Counter(film.index.profile for film in films)
    lines = [f"{plan.campaign}: {len(films)} file{'' if len(films) == 1 else 's'} in {folder}"]
    lines += [f"  {count:4d}  {name}" for name, count in sorted(by_profile.items())]
    if (folder / "trafficking.csv").is_file():
        lines.append(f"  {folder / 'trafficking.csv'}")
    views.answer(facts, lines, json=json)
    for error in refused if not json else ():
        views.say(str(error), stream=sys.stderr)
    return OfferEndedError.exit_code if refused else 0


COMMANDS = (deliver,)
