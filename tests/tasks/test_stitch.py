"""Films put together from sections: exact frames, copied ones untouched, rendered ones shared, any decoder content."""

from __future__ import annotations

import asyncio
import os
import queue
import shutil
import subprocess
import threading
import wave
from collections import Counter
from contextlib import suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from footage import decode_luma, film_clip, read_number
from PIL import Image
from stitching import Room, small_profile

from infra.errors import MediaError
from infra.media import encode
from infra.media.ffmpeg import run_ffmpeg
from infra.media.probe import probe_video
from infra.media.steps import run_step_process
from manifests.sections import Fade, Span
from tasks.stitch import Clip, Overlay

WORDS = Span(20, 30)
DISSOLVE = Fade("dissolve", 90, 10)
SPANS = (Span(0, 100), Span(90, 97))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """Remembers the steps of all tests here: most want the same two shots."""
    return Room(tmp_path_factory.mktemp("shelf"), small_profile(crf=8))


@pytest.fixture
def room(shelf: Room) -> Room:
    shelf.forget_counts()
    return shelf


@pytest.fixture(scope="module")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("takes")


def take(folder: Path, seed: int, frames: int = 110, ending: str = "mp4", **how: object) -> Path:
    path = folder / f"take-{seed}-{frames}.{ending}"
    return path if path.exists() else film_clip(path, frames=frames, seed=seed, crf=8, **({"numbered": True} | how))


def words(room: Room, folder: Path, *, grey: int = 235, frames: int = 30, alpha: int = 255) -> Overlay:
    rgba = np.full((40, 60, 4), (grey, grey, grey, alpha), np.uint8)
    picture, path = folder / f"words-{grey}.png", folder / f"words-{grey}-{frames}.mov"
    Image.fromarray(rgba).save(picture)
    source = ["-loop", "1", "-framerate", "24", "-i", str(picture), "-frames:v", str(frames)]
    run_ffmpeg([*source, "-c:v", "qtrle", "-pix_fmt", "argb", str(path)])
    return Overlay(room.keep(path), 100, 70, WORDS.start, frames)


async def two_shots(room: Room, takes: Path, kind: str = "dissolve") -> tuple[list[Clip], list[Fade]]:
    join = Fade(kind, DISSOLVE.at, DISSOLVE.frames)
    clips = [await room.conform(take(takes, n + 1), span, [join], [WORDS]) for n, span in enumerate(SPANS)]
    return clips, [join]


async def test_copied_frames_are_the_clips_own_and_every_frame_is_there(
    tmp_path: Path, takes: Path, room: Room
) -> None:
    clips, joins = await two_shots(room, takes)
    film = await room.stitch(clips, joins, [words(room, tmp_path)])
    assert room.asked_for == {"conform": 2, "section": 2, "stitch": 1}
    seen, one, two = (decode_luma(path) for path in (film, *(room.file(c.blob) for c in clips)))
    assert len(seen) == 187
    copied = {f: one[f] for f in (*range(20), *range(50, 90))} | {f: two[f - 90] for f in range(100, 187)}
    assert all((seen[frame] == luma).all() for frame, luma in copied.items()), "to the bit"
    assert [read_number(luma) for luma in seen] == [*range(95), *range(5, 97)]
    facts = probe_video(film)
    assert (facts.frames, facts.rate, facts.constant_rate, facts.start) == (187, 24, True, 0)
    assert (facts.seconds, facts.index_first, facts.plain_edits) == (Fraction(187, 24), True, True)
    assert (facts.profile, facts.matrix, facts.primaries, facts.sample_aspect) == ("High", "bt709", "bt709", 1)
    assert facts.keyframes == (0, 20, 50, 90, 100, 148)
    assert all(box in film.read_bytes() for box in (b"avcC", b"pasp", b"colr")), "as in the clips"
    assert run_ffmpeg(["-v", "warning", "-i", str(film), "-f", "null", "-"]) == ""


async def test_times_rise_by_one_frame_from_packet_to_packet(tmp_path: Path, takes: Path, room: Room) -> None:
    clips, joins = await two_shots(room, takes)
    film = await room.stitch(clips, joins)
    with av.open(str(film)) as container:
        packets = [p for p in container.demux(video=0) if p.dts is not None]
    assert {later.dts - earlier.dts for earlier, later in pairwise(packets)} == {512}
    assert sorted(p.pts for p in packets) == list(range(0, 187 * 512, 512))
    assert all(p.dts <= p.pts for p in packets)


@pytest.mark.parametrize("kind", ["dissolve", "dip", "wipe"])
async def test_a_seam_is_blended_from_the_two_clips(tmp_path: Path, takes: Path, room: Room, kind: str) -> None:
    clips, joins = await two_shots(room, takes, kind)
    seen, one, two = (decode_luma(p) for p in (await room.stitch(clips, joins), *(room.file(c.blob) for c in clips)))
    n = DISSOLVE.frames
    for i in range(n):
        a, b = one[90 + i].astype(float), two[i].astype(float)
        share = (i + 1) / (n + 1)
        out, into = max(0.0, 1 - 2 * share), max(0.0, 2 * share - 1)
        of_later = np.clip(((160 + 10) * (i + 1) // (n + 1) * 2 - np.arange(320)) / 20, 0, 1)
        wanted = {
            "dissolve": a * (1 - share) + b * share,
            "dip": a * out + b * into + 16 * (1 - out - into),
            "wipe": a * (1 - of_later) + b * of_later,
        }[kind]
        assert np.abs(seen[90 + i] - wanted).mean() < 1.5, f"frame {i} of the {kind}"


async def test_words_lie_where_and_when_they_should(tmp_path: Path, takes: Path, room: Room) -> None:
    clips, joins = await two_shots(room, takes)
    seen, one = (
        decode_luma(p) for p in (await room.stitch(clips, joins, [words(room, tmp_path)]), room.file(clips[0].blob))
    )
    for frame in range(10, 60):
        box = seen[frame][70:110, 100:160].astype(float)
        if frame in range(20, 50):
            assert np.abs(box - (16 + 235 * 219 / 255)).mean() < 2
        else:
            assert (box == one[frame][70:110, 100:160]).all()


async def test_films_that_show_the_same_frames_share_them(tmp_path: Path, takes: Path, room: Room) -> None:
    """Another price, another shot before: only what shows it is encoded again."""
    clips, joins = await two_shots(room, takes)
    first = await room.stitch(clips, joins, [words(room, tmp_path)])
    room.forget_counts()
    again = await room.stitch(clips, joins, [words(room, tmp_path)])
    assert (room.made, again) == ({}, first)
    other = await room.stitch(clips, joins, [words(room, tmp_path, grey=120)])
    assert room.made == {"section": 1, "stitch": 1}, "the words, not the dissolve"
    assert other != first
    room.forget_counts()
    opening = await room.conform(take(takes, 3), Span(0, 50))
    later = [Clip(c.blob, c.start + 50, c.frames, c.idr, c.headers) for c in clips]
    label = words(room, tmp_path)
    moved = Overlay(label.blob, label.x, label.y, label.start + 50, label.frames)
    film = await room.stitch([opening, *later], [Fade("dissolve", 140, 10)], [moved])
    assert room.made == {"conform": 1, "stitch": 1}, "nothing of a section's place is in its key"
    assert [read_number(luma) for luma in decode_luma(film)] == [*range(50), *range(95), *range(5, 97)]


async def test_sections_are_counted_once_and_alike_in_a_film_that_is_there(
    tmp_path: Path, takes: Path, room: Room
) -> None:
    clips, joins = await two_shots(room, takes)
    label = words(room, tmp_path)
    room.take_notes()
    await room.stitch(clips, joins, [label])
    shown = room.take_notes()
    assert Counter(shown.values()) == {"conform": 2, "section": 2}, "copied in four stretches"
    assert {clip.key for clip in clips} < set(shown)
    room.forget_counts()
    room.note_sections(clips, joins, [label])
    assert (room.take_notes(), room.asked_for) == (shown, {})
    covered = Overlay(label.blob, label.x, label.y, 0, 100)  # nothing of the first shot is seen without it
    room.note_sections(clips, joins, [covered])
    assert Counter(room.take_notes().values())["conform"] == 1


async def test_a_film_of_kept_rate_is_one_section(tmp_path: Path, takes: Path) -> None:
    room = Room(tmp_path, small_profile(bitrate_kbps=800, crf=None))
    clips, joins = await two_shots(room, takes)
    await room.stitch(clips, joins)
    shown = room.take_notes()
    assert list(shown.values()) == ["render"]
    room.note_sections(clips, joins, [])
    assert room.take_notes() == shown


async def test_the_same_bytes_again_and_on_any_number_of_cores(tmp_path: Path, takes: Path) -> None:
    films = set()
    cores = sorted(os.sched_getaffinity(0))
    try:
        for number, allowed in enumerate(({cores[0]}, set(cores))):
            os.sched_setaffinity(0, allowed)
            (tmp_path / str(number)).mkdir()
            room = Room(tmp_path / str(number), small_profile(crf=8))
            clips, joins = await two_shots(room, takes)
            films.add((await room.stitch(clips, joins, [words(room, tmp_path)])).read_bytes())
    finally:
        os.sched_setaffinity(0, set(cores))
    assert len(films) == 1


@pytest.mark.parametrize(("preset", "size"), [("medium", (320, 180)), ("ultrafast", (322, 182)), ("fast", (1366, 768))])
async def test_other_settings_fit_together_too(tmp_path: Path, takes: Path, preset: str, size: tuple[int, int]) -> None:
    room = Room(tmp_path, small_profile(*size, preset=preset))
    join = Fade("dissolve", 12, 4)
    spans = (Span(0, 16), Span(12, 20))
    clips = [await room.conform(take(takes, n + 1, 24), span, [join]) for n, span in enumerate(spans)]
    film = await room.stitch(clips, [join])
    assert room.made["render"] == 0
    assert [read_number(luma) for luma in decode_luma(film)][16:] == list(range(4, 20))
    assert run_ffmpeg(["-v", "warning", "-i", str(film), "-f", "null", "-"]) == ""


# --- where packets cannot be joined ---


@pytest.mark.parametrize("video", [{"crf": None, "bitrate_kbps": 800, "maximum_kbps": 900}, {"maximum_kbps": 2000}])
async def test_a_rate_over_the_whole_film_is_rendered_whole(tmp_path: Path, takes: Path, video: dict[str, int]) -> None:
    room = Room(tmp_path, small_profile(**video))
    clips, joins = await two_shots(room, takes)
    assert [clip.idr for clip in clips] == [(), ()]
    film = await room.stitch(clips, joins, [words(room, tmp_path)])
    assert room.made == {"conform": 2, "render": 1}
    assert [read_number(luma) for luma in decode_luma(film)] == [*range(95), *range(5, 97)]


async def test_clips_of_another_encoder_are_rendered_whole(tmp_path: Path, takes: Path, room: Room) -> None:
    clips, joins = await two_shots(room, takes)
    foreign = Room(tmp_path / "foreign", small_profile(crf=8, preset="slow"))
    other = await foreign.conform(take(takes, 2), SPANS[1], joins, [WORDS])
    assert other.headers != clips[0].headers
    await room.stitch([clips[0], Clip(room.keep(foreign.file(other.blob)), 90, 97, other.idr, other.headers)], joins)
    assert (room.asked_for["render"], room.asked_for["section"]) == (1, 0)
    both = [Clip(c.blob, c.start, c.frames, c.idr, "another build") for c in clips]
    film = await room.stitch(both, joins)
    assert (room.asked_for["render"], room.asked_for["section"], room.asked_for["stitch"]) == (2, 1, 0)
    assert probe_video(film).frames == 187


# --- what comes in ---


async def test_eight_mixed_clips_keep_every_frame_and_the_sound_in_step(tmp_path: Path, takes: Path) -> None:
    """A click in the sound at every cut, found again within 3 ms of the cut's frame."""
    kinds = [
        {"width": 640, "height": 384},  # 5:3, as 1280×768
        {"rate": "30"}, {"rate": "24000/1001"}, {"sound": True},
        {"width": 321, "height": 181, "codec": "ffv1", "ending": "mkv"},
        {"rate": "25", "sound": True}, {"width": 180, "height": 320}, {"tagged": False},
    ]  # fmt: skip
    room = Room(tmp_path, small_profile())
    clips, start = [], 0
    for number, kind in enumerate(kinds):
        frames = 25 + 3 * number
        source = take(takes, number + 1, frames + 4, **kind)
        clips.append(await room.conform(source, Span(start, frames), in_frame=2))
        start += frames
    film = await room.stitch(clips)
    assert room.made == {"conform": 8, "stitch": 1}
    facts = probe_video(film)
    assert (facts.frames, facts.rate, facts.seconds, facts.start) == (start, 24, Fraction(start, 24), 0)
    lumas = decode_luma(film)
    for clip in clips:
        own = decode_luma(room.file(clip.blob))
        assert all((a == b).all() for a, b in zip(own, lumas[clip.start :], strict=False))
    assert [read_number(luma) for luma in lumas[25:53]] == list(range(2, 30)), "the one of 30 a second"
    cuts = [clip.start for clip in clips[1:]]
    assert_clicks_at_cuts(tmp_path, film, cuts, start)


def assert_clicks_at_cuts(folder: Path, picture: Path, cuts: list[int], frames: int) -> None:
    samples = np.zeros((frames * 2000, 2), "<i2")
    for cut in cuts:
        samples[cut * 2000 : cut * 2000 + 24] = 24000
    with wave.open(str(folder / "mix.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(samples.tobytes())
    audio = {"codec": "aac", "bitrate_kbps": 320}
    wanted = {"audio": audio, "frames": frames, "rate": "24", "samples": frames * 2000}
    encode.run(encode.Params.model_validate(wanted), {"picture": picture, "mix": folder / "mix.wav"}, folder)
    run_ffmpeg(["-i", str(folder / "film.mp4"), "-map", "0:a", str(folder / "heard.wav")])
    with wave.open(str(folder / "heard.wav"), "rb") as file:
        heard = np.frombuffer(file.readframes(-1), "<i2").reshape(-1, 2)[:, 0].astype(float)
    with av.open(str(folder / "film.mp4")) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    for cut in cuts:
        around = slice(cut * 2000 - 900, cut * 2000 + 900)
        click = (around.start + int(np.abs(heard[around]).argmax())) / 48000
        assert abs(click - shown[cut]) <= 0.003, f"frame {cut}"


async def test_a_clip_that_is_not_what_was_told_is_named(tmp_path: Path, takes: Path, room: Room) -> None:
    clips, joins = await two_shots(room, takes)
    short = Clip(clips[0].blob, 0, 120, clips[0].idr, clips[0].headers)
    with pytest.raises(MediaError, match="no closed run of the frames 0 to 119: 100 packets"):
        await room.stitch([short])
    wrong = Clip(clips[0].blob, 0, 60, clips[0].idr, clips[0].headers)
    with pytest.raises(MediaError, match="no closed run of the frames 0 to 59"):
        await room.stitch([wrong])
    cut_off = tmp_path / "cut-off.mp4"
    whole = room.file(clips[1].blob).read_bytes()
    cut_off.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(MediaError):
        await room.stitch([clips[0], Clip(room.keep(cut_off), 90, 97, clips[1].idr, clips[1].headers)], joins)


# --- size and players ---


def peak(room: Room, folder: Path, clip: Clip, count: int) -> int:
    """Memory of the step that joins `count` clips, in a process of its own."""
    out = folder / f"join-{count}"
    out.mkdir()
    parts = [{"input": f"part{n}", "first": 0, "frames": clip.frames} for n in range(count)]
    params = {"rate": "24", "frames": clip.frames * count, "parts": parts}
    inputs = {f"part{n}": room.file(clip.blob) for n in range(count)}
    outcome = asyncio.run(run_step_process("stitch", params, inputs, out))
    assert outcome.facts["frames"] == clip.frames * count
    return outcome.peak_bytes


def test_memory_does_not_grow_with_the_number_of_clips(tmp_path: Path, takes: Path, room: Room) -> None:
    clip = asyncio.run(room.conform(take(takes, 1, 240), Span(0, 240)))
    few, many = (peak(room, tmp_path, clip, count) for count in (8, 64))
    assert many < few + 12_000_000
    assert many < 400_000_000


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGE = """<video id=v muted src="film.mp4"></video><script>
const v = document.getElementById("v"), say = words => fetch("told", {method: "POST", body: words});
v.onerror = () => say("error " + v.error.code + " " + v.error.message);
v.onended = () => say("ended " + v.currentTime + " " + v.getVideoPlaybackQuality().corruptedVideoFrames);
v.play().catch(error => say("refused " + error));
</script>"""


class _Cinema(BaseHTTPRequestHandler):
    """Shows one film on one page, and hears what the page says of it."""

    film: Path
    told: queue.Queue[str]

    def do_GET(self) -> None:
        body = self.film.read_bytes() if self.path == "/film.mp4" else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4" if self.path == "/film.mp4" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.told.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_chromium_plays_it_to_the_end(tmp_path: Path, takes: Path, room: Room) -> None:
    async def film() -> Path:
        clips, joins = await two_shots(room, takes)
        return await room.stitch(clips, joins, [words(room, tmp_path)])

    _Cinema.film, _Cinema.told = asyncio.run(film()), queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Cinema) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--autoplay-policy=no-user-gesture-required", f"http://127.0.0.1:{server.server_port}/",
        ]  # fmt: skip
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            how, seconds, corrupted = _Cinema.told.get(timeout=90).split()
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    assert how == "ended"
    assert abs(float(seconds) - 187 / 24) < 0.01
    assert corrupted == "0"
