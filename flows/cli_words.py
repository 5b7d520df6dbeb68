"""Commands by which a person decides: `circle`, `reject`, `approve`, and what follows from it, `retake`. Arguments in,
exit code out; Prefect is imported only when something is applied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from infra.errors import ShotrunnerError
from manifests.approvals import Reason

Json = Annotated[bool, Parameter(name="--json", help="Answer in JSON.")]
Target = Annotated[str, Parameter(help="A manifest, a run id or the name of a campaign.")]
Address = Annotated[str, Parameter(help="A shot; or a film, by its variant: 16x9-youtube-instream.")]
Number = Annotated[str, Parameter(help="Take 2 is 2, still 2 is still-2; film for a film.")]
By = Annotated[str, Parameter(help="Who decides: a role of the review block, or a name.")]
Person = Annotated[str, Parameter(help="Who speaks for that role; a gate counts distinct persons.")]
In = Annotated[str | None, Parameter(name="--in", help="TARGET, when several campaigns have run here.")]
Yes = Annotated[bool, Parameter(help="Spend real credits without asking.")]
NoteText = Annotated[str, Parameter(help="For dailies and the sidecar.")]


class UsageError(ShotrunnerError):
    summary = "wrong arguments"
    exit_code = 2


def retake(
    target: Target,
    /,
    *,
    failed: Annotated[bool, Parameter(help="Another take in place of each failed one.")] = False,
    shot: Annotated[str | None, Parameter(help="As many takes more of this shot as it was given.")] = None,
    rejected: Annotated[bool, Parameter(help="Another take in place of each rejected one.")] = False,
    dry_run: Annotated[bool, Parameter(help="Print the bill and change nothing.")] = False,
    yes: Yes = False,
    rebuy_unknown: Annotated[bool, Parameter(help="Buy again what may have been paid.")] = False,
    give_up: Annotated[bool, Parameter(help="Count unknowns as spent and lost.")] = False,
    approve: Annotated[
        Literal["ask", "auto"] | None, Parameter(help="Who decides at gates; as in the last run unless given.")
    ] = None,
    budget: Annotated[str | None, Parameter(help="+N: so many credits above the manifest's, for this run.")] = None,
    out: Annotated[Path | None, Parameter(help="Where the files go; out/CAMPAIGN unless given.")] = None,
    wait: Annotated[bool, Parameter(help="For another run of the campaign, and for a daily cap to open.")] = False,
    json: Json = False,
) -> int:
    """Make failed or rejected takes anew under numbers of their own, or more of a shot. Touches nothing that is done.

    What is paid already is collected first. A take that moderation refused is held: change its prompt, then run.

    Example: shotrunner retake morning-30s --failed --dry-run

    Exit: as `run`; 2 also when nothing is named.
    """
    from flows.retake import apply_retake, plan_retake, show_bill, wait_for_campaign
    from manifests.retakes import Asked

    if rebuy_unknown and give_up:
        raise UsageError("--rebuy-unknown and --give-up are opposites", remedy="say one of them")
    if not (failed or shot or rejected or rebuy_unknown or give_up):
        raise UsageError(
            "nothing is named to be retaken",
            remedy="--failed, --rejected, --shot ADDRESS; for unknowns --rebuy-unknown or --give-up",
        )
    asked = Asked(failed=failed, rejected=rejected, shot=shot, give_up=give_up)
    if wait and not dry_run:
        wait_for_campaign(target, json=json)
    said = {} if approve is None else {"approve": approve}
    bill = plan_retake(target, asked, rebuy_unknown=rebuy_unknown, extra_credits=extra_credits(budget), **said)
    show_bill(bill, json=json, whole=dry_run)
    return 0 if dry_run else apply_retake(bill, out, yes=yes, json=json, wait=wait)


def extra_credits(budget: str | None) -> int:
    """What `--budget +N` allows beyond the manifest."""
    if budget is None:
        return 0
    if not (budget.startswith("+") and budget[1:].isdigit()):
        raise UsageError(f"--budget takes +N, not {budget!r}", remedy="--budget +300 allows 300 credits more")
    return int(budget[1:])


def circle(
    address: Address,
    take: Number,
    /,
    *,
    by: By,
    person: Person = "",
    note: NoteText = "",
    in_: In = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Choose a take for the cut, or let a film pass. It beats the score, and is kept with who and when.

    Example: shotrunner circle pour 2 --by art --note "the steam is right"

    Exit: 0 kept; 2 no such take; 9 a run is under way.
    """
    from flows.targets import default_target
    from flows.words import keep, say_one

    spoken = say_one(in_ or default_target(), address, take, "approve", by=by, person=person, note=note)
    return keep(spoken, yes=yes, json=json, name="circle")


def reject(
    address: Address,
    take: Number,
    /,
    *,
    by: By,
    reason: Annotated[Reason, Parameter(help="What is wrong.")],
    person: Person = "",
    note: NoteText = "",
    in_: In = None,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Refuse a take. A circled one is un-circled, and the next run circles the best one left.

    Nothing is bought in its place until `shotrunner retake TARGET --rejected`.

    Example: shotrunner reject pour 1 --by art --reason hands-face

    Exit: 0 kept; 2 no such take or reason; 9 a run is under way.
    """
    from flows.targets import default_target
    from flows.words import keep, say_one

    target = in_ or default_target()
    spoken = say_one(target, address, take, "reject", by=by, person=person, reasons=(reason,), note=note)
    return keep(spoken, yes=yes, json=json, name="reject")


def approve(
    run: Annotated[str, Parameter(help="The run that was looked at.")],
    file: Annotated[Path, Parameter(help="An approvals file.")],
    /,
    *,
    skip_stale: Annotated[bool, Parameter(help="Leave out what is about other bytes than there are now.")] = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Apply a file of decisions, bound to the bytes that were looked at. All of it, or nothing when any of it is wrong.

    Example: shotrunner approve 20261123-0530-7f3a approvals/takes.yaml

    Exit: 0 kept; 2 something in the file is wrong or stale; 9 a run is under way.
    """
    from flows.words import keep, say_file

    return keep(say_file(run, file, skip_stale=skip_stale), yes=yes, json=json, name="approve")


COMMANDS = (retake, circle, reject, approve)
