"""A campaign once its speech is measured: shots that are longer for it (`fit: extend`), and what that breaks.

A shot that several films show is bought once, as long as the longest of them needs; each film shows what its own lines
need. A shot that another one starts on is the exception: it is as long in all its films, for the next one can start on
one last frame only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from manifests.capability import check_capability
from manifests.catalogue import ModelCard, Profile
from manifests.cutdowns import bought_frames
from manifests.diagnostics import Diagnostic
from manifests.extending import extends, frames_added, seconds_of, seconds_text
from manifests.filing import check_names
from manifests.films import LOCALE, RATIO, Source, Variant, narrow
from manifests.loaded import LoadedCampaign, LoadedSource, LoadedSpot
from manifests.lookups import axes_of_node
from manifests.matrix import Cell
from manifests.nodes import Map, child, find, item_id, items_at
from manifests.timing import film_frames, picture_frames

TOLD = 4  # lines of one shot; the rest are counted
_TIMING = ("duration", "in", "continues")  # of a shot: what says how long it is shown


def lines_that_extend(campaign: LoadedCampaign) -> frozenset[str]:
    """Addresses of the lines that may make their shots longer: they have to be measured before pictures are planned."""
    return frozenset(address for source in campaign.sources for address in _lines(source))


def _lines(loaded: LoadedSource) -> Iterator[str]:
    if not any(extends(part.spot) for _, part in loaded.parts):
        return
    for variant, part in loaded.parts:
        for line in part.spot.sound.voiceover.lines if part.spot.sound.voiceover else ():
            yield variant.line(line.id)


def lengthen_campaign(
    campaign: LoadedCampaign,
    spoken: Mapping[str, Decimal],
    models: Mapping[str, ModelCard],
    profiles: Mapping[str, Profile],
) -> tuple[LoadedCampaign, list[Diagnostic]]:
    """`spoken`: seconds that each line takes, by its address, of those that are measured. With problems the pictures
    must not be bought."""
    lengthened = [_Lengthened.of(loaded, spoken) for loaded in campaign.sources]
    if not any(one.longer for one in lengthened):
        return campaign, []
    longest: dict[str, int] = {}
    for one in lengthened:
        for address, frames in one.pictures():
            longest[address] = max(longest.get(address, 0), frames)
    notices = [notice for one in lengthened for notice in one.notices()]
    after = replace(
        campaign, sources=tuple(one.as_loaded() for one in lengthened), longest=longest,
        notices=(*campaign.notices, *notices),
    )  # fmt: skip
    found = [problem for one in lengthened for problem in one.problems(models, profiles)]
    bought = bought_frames(after, models)
    found += [problem for one in lengthened for problem in one.not_bought(bought)]
    found += [problem for problem in check_names(after, profiles) if problem.severity == "error"]
    return after, _once(found)


def _once(problems: Sequence[Diagnostic]) -> list[Diagnostic]:
    """One place is told once, for the first film in which it is wrong."""
    told: dict[tuple[object, ...], Diagnostic] = {}
    for problem in problems:
        told.setdefault((problem.summary, problem.address, problem.where), problem)
    return list(told.values())


@dataclass(frozen=True)
class _Lengthened:
    """One spot. `films`: one variant for every way in which its films are timed; `film_of`: which of them a cell is
    timed like."""

    loaded: LoadedSource
    source: Source
    films: tuple[Variant, ...]
    film_of: Mapping[Cell, int]

    @classmethod
    def of(cls, loaded: LoadedSource, spoken: Mapping[str, Decimal]) -> _Lengthened:
        known = {address: spoken[address] for address in _lines(loaded) if address in spoken}
        if not known:
            return cls(loaded, loaded.source, (), {})
        source = loaded.source.model_copy(update={"spoken": known})
        axes = _timing_axes(loaded)
        films, film_of = _films(source, axes, ())
        starts = {shot.continues for film in films for shot in film.written.shots if shot.continues}
        if starts and not source.takes_of:
            alike: dict[str, int] = {}
            for cell, index in film_of.items():
                for shot in starts.intersection(films[index].longer):
                    address = Variant(source, cell).shot(shot)
                    alike[address] = max(alike.get(address, 0), films[index].longer[shot])
            source = source.model_copy(update={"continued": alike})
            films, film_of = _films(source, axes, starts)
        return cls(loaded, source, films, film_of)

    @property
    def longer(self) -> bool:
        return any(film.longer for film in self.films)

    def as_loaded(self) -> LoadedSource:
        if not self.films:
            return self.loaded
        parts = [(Variant(self.source, v.cell), part) for v, part in self.loaded.parts]
        lengths = [film_frames(film.spot) for film in self.films]
        return replace(
            self.loaded, source=self.source, parts=tuple((v, replace(part, spot=v.spot)) for v, part in parts),
            frames=sum(lengths[index] for index in self.film_of.values()),
        )  # fmt: skip

    def pictures(self) -> Iterator[tuple[str, int]]:
        """(address, frames of its picture) of all films; nothing of a cut-down, which buys none."""
        if self.source.takes_of:
            return
        yield from ((address, frames) for _, _, address, frames in self._shown())

    def _shown(self) -> Iterator[tuple[Variant, str, str, int]]:
        """Every shot of every film: (the film that it is timed like, shot, address, frames of its picture)."""
        shown = [picture_frames(film.spot) for film in self.films]
        for cell, index in self.film_of.items():
            values = self.source.matrix.values(cell)
            for shot, frames in shown[index].items():
                yield self.films[index], shot, self.source.at(f"shots.{shot}", shot, values), frames

    # --- what it breaks ---

    def problems(self, models: Mapping[str, ModelCard], profiles: Mapping[str, Profile]) -> Iterator[Diagnostic]:
        """As written the spot was in order, so whatever is wrong now comes of the longer shots."""
        for film in self.films:
            if film.longer:
                for problem in check_capability(self._as_part(film), models, profiles):
                    if problem.severity == "error":
                        detail = f"{problem.detail}; {'; '.join(self._why(film))}"
                        remedy = f"{problem.remedy or 'make the shot longer'}, or shorten the line"
                        yield replace(problem, detail=detail, remedy=remedy)

    def not_bought(self, bought: Mapping[str, int]) -> Iterator[Diagnostic]:
        """Of a cut-down: it shows what the other spot buys, and a line changes nothing of that."""
        for film, shot, address, frames in self._shown() if self.source.takes_of else ():
            there = bought.get(address, 0)
            if film.longer.get(shot) and frames > there:
                part = self._as_part(film)
                detail = f"`{address}` has {there} frames and {frames} would be shown; {'; '.join(self._why(film))}"
                where = part.value_where(f"shots.{shot}.duration")
                remedy = "shorten the line, or let another shot of the cut-down have it"
                yield Diagnostic("not bought", detail, f"spots.{self.source.id}.shots.{shot}", where, remedy)

    def _as_part(self, film: Variant) -> LoadedSpot:
        """This film as the loader would have read it: its own tree, for the lines of what is wrong."""
        if not isinstance(self.loaded.template, Map):
            raise TypeError("a spot is a map")
        tree = narrow(self.loaded.template, self.source.matrix, film.cell, self.source.lookups)
        everything = {name for item in items_at(self.loaded.template, "shots") if (name := item_id(item))}
        absent = everything - {shot.id for shot in film.spot.shots}
        return replace(self.loaded.parts[0][1], spot=film.spot, tree=tree, absent=frozenset(absent))

    # --- what is told ---

    def _why(self, film: Variant) -> Iterator[str]:
        name = f"{film.name}: " if film.name else ""
        for shot, frames in film.longer.items():
            lines = [f"{text} takes {seconds} s" for at, text, seconds, _ in _longest_lines(film) if at == shot]
            yield f"{name}`{shot}` is {seconds_text(seconds_of(frames))} s longer" + (
                f", because {' and '.join(lines)}" if lines else ""
            )

    def notices(self) -> Iterator[str]:
        """Shot by shot, what it is longer for."""
        told: dict[str, dict[str, None]] = {}
        for film in self.films:
            for at, text, seconds, frames in _longest_lines(film):
                words = f"{seconds_text(seconds_of(frames))} s for {text}, which takes {seconds} s"
                told.setdefault(at, {}).setdefault(words)
        alike = {shot.continues for film in self.films for shot in film.written.shots}
        for shot, lines in told.items():
            first, more = list(lines)[:TOLD], len(lines) - TOLD
            rest = f", and {more:,} more" if more > 0 else ""
            same = "; alike in all its films, as another shot starts on its last frame" if shot in alike else ""
            name = f"{self.source.id}/{shot}" if self.source.id else shot
            yield f"{name}: longer than written: {', '.join(first)}{rest}{same}"


def _longest_lines(film: Variant) -> Iterator[tuple[str, str, str, int]]:
    """Of the shots that a film shows longer for its own lines: (shot, the line in words, its seconds, frames more)."""
    voiceover = film.written.sound.voiceover
    for line in voiceover.lines if voiceover else ():
        seconds = film.source.spoken.get(film.line(line.id))
        if voiceover is not None and seconds is not None:
            frames = frames_added(film.written, {line.id: seconds}).get(line.at, 0)
            if frames:
                text = f"{line.id} in {film.values.get(LOCALE, voiceover.language)}"
                yield line.at, text, seconds_text(seconds), frames


def _films(
    source: Source, axes: frozenset[str], starts: Collection[str]
) -> tuple[tuple[Variant, ...], dict[Cell, int]]:
    """One film for each way of timing, and for each cell which one it is timed like. `starts`: shots that are as long
    as in other films with the same picture."""
    positions = [index for name, index in source.matrix.positions.items() if name in axes]
    found: dict[tuple[object, ...], int] = {}
    films: list[Variant] = []
    film_of: dict[Cell, int] = {}
    for cell in source.matrix.cells:
        variant = Variant(source, cell)
        alike = [source.continued.get(variant.shot(shot), 0) for shot in sorted(starts)]
        key = (*(cell[index] for index in positions), *alike)
        if key not in found:
            found[key] = len(films)
            films.append(variant)
        film_of[cell] = found[key]
    return tuple(films), film_of


def _timing_axes(loaded: LoadedSource) -> frozenset[str]:
    """The axes that decide which shots a film has and how long, what is spoken over them, and where it is delivered."""
    tree, lookups = loaded.template, loaded.source.lookups
    nodes = [entry[1] for shot in items_at(tree, "shots") for key in _TIMING if (entry := child(shot, key))]
    for path in (("sound", "voiceover"), ("edit",), ("graphics", "end_card"), ("deliver",)):
        _, node, depth = find(tree, path)
        nodes += [node] if depth == len(path) else []
    axes = frozenset(axis for node in nodes for axis in axes_of_node(node, lookups))
    return axes.union(loaded.source.depends.get("when", ()), (RATIO,))
