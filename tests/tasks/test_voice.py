"""A line in the time that it has: as bought, faster, or without its pauses; and captions that follow."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from infra.blobs import blob_file, put_blob
from infra.captioning import spoken_cues
from infra.media.pcm import RATE, write_wav
from infra.production import SpokenTake
from infra.storage.folder import FolderStore
from manifests.expand import ALONE
from manifests.journal import BlobRef, StepResult
from manifests.ratecard import load_profiles
from manifests.schema import Fit, VoiceLine, Voiceover
from tasks.voice import LineTooLongError, fit_line

WORDS = "Just water, and patience."
AT: Any = "2026-11-21T12:00:00Z"


class Booth:
    """The steps of a run, in this process; and one bought line: half a second of silence, two seconds of sound with
    1.5 s of pause between them, 0.5 s of silence."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.store, self.made = folder, FolderStore(folder / "store"), list[str]()
        clock = np.arange(RATE) / RATE
        tone, quiet = 0.3 * np.sin(2 * np.pi * 330 * clock), np.zeros(RATE)
        sound = np.concatenate([quiet[: RATE // 2], tone, quiet, quiet[: RATE // 2], tone, quiet[: RATE // 2]])
        write_wav(folder / "line.wav", sound[:, None])
        # eleven characters in the first second of sound, the others in the last
        starts = [0.5 + n / 11 if n < 11 else 3 + (n - 11) / (len(WORDS) - 11) for n in range(len(WORDS))]
        ends = [*starts[1:11], 1.5, *starts[12:], 4.0]
        timing = {"characters": list(WORDS), "starts": starts, "ends": ends}
        blob = put_blob(self.store, "audio", folder / "line.wav", "audio/wav")
        self.sound: Any = SimpleNamespace(blob=blob, facts={"timing": timing})

    async def run(
        self, name: str, params: Mapping[str, Any], inputs: Mapping[str, BlobRef], *, kind: Any
    ) -> StepResult:
        self.made.append(f"{name} {params['speed']}")
        out = self._folder / f"out-{len(self.made)}"
        out.mkdir()
        module = importlib.import_module(f"infra.media.{name}")
        files = {k: blob_file(self.store, v, self._folder) for k, v in inputs.items()}
        facts = module.run(module.Params.model_validate(params), files, out)
        blobs = {path.name: put_blob(self.store, kind, path, "audio/wav") for path in out.iterdir()}
        return StepResult(key="0" * 64, name=name, version=1, facts=facts, files=blobs, at=AT)

    async def fit(self, seconds: str, **fit: Any) -> SpokenTake:
        line = VoiceLine(id="vo1", at="pour", text=WORDS)
        voiceover = Voiceover(voice="warm", language="en-GB", fit=Fit(**fit), lines=(line,))
        production: Any = SimpleNamespace(
            steps=self, variant=ALONE, spot=SimpleNamespace(sound=SimpleNamespace(voiceover=voiceover))
        )
        function: Any = fit_line
        end = 24 + round(Decimal(seconds) * 24)
        taken: SpokenTake = await function.fn("vo1", production, line, self.sound, 24, end)
        return taken


@pytest.fixture
def booth(tmp_path: Path) -> Booth:
    return Booth(tmp_path)


async def test_a_line_that_fits_is_left_as_it_was_said(booth: Booth) -> None:
    take = await booth.fit("4.5", otherwise="trim-silence")
    assert (take.speed, take.silence, take.room, booth.made) == (1, 0, 4.5, ["speech 1"])
    assert take.timing == booth.sound.facts["timing"]


async def test_speed_alone_comes_first(booth: Booth) -> None:
    take = await booth.fit("3.75", max_speedup=Decimal("1.1"), otherwise="trim-silence")
    assert (take.speed, take.silence) == (Decimal("1.067"), 0)
    assert booth.made == ["speech 1", "speech 1.067"]


async def test_then_pauses_go_and_what_is_left_is_sped_up(booth: Booth) -> None:
    take = await booth.fit("2.5", max_speedup=Decimal("1.1"), otherwise="trim-silence")
    assert (take.speed, booth.made) == (1, ["speech 1", "pauses 1"])
    assert take.seconds == pytest.approx(2.35, abs=0.03)
    assert take.silence == pytest.approx(4.5 - take.seconds)
    quick = await booth.fit("2.25", max_speedup=Decimal("1.1"), otherwise="trim-silence")
    assert 1 < quick.speed <= Decimal("1.1")
    assert booth.made[-1] == f"pauses {quick.speed}"
    assert quick.seconds <= 2.25 + 0.06  # the edge after the last sound may reach over


async def test_no_word_is_cut_to_make_it_fit(booth: Booth) -> None:
    with pytest.raises(LineTooLongError) as caught:
        await booth.fit("2", max_speedup=Decimal("1.1"), otherwise="trim-silence")
    assert caught.value.address == "vo1"
    assert "it takes 4.00 s, 2.30 s without its pauses, and has 2.00 s, until pour ends" in caught.value.detail
    assert "fit.max_speedup 1.15" in caught.value.remedy
    with pytest.raises(LineTooLongError, match=r"it takes 4\.00 s and has 2\.50 s"):
        await booth.fit("2.5", max_speedup=Decimal("1.1"))


async def test_a_line_that_has_no_shot_to_make_longer_fails(booth: Booth) -> None:
    take = await booth.fit("4", otherwise="extend")
    assert take.speed == 1
    with pytest.raises(LineTooLongError, match=r"it takes 4\.00 s and has 2\.50 s") as caught:
        await booth.fit("2.5", max_speedup=Decimal("1.1"), otherwise="extend")
    assert "hang it on a shot" in caught.value.remedy


async def test_a_line_that_begins_when_its_shot_is_over(booth: Booth) -> None:
    for seconds in ("0", "-1"):
        with pytest.raises(LineTooLongError, match="pour ends before it begins") as caught:
            await booth.fit(seconds, max_speedup=Decimal(2))
        assert caught.value.remedy == "start it earlier"


async def test_captions_follow_what_is_heard(booth: Booth) -> None:
    take = await booth.fit("2.5", otherwise="trim-silence")
    assert take.timing is not None
    starts, ends = take.timing["starts"], take.timing["ends"]
    assert starts[0] == pytest.approx(0.05, abs=0.011)  # the sound begins there now
    assert ends[10] == pytest.approx(1.05, abs=0.011)
    assert starts[11] == pytest.approx(1.3, abs=0.021)  # after a quarter of a second
    assert ends[-1] == pytest.approx(2.3, abs=0.021)
    cues = spoken_cues([take], 96, load_profiles()["youtube-instream"])
    assert " ".join(cue.text for cue in cues).split() == WORDS.split()
    assert cues[0].start == pytest.approx(Decimal("1.05"), abs=Decimal("0.06"))
