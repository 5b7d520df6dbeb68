"""The ffmpeg command that somebody would write by hand for the film: one filtergraph, one encode, nothing in between.

Shares no code with infra.media: it is what our finishing is measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from manifests.catalogue import AudioSettings, VideoSettings

TAGS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"


@dataclass(frozen=True)
class Shot:
    take: Path
    in_frame: int
    frames: int
    start: int


@dataclass(frozen=True)
class Card:
    file: Path
    frames: int


@dataclass(frozen=True)
class Words:
    file: Path
    x: int
    y: int
    start: int


@dataclass(frozen=True)
class FilmParts:
    width: int
    height: int
    rate: Fraction
    frames: int
    shots: Sequence[Shot]
    dissolves: dict[int, int]  # frames, by the film frame where they begin
    card: Card | None
    words: Sequence[Words]
    mix: Path
    video: VideoSettings
    audio: AudioSettings


def one_pass(film: FilmParts) -> list[str]:
    """The arguments, but for the file to write."""
    if film.video.codec != "h264":
        raise ValueError(f"a pass to {film.video.codec} is not written here")
    pictures = [s.take for s in film.shots] + ([film.card.file] if film.card else [])
    files = [*pictures, *(w.file for w in film.words), film.mix]
    graph = [*_shots(film), *_join(film), *_lay_over(film, len(pictures))]
    video, audio = film.video, film.audio
    inputs = [word for file in files for word in ("-threads", "1", "-i", str(file))]
    return [
        *("-nostdin", "-hide_banner", "-v", "error", "-y", *inputs, "-filter_complex_threads", "1"),
        *("-filter_complex", ";".join(graph)),
        *("-map", "[film]", "-map", f"{len(files) - 1}:a", "-frames:v", str(film.frames), "-fps_mode", "cfr"),
        *("-r", str(film.rate), "-c:v", "libx264", "-preset", video.preset, "-profile:v", video.profile),
        *("-crf", str(video.crf), "-pix_fmt", "yuv420p", "-threads", "1"),
        *("-x264-params", f"keyint={video.gop_frames}:min-keyint=1:open-gop=0"),
        *("-c:a", "aac", "-b:a", f"{audio.bitrate_kbps}k", "-ar", str(audio.sample_rate), "-movflags", "+faststart"),
    ]


def _clock(film: FilmParts) -> str:
    return f"settb={1 / film.rate},setpts=N,fps={film.rate}"


def _shots(film: FilmParts) -> list[str]:
    scale = f"zscale=w={film.width}:h={film.height}:filter=lanczos:param_a=4"
    chains = [
        f"[{n}:v]trim=start_frame={shot.in_frame}:end_frame={shot.in_frame + shot.frames},{TAGS},setsar=1,"
        f"unsharp=3:3:0.3:3:3:0,{scale},format=yuv420p,{_clock(film)}[shot{n}]"
        for n, shot in enumerate(film.shots)
    ]
    if film.card:
        n = len(film.shots)
        chains.append(
            f"[{n}:v]trim=end_frame={film.card.frames},format=yuv420p,{TAGS},setsar=1,{_clock(film)}[shot{n}]"
        )
    return chains


def _join(film: FilmParts) -> list[str]:
    """Dissolves first, each into what was dissolved before it; then everything one after the other."""
    chains: list[str] = []
    parts: list[str] = []
    start = 0  # of the last part, in film frames
    for n, shot in enumerate(film.shots):
        frames = film.dissolves.get(shot.start)
        if not frames:
            parts.append(f"[shot{n}]")
            start = shot.start
            continue
        # xfade begins with a frame that is all the earlier shot: one frame more, begun one frame before.
        last = parts.pop()
        begun = shot.start - 1 - start
        chains.append(f"[shot{n}]tpad=start=1:start_mode=clone[late{n}]")
        chains.append(
            f"{last}[late{n}]xfade=transition=fade:duration={_seconds(frames + 1, film)}:"
            f"offset={_seconds(begun, film)},format=yuv420p,{TAGS}[both{n}]"
        )
        parts.append(f"[both{n}]")
    if film.card:
        parts.append(f"[shot{len(film.shots)}]")
    return [*chains, f"{''.join(parts)}concat=n={len(parts)}:v=1:a=0[plain0]"]


def _seconds(frames: int, film: FilmParts) -> str:
    return f"{float(frames / film.rate):.6f}"


def _lay_over(film: FilmParts, first: int) -> list[str]:
    chains = []
    for n, words in enumerate(film.words):
        chains.append(
            f"[{first + n}:v]scale=out_color_matrix=bt709:out_range=tv,format=yuva420p,"
            f"settb={1 / film.rate},setpts=N+{words.start}[words{n}]"
        )
        chains.append(
            f"[plain{n}][words{n}]overlay=x={words.x}:y={words.y}:format=yuv420:eof_action=pass[plain{n + 1}]"
        )
    return [*chains, f"[plain{len(film.words)}]{TAGS}[film]"]
