"""What a person is told of a take's state: the state, what lies behind it, and what to do about it. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from manifests.journal import FailureClass, TakeHistory, TakeState
from manifests.walk import Numbered

_AGAIN = "`shotrunner retake {target} --failed` films it under a new number"
REMEDIES: Mapping[str, str] = {
    FailureClass.INPUT_MODERATED: "the same request is never sent again: change the prompt or the reference, then run",
    FailureClass.OUTPUT_MODERATED: "change the prompt, then run",
    FailureClass.BAD_OUTPUT: _AGAIN,
    FailureClass.INVALID_INPUT: "the vendor cannot use what it was sent: correct the picture or the request, then run",
    FailureClass.THIRD_PARTY: f"the maker of the model was down; later, {_AGAIN}",
    FailureClass.INTERNAL: _AGAIN,
    FailureClass.LOST: f"it was paid, and its file is gone; {_AGAIN}",
    FailureClass.CANCELLED: _AGAIN,
}
SETTLE = ("shotrunner retake {target} --rebuy-unknown", "shotrunner retake {target} --give-up")


@dataclass(frozen=True)
class Standing:
    """`detail` and `todo` are empty where there is nothing to say."""

    state: TakeState
    detail: str = ""
    todo: str = ""

    def __str__(self) -> str:
        told = f"{self.state.value}, {self.detail}" if self.detail else self.state.value
        return f"{told}; {self.todo}" if self.todo else told


def settle_commands(target: str) -> tuple[str, str]:
    """The two commands that end an unknown: buy it again, or give it up."""
    rebuy, give_up = (command.format(target=target) for command in SETTLE)
    return rebuy, give_up


def standing_of(history: TakeHistory, state: TakeState, target: str) -> Standing:
    """`state` is the history's, seen with the leases that live now; `target` is what `retake` is to be given."""
    intent = history.open_intent
    match state:
        case TakeState.UNKNOWN if intent is not None:
            rebuy, give_up = settle_commands(target)
            asked = f"asked {intent.at:%Y-%m-%d %H:%M} UTC, {intent.reserved_credits:,} credits perhaps paid"
            return Standing(state, asked, f"`{rebuy}` or `{give_up}`; see `shotrunner doctor`")
        case TakeState.IN_FLIGHT if intent is not None:
            task = history.task_of(intent.attempt)
            if task is None:
                return Standing(state, "another run is buying it now")
            return Standing(state, f"paid, task {task.task_id}", "the next run collects it")
        case TakeState.FAILED | TakeState.LOST if history.failures:
            failure = history.failures[-1]
            told = f"{failure.failure_class} ({failure.code or 'no code'}), {failure.credits:,} credits kept"
            return Standing(state, told, REMEDIES.get(failure.failure_class, "").format(target=target))
        case TakeState.FAILED:
            given_up = next((r for r in reversed(history.releases) if r.decision == "give-up"), None)
            words = f"given up by {given_up.by}: {given_up.why}" if given_up else ""
            return Standing(state, words, f"`shotrunner retake {target} --shot ADDRESS` films another")
        case _:
            return Standing(state)


def standing_of_take(numbered: Numbered, target: str) -> Standing:
    return standing_of(numbered.history, numbered.state, target)


def remedy_of_failures(numbers: Iterable[Numbered], target: str) -> str:
    """What helps where the service failed every one of them; empty where a picture was bad or nothing is known."""
    classes = [n.history.failures[-1].failure_class if n.history.failures else "" for n in numbers]
    return REMEDIES.get(classes[-1], "").format(target=target) if classes and all(classes) else ""
