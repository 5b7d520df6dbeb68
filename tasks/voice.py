"""Measuring a line of speech: how long it really is, and whether it fits the time it has."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from infra.errors import ShotrunnerError
from infra.measured import AS_BOUGHT, seconds_of_speech, speech_params
from infra.production import Production, SpokenTake
from manifests.extending import extends, speed_for
from manifests.journal import Result, StepResult
from manifests.schema import VoiceLine
from manifests.spoken import shift_times
from tasks.policy import production_task


class LineTooLongError(ShotrunnerError):
    summary = "a line is longer than its shot"
    exit_code = 3


@production_task("measure line")
async def measure_line(slate: str, production: Production, sound: Result) -> Decimal:
    """Seconds that it takes as bought; the store remembers."""
    return seconds_of_speech(await _make(production, "speech", sound, AS_BOUGHT))


@production_task("fit line")
async def fit_line(
    slate: str, production: Production, line: VoiceLine, sound: Result, start_frame: int, end_frame: int
) -> SpokenTake:
    """Speeds the line up as far as its `fit` allows, after that without its pauses where it says so; raises
    LineTooLongError rather than cut a word.

    The line has the time from `start_frame` to `end_frame` (film frames at 24): to the end of its shot, which was
    planned long enough where its `fit` says `extend`.
    """
    voiceover = production.spot.sound.voiceover
    if voiceover is None:
        raise ValueError("a line without a voiceover")
    frames = end_frame - start_frame
    if frames < 1:
        raise LineTooLongError(
            f"{line.at} ends before it begins", address=production.variant.line(line.id), remedy="start it earlier"
        )
    room = Decimal(frames) / 24
    most = voiceover.fit.max_speedup
    step, made = "speech", await _make(production, "speech", sound, AS_BOUGHT)
    bought = made
    speed = speed_for(seconds_of_speech(made), frames)
    if speed > most and voiceover.fit.otherwise == "trim-silence":
        step, made = "pauses", await _make(production, "pauses", sound, AS_BOUGHT)
        speed = speed_for(seconds_of_speech(made), frames)
    if speed > most:
        without = f", {made.facts['ends']:.2f} s without its pauses," if step == "pauses" else ""
        shorter = "shorten the line, start it earlier, "
        longer = f"make the shot longer, or allow fit.max_speedup {speed}"
        raise LineTooLongError(
            f"it takes {bought.facts['ends']:.2f} s{without} and has {room:.2f} s, until {line.at} ends",
            address=production.variant.line(line.id),
            remedy=shorter + (f"hang it on a shot, or {longer}" if extends(production.spot) else longer),
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


def _timing(sound: Result, made: StepResult) -> Mapping[str, Any] | None:
    """Of the characters as sent, in the sound without what was taken out of it."""
    told, kept = sound.facts.get("timing"), made.facts.get("kept")
    if told is None or kept is None:
        return told
    return {**told, "starts": shift_times(told["starts"], kept), "ends": shift_times(told["ends"], kept)}


async def _make(production: Production, step: str, sound: Result, speed: Decimal) -> StepResult:
    return await production.steps.run(step, speech_params(speed), {"sound": sound.blob}, kind="audio")
