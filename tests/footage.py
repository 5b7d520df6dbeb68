"""Self-made footage for tests: textured, smoothly moving clips whose frames carry their own number."""

from __future__ import annotations

import math
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

BITS = 10
Picture = np.ndarray
Edit = Callable[[int, Picture], Picture]


def paint_texture(seed: int, width: int, height: int) -> Picture:
    """Something like a landscape out of focus with fine grain in it: luma as float."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for size, weight in ((8, 38), (24, 26), (80, 16), (240, 9)):
        noise = rng.standard_normal((size, size * 3 // 2)).astype(np.float32)
        total += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(118 + total, 22, 232)


def draw_luma(seed: int, number: int, width: int, height: int, speed: float) -> Picture:
    """Frame `number` of a pan with a slow zoom."""
    texture = _texture(seed, width * 2, height * 2)
    zoom = 1 + 0.0015 * number * speed
    x = width * 0.3 + speed * number * width / 320
    y = height * 0.4 + 0.3 * speed * number * height / 180 + 3 * math.sin(number / 25)
    matrix = np.array([[1 / zoom, 0, x], [0, 1 / zoom, y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(texture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def film_clip(
    path: Path,
    *,
    frames: int = 48,
    seed: int = 1,
    width: int = 320,
    height: int = 180,
    rate: str = "24",
    speed: float = 1.0,
    crf: int = 16,
    gop: int = 250,
    edit: Edit | None = None,
    numbered: bool = False,
    tagged: bool = True,
    sound: bool = False,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
) -> Path:
    fraction = Fraction(rate)
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "preset": "veryfast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=fraction, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.time_base, context.thread_count, context.gop_size = 1 / fraction, 1, gop
        if tagged:
            context.color_primaries = context.color_trc = context.colorspace = 1
            context.color_range = 1
        track = container.add_stream("aac", rate=48000, layout="stereo") if sound else None
        for number in range(frames):
            luma = draw_luma(seed, number, width, height, speed)
            luma = edit(number, luma) if edit else luma
            frame = paint_frame(luma, seed, number if numbered else None)
            if pixel_format != "yuv420p":
                frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = number, 1 / fraction
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            for packet in _encode_tone(track, round(frames / fraction * 48000)):
                container.mux(packet)
    return path


def paint_frame(luma: Picture, seed: int, number: int | None) -> av.VideoFrame:
    height, width = luma.shape
    y = np.clip(np.round(luma), 16, 235).astype(np.uint8)
    if number is not None:
        for bit in range(BITS):
            left, right = (round(i * width / 20) for i in (bit, bit + 1))
            y[: height // 11, left:right] = 220 if number >> bit & 1 else 30
    half = (height + 1) // 2, (width + 1) // 2
    small = cv2.resize(luma, half[::-1], interpolation=cv2.INTER_AREA) - 118
    u = np.clip(128 + small * (0.12 + 0.04 * (seed % 5)), 40, 210).astype(np.uint8)
    v = np.clip(128 - small * (0.20 - 0.03 * (seed % 4)), 40, 210).astype(np.uint8)
    frame = av.VideoFrame(width, height, "yuv420p")
    for index, plane in enumerate((y, u, v)):
        target = frame.planes[index]
        rows = np.frombuffer(memoryview(target), np.uint8).reshape(-1, target.line_size)
        rows[: plane.shape[0], : plane.shape[1]] = plane
    return frame


def read_number(luma: Picture) -> int:
    """The number painted into a frame, at whatever size it is now."""
    height, width = luma.shape
    row = height // 22
    return sum(1 << bit for bit in range(BITS) if luma[row, round((bit + 0.5) * width / 20)] > 125)


def decode_luma(path: Path) -> list[Picture]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        return [f.to_ndarray()[: f.height, : f.width].copy() for f in container.decode(video=0)]


def write_sound(path: Path, samples: int, *, level: float = 0.2, rate: int = 48000, hertz: float = 330) -> Path:
    """Stereo, 16 bits: a tone that swells, different on both sides."""
    clock = np.arange(samples) / rate
    swell = level * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * clock))
    sides = [swell * np.sin(2 * np.pi * h * clock) for h in (hertz, hertz * 1.5)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.stack(sides, 1) * 32767).astype("<i2").tobytes())
    return path


def _encode_tone(track: av.AudioStream, samples: int) -> list[av.Packet]:
    clock = np.arange(samples) / 48000
    wave_form = (0.2 * np.sin(2 * np.pi * 440 * clock)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave_form, wave_form]), format="fltp", layout="stereo")
    frame.sample_rate = 48000
    return [*track.encode(frame), *track.encode(None)]


_TEXTURES: dict[tuple[int, int, int], Picture] = {}


def _texture(seed: int, width: int, height: int) -> Picture:
    key = (seed, width, height)
    if key not in _TEXTURES:
        _TEXTURES[key] = paint_texture(seed, width, height)
    return _TEXTURES[key]
