"""Order within what is spoken: every line is bought and fitted before one picture is, and shared by all films that
say it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flows.problems import note_problems
from flows.shots import make_sound
from infra.production import Production, SpokenTake
from manifests.expand import Want
from manifests.extending import seconds_of
from manifests.journal import LineFit, Result
from manifests.naming import slate
from manifests.schema import VoiceLine
from tasks.voice import fit_line, measure_line


class Purchases:
    """Sounds by want: bought once, however many films hear them."""

    def __init__(self, production: Production) -> None:
        self._production = production
        self._sounds: dict[str, asyncio.Task[Result]] = {}

    @property
    def tasks(self) -> tuple[asyncio.Task[Result], ...]:
        return tuple(self._sounds.values())

    async def sound(self, want_id: str) -> Result:
        if want_id not in self._sounds:
            want = self._production.want(want_id)
            self._sounds[want_id] = asyncio.create_task(make_sound(self._production, want), name=want_id)
        return await asyncio.shield(self._sounds[want_id])


async def speak(production: Production, films: Sequence[Production]) -> list[tuple[Production, list[SpokenTake]]]:
    """Every film that has all its lines, with them. The problems of the others are noted: no line, no film."""
    booth = _Booth(production)
    try:
        lines = await asyncio.gather(*(_lines_of(film, booth) for film in films))
    finally:
        for task in booth.tasks:
            task.cancel()
    return [(film, spoken) for film, spoken in zip(films, lines, strict=True) if spoken is not None]


class _Booth:
    """Buys each line once, and fits it once for each stretch of time that it is given."""

    def __init__(self, production: Production) -> None:
        self._purchases = Purchases(production)
        self._fitted: dict[tuple[object, ...], asyncio.Task[SpokenTake]] = {}

    @property
    def tasks(self) -> tuple[asyncio.Task[object], ...]:
        return (*self._purchases.tasks, *self._fitted.values())

    async def bought(self, film: Production, line: VoiceLine) -> Result:
        return await self._purchases.sound(f"{film.variant.line(line.id)}/line")

    async def fitted(self, film: Production, line: VoiceLine, sound: Result) -> SpokenTake:
        start = next(c.start for c in film.cut.cues if c.path == f"sound.voiceover.lines.{line.id}")
        end, name = _room_end(film, line.at), film.variant.line(line.id)
        fit = film.spot.sound.voiceover.fit if film.spot.sound.voiceover else None
        key = (name, line.model_dump_json(), start, end, fit)
        if key not in self._fitted:
            label = slate(film.plan.campaign, name, "fit")
            self._fitted[key] = asyncio.create_task(fit_line(label, film, line, sound, start, end), name=name)
        return await asyncio.shield(self._fitted[key])


async def measure_lines(production: Production) -> None:
    """A plan of the speech alone: every line is bought and measured, so that the pictures can be planned."""
    purchases = Purchases(production)

    async def measure(want: Want) -> None:
        sound = await purchases.sound(want.id)
        await measure_line(slate(production.plan.campaign, want.address, "measure"), production, sound)

    try:
        outcomes = await asyncio.gather(*map(measure, production.plan.wants), return_exceptions=True)
    finally:
        for task in purchases.tasks:
            task.cancel()
    note_problems(production, outcomes)


async def _lines_of(film: Production, booth: _Booth) -> list[SpokenTake] | None:
    voiceover = film.spot.sound.voiceover
    if voiceover is None:
        return []
    bought = await asyncio.gather(*(booth.bought(film, line) for line in voiceover.lines), return_exceptions=True)
    note_problems(film, bought)
    sounds = [sound for sound in bought if isinstance(sound, Result)]
    if len(sounds) < len(bought):
        return None
    pairs = zip(voiceover.lines, sounds, strict=True)
    takes = await asyncio.gather(*(booth.fitted(film, *pair) for pair in pairs), return_exceptions=True)
    note_problems(film, takes)
    spoken = [take for take in takes if isinstance(take, SpokenTake)]
    for take in spoken:
        _report(film, take)
    return spoken if len(spoken) == len(takes) else None


def _report(film: Production, take: SpokenTake) -> None:
    """Once for each line, locale and stretch of time."""
    voiceover = film.spot.sound.voiceover
    fit = LineFit(
        line=film.variant.line(take.line.id), locale=voiceover.language if voiceover else "", room=round(take.room, 3),
        seconds=round(take.seconds, 3), speed=str(take.speed), silence=round(take.silence, 3),
        longer=float(seconds_of(film.variant.longer.get(take.line.at, 0))),
    )  # fmt: skip
    film.fits[fit.line, fit.locale, fit.room, fit.seconds, fit.speed] = fit


def _room_end(film: Production, at: str) -> int:
    """The film frame at which a line that hangs on `at` has to be over: the end of its shot, on paper."""
    return next((s.cue + s.screen for s in film.cut.whole_shots if s.id == at), film.cut.frames)
