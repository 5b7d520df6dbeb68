"""Sound files to numpy and back: any file PyAV opens in, 48 kHz WAV out.

Files we write hold no time, no name of a program and no padding that could change from run to run.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from infra.errors import MediaError

RATE = 48_000
Samples = npt.NDArray[np.float64]  # (samples, channels), full scale is ±1


def read_pcm(path: Path, *, channels: int, tempo: str = "1") -> Samples:
    """The whole file at 48 kHz with that many channels (1 or 2). `tempo` is atempo's factor, as decimal text."""
    try:
        blocks = _decode(path, tempo)
    except (FFmpegError, OSError, IndexError) as error:
        raise MediaError(
            f"{path.name} cannot be read as sound: {error}", remedy="give a WAV, MP3 or FLAC file that plays"
        ) from error
    if not blocks:
        raise MediaError(f"{path.name} holds no sound", remedy="give a WAV, MP3 or FLAC file that plays")
    sound: Samples = np.concatenate(blocks, axis=1).T.astype(np.float64)
    if not np.isfinite(sound).all():
        raise MediaError(f"{path.name} holds samples that are not numbers", remedy="export it again as 24-bit WAV")
    # Mapped here and not by the resampler: its mono to stereo takes 3 dB off.
    if channels == 1:
        mono: Samples = sound.mean(axis=1, keepdims=True)
        return mono
    return np.repeat(sound, 2, axis=1) if sound.shape[1] == 1 else sound


def _decode(path: Path, tempo: str) -> list[npt.NDArray[np.float32]]:
    blocks: list[npt.NDArray[np.float32]] = []
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        stream = container.streams.audio[0]
        layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=RATE)
        graph = _tempo_graph(layout, tempo) if float(tempo) != 1 else None
        for frame in container.decode(stream):
            frame.pts = None  # a resampler would fill or drop samples to follow wrong stamps
            for block in resampler.resample(frame):
                blocks.extend(_through(graph, block))
        for block in resampler.resample(None):
            blocks.extend(_through(graph, block))
        if graph is not None:
            blocks.extend(_through(graph, None))
    return blocks


def _tempo_graph(layout: str, tempo: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE, format="fltp", layout=layout)
    stretch = graph.add("atempo", tempo)
    planes = graph.add("aformat", "sample_fmts=fltp")  # atempo interleaves the channels
    sink = graph.add("abuffersink")
    source.link_to(stretch)
    stretch.link_to(planes)
    planes.link_to(sink)
    graph.configure()
    return graph


def _through(graph: av.filter.Graph | None, block: av.AudioFrame | None) -> list[npt.NDArray[np.float32]]:
    if graph is None:
        return [] if block is None else [block.to_ndarray().astype(np.float32)]
    if block is not None:
        block.pts = None
    graph.push(block)
    out: list[npt.NDArray[np.float32]] = []
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return out
        if isinstance(frame, av.AudioFrame):
            out.append(frame.to_ndarray().astype(np.float32))


def write_wav(path: Path, sound: Samples, *, sample: Literal["pcm24", "float32"] = "pcm24") -> None:
    """A plain RIFF file. Stems are float: a stem may pass full scale where the mix, limited, does not."""
    frames, channels = sound.shape
    if sample == "float32":
        code, width, data = 3, 4, sound.astype("<f4").tobytes()
    else:
        whole = np.clip(np.rint(sound * 8_388_607.0), -8_388_608, 8_388_607).astype("<i4")
        code, width = 1, 3
        data = whole.reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    form = struct.pack("<HHIIHH", code, channels, RATE, RATE * channels * width, channels * width, width * 8)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    if code == 3:
        chunks += b"fact" + struct.pack("<II", 4, frames)
    chunks += b"data" + struct.pack("<I", len(data)) + data + (b"\0" if len(data) % 2 else b"")
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
