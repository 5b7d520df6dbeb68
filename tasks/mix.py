"""The stems together at the loudness of one deliverable, on the sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from infra.production import Production, SpokenTake
from manifests.catalogue import Profile
from manifests.journal import BlobRef, StepResult
from manifests.placement import sound_speed
from manifests.timing import frames_to_samples
from tasks.policy import production_task

SAMPLE_RATE = 48000


@production_task("mix")
async def mix(
    slate: str, production: Production, lines: Sequence[SpokenTake], effects: Mapping[int, BlobRef], profile: Profile
) -> StepResult:
    """`effects`: the sound of each effect by its place in the manifest. Cues stay on their frame at any rate."""
    rate = Fraction(profile.rate)
    sound, cut = production.spot.sound, production.cut

    def sample(frame: int) -> int:
        return frames_to_samples(frame, rate, SAMPLE_RATE)

    inputs = {f"line{n}": line.blob for n, line in enumerate(lines)}
    inputs |= {f"effect{n}": blob for n, blob in effects.items()}
    cues = {cue.path: cue for cue in cut.cues}
    placed = []
    for number in effects:
        cue = cues[f"sound.effects[{number}]"]
        placed.append(
            {
                "input": f"effect{number}",
                "start": sample(cue.start),
                "samples": sample(cue.start + cue.frames) - sample(cue.start),
                "gain": str(sound.effects[number].gain),
                "level": sound.effects[number].file is None,  # what the user made keeps its level
            }
        )
    if sound.music is not None:
        inputs["music"] = production.file_blob("sound.music.file")
    params: dict[str, Any] = {
        "samples": sample(cut.frames),
        "sample_rate": SAMPLE_RATE,
        "integrated": profile.loudness.integrated,
        "true_peak": profile.loudness.true_peak,
        "lines": [{"input": f"line{n}", "start": sample(line.start_frame)} for n, line in enumerate(lines)],
        "effects": placed,
        "music": _music(production),
    }
    if (speed := sound_speed(profile)) != 1:
        params["speed"] = str(speed)
    return await production.steps.run("mix", params, inputs, kind="audio")


def _music(production: Production) -> dict[str, Any] | None:
    music = production.spot.sound.music
    if music is None:
        return None
    return {
        "input": "music",
        "in_seconds": str(music.in_),
        "gain": str(music.gain),
        "duck_by": str(music.duck.by) if music.duck else "0",
        "fade_in": str(music.fade_in),
        "fade_out": str(music.fade_out),
    }
