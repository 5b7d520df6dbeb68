"""Measuring a line of speech: how long it really is, and whether it fits the time it has."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Any

from infra.errors import ShotrunnerError
from infra.production import Production, SpokenTake
from manifests.journal import Result, StepResult
from manifests.schema import VoiceLine
from manifests.spoken import shift_times
from tasks.policy import production_task


class LineTooLongError(ShotrunnerError):
    summary = "a line is longer than its shot"
    exit_code = 3


@production_task("fit line")
async def fit_line(
    slate: str, production: Production, line: VoiceLine, sound: Result, start_frame: int, end_frame: int
) -> SpokenTake:
    """Speeds the line up as far as its `fit` allows, after that without its pauses where it says so; raises
    LineTooLongError rather than cut a word.

    The line has the time from `start_frame` to `end_frame` (film frames at 24): to the end of its shot.
    """
    voiceover = production.spot.sound.voiceover
    if voiceover is None:
        raise ValueError("a line without a voiceover")
    room = Decimal(end_frame - start_frame) / 24
    most = voiceover.fit.max_speedup
    step, made = "speech", await _make(production, "speech", sound, Decimal(1))
    bought = made
    speed = _speed_for(made, room)
    if speed > most and voiceover.fit.otherwise == "trim-silence":
        step, made = "pauses", await _make(production, "pauses", sound, Decimal(1))
        speed = _speed_for(made, room)
    if speed > most:
        without = f", {made.facts['ends']:.2f} s without its pauses," if step == "pauses" else ""
        raise LineTooLongError(
            f"it takes {bought.facts['ends']:.2f} s{without} and has {room:.2f} s, until {line.at} ends",
            address=production.variant.line(line.id),
            remedy=f"shorten the line, start it earlier, make the shot longer, or allow fit.max_speedup {speed}",
        )
    fitted = made if speed == 1 else await _make(production, step, sound, speed)
    return SpokenTake(
        line=line,
        bought=sound.blob,
        blob=fitted.files["line.wav"],
        start_frame=start_frame,
        seconds=float(fitted.facts["seconds"]),
        speed=speed,
        timing=_timing(sound, made),
        room=float(room),
        silence=float(bought.facts["seconds"]) - float(made.facts["seconds"]),
    )


def _speed_for(made: StepResult, room: Decimal) -> Decimal:
    needed = Decimal(str(made.facts["ends"])) / room
    return max(Decimal(1), needed.quantize(Decimal("0.001"), rounding=ROUND_UP))


def _timing(sound: Result, made: StepResult) -> Mapping[str, Any] | None:
    """Of the characters as sent, in the sound without what was taken out of it."""
    told, kept = sound.facts.get("timing"), made.facts.get("kept")
    if told is None or kept is None:
        return told
    return {**told, "starts": shift_times(told["starts"], kept), "ends": shift_times(told["ends"], kept)}


async def _make(production: Production, step: str, sound: Result, speed: Decimal) -> StepResult:
    params = {"sample_rate": 48000, "speed": str(speed)}
    return await production.steps.run(step, params, {"sound": sound.blob}, kind="audio")
