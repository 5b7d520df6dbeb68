"""CPU seconds of putting a 60 s film together from six conformed clips, against ffmpeg and MoviePy encoding all of it.

`python benchmarks/stitching.py`: every side runs here and now, from the same clips, with the same x264 settings. Then
the film is checked frame by frame, and memory is measured for 8 to 64 clips. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
from memory import Watch
from PIL import Image, ImageDraw

from infra.blobs import blob_file, put_blob
from infra.clock import SystemClock
from infra.events import Events
from infra.media.ffmpeg import find_ffmpeg, run_ffmpeg
from infra.media.forks import StepForks
from infra.media.probe import probe_video
from infra.runners.local import InForks, LocalRunner
from infra.steps import StepRunner
from infra.storage import open_store
from manifests.catalogue import Profile
from manifests.journal import BlobRef
from manifests.ratecard import load_profiles
from manifests.sections import Fade, Span, idr_frames
from tasks.conform import conform
from tasks.stitch import Clip, Overlay, clip_of, stitch

RATE, CLIPS, DISSOLVE, EXTRA = 24, 6, 12, 6
FILM = CLIPS * 10 * RATE
TITLE, CARD = Span(24, 72), Span(FILM - 72, 72)  # seconds 1 to 4, and the last three
RATIO = "16:9"
TAGS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"


@dataclass
class Cost:
    cpu_seconds: float
    wall_seconds: float
    megabytes: int  # of the largest process
    frames: int = 0
    bytes: int = 0


def measure(work: Callable[[], Path]) -> tuple[Path, Cost]:
    """User and system time of this process and of all children that ended meanwhile, with their start-up."""
    before, began = _cpu(), time.monotonic()
    with Watch(os.getpid(), with_root=False) as watch:
        film = work()
    cpu = _cpu() - before - watch.cpu_seconds
    own = f"python {Path(__file__).name}"
    peak = max((p.bytes for label, p in watch.peaks.items() if label != own), default=0)
    size = film.stat().st_size
    frames = probe_video(film).frames
    return film, Cost(round(cpu, 2), round(time.monotonic() - began, 1), round(peak / 1e6), frames, size)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def film_take(path: Path, seed: int, frames: int) -> Path:
    """A pan over a textured ground with grain, 1280×720, as a model might have made it."""
    rng = np.random.default_rng(seed)
    ground = np.full((1000, 1700), 118, np.float32)
    for size, weight in ((8, 38), (24, 26), (80, 16), (300, 9)):
        noise = rng.standard_normal((size, size * 3 // 2)).astype(np.float32)
        ground += weight * cv2.resize(noise, (1700, 1000), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "17", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range(frames):
            shift = np.array([[1, 0, -1.3 * number], [0, 1, -20 - 30 * np.sin(number / 40)]], np.float32)
            luma = cv2.warpAffine(ground, shift, (1280, 720), borderMode=cv2.BORDER_REFLECT)
            luma += rng.standard_normal((360, 640)).astype(np.float32).repeat(2, 0).repeat(2, 1) * 1.5
            frame = av.VideoFrame(1280, 720, "yuv420p")
            small = cv2.resize(luma, (640, 360)) - 118
            for plane, data in zip(frame.planes, (luma, 128 + small * 0.2, 128 - small * 0.15), strict=True):
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
                rows[:, : data.shape[1]] = np.clip(data, 16, 235).astype(np.uint8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Room:
    """Our side: the real tasks and steps, as child processes, with a store in a folder."""

    def __init__(self, work: Path, profile: Profile) -> None:
        self.work, self.profile = work, profile
        self.store = open_store("store", work)
        self._production: Any = None
        self.forget_sections()

    def forget_sections(self) -> None:
        """Every step but the clips that are there already is made again."""
        shutil.rmtree(self.work / "store" / "v1" / "steps", ignore_errors=True)
        cores = len(os.sched_getaffinity(0))
        self._forks = StepForks()
        runner = LocalRunner(self.store, self.work / "steps", cores, InForks(self._forks))
        steps = StepRunner(self.store, SystemClock(), Events(_quiet), runner)
        self._production = SimpleNamespace(steps=steps, shown={})

    def keep(self, path: Path) -> BlobRef:
        return put_blob(self.store, "tmp", path, "video/mp4")

    def file(self, blob: BlobRef) -> Path:
        return blob_file(self.store, blob, self.work / "read")

    async def conform(self, take: Path, span: Span, joins: Sequence[Fade], overlays: Sequence[Span]) -> Clip:
        task: Any = conform
        made = await task.fn(
            "", self._production, self.keep(take), in_frame=0, frames=span.frames, profile=self.profile, ratio=RATIO,
            ceiling="2160p", idr=idr_frames(span, joins, overlays),
        )  # fmt: skip
        return clip_of(made, span.start)

    async def stitch(
        self, clips: Sequence[Clip], joins: Sequence[Fade], overlays: Sequence[Overlay], frames: int
    ) -> Path:
        task: Any = stitch
        made = await task.fn(
            "", self._production, clips=clips, joins=joins, overlays=overlays, frames=frames, profile=self.profile,
            ratio=RATIO,
        )  # fmt: skip
        self.close()
        return self.file(made.files["picture.mp4"])

    def close(self) -> None:
        """What the process took from which steps are forked, with all steps, is counted to whoever ends it."""
        self._forks.close()


def _quiet(event: Mapping[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class Bench:
    room: Room
    clips: list[Clip]  # the last one ends before the card
    whole: Clip  # the last one to the film's end
    card: Clip
    joins: list[Fade]
    title: Overlay
    title_file: Path

    def files(self, *, titled: bool) -> list[Path]:
        return [
            self.room.file(c.blob) for c in ([*self.clips, self.card] if titled else [*self.clips[:-1], self.whole])
        ]


def draw_title(folder: Path, width: int, height: int, frames: int) -> Path:
    """White words on nothing, in their own box, fading in and out."""
    box = (width // 2, height // 6)
    for number in range(frames):
        alpha = min(255, 32 * (number + 1), 32 * (frames - number))
        picture = Image.new("RGBA", box, (255, 255, 255, 0))
        size = box[1] // 2
        ImageDraw.Draw(picture).text((0, size // 2), "Ready in three minutes.", (255, 255, 255, alpha), font_size=size)
        picture.save(folder / f"title-{number:03}.png", compress_level=1)
    out = folder / "title.mov"
    run_ffmpeg(
        ["-framerate", str(RATE), "-i", str(folder / "title-%03d.png"), "-c:v", "qtrle", "-pix_fmt", "argb", str(out)]
    )
    return out


def prepare(work: Path, profile: Profile) -> Bench:
    room = Room(work, profile)
    width, height = profile.sizes[RATIO]
    joins = [Fade("dissolve", n * 240 - DISSOLVE // 2, DISSOLVE) for n in range(1, CLIPS)]
    title_file = draw_title(work, width, height, TITLE.frames)
    Image.new("RGB", (width, height), "#F4EFE6").save(work / "card.png")

    async def make() -> Bench:
        clips = []
        for number in range(CLIPS):
            start = number * 240 - (EXTRA if number else 0)
            end = (number + 1) * 240 + EXTRA if number < CLIPS - 1 else CARD.start
            take = film_take(work / f"take-{number}.mp4", number, 252)
            clips.append(await room.conform(take, Span(start, end - start), joins, [TITLE]))
        last = Span(clips[-1].start, FILM - clips[-1].start)
        whole = await room.conform(work / f"take-{CLIPS - 1}.mp4", last, joins, [])
        card = await room.conform(work / "card.png", CARD, joins, [])
        room.close()
        title = Overlay(room.keep(title_file), width // 4, height * 3 // 5, TITLE.start, TITLE.frames)
        return Bench(room, clips, whole, card, joins, title, title_file)

    return asyncio.run(make())


def ours(bench: Bench, *, titled: bool) -> Path:
    clips = [*bench.clips, bench.card] if titled else [*bench.clips[:-1], bench.whole]
    bench.room.forget_sections()  # the second film would find the first one's dissolves
    return asyncio.run(bench.room.stitch(clips, bench.joins, [bench.title] if titled else [], FILM))


def encoding(profile: Profile) -> list[str]:
    video = profile.video
    return [
        *("-c:v", "libx264", "-preset", video.preset, "-profile:v", video.profile, "-crf", str(video.crf)),
        *("-pix_fmt", "yuv420p", "-x264-params", f"keyint={video.gop_frames}:min-keyint=1:open-gop=0:threads=1"),
    ]


def one_graph(bench: Bench, out: Path, *, titled: bool) -> Path:
    """One ffmpeg process with one thread per codec: that is where it costs least CPU."""
    files = bench.files(titled=titled)
    inputs = [word for file in files for word in ("-threads", "1", "-i", str(file))]
    chains = [f"[{n}:v]{TAGS},settb=1/{RATE},setpts=N,fps={RATE}[c{n}]" for n in range(len(files))]
    last = "c0"
    for number, join in enumerate(bench.joins, start=1):
        # xfade begins with a frame that is all the earlier clip: one frame more, begun one frame before
        chains.append(f"[c{number}]tpad=start=1:start_mode=clone[d{number}]")
        offset, length = (join.at - 1) / RATE, (join.frames + 1) / RATE
        chains.append(f"[{last}][d{number}]xfade=transition=fade:duration={length:.6f}:offset={offset:.6f}[x{number}]")
        last = f"x{number}"
    if titled:
        chains.append(f"[{last}]{TAGS},format=yuv420p[p];[c{CLIPS}]{TAGS},format=yuv420p[q];[p][q]concat=n=2:v=1[w]")
        inputs += ["-threads", "1", "-i", str(bench.title_file)]
        chains.append(
            f"[{len(files)}:v]scale=out_color_matrix=bt709:out_range=tv,format=yuva420p,settb=1/{RATE},"
            f"setpts=N+{TITLE.start}[t];[w][t]overlay=x={bench.title.x}:y={bench.title.y}:format=yuv420:eof_action=pass[o]"
        )
        last = "o"
    chains.append(f"[{last}]format=yuv420p,{TAGS}[film]")
    command = [
        *(find_ffmpeg(), "-nostdin", "-v", "error", "-y", *inputs, "-filter_complex_threads", "1"),
        *("-filter_complex", ";".join(chains), "-map", "[film]", "-frames:v", str(FILM), "-r", str(RATE)),
        *(*encoding(bench.room.profile), "-threads", "1", "-movflags", "+faststart", str(out)),
    ]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return out


MOVIEPY = """
import json, sys
from moviepy import VideoFileClip, CompositeVideoClip, vfx
told = json.loads(sys.stdin.read())
clips = []
for file, start, fade in told["clips"]:
    clip = VideoFileClip(file, audio=False).with_start(start / 24)
    clips.append(clip.with_effects([vfx.CrossFadeIn(fade / 24)]) if fade else clip)
if told["title"]:
    title = VideoFileClip(told["title"], has_mask=True, audio=False)
    clips.append(title.with_start(told["title_start"] / 24).with_position(tuple(told["title_place"])))
film = CompositeVideoClip(clips, size=tuple(told["size"]), bg_color=(0, 0, 0)).with_duration(told["frames"] / 24)
film.write_videofile(told["out"], fps=24, codec="libx264", preset=told["preset"], audio=False, threads=1, logger=None,
                     ffmpeg_params=told["parameters"])
"""


def moviepy(bench: Bench, out: Path, *, titled: bool) -> Path:
    profile = bench.room.profile
    clips = [*bench.clips, bench.card] if titled else [*bench.clips[:-1], bench.whole]
    fades = {join.at: join.frames for join in bench.joins}
    for number, clip in enumerate(clips):  # it wants files with an ending
        shutil.copyfile(bench.room.file(clip.blob), bench.room.work / f"moviepy-{number}.mp4")
    parameters = encoding(profile)
    del parameters[:4]
    told = {
        "clips": [
            [str(bench.room.work / f"moviepy-{n}.mp4"), c.start, fades.get(c.start, 0)] for n, c in enumerate(clips)
        ],
        "title": str(bench.title_file) if titled else "", "title_start": TITLE.start, "frames": FILM,
        "title_place": [bench.title.x, bench.title.y], "size": profile.sizes[RATIO], "out": str(out),
        "preset": profile.video.preset, "parameters": parameters,
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", MOVIEPY], input=json.dumps(told), text=True, check=True)
    return out


def check_film(bench: Bench, film: Path, reference: Path, *, titled: bool) -> dict[str, Any]:
    """Copied frames to the bit, every frame against the full encode, and that no decoder says a word."""
    said = run_ffmpeg(["-v", "warning", "-i", str(film), "-f", "null", "-"]).strip()
    clips = [*bench.clips, bench.card] if titled else [*bench.clips[:-1], bench.whole]
    blended = {f for join in bench.joins for f in range(join.at, join.at + join.frames)}
    blended |= set(range(TITLE.start, TITLE.end)) if titled else set()
    digests = frame_digests(film)
    same = 0
    for clip in clips:
        own = frame_digests(bench.room.file(clip.blob))
        alone = [f for f in range(clip.start, clip.start + clip.frames) if f not in blended]
        same += sum(own[f - clip.start] == digests[f] for f in alone)
    graph = f"[0:v]{TAGS},settb=1/24,setpts=N[a];[1:v]{TAGS},settb=1/24,setpts=N[b];[a][b]psnr=stats_file=-"
    stats = subprocess.run(
        [find_ffmpeg(), "-v", "error", "-i", str(film), "-i", str(reference), "-lavfi", graph, "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    luma = [
        min(float(word[7:]), 100.0)
        for line in stats.splitlines()
        for word in line.split()
        if word.startswith("psnr_y:")
    ]
    return {
        "frames": len(digests), "copied": FILM - len(blended), "copied_bit_exact": same, "decoder_said": said,
        "least_psnr": round(min(luma), 2), "mean_psnr": round(sum(luma) / len(luma), 2), "compared": len(luma),
    }  # fmt: skip


def frame_digests(path: Path) -> list[str]:
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.rpartition(",")[2].strip() for line in told.splitlines() if line and line[0] != "#"]


def memory_by_clips(bench: Bench, counts: Sequence[int]) -> dict[int, dict[str, int]]:
    """The largest process of each step for films of so many clips, all joined by dissolves: nothing kept."""
    body = bench.whole
    found = {}
    for count in counts:
        room = Room(Path(tempfile.mkdtemp(dir=bench.room.work)), bench.room.profile)
        blob = room.keep(bench.room.file(body.blob))
        step = body.frames - DISSOLVE
        clips = [replace(body, blob=blob, start=n * step) for n in range(count)]
        joins = [Fade("dissolve", n * step, DISSOLVE) for n in range(1, count)]
        with Watch(os.getpid(), with_root=False) as watch:
            asyncio.run(room.stitch(clips, joins, [], count * step + DISSOLVE))
        peaks = {label.split()[-1]: p.bytes for label, p in watch.peaks.items() if "stitching.py" not in label}
        found[count] = {label: round(size / 1e6) for label, size in sorted(peaks.items())}
        shutil.rmtree(room.work)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--keep", type=Path, help="put the films into this folder")
    parser.add_argument("--profile", default="youtube-instream", help="whose size and x264 settings are used")
    parser.add_argument("--no-moviepy", action="store_true")
    given = parser.parse_args()
    profile = load_profiles()[given.profile]
    figures: dict[str, Any] = {
        "machine": {"cores": len(os.sched_getaffinity(0)), "python": platform.python_version()},
        "settings": {"size": profile.sizes[RATIO], **profile.video.model_dump(mode="json", exclude_none=True)},
    }
    good = True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        bench = prepare(work, profile)
        for name, titled, limit in (("dissolves", False, 0.10), ("title and card", True, 0.25)):
            film, own = measure(lambda titled=titled: ours(bench, titled=titled))  # type: ignore[misc]
            reference, theirs = measure(lambda titled=titled: one_graph(bench, work / "xfade.mp4", titled=titled))  # type: ignore[misc]
            checked = check_film(bench, film, reference, titled=titled)
            row = {
                "ours": asdict(own),
                "ffmpeg": asdict(theirs),
                "ratio": round(own.cpu_seconds / theirs.cpu_seconds, 3),
            }
            if not given.no_moviepy:
                _, slow = measure(lambda titled=titled: moviepy(bench, work / "moviepy.mp4", titled=titled))  # type: ignore[misc]
                row |= {"moviepy": asdict(slow), "moviepy_ratio": round(slow.cpu_seconds / theirs.cpu_seconds, 2)}
            figures[name] = row | {"check": checked}
            exact = (
                checked["copied"] == checked["copied_bit_exact"] and checked["frames"] == FILM == checked["compared"]
            )
            good &= exact and not checked["decoder_said"] and checked["least_psnr"] > 35 and row["ratio"] <= limit
            print(name, json.dumps(figures[name], indent=1))
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(film, given.keep / f"{name.replace(' ', '-')}.mp4")
                shutil.copyfile(reference, given.keep / f"{name.replace(' ', '-')}-xfade.mp4")
        figures["memory_megabytes"] = memory_by_clips(bench, (8, 16, 32, 64))
        print(json.dumps(figures["memory_megabytes"]))
        peaks = [max(row.values()) for row in figures["memory_megabytes"].values()]
        good &= max(peaks) <= 400 and max(peaks) - min(peaks) <= 40
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")
    print("all within their limits" if good else "NOT WITHIN THE LIMITS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
