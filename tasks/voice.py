"""Measuring a line of speech: how long it really is, and whether it fits the time it has."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

from infra.errors import ShotrunnerError
from infra.production import Production, SpokenTake
from manifests.journal import Result, StepResult
from manifests.schema import VoiceLine
from tasks.policy import production_task


class LineTooLongError(ShotrunnerError):
    summary = "a line is longer than its shot"
    exit_code = 3


@production_task("fit line")
async def fit_line(
    slate: str, production: Production, line: VoiceLine, sound: Result, start_frame: int, end_frame: int
) -> SpokenTake:
    """Speeds the line up as far as its `fit` allows; raises LineTooLongError rather than cut a word.

    The line has the time from `start_frame` to `end_frame` (film frames at 24): to the end of its shot.
    """
    voiceover = production.spot.sound.voiceover
    if voiceover is None:
        raise ValueError("a line without a voiceover")
    room = Decimal(end_frame - start_frame) / 24
    plain = await _measure(production, sound, Decimal(1))
    needed = Decimal(str(plain.facts["ends"])) / room
    speed = max(Decimal(1), needed.quantize(Decimal("0.001"), rounding=ROUND_UP))
    if speed > voiceover.fit.max_speedup:
        raise LineTooLongError(
            f"it takes {plain.facts['ends']:.2f} s and has {room:.2f} s, until {line.at} ends",
            address=line.id,
            remedy=f"shorten the line, start it earlier, make the shot longer, or allow fit.max_speedup {speed}",
        )
    fitted = plain if speed == 1 else await _measure(production, sound, speed)
    return SpokenTake(
        line=line,
        bought=sound.blob,
        blob=fitted.files["line.wav"],
        start_frame=start_frame,
        seconds=float(fitted.facts["seconds"]),
        speed=speed,
        timing=sound.facts.get("timing"),
    )


async def _measure(production: Production, sound: Result, speed: Decimal) -> StepResult:
    params = {"sample_rate": 48000, "speed": str(speed)}
    return await production.steps.run("speech", params, {"sound": sound.blob}, kind="audio")
